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

/// The elements start, start + stride, ... of every axis that come before its limit; strides are 1 where none are given
/// and may be negative, then a limit of -1 takes in element 0. No number counts from the end. A view: no element is
/// copied. Errors: shape "slice-rank" (not one number for each axis), value "slice-stride" (0), index "slice-range".
Array slice(const Operand& x, const Axes& starts, const Axes& limits, const Axes& strides = {});
/// The elements in reverse order along `axes`; without them, along every axis. A view. Errors: shape (axes).
Array flip(const Operand& x, const Axes& axes = {});
/// x with axes of length 1 inserted: `axes` are their numbers in the result, where -1 is the last. A view. Errors:
/// shape "axis-range", "axis-repeated", "expand-rank" (more than 8 axes).
Array expand(const Operand& x, const Axes& axes);
/// x without `axes`, which have length 1; without them, without all such axes. A view. Errors: shape "squeeze-length".
Array squeeze(const Operand& x, const Axes& axes = {});

namespace detail {
/// Zeros of that type that take no memory.
Array zeros_of(const Type& type);

/// Where the elements of a slice lie in an array: one start, length and stride for each axis. Axes in `dropped`, of
/// length 1, are missing in the slice.
struct SlicePlace {
  Axes starts;
  Shape sizes;
  Axes strides;
  Axes dropped = {};  // ascending
};
/// Those elements, a view. The place must lie in x: it is not checked. One plan serves all starts.
Array slice(const Array& x, const SlicePlace& place);
/// x with y in place of those elements, or added to them; dtypes are equal.
Array set_slice(const Array& x, const Array& y, const SlicePlace& place);
Array add_to_slice(const Array& x, const Array& y, const SlicePlace& place);
}  // namespace detail

}  // namespace wengert
