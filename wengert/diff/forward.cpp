#include "wengert/diff/forward.hpp"

#include <algorithm>

#include "wengert/diff/derive.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert::diff {
namespace {

class JvpInterpreter final : public Interpreter {
 public:
  using Interpreter::Interpreter;

  Array dual(const Array& primal, Array tangent) {
    Array x = detail::make_traced(tag(), &primal.layout(), primal, -1);
    x.node()->tangent = tangent.release_node();
    return x;
  }
  bool owns(const Array& x) const { return x.defined() && x.node()->tag == tag(); }

  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override {
    if (is_wide(primitive, in, out)) return bind_body(primitive, in, params, runtimes, out);
    std::vector<Node*> primals;
    uint64_t active = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const bool own = in[i]->tag == tag();
      primals.push_back(own ? in[i]->owner : in[i]);
      if (own) active |= uint64_t{1} << std::min<size_t>(i, 63);  // derivation() refuses more than 64
    }
    const CurrentInterpreter scope(parent());
    bind_into(primitive, primals, params, runtimes, out);
    if (active == 0) return;
    const Derivation& rule = derivation(primitive, primals, params, runtimes, active);
    if (!rule.differentiable()) return;
    const TangentPlan& plan = rule.tangent();
    std::vector<Array> operands;
    for (const Source& s : plan.sources) {
      const auto i = static_cast<size_t>(s.index);
      operands.push_back(s.kind == Source::input        ? share(primals[i])
                             : s.kind == Source::output ? out[i]
                                                        : share(in[i]->tangent));
    }
    const std::vector<Array> tangents = call(plan.call, operands, runtimes);
    for (size_t r = 0; r < tangents.size(); ++r) {
      Array& y = out[static_cast<size_t>(plan.results[r])];
      y = dual(y, tangents[r]);
    }
  }

 private:
  const KeptDerivations kept_;
};

}  // namespace

std::pair<std::vector<Array>, std::vector<Array>> jvp_through(const ArrayFunction& f, std::span<const Array> primals,
                                                              std::span<const Array> tangents, Label label) {
  JvpInterpreter forward(std::move(label));
  std::vector<Array> inputs(primals.begin(), primals.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (tangents[i].defined()) inputs[i] = forward.dual(inputs[i], tangents[i]);
  }
  std::vector<Array> outputs;
  {
    const CurrentInterpreter scope(&forward);
    outputs = f(inputs);
  }
  std::vector<Array> derivatives(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!forward.owns(outputs[i])) continue;
    derivatives[i] = share(outputs[i].node()->tangent);
    outputs[i] = share(outputs[i].node()->owner);
  }
  return {std::move(outputs), std::move(derivatives)};
}

}  // namespace wengert::diff
