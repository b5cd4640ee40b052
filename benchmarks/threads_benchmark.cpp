// What a parallel loop costs: when the workers are awake, after 20 ms without work, with one
// processor kept busy by another process, and where a second thread begins to pay.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "wengert/backends/cpu/threads.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using wengert::cpu::context;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int32_t do_nothing(const wg_context*, const void*, int64_t, int64_t) { return wg_ok; }

/// Multiplies and adds one float at a time: about a nanosecond each.
int32_t compute(const wg_context*, const void* arguments, int64_t begin, int64_t end) {
  auto* values = *static_cast<float* const*>(arguments);
  for (int64_t i = begin; i < end; ++i) {
    float x = values[i];
    benchmark::DoNotOptimize(x = x * 0.5f + 1.0f);
    values[i] = x;
  }
  return wg_ok;
}

/// An empty loop of one chunk to each thread.
void region(benchmark::State& state) {
  int threads = static_cast<int>(state.range(0));
  wengert::cpu::set_threads(threads);
  for (auto _ : state) context()->parallel_for(context(), do_nothing, nullptr, 8 * threads, 8);
}
BENCHMARK(region)->Arg(1)->Arg(2)->UseRealTime();

/// The time of single loops over 0.25 ms of work, with a pause before each; prints the median and
/// the largest.
void sparse_regions(benchmark::State& state) {
  wengert::cpu::set_threads(static_cast<int>(state.range(0)));
  std::vector<float> values(static_cast<size_t>(state.range(1)), 1.0f);
  float* data = values.data();
  std::vector<double> times;
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(state.range(2)));
    auto start = Clock::now();
    context()->parallel_for(context(), compute, &data, state.range(1), 4096);
    times.push_back(seconds_since(start));
    state.SetIterationTime(times.back());
  }
  std::sort(times.begin(), times.end());
  state.counters["median_us"] = times[times.size() / 2] * 1e6;
  state.counters["max_us"] = times.back() * 1e6;
}

void after_idle(benchmark::State& state) { sparse_regions(state); }
BENCHMARK(after_idle)
    ->ArgNames({"threads", "size", "idle_ms"})
    ->Args({1, 8192, 20})
    ->Args({2, 8192, 20})
    ->Args({1, 250'000, 20})
    ->Args({2, 250'000, 20})
    ->Iterations(100)
    ->UseManualTime();

/// The same while a process of its own computes without end.
void beside_a_busy_process(benchmark::State& state) {
  pid_t other = fork();
  if (other == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint64_t i = 0;; ++i) benchmark::DoNotOptimize(i);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  sparse_regions(state);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}
BENCHMARK(beside_a_busy_process)
    ->ArgNames({"threads", "size", "idle_ms"})
    ->Args({1, 250'000, 0})
    ->Args({2, 250'000, 0})
    ->Args({1, 250'000, 5})
    ->Args({2, 250'000, 5})
    ->Iterations(400)
    ->UseManualTime();

/// Loops of a growing size, back to back, in two chunks at least.
void growing(benchmark::State& state) {
  int64_t size = state.range(1);
  wengert::cpu::set_threads(static_cast<int>(state.range(0)));
  std::vector<float> values(static_cast<size_t>(size), 1.0f);
  float* data = values.data();
  for (auto _ : state) { context()->parallel_for(context(), compute, &data, size, std::min<int64_t>(size / 2, 4096)); }
}
BENCHMARK(growing)
    ->ArgNames({"threads", "size"})
    ->ArgsProduct({{1, 2}, {256, 1024, 4096, 16'384, 65'536, 1'048'576}})
    ->UseRealTime();

}  // namespace
