// Images stay channels-last through a network: no step of the CNN's training reorders an activation, except before
// flattening and on the way back from it.
#include <gtest/gtest.h>

#include <mutex>
#include <regex>

#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// Texts of kernels that are asked for while it lives, where plans are made.
class KernelTexts {
 public:
  KernelTexts() {
    cpu::set_kernel_observer([this](std::string_view text) { texts_.emplace_back(text); });
  }
  ~KernelTexts() { cpu::set_kernel_observer({}); }

  /// Those that only move values: one load, one store, nothing between.
  std::vector<std::string> copies() const {
    std::vector<std::string> found;
    const std::regex values("const (float|int32_t) v[0-9]+ = "),
        plain("const float v0 = p[0-9]+\\[[^\\]]*\\];\\s+p[0-9]+\\[[^\\]]*\\] = v0;");
    for (const std::string& text : texts_) {
      const auto count = std::distance(std::sregex_iterator(text.begin(), text.end(), values), std::sregex_iterator());
      if (count == 1 && std::regex_search(text, plain)) found.push_back(text);
    }
    return found;
  }

 private:
  std::vector<std::string> texts_;
};

bool is_channels_last(const Array& x) {
  const Layout& layout = x.layout();
  return layout.strides[1] == 1 && layout.strides[3] == x.dim(1).value();
}

// An unusual size, so that no plan of another test serves.
constexpr int64_t batch = 6, side = 20;

TEST(ChannelsLast, LayersKeepTheLayoutForwardAndBackward) {
  const nn::Conv2d conv = nn::init(nn::Conv2d{.in = 3, .out = 8, .size = {3, 3}, .padding = {1, 1}}, random::key(0));
  const Array x = random::normal(random::key(1), {batch, 3, side, side});
  const Array y = conv(x), r = relu(y), p = nn::MaxPool2d{}(r);
  for (const Array& a : {y, r, p}) EXPECT_TRUE(is_channels_last(a));
  auto [value, pull] = vjp([](const Array& v) { return nn::MaxPool2d{}(relu(v)); }, y);
  Array ct = value * value, dx;
  EXPECT_TRUE(is_channels_last(ct));
  dx = pull(ct);
  EXPECT_TRUE(is_channels_last(dx));
}

TEST(ChannelsLast, TheTrainingStepReordersNothingButForFlattening) {
  const auto net =
      nn::init(nn::sequential(nn::Conv2d{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}}, relu, nn::MaxPool2d{},
                              nn::Conv2d{.in = 32, .out = 64, .size = {3, 3}}, relu, nn::MaxPool2d{}, nn::Flatten{},
                              nn::Linear{64 * 4 * 4, 128}, relu, nn::Linear{128, 10}),
               random::key(0));
  const Array x = random::normal(random::key(1), {batch, 1, side, side}), y = array(std::vector<int32_t>(batch, 3));
  const auto loss = [&](const auto& n) { return nn::softmax_cross_entropy(n(x), y); };
  const auto adam = optim::adam(1e-3);
  const auto state = adam.init(net);
  const KernelTexts texts;
  const auto gradient = grad(loss)(net);
  adam.update(net, state, gradient);
  const auto copies = texts.copies();
  EXPECT_LE(copies.size(), 2u) << copies.back();  // flattening and its way back
  EXPECT_GE(copies.size(), 1u);                   // what is looked for is what is printed
}

}  // namespace
}  // namespace wengert
