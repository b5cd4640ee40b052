// Reductions against plain loops in double and against the oracle, in every layout; their derivatives.
#include "tests/ops/reduction_testing.hpp"

#include <algorithm>
#include <limits>

namespace wg = wengert;
using namespace wengert::reduction_testing;
using wg::Array;
using wg::Axes;
using wg::Dtype;
using wg::ErrorKind;
using wg::Shape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Case {
  Shape shape;
  Axes axes;
};
const Case cases[] = {
    {{5, 7}, {1}},        {{5, 7}, {0}},           {{5, 7}, {}},
    {{3, 300}, {1}},      {{300, 3}, {0}},         {{2, 3, 4, 5}, {0, 2, 3}},
    {{2, 3, 4, 5}, {1}},  {{2, 3, 4, 5}, {-1, 1}}, {{1, 6}, {0}},
    {{6, 1}, {1}},        {{1000}, {0}},           {{}, {}},
    {{4, 3, 70}, {0, 2}}, {{1, 1}, {0, 1}},        {{3, 5, 2}, {0, 1}},
};

/// The elements under every element of the result, in row-major order.
std::vector<std::vector<double>> groups(const Array& x, const Axes& axes) {
  std::vector<bool> reduced(static_cast<size_t>(x.rank()), axes.empty());
  for (int64_t a : axes) reduced[static_cast<size_t>(a < 0 ? a + x.rank() : a)] = true;
  int64_t results = 1;
  for (int d = 0; d < x.rank(); ++d) results *= reduced[static_cast<size_t>(d)] ? 1 : x.shape()[d].value();
  std::vector<std::vector<double>> list(static_cast<size_t>(results));
  const std::vector<double> values = doubles_of(x);
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), place = 0, scale = 1;
    for (int d = x.rank(); d-- > 0;) {
      if (!reduced[static_cast<size_t>(d)]) {
        place += rest % x.shape()[d] * scale;
        scale *= x.shape()[d];
      }
      rest /= x.shape()[d];
    }
    list[static_cast<size_t>(place)].push_back(values[i]);
  }
  return list;
}

using Plain = double (*)(const std::vector<double>&);
std::vector<double> plain(Plain f, const Array& x, const Axes& axes) {
  std::vector<double> results;
  for (const auto& group : groups(x, axes)) results.push_back(f(group));
  return results;
}

double plain_sum(const std::vector<double>& v) {
  long double s = 0;
  for (double x : v) s += x;
  return static_cast<double>(s);
}
double plain_prod(const std::vector<double>& v) {
  long double s = 1;
  for (double x : v) s *= x;
  return static_cast<double>(s);
}
double plain_max(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }
double plain_min(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }
double plain_argmax(const std::vector<double>& v) {
  return static_cast<double>(std::max_element(v.begin(), v.end()) - v.begin());
}
double plain_argmin(const std::vector<double>& v) {
  return static_cast<double>(std::min_element(v.begin(), v.end()) - v.begin());
}
double plain_any(const std::vector<double>& v) {
  return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; });
}
double plain_all(const std::vector<double>& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return x != 0; });
}
double plain_mean(const std::vector<double>& v) { return plain_sum(v) / static_cast<double>(v.size()); }
double plain_var(const std::vector<double>& v) {
  const double m = plain_mean(v);
  long double s = 0;
  for (double x : v) s += (x - m) * (x - m);
  return static_cast<double>(s) / static_cast<double>(v.size());
}
double plain_std(const std::vector<double>& v) { return std::sqrt(plain_var(v)); }

struct Reduction {
  const char* name;
  Array (*f)(const wg::Operand&, const Axes&, bool);
  Plain plain;
};
const Reduction reductions[] = {
    {"sum", wg::sum, plain_sum},
    {"prod", wg::prod, plain_prod},
    {"max", wg::max, plain_max},
    {"min", wg::min, plain_min},
    {"any", wg::any, plain_any},
    {"all", wg::all, plain_all},
    {"mean", wg::mean, plain_mean},
    {"var", [](const wg::Operand& x, const Axes& a, bool k) { return wg::var(x, a, 0, k); }, plain_var},
    {"std", [](const wg::Operand& x, const Axes& a, bool k) { return wg::std(x, a, 0, k); }, plain_std},
};

Shape kept(const Shape& shape, const Axes& axes) {
  Shape result = shape;
  for (int d = 0; d < shape.rank(); ++d) {
    if (axes.empty() || axes.contains(d) || axes.contains(d - shape.rank())) result[d] = 1;
  }
  return result;
}

TEST(Reductions, AgreeWithPlainLoopsInEveryDtype) {
  for (const Reduction& r : reductions) {
    for (const Case& c : cases) {
      for (Dtype dtype : {wg::float64, wg::float32, wg::int32, wg::uint8, wg::bool_}) {
        const bool floating = wg::is_floating(dtype);
        if (std::string(r.name) == "prod" && dtype == wg::uint8) continue;  // overflows: below
        const Array x = random_array(c.shape, 3,
                                     floating                 ? -2
                                         : dtype == wg::uint8 ? 0
                                                              : -3,
                                     floating ? 2 : 4)
                            .astype(dtype);
        const double tolerance = dtype == wg::float64 ? 1e-13 : 2e-6;
        const Array y = r.f(x, c.axes, false);
        const std::string what = std::string(r.name) + " of " + wg::describe(x);
        expect_close(doubles_of(y), plain(r.plain, x, c.axes), tolerance, what);
        if (dtype != wg::float32) continue;
        const Array k = r.f(x, c.axes, true);
        expect_close(doubles_of(k), plain(r.plain, x, c.axes), tolerance, what + ", keepdims");
        EXPECT_TRUE(k.shape() == kept(c.shape, c.axes)) << what;
      }
    }
  }
}

TEST(Reductions, AgreeWithTheOracleInEveryLayout) {
  for (const Reduction& r : reductions) {
    for (const Case& c : cases) {
      for (Dtype dtype : {wg::float32, wg::int32}) {
        if (dtype == wg::int32 && r.plain != plain_sum && r.plain != plain_max) continue;
        const Array x = random_array(c.shape, 5, -2, 3).astype(dtype);
        const auto f = [&](std::span<const Array> a) {
          return std::vector<Array>{r.f(a[0], c.axes, false), r.f(a[0], c.axes, true)};
        };
        SCOPED_TRACE(std::string(r.name) + " of " + wg::describe(x));
        expect_as_oracle(f, {x}, 2e-6);
      }
    }
  }
}

TEST(Reductions, GiveTheDtypesThatTheyPromise) {
  const Array b = wg::array({true, false, true}), u = wg::array({uint8_t{200}, uint8_t{100}}), i = wg::array({1, 2}),
              f = wg::array({1.f, 2.f});
  EXPECT_EQ(wg::sum(b).dtype(), wg::int64);
  EXPECT_EQ(wg::sum(b).item<int64_t>(), 2);
  EXPECT_EQ(wg::sum(u).item<int64_t>(), 300);
  EXPECT_EQ(wg::prod(u).item<int64_t>(), 20000);
  EXPECT_EQ(wg::sum(i).dtype(), wg::int64);
  EXPECT_EQ(wg::sum(f).dtype(), wg::float32);
  EXPECT_EQ(wg::max(i).dtype(), wg::int32);
  EXPECT_EQ(wg::max(b).dtype(), wg::bool_);
  EXPECT_EQ(wg::mean(i).dtype(), wg::float32);
  EXPECT_EQ(wg::mean(b).dtype(), wg::float32);
  EXPECT_EQ(wg::var(i).dtype(), wg::float32);
  EXPECT_EQ(wg::mean(f.astype(wg::float64)).dtype(), wg::float64);
  EXPECT_EQ(wg::any(f).dtype(), wg::bool_);
  EXPECT_EQ(wg::argmax(f).dtype(), wg::int64);
  const Array large = wg::array({int64_t{1} << 40, int64_t{3}});
  EXPECT_EQ(wg::sum(large).item<int64_t>(), (int64_t{1} << 40) + 3);
}

// Rounding takes the same way where elements are alike: long chains of additions would add it up.
TEST(Reductions, OfManyEqualElementsStayAccurate) {
  for (int64_t n : {int64_t{1} << 14, int64_t{1} << 16, (int64_t{1} << 20) + 77, int64_t{1} << 24}) {
    const double truth = static_cast<double>(1.1f) * static_cast<double>(n);
    const Array x = wengert::full({n}, 1.1f);
    EXPECT_NEAR(sum(x).item<float>() / truth, 1, 4e-6) << n;
    EXPECT_NEAR(mean(x).item<float>() / 1.1f, 1, 4e-6) << n;
  }
}

// The same over the first axes, where the results lie side by side. A chain there is as long as the square root of what
// a piece adds up, where rows have lanes: up to 256 + 256 + 64 additions, so twice the bound of rows.
TEST(Reductions, DownColumnsOfManyEqualElementsStayAccurate) {
  for (const wg::Shape& shape : {wg::Shape{1 << 14, 3}, wg::Shape{(1 << 20) + 77, 5}, wg::Shape{1 << 12, 1 << 10, 2},
                                 wg::Shape{3, 1 << 20, 4}, wg::Shape{1 << 18, 40}}) {
    wg::Axes axes;
    int64_t count = 1;
    for (int a = 0; a + 1 < shape.rank(); ++a) axes.push_back(a), count *= shape[a];
    const Array sums = wg::sum(wengert::full(shape, 1.1f), axes);
    for (float s : sums.to_vector<float>()) {
      EXPECT_NEAR(s / (static_cast<double>(1.1f) * static_cast<double>(count)), 1, 8e-6) << wengert::to_string(shape);
    }
  }
}

TEST(Reductions, OverNoElements) {
  const Array x = wg::array(std::vector<float>{}, {0, 3});
  EXPECT_EQ(wg::sum(x, {0}).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(wg::prod(x, {0}).to_vector<float>(), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(wg::any(x).item<bool>(), false);
  EXPECT_EQ(wg::all(x).item<bool>(), true);
  EXPECT_TRUE(std::isnan(wg::mean(x).item<float>()));
  EXPECT_TRUE(std::isnan(wg::var(x).item<float>()));
  EXPECT_EQ(wg::sum(x, {1}).size(), 0);
  EXPECT_EQ(wg::max(x, {1}).size(), 0);  // three elements each, of none
  EXPECT_EQ(wg::argmax(x, 1).size(), 0);
  for (const auto& f : std::vector<std::function<void()>>{[&] { wg::max(x, {0}); }, [&] { wg::min(x); },
                                                          [&] { wg::argmax(x, 0); }, [&] { wg::argmin(x); }}) {
    const wg::Error e = thrown_by(f);
    EXPECT_EQ(e.kind(), ErrorKind::shape);
    EXPECT_EQ(e.id(), "reduce-empty");
  }
}

TEST(Reductions, NameWhatIsWrongWithAxes) {
  const Array x = wg::array(std::vector<float>(6), {2, 3});
  EXPECT_EQ(thrown_by([&] { wg::sum(x, {2}); }).id(), "axis-range");
  EXPECT_EQ(thrown_by([&] { wg::mean(x, {-3}); }).id(), "axis-range");
  EXPECT_EQ(thrown_by([&] { wg::var(x, {1, -1}); }).id(), "axis-repeated");
  EXPECT_EQ(thrown_by([&] { wg::argmax(x, 5); }).id(), "axis-range");
  EXPECT_NE(std::string(thrown_by([&] { wg::any(x, {2}); }).what()).find("any: x f32[2,3], axis 2"), std::string::npos);
}

TEST(Reductions, KeepNanAndInfinities) {
  const Array x = wg::array(std::vector<float>{1, NAN, 3, INFINITY, 2, -INFINITY, 4, 5, 6}, {3, 3});
  expect_close(doubles_of(wg::max(x, {1})), {nan, inf, 6}, 0);
  expect_close(doubles_of(wg::min(x, {1})), {nan, -inf, 4}, 0);
  expect_close(doubles_of(wg::sum(x, {1})), {nan, nan, 15}, 0);
  for (int64_t place : {0, 1, 15, 16, 63, 64, 100, 299}) {
    std::vector<float> row(300, 1.f);
    row[static_cast<size_t>(place)] = NAN;
    row[299] = place == 299 ? NAN : 7.f;
    EXPECT_TRUE(std::isnan(wg::max(wg::array(row)).item<float>())) << place;
    EXPECT_TRUE(std::isnan(wg::min(wg::array(row)).item<float>())) << place;
    EXPECT_EQ(wg::argmax(wg::array(row)).item<int64_t>(), place);
    EXPECT_EQ(wg::argmin(wg::array(row)).item<int64_t>(), place);
  }
}

TEST(Arguments, GiveTheFirstOfEquals) {
  const Array x = wg::array({{1, 7, 7, 0}, {3, 3, 3, 3}, {0, 0, 9, 0}});
  EXPECT_EQ(wg::argmax(x, 1).to_vector<int64_t>(), (std::vector<int64_t>{1, 0, 2}));
  EXPECT_EQ(wg::argmin(x, 1).to_vector<int64_t>(), (std::vector<int64_t>{3, 0, 0}));
  EXPECT_EQ(wg::argmax(x, 0).to_vector<int64_t>(), (std::vector<int64_t>{1, 0, 2, 1}));
  EXPECT_EQ(wg::argmax(x).item<int64_t>(), 10);
  EXPECT_TRUE(wg::argmax(x, 1, true).shape() == Shape({3, 1}));
  EXPECT_TRUE(wg::argmax(x, {}, true).shape() == Shape({1, 1}));
  EXPECT_EQ(wg::argmax(wg::array(3.f)).item<int64_t>(), 0);
}

TEST(Arguments, AgreeWithPlainLoopsAndTheOracle) {
  for (const Case& c : cases) {
    if (c.axes.size() > 1) continue;
    const std::optional<int64_t> axis = c.axes.empty() ? std::nullopt : std::optional<int64_t>(c.axes[0]);
    for (Dtype dtype : {wg::float32, wg::float64, wg::int32, wg::bool_}) {
      const Array x = random_array(c.shape, 11, -3, 3).astype(dtype);
      SCOPED_TRACE(wg::describe(x));
      expect_close(doubles_of(wg::argmax(x, axis)), plain(plain_argmax, x, c.axes), 0);
      expect_close(doubles_of(wg::argmin(x, axis)), plain(plain_argmin, x, c.axes), 0);
      expect_as_oracle(
          [&](std::span<const Array> a) {
            return std::vector<Array>{wg::argmax(a[0], axis), wg::argmin(a[0], axis, true)};
          },
          {x}, 0);
    }
  }
}

TEST(Moments, KeepTheirDigitsFarFromZero) {
  std::vector<float> values;
  for (double v : random_values(4096, 1, -1, 1)) values.push_back(static_cast<float>(1e4 + v));
  const Array x = wg::array(values);
  const double expected = plain_var(groups(x, {})[0]);
  EXPECT_NEAR(wg::var(x).item<float>(), expected, 1e-4 * expected);
  EXPECT_NEAR(wg::std(x).item<float>(), std::sqrt(expected), 1e-4 * std::sqrt(expected));
}

TEST(Moments, TakeACorrection) {
  const Array x = wg::array({1.0, 2.0, 4.0});
  EXPECT_DOUBLE_EQ(wg::var(x, {}, 1).item<double>(), 7.0 / 3);
  EXPECT_DOUBLE_EQ(wg::var(x).item<double>(), 14.0 / 9);
  EXPECT_DOUBLE_EQ(wg::std(x, {}, 1).item<double>(), std::sqrt(7.0 / 3));
  EXPECT_TRUE(std::isnan(wg::var(wg::array({1.0}), {}, 1).item<double>()));
}

TEST(Moments, OfIntegersAreExact) {
  std::vector<int32_t> values(3000, 16777217);  // no float32
  EXPECT_EQ(wg::mean(wg::array(values)).item<float>(), 16777216.f);
  std::vector<bool> truth(200000);
  for (size_t i = 0; i < truth.size(); i += 2) truth[i] = true;
  EXPECT_EQ(wg::mean(wg::array(truth)).item<float>(), 0.5f);
}

TEST(ReductionDerivatives, AgreeWithDifferences) {
  for (const Reduction& r : reductions) {
    if (std::string(r.name) == "any" || std::string(r.name) == "all") continue;
    for (const Case& c : {Case{{3, 4}, {1}}, {{3, 4}, {0}}, {{2, 3, 2}, {0, 2}}, {{5}, {}}, {{6, 1}, {1}}}) {
      if (std::string(r.name) == "std" && c.shape.rank() == 2 && c.shape[1].value() == 1) continue;  // 0: no derivative
      SCOPED_TRACE(std::string(r.name) + " over " + wg::to_string(wg::Param(c.axes)));
      const Array x = random_array(c.shape, 21);
      expect_derivatives([&](std::span<const Array> a) { return r.f(a[0], c.axes, false); }, {x});
      expect_derivatives([&](std::span<const Array> a) { return r.f(a[0], c.axes, true) * wg::exp(a[0]); }, {x});
    }
  }
}

TEST(ReductionDerivatives, AgreeWithTheOracleInEveryLayout) {
  for (const Reduction& r : reductions) {
    for (const Case& c : {Case{{5, 7}, {1}}, {{5, 7}, {0}}, {{2, 3, 4, 5}, {0, 2, 3}}, {{3, 300}, {}}}) {
      SCOPED_TRACE(std::string(r.name) + " of " + wg::to_string(c.shape));
      const Array x = random_array(c.shape, 22, 0.5, 1.5).astype(wg::float32);
      const auto f = [&](std::span<const Array> a) {
        const auto y = [&](std::span<const Array> b) { return r.f(b[0], c.axes, false); };
        return gradients(y, a, random_array(y(a).shape(), 4).astype(wg::float32));
      };
      if (std::string(r.name) != "any" && std::string(r.name) != "all") expect_as_oracle(f, {x}, 5e-6);
    }
  }
}

/// The derivative of the product along directions: the sum over all ways to take one factor from each of them and the
/// other factors from x.
double plain_derivative(const std::vector<double>& x, std::span<const std::vector<double>> directions) {
  if (directions.empty()) return plain_prod(x);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    std::vector<double> rest = x;
    rest[i] = 1;
    std::vector<std::vector<double>> others(directions.begin() + 1, directions.end());
    for (std::vector<double>& v : others) v[i] = 0;  // each factor is taken once
    sum += directions[0][i] * plain_derivative(rest, others);
  }
  return sum;
}

using Scalar = std::function<Array(const Array&)>;
/// The derivative of f along v by forward or by reverse mode.
Scalar along(const Scalar& f, const Array& v, bool reverse) {
  if (!reverse) return [=](const Array& x) { return wg::jvp(f, std::tuple{x}, std::tuple{v}).second; };
  return [=](const Array& x) { return wg::sum(wg::grad(f)(x) * v); };
}

TEST(ReductionDerivatives, OfProductsAreRightAtAnyNumberOfZerosToThirdOrder) {
  for (size_t length : {1u, 2u, 3u, 5u, 8u, 19u}) {
    for (size_t zeros = 0; zeros <= std::min<size_t>(length, 4); ++zeros) {
      std::vector<double> row = random_values(static_cast<int64_t>(length), 7, 0.5, 1.5);
      for (size_t z = 0; z < zeros; ++z) row[(z * 7 + 2) % length] = 0;
      std::vector<std::vector<double>> directions;
      for (unsigned seed : {1u, 2u, 3u}) directions.push_back(random_values(static_cast<int64_t>(length), seed, -2, 2));
      for (size_t order = 1; order <= 3; ++order) {
        const double wanted = plain_derivative(row, std::span(directions).first(order));
        for (unsigned modes = 0; modes < 1u << order; ++modes) {
          Scalar f = [](const Array& x) { return wg::prod(x); };
          for (size_t stage = 0; stage < order; ++stage) f = along(f, wg::array(directions[stage]), modes >> stage & 1);
          EXPECT_NEAR(f(wg::array(row)).item<double>(), wanted, 1e-13 * (1 + std::fabs(wanted)))
              << length << " elements, " << zeros << " zeros, order " << order << ", modes " << modes;
        }
      }
    }
  }
}

TEST(ReductionDerivatives, OfProductsDoNotDivide) {
  const auto gradient = [](const std::vector<float>& row) {
    return wg::grad([](const Array& x) { return wg::prod(x); })(wg::array(row)).to_vector<float>();
  };
  const std::vector<float> small = gradient({1e-30f, 1e-30f, 1e30f});
  EXPECT_FLOAT_EQ(small[0], 1);
  EXPECT_FLOAT_EQ(small[1], 1);
  EXPECT_EQ(small[2], 0);  // 1e-60 is none in float32
  const std::vector<float> large = gradient({1e30f, 1e30f, 1e-30f, 0});
  EXPECT_EQ(large[0] + large[1] + large[2], 0);
  EXPECT_FLOAT_EQ(large[3], 1e30f);
  EXPECT_EQ(gradient({INFINITY, 2, 3}), (std::vector<float>{6, INFINITY, INFINITY}));
  EXPECT_EQ(gradient({1e-45f, 4, 2}), (std::vector<float>{8, 2 * 1e-45f, 4 * 1e-45f}));
}

TEST(ReductionDerivatives, OfProductsOverAnyAxes) {
  for (const Case& c :
       {Case{{2, 3, 4}, {0, 2}}, {{2, 3, 4}, {1}}, {{2, 3, 4}, {}}, {{2, 1, 2, 1, 2, 1, 2, 3}, {0, 7}}}) {
    Array x = random_array(c.shape, 5, 0.5, 1.5);
    x = wg::where(x < 0.7, 0, x);
    for (Memory memory : memories) {
      for (bool keepdims : {false, true}) {
        const Array g =
            wg::grad([&](const Array& a) { return wg::sum(wg::prod(a, c.axes, keepdims)); })(laid_out(x, memory));
        std::vector<std::vector<double>> wanted = groups(x, c.axes), got = groups(g, c.axes);
        for (size_t n = 0; n < got.size(); ++n) {
          for (size_t i = 0; i < got[n].size(); ++i) {
            std::vector<double> others = wanted[n];
            others[i] = 1;
            EXPECT_NEAR(got[n][i], plain_prod(others), 1e-14)
                << wg::to_string(c.shape) << " row " << n << " place " << i;
          }
        }
      }
    }
  }
  const auto empty = wg::grad([](const Array& a) { return wg::sum(wg::prod(a, {1})); });
  EXPECT_TRUE(empty(wg::zeros({3, 0}, wg::float64)).shape() == (Shape{3, 0}));
  EXPECT_TRUE(empty(wg::zeros({0, 3}, wg::float64)).shape() == (Shape{0, 3}));
}

// One kernel for each step, which serves all lengths.
TEST(ReductionKernels, OfTheDerivativeOfAProductAreFewAndShort) {
  const auto gradient = wg::grad([](const Array& x) { return wg::prod(x); });
  const auto texts_of = [&](int64_t length) {
    std::vector<std::string> texts = kernels_of([&] { gradient(random_array({length}, 3, 0.9, 1.1)); });
    for (const std::string& text : texts) EXPECT_LT(text.size(), 6000u);
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    return texts;
  };
  const std::vector<std::string> shorter = texts_of(1000), longer = texts_of(1024 * 1000 + 7);
  EXPECT_LT(longer.size(), 16u);
  EXPECT_LE(longer.size(), shorter.size() + 2);
}

TEST(ReductionDerivatives, OfTiesAreShared) {
  const Array x = wg::array({{1.0, 3.0, 3.0}, {2.0, 2.0, 2.0}});
  const auto g = [&](Array (*f)(const wg::Operand&, const Axes&, bool)) {
    return gradients([&](std::span<const Array> a) { return f(a[0], Axes{1}, false); }, {&x, 1},
                     wg::array({6.0, 6.0}))[0]
        .to_vector<double>();
  };
  EXPECT_EQ(g(wg::max), (std::vector<double>{0, 3, 3, 2, 2, 2}));
  EXPECT_EQ(g(wg::min), (std::vector<double>{6, 0, 0, 2, 2, 2}));
}

// As values, derivatives come from what is NaN where anything is; forward and reverse mode say the same.
TEST(ReductionDerivatives, OfNanGoToNan) {
  const auto f = [](const Array& x) { return wg::max(x); };
  const Array x = wg::array({1.0, nan, 2.0, nan});
  EXPECT_EQ(wg::grad(f)(x).to_vector<double>(), (std::vector<double>{0, 0.5, 0, 0.5}));
  const auto [y, dy] = wg::jvp(f, std::tuple{x}, std::tuple{wg::array({1.0, 2.0, 3.0, 4.0})});
  EXPECT_EQ(dy.item<double>(), 3);
}

TEST(ReductionDerivatives, OfAConstantRowsDeviationAreZeroAtEveryOrder) {
  const Array x = wg::array({{2.0, 2.0, 2.0}, {1.0, 2.0, 4.0}});
  const Array v = wg::array({{1.0, -2.0, 0.5}, {0.0, 0.0, 0.0}});
  for (size_t order = 1; order <= 3; ++order) {
    for (unsigned modes = 0; modes < 1u << order; ++modes) {
      Scalar f = [](const Array& a) { return wg::sum(wg::std(a, {1})); };
      for (size_t stage = 0; stage < order; ++stage) f = along(f, v, modes >> stage & 1);
      EXPECT_EQ(f(x).item<double>(), 0) << "order " << order << ", modes " << modes;
    }
  }
  const Array one = wg::array({{3.0}, {0.0}});
  for (auto f : {&wg::var, &wg::std}) {
    const Array g = wg::grad([&](const Array& a) { return wg::sum(f(a, {1}, 0, false)); })(one);
    EXPECT_EQ(g.to_vector<double>(), (std::vector<double>{0, 0}));
  }
}

TEST(ReductionKernels, OneForARowsMoments) {
  const Array x = random_array({37, 41}, 1).astype(wg::float32);
  EXPECT_EQ(kernels_of([&] { wg::mean(x, {1}, true); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { wg::var(x, {1}); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { wg::std(x, {1}, 1); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { wg::argmax(x, 1); }).size(), 1u);
  EXPECT_EQ(kernels_of([&] { wg::any(x, {1}); }).size(), 1u);
}

TEST(ReductionKernels, OneForRowsOfUnlikeLengths) {
  const Array x = random_array({3, 41}, 1), y = random_array({5, 37}, 2);
  EXPECT_EQ(kernels_of([&] { wg::mean(x, {1}); }), kernels_of([&] { wg::mean(y, {1}); }));
  EXPECT_EQ(kernels_of([&] { wg::var(x, {1}, 1); }), kernels_of([&] { wg::var(y, {1}, 1); }));
  const auto gradient = wg::grad([](const Array& a) { return wg::sum(wg::mean(a, {1})); });
  EXPECT_EQ(kernels_of([&] { gradient(x); }), kernels_of([&] { gradient(y); }));
}

}  // namespace
