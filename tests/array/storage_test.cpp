#include "wengert/array/storage.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/sanitizers.hpp"
#include "wengert/array/error.hpp"

namespace wengert {
namespace {

using test::sanitized;
// The library keeps no freed blocks under the address sanitizer.
constexpr bool pooled = !test::address_sanitized;

constexpr int64_t kib = 1024;
constexpr int64_t mib = 1024 * kib;
constexpr int64_t gib = 1024 * mib;

bool aligned(const void* address, uintptr_t to) { return reinterpret_cast<uintptr_t>(address) % to == 0; }

/// Runs `body` in a forked child and returns its exit status; -1 if it died of a signal.
template <class Body>
int in_child(Body body) {
  pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The id of the Error that `body` throws, "" if none.
template <class Body>
std::string error_id(Body body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::memory) << error.what();
    return error.id();
  }
  return "";
}

class StorageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    memory::trim();
    memory::reset_peak();
    start_ = memory::statistics();
  }
  void TearDown() override {
    EXPECT_EQ(memory::statistics().current, start_.current) << "the test leaks storages";
    memory::set_cap(0);
    memory::set_cache_cap(default_cache_cap_);
    memory::trim();
  }
  int64_t current() const { return memory::statistics().current - start_.current; }
  int64_t peak() const { return memory::statistics().peak - start_.current; }

  memory::Statistics start_;
  int64_t default_cache_cap_ = memory::cache_cap();
};

TEST_F(StorageTest, SizeClassesHoldTheirSizes) {
  int previous = 0;
  for (int64_t bytes = 0; bytes <= memory::detail::small_limit; ++bytes) {
    int size_class = memory::detail::size_class(bytes);
    ASSERT_LT(size_class, memory::detail::size_classes);
    int64_t room = memory::detail::block_bytes(size_class) - memory::detail::header_bytes;
    ASSERT_GE(room, bytes);
    if (bytes > 512) { ASSERT_LE(room, bytes + bytes / 4 + 1) << bytes; }
    ASSERT_TRUE(size_class == previous || size_class == previous + 1);
    previous = size_class;
  }
}

TEST_F(StorageTest, DataIsAlignedWritableAndDisjoint) {
  std::vector<Storage*> storages;
  std::vector<int64_t> sizes = {0, 1, 63, 64, 65, 512, 513, 640, 4096, 65535, 65536, 65537};
  sizes.insert(sizes.end(), {100'000, mib - 1, mib, mib + 1, 2 * mib, 5 * mib + 3});
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (int64_t bytes : sizes) {
      Storage* storage = memory::allocate(bytes);
      ASSERT_NE(storage->data(), nullptr);
      EXPECT_TRUE(aligned(storage->data(), 64)) << bytes;
      EXPECT_EQ(storage->bytes(), bytes);
      EXPECT_EQ(storage->count(), 1u);
      EXPECT_TRUE(storage->unique());
      EXPECT_FALSE(storage->exported());
      EXPECT_FALSE(storage->foreign());
      std::memset(storage->data(), static_cast<int>(storages.size()), static_cast<size_t>(bytes));
      storages.push_back(storage);
    }
  }
  for (size_t i = 0; i < storages.size(); ++i) {
    auto* data = storages[i]->data();
    EXPECT_TRUE(
        std::all_of(data, data + storages[i]->bytes(), [&](std::byte b) { return b == static_cast<std::byte>(i); }))
        << "another block wrote into block " << i;
    memory::release(storages[i]);
  }
}

TEST_F(StorageTest, NodesAreAlignedDisjointAndReused) {
  std::vector<void*> nodes;
  for (int i = 0; i < 10'000; ++i) {
    nodes.push_back(memory::allocate_node());
    ASSERT_TRUE(aligned(nodes.back(), 64));
    std::memset(nodes.back(), i, 128);
  }
  for (int i = 0; i < 10'000; ++i) {
    auto* bytes = static_cast<unsigned char*>(nodes[static_cast<size_t>(i)]);
    ASSERT_TRUE(std::all_of(bytes, bytes + 128, [&](unsigned char b) { return b == static_cast<unsigned char>(i); }));
  }
  EXPECT_EQ(std::set<void*>(nodes.begin(), nodes.end()).size(), nodes.size());
  for (void* node : nodes) memory::free_node(node);
  void* node = memory::allocate_node();
  if (pooled) { EXPECT_EQ(std::count(nodes.begin(), nodes.end(), node), 1); }
  memory::free_node(node);
}

TEST_F(StorageTest, FreedBlocksAreReused) {
  if (!pooled) GTEST_SKIP();
  for (int64_t bytes : {int64_t{100}, 4 * kib, 64 * kib, 100 * kib, 3 * mib}) {
    Storage* first = memory::allocate(bytes);
    std::byte* data = first->data();
    memory::release(first);
    Storage* second = memory::allocate(bytes);
    EXPECT_EQ(second->data(), data) << bytes;
    memory::release(second);
  }
}

TEST_F(StorageTest, LargeBlocksAreCutAndMergeAgain) {
  if (!pooled) GTEST_SKIP();
  Storage* whole = memory::allocate(100 * mib);
  std::byte* data = whole->data();
  memory::release(whole);
  Storage* first = memory::allocate(60 * mib);
  Storage* second = memory::allocate(39 * mib);
  EXPECT_EQ(first->data(), data);
  EXPECT_GE(second->data(), data + 60 * mib);
  EXPECT_LT(second->data() + 39 * mib, data + 101 * mib);
  memory::release(first);
  memory::release(second);
  whole = memory::allocate(100 * mib);
  EXPECT_EQ(whole->data(), data);
  memory::release(whole);
}

TEST_F(StorageTest, LargeBlocksBeginAtDifferentOffsetsIntoAPage) {
  if (!pooled) GTEST_SKIP();
  for (int64_t bytes : {100 * kib, mib, 64 * mib}) {
    std::vector<Storage*> storages;
    std::set<uintptr_t> offsets;
    for (int i = 0; i < 12; ++i) {
      storages.push_back(memory::allocate(bytes));
      offsets.insert(reinterpret_cast<uintptr_t>(storages.back()->data()) % 4096);
    }
    EXPECT_GE(offsets.size(), 10u) << bytes;
    for (Storage* storage : storages) memory::release(storage);
    memory::trim();
  }
}

TEST_F(StorageTest, CountsOwners) {
  Storage* storage = memory::allocate(10);
  memory::retain(storage);
  memory::retain(storage);
  EXPECT_EQ(storage->count(), 3u);
  EXPECT_FALSE(storage->unique());
  memory::release(storage);
  memory::release(storage);
  EXPECT_TRUE(storage->unique());
  EXPECT_EQ(current(), 10);
  memory::release(storage);
  EXPECT_EQ(current(), 0);
}

TEST_F(StorageTest, VersionsAreNeverUsedTwice) {
  std::set<uint64_t> seen;
  std::mutex mutex;
  auto collect = [&] {
    for (int i = 0; i < 1000; ++i) {
      Storage* storage = memory::allocate(i % 3 == 0 ? 70'000 : 100);
      uint64_t first = storage->version();
      storage->renew_version();
      std::lock_guard guard(mutex);
      EXPECT_TRUE(seen.insert(first).second);
      EXPECT_TRUE(seen.insert(storage->version()).second);
      memory::release(storage);
    }
  };
  collect();
  for (int round = 0; round < 3; ++round) {  // later rounds get the heaps of ended threads
    std::thread first(collect);
    std::thread second(collect);
    first.join();
    second.join();
  }
}

TEST_F(StorageTest, StatisticsCountLiveBytes) {
  int64_t before = memory::statistics().allocations;
  Storage* small = memory::allocate(1000);
  EXPECT_EQ(current(), 1000);
  Storage* large = memory::allocate(10 * mib);
  EXPECT_EQ(current(), 10 * mib + 1000);
  memory::release(large);
  EXPECT_EQ(current(), 1000);
  EXPECT_EQ(peak(), 10 * mib + 1000);
  small->renew_version();
  memory::release(small);
  EXPECT_EQ(current(), 0);
  EXPECT_EQ(memory::statistics().allocations - before, 2);
  memory::reset_peak();
  EXPECT_EQ(peak(), 0);
  if (pooled) { EXPECT_GE(memory::statistics().cached, 10 * mib + 1000); }
}

TEST_F(StorageTest, PeakOfSmallBlocksIsExactInOneThread) {
  // A random walk against a plain sum.
  std::mt19937 random(1);
  std::vector<Storage*> live;
  int64_t sum = 0;
  int64_t highest = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (live.empty() || random() % 100 < (i / 2000 % 2 == 0 ? 60u : 40u)) {
      int64_t bytes = random() % 50 == 0 ? 65'000 + random() % 10'000 : random() % 300;
      live.push_back(memory::allocate(bytes));
      sum += bytes;
    } else {
      std::swap(live[random() % live.size()], live.back());
      sum -= live.back()->bytes();
      memory::release(live.back());
      live.pop_back();
    }
    highest = std::max(highest, sum);
    if (i % 997 == 0) { ASSERT_EQ(current(), sum); }
    if (i % 1999 == 0) { ASSERT_EQ(peak(), highest); }
  }
  EXPECT_EQ(peak(), highest);
  for (Storage* storage : live) memory::release(storage);
  EXPECT_EQ(peak(), highest);
}

TEST_F(StorageTest, StatisticsSumOverThreads) {
  std::vector<std::thread> threads;
  std::vector<Storage*> made(8);
  for (size_t i = 0; i < made.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 1000; ++j) memory::release(memory::allocate(j));
      made[i] = memory::allocate(500);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(current(), 8 * 500);
  EXPECT_GE(peak(), 8 * 500);
  for (Storage* storage : made) memory::release(storage);
  EXPECT_EQ(current(), 0);
}

TEST_F(StorageTest, ThePeakOfAnEndedThreadIsKept) {
  std::thread([] { memory::release(memory::allocate(50'000)); }).join();
  EXPECT_EQ(current(), 0);
  EXPECT_EQ(peak(), 50'000);
}

TEST_F(StorageTest, ABlockFreedByAnotherThreadIsUsedAgain) {
  // One thread allocates, another frees: neither side's memory grows with the number of rounds.
  auto rounds = [](int count) {
    std::vector<Storage*> queue(100);
    for (int round = 0; round < count; ++round) {
      std::thread producer([&] {
        for (Storage*& each : queue) each = memory::allocate(4096);
      });
      producer.join();
      std::thread consumer([&] {
        for (Storage* each : queue) memory::release(each);
      });
      consumer.join();
    }
  };
  rounds(10);
  int64_t cached = memory::statistics().cached;
  rounds(200);
  EXPECT_LE(memory::statistics().cached, cached + 100 * 5 * kib);
}

TEST_F(StorageTest, AProducerAndAConsumerThatLiveLongStayBounded) {
  std::atomic<Storage*> slot{nullptr};
  constexpr int count = 100'000;
  std::thread producer([&] {
    for (int i = 0; i < count; ++i) {
      Storage* made = memory::allocate(1000);
      std::memset(made->data(), i, 1000);
      while (slot.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
      slot.store(made, std::memory_order_release);
    }
  });
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    Storage* taken;
    while ((taken = slot.exchange(nullptr, std::memory_order_acq_rel)) == nullptr) { std::this_thread::yield(); }
    wrong += taken->data()[999] != static_cast<std::byte>(i);
    memory::release(taken);
  }
  producer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(memory::statistics().cached, 4 * mib);
}

TEST_F(StorageTest, ThreadsShareOwnership) {
  Storage* storage = memory::allocate(256);
  std::memset(storage->data(), 0, 256);
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    memory::retain(storage);
    threads.emplace_back([storage, i] {
      for (int j = 0; j < 10'000; ++j) {
        memory::retain(storage);
        memory::release(storage);
      }
      storage->data()[i] = std::byte{1};
      memory::release(storage);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(storage->unique());
  EXPECT_EQ(std::count(storage->data(), storage->data() + 256, std::byte{1}), 16);
  memory::release(storage);
}

TEST_F(StorageTest, TheCapHoldsAndNamesItself) {
  int64_t base = memory::statistics().cached;
  memory::set_cap(base + 64 * mib);
  EXPECT_EQ(memory::cap(), base + 64 * mib);
  Storage* half = memory::allocate(32 * mib);
  try {
    memory::allocate(48 * mib);
    FAIL() << "the cap was passed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::memory);
    EXPECT_EQ(error.id(), "memory-cap");
    std::string message = error.what();
    EXPECT_EQ(message.find("allocate: 48.0 MiB with 32.0 MiB in use"), 0u) << message;
    char cap[32];
    std::snprintf(cap, sizeof cap, "cap %.1f MiB", static_cast<double>(base + 64 * mib) / static_cast<double>(mib));
    EXPECT_NE(message.find(cap), std::string::npos) << message;
    EXPECT_NE(message.find("memory::set_cap"), std::string::npos) << message;
  }
  EXPECT_EQ(current(), 32 * mib);
  memory::release(half);
  // The 32 MiB are cached now, too small to be reused, and must make room.
  Storage* most = memory::allocate(60 * mib);
  memory::release(most);
}

TEST_F(StorageTest, TheCapHoldsForSmallBlocks) {
  Storage* first = memory::allocate(100);
  memory::trim();
  memory::set_cap(memory::statistics().cached + 4 * mib);
  std::vector<Storage*> storages;
  std::string id = error_id([&] {
    for (int i = 0; i < 10'000; ++i) storages.push_back(memory::allocate(1024));
  });
  EXPECT_EQ(id, "memory-cap");
  EXPECT_GT(storages.size(), 3000u);
  EXPECT_LT(storages.size(), 4096u);
  for (Storage* storage : storages) memory::release(storage);
  storages.assign(1, memory::allocate(1024));
  memory::release(storages[0]);
  memory::release(first);
}

TEST_F(StorageTest, ACapThatTheBlockJustExceedsIsNamed) {
  if (!pooled) GTEST_SKIP() << "blocks are of the exact size";
  memory::release(memory::allocate(100));
  memory::trim();
  memory::set_cap(memory::statistics().cached + 10 * mib + 100);
  EXPECT_EQ(error_id([] { memory::release(memory::allocate(10 * mib)); }), "memory-cap");
}

TEST_F(StorageTest, CachedLargeBlocksMakeRoomForSmallOnes) {
  if (!pooled) GTEST_SKIP();
  Storage* large = memory::allocate(30 * mib);
  memory::release(large);
  memory::set_cap(memory::statistics().cached + 2 * mib);
  std::vector<Storage*> storages;
  for (int i = 0; i < 5000; ++i) storages.push_back(memory::allocate(2000));
  for (Storage* storage : storages) memory::release(storage);
}

TEST_F(StorageTest, TrimGivesEverythingBack) {
  std::vector<Storage*> storages;
  std::vector<void*> nodes;
  for (int i = 0; i < 5000; ++i) storages.push_back(memory::allocate(i * 17 % 70'000));
  for (int i = 0; i < 5000; ++i) nodes.push_back(memory::allocate_node());
  for (int i = 0; i < 4; ++i) storages.push_back(memory::allocate(20 * mib));
  for (Storage* storage : storages) memory::release(storage);
  for (void* node : nodes) memory::free_node(node);
  if (pooled) { EXPECT_GT(memory::statistics().cached, 80 * mib); }
  memory::trim();
  // A slab that is still being cut stays; there is one to a size class.
  EXPECT_LE(memory::statistics().cached, start_.cached + memory::detail::size_classes * 256 * kib);
  Storage* after = memory::allocate(1000);
  std::memset(after->data(), 1, 1000);
  memory::release(after);
}

TEST_F(StorageTest, TrimKeepsLiveBlocks) {
  for (size_t stride : {100u, 270u}) {  // several live blocks in a slab, and one
    std::vector<Storage*> storages;
    for (int i = 0; i < 3000; ++i) {
      storages.push_back(memory::allocate(900));
      std::memset(storages.back()->data(), i, 900);
    }
    for (size_t i = 0; i < storages.size(); ++i) {
      if (i % stride != 0) memory::release(storages[i]);
    }
    memory::trim();
    for (size_t i = 0; i < storages.size(); i += stride) {
      auto* data = storages[i]->data();
      EXPECT_TRUE(std::all_of(data, data + 900, [&](std::byte b) { return b == static_cast<std::byte>(i); }));
      memory::release(storages[i]);
    }
  }
}

TEST_F(StorageTest, CachedLargeBlocksAreBounded) {
  if (!pooled) GTEST_SKIP();
  EXPECT_GT(memory::cache_cap(), 0);
  memory::set_cache_cap(50 * mib);
  int64_t small = memory::statistics().cached;
  std::vector<Storage*> storages;
  for (int i = 0; i < 4; ++i) storages.push_back(memory::allocate(20 * mib));
  std::byte* newest = storages.back()->data();
  for (Storage* storage : storages) memory::release(storage);
  EXPECT_LE(memory::statistics().cached, small + 50 * mib + 100 * kib);
  EXPECT_GE(memory::statistics().cached, 40 * mib);
  Storage* again = memory::allocate(20 * mib);
  EXPECT_EQ(again->data(), newest);  // the oldest were given back
  memory::release(again);
  memory::set_cache_cap(0);
  EXPECT_LE(memory::statistics().cached, small + 100 * kib);
}

TEST_F(StorageTest, AbsurdSizesAreRefused) {
  for (int64_t bytes : {int64_t{1} << 62, INT64_MAX, INT64_MAX - 100, int64_t{1} << 48, int64_t{-1}, INT64_MIN}) {
    EXPECT_EQ(error_id([&] { memory::allocate(bytes); }), "memory-exhausted") << bytes;
  }
  try {
    memory::allocate(-8);
  } catch (const Error& error) { EXPECT_NE(std::string(error.what()).find("allocate: -8 B with"), std::string::npos); }
}

TEST_F(StorageTest, ExhaustedMemoryIsAnErrorAndTheProcessGoesOn) {
  if (sanitized) GTEST_SKIP();
  auto body = [] {
    rlimit limit{2 * gib, 2 * gib};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    if (error_id([] { memory::allocate(4 * gib); }) != "memory-exhausted") return 2;
    std::vector<Storage*> storages;
    if (error_id([&] {
          for (;;) storages.push_back(memory::allocate(100 * mib));
        }) != "memory-exhausted") {
      return 3;
    }
    if (storages.size() < 10) return 4;
    for (Storage* storage : storages) memory::release(storage);
    // All of it is cached now, in pieces too small: it has to be given back first.
    memory::release(memory::allocate(gib + 200 * mib));
    std::vector<Storage*> small;
    small.reserve(200'000);
    if (error_id([&] {
          for (;;) small.push_back(memory::allocate(60 * kib));
        }) != "memory-exhausted") {
      return 5;
    }
    for (Storage* storage : small) memory::release(storage);
    Storage* storage = memory::allocate(gib);
    std::memset(storage->data(), 1, static_cast<size_t>(mib));
    memory::release(storage);
    return 0;
  };
  EXPECT_EQ(in_child(body), 0);
}

TEST_F(StorageTest, BlocksOfMoreThan2To31Bytes) {
  int64_t bytes = (int64_t{1} << 31) + 4096;
  Storage* storage = memory::allocate(bytes);
  EXPECT_EQ(storage->bytes(), bytes);
  EXPECT_EQ(current(), bytes);
  storage->data()[0] = std::byte{1};
  storage->data()[bytes - 1] = std::byte{2};
  EXPECT_EQ(storage->data()[0], std::byte{1});
  memory::release(storage);
}

TEST_F(StorageTest, ForeignMemoryGoesBackOnce) {
  struct Owner {
    int released = 0;
    std::byte bytes[10] = {};
  } owner;
  auto deleter = [](void* argument) { ++static_cast<Owner*>(argument)->released; };
  Storage* storage = memory::adopt(owner.bytes, 10, deleter, &owner);
  EXPECT_EQ(storage->data(), owner.bytes);
  EXPECT_EQ(storage->bytes(), 10);
  EXPECT_TRUE(storage->foreign());
  EXPECT_EQ(current(), 0);
  memory::retain(storage);
  std::thread([&] { memory::release(storage); }).join();
  EXPECT_EQ(owner.released, 0);
  memory::release(storage);
  EXPECT_EQ(owner.released, 1);
  memory::release(memory::adopt(owner.bytes, 10, nullptr, nullptr));
  memory::set_cap(memory::statistics().cached + mib);  // headers come back: no need of more
  for (int i = 0; i < 20'000; ++i) { memory::release(memory::adopt(owner.bytes, 10, nullptr, nullptr)); }
  EXPECT_THROW(memory::adopt(owner.bytes, -1, deleter, &owner), Error);
  EXPECT_EQ(owner.released, 1);
}

TEST_F(StorageTest, ADeleterMayAllocateAndFree) {
  Storage* inner = memory::allocate(100);
  Storage* outer = memory::adopt(
      inner->data(), 100,
      [](void* argument) {
        memory::release(memory::allocate(50));
        memory::release(static_cast<Storage*>(argument));
      },
      inner);
  memory::release(outer);
  EXPECT_EQ(current(), 0);
}

TEST_F(StorageTest, ExportedIsAFlag) {
  Storage* storage = memory::allocate(10);
  storage->set_exported(true);
  EXPECT_TRUE(storage->exported());
  memory::release(storage);
  Storage* again = memory::allocate(10);
  EXPECT_FALSE(again->exported());
  memory::release(again);
}

TEST_F(StorageTest, TheAddressSanitizerSeesWrongUse) {
  if (!test::address_sanitized) GTEST_SKIP();
  for (int64_t bytes : {int64_t{100}, 10 * kib, 300 * kib}) {
    EXPECT_DEATH(
        {
          Storage* storage = memory::allocate(bytes);
          std::byte* data = storage->data();
          memory::release(storage);
          *const_cast<volatile std::byte*>(data);
        },
        "heap-use-after-free");
    EXPECT_DEATH(
        {
          Storage* storage = memory::allocate(bytes);
          *const_cast<volatile std::byte*>(storage->data() + bytes);
        },
        "heap-buffer-overflow");
  }
}

TEST_F(StorageTest, ThreadLocalObjectsMayFreeWhenTheirThreadEnds) {
  struct Holder {
    Storage* storage = nullptr;
    ~Holder() {
      if (storage != nullptr) memory::release(storage);
    }
  };
  auto work = [] {
    thread_local Holder holder;
    holder.storage = memory::allocate(300);
  };
  for (int i = 0; i < 20; ++i) std::thread(work).join();
  EXPECT_EQ(current(), 0);
}

TEST_F(StorageTest, ForkWhileOtherThreadsAllocate) {
  if (sanitized) GTEST_SKIP();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        memory::release(memory::allocate(100 * kib));
        Storage* many[40];
        for (Storage*& each : many) each = memory::allocate(50 * kib);
        for (Storage* each : many) memory::release(each);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(in_child([] {
                for (int64_t bytes : {100, 5000, 60'000, 100'000, 5'000'000}) {
                  Storage* storage = memory::allocate(bytes);
                  std::memset(storage->data(), 1, static_cast<size_t>(bytes));
                  memory::release(storage);
                }
                memory::trim();
                return 0;
              }),
              0);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
}

TEST_F(StorageTest, ManyThreadsAtOnce) {
  // Every thread fills what it allocates, hands some of it to others, and checks it before freeing.
  constexpr int threads = 16;
  std::atomic<Storage*> mailbox[64] = {};
  std::atomic<int> wrong{0};
  auto check_and_free = [&](Storage* storage) {
    std::byte mark = storage->data()[0];
    if (storage->data()[storage->bytes() - 1] != mark) ++wrong;
    memory::release(storage);
  };
  auto work = [&](int seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    for (int i = 0; i < 3000; ++i) {
      int64_t bytes = 1 + (random() % 20 == 0 ? random() % 300'000 : random() % 5000);
      Storage* storage = memory::allocate(bytes);
      storage->data()[0] = storage->data()[bytes - 1] = static_cast<std::byte>(i);
      Storage* other = mailbox[random() % 64].exchange(storage);
      if (other != nullptr) check_and_free(other);
      if (i % 1000 == 999) memory::trim();
      if (i % 500 == 0) memory::statistics();
    }
  };
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back(work, i);
  for (auto& thread : all) thread.join();
  for (auto& slot : mailbox) {
    if (Storage* storage = slot.load()) check_and_free(storage);
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(current(), 0);
}

}  // namespace
}  // namespace wengert
