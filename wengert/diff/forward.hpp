// Forward mode: values that carry a tangent.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "wengert/array/array.hpp"
#include "wengert/trace/label.hpp"

namespace wengert::diff {

using ArrayFunction = std::function<std::vector<Array>(std::span<const Array>)>;

/// f at `primals` and its derivative along `tangents` (undefined: zero), under the current interpreter.
/// Outputs that do not depend on an active input have an undefined tangent.
std::pair<std::vector<Array>, std::vector<Array>> jvp_through(const ArrayFunction& f, std::span<const Array> primals,
                                                              std::span<const Array> tangents, Label label = {});

}  // namespace wengert::diff
