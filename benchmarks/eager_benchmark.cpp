// What one operation and one small gradient cost on one thread. Prints the shortest of many rounds.
#include <chrono>
#include <cstdio>
#include <algorithm>

#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;

namespace {

/// Nanoseconds of one call: the shortest round of many.
template <class F>
double nanoseconds(F f) {
  using Clock = std::chrono::steady_clock;
  constexpr int rounds = 200, calls = 500;
  double best = 1e300;
  for (int r = 0; r < rounds; ++r) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, std::chrono::duration<double, std::nano>(Clock::now() - start).count() / calls);
  }
  return best;
}

void row(const char* what, double measured, const char* target) { std::printf("%-44s %9.0f ns %12s\n", what, measured, target); }

}  // namespace

int main() {
  wg::cpu::set_threads(1);
  const wg::Array x = wg::array({1.f, 2.f, 3.f, 4.f}), y = wg::array({0.5f, 0.25f, 0.125f, 1.f});
  const wg::Array long_x = wg::ones({1024}, wg::float32), long_y = wg::ones({1024}, wg::float32);
  std::printf("%-44s %12s %12s\n", "", "measured", "at most");
  row("x + y, 4 floats", nanoseconds([&] { x + y; }), "40 ns");
  row("x + y, 1,024 floats", nanoseconds([&] { long_x + long_y; }), "100 ns");
  row("x * 2.f, 4 floats", nanoseconds([&] { x * 2.f; }), "");
  row("tanh(x), 4 floats", nanoseconds([&] { wg::tanh(x); }), "");
  row("sum(x), 4 floats", nanoseconds([&] { wg::sum(x); }), "");
  const auto f = [&](const wg::Array& w) { return wg::sum(wg::tanh(w * x) + y); };
  row("sum(tanh(w * x) + y), 4 floats", nanoseconds([&] { f(x); }), "");
  const auto gradient = wg::grad(f);
  row("its gradient", nanoseconds([&] { gradient(x); }), "500 ns");
}
