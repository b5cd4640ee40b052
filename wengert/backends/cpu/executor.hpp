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

}  // namespace wengert::cpu
