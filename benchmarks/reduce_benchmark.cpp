// Rows of 4096 x 4096 float32: how fast whole-row operations go through memory, beside a C triad.
//
// Every operation makes a fresh output, as eager code does. Bytes are those that must move: operands read once, results
// written once, nothing for write-allocation. The target: 85 % of the triad on the same number of threads.
// `min` is the number to compare on a machine that others use as well.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

namespace {

namespace wg = wengert;
using wg::Array;

constexpr int64_t side = 4096, elements = side * side;

double smallest(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }
double largest(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }

const Array& data() {
  static const Array x = [] {
    std::vector<float> values(static_cast<size_t>(elements));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 977) / 400 - 1;
    return wg::array(values, {side, side});
  }();
  return x;
}

// The triad ----------------------------------------------------------------------------------------------

struct Triad {
  float* a;
  const float *b, *c;
};

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3"))) void triad(float* a,
                                                                                                         const float* b,
                                                                                                         const float* c,
                                                                                                         int64_t n) {
  for (int64_t i = 0; i < n; ++i) a[i] = b[i] + 3.f * c[i];
}

int32_t triad_body(const wg_context*, const void* arguments, int64_t begin, int64_t end) {
  const Triad& t = *static_cast<const Triad*>(arguments);
  triad(t.a + begin, t.b + begin, t.c + begin, end - begin);
  return wg_ok;
}

void run_triad(benchmark::State& state) {
  wg::cpu::set_threads(static_cast<int>(state.range(0)));
  const Array b = data() * 2, c = data() * 3;
  for (auto _ : state) {
    const Array a = wg::detail::make_array(&data().layout());  // from the pool, as the operations' outputs are
    const Triad t{reinterpret_cast<float*>(a.node()->data), reinterpret_cast<const float*>(b.node()->data),
                  reinterpret_cast<const float*>(c.node()->data)};
    const wg_context* context = wg::cpu::context();
    context->parallel_for(context, triad_body, &t, elements, elements / 16);
  }
  state.SetBytesProcessed(state.iterations() * 3 * elements * 4);
}

// Operations ---------------------------------------------------------------------------------------------

void run(benchmark::State& state, const std::function<Array(const Array&)>& f, int64_t arrays) {
  wg::cpu::set_threads(static_cast<int>(state.range(0)));
  const Array& x = data();
  f(x);
  for (auto _ : state) benchmark::DoNotOptimize(f(x).node());
  state.SetBytesProcessed(state.iterations() * arrays * elements * 4);
}

/// On one and two threads, many times: the shortest and the longest are reported beside the mean.
void repeat(benchmark::internal::Benchmark* registered) {
  registered->Arg(1)
      ->Arg(2)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond)
      ->Repetitions(9)
      ->MinTime(0.05)
      ->ReportAggregatesOnly()
      ->ComputeStatistics("min", smallest)
      ->ComputeStatistics("max", largest);
}

void add(const char* name, const std::function<Array(const Array&)>& f, int64_t arrays) {
  repeat(benchmark::RegisterBenchmark(name, run, f, arrays));
}

const bool registered = [] {
  repeat(benchmark::RegisterBenchmark("triad", run_triad));
  add("sum", [](const Array& x) { return wg::sum(x); }, 1);
  add("sum_rows", [](const Array& x) { return wg::sum(x, {1}); }, 1);
  add("sum_columns", [](const Array& x) { return wg::sum(x, {0}); }, 1);
  add("max_rows", [](const Array& x) { return wg::max(x, {1}); }, 1);
  add("argmax_rows", [](const Array& x) { return wg::argmax(x, 1); }, 1);
  add("var_rows", [](const Array& x) { return wg::var(x, {1}); }, 1);
  add("softmax", [](const Array& x) { return wg::softmax(x); }, 2);
  add("log_softmax", [](const Array& x) { return wg::log_softmax(x); }, 2);
  add("layer_norm", [](const Array& x) { return wg::layer_norm(x); }, 2);
  add("gelu", [](const Array& x) { return wg::gelu(x); }, 2);
  return true;
}();

}  // namespace
