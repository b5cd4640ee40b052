// Another compiler of kernels, for the length of a test.
#pragma once

#include "wengert/backends/cpu/kernels.hpp"

namespace wengert::test {

/// That choice while it lives, the automatic one afterwards.
class CompilerScope {
 public:
  explicit CompilerScope(cpu::CompilerChoice choice) { cpu::set_compiler(choice); }
  ~CompilerScope() { cpu::set_compiler(cpu::CompilerChoice::automatic); }
  CompilerScope(const CompilerScope&) = delete;
};

}  // namespace wengert::test
