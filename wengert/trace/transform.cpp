#include "wengert/trace/transform.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "wengert/trace/recorder.hpp"

namespace wengert {
namespace {

/// Copies equations into a builder, with the variables of the source renamed.
class Copier {
 public:
  Copier(ProgramBuilder& builder, const std::function<bool(const Equation&)>& keep) : builder_(builder), keep_(keep) {}

  /// Returns the atoms of the outputs. `inputs` are the atoms of the program's inputs; the equations of a composite's
  /// body are written where the composite is.
  std::vector<Atom> copy(const Program& program, std::span<const Atom> inputs, std::span<const RuntimeParam> runtimes,
                         const Location* composite = nullptr) {
    std::vector<Atom> map(program.variable_count());
    std::copy(inputs.begin(), inputs.end(), map.begin());
    auto rename = [&](Atom a) {
      return a.is_constant() ? builder_.add_constant(program.constant(a.id())) : map[a.id()];
    };
    for (const Equation& e : program.equations()) {
      std::vector<Atom> operands;
      for (Atom a : program.operands(e)) operands.push_back(rename(a));
      Runtimes actual(program.runtimes(e));
      for (int i = 0; i < actual.size(); ++i) {
        if (actual[i].symbolic() && !runtimes.empty()) actual[i] = runtimes[static_cast<size_t>(actual[i].slot)];
      }
      std::vector<Atom> results =
          copy_equation(program, e, operands, {actual.begin(), static_cast<size_t>(actual.size())},
                        composite ? *composite : program.location(e));
      std::copy(results.begin(), results.end(), map.begin() + e.results);
    }
    std::vector<Atom> outputs;
    for (Atom a : program.outputs()) outputs.push_back(rename(a));
    return outputs;
  }

 private:
  std::vector<Atom> copy_equation(const Program& program, const Equation& e, std::span<const Atom> operands,
                                  std::span<const RuntimeParam> runtimes, const Location& location) {
    std::vector<const Type*> types;
    if (e.primitive->body && !(keep_ && keep_(e))) {
      for (Atom a : operands) types.push_back(builder_.current().type(a));
      const ProgramPtr body = record_body(*e.primitive, types, program.params(e), e.runtime_count);
      return copy(*body, operands, runtimes, &location);
    }
    for (int i = 0; i < e.result_count; ++i) types.push_back(program.type(e.results + static_cast<uint32_t>(i)));
    const uint32_t first = builder_.add(*e.primitive, operands, program.params(e), runtimes, types, location);
    std::vector<Atom> results;
    for (uint32_t i = 0; i < e.result_count; ++i) results.push_back(Atom::variable(first + i));
    return results;
  }

  ProgramBuilder& builder_;
  const std::function<bool(const Equation&)>& keep_;
};

std::vector<Atom> add_inputs(ProgramBuilder& builder, const Program& program) {
  std::vector<Atom> inputs;
  for (int i = 0; i < program.input_count(); ++i)
    inputs.push_back(builder.add_input(program.type(static_cast<uint32_t>(i))));
  return inputs;
}

uint64_t hash_equation(const Program& program, const Equation& e, std::span<const Atom> operands) {
  uint64_t h = hash_combine(reinterpret_cast<uintptr_t>(e.primitive), program.params(e).hash());
  for (Atom a : operands) h = hash_combine(h, uint64_t{a.id()} * 2 + a.is_constant());
  return h;
}

/// Whether an equation of the source, with its operands renamed, is the one that stands in `built`.
bool same_equation(const Program& source, const Equation& e, std::span<const Atom> operands, const Program& built,
                   const Equation& other) {
  return e.primitive == other.primitive && source.params(e) == built.params(other) &&
      std::equal(operands.begin(), operands.end(), built.operands(other).begin(), built.operands(other).end()) &&
      std::equal(source.runtimes(e).begin(), source.runtimes(e).end(), built.runtimes(other).begin(),
                 built.runtimes(other).end());
}

std::vector<bool> live_equations(const Program& program) {
  std::vector<bool> live_variable(program.variable_count()), live(program.equations().size());
  for (Atom a : program.outputs()) {
    if (!a.is_constant()) live_variable[a.id()] = true;
  }
  for (size_t i = live.size(); i-- > 0;) {
    const Equation& e = program.equations()[i];
    for (uint32_t r = 0; r < e.result_count; ++r) live[i] = live[i] || live_variable[e.results + r];
    if (!live[i]) continue;
    for (Atom a : program.operands(e)) {
      if (!a.is_constant()) live_variable[a.id()] = true;
    }
  }
  return live;
}

}  // namespace

ProgramPtr inline_composites(const Program& program, const std::function<bool(const Equation&)>& keep) {
  ProgramBuilder builder;
  const std::vector<Atom> inputs = add_inputs(builder, program);
  const std::vector<Atom> outputs = Copier(builder, keep).copy(program, inputs, {});
  builder.set_runtime_count(program.runtime_count());
  return builder.finish(outputs);
}

ProgramPtr inline_linear_composites(ProgramPtr program, int first_linear_input) {
  for (;;) {  // one level of nesting at a time: only the program's own variables are known to be linear
    const std::vector<bool> linear = linear_variables(*program, first_linear_input);
    const std::span<const Equation> own = program->equations();
    const auto opens = [&](const Equation& e) { return e.primitive->body && linear[e.results]; };
    if (std::none_of(own.begin(), own.end(), opens)) return program;
    program = inline_composites(*program, [&](const Equation& e) {
      const bool is_own = &e >= own.data() && &e < own.data() + own.size();
      return !is_own || !opens(e);
    });
  }
}

ProgramPtr simplify(const Program& program) {
  const std::vector<bool> live = live_equations(program);
  ProgramBuilder builder;
  std::vector<Atom> map = add_inputs(builder, program);
  map.resize(program.variable_count());
  auto rename = [&](Atom a) { return a.is_constant() ? builder.add_constant(program.constant(a.id())) : map[a.id()]; };
  std::unordered_multimap<uint64_t, size_t> seen;
  for (size_t i = 0; i < program.equations().size(); ++i) {
    if (!live[i]) continue;
    const Equation& e = program.equations()[i];
    std::vector<Atom> operands;
    for (Atom a : program.operands(e)) operands.push_back(rename(a));
    const uint64_t hash = hash_equation(program, e, operands);
    uint32_t first = ~0u;
    auto [begin, end] = seen.equal_range(hash);
    for (auto it = begin; it != end && first == ~0u; ++it) {
      const Equation& other = builder.current().equations()[it->second];
      if (same_equation(program, e, operands, builder.current(), other)) first = other.results;
    }
    if (first == ~0u) {
      std::vector<const Type*> types;
      for (uint32_t r = 0; r < e.result_count; ++r) types.push_back(program.type(e.results + r));
      first = builder.add(*e.primitive, operands, program.params(e), program.runtimes(e), types, program.location(e));
      seen.emplace(hash, builder.current().equations().size() - 1);
    }
    for (uint32_t r = 0; r < e.result_count; ++r) map[e.results + r] = Atom::variable(first + r);
  }
  std::vector<Atom> outputs;
  for (Atom a : program.outputs()) outputs.push_back(rename(a));
  builder.set_runtime_count(program.runtime_count());
  return builder.finish(outputs);
}

ProgramPtr drop_unused_inputs(const Program& program, std::vector<int>& kept) {
  std::vector<bool> used(program.variable_count());
  const auto use = [&](Atom a) {
    if (!a.is_constant()) used[a.id()] = true;
  };
  for (const Equation& e : program.equations()) {
    for (Atom a : program.operands(e)) use(a);
  }
  for (Atom a : program.outputs()) use(a);
  ProgramBuilder builder;
  std::vector<Atom> map(program.variable_count());
  for (int i = 0; i < program.input_count(); ++i) {
    if (!used[static_cast<size_t>(i)]) continue;
    kept.push_back(i);
    map[static_cast<size_t>(i)] = builder.add_input(program.type(static_cast<uint32_t>(i)));
  }
  const auto rename = [&](Atom a) {
    return a.is_constant() ? builder.add_constant(program.constant(a.id())) : map[a.id()];
  };
  for (const Equation& e : program.equations()) {
    std::vector<Atom> operands;
    std::vector<const Type*> types;
    for (Atom a : program.operands(e)) operands.push_back(rename(a));
    for (uint32_t r = 0; r < e.result_count; ++r) types.push_back(program.type(e.results + r));
    const uint32_t first =
        builder.add(*e.primitive, operands, program.params(e), program.runtimes(e), types, program.location(e));
    for (uint32_t r = 0; r < e.result_count; ++r) map[e.results + r] = Atom::variable(first + r);
  }
  std::vector<Atom> outputs;
  for (Atom a : program.outputs()) outputs.push_back(rename(a));
  builder.set_runtime_count(program.runtime_count());
  return builder.finish(outputs);
}

std::vector<bool> linear_variables(const Program& program, int first_linear_input) {
  std::vector<bool> linear(program.variable_count());
  for (int i = first_linear_input; i < program.input_count(); ++i) linear[static_cast<size_t>(i)] = true;
  for (const Equation& e : program.equations()) {
    bool depends = false;
    for (Atom a : program.operands(e)) depends |= !a.is_constant() && linear[a.id()];
    for (uint32_t r = 0; depends && r < e.result_count; ++r) {
      linear[e.results + r] = is_inexact(program.type(e.results + r)->dtype);
    }
  }
  return linear;
}

}  // namespace wengert
