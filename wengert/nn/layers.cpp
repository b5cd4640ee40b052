#include "wengert/nn/layers.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/index.hpp"
#include "wengert/ops/normalize.hpp"
#include "wengert/ops/product.hpp"
#include "wengert/ops/shape.hpp"
#include "wengert/ops/stop_gradient.hpp"

namespace wengert::nn {
namespace {

/// Layers begin without parameters; one that is called before nn::init says so.
const Array& initialized(const Array& parameter, const char* layer, const char* name) {
  if (!parameter.defined()) {
    fail(ErrorKind::state, "nn-init", layer, std::string("no ") + name,
         "a layer with parameters; call net = nn::init(net, key) first");
  }
  return parameter;
}
/// The same for a parameter that the layer may be without.
Array optional(bool wanted, const Array& parameter, const char* layer, const char* name) {
  return wanted ? initialized(parameter, layer, name) : Array();
}

void want_momentum(double momentum) {
  if (momentum >= 0 && momentum <= 1) return;
  fail(ErrorKind::value, "batch-norm-momentum", "BatchNorm", "momentum " + shortest_text(momentum),
       "a momentum from 0 to 1");
}

struct Size {
  const char* name;
  int64_t value;
};
/// Sizes as a layer was given them.
void want_sizes(const char* layer, std::initializer_list<Size> sizes) {
  std::string text;
  bool right = true;
  for (const Size& s : sizes) {
    text += (text.empty() ? "" : ", ") + (s.name + (" " + std::to_string(s.value)));
    right = right && s.value >= 0;
  }
  if (!right) fail(ErrorKind::shape, "shape-negative", layer, text, "sizes >= 0");
}

}  // namespace

void Linear::initialize(const Array& key) {
  want_sizes("Linear", {{"in", in}, {"out", out}});
  weight = he_normal(random::fold_in(key, 0), {in, out}, {in, out});
  if (with_bias) bias = zeros({out});
}

Array Linear::operator()(const Operand& x) const {
  const detail::LayerScope place(*this);
  const CallScope scope(x);
  const Array y = matmul(x, initialized(weight, "Linear", "weight"));
  return with_bias ? y + initialized(bias, "Linear", "bias") : y;
}

void Conv2d::initialize(const Array& key) {
  want_sizes("Conv2d", {{"in", in}, {"out", out}, {"height", size[0]}, {"width", size[1]}});
  if (groups < 1 || in % groups != 0 || out % groups != 0) {
    fail(ErrorKind::value, "conv-groups", "Conv2d",
         "in " + std::to_string(in) + ", out " + std::to_string(out) + ", groups " + std::to_string(groups),
         "at least one group, and in and out in equal groups");
  }
  const int64_t inputs = in / groups * size[0] * size[1];
  weight = he_normal(random::fold_in(key, 0), {out, in / groups, size[0], size[1]}, {inputs, out * size[0] * size[1]});
  if (with_bias) bias = zeros({out});
}

Array Conv2d::operator()(const Operand& x) const {
  const detail::LayerScope place(*this);
  const CallScope scope(x);
  const Array y = conv2d(x, initialized(weight, "Conv2d", "weight"), {stride, padding, dilation}, groups);
  return with_bias ? y + reshape(initialized(bias, "Conv2d", "bias"), {out, 1, 1}) : y;
}

Array MaxPool2d::operator()(const Operand& x) const {
  const detail::LayerScope place(*this);
  return max_pool2d(x, size, stride, padding);
}
Array AvgPool2d::operator()(const Operand& x) const {
  const detail::LayerScope place(*this);
  return avg_pool2d(x, size, stride, padding);
}

Array Dropout::operator()(const Operand& x, Context& context) const {
  const detail::LayerScope place(*this);
  const CallScope scope(x);
  if (!(rate >= 0 && rate < 1)) {
    fail(ErrorKind::value, "dropout-rate", "Dropout", "rate " + std::to_string(rate), "a rate from 0 to below 1");
  }
  if (!context.training() || rate == 0) return x.to_array();
  const Array keep = random::bernoulli(context.next_key("Dropout"), 1 - rate, x.shape());
  return where(keep, x.to_array() * (1 / (1 - rate)), 0);
}

void BatchNorm::initialize(const Array&) {
  want_sizes("BatchNorm", {{"channels", channels}});
  want_momentum(momentum);
  if (with_weight) weight = ones({channels});
  if (with_bias) bias = zeros({channels});
  mean.value = zeros({channels});
  variance.value = ones({channels});
}

Array BatchNorm::operator()(const Operand& input, Context& context) const {
  const detail::LayerScope place(*this);
  const CallScope scope(input);
  const Array x = input.to_array();
  if (x.rank() < 2 || x.dim(1).value() != channels) {
    fail(ErrorKind::shape, "batch-norm-channels", "BatchNorm", describe(x),
         "[N, " + std::to_string(channels) + ", ...]");
  }
  const Array w = optional(with_weight, weight, "BatchNorm", "weight");
  const Array b = optional(with_bias, bias, "BatchNorm", "bias");
  const Array& running_mean = initialized(context.value(mean), "BatchNorm", "mean");
  const Array& running_variance = initialized(context.value(variance), "BatchNorm", "variance");
  want_momentum(momentum);
  if (!context.training()) return batch_norm_inference(x, running_mean, running_variance, w, b, eps);
  const int64_t count = x.size() / std::max<int64_t>(channels, 1);
  if (count < 2 && channels > 0) {
    fail(ErrorKind::shape, "batch-norm-count", "BatchNorm", describe(x) + " in training",
         "at least two values for each channel; use a larger batch");
  }
  const auto [y, batch_mean, batch_variance] = batch_norm(x, w, b, eps);
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const auto moved = [&](const Array& running, const Array& batch, double factor) {
    return running * (1 - momentum) + convert(stop_gradient(batch), running.dtype()) * (momentum * factor);
  };
  context.update(mean, moved(running_mean, batch_mean, 1));
  context.update(variance, moved(running_variance, batch_variance, unbiased));
  return y;
}

void LayerNorm::initialize(const Array&) {
  if (with_weight) weight = ones(shape);
  if (with_bias) bias = zeros(shape);
}

Array LayerNorm::operator()(const Operand& input) const {
  const detail::LayerScope place(*this);
  const CallScope scope(input);
  const Array x = input.to_array();
  const int leading = x.rank() - shape.rank();
  if (shape.rank() == 0 || leading < 0 || !(x.shape().last(shape.rank()) == shape)) {
    fail(ErrorKind::shape, "layer-norm-shape", "LayerNorm", describe(x), "last axes " + to_string(shape));
  }
  const Array w = optional(with_weight, weight, "LayerNorm", "weight");
  const Array b = optional(with_bias, bias, "LayerNorm", "bias");
  if (shape.rank() == 1) return layer_norm(x, w, b, eps);
  const Shape flat{shape.size()};  // the primitive takes one axis
  const auto flattened = [&](const Array& a) { return a.defined() ? reshape(a, flat) : a; };
  const Array rows = reshape(x, x.shape().first(leading) + flat);
  return reshape(layer_norm(rows, flattened(w), flattened(b), eps), x.shape());
}

void Embedding::initialize(const Array& key) {
  want_sizes("Embedding", {{"count", count}, {"size", size}});
  weight = random::normal(random::fold_in(key, 0), {count, size});
}

Array Embedding::operator()(const Operand& symbols) const {
  const detail::LayerScope place(*this);
  const CallScope scope(symbols);
  return take(initialized(weight, "Embedding", "weight"), symbols.to_array());
}

Array Flatten::operator()(const Operand& input) const {
  const detail::LayerScope place(*this);
  const CallScope scope(input);
  const Array x = input.to_array();
  return reshape(x, {x.dim(0), x.shape().last(x.rank() - 1).size()});
}

}  // namespace wengert::nn
