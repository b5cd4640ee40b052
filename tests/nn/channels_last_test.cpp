// Images stay channels-last through a network: in the CNN's training nothing that has channels and places lies in
// memory in another order, but what flattening reads and what comes back through it. Looked at is every operand and result
// of every operation, and every intermediate that its plan gives memory to: a reorder shows wherever it is done, in a
// kernel of its own or in one that computes something as well.
#include <gtest/gtest.h>

#include "wengert/backends/cpu/claims.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

// An unusual number of images: by it an activation is told from a weight.
constexpr int64_t batch = 6, side = 20;

bool is_channels_last(const Layout& layout) {
  const Shape& shape = layout.type->shape;
  const int64_t channels = shape[1].value(), height = shape[2].value(), width = shape[3].value();
  const int64_t wanted[] = {height * width * channels, 1, width * channels, channels};
  for (int i = 0; i < 4; ++i) {
    if (shape[i] != 1 && layout.strides[static_cast<size_t>(i)] != wanted[i]) return false;
  }
  return true;
}

/// Images with channels and places, where the order of axes matters; nothing that is seen in several places.
bool is_activation(const Layout& layout) {
  if (!layout.dense) return false;
  const Shape& shape = layout.type->shape;
  return shape.rank() == 4 && shape[0] == batch && shape[1] > 1 && shape[2].value() * shape[3].value() > 1;
}

/// Writes down the activations that operations of this process meet while it lives, and how they lie in memory.
class Activations final : public Executor {
 public:
  Activations() : inner_(executor()) { set_executor(this); }
  ~Activations() override { set_executor(&inner_); }

  void execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
               std::span<Array> out, uint64_t donated) override {
    std::vector<const Layout*> layouts;
    for (const Node* x : in) layouts.push_back(x->layout);
    inner_.execute(primitive, in, params, runtimes, out, donated);
    for (const Layout* layout : layouts) note(primitive, "operand", *layout);
    for (const Array& x : out) note(primitive, "result", x.layout());
    compile::LowerOptions options;
    options.claims = &cpu::all_claims();
    const auto plan = cpu::make_plan(primitive, params, runtimes.size(), layouts, donated, options);
    for (const Layout* layout : plan->allocated) note(primitive, "memory", *layout);
  }

  int64_t seen() const { return seen_; }
  /// Those that do not lie channels-last.
  const std::vector<std::string>& others() const { return others_; }

 private:
  void note(const Primitive& primitive, const char* role, const Layout& layout) {
    if (!is_activation(layout)) return;
    ++seen_;
    if (!is_channels_last(layout))
      others_.push_back(std::string(primitive.name) + ": " + role + " " + to_string(*layout.type));
  }

  Executor& inner_;
  int64_t seen_ = 0;
  std::vector<std::string> others_;
};

template <class Pool>
auto network(const Pool& pool) {
  return nn::init(nn::sequential(nn::Conv2d{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}}, relu, pool,
                                 nn::Conv2d{.in = 32, .out = 64, .size = {3, 3}}, relu, pool, nn::Flatten{},
                                 nn::Linear{64 * 4 * 4, 128}, relu, nn::Linear{128, 10}),
                  random::key(0));
}

using Strings = std::vector<std::string>;

template <class Pool>
Strings other_layouts_in_training(const Pool& pool) {
  const auto net = network(pool);
  const Array x = random::normal(random::key(1), {batch, 1, side, side}), y = array(std::vector<int32_t>(batch, 3));
  const auto loss = [&](const auto& n) { return nn::softmax_cross_entropy(n(x), y); };
  const Activations activations;
  grad(loss)(net);
  EXPECT_GE(activations.seen(), 20);
  return activations.others();
}

/// The copy that flattening makes, what comes back through it, and who reads that.
const Strings of_flattening = {"reshape: memory f32[6,64,4,4]", "call: result f32[6,64,4,4]",
                               "call: operand f32[6,64,4,4]"};

TEST(ChannelsLast, TrainingReordersNothingButForFlattening) {
  if (!cpu::onednn::library()) GTEST_SKIP() << "no oneDNN, which asks for channels-last";
  EXPECT_EQ(other_layouts_in_training(nn::MaxPool2d{}), of_flattening);
}

/// The derivative of a mean reads its cotangent alone and keeps its order: relu's, which reads an activation too, is
/// the one that puts it right. That is what is, not what should be: docs/status.md names it among what is next.
TEST(ChannelsLast, MeansKeepTheOrderOfTheirCotangents) {
  if (!cpu::onednn::library()) GTEST_SKIP() << "no oneDNN, which asks for channels-last";
  Strings expected = of_flattening;
  for (const char* next : {"call: result f32[6,64,4,4]", "call: memory f32[6,64,4,4]", "call: operand f32[6,64,4,4]",
                           "call: result f32[6,64,8,8]", "call: memory f32[6,64,8,8]", "call: operand f32[6,64,8,8]"}) {
    expected.push_back(next);
  }
  EXPECT_EQ(other_layouts_in_training(nn::AvgPool2d{}), expected);
}

}  // namespace
}  // namespace wengert
