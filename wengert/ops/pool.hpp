// Pooling over windows of images in NCHW order.
#pragma once

#include "wengert/ops/operand.hpp"
#include "wengert/ops/pair.hpp"

namespace wengert {

/// Largest element of every window; NaN if there is one. x: [N,C,H,W]; a stride of {0, 0} is the size of the window.
/// The derivative goes to the first largest element. Errors: shape (rank, a window larger than the padded image).
Array max_pool2d(const Operand& x, Pair size, Pair stride = 0, Pair padding = 0);
/// Mean of every window; padding counts as zeros. Errors as above.
Array avg_pool2d(const Operand& x, Pair size, Pair stride = 0, Pair padding = 0);

}  // namespace wengert
