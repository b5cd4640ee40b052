#include "wengert/array/error.hpp"

#include <gtest/gtest.h>

#include <set>

namespace wengert {
namespace {

TEST(Error, CarriesKindIdAndMessage) {
  const Error error(ErrorKind::shape, "matmul-inner-dimension", "matmul: a f32[2,3], b f32[4,5]");
  EXPECT_EQ(error.kind(), ErrorKind::shape);
  EXPECT_EQ(error.id(), "matmul-inner-dimension");
  EXPECT_STREQ(error.what(), "matmul: a f32[2,3], b f32[4,5]");
}

TEST(Error, EveryKindHasAName) {
  std::set<std::string> names;
  const int last = static_cast<int>(ErrorKind::internal);
  for (int kind = 0; kind <= last; ++kind) names.insert(name(static_cast<ErrorKind>(kind)));
  EXPECT_EQ(static_cast<int>(names.size()), last + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace wengert
