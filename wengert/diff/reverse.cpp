#include "wengert/diff/reverse.hpp"

#include "wengert/diff/derive.hpp"

namespace wengert::diff {

/// The interpreter of reverse mode. An entry is what one equation needs on the way back: its derivation, runtime
/// parameters, residuals and the slots of its operands and outputs. Lists stand one after the other in arenas.
class Tape final : public Interpreter {
 public:
  using Interpreter::Interpreter;

  Array add_input(const Array& primal) { return track(primal); }
  bool owns(const Array& x) const { return x.node()->tag == tag(); }

  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override {
    Node* primals[max_operands];
    std::vector<Node*> many;
    Node** first = primals;
    if (in.size() > max_operands) {
      many.resize(in.size());
      first = many.data();
    }
    uint64_t active = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const bool own = in[i]->tag == tag();
      first[i] = own ? in[i]->owner : in[i];
      if (own) active |= uint64_t{1} << i;
    }
    const CurrentInterpreter scope(parent());
    const Inputs primal_inputs(first, in.size());
    if (active == 0) return bind_into(primitive, primal_inputs, params, runtimes, out);
    const Derivation& rule = derivation(primitive, primal_inputs, params, runtimes, active);
    if (!rule.differentiable()) return bind_into(primitive, primal_inputs, params, runtimes, out);
    record(rule, primitive, in, primal_inputs, params, runtimes, out);
  }

  std::vector<Array> run_backward(std::span<const int64_t> inputs, std::span<const int64_t> outputs,
                                  std::span<const Array> seeds) {
    std::vector<Array> cotangents(static_cast<size_t>(slots_));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] < 0 || !seeds[i].defined()) continue;
      Array& ct = cotangents[static_cast<size_t>(outputs[i])];
      ct = ct.defined() ? add_cotangents(ct, seeds[i]) : seeds[i];
    }
    while (!entries_.empty()) {
      step_back(entries_.back(), cotangents);
      residuals_.resize(entries_.back().first_residual);
      slot_list_.resize(entries_.back().first_slot);
      entries_.pop_back();
    }
    std::vector<Array> result;
    for (int64_t slot : inputs) result.push_back(slot < 0 ? Array() : std::move(cotangents[static_cast<size_t>(slot)]));
    return result;
  }

  static Array add_cotangents(const Array& a, const Array& b);

 private:
  static constexpr size_t max_operands = 8;

  struct Entry {
    const Derivation* rule;
    uint32_t first_residual;
    uint32_t first_slot;      // operand slots, then output slots
    uint16_t operand_count;
    uint16_t output_count;
    int32_t runtimes;         // index, or -1
  };

  Array track(const Array& primal) { return detail::make_traced(tag(), primal.node()->layout, primal, slots_++); }

  void record(const Derivation& rule, const Primitive& primitive, Inputs in, Inputs primals, const Params& params,
              const Runtimes& runtimes, std::span<Array> out) {
    std::vector<Array> extended;
    std::span<Array> results = out;
    if (rule.extra_count() > 0) {
      extended.resize(static_cast<size_t>(rule.output_count() + rule.extra_count()));
      results = extended;
      bind_into(call_primitive, primals, rule.forward(), runtimes, results);
    } else {
      bind_into(primitive, primals, params, runtimes, results);
    }
    Entry entry{&rule, static_cast<uint32_t>(residuals_.size()), static_cast<uint32_t>(slot_list_.size()),
                static_cast<uint16_t>(in.size()), static_cast<uint16_t>(out.size()), -1};
    for (const Source& s : rule.residuals()) {
      const auto i = static_cast<size_t>(s.index);
      residuals_.push_back(s.kind == Source::input ? share(primals[i])
                           : s.kind == Source::output ? results[i] : results[i + out.size()]);
    }
    for (Node* x : in) slot_list_.push_back(x->tag == tag() ? x->slot : -1);
    if (!runtimes.empty()) {
      entry.runtimes = static_cast<int32_t>(runtimes_.size());
      runtimes_.push_back(runtimes);
    }
    const size_t outputs_at = slot_list_.size();
    slot_list_.resize(outputs_at + out.size(), -1);
    for (size_t i = 0; i < extended.size() && i < out.size(); ++i) out[i] = std::move(extended[i]);
    for (int o : rule.tangent().results) {
      Array& y = out[static_cast<size_t>(o)];
      slot_list_[outputs_at + static_cast<size_t>(o)] = slots_;
      y = track(y);
    }
    entries_.push_back(entry);
  }

  void step_back(const Entry& entry, std::vector<Array>& cotangents) {
    const int64_t* operands = slot_list_.data() + entry.first_slot;
    const int64_t* outputs = operands + entry.operand_count;
    uint64_t live = 0, accumulate = 0;
    for (size_t i = 0; i < entry.output_count; ++i) {
      if (outputs[i] >= 0 && cotangents[static_cast<size_t>(outputs[i])].defined()) live |= uint64_t{1} << i;
    }
    if (live == 0) return;
    for (size_t i = 0; i < entry.operand_count; ++i) {
      if (operands[i] < 0 || !cotangents[static_cast<size_t>(operands[i])].defined()) continue;
      bool repeated = false;
      for (size_t j = 0; j < i; ++j) repeated |= operands[j] == operands[i];
      if (!repeated) accumulate |= uint64_t{1} << i;
    }
    const BackwardPlan& plan = entry.rule->backward(live, accumulate);
    const Runtimes& runtimes = entry.runtimes < 0 ? detail::no_runtimes : runtimes_[static_cast<size_t>(entry.runtimes)];
    in_.clear();
    out_.clear();
    out_.resize(plan.results.size());
    const uint64_t given_up = gather(entry, plan, cotangents, operands, outputs);
    bind_donating(call_primitive, in_, given_up, plan.call, runtimes, out_);
    in_.clear();
    for (size_t r = 0; r < out_.size(); ++r) {
      Array& ct = cotangents[static_cast<size_t>(operands[plan.results[r]])];
      const bool was_added = (accumulate >> plan.results[r] & 1) != 0;
      ct = ct.defined() && !was_added ? add_cotangents(ct, out_[r]) : std::move(out_[r]);
    }
  }

  /// The operands of a backward plan. An accumulator that nobody else holds is given away to be written over.
  uint64_t gather(const Entry& entry, const BackwardPlan& plan, std::vector<Array>& cotangents,
                  const int64_t* operands, const int64_t* outputs) {
    for (const Source& s : plan.sources) {
      if (s.kind == Source::cotangent) {
        in_.push_back(cotangents[static_cast<size_t>(outputs[s.index])]);
      } else if (s.kind == Source::accumulator) {
        Array& sum = cotangents[static_cast<size_t>(operands[s.index])];
        in_.push_back(std::move(sum));
        sum = Array();
      } else {
        in_.push_back(residuals_[entry.first_residual + static_cast<size_t>(s.index)]);
      }
    }
    uint64_t accumulators = 0;
    for (size_t i = 0; i < in_.size(); ++i) {
      if (plan.sources[i].kind == Source::accumulator) accumulators |= uint64_t{1} << i;
    }
    return accumulators;
  }

  std::vector<Entry> entries_;
  std::vector<Array> residuals_;
  std::vector<int64_t> slot_list_;
  std::vector<Runtimes> runtimes_;
  int64_t slots_ = 0;
  std::vector<Array> in_, out_;   // of the step under way
};

}  // namespace wengert::diff

#include "wengert/ops/elementwise.hpp"

namespace wengert::diff {

Array Tape::add_cotangents(const Array& a, const Array& b) { return a + b; }

Pullback::Pullback() = default;
Pullback::~Pullback() = default;
Pullback::Pullback(Pullback&&) noexcept = default;
Pullback& Pullback::operator=(Pullback&&) noexcept = default;

std::vector<Array> Pullback::operator()(std::span<const Array> cotangents) {
  if (!tape_) {
    throw Error(ErrorKind::state, "pullback-consumed",
                "vjp: the pullback was used before: wanted one use; call vjp again, or linearize for several" + call_site());
  }
  const std::unique_ptr<Tape> tape = std::move(tape_);
  return tape->run_backward(input_slots_, output_slots_, cotangents);
}

VjpResult vjp_through(const ArrayFunction& f, std::span<const Array> primals, std::span<const bool> active,
                      Label label) {
  VjpResult result;
  result.pullback.tape_ = std::make_unique<Tape>(std::move(label));
  Tape& tape = *result.pullback.tape_;
  std::vector<Array> inputs(primals.begin(), primals.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    result.pullback.input_slots_.push_back(-1);
    if (!active[i] || !is_inexact(inputs[i].dtype())) continue;
    inputs[i] = tape.add_input(inputs[i]);
    result.pullback.input_slots_.back() = inputs[i].node()->slot;
  }
  {
    const CurrentInterpreter scope(&tape);
    result.outputs = f(inputs);
  }
  for (Array& y : result.outputs) {
    const bool own = y.defined() && tape.owns(y);
    result.depends.push_back(own);
    result.pullback.output_slots_.push_back(own ? y.node()->slot : -1);
    if (own) y = share(y.node()->owner);
  }
  return result;
}

}  // namespace wengert::diff
