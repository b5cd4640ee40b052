#include "wengert/diff/jvp.hpp"

namespace wengert::diff {

Derivative push_forward(const ArrayFunction& f, std::span<const Array> primals, std::span<const Array> tangents,
                        const Label& label) {
  auto [values, derivatives] = jvp_through(f, primals, tangents, label);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!derivatives[i].defined() && has_tangent(values[i])) derivatives[i] = zeros_of(values[i].type());
  }
  return {std::move(values), std::move(derivatives)};
}

VjpResult run_with_tape(const ArrayFunction& f, const Arguments& arguments, const Label& label) {
  return vjp_through(f, arguments.leaves, arguments.active.span(), label);
}

std::vector<Array> pull_back(Pullback& pullback, std::span<const Array> cotangents, const Arguments& arguments) {
  std::vector<Array> result = pullback(cotangents);
  fill_zeros(result, arguments);
  return result;
}

}  // namespace wengert::diff
