// The kernels built into the library: common eager work, and training, need no compiler. ctest runs each suite in a
// process of its own, and this one on every level of instructions that the machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <utility>

#include "tests/compiler_scope.hpp"
#include "tests/ops/primitive_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

class PrebuiltKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = cpu::kernel_statistics();
    if (before_.prebuilt == 0) {
      sum(add_two());
      if (!WENGERT_PREBUILT_KERNELS) GTEST_SKIP() << "built without prebuilt kernels";
      ASSERT_GT(cpu::kernel_statistics().prebuilt, 0);
    }
  }

  static Array add_two() { return array({1.f, 2.f, 3.f}) + array({4.f, 5.f, 6.f}); }

  /// Kernels that the plain evaluator stood in for since the test began.
  int64_t missing() const { return cpu::kernel_statistics().missing - before_.missing; }
  cpu::KernelStatistics before_;

 private:
  const test::CompilerScope none_{cpu::CompilerChoice::none};
};

bool is_mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) != line.npos) return true;
  }
  return false;
}

TEST_F(PrebuiltKernels, AddTwoArraysWithoutACompiler) {
  cpu::set_compiler(cpu::CompilerChoice::automatic);
  const bool loaded_before = is_mapped("libLLVM");
  EXPECT_EQ(add_two().to_vector<float>(), (std::vector<float>{5, 7, 9}));
  EXPECT_EQ(sum(add_two()).item<float>(), 21);
  EXPECT_EQ(is_mapped("libLLVM"), loaded_before);
  EXPECT_EQ(missing(), 0);
}

TEST_F(PrebuiltKernels, GiveWhatThePlainEvaluatorGives) {
  std::vector<float> numbers;
  for (int i = 0; i < 1003; ++i) numbers.push_back(static_cast<float>(i % 97) * 0.11f - 5.2f);
  const Array x = array(numbers),
              row = reshape(array(std::vector<float>(numbers.begin(), numbers.begin() + 1000)), {20, 50});
  const auto everything = [&] {
    return std::vector{x + x,
                       x * 2.f,
                       tanh(x),
                       exp(x),
                       sum(row),
                       sum(row, {1}),
                       max(row, {0}),
                       softmax(row, 1),
                       row + array(std::vector<float>(50, 0.5f)),
                       x.astype(float64),
                       grad([](const Array& v) { return sum(tanh(v) * v); })(x)};
  };
  const std::vector<Array> got = everything();
  EXPECT_EQ(missing(), 0);
  const cpu::OracleScope oracle;
  const std::vector<Array> wanted = everything();
  for (size_t i = 0; i < got.size(); ++i) {
    const auto a = got[i].astype(float64).to_vector<double>(), b = wanted[i].astype(float64).to_vector<double>();
    for (size_t j = 0; j < a.size(); ++j)
      ASSERT_NEAR(a[j], b[j], 1e-5 * (1 + std::fabs(b[j]))) << "result " << i << ", element " << j;
  }
}

TEST_F(PrebuiltKernels, DifferentiateSumsOfElementsWithoutACompiler) {
  const Array x = array({0.5f, 1.0f, 2.0f});
  for (Array (*f)(const Operand&) : {exp, tanh, erfc, sqrt, reciprocal, silu}) {
    grad([f](const Array& v) { return sum(f(v)); })(x);
    EXPECT_EQ(missing(), 0);
  }
}

TEST_F(PrebuiltKernels, TrainASmallNetworkWithoutACompiler) {
  const auto net = nn::init(nn::sequential(nn::Linear{7, 9}, relu, nn::Linear{9, 4}), random::key(0));
  const Array x = random::normal(random::key(1), {20, 7}), y = array(std::vector<int32_t>(20, 1));
  const auto loss = [&](const auto& n) { return nn::softmax_cross_entropy(n(x), y); };
  const auto adam = optim::adam(0.05);
  auto trained = net;
  auto state = adam.init(net);
  for (int i = 0; i < 20; ++i) std::tie(trained, state) = adam.update(trained, state, grad(loss)(trained));
  EXPECT_LT(loss(trained).template item<float>(), 0.5f * loss(net).template item<float>());
  EXPECT_EQ(missing(), 0);
}

TEST_F(PrebuiltKernels, CreateAndCountWithoutACompiler) {
  const Array n = arange(10), d = linspace(0, 1, 5, float64);
  const std::pair<const char*, std::function<Array()>> calls[] = {
      {"arange", [] { return arange(0, 9, 2, int32); }},
      {"arange of floats", [] { return arange(0.0, 1.0, 0.25); }},
      {"eye", [] { return eye(3, 4, 1); }},
      {"eye of float64", [] { return eye(3, 3, 0, float64); }},
      {"linspace", [] { return linspace(0, 1, 3); }},
      {"int64 arithmetic", [&] { return (1 - n) * 7 % 10 + floor_divide(n, 3); }},
      {"int64 comparisons", [&] { return where(n < 5, maximum(n, 4), 0); }},
      {"int32 arithmetic", [&] { return n.astype(int32) % 2 + 1; }},
      {"float64 arithmetic", [&] { return (1 - d) * 2 + d / 3 - 2 / (d + 1); }},
      {"float64 powers", [&] { return power(d, 2) + power(d, 0.5); }},
      {"float64 comparisons", [&] { return where(d <= 0.25, d, 0); }},
  };
  EXPECT_EQ(missing(), 0);
  for (const auto& [name, call] : calls) {
    const int64_t before = missing();
    call();
    EXPECT_EQ(missing(), before) << name;
  }
}

/// The network of examples/cnn, two steps with a full batch and with the last one of an epoch.
TEST_F(PrebuiltKernels, TrainTheConvolutionalNetworkWithoutACompiler) {
  using namespace nn;
  const auto untrained = sequential(Conv2d{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}}, relu, MaxPool2d{},
                                    Conv2d{.in = 32, .out = 64, .size = {3, 3}}, relu, MaxPool2d{}, Flatten{},
                                    Dropout{0.25}, Linear{64 * 6 * 6, 128}, relu, Linear{128, 10});
  auto net = init(untrained, random::key(0));
  const auto adam = optim::adam(1e-3);
  auto state = adam.init(net);
  for (int64_t batch : {128, 96}) {
    const Array x = random::normal(random::key(1), {batch, 1, 28, 28}), y = (arange(batch) % 10).astype(int32);
    const auto loss = [&](const auto& n) {
      const Array logits = nn::apply(n, x, {.training = true, .key = random::key(2)}).first;
      return std::pair{softmax_cross_entropy(logits, y), logits};
    };
    for (int step = 0; step < 2; ++step) {
      auto [value, gradient] = value_and_grad(loss)(net);
      std::tie(net, state) = adam.update(std::move(net), std::move(state), gradient);
      EXPECT_TRUE(std::isfinite(value.first.template item<float>()));
      count_correct(value.second, y);
    }
    nn::apply(net, x);
    EXPECT_EQ(missing(), 0) << "batch " << batch;
  }
}

/// Every primitive, forward and backward, as the first sample of its room calls it.
TEST_F(PrebuiltKernels, ComputeAndDifferentiateEveryPrimitiveWithoutACompiler) {
  std::mt19937 engine(3);
  for (const Primitive* p : all_primitives()) {
    const Sample& sample = p->samples.cases.front();
    if (!testing::accepted(*p, sample, float32)) continue;
    const std::vector<Dtype> dtypes = testing::operand_dtypes(sample, float32);
    std::vector<Array> in;
    for (size_t i = 0; i < dtypes.size(); ++i) {
      const int64_t size = sample.shapes[i].size();
      in.push_back(
          testing::contiguous_array(testing::sample_values(*p, sample, static_cast<int>(i), dtypes[i], size, engine),
                                    dtypes[i], sample.shapes[i]));
    }
    const int64_t before = missing();
    const int outputs = static_cast<int>(testing::accepted(*p, sample, float32)->size());
    const auto f = [&](std::span<const Array> x) { return bind_all(*p, x, outputs, sample.params, sample.runtimes); };
    f(in);
    EXPECT_EQ(missing(), before) << p->name << ", forward";
    diff::Flags active;
    for (const Array& x : in) active.push_back(is_inexact(x.dtype()));
    diff::VjpResult result = diff::vjp_through(f, in, active.span());
    std::vector<Array> cotangents;
    for (const Array& y : result.outputs) cotangents.push_back(is_inexact(y.dtype()) ? ones_like(y) : Array());
    result.pullback(cotangents);
    EXPECT_EQ(missing(), before) << p->name << ", backward";
  }
}

}  // namespace
}  // namespace wengert
