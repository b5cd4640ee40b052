// Convolution and pooling against plain loops; their derivatives against finite differences.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/values.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
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
  const wg::Window window{{k.stride, k.stride}, {k.padding, k.padding}, {k.dilation, k.dilation}};
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
  const wg::Window window{{k.stride, k.stride}, {k.padding, k.padding}, {k.dilation, k.dilation}};
  expect_gradients([&](std::span<const Array> a) { return wg::conv2d(a[0], a[1], window, k.groups); },
                   {wg::array(random_values(xs, 1), xs), wg::array(random_values(ws, 2), ws)});
}

INSTANTIATE_TEST_SUITE_P(Shapes, Convolution, testing::ValuesIn(cases));

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
  const auto pool = [](const Array& x) { return wg::max_pool2d(x, {3, 3}, {{2, 2}}, {1, 1}); };
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
  expect_gradients([](std::span<const Array> a) { return wg::max_pool2d(a[0], {3, 3}, {{2, 2}}, {1, 1}); }, {x});
  expect_gradients([](std::span<const Array> a) { return wg::avg_pool2d(a[0], {3, 2}, {{2, 1}}, {1, 0}); }, {x});
}

}  // namespace
