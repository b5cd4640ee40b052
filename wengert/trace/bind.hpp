// bind: the one door through which every operation goes.
#pragma once

#include <array>
#include <vector>

#include "wengert/program/primitive.hpp"
#include "wengert/program/program.hpp"
#include "wengert/trace/interpreter.hpp"

namespace wengert {

namespace detail {
/// Throws Error(state, "array-undefined").
[[noreturn]] void undefined_operand(const Primitive& primitive);
}  // namespace detail

/// Applies `primitive` under the current interpreter; eager when there is none.
inline void bind_into(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                      std::span<Array> out) {
  Thread& state = thread();
  for (Node* x : in) {
    if (!x) [[unlikely]]
      detail::undefined_operand(primitive);
  }
  if (state.current) state.current->bind(primitive, in, params, runtimes, out);
  else executor().execute(primitive, in, params, runtimes, out);
}

namespace detail {
inline const Runtimes no_runtimes{};
inline const Params no_params{};
}  // namespace detail

/// For primitives with one output.
inline Array bind(const Primitive& primitive, std::initializer_list<Node*> in, const Params& params = detail::no_params,
                  const Runtimes& runtimes = detail::no_runtimes) {
  Array out;
  bind_into(primitive, Inputs(in.begin(), in.size()), params, runtimes, {&out, 1});
  return out;
}
inline Array bind(const Primitive& primitive, std::span<const Array> in, const Params& params = detail::no_params,
                  const Runtimes& runtimes = detail::no_runtimes) {
  Array out;
  bind_into(primitive, as_inputs(in), params, runtimes, {&out, 1});
  return out;
}
inline Array bind(const Primitive& primitive, const Array& x, const Params& params = detail::no_params,
                  const Runtimes& runtimes = detail::no_runtimes) {
  return bind(primitive, {x.node()}, params, runtimes);
}
inline Array bind(const Primitive& primitive, const Array& a, const Array& b, const Params& params = detail::no_params,
                  const Runtimes& runtimes = detail::no_runtimes) {
  return bind(primitive, {a.node(), b.node()}, params, runtimes);
}
inline Array bind(const Primitive& primitive, const Array& a, const Array& b, const Array& c,
                  const Params& params = detail::no_params, const Runtimes& runtimes = detail::no_runtimes) {
  return bind(primitive, {a.node(), b.node(), c.node()}, params, runtimes);
}
/// For primitives with several outputs.
std::vector<Array> bind_all(const Primitive& primitive, std::span<const Array> in, int outputs,
                            const Params& params = detail::no_params, const Runtimes& runtimes = detail::no_runtimes);

/// The same, for operands in `given_up` (bits) that the caller needs no more: computing at once, those that nobody else
/// holds may be written over.
void bind_donating(const Primitive& primitive, std::span<const Array> in, uint64_t given_up, const Params& params,
                   const Runtimes& runtimes, std::span<Array> out);

/// What errors call the operation: the public function where it has told its name, else the primitive.
const char* operation_name(const Primitive& primitive);

/// The primitive's shape rule; when its result would be too large, the error names the operation.
Types checked_infer(const Avals& in);
/// The types of the outputs; a composite without a shape rule records its body. Throws what the rule throws.
Types infer_types(const Primitive& primitive, std::span<const Type* const> in, const Params& params,
                  std::span<const RuntimeParam> runtimes);

/// How operands of those types, null for an undefined one, fail to be the inputs of `program`: "input 1 is f32[3]:
/// wanted f32[2] as ..."; empty where they fit. Weakness does not count.
std::string inputs_fault(const Program& program, std::span<const Type* const> types, int runtime_count);
/// Binds every equation of `program` in turn, under the current interpreter. `runtimes` are the values of its
/// symbolic runtime parameters. Throws Error(value, "program-inputs") unless both are what the program wants.
std::vector<Array> evaluate(const Program& program, std::span<const Array> inputs,
                            const Runtimes& runtimes = detail::no_runtimes);

}  // namespace wengert
