// Activation functions of neural networks: composites over the elementwise primitives, each one equation and one
// kernel. Elementwise; integers and bool become float32 except in relu and relu6. Derivatives are right to any order at
// 0, at large arguments and at ±inf.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

/// max(x, 0). Its derivative is 0 at 0, and 1 at NaN: what is wrong does not vanish from gradients.
Array relu(const Operand& x);
/// x where it is positive, else slope * x; the slope may be an array. Its derivative is the slope at 0.
Array leaky_relu(const Operand& x, const Operand& slope = 0.01);
/// x where it is positive, else alpha * (exp(x) - 1). (D. Clevert, T. Unterthiner, S. Hochreiter, 2015.)
Array elu(const Operand& x, const Operand& alpha = 1.0);
/// min(max(x, 0), 6). Its derivative is 0 at 0 and at 6, and 1 at NaN.
Array relu6(const Operand& x);
/// x Φ(x), Φ being the distribution function of the normal distribution; `approximate` replaces Φ by
/// (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2. (D. Hendrycks, K. Gimpel, 2016.) 0 at -inf.
Array gelu(const Operand& x, bool approximate = false);
/// x sigmoid(x), also known as swish. 0 at -inf.
Array silu(const Operand& x);
/// log(1 + exp(x)) without overflow.
Array softplus(const Operand& x);

}  // namespace wengert
