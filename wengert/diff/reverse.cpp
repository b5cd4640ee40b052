#include "wengert/diff/reverse.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "wengert/diff/derive.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert::diff {

namespace {

/// What one equation needs on the way back: its derivation, runtime parameters, residuals and the slots of its
/// operands and outputs.
struct Entry {
  const Derivation* rule;
  uint32_t first_residual;
  uint32_t first_slot;  // operand slots, then output slots
  uint16_t operand_count;
  uint16_t output_count;
  int32_t runtimes;            // index, or -1
  std::source_location where;  // of the call: what it does on the way back is named by it too
};

/// The lists that a tape is made of. They outlive it: most functions are differentiated again and again.
struct TapeMemory {
  std::vector<Entry> entries;
  std::vector<Array> residuals;
  std::vector<int64_t> slots;
  std::vector<Runtimes> runtimes;
  std::vector<Array> inputs;                       // as the function sees them
  std::vector<int64_t> input_slots, output_slots;  // -1: none
  std::vector<Array> cotangents;                   // by slot
  std::vector<Array> in, out;                      // of the step under way

  void clear() {
    entries.clear(), residuals.clear(), slots.clear(), runtimes.clear(), inputs.clear();
    input_slots.clear(), output_slots.clear(), cotangents.clear(), in.clear(), out.clear();
  }
};

/// A thread's unused lists: a few, and none that a long function has made long.
struct TapeMemories {
  static constexpr size_t longest = 1 << 12;
  std::array<std::unique_ptr<TapeMemory>, 4> unused;
  size_t count = 0;

  static std::unique_ptr<TapeMemory> take() {
    auto& memories = thread().tapes.get<TapeMemories>();
    return memories.count == 0 ? std::make_unique<TapeMemory>() : std::move(memories.unused[--memories.count]);
  }
  static void give_back(std::unique_ptr<TapeMemory> memory) noexcept {
    memory->clear();
    Thread* state = wengert::detail::thread_state;
    if (!state || memory->slots.capacity() > longest) return;
    try {  // a tape may end on a thread that had none of its own, and where no memory is left
      auto& memories = state->tapes.get<TapeMemories>();
      if (memories.count < memories.unused.size()) memories.unused[memories.count++] = std::move(memory);
    } catch (const std::bad_alloc&) {}
  }
};

/// Puts the line noted last back, after an error too.
class SavedPlace {
 public:
  SavedPlace() : state_(thread()), where_(state_.where) {}
  ~SavedPlace() { state_.where = where_; }
  SavedPlace(const SavedPlace&) = delete;

 private:
  Thread& state_;
  std::source_location where_;
};

}  // namespace

/// The interpreter of reverse mode.
class Tape final : public Interpreter {
 public:
  explicit Tape(Label label) : Interpreter(std::move(label)), owned_(TapeMemories::take()), memory_(*owned_) {}
  ~Tape() override { TapeMemories::give_back(std::move(owned_)); }

  /// The primals as the function sees them; those in `active` are followed.
  std::span<const Array> add_inputs(std::span<const Array> primals, std::span<const bool> active) {
    for (size_t i = 0; i < primals.size(); ++i) {
      const bool followed = active[i] && is_inexact(primals[i].dtype());
      memory_.input_slots.push_back(followed ? slots_ : -1);
      memory_.inputs.push_back(followed ? track(primals[i]) : primals[i]);
    }
    return memory_.inputs;
  }

  /// Replaces an output of the function by its primal.
  void add_output(Array& y) {
    const bool own = y.defined() && y.node()->tag == tag();
    memory_.output_slots.push_back(own ? y.node()->slot : -1);
    if (own) y = share(y.node()->owner);
  }

  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override {
    if (is_wide(primitive, in, out)) return bind_body(primitive, in, params, runtimes, out);
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
      if (own) active |= uint64_t{1} << std::min<size_t>(i, 63);  // derivation() refuses more than 64
    }
    const CurrentInterpreter scope(parent());
    const Inputs primal_inputs(first, in.size());
    if (active == 0) return bind_into(primitive, primal_inputs, params, runtimes, out);
    const Derivation& rule = derivation(primitive, primal_inputs, params, runtimes, active);
    if (!rule.differentiable()) return bind_into(primitive, primal_inputs, params, runtimes, out);
    record(rule, primitive, in, primal_inputs, params, runtimes, out);
  }

  /// Cotangents of the inputs from those of the outputs. Residuals are freed on the way.
  std::vector<Array> run_backward(std::span<const Array> seeds) {
    std::vector<Array>& cotangents = memory_.cotangents;
    cotangents.resize(static_cast<size_t>(slots_));
    for (size_t i = 0; i < memory_.output_slots.size(); ++i) {
      const int64_t slot = memory_.output_slots[i];
      if (slot < 0 || !seeds[i].defined()) continue;
      Array& ct = cotangents[static_cast<size_t>(slot)];
      ct = ct.defined() ? add_cotangents(ct, seeds[i]) : seeds[i];
    }
    const CallScope scope;
    const SavedPlace place;
    while (!memory_.entries.empty()) {
      const Entry& entry = memory_.entries.back();
      thread().where = entry.where;
      step_back(entry, cotangents);
      while (memory_.residuals.size() > entry.first_residual) memory_.residuals.pop_back();
      memory_.entries.pop_back();
    }
    std::vector<Array> result;
    result.reserve(memory_.input_slots.size());
    for (int64_t slot : memory_.input_slots) {
      result.push_back(slot < 0 ? Array() : std::move(cotangents[static_cast<size_t>(slot)]));
    }
    return result;
  }

  bool depends(size_t output) const { return memory_.output_slots[output] >= 0; }
  static Array add_cotangents(const Array& a, const Array& b) { return a + b; }

 private:
  static constexpr size_t max_operands = 8;

  Array track(const Array& primal) { return detail::make_traced(tag(), primal.node()->layout, primal, slots_++); }

  void record(const Derivation& rule, const Primitive& primitive, Inputs in, Inputs primals, const Params& params,
              const Runtimes& runtimes, std::span<Array> out) {
    if (rule.extra_count() == 0) {
      bind_into(primitive, primals, params, runtimes, out);
      keep(rule, in, primals, out, runtimes);
    } else {
      std::vector<Array> extended(static_cast<size_t>(rule.output_count() + rule.extra_count()));
      bind_into(call_primitive, primals, rule.forward(), runtimes, extended);
      keep(rule, in, primals, extended, runtimes);
      std::move(extended.begin(), extended.begin() + static_cast<std::ptrdiff_t>(out.size()), out.begin());
    }
    int64_t* outputs = memory_.slots.data() + memory_.entries.back().first_slot + in.size();
    for (int o : rule.tangent().results) {
      Array& y = out[static_cast<size_t>(o)];
      outputs[o] = slots_;
      y = track(y);
    }
  }

  /// Notes the equation. `results` are its outputs and, after them, the extra ones.
  void keep(const Derivation& rule, Inputs in, Inputs primals, std::span<const Array> results,
            const Runtimes& runtimes) {
    const auto outputs = static_cast<size_t>(rule.output_count());
    const size_t first_slot = memory_.slots.size();
    memory_.entries.push_back({&rule, static_cast<uint32_t>(memory_.residuals.size()),
                               static_cast<uint32_t>(first_slot), static_cast<uint16_t>(in.size()),
                               static_cast<uint16_t>(outputs),
                               runtimes.empty() ? -1 : static_cast<int32_t>(memory_.runtimes.size()), thread().where});
    for (const Source& s : rule.residuals()) {
      const auto i = static_cast<size_t>(s.index);
      memory_.residuals.push_back(s.kind == Source::input        ? share(primals[i])
                                      : s.kind == Source::output ? results[i]
                                                                 : results[i + outputs]);
    }
    for (Node* x : in) memory_.slots.push_back(x->tag == tag() ? x->slot : -1);
    for (size_t i = 0; i < outputs; ++i) memory_.slots.push_back(-1);
    if (!runtimes.empty()) memory_.runtimes.push_back(runtimes);
  }

  void step_back(const Entry& entry, std::vector<Array>& cotangents) {
    const int64_t* operands = memory_.slots.data() + entry.first_slot;
    const int64_t* outputs = operands + entry.operand_count;
    uint64_t live = 0;
    for (size_t i = 0; i < entry.output_count; ++i) {
      if (outputs[i] >= 0 && cotangents[static_cast<size_t>(outputs[i])].defined()) live |= uint64_t{1} << i;
    }
    if (live == 0) return;
    propagate(entry, cotangents, operands, outputs, live);
    // No other equation has these outputs: their cotangents have done their work.
    for (size_t i = 0; i < entry.output_count; ++i) {
      if (live >> i & 1) cotangents[static_cast<size_t>(outputs[i])] = Array();
    }
  }

  void propagate(const Entry& entry, std::vector<Array>& cotangents, const int64_t* operands, const int64_t* outputs,
                 uint64_t live) {
    uint64_t accumulate = 0;
    for (size_t i = 0; i < entry.operand_count; ++i) {
      if (operands[i] < 0 || !cotangents[static_cast<size_t>(operands[i])].defined()) continue;
      bool repeated = false;
      for (size_t j = 0; j < i; ++j) repeated |= operands[j] == operands[i];
      if (!repeated) accumulate |= uint64_t{1} << i;
    }
    const BackwardPlan& plan = entry.rule->backward(live, accumulate);
    if (plan.passes_on) return pass_on(plan, cotangents, operands, outputs);
    const Runtimes& runtimes =
        entry.runtimes < 0 ? detail::no_runtimes : memory_.runtimes[static_cast<size_t>(entry.runtimes)];
    std::vector<Array>&in = memory_.in, &out = memory_.out;
    in.clear();
    out.clear();
    out.resize(plan.results.size());
    const uint64_t given_up = gather(entry, plan, cotangents, operands, outputs);
    bind_donating(call_primitive, in, given_up, plan.call, runtimes, out);
    in.clear();
    for (size_t r = 0; r < out.size(); ++r) {
      Array& ct = cotangents[static_cast<size_t>(operands[plan.results[r]])];
      const bool was_added = (accumulate >> plan.results[r] & 1) != 0;
      ct = ct.defined() && !was_added ? add_cotangents(ct, out[r]) : std::move(out[r]);
    }
  }

  /// The way back of sums and their like: cotangents go on as they are.
  void pass_on(const BackwardPlan& plan, std::vector<Array>& cotangents, const int64_t* operands,
               const int64_t* outputs) {
    for (size_t r = 0; r < plan.results.size(); ++r) {
      const Array& ct = cotangents[static_cast<size_t>(outputs[plan.sources[plan.passed[r]].index])];
      Array& sum = cotangents[static_cast<size_t>(operands[plan.results[r]])];
      sum = sum.defined() ? add_cotangents(sum, ct) : ct;
    }
  }

  /// The operands of a backward plan. An accumulator that nobody else holds is given away to be written over.
  uint64_t gather(const Entry& entry, const BackwardPlan& plan, std::vector<Array>& cotangents, const int64_t* operands,
                  const int64_t* outputs) {
    uint64_t accumulators = 0;
    std::vector<Array>& in = memory_.in;
    for (const Source& s : plan.sources) {
      if (s.kind == Source::cotangent) {
        in.push_back(cotangents[static_cast<size_t>(outputs[s.index])]);
      } else if (s.kind == Source::accumulator) {
        if (in.size() < 64) accumulators |= uint64_t{1} << in.size();
        in.push_back(std::move(cotangents[static_cast<size_t>(operands[s.index])]));
      } else {
        in.push_back(memory_.residuals[entry.first_residual + static_cast<size_t>(s.index)]);
      }
    }
    return accumulators;
  }

  const KeptDerivations kept_;  // what the entries refer to
  std::unique_ptr<TapeMemory> owned_;
  TapeMemory& memory_;
  int64_t slots_ = 0;
};

Pullback::Pullback() = default;
Pullback::~Pullback() = default;
Pullback::Pullback(Pullback&&) noexcept = default;
Pullback& Pullback::operator=(Pullback&&) noexcept = default;

std::vector<Array> Pullback::operator()(std::span<const Array> cotangents) {
  if (!tape_) {
    throw Error(
        ErrorKind::state, "pullback-consumed",
        "vjp: the pullback was used before: wanted one use; call vjp again, or linearize for several" + call_site());
  }
  const std::unique_ptr<Tape> tape = std::move(tape_);
  return tape->run_backward(cotangents);
}

bool Pullback::depends(size_t i) const { return tape_ && tape_->depends(i); }

VjpResult vjp_through(const ArrayFunction& f, std::span<const Array> primals, std::span<const bool> active,
                      Label label) {
  VjpResult result;
  result.pullback.tape_ = std::make_unique<Tape>(std::move(label));
  Tape& tape = *result.pullback.tape_;
  const std::span<const Array> inputs = tape.add_inputs(primals, active);
  {
    const CurrentInterpreter scope(&tape);
    result.outputs = f(inputs);
  }
  for (Array& y : result.outputs) tape.add_output(y);
  return result;
}

}  // namespace wengert::diff
