// The scope that says which operation made a NaN.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tests/errors.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

TEST(CheckNans, NameTheOperationAndThePlace) {
  const Array x = array({{1.0, 2.0}, {-3.0, 4.0}});
  EXPECT_TRUE(std::isnan(log(x)[{1, 0}].item<double>()));
  const CheckNans scope;
  const std::string text = test::error_of([&] { log(x); }, ErrorKind::value, "nan-made");
  EXPECT_EQ(
      text,
      "log: f64[2,2]: made a NaN of operands that have none, first at [1,0] of f64[2,2]: wanted operands inside of "
      "its domain; where a mask takes such results away again, its derivative still is 0 times infinity: mask "
      "before as well, where(ok, f(where(ok, x, 1)), 0)");
  EXPECT_NE(std::string(test::thrown_by([&] { log(x); }).what()).find("; called at check_nans_test.cpp:"),
            std::string::npos);
}

TEST(CheckNans, FindTheMaskThatComesTooLate) {
  const Array x = array({0.0, 4.0});
  const auto late = [](const Array& v) { return sum(where(v > 0, sqrt(v), 0)); };
  const auto twice = [](const Array& v) { return sum(where(v > 0, sqrt(where(v > 0, v, 1)), 0)); };
  EXPECT_TRUE(std::isnan(grad(late)(x)[0].item<double>()));
  const CheckNans scope;
  const std::string text = test::error_of([&] { grad(late)(x); }, ErrorKind::value, "nan-made");
  EXPECT_EQ(text.substr(0, 29), "sqrt under differentiation: f") << text;
  EXPECT_EQ(grad(twice)(x)[1].item<double>(), 0.25);
  EXPECT_EQ(grad(twice)(x)[0].item<double>(), 0);
}

TEST(CheckNans, LetNansPassThatWereThereBefore) {
  const Array x = array({NAN, 1.0f});
  const CheckNans outer;
  {
    const CheckNans inner;
    EXPECT_TRUE(std::isnan(sum(x * 2).item<float>()));
  }
  EXPECT_EQ(zeros({0}).size(), 0);
  EXPECT_EQ(test::error_of([] { array(INFINITY) - array(INFINITY); }, ErrorKind::value, "nan-made").substr(0, 4),
            "sub:");
}

TEST(CheckNans, EndWithTheirScopeAndLeaveOtherThreadsAlone) {
  const Array x = array({-1.0});
  {
    const CheckNans scope;
    std::thread([&] { EXPECT_TRUE(std::isnan(sqrt(x)[0].item<double>())); }).join();
  }
  EXPECT_TRUE(std::isnan(sqrt(x)[0].item<double>()));
}

}  // namespace
}  // namespace wengert
