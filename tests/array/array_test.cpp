// Handles: what copying, moving and assigning do to the arrays behind them.
#include "wengert/array/array.hpp"

#include <gtest/gtest.h>

#include "wengert/ops/create.hpp"

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

}  // namespace
}  // namespace wengert
