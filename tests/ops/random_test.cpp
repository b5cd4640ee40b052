// Random numbers: ranges, and keys that do not meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

TEST(Uniform, StaysBelowItsEnd) {
  // One number in 32 is rounded to the end, or one in 16 in float64.
  const std::vector<float> narrow = random::uniform(random::key(1), {10000}, float32, 1e6, 1e6 + 1).to_vector<float>();
  for (float x : narrow) ASSERT_TRUE(x >= 1e6f && x < 1e6f + 1) << x;
  EXPECT_EQ(*std::max_element(narrow.begin(), narrow.end()), std::nextafter(1e6f + 1, 0.f));
  for (double x : random::uniform(random::key(1), {10000}, float64, 1e15, 1e15 + 1).to_vector<double>()) {
    ASSERT_TRUE(x >= 1e15 && x < 1e15 + 1) << x;
  }
  // An end that float32 does not have.
  for (float x : random::uniform(random::key(1), {10000}, float32, 16777215, 16777217).to_vector<float>()) {
    ASSERT_TRUE(x == 16777215 || x == 16777216) << x;
  }
  EXPECT_EQ(random::uniform(random::key(1), {2}, float32, 3, 3).to_vector<float>(), (std::vector<float>{3, 3}));
}

TEST(Keys, OfDifferentNumbersDiffer) {
  const Array key = random::key(3);
  std::vector<int64_t> numbers{INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1};
  for (int64_t n = -3; n <= 3; ++n) numbers.push_back(n);
  for (int bit = 2; bit < 63; ++bit) {
    for (int64_t n : {int64_t{1} << bit, -(int64_t{1} << bit), (int64_t{1} << bit) + 1}) numbers.push_back(n);
  }
  std::set<int64_t> folded{key.item<int64_t>()};
  for (int64_t n : numbers) folded.insert(random::fold_in(key, n).item<int64_t>());
  EXPECT_EQ(folded.size(), std::set<int64_t>(numbers.begin(), numbers.end()).size() + 1);
}

TEST(Keys, OfSplitAreNoneOfFoldIn) {
  const Array key = random::key(3);
  std::set<int64_t> keys{key.item<int64_t>()};
  for (const Array& k : random::split(key, 50)) keys.insert(k.item<int64_t>());
  for (int64_t n = 0; n < 50; ++n) keys.insert(random::fold_in(key, n).item<int64_t>());
  EXPECT_EQ(keys.size(), 101u);
  EXPECT_EQ(random::split(key, 2)[1].item<int64_t>(), random::split(key, 9)[1].item<int64_t>());
}

}  // namespace
}  // namespace wengert
