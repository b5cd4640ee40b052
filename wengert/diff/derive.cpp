#include "wengert/diff/derive.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "wengert/array/fork.hpp"
#include "wengert/diff/forward.hpp"
#include "wengert/diff/transpose.hpp"
#include "wengert/ops/shape.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/trace/transform.hpp"

namespace wengert::diff {
namespace {

constexpr uint64_t bit(size_t i) { return uint64_t{1} << i; }

std::atomic<int64_t> alive{0};  // derivations
std::mutex backward_mutex;      // of the backward plans of all of them; held to look, never to derive

/// Records a tangent formula. Zeros are values without a variable: what depends linearly on nothing but zeros is
/// zero and is not recorded.
class TangentRecorder final : public Recorder {
 public:
  /// Marks everything that is computed from `x` as linear in it.
  void mark_active(const Array& x) { set_active(x); }
  Array zero(const Type* type) { return detail::make_traced(tag(), Layout::contiguous_of(type), Array(), zero_slot); }
  bool is_zero(const Array& x) const { return is_zero(x.node()); }

  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override {
    size_t zeros = 0, actives = 0;
    for (Node* x : in) {
      zeros += is_zero(x);
      actives += x->tag == tag() && x->slot != zero_slot && active_[static_cast<size_t>(x->slot)];
    }
    if (zeros == 0) return bind_recorded(primitive, in, params, runtimes, out, actives != 0);
    std::vector<const Type*> types;
    for (Node* x : in) types.push_back(x->layout->type);
    if (actives == 0) {
      const Types results =
          infer_types(primitive, types, params, {runtimes.begin(), static_cast<size_t>(runtimes.size())});
      for (size_t i = 0; i < results.size(); ++i) out[i] = zero(results[i]);
      return;
    }
    std::vector<Array> arrays;
    for (Node* x : in) arrays.push_back(share(x));
    if (primitive.drop_zeros && in.size() <= 64) {  // masks have 64 bits
      uint64_t mask = 0;
      for (size_t i = 0; i < in.size(); ++i) mask |= is_zero(in[i]) ? bit(i) : 0;
      out[0] = primitive.drop_zeros({primitive, arrays, {}, types, {}, params, runtimes}, mask);
      return;
    }
    for (size_t i = 0; i < in.size(); ++i) {
      if (is_zero(in[i])) arrays[i] = broadcast_to(detail::scalar(int64_t{0}, types[i]->dtype, false), types[i]->shape);
    }
    bind_recorded(primitive, as_inputs(arrays), params, runtimes, out, true);
  }

 private:
  static constexpr int64_t zero_slot = -2;

  bool is_zero(const Node* x) const { return x->tag == tag() && x->slot == zero_slot; }
  void bind_recorded(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                     std::span<Array> out, bool active) {
    Recorder::bind(primitive, in, params, runtimes, out);
    for (const Array& x : out) {
      if (active && is_inexact(x.dtype())) set_active(x);
      else grow(x);
    }
  }
  void set_active(const Array& x) {
    grow(x);
    active_[static_cast<size_t>(x.node()->slot)] = true;
  }
  void grow(const Array& x) {
    const auto needed = static_cast<size_t>(x.node()->slot) + 1;
    if (active_.size() < needed) active_.resize(needed);
  }

  std::vector<bool> active_;

 public:
  void note_inactive(const Array& x) { grow(x); }
};

void want_derivative(const Primitive& primitive) {
  if (primitive.tangent || primitive.body || primitive.is(Trait::nondifferentiable)) return;
  throw Error(ErrorKind::value, "no-derivative",
              std::string(primitive.name) +
                  ": has no derivative rule: wanted a tangent formula in its room; "
                  "wg::stop_gradient(x) makes it a constant" +
                  call_site());
}

/// The tangents of the outputs, by the primitive's rule or through its body. Undefined: zero.
std::vector<Array> apply_tangent_rule(const Primitive& primitive, std::span<const Array> in, std::span<const Array> out,
                                      std::span<const Array> d, std::span<const Type* const> in_types,
                                      std::span<const Type* const> out_types, const Params& params,
                                      const Runtimes& runtimes, const std::function<bool(const Array&)>& is_zero) {
  if (primitive.tangent) { return primitive.tangent({primitive, in, out, in_types, out_types, params, runtimes}, d); }
  if (primitive.is(Trait::nondifferentiable)) return std::vector<Array>(out.size());
  want_derivative(primitive);
  std::vector<Array> tangents(d.begin(), d.end());
  for (Array& t : tangents) {
    if (t.defined() && is_zero(t)) t = Array();
  }
  return jvp_through([&](std::span<const Array> x) { return primitive.body(x, params, runtimes); }, in, tangents)
      .second;
}

/// The call of `program` with its unused inputs left out; `sources` names all inputs and is cut down alike.
Params pruned_call(const Program& program, std::vector<Source>& sources, const char* name) {
  const ProgramPtr simple = simplify(program);
  std::vector<int> kept;
  const ProgramPtr pruned = drop_unused_inputs(*simple, kept);
  std::vector<Source> used;
  for (int i : kept) used.push_back(sources[static_cast<size_t>(i)]);
  sources = std::move(used);
  return call_params(pruned, name);
}

void note_passed(BackwardPlan& plan) {
  const Program& program = *plan.call.program(0);
  plan.passes_on = program.equations().empty();
  for (Atom a : program.outputs()) {
    plan.passes_on = plan.passes_on && !a.is_constant() && plan.sources[a.id()].kind == Source::cotangent;
    plan.passed.push_back(a.is_constant() ? 0 : a.id());
  }
}

}  // namespace

Derivation::~Derivation() { alive.fetch_sub(1, std::memory_order_relaxed); }
int64_t Derivation::count() { return alive.load(std::memory_order_relaxed); }

Derivation::Derivation(const Primitive& primitive, std::vector<const Type*> types, Params params, int runtime_count,
                       uint64_t active)
    : primitive_(primitive), types_(std::move(types)), params_(std::move(params)), runtime_count_(runtime_count),
      active_(active) {
  want_derivative(primitive_);
  const CallScope scope;
  const Runtimes runtimes = symbolic_runtimes(runtime_count_);
  output_types_ = infer_types(primitive_, types_, params_, {runtimes.begin(), static_cast<size_t>(runtimes.size())});
  output_count_ = static_cast<int>(output_types_.size());
  const CurrentInterpreter eager(nullptr);  // rules are recorded, whatever is current
  derive_tangent();
  choose_residuals();
  build_forward();
  alive.fetch_add(1, std::memory_order_relaxed);
}

void Derivation::derive_tangent() {
  TangentRecorder recorder;
  const CurrentInterpreter scope(&recorder);
  const Runtimes runtimes = symbolic_runtimes(runtime_count_);
  std::vector<Array> in, out, d(types_.size());
  for (const Type* t : types_) {
    in.push_back(recorder.add_input(t));
    recorder.note_inactive(in.back());
  }
  for (const Type* t : output_types_) {
    out.push_back(recorder.add_input(t));
    recorder.note_inactive(out.back());
  }
  std::vector<Source> sources;
  for (size_t i = 0; i < in.size(); ++i) sources.push_back({Source::input, static_cast<int>(i)});
  for (size_t i = 0; i < out.size(); ++i) sources.push_back({Source::output, static_cast<int>(i)});
  for (size_t i = 0; i < types_.size(); ++i) {
    if (!is_inexact(types_[i]->dtype)) continue;
    if (active_ & bit(i)) {
      d[i] = recorder.add_input(types_[i]);
      recorder.mark_active(d[i]);
      sources.push_back({Source::tangent, static_cast<int>(i)});
    } else {
      d[i] = recorder.zero(types_[i]);
    }
  }
  std::vector<Array> tangents = apply_tangent_rule(primitive_, in, out, d, types_, output_types_, params_, runtimes,
                                                   [&](const Array& x) { return recorder.is_zero(x); });
  std::vector<Array> outputs;
  for (size_t i = 0; i < tangents.size(); ++i) {
    if (!tangents[i].defined() || !is_inexact(output_types_[i]->dtype) || recorder.is_zero(tangents[i])) continue;
    outputs.push_back(tangents[i]);
    tangent_outputs_.push_back(static_cast<int>(i));
  }
  const ProgramPtr recorded = recorder.finish(outputs);
  tangent_.sources = sources;
  tangent_.call = pruned_call(*recorded, tangent_.sources, primitive_.name);
  tangent_.results = tangent_outputs_;
  const int first_linear = static_cast<int>(in.size() + out.size());
  tangent_program_ = simplify(*inline_linear_composites(recorded, first_linear));
  linear_ = linear_variables(*tangent_program_, first_linear);
}

/// A known coefficient is computed again in the backward program where that is cheap; otherwise the forward pass
/// computes it as an extra output.
void Derivation::choose_residuals() {
  const Program& t = *tangent_program_;
  std::vector<bool> needed(t.variable_count());
  for (size_t i = t.equations().size(); i-- > 0;) {
    const Equation& e = t.equations()[i];
    const bool is_linear = linear_[e.results];
    bool wanted = is_linear;
    for (uint32_t r = 0; r < e.result_count; ++r) wanted |= needed[e.results + r];
    if (!wanted) continue;
    const bool recompute =
        e.primitive->is(Trait::elementwise) || e.primitive->is(Trait::view) || e.primitive->is(Trait::cheap);
    if (!is_linear && !recompute) {
      for (uint32_t r = 0; r < e.result_count; ++r) {
        if (needed[e.results + r]) extras_.push_back(e.results + r);
      }
      continue;
    }
    for (Atom a : t.operands(e)) {
      if (!a.is_constant() && !linear_[a.id()]) needed[a.id()] = true;
    }
  }
  std::sort(extras_.begin(), extras_.end());
  extra_count_ = static_cast<int>(extras_.size());
  for (size_t i = 0; i < types_.size(); ++i) {
    if (needed[i]) residuals_.push_back({Source::input, static_cast<int>(i)});
  }
  for (size_t i = 0; i < output_types_.size(); ++i) {
    if (needed[types_.size() + i]) residuals_.push_back({Source::output, static_cast<int>(i)});
  }
  for (int i = 0; i < extra_count_; ++i) residuals_.push_back({Source::extra, i});
}

/// All known variables of the tangent program that follow from operands, outputs and extras.
std::vector<Array> Derivation::replay_known(std::span<const Array> in, std::span<const Array> out,
                                            std::span<const Array> extras) const {
  const Program& t = *tangent_program_;
  std::vector<Array> values(t.variable_count());
  std::copy(in.begin(), in.end(), values.begin());
  std::copy(out.begin(), out.end(), values.begin() + static_cast<int64_t>(in.size()));
  for (size_t i = 0; i < extras.size(); ++i) values[extras_[i]] = extras[i];
  for (const Equation& e : t.equations()) {
    if (linear_[e.results] || values[e.results].defined()) continue;
    std::vector<Array> operands;
    bool known = true;
    for (Atom a : t.operands(e)) {
      operands.push_back(a.is_constant() ? t.constant(a.id()) : values[a.id()]);
      known &= operands.back().defined();
    }
    if (!known) continue;
    std::vector<Array> results = bind_all(*e.primitive, operands, e.result_count, t.params(e), Runtimes(t.runtimes(e)));
    for (uint32_t r = 0; r < e.result_count; ++r) {
      if (!values[e.results + r].defined()) values[e.results + r] = results[r];
    }
  }
  return values;
}

void Derivation::build_forward() {
  if (extra_count_ == 0) return;
  const Runtimes runtimes = symbolic_runtimes(runtime_count_);
  const ProgramPtr program = record(types_, [&](std::span<const Array> in) {
    std::vector<Array> out = primitive_.body ? primitive_.body(in, params_, runtimes)
                                             : bind_all(primitive_, in, output_count_, params_, runtimes);
    const std::vector<Array> values = replay_known(in, out, {});
    for (uint32_t v : extras_) out.push_back(values[v]);
    return out;
  });
  forward_ = call_params(simplify(*program), primitive_.name);
}

const BackwardPlan& Derivation::backward(uint64_t live, uint64_t accumulate) const {
  // Almost every equation has one output and few operands: those plans are found without a lock.
  const bool common = live == 1 && accumulate < common_.size();
  if (common) {
    if (const BackwardPlan* plan = common_[accumulate].load(std::memory_order_acquire)) return *plan;
  }
  const BackwardPlan& plan = backward_in_table(live, accumulate);
  if (common) common_[accumulate].store(&plan, std::memory_order_release);
  return plan;
}

const BackwardPlan& Derivation::backward_in_table(uint64_t live, uint64_t accumulate) const {
  const std::pair key{live, accumulate};
  {
    std::lock_guard lock(backward_mutex);
    if (const auto found = backward_.find(key); found != backward_.end()) return found->second;
  }
  const CurrentInterpreter eager(nullptr);
  BackwardPlan plan = derive_backward(live, accumulate);
  std::lock_guard lock(backward_mutex);
  return backward_.try_emplace(key, std::move(plan)).first->second;  // another thread's, if it was first
}

BackwardPlan Derivation::derive_backward(uint64_t live, uint64_t accumulate) const {
  Recorder recorder;
  const CurrentInterpreter scope(&recorder);
  BackwardPlan plan;
  std::vector<Array> in, out, extras, cotangents(output_types_.size()), accumulators(types_.size());
  const auto add_input = [&](const Type* type, Source::Kind kind, size_t index) {
    plan.sources.push_back({kind, static_cast<int>(index)});
    return recorder.add_input(type);
  };
  for (size_t i = 0; i < types_.size(); ++i) in.push_back(add_input(types_[i], Source::input, i));
  for (size_t i = 0; i < output_types_.size(); ++i) out.push_back(add_input(output_types_[i], Source::output, i));
  for (size_t i = 0; i < extras_.size(); ++i)
    extras.push_back(add_input(tangent_program_->type(extras_[i]), Source::extra, i));
  for (size_t i = 0; i < output_types_.size(); ++i) {
    if (live & bit(i)) cotangents[i] = add_input(output_types_[i], Source::cotangent, i);
  }
  for (size_t i = 0; i < types_.size(); ++i) {
    if (accumulate & bit(i)) accumulators[i] = add_input(types_[i], Source::accumulator, i);
  }
  const std::vector<Array> known = replay_known(in, out, extras);
  std::vector<Array> by_variable(tangent_program_->variable_count());
  uint32_t next = static_cast<uint32_t>(types_.size() + output_types_.size());
  std::vector<uint32_t> tangent_inputs(types_.size());
  for (size_t i = 0; i < types_.size(); ++i) {
    if (!(active_ & bit(i)) || !is_inexact(types_[i]->dtype)) continue;
    tangent_inputs[i] = next;
    by_variable[next++] = accumulators[i];
  }
  std::vector<Array> output_cotangents;
  for (int o : tangent_outputs_) output_cotangents.push_back(cotangents[static_cast<size_t>(o)]);
  transpose_equations(*tangent_program_, linear_, known, output_cotangents, by_variable);
  std::vector<Array> results;
  for (size_t i = 0; i < types_.size(); ++i) {
    if (tangent_inputs[i] == 0 || !by_variable[tangent_inputs[i]].defined()) continue;
    results.push_back(by_variable[tangent_inputs[i]]);
    plan.results.push_back(static_cast<int>(i));
  }
  plan.call = pruned_call(*recorder.finish(results), plan.sources, primitive_.name);
  for (Source& s : plan.sources) {
    if (s.kind != Source::input && s.kind != Source::output && s.kind != Source::extra) continue;
    const auto same = [&](const Source& r) { return r.kind == s.kind && r.index == s.index; };
    const auto place = std::find_if(residuals_.begin(), residuals_.end(), same);
    s = {Source::extra, static_cast<int>(place - residuals_.begin())};
  }
  note_passed(plan);
  return plan;
}

bool Derivation::matches(const Primitive& primitive, Inputs in, const Params& params, uint64_t active) const {
  if (&primitive_ != &primitive || active_ != active || types_.size() != in.size()) return false;
  for (size_t i = 0; i < in.size(); ++i) {
    if (types_[i] != in[i]->layout->type) return false;
  }
  return params_ == params;
}

// The cache ----------------------------------------------------------------------------------------------

/// A bounded number of derivations. A thread keeps two generations and drops the elder when the younger is full; tapes
/// that still need the elder keep it, and with it all that followed.
struct Generation {
  static constexpr size_t most = 1024;  // some 3 KB each, more for composites
  std::unordered_multimap<uint64_t, std::shared_ptr<const Derivation>> derivations;
  std::shared_ptr<Generation> next;  // under the mutex: a tape may end on another thread than its own
  static std::mutex mutex;

  void set_next(std::shared_ptr<Generation> following) {
    std::lock_guard lock(mutex);
    next = std::move(following);
  }
  /// Takes what follows out of the chain if nobody else holds it.
  std::shared_ptr<Generation> take_next() {
    std::lock_guard lock(mutex);
    return next.use_count() == 1 ? std::exchange(next, nullptr) : nullptr;
  }
  ~Generation() {
    // One after the other: a tape may have outlived many generations, and their destructors must not nest.
    for (auto following = take_next(); following;) following = following->take_next();
  }
};
std::mutex Generation::mutex;

namespace {

/// What is asked for: everything that a derivation is found by.
struct Query {
  const Primitive& primitive;
  Inputs in;
  const Params& params;
  uint64_t active;

  uint64_t hash() const {
    uint64_t h = reinterpret_cast<uintptr_t>(&primitive) ^ params.hash() ^ (active << 40);
    for (Node* x : in) h = (h ^ reinterpret_cast<uintptr_t>(x->layout->type)) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 31);
  }
  bool matches(const Derivation& made) const { return made.matches(primitive, in, params, active); }
};

/// Lets threads share what they derive. Keeps nothing alive.
class Table {
 public:
  std::shared_ptr<const Derivation> find_or_make(const Query& query, uint64_t hash, int runtime_count) {
    if (auto found = find(query, hash)) return found;
    std::vector<const Type*> types;
    for (Node* x : query.in) types.push_back(x->layout->type);
    // Not make_shared: a weak pointer must not keep the memory.
    std::shared_ptr<const Derivation> made(
        new Derivation(query.primitive, std::move(types), query.params, runtime_count, query.active));
    std::lock_guard lock(mutex_);
    if (table_.size() >= sweep_at_) {
      std::erase_if(table_, [](const auto& entry) { return entry.second.expired(); });
      sweep_at_ = std::max(Generation::most, 2 * table_.size());
    }
    table_.emplace(hash, made);
    return made;
  }
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  std::shared_ptr<const Derivation> find(const Query& query, uint64_t hash) {
    std::lock_guard lock(mutex_);
    auto [begin, end] = table_.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      auto made = it->second.lock();
      if (made && query.matches(*made)) return made;
    }
    return nullptr;
  }

  std::mutex mutex_;
  size_t sweep_at_ = Generation::most;
  std::unordered_multimap<uint64_t, std::weak_ptr<const Derivation>> table_;
};
Table& table() {
  static auto* derivations = new Table;
  return *derivations;
}

[[maybe_unused]] const bool held_over_fork = [] {
  const auto unlock = [] {
    backward_mutex.unlock();
    table().unlock();
  };
  const auto lock = [] {
    table().lock();
    backward_mutex.lock();
  };
  handle_fork(ForkPlace::derivations, {lock, unlock, unlock});
  return true;
}();

/// A thread's derivations, and a direct-mapped cache before them.
class ThreadDerivations {
 public:
  std::shared_ptr<Generation> current = std::make_shared<Generation>();

  const Derivation& find_or_make(const Query& query, int runtime_count) {
    const uint64_t hash = query.hash();
    const std::shared_ptr<const Derivation>& last = recent_[hash % recent_.size()];
    if (last && query.matches(*last)) return *last;
    return keep(hash, table().find_or_make(query, hash, runtime_count));
  }

 private:
  const Derivation& keep(uint64_t hash, std::shared_ptr<const Derivation> made) {
    if (current->derivations.size() >= Generation::most) begin_generation();
    auto [begin, end] = current->derivations.equal_range(hash);
    if (std::none_of(begin, end, [&](const auto& entry) { return entry.second == made; })) {
      current->derivations.emplace(hash, made);
    }
    return *(recent_[hash % recent_.size()] = std::move(made));
  }
  void begin_generation() {
    previous_ = std::exchange(current, std::make_shared<Generation>());
    previous_->set_next(current);
    recent_ = {};  // what is still in use is found again, and so becomes part of the new generation
  }

  std::shared_ptr<Generation> previous_;
  std::array<std::shared_ptr<const Derivation>, 512> recent_;
};

ThreadDerivations& thread_derivations() { return thread().derivations.get<ThreadDerivations>(); }

}  // namespace

KeptDerivations::KeptDerivations() : from_(thread_derivations().current) {}

void bind_body(const Primitive& composite, Inputs in, const Params& params, const Runtimes& runtimes,
               std::span<Array> out) {
  const CallScope scope;  // the user's line stays
  std::vector<Array> operands;
  for (Node* x : in) operands.push_back(share(x));
  Results results = composite.body(operands, params, runtimes);
  std::move(results.begin(), results.end(), out.begin());
}

const Derivation& derivation(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                             uint64_t active) {
  if (in.size() > 64) {  // masks have 64 bits
    throw Error(ErrorKind::value, "derivative-operands",
                std::string(primitive.name) + ": " + std::to_string(in.size()) +
                    " operands under differentiation: wanted at most 64; take them in steps" + call_site());
  }
  return thread_derivations().find_or_make({primitive, in, params, active}, runtimes.size());
}

}  // namespace wengert::diff
