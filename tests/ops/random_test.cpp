// Random numbers: recorded values, ranges, distributions, and keys that do not meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/ops/recorded.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using testing::Json, testing::Recorded, testing::decode;

/// What a recorded call gives now.
Array call(const Json& recorded, const Recorded& answer) {
  const std::string function = recorded["function"];
  const Array key = random::key(recorded["key"].get<int64_t>());
  const Shape& shape = answer.shape;
  if (function == "uniform") return random::uniform(key, shape, answer.dtype, recorded["low"], recorded["high"]);
  if (function == "normal") return random::normal(key, shape, answer.dtype);
  if (function == "permutation") return random::permutation(key, shape.size());
  if (function == "fold_in") return random::fold_in(key, array(recorded["number"].get<int64_t>()));
  if (function == "split") return stack(random::split(key, shape.size()));
  if (recorded.contains("probability")) return random::bernoulli(key, recorded["probability"].get<double>(), shape);
  const Recorded p = decode(recorded["probabilities"]);
  return random::bernoulli(key, testing::contiguous_array(p.values, p.dtype, p.shape), shape);
}

// The same bits as Philox4x32-10 in NumPy gives: see tests/fixtures/make_numpy_random_answers.py.
TEST(Random, GivesTheRecordedNumbers) {
  const Json file = testing::recording("numpy_random_answers");
  ASSERT_GT(file["cases"].size(), 100u);
  const auto check = [&] {
    for (const Json& recorded : file["cases"]) {
      const Recorded answer = decode(recorded["answer"]);
      const Array got = call(recorded, answer);
      const bool normal = recorded["function"] == "normal";
      const testing::Tolerance tolerance{normal ? 5.0 : 0.0, normal && answer.dtype == float64 ? 1e-15 : 0};
      EXPECT_EQ(got.dtype(), answer.dtype) << recorded;
      EXPECT_EQ(got.shape(), answer.shape) << recorded;
      EXPECT_EQ(testing::difference(testing::values_of(got), answer.values, answer.dtype, tolerance), "") << recorded;
    }
  };
  check();
  const cpu::OracleScope oracle;
  check();
}

/// The largest distance of a sample's distribution function from that of the standard normal distribution.
double distance_from_normal(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double below = std::erfc(-x[i] / std::sqrt(2.0)) / 2, n = static_cast<double>(x.size());
    distance = std::max({distance, static_cast<double>(i + 1) / n - below, below - static_cast<double>(i) / n});
  }
  return distance;
}

// Six standard deviations of each statistic: a right generator fails for one key in 10^8.
TEST(Normal, HasTheMomentsAndTheDistribution) {
  const int64_t n = 1 << 16;
  const double root = std::sqrt(static_cast<double>(n));
  for (Dtype dtype : {float32, float64}) {
    std::vector<double> earlier;
    for (int64_t seed : {0, 1, 12345}) {
      const std::vector<double> x = random::normal(random::key(seed), {n}, dtype).astype(float64).to_vector<double>();
      double moments[5] = {}, beside = 0, other = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        for (int k = 1; k <= 4; ++k) moments[k] += std::pow(x[i], k) / static_cast<double>(n);
        if (i > 0) beside += x[i] * x[i - 1] / static_cast<double>(n);
        if (!earlier.empty()) other += x[i] * earlier[i] / static_cast<double>(n);
      }
      EXPECT_NEAR(moments[1], 0, 6 / root);
      EXPECT_NEAR(moments[2], 1, 6 * std::sqrt(2.0) / root);
      EXPECT_NEAR(moments[3], 0, 6 * std::sqrt(15.0) / root);
      EXPECT_NEAR(moments[4], 3, 6 * std::sqrt(96.0) / root);
      EXPECT_NEAR(beside, 0, 6 / root) << "neighbours";
      EXPECT_NEAR(other, 0, 6 / root) << "two keys";
      EXPECT_LT(distance_from_normal(x), 3.1 / root);
      earlier = x;
    }
  }
}

TEST(Bernoulli, HasTheProbability) {
  const int64_t n = 1 << 16;
  for (double p : {0.0, 1e-3, 0.3, 0.5, 0.999, 1.0}) {
    const double share = mean(random::bernoulli(random::key(9), p, {n}).astype(float64)).item<double>();
    EXPECT_NEAR(share, p, 6 * std::sqrt(p * (1 - p) / static_cast<double>(n)));
  }
}

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
