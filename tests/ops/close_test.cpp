#include "wengert/ops/close.hpp"
#include "tests/errors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

/// NumPy's definition, one pair at a time.
bool close(double a, double b, double rtol, double atol, bool equal_nan) {
  if (std::isnan(a) || std::isnan(b)) return equal_nan && std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= atol + rtol * std::abs(b);
}

TEST(Close, IsNumPysDefinitionOnAllPairsOfSpecialValues) {
  const std::vector<double> values = {0.0, -0.0, 1.0, 1.0 + 1e-6, 1.0 + 2e-5, -1.0, 1e-9, 2e-8, 1e300, inf, -inf, nan};
  const auto n = static_cast<int64_t>(values.size());
  for (const bool equal_nan : {false, true}) {
    const std::vector<bool> got =
        isclose(array(values, {n, 1}), array(values, {1, n}), 1e-5, 1e-8, equal_nan).to_vector<bool>();
    for (size_t i = 0; i < got.size(); ++i) {
      const double a = values[i / values.size()], b = values[i % values.size()];
      EXPECT_EQ(got[i], close(a, b, 1e-5, 1e-8, equal_nan)) << a << " and " << b;
    }
  }
}

TEST(Close, TolerancesAreRelativeToTheSecond) {
  EXPECT_TRUE(allclose(array({100.0}), array({110.0}), 0.1, 0));
  EXPECT_FALSE(allclose(array({110.0}), array({100.0}), 0.099, 0));
  EXPECT_TRUE(allclose(array({0.0f}), array({0.5f}), 0, 0.5));
}

TEST(Close, OneElementDecidesAndNoneIsClose) {
  EXPECT_FALSE(allclose(array({1.f, 2.f, 3.1f}), array({1.f, 2.f, 3.f})));
  EXPECT_TRUE(allclose(array({1.f, 2.f, 3.f}), array({1.f, 2.f, 3.f})));
  EXPECT_TRUE(allclose(zeros({0, 3}), ones({0, 3})));
  EXPECT_TRUE(allclose(ones({2, 3}), 1));
}

TEST(Close, IntegersDoNotWrap) {
  EXPECT_FALSE(allclose(array({uint8_t{0}}), array({uint8_t{255}}), 0, 2));
  EXPECT_TRUE(allclose(array({uint8_t{1}}), array({int64_t{3}}), 0, 2));
  EXPECT_FALSE(allclose(array({std::numeric_limits<int64_t>::min()}), array({std::numeric_limits<int64_t>::max()})));
  EXPECT_TRUE(allclose(array({true, false}), array({true, false})));
  EXPECT_FALSE(allclose(array({true}), array({false})));
}

TEST(Close, ErrorsNameTheCall) {
  test::expect_line("broadcast", [] { allclose(ones({2}), ones({3})); });
}

}  // namespace
}  // namespace wengert
