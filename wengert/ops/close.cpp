#include "wengert/ops/close.hpp"

#include "wengert/ops/activation.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {

/// Integers and bool in float64: their differences neither wrap nor are always positive.
Array in_floats(const Operand& x) { return is_inexact(x.dtype()) ? x.to_array() : convert(x, Dtype::float64); }

}  // namespace

Array isclose(const Operand& a, const Operand& b, double rtol, double atol, bool equal_nan) {
  const CallScope scope(a, "isclose");
  const Array x = in_floats(a), y = in_floats(b);
  const Array near = logical_and(abs(x - y) <= atol + rtol * abs(y), isfinite(y));
  const Array close = logical_or(near, x == y);  // infinities are equal to themselves
  return equal_nan ? logical_or(close, logical_and(isnan(x), isnan(y))) : close;
}

bool allclose(const Operand& a, const Operand& b, double rtol, double atol, bool equal_nan) {
  const CallScope scope(a, "allclose");
  return all(isclose(a, b, rtol, atol, equal_nan)).item<bool>(a.where());
}

}  // namespace wengert
