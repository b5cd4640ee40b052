// The text of programs and its parser. tests/round_trip.cpp takes every program of every test through its text;
// tests/errors/errors_test.cpp has the errors of texts that are none.
#include <gtest/gtest.h>

#include "tests/errors.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using Arrays = std::vector<Array>;

TEST(ProgramText, OfAFunctionInAFunctionNamesTheOuterValues) {
  const Type* const type = Type::of(float64, {2});
  std::string text;
  record({&type, 1}, [&](std::span<const Array> outer) -> Arrays {
    const Array square = outer[0] * outer[0];
    const ProgramPtr inner = record(
        {&type, 1}, [&](std::span<const Array> x) -> Arrays { return {add(add(outer[0] * x[0], square), outer[0])}; });
    text = to_string(*inner);
    EXPECT_TRUE(*parse_program(text, inner->constants()) == *inner);
    return {square};
  });
  EXPECT_EQ(text,
            "program(a: f64[2]) {\n"
            "  b: f64[2] = mul(#traced0:f64[2], a)\n"
            "  c: f64[2] = add(b, #traced1:f64[2])\n"
            "  d: f64[2] = add(c, #traced0:f64[2])\n"
            "  return d\n}");
  const std::string error = test::thrown_by([&] { parse_program(text); }).what();
  EXPECT_EQ(error, "parse_program: line 2, column 34: got \", a)\": wanted a constant that is among those given");
}

TEST(ProgramText, NamesTheLineOfAFaultAfterManyEquations) {
  constexpr int count = 20'000;
  std::string text = "program(x0: f32[]) {\n";
  for (int i = 0; i < count; ++i) {
    text += "  x" + std::to_string(i + 1) + ": f32[] = tanh(x" + std::to_string(i) + ")\n";
  }
  text += "  y: f64[] = tanh(x" + std::to_string(count) + ")\n  return y\n}";
  EXPECT_EQ(test::error_of([&] { parse_program(text); }, ErrorKind::value, "program-parse"),
            "parse_program: line 20002, equation 20000, tanh: result 0 is f64[], wanted f32[]");
}

/// Also where that lies in a program inside the program.
TEST(ProgramText, NamesTheLineOfAFaultInAnInnerProgram) {
  const auto text = [](const std::string& type) {
    return "program(a: f32[]) {\n"
           "  b: f32[] = call(a) {program=program(a: f32[]) {\n"
           "    b: f32[] = tanh(a)\n"
           "    c: " +
        type +
        " = tanh(b)\n"
        "    return b\n"
        "  }, name=\"f\"}\n"
        "  return b\n}";
  };
  EXPECT_EQ(to_string(*parse_program(text("f32[]"))), text("f32[]"));
  EXPECT_EQ(test::error_of([&] { parse_program(text("f64[]")); }, ErrorKind::value, "program-parse"),
            "parse_program: line 4, equation 1, tanh: result 0 is f64[], wanted f32[]");
}

TEST(ProgramText, CallsProgramsWithTheirInputs) {
  const auto fault = [](const std::string& inputs, const std::string& operands) {
    const std::string text = "program(" + inputs + ") {\n  b: f32[2] = call(" + operands +
        ") {program=program(a: f32[2]) {\n    b: f32[2] = tanh(a)\n    return b\n  }, name=\"f\"}\n  return b\n}";
    return test::error_of([&] { parse_program(text); }, ErrorKind::value, "program-parse");
  };
  const std::string place = "parse_program: line 2, equation 0, call: ";
  EXPECT_EQ(fault("a: f32[3]", "a"), place + "input 0 is f32[3]: wanted f32[2], as the program has");
  EXPECT_EQ(fault("a: f64[2]", "a"), place + "input 0 is f64[2]: wanted f32[2], as the program has");
  EXPECT_EQ(fault("a: f32[]", "a"), place + "input 0 is f32[]: wanted f32[2], as the program has");
  EXPECT_EQ(fault("a: f32[2]", "a, a"), place + "2 inputs: wanted 1, as the program has: f32[2]");
}

TEST(ProgramText, HasNamesOfAnyCharacters) {
  const Array x = array({0.5, -1.0});
  for (const std::string name :
       {"a \"name\"", "back\\slash", "\\n\\\\n\n", "two\nlines", "ends in \\", "\"", "}, name=\""}) {
    const Params inner = call_params(make_program([](const Array& y) { return tanh(y); })(x), name);
    const ProgramPtr program = make_program([&](const Array& y) { return call(inner, std::vector{y})[0]; })(x);
    const std::string text = to_string(*program);
    EXPECT_EQ(*parse_program(text), *program) << text;
    EXPECT_EQ(to_string(*parse_program(text)), text);
    EXPECT_EQ(call(inner, std::vector{x})[0].to_vector<double>(),
              tanh(x).to_vector<double>());  // kernels quote the name
  }
  test::error_of([] { parse_program("program() { a: f32[] = call() {program=program() { return }, name=\"a\\"); },
                 ErrorKind::value, "program-parse");
}

TEST(ProgramText, RefusesProgramsNestedWithoutEnd) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "program() { a: f32[] = call() {program=";
  const std::string error = test::error_of([&] { parse_program(text); }, ErrorKind::value, "program-parse");
  EXPECT_TRUE(error.ends_with("wanted programs in programs at most 256 deep")) << error;
}

}  // namespace
}  // namespace wengert
