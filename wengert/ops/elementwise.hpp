// Elementwise functions. Operands are arrays or plain numbers; they are promoted as promote() says and broadcast by
// NumPy's rule. Results have the common shape. Integers wrap; functions of inexact numbers turn integers and bool into
// float32. Errors: shape (no common shape), dtype (an operand's dtype that the operation does not take, such as bool in
// arithmetic). Accuracy of float32: at most 2 ULP unless a function says otherwise.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert {

// Arithmetic ---------------------------------------------------------------------------------------------

Array operator+(const Operand& a, const Operand& b);
Array operator-(const Operand& a, const Operand& b);
Array operator*(const Operand& a, const Operand& b);
/// Integers divide to float32.
Array operator/(const Operand& a, const Operand& b);
/// As remainder().
Array operator%(const Operand& a, const Operand& b);
Array operator-(const Operand& x);

// Assignments of a new array to the handle: other handles to the old one keep it.
Array& operator+=(Array& a, const Operand& b);
Array& operator-=(Array& a, const Operand& b);
Array& operator*=(Array& a, const Operand& b);
Array& operator/=(Array& a, const Operand& b);
Array& operator%=(Array& a, const Operand& b);

Array add(const Operand& a, const Operand& b);
Array subtract(const Operand& a, const Operand& b);
Array multiply(const Operand& a, const Operand& b);
Array divide(const Operand& a, const Operand& b);
Array negative(const Operand& x);
/// a to the power b. Integers wrap, and a negative exponent gives 0 there unless a is 1 or -1. Plain exponents from -1
/// to 4 are multiplied out. d/db is log(a) a^b where a > 0. Where a <= 0 there is no logarithm, and b counts as a
/// constant in derivatives of every order: d/db is 0 and d/da is b a^(b-1), as in TensorFlow. (JAX and PyTorch give NaN
/// for d/db where a < 0, and 0 too at a = 0 where b > 0.)
Array power(const Operand& a, const Operand& b);
/// The quotient rounded down, as in Python. Integers by 0 give 0.
Array floor_divide(const Operand& a, const Operand& b);
/// a - b * floor_divide(a, b), exact, with the sign of b, as in Python. Integers by 0 give 0, floats NaN.
Array remainder(const Operand& a, const Operand& b);
/// The derivative is 0 at 0.
Array abs(const Operand& x);
Array absolute(const Operand& x);
/// -1, 0 or 1; NaN stays.
Array sign(const Operand& x);
Array square(const Operand& x);
/// 1 / x.
Array reciprocal(const Operand& x);
/// The larger one; NaN if either is. 0 is larger than -0. Where both are equal, and where either is NaN, each gets half
/// of the derivative.
Array maximum(const Operand& a, const Operand& b);
/// The smaller one; NaN if either is. -0 is smaller than 0. Where both are equal, and where either is NaN, each gets half
/// of the derivative.
Array minimum(const Operand& a, const Operand& b);
/// x kept between `low` and `high`; `high` where they cross. The derivative is that of x on the closed interval, at
/// both ends too, and outside that of the limit that is in force.
Array clamp(const Operand& x, const Operand& low, const Operand& high);
/// The largest integer not above x. Integers stay as they are.
Array floor(const Operand& x);
/// The nearest integer, halves to even. Integers stay as they are.
Array round(const Operand& x);

// Transcendental functions -------------------------------------------------------------------------------

/// Correctly rounded; NaN below 0.
Array sqrt(const Operand& x);
/// 1 / sqrt(x).
Array rsqrt(const Operand& x);
Array exp(const Operand& x);
/// exp(x) - 1, accurate near 0.
Array expm1(const Operand& x);
/// -inf at 0, NaN below.
Array log(const Operand& x);
/// log(1 + x), accurate near 0.
Array log1p(const Operand& x);
/// x in radians. float32 is accurate everywhere, float64 for |x| < 2^48: beyond that only within [-1, 1].
Array sin(const Operand& x);
/// As sin().
Array cos(const Operand& x);
/// y = tanh(x); ±inf gives ±1.
Array tanh(const Operand& x);
/// 1 / (1 + exp(-x)).
Array sigmoid(const Operand& x);
/// 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x.
Array erf(const Operand& x);
/// 1 - erf(x), accurate where that is small; float64 within 3.1 ULP. ±inf gives 0 and 2.
Array erfc(const Operand& x);

// Comparisons and logic; results are bool ----------------------------------------------------------------

Array operator==(const Operand& a, const Operand& b);
Array operator!=(const Operand& a, const Operand& b);
Array operator<(const Operand& a, const Operand& b);
Array operator<=(const Operand& a, const Operand& b);
Array operator>(const Operand& a, const Operand& b);
Array operator>=(const Operand& a, const Operand& b);

Array equal(const Operand& a, const Operand& b);
Array not_equal(const Operand& a, const Operand& b);
Array less(const Operand& a, const Operand& b);
Array less_equal(const Operand& a, const Operand& b);
Array greater(const Operand& a, const Operand& b);
Array greater_equal(const Operand& a, const Operand& b);

// Operands that are not bool count by their truth: whether they are not 0.
Array logical_and(const Operand& a, const Operand& b);
Array logical_or(const Operand& a, const Operand& b);
Array logical_not(const Operand& x);

Array isnan(const Operand& x);
/// Whether x is inf or -inf.
Array isinf(const Operand& x);
/// Whether x is neither infinite nor NaN.
Array isfinite(const Operand& x);

// Selection and conversion -------------------------------------------------------------------------------

/// Elements of a where the condition holds, of b elsewhere. All three broadcast; a and b are promoted. Linear in both:
/// the derivative of the branch that was not taken is multiplied by 0, so keep its arguments in the function's domain.
Array where(const Operand& condition, const Operand& a, const Operand& b);

/// Elements converted to `dtype`: floats to integers toward zero; to bool, whether not zero.
Array convert(const Operand& x, Dtype dtype);
/// The same values without the weak bit.
Array strengthen(const Array& x);

}  // namespace wengert
