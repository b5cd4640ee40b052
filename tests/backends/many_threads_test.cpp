// Many of the caller's own threads at once on the same arrays, and arrays past 2^31 elements.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

TEST(ManyThreads, CallOperationsAndGradientsOnTheSameArrays) {
  const Array w = random::normal(random::key(0), {32, 16}), x = random::normal(random::key(1), {8, 32});
  const Array y = array(std::vector<int32_t>{0, 3, 5, 7, 9, 11, 13, 15});
  const auto loss = [&](const Array& weights) { return softmax_cross_entropy(tanh(matmul(x, weights)), y); };
  const std::vector<float> wanted = grad(loss)(w).to_vector<float>(), wanted_sum = sum(exp(x), {1}).to_vector<float>();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          if (grad(loss)(w).to_vector<float>() != wanted) ++wrong;
          if (sum(exp(x), {1}).to_vector<float>() != wanted_sum) ++wrong;
          // A shape of this thread's own: plans are derived while others run.
          const Array own = full({t + 1, i + 1}, 2.f);
          if (sum(own * own).item<float>() != 4.f * static_cast<float>((t + 1) * (i + 1))) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(ManyThreads, ManyLongLoopsAtOnce) {
  const Array x = random::normal(random::key(2), {1 << 20});
  const std::vector<float> wanted = tanh(x).to_vector<float>();
  const float wanted_sum = sum(x).item<float>();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 4; ++i) wrong += tanh(x).to_vector<float>() != wanted || sum(x).item<float>() != wanted_sum;
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(LargeArrays, PassTwoToThe31Elements) {
  constexpr int64_t n = (int64_t{1} << 31) + 5;
  const Array ones = full({n}, 1, uint8);
  const Array twos = ones + ones;  // real memory: 2 GiB
  EXPECT_EQ(twos.size(), n);
  EXPECT_EQ(sum(twos).item<int64_t>(), 2 * n);
  EXPECT_EQ(slice(twos, {n - 1}, {n}).item<uint8_t>(), 2);
  const Array rows = reshape(slice(twos, {0}, {n - 5}), {1 << 16, 1 << 15});
  EXPECT_EQ(sum(rows, {0}).to_vector<int64_t>()[(1 << 15) - 1], 2 << 16);
}

}  // namespace
}  // namespace wengert
