// jvp, vjp, linearize, linear_transpose, jacobians, hvp, stop_gradient, and their mixtures.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/errors.hpp"
#include "tests/values.hpp"
#include "wengert/diff/derive.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using Doubles = std::vector<double>;

void expect_near(const Array& x, const Doubles& wanted) { test::expect_close(x, wanted, 1e-12); }

struct Pair {
  Array a = {}, b = {};
};
Pair products(const Array& x, const Array& y) { return {x * y, tanh(x)}; }
const Array x2 = array({0.5, -1.0}), y2 = array({3.0, 4.0}), dx2 = array({1.0, 2.0}), dy2 = array({0.0, 10.0});

// jvp ----------------------------------------------------------------------------------------------------

TEST(Jvp, AlongTangentsOfAllArguments) {
  const auto [value, tangent] = jvp(products, std::tuple{x2, y2}, std::tuple{dx2, dy2});
  expect_near(value.a, {1.5, -4});
  expect_near(tangent.a, {3, 8 - 10});
  const auto u = [](double x) { return 1 - std::tanh(x) * std::tanh(x); };
  expect_near(tangent.b, {u(0.5), 2 * u(-1)});
}

TEST(Jvp, OneArgumentNeedsNoTuple) {
  const auto [value, tangent] = jvp([](const Array& x) { return x * x; }, x2, dx2);
  expect_near(value, {0.25, 1});
  expect_near(tangent, {1, -4});
  EXPECT_EQ(jvp([](const Array& x) { return x * x; }, 3.0, 1.0).second.item<double>(), 6);
}

TEST(Jvp, UndefinedTangentsAreZero) {
  const auto [value, tangent] = jvp(products, std::tuple{x2, y2}, std::tuple{Array(), dy2});
  expect_near(tangent.a, {0, -10});
  expect_near(tangent.b, {0, 0});
}

TEST(Jvp, OutputsWithoutDerivative) {
  const auto f = [](const Array& x) { return std::tuple{array(1), array(2.0), x}; };
  const auto [value, tangent] = jvp(f, x2, dx2);
  EXPECT_EQ(std::get<0>(value).item<int>(), 1);
  EXPECT_FALSE(std::get<0>(tangent).defined()) << "integers have no tangent";
  EXPECT_EQ(std::get<1>(tangent).item<double>(), 0);
  expect_near(std::get<2>(tangent), {1, 2});
}

TEST(Jvp, ErrorsNameTheLeaf) {
  const auto f = [](const Pair& p) { return p.a * p.b; };
  EXPECT_EQ(
      test::error_of([&] { jvp(f, Pair{x2, y2}, Pair{dx2, array(1.0)}, "f"); }, ErrorKind::shape, "tangent-shape"),
      "jvp(f): tangent of argument 0, b f64[]: wanted f64[2], as the value has");
  EXPECT_EQ(test::error_of([&] { jvp(f, Pair{x2, y2}, Pair{dx2, array({1.f, 2.f})}, "f"); }, ErrorKind::dtype,
                           "tangent-dtype"),
            "jvp(f): tangent of argument 0, b f32[2]: wanted f64[2], as the value has; convert it with "
            "x.astype(wg::float64)");
  const auto g = [](const std::vector<Array>& v) { return v[0]; };
  test::error_of([&] { jvp(g, std::vector{x2}, std::vector{x2, x2}, "g"); }, ErrorKind::value, "tangent-structure");
}

// vjp ----------------------------------------------------------------------------------------------------

TEST(Vjp, PullsCotangentsBack) {
  auto [value, pullback] = vjp(products, x2, y2);
  expect_near(value.a, {1.5, -4});
  const auto [dx, dy] = pullback(Pair{array({1.0, 10.0}), {}});
  expect_near(dx, {3, 40});
  expect_near(dy, {0.5, -10});
}

TEST(Vjp, OfOneArgumentIsATree) {
  auto [value, pullback] = vjp([](const Pair& p) { return p.a * p.a; }, Pair{x2, y2});
  const Pair d = pullback(array({1.0, 1.0}));
  expect_near(d.a, {1, -2});
  expect_near(d.b, {0, 0});
}

TEST(Vjp, CanBeUsedOnce) {
  auto [value, pullback] = vjp([](const Array& x) { return x * x; }, x2);
  pullback(x2);
  test::error_of([&] { pullback(x2); }, ErrorKind::state, "pullback-consumed");
}

TEST(Vjp, ErrorsNameTheLeaf) {
  auto [value, pullback] = vjp(products, x2, y2);
  EXPECT_EQ(test::error_of([&] { pullback(Pair{x2, array(1.0)}); }, ErrorKind::shape, "cotangent-shape"),
            "vjp: cotangent of b f64[]: wanted f64[2], as the value has");
}

// Linear maps --------------------------------------------------------------------------------------------

TEST(Linearize, CanBeUsedManyTimes) {
  int calls = 0;
  const auto f = [&](const Array& x, const Array& y) {
    ++calls;
    return x.to_vector<double>()[0] > 0 ? products(x, y) : Pair{x, y};  // values are concrete
  };
  const auto [value, linear] = linearize(f, x2, y2);
  expect_near(value.a, {1.5, -4});
  for (const Array& d : {dx2, x2, y2}) {
    const auto [unused, wanted] = jvp(products, std::tuple{x2, y2}, std::tuple{d, dy2});
    const Pair got = linear(d, dy2);
    expect_near(got.a, wanted.a.to_vector<double>());
    expect_near(got.b, wanted.b.to_vector<double>());
  }
  expect_near(linear(Array(), dy2).b, {0, 0});
  EXPECT_EQ(calls, 1);
}

TEST(Linearize, TransposeIsThePullback) {
  const auto [value, linear] = linearize(products, x2, y2);
  for (int i = 0; i < 2; ++i) {
    auto [same, pullback] = vjp(products, x2, y2);
    const auto [dx, dy] = linear.transpose(Pair{dx2, dy2});
    const auto [wanted_dx, wanted_dy] = pullback(Pair{dx2, dy2});
    expect_near(dx, wanted_dx.to_vector<double>());
    expect_near(dy, wanted_dy.to_vector<double>());
  }
}

TEST(Linearize, InsideGrad) {
  // d/dx sum(2 x * v) at v = x: the residuals depend on x, and so does v.
  const auto f = [](const Array& x) {
    const auto [value, linear] = linearize([](const Array& z) { return z * z; }, x);
    return sum(linear(x)) + sum(linear.transpose(x));
  };
  expect_near(grad(f)(x2), {4, -8});
}

TEST(Linearize, OfGradIsTheHessian) {
  const auto f = [](const Array& x) { return sum(x * x * x); };
  const auto [gradient, hessian_times] = linearize(grad(f), x2);
  expect_near(gradient, {0.75, 3});
  expect_near(hessian_times(dx2), {3, -12});
}

TEST(LinearTranspose, OfLinearFunctions) {
  const auto f = [](const Array& x) { return sum(x * y2) * array({1.0, 2.0, 3.0}); };
  const auto transposed = linear_transpose(f, x2);
  expect_near(transposed(array({1.0, 0.0, 1.0})), {12, 16});
  const auto two = linear_transpose([](const Array& a, const Array& b) { return a - b * 2; }, x2, x2);
  const auto [da, db] = two(array({1.0, 5.0}));
  expect_near(da, {1, 5});
  expect_near(db, {-2, -10});
}

TEST(LinearTranspose, RefusesOtherFunctions) {
  test::error_of([] { linear_transpose([](const Array& x) { return x * x; }, x2); }, ErrorKind::value, "not-linear");
  test::error_of([] { linear_transpose([](const Array& x) { return tanh(x); }, x2); }, ErrorKind::value, "not-linear");
  test::error_of([] { linear_transpose([](const Array& x, const Array& y) { return x / y; }, x2, y2); },
                 ErrorKind::value, "not-linear");
}

// Jacobians ----------------------------------------------------------------------------------------------

Array three_of_two(const Array& x) {
  return reshape(x, {2, 1}) * array({{1.0, 2.0, 3.0}}) * reshape(sum(x), {1, 1});  // y_ij = x_i c_j s
}

TEST(Jacobian, BothModesAgreeWithTheFormula) {
  Doubles wanted;  // dy_ij / dx_k = (i == k) c_j s + x_i c_j
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 2; ++k) wanted.push_back((i == k) * (j + 1) * -0.5 + (i ? -1 : 0.5) * (j + 1));
    }
  }
  for (const Array& j : {jacfwd(three_of_two)(x2), jacrev(three_of_two)(x2)}) {
    EXPECT_EQ(j.shape(), (Shape{2, 3, 2}));
    expect_near(j, wanted);
  }
}

TEST(Jacobian, OfTrees) {
  const Pair j = jacrev([](const Pair& p) { return p.a * p.b; })(Pair{x2, array(3.0)});
  expect_near(j.a, {3, 0, 0, 3});
  expect_near(j.b, {0.5, -1});
  EXPECT_EQ(j.b.shape(), (Shape{2}));
  const Pair k = jacfwd<1>(products)(x2, y2);
  expect_near(k.a, {0.5, 0, 0, -1});
  expect_near(k.b, {0, 0, 0, 0});
}

TEST(Jacobian, OfEmptyArrays) {
  const auto f = [](const Array& x) { return x * 2; };
  EXPECT_EQ(jacfwd(f)(array(Doubles())).shape(), (Shape{0, 0}));
  EXPECT_EQ(jacrev(f)(array(Doubles())).shape(), (Shape{0, 0}));
}

TEST(Jacobian, KeepsInfinitiesWhereTheyAre) {
  const auto f = [](const Array& x) { return stack({x[0] * 1e300 * 1e300, x[1]}); };
  const Doubles wanted{INFINITY, 0, 0, 1};
  EXPECT_EQ(jacrev(f)(array({1.0, 1.0})).to_vector<double>(), wanted);
  EXPECT_EQ(jacfwd(f)(array({1.0, 1.0})).to_vector<double>(), wanted);
}

TEST(Jacobian, MakesArraysOfItsSizeOnlyAFewTimes) {
  for (const int64_t n : {7, 41, 70}) {
    const auto f = [](const Array& x) { return tanh(x) * sum(x); };
    for (const auto& jacobian : {make_program(jacrev(f))(zeros({n})), make_program(jacfwd(f))(zeros({n}))}) {
      int large = 0;
      for (const Equation& e : jacobian->equations()) {
        for (uint32_t i = 0; i < e.result_count; ++i) large += jacobian->type(e.results + i)->size == n * n;
      }
      EXPECT_LE(large, 4) << n;
    }
  }
}

TEST(Hessian, OfAQuadratic) {
  const Array a = array({{2.0, 1.0}, {0.0, 3.0}});  // f = xT A x, H = A + AT
  const auto f = [&](const Array& x) { return sum(reshape(x, {2, 1}) * a * reshape(x, {1, 2})); };
  expect_near(hessian(f)(x2), {4, 1, 1, 6});
  expect_near(jacrev(grad(f))(x2), {4, 1, 1, 6});
  expect_near(jacfwd(jacrev(f))(x2), {4, 1, 1, 6});
  expect_near(jacrev(jacfwd(f))(x2), {4, 1, 1, 6});
  expect_near(hvp(f, x2, dx2), {4 + 2, 1 + 12});
}

/// A net of 2 inputs, 3 hidden units and 1 output; all its parameters are one vector.
Array small_net(const Array& p, const Array& x) {
  const Array mask_w = reshape(p, {3, 3});
  const Array input = array({0.0, 0.0, 1.0}) + x;
  return sum(tanh(sum(mask_w * input, {1})) * array({1.0, -2.0, 0.5}));
}

TEST(Hessian, OfASmallNet) {
  const Array p = array({0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.8, 0.9}), x = array({0.5, -0.25, 0.0});
  const Array h = hessian(small_net)(p, x);
  ASSERT_EQ(h.shape(), (Shape{9, 9}));
  const Doubles values = h.to_vector<double>(), point = p.to_vector<double>();
  const double step = 1e-5;
  for (size_t j = 0; j < 9; ++j) {
    Doubles up = point, down = point;
    up[j] += step;
    down[j] -= step;
    const Doubles g1 = grad(small_net)(array(up), x).to_vector<double>(),
                  g0 = grad(small_net)(array(down), x).to_vector<double>();
    for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(values[i * 9 + j], (g1[i] - g0[i]) / (2 * step), 1e-8);
  }
}

TEST(Hvp, OfTreesAndSeveralArguments) {
  const auto f = [](const Pair& p, const Array& s) { return sum(p.a * p.a * p.b) * s; };
  const auto [dp, ds] = hvp(f, std::tuple{Pair{x2, y2}, array(2.0)}, std::tuple{Pair{dx2, dy2}, array(0.0)});
  // gradient: (2abs, a²s, sum a²b); its derivative along (da, db)
  expect_near(dp.a, {2 * (1 * 3 + 0.5 * 0) * 2, 2 * (2 * 4 + -1 * 10) * 2});
  expect_near(dp.b, {2 * 0.5 * 1 * 2, 2 * -1 * 2 * 2});
  expect_near(ds, {2 * 0.5 * 1 * 3 + 2 * -1 * 2 * 4 + 1 * 10});
}

// Mixtures -----------------------------------------------------------------------------------------------

TEST(Nesting, ForwardAndReverseInAnyOrder) {
  const auto f = [](const Array& x) { return x * tanh(x) * x; };
  const auto forward = [](auto g) { return [g](const Array& x) { return jvp(g, x, array(1.0)).second; }; };
  const auto reverse = [](auto g) { return [g](const Array& x) { return grad(g)(x); }; };
  const double x = 0.6, y = std::tanh(x), u = 1 - y * y;
  const double second = 2 * y + 4 * x * u - 2 * x * x * y * u;
  const double third = 6 * u - 12 * x * y * u + x * x * u * (6 * y * y - 2);
  for (double got : {forward(forward(f))(array(x)).item<double>(), forward(reverse(f))(array(x)).item<double>(),
                     reverse(forward(f))(array(x)).item<double>(), reverse(reverse(f))(array(x)).item<double>()}) {
    EXPECT_NEAR(got, second, 1e-13);
  }
  for (double got :
       {forward(forward(forward(f)))(array(x)).item<double>(), forward(forward(reverse(f)))(array(x)).item<double>(),
        forward(reverse(forward(f)))(array(x)).item<double>(), forward(reverse(reverse(f)))(array(x)).item<double>(),
        reverse(forward(forward(f)))(array(x)).item<double>(), reverse(forward(reverse(f)))(array(x)).item<double>(),
        reverse(reverse(forward(f)))(array(x)).item<double>(), reverse(reverse(reverse(f)))(array(x)).item<double>()}) {
    EXPECT_NEAR(got, third, 1e-12);
  }
}

TEST(Nesting, PerturbationsAreNotConfused) {
  // d/dx (x * d/dy (x + y)) = 1 at y = 1 (J. Siskind, B. Pearlmutter, 2005)
  const auto f = [](const Array& x) {
    return x * jvp([&](const Array& y) { return x + y; }, array(1.0), array(1.0)).second;
  };
  EXPECT_EQ(grad(f)(1.0).item<double>(), 1);
  EXPECT_EQ(jvp(f, array(1.0), array(1.0)).second.item<double>(), 1);
}

TEST(Nesting, LoopsThatDependOnValuesInBothModes) {
  const auto newton = [](const Array& a) {  // the square root of a, to convergence
    Array x = a;
    while (std::abs((x * x - a).item<double>()) > 1e-14) x = (x + a / x) * 0.5;
    return x;
  };
  const double a = 2, root = std::sqrt(a);
  EXPECT_NEAR(grad(newton)(a).item<double>(), 0.5 / root, 1e-10);
  EXPECT_NEAR(jvp(newton, array(a), array(1.0)).second.item<double>(), 0.5 / root, 1e-10);
  EXPECT_NEAR(grad(grad(newton))(a).item<double>(), -0.25 / (root * a), 1e-6);
}

// stop_gradient ------------------------------------------------------------------------------------------

TEST(StopGradient, PassesValuesAndNoDerivative) {
  const auto f = [](const Array& x) { return sum(x * stop_gradient(x * x)); };
  expect_near(grad(f)(x2), {0.25, 1});
  expect_near(stop_gradient(x2), {0.5, -1});
  EXPECT_EQ(jvp([](const Array& x) { return stop_gradient(x); }, array(2.0), array(1.0)).second.item<double>(), 0);
  EXPECT_EQ(grad(grad([](const Array& x) { return x * x * stop_gradient(x); }))(3.0).item<double>(), 6);
  const Pair p = stop_gradient(Pair{x2, y2});
  expect_near(p.b, {3, 4});
  EXPECT_EQ(stop_gradient(array({1, 2})).to_vector<int>(), (std::vector<int>{1, 2}));
}

// Limits ----------------------------------------------------------------------------------------------

TEST(Grad, ThroughCallsOfMoreOperandsThanAMaskHolds) {
  const auto product = [](const std::vector<Array>& x) { return x[0] * x[66]; };
  const std::vector<Array> operands(70, x2);
  const Params wide = call_params(make_program(product)(operands), "wide");
  for (size_t active : {size_t{0}, size_t{66}}) {
    const auto f = [&](const Array& v) {
      std::vector<Array> in = operands;
      in[active] = v;
      return sum(call(wide, in)[0]);
    };
    expect_near(grad(f)(x2), {0.5, -1});
    EXPECT_NEAR(jvp(f, x2, dx2).second.item<double>(), 0.5 * 1 - 1.0 * 2, 1e-12);
  }
}

TEST(Grad, ThroughCallsOfMoreOutputsThanAMaskHolds) {
  const auto copies = [](const Array& x) {
    std::vector<Array> outputs;
    for (int i = 0; i < 65; ++i) outputs.push_back(x * i);
    return outputs;
  };
  const Params tall = call_params(make_program(copies)(x2), "tall");
  const auto f = [&](const Array& x) { return sum(call(tall, std::vector{x})[64]); };
  expect_near(grad(f)(x2), {64, 64});
  EXPECT_NEAR(jvp(f, x2, dx2).second.item<double>(), 64 * 3, 1e-12);
}

TEST(Grad, RefusesMoreOperandsOfAPrimitiveThanAMaskHolds) {
  const auto f = [](const Array& x) {  // stack() and concatenate() join in steps
    const std::vector<Array> parts(65, x);
    return sum(bind(*find_primitive("concatenate"), std::span(parts), {int64_t{0}}));
  };
  test::error_of([&] { grad(f)(x2); }, ErrorKind::value, "derivative-operands");
  test::error_of([&] { jvp(f, x2, dx2); }, ErrorKind::value, "derivative-operands");
}

/// Each order doubles the operands of what stands for the body of a composite.
TEST(Jvp, NestsAsDeepAsOneLikes) {
  std::function<Array(const Array&)> f = [](const Array& x) { return exp(x) * sin(x); },
                                     g = [](const Array& x) { return silu(x); };
  std::function<Array(const Array&)> reverse = g;
  for (int order = 0; order < 9; ++order) {
    f = [f](const Array& x) { return jvp(f, x, array(1.0)).second; };
    g = [g](const Array& x) { return jvp(g, x, array(1.0)).second; };
    reverse = grad(reverse);
  }
  EXPECT_NEAR(f(array(0.5)).item<double>(), std::pow(2, 4.5) * std::exp(0.5) * std::sin(0.5 + 9 * std::acos(-1) / 4),
              1e-9);
  EXPECT_NEAR(g(array(0.5)).item<double>() / reverse(array(0.5)).item<double>(), 1, 1e-9);
}

TEST(Grad, ThroughCallsWhoseTangentsHaveMoreOperandsThanAMaskHolds) {
  const std::vector<Array> operands(40, x2);
  const auto products = [](const std::vector<Array>& x) {
    Array total = x[0] * x[39];
    for (size_t i = 1; i < x.size(); ++i) total = total + tanh(x[i]) * x[i - 1];
    return total;
  };
  const Params inner = call_params(make_program(products)(operands), "inner");
  const Params outer =
      call_params(make_program([&](const std::vector<Array>& x) { return call(inner, x)[0]; })(operands), "outer");
  const auto called = grad([&](const std::vector<Array>& x) { return sum(call(outer, x)[0]); })(operands);
  const auto direct = grad([&](const std::vector<Array>& x) { return sum(products(x)); })(operands);
  for (size_t i = 0; i < operands.size(); ++i) expect_near(called[i], direct[i].to_vector<double>());
}

// Both masks name a plan: these two have the same hash that once stood for both.
TEST(Derivation, KeepsBackwardPlansApart) {
  const std::vector<Array> operands(64, x2);
  const auto halves = [](const std::vector<Array>& x) {
    std::vector<Array> sums(2, x[0]);
    for (size_t i = 1; i < x.size(); ++i) sums[i % 2] = sums[i % 2] + x[i] * x[i - 1];
    return sums;
  };
  const Params params = call_params(make_program(halves)(operands), "halves");
  const diff::Derivation& rule =
      diff::derivation(call_primitive, as_inputs(operands), params, detail::no_runtimes, ~uint64_t{0});
  constexpr uint64_t factor = 0x9e3779b97f4a7c15u, odd = 0xaaaaaaaaaaaaaaaau;
  const uint64_t accumulate = (factor ^ 2 * factor) & ~uint64_t{0};
  const auto added_to = [&](uint64_t live, uint64_t mask) {
    uint64_t found = 0;
    for (const diff::Source& s : rule.backward(live, mask).sources) {
      if (s.kind == diff::Source::accumulator) found |= uint64_t{1} << s.index;
    }
    return found;
  };
  EXPECT_EQ(added_to(1, 0), 0u);
  EXPECT_EQ(added_to(2, accumulate), accumulate);
  EXPECT_EQ(added_to(3, odd), odd);
}

}  // namespace
}  // namespace wengert
