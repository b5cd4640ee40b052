#include "wengert/array/per_thread.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

struct Counter {
  int value = 0;
  static inline int alive = 0;
  Counter() { ++alive; }
  ~Counter() { --alive; }
};

/// Made before the thread's Counter, so it ends after it.
struct Later {
  int* seen;
  explicit Later(int* to) : seen(to) {}
  ~Later() { *seen = per_thread<Counter>().value++; }
};

TEST(PerThread, IsEachThreadsOwnAndNewAfterItsEnd) {
  per_thread<Counter>().value = 5;
  const int others = Counter::alive;
  int seen = -1, before = -1, alive = -1;
  std::thread([&] {
    thread_local Later later(&seen);
    before = per_thread<Counter>().value;
    per_thread<Counter>().value = 7;
    alive = Counter::alive;
  }).join();
  EXPECT_EQ(before, 0);
  EXPECT_EQ(alive, others + 1);
  EXPECT_EQ(seen, 0) << "7 is the one that has ended";
  EXPECT_EQ(per_thread<Counter>().value, 5);
  EXPECT_EQ(Counter::alive, others + 1) << "of the thread, the one that its last destructor made";
}

/// What it computes needs static parameters, as most operations do.
double total() {
  double result = 0;
  for (int64_t i = 1; i < 100; ++i) {
    result += static_cast<double>(sum(reshape(ones({i}), {i, 1}), {0}).to_vector<float>()[0]);
  }
  return result;
}

struct ComputesAtItsEnd {
  double* result;
  ~ComputesAtItsEnd() { *result = total(); }
};

TEST(PerThread, DestructorsOfAThreadsObjectsCompute) {
  double at_end = 0;
  std::thread([&] {
    thread_local ComputesAtItsEnd object{&at_end};
    static_cast<void>(&object);
    EXPECT_EQ(total(), 4950);
  }).join();
  EXPECT_EQ(at_end, 4950);
}

}  // namespace
}  // namespace wengert
