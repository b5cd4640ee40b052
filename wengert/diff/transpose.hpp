// Transposition: a program that is linear in some inputs, run backwards. Reverse mode is this and nothing else.
#pragma once

#include "wengert/trace/bind.hpp"

namespace wengert::diff {

/// Binds, under the current interpreter, the transposes of the linear equations of `program`, last one first.
/// `linear` says which variables are linear, `known` holds the values of the others that transposes may ask for.
/// `outputs` are the cotangents of the program's outputs (undefined: zero). `cotangents`, by variable, may hold
/// accumulators at first and holds the cotangents of the linear inputs afterwards (undefined: zero).
void transpose_equations(const Program& program, const std::vector<bool>& linear, std::span<const Array> known,
                         std::span<const Array> outputs, std::vector<Array>& cotangents);

}  // namespace wengert::diff
