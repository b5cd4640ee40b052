// Reductions over axes. Without `axes`, over all of them; negative axes count from the end. With `keepdims` the reduced
// axes stay, with length 1. Floats are combined in a fixed tree of lanes: the same bits on any number of threads.
// Errors of all: shape (an axis that x does not have, an axis twice).
#pragma once

#include <optional>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// Sum; 0 over no elements. bool and integers give int64, and wrap.
Array sum(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Product; 1 over no elements. bool and integers give int64, and wrap. Derivatives are computed without dividing: they
/// are right at every order wherever elements are 0, and overflow only where products of elements do.
Array prod(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Largest element; NaN if there is one. 0 is larger than -0. Elements that tie share the derivative equally; where there
/// are NaNs, these do. Errors: shape (no elements).
Array max(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Smallest element; NaN if there is one. -0 is smaller than 0. Elements that tie share the derivative equally; where
/// there are NaNs, these do. Errors: shape (no elements).
Array min(const Operand& x, const Axes& axes = {}, bool keepdims = false);

/// Index of the first largest element, or of the first NaN if there is one; int64. Without `axis`, in x in row-major
/// order. Errors: shape (no elements).
Array argmax(const Operand& x, std::optional<int64_t> axis = {}, bool keepdims = false);
/// Index of the first smallest element, or of the first NaN if there is one; as argmax().
Array argmin(const Operand& x, std::optional<int64_t> axis = {}, bool keepdims = false);

/// Whether any element is not 0 (as NaN is not); bool. False over no elements.
Array any(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Whether no element is 0; bool. True over no elements.
Array all(const Operand& x, const Axes& axes = {}, bool keepdims = false);

/// Arithmetic mean; NaN over no elements. Integers and bool are added in float64 and give float32.
Array mean(const Operand& x, const Axes& axes = {}, bool keepdims = false);
/// Variance: the sum of (x - mean)² over n - correction, in two passes; NaN when n <= correction. Correction 1 gives
/// the unbiased estimate from a sample. Integers and bool are taken as float32.
Array var(const Operand& x, const Axes& axes = {}, double correction = 0, bool keepdims = false);
/// The square root of var(). Its derivatives of every order are 0 where it is 0.
Array std(const Operand& x, const Axes& axes = {}, double correction = 0, bool keepdims = false);

}  // namespace wengert
