// Are two threads ever slower than one? Eager operations of 2^8 to 2^22 elements on one and on two threads, in turns,
// the shortest time of many: prints time on two / time on one, and the worst at the end. The target is that two threads
// never take over 1.05 times as long as one; the grain of parallel loops (wengert/backends/cpu/plan.cpp) sees to that.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

namespace {

namespace wg = wengert;
using wg::Array;
using wg::Shape;
using Clock = std::chrono::steady_clock;
using Run = std::function<void()>;

constexpr int smallest = 8, largest = 22;  // powers of two
constexpr double sample_seconds = 100e-6;  // of calls timed as one
constexpr double budget_seconds = 0.06;    // for one operation of one size on one number of threads
constexpr int fewest_rounds = 5;

double seconds_of(const Run& run, int64_t calls) {
  const auto start = Clock::now();
  for (int64_t i = 0; i < calls; ++i) run();
  return std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(calls);
}

/// Shortest times of a call on one and on two threads.
std::array<double, 2> shortest_times(const Run& run) {
  run();  // plans and kernels
  const double once = seconds_of(run, 1);
  const auto calls = static_cast<int64_t>(std::clamp(sample_seconds / once, 1.0, 1000.0));
  const int rounds =
      std::max(fewest_rounds, static_cast<int>(budget_seconds / (once * static_cast<double>(calls) + 1e-9)));
  std::array<double, 2> best{1e9, 1e9};
  for (int round = 0; round < rounds; ++round) {
    for (int threads : {1, 2}) {
      wg::cpu::set_threads(threads);
      run();  // wakes the workers, fills the caches of those that compute
      double& time = best[static_cast<size_t>(threads - 1)];
      time = std::min(time, seconds_of(run, calls));
    }
  }
  return best;
}

Array normal(const Shape& shape) { return wg::random::normal(wg::random::key(shape.size()), shape); }

/// About square.
Shape matrix_of(int power) { return {int64_t{1} << power / 2, int64_t{1} << (power - power / 2)}; }

Run unary(const std::function<Array(const Array&)>& f, const Array& x) {
  return [f, x] { f(x); };
}

Run product(int power) {
  const auto side = static_cast<int64_t>(std::lround(std::exp2(power / 2.0)));
  return [a = normal({side, side}), b = normal({side, side})] { wg::matmul(a, b); };
}

Run by_our_kernels(const Run& run) {
  return [run] {
    const wg::cpu::KernelScope scope;
    run();
  };
}

/// 3 x 3, 8 channels to 8: as many elements of x as asked for.
Run convolution(int power) {
  const int64_t side = power < 12 ? 4 : 16, images = (int64_t{1} << power) / (8 * side * side);
  return [x = normal({images, 8, side, side}), w = normal({8, 8, 3, 3})] { wg::conv2d(x, w, {{1, 1}, {1, 1}}); };
}

/// A step of training: 64 features, 64 hidden units, 10 outputs; the batch has as many elements as asked for.
Run step(int power) {
  const int64_t rows = (int64_t{1} << power) / 64;
  const auto net =
      wg::nn::init(wg::nn::sequential(wg::nn::Linear{64, 64}, wg::relu, wg::nn::Linear{64, 10}), wg::random::key(0));
  const auto optimizer = wg::optim::sgd(1e-3);
  return [x = normal({rows, 64}), y = normal({rows, 10}), net, optimizer, state = optimizer.init(net)] {
    const auto loss = [&](const auto& n) { return wg::mean(wg::square(n(x) - y)); };
    optimizer.update(net, state, wg::grad(loss)(net));
  };
}

struct Operation {
  const char* name;
  std::function<Run(int power)> prepare;
};

Array elements(int power) { return normal({int64_t{1} << power}); }
Array matrix(int power) { return normal(matrix_of(power)); }

const std::vector<Operation> operations = {
    {"add", [](int p) { return unary([](const Array& x) { return x + x; }, elements(p)); }},
    {"exp", [](int p) { return unary([](const Array& x) { return wg::exp(x); }, elements(p)); }},
    {"tanh", [](int p) { return unary([](const Array& x) { return wg::tanh(x); }, elements(p)); }},
    {"sum rows", [](int p) { return unary([](const Array& x) { return wg::sum(x, 1); }, matrix(p)); }},
    {"sum columns", [](int p) { return unary([](const Array& x) { return wg::sum(x, 0); }, matrix(p)); }},
    {"softmax", [](int p) { return unary([](const Array& x) { return wg::softmax(x); }, matrix(p)); }},
    {"layer_norm", [](int p) { return unary([](const Array& x) { return wg::layer_norm(x); }, matrix(p)); }},
    {"matmul", product},
    {"our matmul", [](int p) { return by_our_kernels(product(p)); }},
    {"conv2d", convolution},
    {"our conv2d", [](int p) { return by_our_kernels(convolution(p)); }},
    {"mlp step", step},
};

}  // namespace

int main() {
  std::printf("time on two threads / time on one\nelements   ");
  for (int power = smallest; power <= largest; ++power) std::printf("  2^%-2d", power);
  double worst = 0;
  std::string where;
  for (const Operation& operation : operations) {
    std::printf("\n%-11s", operation.name);
    for (int power = smallest; power <= largest; ++power) {
      const auto [one, two] = shortest_times(operation.prepare(power));
      std::printf("%6.2f", two / one);
      std::fflush(stdout);
      if (two / one <= worst) continue;
      worst = two / one;
      where = std::string(operation.name) + " of 2^" + std::to_string(power) + " elements, " +
          std::to_string(std::lround(one * 1e9)) + " ns on one thread";
    }
  }
  std::printf("\nworst: %.3f, %s\n", worst, where.c_str());
}
