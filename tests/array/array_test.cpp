// Handles: what copying, moving and assigning do to the arrays behind them.
#include "wengert/array/array.hpp"
#include "tests/errors.hpp"

#include <gtest/gtest.h>

#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

TEST(Array, AssignedByMoveLetsGoOfWhatItWasAtOnce) {
  Array a = ones({1 << 16}), b = zeros({1 << 16});
  const int64_t before = memory::statistics().current;
  a = std::move(b);
  EXPECT_EQ(memory::statistics().current, before - a.nbytes()) << "not when b ends";
  EXPECT_FALSE(b.defined());
  EXPECT_EQ(a.to_vector<float>()[0], 0);
  Array& same = a;
  a = std::move(same);
  EXPECT_TRUE(a.defined());
}

TEST(Array, IsNotFilledWithNumbersThatItsDtypeCannotHold) {
  test::expect_error([] { full({2}, 300, uint8); }, ErrorKind::value, "number-range",
                     "full: shape [2], value 300, dtype uint8: wanted a number that uint8 can hold");
  EXPECT_EQ(full({1}, 255, uint8).item<uint8_t>(), 255);
  EXPECT_THROW(full({2}, -1, uint8), Error);
  EXPECT_THROW(full({2}, int64_t{1} << 31, int32), Error);
}

TEST(Array, WithoutElementsMayHaveLengthsWhoseProductIsNoInt64) {
  const int64_t huge = int64_t{1} << 62;
  for (const Shape& shape : {Shape{0, huge, 16}, Shape{huge, 16, 0}, Shape{huge, 0, huge}, Shape{huge, 1, huge, 0}}) {
    const Array x = zeros(shape), y = transpose(x) + 1;
    EXPECT_EQ(x.size(), 0);
    EXPECT_EQ(y.rank(), shape.rank());
    for (const Array& a : {x, y}) {
      EXPECT_TRUE(a.layout().contiguous && a.layout().dense);
      EXPECT_EQ(a.layout().strides, Strides{}) << "one layout for all of them";
      EXPECT_EQ(a.to_vector<float>(), std::vector<float>());
      EXPECT_EQ(reshape(a, {0}).shape(), Shape{0});
      EXPECT_EQ(sum(a).item<float>(), 0);
    }
  }
}

TEST(Array, OfEvenStepsEndsWhereItShould) {
  for (int64_t count : {2, 50, 99, 1000}) {
    const std::vector<double> x = linspace(0.0, 1.0, count, float64).to_vector<double>();
    EXPECT_EQ(x.front(), 0);
    EXPECT_EQ(x.back(), 1) << count;  // not 49 times 1/49, which is less
  }
  EXPECT_EQ(linspace(3.0, 1.0, 1, float64).to_vector<double>(), std::vector<double>{3});
}

}  // namespace
}  // namespace wengert
