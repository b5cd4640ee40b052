// A value, its gradient, and a check by finite differences.
#include <iostream>

#include "wengert/wengert.hpp"

namespace wg = wengert;

int main() {
  const auto f = [](const wg::Array& x) { return wg::sum(wg::tanh(x) * x); };
  const wg::Array x = wg::array({0.5, -1.0, 2.0});

  std::cout << "f(x)  = " << f(x) << "\n";
  std::cout << "grad  = " << wg::grad(f)(x) << "\n";

  const double step = 1e-6;
  const wg::Array e0 = wg::array({1.0, 0.0, 0.0});
  std::cout << "check = " << (f(x + step * e0) - f(x - step * e0)) / (2 * step) << "\n";
}
