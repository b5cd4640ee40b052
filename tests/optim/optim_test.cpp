// Optimizers against PyTorch's recorded steps (tests/fixtures/make_optimizer_answers.py), schedules against their
// formulas, masks, clipping, and what an update does to memory.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "tests/compiler_scope.hpp"
#include "tests/errors.hpp"
#include "wengert/array/storage.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
using wg::test::expect_error;
using Json = nlohmann::json;

namespace {

Json answers() {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/optimizer_answers.json");
  return Json::parse(file);
}
Array decode(const Json& rows, wg::Dtype dtype) {
  std::vector<double> values;
  for (const Json& row : rows) {
    for (const Json& v : row) values.push_back(v.get<double>());
  }
  return wg::array(values, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}).astype(dtype);
}

std::vector<double> values_of(const Array& x) { return x.astype(wg::float64).to_vector<double>(); }

void expect_close(const Array& got, const Array& expected, double tolerance = 2e-6) {
  ASSERT_EQ(got.shape(), expected.shape());
  const std::vector<double> a = values_of(got), b = values_of(expected);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << "element " << i;
}

/// All recorded steps of one run, in both dtypes.
template <class Optimizer>
void expect_steps(const std::string& run, const Optimizer& optimizer) {
  const Json recorded = answers();
  for (wg::Dtype dtype : {wg::float32, wg::float64}) {
    SCOPED_TRACE(run + " " + std::string(wg::name(dtype)));
    Array p = decode(recorded["start"], dtype);
    auto state = optimizer.init(p);
    for (size_t t = 0; t < recorded["gradients"].size(); ++t) {
      const Array gradient = decode(recorded["gradients"][t], dtype);
      std::tie(p, state) = optimizer.update(std::move(p), std::move(state), gradient);
      EXPECT_EQ(p.dtype(), dtype);
      expect_close(p, decode(recorded["parameters"][run][t], dtype));
    }
    EXPECT_EQ(state.step.template item<int64_t>(), 5);
  }
}

TEST(Optimizers, StepAsPyTorch) {
  expect_steps("sgd", wg::optim::sgd(0.1));
  expect_steps("sgd decay", wg::optim::sgd(0.1, {.decay = 0.01}));
  expect_steps("sgd momentum", wg::optim::sgd(0.1, {.momentum = 0.9}));
  expect_steps("sgd nesterov decay", wg::optim::sgd(0.1, {.momentum = 0.9, .nesterov = true, .decay = 0.01}));
  expect_steps("adam", wg::optim::adam(0.01));
  expect_steps("adam betas", wg::optim::adam(0.01, {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3}));
  expect_steps("adamw", wg::optim::adamw(0.01, {.decay = 0.1}));
}

// Without epsilon and decay the first step is as long as the rate, whatever the gradient: 1 - beta cancels.
TEST(Optimizers, TakeOneMinusBetaInFloat64) {
  const auto adam = wg::optim::adam(1, {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 0});
  const Array p = wg::array({0.f});
  EXPECT_NEAR(adam.update(p, adam.init(p), wg::array({3.f})).first.item<float>(), -1, 2e-7);
}

TEST(Optimizers, NormOfTheWidestDtypeWithTheDerivativeOfNorm) {
  const auto norm = [](const std::vector<Array>& leaves) { return wg::optim::global_norm(leaves); };
  EXPECT_EQ(norm({wg::array({3.f}), wg::array({1})}).dtype(), wg::float32);
  EXPECT_EQ(norm({}).dtype(), wg::float32);
  EXPECT_EQ(norm({wg::array({3.f}), Array(), wg::array({4e60})}).item<double>(), 4e60);
  const std::vector<Array> at_zero = wg::grad(norm)(std::vector<Array>{wg::zeros({2}), wg::array({0.0})});
  EXPECT_EQ(at_zero[0].to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(at_zero[1].to_vector<double>(), std::vector<double>{0});
  const std::vector<Array> slope = wg::grad(norm)(std::vector<Array>{wg::array({0.f, 3.f}), wg::array({4.0})});
  EXPECT_EQ(slope[0].to_vector<float>(), (std::vector<float>{0, 0.6f}));
  EXPECT_DOUBLE_EQ(slope[1].to_vector<double>()[0], 0.8);
}

TEST(Optimizers, ClipAsPyTorch) {
  const Json recorded = answers();
  const Array gradient = decode(recorded["gradients"][0], wg::float32);
  expect_close(wg::optim::clip_by_norm(gradient, 1), decode(recorded["clipped to 1"], wg::float32));
  expect_close(wg::optim::clip_by_norm(gradient, 100), gradient, 0);
  const std::vector<Array> two{wg::array({3.f}), Array(), wg::array({4.f})};
  EXPECT_FLOAT_EQ(wg::optim::global_norm(two).item<float>(), 5);
  const std::vector<Array> half = wg::optim::clip_by_norm(two, 2.5);
  EXPECT_FLOAT_EQ(half[0].item<float>(), 1.5);
  EXPECT_FALSE(half[1].defined());
  EXPECT_FLOAT_EQ(half[2].item<float>(), 2);
}

TEST(Optimizers, ClipWhereSquaresLeaveTheRangeOfFloat32) {
  const std::vector<Array> large{wg::array({3e30f, 0.f}), wg::array({-4e30f})};
  EXPECT_FLOAT_EQ(wg::optim::global_norm(large).item<float>(), 5e30f);
  const std::vector<Array> clipped = wg::optim::clip_by_norm(large, 5);
  EXPECT_FLOAT_EQ(clipped[0].to_vector<float>()[0], 3);
  EXPECT_FLOAT_EQ(clipped[1].item<float>(), -4);
  const std::vector<Array> small{wg::array({3e-30f}), wg::array({4e-30f})};
  EXPECT_FLOAT_EQ(wg::optim::global_norm(small).item<float>(), 5e-30f);
  EXPECT_FLOAT_EQ(wg::optim::clip_by_norm(small, 1)[0].item<float>(), 3e-30f);
  EXPECT_FLOAT_EQ(wg::optim::clip_by_norm(small, 5e-31)[1].item<float>(), 4e-31f);
  // The norm itself is beyond float32, and the factor is subnormal there.
  const std::vector<float> largest =
      wg::optim::clip_by_norm(wg::array(std::vector<float>(4, 3e38f)), 2).to_vector<float>();
  for (float x : largest) EXPECT_FLOAT_EQ(x, 1);
  EXPECT_EQ(wg::optim::clip_by_norm(wg::zeros({3}), 1).to_vector<float>(), std::vector<float>(3, 0));
  EXPECT_EQ(wg::optim::clip_by_norm(wg::zeros({3}), 0).to_vector<float>(), std::vector<float>(3, 0));
  const Array wide = wg::optim::clip_by_norm(wg::array({3e100, 4e100}), 5);
  EXPECT_EQ(wide.dtype(), wg::float64);
  EXPECT_DOUBLE_EQ(wide.to_vector<double>()[1], 4);
}

TEST(Optimizers, ClipWhatIsNotFinite) {
  const auto clipped = [](float x) { return wg::optim::clip_by_norm(wg::array({1.f, x}), 1).to_vector<float>(); };
  EXPECT_EQ(clipped(INFINITY)[0], 0);
  EXPECT_TRUE(std::isnan(clipped(INFINITY)[1]));
  EXPECT_TRUE(std::isnan(clipped(NAN)[0]));
  EXPECT_TRUE(std::isnan(clipped(NAN)[1]));
}

// Schedules ----------------------------------------------------------------------------------------------

double rate_at(const wg::optim::Schedule& schedule, int64_t step) {
  const Array rate = schedule(wg::array(step));
  EXPECT_EQ(rate.dtype(), wg::float64);
  return rate.item<double>();
}

TEST(Schedules, FollowTheirFormulas) {
  for (int64_t step : {0, 1, 10, 37, 100, 1000}) {
    EXPECT_EQ(rate_at(wg::optim::constant(0.3), step), 0.3);
    const double part = std::min(1.0, static_cast<double>(step) / 100);
    EXPECT_NEAR(rate_at(wg::optim::cosine(0.2, 100, 0.02), step),
                0.02 + 0.18 * 0.5 * (1 + std::cos(part * std::numbers::pi)), 1e-15);
  }
}

TEST(Schedules, WarmUpIsLinearAndThenTheOtherFromItsBeginning) {
  const auto schedule = wg::optim::warm_up(10, wg::optim::cosine(0.2, 100));
  for (int64_t step : {0, 1, 5, 9}) EXPECT_NEAR(rate_at(schedule, step), 0.02 * static_cast<double>(step), 1e-7);
  for (int64_t step : {10, 30, 110, 500}) {
    EXPECT_NEAR(rate_at(schedule, step), rate_at(wg::optim::cosine(0.2, 100), step - 10), 1e-7);
  }
}

TEST(Schedules, AreAskedForEveryStep) {
  const wg::optim::Schedule by_step([](const Array& step) { return wg::convert(step + 1, wg::float32); });
  const auto sgd = wg::optim::sgd(by_step);
  Array p = wg::array({10.f});
  auto state = sgd.init(p);
  for (float expected : {9.f, 7.f, 4.f}) {
    std::tie(p, state) = sgd.update(p, state, wg::array({1.f}));
    EXPECT_EQ(p.item<float>(), expected);
  }
}

// Trees --------------------------------------------------------------------------------------------------

struct Layer {
  Array weight = {}, bias = {};
  wg::nn::Buffer mean = {};
  Array count = {};  // integers are no parameters
};
Layer make_layer() { return {wg::array({{1.f, 2.f}}), wg::array({3.f}), {wg::array({4.f})}, wg::array({5})}; }
Layer zero_gradient() { return {wg::array({{0.f, 0.f}}), wg::array({0.f}), {}, {}}; }

TEST(Optimizers, StepFloat64InFloat64) {
  const wg::Array w = wg::array({1.0}), g = wg::array({1.0});
  const auto descend = wg::optim::sgd(0.1);
  EXPECT_EQ(descend.update(w, descend.init(w), g).first.item<double>(), 1 - 0.1);
}

TEST(Optimizers, DecayByPathAndValue) {
  const auto step = [](const auto& optimizer) {
    const Layer p = make_layer();
    return optimizer.update(p, optimizer.init(p), zero_gradient()).first;
  };
  const auto bias_only = [](const std::string& path, const Array&) { return path == "bias"; };
  const Layer adamw = step(wg::optim::adamw(0.5, {.decay = 0.1}));  // leaves of rank 2 and more
  expect_close(adamw.weight, wg::array({{0.95f, 1.9f}}));
  expect_close(adamw.bias, wg::array({3.f}), 0);
  for (const Layer& p : {step(wg::optim::adamw(0.5, {.decay = 0.1, .decay_mask = bias_only})),
                         step(wg::optim::sgd(0.5, {.decay = 0.1, .decay_mask = bias_only})),
                         step(wg::optim::sgd(0.5, {.momentum = 0.9, .decay = 0.1, .decay_mask = bias_only}))}) {
    expect_close(p.weight, wg::array({{1.f, 2.f}}), 0);
    expect_close(p.bias, wg::array({2.85f}));
  }
}

TEST(Optimizers, LeaveBuffersIntegersAndFrozenLeavesAlone) {
  const Layer p = make_layer();
  Layer gradient = zero_gradient();
  gradient.weight = wg::array({{1.f, 1.f}});
  gradient.bias = Array();  // frozen: not differentiated
  const auto expect = [&](const auto& optimizer) {
    auto state = optimizer.init(p);
    const Layer next = optimizer.update(p, state, gradient).first;
    EXPECT_NE(next.weight.node(), p.weight.node());
    EXPECT_EQ(next.bias.node(), p.bias.node());
    EXPECT_EQ(next.mean.value.node(), p.mean.value.node());
    EXPECT_EQ(next.count.node(), p.count.node());
  };
  expect(wg::optim::sgd(0.1));
  expect(wg::optim::sgd(0.1, {.momentum = 0.9}));
  expect(wg::optim::adam(0.1));
  const auto state = wg::optim::adam(0.1).init(p);
  EXPECT_FALSE(state.mean.mean.value.defined() || state.mean.count.defined()) << "they have no moments";
}

TEST(Optimizers, NameWhatDoesNotFit) {
  const std::vector<Array> two{wg::array({1.f}), wg::array({2.f})}, three(3, wg::array({1.f}));
  const auto adam = wg::optim::adam(0.1);
  expect_error([&] { adam.update(two, adam.init(two), three); }, wg::ErrorKind::value, "optimizer-tree",
               "adam: 2 parameters, 3 leaves of the gradient: wanted trees of one structure");
  expect_error([&] { adam.update(two, adam.init(three), two); }, wg::ErrorKind::value, "optimizer-tree",
               "adam: 2 parameters, 3 leaves of the state: wanted trees of one structure");
  const std::vector<Array> first =
      wg::tree::partition(two, [](const std::string& path) { return path == "[0]"; }).first;
  const auto text = [](const std::string& name) {
    return name + ": a gradient but no state for '[1]': wanted the state that init() makes for these parameters";
  };
  expect_error([&] { adam.update(two, adam.init(first), two); }, wg::ErrorKind::state, "optimizer-state", text("adam"));
  const auto momentum = wg::optim::sgd(0.1, {.momentum = 0.9});
  expect_error([&] { momentum.update(two, momentum.init(first), two); }, wg::ErrorKind::state, "optimizer-state",
               text("sgd"));
  expect_error([&] { adam.update(two, adam.init(two), {wg::array({1.f, 2.f}), wg::array({1.f})}); },
               wg::ErrorKind::shape, "optimizer-shape",
               "adam: parameter [0] f32[1], gradient f32[2]: wanted a gradient of the parameter's shape");
}

// Memory -------------------------------------------------------------------------------------------------

/// Bytes beyond those held before that one step needs at its worst, with parameters of 4 MB that nobody else holds.
template <class Optimizer>
int64_t bytes_of_step(const Optimizer& optimizer) {
  Array p = wg::ones({1 << 20});
  const Array gradient = wg::full({1 << 20}, 0.5f);
  auto state = optimizer.init(p);
  std::tie(p, state) = optimizer.update(std::move(p), std::move(state), gradient);
  const int64_t before = wg::memory::statistics().current;
  wg::memory::reset_peak();
  std::tie(p, state) = optimizer.update(std::move(p), std::move(state), gradient);
  return wg::memory::statistics().peak - before;
}

TEST(Optimizers, WriteOverWhatTheyAreGiven) {
  constexpr int64_t little = 1 << 18;
  EXPECT_LT(bytes_of_step(wg::optim::sgd(0.1)), little);
  EXPECT_LT(bytes_of_step(wg::optim::sgd(0.1, {.momentum = 0.9})), little);
  EXPECT_LT(bytes_of_step(wg::optim::adam(0.1)), little);
}

// The new parameter lies in the memory of the old one, which the new velocity is computed from as well.
TEST(Optimizers, WriteOverInPlainCppAsInKernels) {
  const wg::test::CompilerScope none(wg::cpu::CompilerChoice::none);
  const auto steps = [](auto optimizer, bool in_place) {
    Array p = wg::full({37}, 1.0).astype(wg::float64);
    auto state = optimizer.init(p);
    const Array gradient = wg::full({37}, 0.5).astype(wg::float64);
    for (int i = 0; i < 3; ++i) {
      const Array held = in_place ? Array() : p;
      const auto held_state = in_place ? decltype(state)() : state;
      std::tie(p, state) = optimizer.update(std::move(p), std::move(state), gradient);
    }
    return p.to_vector<double>();
  };
  const auto momentum = wg::optim::sgd(0.5, {.momentum = 0.5, .nesterov = true, .decay = 0.5});
  EXPECT_EQ(steps(momentum, true), steps(momentum, false));
  // Numbers that nothing rounds: one of the two may be a kernel that an earlier test compiled.
  const auto adam = wg::optim::adamw(
      0.5,
      {.beta1 = 0.5, .beta2 = 0.5, .epsilon = 0.5, .decay = 0.5, .decay_mask = [](const std::string&, const Array&) {
         return true;
       }});
  EXPECT_EQ(steps(adam, true), steps(adam, false));
}

TEST(Optimizers, PlainDescentHoldsNoVelocity) {
  const Array p = wg::ones({1 << 20});
  const int64_t before = wg::memory::statistics().current;
  auto state = wg::optim::sgd(0.1).init(p);
  EXPECT_FALSE(state.velocity.defined());
  auto [next, after] = wg::optim::sgd(0.1).update(p, state, p);
  EXPECT_FALSE(after.velocity.defined());
  EXPECT_LT(wg::memory::statistics().current - before, (4 << 20) + (1 << 18)) << "the new parameter alone";
}

TEST(Optimizers, LeaveTreesThatOthersHoldAsTheyAre) {
  const Array p = wg::ones({1000});
  auto state = wg::optim::adam(0.1).init(p);
  const auto next = wg::optim::adam(0.1).update(p, state, p);
  EXPECT_EQ(p.to_vector<float>(), std::vector<float>(1000, 1.f));
  EXPECT_EQ(state.mean.to_vector<float>(), std::vector<float>(1000, 0.f));
  EXPECT_LT(next.first.to_vector<float>()[0], 0.95f);
}

}  // namespace
