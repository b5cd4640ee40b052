// Matrix products: Wengert's matmul and its own kernels beside oneDNN called directly, and matrix times vector beside
// the bandwidth of reading the matrix. Answers are checked first; the competitors take turns, and each reports its best
// time.
//
//   matmul_benchmark [threads]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

extern "C" float read_all(const float* values, size_t count);

namespace {

namespace wg = wengert;
using wg::Array;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The best time of each of several functions, which take turns so that they meet the same weather.
std::vector<double> best_times(const std::vector<std::function<void()>>& functions, double budget = 0.6) {
  std::vector<double> best(functions.size(), 1e30);
  std::vector<int> repeats;
  for (const auto& f : functions) {
    f();
    const auto start = Clock::now();
    f();
    repeats.push_back(std::max(1, static_cast<int>(2e-4 / std::max(seconds_since(start), 1e-8))));
  }
  const auto start = Clock::now();
  for (int round = 0; round < 5 || seconds_since(start) < budget; ++round) {
    for (size_t i = 0; i < functions.size(); ++i) {
      // The threads of the one before spin for a while after their work; they must not take the processor from this one.
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      functions[i]();
      const auto turn = Clock::now();
      for (int r = 0; r < repeats[i]; ++r) functions[i]();
      best[i] = std::min(best[i], seconds_since(turn) / repeats[i]);
    }
  }
  return best;
}

Array random_array(const wg::Shape& shape, unsigned seed, wg::Dtype dtype = wg::float32) {
  std::vector<float> values(static_cast<size_t>(shape.size()));
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return wg::array(values, shape).astype(dtype);
}

void check(const Array& got, const Array& expected, double tolerance, const char* what) {
  const auto x = got.astype(wg::float64).to_vector<double>(), y = expected.astype(wg::float64).to_vector<double>();
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(x[i] - y[i]) > tolerance * (1 + std::fabs(y[i]))) {
      std::fprintf(stderr, "%s: element %zu is %g, wanted %g\n", what, i, x[i], y[i]);
      std::exit(1);
    }
  }
}

Array by_kernels(const Array& a, const Array& b) {
  const wg::cpu::KernelScope kernels;
  return wg::matmul(a, b);
}

void square(int64_t n, bool a_transposed, bool b_transposed) {
  const auto* dnnl = wg::cpu::onednn::library();
  const Array a0 = random_array({n, n}, 1), b0 = random_array({n, n}, 2);
  const Array a = a_transposed ? wg::transpose(a0) : a0, b = b_transposed ? wg::transpose(b0) : b0;
  std::vector<float> c(static_cast<size_t>(n * n));
  const float *pa = a0.span<float>().data(), *pb = b0.span<float>().data();
  const auto direct = [&] {
    dnnl->set_num_threads(wg::cpu::threads());
    dnnl->sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', n, n, n, 1, pa, n, pb, n, 0, c.data(), n);
  };
  direct();
  check(wg::matmul(a, b), wg::array(c, {n, n}), 1e-3, "matmul");
  check(by_kernels(a, b), wg::array(c, {n, n}), 1e-3, "our kernels");
  const Array a64 = a.astype(wg::float64), b64 = b.astype(wg::float64);
  const auto t =
      best_times({direct, [&] { wg::matmul(a, b); }, [&] { by_kernels(a, b); }, [&] { wg::matmul(a64, b64); }});
  const double work = 2.0 * static_cast<double>(n * n * n) / 1e9;
  std::printf("%5lld %c%c %10.1f %10.1f %6.2f %10.1f %6.2f %10.1f\n", static_cast<long long>(n),
              a_transposed ? 't' : 'n', b_transposed ? 't' : 'n', work / t[0], work / t[1], t[0] / t[1], work / t[2],
              t[0] / t[2], work / t[3]);
  std::fflush(stdout);
}

/// Sums a matrix, each thread a part: the bandwidth that a matrix times a vector could have.
void read_in_parallel(const float* values, int64_t count) {
  wg::cpu::context()->parallel_for(
      wg::cpu::context(),
      [](const wg_context*, const void* values, int64_t begin, int64_t end) {
        volatile float sum = read_all(static_cast<const float*>(values) + begin, static_cast<size_t>(end - begin));
        static_cast<void>(sum);
        return 0;
      },
      values, count, count / 16);
}

void vector_product(int64_t n, bool transposed) {
  const Array a0 = random_array({n, n}, 1), x = random_array({n}, 2);
  const Array a = transposed ? wg::transpose(a0) : a0;
  const float* values = a0.span<float>().data();
  check(wg::matmul(a, x), by_kernels(a, x), 1e-3, "matrix times vector");
  const auto t = best_times({[&] { read_in_parallel(values, n * n); }, [&] { wg::matmul(a, x); },
                             [&] { by_kernels(a, x); }, [&] { wg::matmul(x, a); }});
  const double bytes = static_cast<double>(n * n) * 4 / 1e9;
  std::printf("%5lld %s %10.1f %10.1f %6.2f %10.1f %6.2f %10.1f %6.2f\n", static_cast<long long>(n),
              transposed ? "t" : "n", bytes / t[0], bytes / t[1], t[0] / t[1], bytes / t[2], t[0] / t[2], bytes / t[3],
              t[0] / t[3]);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) wg::cpu::set_threads(std::atoi(arguments[1]));
  std::printf("threads: %d\n", wg::cpu::threads());
  if (wg::cpu::onednn::library() == nullptr) {
    std::fprintf(stderr, "no oneDNN on this machine\n");
    return 1;
  }
  std::printf(
      "matrix times matrix, GFLOP/s; ratios to oneDNN called directly\n"
      "    n       oneDNN    wengert  ratio    kernels  ratio    float64\n");
  for (int64_t n : {4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}) square(n, false, false);
  for (int64_t n : {32, 256, 1024}) {
    square(n, false, true);
    square(n, true, false);
  }
  std::printf(
      "matrix times vector and vector times matrix, GB/s; ratios to reading the matrix\n"
      "    n         read        A x  ratio    kernels  ratio        x A  ratio\n");
  for (int64_t n : {256, 1024, 4096}) {
    vector_product(n, false);
    vector_product(n, true);
  }
}
