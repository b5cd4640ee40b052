#include "wengert/diff/grad.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/errors.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {

struct Linear {
  Array weight = {}, bias = {};
  Array operator()(const Array& x) const { return tanh(sum(weight * x) + bias); }
};
struct Net {
  Linear first = {};
  std::vector<Array> scales = {};
  int64_t size = 2;
};
struct Statistics {
  Array value;
};

Net make_net() { return {{array({0.5, -0.25}), array(0.1)}, {array(2.0), array(3.0)}, 2}; }
Array loss(const Net& net, const Array& x) { return net.first(x) * net.scales[0] * net.scales[0]; }

}  // namespace

template <>
inline constexpr bool tree::is_buffer<Statistics> = true;

namespace {

TEST(Grad, OfATreeIsATree) {
  const Array x = array({1.0, 2.0});
  const auto [value, g] = value_and_grad(loss)(make_net(), x);
  const double y = std::tanh(0.5 - 0.5 + 0.1), d = (1 - y * y) * 4;
  EXPECT_DOUBLE_EQ(value.item<double>(), 4 * y);
  EXPECT_DOUBLE_EQ(g.first.weight.to_vector<double>()[0], d);
  EXPECT_DOUBLE_EQ(g.first.weight.to_vector<double>()[1], 2 * d);
  EXPECT_DOUBLE_EQ(g.first.bias.item<double>(), d);
  EXPECT_DOUBLE_EQ(g.scales[0].item<double>(), 4 * y);
  EXPECT_EQ(g.scales[1].item<double>(), 0) << "the loss does not depend on it";
  EXPECT_EQ(g.size, 2);
}

TEST(Grad, ByArgumentNumber) {
  const auto f = [](const Array& a, double factor, const Array& b) { return a * a * b * factor; };
  EXPECT_DOUBLE_EQ(grad(f)(array(3.0), 2.0, array(5.0)).item<double>(), 60);
  EXPECT_DOUBLE_EQ(grad<2>(f)(array(3.0), 2.0, array(5.0)).item<double>(), 18);
  const auto [db, da] = grad<2, 0>(f)(array(3.0), 2.0, array(5.0));
  EXPECT_DOUBLE_EQ(da.item<double>(), 60);
  EXPECT_DOUBLE_EQ(db.item<double>(), 18);
  const auto [value, gradients] = value_and_grad<0, 2>(f)(array(3.0), 2.0, array(5.0));
  EXPECT_DOUBLE_EQ(value.item<double>(), 90);
  EXPECT_DOUBLE_EQ(std::get<0>(gradients).item<double>(), 60);
  EXPECT_DOUBLE_EQ(std::get<1>(gradients).item<double>(), 18);
}

TEST(Grad, TakesNumbersByTheirType) {
  const auto f = [](const Array& x) { return x * x * 3; };
  EXPECT_DOUBLE_EQ(grad(f)(2.0).item<double>(), 12);
  EXPECT_FLOAT_EQ(grad(f)(2.f).item<float>(), 12);
}

TEST(Grad, AuxiliaryOutputIsConcrete) {
  struct Aux {
    Array y;
    std::vector<Array> more;
    std::string text;
  };
  const auto f = [](const Array& x) {
    const Array y = tanh(x);
    return std::pair{sum(y * y), Aux{y, {x, array(1)}, "kept"}};
  };
  const auto [gradient, aux] = grad(f)(array({0.5, 1.0}));
  EXPECT_DOUBLE_EQ(aux.y.to_vector<double>()[1], std::tanh(1.0));
  EXPECT_EQ(aux.more[0].to_vector<double>(), (std::vector<double>{0.5, 1.0}));
  EXPECT_EQ(aux.more[1].item<int>(), 1);
  EXPECT_EQ(aux.text, "kept");
  const double y = std::tanh(0.5);
  EXPECT_DOUBLE_EQ(gradient.to_vector<double>()[0], 2 * y * (1 - y * y));
  const auto [output, same] = value_and_grad([&](const Array& x) {
    const auto [l, a] = f(x);
    return std::tuple{l, a};
  })(array({0.5, 1.0}));
  EXPECT_DOUBLE_EQ(std::get<0>(output).item<double>(), y * y + std::tanh(1.0) * std::tanh(1.0));
  EXPECT_EQ(std::get<1>(output).text, "kept");
  EXPECT_EQ(same.to_vector<double>(), gradient.to_vector<double>());
}

TEST(Grad, GradientsHaveTheArgumentsDtype) {
  const auto f = [](const Array& a, const Array& b) { return sum(convert(a, float64) * b); };
  const auto [da, db] = grad<0, 1>(f)(array({1.f, 2.f}), array({3.0, 4.0}));
  EXPECT_EQ(da.to_vector<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(db.to_vector<double>(), (std::vector<double>{1, 2}));
  const Array weak = detail::scalar(2.0, float32, true);
  const Array d = grad([](const Array& x) { return x * x; })(weak);
  EXPECT_EQ(d.dtype(), float32);
  EXPECT_EQ(d.item<float>(), 4);
}

TEST(Grad, LeavesThatAreNotDifferentiatedHaveNoGradient) {
  struct Tree {
    Array x, count, flag, missing;
    Statistics mean;
  };
  const Tree t{array(2.0), array(3), array(true), {}, {array(5.0)}};
  const auto g = grad([](const Tree& t) { return t.x * t.x * t.count * t.mean.value; })(t);
  EXPECT_EQ(g.x.item<double>(), 60);
  EXPECT_FALSE(g.count.defined());
  EXPECT_FALSE(g.flag.defined());
  EXPECT_FALSE(g.missing.defined());
  EXPECT_FALSE(g.mean.value.defined());
}

TEST(Grad, DerivativesOfAnyOrder) {
  const auto f = [](const Array& x) { return tanh(x); };
  const double y = std::tanh(0.7), u = 1 - y * y;
  const auto d1 = grad(f);
  const auto d2 = grad(d1);
  const auto d3 = grad(d2);
  const auto d4 = grad(d3);
  EXPECT_NEAR(d1(0.7).item<double>(), u, 1e-15);
  EXPECT_NEAR(d2(0.7).item<double>(), -2 * y * u, 1e-14);
  EXPECT_NEAR(d3(0.7).item<double>(), u * (6 * y * y - 2), 1e-14);
  EXPECT_NEAR(d4(0.7).item<double>(), 8 * y * u * (2 - 3 * y * y), 1e-13);
}

TEST(Grad, InnerGradientsUseOuterValues) {
  // d/dx [ x * d/dy (x y²) ] = d/dx 2 x² y = 4 x y
  const auto f = [](const Array& x) { return x * grad([&](const Array& y) { return x * y * y; })(3.0); };
  EXPECT_DOUBLE_EQ(grad(f)(2.0).item<double>(), 24);
}

Array power(const Array& x, int n) { return n == 0 ? array(1.0) : x * power(x, n - 1); }

TEST(Grad, NativeControlFlow) {
  EXPECT_DOUBLE_EQ(grad([](const Array& x) { return power(x, 5); })(2.0).item<double>(), 80);
  const auto until_large = [](Array x) {  // the number of turns depends on values
    int turns = 0;
    while (x.item<double>() < 100) {
      x = x * x;
      ++turns;
    }
    EXPECT_EQ(turns, 3);
    return x;
  };
  EXPECT_DOUBLE_EQ(grad(until_large)(2.0).item<double>(), 8 * 128);
  const auto branch = [](const Array& x) { return x.item<double>() > 0 ? x * x : -x; };
  EXPECT_DOUBLE_EQ(grad(branch)(3.0).item<double>(), 6);
  EXPECT_DOUBLE_EQ(grad(branch)(-3.0).item<double>(), -1);
  EXPECT_DOUBLE_EQ(grad(grad(branch))(3.0).item<double>(), 2);
}

TEST(Grad, LossThatDoesNotDependOnTheArgument) {
  const Array g = grad([](const Array&) { return array(1.0); })(array({1.f, 2.f}));
  EXPECT_EQ(g.to_vector<float>(), (std::vector<float>{0, 0}));
}

TEST(Grad, ArgumentsArePassedAsFunctionsTakeThem) {
  const auto by_value = [](Net net, std::vector<Array> x) { return sum(net.first.weight * x[0]); };
  EXPECT_EQ(grad(by_value)(make_net(), std::vector{array({1.0, 2.0})}).first.weight.to_vector<double>(),
            (std::vector<double>{1, 2}));
  int calls = 0;
  const auto counted = [](const Array& x, int& count, const std::unique_ptr<int>& moved) {
    ++count;
    return x * *moved;
  };
  EXPECT_EQ(grad(counted)(array(1.0), calls, std::make_unique<int>(7)).item<double>(), 7);
  EXPECT_EQ(calls, 1);
}

TEST(Grad, LetsCotangentsGoOnTheWay) {
  const auto chain = [](const Array& x) {
    Array y = x;
    for (int i = 0; i < 20; ++i) y = y * 1.5f;
    return sum(y);
  };
  const Array x = convert(full({1 << 16}, 1), float32);
  grad(chain)(x);
  memory::reset_peak();
  const int64_t before = memory::statistics().current;
  const Array g = grad(chain)(x);
  EXPECT_LT(memory::statistics().peak - before, 4 * x.nbytes()) << "no step keeps more than two arrays";
  EXPECT_FLOAT_EQ(g.to_vector<float>()[7], static_cast<float>(std::pow(1.5, 20)));
}

TEST(Grad, ErrorsSayWhatWasWanted) {
  const auto square = [](const Array& x) { return x * x; };
  const std::string line = std::to_string(__LINE__ + 1);
  const auto f = [&] { grad(square)(array({1.f, 2.f})); };
  test::error_of(f, ErrorKind::shape, "grad-output-shape");
  EXPECT_EQ(std::string(test::thrown_by(f).what()),
            "grad(grad_test.cpp:" + line +
                "): the function returned f32[2]: wanted a scalar; return wg::sum or wg::mean "
                "of it, or use wg::vjp or wg::jacrev; called at grad_test.cpp:" +
                line);
  EXPECT_TRUE(test::error_of([&] { grad(square, "square")(array(1)); }, ErrorKind::dtype, "grad-argument")
                  .starts_with("grad(square): argument i32[]: wanted a floating-point array; "));
  EXPECT_TRUE(test::error_of([&] { value_and_grad([](const Array&) { return array(1); }, "one")(array(1.f)); },
                             ErrorKind::dtype, "grad-output-dtype")
                  .starts_with("value_and_grad(one): the function returned i32[]: wanted a floating-point scalar"));
}

TEST(Grad, ErrorsInsideNameTheFunction) {
  const auto f = [](const Array& x) { return sum(x + array({1.0, 2.0, 3.0})); };
  EXPECT_TRUE(
      std::string(test::thrown_by([&] { grad(f, "loss")(array({1.0, 2.0})); }).what()).ends_with(", in grad(loss)"));
  struct Loss {
    Array operator()(const Array& x) const { return sum(x + array({1.0, 2.0, 3.0})); }
  };
  EXPECT_TRUE(
      std::string(test::thrown_by([&] { grad(Loss())(array({1.0, 2.0})); }).what()).ends_with(", in grad(Loss)"));
}

}  // namespace
}  // namespace wengert
