// Plan: everything that an eager operation does, found out the first time it runs on operands of those layouts.
#pragma once

#include <memory>
#include <vector>

#include "wengert/backends/cpu/abi.h"
#include "wengert/compile/claims.hpp"
#include "wengert/compile/lower.hpp"
#include "wengert/trace/interpreter.hpp"

namespace wengert::cpu {

/// One kernel launch or library call. `buffers` are slots of the plan.
struct PlanStep {
  wg_kernel kernel = nullptr;                       // null: run the nest in plain C++
  std::shared_ptr<compile::Nest> nest;
  std::shared_ptr<compile::ClaimedCall> claimed;
  int operand_count = 0;                            // claimed: the first buffers; the rest are results
  std::vector<uint32_t> buffers;
  std::vector<int64_t> sizes;
  std::vector<std::pair<int, int>> runtime_sizes;
};

struct Plan {
  // What it is found by.
  const Primitive* primitive = nullptr;
  Params params;
  std::vector<const Layout*> inputs;
  uint64_t donated = 0;

  // What it does.
  std::vector<compile::Value> values;               // by slot
  std::vector<uint32_t> stored;                     // slots that get memory of their own
  std::vector<uint32_t> outputs;                    // slots
  std::vector<uint32_t> constants;                  // slots of constants that kernels read
  std::vector<PlanStep> steps;
  ProgramPtr program;
  bool direct = false;                              // one kernel over inputs and outputs, nothing else
};

/// Derives the plan of a primitive for operands of those layouts.
std::unique_ptr<Plan> make_plan(const Primitive& primitive, const Params& params, int runtime_count,
                                std::span<const Layout* const> inputs, uint64_t donated, const compile::LowerOptions& options);

/// Runs a plan. Donated inputs are unique and may come back as outputs.
void run_plan(const Plan& plan, Inputs in, const Runtimes& runtimes, std::span<Array> out);

}  // namespace wengert::cpu
