// The softmax family and normalizations: composites, each one equation and one eager plan. Integers and bool are taken
// as float32. Sums run as in reduce.hpp. Errors of all: shape (axes that x does not have).
#pragma once

#include <tuple>

#include "wengert/ops/operand.hpp"

namespace wengert {

// Softmax ------------------------------------------------------------------------------------------------

/// exp(x) over its sum along `axis`, computed from x - max(x). Entries at -inf give 0; rows that hold NaN or inf, or
/// nothing but -inf, give NaN.
Array softmax(const Operand& x, int64_t axis = -1);
/// log(softmax(x)), accurate where softmax is near 0 or 1.
Array log_softmax(const Operand& x, int64_t axis = -1);
/// log of the sum of exp(x) over `axes` (without: all); -inf over nothing but -inf, and over no elements. The
/// derivative is softmax(x), and 0 over nothing but -inf.
Array logsumexp(const Operand& x, const Axes& axes = {}, bool keepdims = false);

/// Mean over all examples of the cross entropy between labels and softmax(logits) along the last axis.
/// logits: [..., classes]. labels: either integers [...], the number of the class of each example; or probabilities
/// [..., classes], inexact, where a probability of 0 gives 0 whatever the logit.
/// Errors: shape (labels that fit neither form), index "label-range" (a label below 0 or not below `classes`; kernels
/// look while they read it, and name the label and its place).
Array softmax_cross_entropy(const Operand& logits, const Operand& labels);
/// The same for each example: [...].
Array softmax_cross_entropy_each(const Operand& logits, const Operand& labels);

/// 1 where the last coordinate is the label, else 0: labels [...] of integers, result [..., classes].
/// Errors: dtype (labels not integers), index (as softmax_cross_entropy).
Array one_hot(const Operand& labels, int64_t classes, Dtype dtype = float32);

// Normalizations -----------------------------------------------------------------------------------------

/// (x - mean) / sqrt(variance + eps) over the last axis, times weight plus bias where they are given.
/// x: [..., n]; weight, bias: [n], or undefined. Ba, Kiros, Hinton, arXiv 1607.06450.
/// Errors: shape (rank 0; weight or bias not [n]).
Array layer_norm(const Operand& x, const Array& weight = {}, const Array& bias = {}, double eps = 1e-5);

struct BatchNorm {
  Array y;          // as x
  Array mean, var;  // [C]: of this batch; var is biased, with n in the denominator
};
/// (x - mean) / sqrt(var + eps) with mean and variance of each channel over all axes but 1, times weight plus bias
/// where they are given. x: [N, C, ...]; weight, bias: [C], or undefined. All three results are differentiable.
/// Ioffe, Szegedy, ICML 2015. Errors: shape (rank below 2; weight or bias not [C]).
BatchNorm batch_norm(const Operand& x, const Array& weight = {}, const Array& bias = {}, double eps = 1e-5);
/// The same with given means and variances [C], such as running ones.
Array batch_norm_inference(const Operand& x, const Array& mean, const Array& var, const Array& weight = {},
                           const Array& bias = {}, double eps = 1e-5);

/// The 2-norm over `axes` (without: all). Its derivative is 0 at 0.
Array norm(const Operand& x, const Axes& axes = {}, bool keepdims = false);

}  // namespace wengert
