// What the tests of models share.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "tests/errors.hpp"
#include "tests/values.hpp"
#include "wengert/wengert.hpp"

namespace wengert::nn_testing {

using test::doubles_of;
using test::expect_error;
using test::expect_line;
using test::random_array;

using Values = std::vector<double>;

inline void expect_close(const Values& got, const Values& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << "element " << i;
}

}  // namespace wengert::nn_testing
