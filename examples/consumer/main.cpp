// Fits a line by gradient descent: arrays, a tree of parameters, a gradient, all from the installed package.
#include <cstdio>
#include <wengert/wengert.hpp>

namespace wg = wengert;

struct Line {
  wg::Array slope = wg::array(0.0);
  wg::Array intercept = wg::array(0.0);
  wg::Array operator()(const wg::Array& x) const { return slope * x + intercept; }
};

int main() {
  const wg::Array x = wg::array({0.0, 1.0, 2.0, 3.0});
  const wg::Array y = wg::array({1.0, 3.0, 5.0, 7.0});
  auto loss = [&](const Line& line) { return wg::sum(wg::square(line(x) - y)); };

  Line line;
  for (int step = 0; step < 500; ++step) {
    const Line gradient = wg::grad(loss)(line);
    line.slope = line.slope - 0.05 * gradient.slope;
    line.intercept = line.intercept - 0.05 * gradient.intercept;
  }
  std::printf("slope %.3f, intercept %.3f\n", line.slope.item<double>(), line.intercept.item<double>());
}
