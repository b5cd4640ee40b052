#include "wengert/trace/bind.hpp"

#include "wengert/trace/recorder.hpp"

namespace wengert {

const char* operation_name(const Primitive& primitive) {
  const Thread& state = thread();
  return state.depth > 0 && state.operation ? state.operation : primitive.name;
}

void detail::undefined_operand(const Primitive& primitive) {
  throw Error(ErrorKind::state, "array-undefined",
              std::string(operation_name(primitive)) +
                  ": got a default-constructed or moved-from handle: wanted arrays with "
                  "values; a layer's parameters are made by wg::nn::init(net, key), integer leaves have no gradient" +
                  call_site());
}

namespace {
/// As shapes stand in errors, not as in programs.
std::string param_text(const Param& param) {
  const Shape* shape = std::get_if<Shape>(&param);
  return shape ? to_string(*shape) : to_string(param);
}
}  // namespace

void reject(const Avals& in, ErrorKind kind, const char* id, const std::string& wanted) {
  const auto& names = in.primitive.operands;
  std::string got;
  for (int i = 0; i < in.size(); ++i) {
    const size_t n = std::min(static_cast<size_t>(i), names.size() - 1);
    if (i > 0) got += ", ";
    got += std::string(names[n]) + " " + to_string(in[i]);
  }
  for (int i = 0; i < in.params.size(); ++i) {
    got += std::string(got.empty() ? "" : ", ") + in.primitive.params[static_cast<size_t>(i)] + " " +
        param_text(in.params[i]);
  }
  throw Error(kind, id, std::string(operation_name(in.primitive)) + ": " + got + ": wanted " + wanted + call_site());
}

std::vector<Array> bind_all(const Primitive& primitive, std::span<const Array> in, int outputs, const Params& params,
                            const Runtimes& runtimes) {
  std::vector<Array> out(static_cast<size_t>(outputs));
  bind_into(primitive, as_inputs(in), params, runtimes, out);
  return out;
}

void bind_donating(const Primitive& primitive, std::span<const Array> in, uint64_t given_up, const Params& params,
                   const Runtimes& runtimes, std::span<Array> out) {
  if (thread().current) return bind_into(primitive, as_inputs(in), params, runtimes, out);
  uint64_t donated = 0;
  for (size_t i = 0; i < in.size() && i < 64; ++i) {
    if ((given_up >> i & 1) && detail::owned_alone(in[i])) donated |= uint64_t{1} << i;
  }
  executor().execute(primitive, as_inputs(in), params, runtimes, out, donated);
}

Types checked_infer(const Avals& in) {
  try {
    return in.primitive.infer(in);
  } catch (const Error& error) {
    if (error.id() == "shape-rank") reject(in, ErrorKind::shape, "shape-rank", "a result of at most 8 axes");
    if (error.id() != "shape-size") throw;
    reject(in, ErrorKind::shape, "shape-size", "a result of at most 2^58 elements");
  }
}

Types infer_types(const Primitive& primitive, std::span<const Type* const> in, const Params& params,
                  std::span<const RuntimeParam> runtimes) {
  if (primitive.infer) return checked_infer({primitive, in, params, runtimes});
  const ProgramPtr body = record_body(primitive, in, params, static_cast<int>(runtimes.size()));
  Types types;
  for (Atom a : body->outputs()) types.push_back(body->type(a));
  return types;
}

std::string inputs_fault(const Program& program, std::span<const Type* const> types, int runtime_count) {
  const size_t count = static_cast<size_t>(program.input_count());
  const auto text = [&](uint32_t i) { return to_string(*program.type(i)); };
  if (types.size() != count) {
    std::string wanted;
    for (uint32_t i = 0; i < count; ++i) wanted += (i == 0 ? ": " : ", ") + text(i);
    return std::to_string(types.size()) + (types.size() == 1 ? " input" : " inputs") + ": wanted " +
        std::to_string(count) + ", as the program has" + wanted;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const Type *got = types[i], *wanted = program.type(i);
    if (got && got->dtype == wanted->dtype && got->shape == wanted->shape) continue;
    return "input " + std::to_string(i) + " is " + (got ? to_string(*got) : "nothing") + ": wanted " + text(i) +
        ", as the program has";
  }
  if (runtime_count < program.runtime_count()) {
    return std::to_string(runtime_count) + " runtime parameters: wanted " + std::to_string(program.runtime_count()) +
        ", as the program has";
  }
  return {};
}

namespace {

/// What errors say of the equation under way: where it was written, after where the program was called.
class EquationPlace : public CallPlace {
 public:
  explicit EquationPlace(const Program& program) : CallPlace{thread().place, &text_of}, program_(program) {
    thread().place = this;
  }
  ~EquationPlace() { thread().place = outer; }
  EquationPlace(const EquationPlace&) = delete;
  void go_to(const Equation& e) { equation_ = &e; }

 private:
  static std::string text_of(const CallPlace& place) {
    const auto& at = static_cast<const EquationPlace&>(place);
    const std::string line = at.equation_ ? to_string(at.program_.location(*at.equation_)) : "";
    return (line.empty() ? "" : ", in the equation of " + line) + (at.outer ? at.outer->text(*at.outer) : "");
  }

  const Program& program_;
  const Equation* equation_ = nullptr;
};

}  // namespace

std::vector<Array> evaluate(const Program& program, std::span<const Array> inputs, const Runtimes& runtimes) {
  std::vector<const Type*> types;
  for (const Array& x : inputs) types.push_back(x.defined() ? &x.type() : nullptr);
  if (const std::string fault = inputs_fault(program, types, runtimes.size()); !fault.empty()) {
    throw Error(ErrorKind::value, "program-inputs", "run: " + fault + call_site());
  }
  std::vector<Array> values(program.variable_count());
  std::copy(inputs.begin(), inputs.end(), values.begin());
  auto value = [&](Atom a) -> const Array& { return a.is_constant() ? program.constant(a.id()) : values[a.id()]; };
  std::vector<Node*> in;
  EquationPlace place(program);
  for (const Equation& e : program.equations()) {
    place.go_to(e);
    in.clear();
    for (Atom a : program.operands(e)) in.push_back(value(a).node());
    Runtimes actual(program.runtimes(e));
    for (int i = 0; i < actual.size(); ++i) {
      if (actual[i].symbolic()) actual[i] = runtimes[actual[i].slot];
    }
    bind_into(*e.primitive, in, program.params(e), actual, {values.data() + e.results, e.result_count});
  }
  std::vector<Array> outputs;
  for (Atom a : program.outputs()) outputs.push_back(value(a));
  return outputs;
}

}  // namespace wengert
