// Reductions over axes. Without `axes`, over all of them; negative axes count from the end.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

/// Sum; 0 over no elements. bool counts as int64. Floats are added in a fixed tree of lanes.
Array sum(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Largest element; NaN if there is one. Ties share the derivative. Errors: shape (no elements).
Array max(const Operand& x, const Axes& axes = {}, bool keepdims = false);

}  // namespace wengert
