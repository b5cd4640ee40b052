// check_grads is itself checked: errors of 0.1 % in each mode and order must be found.
#include <gtest/gtest.h>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

struct Two {
  Array a = {}, b = {};
};
const Two point{array({{0.3, -0.7, 1.1}, {0.2, 0.9, -0.4}}), array({1.5, 0.5, 2.5})};

Array smooth(const Two& x) { return tanh(x.a) * x.b + exp(x.a * 0.5); }

/// Whether the innermost derivative but `depth` is of that mode.
bool mode_at(int depth, const std::string& mode) {
  const Interpreter* i = thread().current;
  for (; i && depth > 0; --depth) i = i->parent();
  return i && i->label().text() == "check_grads " + mode;
}
/// x plus nothing, with a derivative that is wrong by 0.1 %.
Array plant_first(const Array& x) { return x + (x - stop_gradient(x)) * 1e-3; }
/// x plus nothing, with a right first and a wrong second derivative.
Array plant_second(const Array& y, const Array& x) {
  const Array d = x - stop_gradient(x);
  return y + d * d * 5e-3;
}

std::string found(const std::function<Array(const Two&)>& f, const CheckOptions& options = {}) {
  try {
    check_grads(f, point, options, "f");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::value);
    EXPECT_EQ(e.id(), "check-grads");
    return e.what();
  }
  return "";
}

TEST(CheckGrads, AcceptsWhatIsRight) {
  EXPECT_EQ(found(smooth), "");
  EXPECT_EQ(found(smooth, {.order = 3}), "");
  check_grads([](const Array& x, const Array& y) { return std::pair{x * y, sum(x)}; },
              std::tuple{array(1.5f), array(2.5)});
  check_grads([](const Array& x) { return x * x; }, 3.0);
}

TEST(CheckGrads, FindsWrongFirstDerivatives) {
  for (const std::string mode : {"forward", "reverse"}) {
    const auto f = [&](const Two& x) {
      const Array y = smooth(x);
      return mode_at(0, mode) ? plant_first(y) : y;
    };
    const std::string text = found(f, {.order = 1});
    EXPECT_TRUE(text.starts_with("check_grads(f): " + mode + " mode, order 1, operand [0].a f64[2,3]: got ")) << text;
    EXPECT_EQ(found(f, {.order = 1, .forward = mode != "forward", .reverse = mode != "reverse"}), "")
        << "the other mode is right";
  }
}

TEST(CheckGrads, FindsWrongSecondDerivatives) {
  for (const std::string outer : {"forward", "reverse"}) {
    for (const std::string inner : {"forward", "reverse"}) {
      const auto f = [&](const Two& x) {
        const Array y = smooth(x);
        return mode_at(0, inner) && mode_at(1, outer) ? plant_second(y, x.a) : y;
      };
      EXPECT_EQ(found(f, {.order = 1}), "");
      const std::string text = found(f);
      EXPECT_TRUE(text.starts_with("check_grads(f): " + outer + " mode of " + inner +
                                   " mode, order 2, operand [0].a f64[2,3]: "))
          << text;
    }
  }
}

TEST(CheckGrads, FindsTheOperand) {
  const auto f = [](const Two& x) { return x.a * (thread().current ? plant_first(x.b) : x.b); };
  EXPECT_NE(found(f).find("operand [0].b f64[3]: got "), std::string::npos) << found(f);
}

TEST(CheckGrads, FindsOneWrongElement) {
  const auto f = [](const Two& x) {
    const Array only_one = array({{0.0, 0.0, 0.0}, {0.0, 1e-3, 0.0}});
    return smooth(x) + (x.a - stop_gradient(x.a)) * only_one;
  };
  EXPECT_NE(found(f).find("order 1, operand [0].a"), std::string::npos) << found(f);
}

TEST(CheckGrads, FindsDerivativesThatAreMissingOrNotNumbers) {
  EXPECT_NE(found([](const Two& x) { return stop_gradient(x.a) + x.b; }).find("got 0: wanted "), std::string::npos);
  const auto nan = [](const Two& x) {
    const Array zero = x.a - stop_gradient(x.a);
    return thread().current ? x.a + zero * sqrt(zero) : x.a;
  };
  EXPECT_NE(found(nan).find("nan"), std::string::npos) << found(nan);
}

TEST(CheckGrads, FindsDerivativesThatAreInfinite) {
  try {
    check_grads([](const Array& x) { return sqrt(maximum(x, 0)); }, array(0.0), {.order = 1}, "root");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "check-grads");
    EXPECT_NE(std::string(e.what()).find("inf: wanted "), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace wengert
