// What tracing gives: programs of functions of trees, and values that leave the function they belong to.
#include <gtest/gtest.h>

#include "tests/errors.hpp"
#include "tests/values.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using Doubles = std::vector<double>;

struct Pair {
  Array a = {}, b = {};
};
const Array x2 = array({0.5, -1.0}), y2 = array({3.0, 4.0}), dx2 = array({1.0, 2.0});

TEST(MakeProgram, RecordsFunctionsOfTrees) {
  const auto f = [](const Pair& p, double factor) { return std::vector{p.a * p.b * factor, p.a}; };
  const ProgramPtr program = make_program(f)(Pair{x2, y2}, 2.0);
  EXPECT_EQ(program->input_count(), 2);
  EXPECT_EQ(program->outputs().size(), 2u);
  verify(*program);
  EXPECT_EQ(*parse_program(to_string(*program)), *program);
  const Array inputs[] = {x2, y2};
  const std::vector<Array> got = evaluate(*program, inputs);
  EXPECT_EQ(got[0].to_vector<double>(), (Doubles{3, -8}));
  EXPECT_EQ(got[1].to_vector<double>(), (Doubles{0.5, -1}));
}

TEST(MakeProgram, RecordsDerivatives) {
  const auto f = [](const Array& x) { return sum(tanh(x) * x); };
  const Array inputs[] = {x2};
  test::expect_close(evaluate(*make_program(grad(f))(x2), inputs)[0], grad(f)(x2).to_vector<double>(), 1e-12);
  test::expect_close(evaluate(*make_program(hessian(f))(x2), inputs)[0], hessian(f)(x2).to_vector<double>(), 1e-12);
  const auto along = [&](const Array& x) { return jvp(f, x, dx2).second; };
  test::expect_close(evaluate(*make_program(along)(x2), inputs)[0], along(x2).to_vector<double>(), 1e-12);
}

TEST(MakeProgram, RefusesWhatAnEquationCannotHold) {
  const auto many = [](const Array& x) {
    std::vector<Array> outputs;
    for (int i = 0; i < 300; ++i) outputs.push_back(x * i);
    return outputs;
  };
  const Params whole = call_params(make_program(many)(x2), "many");
  const std::string text =
      test::error_of([&] { make_program([&](const Array& x) { return call(whole, std::vector{x}); })(x2); },
                     ErrorKind::value, "equation-size");
  EXPECT_TRUE(text.starts_with("call: got 1 operands, 300 results: wanted at most 65535 and 255; split the program"))
      << text;
}

TEST(MakeProgram, HasNoValues) {
  const auto f = [](const Array& x) { return x.item<double>() > 0 ? x : -x; };
  test::error_of([&] { make_program(f)(array(1.0)); }, ErrorKind::trace, "trace-no-value");
}

// Escaped values -----------------------------------------------------------------------------------------

TEST(Escape, NamesTheFunctionItCameFrom) {
  Array kept;
  grad(
      [&](const Array& x) {
        kept = x * 2;
        return sum(x);
      },
      "loss")(x2);
  EXPECT_TRUE(
      test::error_of([&] { kept + 1; }, ErrorKind::trace, "trace-escaped")
          .starts_with(
              "grad(loss): its value f64[2] is used outside of it: wanted the values that it returns; return this one "
              "too"));
  const auto use = [&](const Array& x) { return sum(x * kept); };
  const std::string text = test::thrown_by([&] { grad(use, "other")(x2); }).what();
  EXPECT_NE(text.find("grad(loss): its value"), text.npos) << text;
  EXPECT_TRUE(text.ends_with(", in grad(other)")) << text;
  jvp(
      [&](const Array& x) {
        kept = x * 2;
        return x;
      },
      x2, dx2, "push");
  EXPECT_NE(test::error_of([&] { kept + 1; }, ErrorKind::trace, "trace-escaped").find("jvp(push): its value"),
            text.npos);
  make_program(
      [&](const Array& x) {
        kept = x * 2;
        return x;
      },
      "f")(x2);
  EXPECT_NE(test::error_of([&] { kept + 1; }, ErrorKind::trace, "trace-escaped").find("make_program(f): its value"),
            text.npos);
}

}  // namespace
}  // namespace wengert
