// The system's C compiler as a way to make kernels: the fallback where the plug-in is not
// installed.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "wengert/backends/cpu/kernel_key.hpp"

namespace wengert::cpu {

/// A C compiler found on this machine.
struct SystemCompiler {
  std::string path;
  std::string identity;  // changes when the program behind `path` does; part of the disk cache's key
};

/// The compilers that $WENGERT_CC, or else cc, gcc and clang on PATH, name: the best first, each
/// program once.
std::vector<SystemCompiler> find_system_compilers();

struct SystemCompileResult {
  enum class Status { compiled, rejected, failed } status;  // failed: the compiler itself does not work
  std::string shared_object;
  std::string message;
};

/// Compiles `text` to a shared object. Runs the compiler without a shell, in a temporary folder
/// inside one of `scratch_parents`, and kills it with its children when it takes longer than
/// `limit`.
SystemCompileResult compile_with_system(const SystemCompiler& compiler, std::string_view text,
                                        const std::vector<std::string>& scratch_parents,
                                        std::chrono::milliseconds limit);

}  // namespace wengert::cpu
