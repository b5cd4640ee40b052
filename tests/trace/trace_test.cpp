// What tracing gives: programs of functions of trees, and values that leave the function they belong to.
#include <gtest/gtest.h>

#include <thread>

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

TEST(MakeProgram, RunsFromItsText) {
  const auto f = [](const Pair& p) { return std::pair(sum(tanh(p.a) * p.b), p.a - p.b); };
  const ProgramPtr program = make_program(f)(Pair{x2, y2});
  const ProgramPtr read = parse_program(to_string(*program), program->constants());
  const std::vector<Array> got = run(*read, {y2, x2});
  const auto wanted = f(Pair{y2, x2});
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].item<double>(), wanted.first.item<double>());
  EXPECT_EQ(got[1].to_vector<double>(), (Doubles{2.5, 5}));
  const auto loss = [&](const Array& a, const Array& b) { return run(*read, {a, b})[0]; };
  test::expect_close(grad(loss)(x2, y2), Doubles{3 / std::pow(std::cosh(0.5), 2), 4 / std::pow(std::cosh(1), 2)},
                     1e-12);
  EXPECT_TRUE(run(*parse_program("program() {\n  return\n}"), {}).empty());
}

TEST(MakeProgram, RunsOnTheInputsItWantsOnly) {
  const ProgramPtr program = make_program([](const Pair& p) { return p.a * p.b; })(Pair{x2, y2});
  const auto expect = [&](const std::vector<Array>& inputs, const std::string& text) {
    test::expect_error([&] { run(*program, inputs); }, ErrorKind::value, "program-inputs", text);
    test::error_of([&] { evaluate(*program, inputs); }, ErrorKind::value, "program-inputs");
  };
  expect({x2}, "run: 1 input: wanted 2, as the program has: f64[2], f64[2]");
  expect({x2, y2, x2}, "run: 3 inputs: wanted 2, as the program has: f64[2], f64[2]");
  expect({x2, ones({2})}, "run: input 1 is f32[2]: wanted f64[2], as the program has");
  expect({zeros({3}, float64), y2}, "run: input 0 is f64[3]: wanted f64[2], as the program has");
  expect({x2, Array()}, "run: input 1 is nothing: wanted f64[2], as the program has");
  const ProgramPtr moving = parse_program(
      "program(a: f64[2]) at 1 {\n  b: f64[1] = slice(a) {sizes=(1), strides=[1], dropped=[]} at [$0]\n  return b\n}");
  EXPECT_EQ(evaluate(*moving, {{x2}}, Runtimes{1})[0].item<double>(), -1);
  test::expect_error([&] { run(*moving, {x2}); }, ErrorKind::value, "program-inputs",
                     "run: 0 runtime parameters: wanted 1, as the program has");
}

/// Tags have 64 bits: a process does not come to the end of them, and 2^32 is one like any other.
TEST(Interpreters, AreMoreThanTwoToThePowerOf32) {
  struct Idle : Interpreter {
    Idle() : Interpreter(Label()) {}
    void bind(const Primitive&, Inputs, const Params&, const Runtimes&, std::span<Array>) override {}
  };
  constexpr uint64_t limit = uint64_t{1} << 32;
  const uint64_t last = Idle().tag();
  if (last < limit) detail::skip_tags(limit - last - 5);
  const auto cube = [](const Array& x) { return sum(x * x * x); };
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(grad(cube)(x2).to_vector<double>(), (Doubles{0.75, 3}));
    EXPECT_EQ(jvp(cube, x2, dx2).second.item<double>(), 6.75);
  }
  EXPECT_GT(Idle().tag(), limit);
  EXPECT_EQ(sizeof(Node), 64u);
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

TEST(Escape, ToAnotherThreadSaysSo) {
  std::string text;
  grad([&](const Array& x) {
    std::thread([&] { text = test::thrown_by([&] { x + 1; }).what(); }).join();
    return sum(x);
  })(x2);
  EXPECT_TRUE(
      text.starts_with("a value f64[2] of a transformation is used outside of it or on another thread: wanted "
                       "the values that it returns, and what it was given on its own thread; a thread may call "
                       "transformations of its own; called at trace_test.cpp:"))
      << text;
}

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
