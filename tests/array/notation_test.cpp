// Notations that newcomers try: indices in braces, and types and shapes on a stream.
#include <gtest/gtest.h>

#include <sstream>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

template <class T>
std::string printed(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

Array counted() { return reshape(arange(24), {2, 3, 4}); }

TEST(Notation, IndicesInBracesAreIndicesAndNoArrays) {
  const Array x = counted();
  EXPECT_EQ(x[1].shape(), (Shape{3, 4}));
  EXPECT_EQ(x[{1}].shape(), (Shape{3, 4}));
  EXPECT_EQ((x[{1, 2, 3}].item<int64_t>()), 23);
  EXPECT_EQ((x[{1, range(0, 2), -1}].to_vector<int64_t>()), (std::vector<int64_t>{15, 19}));
  EXPECT_EQ((x[{ellipsis, 0, new_axis}].shape()), (Shape{2, 3, 1}));
  EXPECT_EQ((x[{array({1, 0}), 2, 3}].to_vector<int64_t>()), (std::vector<int64_t>{23, 11}));
}

TEST(Notation, AtTakesIndicesInBracesOrWithout) {
  const Array x = counted();
  const auto same = [](const Array& a, const Array& b) { return a.to_vector<int64_t>() == b.to_vector<int64_t>(); };
  EXPECT_TRUE(same(x.at({0, 1}).get(), x[{0, 1}]));
  EXPECT_TRUE(same(x.at({0, 1}).set(7), x.at(0, 1).set(7)));
  EXPECT_TRUE(same(x.at({1}).add(7), x.at(1).add(7)));
  EXPECT_TRUE(same(x.at({ellipsis, range(1, 3)}).set(7), x.at(ellipsis, range(1, 3)).set(7)));
  EXPECT_TRUE(same(x.at({array({1, 0}), 2}).set(7), x.at(array({1, 0}), 2).set(7)));
  const std::vector<int64_t> changed = x.at({0, 1}).set(7).to_vector<int64_t>();
  for (size_t i = 0; i < changed.size(); ++i) EXPECT_EQ(changed[i], i >= 4 && i < 8 ? 7 : static_cast<int64_t>(i));
}

TEST(Notation, AtInBracesWritesOverAnArrayThatWasGivenUp) {
  Array x = contiguous(full({1000}, 1.f));
  const std::byte* memory = x.node()->data;
  x = std::move(x).at({range(0, 2)}).set(2.f);
  EXPECT_EQ(x.node()->data, memory);
  const Array y = x.at({0}).set(3.f);
  EXPECT_NE(y.node()->data, memory);
  EXPECT_EQ(x[0].item<float>(), 2.f);
}

TEST(Notation, AtInBracesNamesTheLineOfAnError) {
  const Array x = counted();
  try {
    x.at({0, 9}).get();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.id(), "index-range");
    EXPECT_NE(std::string(error.what()).find("notation_test.cpp:"), std::string::npos) << error.what();
  }
}

TEST(Notation, TypesAndShapesGoToAStream) {
  const Array x = zeros({2, 3});
  EXPECT_EQ(printed(x.dtype()), "float32");
  EXPECT_EQ(printed(Dtype::bool_), "bool");
  EXPECT_EQ(printed(x.shape()), "[2,3]");
  EXPECT_EQ(printed(Shape{}), "[]");
  EXPECT_EQ(printed(x.dim(1)), "3");
  EXPECT_EQ(printed(array(1.5f)), "1.5");
}

}  // namespace
}  // namespace wengert
