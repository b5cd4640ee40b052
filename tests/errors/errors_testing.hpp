// What the tests of errors share.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/scratch.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/wengert.hpp"

namespace wengert::errors_testing {

/// A folder of the test's own. Texts of errors ask for the one made last.
class ScratchFolder : public test::Scratch {
 public:
  ScratchFolder() { current_ = path(); }
  static const std::string& current() { return current_; }

 private:
  static inline std::string current_;
};

/// Nothing of a failed call is left on this thread: no interpreter, no open call, and the next operation is right.
inline void expect_clean_thread() {
  EXPECT_EQ(thread().current, nullptr);
  EXPECT_EQ(thread().innermost, nullptr);
  EXPECT_EQ(thread().place, nullptr);
  EXPECT_EQ(thread().depth, 0);
  EXPECT_EQ((array({1.f, 2.f}) + array({3.f, 4.f})).to_vector<float>(), (std::vector<float>{4, 6}));
}

/// A primitive without a derivative rule, as a user may write one.
inline const Primitive underivable_primitive{
    .name = "underivable",
    .doc = "x.",
    .infer = [](const Avals& in) -> Types { return {in.types[0]}; },
    .lower = [](Lowering& k, const Coordinates& i) -> std::vector<Expr> { return {k(0, i)}; },
    .samples = {{{{{2}}}}},
};
inline Array underivable(const Operand& x) {
  note_call(x);
  return bind(underivable_primitive, x.array());
}

/// One whose derivative rule is wrong: it is not linear in the tangent.
inline const Primitive crooked_primitive{
    .name = "crooked",
    .doc = "x.",
    .infer = [](const Avals& in) -> Types { return {in.types[0]}; },
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return tanh(d[0]); },
    .lower = [](Lowering& k, const Coordinates& i) -> std::vector<Expr> { return {k(0, i)}; },
    .samples = {{{{{2}}}}},
};
inline Array crooked(const Operand& x) {
  note_call(x);
  return bind(crooked_primitive, x.array());
}

/// Its derivative is half of what differences say.
inline Array biased(const Array& x) { return sum(stop_gradient(x) * x); }

}  // namespace wengert::errors_testing
