#include "wengert/diff/transpose.hpp"

#include "wengert/ops/elementwise.hpp"

namespace wengert::diff {
namespace {

void add_to(Array& sum, const Array& x) { sum = sum.defined() ? sum + x : x; }

void transpose_equation(const Program& program, const Equation& e, const std::vector<bool>& linear,
                        std::span<const Array> known, std::vector<Array>& cotangents) {
  const Array ct = cotangents[e.results];
  if (!ct.defined()) return;
  std::vector<Array> inputs, none;
  std::vector<const Type*> input_types, output_types;
  for (Atom a : program.operands(e)) {
    inputs.push_back(a.is_constant() ? program.constant(a.id()) : linear[a.id()] ? Array() : known[a.id()]);
    input_types.push_back(program.type(a));
  }
  for (uint32_t r = 0; r < e.result_count; ++r) output_types.push_back(program.type(e.results + r));
  const Runtimes runtimes(program.runtimes(e));
  const RuleEquation rule{*e.primitive, inputs, none, input_types, output_types, program.params(e), runtimes};
  for (int i = 0; i < e.operand_count; ++i) {
    const Atom a = program.operands(e)[static_cast<size_t>(i)];
    if (a.is_constant() || !linear[a.id()]) continue;
    Array& sum = cotangents[a.id()];
    if (sum.defined() && e.primitive->accumulate) sum = e.primitive->accumulate(rule, sum, ct, i);
    else add_to(sum, e.primitive->transpose(rule, ct, i));
  }
}

}  // namespace

void transpose_equations(const Program& program, const std::vector<bool>& linear, std::span<const Array> known,
                         std::span<const Array> outputs, std::vector<Array>& cotangents) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Atom a = program.outputs()[i];
    if (outputs[i].defined() && !a.is_constant() && linear[a.id()]) add_to(cotangents[a.id()], outputs[i]);
  }
  const auto equations = program.equations();
  for (size_t i = equations.size(); i-- > 0;) {
    const Equation& e = equations[i];
    if (!linear[e.results]) continue;
    if (!e.primitive->transpose) {
      throw Error(
          ErrorKind::value, "no-transpose",
          std::string(e.primitive->name) + ": is not linear in its operands: wanted a linear function" + call_site());
    }
    transpose_equation(program, e, linear, known, cotangents);
  }
}

}  // namespace wengert::diff
