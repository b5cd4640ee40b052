#include "wengert/nn/layers.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/product.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::nn {
namespace {

std::optional<Pair> stride_or_size(const Pair& stride) {
  return stride[0] == 0 ? std::nullopt : std::optional<Pair>(stride);
}

}  // namespace

void Linear::initialize(const Array& key) {
  weight = he_normal(random::fold_in(key, 0), {in, out}, {in, out});
  if (with_bias) bias = zeros({out});
}

Array Linear::operator()(const Array& x) const {
  const Array y = matmul(x, weight);
  return with_bias ? y + bias : y;
}

void Conv2d::initialize(const Array& key) {
  const int64_t inputs = in / groups * size[0] * size[1];
  weight = he_normal(random::fold_in(key, 0), {out, in / groups, size[0], size[1]}, {inputs, out * size[0] * size[1]});
  if (with_bias) bias = zeros({out});
}

Array Conv2d::operator()(const Array& x) const {
  const Array y = conv2d(x, weight, {stride, padding, dilation}, groups);
  return with_bias ? y + reshape(bias, {out, 1, 1}) : y;
}

Array MaxPool2d::operator()(const Array& x) const { return max_pool2d(x, size, stride_or_size(stride), padding); }
Array AvgPool2d::operator()(const Array& x) const { return avg_pool2d(x, size, stride_or_size(stride), padding); }

Array Dropout::operator()(const Array& x, Context& context) const {
  if (!context.training() || rate == 0) return x;
  if (!(rate >= 0 && rate < 1)) {
    fail(ErrorKind::value, "dropout-rate", "Dropout", "rate " + std::to_string(rate), "a rate from 0 to below 1");
  }
  const Array keep = random::bernoulli(context.next_key("Dropout"), 1 - rate, x.shape());
  return where(keep, x * (1 / (1 - rate)), 0);
}

Array Flatten::operator()(const Array& x) const { return reshape(x, {x.dim(0), -1}); }

}  // namespace wengert::nn
