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
  EXPECT_EQ(to_string(wg::zeros({3, 0})), "[]");
  EXPECT_EQ(to_string(wg::zeros({int64_t{1} << 62, 16, 0})), "[]");
  EXPECT_EQ(to_string(wg::array({1.f / 3})), "[0.33333334]");
}

/// Every element with the digits that its dtype needs; exponents as soon as elements are far apart.
TEST(Print, FloatsLikeNumPy) {
  EXPECT_EQ(to_string(wg::array({2.00042677f, -2.98889804f, 0.49825546f})), "[ 2.0004268  -2.988898    0.49825546]");
  EXPECT_EQ(to_string(wg::array({6.5632596f, -3.1188331f, 100.f})), "[  6.5632596  -3.118833  100.       ]");
  EXPECT_EQ(to_string(wg::array({0.1, -1.18156850000002, 2.0})), "[ 0.1       -1.1815685  2.       ]");
  EXPECT_EQ(to_string(wg::array({5000.0, 1.0})), "[5.e+03 1.e+00]");
  EXPECT_EQ(to_string(wg::array({1000.0, 1.0})), "[1000.    1.]");
  EXPECT_EQ(to_string(wg::array({0.1, 1.0 / 3, 123.456789012})), "[1.00000000e-01 3.33333333e-01 1.23456789e+02]");
  EXPECT_EQ(to_string(wg::array({0.1f, 1.f / 3, 12.3456789f})), "[ 0.1         0.33333334 12.345679  ]");
}
