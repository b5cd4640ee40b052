// The math prelude against libm, published vectors and plain loops: compiled by each compiler at
// each instruction set that can be had, loaded, and run over arrays.
//
// WENGERT_SWEEP_STRIDE=1 tries every float32 and more float64 samples (an hour);
// WENGERT_SWEEP_PRINT=1 prints the largest errors, which are the figures in the comments of
// prelude_texts.hpp.
#include "wengert/compile/prelude.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numbers>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/errors.hpp"
#include "wengert/array/error.hpp"

namespace wengert::compile {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---- The prelude, compiled

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const PreludeFunction& function : prelude()) names.emplace_back(function.name);
  return names;
}

/// `void run_wg_exp_f32(const float* x, float* y, int64_t n)` and its like for every function of
/// elements.
std::string loops() {
  std::ostringstream text;
  const auto loop = [&](const std::string& name, const std::string& result, const std::string& type, int arguments) {
    text << "void run_" << name << "(";
    for (int k = 0; k < arguments; ++k) text << "const " << type << "* restrict x" << k << ", ";
    text << result << "* restrict y, int64_t n) {\n  for (int64_t i = 0; i < n; ++i) y[i] = " << name << "(";
    for (int k = 0; k < arguments; ++k) text << (k ? ", x" : "x") << k << "[i]";
    text << ");\n}\n";
  };
  for (const auto& [suffix, type] : {std::pair{"_f32", "float"}, std::pair{"_f64", "double"}}) {
    for (const char* name : {"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "erf", "erfc", "erfinv",
                             "normal_cdf", "sqrt", "rsqrt", "sign", "round", "floor"})
      loop("wg_" + std::string(name) + suffix, type, type, 1);
    for (const char* name : {"pow", "max", "min", "mod", "floordiv"})
      loop("wg_" + std::string(name) + suffix, type, type, 2);
    loop("wg_fma" + std::string(suffix), type, type, 3);
  }
  for (const auto& [suffix, type] : {std::pair{"_i32", "int32_t"}, std::pair{"_i64", "int64_t"}})
    for (const char* name : {"floordiv", "mod", "pow"}) loop("wg_" + std::string(name) + suffix, type, type, 2);
  loop("wg_uniform_f32", "float", "uint32_t", 1);
  loop("wg_normal_f32", "float", "uint32_t", 1);
  loop("wg_uniform_f64", "double", "uint32_t", 2);
  loop("wg_normal_f64", "double", "uint32_t", 2);
  text << R"c(
void run_wg_random_bits(uint32_t key0, uint32_t key1, uint64_t first, uint32_t* restrict y,
                        int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = wg_random_bits(key0, key1, first + (uint64_t)i);
}
void run_wg_philox_block(uint32_t key0, uint32_t key1, uint64_t first, uint32_t* restrict y,
                         int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    wg_philox_words words = wg_philox_block(key0, key1, first + (uint64_t)i);
    y[4 * i] = words.w0;
    y[4 * i + 1] = words.w1;
    y[4 * i + 2] = words.w2;
    y[4 * i + 3] = words.w3;
  }
}
void run_wg_permute(uint32_t key0, uint32_t key1, uint64_t* restrict y, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) y[i] = wg_permute(key0, key1, i, n);
}
uint64_t element_wg_permute(uint32_t key0, uint32_t key1, uint64_t i, uint64_t n) {
  return wg_permute(key0, key1, i, n);
}
int64_t element_wg_index(int64_t i, int64_t length, int64_t count, int64_t* failed) {
  return wg_index(i, length, count, failed);
}
uint32_t round_wg_philox(const uint32_t* counter, const uint32_t* key, uint32_t* result) {
  wg_philox_words words = {counter[0], counter[1], counter[2], counter[3]};
  for (uint32_t k = 0; k < 10; ++k)
    words = wg_philox_round(words, key[0] + k * 0x9e3779b9u, key[1] + k * 0xbb67ae85u);
  result[0] = words.w0;
  result[1] = words.w1;
  result[2] = words.w2;
  result[3] = words.w3;
  return wg_philox(key[0], key[1], (uint64_t)counter[1] << 32 | counter[0], 3u);
}
)c";
  return text.str();
}

/// One compiler at one instruction set.
struct Build {
  std::string name;      // "clang-19 x86-64-v4"
  std::string assembly;  // what it made of the prelude and the loops
  std::string errors;    // what it said, if it failed
  void* library = nullptr;
  std::string vectors;  // the register name of the widest vectors, or nothing

  template <class F>
  F* find(const std::string& symbol) const {
    void* address = dlsym(library, symbol.c_str());
    if (address == nullptr) throw std::runtime_error(symbol + " is not in " + name);
    return reinterpret_cast<F*>(address);
  }
};

struct Level {
  std::string name, options, vectors;
  bool runs;
};

std::vector<Level> levels() {
#if defined(__x86_64__)
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return {{"x86-64", "-march=x86-64", "", true},
          {"x86-64-v3", "-march=x86-64-v3", "ymm", v3},
          {"x86-64-v4", "-march=x86-64-v4 -mprefer-vector-width=512", "zmm", v4}};
#else
  return {{"baseline", "", "", true}};
#endif
}

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

int shell(const std::string& command) { return std::system(command.c_str()); }

/// Every compiler of {gcc, clang-19} that this machine has, at every level; the libraries that it
/// can run are loaded.
std::vector<Build> compile_all() {
  std::string pattern = (std::filesystem::temp_directory_path() / "wengert-prelude-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  std::ofstream(folder / "prelude.c") << "#include <stdint.h>\n" << prelude_text(all_names()) << loops();
  std::vector<Build> builds;
  for (const auto& [compiler, optimize] : {std::pair{"gcc", "-O3"}, std::pair{"clang-19", "-O2"}}) {
    if (shell("command -v " + std::string(compiler) + " > /dev/null 2>&1") != 0) continue;
    for (const Level& level : levels()) {
      Build build{compiler + (" " + level.name), {}, {}, nullptr, level.vectors};
      const std::string in = "cd " + folder.string() + " && " + compiler;
      const std::string library = "prelude" + std::to_string(builds.size()) + ".so";  // dlopen knows them by name
      if (shell(in + " -std=c11 " + optimize + " " + level.options +
                " -fPIC -ffp-contract=off -fno-math-errno -fno-trapping-math -fwrapv"
                " -Wall -Wextra -Werror -S prelude.c -o prelude.s 2> errors.txt") != 0 ||
          shell(in + " -shared prelude.s -o " + library + " 2> errors.txt") != 0) {
        build.errors = read(folder / "errors.txt");
      } else {
        build.assembly = read(folder / "prelude.s");
        if (level.runs) build.library = dlopen((folder / library).c_str(), RTLD_NOW | RTLD_LOCAL);
      }
      builds.push_back(std::move(build));
    }
  }
  std::filesystem::remove_all(folder);
  return builds;
}

const std::vector<Build>& builds() {
  static const std::vector<Build> made = compile_all();
  return made;
}

/// Those that this machine can run.
std::vector<const Build*> running() {
  std::vector<const Build*> found;
  for (const Build& build : builds())
    if (build.library != nullptr) found.push_back(&build);
  if (found.empty()) throw std::runtime_error("the prelude does not compile");
  return found;
}

TEST(Prelude, CompilesWithoutWarnings) {
  ASSERT_FALSE(builds().empty()) << "neither gcc nor clang-19 is on the path";
  for (const Build& build : builds()) EXPECT_EQ(build.errors, "") << build.name;
}

TEST(Prelude, NamesNeedsAndOrder) {
  std::vector<std::string_view> earlier;
  for (const PreludeFunction& function : prelude()) {
    EXPECT_EQ(std::count(earlier.begin(), earlier.end(), function.name), 0) << function.name;
    for (std::string_view need : function.needs)
      EXPECT_EQ(std::count(earlier.begin(), earlier.end(), need), 1) << function.name << " needs " << need;
    EXPECT_NE(function.text.find(" " + std::string(function.name) + "("), std::string_view::npos);
    earlier.push_back(function.name);
  }
  EXPECT_EQ(prelude_function("wg_sin_f32").needs, std::vector<std::string_view>{"wg_sine_f32"});
  const std::vector<std::string> two{"wg_tanh_f32", "wg_exp_f32"}, swapped{"wg_exp_f32", "wg_tanh_f32", "wg_exp_f32"};
  EXPECT_EQ(prelude_text(two), prelude_text(swapped));
  EXPECT_EQ(prelude_text(two).find("wg_log"), std::string::npos);
  EXPECT_NE(prelude_text(two).find("wg_from_bits_f32(uint32_t"), std::string::npos);
  const Error error = test::thrown_by([] { prelude_function("wg_exp"); });
  EXPECT_EQ(error.kind(), ErrorKind::internal);
  EXPECT_STREQ(error.what(), "prelude: got the name wg_exp: wanted a function of the prelude");
}

/// The instructions of one function in an assembly text.
std::string body_of(const std::string& assembly, const std::string& symbol) {
  const std::size_t begin = assembly.find("\n" + symbol + ":");
  return begin == assembly.npos ? "" : assembly.substr(begin, assembly.find("\t.size\t" + symbol, begin) - begin);
}

TEST(Prelude, LoopsAreVectorizedAndCallNothing) {
  std::istringstream source(loops());
  int checked = 0;
  for (std::string line; std::getline(source, line);) {
    if (line.rfind("void run_", 0) != 0) continue;
    const std::string symbol = line.substr(5, line.find('(') - 5);
    // Division with a remainder, integer powers and cycle walking have no vector form.
    const bool scalar = std::regex_search(symbol, std::regex("_i(32|64)|floordiv|mod|permute"));
    for (const Build& build : builds()) {
      const std::string body = body_of(build.assembly, symbol);
      ASSERT_NE(body, "") << symbol << " " << build.name;
      EXPECT_EQ(body.find("call"), body.npos) << symbol << " " << build.name;
      EXPECT_TRUE(scalar || body.find(build.vectors) != body.npos) << symbol << " " << build.name;
      ++checked;
    }
  }
  EXPECT_GE(checked, 40);
}

// ---- Errors in units of the last place

/// |got - want| in units of the last place of T at want, where want is exact or nearly so. A wrong
/// kind (NaN, infinity, a zero of the wrong sign) counts as 1e9. Beyond the largest number the unit
/// is that of the last binade.
template <class T, class Wide>
double ulp_error(T got, Wide want) {
  constexpr double wrong = 1e9;
  constexpr int digits = std::numeric_limits<T>::digits, top = std::numeric_limits<T>::max_exponent;
  constexpr int bottom = std::numeric_limits<T>::min_exponent - digits;
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : wrong;
  if (std::isinf(want)) return got == static_cast<T>(want) ? 0 : wrong;
  if (want == 0 && got == 0) return std::signbit(want) == std::signbit(got) ? 0 : wrong;
  if (std::isinf(static_cast<T>(want)) && got == static_cast<T>(want)) return 0;
  const Wide value = std::isinf(got) ? std::copysign(std::ldexp(Wide{1}, top), Wide{got}) : Wide{got};
  const int exponent = want == 0 ? bottom : std::max(std::ilogb(want) + 1 - digits, bottom);
  return static_cast<double>(std::ldexp(std::fabs(value - want), -std::min(exponent, top - digits)));
}

/// The largest error seen, and where.
struct Worst {
  double error = 0;
  double at = 0, second = 0;
  void take(double e, double x, double y = 0) {
    if (e > error) error = e, at = x, second = y;
  }
};

void expect_within(const std::string& function, const Build& build, const Worst& worst, double bound) {
  ::testing::Test::RecordProperty(function + " on " + build.name, std::to_string(worst.error));
  if (std::getenv("WENGERT_SWEEP_PRINT") != nullptr)
    std::printf("  %-16s %-20s %.4f ULP at %a\n", function.c_str(), build.name.c_str(), worst.error, worst.at);
  EXPECT_LE(worst.error, bound) << function << "(" << worst.at << ", " << worst.second << ") on " << build.name;
}

template <class T>
using Unary = void(const T*, T*, int64_t);
template <class T>
using Binary = void(const T*, const T*, T*, int64_t);

/// The functions of one argument, the truth (in double for float32, in long double for float64) and
/// the bounds.
struct Case {
  const char* name;
  double (*in_double)(double);
  long double (*in_long_double)(long double);
  double bound_f32, bound_f64;
  double low, high;          // where half of the float64 samples lie
  double largest_f64 = inf;  // beyond this finite float64 arguments are not tested
};

template <class T>
T sigmoid(T x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
template <class T>
T reciprocal_sqrt(T x) {
  return 1 / std::sqrt(x);
}
template <class T>
T sign(T x) {
  return x > 0 ? 1 : x < 0 ? -1 : x;
}

const Case cases[] = {
    {"exp", std::exp, std::exp, 1.19, 1.2, -750, 715},
    {"expm1", std::expm1, std::expm1, 1.71, 2.2, -40, 715},
    {"log", std::log, std::log, 1.23, 1, 0, 10},
    {"log1p", std::log1p, std::log1p, 1.8, 1.4, -1, 3},
    {"tanh", std::tanh, std::tanh, 2.02, 2.6, -20, 20},
    {"sigmoid", sigmoid, sigmoid, 2.06, 2.1, -750, 50},
    {"sin", std::sin, std::sin, 0.86, 2.3, -10, 10, 0x1p48},
    {"cos", std::cos, std::cos, 0.86, 2.3, -10, 10, 0x1p48},
    {"erf", std::erf, std::erf, 1.64, 2.7, -6, 6},
    {"erfc", std::erfc, std::erfc, 0.57, 3.1, -6, 27},
    {"sqrt", std::sqrt, std::sqrt, 0.5, 0.501, 0, 10},
    {"rsqrt", reciprocal_sqrt, reciprocal_sqrt, 1.5, 1.5, 0, 10},
    {"sign", sign, sign, 0, 0, -1, 1},
    {"round", std::nearbyint, std::nearbyint, 0, 0, -9, 9},
    {"floor", std::floor, std::floor, 0, 0, -9, 9},
};

/// Runs a float32 function of one argument over bit patterns [begin, end) in steps of stride.
void sweep(const Case& test, uint64_t begin, uint64_t end, uint64_t stride, std::vector<Worst>& worst) {
  const std::vector<const Build*> on = running();
  std::vector<float> x, y;
  std::vector<double> truth;
  for (uint64_t first = begin; first < end; first += 4096 * stride) {
    x.clear();
    truth.clear();
    for (uint64_t bits = first; bits < std::min(end, first + 4096 * stride); bits += stride) {
      x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
      truth.push_back(test.in_double(x.back()));
    }
    y.resize(x.size());
    for (std::size_t b = 0; b < on.size(); ++b) {
      on[b]->find<Unary<float>>("run_wg_" + std::string(test.name) + "_f32")(x.data(), y.data(), std::ssize(x));
      for (std::size_t i = 0; i < x.size(); ++i) worst[b].take(ulp_error(y[i], truth[i]), x[i]);
    }
  }
}

/// The distance of the bit patterns that a sweep tries; a small one also means more samples
/// elsewhere.
uint64_t sweep_stride() {
  const char* setting = std::getenv("WENGERT_SWEEP_STRIDE");
  return setting != nullptr ? std::strtoull(setting, nullptr, 10) : 1021;
}

int sample_count(int usual) { return sweep_stride() < 10 ? 10 * usual : usual; }

TEST(Prelude, Float32OverTheWholeRange) {
  const uint64_t stride = sweep_stride();
  constexpr uint64_t middle = uint64_t{1} << 31, end = uint64_t{1} << 32;
  for (const Case& test : cases) {
    std::vector<Worst> positive(running().size()), negative(running().size());
    std::thread half([&] { sweep(test, 0, middle, stride, positive); });
    sweep(test, middle, end, stride, negative);
    half.join();
    for (std::size_t b = 0; b < positive.size(); ++b)
      expect_within(test.name + std::string("_f32"), *running()[b],
                    positive[b].error > negative[b].error ? positive[b] : negative[b], test.bound_f32);
  }
}

/// Arguments that a sweep may miss: ends, thresholds and their neighbours.
template <class T>
std::vector<T> special_arguments() {
  using limits = std::numeric_limits<T>;
  std::vector<T> at{0, limits::denorm_min(), limits::min(), limits::max(), limits::infinity(), 1, 2, 10, 27.2265};
  // clang-format off
  for (double x : {
        88.722839, 88.0296919, 87.3365447, 103.972084, 709.782712893384, 708.396418532264,
        745.13321910194, 9.0109, 19.0615, 3.9192, 5.8636, 10.05, 26.543, 0.5, 0.25, 0.55, 1e-8,
        1e-16, 0.346573590279972654, 0.6931471805599453, 0.7071067811865476, 1.4142135623730951,
        1.5707963267948966, 3.141592653589793, 6.283185307179586, 1e30, 1e300, 16.6355, 36.7368,
        18.0, 40.0})
    // clang-format on
    at.push_back(static_cast<T>(x));
  const std::size_t count = at.size();
  for (std::size_t i = 0; i < count; ++i) {
    T above = at[i], below = at[i];
    for (int k = 0; k < 40; ++k) {
      at.push_back(above = std::nextafter(above, limits::infinity()));
      at.push_back(below = std::nextafter(below, T{0}));
    }
  }
  for (std::size_t i = 0, n = at.size(); i < n; ++i) at.push_back(-at[i]);
  at.push_back(limits::quiet_NaN());
  at.push_back(-limits::quiet_NaN());
  return at;
}

TEST(Prelude, Float32AtSpecialArguments) {
  const std::vector<float> x = special_arguments<float>();
  std::vector<float> y(x.size());
  for (const Case& test : cases)
    for (const Build* build : running()) {
      Worst worst;
      build->find<Unary<float>>("run_wg_" + std::string(test.name) + "_f32")(x.data(), y.data(), std::ssize(x));
      for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error(y[i], test.in_double(x[i])), x[i]);
      expect_within(test.name + std::string("_f32"), *build, worst, test.bound_f32);
    }
}

/// Special arguments, all bit patterns, and the range of interest, at large and near 0.
std::vector<double> float64_samples(const Case& test) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> range(test.low, test.high);
  std::vector<double> x = special_arguments<double>();
  for (int i = 0; i < sample_count(200000); ++i) {
    x.push_back(range(random));
    x.push_back(std::bit_cast<double>(random()));
    x.push_back(std::ldexp(range(random), -static_cast<int>(random() % 40)));
  }
  std::erase_if(x, [&](double value) { return std::isfinite(value) && std::fabs(value) > test.largest_f64; });
  return x;
}

TEST(Prelude, Float64OnSamples) {
  for (const Case& test : cases) {
    const std::vector<double> x = float64_samples(test);
    std::vector<long double> truth;
    for (double value : x) truth.push_back(test.in_long_double(value));
    std::vector<double> y(x.size());
    for (const Build* build : running()) {
      Worst worst;
      build->find<Unary<double>>("run_wg_" + std::string(test.name) + "_f64")(x.data(), y.data(), std::ssize(x));
      for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error(y[i], truth[i]), x[i]);
      expect_within(test.name + std::string("_f64"), *build, worst, test.bound_f64);
    }
  }
}

/// Arguments of every size up to the bound, and those closest to zeros and extrema, where the most bits cancel.
TEST(Prelude, LargeFloat64Sines) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<long double> exponent(3, 48);
  std::vector<double> x;
  for (int i = 0; i < sample_count(200000); ++i) {
    const long double size = std::exp2(exponent(random));
    x.push_back(static_cast<double>(i % 2 ? size : -size));
    const double close = static_cast<double>(std::round(size * std::numbers::inv_pi_v<long double> * 2) *
                                             (std::numbers::pi_v<long double> / 2));
    if (close < 0x1p48) x.insert(x.end(), {close, std::nextafter(close, 0), -close});
  }
  // 6381956970095103 * 2^-k: among all doubles below 2^100 the closest to multiples of pi / 2 (J.-M. Muller, 1997).
  for (int k : {5, 6, 7, 8, 20, 30}) x.push_back(std::ldexp(6381956970095103.0, -k));
  std::vector<double> y(x.size());
  for (const Build* build : running())
    for (const Case& test : cases) {
      if (test.largest_f64 == inf) continue;
      Worst worst;
      build->find<Unary<double>>("run_wg_" + std::string(test.name) + "_f64")(x.data(), y.data(), std::ssize(x));
      for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error(y[i], test.in_long_double(x[i])), x[i]);
      expect_within(test.name + std::string("_f64"), *build, worst, test.bound_f64);
    }
}

TEST(Prelude, HugeSinesStayBounded) {
  std::vector<double> x{0x1p48, 1e15, 1e16, 1e17, 1e22, 1e100, std::numeric_limits<double>::max()};
  std::vector<double> y(x.size());
  for (const Build* build : running())
    for (const char* name : {"run_wg_sin_f64", "run_wg_cos_f64"}) {
      build->find<Unary<double>>(name)(x.data(), y.data(), std::ssize(x));
      for (double value : y) EXPECT_LE(std::fabs(value), 1) << name << " on " << build->name;
    }
}

TEST(Prelude, EndsAndSymmetry) {
  std::vector<float> x, y, z;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 9973) x.push_back(std::bit_cast<float>(bits));
  x.push_back(std::numeric_limits<float>::infinity());
  std::vector<float> negative = x;
  for (float& value : negative) value = -value;
  y.resize(x.size());
  z.resize(x.size());
  for (const Build* build : running()) {
    for (const char* name : {"run_wg_tanh_f32", "run_wg_erf_f32", "run_wg_sin_f32", "run_wg_sigmoid_f32"}) {
      build->find<Unary<float>>(name)(x.data(), y.data(), std::ssize(x));
      build->find<Unary<float>>(name)(negative.data(), z.data(), std::ssize(x));
      const bool odd = std::string(name) != "run_wg_sigmoid_f32", saturates = std::string(name) != "run_wg_sin_f32";
      for (std::size_t i = 0; i < x.size() - 1; ++i) {
        ASSERT_LE(std::fabs(y[i]), 1) << name << "(" << x[i] << ") on " << build->name;
        ASSERT_TRUE(!odd || y[i] == -z[i]) << name << "(" << x[i] << ") on " << build->name;
        ASSERT_TRUE(!saturates || x[i] < 20 || y[i] == 1) << name << "(" << x[i] << ") on " << build->name;
      }
      EXPECT_TRUE(saturates ? y.back() == 1 : std::isnan(y.back())) << name << " on " << build->name;
    }
  }
}

TEST(Prelude, NormalDistribution) {
  std::vector<float> x, y;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 331) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  y.resize(x.size());
  for (const Build* build : running()) {
    build->find<Unary<float>>("run_wg_normal_cdf_f32")(x.data(), y.data(), std::ssize(x));
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double truth = 0.5 * std::erfc(-std::sqrt(0.5) * x[i]);
      if (x[i] < -8) ASSERT_EQ(y[i], 0) << x[i] << " on " << build->name;
      else worst = std::max(worst, std::fabs(y[i] - truth) / std::sqrt(truth));
    }
    if (std::getenv("WENGERT_SWEEP_PRINT") != nullptr)
      std::printf("  normal_cdf_f32 %s %g\n", build->name.c_str(), worst);
    EXPECT_LE(worst, 1.6e-7) << build->name;
  }
  const std::vector<double> points{0, -1, 1, -5, 5, -20, 30, -37, -40};
  std::vector<double> values(points.size());
  for (const Build* build : running()) {
    build->find<Unary<double>>("run_wg_normal_cdf_f64")(points.data(), values.data(), std::ssize(points));
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double truth = static_cast<double>(std::erfc(-std::sqrt(0.5L) * points[i]) / 2);
      EXPECT_NEAR(values[i], truth, (1e-15 + 3e-16 * points[i] * points[i]) * truth) << points[i];
    }
  }
}

// ---- Two arguments

template <class T, class Wide>
void expect_powers(const std::string& symbol, const std::vector<T>& x, const std::vector<T>& y, double bound) {
  std::vector<Wide> truth;
  for (std::size_t i = 0; i < x.size(); ++i) truth.push_back(std::pow(Wide{x[i]}, Wide{y[i]}));
  std::vector<T> z(x.size());
  for (const Build* build : running()) {
    Worst worst;
    build->find<Binary<T>>(symbol)(x.data(), y.data(), z.data(), std::ssize(x));
    for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error(z[i], truth[i]), x[i], y[i]);
    expect_within(symbol, *build, worst, bound);
  }
}

/// Bases and exponents of all kinds, most of them with a finite power.
template <class T>
std::pair<std::vector<T>, std::vector<T>> power_samples(int count, double largest) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> x, y;
  const auto take = [&](double base, double exponent) {
    x.push_back(static_cast<T>(base));
    y.push_back(static_cast<T>(exponent));
  };
  for (int i = 0; i < count; ++i) {
    const double base = std::exp2(0.08 * largest * uniform(random)),
                 near_one = 1 + std::ldexp(uniform(random), -(i % 50));
    take(base, largest * uniform(random) / std::log2(base));
    take(near_one, largest * uniform(random) / std::log2(near_one));
    take(std::exp2(largest * uniform(random)), uniform(random));
    take(10 * uniform(random), std::round(40 * uniform(random)));
  }
  return {x, y};
}

TEST(Prelude, PowersOfSamples) {
  const auto [x, y] = power_samples<float>(sample_count(400000), 149);
  expect_powers<float, double>("run_wg_pow_f32", x, y, 0.54);
  const auto [dx, dy] = power_samples<double>(sample_count(100000), 1074);
  expect_powers<double, long double>("run_wg_pow_f64", dx, dy, 1.3);
}

template <class T>
std::pair<std::vector<T>, std::vector<T>> power_specials() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values{0, limits::denorm_min(), limits::min(), limits::max(), limits::infinity(), limits::quiet_NaN()};
  // clang-format off
  for (double v : {
        1.0, 2.0, 3.0, 0.5, 0.01, 1.5, 2.5, 1e-30, 1e30, 8388607.0, 8388608.0, 8388609.0,
        8388607.5, 16777215.0, 16777216.0, 16777218.0, 4503599627370495.0, 4503599627370497.0,
        9007199254740991.0, 9007199254740992.0, 1e19, 1e20, 1.0000001, 0.9999999, 1e-5, 127.0,
        128.0, 149.0, 150.0})
    // clang-format on
    values.push_back(static_cast<T>(v));
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) values.push_back(-values[i]);
  std::vector<T> x, y;
  for (T a : values)
    for (T b : values) x.push_back(a), y.push_back(b);
  return {x, y};
}

TEST(Prelude, PowersAsInC99) {
  const auto [x, y] = power_specials<float>();
  expect_powers<float, double>("run_wg_pow_f32", x, y, 0.54);
  const auto [dx, dy] = power_specials<double>();
  expect_powers<double, long double>("run_wg_pow_f64", dx, dy, 1.3);
}

template <class T>
void expect_extremes(const std::string& suffix) {
  const T values[] = {T(nan), T(-inf), -2, -1, T(-0.0), 0, 1, 2, T(inf)};
  std::vector<T> x, y;
  for (int repeat = 0; repeat < 4; ++repeat)
    for (T a : values)
      for (T b : values) x.push_back(a), y.push_back(b);
  std::vector<T> largest(x.size()), smallest(x.size());
  for (const Build* build : running()) {
    build->find<Binary<T>>("run_wg_max" + suffix)(x.data(), y.data(), largest.data(), std::ssize(x));
    build->find<Binary<T>>("run_wg_min" + suffix)(x.data(), y.data(), smallest.data(), std::ssize(x));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool none = std::isnan(x[i]) || std::isnan(y[i]);
      EXPECT_TRUE(none ? std::isnan(largest[i]) : largest[i] == std::max(x[i], y[i])) << x[i] << " " << y[i];
      EXPECT_TRUE(none ? std::isnan(smallest[i]) : smallest[i] == std::min(x[i], y[i])) << x[i] << " " << y[i];
      if (x[i] != 0 || y[i] != 0) continue;
      EXPECT_EQ(std::signbit(largest[i]), std::signbit(x[i]) && std::signbit(y[i])) << build->name;
      EXPECT_EQ(std::signbit(smallest[i]), std::signbit(x[i]) || std::signbit(y[i])) << build->name;
    }
  }
}

TEST(Prelude, MaximumAndMinimumKeepNanAndOrderZeros) {
  expect_extremes<float>("_f32");
  expect_extremes<double>("_f64");
}

/// The exact remainder with the sign of b, and the quotient that belongs to it.
std::pair<long double, long double> divide_downwards(long double a, long double b) {
  long double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  const long double quotient = (a - rest) / b;  // to 64 bits
  return {rest == 0 ? std::copysign(rest, b) : rest,
          quotient == 0 ? std::copysign(0.0L, a / b) : std::nearbyint(quotient)};
}

template <class T>
void expect_real_division(const std::string& suffix) {
  std::mt19937_64 random(17);
  std::uniform_real_distribution<T> uniform(-1, 1);
  const T large = std::numeric_limits<T>::max(), tiny = std::numeric_limits<T>::denorm_min();
  std::vector<T> a{7, -7, 7, -7, T(0.0), T(-0.0), 6, -6, 1, T(0.1), large, -large, tiny, large, 5};
  std::vector<T> b{2, 2, -2, -2, 3, 3, 3, 3, T(0.1), T(0.01), 3, 7, 3, tiny, -8};
  for (int i = 0; i < 20000; ++i) {
    b.push_back(uniform(random));
    a.push_back(std::ldexp(uniform(random), static_cast<int>(random() % 40)));
    b.push_back(b.back());
    a.push_back(b.back() * std::round(100 * uniform(random)));  // a multiple, but for rounding
  }
  std::vector<T> rest(a.size()), quotient(a.size());
  for (const Build* build : running()) {
    build->find<Binary<T>>("run_wg_mod" + suffix)(a.data(), b.data(), rest.data(), std::ssize(a));
    build->find<Binary<T>>("run_wg_floordiv" + suffix)(a.data(), b.data(), quotient.data(), std::ssize(a));
    Worst worst_rest, worst_quotient;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto [true_rest, true_quotient] = divide_downwards(a[i], b[i]);
      worst_rest.take(ulp_error(rest[i], true_rest), a[i], b[i]);
      worst_quotient.take(ulp_error(quotient[i], true_quotient), a[i], b[i]);
    }
    expect_within("wg_mod" + suffix, *build, worst_rest, 0.501);
    expect_within("wg_floordiv" + suffix, *build, worst_quotient, 1.501);
  }
}

TEST(Prelude, RealDivisionRoundsDown) {
  expect_real_division<float>("_f32");
  expect_real_division<double>("_f64");
  const double a[] = {1, -1, 0, 5, nan, inf, 3}, b[] = {0, 0, 0, nan, 5, 2, inf};
  double rest[7], quotient[7];
  for (const Build* build : running()) {
    build->find<Binary<double>>("run_wg_mod_f64")(a, b, rest, 7);
    build->find<Binary<double>>("run_wg_floordiv_f64")(a, b, quotient, 7);
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(std::isnan(rest[i])) << i;
    EXPECT_EQ(rest[6], 3);
    EXPECT_EQ(quotient[0], inf);
    EXPECT_EQ(quotient[1], -inf);
    EXPECT_TRUE(std::isnan(quotient[2]) && std::isnan(quotient[3]) && std::isnan(quotient[4]));
    EXPECT_EQ(quotient[6], 0);
  }
}

// ---- Integers

template <class T>
std::vector<T> integers() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values{limits::min(), limits::min() + 1, limits::max(), limits::max() - 1};
  for (int v = -20; v <= 20; ++v) values.push_back(static_cast<T>(v));
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<T>(random()) >> (random() % (8 * sizeof(T))));
  return values;
}

template <class T>
void expect_division(const std::string& suffix) {
  using U = std::make_unsigned_t<T>;
  std::vector<T> a, b;
  for (T x : integers<T>())
    for (T y : integers<T>()) a.push_back(x), b.push_back(y);
  std::vector<T> quotient(a.size()), rest(a.size());
  for (const Build* build : running()) {
    build->find<Binary<T>>("run_wg_floordiv" + suffix)(a.data(), b.data(), quotient.data(), std::ssize(a));
    build->find<Binary<T>>("run_wg_mod" + suffix)(a.data(), b.data(), rest.data(), std::ssize(a));
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::string where = std::to_string(a[i]) + " by " + std::to_string(b[i]) + " on " + build->name;
      if (b[i] == 0) {
        ASSERT_TRUE(quotient[i] == 0 && rest[i] == 0) << where;
      } else {  // these two determine both
        ASSERT_EQ(static_cast<U>(static_cast<U>(quotient[i]) * static_cast<U>(b[i]) + static_cast<U>(rest[i])),
                  static_cast<U>(a[i]))
            << where;
        ASSERT_TRUE(b[i] > 0 ? 0 <= rest[i] && rest[i] < b[i] : b[i] < rest[i] && rest[i] <= 0) << where;
      }
    }
  }
}

TEST(Prelude, FloorDivision) {
  expect_division<int32_t>("_i32");
  expect_division<int64_t>("_i64");
}

template <class T>
void expect_integer_powers(const std::string& suffix) {
  using U = std::make_unsigned_t<T>;
  std::vector<T> a, b, truth;
  for (T base : integers<T>()) {
    U power = 1;
    for (T exponent = 0; exponent < 100; ++exponent) {
      a.push_back(base), b.push_back(exponent), truth.push_back(static_cast<T>(power));
      power *= static_cast<U>(base);
    }
    const T last = base == 1 ? 1 : base == -1 ? -1 : 0;
    a.push_back(base), b.push_back(-3), truth.push_back(last);
    a.push_back(base), b.push_back(std::numeric_limits<T>::min()), truth.push_back(last * last);
    if (base % 2 == 0) continue;  // odd numbers have an order that divides 2^(bits - 2)
    a.push_back(base), b.push_back(std::numeric_limits<T>::max() / 2 + 2), truth.push_back(base);
  }
  std::vector<T> power(a.size());
  for (const Build* build : running()) {
    build->find<Binary<T>>("run_wg_pow" + suffix)(a.data(), b.data(), power.data(), std::ssize(a));
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(power[i], truth[i]) << a[i] << "^" << b[i] << build->name;
  }
}

TEST(Prelude, IntegerPowers) {
  expect_integer_powers<int32_t>("_i32");
  expect_integer_powers<int64_t>("_i64");
}

// ---- Random numbers

using Words = void(uint32_t, uint32_t, uint64_t, uint32_t*, int64_t);
using Permutation = void(uint32_t, uint32_t, uint64_t*, uint64_t);

TEST(Prelude, PhiloxMeetsThePublishedVectors) {
  struct Vector {
    std::array<uint32_t, 4> counter;
    std::array<uint32_t, 2> key;
    std::array<uint32_t, 4> result;
  };
  constexpr uint32_t f = 0xffffffffu;
  const Vector vectors[] = {// "philox4x32 10" in kat_vectors of Random123
                            {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                            {{f, f, f, f}, {f, f}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                            {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                             {0xa4093822, 0x299f31d0},
                             {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const Build* build : running()) {
    auto* rounds = build->find<uint32_t(const uint32_t*, const uint32_t*, uint32_t*)>("round_wg_philox");
    auto* block = build->find<Words>("run_wg_philox_block");
    auto* bits = build->find<Words>("run_wg_random_bits");
    for (const Vector& v : vectors) {
      std::array<uint32_t, 4> result{};
      rounds(v.counter.data(), v.key.data(), result.data());
      EXPECT_EQ(result, v.result) << build->name;
    }
    for (uint64_t first : {uint64_t{0}, uint64_t{0xfffffff0}, uint64_t{1} << 61}) {  // blocks, rounds and words agree
      std::vector<uint32_t> words(4 * 40), pulled(4 * 40);
      block(5, 7, first, words.data(), 40);
      bits(5, 7, 4 * first, pulled.data(), 160);
      EXPECT_EQ(words, pulled) << build->name;
      for (uint64_t i = 0; i < 40; ++i) {
        const uint64_t counter = first + i;
        const std::array<uint32_t, 4> wide{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
        const std::array<uint32_t, 2> key{5, 7};
        std::array<uint32_t, 4> result{};
        EXPECT_EQ(rounds(wide.data(), key.data(), result.data()), words[4 * i + 3]);
        EXPECT_TRUE(std::equal(result.begin(), result.end(), words.begin() + static_cast<std::ptrdiff_t>(4 * i)));
      }
    }
  }
}

TEST(Prelude, Uniform) {
  std::vector<uint32_t> high{0, 255, 256, 0x80000000u, 0xffffffffu}, low{0, 63, 64, 0xffffffffu, 0xffffffffu};
  std::mt19937 random(5);
  for (int i = 0; i < 100000; ++i) high.push_back(random()), low.push_back(random());
  std::vector<float> x(high.size());
  std::vector<double> y(high.size());
  for (const Build* build : running()) {
    build->find<void(const uint32_t*, float*, int64_t)>("run_wg_uniform_f32")(high.data(), x.data(), std::ssize(x));
    build->find<void(const uint32_t*, const uint32_t*, double*, int64_t)>("run_wg_uniform_f64")(
        high.data(), low.data(), y.data(), std::ssize(y));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(x[i], std::ldexp(high[i] >> 8, -24));
      const uint64_t bits = uint64_t{high[i] >> 5} << 26 | low[i] >> 6;
      ASSERT_EQ(y[i], std::ldexp(static_cast<double>(bits), -53));
      ASSERT_TRUE(0 <= x[i] && x[i] < 1 && 0 <= y[i] && y[i] < 1);
    }
  }
}

/// The inverse of erf at x >= 0, where rest = 1 - x, by Halley's iteration.
long double inverse_erf(long double x, long double rest) {
  long double y = std::sqrt(-std::log(rest * (1 + x)));
  for (int k = 0; k < 30; ++k) {
    const long double error = x < 0.5L ? x - std::erf(y) : std::erfc(y) - rest;
    const long double step = error * 0.886226925452758013649L * std::exp(y * y);
    y += step / (1 - y * step);
    if (std::fabs(step) < 1e-19L * y) break;
  }
  return y;
}

template <class T>
void expect_inverse_erf(const std::string& suffix, double bound) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<T> uniform(-1, 1);
  std::vector<T> x{
      0, T(-0.0), 1, -1, T(nan), 2, -2, T(inf), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min()};
  for (int i = 0; i < sample_count(100000); ++i) {
    const T value = uniform(random), tail = std::ldexp(uniform(random), -static_cast<int>(random() % 50));
    for (T v : {value, tail, std::copysign(1 - std::fabs(tail), tail)}) x.push_back(v);
  }
  std::vector<long double> truth;
  for (T value : x) {
    const long double size = std::fabs(value);
    const bool finite = size < 1 && size > 0;
    const long double y = finite ? inverse_erf(size, 1 - size) : size == 1 ? inf : size == 0 ? 0 : nan;
    truth.push_back(std::copysign(y, static_cast<long double>(value)));
  }
  std::vector<T> y(x.size());
  for (const Build* build : running()) {
    Worst worst;
    build->find<Unary<T>>("run_wg_erfinv" + suffix)(x.data(), y.data(), std::ssize(x));
    for (std::size_t i = 0; i < x.size(); ++i) worst.take(ulp_error(y[i], truth[i]), x[i]);
    expect_within("wg_erfinv" + suffix, *build, worst, bound);
  }
}

TEST(Prelude, InverseErrorFunction) {
  expect_inverse_erf<float>("_f32", 2.7);
  expect_inverse_erf<double>("_f64", 3.3);
}

/// The standard normal quantile at (bits + 1/2) / 2^count for an integer of that many bits.
long double quantile(uint64_t bits, int count) {
  const uint64_t last = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  const bool upper = bits > last / 2;
  const long double p = std::ldexp((upper ? last - bits : bits) + 0.5L, -count);
  const long double y = 1.41421356237309504880L * inverse_erf(1 - 2 * p, 2 * p);
  return upper ? y : -y;
}

TEST(Prelude, Normal) {
  std::mt19937 random(13);
  std::vector<uint32_t> high{0, 1, 2, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu}, low(high.size(), 0);
  for (int i = 0; i < sample_count(100000); ++i) {
    high.push_back(i % 2 ? random() : random() >> (random() % 32));
    low.push_back(random());
  }
  std::vector<float> x(high.size()), first_x;
  std::vector<double> y(high.size()), first_y;
  std::vector<long double> truth_x, truth_y;
  for (std::size_t i = 0; i < high.size(); ++i) {
    truth_x.push_back(quantile(high[i], 32));
    truth_y.push_back(quantile(uint64_t{high[i]} << 31 | low[i] >> 1, 63));
  }
  for (const Build* build : running()) {
    build->find<void(const uint32_t*, float*, int64_t)>("run_wg_normal_f32")(high.data(), x.data(), std::ssize(x));
    build->find<void(const uint32_t*, const uint32_t*, double*, int64_t)>("run_wg_normal_f64")(high.data(), low.data(),
                                                                                               y.data(), std::ssize(y));
    Worst worst_x, worst_y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst_x.take(ulp_error(x[i], truth_x[i]), high[i]);
      worst_y.take(ulp_error(y[i], truth_y[i]), high[i], low[i]);
    }
    if (build == running().front()) first_x = x, first_y = y;
    EXPECT_EQ(x, first_x) << "other bits on " << build->name;
    EXPECT_EQ(y, first_y) << "other bits on " << build->name;
    expect_within("wg_normal_f32", *build, worst_x, 4.3);
    expect_within("wg_normal_f64", *build, worst_y, 4.2);
    EXPECT_NEAR(x[0], -6.3379, 1e-3);
    EXPECT_EQ(x[0], -x[6]);
  }
}

/// How far Pearson's statistic of these counts is from its mean, in standard deviations.
double chi_square_deviation(const std::vector<int>& counts, double expected, double freedom) {
  double sum = 0;
  for (int count : counts) sum += (count - expected) * (count - expected) / expected;
  return (sum - freedom) / std::sqrt(2 * freedom);
}

TEST(Prelude, PermutationsAreBijections) {
  for (const Build* build : running()) {
    auto* permute = build->find<Permutation>("run_wg_permute");
    for (uint64_t n : {0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 1000, 4096, 60000, 65537})
      for (uint32_t key : {0u, 1u, 0xdeadbeefu}) {
        std::vector<uint64_t> places(n);
        permute(key, 3, places.data(), n);
        std::vector<bool> seen(n);
        for (uint64_t place : places) {
          ASSERT_LT(place, n);
          ASSERT_FALSE(seen[place]) << place << " twice for n = " << n << " on " << build->name;
          seen[place] = true;
        }
      }
  }
}

TEST(Prelude, PermutationsOfLargeRanges) {
  for (const Build* build : running()) {
    auto* element = build->find<uint64_t(uint32_t, uint32_t, uint64_t, uint64_t)>("element_wg_permute");
    for (uint64_t n : {(uint64_t{1} << 40) + 7, uint64_t{1} << 62, (uint64_t{1} << 63) - 1, ~uint64_t{0}}) {
      std::vector<uint64_t> places;
      for (uint64_t i = 0; i < 1000; ++i) places.push_back(element(1, 2, i < 500 ? i : n - i, n));
      EXPECT_LT(*std::max_element(places.begin(), places.end()), n);
      std::sort(places.begin(), places.end());
      EXPECT_EQ(std::unique(places.begin(), places.end()), places.end());
      EXPECT_NEAR(static_cast<double>(places[500]) / static_cast<double>(n), 0.5, 0.1);
    }
  }
}

TEST(Prelude, PermutationsAreFlat) {
  auto* permute = running().front()->find<Permutation>("run_wg_permute");
  for (const auto& [n, orders] : {std::pair{2, 2}, std::pair{3, 6}, std::pair{4, 24}, std::pair{5, 120}}) {
    std::map<std::vector<uint64_t>, int> seen;  // every order equally often
    for (uint32_t key = 0; key < 1000u * static_cast<uint32_t>(orders); ++key) {
      std::vector<uint64_t> places(static_cast<std::size_t>(n));
      permute(key, 17, places.data(), places.size());
      ++seen[places];
    }
    std::vector<int> counts;
    for (const auto& [order, count] : seen) counts.push_back(count);
    ASSERT_EQ(std::ssize(counts), orders);
    EXPECT_LT(std::fabs(chi_square_deviation(counts, 1000, orders - 1)), 4) << n;
  }
  constexpr uint64_t n = 50;  // every element at every place equally often, over keys
  std::vector<int> counts(n * n);
  for (uint32_t key = 0; key < 100 * n; ++key) {
    std::vector<uint64_t> places(n);
    permute(5, key, places.data(), n);
    for (uint64_t i = 0; i < n; ++i) ++counts[i * n + places[i]];
  }
  EXPECT_LT(std::fabs(chi_square_deviation(counts, 100, (n - 1) * (n - 1))), 4);
  constexpr uint64_t large = 60000,
                     boxes = 50;  // every region into every region equally often, within one permutation
  std::vector<uint64_t> places(large);
  permute(8, 9, places.data(), large);
  std::vector<int> regions(boxes * boxes), steps(boxes * boxes);
  for (uint64_t i = 0; i < large; ++i) {
    ++regions[i * boxes / large * boxes + places[i] * boxes / large];
    ++steps[places[i] * boxes / large * boxes + places[(i + 1) % large] * boxes / large];  // neighbours part
  }
  EXPECT_LT(std::fabs(chi_square_deviation(regions, 24, (boxes - 1) * (boxes - 1))), 4);
  EXPECT_LT(std::fabs(chi_square_deviation(steps, 24, (boxes - 1) * (boxes - 1))), 4);
}

}  // namespace
}  // namespace wengert::compile
