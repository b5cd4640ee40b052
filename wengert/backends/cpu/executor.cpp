#include "wengert/backends/cpu/executor.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

#include "wengert/array/fork.hpp"
#include "wengert/backends/cpu/claims.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/ops/operand.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/trace/bind.hpp"

namespace wengert::cpu {
namespace {

std::atomic<int64_t> plans_made{0};
constinit std::atomic<bool> claims_left{false};

/// How the operations of a thread are computed.
enum class Mode : uint8_t {
  claimed,  // by generated kernels and by the libraries that claim equations
  kernels,  // by generated kernels alone
  oracle,   // one equation at a time in plain C++
};

struct Manner {
  Mode mode = Mode::claimed;
  int64_t grain = worthwhile_grain;
  bool operator==(const Manner&) const = default;
};

/// Everything that a plan is found by.
struct Key {
  const Primitive& primitive;
  Inputs in;
  const Params& params;
  uint64_t donated;
  Manner manner;

  uint64_t hash() const {
    uint64_t h = reinterpret_cast<uintptr_t>(&primitive) ^ params.hash() ^ (donated << 48) ^
        static_cast<uint64_t>(manner.mode) ^ (static_cast<uint64_t>(manner.grain) << 20);
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
  Manner manner;
};

/// All plans of the process. Bounded: past the limit it begins anew, and threads keep what they hold.
class PlanTable {
 public:
  std::shared_ptr<const Plan> find_or_make(const Key& key, uint64_t hash, int runtime_count) {
    {
      std::lock_guard lock(mutex_);
      auto [begin, end] = plans_.equal_range(hash);
      for (auto it = begin; it != end; ++it) {
        if (it->second.manner == key.manner && key.matches(*it->second.plan)) return it->second.plan;
      }
    }
    const CallScope scope;
    std::vector<const Layout*> layouts;
    for (Node* x : key.in) layouts.push_back(x->layout);
    compile::LowerOptions options;
    options.fuse = key.manner.mode != Mode::oracle;
    if (key.manner.mode == Mode::claimed) options.claims = &all_claims();
    std::shared_ptr<const Plan> plan =
        make_plan(key.primitive, key.params, runtime_count, layouts, key.donated, options, key.manner.grain);
    plans_made.fetch_add(1, std::memory_order_relaxed);
    decltype(plans_) ended;  // without the lock
    std::lock_guard lock(mutex_);
    if (plans_.size() >= limit) ended.swap(plans_);
    plans_.emplace(hash, PlanEntry{plan, key.manner});
    return plan;
  }
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  static constexpr size_t limit = 1 << 14;
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
  Manner manner;
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
  const auto unlock = [] { table().unlock(); };
  handle_fork(ForkPlace::plans, {[] { table().lock(); }, unlock, unlock});
  return true;
}();

constexpr const char* nothing_to_plan_with = "the system has no memory left: wanted some to plan with; release arrays";

/// Throws again what says that there is no memory, with the operation that wanted it.
[[noreturn]] void no_memory(const Primitive& primitive, Inputs in, const char* id, std::string_view reason) try {
  std::string got;
  for (size_t i = 0; i < in.size(); ++i) {
    got += std::string(i ? ", " : ": ") + primitive.operands[std::min(i, primitive.operands.size() - 1)] + " " +
        to_string(*in[i]->layout->type);
  }
  throw Error(ErrorKind::memory, id, operation_name(primitive) + got + ": " + std::string(reason) + call_site());
} catch (const std::bad_alloc&) { throw_no_memory(operation_name(primitive)); }

void CpuExecutor::execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                          std::span<Array> out, uint64_t donated) try {
  for (Node* x : in) {
    if (x->tag != 0) check_alive(x);
  }
  ThreadPlans& plans = thread_plans();
  if (claims_left.load(std::memory_order_relaxed) && plans.manner.mode == Mode::claimed) [[unlikely]] {
    plans.manner.mode = Mode::kernels;
  }
  const Key key{primitive, in, params, donated, plans.manner};
  const uint64_t hash = key.hash();
  PlanEntry& entry = plans.entries[hash % ThreadPlans::count];
  if (!entry.plan || entry.manner != plans.manner || !key.matches(*entry.plan)) {
    entry.plan = table().find_or_make(key, hash, runtimes.size());
    entry.manner = plans.manner;
  }
  run_plan(*entry.plan, in, runtimes, out);
} catch (const Error& error) {
  constexpr std::string_view of_values = "allocate: ";
  const std::string_view text = error.what();
  if (error.kind() == ErrorKind::memory && text.starts_with(of_values)) {
    no_memory(primitive, in, error.id().c_str(), text.substr(of_values.size()));
  }
  if (is_no_memory_within(error)) no_memory(primitive, in, "memory-exhausted", nothing_to_plan_with);
  throw;  // the error of an operation within this one is complete
} catch (const std::bad_alloc&) { no_memory(primitive, in, "memory-exhausted", nothing_to_plan_with); }

}  // namespace

int64_t plan_count() { return plans_made.load(std::memory_order_relaxed); }

OracleScope::OracleScope() : saved_(static_cast<int>(std::exchange(thread_plans().manner.mode, Mode::oracle))) {}
OracleScope::~OracleScope() { thread_plans().manner.mode = static_cast<Mode>(saved_); }

KernelScope::KernelScope() : saved_(static_cast<int>(std::exchange(thread_plans().manner.mode, Mode::kernels))) {}
KernelScope::~KernelScope() { thread_plans().manner.mode = static_cast<Mode>(saved_); }

void leave_claims() noexcept { claims_left.store(true, std::memory_order_relaxed); }

GrainScope::GrainScope(int64_t grain) : saved_(std::exchange(thread_plans().manner.grain, grain)) {}
GrainScope::~GrainScope() { thread_plans().manner.grain = saved_; }

}  // namespace wengert::cpu
