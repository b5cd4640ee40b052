// The parameters of the three convolution primitives, read by their room and by claims.
#pragma once

#include "wengert/program/primitive.hpp"

namespace wengert {

extern const Primitive conv_primitive, conv_input_primitive, conv_kernel_primitive;

/// `image` and `kernel` are the spatial lengths of x and w, which an output's shape does not tell.
struct ConvGeometry {
  enum Place { stride_at, padding_at, dilation_at, groups_at, image_at, kernel_at, dtype_at, precision_at };

  explicit ConvGeometry(const Params& p)
      : stride(p.axes(stride_at)), padding(p.axes(padding_at)), dilation(p.axes(dilation_at)), image(p.axes(image_at)),
        kernel(p.axes(kernel_at)), groups(p.integer(groups_at)) {}

  /// Whether out() can be asked: the text of a program may hold any numbers.
  bool valid() const {
    for (const Axes* pair : {&stride, &padding, &dilation, &image, &kernel}) {
      if (pair->size() != 2) return false;
    }
    for (int a = 0; a < 2; ++a) {
      const auto length = [](int64_t n) { return n >= 0 && n <= max_size; };
      if (stride[a] < 1 || dilation[a] < 1 || !length(padding[a]) || !length(image[a]) || !length(kernel[a]))
        return false;
      if (kernel[a] > 1 && dilation[a] > 4 * max_size / (kernel[a] - 1)) return false;
    }
    return groups >= 1;
  }

  /// Spatial length of y.
  int64_t out(int a) const {
    const int64_t room = image[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1;
    return room < 0 ? 0 : room / stride[a] + 1;
  }
  Axes stride, padding, dilation, image, kernel;
  int64_t groups;
};

}  // namespace wengert
