#include "wengert/trace/call.hpp"

namespace wengert {
namespace {

/// Of that many arrays, which it returns as they are.
ProgramPtr identity_program(int count, const Shape& shape = {2, 3}) {
  ProgramBuilder builder;
  std::vector<Atom> x;
  for (int i = 0; i < count; ++i) x.push_back(builder.add_input(Type::of(Dtype::float32, shape)));
  return builder.finish(x);
}

/// The rules of those equations of `program` that the call gives runtime parameters to: inside of it nobody knew them.
void check_given(const Program& program, std::span<const RuntimeParam> given) {
  if (given.empty()) return;
  for (const Equation& e : program.equations()) {
    Runtimes actual(program.runtimes(e));
    bool was_open = false;
    for (int i = 0; i < actual.size(); ++i) {
      if (!actual[i].symbolic()) continue;
      was_open = true;
      actual[i] = given[static_cast<size_t>(actual[i].slot)];
    }
    if (!was_open) continue;
    std::vector<const Type*> types;
    for (Atom a : program.operands(e)) types.push_back(program.type(a));
    infer_types(*e.primitive, types, program.params(e), {actual.begin(), static_cast<size_t>(actual.size())});
  }
}

}  // namespace

const Primitive call_primitive{
    .name = "call",
    .doc = "The outputs of a program applied to the operands.",
    .params = {"program", "name"},
    .infer = [](const Avals& in) -> Types {
      const Program& p = *in.params.program(0);
      if (const std::string fault = inputs_fault(p, in.types, static_cast<int>(in.runtimes.size())); !fault.empty()) {
        throw Error(ErrorKind::value, "program-inputs",
                    std::string(operation_name(in.primitive)) + ": " + fault + call_site());
      }
      check_given(p, in.runtimes);
      Types types;
      for (Atom a : p.outputs()) types.push_back(p.type(a));
      return types;
    },
    .body = [](std::span<const Array> in, const Params& params, const Runtimes& runtimes) -> Results {
      return Results(evaluate(*params.program(0), in, runtimes));
    },
    .samples = {.cases = {{{{2, 3}}, {identity_program(1), std::string()}},
                          {{{2, 3}, {2, 3}}, {identity_program(2), std::string()}},
                          {{Shape{}}, {identity_program(1, {}), std::string()}},
                          {{{0, 4}}, {identity_program(1, {0, 4}), std::string()}}},
                .dtypes = {Dtype::float32}},
};

Params call_params(ProgramPtr program, std::string name) { return Params{std::move(program), std::move(name)}; }

std::vector<Array> call(const Params& params, std::span<const Array> inputs, const Runtimes& runtimes) {
  return bind_all(call_primitive, inputs, static_cast<int>(params.program(0)->outputs().size()), params, runtimes);
}

}  // namespace wengert
