// Orders and batches of a data set, and Fashion-MNIST as it is known.
#include "wengert/data/dataset.hpp"

#include <gtest/gtest.h>

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "tests/errors.hpp"
#include "tests/scratch.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using data::Dataset;
using Places = std::vector<int64_t>;

Places counted(int64_t count) {
  Places places(static_cast<size_t>(count));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

/// Example i is [10 i, 10 i + 1], its label i.
Dataset numbered(int64_t count) {
  const Array i = arange(count);
  return {contiguous(stack({i * 10, i * 10 + 1}, 1)), i};
}

/// The labels of the batches, one after the other; beside each stands the example that belongs to it.
Places order_of(const Dataset& set, int64_t batch = 3) {
  Places order;
  for (const data::Batch& part : set.batches(batch)) {
    const Places y = part.y.to_vector<int64_t>(), x = part.x.to_vector<int64_t>();
    EXPECT_EQ(x.size(), 2 * y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(x[2 * i], 10 * y[i]);
      EXPECT_EQ(x[2 * i + 1], 10 * y[i] + 1);
    }
    order.insert(order.end(), y.begin(), y.end());
  }
  return order;
}

TEST(Dataset, IsInTheOrderGivenUntilItIsShuffled) {
  EXPECT_EQ(order_of(numbered(10)), counted(10));
  EXPECT_EQ(order_of(numbered(0)), Places());
}

TEST(Dataset, IsShuffledByThePermutationOfTheKey) {
  const Dataset set = numbered(10);
  for (int64_t seed = 0; seed < 5; ++seed) {
    const Array key = random::key(seed);
    const Places wanted = random::permutation(key, 10).to_vector<int64_t>();
    EXPECT_EQ(order_of(set.shuffle(key)), wanted);
    EXPECT_EQ(order_of(set.shuffle(key)), wanted) << "again";
    EXPECT_EQ(order_of(set.shuffle(seed)), wanted) << "by its number";
  }
  EXPECT_EQ(order_of(set), counted(10)) << "the set itself stays as it was";
}

TEST(Dataset, ShowsEveryExampleOnceInAnOrderOfEachKey) {
  std::set<Places> orders;
  for (int64_t seed = 0; seed < 5; ++seed) {
    Places order = order_of(numbered(100).shuffle(seed), 7);
    EXPECT_TRUE(orders.insert(order).second) << "an order of two keys";
    EXPECT_NE(order, counted(100));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, counted(100));
  }
}

TEST(Dataset, ShuffledAgainIsTheOrderOfTheOrder) {
  const Places first = random::permutation(random::key(1), 10).to_vector<int64_t>();
  const Places second = random::permutation(random::key(2), 10).to_vector<int64_t>();
  Places wanted;
  for (int64_t place : second) wanted.push_back(first[static_cast<size_t>(place)]);
  EXPECT_EQ(order_of(numbered(10).shuffle(1).shuffle(2)), wanted);
}

TEST(Dataset, IsCutInItsPresentOrder) {
  for (const Dataset& set : {numbered(10), numbered(10).shuffle(3)}) {
    const Places order = order_of(set);
    for (const auto& [begin, end] : {std::pair{0, 10}, {0, 1}, {3, 7}, {9, 10}, {5, 5}, {10, 10}}) {
      const data::Batch part = set.slice(begin, end);
      EXPECT_EQ(part.y.to_vector<int64_t>(), Places(order.begin() + begin, order.begin() + end));
      EXPECT_EQ(describe(part.x), "i64[" + std::to_string(end - begin) + ",2]");
    }
  }
}

TEST(Dataset, OfTheFirstExamplesIsOneOfItsOwn) {
  for (const Dataset& set : {numbered(10), numbered(10).shuffle(3)}) {
    const Places order = order_of(set);
    for (const int64_t count : {0, 1, 4, 10}) {
      const Dataset first = set.first(count);
      EXPECT_EQ(first.size(), count);
      EXPECT_EQ(order_of(first), Places(order.begin(), order.begin() + count));
    }
  }
  test::expect_line("dataset-range", [] { numbered(3).first(4); });
}

TEST(Dataset, BatchesHaveTheirSizeAndTheLastOneIsShortOrLeftOut) {
  struct Case {
    int64_t examples, size;
    bool drop_last;
    Places lengths;
  };
  const Case cases[] = {
      {10, 3, false, {3, 3, 3, 1}}, {10, 3, true, {3, 3, 3}}, {9, 3, false, {3, 3, 3}}, {9, 3, true, {3, 3, 3}},
      {2, 3, false, {2}},           {3, 3, true, {3}},        {3, 1, true, {1, 1, 1}},  {0, 3, false, {}},
  };
  for (const Case& wanted : cases) {
    const data::Batches batches = numbered(wanted.examples).shuffle(1).batches(wanted.size, wanted.drop_last);
    Places lengths;
    for (const data::Batch& batch : batches) {
      EXPECT_EQ(batch.x.dim(0), batch.y.dim(0));
      lengths.push_back(batch.y.dim(0));
    }
    EXPECT_EQ(lengths, wanted.lengths) << wanted.examples << " by " << wanted.size;
    EXPECT_EQ(batches.size(), static_cast<int64_t>(wanted.lengths.size()));
  }
}

/// A batch by its number, as a run that goes on in the middle of an epoch asks for it, is the one of the loop.
TEST(Dataset, BatchesByNumberAreThoseOfTheLoop) {
  const data::Batches batches = numbered(10).shuffle(4).batches(4);
  int64_t i = 0;
  for (const data::Batch& batch : batches) EXPECT_EQ(batches[i++].y.to_vector<int64_t>(), batch.y.to_vector<int64_t>());
  EXPECT_EQ(i, 3);
}

// Fashion-MNIST ------------------------------------------------------------------------------------------

/// CRC-32 of pixels and labels as bytes, computed by Python's zlib from the files of Debian's package, and the sum of
/// the pixels.
struct Known {
  int64_t count;
  unsigned long pixels, labels;
  int64_t sum;
};

void expect_known(const Dataset& set, const Known& known) {
  const int64_t n = known.count;
  EXPECT_EQ(describe(set.x()), "f32[" + std::to_string(n) + ",1,28,28]");
  EXPECT_EQ(describe(set.y()), "i32[" + std::to_string(n) + "]");
  int64_t sum = 0, wrong = 0;
  std::vector<uint8_t> pixels, labels;
  pixels.reserve(static_cast<size_t>(set.x().size()));
  for (float x : set.x().span<float>()) {
    const float pixel = x * 255, whole = std::round(pixel);
    wrong += !(x >= 0 && x <= 1 && std::fabs(pixel - whole) < 1e-4);
    pixels.push_back(static_cast<uint8_t>(whole));
    sum += pixels.back();
  }
  EXPECT_EQ(wrong, 0) << "pixels that are no 255th from 0 to 1";
  std::vector<int64_t> of_class(10);
  for (int32_t y : set.y().span<int32_t>()) {
    ASSERT_TRUE(y >= 0 && y < 10) << y;
    labels.push_back(static_cast<uint8_t>(y));
    ++of_class[labels.back()];
  }
  EXPECT_EQ(sum, known.sum);
  EXPECT_EQ(of_class, Places(10, n / 10)) << "as many of each class";
  EXPECT_EQ(crc32(0, pixels.data(), static_cast<unsigned>(pixels.size())), known.pixels);
  EXPECT_EQ(crc32(0, labels.data(), static_cast<unsigned>(labels.size())), known.labels);
}

TEST(FashionMnist, IsTheKnownOneInUnitsOfWhite) {
  if (!std::filesystem::is_directory("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const data::FashionMnist set = data::fashion_mnist("/usr/share/datasets/fashion-mnist");
  expect_known(set.train, {60000, 2925911245, 785835114, 3431114169});
  expect_known(set.test, {10000, 309494841, 606848831, 573469082});
  // The first test image is an ankle boot.
  EXPECT_EQ(data::fashion_mnist_names()[static_cast<size_t>(set.test.y().span<int32_t>()[0])], "ankle boot");
}

/// IDX files of two images of 1 by 3 and their labels, or of `rank` 2 instead of 3.
void write_small(const test::Scratch& folder, char rank = 3) {
  for (const std::string part : {"train", "t10k"}) {
    std::string images{0, 0, 8, rank, 0, 0, 0, 2};
    if (rank == 3) images += std::string{0, 0, 0, 1};
    images += std::string{0, 0, 0, 3} + std::string("\x00\x33\xff\x80\x01\x66", 6);
    const std::string labels{0, 0, 8, 1, 0, 0, 0, 2, 9, 4};
    std::ofstream(folder / (part + "-images-idx3-ubyte.gz"), std::ios::binary) << images;
    std::ofstream(folder / (part + "-labels-idx1-ubyte.gz"), std::ios::binary) << labels;
  }
}

TEST(FashionMnist, IsReadFromTheFolderNamed) {
  const test::Scratch folder;
  write_small(folder);
  const data::FashionMnist set = data::fashion_mnist(folder.path());
  EXPECT_EQ(describe(set.train.x()), "f32[2,1,1,3]");
  EXPECT_TRUE(allclose(reshape(set.test.x(), {6}), array({0.f, 0.2f, 1.f, 128 / 255.f, 1 / 255.f, 0.4f}), 1e-7));
  EXPECT_EQ(set.test.y().to_vector<int32_t>(), (std::vector<int32_t>{9, 4}));
}

TEST(FashionMnist, OfOtherRanksIsAnError) {
  const test::Scratch folder;
  write_small(folder, 2);
  test::expect_error([&] { data::fashion_mnist(folder.path()); }, ErrorKind::io, "fashion-mnist-shape",
                     "fashion_mnist: images u8[2,3], labels u8[2]: wanted rank 3 and 1");
}

}  // namespace
}  // namespace wengert
