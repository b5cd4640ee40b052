// How long it takes from C text to a function, by each way, and how fast the functions are that
// come out.
//
// first_*: the first kernel of a process, in a fork of its own, so with the loading of clang (its
// files are in the page cache after the first run). later_*: one more kernel. disk_*: the first
// kernel of a process, from a warm disk cache.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "wengert/backends/cpu/kernels.hpp"

namespace {

using namespace wengert::cpu;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Kernels as the printer emits them
// ------------------------------------------------------------------------------

const std::string declarations = R"(
typedef int int32_t; typedef unsigned int uint32_t; typedef __INT64_TYPE__ int64_t;
typedef union wg_scalar { int64_t i; double f; } wg_scalar;
typedef struct wg_context wg_context;
typedef int32_t (*wg_body)(const wg_context* context, const void* arguments, int64_t begin, int64_t end);
struct wg_context {
  int32_t (*parallel_for)(const wg_context*, wg_body body, const void* arguments, int64_t count, int64_t chunk);
  void* (*scratch)(const wg_context*, int64_t bytes);
  int32_t (*print)(const wg_context*, const char* text);
  int32_t (*callback)(const wg_context*, int64_t id, void* const* buffers);
  const volatile int32_t* interrupt;
};
typedef struct wg_arguments { void* const* buffers; const int64_t* sizes; const wg_scalar* scalars; } wg_arguments;
static inline uint32_t wg_bits_f32(float x) {
  union { float value; uint32_t bits; } pattern = {x};
  return pattern.bits;
}
static inline float wg_from_bits_f32(uint32_t x) {
  union { uint32_t bits; float value; } pattern = {x};
  return pattern.value;
}
static inline float wg_fma_f32(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
static inline float wg_max_f32(float a, float b) { float larger = a > b ? a : b; return a != a ? a : larger; }
static inline float wg_exp_f32(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  float shifted = wg_fma_f32(c, 1.44269502f, 12583166.0f);
  float n = shifted - 12583166.0f;
  float r = wg_fma_f32(n, -0.693145752f, c);
  r = wg_fma_f32(n, -1.42860677e-06f, r);
  float p = wg_fma_f32(0.0013869782f, r, 0.00836625788f);
  p = wg_fma_f32(p, r, 0.0416674428f);
  p = wg_fma_f32(p, r, 0.166665465f);
  p = wg_fma_f32(p, r, 0.49999997f);
  p = wg_fma_f32(p, r, 1.0f);
  p = wg_fma_f32(p, r, 1.0f);
  uint32_t whole = wg_bits_f32(shifted), half = whole >> 1;
  return p * wg_from_bits_f32(half << 23) * wg_from_bits_f32((whole - half) << 23);
}
)";

/// A kernel whose rows, or iterations [begin, end) of the only one, are `row`. Buffers are p0, p1,
/// ...; the last one is written; n is the row's length, t scratch of that length.
std::string kernel_text(int buffers, bool rows, const std::string& row) {
  std::string parameters, arguments;
  for (int b = 0; b < buffers; ++b) {
    const std::string number = std::to_string(b), type = b + 1 < buffers ? "const float*" : "float*";
    parameters += type + " restrict p" + number + ", ";
    arguments += "(" + type + ")given->buffers[" + number + "]" + (rows ? " + i * n" : "") + ", ";
  }
  const std::string call = "wg_row(" + arguments + "t, n, begin, end);\n";
  return declarations + "static inline void wg_row(" + parameters +
      "float* restrict t, int64_t n, int64_t begin, int64_t end) {\n  (void)t; (void)n; "
      "(void)begin; (void)end;\n" +
      row +
      "}\nstatic int32_t wg_loop(const wg_context* context, const void* arguments, int64_t "
      "begin, int64_t end) {\n"
      "  const wg_arguments* given = (const wg_arguments*)arguments;\n"
      "  if (*context->interrupt) return 1;\n  const int64_t n = given->sizes[2];\n"
      "  float* t = " +
      (rows ? "(float*)context->scratch(context, n * 4);\n  if (!t) return 2;\n" : std::string("0;\n")) +
      (rows ? "  for (int64_t i = begin; i < end; ++i) " : std::string("  ")) + call +
      R"(  return 0;
}
int32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* sizes, const wg_scalar* scalars) {
  const wg_arguments arguments = {buffers, sizes, scalars};
  if (sizes[0] <= sizes[1]) return wg_loop(context, &arguments, 0, sizes[0]);
  return context->parallel_for(context, wg_loop, &arguments, sizes[0], sizes[1]);
}
)";
}

/// `result` = the combination of `body` over the row, in 16 lanes that are added up as a tree.
std::string reduction(const std::string& result, const std::string& first, const std::string& body,
                      const std::string& combine) {
  const std::string step = "{ const float x = " + body + "; const float y = a[l]; a[l] = " + combine + "; }\n";
  return "  float " + result + ";\n  {\n  float a[16];\n  for (int64_t l = 0; l < 16; ++l) a[l] = " + first +
      ";\n  int64_t j = 0;\n  for (; j + 16 <= n; j += 16) {\n    for (int64_t l = 0; l < 16; "
      "++l) " +
      step + "  }\n  for (int64_t l = 0; j + l < n; ++l) " + step +
      "  for (int64_t w = 8; w > 0; w /= 2) {\n    for (int64_t l = 0; l < w; ++l) { const "
      "float x = a[l + w], y = a[l]; "
      "a[l] = " +
      combine + "; }\n  }\n  " + result + " = a[0];\n  }\n";
}

enum Kernel { add, exponential, softmax, layer_norm, kernels };
constexpr std::array<const char*, kernels> names = {"add", "exp", "softmax", "layer_norm"};

std::string text_of(int kernel) {
  const std::string along = "  for (int64_t j = begin; j < end; ++j) ", row = "  for (int64_t j = 0; j < n; ++j) ";
  switch (kernel) {
    case add: return kernel_text(3, false, along + "p2[j] = p0[j] + p1[j];\n");
    case exponential: return kernel_text(2, false, along + "p1[j] = wg_exp_f32(p0[j]);\n");
    case softmax:
      return kernel_text(2, true,
                         reduction("m", "-__builtin_inff()", "p0[j + l]", "wg_max_f32(y, x)") +
                             reduction("s", "0", "(t[j + l] = wg_exp_f32(p0[j + l] - m))", "y + x") + row +
                             "p1[j] = t[j] * (1.0f / s);\n");
    default:
      return kernel_text(2, true,
                         reduction("s", "0", "p0[j + l]", "y + x") + "  const float m = s / (float)n;\n" +
                             reduction("v", "0", "(p0[j + l] - m) * (p0[j + l] - m)", "y + x") +
                             "  const float r = 1.0f / __builtin_sqrtf(v / (float)n + 1e-5f);\n" + row +
                             "p1[j] = (p0[j] - m) * r;\n");
  }
}

/// The kernel's text as nobody has compiled it before.
std::string new_text_of(int kernel) {
  static int64_t number = 0;
  return "/* " + std::to_string(::getpid()) + " " + std::to_string(number++) + " */\n" + text_of(kernel);
}

/// Kernels of the benchmarks stay out of the user's cache.
struct ScratchCache {
  ScratchCache() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wengert-benchmark-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    ::setenv("WENGERT_CACHE", folder.c_str(), 1);
  }
  ~ScratchCache() { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
} scratch_cache;

/// Seconds that find_kernel takes in a new process that has found none before.
double seconds_in_child(const std::string& text, CompilerChoice choice) {
  int ends[2];
  if (::pipe(ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    set_compiler(choice);
    const auto start = Clock::now();
    const wg_kernel kernel = find_kernel(text);
    const double seconds = kernel != nullptr ? Seconds(Clock::now() - start).count() : -1;
    ::_exit(::write(ends[1], &seconds, sizeof seconds) == sizeof seconds ? 0 : 1);
  }
  ::close(ends[1]);
  double seconds = -1;
  const bool told = ::read(ends[0], &seconds, sizeof seconds) == sizeof seconds;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return told ? seconds : -1;
}

void report(benchmark::State& state, double seconds) {
  if (seconds < 0) state.SkipWithError("no compiler");
  state.SetIterationTime(seconds);
}

// Ways
// ---------------------------------------------------------------------------------------------------------------

void first(benchmark::State& state, CompilerChoice choice) {
  state.SetLabel(names[state.range(0)]);
  seconds_in_child(new_text_of(add), choice);  // fills the page cache
  for (auto _ : state) report(state, seconds_in_child(new_text_of(static_cast<int>(state.range(0))), choice));
}

void disk(benchmark::State& state, CompilerChoice choice) {
  const std::string text = new_text_of(static_cast<int>(state.range(0)));
  state.SetLabel(names[state.range(0)]);
  seconds_in_child(text, choice);
  for (auto _ : state) report(state, seconds_in_child(text, choice));
}

void later(benchmark::State& state, CompilerChoice choice) {
  set_compiler(choice);
  state.SetLabel(names[state.range(0)]);
  find_kernel(new_text_of(add));
  for (auto _ : state) {
    const std::string text = new_text_of(static_cast<int>(state.range(0)));
    const auto start = Clock::now();
    const wg_kernel kernel = find_kernel(text);
    report(state, kernel != nullptr ? Seconds(Clock::now() - start).count() : -1);
  }
}

void many_at_once(benchmark::State& state) {
  set_compiler(CompilerChoice::plugin);
  for (auto _ : state) {
    std::vector<std::string> texts;
    for (int i = 0; i < state.range(0); ++i) texts.push_back(new_text_of(i % kernels));
    const auto start = Clock::now();
    prepare_kernels(texts);
    state.SetIterationTime(Seconds(Clock::now() - start).count());
  }
}

void memory(benchmark::State& state) {
  const std::string text = text_of(softmax);
  find_kernel(text);
  for (auto _ : state) benchmark::DoNotOptimize(find_kernel(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// What comes out
// -------------------------------------------------------------------------------------------------

/// Rows of 1,000 floats that stay in the second cache.
void run(benchmark::State& state, CompilerChoice choice) {
  constexpr int64_t rows = 16, columns = 1000;
  static std::vector<float> x(rows * columns), y(rows * columns), z(rows * columns), scratch(columns + 16);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = y[i] = static_cast<float>(i % 101) * 0.1f - 5.0f;
  const int kernel = static_cast<int>(state.range(0));
  state.SetLabel(names[kernel]);
  set_compiler(choice);
  const wg_kernel function = find_kernel("/* " + std::to_string(static_cast<int>(choice)) + " */" + text_of(kernel));
  if (function == nullptr) return state.SkipWithError("no compiler");

  const int32_t interrupt = 0;
  wg_context context{};
  context.scratch = [](const wg_context*, int64_t) -> void* { return scratch.data(); };
  context.interrupt = &interrupt;
  void* buffers[3] = {x.data(), kernel == add ? y.data() : z.data(), z.data()};
  const int64_t iterations = kernel <= exponential ? rows * columns : rows;
  const int64_t sizes[3] = {iterations, iterations, columns};
  for (auto _ : state) function(&context, buffers, sizes, nullptr);
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

// Forks first: they must come before this process loads a compiler.
BENCHMARK_CAPTURE(first, clang, CompilerChoice::plugin)
    ->DenseRange(0, kernels - 1)
    ->Iterations(10)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(first, cc, CompilerChoice::system)
    ->Arg(add)
    ->Iterations(10)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(disk, clang, CompilerChoice::plugin)
    ->DenseRange(0, kernels - 1)
    ->Iterations(100)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(disk, cc, CompilerChoice::system)
    ->Arg(add)
    ->Iterations(100)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(later, clang, CompilerChoice::plugin)
    ->DenseRange(0, kernels - 1)
    ->Iterations(30)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(later, cc, CompilerChoice::system)
    ->DenseRange(0, kernels - 1)
    ->Iterations(10)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(many_at_once)->Arg(40)->Iterations(3)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(memory);
BENCHMARK_CAPTURE(run, clang, CompilerChoice::plugin)->DenseRange(0, kernels - 1);
BENCHMARK_CAPTURE(run, cc, CompilerChoice::system)->DenseRange(0, kernels - 1);

}  // namespace
