#include "wengert/trace/recorder.hpp"

namespace wengert {
namespace {

std::vector<const Type*> types_of(Inputs in) {
  std::vector<const Type*> types;
  for (Node* x : in) types.push_back(x->layout->type);
  return types;
}

}  // namespace

Recorder::Recorder(Label label) : Interpreter(std::move(label), false) {}

Array Recorder::symbolic(const Type* type, uint32_t variable) {
  return detail::make_traced(tag(), Layout::contiguous_of(type), Array(), variable);
}

Array Recorder::add_input(const Type* type) { return symbolic(type, builder_.add_input(type).id()); }

Atom Recorder::atom(Node* x) {
  if (x->tag == tag()) return Atom::variable(static_cast<uint32_t>(x->slot));
  check_alive(x);
  return builder_.add_constant(share(x));
}

void Recorder::bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                    std::span<Array> out) {
  const std::vector<const Type*> operand_types = types_of(in);
  const std::span<const RuntimeParam> runtime_span(runtimes.begin(), runtimes.end());
  const Types types = infer_types(primitive, operand_types, params, runtime_span);
  std::vector<Atom> atoms;
  for (Node* x : in) atoms.push_back(atom(x));
  const std::source_location& where = thread().where;
  const uint32_t first = builder_.add(primitive, atoms, params, runtime_span, types, {where.file_name(), where.line()});
  for (size_t i = 0; i < types.size(); ++i) out[i] = symbolic(types[i], first + static_cast<uint32_t>(i));
}

ProgramPtr Recorder::finish(std::span<const Array> outputs) {
  std::vector<Atom> atoms;
  for (const Array& x : outputs) {
    (void)x.type();  // an undefined output is an error here, not later
    atoms.push_back(atom(x.node()));
  }
  return builder_.finish(atoms);
}

ProgramPtr record(std::span<const Type* const> inputs,
                  const std::function<std::vector<Array>(std::span<const Array>)>& f, Label label) {
  Recorder recorder(std::move(label));
  CurrentInterpreter scope(&recorder);
  std::vector<Array> arrays;
  for (const Type* type : inputs) arrays.push_back(recorder.add_input(type));
  const std::vector<Array> outputs = f(arrays);
  return recorder.finish(outputs);
}

ProgramPtr record_body(const Primitive& composite, std::span<const Type* const> in, const Params& params,
                       int runtime_count) {
  const Runtimes runtimes = symbolic_runtimes(runtime_count);
  if (composite.infer) checked_infer({composite, in, params, {runtimes.begin(), runtimes.end()}});
  return record(in, [&](std::span<const Array> arrays) { return composite.body(arrays, params, runtimes); });
}

Runtimes symbolic_runtimes(int count) {
  Runtimes runtimes;
  for (int i = 0; i < count; ++i) runtimes.push_back({0, i});
  return runtimes;
}

ProgramPtr single_equation(const Primitive& primitive, std::span<const Type* const> in, const Params& params,
                           int runtime_count) {
  const Runtimes runtimes = symbolic_runtimes(runtime_count);
  const std::span<const RuntimeParam> runtime_span(runtimes.begin(), runtimes.end());
  ProgramBuilder builder;
  std::vector<Atom> atoms, outputs;
  for (const Type* type : in) atoms.push_back(builder.add_input(type));
  const Types types = infer_types(primitive, in, params, runtime_span);
  const uint32_t first = builder.add(primitive, atoms, params, runtime_span, types);
  for (size_t i = 0; i < types.size(); ++i) outputs.push_back(Atom::variable(first + static_cast<uint32_t>(i)));
  return builder.finish(outputs);
}

}  // namespace wengert
