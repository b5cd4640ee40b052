// Models as trees: parameters from a key, apply, freezing, sequences, initializers, the summary and the losses.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/nn/nn_testing.hpp"

namespace wengert::nn_testing {
namespace {

struct Net {
  nn::Conv2d conv{.in = 1, .out = 4, .size = {3, 3}};
  nn::BatchNorm norm{4};
  nn::MaxPool2d pool;
  std::vector<nn::Linear> dense = {{16, 8}, {8, 3}};
  Array scale = {};

  Array operator()(const Array& x, nn::Context& context) const {
    const Array h = nn::Flatten{}(pool(relu(norm(conv(x), context))));
    return dense[1](relu(dense[0](h))) * scale;
  }
};
Net make_net() {
  Net net = nn::init(Net{}, random::key(0));
  net.scale = array(2.f);
  return net;
}

TEST(Models, PrintASummary) {
  EXPECT_EQ("\n" + nn::summary(make_net()), R"(
layer     kind       arrays                                                                      elements  bytes
          Net        scale f32[]                                                                        1      4
conv      Conv2d     weight f32[4,1,3,3], bias f32[4]                                                  40    160
norm      BatchNorm  weight f32[4], bias f32[4], mean f32[4] (buffer), variance f32[4] (buffer)        16     64
pool      MaxPool2d                                                                                     0      0
dense[0]  Linear     weight f32[16,8], bias f32[8]                                                    136    544
dense[1]  Linear     weight f32[8,3], bias f32[3]                                                      27    108
212 parameters, 848 bytes; 8 in buffers, 32 bytes
)");
  EXPECT_EQ(nn::summary(array({1.0, 2.0})),
            "layer  kind   arrays  elements  bytes\n"
            "       Array  f64[2]         2     16\n"
            "2 parameters, 16 bytes\n");
}

TEST(Models, DrawEveryLayerFromAKeyOfItsOwn) {
  const auto pair = nn::init(std::pair{nn::Linear{4, 4}, nn::Linear{4, 4}}, random::key(7));
  EXPECT_NE(doubles_of(pair.first.weight), doubles_of(pair.second.weight));
  EXPECT_EQ(doubles_of(nn::init(Net{}, random::key(7)).dense[0].weight),
            doubles_of(nn::init(Net{}, random::key(7)).dense[0].weight));
  EXPECT_NE(doubles_of(nn::init(Net{}, random::key(7)).dense[0].weight),
            doubles_of(nn::init(Net{}, random::key(8)).dense[0].weight));
}

/// A step of training changes what a mask by path selects, and the buffers; nothing else.
TEST(Models, AreFrozenInParts) {
  const Net net = make_net();
  const Array x = random_array({6, 1, 6, 6}, 1).astype(float32), y = array({0, 1, 2, 0, 1, 2}).astype(int64);
  const auto [moving, frozen] = tree::partition(net, [](const std::string& path) { return path.starts_with("dense"); });
  const auto loss = [&, &rest = frozen](const Net& part) {
    auto [logits, next] = nn::apply(tree::merge(part, rest), x, {.training = true});
    return std::pair{nn::softmax_cross_entropy(logits, y), next};
  };
  const auto [value, gradient] = value_and_grad(loss)(moving);
  const auto adam = optim::adam(0.01);
  const Net after = adam.update(value.second, adam.init(net), gradient).first;
  const std::vector<Array> before_leaves = tree::flatten(net), after_leaves = tree::flatten(after);
  const std::vector<std::string> paths = tree::paths(net);
  for (size_t i = 0; i < paths.size(); ++i) {
    const bool moves =
        paths[i].starts_with("dense") || paths[i] == "norm.mean.value" || paths[i] == "norm.variance.value";
    EXPECT_EQ(doubles_of(before_leaves[i]) != doubles_of(after_leaves[i]), moves) << paths[i];
  }
}

TEST(Models, LearnWithBatchNorm) {
  Net net = make_net();
  const Array x = random_array({6, 1, 6, 6}, 1).astype(float32), y = array({0, 1, 2, 0, 1, 2}).astype(int64);
  const auto loss = [&](const Net& n) {
    auto [logits, next] = nn::apply(n, x, {.training = true});
    return std::pair{nn::softmax_cross_entropy(logits, y), next};
  };
  const auto adam = optim::adam(0.01);
  auto state = adam.init(net);
  std::vector<float> losses;
  for (int i = 0; i < 50; ++i) {
    auto [value, gradient] = value_and_grad(loss)(net);
    losses.push_back(value.first.item<float>());
    std::tie(net, state) = adam.update(std::move(value.second), std::move(state), gradient);
  }
  EXPECT_LT(losses.back(), 0.1f * losses.front());
  EXPECT_EQ(nn::count_correct(nn::apply(net, x).first, y), 6) << "by its running statistics too";
}

TEST(Models, InSequence) {
  const auto net = nn::init(nn::sequential(nn::Linear{4, 8}, relu, nn::Dropout{0.5}, nn::Linear{8, 2}), random::key(0));
  EXPECT_EQ(tree::paths(net),
            (std::vector<std::string>{"layers[0].weight", "layers[0].bias", "layers[3].weight", "layers[3].bias"}));
  const Array x = random_array({3, 4}, 1).astype(float32);
  const auto& [first, f, drop, last] = net.layers;
  EXPECT_EQ(doubles_of(net(x)), doubles_of(last(relu(first(x)))));
  EXPECT_EQ(doubles_of(nn::apply(net, x).first), doubles_of(net(x)));
  EXPECT_NE(doubles_of(nn::apply(net, x, {.training = true, .key = random::key(1)}).first), doubles_of(net(x)));
  const auto gradient = grad([&](const auto& n) { return sum(n(x)); })(net);
  EXPECT_EQ(std::get<0>(gradient.layers).weight.shape(), (Shape{4, 8}));
  expect_line("matmul-inner", [&] { net(zeros({3, 5})); });
}

struct Copies {
  nn::BatchNorm norm{2};
  Array operator()(const Array& x, nn::Context& context) const {
    const nn::BatchNorm copy = norm;
    return copy(x, context);
  }
};

TEST(Models, ReportStateOfLayersThatAreNotTheirs) {
  expect_error([] { nn::apply(nn::init(Copies{}, random::key(0)), ones({4, 2}), {.training = true}); },
               ErrorKind::state, "nn-buffer",
               "nn::apply: an update of a buffer that is not in the model: wanted buffers of the model itself; "
               "call layers by reference, not on copies");
}

// Initializers -------------------------------------------------------------------------------------------

/// Images of a wrong size are noticed in the first dense layer, images without channels in the first of all.
TEST(Models, NameTheLayerAndTheLineThatAppliedThem) {
  const Net net = make_net();
  const Array wide = ones({1, 1, 8, 8}), flat = ones({8, 8});
  const std::string here = "module_test.cpp:";
  const auto expect_text = [](const auto& f, const std::string& id, const std::string& begin, const std::string& end) {
    const Error error = test::thrown_by(f);
    const std::string text = error.what();
    EXPECT_EQ(error.id(), id) << text;
    EXPECT_TRUE(text.starts_with(begin) && text.ends_with(end)) << text << "\nnot " << begin << "..." << end;
  };
  const auto applied = [&](int line) { return ", in nn::apply at " + here + std::to_string(line); };
  expect_text([&] { nn::apply(net, wide); }, "matmul-inner", "matmul: a f32[1,36], b f32[16,8]: wanted ",
              ", in dense[0] (Linear)" + applied(__LINE__ - 1));
  expect_text([&] { nn::apply(net, flat); }, "conv-rank", "conv2d: ", ", in conv (Conv2d)" + applied(__LINE__));
  const auto loss = [&](const Net& n) { return sum(nn::apply(n, wide).first); };
  expect_text([&] { grad(loss, "loss")(net); }, "matmul-inner",
              "matmul: ", ", in dense[0] (Linear)" + applied(__LINE__ - 2) + ", in grad(loss)");
  const auto twice = nn::sequential(net.dense[1], nn::sequential(net.dense[0], net.dense[1]));
  expect_text([&] { nn::apply(twice, ones({1, 8})); }, "matmul-inner",
              "matmul: ", here + std::to_string(__LINE__ - 1) + ", in layers[1].layers[0] (Linear)");
  EXPECT_EQ(thread().place, nullptr);
}

TEST(Initializers, HaveTheVarianceOfTheirPapers) {
  using Initializer = Array (*)(const Array&, const Shape&, nn::Fans, Dtype, std::source_location);
  struct Case {
    const char* name;
    Initializer f;
    double variance;
    bool uniform;
  };
  const nn::Fans fans{300, 200};
  const Case cases[] = {
      {"he_normal", nn::he_normal, 2.0 / 300, false},         {"he_uniform", nn::he_uniform, 2.0 / 300, true},
      {"glorot_normal", nn::glorot_normal, 2.0 / 500, false}, {"glorot_uniform", nn::glorot_uniform, 2.0 / 500, true},
      {"lecun_normal", nn::lecun_normal, 1.0 / 300, false},   {"lecun_uniform", nn::lecun_uniform, 1.0 / 300, true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (Dtype dtype : {float32, float64}) {
      const Array w = c.f(random::key(5), {300, 200}, fans, dtype, std::source_location::current());
      EXPECT_EQ(w.dtype(), dtype);
      const Values v = doubles_of(w);
      const double n = static_cast<double>(v.size());
      double mean = 0, variance = 0, fourth = 0, largest = 0;
      for (double x : v) mean += x / n;
      for (double x : v) {
        variance += (x - mean) * (x - mean) / n;
        fourth += std::pow(x - mean, 4) / n;
        largest = std::max(largest, std::fabs(x));
      }
      // Five standard errors: of a mean, and of a variance of normal numbers.
      EXPECT_NEAR(mean, 0, 5 * std::sqrt(c.variance / n));
      EXPECT_NEAR(variance / c.variance, 1, 5 * std::sqrt(2 / n));
      EXPECT_NEAR(fourth / (variance * variance), c.uniform ? 1.8 : 3, 0.1);
      const double bound = c.uniform ? std::sqrt(3 * c.variance) * (1 + 1e-6) : 1;
      EXPECT_LE(largest, bound);
    }
  }
}

/// Convolutions count the inputs of a window.
TEST(Initializers, OfLayersUseTheirFans) {
  const auto variance = [](const Array& w) {
    double total = 0;
    for (double v : doubles_of(w)) total += v * v;
    return total / static_cast<double>(w.size());
  };
  const auto expect = [&](const Array& w, double expected) {
    EXPECT_NEAR(variance(w) / expected, 1, 5 * std::sqrt(2.0 / static_cast<double>(w.size())));
  };
  expect(nn::init(nn::Linear{100, 50}, random::key(1)).weight, 2.0 / 100);
  expect(nn::init(nn::Embedding{100, 50}, random::key(1)).weight, 1);
  expect(nn::init(nn::Conv2d{.in = 8, .out = 64, .size = {3, 5}}, random::key(1)).weight, 2.0 / (8 * 15));
  expect(nn::init(nn::Conv2d{.in = 8, .out = 64, .size = {3, 5}, .groups = 4}, random::key(1)).weight, 2.0 / (2 * 15));
}

/// A layer with layers inside that changes what they got.
struct Residual {
  nn::Linear first{3, 4};
  std::vector<nn::Linear> rest = {};
  Array gain = {};
  void initialize(const Array&) {
    gain = array(0.5f);
    first.weight = first.weight * 2;
  }
};

TEST(Initializers, ReachTheLayersInsideALayerAndThenTheLayer) {
  Residual layer;
  layer.rest = {nn::Linear{4, 5}};
  layer = nn::init(layer, random::key(3));
  const nn::Linear inner = nn::init(nn::Linear{3, 4}, random::fold_in(random::key(3), 0));
  EXPECT_EQ(layer.first.weight.to_vector<float>(), (inner.weight * 2).to_vector<float>());
  EXPECT_EQ(layer.rest[0].weight.shape(), (Shape{4, 5}));
  EXPECT_EQ(layer.gain.item<float>(), 0.5f);
}

// Losses -------------------------------------------------------------------------------------------------

TEST(Losses, MeanSquaredError) {
  EXPECT_FLOAT_EQ(nn::mse(array({1.f, 2.f, 4.f}), array({1.f, 0.f, 1.f})).item<float>(), 13.f / 3);
  EXPECT_FLOAT_EQ(nn::mse(array({{1.f, 2.f}, {3.f, 4.f}}), array({{1.f, 2.f}, {1.f, 2.f}})).item<float>(), 2);
  EXPECT_EQ(nn::mse(squeeze(zeros({5, 1}), -1), ones({5})).item<float>(), 1);
  EXPECT_EQ(nn::mse(zeros({0}), zeros({0})).item<float>(), 0);
  check_grads([](const Array& a, const Array& b) { return nn::mse(a, b); },
              std::tuple(random_array({3, 2}, 1), random_array({3, 2}, 2)));
}

TEST(Losses, CountWhatIsRight) {
  const Array logits = array({{1.f, 3.f, 2.f}, {5.f, 5.f, 0.f}, {-1.f, -3.f, -0.5f}});
  EXPECT_EQ(nn::predicted_classes(logits), (std::vector<int64_t>{1, 0, 2}));
  EXPECT_EQ(nn::count_correct(logits, array({1, 1, 2})), 2);
  EXPECT_EQ(nn::count_correct(zeros({0, 3}), zeros({0}, int64)), 0);
}

}  // namespace
}  // namespace wengert::nn_testing
