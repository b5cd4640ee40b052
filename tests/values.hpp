// Numbers in and out of arrays.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "wengert/ops/create.hpp"

namespace wengert::test {

/// Uniform from `low` to `high`, the same for the same seed.
inline std::vector<double> random_values(int64_t count, unsigned seed, double low, double high) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& v : values) v = uniform(engine);
  return values;
}
inline Array random_array(const Shape& shape, unsigned seed, double low = -2, double high = 2) {
  return array(random_values(shape.size(), seed, low, high), shape);
}

inline std::vector<double> doubles_of(const Array& x) { return x.astype(float64).to_vector<double>(); }

/// Within tolerance * (1 + |expected|); infinities and NaNs where they are expected.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& expected, double tolerance,
                         const std::string& what = "") {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << what << " element " << i << ": " << got[i];
    } else if (std::isinf(expected[i])) {
      EXPECT_EQ(got[i], expected[i]) << what << " element " << i;
    } else {
      EXPECT_NEAR(got[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << what << " element " << i;
    }
  }
}
inline void expect_close(const Array& got, const std::vector<double>& expected, double tolerance) {
  expect_close(doubles_of(got), expected, tolerance);
}

}  // namespace wengert::test
