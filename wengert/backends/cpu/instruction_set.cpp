#include "wengert/backends/cpu/instruction_set.hpp"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "wengert/array/error.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace wengert::cpu {
namespace {

#if defined(__x86_64__)

InstructionSet level_of_cpu() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
      __builtin_cpu_supports("movbe");
  if (!avx2) return InstructionSet::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? InstructionSet::avx512 : InstructionSet::avx2;
}

/// Vendor, model and features as the CPU states them: what a compiler derives its "native" from.
std::string identity_of_cpu() {
  std::string identity = "x86-64";
  const auto append = [&](uint32_t word) { identity += ' ' + std::to_string(word); };
  uint32_t a = 0, b = 0, c = 0, d = 0;
  __cpuid(0, a, b, c, d);
  const uint32_t leaves = a;
  append(b), append(c), append(d);
  __cpuid(1, a, b, c, d);  // b holds the number of the core that we happen to run on
  append(a), append(c), append(d);
  if (leaves >= 7) {
    __cpuid_count(7, 0, a, b, c, d);
    append(b), append(c), append(d);
    __cpuid_count(7, 1, a, b, c, d);
    append(a), append(d);
  }
  __cpuid(0x80000001, a, b, c, d);
  append(c), append(d);
  if (__builtin_cpu_supports("avx")) {  // which registers the operating system saves
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    append(low);
  }
  return identity;
}

#else

InstructionSet level_of_cpu() { return InstructionSet::baseline; }

std::string identity_of_cpu() {
  std::string identity;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) identity += line + '\n';
  return identity;
}

#endif

InstructionSet read_target() {
  const char* name = std::getenv("WENGERT_ISA");
  if (name == nullptr || *name == '\0') return InstructionSet::native;
  const std::string_view wanted = name;
  const InstructionSet best = level_of_cpu();
  const auto known = [&] {
    if (wanted == "baseline") return InstructionSet::baseline;
    if (wanted == "avx2") return InstructionSet::avx2;
    if (wanted == "avx512") return InstructionSet::avx512;
    throw Error(ErrorKind::value, "instruction-set",
                "WENGERT_ISA: got '" + std::string(wanted) +
                    "': wanted baseline, avx2 or avx512; unset it to use all that this CPU has");
  }();
  if (known > best) {
    throw Error(ErrorKind::value, "instruction-set",
                "WENGERT_ISA: got '" + std::string(wanted) +
                    "': wanted a level that this CPU has; unset it to use the best one");
  }
  return known;
}

}  // namespace

InstructionSet target_instruction_set() {
  static const InstructionSet target = read_target();
  return target;
}

InstructionSet best_level() {
  const InstructionSet target = target_instruction_set();
  return target == InstructionSet::native ? level_of_cpu() : target;
}

const std::string& target_identity() {
  static const std::string& identity = *new std::string([] {
    switch (target_instruction_set()) {
      case InstructionSet::baseline: return std::string("x86-64");
      case InstructionSet::avx2: return std::string("x86-64-v3");
      case InstructionSet::avx512: return std::string("x86-64-v4");
      case InstructionSet::native: break;
    }
    return identity_of_cpu();
  }());  // static objects may compute at exit
  return identity;
}

}  // namespace wengert::cpu
