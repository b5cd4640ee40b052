#include "wengert/backends/cpu/plan.hpp"

#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/compile/schedule.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/trace/transform.hpp"

namespace wengert::cpu {
namespace {

using compile::LoweredStep;
using compile::Value;

/// Additions below which a parallel region costs more than it saves; measured by benchmarks/threads_benchmark.
constexpr int64_t grain = 1 << 17;
/// No loop is cut into more pieces than this.
constexpr int64_t most_chunks = 256;

void set_chunk(compile::KernelText& kernel) {
  const int64_t count = kernel.sizes[0];
  const int64_t chunk = std::max<int64_t>(1, grain / std::max<int64_t>(kernel.work, 1));
  kernel.sizes[1] = std::max(chunk, (count + most_chunks - 1) / most_chunks);
}

PlanStep prepare_kernel(LoweredStep& step, bool compiled) {
  PlanStep result;
  result.buffers = std::move(step.slots);
  if (!compiled) {
    result.nest = std::move(step.nest);
    return result;
  }
  compile::KernelText kernel = compile::print_kernel(*step.nest, step.schedule);
  set_chunk(kernel);
  result.kernel = find_kernel(kernel.text);
  result.nest = std::move(step.nest);
  result.sizes = std::move(kernel.sizes);
  result.runtime_sizes = std::move(kernel.runtime_sizes);
  return result;
}

PlanStep prepare_claim(const compile::Lowered& lowered, const LoweredStep& step, const compile::Claims& claims) {
  const Program& p = *lowered.program;
  const Equation& e = p.equations()[step.equation];
  PlanStep result;
  std::vector<const Layout*> operands, results;
  for (Atom a : p.operands(e)) {
    result.buffers.push_back(lowered.slot(a));
    operands.push_back(lowered.values[result.buffers.back()].layout);
  }
  result.operand_count = e.operand_count;
  for (uint32_t r = 0; r < e.result_count; ++r) {
    result.buffers.push_back(e.results + r);
    results.push_back(lowered.values[e.results + r].layout);
  }
  result.claimed = claims.prepare(p, e, operands, results);
  return result;
}

void note_slots(Plan& plan, const compile::Lowered& lowered) {
  std::vector<bool> used(lowered.values.size());
  for (const PlanStep& step : plan.steps) {
    for (uint32_t s : step.buffers) {
      used[s] = true;
      if (lowered.values[s].kind == Value::alias) used[lowered.values[s].base] = true;
    }
  }
  for (Atom a : lowered.program->outputs()) {
    const uint32_t s = lowered.slot(a);
    plan.outputs.push_back(s);
    if (lowered.values[s].kind == Value::alias) used[lowered.values[s].base] = true;
    used[s] = true;
  }
  for (uint32_t s = 0; s < lowered.values.size(); ++s) {
    if (used[s] && lowered.values[s].kind == Value::stored) plan.stored.push_back(s);
    if (used[s] && s >= lowered.program->variable_count()) plan.constants.push_back(s);
  }
}

bool is_direct(const Plan& plan) {
  if (plan.steps.size() != 1 || plan.steps[0].claimed || !plan.steps[0].kernel || plan.outputs.size() != 1) return false;
  if (plan.stored.size() != 1 || plan.stored[0] != plan.outputs[0] || !plan.steps[0].runtime_sizes.empty()) return false;
  for (uint32_t s : plan.steps[0].buffers) {
    if (s != plan.outputs[0] && s >= plan.inputs.size()) return false;
  }
  return true;
}

[[noreturn]] void fail(const Plan& plan, int32_t status) {
  const std::string operation = plan.primitive->name;
  switch (status) {
    case wg_status_interrupted:
      throw Error(ErrorKind::state, "interrupted", operation + ": interrupted" + call_site());
    case wg_status_no_memory:
      throw Error(ErrorKind::memory, "scratch-memory", operation + ": no memory for scratch: wanted room for one row" + call_site());
    default:
      throw Error(ErrorKind::value, "assertion", operation + ": a value check failed" + call_site());
  }
}

/// One launch in the making: the addresses and arrays of all slots.
class Launch {
 public:
  Launch(const Plan& plan, Inputs in, const Runtimes& runtimes)
      : plan_(plan), in_(in), runtimes_(runtimes), arrays_(plan.values.size()), data_(plan.values.size()) {
    for (size_t i = 0; i < in.size(); ++i) data_[i] = in[i]->data;
    for (uint32_t s : plan.constants) data_[s] = plan.program->constant(s - plan.program->variable_count()).node()->data;
    for (uint32_t s : plan.stored) {
      arrays_[s] = detail::make_array(plan.values[s].layout);
      data_[s] = arrays_[s].node()->data;
    }
  }

  void run() {
    for (const PlanStep& step : plan_.steps) run(step);
  }

  Array output(uint32_t slot) {
    const Value& value = plan_.values[slot];
    if (value.kind != Value::alias) return base(slot);
    Array whole = base(value.base);
    const int64_t offset = alias_offset(value);
    if (offset == 0 && whole.node()->layout == value.layout) return whole;
    return detail::make_view(whole, value.layout, offset);
  }

 private:
  Array base(uint32_t slot) {
    if (slot < in_.size()) return share(in_[slot]);
    if (slot >= plan_.program->variable_count()) return plan_.program->constant(slot - plan_.program->variable_count());
    return arrays_[slot];
  }

  int64_t alias_offset(const Value& value) const {
    int64_t offset = value.offset;
    for (const auto& [parameter, stride] : value.runtime_offset) offset += runtimes_[parameter].value * stride;
    return offset;
  }

  void* address(uint32_t slot) const {
    const Value& value = plan_.values[slot];
    if (value.kind != Value::alias) return data_[slot];
    return data_[value.base] + alias_offset(value) * itemsize(value.layout->type->dtype);
  }

  void run(const PlanStep& step) {
    std::vector<void*> buffers;
    for (uint32_t s : step.buffers) buffers.push_back(address(s));
    if (step.claimed) {
      const std::span<void* const> all(buffers);
      const size_t n = static_cast<size_t>(step.operand_count);
      return step.claimed->run(all.first(n), all.subspan(n));
    }
    if (!step.kernel) {
      std::vector<int64_t> arguments;
      for (const RuntimeParam& r : runtimes_) arguments.push_back(r.value);
      return compile::run_nest(*step.nest, buffers, arguments);
    }
    int32_t status;
    if (step.runtime_sizes.empty()) {
      status = step.kernel(context(), buffers.data(), step.sizes.data(), nullptr);
    } else {
      std::vector<int64_t> sizes = step.sizes;
      for (const auto& [position, parameter] : step.runtime_sizes) sizes[static_cast<size_t>(position)] = runtimes_[parameter].value;
      status = step.kernel(context(), buffers.data(), sizes.data(), nullptr);
    }
    if (status != wg_ok) fail(plan_, status);
  }

  const Plan& plan_;
  Inputs in_;
  const Runtimes& runtimes_;
  std::vector<Array> arrays_;
  std::vector<std::byte*> data_;
};

void run_direct(const Plan& plan, Inputs in, Array& out) {
  const PlanStep& step = plan.steps[0];
  Array result = detail::make_array(plan.values[plan.outputs[0]].layout);
  void* buffers[16];
  size_t n = 0;
  for (uint32_t s : step.buffers) buffers[n++] = s < in.size() ? in[s]->data : result.node()->data;
  const int32_t status = step.kernel(context(), buffers, step.sizes.data(), nullptr);
  if (status != wg_ok) fail(plan, status);
  out = std::move(result);
}

}  // namespace

std::unique_ptr<Plan> make_plan(const Primitive& primitive, const Params& params, int runtime_count,
                                std::span<const Layout* const> inputs, uint64_t donated,
                                const compile::LowerOptions& given) {
  std::vector<const Type*> types;
  for (const Layout* layout : inputs) types.push_back(layout->type);
  ProgramPtr program = primitive.body ? record_body(primitive, types, params, runtime_count)
                                      : single_equation(primitive, types, params, runtime_count);
  const compile::Claims* claims = given.claims;
  const auto keep = [&](const Equation& e) { return claims && e.primitive->body && false; };
  program = simplify(*inline_composites(*program, keep));
  compile::LowerOptions options = given;
  options.donated = donated;
  compile::Lowered lowered = compile::lower(program, inputs, options);
  auto plan = std::make_unique<Plan>();
  plan->primitive = &primitive;
  plan->params = params;
  plan->inputs.assign(inputs.begin(), inputs.end());
  plan->donated = donated;
  plan->program = program;
  for (LoweredStep& step : lowered.steps) {
    if (step.kind == LoweredStep::claimed) plan->steps.push_back(prepare_claim(lowered, step, *claims));
    else plan->steps.push_back(prepare_kernel(step, given.fuse));
  }
  note_slots(*plan, lowered);
  plan->values = std::move(lowered.values);
  plan->direct = is_direct(*plan);
  return plan;
}

void run_plan(const Plan& plan, Inputs in, const Runtimes& runtimes, std::span<Array> out) {
  if (plan.direct) return run_direct(plan, in, out[0]);
  Launch launch(plan, in, runtimes);
  launch.run();
  for (size_t i = 0; i < plan.outputs.size(); ++i) out[i] = launch.output(plan.outputs[i]);
}

}  // namespace wengert::cpu
