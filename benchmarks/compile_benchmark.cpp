// How long it takes from C text to a function, by each way, for texts that the library prints.
//
// first_*: the first kernel of a process, in a fork of its own, so with the loading of clang (its files are in the page
// cache after the first run). later_*: one more kernel. disk_*: the first kernel of a process, from a warm disk cache.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/wengert.hpp"

namespace {

namespace wg = wengert;
using namespace wengert::cpu;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

enum Kernel { add, exponential, softmax, layer_norm, softmax_gradient, kernels };
constexpr std::array<const char*, kernels> names = {"add", "exp", "softmax", "layer_norm", "gradient of softmax"};

/// The longest text that an operation asks for.
std::string text_of(const std::function<void()>& operation) {
  std::string longest;
  set_compiler(CompilerChoice::none);  // the forks below must come before this process loads a compiler
  set_kernel_observer([&](std::string_view text) {
    if (text.size() > longest.size()) longest = text;
  });
  operation();
  set_kernel_observer({});
  return longest;
}

const std::string& text_of(int kernel) {
  static const std::array<std::string, kernels> texts = [] {
    const wg::Array x = wg::ones({64, 1000}, wg::float32);
    return std::array<std::string, kernels>{
        text_of([&] { x + x; }), text_of([&] { wg::exp(x); }), text_of([&] { wg::softmax(x); }),
        text_of([&] { wg::layer_norm(x); }),
        text_of([&] { wg::grad([](const wg::Array& v) { return wg::sum(wg::square(wg::softmax(v))); })(x); })};
  }();
  return texts[static_cast<size_t>(kernel)];
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
  const std::string& text = text_of(softmax);
  find_kernel(text);
  for (auto _ : state) benchmark::DoNotOptimize(find_kernel(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
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

}  // namespace
