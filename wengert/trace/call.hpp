// call: a program as one equation. One eager plan, one kernel where it fuses; its rules are those of its body.
#pragma once

#include "wengert/trace/bind.hpp"

namespace wengert {

extern const Primitive call_primitive;

/// The static parameters of a call; kept by whoever calls the same program again.
Params call_params(ProgramPtr program, std::string name = "");

/// Applies `program` as one equation under the current interpreter.
std::vector<Array> call(const Params& params, std::span<const Array> inputs,
                        const Runtimes& runtimes = detail::no_runtimes);

}  // namespace wengert
