// The softmax family and normalizations against plain loops in double, the oracle and finite differences; the number of
// kernels that they take.
#include <limits>
#include <optional>

#include "tests/ops/reduction_testing.hpp"
#include "wengert/trace/call.hpp"

namespace wg = wengert;
using namespace wengert::reduction_testing;
using wg::Array;
using wg::Axes;
using wg::ErrorKind;
using wg::Shape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
using Values = std::vector<double>;

Values plain_softmax(const Values& row) {
  long double largest = -inf, total = 0;
  for (double x : row) largest = std::max<long double>(largest, x);
  for (double x : row) total += std::exp(x - largest);
  Values y;
  for (double x : row) y.push_back(static_cast<double>(std::exp(x - largest) / total));
  return y;
}
double plain_logsumexp(const Values& row) {
  long double largest = -inf, total = 0;
  for (double x : row) largest = std::max<long double>(largest, x);
  for (double x : row) total += std::exp(x - largest);
  return static_cast<double>(largest + std::log(total));
}

/// f applied to every row of the last axis.
template <class F>
Values by_rows(const Values& x, size_t n, F f) {
  Values result;
  for (size_t i = 0; i < x.size(); i += n) {
    const Values y = f(Values(x.begin() + static_cast<int64_t>(i), x.begin() + static_cast<int64_t>(i + n)));
    result.insert(result.end(), y.begin(), y.end());
  }
  return result;
}

Array one(std::span<const Array> x, Array (*f)(const wg::Operand&, int64_t), int64_t axis) { return f(x[0], axis); }

// Softmax ------------------------------------------------------------------------------------------------

TEST(Softmax, AgreesWithPlainLoops) {
  for (const Shape& shape : {Shape{5, 7}, {3, 300}, {2, 3, 4}, {1, 1}, {9}, {4, 1}}) {
    const auto n = static_cast<size_t>(shape.back().value());
    const Array x = random_array(shape, 1, -30, 30);
    const Values v = doubles_of(x);
    const Values y = by_rows(v, n, plain_softmax);
    Values logs;
    for (double p : y) logs.push_back(std::log(p));
    expect_close(doubles_of(wg::softmax(x)), y, 1e-14);
    expect_close(doubles_of(wg::log_softmax(x)), logs, 1e-13);
    expect_close(doubles_of(wg::logsumexp(x, {-1})),
                 by_rows(v, n, [](const Values& r) { return Values{plain_logsumexp(r)}; }), 1e-14);
    expect_close(doubles_of(wg::logsumexp(x)), {plain_logsumexp(v)}, 1e-14);
    EXPECT_TRUE(wg::logsumexp(x, {-1}, true).shape() == shape.first(shape.rank() - 1) + Shape{1});
    const Array narrow = x.astype(wg::float32);
    const Values w = doubles_of(narrow);
    expect_close(doubles_of(wg::softmax(narrow)), by_rows(w, n, plain_softmax), 1e-6);
    expect_close(doubles_of(wg::logsumexp(narrow, {-1})),
                 by_rows(w, n, [](const Values& r) { return Values{plain_logsumexp(r)}; }), 1e-6);
  }
}

TEST(Softmax, AgreesWithTheOracleInEveryLayoutAndAlongEveryAxis) {
  for (const Shape& shape : {Shape{5, 7}, {2, 3, 4, 5}, {3, 300}, {0, 4}}) {
    const Array x = random_array(shape, 2, -5, 5).astype(wg::float32);
    for (int64_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[static_cast<int>(axis)].value() == 0) continue;
      SCOPED_TRACE(wg::to_string(shape) + " along " + std::to_string(axis));
      expect_as_oracle(
          [&](std::span<const Array> a) {
            return std::vector<Array>{one(a, wg::softmax, axis), one(a, wg::log_softmax, axis),
                                      wg::logsumexp(a[0], {axis})};
          },
          {x}, 2e-6);
      expect_as_oracle(
          [&](std::span<const Array> a) {
            std::vector<Array> g;
            for (auto* f : {wg::softmax, wg::log_softmax})
              g.push_back(gradients([&](std::span<const Array> b) { return one(b, f, axis); }, a,
                                    random_array(shape, 3).astype(wg::float32))[0]);
            return g;
          },
          {x}, 5e-6);
    }
  }
}

TEST(Softmax, TreatsInfinitiesAsPyTorchDoes) {
  const Array x = wg::array({{1.f, -INFINITY, 1.f},
                             {-INFINITY, -INFINITY, -INFINITY},
                             {INFINITY, 0.f, 0.f},
                             {NAN, 0.f, 0.f},
                             {1e30f, 0.f, -1e30f}});
  expect_close(doubles_of(wg::softmax(x)), {0.5, 0, 0.5, nan, nan, nan, nan, nan, nan, nan, nan, nan, 1, 0, 0}, 1e-7);
  expect_close(doubles_of(wg::log_softmax(x)),
               {std::log(0.5), -inf, std::log(0.5), nan, nan, nan, nan, nan, nan, nan, nan, nan, 0, -1e30, -2e30},
               1e-7);
  expect_close(doubles_of(wg::logsumexp(x, {1})), {1 + std::log(2), -inf, inf, nan, 1e30}, 1e-7);
  const Array hidden = wg::array({{-inf, -inf}, {0.0, -inf}});
  const Array g = gradients([](std::span<const Array> a) { return wg::logsumexp(a[0], {1}); }, {&hidden, 1},
                            wg::array({1.0, 1.0}))[0];
  EXPECT_EQ(g.to_vector<double>(), (Values{0, 0, 1, 0}));
}

TEST(Softmax, OverNoElements) {
  const Array x = wg::array(std::vector<float>{}, {2, 0});
  EXPECT_TRUE(wg::softmax(x).shape() == Shape({2, 0}));
  EXPECT_TRUE(wg::log_softmax(x, 0).shape() == Shape({2, 0}));
  expect_close(doubles_of(wg::logsumexp(x, {1})), {-inf, -inf}, 0);
}

TEST(Softmax, DerivativesAgreeWithDifferences) {
  const Array x = random_array({3, 4}, 5);
  for (int64_t axis : {0, 1}) {
    expect_derivatives([&](std::span<const Array> a) { return wg::softmax(a[0], axis); }, {x});
    expect_derivatives([&](std::span<const Array> a) { return wg::log_softmax(a[0], axis); }, {x});
    expect_derivatives([&](std::span<const Array> a) { return wg::logsumexp(a[0], {axis}); }, {x});
  }
  expect_derivatives([&](std::span<const Array> a) { return wg::logsumexp(a[0]); }, {x});
  expect_derivatives([&](std::span<const Array> a) { return wg::norm(a[0], {1}); }, {x});
  expect_derivatives([&](std::span<const Array> a) { return wg::norm(a[0], {0}, true) * a[0]; }, {x});
}

// Cross entropy ------------------------------------------------------------------------------------------

TEST(CrossEntropy, AgreesWithPlainLoopsForLabelsAndProbabilities) {
  const int64_t n = 6, classes = 5;
  const Array x = random_array({n, classes}, 7, -20, 20);
  const std::vector<int64_t> labels{0, 4, 2, 2, 1, 3};
  const Values v = doubles_of(x);
  Values each;
  double total = 0;
  for (size_t i = 0; i < 6; ++i) {
    const Values row(v.begin() + static_cast<int64_t>(i) * classes, v.begin() + static_cast<int64_t>(i + 1) * classes);
    each.push_back(plain_logsumexp(row) - row[static_cast<size_t>(labels[i])]);
    total += each.back() / 6;
  }
  const Array l = wg::array(labels);
  for (wg::Dtype dtype : {wg::int64, wg::int32, wg::uint8}) {
    expect_close(doubles_of(wg::softmax_cross_entropy_each(x, l.astype(dtype))), each, 1e-13);
    expect_close(doubles_of(wg::softmax_cross_entropy(x, l.astype(dtype))), {total}, 1e-13);
  }
  const Array p = wg::one_hot(l, classes, wg::float64);
  expect_close(doubles_of(wg::softmax_cross_entropy_each(x, p)), each, 1e-13);
  expect_close(doubles_of(wg::softmax_cross_entropy(x, p)), {total}, 1e-13);
  EXPECT_EQ(wg::softmax_cross_entropy(x.astype(wg::float32), l).dtype(), wg::float32);
}

TEST(CrossEntropy, KeepsItsDigitsFarFromZero) {
  const Array x = wg::array({{10000.f, 10001.f}});
  const double expected = std::log1p(std::exp(1.0));
  EXPECT_NEAR(wg::softmax_cross_entropy(x, wg::array({int64_t{0}})).item<float>(), expected, 1e-6);
  const Array g =
      gradients([](std::span<const Array> a) { return wg::softmax_cross_entropy(a[0], wg::array({int64_t{0}})); },
                {&x, 1}, wg::array(1.f))[0];
  expect_close(doubles_of(g), {1 / (1 + std::exp(1.0)) - 1, 1 / (1 + std::exp(-1.0))}, 1e-6);
}

TEST(CrossEntropy, HiddenClassesCostNothing) {
  const Array x = wg::array({{0.0, -inf, 0.0}});
  EXPECT_NEAR(wg::softmax_cross_entropy(x, wg::array({int64_t{2}})).item<double>(), std::log(2), 1e-15);
  EXPECT_NEAR(wg::softmax_cross_entropy(x, wg::array({{0.5, 0.0, 0.5}})).item<double>(), std::log(2), 1e-15);
  EXPECT_EQ(wg::softmax_cross_entropy(x, wg::array({int64_t{1}})).item<double>(), inf);
}

TEST(CrossEntropy, AgreesWithTheOracleInEveryLayout) {
  const Array x = random_array({7, 9}, 8, -5, 5).astype(wg::float32),
              l = wg::array({int64_t{0}, int64_t{8}, int64_t{3}, int64_t{3}, int64_t{1}, int64_t{7}, int64_t{2}});
  const auto f = [](std::span<const Array> a) { return wg::softmax_cross_entropy(a[0], a[1]); };
  const auto each = [](std::span<const Array> a) { return wg::softmax_cross_entropy_each(a[0], a[1]); };
  expect_as_oracle(
      [&](std::span<const Array> a) {
        return std::vector<Array>{f(a), each(a), gradients(f, a, wg::array(1.f))[0],
                                  gradients(each, a, random_array({7}, 4).astype(wg::float32))[0],
                                  wg::one_hot(a[1], 9)};
      },
      {x, l}, 2e-6);
}

TEST(CrossEntropy, DerivativesAgreeWithDifferences) {
  const Array x = random_array({4, 3}, 9), l = wg::array({int64_t{0}, int64_t{2}, int64_t{1}, int64_t{1}}),
              p = random_array({4, 3}, 10, 0.1, 1);
  expect_derivatives([](std::span<const Array> a) { return wg::softmax_cross_entropy(a[0], a[1]); }, {x, l});
  expect_derivatives([](std::span<const Array> a) { return wg::softmax_cross_entropy_each(a[0], a[1]); }, {x, l});
  expect_derivatives([](std::span<const Array> a) { return wg::softmax_cross_entropy(a[0], a[1]); }, {x, p});
  expect_derivatives([](std::span<const Array> a) { return wg::softmax_cross_entropy_each(a[0], a[1]); }, {x, p});
}

TEST(CrossEntropy, RefusesLabelsThatNameNoClass) {
  const Array x = random_array({2, 3}, 1);
  for (int64_t bad : {int64_t{3}, int64_t{-1}, int64_t{1} << 40}) {
    const wg::Error e = thrown_by([&] { wg::softmax_cross_entropy(x, wg::array({int64_t{0}, bad})); });
    EXPECT_EQ(e.kind(), ErrorKind::index);
    EXPECT_NE(std::string(e.what()).find("softmax_cross_entropy: label " + std::to_string(bad) +
                                         " at place 1 of i64[2]: wanted labels from 0 to 2"),
              std::string::npos)
        << e.what();
    EXPECT_EQ(thrown_by([&] { wg::one_hot(wg::array({bad}), 3); }).id(), "label-range");
  }
  EXPECT_EQ(wg::one_hot(wg::array({5, 6}), 0).shape(), (Shape{2, 0}));
  EXPECT_EQ(thrown_by([&] { wg::softmax_cross_entropy(x, wg::array({int64_t{0}})); }).id(), "labels-shape");
  EXPECT_EQ(thrown_by([&] { wg::softmax_cross_entropy(x, wg::array({true, false})); }).id(), "labels-dtype");
  EXPECT_EQ(thrown_by([&] { wg::softmax_cross_entropy(x, random_array({2, 4}, 1)); }).id(), "labels-shape");
  EXPECT_EQ(thrown_by([&] { wg::softmax(x, 2); }).id(), "axis-range");
}

/// Labels may come from anywhere: behind views, in programs, in the middle of a gradient, from a kernel or the oracle.
TEST(CrossEntropy, RefusesLabelsThatNameNoClassWhereverTheyAreRead) {
  const Array x = random_array({4, 3}, 1), bad = wg::array({{0, 1}, {2, 0}, {1, 3}, {2, 2}});
  const Array labels = bad[{wg::range(), 1}];  // a view: 1, 0, 3, 2
  const std::string wanted = "label 3 at place 2 of i32[4]: wanted labels from 0 to 2";
  const auto loss = [&](const Array& logits, const Array& l) { return wg::softmax_cross_entropy(logits, l); };
  const std::vector<std::function<void()>> calls = {
      [&] { loss(x, labels); },
      [&] { wg::softmax_cross_entropy_each(x, labels); },
      [&] { wg::grad(loss)(x, labels); },
      [&] { wg::jvp([&](const Array& a) { return loss(a, labels); }, x, x); },
      [&] { wg::evaluate(*wg::make_program(loss)(x, labels), std::vector{x, labels}); },
      [&] { wg::call(wg::call_params(wg::make_program(loss)(x, labels), "loss"), std::vector{x, labels}); },
      [&] { wg::call(wg::call_params(wg::make_program(wg::grad(loss))(x, labels), "slope"), std::vector{x, labels}); },
      [&] { wg::matmul(wg::one_hot(labels, 3, wg::float64), x[{wg::range(0, 3)}]); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    for (const bool plain : {false, true}) {
      std::optional<wg::cpu::OracleScope> oracle;
      if (plain) oracle.emplace();
      const wg::Error e = thrown_by(calls[i]);
      EXPECT_EQ(e.id(), "label-range") << i;
      EXPECT_NE(std::string(e.what()).find(wanted), std::string::npos) << i << ": " << e.what();
    }
  }
}

// Normalizations -----------------------------------------------------------------------------------------

Values plain_normalize(const Values& row, double eps) {
  long double mean = 0, var = 0;
  for (double x : row) mean += x / static_cast<long double>(row.size());
  for (double x : row) var += (x - mean) * (x - mean) / static_cast<long double>(row.size());
  Values y;
  for (double x : row) y.push_back(static_cast<double>((x - mean) / std::sqrt(var + eps)));
  return y;
}

TEST(LayerNorm, AgreesWithPlainLoops) {
  for (const Shape& shape : {Shape{5, 7}, {3, 300}, {2, 3, 4}, {9}, {4, 1}}) {
    const auto n = static_cast<size_t>(shape.back().value());
    const Array x = random_array(shape, 1, 3, 9), w = random_array({shape.back()}, 2),
                b = random_array({shape.back()}, 3);
    Values y = by_rows(doubles_of(x), n, [](const Values& r) { return plain_normalize(r, 1e-5); });
    expect_close(doubles_of(wg::layer_norm(x)), y, 1e-12);
    for (size_t i = 0; i < y.size(); ++i) y[i] *= doubles_of(w)[i % n];
    expect_close(doubles_of(wg::layer_norm(x, w)), y, 1e-12);
    for (size_t i = 0; i < y.size(); ++i) y[i] += doubles_of(b)[i % n];
    expect_close(doubles_of(wg::layer_norm(x, w, b)), y, 1e-12);
    expect_close(doubles_of(wg::layer_norm(x.astype(wg::float32), w.astype(wg::float32), b.astype(wg::float32))), y,
                 2e-5);
  }
}

/// x: [N, C, ...] in row-major order: the elements of each channel.
std::vector<Values> channels(const Array& x) {
  const int64_t n = x.shape()[0], c = x.shape()[1], inner = x.size() / std::max<int64_t>(n * c, 1);
  std::vector<Values> list(static_cast<size_t>(c));
  const Values v = doubles_of(x);
  for (size_t i = 0; i < v.size(); ++i) list[i / static_cast<size_t>(inner) % static_cast<size_t>(c)].push_back(v[i]);
  return list;
}

TEST(BatchNorm, AgreesWithPlainLoops) {
  for (const Shape& shape : {Shape{8, 3}, {4, 3, 5}, {2, 5, 4, 3}, {3, 1, 2, 2}}) {
    const Array x = random_array(shape, 1, 3, 9), w = random_array({shape[1]}, 2), b = random_array({shape[1]}, 3);
    const wg::BatchNorm y = wg::batch_norm(x, w, b), plain = wg::batch_norm(x);
    const auto in = channels(x), out = channels(y.y), bare = channels(plain.y);
    Values means, variances;
    for (size_t c = 0; c < in.size(); ++c) {
      Values expected = plain_normalize(in[c], 1e-5);
      expect_close(bare[c], expected, 1e-12);
      for (double& v : expected) v = v * doubles_of(w)[c] + doubles_of(b)[c];
      expect_close(out[c], expected, 1e-12);
      double mean = 0, var = 0;
      for (double v : in[c]) mean += v / static_cast<double>(in[c].size());
      for (double v : in[c]) var += (v - mean) * (v - mean) / static_cast<double>(in[c].size());
      means.push_back(mean);
      variances.push_back(var);
    }
    expect_close(doubles_of(y.mean), means, 1e-13);
    expect_close(doubles_of(y.var), variances, 1e-13);
    expect_close(doubles_of(wg::batch_norm_inference(x, y.mean, y.var, w, b)), doubles_of(y.y), 1e-12);
  }
}

TEST(Normalizations, AgreeWithTheOracleInEveryLayout) {
  for (const Shape& shape : {Shape{5, 7}, {3, 300}, {2, 3, 4, 5}, {0, 4}}) {
    SCOPED_TRACE(wg::to_string(shape));
    const auto narrow = [](const Shape& s, unsigned seed) { return random_array(s, seed, 0.5, 2).astype(wg::float32); };
    const Shape last{shape.back()}, channel{shape[1]};
    const Array ct = random_array(shape, 6).astype(wg::float32);
    const auto layer = [](std::span<const Array> a) { return wg::layer_norm(a[0], a[1], a[2]); };
    expect_as_oracle(
        [&](std::span<const Array> a) {
          std::vector<Array> r = gradients(layer, a, ct);
          r.push_back(layer(a));
          return r;
        },
        {narrow(shape, 1), narrow(last, 2), narrow(last, 3)}, 2e-5);
    const auto batch = [](std::span<const Array> a) { return wg::batch_norm(a[0], a[1], a[2]).y; };
    const auto inference = [](std::span<const Array> a) {
      return wg::batch_norm_inference(a[0], a[3], a[4], a[1], a[2]);
    };
    if (shape[0].value() == 0) continue;
    expect_as_oracle(
        [&](std::span<const Array> a) {
          std::vector<Array> r = gradients(batch, a.first(3), ct);
          const wg::BatchNorm y = wg::batch_norm(a[0], a[1], a[2]);
          r.insert(r.end(), {y.y, y.mean, y.var, inference(a)});
          return r;
        },
        {narrow(shape, 1), narrow(channel, 2), narrow(channel, 3), narrow(channel, 4), narrow(channel, 5)}, 5e-5);
  }
}

TEST(Normalizations, DerivativesAgreeWithDifferences) {
  const Array x = random_array({3, 4}, 1), w = random_array({4}, 2), b = random_array({4}, 3),
              s = random_array({4}, 4, 0.5, 2);
  expect_derivatives([](std::span<const Array> a) { return wg::layer_norm(a[0], {}, {}, 0.1); }, {x});
  expect_derivatives([](std::span<const Array> a) { return wg::layer_norm(a[0], a[1], a[2], 0.1); }, {x, w, b});
  expect_derivatives([](std::span<const Array> a) { return wg::batch_norm(a[0], a[1], a[2], 0.1).y; }, {x, w, b});
  expect_derivatives([](std::span<const Array> a) { return wg::batch_norm(a[0]).mean; }, {x});
  expect_derivatives([](std::span<const Array> a) { return wg::batch_norm(a[0]).var; }, {x});
  expect_derivatives(
      [](std::span<const Array> a) {
        const wg::BatchNorm y = wg::batch_norm(a[0], a[1], a[2], 0.1);
        return y.y * wg::exp(y.var) + y.mean;
      },
      {x, w, b});
  expect_derivatives([](std::span<const Array> a) { return wg::batch_norm_inference(a[0], a[1], a[2], a[3], a[4]); },
                     {x, b, s, w, b});
  const Array image = random_array({2, 3, 2, 2}, 5), cw = random_array({3}, 6), cb = random_array({3}, 7);
  expect_derivatives([](std::span<const Array> a) { return wg::batch_norm(a[0], a[1], a[2], 0.1).y; }, {image, cw, cb});
}

TEST(Normalizations, OfAConstantHaveFiniteDerivatives) {
  const Array x = wg::array({{2.0, 2.0, 2.0}}), zero = wg::array({0.0, 0.0});
  const Array g = gradients([](std::span<const Array> a) { return wg::layer_norm(a[0]); }, {&x, 1},
                            wg::array({{1.0, 2.0, 3.0}}))[0];
  for (double v : g.to_vector<double>()) EXPECT_TRUE(std::isfinite(v));
  const Array n = gradients([](std::span<const Array> a) { return wg::norm(a[0]); }, {&zero, 1}, wg::array(1.0))[0];
  EXPECT_EQ(n.to_vector<double>(), (Values{0, 0}));
}

TEST(Normalizations, NameWhatDoesNotFit) {
  const Array x = random_array({2, 3}, 1), four = random_array({4}, 1);
  EXPECT_EQ(thrown_by([&] { wg::layer_norm(x, four); }).id(), "norm-vector");
  EXPECT_EQ(thrown_by([&] { wg::batch_norm(x, {}, four); }).id(), "norm-vector");
  EXPECT_EQ(thrown_by([&] { wg::batch_norm(four); }).id(), "batch-norm-rank");
  EXPECT_EQ(thrown_by([&] { wg::layer_norm(wg::array(1.f)); }).id(), "layer-norm-rank");
  EXPECT_NE(
      std::string(thrown_by([&] { wg::layer_norm(x, four); }).what()).find("layer_norm: x f64[2,3], weight f64[4]"),
      std::string::npos);
}

// Kernels ------------------------------------------------------------------------------------------------

/// Kernels of the forward pass with residuals, and of the backward pass.
std::pair<size_t, size_t> kernels_of_gradient(const Function& f, const std::vector<Array>& x, const Array& ct) {
  const std::unique_ptr<bool[]> active(new bool[x.size()]);
  for (size_t i = 0; i < x.size(); ++i) active[i] = wg::is_inexact(x[i].dtype());
  const auto lifted = [&](std::span<const Array> in) { return std::vector<Array>{f(in)}; };
  std::optional<wg::diff::VjpResult> result;
  const size_t forward = kernels_of([&] {
                           result = wg::diff::vjp_through(lifted, x, std::span<const bool>(active.get(), x.size()));
                         }).size();
  const size_t backward = kernels_of([&] { result->pullback({&ct, 1}); }).size();
  return {forward, backward};
}
using Count = std::pair<size_t, size_t>;

TEST(NormalizationKernels, OneForARow) {
  const Array x = random_array({33, 35}, 1).astype(wg::float32), w = random_array({35}, 2).astype(wg::float32);
  const Array rows = random_array({33}, 2).astype(wg::float32), labels = wg::array(std::vector<int64_t>(33, 3)),
              scalar = wg::array(1.f);
  const auto softmax = [](std::span<const Array> a) { return wg::softmax(a[0]); };
  const auto log_softmax = [](std::span<const Array> a) { return wg::log_softmax(a[0]); };
  const auto logsumexp = [](std::span<const Array> a) { return wg::logsumexp(a[0], {1}); };
  const auto layer = [](std::span<const Array> a) { return wg::layer_norm(a[0]); };
  const auto affine_layer = [](std::span<const Array> a) { return wg::layer_norm(a[0], a[1], a[2]); };
  const auto each = [](std::span<const Array> a) { return wg::softmax_cross_entropy_each(a[0], a[1]); };
  const auto mean = [](std::span<const Array> a) { return wg::softmax_cross_entropy(a[0], a[1]); };
  const auto norm = [](std::span<const Array> a) { return wg::norm(a[0], {1}); };
  for (const auto& f : std::vector<Function>{softmax, log_softmax, logsumexp, layer, norm}) {
    EXPECT_EQ(kernels_of([&] { f({&x, 1}); }).size(), 1u);
  }
  EXPECT_EQ(kernels_of([&] { affine_layer(std::vector<Array>{x, w, w}); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { each(std::vector<Array>{x, labels}); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { mean(std::vector<Array>{x, labels}); }).size(), 2u);  // rows, then their mean
  EXPECT_EQ(kernels_of_gradient(softmax, {x}, x), Count(0, 1));                    // forward: the plan from above
  EXPECT_EQ(kernels_of_gradient(log_softmax, {x}, x), Count(0, 1));
  EXPECT_EQ(kernels_of_gradient(logsumexp, {x}, rows), Count(0, 1));
  EXPECT_EQ(kernels_of_gradient(layer, {x}, x), Count(1, 1));
  EXPECT_EQ(kernels_of_gradient(affine_layer, {x, w, w}, x), Count(1, 2));  // gradients of x; of weight and bias
  EXPECT_EQ(kernels_of_gradient(each, {x, labels}, rows), Count(1, 1));
  EXPECT_EQ(kernels_of_gradient(mean, {x, labels}, scalar), Count(2, 1));
  EXPECT_EQ(kernels_of_gradient(norm, {x}, rows), Count(0, 1));
}

TEST(NormalizationKernels, ABackwardPassReducesNothingOfXAgain) {
  const Array x = random_array({34, 36}, 1).astype(wg::float32), labels = wg::array(std::vector<int64_t>(34, 3));
  const Array scalar = wg::array(1.f);
  const auto loss = [&](std::span<const Array> a) {
    return std::vector<Array>{wg::softmax_cross_entropy(a[0], labels)};
  };
  const bool active[] = {true};
  wg::diff::VjpResult result = wg::diff::vjp_through(loss, {&x, 1}, active);
  const std::vector<std::string> texts = kernels_of([&] { result.pullback({&scalar, 1}); });
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0].find("[l]"), std::string::npos) << "a reduction in\n" << texts[0];
}

}  // namespace
