#include "wengert/ops/elementwise.hpp"

#include <limits>

#include "wengert/ops/common.hpp"

namespace wengert {
namespace {

using loops::Op;
using Values = std::vector<Expr>;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const Cases unary_cases = {{{{2, 3}}}, {{{}}}, {{{0, 4}}}};
const Cases binary_cases = {{{{2, 3}, {2, 3}}}, {{{}, {}}}, {{{0, 4}, {0, 4}}}};

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
    .samples = {unary_cases},
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
    .samples = {binary_cases},
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
    .samples = {binary_cases},
};

const Primitive mul_primitive{
    .name = "mul",
    .doc = "z = x * y. x, y: numeric, equal shapes.",
    .traits = Trait::elementwise | Trait::bilinear | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_numeric,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return d[0] * e.in(1) + e.in(0) * d[1]; },
    .transpose = [](const RuleEquation& e, const Array& ct, int operand) {
      return operand == 0 ? ct * e.in(1) : e.in(0) * ct; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) * k(1, i)}; },
    .samples = {binary_cases},
};

const Primitive div_primitive{
    .name = "div",
    .doc = "z = x / y. x, y: inexact, equal shapes. Linear in x.",
    .traits = Trait::elementwise | Trait::cheap,
    .operands = {"a", "b"},
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {   // dz = (dx - z dy) / y
      return (d[0] - e.out() * d[1]) / e.in(1); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return ct / e.in(1); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i) / k(1, i)}; },
    .samples = {binary_cases, {0.5, 2}},
};

// Transcendental functions -------------------------------------------------------------------------------

const Primitive exp_primitive{
    .name = "exp",
    .doc = "y = exp(x). x: inexact. At most 2 ULP; inf and 0 at the ends.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return e.out() * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("exp", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, -1000, -inf, nan}},
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

const Primitive tanh_primitive{
    .name = "tanh",
    .doc = "y = tanh(x). x: inexact. At most 2 ULP. ±inf gives ±1; NaN stays.",
    .traits = Trait::elementwise,
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {   // dy = (1 - y²) dx, from y: finite at the ends
      const Array& y = e.out();
      return (1 - y * y) * d[0]; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {math("tanh", k(0, i))}; },
    .samples = {unary_cases, {-3, 3}, {0, 9, -9, 100, -100, inf, -inf, nan}},
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

// Comparisons and selection ------------------------------------------------------------------------------

const Primitive max_primitive{
    .name = "max",
    .doc = "z = the larger of x and y; NaN if either is. x, y: equal shapes. Ties share the derivative.",
    .traits = Trait::elementwise | Trait::cheap | Trait::commutative,
    .operands = {"a", "b"},
    .infer = same_type,
    .tangent = nullptr,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {max(k(0, i), k(1, i))}; },
    .samples = {.cases = binary_cases, .smooth = false},
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
      return {Type::of(in.params.dtype(0), in[0].shape)}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return is_inexact(e.out_type().dtype) ? convert(d[0], e.out_type().dtype) : Array(); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return convert(ct, e.in_type().dtype); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {convert(k(0, i), k.result().dtype)}; },
    .samples = {{{{{2, 3}}, {float64}}, {{{}}, {float32}}}},
};

// The functions ------------------------------------------------------------------------------------------

Array operator+(const Operand& a, const Operand& b) { return bind_broadcast(add_primitive, a, b); }
Array operator-(const Operand& a, const Operand& b) { return bind_broadcast(sub_primitive, a, b); }
Array operator*(const Operand& a, const Operand& b) { return bind_broadcast(mul_primitive, a, b); }
Array operator/(const Operand& a, const Operand& b) { return bind_broadcast_inexact(div_primitive, a, b); }
Array operator-(const Array& x) { return negative(x); }

Array add(const Operand& a, const Operand& b) { return bind_broadcast(add_primitive, a, b); }
Array subtract(const Operand& a, const Operand& b) { return bind_broadcast(sub_primitive, a, b); }
Array multiply(const Operand& a, const Operand& b) { return bind_broadcast(mul_primitive, a, b); }
Array divide(const Operand& a, const Operand& b) { return bind_broadcast_inexact(div_primitive, a, b); }
Array negative(const Operand& x) {
  note_call(x);
  return bind(neg_primitive, x.to_array());
}

Array exp(const Operand& x) { return bind_inexact(exp_primitive, x); }
Array log(const Operand& x) { return bind_inexact(log_primitive, x); }
Array tanh(const Operand& x) { return bind_inexact(tanh_primitive, x); }
Array sqrt(const Operand& x) { return bind_inexact(sqrt_primitive, x); }
Array maximum(const Operand& a, const Operand& b) { return bind_broadcast(max_primitive, a, b); }

Array convert(const Operand& x, Dtype dtype) {
  note_call(x);
  if (!x.is_scalar() && x.dtype() == dtype && !x.weak()) return x.array();
  return bind(convert_primitive, x.to_array(), {dtype});
}

Array strengthen(const Array& x) { return x.type().weak ? bind(convert_primitive, x, {x.dtype()}) : x; }

Array Array::astype(Dtype dtype, std::source_location where) const { return convert(Operand(*this, where), dtype); }

}  // namespace wengert
