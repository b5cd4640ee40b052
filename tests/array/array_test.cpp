// Handles: what copying, moving and assigning do to the arrays behind them.
#include "wengert/array/array.hpp"
#include "tests/errors.hpp"

#include <gtest/gtest.h>

#include <span>

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
  EXPECT_EQ(sum(zeros({int64_t{1} << 50, int64_t{1} << 20, 0}), {0, 1}).shape(), Shape{0});
}

/// Values in and out by spans: all elements in row-major order, wherever they lie.
TEST(Array, TakesAndGivesSpans) {
  const std::vector<int32_t> numbers = {1, -2, 3, 4, 5, 6};
  const Array x = array(std::span(numbers), {2, 3}), turned = transpose(x);
  EXPECT_EQ(x.dtype(), int32);
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  const std::span<const int32_t> elements = x.span<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(elements.begin(), elements.end()), numbers);
  EXPECT_EQ(static_cast<const void*>(elements.data()), x.node()->data) << "not a copy";
  std::vector<int32_t> out(8, 7);
  turned.copy_to(std::span(out).subspan(1, 6));
  EXPECT_EQ(out, (std::vector<int32_t>{7, 1, 4, -2, 5, 3, 6, 7}));
  double part[] = {0.5, -1.5, 2.5};
  const Array copied = array(std::span(part).first(2), {2});
  part[0] = 9;
  EXPECT_EQ(copied.to_vector<double>(), (std::vector<double>{0.5, -1.5})) << "what is written later is no part of it";
  EXPECT_TRUE(array(std::span<const float>(), {3, 0}).span<float>().empty());
  const bool truths[] = {true, false, true};
  bool back[3] = {};
  array(std::span<const bool>(truths), {3}).copy_to(std::span<bool>(back));
  EXPECT_TRUE(back[0] && !back[1] && back[2]);
  test::expect_error([&] { array(std::span(numbers), {4}); }, ErrorKind::shape, "array-count",
                     "array: got 6 values, shape [4]: wanted 4 values");
  test::expect_error([&] { x.copy_to<double>(part); }, ErrorKind::dtype, "element-type",
                     "copy_to: x i32[2,3], element type float64: wanted the C++ type of the dtype; convert with "
                     "x.astype(wg::float64)");
  test::expect_error([&] { x.copy_to(std::span(out)); }, ErrorKind::shape, "copy-size",
                     "copy_to: x i32[2,3], out of 8 elements: wanted as many as x has");
  test::expect_error([&] { (void)turned.span<int32_t>(); }, ErrorKind::value, "span-contiguous",
                     "span: x i32[3,2] is not contiguous: wanted row-major memory; use wg::contiguous(x) or "
                     "to_vector()");
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
