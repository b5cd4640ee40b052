// From C text to a function: where every kernel of the CPU comes from. Looked up, in this order,
// among the kernels built into the library, those of this process and those of the disk cache; then
// compiled, by the plug-in or the system's cc.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "wengert/backends/cpu/abi.h"
#include "wengert/backends/cpu/kernel_key.hpp"

namespace wengert::cpu {

/// The compiled kernel of `text`: a complete C11 translation unit that begins with the ABI's
/// declarations and defines wg_kernel, a function of the type `wg_kernel` in abi.h, with every
/// other symbol static. It may include <stdint.h> and <stddef.h> and nothing else. The function is
/// valid until the process ends; callers keep it. Several threads may ask at once; a text is
/// compiled once. nullptr when there is no compiler: the caller evaluates then, and a warning was
/// printed once. Throws Error(compiler) when a compiler rejects the text: the message holds its
/// first complaint and the name of a file with the text. Throws Error(value) when WENGERT_COMPILER,
/// WENGERT_ISA or WENGERT_CACHE_MIB hold what they cannot.
wg_kernel find_kernel(std::string_view text);

/// Makes find_kernel of each of `texts` immediate: those not known yet are compiled side by side,
/// on as many threads as there are processors. Errors as find_kernel.
void prepare_kernels(std::span<const std::string> texts);

/// A kernel compiled ahead of time: one function per instruction set, null where that was not
/// built.
struct PrebuiltKernel {
  uint64_t low, high;  // kernel_key of its text
  wg_kernel baseline;  // any x86-64, or the machine that the library is built for
  wg_kernel avx2;      // x86-64-v3
  wg_kernel avx512;    // x86-64-v4
};

/// Adds to the table of kernels compiled ahead of time; of each, the best that this CPU can run is
/// used. Called by static objects in generated sources; the span's memory is not kept.
void register_prebuilt(std::span<const PrebuiltKernel> kernels);

/// How often kernels came from where, since the process started; for tests and `inspect`.
struct KernelStatistics {
  int64_t prebuilt = 0;         // find_kernel answered from the table
  int64_t memory = 0;           // ... from this process
  int64_t disk = 0;             // loaded from the disk cache
  int64_t compiled_plugin = 0;  // compiled by the plug-in
  int64_t compiled_system = 0;  // compiled by the system's compiler
  int64_t missing = 0;          // find_kernel answered nullptr
  double compile_seconds = 0;   // spent in compilers, their loading included, summed over threads
};
KernelStatistics kernel_statistics();

/// `observer` is called with every text that find_kernel or prepare_kernels is asked for, on the
/// asking thread. The build collects what to prebuild with it. An empty function ends that.
void set_kernel_observer(std::function<void(std::string_view)> observer);

enum class CompilerChoice {
  automatic,  // the plug-in, else the system's compiler
  plugin,     // only the plug-in
  system,     // only the system's compiler
  none        // no compiler and no disk cache: prebuilt kernels and those of this process
};

/// Chooses the compiler from now on; the default is what the environment variable WENGERT_COMPILER
/// says (auto, clang, cc or none), else automatic. Whoever chooses none here gets no warning.
void set_compiler(CompilerChoice choice);

}  // namespace wengert::cpu
