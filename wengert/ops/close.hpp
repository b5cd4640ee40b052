// Comparison within tolerances.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

/// Elementwise |a - b| <= atol + rtol |b|, with broadcasting, as NumPy's isclose: not symmetric in a and b. Infinities
/// are close to themselves only; NaN to NaN with `equal_nan`. Integers and bool are compared in float64. Errors: shape.
Array isclose(const Operand& a, const Operand& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
/// Whether all elements are close; true over no elements. Errors: shape; trace (no values while a program is recorded).
bool allclose(const Operand& a, const Operand& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

}  // namespace wengert
