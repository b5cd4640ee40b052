// Layers: aggregates with a call operator. Sizes come first; parameters are made by nn::init.
#pragma once

#include "wengert/nn/initializers.hpp"
#include "wengert/nn/module.hpp"
#include "wengert/ops/conv.hpp"
#include "wengert/ops/pool.hpp"

namespace wengert::nn {

using wengert::Pair;

/// y = x @ weight + bias. x: [..., in], y: [..., out], weight: [in, out], bias: [out].
struct Linear {
  int64_t in = 0, out = 0;
  bool with_bias = true;
  Array weight = {}, bias = {};

  void initialize(const Array& key);
  Array operator()(const Operand& x) const;
};

/// Convolution of images [N, in, H, W] with weight [out, in/groups, I, J], and bias [out]. See conv2d.
struct Conv2d {
  int64_t in = 0, out = 0;
  Pair size = 1;
  Pair stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool with_bias = true;
  Array weight = {}, bias = {};

  void initialize(const Array& key);
  Array operator()(const Operand& x) const;
};

/// Largest element of every window; a stride of 0 is the size.
struct MaxPool2d {
  Pair size = 2;
  Pair stride = 0, padding = 0;
  Array operator()(const Operand& x) const;
};

/// Mean of every window; a stride of 0 is the size.
struct AvgPool2d {
  Pair size = 2;
  Pair stride = 0, padding = 0;
  Array operator()(const Operand& x) const;
};

/// Sets elements to 0 with probability `rate` in training and scales the others by 1 / (1 - rate).
/// Srivastava et al., JMLR 2014.
struct Dropout {
  double rate = 0.5;
  Array operator()(const Operand& x, Context& context) const;
};

/// (x - mean) / sqrt(variance + eps) * weight + bias, channel by channel. x: [N, channels, ...]; weight, bias, mean and
/// variance: [channels]. In training, mean and variance are those of the batch, and the buffers move towards them:
/// mean = (1 - momentum) mean + momentum batch mean, and so the variance, from its unbiased estimate. Otherwise they
/// are the buffers. Ioffe, Szegedy, ICML 2015. Errors: shape (not [N, channels, ...]; in training, fewer than two
/// values for each channel), value (a momentum outside [0, 1]).
struct BatchNorm {
  int64_t channels = 0;
  double momentum = 0.1, eps = 1e-5;
  bool with_weight = true, with_bias = true;
  Array weight = {}, bias = {};
  Buffer mean = {}, variance = {};

  void initialize(const Array& key);
  Array operator()(const Operand& x, Context& context) const;
};

/// (x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance over the last axes together.
/// x: [..., shape]; weight, bias: [shape]. Ba, Kiros, Hinton, arXiv 1607.06450. Errors: shape (other last axes).
struct LayerNorm {
  Shape shape = {};
  double eps = 1e-5;
  bool with_weight = true, with_bias = true;
  Array weight = {}, bias = {};

  void initialize(const Array& key);
  Array operator()(const Operand& x) const;
};

/// A vector for each of `count` symbols: y[...] = weight[symbols[...]]. symbols: int64, int32 or uint8 of any shape;
/// y: [..., size]; weight: [count, size], drawn from a standard normal distribution. Errors: those of take() along
/// axis 0: dtype (symbols not integers), index (not one of `count`; negative ones count from the end).
struct Embedding {
  int64_t count = 0, size = 0;
  Array weight = {};

  void initialize(const Array& key);
  Array operator()(const Operand& symbols) const;
};

/// All axes but the first as one: [N, C, H, W] to [N, C*H*W], row-major.
struct Flatten {
  Array operator()(const Operand& x) const;
};

}  // namespace wengert::nn
