// Random operations with random shapes, dtypes and parameters, sensible and absurd: each gives the plain evaluator's
// result or an error of the house's form. WENGERT_FUZZ_CASES and WENGERT_FUZZ_SEED in the environment make longer and
// other runs.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>

#include "tests/errors/errors_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"

namespace wengert::errors_testing {
namespace {

using Call = std::function<Array()>;

/// Draws what calls are made of. Everything is drawn before a call, so that the call can be repeated.
class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}

  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  bool chance(int64_t one_in) { return below(one_in) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

  int64_t length() { return one_of<int64_t>({0, 1, 2, 2, 3, 3, 4, 5}); }
  Shape shape(int rank) {
    Shape result;
    for (int i = 0; i < rank; ++i) result.push_back(length());
    return result;
  }
  Shape shape() { return shape(chance(20) ? 8 : static_cast<int>(below(5))); }
  Dtype dtype() { return one_of({bool_, uint8, int32, int64, float32, float32, float64, float64}); }
  /// Mostly an axis or a small number; sometimes none that makes sense.
  int64_t number() {
    if (chance(12))
      return one_of<int64_t>({INT64_MIN, INT64_MAX, int64_t{1} << 40, -(int64_t{1} << 40), 1 << 31, 100, -100});
    return below(7) - 3;
  }
  Axes numbers(int count) {
    Axes result;
    for (int i = 0; i < count; ++i) result.push_back(number());
    return result;
  }
  Axes numbers() { return numbers(static_cast<int>(below(4))); }
  Pair pair() {
    return chance(4) ? Pair{number(), number()} : Pair{1 + below(3), 1 + below(3)};
  }

  Array array(Dtype dtype, const Shape& shape) {
    std::vector<double> values(static_cast<size_t>(shape.size()));
    for (double& v : values) v = static_cast<double>(below(9) - 4) / 2;
    const Array x = wengert::array(values, shape).astype(dtype);
    if (shape.rank() < 2 || !chance(3)) return x;
    return chance(2) ? transpose(x) : flip(x, 0);
  }
  Array array() { return array(dtype(), shape()); }
  /// Of a shape that goes with x's: often.
  Array beside(const Array& x) {
    if (chance(3)) return array();
    Shape shape = x.shape();
    if (shape.rank() > 0 && chance(3)) shape[static_cast<int>(below(shape.rank()))] = length();
    if (shape.rank() > 0 && chance(3)) shape.erase(0);
    return array(chance(2) ? x.dtype() : dtype(), shape);
  }
  Array indices(const Shape& shape) { return array(one_of({int64, int64, int32, float32}), shape); }

 private:
  std::mt19937_64 engine_;
};

using Maker = Call (*)(Draw&);

const Maker unary = [](Draw& d) -> Call {
  using F = Array (*)(const Operand&);
  const F f = d.one_of<F>({negative, abs, sign, square, reciprocal, floor, sqrt, exp, log1p, sin, tanh, sigmoid, erf,
                           relu, relu6, silu, softplus, logical_not, isnan});
  return [f, x = d.array()] { return f(x); };
};
const Maker binary = [](Draw& d) -> Call {
  using F = Array (*)(const Operand&, const Operand&);
  const F f = d.one_of<F>({add, subtract, multiply, divide, power, floor_divide, remainder, maximum, minimum, equal,
                           less, greater, logical_and, logical_or, leaky_relu, elu});
  const Array x = d.array();
  return [f, x, y = d.beside(x)] { return f(x, y); };
};
const Maker with_number = [](Draw& d) -> Call {
  return [x = d.array(), n = d.number()] { return x * n + maximum(x, n); };
};
const Maker reduction = [](Draw& d) -> Call {
  using F = Array (*)(const Operand&, const Axes&, bool);
  const F f = d.one_of<F>({sum, prod, max, min, any, all, mean, logsumexp, norm});
  return [f, x = d.array(), axes = d.numbers(), keep = d.chance(2)] { return f(x, axes, keep); };
};
const Maker row_wise = [](Draw& d) -> Call {
  using F = Array (*)(const Operand&, int64_t);
  const F f = d.one_of<F>({softmax, log_softmax});
  return [f, x = d.array(), axis = d.number()] { return f(x, axis); };
};
const Maker places = [](Draw& d) -> Call {
  return [x = d.array(), axis = d.number(), least = d.chance(2)] { return least ? argmin(x, axis) : argmax(x, axis); };
};
const Maker moving = [](Draw& d) -> Call {
  const Array x = d.array();
  const Axes axes = d.numbers();
  switch (d.below(5)) {
    case 0: return [x, axes] { return transpose(x, axes); };
    case 1: return [x, axes] { return flip(x, axes); };
    case 2: return [x, axes] { return expand(x, axes); };
    case 3: return [x, axes] { return squeeze(x, axes); };
    default: return [x, n = d.number(), axis = d.number()] { return roll(x, n, axis); };
  }
};
const Maker reshaping = [](Draw& d) -> Call {
  const Array x = d.array();
  return d.chance(2) ? Call([x, a = d.number(), b = d.number()] { return reshape(x, {a, b}); })
                     : Call([x, to = d.shape()] { return broadcast_to(x, to); });
};
const Maker slicing = [](Draw& d) -> Call {
  const Array x = d.array();
  const int n = d.chance(4) ? static_cast<int>(d.below(9)) : x.rank();
  return [x, starts = d.numbers(n), limits = d.numbers(n), strides = d.numbers(n)] {
    return slice(x, starts, limits, strides);
  };
};
const Maker padding = [](Draw& d) -> Call {
  const Array x = d.array();
  const int n = d.chance(4) ? static_cast<int>(d.below(9)) : x.rank();
  return [x, low = d.numbers(n), high = d.numbers(n)] { return pad(x, low, high); };
};
const Maker joining = [](Draw& d) -> Call {
  const Array x = d.array();
  return [all = std::vector{x, d.beside(x)}, axis = d.number(), whole = d.chance(2)] {
    return whole ? stack(all, axis) : concatenate(all, axis);
  };
};
const Maker cutting = [](Draw& d) -> Call {
  return [x = d.array(), sections = d.number(), axis = d.number()] { return split(x, sections, axis)[0]; };
};
const Maker product = [](Draw& d) -> Call {
  using F = Array (*)(const Operand&, const Operand&);
  const F f = d.one_of<F>({matmul, matmul, dot, vdot, outer});
  const Array x = d.array();
  const Array y = d.chance(2) ? transpose(d.beside(x)) : d.beside(x);
  return [f, x, y] { return f(x, y); };
};
const Maker contraction = [](Draw& d) -> Call {
  const Array x = d.array(), y = d.beside(x);
  if (d.chance(2)) return [x, y, n = d.number()] { return tensordot(x, y, n); };
  return [x, y, a = d.numbers(), b = d.numbers()] { return tensordot(x, y, a, b); };
};
const Maker names = [](Draw& d) -> Call {
  const char* text =
      d.one_of({"ij,jk->ik", "ii->i", "...i,...i", "ij->ji", "i,j->ij", "ij", "->", "ab,ab->a", "i..,", "zz,z->"});
  const Array x = d.array();
  return [text, x, y = d.beside(x)] {
    return std::string_view(text).find(',') == std::string_view::npos ? einsum(text, x) : einsum(text, x, y);
  };
};
const Maker convolution = [](Draw& d) -> Call {
  const Dtype dtype = d.one_of({float32, float32, float64, int32});
  const auto image = d.array(dtype, d.chance(6) ? d.shape() : Shape{d.length(), 2, 2 + d.length(), 2 + d.length()});
  const auto kernel =
      d.array(dtype, d.chance(6) ? d.shape() : Shape{2, d.one_of<int64_t>({1, 2, 2, 3}), d.length(), d.length()});
  const auto padding = d.chance(2) ? Pair{0, 1} : d.pair();
  return [=, window = Window{d.pair(), padding, d.pair()}, groups = d.chance(3) ? d.number() : 1] {
    return conv2d(image, kernel, window, groups);
  };
};
const Maker pooling = [](Draw& d) -> Call {
  const Array x = d.array(d.dtype(), d.chance(6) ? d.shape() : Shape{d.length(), 2, 2 + d.length(), 2 + d.length()});
  return [x, size = d.pair(), stride = d.pair(), most = d.chance(2)] {
    return most ? max_pool2d(x, size, stride) : avg_pool2d(x, size, stride);
  };
};
const Maker taking = [](Draw& d) -> Call {
  const Array x = d.array();
  const int64_t axis = d.number();
  if (d.chance(2))
    return [x, at = d.indices(d.shape(static_cast<int>(d.below(3)))), axis] { return take(x, at, axis); };
  return [x, at = d.indices(d.chance(3) ? d.shape() : x.shape()), axis] { return take_along_axis(x, at, axis); };
};
const Maker blocks = [](Draw& d) -> Call {
  const Array x = d.array();
  std::vector<Array> starts;
  for (int i = 0; i < x.rank(); ++i) starts.push_back(array(d.number()));
  if (d.chance(2)) return [x, starts, sizes = d.shape(x.rank())] { return dynamic_slice(x, starts, sizes); };
  return [x, starts, update = d.beside(x)] { return dynamic_update_slice(x, update, starts); };
};
const Maker losses = [](Draw& d) -> Call {
  const Array x = d.array();
  if (d.chance(3)) return [x, n = d.number()] { return one_hot(x, n < 100 ? n : -n); };
  const Array labels = d.chance(3) ? d.beside(x) : d.indices(x.shape().first(std::max(x.rank() - 1, 0)));
  return [x, labels] { return softmax_cross_entropy_each(x, labels); };
};
const Maker norms = [](Draw& d) -> Call {
  const Array x = d.array();
  const Array w = d.chance(2) ? d.array() : Array(),
              b = d.chance(2) ? d.array(x.dtype(), x.rank() ? x.shape().last(1) : Shape{}) : Array();
  return [x, w, b, whole = d.chance(2)] { return whole ? layer_norm(x, w, b) : batch_norm(x, w, b).y; };
};
const Maker creation = [](Draw& d) -> Call {
  const int64_t a = d.number(), b = d.number(), c = d.number();
  const Dtype dtype = d.dtype();
  switch (d.below(4)) {
    case 0: return [=] { return arange(a, b, c, dtype); };
    case 1: return [=] { return linspace(static_cast<double>(a), 1, b, dtype); };
    case 2: return [=] { return eye(a, b, c, dtype); };
    default: return [=, shape = d.shape()] { return full(shape, a, dtype); };
  }
};
const Maker randomness = [](Draw& d) -> Call {
  const Array key = d.chance(4) ? d.array() : random::key(d.number());
  if (d.chance(2)) return [key, n = d.number()] { return random::permutation(key, std::min<int64_t>(n, 1000)); };
  return [key, shape = d.shape(), dtype = d.dtype()] { return random::uniform(key, shape, dtype); };
};

const Maker makers[] = {unary,   binary,      binary,    with_number, reduction, reduction, row_wise,
                        places,  moving,      reshaping, slicing,     padding,   joining,   cutting,
                        product, contraction, names,     convolution, pooling,   taking,    blocks,
                        losses,  norms,       creation,  randomness};

/// What a call came to.
struct Outcome {
  Array result;
  std::string error;  // its text, or empty
};

Outcome outcome_of(const Call& call) {
  try {
    return {call(), {}};
  } catch (const Error& error) { return {{}, error.what()}; }
}

/// "operation: what it got: wanted ...; called at fuzz_test.cpp:12"
void expect_form(const std::string& text) {
  const size_t wanted = text.find(": wanted "), called = text.rfind("; called at fuzz_test.cpp:");
  EXPECT_NE(wanted, std::string::npos) << text;
  EXPECT_NE(called, std::string::npos) << text;
  EXPECT_LT(text.find(": "), wanted) << text;
  EXPECT_LT(wanted, called) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

void expect_equal(const Array& got, const Array& wanted) {
  ASSERT_EQ(describe(got), describe(wanted));
  if (got.size() > 100000) return;
  const std::vector<double> a = got.astype(float64).to_vector<double>(), b = wanted.astype(float64).to_vector<double>();
  const double relative = got.dtype() == float32 ? 2e-5 : is_inexact(got.dtype()) ? 1e-12 : 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if ((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]) continue;
    ASSERT_NEAR(a[i], b[i], relative * std::max(1.0, std::fabs(b[i]))) << "element " << i << " of " << describe(got);
  }
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Counts {
  uint64_t errors = 0, results = 0;
};

/// `cases` calls drawn from the numbers `first`, first + 1, ...: each as the plain evaluator has it.
Counts fuzz(uint64_t cases, uint64_t first) {
  Counts counts;
  wengert::memory::set_cap(int64_t{1} << 30);
  for (uint64_t i = 0; i < cases; ++i) {
    SCOPED_TRACE("WENGERT_FUZZ_CASES=1 WENGERT_FUZZ_SEED=" + std::to_string(first + i));
    Draw draw(first + i);
    const Call call = makers[draw.below(std::size(makers))](draw);
    const Outcome got = outcome_of(call);
    const Outcome wanted = [&] {
      const cpu::OracleScope plainly;
      return outcome_of(call);
    }();
    EXPECT_EQ(got.error.substr(0, got.error.find(" with ")), wanted.error.substr(0, wanted.error.find(" with ")));
    if (!got.error.empty()) {
      ++counts.errors;
      expect_form(got.error);
    } else if (wanted.error.empty()) {
      ++counts.results;
      expect_equal(got.result, wanted.result);
    }
    if (thread().depth != 0 || thread().current) expect_clean_thread();
    if (::testing::Test::HasFatalFailure()) break;
  }
  wengert::memory::set_cap(0);
  expect_clean_thread();
  return counts;
}

TEST(Fuzz, GivesTheOraclesResultOrAnError) {
  const uint64_t cases = from_environment("WENGERT_FUZZ_CASES", 2000);
  const Counts counts = fuzz(cases, from_environment("WENGERT_FUZZ_SEED", 1));
  if (cases < 600) return;
  EXPECT_GT(counts.errors, cases / 5);
  EXPECT_LT(counts.errors, cases * 4 / 5);
}

/// Where the plug-in is missing. Fewer, since a compiler of the system is started for every kernel; other numbers than
/// above, since a process keeps its kernels.
TEST(FuzzOfTheSystemsCompiler, GivesTheOraclesResultOrAnError) {
  cpu::set_compiler(cpu::CompilerChoice::system);
  const cpu::KernelStatistics before = cpu::kernel_statistics();
  const Counts counts = fuzz(from_environment("WENGERT_FUZZ_CASES_CC", 250), 1'000'001);
  const cpu::KernelStatistics after = cpu::kernel_statistics();
  cpu::set_compiler(cpu::CompilerChoice::automatic);
  EXPECT_GT(counts.results, 20u);
  EXPECT_EQ(after.compiled_plugin, before.compiled_plugin);
  EXPECT_GT(after.compiled_system + after.disk, before.compiled_system + before.disk);
}

}  // namespace
}  // namespace wengert::errors_testing
