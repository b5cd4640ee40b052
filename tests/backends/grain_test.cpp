// GrainScope: what lets tests run small shapes in many chunks.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/program/primitive.hpp"

namespace wengert::cpu {
namespace {

/// Iterations of tanh's loop over 1,000 elements, and of one chunk of it.
std::pair<int64_t, int64_t> loop_of(int64_t grain) {
  const Layout* layouts[] = {Layout::contiguous_of(Type::of(float32, {1000}))};
  const auto plan = make_plan(*find_primitive("tanh"), {}, 0, layouts, 0, {}, grain);
  const std::vector<int64_t>& sizes = plan->steps.at(0).sizes;
  return {sizes.at(0), sizes.at(1)};
}

TEST(GrainScope, SaysHowLongAChunkIs) {
  EXPECT_EQ(loop_of(1), (std::pair<int64_t, int64_t>(1000, 4))) << "1,000 iterations in 250 of the at most 256 chunks";
  const auto [iterations, chunk] = loop_of(worthwhile_grain);
  EXPECT_GE(chunk, iterations) << "too little work for a second thread";
}

int64_t plans_of_tanh(const Array& x) {
  const int64_t before = plan_count();
  tanh(x);
  return plan_count() - before;
}

/// A plan of one grain is never taken for another's, and the scope ends with its block and is that of its thread.
TEST(GrainScope, HasPlansOfItsOwn) {
  const Array x = full({7, 31}, 0.5f);
  EXPECT_EQ(plans_of_tanh(x), 1);
  {
    const GrainScope one(1);
    EXPECT_EQ(plans_of_tanh(x), 1);
    {
      const GrainScope more(100);
      EXPECT_EQ(plans_of_tanh(x), 1);
      const KernelScope ours;
      EXPECT_EQ(plans_of_tanh(x), 1) << "of that grain, and without libraries";
      EXPECT_EQ(plans_of_tanh(x), 0);
    }
    EXPECT_EQ(plans_of_tanh(x), 0) << "the outer scope's again";
    std::thread([&] { EXPECT_EQ(plans_of_tanh(x), 0) << "another thread has its usual grain"; }).join();
  }
  EXPECT_EQ(plans_of_tanh(x), 0) << "the usual one again";
}

}  // namespace
}  // namespace wengert::cpu
