// Layers: aggregates with a call operator. Sizes come first; parameters are made by nn::init.
#pragma once

#include "wengert/nn/initializers.hpp"
#include "wengert/nn/module.hpp"
#include "wengert/ops/conv.hpp"
#include "wengert/ops/pool.hpp"

namespace wengert::nn {

using Pair = std::array<int64_t, 2>;

/// y = x @ weight + bias. x: [..., in], y: [..., out], weight: [in, out], bias: [out].
struct Linear {
  int64_t in = 0, out = 0;
  bool with_bias = true;
  Array weight = {}, bias = {};

  void initialize(const Array& key);
  Array operator()(const Array& x) const;
};

/// Convolution of images [N, in, H, W] with weight [out, in/groups, I, J], and bias [out]. See conv2d.
struct Conv2d {
  int64_t in = 0, out = 0;
  Pair size = {1, 1};
  Pair stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};
  int64_t groups = 1;
  bool with_bias = true;
  Array weight = {}, bias = {};

  void initialize(const Array& key);
  Array operator()(const Array& x) const;
};

/// Largest element of every window; a stride of 0 is the size.
struct MaxPool2d {
  Pair size = {2, 2};
  Pair stride = {0, 0}, padding = {0, 0};
  Array operator()(const Array& x) const;
};

/// Mean of every window; a stride of 0 is the size.
struct AvgPool2d {
  Pair size = {2, 2};
  Pair stride = {0, 0}, padding = {0, 0};
  Array operator()(const Array& x) const;
};

/// Sets elements to 0 with probability `rate` in training and scales the others by 1 / (1 - rate).
/// Srivastava et al., JMLR 2014.
struct Dropout {
  double rate = 0.5;
  Array operator()(const Array& x, Context& context) const;
};

/// All axes but the first as one: [N, C, H, W] to [N, C*H*W], row-major.
struct Flatten {
  Array operator()(const Array& x) const;
};

}  // namespace wengert::nn
