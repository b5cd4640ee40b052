// Program -> Program steps that know no primitive by name: bodies in place of composites, equal equations once,
// nothing that no output needs.
#pragma once

#include <functional>

#include "wengert/program/primitive.hpp"
#include "wengert/program/program.hpp"

namespace wengert {

/// Replaces every composite by its body, to the bottom, except those that `keep` wants whole (claims).
ProgramPtr inline_composites(const Program& program, const std::function<bool(const Equation&)>& keep = {});

/// Replaces the composites that depend on an input from number `first_linear_input` on by their bodies, to the bottom.
/// Those that do not stay whole.
ProgramPtr inline_linear_composites(ProgramPtr program, int first_linear_input);

/// Common subexpressions and dead code. Equations whose operands, parameters and primitive are equal become one.
ProgramPtr simplify(const Program& program);

/// Without the inputs that neither equations nor outputs use; `kept` gets the numbers of the others.
ProgramPtr drop_unused_inputs(const Program& program, std::vector<int>& kept);

/// By variable: whether it depends, through inexact values, on an input from number `first_linear_input` on.
std::vector<bool> linear_variables(const Program& program, int first_linear_input);

}  // namespace wengert
