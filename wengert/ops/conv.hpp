// Two-dimensional convolution over images in NCHW order (logical order; memory may be channels-last).
#pragma once

#include "wengert/ops/operand.hpp"
#include "wengert/ops/pair.hpp"

namespace wengert {

/// How a window moves over an image.
struct Window {
  Pair stride = 1;
  Pair padding = 0;  // zeros on both sides of each axis
  Pair dilation = 1;
};

/// y[n,o,p,q] = sum over c,i,j of x[n, c, p*stride + i*dilation - padding, ...] * w[o,c,i,j].
/// x: [N,C,H,W], w: [O,C/groups,I,J], inexact, equal dtypes; y: [N,O,P,Q] with
/// P = (H + 2 padding - dilation (I-1) - 1) / stride + 1. Output channel o sees the input channels of its group.
/// Errors: shape (ranks, channels, groups, a window larger than the padded image), value (stride, dilation < 1).
Array conv2d(const Operand& x, const Operand& w, const Window& window = {}, int64_t groups = 1);

}  // namespace wengert
