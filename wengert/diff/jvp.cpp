#include "wengert/diff/jvp.hpp"

#include <algorithm>

namespace wengert::diff {

Derivative push_forward(const ArrayFunction& f, std::span<const Array> primals, std::span<const Array> tangents,
                        const std::string& label) {
  auto [values, derivatives] = jvp_through(f, primals, tangents, label);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!derivatives[i].defined() && has_tangent(values[i])) derivatives[i] = zeros_of(values[i].type());
  }
  return {std::move(values), std::move(derivatives)};
}

VjpResult run_with_tape(const ArrayFunction& f, const Arguments& arguments, const std::string& label) {
  const auto active = std::make_unique<bool[]>(arguments.active.size());
  std::copy(arguments.active.begin(), arguments.active.end(), active.get());
  return vjp_through(f, arguments.leaves, {active.get(), arguments.active.size()}, label);
}

std::vector<Array> pull_back(Pullback& pullback, std::span<const Array> cotangents, const Arguments& arguments) {
  std::vector<Array> result = pullback(cotangents);
  fill_zeros(result, arguments);
  return result;
}

}  // namespace wengert::diff
