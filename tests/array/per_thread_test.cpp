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

/// Ends before what per_thread made, whichever was first.
struct Object {
  int* seen;
  explicit Object(int* to) : seen(to) {}
  ~Object() { *seen = per_thread<Counter>().value++; }
};

TEST(PerThread, IsEachThreadsOwnAndOutlivesItsObjects) {
  per_thread<Counter>().value = 5;
  const int others = Counter::alive;
  int seen = -1, before = -1, alive = -1;
  std::thread([&] {
    thread_local Object object(&seen);
    before = per_thread<Counter>().value;
    per_thread<Counter>().value = 7;
    alive = Counter::alive;
  }).join();
  EXPECT_EQ(before, 0);
  EXPECT_EQ(alive, others + 1);
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(per_thread<Counter>().value, 5);
  EXPECT_EQ(Counter::alive, others);
}

/// Asks for another's state, and for its own kind, when it ends.
struct Needy {
  static inline int ended = 0;
  bool asks = true;
  ~Needy() {
    ++ended;
    per_thread<Counter>().value = 1;
    if (asks) per_thread<Needy>().asks = false;
  }
};

TEST(PerThread, WhatIsMadeAtTheEndEndsToo) {
  const int others = Counter::alive;
  std::thread([] { per_thread<Needy>(); }).join();
  EXPECT_EQ(Needy::ended, 2);
  EXPECT_EQ(Counter::alive, others);
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
