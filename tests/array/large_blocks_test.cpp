#include "wengert/array/large_blocks.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/sanitizers.hpp"

namespace wengert::memory::detail {
namespace {

constexpr int64_t kib = 1024;
constexpr int64_t mib = 1024 * kib;
constexpr int64_t unlimited = INT64_MAX;

/// Address space and resident memory of this process in pages.
std::pair<int64_t, int64_t> pages() {
  long long size = 0;
  long long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  EXPECT_EQ(std::fscanf(file, "%lld %lld", &size, &resident), 2);
  std::fclose(file);
  return {size, resident};
}

TEST(LargeBlocksTest, ReusesTheBestFit) {
  LargeBlocks blocks;
  // Used blocks between them keep the free ones from merging.
  std::vector<Range*> free;
  std::vector<Range*> used;
  for (int64_t bytes : {20 * mib, 10 * mib, 10 * mib + 200 * kib, 30 * mib}) {
    free.push_back(blocks.take(bytes, unlimited));
    used.push_back(blocks.take(mib, unlimited));
  }
  for (Range* range : free) blocks.put(range);
  std::byte* ten = free[1]->data;
  for (int64_t bytes : {9 * mib + mib / 2, 10 * mib - 100, 10 * mib}) {
    Range* range = blocks.take(bytes, unlimited);
    EXPECT_EQ(range->data, ten) << bytes;
    blocks.put(range);
  }
  for (Range* each : used) blocks.put(each);
  blocks.evict(0);
}

/// The flags of the mapping that holds an address, as /proc/self/smaps has them; empty where it has none.
std::string mapping_flags(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2) inside = begin <= at && at < end;
    if (inside && line.starts_with("VmFlags:")) return line.substr(8) + " ";
  }
  return "";
}

TEST(LargeBlocksTest, AskForHugePages) {
  const auto align = static_cast<uintptr_t>(2 * mib);
  void* const probe = ::mmap(nullptr, 4 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool can =
      ::madvise(probe, 4 * mib, MADV_HUGEPAGE) == 0 && mapping_flags(probe).find(" hg ") != std::string::npos;
  ::munmap(probe, 4 * mib);
  if (!can) GTEST_SKIP() << "the kernel knows no MADV_HUGEPAGE, or shows no VmFlags in /proc/self/smaps";
  LargeBlocks blocks;
  Range* range = blocks.take(10 * mib, unlimited);
  ASSERT_NE(range, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(range->data) % align, 0u);
  for (int64_t offset : {int64_t{0}, 5 * mib, 10 * mib - 1}) {
    EXPECT_NE(mapping_flags(range->data + offset).find(" hg "), std::string::npos) << offset;
  }
  blocks.put(range);
  blocks.evict(0);
}

TEST(LargeBlocksTest, TheBudgetBoundsFreshMemoryOnly) {
  LargeBlocks blocks;
  EXPECT_EQ(blocks.take(10 * mib, 10 * mib - 1), nullptr);
  EXPECT_EQ(blocks.used_and_warm_bytes(), 0);
  Range* range = blocks.take(10 * mib, 11 * mib);
  ASSERT_NE(range, nullptr);
  EXPECT_GE(blocks.used_and_warm_bytes(), 10 * mib);
  EXPECT_LE(blocks.used_and_warm_bytes(), 11 * mib);
  EXPECT_EQ(blocks.take(10 * mib, 0), nullptr);
  blocks.put(range);
  range = blocks.take(10 * mib, 0);
  EXPECT_NE(range, nullptr);
  blocks.put(range);
  blocks.evict(0);
}

TEST(LargeBlocksTest, EvictionKeepsWhatTheLimitAllows) {
  LargeBlocks blocks;
  std::vector<Range*> ranges;
  for (int i = 0; i < 6; ++i) ranges.push_back(blocks.take(10 * mib, unlimited));
  for (Range* range : ranges) blocks.put(range);
  EXPECT_GE(blocks.warm_bytes(), 60 * mib);
  blocks.evict(35 * mib);
  EXPECT_LE(blocks.warm_bytes(), 35 * mib);
  EXPECT_GE(blocks.warm_bytes(), 32 * mib);
  blocks.evict(0);
  EXPECT_EQ(blocks.warm_bytes(), 0);
}

TEST(LargeBlocksTest, EvictedPagesLeaveTheProcess) {
  if (test::sanitized) GTEST_SKIP() << "shadow memory counts as well";
  LargeBlocks blocks;
  // A used block keeps the segment, the pages of the free one must go nevertheless.
  Range* large = blocks.take(40 * mib, unlimited);
  Range* small = blocks.take(mib, unlimited);
  int64_t before = pages().second;
  std::memset(large->data, 1, static_cast<size_t>(40 * mib));
  std::memset(small->data, 1, static_cast<size_t>(mib));
  EXPECT_GE(pages().second - before, 39 * mib / 4096);
  blocks.put(large);
  blocks.evict(0);
  EXPECT_LE(pages().second - before, 6 * mib / 4096);
  EXPECT_EQ(small->data[0], std::byte{1});
  EXPECT_EQ(small->data[mib - 1], std::byte{1});
  blocks.put(small);
  blocks.evict(0);
}

TEST(LargeBlocksTest, RandomUseAgainstAModel) {
  struct Block {
    Range* range;
    int64_t bytes;
    unsigned char mark;
  };
  auto holds_its_mark = [](const Block& block) {
    auto* data = reinterpret_cast<unsigned char*>(block.range->data);
    return data[0] == block.mark && data[block.bytes / 2] == block.mark && data[block.bytes - 1] == block.mark;
  };
  int64_t size_before = pages().first;
  auto blocks = std::make_unique<LargeBlocks>();
  std::mt19937 random(3);
  std::map<std::byte*, Block> live;
  for (int step = 0; step < 4'000; ++step) {
    bool growing = step / 1000 % 2 == 0;
    if (live.empty() || random() % 100 < (growing ? 60u : 40u)) {
      int64_t bytes = 64 * kib + static_cast<int64_t>(random() % (1u << (16 + random() % 9)));
      if (random() % 500 == 0) bytes = 70 * mib;
      Range* range = blocks->take(bytes, unlimited);
      ASSERT_NE(range, nullptr);
      ASSERT_GE(range->bytes, bytes);
      ASSERT_LE(range->bytes, bytes + 12 * kib);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(range->data) % 64, 0u);
      Block block{range, bytes, static_cast<unsigned char>(step)};
      for (int64_t at : {int64_t{0}, bytes / 2, bytes - 1}) { range->data[at] = static_cast<std::byte>(block.mark); }
      auto [place, is_new] = live.emplace(range->data, block);
      ASSERT_TRUE(is_new);
      auto next = std::next(place);
      if (next != live.end()) { ASSERT_LE(range->data + range->bytes, next->first); }
      if (place != live.begin()) {
        auto& previous = *std::prev(place);
        ASSERT_LE(previous.first + previous.second.range->bytes, range->data);
      }
    } else {
      auto place = std::next(live.begin(), static_cast<int>(random() % live.size()));
      ASSERT_TRUE(holds_its_mark(place->second)) << "another block, or the system, wrote into it";
      blocks->put(place->second.range);
      live.erase(place);
    }
    if (random() % 200 == 0) {
      int64_t limit = blocks->warm_bytes() / static_cast<int64_t>(1 + random() % 4);
      blocks->evict(limit);
      ASSERT_LE(blocks->warm_bytes(), limit);
    }
    if (step % 100 == 0) {
      int64_t used = 0;
      for (auto& [data, block] : live) {
        used += block.range->bytes;
        ASSERT_TRUE(holds_its_mark(block));
      }
      ASSERT_EQ(blocks->used_and_warm_bytes() - blocks->warm_bytes(), used);
    }
  }
  for (auto& [data, block] : live) blocks->put(block.range);
  EXPECT_EQ(blocks->used_and_warm_bytes(), blocks->warm_bytes());
  blocks->evict(0);
  EXPECT_EQ(blocks->used_and_warm_bytes(), 0);
  // All segments are gone (the heap of the C library may have grown for descriptors and the model).
  EXPECT_LE(pages().first, size_before + 6 * mib / 4096);
}

TEST(LargeBlocksTest, ARepeatedPatternSettlesNearItsPeak) {
  // A forward and a backward pass over layers of many sizes, with a temporary and a gradient in
  // each.
  LargeBlocks blocks;
  int64_t live = 0;
  int64_t peak = 0;
  auto take = [&](int64_t bytes) {
    peak = std::max(peak, live += bytes);
    return blocks.take(bytes, unlimited);
  };
  auto put = [&](Range* range, int64_t bytes) {
    live -= bytes;
    blocks.put(range);
  };
  auto round = [&] {
    std::vector<std::pair<Range*, int64_t>> activations;
    std::mt19937 random(5);
    for (int layer = 0; layer < 40; ++layer) {
      int64_t bytes = 100 * kib + random() % (8 * mib);
      Range* temporary = take(bytes);
      activations.emplace_back(take(bytes), bytes);
      put(temporary, bytes);
    }
    for (; !activations.empty(); activations.pop_back()) {
      auto [range, bytes] = activations.back();
      Range* gradient = take(bytes);
      put(range, bytes);
      put(gradient, bytes);
    }
  };
  for (int i = 0; i < 3; ++i) round();
  int64_t settled = blocks.used_and_warm_bytes();
  for (int i = 0; i < 5; ++i) round();
  EXPECT_EQ(blocks.used_and_warm_bytes(), settled);
  EXPECT_LE(settled, peak + peak / 3);
  blocks.evict(0);
}

}  // namespace
}  // namespace wengert::memory::detail
