#include "wengert/ops/stop_gradient.hpp"

#include "wengert/ops/common.hpp"

namespace wengert {

const Primitive stop_gradient_primitive{
    .name = "stop_gradient",
    .doc = "y = x, with a derivative of zero. x: any dtype and shape.",
    .traits = Trait::elementwise | Trait::nondifferentiable | Trait::cheap,
    .infer = as_operand,
    .lower = [](Lowering& k, const Coordinates& i) -> std::vector<Expr> { return {k(0, i)}; },
    .samples = {{{{{2, 3}}}, {{{}}}, {{{0, 4}}}}, {-2, 2}, {}, {float32, float64, int32, bool_}, false},
};

Array stop_gradient(const Operand& x) {
  note_call(x);
  return bind(stop_gradient_primitive, x.to_array());
}

}  // namespace wengert
