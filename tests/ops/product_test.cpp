// Products against plain loops, on both ways to compute them; their derivatives against finite differences.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tests/errors.hpp"
#include "tests/values.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;
using wg::Axes;
using wg::Shape;
using wg::test::doubles_of;
using wg::test::expect_close;
using wg::test::expect_error;

namespace {

std::vector<double> random_values(const Shape& shape, unsigned seed) {
  return wg::test::random_values(shape.size(), seed, -1, 1);
}

Array random_array(const Shape& shape, unsigned seed, wg::Dtype dtype = wg::float64) {
  if (wg::is_floating(dtype)) return wg::array(random_values(shape, seed), shape).astype(dtype);
  std::vector<double> values = random_values(shape, seed);
  for (double& v : values) v = std::floor(v * 10);
  return wg::array(values, shape).astype(dtype);
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
    EXPECT_NEAR(wg::sum(gradients[i] * direction).item<double>(), expected, 1e-6 * (1 + std::fabs(expected)))
        << "input " << i;
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
        expect_close(wg::matmul(x, y), expected, 1e-13);
        expect_close(wg::matmul(x.astype(wg::float32), y.astype(wg::float32)), expected,
                     2e-6 * std::sqrt(static_cast<double>(k) + 1));
      }
}

TEST(Matmul, TakesAnyStrides) {
  const int64_t m = 19, k = 37, n = 23;
  const auto a = random_values({m, k}, 1), b = random_values({k, n}, 2);
  const auto expected = plain_matmul(a, b, 1, m, k, n);
  for (wg::Dtype dtype : {wg::float32, wg::float64}) {
    const Array x = wg::array(a, {m, k}).astype(dtype), y = wg::array(b, {k, n}).astype(dtype);
    const double tolerance = dtype == wg::float32 ? 1e-5 : 1e-13;
    expect_close(wg::matmul(column_major(x), y), expected, tolerance);
    expect_close(wg::matmul(x, column_major(y)), expected, tolerance);
    expect_close(wg::matmul(column_major(x), column_major(y)), expected, tolerance);
    expect_close(wg::matmul(wg::broadcast_to(wg::array(std::vector<double>{0.5}).astype(dtype), {m, k}), y),
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

/// The product of two stacks of matrices whose leading axes broadcast, element by element.
TEST(Matmul, BroadcastsLeadingAxes) {
  const Array a = random_array({3, 1, 4, 5}, 1), b = random_array({2, 5, 6}, 2);
  const auto x = doubles_of(a), y = doubles_of(b);
  std::vector<double> expected;
  for (size_t p = 0; p < 3; ++p)
    for (size_t q = 0; q < 2; ++q)
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < 6; ++j) {
          double sum = 0;
          for (size_t k = 0; k < 5; ++k) sum += x[(p * 4 + i) * 5 + k] * y[(q * 5 + k) * 6 + j];
          expected.push_back(sum);
        }
  const Array got = wg::matmul(a, b);
  EXPECT_TRUE((got.shape() == Shape{3, 2, 4, 6}));
  expect_close(got, expected, 1e-13);
  expect_close(wg::matmul(a.astype(wg::float32), b.astype(wg::float32)), expected, 1e-5);
}

TEST(Matmul, IntegersWrapAndKeepTheirDtype) {
  for (wg::Dtype dtype : {wg::uint8, wg::int32, wg::int64}) {
    const Array a = random_array({30, 40}, 1, dtype), b = random_array({40, 50}, 2, dtype);
    const auto expected = plain_matmul(doubles_of(a), doubles_of(b), 1, 30, 40, 50);
    const Array got = wg::matmul(a, b);
    EXPECT_EQ(got.dtype(), dtype);
    const auto values = doubles_of(got);
    for (size_t i = 0; i < values.size(); ++i) {
      const double wrapped = dtype == wg::uint8 ? expected[i] - 256 * std::floor(expected[i] / 256) : expected[i];
      ASSERT_EQ(values[i], wrapped) << wg::name(dtype) << " element " << i;
    }
  }
}

TEST(Matmul, OurKernelsGiveTheSameBitsOnAnyThreads) {
  const int saved = wg::cpu::threads();
  const wg::cpu::KernelScope kernels;
  for (const Shape& shape : {Shape{300, 700}, Shape{700, 300}, Shape{1, 3000}, Shape{2000, 9}}) {
    const Array a = random_array(shape, 1, wg::float32), b = random_array({shape[1], 531}, 2, wg::float32);
    wg::cpu::set_threads(1);
    const auto one = wg::matmul(a, b).to_vector<float>();
    wg::cpu::set_threads(3);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(wg::matmul(a, b).to_vector<float>(), one);
  }
  wg::cpu::set_threads(saved);
}

/// Blocks and panels of our kernels end inside these.
TEST(Matmul, OurKernelsAgreeWithPlainLoopsBeyondOneBlock) {
  const wg::cpu::KernelScope kernels;
  for (const auto& [m, k, n] : {std::array<int64_t, 3>{205, 517, 70}, {13, 300, 1100}, {400, 5, 9}, {5, 700, 523}}) {
    const auto a = random_values({m, k}, 1), b = random_values({k, n}, 2);
    const auto expected = plain_matmul(a, b, 1, m, k, n);
    const Array x = wg::array(a, {m, k}), y = wg::array(b, {k, n});
    SCOPED_TRACE(testing::Message() << m << " " << k << " " << n);
    expect_close(wg::matmul(x, y), expected, 1e-12);
    expect_close(wg::matmul(column_major(x), column_major(y)), expected, 1e-12);
    expect_close(wg::matmul(x.astype(wg::float32), y.astype(wg::float32)), expected, 1e-4);
  }
}

TEST(Matmul, InfinitiesAndNanStayWhereTheyAre) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> a(20 * 30, 1), b(30 * 40, 1);
  a[3 * 30 + 7] = inf;
  b[5 * 40 + 9] = std::nanf("");
  for (int ours = 0; ours < 2; ++ours) {
    std::optional<wg::cpu::KernelScope> kernels;
    if (ours) kernels.emplace();
    const auto c = wg::matmul(wg::array(a, {20, 30}), wg::array(b, {30, 40})).to_vector<float>();
    for (size_t i = 0; i < 20; ++i)
      for (size_t j = 0; j < 40; ++j) {
        if (j == 9) EXPECT_TRUE(std::isnan(c[i * 40 + j]));
        else EXPECT_EQ(c[i * 40 + j], i == 3 ? inf : 30.0f);
      }
  }
}

TEST(Products, OfEveryKindAgreeWithMatmul) {
  const Array a = random_array({4, 3}, 1), b = random_array({3, 5}, 2), u = random_array({3}, 3),
              v = random_array({3}, 4);
  EXPECT_EQ(doubles_of(wg::dot(a, b)), doubles_of(wg::matmul(a, b)));
  EXPECT_EQ(doubles_of(wg::tensordot(a, b, 1)), doubles_of(wg::matmul(a, b)));
  EXPECT_EQ(doubles_of(wg::tensordot(a, b, {-1}, {0})), doubles_of(wg::matmul(a, b)));
  double sum = 0;
  const auto first = doubles_of(a), second = doubles_of(wg::matmul(a, random_array({3, 3}, 5)));
  for (size_t i = 0; i < 12; ++i) sum += first[i] * second[i];
  expect_close(wg::vdot(a, wg::matmul(a, random_array({3, 3}, 5))), {sum}, 1e-14);
  EXPECT_EQ(wg::matmul(u, v).item<double>(), wg::vdot(u, v).item<double>());
  const auto x = doubles_of(u), y = doubles_of(v), products = doubles_of(wg::outer(u, v));
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(products[i], x[i / 3] * y[i % 3]);
  const Array wide = wg::dot_general(a.astype(wg::float32), b.astype(wg::float32), {{1}, {0}, {}, {}}, wg::float64);
  EXPECT_EQ(wide.dtype(), wg::float64);
  expect_close(wide, doubles_of(wg::matmul(a, b)), 1e-6);
}

/// The sum over all indices of products of elements, index by index.
std::vector<double> plain_einsum(const std::string& text, const std::vector<Array>& operands, Shape& shape) {
  std::vector<std::string> labels(1);
  std::string result;
  bool after = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') {
      after = true;
      ++i;
    } else if (after) result += text[i];
    else if (text[i] == ',') labels.emplace_back();
    else labels.back() += text[i];
  }
  std::map<char, int64_t> lengths, at;
  for (size_t p = 0; p < operands.size(); ++p)
    for (size_t d = 0; d < labels[p].size(); ++d) lengths[labels[p][d]] = operands[p].shape()[static_cast<int>(d)];
  std::vector<std::vector<double>> values;
  for (const Array& x : operands) values.push_back(doubles_of(x));
  shape = Shape();
  for (char c : result) shape.push_back(lengths[c]);
  std::vector<double> sums(static_cast<size_t>(shape.size()));
  int64_t total = 1;
  for (const auto& [name, length] : lengths) total *= length;
  for (int64_t number = 0; number < total; ++number) {
    int64_t rest = number;
    for (const auto& [name, length] : lengths) {
      at[name] = rest % length;
      rest /= length;
    }
    const auto offset = [&](const std::string& names) {
      int64_t linear = 0;
      for (char c : names) linear = linear * lengths[c] + at[c];
      return static_cast<size_t>(linear);
    };
    double product = 1;
    for (size_t p = 0; p < operands.size(); ++p) product *= values[p][offset(labels[p])];
    sums[offset(result)] += product;
  }
  return sums;
}

struct EinsumCase {
  const char* text;
  std::vector<Shape> shapes;
};

const EinsumCase einsum_cases[] = {
    {"ij,jk->ik", {{3, 4}, {4, 5}}},
    {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}},
    {"ij->ji", {{3, 4}}},
    {"ij->", {{3, 4}}},
    {"ij->j", {{3, 4}}},
    {"ii->i", {{4, 4}}},
    {"ii->", {{4, 4}}},
    {"iji->j", {{3, 4, 3}}},
    {"iiii->i", {{3, 3, 3, 3}}},
    {"i,j->ij", {{3}, {4}}},
    {"i,i->", {{3}, {3}}},
    {"i,i->i", {{3}, {3}}},
    {"ij,ij->ij", {{3, 4}, {3, 4}}},
    {"ij,j->i", {{3, 4}, {4}}},
    {"ijk,jil->kl", {{2, 3, 4}, {3, 2, 5}}},
    {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}},
    {"bhqd,bhkd->bhqk", {{2, 3, 4, 5}, {2, 3, 6, 5}}},
    {"ij,kj->", {{2, 3}, {4, 3}}},
    {"ab,bc,a->c", {{2, 3}, {3, 4}, {2}}},
    {"ij,jk->kji", {{2, 3}, {3, 4}}},
    {"iij,jk->ik", {{3, 3, 2}, {2, 4}}},
    {"ij,k->jik", {{2, 3}, {4}}},
    {"ij,jk->ik", {{0, 4}, {4, 5}}},
    {"ij,jk->ik", {{3, 0}, {0, 5}}},
};

TEST(Einsum, AgreesWithPlainLoops) {
  for (const EinsumCase& c : einsum_cases) {
    SCOPED_TRACE(c.text);
    std::vector<Array> arrays;
    for (size_t i = 0; i < c.shapes.size(); ++i)
      arrays.push_back(random_array(c.shapes[i], static_cast<unsigned>(i) + 1));
    const std::vector<wg::Operand> operands(arrays.begin(), arrays.end());
    Shape shape;
    const auto expected = plain_einsum(c.text, arrays, shape);
    const Array got = wg::einsum(c.text, operands);
    EXPECT_TRUE(got.shape() == shape) << wg::to_string(got.shape());
    expect_close(got, expected, 1e-13);
    if (got.size() > 0 && arrays[0].size() > 0) {
      expect_gradients(
          [&](std::span<const Array> x) { return wg::einsum(c.text, std::vector<wg::Operand>(x.begin(), x.end())); },
          arrays);
    }
  }
}

TEST(Einsum, EllipsisBroadcasts) {
  const Array a = random_array({2, 1, 3, 4}, 1), b = random_array({5, 4, 6}, 2);
  EXPECT_EQ(doubles_of(wg::einsum("...ij,...jk->...ik", a, b)), doubles_of(wg::matmul(a, b)));
  EXPECT_EQ(doubles_of(wg::einsum("...ij,...jk", a, b)), doubles_of(wg::matmul(a, b)));
  EXPECT_EQ(doubles_of(wg::einsum("...j->j...", a)), doubles_of(wg::transpose(a, {3, 0, 1, 2})));
  EXPECT_EQ(doubles_of(wg::einsum("ba", random_array({2, 3}, 1))), doubles_of(wg::transpose(random_array({2, 3}, 1))));
  EXPECT_EQ(doubles_of(wg::einsum(" i j , j k ", random_array({2, 3}, 1), random_array({3, 4}, 2))),
            doubles_of(wg::matmul(random_array({2, 3}, 1), random_array({3, 4}, 2))));
  EXPECT_EQ(wg::einsum("ij,jk->ik", random_array({2, 3}, 1, wg::int32), random_array({3, 2}, 1, wg::int32)).dtype(),
            wg::int32);
}

TEST(Diagonal, TakesAndTraces) {
  const Array x = random_array({3, 4, 5}, 1);
  const auto values = doubles_of(x), diagonal = doubles_of(wg::diagonal(x, 2, 0));
  for (size_t j = 0; j < 4; ++j)
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(diagonal[j * 3 + i], values[(i * 4 + j) * 5 + i]);
  expect_close(wg::trace(random_array({3, 3}, 2)),
               {doubles_of(random_array({3, 3}, 2))[0] + doubles_of(random_array({3, 3}, 2))[4] +
                doubles_of(random_array({3, 3}, 2))[8]},
               1e-14);
  expect_gradients([](std::span<const Array> a) { return wg::diagonal(a[0], 0, 2); }, {x});
}

TEST(Products, RejectWhatDoesNotFit) {
  using wg::ErrorKind;
  const Array m23 = random_array({2, 3}, 1, wg::float32), m45 = random_array({4, 5}, 1, wg::float32),
              v4 = random_array({4}, 1, wg::float32);
  const Array flags = wg::array({true, false}), s = random_array({}, 1, wg::float32);
  expect_error([&] { wg::matmul(m23, v4); }, ErrorKind::shape, "matmul-inner",
               "matmul: a f32[2,3], b f32[4]: wanted last dimension of a == length of b");
  expect_error([&] { wg::matmul(m23, s); }, ErrorKind::shape, "matmul-rank",
               "matmul: a f32[2,3], b f32[]: wanted arrays of at least one dimension; a * b multiplies by a number");
  expect_error(
      [&] { wg::matmul(random_array({2, 3, 4}, 1, wg::float32), random_array({5, 4, 2}, 1, wg::float32)); },
      ErrorKind::shape, "matmul-leading",
      "matmul: a f32[2,3,4], b f32[5,4,2]: wanted leading dimensions that broadcast: equal from the last one on, or 1");
  expect_error([&] { wg::matmul(flags, flags); }, ErrorKind::dtype, "dtype-numeric",
               "matmul: a bool[2], b bool[2]: wanted a numeric dtype, not bool; convert with astype()");
  expect_error([&] { wg::dot(m23, m45); }, ErrorKind::shape, "dot-inner",
               "dot: a f32[2,3], b f32[4,5]: wanted last dimension of a == second to last of b");
  expect_error([&] { wg::vdot(m23, m45); }, ErrorKind::shape, "vdot-size",
               "vdot: a f32[2,3], b f32[4,5]: wanted as many elements in a as in b");
  expect_error([&] { wg::tensordot(m23, m45, 3); }, ErrorKind::shape, "tensordot-count",
               "tensordot: a f32[2,3], b f32[4,5], 3 axes: wanted at most as many axes as a and b have");
  expect_error(
      [&] { wg::tensordot(m23, m45, {0}, {1}); }, ErrorKind::shape, "tensordot-axes",
      "tensordot: a f32[2,3], b f32[4,5], axes [0] and [1]: wanted pairs of axes of equal lengths, each axis once");
  expect_error(
      [&] { wg::dot_general(m23, m45, {{1}, {0}, {}, {}}); }, ErrorKind::shape, "product-contract",
      "dot_general: a f32[2,3], b f32[4,5], lhs_contract [1], rhs_contract [0]"
      ", lhs_batch [], rhs_batch [], dtype f32, precision \"highest\": wanted contracted axes of equal lengths");
  expect_error(
      [&] { wg::dot_general(m23, m45, {{2}, {0}, {}, {}}); }, ErrorKind::shape, "product-axes",
      "dot_general: a f32[2,3], b f32[4,5], lhs_contract [2], rhs_contract [0]"
      ", lhs_batch [], rhs_batch [], dtype f32, precision \"highest\": wanted contracted and batch axes that a and b "
      "have, each named once");
  expect_error(
      [&] { wg::dot_general(m23, m23, {{0}, {0}, {}, {}}, wg::int32); }, ErrorKind::dtype, "product-dtype",
      "dot_general: a f32[2,3], b f32[2,3], lhs_contract [0], rhs_contract [0]"
      ", lhs_batch [], rhs_batch [], dtype i32, precision \"highest\": wanted a result dtype that holds the operands'");
  expect_error(
      [&] { wg::einsum("ij,jk->ik", m23, m45); }, ErrorKind::shape, "einsum-length",
      "einsum: subscripts \"ij,jk->ik\", operand 1 f32[4,5]: wanted index j of length 3 as in an operand before");
  expect_error([&] { wg::einsum("ijk->i", m23); }, ErrorKind::shape, "einsum-rank",
               "einsum: subscripts \"ijk->i\", operand 0 f32[2,3]: wanted as many indices as the operand has axes");
  expect_error([&] { wg::einsum("ij->ik", m23); }, ErrorKind::value, "einsum-result",
               "einsum: subscripts \"ij->ik\": wanted indices of the operands in the result, each once");
  expect_error(
      [&] { wg::einsum("i2->i", m23); }, ErrorKind::value, "einsum-subscripts",
      "einsum: subscripts \"i2->i\": wanted letters and at most one \"...\" for each operand, as in \"bij,bjk->bik\"");
  expect_error([&] { wg::einsum("ij,jk", m23); }, ErrorKind::value, "einsum-operands",
               "einsum: subscripts \"ij,jk\", 1 operand: wanted as many lists of indices as operands");
  expect_error([&] { wg::diagonal(m23, 0, 0); }, ErrorKind::shape, "diagonal-axes",
               "diagonal: x f32[2,3], axis1 0, axis2 0: wanted two axes of x");
}

TEST(Matmul, ErrorsNameTheOperandsAndTheCaller) {
  const Array a = random_array({2, 3}, 1, wg::float32), b = random_array({4, 5}, 2, wg::float32);
  const int line = __LINE__ + 2;
  try {
    wg::matmul(a, b);
    FAIL();
  } catch (const wg::Error& e) {
    EXPECT_EQ(e.kind(), wg::ErrorKind::shape);
    EXPECT_EQ(e.id(), "matmul-inner");
    EXPECT_EQ(std::string(e.what()),
              "matmul: a f32[2,3], b f32[4,5]: wanted last dimension of a == second to last of b; "
              "called at product_test.cpp:" +
                  std::to_string(line));
  }
}

}  // namespace
