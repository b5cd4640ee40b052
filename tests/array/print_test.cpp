// Printing, against what NumPy 2 prints.
#include <gtest/gtest.h>

#include <cmath>

#include "wengert/wengert.hpp"

namespace wg = wengert;

TEST(Print, LikeNumPy) {
  EXPECT_EQ(to_string(wg::array({{1.f, 2.5f}, {3.f, -4.f}})), "[[ 1.   2.5]\n [ 3.  -4. ]]");
  EXPECT_EQ(to_string(wg::array({1, -20, 300})), "[  1 -20 300]");
  EXPECT_EQ(to_string(wg::array({true, false})), "[ True False]");
  EXPECT_EQ(to_string(wg::array(1.5f)), "1.5");
  EXPECT_EQ(to_string(wg::array({0.1f, NAN, INFINITY})), "[0.1 nan inf]");
  EXPECT_EQ(to_string(wg::array({1e-10, 1.0})), "[1.e-10 1.e+00]");
  EXPECT_EQ(to_string(wg::arange(2000)), "[   0    1    2 ... 1997 1998 1999]");
  EXPECT_EQ(to_string(wg::zeros({0})), "[]");
  EXPECT_EQ(to_string(wg::array({1.f / 3})), "[0.33333334]");
}
