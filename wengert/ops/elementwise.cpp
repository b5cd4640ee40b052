#include "wengert/ops/elementwise.hpp"

#include <limits>
#include <optional>

#include "wengert/ops/common.hpp"
#include "wengert/ops/shape.hpp"
#include "wengert/ops/stop_gradient.hpp"

namespace wengert {
namespace {

using loops::Op;
using Values = std::vector<Expr>;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const Cases unary_cases = {{{{2, 3}}}, {{{}}}, {{{0, 4}}}};
const Cases binary_cases = {{{{2, 3}, {2, 3}}}, {{{}, {}}}, {{{0, 4}, {0, 4}}}};
const std::vector<Dtype> numeric = {uint8, int32, int64, float32, float64};
const std::vector<Dtype> every = {bool_, uint8, int32, int64, float32, float64};

Types all_bool(const Avals& in) {
  want(is_bool(in[0].dtype), in, ErrorKind::dtype, "dtype-bool", "bool operands; convert with astype(bool_)");
  return same_type(in);
}

Types inexact_to_bool(const Avals& in) {
  same_inexact(in);
  return same_to_bool(in);
}

}  // namespace

// Arithmetic ---------------------------------------------------------------------------------------------

const Primitive neg_primitive{
    .name = "neg",
    .doc = "y = -x. x: numeric, any shape.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap,
    .infer = same_numeric,
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return -d[0]; },
    .transpose = [](const RuleEquation&, const Array& ct, int) { return -ct; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {-k(0, i)}; },
    .samples = {.cases = unary_cases, .special = {0, inf, nan}, .dtypes = numeric},
};

const Primitive add_primitive{
    .name = "add",
    .doc = "z = x + y. x, y: numeric, equal shapes.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return d[0] + d[1]; },
    .transpose = [](const RuleEquation&, const Array& ct, int) { return ct; },
    .drop_zeros = [](const RuleEquation& e, uint64_t zeros) { return e.in(zeros & 1 ? 1 : 0); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) + k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = numeric},
};

const Primitive sub_primitive{
    .name = "sub",
    .doc = "z = x - y. x, y: numeric, equal shapes.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return d[0] - d[1]; },
    .transpose = [](const RuleEquation&, const Array& ct, int operand) { return operand == 0 ? ct : -ct; },
    .drop_zeros = [](const RuleEquation& e, uint64_t zeros) { return zeros & 1 ? -e.in(1) : e.in(0); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) - k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = numeric},
};

const Primitive mul_primitive{
    .name = "mul",
    .doc = "z = x * y. x, y: numeric, equal shapes.",
    .traits = Trait::elementwise | Trait::bilinear | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return d[0] * e.in(1) + e.in(0) * d[1]; },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int operand) { return operand == 0 ? ct * e.in(1) : e.in(0) * ct; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) * k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = numeric},
};

const Primitive div_primitive{
    .name = "div",
    .doc = "z = x / y. x, y: inexact, equal shapes. Linear in x.",
    .traits = Trait::elementwise | Trait::cheap,
    .operands = {"a", "b"},
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dz = (dx - z dy) / y
      return (d[0] - e.out() * d[1]) / e.in(1);
    },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return ct / e.in(1); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) / k(1, i)}; },
    .samples = {binary_cases, {0.5, 2}},
};

const Primitive pow_primitive{
    .name = "pow",
    .doc =
        "z = x to the power y, as in C99. x, y: numeric, equal shapes; integers wrap, and to a negative power "
        "give 0 unless x is 1 or -1. Where x <= 0, derivatives of every order take y as a constant.",
    .traits = Trait::elementwise,
    .operands = {"a", "b"},
    .infer = same_numeric,
    // dz = y x^(y-1) dx + z log(x) dy. Where a coefficient is 0 times infinity, or would be in the derivatives of this
    // formula, it is 0 and its factors are replaced as well. Elsewhere y x^(y-1) stays: at y = 0 its derivative by y is
    // 1/x. At x <= 0 there is no log(x): y is a constant there in both coefficients, so that mixed derivatives agree.
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array &x = e.in(0), &z = e.out(), y = where(x <= 0, stop_gradient(e.in(1)), e.in(1));
      const Array constant = logical_and(y == 0, logical_not(isfinite(reciprocal(x))));
      const Array vanishing = logical_or(x <= 0, z == 0);
      const Array to_x = where(constant, 0, y * power(x, where(constant, 1, y - 1)));
      const Array to_y = where(vanishing, 0, z * log(where(vanishing, 1, x)));
      return to_x * d[0] + to_y * d[1];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Expr x = k(0, i), y = k(1, i);
      if (x.dtype() != uint8) return {math("pow", x, y)};
      return {convert(math("pow", convert(x, int32), convert(y, int32)), uint8)};
    },
    .samples = {.cases = binary_cases, .range = {0.5, 2}, .special = {0, 1, 2, 3, -2}, .dtypes = numeric},
};

const Primitive floor_divide_primitive{
    .name = "floor_divide",
    .doc = "z = x / y rounded down, as in Python. x, y: numeric, equal shapes. Integers by 0 give 0.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {floordiv(k(0, i), k(1, i))}; },
    .samples = {.cases = binary_cases, .range = {0.5, 2}, .dtypes = numeric, .smooth = false},
};

const Primitive remainder_primitive{
    .name = "remainder",
    .doc =
        "z = x - y floor(x / y), exact, with the sign of y, as in Python. x, y: numeric, equal shapes. Integers by 0 "
        "give 0, floats NaN.",
    .traits = Trait::elementwise | Trait::cheap,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return d[0] - floor_divide(e.in(0), e.in(1)) * d[1];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {mod(k(0, i), k(1, i))}; },
    .samples = {.cases = binary_cases, .range = {0.5, 2}, .dtypes = numeric, .smooth = false},
};

const Primitive abs_primitive{
    .name = "abs",
    .doc = "y = |x|. x: numeric. The derivative is 0 at 0.",
    .traits = Trait::elementwise | Trait::cheap,
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return sign(e.in()) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::abs, k(0, i))}; },
    .samples = {.cases = unary_cases, .special = {0, -0.0, inf, -inf, nan}, .dtypes = numeric, .smooth = false},
};

const Primitive sign_primitive{
    .name = "sign",
    .doc = "y = -1, 1, or x itself where it is 0 or NaN. x: numeric.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = same_numeric,
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Expr x = k(0, i), zero = k.constant(0, x.dtype());
      const Expr rest = is_unsigned(x.dtype()) ? x : select(x < zero, k.constant(-1, x.dtype()), x);
      return {select(zero < x, k.constant(1, x.dtype()), rest)};
    },
    .samples = {.cases = unary_cases, .special = {0, inf, -inf, nan}, .dtypes = numeric, .smooth = false},
};

const Primitive square_primitive{
    .name = "square",
    .doc = "y = x x. x: numeric.",
    .traits = Trait::elementwise | Trait::cheap,
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return 2 * e.in() * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Expr x = k(0, i);
      return {x * x};
    },
    .samples = {.cases = unary_cases, .special = {0, inf, nan}, .dtypes = numeric},
};

const Primitive reciprocal_primitive{
    .name = "reciprocal",
    .doc = "y = 1 / x, correctly rounded. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return -square(e.out()) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {1.0 / k(0, i)}; },
    .samples = {unary_cases, {0.5, 2}, {1, inf, -inf, nan}},
};

const Primitive floor_primitive{
    .name = "floor",
    .doc = "y = the largest integer not above x. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = same_inexact,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::floor, k(0, i))}; },
    .samples = {.cases = unary_cases, .special = {0, 1, -1.5, inf, -inf, nan}, .smooth = false},
};

const Primitive round_primitive{
    .name = "round",
    .doc = "y = the integer nearest to x, halves to even. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = same_inexact,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::round, k(0, i))}; },
    .samples = {.cases = unary_cases, .special = {0, 0.5, 1.5, -2.5, inf, -inf, nan}, .smooth = false},
};

// Transcendental functions -------------------------------------------------------------------------------

const Primitive exp_primitive{
    .name = "exp",
    .doc = "y = exp(x). x: inexact. At most 2 ULP; inf and 0 at the ends.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return e.out() * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("exp", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 1000, -1000, inf, -inf, nan}},
};

const Primitive expm1_primitive{
    .name = "expm1",
    .doc = "y = exp(x) - 1, accurate near 0. x: inexact. At most 2 ULP.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return (e.out() + 1) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("expm1", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 1000, -1000, inf, -inf, nan}},
};

const Primitive log_primitive{
    .name = "log",
    .doc = "y = log(x). x: inexact. -inf at 0, NaN below.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return d[0] / e.in(); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("log", k(0, i))}; },
    .samples = {unary_cases, {0.5, 3}, {1, inf, nan}},
};

const Primitive log1p_primitive{
    .name = "log1p",
    .doc = "y = log(1 + x), accurate near 0. x: inexact. -inf at -1, NaN below.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return d[0] / (1 + e.in()); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("log1p", k(0, i))}; },
    .samples = {unary_cases, {-0.5, 3}, {0, inf, nan}},
};

const Primitive sin_primitive{
    .name = "sin",
    .doc = "y = sin(x), x in radians. x: inexact; float64 accurate for |x| < 2^48. NaN at ±inf.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return cos(e.in()) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("sin", k(0, i))}; },
    .samples = {.cases = unary_cases, .range = {-3, 3}, .special = {0, 1000, inf, nan}, .reach = 0x1p48},
};

const Primitive cos_primitive{
    .name = "cos",
    .doc = "y = cos(x), x in radians. x: inexact; float64 accurate for |x| < 2^48. NaN at ±inf.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return -sin(e.in()) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("cos", k(0, i))}; },
    .samples = {.cases = unary_cases, .range = {-3, 3}, .special = {0, 1000, inf, nan}, .reach = 0x1p48},
};

const Primitive tanh_primitive{
    .name = "tanh",
    .doc = "y = tanh(x). x: inexact. At most 2 ULP. ±inf gives ±1; NaN stays.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = (1 - y²) dx, from y: finite at the ends
      const Array& y = e.out();
      return (1 - y * y) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("tanh", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 9, -9, 100, -100, inf, -inf, nan}},
};

const Primitive sigmoid_primitive{
    .name = "sigmoid",
    .doc = "y = 1 / (1 + exp(-x)). x: inexact. 0 and 1 at the ends.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = y (1 - y) dx, from y: finite at the ends
      const Array& y = e.out();
      return y * (1 - y) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("sigmoid", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 20, -20, 1000, -1000, inf, -inf, nan}},
};

const Primitive erf_primitive{
    .name = "erf",
    .doc = "y = erf(x). x: inexact. ±inf gives ±1.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    // dy = 2 / sqrt(pi) exp(-x²) dx. exp(-28²) is 0, and the clamp keeps x exp(-x²) from being infinity times 0.
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return 1.1283791670955126 * exp(-square(clamp(e.in(), -28, 28))) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("erf", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 20, -20, 1000, inf, -inf, nan}},
};

const Primitive erfc_primitive{
    .name = "erfc",
    .doc = "y = 1 - erf(x), accurate where that is small. x: inexact; float64 within 3.1 ULP. inf gives 0, -inf 2.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    // dy = -2 / sqrt(pi) exp(-x²) dx, with x clamped as in erf.
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return -1.1283791670955126 * exp(-square(clamp(e.in(), -28, 28))) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("erfc", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 20, -20, 1000, inf, -inf, nan}},
};

const Primitive sqrt_primitive{
    .name = "sqrt",
    .doc = "y = sqrt(x), correctly rounded. x: inexact. NaN below 0.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return d[0] * 0.5 / e.out(); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::sqrt, k(0, i))}; },
    .samples = {unary_cases, {0.5, 3}, {1, inf, nan}},
};

const Primitive rsqrt_primitive{
    .name = "rsqrt",
    .doc = "y = 1 / sqrt(x). x: inexact. inf at 0, NaN below.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = -y³/2 dx
      const Array& y = e.out();
      return -0.5 * y * square(y) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("rsqrt", k(0, i))}; },
    .samples = {unary_cases, {0.5, 3}, {1, inf, nan}},
};

// Comparisons and logic ----------------------------------------------------------------------------------

const Primitive eq_primitive{
    .name = "eq",
    .doc = "z = x == y, a bool; false where either is NaN. x, y: equal dtypes and shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) == k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = every, .smooth = false},
};

const Primitive ne_primitive{
    .name = "ne",
    .doc = "z = x != y, a bool; true where either is NaN. x, y: equal dtypes and shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) != k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = every, .smooth = false},
};

const Primitive lt_primitive{
    .name = "lt",
    .doc = "z = x < y, a bool; false where either is NaN. x, y: equal dtypes and shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .operands = {"a", "b"},
    .infer = same_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) < k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = every, .smooth = false},
};

const Primitive le_primitive{
    .name = "le",
    .doc = "z = x <= y, a bool; false where either is NaN. x, y: equal dtypes and shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .operands = {"a", "b"},
    .infer = same_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) <= k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = every, .smooth = false},
};

const Primitive logical_and_primitive{
    .name = "logical_and",
    .doc = "z = x and y. x, y: bool, equal shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable | Trait::commutative,
    .operands = {"a", "b"},
    .infer = all_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) && k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = {bool_}},
};

const Primitive logical_or_primitive{
    .name = "logical_or",
    .doc = "z = x or y. x, y: bool, equal shapes.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable | Trait::commutative,
    .operands = {"a", "b"},
    .infer = all_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) || k(1, i)}; },
    .samples = {.cases = binary_cases, .dtypes = {bool_}},
};

const Primitive logical_not_primitive{
    .name = "logical_not",
    .doc = "y = not x. x: bool.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = all_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {!k(0, i)}; },
    .samples = {.cases = unary_cases, .dtypes = {bool_}},
};

const Primitive isnan_primitive{
    .name = "isnan",
    .doc = "y = whether x is NaN, a bool. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = inexact_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Expr x = k(0, i);
      return {x != x};
    },
    .samples = {.cases = unary_cases, .special = {0, inf, -inf, nan}, .smooth = false},
};

const Primitive isinf_primitive{
    .name = "isinf",
    .doc = "y = whether x is inf or -inf, a bool. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = inexact_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::abs, k(0, i)) == inf}; },
    .samples = {.cases = unary_cases, .special = {0, inf, -inf, nan}, .smooth = false},
};

const Primitive isfinite_primitive{
    .name = "isfinite",
    .doc = "y = whether x is neither infinite nor NaN, a bool. x: inexact.",
    .traits = Trait::elementwise | Trait::cheap | Trait::nondifferentiable,
    .infer = inexact_to_bool,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {unary(Op::abs, k(0, i)) < inf}; },
    .samples = {.cases = unary_cases, .special = {0, inf, -inf, nan}, .smooth = false},
};

// Selection ----------------------------------------------------------------------------------------------

const Primitive max_primitive{
    .name = "max",
    .doc =
        "z = the larger of x and y, and 0 of 0 and -0; NaN if either is. x, y: equal dtypes and shapes. Ties share the "
        "derivative, and so do NaN and a number.",
    .traits = Trait::elementwise | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_type,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array &x = e.in(0), &y = e.in(1);
      return where(x > y, d[0], where(x < y, d[1], 0.5 * (d[0] + d[1])));
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {max(k(0, i), k(1, i))}; },
    .samples = {.cases = binary_cases, .special = {0, 1, inf, nan}, .dtypes = every, .smooth = false},
};

const Primitive min_primitive{
    .name = "min",
    .doc =
        "z = the smaller of x and y, and -0 of 0 and -0; NaN if either is. x, y: equal dtypes and shapes. Ties share the "
        "derivative, and so do NaN and a number.",
    .traits = Trait::elementwise | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_type,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array &x = e.in(0), &y = e.in(1);
      return where(x < y, d[0], where(x > y, d[1], 0.5 * (d[0] + d[1])));
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {min(k(0, i), k(1, i))}; },
    .samples = {.cases = binary_cases, .special = {0, 1, inf, nan}, .dtypes = every, .smooth = false},
};

const Primitive clamp_primitive{
    .name = "clamp",
    .doc =
        "y = min(max(x, low), high); NaN if one of them is. x, low, high: equal dtypes and shapes. The derivative is "
        "that of high where it is in force, else of low where it is, else of x: at both ends it is that of x.",
    .traits = Trait::elementwise | Trait::cheap,
    .operands = {"x", "low", "high"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array &x = e.in(0), &low = e.in(1), &high = e.in(2);
      const Array above = logical_or(x > high, low > high);
      return where(above, d[2], where(x < low, d[1], d[0]));
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {min(max(k(0, i), k(1, i)), k(2, i))}; },
    .samples = {.cases = {{{{2, 3}, {2, 3}, {2, 3}}, {}, {}, {}, {{-2, 2}, {-1.5, -0.5}, {0.5, 1.5}}},
                          {{{}, {}, {}}, {}, {}, {}, {{-2, 2}, {-1.5, -0.5}, {0.5, 1.5}}},
                          {{{0, 4}, {0, 4}, {0, 4}}}},
                .special = {0, 1, -inf, nan},
                .dtypes = numeric,
                .smooth = false},
};

const Primitive where_primitive{
    .name = "where",
    .doc = "z = x where the condition holds, else y. condition: bool; x, y: equal dtypes; equal shapes.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap,
    .operands = {"condition", "a", "b"},
    .infer = [](const Avals& in) -> Types {
      want(is_bool(in[0].dtype), in, ErrorKind::dtype, "where-condition",
           "a bool condition; compare, or convert with astype(bool_)");
      want(in[1].dtype == in[2].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
      want(in[0].shape == in[1].shape && in[1].shape == in[2].shape, in, ErrorKind::shape, "shape-equal",
           "equal shapes; broadcast_to() first");
      return {Type::of(in[1].dtype, in[1].shape, in[1].weak && in[2].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return where(e.in(0), d[1], d[2]); },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int operand) { return operand == 1 ? where(e.in(0), ct, 0) : where(e.in(0), 0, ct); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {select(k(0, i), k(1, i), k(2, i))}; },
    .samples = {.cases = {{{{2, 3}, {2, 3}, {2, 3}}, {}, {}, {bool_}},
                          {{{}, {}, {}}, {}, {}, {bool_}},
                          {{{0, 4}, {0, 4}, {0, 4}}, {}, {}, {bool_}}},
                .dtypes = every},
};

// Conversion ---------------------------------------------------------------------------------------------

const Primitive convert_primitive{
    .name = "convert",
    .doc = "Elements converted to the dtype; floats to integers toward zero. Drops the weak bit.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap,
    .params = {"dtype"},
    .infer = [](const Avals& in) -> Types {
      want(is_supported(in.params.dtype(0)), in, ErrorKind::dtype, "dtype-unsupported",
           "bool, uint8, int32, int64, float32 or float64");
      return {Type::of(in.params.dtype(0), in[0].shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return is_inexact(e.out_type().dtype) ? convert(d[0], e.out_type().dtype) : Array();
    },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return convert(ct, e.in_type().dtype); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {convert(k(0, i), k.result().dtype)}; },
    .samples = {.cases = {{{{2, 3}}, {float64}},
                          {{{}}, {float32}},
                          {{{2, 3}}, {int32}},
                          {{{3}}, {bool_}},
                          {{{3}}, {uint8}},
                          {{{0, 4}}, {int64}}},
                .range = {0, 3},
                .dtypes = every,
                .smooth = false},
};

// The functions ------------------------------------------------------------------------------------------

namespace {

Array bind_unary(const Primitive& primitive, const Operand& x) {
  note_call(x);
  return bind(primitive, x.to_array());
}

/// Integers are already rounded.
Array bind_rounding(const Primitive& primitive, const Operand& x) {
  note_call(x);
  const Array a = x.to_array();
  return is_integer(a.dtype()) ? a : bind(primitive, a);
}

Array truth(const Operand& x) { return convert(x, bool_); }

/// x to a small plain power by multiplication, or nothing where that does not apply.
std::optional<Array> small_power(const Array& x, double exponent) {
  if (exponent == 0) return broadcast_to(detail::scalar(int64_t{1}, x.dtype(), x.type().weak), x.shape());
  if (exponent == 1) return x;
  if (exponent == 2) return square(x);
  if (exponent == 3) return x * square(x);
  if (exponent == 4) return square(square(x));
  if (exponent == -1 && is_inexact(x.dtype())) return reciprocal(x);
  return std::nullopt;
}

}  // namespace

Array operator+(const Operand& a, const Operand& b) { return bind_broadcast(add_primitive, a, b); }
Array operator-(const Operand& a, const Operand& b) { return bind_broadcast(sub_primitive, a, b); }
Array operator*(const Operand& a, const Operand& b) { return bind_broadcast(mul_primitive, a, b); }
Array operator/(const Operand& a, const Operand& b) { return bind_broadcast_inexact(div_primitive, a, b); }
Array operator%(const Operand& a, const Operand& b) { return bind_broadcast(remainder_primitive, a, b); }
Array operator-(const Operand& x) { return negative(x); }

Array& operator+=(Array& a, const Operand& b) { return a = bind_broadcast(add_primitive, {a, b.where()}, b); }
Array& operator-=(Array& a, const Operand& b) { return a = bind_broadcast(sub_primitive, {a, b.where()}, b); }
Array& operator*=(Array& a, const Operand& b) { return a = bind_broadcast(mul_primitive, {a, b.where()}, b); }
Array& operator/=(Array& a, const Operand& b) { return a = bind_broadcast_inexact(div_primitive, {a, b.where()}, b); }
Array& operator%=(Array& a, const Operand& b) { return a = bind_broadcast(remainder_primitive, {a, b.where()}, b); }

Array add(const Operand& a, const Operand& b) { return bind_broadcast(add_primitive, a, b); }
Array subtract(const Operand& a, const Operand& b) { return bind_broadcast(sub_primitive, a, b); }
Array multiply(const Operand& a, const Operand& b) { return bind_broadcast(mul_primitive, a, b); }
Array divide(const Operand& a, const Operand& b) { return bind_broadcast_inexact(div_primitive, a, b); }
Array negative(const Operand& x) { return bind_unary(neg_primitive, x); }

Array power(const Operand& a, const Operand& b) {
  const CallScope scope(a);
  if (b.is_scalar() && !a.is_scalar() && !is_bool(a.dtype()) && !is_bool(b.dtype()) &&
      (is_integer(b.dtype()) || is_inexact(a.dtype()))) {
    if (auto result = small_power(a.array(), b.scalar(float64).item<double>())) return *result;
  }
  return bind_broadcast(pow_primitive, a, b);
}

Array floor_divide(const Operand& a, const Operand& b) { return bind_broadcast(floor_divide_primitive, a, b); }
Array remainder(const Operand& a, const Operand& b) { return bind_broadcast(remainder_primitive, a, b); }
Array abs(const Operand& x) { return bind_unary(abs_primitive, x); }
Array absolute(const Operand& x) { return bind_unary(abs_primitive, x); }
Array sign(const Operand& x) { return bind_unary(sign_primitive, x); }
Array square(const Operand& x) { return bind_unary(square_primitive, x); }
Array reciprocal(const Operand& x) { return bind_inexact(reciprocal_primitive, x); }
Array maximum(const Operand& a, const Operand& b) {
  const CallScope scope(a, "maximum");
  return bind_broadcast(max_primitive, a, b);
}
Array minimum(const Operand& a, const Operand& b) {
  const CallScope scope(a, "minimum");
  return bind_broadcast(min_primitive, a, b);
}
Array clamp(const Operand& x, const Operand& low, const Operand& high) {
  return bind_broadcast(clamp_primitive, x, low, high);
}
Array floor(const Operand& x) { return bind_rounding(floor_primitive, x); }
Array round(const Operand& x) { return bind_rounding(round_primitive, x); }

Array sqrt(const Operand& x) { return bind_inexact(sqrt_primitive, x); }
Array rsqrt(const Operand& x) { return bind_inexact(rsqrt_primitive, x); }
Array exp(const Operand& x) { return bind_inexact(exp_primitive, x); }
Array expm1(const Operand& x) { return bind_inexact(expm1_primitive, x); }
Array log(const Operand& x) { return bind_inexact(log_primitive, x); }
Array log1p(const Operand& x) { return bind_inexact(log1p_primitive, x); }
Array sin(const Operand& x) { return bind_inexact(sin_primitive, x); }
Array cos(const Operand& x) { return bind_inexact(cos_primitive, x); }
Array tanh(const Operand& x) { return bind_inexact(tanh_primitive, x); }
Array sigmoid(const Operand& x) { return bind_inexact(sigmoid_primitive, x); }
Array erf(const Operand& x) { return bind_inexact(erf_primitive, x); }
Array erfc(const Operand& x) { return bind_inexact(erfc_primitive, x); }

Array equal(const Operand& a, const Operand& b) { return bind_broadcast(eq_primitive, a, b); }
Array not_equal(const Operand& a, const Operand& b) { return bind_broadcast(ne_primitive, a, b); }
Array less(const Operand& a, const Operand& b) { return bind_broadcast(lt_primitive, a, b); }
Array less_equal(const Operand& a, const Operand& b) { return bind_broadcast(le_primitive, a, b); }
Array greater(const Operand& a, const Operand& b) {
  const CallScope scope(a, "greater");
  common_shape(lt_primitive, {&a, &b});  // its error names a before b
  return bind_broadcast(lt_primitive, b, a);
}
Array greater_equal(const Operand& a, const Operand& b) {
  const CallScope scope(a, "greater_equal");
  common_shape(le_primitive, {&a, &b});
  return bind_broadcast(le_primitive, b, a);
}

Array operator==(const Operand& a, const Operand& b) { return equal(a, b); }
Array operator!=(const Operand& a, const Operand& b) { return not_equal(a, b); }
Array operator<(const Operand& a, const Operand& b) { return less(a, b); }
Array operator<=(const Operand& a, const Operand& b) { return less_equal(a, b); }
Array operator>(const Operand& a, const Operand& b) { return greater(a, b); }
Array operator>=(const Operand& a, const Operand& b) { return greater_equal(a, b); }

Array logical_and(const Operand& a, const Operand& b) {
  const CallScope scope(a);
  return bind_broadcast(logical_and_primitive, truth(a), truth(b));
}
Array logical_or(const Operand& a, const Operand& b) {
  const CallScope scope(a);
  return bind_broadcast(logical_or_primitive, truth(a), truth(b));
}
Array logical_not(const Operand& x) {
  const CallScope scope(x);
  return bind(logical_not_primitive, truth(x));
}

Array isnan(const Operand& x) { return bind_inexact(isnan_primitive, x); }
Array isinf(const Operand& x) { return bind_inexact(isinf_primitive, x); }
Array isfinite(const Operand& x) { return bind_inexact(isfinite_primitive, x); }

Array where(const Operand& condition, const Operand& a, const Operand& b) {
  const CallScope scope(condition);
  const Dtype dtype = promote(a.dtype(), a.weak(), b.dtype(), b.weak());
  const bool weak = a.weak() && b.weak();
  const Shape shape = common_shape(where_primitive, {&condition, &a, &b});
  check_numbers(where_primitive, {&a, &b}, dtype);
  return bind(where_primitive, broadcast_to(truth(condition), shape), converted_and_broadcast(a, dtype, weak, shape),
              converted_and_broadcast(b, dtype, weak, shape));
}

Array convert(const Operand& x, Dtype dtype) {
  note_call(x);
  if (!x.is_scalar() && x.dtype() == dtype && !x.weak()) return x.array();
  return bind(convert_primitive, x.to_array(), {dtype});
}

Array strengthen(const Array& x) { return x.type().weak ? bind(convert_primitive, x, {x.dtype()}) : x; }

Array Array::astype(Dtype dtype, std::source_location where) const {
  const CallScope scope(where, "astype");
  return convert(*this, dtype);
}

}  // namespace wengert
