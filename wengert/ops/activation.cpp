#include "wengert/ops/activation.hpp"

#include <limits>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Beyond these distances from 0 the function is 0 or x to the last bit of float64. Factors of x are limited to them, so
// that infinity times 0 never arises.
constexpr double gelu_reach = 40;
constexpr double silu_reach = 1000;

const Cases unary_cases = {{{{2, 3}}}, {{{}}}, {{{0, 4}}}};
const Cases binary_cases = {{{{2, 3}, {2, 3}}}, {{{}, {}}}, {{{0, 4}, {0, 4}}}};
const std::vector<double> ends = {0, 10, -10, 1000, -1000, inf, -inf, nan};

/// φ(x) = Φ'(x).
Array normal_density(const Array& x) { return 0.39894228040143268 * exp(-0.5 * square(x)); }
/// The approximation of Φ that gelu's authors give.
Array tanh_distribution(const Array& x) {
  return 0.5 * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * square(x))));
}
/// Its derivative: 2 Φ (1 - Φ) times that of the argument of tanh.
Array tanh_density(const Array& x) {
  const Array y = tanh_distribution(x);
  return 2 * y * (1 - y) * (0.79788456080286536 * (1 + 0.134145 * square(x)));
}

}  // namespace

const Primitive relu_primitive{
    .name = "relu",
    .doc = "y = max(x, 0). x: numeric. The derivative is 0 at 0, and 1 at NaN.",
    .traits = Trait::elementwise | Trait::cheap,
    .infer = same_numeric,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results { return maximum(in[0], 0); },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return where(e.out() <= 0, 0, d[0]); },
    .samples = {.cases = unary_cases, .special = {0, -0.0, inf, -inf, nan}, .smooth = false},
};

const Primitive leaky_relu_primitive{
    .name = "leaky_relu",
    .doc = "y = x where x > 0, else slope x. x, slope: inexact, equal shapes.",
    .traits = Trait::elementwise | Trait::cheap,
    .operands = {"x", "slope"},
    .infer = same_inexact,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      return where(in[0] > 0, in[0], in[1] * in[0]);
    },
    .samples = {.cases = binary_cases, .special = {0, 0.01}, .smooth = false},
};

const Primitive elu_primitive{
    .name = "elu",
    .doc = "y = x where x > 0, else alpha (exp(x) - 1). x, alpha: inexact, equal shapes.",
    .traits = Trait::elementwise,
    .operands = {"x", "alpha"},
    .infer = same_inexact,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      const Array &x = in[0], &alpha = in[1];
      const Array below = where(x > 0, 0, x);  // exp() never overflows in the branch that is not taken
      return where(x > 0, x, alpha * expm1(below));
    },
    .samples = {.cases = binary_cases, .special = {0, 1, 1000, -1000}, .smooth = false},
};

const Primitive relu6_primitive{
    .name = "relu6",
    .doc = "y = min(max(x, 0), 6). x: numeric. The derivative is 0 at 0 and at 6, and 1 at NaN.",
    .traits = Trait::elementwise | Trait::cheap,
    .infer = same_numeric,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results { return clamp(in[0], 0, 6); },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array& y = e.out();
      return where(logical_or(y <= 0, y >= 6), 0, d[0]);
    },
    .samples = {.cases = unary_cases, .range = {-4, 9}, .special = {0, 6, inf, -inf, nan}, .smooth = false},
};

/// Only gelu needs it: users who want the tails to the last place have erfc.
const Primitive normal_cdf_primitive{
    .name = "normal_cdf",
    .doc = "y = Φ(x), the share of a standard normal distribution below x. x: inexact. float32: within 1.6e-7 sqrt(y).",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = φ(x) dx
      return normal_density(clamp(e.in(), -gelu_reach, gelu_reach)) * d[0];
    },
    .lower = [](Lowering& k, const Coordinates& i) -> std::vector<Expr> { return {math("normal_cdf", k(0, i))}; },
    .samples = {.cases = unary_cases, .special = ends, .error = 1.5},
};

const Primitive gelu_primitive{
    .name = "gelu",
    .doc = "y = x Φ(x); approximate: Φ by tanh. x: inexact. 0 at -inf.",
    .traits = Trait::elementwise,
    .params = {"approximate"},
    .infer = same_inexact,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Array &x = in[0], reached = where(x < -gelu_reach, -gelu_reach, x);  // NaN stays
      if (!params.flag(0)) return reached * bind(normal_cdf_primitive, x);
      return reached * tanh_distribution(clamp(x, -gelu_reach, gelu_reach));
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = (Φ(x) + x φ(x)) dx
      const Array &x = e.in(), reached = clamp(x, -gelu_reach, gelu_reach);
      if (!e.params.flag(0)) return (bind(normal_cdf_primitive, x) + reached * normal_density(reached)) * d[0];
      return (tanh_distribution(reached) + reached * tanh_density(reached)) * d[0];
    },
    .samples = {.cases = {{{{2, 3}}, {false}}, {{{2, 3}}, {true}}, {{{}}, {false}}, {{{0, 4}}, {false}}},
                .special = ends},
};

const Primitive silu_primitive{
    .name = "silu",
    .doc = "y = x sigmoid(x). x: inexact. 0 at -inf.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      return maximum(in[0], -silu_reach) * sigmoid(in[0]);
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = s (1 + x (1 - s)) dx with s = sigmoid(x)
      const Array s = sigmoid(e.in());
      return s * (1 + clamp(e.in(), -silu_reach, silu_reach) * (1 - s)) * d[0];
    },
    .samples = {.cases = unary_cases, .special = ends},
};

const Primitive softplus_primitive{
    .name = "softplus",
    .doc = "y = log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)). x: inexact. 0 and inf at the ends.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      return maximum(in[0], 0) + log1p(exp(-abs(in[0])));
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return sigmoid(e.in()) * d[0]; },
    .samples = {.cases = unary_cases, .special = ends},
};

Array relu(const Operand& x) {
  note_call(x);
  return bind(relu_primitive, x.to_array());
}
Array relu6(const Operand& x) {
  note_call(x);
  return bind(relu6_primitive, x.to_array());
}
Array leaky_relu(const Operand& x, const Operand& slope) {
  return bind_broadcast_inexact(leaky_relu_primitive, x, slope);
}
Array elu(const Operand& x, const Operand& alpha) { return bind_broadcast_inexact(elu_primitive, x, alpha); }
Array gelu(const Operand& x, bool approximate) try {
  const CallScope scope(x);
  static const Params &exact = *new Params{false}, &by_tanh = *new Params{true};  // static objects may compute at exit
  return bind(gelu_primitive, to_inexact(x), approximate ? by_tanh : exact);
} catch (const std::bad_alloc&) { throw_no_memory("gelu", x.where()); }
Array silu(const Operand& x) { return bind_inexact(silu_primitive, x); }
Array softplus(const Operand& x) { return bind_inexact(softplus_primitive, x); }

}  // namespace wengert
