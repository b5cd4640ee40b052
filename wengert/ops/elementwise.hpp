// Elementwise functions. Operands are arrays or plain numbers; they are promoted as promote() says and broadcast by
// NumPy's rule. Results have the common shape. Errors: shape (no common shape), dtype (an operand's dtype that the
// operation does not take). Accuracy of float32: at most 2 ULP unless a function says otherwise.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

Array operator+(const Operand& a, const Operand& b);
Array operator-(const Operand& a, const Operand& b);
Array operator*(const Operand& a, const Operand& b);
/// Integers divide to float32.
Array operator/(const Operand& a, const Operand& b);
Array operator-(const Array& x);

Array add(const Operand& a, const Operand& b);
Array subtract(const Operand& a, const Operand& b);
Array multiply(const Operand& a, const Operand& b);
Array divide(const Operand& a, const Operand& b);
Array negative(const Operand& x);

Array exp(const Operand& x);
Array log(const Operand& x);
/// y = tanh(x); ±inf gives ±1.
Array tanh(const Operand& x);
Array sqrt(const Operand& x);
/// The larger one; NaN if either is.
Array maximum(const Operand& a, const Operand& b);

/// Elements converted to `dtype`: floats to integers toward zero; to bool, whether not zero.
Array convert(const Operand& x, Dtype dtype);
/// The same values without the weak bit.
Array strengthen(const Array& x);

}  // namespace wengert
