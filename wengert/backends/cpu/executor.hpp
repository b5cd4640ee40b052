// The eager executor: looks the plan of an operation up and launches it.
#pragma once

#include "wengert/trace/interpreter.hpp"

namespace wengert::cpu {

/// Number of plans derived since the process started; for tests.
int64_t plan_count();

/// Runs every operation one equation at a time in plain C++ on the calling thread: the oracle of the tests.
class OracleScope {
 public:
  OracleScope();
  ~OracleScope();
  OracleScope(const OracleScope&) = delete;

 private:
  int saved_;
};

/// Runs every operation of this thread by generated kernels alone: no library claims any.
class KernelScope {
 public:
  KernelScope();
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;

 private:
  int saved_;
};

/// All threads compute by generated kernels alone from now on: for the end of the process, when the static objects of a
/// library that claims equations are about to go and those of the user may still compute.
void leave_claims() noexcept;

/// Cuts the parallel loops of this thread's kernels into chunks of `grain` additions at least (1: one iteration each),
/// so that tests run small shapes in many chunks. Chunks are those of a loop, not of its threads: their number is the
/// same on any number of threads.
class GrainScope {
 public:
  explicit GrainScope(int64_t grain);
  ~GrainScope();
  GrainScope(const GrainScope&) = delete;

 private:
  int64_t saved_;
};

}  // namespace wengert::cpu
