// Products against plain loops, on both ways to compute them; their derivatives against finite differences.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
using wg::Axes;
using wg::Shape;

namespace {

std::vector<double> random_values(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values(static_cast<size_t>(shape.size()));
  for (double& v : values) v = uniform(engine);
  return values;
}

Array random_array(const Shape& shape, unsigned seed, wg::Dtype dtype = wg::float64) {
  if (wg::is_floating(dtype)) return wg::array(random_values(shape, seed), shape).astype(dtype);
  std::vector<double> values = random_values(shape, seed);
  for (double& v : values) v = std::floor(v * 10);
  return wg::array(values, shape).astype(dtype);
}

std::vector<double> values_of(const Array& x) { return x.astype(wg::float64).to_vector<double>(); }

void expect_near(const Array& got, const std::vector<double>& expected, double tolerance) {
  const std::vector<double> values = values_of(got);
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << "element " << i;
  }
}

/// a [batch,m,k] times b [batch,k,n], as a textbook writes it.
std::vector<double> plain_matmul(const std::vector<double>& a, const std::vector<double>& b, int64_t batch, int64_t m,
                                 int64_t k, int64_t n) {
  std::vector<double> c(static_cast<size_t>(batch * m * n));
  for (int64_t p = 0; p < batch; ++p)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t l = 0; l < k; ++l)
        for (int64_t j = 0; j < n; ++j)
          c[static_cast<size_t>((p * m + i) * n + j)] +=
              a[static_cast<size_t>((p * m + i) * k + l)] * b[static_cast<size_t>((p * k + l) * n + j)];
  return c;
}

/// The same values in another layout: axes reversed in memory.
Array column_major(const Array& x) { return wg::transpose(wg::transpose(x) + 0); }

/// Gradients of sum(weights * f(inputs)) by reverse mode against central differences along random directions.
void expect_gradients(const std::function<Array(std::span<const Array>)>& f, const std::vector<Array>& inputs) {
  const Shape out_shape = f(inputs).shape();
  const Array weights = random_array(out_shape, 99);
  const auto loss = [&](std::span<const Array> x) { return std::vector<Array>{wg::sum(weights * f(x))}; };
  const bool active[] = {true, true, true, true};
  wg::diff::VjpResult result = wg::diff::vjp_through(loss, inputs, std::span<const bool>(active, inputs.size()));
  const Array one = wg::array(1.0);
  const std::vector<Array> gradients = result.pullback({&one, 1});
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(gradients[i].shape() == inputs[i].shape());
    const Array direction = random_array(inputs[i].shape(), 7 + static_cast<unsigned>(i));
    const double step = 1e-5;
    std::vector<Array> up = inputs, down = inputs;
    up[i] = inputs[i] + direction * step;
    down[i] = inputs[i] - direction * step;
    const double expected = (loss(up)[0].item<double>() - loss(down)[0].item<double>()) / (2 * step);
    EXPECT_NEAR(wg::sum(gradients[i] * direction).item<double>(), expected, 1e-6 * (1 + std::fabs(expected))) << "input " << i;
  }
}

TEST(Matmul, AgreesWithPlainLoops) {
  const int64_t sizes[] = {0, 1, 3, 17, 64, 130};
  for (int64_t m : sizes)
    for (int64_t k : sizes)
      for (int64_t n : sizes) {
        const auto a = random_values({m, k}, 1), b = random_values({k, n}, 2);
        const auto expected = plain_matmul(a, b, 1, m, k, n);
        const Array x = wg::array(a, {m, k}), y = wg::array(b, {k, n});
        SCOPED_TRACE(testing::Message() << m << " " << k << " " << n);
        expect_near(wg::matmul(x, y), expected, 1e-13);
        expect_near(wg::matmul(x.astype(wg::float32), y.astype(wg::float32)), expected, 2e-6 * std::sqrt(static_cast<double>(k) + 1));
      }
}

TEST(Matmul, TakesAnyStrides) {
  const int64_t m = 19, k = 37, n = 23;
  const auto a = random_values({m, k}, 1), b = random_values({k, n}, 2);
  const auto expected = plain_matmul(a, b, 1, m, k, n);
  for (wg::Dtype dtype : {wg::float32, wg::float64}) {
    const Array x = wg::array(a, {m, k}).astype(dtype), y = wg::array(b, {k, n}).astype(dtype);
    const double tolerance = dtype == wg::float32 ? 1e-5 : 1e-13;
    expect_near(wg::matmul(column_major(x), y), expected, tolerance);
    expect_near(wg::matmul(x, column_major(y)), expected, tolerance);
    expect_near(wg::matmul(column_major(x), column_major(y)), expected, tolerance);
    expect_near(wg::matmul(wg::broadcast_to(wg::array(std::vector<double>{0.5}).astype(dtype), {m, k}), y),
                plain_matmul(std::vector<double>(m * k, 0.5), b, 1, m, k, n), tolerance);
  }
}

TEST(Matmul, GradientsAgreeWithDifferences) {
  const auto product = [](std::span<const Array> x) { return wg::matmul(x[0], x[1]); };
  expect_gradients(product, {random_array({4, 3}, 1), random_array({3, 5}, 2)});
  expect_gradients(product, {random_array({3}, 1), random_array({3, 5}, 2)});
  expect_gradients(product, {random_array({4, 3}, 1), random_array({3}, 2)});
  expect_gradients(product, {random_array({3}, 1), random_array({3}, 2)});
  expect_gradients(product, {random_array({2, 4, 3}, 1), random_array({3, 5}, 2)});
  expect_gradients(product, {random_array({4, 3}, 1), random_array({2, 3, 5}, 2)});
  expect_gradients(product, {random_array({2, 1, 4, 3}, 1), random_array({3, 3, 5}, 2)});
}

TEST(Matmul, ErrorsNameTheOperandsAndTheCaller) {
  const Array a = random_array({2, 3}, 1, wg::float32), b = random_array({4, 5}, 2, wg::float32);
  try {
    wg::matmul(a, b);
    FAIL();
  } catch (const wg::Error& e) {
    EXPECT_EQ(e.kind(), wg::ErrorKind::shape);
    EXPECT_EQ(e.id(), "matmul-inner");
    EXPECT_EQ(std::string(e.what()), "matmul: a f32[2,3], b f32[4,5]: wanted last dimension of a == second to last of b; "
                                     "called at product_test.cpp:" + std::to_string(__LINE__ - 6));
  }
}

}  // namespace
