#include "wengert/train/machine.hpp"

#include <fstream>
#include <set>
#include <thread>

#include "wengert/backends/cpu/instruction_set.hpp"
#include "wengert/backends/cpu/threads.hpp"

namespace wengert::train {
namespace {

struct Processor {
  std::string model = "unknown";
  size_t cores = 0;  // 0: not stated
};

/// As /proc/cpuinfo states it: one paragraph of "name : value" for each hardware thread.
Processor read_processor() {
  Processor processor;
  std::set<std::pair<std::string, std::string>> cores;
  std::string package;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) continue;
    const std::string name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1),
                      value = line.substr(colon + 2);
    if (name == "model name") processor.model = value;
    if (name == "physical id") package = value;
    if (name == "core id") cores.emplace(package, value);
  }
  processor.cores = cores.size();
  return processor;
}

std::string counted(size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string cores_text(const Processor& processor) {
  const size_t hardware = std::thread::hardware_concurrency(), used = static_cast<size_t>(cpu::threads());
  const std::string cores = processor.cores > 0 ? counted(processor.cores, "core") + ", " : "";
  return cores + counted(hardware, "hardware thread") + "; Wengert uses " + counted(used, "thread");
}

std::string instructions_text() {
  std::string text;
  switch (cpu::best_level()) {
    case cpu::InstructionSet::avx2: text = "AVX2"; break;
    case cpu::InstructionSet::avx512: text = "AVX-512"; break;
    default: text = "those of every x86-64"; break;
  }
  return cpu::target_instruction_set() == cpu::InstructionSet::native ? text : text + " (set by WENGERT_ISA)";
}

std::string compiler_text() {
#if defined(__clang__)
  return __VERSION__;  // begins with its name
#else
  return "GCC " __VERSION__;
#endif
}

}  // namespace

std::vector<std::pair<std::string, std::string>> machine_facts() {
  const Processor processor = read_processor();
  return {{"processor", processor.model},
          {"cores", cores_text(processor)},
          {"instructions", instructions_text()},
          {"compiler", compiler_text()},
          {"Wengert", WENGERT_VERSION}};
}

}  // namespace wengert::train
