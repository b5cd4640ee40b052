// Convolution and pooling against plain loops; their derivatives against finite differences.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <ostream>
#include <random>

#include "tests/values.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
using wg::Pair;
using wg::Shape;

namespace {

std::vector<double> random_values(const Shape& shape, unsigned seed) {
  return wg::test::random_values(shape.size(), seed, -1, 1);
}

struct Case {
  int64_t n, c, h, w, o, kh, kw, stride, padding, dilation, groups;
};

int64_t out_length(int64_t length, int64_t kernel, const Case& k) {
  return (length + 2 * k.padding - k.dilation * (kernel - 1) - 1) / k.stride + 1;
}

std::vector<double> plain_conv(const std::vector<double>& x, const std::vector<double>& w, const Case& k) {
  const int64_t p = out_length(k.h, k.kh, k), q = out_length(k.w, k.kw, k), cg = k.c / k.groups, og = k.o / k.groups;
  std::vector<double> y(static_cast<size_t>(k.n * k.o * p * q));
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t o = 0; o < k.o; ++o)
      for (int64_t a = 0; a < p; ++a)
        for (int64_t b = 0; b < q; ++b) {
          double sum = 0;
          for (int64_t c = 0; c < cg; ++c)
            for (int64_t i = 0; i < k.kh; ++i)
              for (int64_t j = 0; j < k.kw; ++j) {
                const int64_t h = a * k.stride + i * k.dilation - k.padding,
                              v = b * k.stride + j * k.dilation - k.padding;
                if (h < 0 || h >= k.h || v < 0 || v >= k.w) continue;
                const int64_t channel = o / og * cg + c;
                sum += x[static_cast<size_t>(((n * k.c + channel) * k.h + h) * k.w + v)] *
                    w[static_cast<size_t>(((o * cg + c) * k.kh + i) * k.kw + j)];
              }
          y[static_cast<size_t>(((n * k.o + o) * p + a) * q + b)] = sum;
        }
  return y;
}

/// Gradients of sum(weights * f(inputs)) by reverse mode against central differences along random directions.
void expect_gradients(const std::function<Array(std::span<const Array>)>& f, std::vector<Array> inputs) {
  const Shape out_shape = f(inputs).shape();
  const Array weights = wg::array(random_values(out_shape, 99), out_shape);
  const auto loss = [&](std::span<const Array> x) { return std::vector<Array>{wg::sum(weights * f(x))}; };
  const std::unique_ptr<bool[]> active(new bool[inputs.size()]);
  std::fill_n(active.get(), inputs.size(), true);
  wg::diff::VjpResult result = wg::diff::vjp_through(loss, inputs, std::span<const bool>(active.get(), inputs.size()));
  const Array one = wg::array(1.0);
  const std::vector<Array> gradients = result.pullback({&one, 1});
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array direction =
        wg::array(random_values(inputs[i].shape(), 7 + static_cast<unsigned>(i)), inputs[i].shape());
    const double step = 1e-5;
    std::vector<Array> up = inputs, down = inputs;
    up[i] = inputs[i] + direction * step;
    down[i] = inputs[i] - direction * step;
    const double expected = (loss(up)[0].item<double>() - loss(down)[0].item<double>()) / (2 * step);
    const double got = wg::sum(gradients[i] * direction).item<double>();
    EXPECT_NEAR(got, expected, 1e-6 * (1 + std::fabs(expected))) << "input " << i;
  }
}

const Case cases[] = {
    {2, 3, 5, 6, 4, 3, 3, 1, 1, 1, 1}, {1, 2, 6, 5, 2, 2, 3, 2, 0, 1, 1}, {2, 4, 7, 7, 6, 3, 3, 2, 2, 2, 2},
    {1, 1, 4, 4, 1, 1, 1, 1, 0, 1, 1}, {2, 6, 5, 5, 6, 3, 3, 1, 1, 1, 6}, {0, 2, 4, 4, 3, 3, 3, 1, 1, 1, 1},
};

class Convolution : public testing::TestWithParam<Case> {};

TEST_P(Convolution, AgreesWithPlainLoops) {
  const Case k = GetParam();
  const Shape xs{k.n, k.c, k.h, k.w}, ws{k.o, k.c / k.groups, k.kh, k.kw};
  const auto x = random_values(xs, 1), w = random_values(ws, 2);
  const wg::Window window{k.stride, k.padding, k.dilation};
  const auto expected = plain_conv(x, w, k);
  wg::test::expect_close(wg::conv2d(wg::array(x, xs), wg::array(w, ws), window, k.groups).to_vector<double>(), expected,
                         1e-13);
  const Array y =
      wg::conv2d(wg::array(x, xs).astype(wg::float32), wg::array(w, ws).astype(wg::float32), window, k.groups);
  wg::test::expect_close(y.astype(wg::float64).to_vector<double>(), expected, 1e-5);
}

TEST_P(Convolution, GradientsAgreeWithDifferences) {
  const Case k = GetParam();
  if (k.n == 0) return;
  const Shape xs{k.n, k.c, k.h, k.w}, ws{k.o, k.c / k.groups, k.kh, k.kw};
  const wg::Window window{k.stride, k.padding, k.dilation};
  expect_gradients([&](std::span<const Array> a) { return wg::conv2d(a[0], a[1], window, k.groups); },
                   {wg::array(random_values(xs, 1), xs), wg::array(random_values(ws, 2), ws)});
}

INSTANTIATE_TEST_SUITE_P(Shapes, Convolution, testing::ValuesIn(cases));

struct PoolCase {
  int64_t n, c, h, w;
  Pair size;
  Pair stride;  // 0: that of the size
  Pair padding;
};

void PrintTo(const PoolCase& k, std::ostream* out) {
  const Pair stride = k.stride == Pair() ? k.size : k.stride;
  *out << k.h << "x" << k.w << ", windows " << k.size[0] << "x" << k.size[1] << ", stride " << stride[0] << ","
       << stride[1] << ", padding " << k.padding[0] << "," << k.padding[1];
}

/// Values of both kinds of pooling, and the gradients of the sum of the values times `weights`.
struct Pooled {
  std::vector<double> max, average, max_gradient, average_gradient;
};

Pooled plain_pool(const std::vector<double>& x, const std::vector<double>& weights, const PoolCase& k) {
  const Pair stride = k.stride == Pair() ? k.size : k.stride;
  const int64_t p = (k.h + 2 * k.padding[0] - k.size[0]) / stride[0] + 1,
                q = (k.w + 2 * k.padding[1] - k.size[1]) / stride[1] + 1;
  Pooled y;
  y.max_gradient.resize(x.size());
  y.average_gradient.resize(x.size());
  const auto area = static_cast<double>(k.size[0] * k.size[1]);  // padding counts
  for (int64_t image = 0; image < k.n * k.c; ++image)
    for (int64_t a = 0; a < p; ++a)
      for (int64_t b = 0; b < q; ++b) {
        const double weight = weights[y.max.size()];
        double sum = 0, largest = -INFINITY;
        size_t chosen = 0;
        for (int64_t i = 0; i < k.size[0]; ++i)
          for (int64_t j = 0; j < k.size[1]; ++j) {
            const int64_t row = a * stride[0] + i - k.padding[0], column = b * stride[1] + j - k.padding[1];
            if (row < 0 || row >= k.h || column < 0 || column >= k.w) continue;
            const auto at = static_cast<size_t>((image * k.h + row) * k.w + column);
            sum += x[at];
            y.average_gradient[at] += weight / area;
            if (x[at] > largest) {
              largest = x[at];
              chosen = at;
            }
          }
        y.max.push_back(largest);
        y.average.push_back(sum / area);
        y.max_gradient[chosen] += weight;
      }
  return y;
}

const PoolCase pool_cases[] = {
    {2, 3, 4, 6, 2, 0, 0},           {1, 2, 7, 5, {3, 2}, 0, 0},  // rows and columns that no window reaches
    {2, 1, 6, 7, {2, 3}, {1, 2}, 0},                              // windows that overlap
    {1, 3, 7, 9, 2, {3, 4}, 0},                                   // gaps between them
    {2, 2, 5, 6, {3, 2}, {2, 1}, 1}, {1, 2, 3, 8, {2, 5}, {2, 5}, {1, 0}}, {1, 5, 3, 4, {3, 4}, 0, 0},  // one window
    {3, 1, 1, 1, 2, 1, 1},  // mostly padding
};

class Pools : public testing::TestWithParam<PoolCase> {};

TEST_P(Pools, AgreeWithPlainLoops) {
  const PoolCase k = GetParam();
  const Shape shape{k.n, k.c, k.h, k.w};
  std::vector<double> x = random_values(shape, 5);
  for (double& v : x) v = std::floor(8 * v);  // with ties
  const auto most = [&](const Array& a) { return wg::max_pool2d(a, k.size, k.stride, k.padding); };
  const auto average = [&](const Array& a) { return wg::avg_pool2d(a, k.size, k.stride, k.padding); };
  const auto check = [&](const Array& image, double tolerance) {
    const Shape out = most(image).shape();
    const std::vector<double> weights = random_values(out, 6);
    const Array w = wg::array(weights, out).astype(image.dtype());
    const Pooled wanted = plain_pool(x, weights, k);
    const auto weighted = [&](const auto& pool) { return [&](const Array& a) { return wg::sum(pool(a) * w); }; };
    wg::test::expect_close(most(image), wanted.max, 0);
    wg::test::expect_close(average(image), wanted.average, tolerance);
    wg::test::expect_close(wg::grad(weighted(most))(image), wanted.max_gradient, 4 * tolerance);
    wg::test::expect_close(wg::grad(weighted(average))(image), wanted.average_gradient, 4 * tolerance);
  };
  const Array planar = wg::array(x, shape), pixels = wg::transpose(planar, {0, 2, 3, 1}).astype(wg::float32);
  check(planar, 1e-15);
  check(wg::transpose(wg::array(pixels.to_vector<float>(), pixels.shape()), {0, 3, 1, 2}), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Pools, testing::ValuesIn(pool_cases));

TEST(Pooling, MaxTakesTheFirstLargest) {
  const Array x = wg::array(std::vector<float>{1, 3, 2, 2, 3, 0, 2, 2, NAN, 1, 5, 4, 0, 2, 6, 7}, {1, 1, 4, 4});
  const auto y = wg::max_pool2d(x, {2, 2}).to_vector<float>();
  EXPECT_EQ(y[0], 3);
  EXPECT_EQ(y[1], 2);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 7);
}

// Padding is smaller than every element, so it must not be chosen where a window holds nothing larger than -inf.
TEST(Pooling, MaxNeverChoosesPadding) {
  const double low = -INFINITY;
  const auto pool = [](const Array& x) { return wg::max_pool2d(x, {3, 3}, {2, 2}, {1, 1}); };
  const auto gradient = [&](const std::vector<double>& image) {
    const Array x = wg::array(image, {1, 1, 3, 3});
    const auto f = [&](const Array& a) { return wg::sum(pool(a) * wg::array({{1.0, 2.0}, {4.0, 8.0}})); };
    return wg::grad(f)(x).to_vector<double>();
  };
  EXPECT_EQ(gradient(std::vector<double>(9, low)), (std::vector<double>{1, 2, 0, 4, 8, 0, 0, 0, 0}));
  EXPECT_EQ(gradient({low, low, low, low, low, low, low, low, 5}),  // the last window has a largest element
            (std::vector<double>{1, 2, 0, 4, 0, 0, 0, 0, 8}));
  EXPECT_EQ(gradient({low, low, low, low, NAN, low, low, low, 5}),  // NaN is chosen wherever it is
            (std::vector<double>{0, 0, 0, 0, 15, 0, 0, 0, 0}));
  const Array x = wg::array(std::vector<double>(9, low), {1, 1, 3, 3});
  EXPECT_EQ(pool(x).to_vector<double>(), std::vector<double>(4, low));
  EXPECT_EQ(wg::jvp(pool, std::tuple{x}, std::tuple{wg::ones({1, 1, 3, 3}, wg::float64)}).second.to_vector<double>(),
            std::vector<double>(4, 1));
}

TEST(Pooling, GradientsAgreeWithDifferences) {
  const Shape shape{2, 3, 6, 7};
  const Array x = wg::array(random_values(shape, 3), shape);
  expect_gradients([](std::span<const Array> a) { return wg::max_pool2d(a[0], {2, 2}); }, {x});
  expect_gradients([](std::span<const Array> a) { return wg::max_pool2d(a[0], {3, 3}, {2, 2}, {1, 1}); }, {x});
  expect_gradients([](std::span<const Array> a) { return wg::avg_pool2d(a[0], {3, 2}, {2, 1}, {1, 0}); }, {x});
}

}  // namespace
