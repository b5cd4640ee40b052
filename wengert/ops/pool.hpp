// Pooling over windows of images in NCHW order.
#pragma once

#include <array>
#include <optional>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// Largest element of every window; NaN if there is one. x: [N,C,H,W]; stride defaults to the size of the window.
/// The derivative goes to the first largest element. Errors: shape (rank, a window larger than the padded image).
Array max_pool2d(const Operand& x, std::array<int64_t, 2> size, std::optional<std::array<int64_t, 2>> stride = {},
                 std::array<int64_t, 2> padding = {0, 0});
/// Mean of every window; padding counts as zeros. Errors as above.
Array avg_pool2d(const Operand& x, std::array<int64_t, 2> size, std::optional<std::array<int64_t, 2>> stride = {},
                 std::array<int64_t, 2> padding = {0, 0});

}  // namespace wengert
