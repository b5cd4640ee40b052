// Where equations were written: kept by recording, differentiating and simplifying, shown by texts and errors.
#include <gtest/gtest.h>

#include <source_location>

#include "tests/errors.hpp"
#include "wengert/trace/transform.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// The line in this file on which the next statement stands.
uint32_t next_line(std::source_location where = std::source_location::current()) { return where.line() + 1; }

struct Lines3 {
  uint32_t product = 0, wave = 0, total = 0;
} line;

Array loss(const Array& x) {
  line.product = next_line();
  const Array product = x * x;
  line.wave = next_line();
  const Array wave = silu(product);
  line.total = next_line();
  return sum(wave);
}

const Array x3 = array({0.5, -1.0, 2.0});

/// "location_test.cpp:12" of every equation.
std::vector<std::string> places_of(const Program& program) {
  std::vector<std::string> places;
  for (const Equation& e : program.equations()) places.push_back(to_string(program.location(e)));
  return places;
}

std::string place(uint32_t number) { return "location_test.cpp:" + std::to_string(number); }

TEST(Locations, AreThoseOfTheCallsThatWereRecorded) {
  const ProgramPtr program = make_program(loss)(x3);
  EXPECT_EQ(places_of(*program), (std::vector{place(line.product), place(line.wave), place(line.total)}));
}

TEST(Locations, StandInTheTextWhereTheyAreAskedFor) {
  const ProgramPtr program = make_program(loss)(x3);
  const std::string text = to_string(*program, Lines::shown);
  EXPECT_EQ(text,
            "program(a: f64[3]) {\n"
            "  b: f64[3] = mul(a, a)  // " +
                place(line.product) +
                "\n"
                "  c: f64[3] = silu(b)  // " +
                place(line.wave) +
                "\n"
                "  d: f64[] = sum(c) {axes=[0], keepdims=false}  // " +
                place(line.total) +
                "\n"
                "  return d\n}");
  EXPECT_EQ(*parse_program(text), *program) << "lines are comments";
  EXPECT_EQ(to_string(*program).find("//"), std::string::npos);
  EXPECT_EQ(*parse_program("// of nothing\nprogram() { // none\n return // none either\n}//"),
            *parse_program("program() { return }"));
}

/// Every equation of a derivative, forward and backward, has the line of the call that it is the derivative of.
TEST(Locations, AreKeptByDerivatives) {
  const ProgramPtr backward = make_program(grad(loss))(x3);
  const std::vector<std::string> places = places_of(*backward);
  const std::string text = to_string(*backward, Lines::shown);
  ASSERT_GE(places.size(), 4u) << text;
  EXPECT_EQ(places.front(), place(line.product)) << text;
  EXPECT_EQ(places.back(), place(line.product)) << text;
  for (uint32_t number : {line.product, line.wave, line.total}) EXPECT_NE(text.find(place(number)), text.npos) << text;
  for (const std::string& at : places) EXPECT_TRUE(at.starts_with("location_test.cpp:")) << text;
  const ProgramPtr forward = make_program([](const Array& x) { return jvp(loss, x, x).second; })(x3);
  for (const std::string& at : places_of(*forward))
    EXPECT_TRUE(at.starts_with("location_test.cpp:")) << to_string(*forward, Lines::shown);
  EXPECT_EQ(places_of(*forward).back(), place(line.total)) << to_string(*forward, Lines::shown);
}

/// Those of a composite's body are the composite's.
TEST(Locations, AreKeptByTransformations) {
  const ProgramPtr program = make_program(loss)(x3), opened = inline_composites(*program);
  EXPECT_GT(opened->equations().size(), program->equations().size());
  const std::vector<std::string> places = places_of(*opened);
  EXPECT_EQ(places.front(), place(line.product));
  EXPECT_EQ(places.back(), place(line.total));
  for (size_t i = 1; i + 1 < places.size(); ++i)
    EXPECT_EQ(places[i], place(line.wave)) << to_string(*opened, Lines::shown);
  EXPECT_EQ(places_of(*simplify(*opened)), places);
  std::vector<int> kept;
  EXPECT_EQ(places_of(*drop_unused_inputs(*program, kept)), places_of(*program));
}

TEST(Locations, AreNoPartOfWhatAProgramIs) {
  const auto f = [](const Array& x) { return tanh(x); };
  const auto g = [](const Array& x) { return tanh(x); };
  const ProgramPtr p = make_program(f)(x3), q = make_program(g)(x3);
  EXPECT_NE(places_of(*p), places_of(*q));
  EXPECT_EQ(p->hash(), q->hash());
  EXPECT_EQ(*p, *q);
}

/// An error while a program runs names the line of the run, and that of the equation.
TEST(Locations, StandInErrorsOfRunningPrograms) {
  uint32_t number = 0;
  const auto f = [&](const Array& table, const Array& index) {
    number = next_line();
    return take(table, index);
  };
  const ProgramPtr program = make_program(f)(x3, array(int64_t{0}));
  const std::string text = test::thrown_by([&] { run(*program, {x3, array(int64_t{7})}); }).what();
  EXPECT_NE(text.find("; called at location_test.cpp:"), text.npos) << text;
  EXPECT_TRUE(text.ends_with(", in the equation of " + place(number))) << text;
}

/// What goes wrong on the way back is named by the line of the call on the way there.
TEST(Locations, StandInErrorsOfTheWayBack) {
  uint32_t number = 0;
  const auto late = [&](const Array& x) {
    number = next_line();
    const Array root = sqrt(x);
    return sum(where(x > 0, root, 0.0));
  };
  const CheckNans scope;
  const std::string text = test::thrown_by([&] { grad(late)(array({0.0, 4.0})); }).what();
  EXPECT_NE(text.find("; called at " + place(number)), text.npos) << text;
}

}  // namespace
}  // namespace wengert
