// Plan: everything that an eager operation does, found out the first time it runs on operands of those layouts.
#pragma once

#include <memory>
#include <vector>

#include "wengert/backends/cpu/abi.h"
#include "wengert/compile/claims.hpp"
#include "wengert/compile/lower.hpp"
#include "wengert/trace/interpreter.hpp"

namespace wengert::cpu {

/// An address of a launch: bytes after one of its blocks. Blocks are the inputs, then the memory that the plan
/// allocates, then constants.
struct Place {
  uint32_t block = 0;
  int64_t bytes = 0;
  std::vector<std::pair<int, int64_t>> runtime_bytes;  // (runtime parameter, bytes that one of it is worth)
};

/// One kernel launch or library call.
struct PlanStep {
  wg_kernel kernel = nullptr;           // null: run the nest in plain C++
  std::shared_ptr<compile::Nest> nest;  // also of kernels that check indices: it says which one failed
  std::shared_ptr<compile::ClaimedCall> claimed;
  size_t operand_count = 0;  // claimed: the first buffers; the rest are results
  std::vector<Place> buffers;
  std::vector<int64_t> sizes;
  std::vector<std::pair<int, int>> runtime_sizes;  // (position in sizes, runtime parameter)
};

/// An output: a block, or a view of one.
struct PlanOutput {
  Place place;
  const Layout* layout = nullptr;
};

struct Plan {
  // What it is found by.
  const Primitive* primitive = nullptr;
  Params params;
  std::vector<const Layout*> inputs;
  uint64_t donated = 0;

  // What it does.
  std::vector<const Layout*> allocated;  // blocks that the plan allocates
  std::vector<Array> constants;
  std::vector<PlanStep> steps;
  std::vector<PlanOutput> outputs;
  bool direct = false;  // one kernel over inputs and one output, nothing else
  bool views = false;   // nothing to compute: outputs are views of inputs
};

/// Additions below which a parallel region costs more than it saves; measured by benchmarks/threads_benchmark.
inline constexpr int64_t worthwhile_grain = 1 << 17;

/// Derives the plan of a primitive for operands of those layouts. Parallel loops are cut into chunks of `grain`
/// additions at least.
std::unique_ptr<Plan> make_plan(const Primitive& primitive, const Params& params, int runtime_count,
                                std::span<const Layout* const> inputs, uint64_t donated,
                                const compile::LowerOptions& options, int64_t grain = worthwhile_grain);

/// Runs a plan. Donated inputs are unique and may come back as outputs.
void run_plan(const Plan& plan, Inputs in, const Runtimes& runtimes, std::span<Array> out);

}  // namespace wengert::cpu
