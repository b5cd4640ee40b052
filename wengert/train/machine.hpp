// What a run was computed on and with: facts for a report.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace wengert::train {

/// Name and value of each fact, in the order in which a reader wants them: processor (its model's name), cores (with
/// the threads that Wengert uses of them), instructions, compiler (of the library), Wengert (its version). Errors:
/// value, where WENGERT_ISA holds what it cannot.
std::vector<std::pair<std::string, std::string>> machine_facts();

}  // namespace wengert::train
