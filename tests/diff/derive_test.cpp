// What is derived is kept while it is of use, and no longer: shapes that never come again cost no memory for good.
#include "wengert/diff/derive.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <thread>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// Derives for a shape that no other call of this process has: three equations forward, and their ways back.
void differentiate_new_shape(int64_t n) {
  const Array x = ones({n});
  grad([](const Array& v) { return sum(tanh(v * v)); })(x);
}

int64_t some_shapes(int64_t first, int64_t count) {
  for (int64_t n = first; n < first + count; ++n) differentiate_new_shape(n);
  return diff::Derivation::count();
}

TEST(Derivations, AreBounded) {
  some_shapes(1000, 1500);  // more than two generations
  const int64_t many = diff::Derivation::count();
  int64_t most = 0;
  for (int64_t first = 2500; first < 6000; first += 500) most = std::max(most, some_shapes(first, 500));
  EXPECT_LE(most, 2 * many);
  EXPECT_LE(most, 4096);
}

TEST(Derivations, LiveAsLongAsATapeThatRefersToThem) {
  const Array x = array({0.5, -1.0, 2.0});
  auto [y, pullback] = vjp([](const Array& v) { return v * sin(v); }, x);
  some_shapes(7000, 2500);
  const Array gradient = pullback(ones({3}, float64));
  for (int64_t i = 0; i < 3; ++i) {
    const double at = x[i].item<double>();
    EXPECT_NEAR(gradient[i].item<double>(), std::sin(at) + at * std::cos(at), 1e-12);
  }
}

TEST(Derivations, LiveOnAfterTheThreadThatFoundThem) {
  const Array x = array({0.5, -1.0, 2.0});
  const auto cube = [](const Array& v) { return v * v * v; };
  using Pulled = decltype(vjp(cube, x));
  std::unique_ptr<Pulled> pulled;
  std::thread([&] { pulled = std::make_unique<Pulled>(vjp(cube, x)); }).join();
  some_shapes(10000, 2500);
  const Array gradient = pulled->pullback(ones({3}, float64));
  for (int64_t i = 0; i < 3; ++i) {
    const double at = x[i].item<double>();
    EXPECT_NEAR(gradient[i].item<double>(), 3 * at * at, 1e-12);
  }
}

TEST(Derivations, SurviveForwardModeThroughManyShapes) {
  // The inner gradient derives while the outer forward step is under way.
  const auto inner = [](const Array& x) {
    Array total = zeros({}, float64);
    for (int64_t n = 1; n < 400; ++n) {
      total = total + grad([&](const Array& s) { return sum(sin(s * ones({n}, float64))); })(x) / double(n);
    }
    return total;
  };
  const auto [value, tangent] = jvp(inner, array(0.3), array(1.0));
  EXPECT_NEAR(value.item<double>(), 399 * std::cos(0.3), 1e-9);
  EXPECT_NEAR(tangent.item<double>(), -399 * std::sin(0.3), 1e-9);
}

}  // namespace
}  // namespace wengert
