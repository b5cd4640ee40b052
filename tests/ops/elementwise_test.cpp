// The functions over the elementwise primitives and the activations: promotion, broadcasting, conventions, and exact
// derivatives at the points where naive formulas fail. Values and derivatives in general: primitives_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>

#include "tests/ops/primitive_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/diff/grad.hpp"
#include "wengert/diff/jvp.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/ops/activation.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/join.hpp"
#include "wengert/ops/normalize.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::testing {
namespace {

constexpr Real inf = std::numeric_limits<Real>::infinity();
constexpr Real nan = std::numeric_limits<Real>::quiet_NaN();

void expect_values(const Array& x, Dtype dtype, const Values& wanted) {
  EXPECT_EQ(x.dtype(), dtype);
  EXPECT_EQ(difference(values_of(x), wanted, x.dtype(), {}), "") << describe(x);
}

// Promotion, broadcasting, operators ---------------------------------------------------------------------

TEST(Elementwise, PromotesAsTheStandardSays) {
  const Array i = array({1, 2}), f = array({0.5f, 1.5f}), d = array({0.25, 0.5}), u = array<uint8_t>({1, 2}),
              b = array({true, false});
  expect_values(i + f, float32, {1.5, 3.5});
  expect_values(f + d, float64, {0.75, 2});
  expect_values(i + u, int32, {2, 4});
  expect_values(b + i, int32, {2, 2});
  expect_values(i * 2, int32, {2, 4});
  expect_values(i * 2.5, float32, {2.5, 5});
  expect_values(2 * d, float64, {0.5, 1});
  expect_values(f * 0.1, float32, {0.1f * 0.5f, 0.1f * 1.5f});
  expect_values(u + 255, uint8, {0, 1});
  expect_values(i / 2, float32, {0.5, 1});
  expect_values(i / d, float64, {4, 4});
  expect_values(exp(i - i), float32, {1, 1});
  expect_values(floor(i), int32, {1, 2});
  expect_values(sqrt(b), float32, {1, 0});
}

TEST(Elementwise, Broadcasts) {
  const Array column = array({{1.f}, {2.f}}), row = array({10.f, 20.f, 30.f});
  expect_values(column + row, float32, {11, 21, 31, 12, 22, 32});
  EXPECT_EQ((column + row).shape(), (Shape{2, 3}));
  expect_values(where(column > 1, row, 0), float32, {0, 0, 0, 10, 20, 30});
  expect_values(clamp(row, column * 12, 25), float32, {12, 20, 25, 24, 24, 25});
  EXPECT_EQ((column * array(std::vector<float>())).shape(), (Shape{2, 0}));
}

TEST(Elementwise, AssignsToTheHandle) {
  Array x = array({1.f, 2.f});
  const Array old = x;
  x += 1;
  x *= array({2.f, 3.f});
  x -= 0.5;
  x /= 2;
  expect_values(x, float32, {1.75, 4.25});
  x %= 1.5;
  expect_values(x, float32, {0.25, 1.25});
  expect_values(old, float32, {1, 2});
}

TEST(Elementwise, Compares) {
  const Array a = array({1.0, 2.0, static_cast<double>(nan)}), b = array({1, 3, 3});
  expect_values(a == b, bool_, {1, 0, 0});
  expect_values(a != b, bool_, {0, 1, 1});
  expect_values(a < b, bool_, {0, 1, 0});
  expect_values(a <= b, bool_, {1, 1, 0});
  expect_values(a > b, bool_, {0, 0, 0});
  expect_values(a >= b, bool_, {1, 0, 0});
  expect_values(2 > b, bool_, {1, 0, 0});
  expect_values(logical_and(a, b > 1), bool_, {0, 1, 1});
  expect_values(logical_or(a == 1, b == 1), bool_, {1, 0, 0});
  expect_values(logical_not(b - 1), bool_, {1, 0, 0});
}

// Conventions --------------------------------------------------------------------------------------------

TEST(Elementwise, DividesDownwardsAsPython) {
  const Array a = array({7, -7, 7, -7, 5}), b = array({3, 3, -3, -3, 0});
  expect_values(floor_divide(a, b), int32, {2, -3, -3, 2, 0});
  expect_values(a % b, int32, {1, 2, -2, -1, 0});
  const Array x = array({1.0, -1.0, 5.5, 1e300, -5.5, 1.0}),
              y = array({0.1, 0.1, -2.0, 7.0, static_cast<double>(inf), 0.0});
  expect_values(floor_divide(x, y), float64, {9, -10, -3, static_cast<double>(1e300) / 7, -1, inf});
  expect_values(remainder(x, y), float64,
                {std::fmod(1.0, 0.1), 0.1 - std::fmod(1.0, 0.1), -0.5, std::fmod(1e300, 7.0), inf, nan});
}

TEST(Elementwise, RaisesToPowers) {
  const Array x = array({-2.f, 0.f, 3.f});
  expect_values(power(x, 0), float32, {1, 1, 1});
  expect_values(power(x, 1), float32, {-2, 0, 3});
  expect_values(power(x, 2), float32, {4, 0, 9});
  expect_values(power(x, 3.0), float32, {-8, 0, 27});
  expect_values(power(x, 4), float32, {16, 0, 81});
  expect_values(power(x, -1), float32, {-0.5, inf, 1.0f / 3.0f});
  expect_values(power(x, 5), float32, {-32, 0, 243});
  expect_values(power(2, array({0, 3, 31, -1})), int32, {1, 8, -2147483648.0L, 0});
  expect_values(power(array({2, 3}), 2), int32, {4, 9});
  expect_values(power(array({4, 9}), 0.5), float32, {2, 3});
}

TEST(Elementwise, ClampsBetweenLimitsThatMayCross) {
  expect_values(clamp(array({-1, 2, 5}), 0, 3), int32, {0, 2, 3});
  expect_values(clamp(array({-1.f, 2.f, 5.f}), 3, 1), float32, {1, 1, 1});
  expect_values(clamp(array({static_cast<float>(nan)}), 0, 1), float32, {nan});
}

// Whichever way operands stand and elements lie: 0 is larger than -0.
TEST(Elementwise, ExtremaOfZerosOfBothSigns) {
  const auto check = [] {
    for (Dtype dtype : {float32, float64}) {
      for (int64_t length : {2, 3, 16, 67, 1000}) {
        for (int64_t other : {int64_t{0}, length / 2, length - 1}) {
          Values plus(static_cast<size_t>(length), 0), minus(static_cast<size_t>(length), -0.0L);
          const Array a = contiguous_array(plus, dtype, {length}), b = contiguous_array(minus, dtype, {length});
          for (const Array& larger : {maximum(a, b), maximum(b, a), maximum(b, 0.0), clamp(b, 0.0, 1.0)})
            for (Real v : values_of(larger)) EXPECT_FALSE(std::signbit(v));
          for (const Array& smaller : {minimum(a, b), minimum(b, a), maximum(b, b), minimum(a, -0.0)})
            for (Real v : values_of(smaller)) EXPECT_TRUE(std::signbit(v));
          plus[static_cast<size_t>(other)] = -0.0L;
          minus[static_cast<size_t>(other)] = 0;
          EXPECT_FALSE(std::signbit(values_of(max(contiguous_array(minus, dtype, {length})))[0])) << length;
          EXPECT_TRUE(std::signbit(values_of(min(contiguous_array(plus, dtype, {length})))[0])) << length;
        }
      }
    }
  };
  check();
  const cpu::OracleScope oracle;
  check();
}

TEST(Elementwise, ConvertsTowardZero) {
  expect_values(convert(array({-1.7, 1.7, 300.2}), int32), int32, {-1, 1, 300});
  expect_values(convert(array({0.0, 0.3, static_cast<double>(nan)}), bool_), bool_, {0, 1, 1});
  expect_values(array({1, 257}).astype(uint8), uint8, {1, 1});
  EXPECT_FALSE(strengthen(Operand(2).to_array()).type().weak);
}

// Derivatives --------------------------------------------------------------------------------------------

using Function = std::function<Array(const Array&)>;

/// The derivative by reverse mode of a function of one operand, element by element.
Function derivative(const Function& f) {
  return [f](const Array& x) {
    const bool active = true;
    const Array ones = contiguous_array(Values(static_cast<size_t>(x.size()), 1), x.dtype(), x.shape());
    auto result = diff::vjp_through([&](std::span<const Array> in) { return Arrays{f(in[0])}; }, {&x, 1}, {&active, 1});
    const Array dx = result.pullback.depends(0) ? result.pullback({&ones, 1})[0] : Array();
    return dx.defined() ? dx : contiguous_array(Values(static_cast<size_t>(x.size())), x.dtype(), x.shape());
  };
}

/// The value of a function at a point, and its derivatives to third order.
struct Point {
  const char* name;
  Function f;
  Real x;
  Values derivatives;
};

void PrintTo(const Point& point, std::ostream* out) { *out << point.name << " at " << static_cast<double>(point.x); }

class SpecialPoints : public ::testing::TestWithParam<Point> {};

TEST_P(SpecialPoints, ToThirdOrder) {
  const Point& point = GetParam();
  for (Dtype dtype : {float32, float64}) {
    const Array x = contiguous_array({point.x}, dtype, {1});
    Function f = point.f;
    for (size_t order = 0; order < point.derivatives.size(); ++order) {
      EXPECT_EQ(difference(values_of(f(x)), {point.derivatives[order]}, dtype, {2, dtype == float32 ? 3e-6 : 1e-14}),
                "")
          << point.name << " at " << static_cast<double>(point.x) << ", order " << order << ", "
          << wengert::name(dtype);
      f = derivative(f);
    }
  }
}

constexpr Real phi0 = 0.39894228040143267794L;  // 1 / sqrt(2 pi)
const Real log2 = std::log(2.0L);

const Point points[] = {
    {"tanh", [](const Array& x) { return tanh(x); }, 0, {0, 1, 0, -2}},
    {"tanh", [](const Array& x) { return tanh(x); }, 100, {1, 0, 0, 0}},
    {"tanh", [](const Array& x) { return tanh(x); }, -800, {-1, 0, 0, 0}},
    {"tanh", [](const Array& x) { return tanh(x); }, inf, {1, 0, 0, 0}},
    {"sigmoid", [](const Array& x) { return sigmoid(x); }, 0, {0.5, 0.25, 0, -0.125}},
    {"sigmoid", [](const Array& x) { return sigmoid(x); }, -1000, {0, 0, 0, 0}},
    {"sigmoid", [](const Array& x) { return sigmoid(x); }, inf, {1, 0, 0, 0}},
    {"exp", [](const Array& x) { return exp(x); }, -inf, {0, 0, 0, 0}},
    {"exp", [](const Array& x) { return exp(x); }, 1000, {inf, inf, inf, inf}},
    {"expm1", [](const Array& x) { return expm1(x); }, -inf, {-1, 0, 0, 0}},
    {"log", [](const Array& x) { return log(x); }, 0, {-inf, inf, -inf, inf}},
    {"log", [](const Array& x) { return log(x); }, inf, {inf, 0, 0, 0}},
    {"log1p", [](const Array& x) { return log1p(x); }, 0, {0, 1, -1, 2}},
    {"sqrt", [](const Array& x) { return sqrt(x); }, 0, {0, inf, -inf, inf}},
    {"sqrt", [](const Array& x) { return sqrt(x); }, 4, {2, 0.25, -1.0L / 32, 3.0L / 256}},
    {"sqrt", [](const Array& x) { return sqrt(x); }, inf, {inf, 0, 0, 0}},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, 4, {0.5, -1.0L / 16, 3.0L / 128, -15.0L / 1024}},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, inf, {0, 0, 0, 0}},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, 2, {0.5, -0.25, 0.25, -0.375}},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, -inf, {0, 0, 0, 0}},
    {"erf", [](const Array& x) { return erf(x); }, 0, {0, 2 * std::sqrt(2.0L) * phi0, 0, -4 * std::sqrt(2.0L) * phi0}},
    {"erf", [](const Array& x) { return erf(x); }, -inf, {-1, 0, 0, 0}},
    {"erf", [](const Array& x) { return erf(x); }, 1e30L, {1, 0, 0, 0}},
    {"abs", [](const Array& x) { return abs(x); }, 0, {0, 0, 0, 0}},
    {"abs", [](const Array& x) { return abs(x); }, -inf, {inf, -1, 0, 0}},
    {"square", [](const Array& x) { return square(x); }, 0, {0, 0, 2, 0}},
    {"sign", [](const Array& x) { return sign(x); }, 0, {0, 0}},
    {"floor", [](const Array& x) { return floor(x); }, 1, {1, 0}},
    {"x^0", [](const Array& x) { return power(x, array(0.0f)); }, 0, {1, 0, 0, 0}},
    {"x^1", [](const Array& x) { return power(x, array(1.0f)); }, 0, {0, 1, 0, 0}},
    {"x^2", [](const Array& x) { return power(x, array(2.0f)); }, 0, {0, 0, 2, 0}},
    {"x^2", [](const Array& x) { return power(x, array(2.0f)); }, -3, {9, -6, 2, 0}},
    {"x^3", [](const Array& x) { return power(x, 3); }, 0, {0, 0, 0, 6}},
    {"x^3", [](const Array& x) { return power(x, array(3.0f)); }, -1, {-1, 3, -6, 6}},
    {"x^1.5", [](const Array& x) { return power(x, array(1.5f)); }, 0, {0, 0, inf, -inf}},
    {"2^x", [](const Array& x) { return power(2, x); }, 1, {2, 2 * log2, 2 * log2* log2, 2 * log2* log2* log2}},
    {"0^x", [](const Array& x) { return power(0, x); }, 2, {0, 0, 0, 0}},
    {"0^x", [](const Array& x) { return power(0, x); }, -1, {inf, 0, 0, 0}},
    {"inf^x", [](const Array& x) { return power(std::numeric_limits<double>::infinity(), x); }, -1, {0, 0, 0, 0}},
    {"max(x, 0)", [](const Array& x) { return maximum(x, 0); }, 0, {0, 0.5, 0, 0}},
    {"min(x, x)", [](const Array& x) { return minimum(x, x); }, 3, {3, 1, 0, 0}},
    {"max(x, NaN)", [](const Array& x) { return maximum(x, static_cast<double>(nan)); }, 3, {nan}},
    {"clamp at low", [](const Array& x) { return clamp(x, 1, 2); }, 1, {1, 1, 0, 0}},
    {"clamp at high", [](const Array& x) { return clamp(x, 1, 2); }, 2, {2, 1, 0, 0}},
    {"clamp below", [](const Array& x) { return clamp(x, 1, 2); }, 0, {1, 0, 0, 0}},
    {"clamp's low", [](const Array& x) { return clamp(0, x, 2); }, 1, {1, 1, 0, 0}},
    {"clamp's high", [](const Array& x) { return clamp(5, 0, x); }, 1, {1, 1, 0, 0}},
    {"x % 2", [](const Array& x) { return x % 2; }, 2.5, {0.5, 1, 0, 0}},
    {"2.5 % x", [](const Array& x) { return 2.5 % x; }, 1, {0.5, -2, 0, 0}},
    {"where", [](const Array& x) { return where(x > 0, x * x, -x); }, -2, {2, -1, 0, 0}},
    {"relu", [](const Array& x) { return relu(x); }, 0, {0, 0, 0, 0}},
    {"relu", [](const Array& x) { return relu(x); }, inf, {inf, 1, 0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, 6, {6, 0, 0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, 3, {3, 1, 0, 0}},
    {"leaky_relu", [](const Array& x) { return leaky_relu(x, 0.25); }, 0, {0, 0.25, 0, 0}},
    {"leaky_relu", [](const Array& x) { return leaky_relu(x, 0.25); }, -inf, {-inf, 0.25, 0, 0}},
    {"elu", [](const Array& x) { return elu(x); }, 0, {0, 1, 1, 1}},
    {"elu", [](const Array& x) { return elu(x, 2.0); }, -inf, {-2, 0, 0, 0}},
    {"elu", [](const Array& x) { return elu(x); }, 1000, {1000, 1, 0, 0}},
    {"gelu", [](const Array& x) { return gelu(x); }, 0, {0, 0.5, 2 * phi0, 0}},
    {"gelu", [](const Array& x) { return gelu(x); }, 100, {100, 1, 0, 0}},
    {"gelu", [](const Array& x) { return gelu(x); }, -inf, {0, 0, 0, 0}},
    {"gelu", [](const Array& x) { return gelu(x); }, inf, {inf, 1, 0, 0}},
    {"gelu by tanh", [](const Array& x) { return gelu(x, true); }, 0, {0, 0.5, 2 * phi0, 0}},
    {"gelu by tanh", [](const Array& x) { return gelu(x, true); }, -inf, {0, 0, 0, 0}},
    {"silu", [](const Array& x) { return silu(x); }, 0, {0, 0.5, 0.5, 0}},
    {"silu", [](const Array& x) { return silu(x); }, -inf, {0, 0, 0, 0}},
    {"silu", [](const Array& x) { return silu(x); }, 0x1p66L, {0x1p66L, 1, 0, 0}},
    {"softplus", [](const Array& x) { return softplus(x); }, 0, {log2, 0.5, 0.25, 0}},
    {"softplus", [](const Array& x) { return softplus(x); }, -1000, {0, 0, 0, 0}},
    {"softplus", [](const Array& x) { return softplus(x); }, inf, {inf, 1, 0, 0}},
    {"sin", [](const Array& x) { return sin(x); }, 0, {0, 1, 0, -1}},
    {"sin", [](const Array& x) { return sin(x); }, inf, {nan, nan, nan, nan}},
    {"cos", [](const Array& x) { return cos(x); }, 0, {1, 0, -1, 0}},
    {"cos", [](const Array& x) { return cos(x); }, -inf, {nan, nan, nan, nan}},
    {"erfc",
     [](const Array& x) { return erfc(x); },
     0,
     {1, -2 * std::sqrt(2.0L) * phi0, 0, 4 * std::sqrt(2.0L) * phi0}},
    {"erfc", [](const Array& x) { return erfc(x); }, inf, {0, 0, 0, 0}},
    {"erfc", [](const Array& x) { return erfc(x); }, -1e30L, {2, 0, 0, 0}},
    {"exp", [](const Array& x) { return exp(x); }, 0, {1, 1, 1, 1}},
    {"expm1", [](const Array& x) { return expm1(x); }, 0, {0, 1, 1, 1}},
    {"expm1", [](const Array& x) { return expm1(x); }, 1000, {inf, inf, inf, inf}},
    {"log1p", [](const Array& x) { return log1p(x); }, -1, {-inf, inf, -inf, inf}},
    {"log1p", [](const Array& x) { return log1p(x); }, inf, {inf, 0, 0, 0}},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, 0, {inf, -inf, inf, -inf}},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, 0, {inf, -inf, inf, -inf}},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, -0.0L, {-inf, -inf, -inf, -inf}},
    {"square", [](const Array& x) { return square(x); }, -inf, {inf, -inf, 2, 0}},
    {"x x", [](const Array& x) { return x * x; }, inf, {inf, inf, 2, 0}},
    {"x x x", [](const Array& x) { return x * x * x; }, 0, {0, 0, 0, 6}},
    {"3 x", [](const Array& x) { return 3 * x; }, inf, {inf, 3, 0, 0}},
    {"0 x", [](const Array& x) { return 0 * x; }, inf, {nan, 0, 0, 0}},
    {"x / 2", [](const Array& x) { return x / 2; }, -inf, {-inf, 0.5, 0, 0}},
    {"x / 0", [](const Array& x) { return x / 0; }, 1, {inf, inf, 0, 0}},
    {"x / inf", [](const Array& x) { return x / std::numeric_limits<double>::infinity(); }, 1, {0, 0, 0, 0}},
    {"x / x", [](const Array& x) { return x / x; }, 3, {1, 0, 0, 0}},
    {"1 / x", [](const Array& x) { return 1 / x; }, 0, {inf, -inf, inf, -inf}},
    {"1 / x", [](const Array& x) { return 1 / x; }, -0.0L, {-inf, -inf, -inf, -inf}},
    {"1 / x", [](const Array& x) { return 1 / x; }, inf, {0, 0, 0, 0}},
    {"0 / x", [](const Array& x) { return 0 / x; }, 0, {nan, nan, nan, nan}},
    {"x + x", [](const Array& x) { return x + x; }, inf, {inf, 2, 0, 0}},
    {"x - x", [](const Array& x) { return x - x; }, inf, {nan, 0, 0, 0}},
    {"-x", [](const Array& x) { return -x; }, inf, {-inf, -1, 0, 0}},
    {"round", [](const Array& x) { return round(x); }, 0.5, {0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, 0, {0, 0, 0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, -inf, {0, 0, 0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, inf, {6, 0, 0, 0}},
    {"min(x, 0)", [](const Array& x) { return minimum(x, 0); }, 0, {0, 0.5, 0, 0}},
    {"max(x, -x)", [](const Array& x) { return maximum(x, -x); }, 0, {0, 0, 0, 0}},
    {"max(x, x x)", [](const Array& x) { return maximum(x, x * x); }, 1, {1, 1.5, 1, 0}},
    {"max of {x, x x}", [](const Array& x) { return max(concatenate({x, x * x}), 0, true); }, 1, {1, 1.5, 1, 0}},
    {"min of {x, x x, x}",
     [](const Array& x) { return min(concatenate({x, x * x, x}), 0, true); },
     1,
     {1, 4.0L / 3, 2.0L / 3, 0}},
    {"max of {x, x}", [](const Array& x) { return max(concatenate({x, x}), 0, true); }, -inf, {-inf, 1, 0, 0}},
    {"min of {x, -x}", [](const Array& x) { return min(concatenate({x, -x}), 0, true); }, 0, {0, 0, 0, 0}},
    {"norm", [](const Array& x) { return norm(x, 0, true); }, 0, {0, 0, 0, 0}},
    {"norm of {x, 2 x}", [](const Array& x) { return norm(concatenate({x, 2 * x}), 0, true); }, 0, {0, 0, 0, 0}},
    {"norm", [](const Array& x) { return norm(x, 0, true); }, -2, {2, -1, 0, 0}},
    // NaN stays in every derivative that depends on x, and lets through the derivatives of what comes after.
    {"sin", [](const Array& x) { return sin(x); }, nan, {nan, nan, nan, nan}},
    {"cos", [](const Array& x) { return cos(x); }, nan, {nan, nan, nan, nan}},
    {"exp", [](const Array& x) { return exp(x); }, nan, {nan, nan, nan, nan}},
    {"expm1", [](const Array& x) { return expm1(x); }, nan, {nan, nan, nan, nan}},
    {"log", [](const Array& x) { return log(x); }, nan, {nan, nan, nan, nan}},
    {"log", [](const Array& x) { return log(x); }, -1, {nan, -1, -1, -2}},
    {"log1p", [](const Array& x) { return log1p(x); }, nan, {nan, nan, nan, nan}},
    {"tanh", [](const Array& x) { return tanh(x); }, nan, {nan, nan, nan, nan}},
    {"sigmoid", [](const Array& x) { return sigmoid(x); }, nan, {nan, nan, nan, nan}},
    {"erf", [](const Array& x) { return erf(x); }, nan, {nan, nan, nan, nan}},
    {"erfc", [](const Array& x) { return erfc(x); }, nan, {nan, nan, nan, nan}},
    {"sqrt", [](const Array& x) { return sqrt(x); }, nan, {nan, nan, nan, nan}},
    {"sqrt", [](const Array& x) { return sqrt(x); }, -1, {nan, nan, nan, nan}},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, nan, {nan, nan, nan, nan}},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, -1, {nan, nan, nan, nan}},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, nan, {nan, nan, nan, nan}},
    {"x / x", [](const Array& x) { return x / x; }, nan, {nan, nan, nan, nan}},
    {"x^1.5", [](const Array& x) { return power(x, array(1.5f)); }, nan, {nan, nan, nan, nan}},
    {"2^x", [](const Array& x) { return power(2, x); }, nan, {nan, nan, nan, nan}},
    {"square", [](const Array& x) { return square(x); }, nan, {nan, nan, 2, 0}},
    {"x x", [](const Array& x) { return x * x; }, nan, {nan, nan, 2, 0}},
    {"abs", [](const Array& x) { return abs(x); }, nan, {nan, nan, 0, 0}},
    {"elu", [](const Array& x) { return elu(x); }, nan, {nan, nan, nan, nan}},
    {"gelu", [](const Array& x) { return gelu(x); }, nan, {nan, nan, nan, nan}},
    {"gelu by tanh", [](const Array& x) { return gelu(x, true); }, nan, {nan, nan, nan, nan}},
    {"silu", [](const Array& x) { return silu(x); }, nan, {nan, nan, nan, nan}},
    {"softplus", [](const Array& x) { return softplus(x); }, nan, {nan, nan, nan, nan}},
    {"relu", [](const Array& x) { return relu(x); }, nan, {nan, 1, 0, 0}},
    {"relu6", [](const Array& x) { return relu6(x); }, nan, {nan, 1, 0, 0}},
    {"relu(x) squared", [](const Array& x) { return square(relu(x)); }, nan, {nan, nan, 2, 0}},
    {"relu6(x) squared", [](const Array& x) { return square(relu6(x)); }, nan, {nan, nan, 2, 0}},
    {"max of {x x, 3}",
     [](const Array& x) { return max(concatenate({x * x, broadcast_to(Operand(3), {1})}), 0, true); },
     nan,
     {nan, nan, 2, 0}},
    {"max of {x, NaN}",
     [](const Array& x) { return max(concatenate({x, array({static_cast<double>(nan)}).astype(x.dtype())}), 0, true); },
     3,
     {nan, 0, 0, 0}},
    {"norm", [](const Array& x) { return norm(x, 0, true); }, nan, {nan, nan, nan, nan}},
    {"leaky_relu", [](const Array& x) { return leaky_relu(x, 0.25); }, nan, {nan, 0.25, 0, 0}},
    {"max(x, 0)", [](const Array& x) { return maximum(x, 0); }, nan, {nan, 0.5, 0, 0}},
    {"clamp", [](const Array& x) { return clamp(x, 1, 2); }, nan, {nan, 1, 0, 0}},
    {"where", [](const Array& x) { return where(x > 0, x * x, -x); }, nan, {nan, nan, 0, 0}},
};

INSTANTIATE_TEST_SUITE_P(All, SpecialPoints, ::testing::ValuesIn(points));

// The ends of the range --------------------------------------------------------------------------------------

/// A function of long double and its derivatives to third order.
struct Formula {
  const char* name;
  Function f;
  Values (*derivatives)(Real x);
};

void PrintTo(const Formula& formula, std::ostream* out) { *out << formula.name; }

class EndsOfTheRange : public ::testing::TestWithParam<Formula> {};

/// As the dtype holds it: 0 or infinity beyond its range.
Real rounded(Real x, Dtype dtype) { return dtype == float32 ? static_cast<float>(x) : static_cast<double>(x); }

// The largest and the smallest numbers of each dtype: long double holds their third powers.
TEST_P(EndsOfTheRange, ToThirdOrder) {
  for (Dtype dtype : {float32, float64}) {
    const bool narrow = dtype == float32;
    const Real largest = narrow ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
    const Real smallest = narrow ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min();
    for (Real x : {largest, -largest, smallest, -smallest}) {
      Function f = GetParam().f;
      for (int order = 0; order <= 3; ++order) {
        const Real wanted = rounded(GetParam().derivatives(x)[static_cast<size_t>(order)], dtype);
        const Values got = values_of(f(contiguous_array({x}, dtype, {1})));
        EXPECT_EQ(difference(got, {wanted}, dtype, {2, narrow ? 3e-6 : 1e-14}), "")
            << "at " << x << ", order " << order << ", " << wengert::name(dtype);
        f = derivative(f);
      }
    }
  }
}

const Real slope0 = 2 * std::sqrt(2.0L) * phi0;  // of erf

Values of_sigmoid(Real x) {
  const Real s = 1 / (1 + std::exp(-x)), slope = s * (1 - s);
  return {s, slope, slope * (1 - 2 * s), slope * (1 - 6 * slope)};
}
Values of_erf(Real x) {
  const Real slope = slope0 * std::exp(-x * x);
  return {std::erf(x), slope, -2 * x * slope, (4 * x * x - 2) * slope};
}
Values of_gelu(Real x) {
  const Real below = std::erfc(-x / std::sqrt(2.0L)) / 2, density = phi0 * std::exp(-x * x / 2);
  return {x * below, below + x * density, (2 - x * x) * density, (x * x * x - 4 * x) * density};
}
Values of_silu(Real x) {
  const Values s = of_sigmoid(x);
  return {x * s[0], s[0] + x * s[1], 2 * s[1] + x * s[2], 3 * s[2] + x * s[3]};
}
Values of_piece(Real y, Real slope) { return {y, slope, 0, 0}; }
Values of_exp(Real x) { return Values(4, std::exp(x)); }
/// x to the power p, which is no number for x < 0 unless p is an integer.
Values of_power(Real x, Real p) {
  return {std::pow(x, p), p * std::pow(x, p - 1), p * (p - 1) * std::pow(x, p - 2),
          p * (p - 1) * (p - 2) * std::pow(x, p - 3)};
}

const Formula formulas[] = {
    {"exp", [](const Array& x) { return exp(x); }, of_exp},
    {"expm1", [](const Array& x) { return expm1(x); },
     [](Real x) { return Values{std::expm1(x), std::exp(x), std::exp(x), std::exp(x)}; }},
    {"log", [](const Array& x) { return log(x); },
     [](Real x) { return Values{std::log(x), 1 / x, -1 / (x * x), 2 / (x * x * x)}; }},
    {"log1p", [](const Array& x) { return log1p(x); },
     [](Real x) {
       const Real y = 1 / (1 + x);
       return Values{std::log1p(x), y, -y * y, 2 * y * y * y};
     }},
    {"tanh", [](const Array& x) { return tanh(x); },
     [](Real x) {
       const Real y = std::tanh(x), slope = 1 - y * y;
       return Values{y, slope, -2 * y * slope, (6 * y * y - 2) * slope};
     }},
    {"sigmoid", [](const Array& x) { return sigmoid(x); }, of_sigmoid},
    {"erf", [](const Array& x) { return erf(x); }, of_erf},
    {"erfc", [](const Array& x) { return erfc(x); },
     [](Real x) {
       const Values y = of_erf(x);
       return Values{std::erfc(x), -y[1], -y[2], -y[3]};
     }},
    {"sqrt", [](const Array& x) { return sqrt(x); }, [](Real x) { return of_power(x, 0.5L); }},
    {"rsqrt", [](const Array& x) { return rsqrt(x); }, [](Real x) { return of_power(x, -0.5L); }},
    {"reciprocal", [](const Array& x) { return reciprocal(x); }, [](Real x) { return of_power(x, -1); }},
    {"1 / x", [](const Array& x) { return 1 / x; }, [](Real x) { return of_power(x, -1); }},
    {"square", [](const Array& x) { return square(x); }, [](Real x) { return of_power(x, 2); }},
    {"x x", [](const Array& x) { return x * x; }, [](Real x) { return of_power(x, 2); }},
    {"x x x", [](const Array& x) { return x * x * x; }, [](Real x) { return of_power(x, 3); }},
    {"x^2.5", [](const Array& x) { return power(x, array(2.5f)); }, [](Real x) { return of_power(x, 2.5L); }},
    {"x / 2", [](const Array& x) { return x / 2; }, [](Real x) { return of_piece(x / 2, 0.5L); }},
    {"abs", [](const Array& x) { return abs(x); }, [](Real x) { return of_piece(std::fabs(x), x > 0 ? 1 : -1); }},
    {"max(x, 0)", [](const Array& x) { return maximum(x, 0); },
     [](Real x) { return of_piece(std::fmax(x, 0.0L), x > 0); }},
    {"relu", [](const Array& x) { return relu(x); }, [](Real x) { return of_piece(std::fmax(x, 0.0L), x > 0); }},
    {"relu6", [](const Array& x) { return relu6(x); },
     [](Real x) { return of_piece(std::clamp<Real>(x, 0, 6), x > 0 && x < 6); }},
    {"leaky_relu", [](const Array& x) { return leaky_relu(x, 0.25); },
     [](Real x) { return x > 0 ? of_piece(x, 1) : of_piece(x / 4, 0.25L); }},
    {"elu", [](const Array& x) { return elu(x); },
     [](Real x) {
       const Real e = std::exp(x);
       return x > 0 ? of_piece(x, 1) : Values{std::expm1(x), e, e, e};
     }},
    {"gelu", [](const Array& x) { return gelu(x); }, of_gelu},
    {"gelu by tanh", [](const Array& x) { return gelu(x, true); }, of_gelu},
    {"silu", [](const Array& x) { return silu(x); }, of_silu},
    {"softplus", [](const Array& x) { return softplus(x); },
     [](Real x) {
       const Values s = of_sigmoid(x);
       return Values{std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))), s[0], s[1], s[2]};
     }},
};

INSTANTIATE_TEST_SUITE_P(All, EndsOfTheRange, ::testing::ValuesIn(formulas));

// The derivative of y x^(y-1) by y is 1/x at y = 0, where the factor is 0 itself.
TEST(Power, MixedDerivativesAgreeWhereTheExponentIsZero) {
  const auto z = [](const Array& x, const Array& y) { return power(x, y); };
  const auto by_x = grad<0>(z);
  const auto by_y = grad<1>(z);
  for (double x : {0.25, 2.0, 1e-3, 1e30}) {
    const Array a = array(x), b = array(0.0);
    EXPECT_DOUBLE_EQ(grad<1>(by_x)(a, b).item<double>(), 1 / x);
    EXPECT_DOUBLE_EQ(grad<0>(by_y)(a, b).item<double>(), 1 / x);
    EXPECT_EQ(by_x(a, b).item<double>(), 0);
  }
  for (double x : {0.0, 5e-324, static_cast<double>(inf)}) EXPECT_EQ(by_x(array(x), array(0.0)).item<double>(), 0);
}

// Where x <= 0, x^y is no function of y: derivatives with y in them are 0 whichever variable comes first, and those by x
// alone are y (y-1) ... x^(y-n).
TEST(Power, TakesTheExponentAsAConstantWhereTheBaseIsNotPositive) {
  using Binary = std::function<Array(const Array&, const Array&)>;
  const auto by = [](const Binary& f, bool y, bool reverse) -> Binary {
    if (reverse && y) return [=](const Array& a, const Array& b) { return grad<1>(f)(a, b); };
    if (reverse) return [=](const Array& a, const Array& b) { return grad<0>(f)(a, b); };
    return [=](const Array& a, const Array& b) {
      const Array one = array(1.0), none = array(0.0);
      return jvp(f, std::tuple{a, b}, std::tuple{y ? none : one, y ? one : none}).second;
    };
  };
  for (double x : {-2.0, -1.0, -0.5, -0.0, 0.0}) {
    for (double y : {-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0}) {
      if (x == 0 && y < 0) continue;  // infinite
      for (unsigned order = 1; order <= 3; ++order) {
        double by_x_alone = 1;
        for (unsigned n = 0; n < order; ++n) by_x_alone *= y - n;
        if (by_x_alone != 0) by_x_alone *= std::pow(x, y - order);
        for (unsigned variables = 0; variables < 1u << order; ++variables) {
          for (unsigned modes = 0; modes < 1u << order; ++modes) {
            Binary f = [](const Array& a, const Array& b) { return power(a, b); };
            for (unsigned n = 0; n < order; ++n) f = by(f, variables >> n & 1, modes >> n & 1);
            EXPECT_DOUBLE_EQ(f(array(x), array(y)).item<double>(), variables == 0 ? by_x_alone : 0)
                << x << "^" << y << ", order " << order << ", by y " << variables << ", modes " << modes;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace wengert::testing
