// Products: sums of products over pairs of axes.
//
// Operands are promoted as promote() says; bool has no products (convert it). Integers wrap around. Sums of floats are
// computed in the dtype of the result.
#pragma once

#include <optional>

#include "wengert/ops/operand.hpp"

namespace wengert {

struct Primitive;
/// Bilinear; parameters lhs_contract, rhs_contract, lhs_batch, rhs_batch, dtype, precision ("highest").
extern const Primitive dot_general_primitive;

/// Which axes of the two operands of a product belong together: axis lhs_contract[i] of the left operand is summed
/// over together with axis rhs_contract[i] of the right one; lhs_batch[i] and rhs_batch[i] are walked through together.
struct ProductAxes {
  Axes lhs_contract, rhs_contract;
  Axes lhs_batch, rhs_batch;
};

/// The general product of two arrays. Axes of the result: batch axes, free axes of a, free axes of b. `result` is the
/// dtype in which products are summed and that the result has; it defaults to the operands' common dtype.
/// Errors: shape (axes that a or b lacks, named twice, of different lengths, more than 8 in the result), dtype (bool).
Array dot_general(const Operand& a, const Operand& b, const ProductAxes& axes, std::optional<Dtype> result = {});

/// The matrix product by NumPy's rule: c[...,i,j] = sum over k of a[...,i,k] b[...,k,j]. Leading axes broadcast; an
/// operand of rank 1 is a row on the left and a column on the right, and its axis is not in the result.
/// Errors: shape (inner lengths differ, leading axes do not broadcast, an operand of rank 0), dtype (bool).
Array matmul(const Operand& a, const Operand& b);

/// Sums over the last axis of a and the last but one of b (the only one of a vector): NumPy's dot.
/// Errors as for matmul, without broadcasting.
Array dot(const Operand& a, const Operand& b);
/// The inner product of all elements, each operand taken as one vector. Errors: shape (sizes differ), dtype (bool).
Array vdot(const Operand& a, const Operand& b);
/// The products of every element of a with every element of b: [a.size(), b.size()]. Errors: dtype (bool).
Array outer(const Operand& a, const Operand& b);
/// Sums over `count` axes: the last ones of a with the first ones of b, in order. Errors as for dot_general.
Array tensordot(const Operand& a, const Operand& b, int64_t count = 2);
/// Sums over the given axes of a and of b, pair by pair; negative axes count from the end. Errors as for dot_general.
Array tensordot(const Operand& a, const Operand& b, const Axes& a_axes, const Axes& b_axes);

}  // namespace wengert
