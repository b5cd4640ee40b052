// Every program that any test makes is held to its rules and goes through its text: verified, printed, parsed and
// compared, text and hash, when its construction ends. A program that fails makes the running test fail.
#include "tests/round_trip.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "wengert/program/observer.hpp"

namespace wengert::test {
namespace {

/// The keys of the programs that have passed.
struct Passed {
  std::mutex mutex;
  std::unordered_set<uint64_t> keys;
};
Passed& passed() {
  static Passed* const passed = new Passed;  // never destroyed: threads may outlive main
  return *passed;
}

/// The hash of a program does not count the types of results, which follow from the rest in one that is right.
uint64_t key_of(const Program& program) {
  uint64_t key = program.hash();
  for (uint32_t v = 0; v < program.variable_count(); ++v) key = hash_combine(key, program.type(v)->hash);
  return key;
}

/// The constants of the program and of the programs in it.
void gather_constants(const Program& program, std::vector<Array>& constants) {
  constants.insert(constants.end(), program.constants().begin(), program.constants().end());
  for (const Equation& e : program.equations()) {
    const Params& params = program.params(e);
    for (int i = 0; i < params.size(); ++i) {
      if (const auto* inner = std::get_if<ProgramPtr>(&params[i])) gather_constants(**inner, constants);
    }
  }
}

/// What is wrong with the program or with what its text comes back as; nothing: all is right.
std::string fault_of(const Program& program) {
  try {
    verify(program);
    std::vector<Array> constants;
    gather_constants(program, constants);
    const std::string text = to_string(program);
    const ProgramPtr parsed = parse_program(text, constants);
    if (to_string(*parsed) != text) return "its text comes back as\n" + to_string(*parsed);
    if (parsed->hash() != program.hash()) return "its text comes back with another hash";
    if (!(*parsed == program)) return "its text comes back as another program";
    return "";
  } catch (const std::exception& error) { return error.what(); }
}

thread_local bool unchecked = false;

void check(const Program& program) {
  if (unchecked) return;
  const uint64_t key = key_of(program);
  {
    const std::lock_guard lock(passed().mutex);
    if (passed().keys.contains(key)) return;
  }
  const std::string fault = [&] {
    const UncheckedPrograms scope;  // the parser makes programs too
    return fault_of(program);
  }();
  if (!fault.empty()) {
    ADD_FAILURE() << to_string(program) << "\n" << fault;
    return;
  }
  const std::lock_guard lock(passed().mutex);
  passed().keys.insert(key);
}

class CheckPrograms : public ::testing::Environment {
 public:
  void SetUp() override { set_program_observer(check); }
  void TearDown() override { set_program_observer(nullptr); }
};
const auto* const environment = ::testing::AddGlobalTestEnvironment(new CheckPrograms);

}  // namespace

UncheckedPrograms::UncheckedPrograms() : before_(std::exchange(unchecked, true)) {}
UncheckedPrograms::~UncheckedPrograms() { unchecked = before_; }

int64_t programs_checked() {
  const std::lock_guard lock(passed().mutex);
  return static_cast<int64_t>(passed().keys.size());
}

}  // namespace wengert::test
