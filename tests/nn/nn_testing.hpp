// What the tests of models share.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "wengert/wengert.hpp"

namespace wengert::nn_testing {

using Values = std::vector<double>;

/// float64, from -2 to 2.
inline Array random_array(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(-2, 2);
  Values values(static_cast<size_t>(shape.size()));
  for (double& v : values) v = uniform(engine);
  return array(values, shape);
}

inline Values values_of(const Array& x) { return x.astype(float64).to_vector<double>(); }

inline void expect_close(const Values& got, const Values& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << "element " << i;
}

/// f throws an Error with that id, whose text begins with one part and holds the other.
template <class F>
void expect_error(F&& f, const std::string& id, const std::string& begin, const std::string& within = "") {
  try {
    f();
    ADD_FAILURE() << "no error " << id;
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), id) << e.what();
    EXPECT_TRUE(std::string(e.what()).starts_with(begin)) << e.what();
    EXPECT_NE(std::string(e.what()).find(within), std::string::npos) << e.what();
  }
}

}  // namespace wengert::nn_testing
