// The kernels built into the library: common eager work, and training, need no compiler. ctest runs each suite in a
// process of its own, and this one on every level of instructions that the machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

class PrebuiltKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    cpu::set_compiler(cpu::CompilerChoice::none);
    before_ = cpu::kernel_statistics();
    if (before_.prebuilt == 0) {
      sum(add_two());
      if (!WENGERT_PREBUILT_KERNELS) GTEST_SKIP() << "built without prebuilt kernels";
      ASSERT_GT(cpu::kernel_statistics().prebuilt, 0);
    }
  }
  void TearDown() override { cpu::set_compiler(cpu::CompilerChoice::automatic); }

  static Array add_two() { return array({1.f, 2.f, 3.f}) + array({4.f, 5.f, 6.f}); }

  /// Kernels that the plain evaluator stood in for since the test began.
  int64_t missing() const { return cpu::kernel_statistics().missing - before_.missing; }
  cpu::KernelStatistics before_;
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

}  // namespace
}  // namespace wengert
