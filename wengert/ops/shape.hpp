// Functions that move elements and compute none.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

/// x repeated along new leading axes and axes of length 1. Errors: shape (lengths that do not fit).
Array broadcast_to(const Operand& x, const Shape& shape);
/// The same elements in row-major order with another shape; one length may be -1. Errors: shape (sizes differ).
Array reshape(const Operand& x, std::initializer_list<int64_t> shape);
Array reshape(const Operand& x, const Shape& shape);
/// Axes in another order; without `axes`, all reversed. Errors: shape (not a permutation).
Array transpose(const Operand& x, const Axes& axes = {});

}  // namespace wengert
