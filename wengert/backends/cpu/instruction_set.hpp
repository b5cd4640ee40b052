// Which instructions kernels may use on this machine.
#pragma once

#include <string>

namespace wengert::cpu {

/// Levels that kernels are compiled for. The named ones are the x86-64 psABI's; `native` is
/// everything this CPU has.
enum class InstructionSet { baseline, avx2, avx512, native };

/// What kernels are compiled for in this process: `native`, unless the environment variable
/// WENGERT_ISA names a lower level (baseline, avx2, avx512). Throws Error(value) for another name
/// or a level that this CPU lacks.
InstructionSet target_instruction_set();

/// The best of baseline, avx2 and avx512 that both this CPU and target_instruction_set() allow.
InstructionSet best_level();

/// A text that is equal on two machines when code compiled for the target of one runs, and is what
/// would have been compiled, on the other: part of every disk cache key.
const std::string& target_identity();

}  // namespace wengert::cpu
