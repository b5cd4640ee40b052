// Programs as they are built: their constants, and what makes two of them equal. tests/round_trip.cpp takes every
// program of every test through its text.
#include <gtest/gtest.h>

#include "tests/errors.hpp"
#include "tests/round_trip.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using Arrays = std::vector<Array>;
const Primitive& add_rule = *find_primitive("add");
const Type* const pair_type = Type::of(float64, {2});

/// program(x) { return x + constants[0] + constants[1] + ... }, built in one go with `unused` among the constants.
ProgramPtr sum_with(const Arrays& constants, const Arrays& unused = {}) {
  ProgramBuilder builder;
  Atom sum = builder.add_input(pair_type);
  for (const Array& x : unused) builder.add_constant(x);
  for (const Array& x : constants) {
    const Atom operands[] = {sum, builder.add_constant(x)};
    sum = Atom::variable(builder.add(add_rule, operands, {}, {}, {&pair_type, 1}));
  }
  return builder.finish({&sum, 1});
}

TEST(Program, IsCheckedWhenItIsMade) {
  const int64_t before = test::programs_checked();
  sum_with({array({0.125, 7e77})});
  EXPECT_EQ(test::programs_checked(), before + 1);
}

TEST(Program, NumbersConstantsByTheirFirstUse) {
  const Array one = array({1.0, 1.0}), two = array({2.0, 2.0}), three = array({3.0, 3.0});
  const ProgramPtr plain = sum_with({one, two, one}), other = sum_with({one, two, one}, {three, two});
  EXPECT_EQ(plain->constants().size(), 2u);
  EXPECT_EQ(other->constants().size(), 2u);
  EXPECT_EQ(plain->hash(), other->hash());
  EXPECT_TRUE(*plain == *other);
  EXPECT_EQ(to_string(*plain), to_string(*other));
  EXPECT_NE(plain->hash(), sum_with({two, one, two})->hash());
}

/// However many others stand between them, and whether they are one array or two.
TEST(Program, HoldsEqualConstantsOnce) {
  Arrays constants;
  for (int i = 0; i < 40; ++i) constants.push_back(array({i % 20 + 0.5, 0.0}));
  EXPECT_EQ(sum_with(constants)->constants().size(), 20u);
  const Type* const long_type = Type::of(float64, {100});
  const ProgramPtr program = record({&long_type, 1}, [](std::span<const Array> x) -> Arrays {
    return {x[0] + full({100}, 0.5, float64) + full({100}, 0.5, float64), x[0] * full({100}, 0.25, float64)};
  });
  EXPECT_EQ(program->constants().size(), 2u);
}

/// Zeros of both signs and NaNs of both signs are constants of their own.
TEST(Program, TellsConstantsApartByTheirBits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ProgramPtr program = sum_with({array({0.0, nan}), array({-0.0, nan}), array({0.0, -nan})});
  EXPECT_EQ(program->constants().size(), 3u);
}

}  // namespace
}  // namespace wengert
