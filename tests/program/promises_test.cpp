// Promises that the library makes to itself: a room that breaks one is told so, by an Error of kind internal.
#include <gtest/gtest.h>

#include "tests/errors.hpp"
#include "wengert/compile/prelude.hpp"
#include "wengert/program/loops.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using enum ErrorKind;

TEST(Promises, OfLowerings) {
  loops::Graph graph;
  EXPECT_EQ(test::error_of([&] { graph.number(1, float32) + graph.number(1, float64); }, internal, "lowering-dtype"),
            "lowering: got operands float32 and float64: wanted equal dtypes");
  const Expr x = graph.number(1, float32);
  EXPECT_EQ(test::error_of([&] { math("sinh", {&x, 1}, float32); }, internal, "lowering-math"),
            "lowering: got function \"sinh\" of 1 arguments: wanted one of the prelude");
  EXPECT_EQ(test::error_of(
                [&] {
                  for (int i = 0; i <= 64; ++i) graph.add_axis(1);
                },
                internal, "lowering-axes"),
            "lowering: more than 64 loop axes in one kernel");
  EXPECT_EQ(test::error_of([] { compile::prelude_function("wg_sinh_f32"); }, internal, "prelude-name"),
            "prelude: got the name wg_sinh_f32: wanted a function of the prelude");
}

TEST(Promises, OfPrimitives) {
  EXPECT_EQ(
      test::error_of([] { const detail::Registration again(*find_primitive("add")); }, internal, "primitive-name"),
      "add: stated by two primitives: wanted a name of its own");
}

TEST(Promises, OfPrograms) {
  const Type *pair = Type::of(float32, {2}), *triple = Type::of(float32, {3});
  ProgramBuilder builder;
  const Atom x = builder.add_input(pair);
  builder.add(*find_primitive("tanh"), {&x, 1}, {}, {}, {&triple, 1});
  EXPECT_EQ(test::error_of([&] { verify(builder.current()); }, internal, "program-invalid"),
            "verify: equation 0, tanh: result 0 is f32[3], wanted f32[2]");
}

}  // namespace
}  // namespace wengert
