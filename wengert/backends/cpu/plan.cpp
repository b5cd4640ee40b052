#include "wengert/backends/cpu/plan.hpp"

#include <algorithm>

#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/compile/schedule.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/trace/transform.hpp"

namespace wengert::cpu {
namespace {

using compile::LoweredStep;
using compile::Value;

/// No loop is cut into more pieces than this.
constexpr int64_t most_chunks = 256;

void set_chunk(compile::KernelText& kernel, int64_t grain) {
  const int64_t count = kernel.sizes[0];
  const int64_t chunk = std::max<int64_t>(1, grain / std::max<int64_t>(kernel.work, 1));
  kernel.sizes[1] = std::max(chunk, (count + most_chunks - 1) / most_chunks);
}

/// Makes a plan of a lowered program: slots become places in blocks.
class Planner {
 public:
  Planner(Plan& plan, compile::Lowered lowered, int64_t grain)
      : plan_(plan), lowered_(std::move(lowered)), grain_(grain) {}

  void plan(const compile::LowerOptions& options) {
    find_blocks();
    for (LoweredStep& step : lowered_.steps) {
      plan_.steps.push_back(step.kind == LoweredStep::claimed ? claim_step(step, *options.claims)
                                                              : kernel_step(step, options.fuse));
    }
    for (Atom a : program().outputs()) {
      const uint32_t slot = lowered_.slot(a);
      plan_.outputs.push_back({place(slot), lowered_.values[slot].layout});
    }
    plan_.direct = is_direct();
    plan_.views = plan_.steps.empty() && plan_.allocated.empty() && plan_.constants.empty();
  }

 private:
  const Program& program() const { return *lowered_.program; }

  /// The slot whose memory a slot's elements lie in.
  uint32_t root(uint32_t slot) const {
    const Value& value = lowered_.values[slot];
    return value.kind == Value::alias ? value.base : slot;
  }

  void find_blocks() {
    std::vector<bool> used(lowered_.values.size());
    for (const LoweredStep& step : lowered_.steps) {
      for (uint32_t s : step.slots) used[root(s)] = true;
    }
    for (Atom a : program().outputs()) used[root(lowered_.slot(a))] = true;
    block_.resize(lowered_.values.size());
    uint32_t next = 0;
    for (; next < plan_.inputs.size(); ++next) block_[next] = next;
    for (uint32_t s = 0; s < used.size(); ++s) {
      if (!used[s] || lowered_.values[s].kind != Value::stored) continue;
      block_[s] = next++;
      plan_.allocated.push_back(lowered_.values[s].layout);
    }
    for (uint32_t s = program().variable_count(); s < used.size(); ++s) {
      if (!used[s] || lowered_.values[s].kind != Value::given) continue;
      block_[s] = next++;
      plan_.constants.push_back(program().constant(s - program().variable_count()));
    }
  }

  Place place(uint32_t slot) const {
    const Value& value = lowered_.values[slot];
    const int64_t size = itemsize(value.layout->type->dtype);
    Place result{block_[root(slot)], value.offset * size, {}};
    for (const auto& [parameter, stride] : value.runtime_offset)
      result.runtime_bytes.emplace_back(parameter, stride * size);
    return result;
  }

  PlanStep kernel_step(LoweredStep& step, bool compiled) const {
    PlanStep result;
    for (uint32_t s : step.slots) result.buffers.push_back(place(s));
    if (compiled) {
      compile::KernelText kernel = compile::print_kernel(*step.nest, step.schedule);
      set_chunk(kernel, grain_);
      result.kernel = find_kernel(kernel.text);
      result.sizes = std::move(kernel.sizes);
      result.runtime_sizes = std::move(kernel.runtime_sizes);
    }
    if (!result.kernel || compile::checks_indices(*step.nest)) result.nest = std::move(step.nest);
    return result;
  }

  PlanStep claim_step(const LoweredStep& step, const compile::Claims& claims) const {
    PlanStep result;
    const Equation& e = program().equations()[step.equation];
    std::vector<const Layout*> layouts;
    for (uint32_t s : step.slots) {
      result.buffers.push_back(place(s));
      layouts.push_back(lowered_.values[s].layout);
    }
    result.operand_count = e.operand_count;
    const std::span<const Layout* const> all(layouts);
    result.claimed = claims.prepare(program(), e, all.first(e.operand_count), all.subspan(e.operand_count));
    return result;
  }

  bool is_direct() const {
    if (plan_.steps.size() != 1 || !plan_.steps[0].kernel || !plan_.steps[0].runtime_sizes.empty()) return false;
    if (plan_.outputs.size() != 1 || plan_.allocated.size() != 1 || !plan_.constants.empty()) return false;
    const Place& output = plan_.outputs[0].place;
    if (output.block != plan_.inputs.size() || plan_.outputs[0].layout != plan_.allocated[0]) return false;
    return plan_.steps[0].buffers.size() <= 8 &&
        std::all_of(plan_.steps[0].buffers.begin(), plan_.steps[0].buffers.end(),
                    [](const Place& p) { return p.bytes == 0 && p.runtime_bytes.empty(); });
  }

  Plan& plan_;
  compile::Lowered lowered_;
  int64_t grain_;
  std::vector<uint32_t> block_;
};

/// What the user called: composites made of derivatives carry its name as a parameter.
std::string name_of(const Plan& plan) {
  for (int i = 0; i < plan.params.size(); ++i) {
    const std::string* given = std::get_if<std::string>(&plan.params[i]);
    if (plan.primitive == &call_primitive && given && !given->empty()) return *given;
  }
  return wengert::operation_name(*plan.primitive);
}

/// A label is an index that is not counted from the end.
[[noreturn]] void fail_label(const std::string& operation, const compile::IndexFailure& failure) {
  std::string place;
  if (failure.indices) place = " at place " + std::to_string(failure.place) + " of " + to_string(*failure.indices);
  throw Error(ErrorKind::index, "label-range",
              operation + ": label " + std::to_string(failure.index) + place + ": wanted labels from 0 to " +
                  std::to_string(failure.count - 1) + call_site());
}

[[noreturn]] void fail(const Plan& plan, const compile::IndexFailure& failure) {
  if (failure.length == 0) fail_label(name_of(plan), failure);
  std::string got;
  const auto& names = plan.primitive->operands;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    got += std::string(names[std::min(i, names.size() - 1)]) + " " + to_string(*plan.inputs[i]->type) + ", ";
  }
  const int64_t lowest = -failure.length, highest = failure.count - 1;
  throw Error(ErrorKind::index, "index-range",
              name_of(plan) + ": " + got + "index " + std::to_string(failure.index) + " on an axis of length " +
                  std::to_string(failure.length) + ": wanted an index from " + std::to_string(lowest) + " to " +
                  std::to_string(highest) + call_site());
}

[[noreturn]] void fail(const Plan& plan, int32_t status) {
  const std::string operation = name_of(plan);
  switch (status) {
    case wg_status_interrupted: throw Error(ErrorKind::state, "interrupted", operation + ": interrupted" + call_site());
    case wg_status_no_memory:
      throw Error(ErrorKind::memory, "scratch-memory",
                  operation +
                      ": no memory for scratch: wanted room for one row; release arrays, or raise the cap with "
                      "memory::set_cap" +
                      call_site());
    default: throw Error(ErrorKind::value, "assertion", operation + ": a value check failed" + call_site());
  }
}

/// One launch in the making: the blocks of a plan and their addresses. Small plans need no memory of their own.
class Launch {
 public:
  Launch(const Plan& plan, Inputs in, const Runtimes& runtimes) : plan_(plan), in_(in), runtimes_(runtimes) {
    const size_t blocks = in.size() + plan.allocated.size() + plan.constants.size();
    if (blocks > few_blocks) many_addresses_.resize(blocks);
    if (plan.allocated.size() > few_arrays) many_arrays_.resize(plan.allocated.size());
    addresses_ = blocks > few_blocks ? many_addresses_.data() : few_addresses_;
    arrays_ = plan.allocated.size() > few_arrays ? many_arrays_.data() : few_arrays_storage_;
    size_t next = 0;
    for (Node* x : in) addresses_[next++] = x->data;
    for (size_t i = 0; i < plan.allocated.size(); ++i) {
      arrays_[i] = detail::make_array(plan.allocated[i]);
      addresses_[next++] = arrays_[i].node()->data;
    }
    for (const Array& x : plan.constants) addresses_[next++] = x.node()->data;
  }

  void run() {
    for (const PlanStep& step : plan_.steps) run(step);
  }

  Array output(const PlanOutput& output) {
    Array whole = block(output.place.block);
    const int64_t bytes = offset(output.place);
    if (bytes == 0 && whole.node()->layout == output.layout) return whole;
    return detail::make_view(whole, output.layout, bytes / itemsize(output.layout->type->dtype));
  }

 private:
  static constexpr size_t few_blocks = 24, few_arrays = 8;

  Array block(uint32_t number) const {
    if (number < in_.size()) return share(in_[number]);
    const size_t own = number - in_.size();
    return own < plan_.allocated.size() ? arrays_[own] : plan_.constants[own - plan_.allocated.size()];
  }

  int64_t offset(const Place& place) const {
    int64_t bytes = place.bytes;
    for (const auto& [parameter, unit] : place.runtime_bytes) bytes += runtimes_[parameter].value * unit;
    return bytes;
  }

  void run(const PlanStep& step) {
    void* few[few_blocks];
    std::vector<void*> many(step.buffers.size() > few_blocks ? step.buffers.size() : 0);
    void** buffers = many.empty() ? few : many.data();
    for (size_t i = 0; i < step.buffers.size(); ++i)
      buffers[i] = addresses_[step.buffers[i].block] + offset(step.buffers[i]);
    const std::span<void* const> all(buffers, step.buffers.size());
    if (step.claimed) return step.claimed->run(all.first(step.operand_count), all.subspan(step.operand_count));
    if (!step.kernel) return run_plainly(step, all);
    const int32_t status = step.runtime_sizes.empty() ? step.kernel(context(), buffers, step.sizes.data(), nullptr)
                                                      : run_with_runtimes(step, buffers);
    if (status == wg_status_assertion) explain(step, all);
    if (status != wg_ok) fail(plan_, status);
  }

  /// Throws what the failed check has to say: the nest still knows.
  void explain(const PlanStep& step, std::span<void* const> buffers) const {
    if (!step.nest) return;
    const std::vector<int64_t> arguments = runtime_values();
    if (const auto failure = compile::find_index_failure(*step.nest, buffers, arguments)) fail(plan_, *failure);
  }

  int32_t run_with_runtimes(const PlanStep& step, void* const* buffers) const {
    std::vector<int64_t> sizes = step.sizes;
    for (const auto& [position, parameter] : step.runtime_sizes)
      sizes[static_cast<size_t>(position)] = runtimes_[parameter].value;
    return step.kernel(context(), buffers, sizes.data(), nullptr);
  }

  void run_plainly(const PlanStep& step, std::span<void* const> buffers) const {
    const std::vector<int64_t> arguments = runtime_values();
    if (const auto failure = compile::run_nest(*step.nest, buffers, arguments)) fail(plan_, *failure);
  }

  std::vector<int64_t> runtime_values() const {
    std::vector<int64_t> values;
    for (const RuntimeParam& r : runtimes_) values.push_back(r.value);
    return values;
  }

  const Plan& plan_;
  Inputs in_;
  const Runtimes& runtimes_;
  std::byte** addresses_;
  Array* arrays_;
  std::byte* few_addresses_[few_blocks];
  Array few_arrays_storage_[few_arrays];
  std::vector<std::byte*> many_addresses_;
  std::vector<Array> many_arrays_;
};

void run_direct(const Plan& plan, Inputs in, Array& out) {
  const PlanStep& step = plan.steps[0];
  Array result = detail::make_array(plan.allocated[0]);
  void* buffers[8];
  size_t n = 0;
  for (const Place& p : step.buffers) buffers[n++] = p.block < in.size() ? in[p.block]->data : result.node()->data;
  const int32_t status = step.kernel(context(), buffers, step.sizes.data(), nullptr);
  if (status == wg_status_assertion && step.nest) {
    if (const auto failure = compile::find_index_failure(*step.nest, {buffers, n}, {})) fail(plan, *failure);
  }
  if (status != wg_ok) fail(plan, status);
  out = std::move(result);
}

/// Views of the inputs, and nothing to compute.
void run_views(const Plan& plan, Inputs in, const Runtimes& runtimes, std::span<Array> out) {
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const PlanOutput& output = plan.outputs[i];
    int64_t bytes = output.place.bytes;
    for (const auto& [parameter, unit] : output.place.runtime_bytes) bytes += runtimes[parameter].value * unit;
    const Array whole = share(in[output.place.block]);
    const bool same = bytes == 0 && whole.node()->layout == output.layout;
    out[i] = same ? whole : detail::make_view(whole, output.layout, bytes / itemsize(output.layout->type->dtype));
  }
}

}  // namespace

std::unique_ptr<Plan> make_plan(const Primitive& primitive, const Params& params, int runtime_count,
                                std::span<const Layout* const> inputs, uint64_t donated,
                                const compile::LowerOptions& given, int64_t grain) {
  std::vector<const Type*> types;
  for (const Layout* layout : inputs) types.push_back(layout->type);
  ProgramPtr program = primitive.body ? record_body(primitive, types, params, runtime_count)
                                      : single_equation(primitive, types, params, runtime_count);
  program = simplify(*inline_composites(*program));
  compile::LowerOptions options = given;
  options.donated = donated;
  auto plan = std::make_unique<Plan>();
  plan->primitive = &primitive;
  plan->params = params;
  plan->inputs.assign(inputs.begin(), inputs.end());
  plan->donated = donated;
  Planner(*plan, compile::lower(program, inputs, options), grain).plan(options);
  return plan;
}

void run_plan(const Plan& plan, Inputs in, const Runtimes& runtimes, std::span<Array> out) {
  if (plan.direct) return run_direct(plan, in, out[0]);
  if (plan.views) return run_views(plan, in, runtimes, out);
  Launch launch(plan, in, runtimes);
  launch.run();
  for (size_t i = 0; i < plan.outputs.size(); ++i) out[i] = launch.output(plan.outputs[i]);
}

}  // namespace wengert::cpu
