// Operands of a million elements and more: our own kernels give the same bits on one, two and three threads.
#include <gtest/gtest.h>

#include "tests/ops/reduction_testing.hpp"

namespace wengert {
namespace {

using reduction_testing::bytes_of;
using reduction_testing::Function;
using reduction_testing::gradients;
using reduction_testing::ThreadCount;

Array noise(const Shape& shape, int64_t number) { return random::normal(random::key(number), shape); }

/// f and its gradients with the same bits on any number of threads.
void expect_same_bits(const std::string& what, const Function& f, const std::vector<Array>& x) {
  const cpu::KernelScope ours;
  std::vector<std::vector<std::byte>> wanted;
  for (int threads : {1, 2, 3}) {
    const ThreadCount count(threads);
    std::vector<Array> results = {f(x)};
    const Array weights = noise(results[0].shape(), 99);
    for (const Array& g : gradients(f, x, weights)) {
      if (g.defined()) results.push_back(g);
    }
    for (size_t i = 0; i < results.size(); ++i) {
      if (threads == 1) wanted.push_back(bytes_of(results[i]));
      EXPECT_TRUE(bytes_of(results[i]) == wanted.at(i))
          << what << ", " << (i == 0 ? "value" : "gradient " + std::to_string(i)) << ", " << threads << " threads";
    }
  }
}
void expect_same_bits(const std::string& what, const std::function<Array(const Array&)>& f, const Array& x) {
  expect_same_bits(what, [f](std::span<const Array> in) { return f(in[0]); }, std::vector<Array>{x});
}

TEST(LongOperands, ReductionsHaveTheSameBitsOnAnyNumberOfThreads) {
  const Array matrix = noise({1021, 1031}, 1), images = noise({17, 251, 257}, 2), row = noise({1 << 21}, 3);
  for (const Array& x : {matrix, images, row}) {
    std::vector<Axes> choices = {{}};
    for (int axis = 0; axis < x.rank(); ++axis) choices.push_back({axis});
    for (const Axes& axes : choices) {
      const std::string what = "over " + to_string(axes) + " of " + describe(x);
      expect_same_bits("sum " + what, [&](const Array& v) { return sum(v, axes); }, x);
      expect_same_bits("max " + what, [&](const Array& v) { return max(v, axes); }, x);
      expect_same_bits("var " + what, [&](const Array& v) { return var(v, axes); }, x);
    }
  }
}

TEST(LongOperands, NormalizationsAndLossesHaveTheSameBitsOnAnyNumberOfThreads) {
  const Array x = noise({1021, 1031}, 4), images = noise({16, 67, 32, 32}, 5);
  const Array weight = noise({1031}, 6), bias = noise({1031}, 7), labels = arange(1021);
  for (int axis : {0, 1}) {
    expect_same_bits("softmax " + std::to_string(axis), [&](const Array& v) { return softmax(v, axis); }, x);
  }
  expect_same_bits("layer_norm", [](auto in) { return layer_norm(in[0], in[1], in[2]); }, {x, weight, bias});
  expect_same_bits("batch_norm", [](auto in) { return batch_norm(in[0], in[1], in[2]).y; },
                   {images, noise({67}, 9), noise({67}, 10)});
  expect_same_bits("softmax_cross_entropy", [&](const Array& v) { return softmax_cross_entropy(v, labels); }, x);
}

TEST(LongOperands, WindowsHaveTheSameBitsOnAnyNumberOfThreads) {
  const Array x = noise({16, 16, 64, 64}, 11), w = noise({8, 16, 3, 3}, 12);
  expect_same_bits("conv2d", [](auto in) { return conv2d(in[0], in[1], {.padding = {1, 1}}); }, {x, w});
  expect_same_bits("conv2d with stride", [](auto in) { return conv2d(in[0], in[1], {.stride = {2, 2}}); }, {x, w});
  expect_same_bits("max_pool2d", [](const Array& v) { return max_pool2d(v, {2, 2}); }, x);
  expect_same_bits("overlapping max_pool2d", [](const Array& v) { return max_pool2d(v, {3, 3}, {2, 2}, {1, 1}); }, x);
  expect_same_bits("avg_pool2d", [](const Array& v) { return avg_pool2d(v, {3, 3}, {2, 2}, {1, 1}); }, x);
}

}  // namespace
}  // namespace wengert
