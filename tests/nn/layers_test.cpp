// Layers against plain loops in double; their modes, states and errors.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/nn/nn_testing.hpp"

namespace wengert::nn_testing {
namespace {

// Linear, Flatten, pools ---------------------------------------------------------------------------------

TEST(Linear, IsAProductAndASum) {
  const auto layer = nn::init(nn::Linear{3, 2}, random::key(1));
  EXPECT_EQ(layer.weight.shape(), (Shape{3, 2}));
  EXPECT_EQ(layer.bias.shape(), (Shape{2}));
  nn::Linear shifted = layer;
  shifted.bias = array({10.f, 20.f});
  const Array x = random_array({2, 4, 3}, 2);
  const Values in = doubles_of(x), w = doubles_of(layer.weight);
  Values expected;
  for (size_t row = 0; row < 8; ++row) {
    for (size_t j = 0; j < 2; ++j) {
      double y = j == 0 ? 10 : 20;
      for (size_t k = 0; k < 3; ++k) y += in[row * 3 + k] * w[k * 2 + j];
      expected.push_back(y);
    }
  }
  const Array y = shifted(x);
  EXPECT_EQ(y.shape(), (Shape{2, 4, 2}));
  expect_close(doubles_of(y), expected, 1e-5);
  const auto bare = nn::init(nn::Linear{.in = 3, .out = 2, .with_bias = false}, random::key(1));
  EXPECT_FALSE(bare.bias.defined());
  EXPECT_EQ(doubles_of(bare(x)), doubles_of(layer(x))) << "a bias begins with zeros";
}

TEST(Flatten, KeepsTheFirstAxis) {
  EXPECT_EQ(nn::Flatten{}(zeros({2, 3, 4})).shape(), (Shape{2, 12}));
  EXPECT_EQ(nn::Flatten{}(zeros({5})).shape(), (Shape{5, 1}));
  EXPECT_EQ(nn::Flatten{}(zeros({0, 3, 4})).shape(), (Shape{0, 12}));
}

TEST(Pools, StepByTheirSizeUnlessToldOtherwise) {
  const Array x = random_array({1, 2, 5, 6}, 3);
  EXPECT_EQ((nn::MaxPool2d{})(x).shape(), (Shape{1, 2, 2, 3}));
  EXPECT_EQ((nn::AvgPool2d{.size = {3, 3}})(x).shape(), (Shape{1, 2, 1, 2}));
  EXPECT_EQ((nn::MaxPool2d{.size = {3, 3}, .stride = {1, 1}, .padding = {1, 1}})(x).shape(), x.shape());
  EXPECT_EQ((nn::MaxPool2d{.size = 3, .stride = 1, .padding = {1}})(x).shape(), x.shape());  // one number is both
  EXPECT_EQ(nn::init(nn::Conv2d{1, 4, 3}, random::key(0)).weight.shape(), (Shape{4, 1, 3, 3}));
}

// BatchNorm ----------------------------------------------------------------------------------------------

struct PlainBatchNorm {
  Values y, mean, variance;
};
/// x: [n, c, m].
PlainBatchNorm plain_batch_norm(const Values& x, size_t n, size_t c, size_t m, const Values& w, const Values& b,
                                double eps) {
  PlainBatchNorm r{Values(x.size()), Values(c), Values(c)};
  const double count = static_cast<double>(n * m);
  const auto each = [&](size_t channel, auto&& f) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < m; ++j) f((i * c + channel) * m + j);
    }
  };
  for (size_t k = 0; k < c; ++k) {
    each(k, [&](size_t at) { r.mean[k] += x[at] / count; });
    each(k, [&](size_t at) { r.variance[k] += (x[at] - r.mean[k]) * (x[at] - r.mean[k]) / count; });
    each(k, [&](size_t at) { r.y[at] = (x[at] - r.mean[k]) / std::sqrt(r.variance[k] + eps) * w[k] + b[k]; });
  }
  return r;
}

nn::BatchNorm make_batch_norm(int64_t channels) {
  auto layer = nn::init(nn::BatchNorm{.channels = channels, .momentum = 0.25, .eps = 0.01}, random::key(0));
  layer.weight = random_array({channels}, 11).astype(float32);
  layer.bias = random_array({channels}, 12).astype(float32);
  return layer;
}

TEST(BatchNorm, NormalizesTheBatchInTrainingAndMovesItsBuffers) {
  for (const Shape& shape : {Shape{6, 3}, Shape{4, 3, 5}, Shape{2, 3, 4, 5}}) {
    SCOPED_TRACE(to_string(shape));
    const auto layer = make_batch_norm(3);
    const Array x = random_array(shape, 13).astype(float32);
    const auto n = static_cast<size_t>(shape[0].value()), m = static_cast<size_t>(shape.size()) / n / 3;
    const auto plain = plain_batch_norm(doubles_of(x), n, 3, m, doubles_of(layer.weight), doubles_of(layer.bias), 0.01);

    const auto [y, once] = nn::apply(layer, x, {.training = true});
    expect_close(doubles_of(y), plain.y, 1e-5);
    EXPECT_EQ(doubles_of(layer.mean.value), Values(3, 0.0)) << "apply leaves its argument alone";
    const auto twice = nn::apply(once, x, {.training = true}).second;
    const double unbiased = static_cast<double>(n * m) / static_cast<double>(n * m - 1);
    Values mean(3, 0.0), variance(3, 1.0);
    for (const nn::BatchNorm* state : {&once, &twice}) {
      for (size_t k = 0; k < 3; ++k) {
        mean[k] = 0.75 * mean[k] + 0.25 * plain.mean[k];
        variance[k] = 0.75 * variance[k] + 0.25 * plain.variance[k] * unbiased;
      }
      expect_close(doubles_of(state->mean.value), mean, 1e-5);
      expect_close(doubles_of(state->variance.value), variance, 1e-5);
    }
    EXPECT_EQ(once.weight.node(), layer.weight.node());
  }
}

TEST(BatchNorm, UsesItsBuffersOtherwise) {
  auto layer = make_batch_norm(2);
  layer.mean.value = array({0.5f, -2.f});
  layer.variance.value = array({4.f, 0.25f});
  const Array x = random_array({3, 2, 2}, 14);
  const auto [y, same] = nn::apply(layer, x.astype(float32));
  EXPECT_EQ(same.mean.value.node(), layer.mean.value.node());
  EXPECT_EQ(same.variance.value.node(), layer.variance.value.node());
  Values expected = doubles_of(x);
  const Values w = doubles_of(layer.weight), b = doubles_of(layer.bias);
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t k = i / 2 % 2;
    expected[i] = (expected[i] - (k ? -2 : 0.5)) / std::sqrt((k ? 0.25 : 4) + 0.01) * w[k] + b[k];
  }
  expect_close(doubles_of(y), expected, 1e-5);
  EXPECT_EQ(nn::apply(layer, ones({1, 2, 1})).first.shape(), (Shape{1, 2, 1})) << "one value is enough";
}

struct CalledTwice {
  nn::BatchNorm norm;
  Array operator()(const Array& x, nn::Context& context) const { return norm(norm(x, context), context); }
};

TEST(BatchNorm, ThatIsCalledTwiceMovesTwice) {
  const auto layer = make_batch_norm(2);
  const Array x = random_array({5, 2}, 15).astype(float32);
  const auto [y, after_one] = nn::apply(layer, x, {.training = true});
  const auto [z, after_two] = nn::apply(after_one, y, {.training = true});
  const auto [both, after_both] = nn::apply(CalledTwice{layer}, x, {.training = true});
  EXPECT_EQ(doubles_of(both), doubles_of(z));
  EXPECT_EQ(doubles_of(after_both.norm.mean.value), doubles_of(after_two.mean.value));
  EXPECT_EQ(doubles_of(after_both.norm.variance.value), doubles_of(after_two.variance.value));
}

TEST(BatchNorm, IsDifferentiatedThroughTheBatchStatistics) {
  const auto layer = tree::map([](const Array& a) { return a.astype(float64); }, make_batch_norm(3));
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 2, 2}}) {
    const Array x = random_array(shape, 16), c = random_array(shape, 17);
    for (bool training : {true, false}) {
      check_grads([&](const nn::BatchNorm& l,
                      const Array& in) { return sum(c * nn::apply(l, in, {.training = training}).first); },
                  std::tuple(layer, x));
    }
  }
}

TEST(BatchNorm, GivesItsNewStateBesideAGradient) {
  const auto layer = make_batch_norm(3);
  const Array x = random_array({8, 3}, 18).astype(float32);
  const auto loss = [&](const nn::BatchNorm& l) {
    auto [y, next] = nn::apply(l, x, {.training = true});
    return std::pair{sum(square(y)), next};
  };
  const auto [value, gradient] = value_and_grad(loss)(layer);
  EXPECT_TRUE(gradient.weight.defined());
  EXPECT_FALSE(gradient.mean.value.defined());
  EXPECT_FALSE(gradient.variance.value.defined());
  const auto expected = nn::apply(layer, x, {.training = true}).second;
  EXPECT_EQ(doubles_of(value.second.mean.value), doubles_of(expected.mean.value));
  EXPECT_EQ(doubles_of(value.second.variance.value), doubles_of(expected.variance.value));

  const auto sgd = optim::sgd(0.1);
  const auto trained = sgd.update(value.second, sgd.init(layer), gradient).first;
  EXPECT_EQ(trained.mean.value.node(), value.second.mean.value.node()) << "optimizers leave buffers alone";
  EXPECT_NE(doubles_of(trained.weight), doubles_of(layer.weight));
}

TEST(BatchNorm, WithoutWeightAndBias) {
  const auto layer = nn::init(nn::BatchNorm{.channels = 2, .with_weight = false, .with_bias = false}, random::key(0));
  EXPECT_EQ(tree::flatten(layer).size(), 4u);
  EXPECT_FALSE(layer.weight.defined());
  const Array x = random_array({4, 2}, 19);
  expect_close(doubles_of(nn::apply(layer, x, {.training = true}).first),
               plain_batch_norm(doubles_of(x), 4, 2, 1, {1, 1}, {0, 0}, 1e-5).y, 1e-6);
}

TEST(BatchNorm, NamesWhatDoesNotFit) {
  const auto layer = make_batch_norm(3);
  const auto train = [&](const Shape& shape) {
    return [&, shape] { nn::apply(layer, zeros(shape), {.training = true}); };
  };
  expect_error(train({4, 2}), ErrorKind::shape, "batch-norm-channels", "BatchNorm: f32[4,2]: wanted [N, 3, ...]");
  expect_error(train({4}), ErrorKind::shape, "batch-norm-channels", "BatchNorm: f32[4]: wanted [N, 3, ...]");
  expect_error(train({1, 3}), ErrorKind::shape, "batch-norm-count",
               "BatchNorm: f32[1,3] in training: wanted at least two values for each channel; use a larger batch");
}

// LayerNorm ----------------------------------------------------------------------------------------------

TEST(LayerNorm, NormalizesItsLastAxesTogether) {
  for (const Shape& last : {Shape{6}, Shape{2, 3}, Shape{1, 2, 3}}) {
    SCOPED_TRACE(to_string(last));
    auto layer = nn::init(nn::LayerNorm{.shape = last, .eps = 0.01}, random::key(0));
    EXPECT_EQ(layer.weight.shape(), last);
    layer.weight = random_array(last, 21);
    layer.bias = random_array(last, 22);
    const Array x = random_array(Shape{4} + last, 23);
    const Values in = doubles_of(x), w = doubles_of(layer.weight), b = doubles_of(layer.bias);
    Values expected;
    for (size_t row = 0; row < 24; row += 6) {
      double mean = 0, variance = 0;
      for (size_t j = 0; j < 6; ++j) mean += in[row + j] / 6;
      for (size_t j = 0; j < 6; ++j) variance += (in[row + j] - mean) * (in[row + j] - mean) / 6;
      for (size_t j = 0; j < 6; ++j)
        expected.push_back((in[row + j] - mean) / std::sqrt(variance + 0.01) * w[j] + b[j]);
    }
    EXPECT_EQ(layer(x).shape(), x.shape());
    expect_close(doubles_of(layer(x)), expected, 1e-12);
    const Array c = random_array(x.shape(), 24);
    check_grads([&](const nn::LayerNorm& l, const Array& a) { return sum(c * l(a)); }, std::tuple(layer, x));
    nn::LayerNorm bare = nn::init(nn::LayerNorm{.shape = last, .eps = 0.01, .with_bias = false}, random::key(0));
    bare.weight = layer.weight;
    EXPECT_FALSE(bare.bias.defined());
    for (size_t i = 0; i < expected.size(); ++i) expected[i] -= b[i % 6];
    expect_close(doubles_of(bare(x)), expected, 1e-12);
  }
}

TEST(LayerNorm, NamesWhatDoesNotFit) {
  const auto layer = nn::init(nn::LayerNorm{{2, 3}}, random::key(0));
  expect_error([&] { layer(zeros({4, 3, 2})); }, ErrorKind::shape, "layer-norm-shape",
               "LayerNorm: f32[4,3,2]: wanted last axes [2,3]");
  expect_error([&] { layer(zeros({3})); }, ErrorKind::shape, "layer-norm-shape",
               "LayerNorm: f32[3]: wanted last axes [2,3]");
}

// Embedding ----------------------------------------------------------------------------------------------

TEST(Embedding, TakesRowsOfItsWeight) {
  const auto layer = nn::init(nn::Embedding{5, 3}, random::key(4));
  EXPECT_EQ(layer.weight.shape(), (Shape{5, 3}));
  const Values w = doubles_of(layer.weight);
  const std::vector<int64_t> symbols{4, 0, 2, 2, 1, 4};
  for (Dtype dtype : {int64, int32, uint8}) {
    const Array y = layer(array(symbols, {2, 3}).astype(dtype));
    EXPECT_EQ(y.shape(), (Shape{2, 3, 3}));
    Values expected;
    for (int64_t s : symbols) {
      for (int64_t j = 0; j < 3; ++j) expected.push_back(w[static_cast<size_t>(s * 3 + j)]);
    }
    EXPECT_EQ(doubles_of(y), expected);
  }
  EXPECT_EQ(layer(zeros({0}, int64)).shape(), (Shape{0, 3}));
}

/// Rows that were taken twice get both gradients, those that were not taken zeros.
TEST(Embedding, AddsTheGradientsOfARow) {
  const auto layer = nn::init(nn::Embedding{4, 2}, random::key(4));
  const Array symbols = array({2, 0, 2}), c = array({{1.f, 2.f}, {3.f, 4.f}, {10.f, 20.f}});
  const auto gradient = grad([&](const nn::Embedding& l) { return sum(c * l(symbols)); })(layer);
  EXPECT_EQ(doubles_of(gradient.weight), (Values{3, 4, 0, 0, 11, 22, 0, 0}));
  nn::Embedding wide = layer;
  wide.weight = layer.weight.astype(float64);
  check_grads([&](const nn::Embedding& l) { return sum(square(l(symbols))); }, wide);
}

TEST(Embedding, NamesWhatDoesNotFit) {
  const auto layer = nn::init(nn::Embedding{4, 2}, random::key(4));
  expect_line("index-range", [&] { layer(array({1, 4})); });
  expect_line("index-dtype", [&] { layer(array({1.f})); });
  expect_error([] { nn::Embedding{4, 2}(array({1})); }, ErrorKind::state, "nn-init",
               "Embedding: no weight: wanted a layer with parameters; call net = nn::init(net, key) first");
}

// Dropout ------------------------------------------------------------------------------------------------

TEST(Dropout, ZeroesAndScalesInTrainingOnly) {
  const nn::Dropout layer{0.25};
  const Array x = ones({100, 100});
  EXPECT_EQ(nn::apply(layer, x).first.node(), x.node());
  const nn::Mode training{.training = true, .key = random::key(3)};
  const Values y = doubles_of(nn::apply(layer, x, training).first);
  double zeroed = 0;
  for (double v : y) {
    zeroed += v == 0;
    EXPECT_TRUE(v == 0 || std::fabs(v - 4.0 / 3) < 1e-6) << v;
  }
  EXPECT_NEAR(zeroed / 1e4, 0.25, 5 * std::sqrt(0.25 * 0.75 / 1e4));
  EXPECT_EQ(doubles_of(nn::apply(layer, x, training).first), y) << "the key decides";
  const auto twice = nn::sequential(nn::Dropout{0.5}, nn::Dropout{0.5});
  double kept = 0;
  for (double v : doubles_of(nn::apply(twice, x, training).first)) kept += v != 0;
  EXPECT_NEAR(kept / 1e4, 0.25, 5 * std::sqrt(0.25 * 0.75 / 1e4)) << "every draw has a key of its own";
}

/// Which elements of ones a model keeps, drawing from one key.
template <class Net>
std::vector<bool> kept_by(const Net& net) {
  std::vector<bool> kept;
  for (double v : doubles_of(nn::apply(net, ones({64}), {.training = true, .key = random::key(3)}).first)) {
    kept.push_back(v != 0);
  }
  return kept;
}

struct OneDropout {
  nn::Dropout dropout{0.5};
  Array operator()(const Array& x, nn::Context& context) const { return dropout(x, context); }
};
/// The same, behind another layer that draws.
struct OneMoreDropout {
  nn::Dropout before{0.5}, dropout{0.5};
  Array operator()(const Array& x, nn::Context& context) const {
    before(x, context);
    return dropout(x, context);
  }
};
/// The same, used twice: what its first use keeps, or what its second does.
struct UsedTwice {
  nn::Dropout dropout{0.5};
  bool second;
  Array operator()(const Array& x, nn::Context& context) const {
    const Array first = dropout(x, context), again = dropout(x, context);
    return second ? again : first;
  }
};

TEST(Dropout, DrawsByItsPathAndTheNumberOfItsUse) {
  const std::vector<bool> kept = kept_by(OneDropout{});
  EXPECT_EQ(kept_by(OneMoreDropout{}), kept) << "one more layer before it changes nothing";
  EXPECT_EQ(kept_by(UsedTwice{.second = false}), kept);
  EXPECT_NE(kept_by(UsedTwice{.second = true}), kept) << "a layer used twice draws twice";
  EXPECT_NE(kept_by(nn::sequential(nn::Dropout{0.5})), kept) << "layers[0] is another path";
  const auto second_of = [](const auto& first) { return kept_by(nn::sequential(first, nn::Dropout{0.5})); };
  EXPECT_EQ(second_of([](const Array& x) { return x; }), second_of(nn::Dropout{0}));
}

TEST(Dropout, NeedsAKeyAndARate) {
  expect_error(
      [] { nn::apply(nn::Dropout{0.5}, ones({2}), {.training = true}); }, ErrorKind::value, "nn-key",
      "Dropout: a mode without a key: wanted a key to draw from; call nn::apply(net, x, {.training = true, .key = "
      "wg::random::key(0)})");
  for (bool training : {true, false}) {
    expect_error([&] { nn::apply(nn::Dropout{1}, ones({2}), {.training = training, .key = random::key(0)}); },
                 ErrorKind::value, "dropout-rate", "Dropout: rate 1.000000: wanted a rate from 0 to below 1");
  }
}

// All of them --------------------------------------------------------------------------------------------

TEST(Layers, ThatWereNotInitializedSaySo) {
  const auto text = [](const std::string& got) {
    return got + ": wanted a layer with parameters; call net = nn::init(net, key) first";
  };
  expect_error([] { nn::Linear{2, 3}(ones({1, 2})); }, ErrorKind::state, "nn-init", text("Linear: no weight"));
  expect_error([] { nn::Conv2d{.in = 1, .out = 1}(ones({1, 1, 2, 2})); }, ErrorKind::state, "nn-init",
               text("Conv2d: no weight"));
  expect_error([] { nn::LayerNorm{{2}}(ones({1, 2})); }, ErrorKind::state, "nn-init", text("LayerNorm: no weight"));
  expect_error([] { nn::apply(nn::BatchNorm{2}, ones({1, 2})); }, ErrorKind::state, "nn-init",
               text("BatchNorm: no weight"));
  expect_error([] { nn::apply(nn::BatchNorm{.channels = 2, .with_weight = false, .with_bias = false}, ones({1, 2})); },
               ErrorKind::state, "nn-init", text("BatchNorm: no mean"));
}

TEST(Layers, NameTheLineThatCalledThem) {
  const auto layer = nn::init(nn::Linear{3, 2}, random::key(0));
  expect_line("matmul-inner", [&] { layer(ones({4, 5})); });
}

}  // namespace
}  // namespace wengert::nn_testing
