#include "wengert/diff/linear_map.hpp"

#include <algorithm>

#include "wengert/diff/arguments.hpp"
#include "wengert/diff/transpose.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/trace/transform.hpp"

namespace wengert::diff {
namespace {

/// Records what depends on its inputs; all else is computed by its parent.
class PartialRecorder final : public Recorder {
 public:
  using Recorder::Recorder;
  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override {
    for (Node* x : in) {
      if (x->tag == tag()) return Recorder::bind(primitive, in, params, runtimes, out);
    }
    const CurrentInterpreter scope(parent());
    bind_into(primitive, in, params, runtimes, out);
  }
};

/// Where an input is used first.
Location first_use(const Program& program, uint32_t input) {
  for (const Equation& e : program.equations()) {
    for (Atom a : program.operands(e)) {
      if (!a.is_constant() && a.id() == input) return program.location(e);
    }
  }
  return {};
}

/// The map from the inputs of a recording, numbers of arguments in `arguments`, to the tangents. Input -1 must not
/// occur.
LinearMap finish_map(Recorder& recorder, std::vector<const Type*> inputs, const std::vector<int>& arguments,
                     std::span<const Array> values, std::span<const Array> tangents, const Label& label) {
  std::vector<const Type*> outputs;
  std::vector<int> places, kept, used;
  std::vector<Array> recorded;
  for (size_t i = 0; i < values.size(); ++i) {
    outputs.push_back(has_tangent(values[i]) ? &values[i].type() : nullptr);
    places.push_back(tangents[i].defined() ? static_cast<int>(recorded.size()) : -1);
    if (tangents[i].defined()) recorded.push_back(tangents[i]);
  }
  const ProgramPtr program = drop_unused_inputs(*simplify(*recorder.finish(recorded)), kept);
  for (int i : kept) {
    used.push_back(arguments[static_cast<size_t>(i)]);
    if (used.back() >= 0) continue;
    const Location line = first_use(*program, static_cast<uint32_t>(used.size()) - 1);
    throw Error(ErrorKind::value, "not-linear",
                label.text() +
                    ": the derivative of the function depends on its argument: wanted a linear function; "
                    "use wg::linearize for its derivative at a point" +
                    called_at(line.file ? line.file : "", line.line));
  }
  return {program, std::move(used), std::move(inputs), std::move(outputs), std::move(places)};
}

}  // namespace

std::vector<Array> LinearMap::operator()(std::span<const Array> tangents) const {
  std::vector<Array> in, out(outputs_.size());
  for (int i : used_) {
    const Array& t = tangents[static_cast<size_t>(i)];
    in.push_back(t.defined() ? t : zeros_of(*inputs_[static_cast<size_t>(i)]));
  }
  const std::vector<Array> results = evaluate(*program_, in);
  for (size_t i = 0; i < out.size(); ++i) {
    if (places_[i] >= 0) out[i] = results[static_cast<size_t>(places_[i])];
    else if (outputs_[i]) out[i] = zeros_of(*outputs_[i]);
  }
  return out;
}

LinearMap::Transpose LinearMap::transpose() const {
  Transpose result;
  result.map_ = this;
  result.program_ = simplify(*inline_linear_composites(program_, 0));
  result.linear_ = linear_variables(*result.program_, 0);
  const Program& flat = *result.program_;
  result.known_.resize(flat.variable_count());
  for (const Equation& e : flat.equations()) {
    if (result.linear_[e.results]) continue;
    std::vector<Array> operands;
    for (Atom a : flat.operands(e)) operands.push_back(a.is_constant() ? flat.constant(a.id()) : result.known_[a.id()]);
    const std::vector<Array> values =
        bind_all(*e.primitive, operands, e.result_count, flat.params(e), Runtimes(flat.runtimes(e)));
    std::copy(values.begin(), values.end(), result.known_.begin() + e.results);
  }
  return result;
}

std::vector<Array> LinearMap::Transpose::operator()(std::span<const Array> cotangents) const {
  std::vector<Array> of_outputs(program_->outputs().size()), by_variable(program_->variable_count());
  for (size_t i = 0; i < map_->places_.size(); ++i) {
    if (map_->places_[i] >= 0) of_outputs[static_cast<size_t>(map_->places_[i])] = cotangents[i];
  }
  transpose_equations(*program_, linear_, known_, of_outputs, by_variable);
  std::vector<Array> result(map_->inputs_.size());
  for (size_t i = 0; i < map_->used_.size(); ++i) result[static_cast<size_t>(map_->used_[i])] = by_variable[i];
  for (size_t i = 0; i < result.size(); ++i) {
    if (!result[i].defined() && map_->inputs_[i]) result[i] = zeros_of(*map_->inputs_[i]);
  }
  return result;
}

Linearization linearize_arrays(const ArrayFunction& f, std::span<const Array> primals, std::span<const bool> active,
                               const Label& label) {
  PartialRecorder recorder;
  std::vector<Array> tangents(primals.size());
  std::vector<const Type*> inputs(primals.size());
  std::vector<int> arguments;
  for (size_t i = 0; i < primals.size(); ++i) {
    if (!active[i]) continue;
    inputs[i] = &primals[i].type();
    arguments.push_back(static_cast<int>(i));
    tangents[i] = recorder.add_input(inputs[i]);
  }
  const CurrentInterpreter scope(&recorder);
  auto [values, derivatives] = jvp_through(f, primals, tangents, label);
  LinearMap map = finish_map(recorder, std::move(inputs), arguments, values, derivatives, label);
  return {std::move(values), std::move(map)};
}

LinearMap record_linear(const ArrayFunction& f, std::span<const Array> examples, std::span<const bool> active,
                        const Label& label) {
  Recorder recorder(label);
  std::vector<Array> primals(examples.begin(), examples.end()), tangents(examples.size());
  std::vector<const Type*> inputs(examples.size());
  std::vector<int> arguments;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (!active[i]) continue;
    inputs[i] = &examples[i].type();
    arguments.push_back(-1);
    primals[i] = recorder.add_input(inputs[i]);
  }
  for (size_t i = 0; i < examples.size(); ++i) {
    if (!active[i]) continue;
    arguments.push_back(static_cast<int>(i));
    tangents[i] = recorder.add_input(inputs[i]);
  }
  // Recording ends with this lambda: what finish_map computes is no part of f.
  const auto [values, derivatives] = [&] {
    const CurrentInterpreter scope(&recorder);
    return jvp_through(f, primals, tangents);
  }();
  return finish_map(recorder, std::move(inputs), arguments, values, derivatives, label);
}

std::vector<Array> placeholders(const LinearMap& map) {
  std::vector<Array> arrays;
  for (const Type* type : map.outputs()) arrays.push_back(type ? zeros_of(*type) : Array());
  return arrays;
}

}  // namespace wengert::diff
