// Reading and writing elements by their indices.
//
// Index arrays hold int64, int32 or uint8; negative indices count from the end of their axis. They are checked while
// they are used: one outside throws Error(index, "index-range") that names it and the range, and nothing outside is
// touched.
#pragma once

#include <vector>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// The elements of x at `indices` along one axis, which makes room for the axes of `indices`: x [v,d], indices [b,t],
/// axis 0 give [b,t,d]. The gradient adds up, in the order of the indices, what was taken more than once.
/// Errors: shape (no such axis), dtype (indices are no integers), index (outside the axis).
Array take(const Operand& x, const Array& indices, int64_t axis = 0);
/// y[i, j, k] = x[i, indices[i, j, k], k] for axis 1. The other axes broadcast.
/// Errors: shape (ranks differ, axes do not broadcast), dtype, index.
Array take_along_axis(const Operand& x, const Array& indices, int64_t axis);
/// x with values[i, j, k] added to x[i, indices[i, j, k], k] for axis 1. values and indices have one shape, which is
/// x's but for the axis. Errors: shape, dtype, index.
Array add_along_axis(const Operand& x, const Array& values, const Array& indices, int64_t axis);
/// The block of x with those lengths that begins at `starts`, one integer array of rank 0 for each axis.
/// A start from which the block would reach over the end is an error, not clamped. Errors: shape, dtype, index.
Array dynamic_slice(const Operand& x, const std::vector<Array>& starts, const Shape& sizes);
/// x with the block at `starts` replaced by `update`. Errors: as dynamic_slice.
Array dynamic_update_slice(const Operand& x, const Array& update, const std::vector<Array>& starts);

}  // namespace wengert
