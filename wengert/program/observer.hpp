// Watching programs being made. The tests check every program with it; nothing else needs it.
#pragma once

#include "wengert/program/program.hpp"

namespace wengert {

/// `observer` is called with every program when its construction ends, on the constructing thread; it must not throw.
/// A null pointer ends that.
void set_program_observer(void (*observer)(const Program& program));

}  // namespace wengert
