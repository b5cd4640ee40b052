#include "wengert/backends/cpu/executor.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "wengert/backends/cpu/plan.hpp"
#include "wengert/program/primitive.hpp"

namespace wengert::cpu {
namespace {

std::atomic<int64_t> plans_made{0};

/// Everything that a plan is found by.
struct Key {
  const Primitive& primitive;
  Inputs in;
  const Params& params;
  uint64_t donated;
  bool oracle;

  uint64_t hash() const {
    uint64_t h = reinterpret_cast<uintptr_t>(&primitive) ^ params.hash() ^ (donated << 48) ^ static_cast<uint64_t>(oracle);
    for (Node* x : in) h = (h ^ reinterpret_cast<uintptr_t>(x->layout)) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
  }
  bool matches(const Plan& plan) const {
    if (plan.primitive != &primitive || plan.inputs.size() != in.size() || plan.donated != donated) return false;
    for (size_t i = 0; i < in.size(); ++i) {
      if (plan.inputs[i] != in[i]->layout) return false;
    }
    return plan.params == params;
  }
};

struct PlanEntry {
  std::shared_ptr<const Plan> plan;
  bool oracle = false;
};

/// All plans of the process. Bounded: past the limit it begins anew, and threads keep what they hold.
class PlanTable {
 public:
  std::shared_ptr<const Plan> find_or_make(const Key& key, uint64_t hash, int runtime_count) {
    {
      std::lock_guard lock(mutex_);
      auto [begin, end] = plans_.equal_range(hash);
      for (auto it = begin; it != end; ++it) {
        if (it->second.oracle == key.oracle && key.matches(*it->second.plan)) return it->second.plan;
      }
    }
    std::vector<const Layout*> layouts;
    for (Node* x : key.in) layouts.push_back(x->layout);
    compile::LowerOptions options;
    options.fuse = !key.oracle;
    std::shared_ptr<const Plan> plan = make_plan(key.primitive, key.params, runtime_count, layouts, key.donated, options);
    plans_made.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    if (plans_.size() >= limit) plans_.clear();
    plans_.emplace(hash, PlanEntry{plan, key.oracle});
    return plan;
  }

 private:
  static constexpr size_t limit = 1 << 16;
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, PlanEntry> plans_;
};
PlanTable& table() {
  static auto* plans = new PlanTable;
  return *plans;
}

/// A thread's own direct-mapped cache before the table.
struct ThreadPlans {
  static constexpr size_t count = 1024;
  std::array<PlanEntry, count> entries;
  bool oracle = false;   // run the plain evaluator
};

ThreadPlans& thread_plans() { return thread().plans.get<ThreadPlans>(); }

class CpuExecutor final : public Executor {
 public:
  void execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
               std::span<Array> out, uint64_t donated) override;
};

const bool registered = [] {
  static auto* executor = new CpuExecutor;
  set_executor(executor);
  return true;
}();

void CpuExecutor::execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                          std::span<Array> out, uint64_t donated) {
  for (Node* x : in) {
    if (x->tag != 0) check_alive(x);
  }
  ThreadPlans& plans = thread_plans();
  const Key key{primitive, in, params, donated, plans.oracle};
  const uint64_t hash = key.hash();
  PlanEntry& entry = plans.entries[hash % ThreadPlans::count];
  if (!entry.plan || entry.oracle != plans.oracle || !key.matches(*entry.plan)) {
    entry.plan = table().find_or_make(key, hash, runtimes.size());
    entry.oracle = plans.oracle;
  }
  run_plan(*entry.plan, in, runtimes, out);
}

}  // namespace

int64_t plan_count() { return plans_made.load(std::memory_order_relaxed); }

OracleScope::OracleScope() : saved_(std::exchange(thread_plans().oracle, true)) {}
OracleScope::~OracleScope() { thread_plans().oracle = saved_; }

}  // namespace wengert::cpu
