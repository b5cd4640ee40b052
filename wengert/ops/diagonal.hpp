// Diagonals of arrays.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

/// The elements of x at which the indices of two axes are equal, along a new last axis; the other axes keep their
/// order. Of axes of different lengths the shorter one's. Errors: shape (axes that x lacks, one axis twice).
Array diagonal(const Operand& x, int64_t axis1 = 0, int64_t axis2 = 1);

/// The sum of the diagonal, for each index of the other axes. Errors as for diagonal().
Array trace(const Operand& x, int64_t axis1 = 0, int64_t axis2 = 1);

}  // namespace wengert
