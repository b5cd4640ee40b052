// The C text of the math prelude, function by function; every text calls only earlier ones. Only
// prelude.cpp includes this.
//
// The polynomials are from tools/derive_polynomials.py, under the names that stand in the comments
// here.
//
// Three tricks recur. Adding and subtracting 1.5 * 2^23 (2^52 for doubles) rounds to the nearest
// integer, and leaves that integer in the low bits of the sum, where it can be shifted into the
// place of an exponent; a bias for the exponent is added to the constant. `x > c ? c : x` keeps NaN
// and is one instruction. A power of two that may lie beyond the exponent range is multiplied in
// two halves, so that subnormal results are rounded once and overflow is an infinity.
//
// The figures in ULP are the largest errors that tests/compile/prelude_test.cpp has found, rounded
// up: over all 2^32 arguments for the float32 functions of one argument, over millions of samples
// and the special cases for the others.
#pragma once

#include <string_view>

namespace wengert::compile {

inline constexpr std::string_view prelude_texts[] = {
    // Bit patterns and arithmetic
    R"c(
WG_INLINE uint32_t wg_bits_f32(float x) {
  union { float value; uint32_t bits; } pattern = {x};
  return pattern.bits;
}
)c",
    R"c(
WG_INLINE uint64_t wg_bits_f64(double x) {
  union { double value; uint64_t bits; } pattern = {x};
  return pattern.bits;
}
)c",
    R"c(
WG_INLINE float wg_from_bits_f32(uint32_t x) {
  union { uint32_t bits; float value; } pattern = {x};
  return pattern.value;
}
)c",
    R"c(
WG_INLINE double wg_from_bits_f64(uint64_t x) {
  union { uint64_t bits; double value; } pattern = {x};
  return pattern.value;
}
)c",
    R"c(
/* a * b + c, rounded once where the machine can. */
WG_INLINE float wg_fma_f32(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
)c",
    R"c(
/* a * b + c, rounded once where the machine can. */
WG_INLINE double wg_fma_f64(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
)c",
    R"c(
/* a * b + c, rounded once on every machine; slower than wg_fma_f32 on some. */
WG_INLINE float wg_fused_f32(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return (float)((double)a * b + c);
#endif
}
)c",
    R"c(
/* a * b - product, where product is a * b rounded (T. J. Dekker, 1971, where there is no fma). */
WG_INLINE double wg_product_error_f64(double a, double b, double product) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, -product);
#else
  double a_high = wg_from_bits_f64(wg_bits_f64(a) & 0xfffffffff8000000u), a_low = a - a_high;
  double b_high = wg_from_bits_f64(wg_bits_f64(b) & 0xfffffffff8000000u), b_low = b - b_high;
  return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
#endif
}
)c",
    R"c(
WG_INLINE float wg_sqrt_f32(float x) { return __builtin_sqrtf(x); }
)c",
    R"c(
WG_INLINE double wg_sqrt_f64(double x) { return __builtin_sqrt(x); }
)c",
    R"c(
/* 1 / sqrt(x); +-0 gives +-inf. 1.5 ULP. */
WG_INLINE float wg_rsqrt_f32(float x) { return 1.0f / __builtin_sqrtf(x); }
)c",
    R"c(
/* 1 / sqrt(x); +-0 gives +-inf. 1.5 ULP. */
WG_INLINE double wg_rsqrt_f64(double x) { return 1.0 / __builtin_sqrt(x); }
)c",
    R"c(
/* -1, 1, or x itself where it is a zero or NaN. */
WG_INLINE float wg_sign_f32(float x) { return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x); }
)c",
    R"c(
/* -1, 1, or x itself where it is a zero or NaN. */
WG_INLINE double wg_sign_f64(double x) { return x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : x); }
)c",
    R"c(
/* The nearest integer, halves to even; keeps the sign of zero. */
WG_INLINE float wg_round_f32(float x) {
  float a = __builtin_fabsf(x), y = (a + 8388608.0f) - 8388608.0f; /* 2^23 */
  return a < 8388608.0f ? __builtin_copysignf(y, x) : x;
}
)c",
    R"c(
/* The nearest integer, halves to even; keeps the sign of zero. */
WG_INLINE double wg_round_f64(double x) {
  double a = __builtin_fabs(x), y = (a + 4503599627370496.0) - 4503599627370496.0; /* 2^52 */
  return a < 4503599627370496.0 ? __builtin_copysign(y, x) : x;
}
)c",
    R"c(
/* The largest integer not above x; keeps the sign of zero. */
WG_INLINE float wg_floor_f32(float x) {
  float y = wg_round_f32(x);
  return y > x ? y - 1.0f : y;
}
)c",
    R"c(
/* The largest integer not above x; keeps the sign of zero. */
WG_INLINE double wg_floor_f64(double x) {
  double y = wg_round_f64(x);
  return y > x ? y - 1.0 : y;
}
)c",
    R"c(
/* The larger, 0 of 0 and -0; NaN if either is. Of equals one and the other are taken; zeros alone
 * may differ in a bit. */
WG_INLINE float wg_max_f32(float a, float b) {
  float one = a > b ? a : b, other = a >= b ? a : b;
  float larger = wg_from_bits_f32(wg_bits_f32(one) & wg_bits_f32(other));
  return a != a ? a : larger;
}
)c",
    R"c(
/* The larger, 0 of 0 and -0; NaN if either is. Of equals one and the other are taken; zeros alone
 * may differ in a bit. */
WG_INLINE double wg_max_f64(double a, double b) {
  double one = a > b ? a : b, other = a >= b ? a : b;
  double larger = wg_from_bits_f64(wg_bits_f64(one) & wg_bits_f64(other));
  return a != a ? a : larger;
}
)c",
    R"c(
/* The smaller, -0 of 0 and -0; NaN if either is. */
WG_INLINE float wg_min_f32(float a, float b) {
  float one = a < b ? a : b, other = a <= b ? a : b;
  float smaller = wg_from_bits_f32(wg_bits_f32(one) | wg_bits_f32(other));
  return a != a ? a : smaller;
}
)c",
    R"c(
/* The smaller, -0 of 0 and -0; NaN if either is. */
WG_INLINE double wg_min_f64(double a, double b) {
  double one = a < b ? a : b, other = a <= b ? a : b;
  double smaller = wg_from_bits_f64(wg_bits_f64(one) | wg_bits_f64(other));
  return a != a ? a : smaller;
}
)c",

    // Exponentials: x = n ln 2 + r, e^x = 2^n e^r. Polynomials exp_f32, exp_f64,
    // expm1_f64, tanh_f32.
    R"c(
/* e^x. 0.92 ULP (1.19 without fma). */
WG_INLINE float wg_exp_f32(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  float shifted = wg_fma_f32(c, 1.44269502f, 12583166.0f); /* 1.5 * 2^23 + 254 + n */
  float n = shifted - 12583166.0f;
  float r = wg_fma_f32(n, -0.693145752f, c);
  r = wg_fma_f32(n, -1.42860677e-06f, r);
  float p = wg_fma_f32(0.00138697948f, r, 0.00836625788f);
  p = wg_fma_f32(p, r, 0.0416674428f);
  p = wg_fma_f32(p, r, 0.166665465f);
  p = wg_fma_f32(p, r, 0.49999997f);
  p = wg_fma_f32(p, r, 1.0f);
  p = wg_fma_f32(p, r, 1.0f);
  uint32_t whole = wg_bits_f32(shifted), half = whole >> 1;
  return p * wg_from_bits_f32(half << 23) * wg_from_bits_f32((whole - half) << 23);
}
)c",
    R"c(
/* e^x. 0.9 ULP (1.2 without fma). */
WG_INLINE double wg_exp_f64(double x) {
  /* 6755399441057790 = 1.5 * 2^52 + 2046 */
  double c = x < -746.0 ? -746.0 : x;
  c = c > 710.0 ? 710.0 : c;
  double shifted = wg_fma_f64(c, 1.4426950408889634, 6755399441057790.0);
  double n = shifted - 6755399441057790.0;
  double r = wg_fma_f64(n, -0.69314718055989033, c);
  r = wg_fma_f64(n, -5.4979230187083712e-14, r);
  double p = wg_fma_f64(2.5007480130634203e-08, r, 2.7630220286885522e-07);
  p = wg_fma_f64(p, r, 2.7557557945426219e-06);
  p = wg_fma_f64(p, r, 2.4801493098205095e-05);
  p = wg_fma_f64(p, r, 0.00019841269546247585);
  p = wg_fma_f64(p, r, 0.0013888888943769601);
  p = wg_fma_f64(p, r, 0.0083333333334707563);
  p = wg_fma_f64(p, r, 0.04166666666652858);
  p = wg_fma_f64(p, r, 0.16666666666666463);
  p = wg_fma_f64(p, r, 0.50000000000000111);
  p = wg_fma_f64(p, r, 1.0);
  p = wg_fma_f64(p, r, 1.0);
  uint64_t whole = wg_bits_f64(shifted), half = whole >> 1;
  return p * wg_from_bits_f64(half << 52) * wg_from_bits_f64((whole - half) << 52);
}
)c",
    R"c(
/* e^x - 1. 1.57 ULP (1.71 without fma). */
WG_INLINE float wg_expm1_f32(float x) {
  float c = x < -18.0f ? -18.0f : x;
  c = c > 89.0f ? 89.0f : c;
  float shifted = wg_fma_f32(c, 1.44269502f, 12583038.0f); /* 1.5 * 2^23 + 126 + n */
  float n = shifted - 12583038.0f;
  float r = wg_fma_f32(n, -0.693145752f, c);
  r = wg_fma_f32(n, -1.42860677e-06f, r);
  float p = wg_fma_f32(0.00138697948f, r, 0.00836625788f);
  p = wg_fma_f32(p, r, 0.0416674428f);
  p = wg_fma_f32(p, r, 0.166665465f);
  p = wg_fma_f32(p, r, 0.49999997f);
  p = wg_fma_f32(p * r, r, r);
  float half = wg_from_bits_f32(wg_bits_f32(shifted) << 23); /* 2^(n-1), as 2^128 is no float */
  float y = wg_fma_f32(p, half, half - 0.5f);
  return __builtin_fabsf(x) < 2.98023224e-08f ? x : y + y;
}
)c",
    R"c(
/* e^x - 1. 2.1 ULP (2.2 without fma). */
WG_INLINE double wg_expm1_f64(double x) {
  /* 6755399441056766 = 1.5 * 2^52 + 1022 */
  double c = x < -40.0 ? -40.0 : x;
  c = c > 710.0 ? 710.0 : c;
  double shifted = wg_fma_f64(c, 1.4426950408889634, 6755399441056766.0);
  double n = shifted - 6755399441056766.0;
  double r = wg_fma_f64(n, -0.69314718055989033, c);
  r = wg_fma_f64(n, -5.4979230187083712e-14, r);
  double p = wg_fma_f64(2.504585778258705e-08, r, 2.7622218159354642e-07);
  p = wg_fma_f64(p, r, 2.7557425198216795e-06);
  p = wg_fma_f64(p, r, 2.480151636882256e-05);
  p = wg_fma_f64(p, r, 0.00019841269709231659);
  p = wg_fma_f64(p, r, 0.0013888888920493767);
  p = wg_fma_f64(p, r, 0.0083333333333884142);
  p = wg_fma_f64(p, r, 0.041666666666620014);
  p = wg_fma_f64(p, r, 0.16666666666666602);
  p = wg_fma_f64(p, r, 0.5);
  p = wg_fma_f64(p * r, r, r);
  double half = wg_from_bits_f64(wg_bits_f64(shifted) << 52); /* 2^(n-1), as 2^1024 is no double */
  double y = wg_fma_f64(p, half, half - 0.5);
  return __builtin_fabs(x) < 5.5511151231257827e-17 ? x : y + y;
}
)c",
    R"c(
/* tanh(x) = h + h h / (1 - h) with h = (1 - e^(-2 |x|)) / 2.
 * 2.00 ULP (2.02 without fma); odd; +-1 from 9.02 on. */
WG_INLINE float wg_tanh_f32(float x) {
  float a = __builtin_fabsf(x);
  a = a > 9.1f ? 9.1f : a;
  float shifted = wg_fma_f32(a, -2.88539004f, 12583038.0f); /* 1.5 * 2^23 + 126 + n */
  float n = shifted - 12583038.0f;
  float r = wg_fma_f32(n, -0.34657359f, -a);
  float p = wg_fma_f32(0.0887666866f, r, 0.267720252f);
  p = wg_fma_f32(p, r, 0.666679084f);
  p = wg_fma_f32(p, r, 1.33332372f);
  p = wg_fma_f32(p, r, 1.99999988f);
  p = wg_fma_f32(p, r * r, r + r);
  float power = wg_from_bits_f32(wg_bits_f32(shifted) << 23); /* 2^(n-1) */
  float h = wg_fma_f32(-p, power, 0.5f - power);
  return __builtin_copysignf(wg_fused_f32(h, h / (1.0f - h), h), x);
}
)c",
    R"c(
/* tanh(x) = h + h h / (1 - h) with h = (1 - e^(-2 |x|)) / 2.
 * 2.2 ULP (2.6 without fma); odd; +-1 from 19.07 on. */
WG_INLINE double wg_tanh_f64(double x) {
  /* 6755399441056766 = 1.5 * 2^52 + 1022 */
  double a = __builtin_fabs(x);
  a = a > 19.1 ? 19.1 : a;
  double shifted = wg_fma_f64(a, -2.8853900817779268, 6755399441056766.0);
  double n = shifted - 6755399441056766.0;
  double r = 2.0 * wg_fma_f64(n, -0.34657359027997264, -a);
  double p = wg_fma_f64(2.504585778258705e-08, r, 2.7622218159354642e-07);
  p = wg_fma_f64(p, r, 2.7557425198216795e-06);
  p = wg_fma_f64(p, r, 2.480151636882256e-05);
  p = wg_fma_f64(p, r, 0.00019841269709231659);
  p = wg_fma_f64(p, r, 0.0013888888920493767);
  p = wg_fma_f64(p, r, 0.0083333333333884142);
  p = wg_fma_f64(p, r, 0.041666666666620014);
  p = wg_fma_f64(p, r, 0.16666666666666602);
  p = wg_fma_f64(p, r, 0.5);
  p = wg_fma_f64(p, r * r, r);
  double power = wg_from_bits_f64(wg_bits_f64(shifted) << 52); /* 2^(n-1) */
  double h = wg_fma_f64(-p, power, 0.5 - power);
  return __builtin_copysign(wg_fma_f64(h, h / (1.0 - h), h), x);
}
)c",
    R"c(
/* 1 / (1 + e^-x). 1.97 ULP (2.06 without fma). */
WG_INLINE float wg_sigmoid_f32(float x) {
  float e = wg_exp_f32(-__builtin_fabsf(x));
  float sum = 1.0f + e, lost = e - (sum - 1.0f), y = e / sum;
  y = wg_fma_f32(-y, lost, y); /* at -|x| */
  return x < 0.0f ? y : 1.0f - y;
}
)c",
    R"c(
/* 1 / (1 + e^-x). 1.9 ULP (2.1 without fma). */
WG_INLINE double wg_sigmoid_f64(double x) {
  double e = wg_exp_f64(-__builtin_fabs(x));
  double sum = 1.0 + e, lost = e - (sum - 1.0), y = e / sum;
  y = wg_fma_f64(-y, lost, y); /* at -|x| */
  return x < 0.0 ? y : 1.0 - y;
}
)c",

    // Logarithms: x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). Polynomials log_f32 and
    // log_f64.
    R"c(
/* log(1 + f) + e log(2). */
WG_INLINE float wg_log_reduced_f32(float f, float e) {
  float p = wg_fma_f32(0.0870035663f, f, -0.142668992f);
  p = wg_fma_f32(p, f, 0.149145097f);
  p = wg_fma_f32(p, f, -0.165776551f);
  p = wg_fma_f32(p, f, 0.199631006f);
  p = wg_fma_f32(p, f, -0.250013351f);
  p = wg_fma_f32(p, f, 0.333339095f);
  p = wg_fma_f32(p, f, -0.5f);
  p = wg_fma_f32(p, f * f, e * 1.42860677e-06f);
  return wg_fma_f32(e, 0.693145752f, f + p);
}
)c",
    R"c(
/* log(1 + f) + e log(2), from log(1 + f) = 2 atanh(s) with s = f / (2 + f). */
WG_INLINE double wg_log_reduced_f64(double f, double e) {
  double s = f / (2.0 + f), z = s * s;
  double p = wg_fma_f64(0.14795390511826184, z, 0.15314108359196935);
  p = wg_fma_f64(p, z, 0.18183561979757878);
  p = wg_fma_f64(p, z, 0.22222198620337766);
  p = wg_fma_f64(p, z, 0.28571428741903288);
  p = wg_fma_f64(p, z, 0.39999999999417013);
  p = wg_fma_f64(p, z, 0.6666666666666734);
  double q = wg_fma_f64(-p, z, f); /* 2 atanh(s) = f - s (f - z p) */
  q = wg_fma_f64(-s, q, e * 5.4979230187083712e-14);
  return wg_fma_f64(e, 0.69314718055989033, f + q);
}
)c",
    R"c(
/* log(x); 0 gives -inf, negative arguments NaN. 1.23 ULP. */
WG_INLINE float wg_log_f32(float x) {
  float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x; /* 2^23 */
  uint32_t bits = wg_bits_f32(scaled) - 0x3f3504f3u; /* sqrt(1/2) */
  float e = (float)((int32_t)bits >> 23);
  e = x < 1.17549435e-38f ? e - 23.0f : e;
  float f = wg_from_bits_f32((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  float y = x < __builtin_inff() ? wg_log_reduced_f32(f, e) : x;
  return x > 0.0f ? y : (x == 0.0f ? -__builtin_inff() : __builtin_nanf(""));
}
)c",
    R"c(
/* log(x); 0 gives -inf, negative arguments NaN. 1.0 ULP. */
WG_INLINE double wg_log_f64(double x) {
  double scaled = x < 2.2250738585072014e-308 ? x * 4503599627370496.0 : x; /* 2^52 */
  uint64_t bits = wg_bits_f64(scaled) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  e = x < 2.2250738585072014e-308 ? e - 52.0 : e;
  double f = wg_from_bits_f64((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
  double y = x < __builtin_inf() ? wg_log_reduced_f64(f, e) : x;
  return x > 0.0 ? y : (x == 0.0 ? -__builtin_inf() : __builtin_nan(""));
}
)c",
    R"c(
/* log(1 + x); -1 gives -inf, smaller arguments NaN. 1.78 ULP (1.80 without fma). */
WG_INLINE float wg_log1p_f32(float x) {
  float scaled = x > 1.0e30f ? x * 9.31322575e-10f : x; /* 2^-30, so that 2^-e is a float */
  float u = 1.0f + scaled;
  uint32_t bits = wg_bits_f32(u) - 0x3f3504f3u; /* sqrt(1/2) */
  float e = (float)((int32_t)bits >> 23);
  float power = wg_from_bits_f32(0x3f800000u - (bits & 0xff800000u)); /* 2^-e */
  float f = wg_fma_f32(scaled, power, power - 1.0f);
  float y = wg_log_reduced_f32(f, x > 1.0e30f ? e + 30.0f : e);
  y = x < __builtin_inff() ? __builtin_copysignf(y, x) : x;
  return x > -1.0f ? y : (x == -1.0f ? -__builtin_inff() : __builtin_nanf(""));
}
)c",
    R"c(
/* log(1 + x); -1 gives -inf, smaller arguments NaN. 1.4 ULP. */
WG_INLINE double wg_log1p_f64(double x) {
  double scaled = x > 1.0e300 ? x * 8.8817841970012523e-16 : x; /* 2^-50: 2^-e is a double */
  double u = 1.0 + scaled;
  uint64_t bits = wg_bits_f64(u) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  double power = wg_from_bits_f64(0x7fe0000000000000u - (bits & 0xfff0000000000000u)); /* 2^-e */
  double f = wg_fma_f64(scaled, power, power - 1.0);
  double y = wg_log_reduced_f64(f, x > 1.0e300 ? e + 50.0 : e);
  y = x < __builtin_inf() ? __builtin_copysign(y, x) : x;
  return x > -1.0 ? y : (x == -1.0 ? -__builtin_inf() : __builtin_nan(""));
}
)c",

    // Sines: x = n pi + r with n an integer (sin) or an integer and a half (cos). Polynomials
    // sin_for_f32 and sin_f64.
    R"c(
/* sin(x), or cos(x) where `cosine` is 1. x / pi is taken modulo 2 in doubles, from three pieces of
 * 1 / pi; x times the first two is exact. For large x they are later bits of 1 / pi, as the earlier
 * ones give multiples of 2 (M. H. Payne and R. N. Hanek, 1983). */
WG_INLINE float wg_sine_f32(float x, int cosine) {
  float a = __builtin_fabsf(x);
  double c0 = 0.31830988451838493, c1 = 1.6654057369280828e-09, c2 = 1.1380050365391981e-18;
  c0 = a >= 1.12589991e+15f ? 1.2841276625374931e-08 : c0; /* 2^50, without the first 26 bits */
  c1 = a >= 1.12589991e+15f ? 8.0768989019629022e-18 : c1;
  c2 = a >= 1.12589991e+15f ? 3.8483524320197862e-26 : c2;
  c0 = a >= 7.55578637e+22f ? 1.4685477687670989e-16 : c0; /* 2^76, without the first 52 */
  c1 = a >= 7.55578637e+22f ? 1.41881100420726e-25 : c1;
  c2 = a >= 7.55578637e+22f ? 4.6860032722048837e-34 : c2;
  c0 = a >= 5.07060240e+30f ? 3.037013239734091e-24 : c0; /* 2^102, without the first 78 */
  c1 = a >= 5.07060240e+30f ? 5.0908321857997979e-33 : c1;
  c2 = a >= 5.07060240e+30f ? 7.9500565178445103e-42 : c2;
  double turns = wg_fma_f64(x, c0, x * c1);
  double shifted = (cosine ? turns - 0.5 : turns) + 6755399441055744.0; /* 1.5 * 2^52 */
  double n = shifted - 6755399441055744.0;
  double fraction = wg_fma_f64(x, c0, -(cosine ? n + 0.5 : n));
  fraction = wg_fma_f64(x, c1, fraction);
  fraction = wg_fma_f64(x, c2, fraction);
  double z = fraction * fraction; /* sin(pi fraction) */
  double p = wg_fma_f64(0.076190838296868707, z, -0.59752753257398949);
  p = wg_fma_f64(p, z, 2.5499535148063459);
  p = wg_fma_f64(p, z, -5.1677036543280801);
  p = wg_fma_f64(p, z, 3.1415925880062363);
  float y = (float)(p * fraction);
  uint32_t odd = (uint32_t)wg_bits_f64(shifted) + (cosine ? 1u : 0u);
  return wg_from_bits_f32(wg_bits_f32(y) ^ (odd << 31));
}
)c",
    R"c(
/* sin(x). 0.85 ULP for all x. */
WG_INLINE float wg_sin_f32(float x) { return wg_sine_f32(x, 0); }
)c",
    R"c(
/* cos(x). 0.85 ULP for all x. */
WG_INLINE float wg_cos_f32(float x) { return wg_sine_f32(x, 1); }
)c",
    R"c(
/* sin(x), or cos(x) where `cosine` is 1. x - n pi is taken in three parts (W. J. Cody and W. Waite,
 * 1980); the first two products are exact, so that nothing is lost where x is close to n pi. From
 * 2^48 on n pi may be another multiple than the closest; then it loses accuracy, but stays in
 * [-1, 1]. */
WG_INLINE double wg_sine_f64(double x, int cosine) {
  double turns = x * 0.31830988618379069;
  double shifted = (cosine ? turns - 0.5 : turns) + 6755399441055744.0; /* 1.5 * 2^52 */
  double n = shifted - 6755399441055744.0;
  n = cosine ? n + 0.5 : n;
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  double r = __builtin_fma(n, -3.1415926535897931, x);
  r = __builtin_fma(n, -1.224646799147353e-16, r);
  r = __builtin_fma(n, -2.1657133478438278e-32, r);
#else
  double part = n * 3.1415926535897931;
  double r = (x - part) - wg_product_error_f64(n, 3.1415926535897931, part);
  part = n * 1.224646799147353e-16;
  r = (r - part) - wg_product_error_f64(n, 1.224646799147353e-16, part);
  r -= n * 2.1657133478438278e-32;
#endif
  double a = __builtin_fabs(r);
  a = a > 1.75 ? 1.75 : a;
  double z = a * a;
  double p = wg_fma_f64(2.6993951485685982e-15, z, -7.6407158976147666e-13);
  p = wg_fma_f64(p, z, 1.6058843218433535e-10);
  p = wg_fma_f64(p, z, -2.5052104748659337e-08);
  p = wg_fma_f64(p, z, 2.7557319185395262e-06);
  p = wg_fma_f64(p, z, -0.00019841269841042115);
  p = wg_fma_f64(p, z, 0.0083333333333326792);
  p = wg_fma_f64(p, z, -0.1666666666666666);
  p = wg_fma_f64(p * z, a, a);
  uint64_t odd = wg_bits_f64(shifted) + (cosine ? 1u : 0u);
  return wg_from_bits_f64(wg_bits_f64(p) ^ (wg_bits_f64(r) & 0x8000000000000000u) ^ (odd << 63));
}
)c",
    R"c(
/* sin(x). 1.8 ULP (2.3 without fma) for |x| < 2^48. */
WG_INLINE double wg_sin_f64(double x) { return wg_sine_f64(x, 0); }
)c",
    R"c(
/* cos(x). 2.3 ULP for |x| < 2^48. */
WG_INLINE double wg_cos_f64(double x) { return wg_sine_f64(x, 1); }
)c",

    // Error functions. Polynomials erf_f32, erf_f64, erfc_for_f32, erfc_f64, erfinv_f32, erfinv_f64, normal_cdf_f32,
    // and exp2m1_f32 (and the shorter one), exp2m1_f64, exp2_for_f32, exp_f64.
    R"c(
/* erf(x) = 1 - 2^t with t = log2(erfc(|x|)), a polynomial. 1.64 ULP; odd; +-1 from 3.92 on. */
WG_INLINE float wg_erf_f32(float x) {
  float a = __builtin_fabsf(x);
  a = a > 3.95f ? 3.95f : a;
  float q = wg_fma_f32(1.22281854e-05f, a, -0.000160775395f);
  q = wg_fma_f32(q, a, 0.00088499015f);
  q = wg_fma_f32(q, a, -0.00236085756f);
  q = wg_fma_f32(q, a, 0.000194193126f);
  q = wg_fma_f32(q, a, 0.0276483931f);
  q = wg_fma_f32(q, a, -0.148280442f);
  q = wg_fma_f32(q, a, -0.918447375f);
  float t = wg_fused_f32(a, -1.62790704f, q * (a * a));
  float shifted = t + 12583039.0f; /* 1.5 * 2^23 + 127 + n */
  float r = t - (shifted - 12583039.0f);
  float p = wg_fma_f32(0.000153845249f, r, 0.00133874232f);
  p = wg_fma_f32(p, r, 0.0096183056f);
  p = wg_fma_f32(p, r, 0.0555036739f);
  p = wg_fma_f32(p, r, 0.240226492f);
  p = wg_fused_f32(r, 0.693147182f, p * (r * r));
  float power = wg_from_bits_f32(wg_bits_f32(shifted) << 23);
  return __builtin_copysignf(wg_fma_f32(p, -power, 1.0f - power), x);
}
)c",
    R"c(
/* erf(x) = 1 - 2^t with t = log2(erfc(|x|)), a polynomial. 2.7 ULP; odd; +-1 from 5.92 on. */
WG_INLINE double wg_erf_f64(double x) {
  double a = __builtin_fabs(x);
  a = a > 5.95 ? 5.95 : a;
  double q = wg_fma_f64(5.5263489151800375e-15, a, -2.4780577348697071e-13);
  q = wg_fma_f64(q, a, 5.1503591767872419e-12);
  q = wg_fma_f64(q, a, -6.5718131808748037e-11);
  q = wg_fma_f64(q, a, 5.7367670598819394e-10);
  q = wg_fma_f64(q, a, -3.5996996254888887e-09);
  q = wg_fma_f64(q, a, 1.6463509021975876e-08);
  q = wg_fma_f64(q, a, -5.3289198675007741e-08);
  q = wg_fma_f64(q, a, 1.0469503466671352e-07);
  q = wg_fma_f64(q, a, -5.8958914887403626e-09);
  q = wg_fma_f64(q, a, -7.8119922413965326e-07);
  q = wg_fma_f64(q, a, 2.8770398891087839e-06);
  q = wg_fma_f64(q, a, -4.4470575842786159e-06);
  q = wg_fma_f64(q, a, -4.6406701596843316e-06);
  q = wg_fma_f64(q, a, 4.271816799742424e-05);
  q = wg_fma_f64(q, a, -9.2967053977942809e-05);
  q = wg_fma_f64(q, a, -3.7360307353820801e-05);
  q = wg_fma_f64(q, a, 0.00085137733116514669);
  q = wg_fma_f64(q, a, -0.0024471095349354022);
  q = wg_fma_f64(q, a, 0.00030180424692863452);
  q = wg_fma_f64(q, a, 0.027596515629440994);
  q = wg_fma_f64(q, a, -0.1482695251227221);
  q = wg_fma_f64(q, a, -0.91844818852656906);
  q = wg_fma_f64(q, a, -1.627907028611115);
  double t = q * a;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(4.4664967545138181e-10, r, 7.0707250474055887e-09);
  p = wg_fma_f64(p, r, 1.0177956485381127e-07);
  p = wg_fma_f64(p, r, 1.3215453370793932e-06);
  p = wg_fma_f64(p, r, 1.5252734170781631e-05);
  p = wg_fma_f64(p, r, 0.00015403530420796818);
  p = wg_fma_f64(p, r, 0.0013333558145955532);
  p = wg_fma_f64(p, r, 0.0096181291076220012);
  p = wg_fma_f64(p, r, 0.055504108664823949);
  p = wg_fma_f64(p, r, 0.24022650695910069);
  p = wg_fma_f64(p, r, 0.69314718055994529);
  double power = wg_from_bits_f64(wg_bits_f64(shifted) << 52);
  return __builtin_copysign(wg_fma_f64(p * r, -power, 1.0 - power), x);
}
)c",
    R"c(
/* erfc(x) = e^(-x^2) q(u) / (|x| + 3) with u = (|x| - 3) / (|x| + 3), or 2 minus that where x < 0;
 * in doubles. 0.57 ULP. */
WG_INLINE float wg_erfc_f32(float x) {
  double a = __builtin_fabs((double)x);
  a = a > 10.3 ? 10.3 : a;
  double d = 1.0 / (a + 3.0), u = (a - 3.0) * d;
  double q = wg_fma_f64(-0.00032472054486313559, u, -0.00048199657703251058);
  q = wg_fma_f64(q, u, 0.00308057770625515);
  q = wg_fma_f64(q, u, -0.001227044965933504);
  q = wg_fma_f64(q, u, -0.026840061070326455);
  q = wg_fma_f64(q, u, 0.11952917246737289);
  q = wg_fma_f64(q, u, -0.3104659707179605);
  q = wg_fma_f64(q, u, 0.59022829220817041);
  q = wg_fma_f64(q, u, -0.88339448777113561);
  q = wg_fma_f64(q, u, 1.0740069078360031);
  double t = a * a * -1.4426950408889634;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(0.0001535328199044809, r, 0.0013399003553008111);
  p = wg_fma_f64(p, r, 0.0096184385469934835);
  p = wg_fma_f64(p, r, 0.05550332164267615);
  p = wg_fma_f64(p, r, 0.24022647896828278);
  p = wg_fma_f64(p, r, 0.69314720298213661);
  p = wg_fma_f64(p, r, 1.0);
  double y = p * wg_from_bits_f64(wg_bits_f64(shifted) << 52) * (q * d);
  return (float)(x < 0.0f ? 2.0 - y : y);
}
)c",
    R"c(
/* erfc(x) = e^(-x^2) q(u) / (|x| + 4) with u = (|x| - 4) / (|x| + 4), or 2 minus that where x < 0.
 * What rounding takes from d = 1 / (|x| + 4), from q and from q d is put back.
 * 2.8 ULP (3.1 without fma). */
WG_INLINE double wg_erfc_f64(double x) {
  double a = __builtin_fabs(x);
  a = a > 27.4 ? 27.4 : a;
  double sum = a + 4.0, part = sum - a, lost = (a - (sum - part)) + (4.0 - part);
  double d = 1.0 / sum, product = sum * d, u = 1.0 - 8.0 * d;
  double rest = ((1.0 - product) - wg_product_error_f64(sum, d, product)) - lost * d;
  double answer = wg_fma_f64(wg_fma_f64(0.97, u, -1.63), u, 1.88); /* of q d to a change of d */
  rest = wg_fma_f64(rest, answer, 5.25299e-17); /* q is scaled so that its constant is a double */
  double q = wg_fma_f64(1.0305430367322144e-09, u, -3.6278163857686003e-10);
  q = wg_fma_f64(q, u, -1.5441865829666582e-08);
  q = wg_fma_f64(q, u, 2.5290580179490146e-09);
  q = wg_fma_f64(q, u, 1.2401678307391373e-07);
  q = wg_fma_f64(q, u, -7.7840020181198923e-08);
  q = wg_fma_f64(q, u, -8.4607324796174723e-07);
  q = wg_fma_f64(q, u, 1.4259611000735101e-06);
  q = wg_fma_f64(q, u, 4.6943640623240305e-06);
  q = wg_fma_f64(q, u, -1.8861706868936266e-05);
  q = wg_fma_f64(q, u, -3.63516000289243e-06);
  q = wg_fma_f64(q, u, 0.00017681305717527797);
  q = wg_fma_f64(q, u, -0.00045505268671932822);
  q = wg_fma_f64(q, u, -0.00028095890870195254);
  q = wg_fma_f64(q, u, 0.0061120556564756862);
  q = wg_fma_f64(q, u, -0.026370053335695733);
  q = wg_fma_f64(q, u, 0.076381514909179368);
  q = wg_fma_f64(q, u, -0.17401093724019737);
  q = wg_fma_f64(q, u, 0.33085158787802116);
  q = wg_fma_f64(q, u, -0.54085383131322884);
  q = wg_fma_f64(q, u, 0.77320870226523686);
  q = wg_fma_f64(q, u, -0.97654872908088197);
  double upper = u * q, sum_q = 1.0959956610004911 + upper; /* with what rounding takes from it */
  double lost_q = ((1.0959956610004911 - sum_q) + upper) + wg_product_error_f64(u, q, upper);
  double scaled = sum_q * d, lost_scaled = wg_product_error_f64(sum_q, d, scaled) + lost_q * d;
  double high = wg_from_bits_f64(wg_bits_f64(a) & 0xfffffffff8000000u); /* its square is exact */
  double low = (a - high) * (a + high);
  double shifted = wg_fma_f64(a * a, -1.4426950408889634, 6755399441057790.0);
  double n = shifted - 6755399441057790.0;
  double r = wg_fma_f64(n, -0.69314718055989033, -high * high);
  r = wg_fma_f64(n, -5.4979230187083712e-14, r) - low;
  double p = wg_fma_f64(2.5007480130634203e-08, r, 2.7630220286885522e-07);
  p = wg_fma_f64(p, r, 2.7557557945426219e-06);
  p = wg_fma_f64(p, r, 2.4801493098205095e-05);
  p = wg_fma_f64(p, r, 0.00019841269546247585);
  p = wg_fma_f64(p, r, 0.0013888888943769601);
  p = wg_fma_f64(p, r, 0.0083333333334707563);
  p = wg_fma_f64(p, r, 0.04166666666652858);
  p = wg_fma_f64(p, r, 0.16666666666666463);
  p = wg_fma_f64(p, r, 0.50000000000000111);
  p = wg_fma_f64(p, r * r, r);
  double y = scaled + wg_fma_f64(scaled, p + wg_fma_f64(p, rest, rest), lost_scaled);
  uint64_t whole = wg_bits_f64(shifted), half = whole >> 1;
  y = y * wg_from_bits_f64(half << 52) * wg_from_bits_f64((whole - half) << 52);
  return x < 0.0 ? 2.0 - y : y;
}
)c",
    R"c(
/* The share of a standard normal distribution below x: y = 2^t / 2 with t = log2(erfc(|x| / sqrt(2))), a polynomial, or
 * 1 - y. Made for products with x, which need few places where it is small: its error is at most 1.6e-7 sqrt(y);
 * 0 below -8. */
WG_INLINE float wg_normal_cdf_f32(float x) {
  float a = __builtin_fabsf(x);
  float t = wg_fma_f32(2.03702953e-07f, a, -4.76899731e-06f);
  t = wg_fma_f32(t, a, 4.46672457e-05f);
  t = wg_fma_f32(t, a, -0.000183336815f);
  t = wg_fma_f32(t, a, -0.000176057234f);
  t = wg_fma_f32(t, a, 0.00713668205f);
  t = wg_fma_f32(t, a, -0.0525539368f);
  t = wg_fma_f32(t, a, -0.459188998f);
  t = wg_fma_f32(t, a, -1.15110719f) * a;
  float shifted = t + 12583038.0f; /* 1.5 * 2^23 + 126 + n */
  float r = t - (shifted - 12583038.0f);
  float p = wg_fma_f32(0.00132696924f, r, 0.00967139099f);
  p = wg_fma_f32(p, r, 0.0555071086f);
  p = wg_fma_f32(p, r, 0.240222454f);
  p = wg_fma_f32(p, r, 0.693147004f) * r;
  float power = wg_from_bits_f32(wg_bits_f32(shifted) << 23);
  float y = a > 8.0f ? 0.0f : wg_fma_f32(p, power, power);
  return x > 0.0f ? 1.0f - y : y;
}
)c",
    R"c(
/* The share of a standard normal distribution below x. Its error grows with that of x^2, as exp(-x^2 / 2) does. */
WG_INLINE double wg_normal_cdf_f64(double x) { return 0.5 * wg_erfc_f64(-0.70710678118654757 * x); }
)c",
    R"c(
/* The inverse of erf at x, where rest = 1 - x^2: x times a polynomial in w = -log(rest), or in
 * sqrt(w) where x is near 1 (M. B. Giles, 2010). Without fma, so that random numbers have the same
 * bits everywhere. */
WG_INLINE float wg_erfinv_reduced_f32(float x, float rest) {
  uint32_t bits = wg_bits_f32(rest) - 0x3f3504f3u; /* sqrt(1/2) */
  float e = (float)((int32_t)bits >> 23);
  float f = wg_from_bits_f32((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  float l = 0.0870035663f * f - 0.142668992f;
  l = l * f + 0.149145097f;
  l = l * f - 0.165776551f;
  l = l * f + 0.199631006f;
  l = l * f - 0.250013351f;
  l = l * f + 0.333339095f;
  l = l * f - 0.5f;
  float w = -(e * 0.693147182f + (l * (f * f) + f)), v = w - 3.5f;
  float p = 5.7441063e-10f * v - 2.41242581e-09f;
  p = p * v - 3.43374751e-08f;
  p = p * v + 3.37838856e-07f;
  p = p * v - 3.97786408e-07f;
  p = p * v - 1.58712428e-05f;
  p = p * v + 0.000158600917f;
  p = p * v - 0.000481147319f;
  p = p * v - 0.00671709469f;
  p = p * v + 0.235358343f;
  p = p * v + 1.74282992f;
  float s = __builtin_sqrtf(w) - 3.7f;
  float q = 4.49086219e-05f * s - 0.000137735566f;
  q = q * s + 0.000210729078f;
  q = q * s - 0.000308971968f;
  q = q * s + 0.000609381881f;
  q = q * s - 0.00140364515f;
  q = q * s + 0.002257813f;
  q = q * s + 1.00846219f;
  q = q * s + 3.53707552f;
  return x * (w < 7.0f ? p : q);
}
)c",
    R"c(
/* The inverse of erf at x, where rest = 1 - x^2: x times a polynomial in w = -log(rest), or in
 * sqrt(w) where x is near 1 (M. B. Giles, 2010). Without fma, so that random numbers have the same
 * bits everywhere. */
WG_INLINE double wg_erfinv_reduced_f64(double x, double rest) {
  uint64_t bits = wg_bits_f64(rest) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  double f = wg_from_bits_f64((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
  double a = f / (2.0 + f), z = a * a;
  double l = 0.14795390511826184 * z + 0.15314108359196935;
  l = l * z + 0.18183561979757878;
  l = l * z + 0.22222198620337766;
  l = l * z + 0.28571428741903288;
  l = l * z + 0.39999999999417013;
  l = l * z + 0.6666666666666734;
  double w = -(e * 0.69314718055994531 + (f - a * (f - z * l))), v = w - 3.5;
  double p = -2.4775314303734613e-22 * v + 5.6113196530248982e-22;
  p = p * v + 2.8026313008550505e-20;
  p = p * v - 1.3933951075321604e-19;
  p = p * v - 1.133699463985279e-18;
  p = p * v + 1.264133432106596e-17;
  p = p * v - 1.7747437411391505e-17;
  p = p * v - 5.0130939715088652e-16;
  p = p * v + 4.4571683146545524e-15;
  p = p * v - 5.6012135755706552e-15;
  p = p * v - 2.0328672571122956e-13;
  p = p * v + 1.7994732761587458e-12;
  p = p * v - 1.9205649639767542e-12;
  p = p * v - 8.6115528806372702e-11;
  p = p * v + 7.4475062531333698e-10;
  p = p * v - 7.0439912871190072e-10;
  p = p * v - 3.6872306272467417e-08;
  p = p * v + 3.2168219447187848e-07;
  p = p * v - 3.8236845617082284e-07;
  p = p * v - 1.5798453664437146e-05;
  p = p * v + 0.00015856231501841275;
  p = p * v - 0.0004812834633212576;
  p = p * v - 0.0067170665876728208;
  p = p * v + 0.2353584092078789;
  p = p * v + 1.742829922065944;
  double root = __builtin_sqrt(w), s = root - 3.25;
  double q = -1.668073149670236e-08 * s + 1.042748277966223e-07;
  q = q * s - 2.3638366646418368e-07;
  q = q * s - 8.44949615327794e-09;
  q = q * s + 1.469429077497563e-06;
  q = q * s - 3.9922442797055978e-06;
  q = q * s + 2.9390083636193629e-06;
  q = q * s + 1.2466025959550772e-05;
  q = q * s - 4.7322524235332551e-05;
  q = q * s + 6.8287116328203342e-05;
  q = q * s + 2.403181901754387e-05;
  q = q * s - 0.00035503783357666879;
  q = q * s + 0.00095328931269447932;
  q = q * s - 0.0016882755331062459;
  q = q * s + 0.0024914420993558781;
  q = q * s - 0.0037512085083184917;
  q = q * s + 0.0053709145535281791;
  q = q * s + 1.0052589676941663;
  q = q * s + 3.0838856104922208;
  double t = root - 5.25;
  double g = 2.2420360258075908e-13 * t - 5.7352273235860879e-12;
  g = g * t + 3.9384619778085493e-11;
  g = g * t - 1.4613124244391627e-10;
  g = g * t + 3.8192942990267495e-10;
  g = g * t - 8.2600371161536889e-10;
  g = g * t + 1.6239610566497128e-09;
  g = g * t - 3.2031391858621445e-09;
  g = g * t + 7.8206710884362801e-09;
  g = g * t - 2.8154897924490649e-08;
  g = g * t + 1.3091953755530572e-07;
  g = g * t - 6.4734842547133999e-07;
  g = g * t + 3.1187984421541305e-06;
  g = g * t - 1.4023132687364364e-05;
  g = g * t + 5.5148726642328584e-05;
  g = g * t - 0.00015004600199312448;
  g = g * t - 0.00027432268761349215;
  g = g * t + 1.0101951772794837;
  g = g * t + 5.1024697665054211;
  return x * (w < 7.0 ? p : (root < 4.25 ? q : g));
}
)c",
    R"c(
/* The inverse of erf; +-1 gives +-inf, what lies outside NaN. 2.7 ULP. */
WG_INLINE float wg_erfinv_f32(float x) {
  float a = __builtin_fabsf(x), y = wg_erfinv_reduced_f32(x, (1.0f - x) * (1.0f + x));
  y = a < 1.0f ? y : __builtin_nanf("");
  return a == 1.0f ? x * __builtin_inff() : y;
}
)c",
    R"c(
/* The inverse of erf; +-1 gives +-inf, what lies outside NaN. 3.3 ULP. */
WG_INLINE double wg_erfinv_f64(double x) {
  double a = __builtin_fabs(x), y = wg_erfinv_reduced_f64(x, (1.0 - x) * (1.0 + x));
  y = a < 1.0 ? y : __builtin_nan("");
  return a == 1.0 ? x * __builtin_inf() : y;
}
)c",

    // Powers. Polynomials log2_for_f32 and log2_f64 (in s = (m - 1) / (m + 1)), exp2_for_f32,
    // exp2_f64.
    R"c(
/* x^y = 2^(y log2 |x|), in doubles; special cases as in C99. 0.54 ULP. */
WG_INLINE float wg_pow_f32(float x, float y) {
  double a = __builtin_fabs((double)x);
  uint64_t bits = wg_bits_f64(a) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  double m = wg_from_bits_f64((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
  double s = (m - 1.0) / (m + 1.0), z = s * s;
  double l = wg_fma_f64(0.34072818988403453, z, 0.41167281972151099);
  l = wg_fma_f64(l, z, 0.57708358333336274);
  l = wg_fma_f64(l, z, 0.9617966733500497);
  l = wg_fma_f64(l, z, 2.8853900817900797);
  double log2_a = wg_fma_f64(s, l, e);
  log2_a = a < __builtin_inf() ? log2_a : a;
  log2_a = a == 0.0 ? -__builtin_inf() : log2_a;
  double t = ((a == 1.0) | (y == 0.0f)) ? 0.0 : y * log2_a;
  t = t < -160.0 ? -160.0 : t;
  t = t > 160.0 ? 160.0 : t;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(0.0001535328199044809, r, 0.0013399003553008111);
  p = wg_fma_f64(p, r, 0.0096184385469934835);
  p = wg_fma_f64(p, r, 0.05550332164267615);
  p = wg_fma_f64(p, r, 0.24022647896828278);
  p = wg_fma_f64(p, r, 0.69314720298213661);
  p = wg_fma_f64(p, r, 1.0);
  float size = (float)(p * wg_from_bits_f64(wg_bits_f64(shifted) << 52));
  float b = __builtin_fabsf(y);
  int32_t whole = (int32_t)(b < 16777216.0f ? b : 0.0f); /* from 2^24 on all are even */
  int is_whole = (b >= 16777216.0f) | ((float)whole == b);
  uint32_t sign = wg_bits_f32(x) & ((uint32_t)whole << 31) & (is_whole ? 0xffffffffu : 0u);
  float z_or_nan = ((x < 0.0f) & (x > -__builtin_inff()) & !is_whole) ? __builtin_nanf("") : size;
  return wg_from_bits_f32(wg_bits_f32(z_or_nan) ^ sign);
}
)c",
    R"c(
/* x^y = 2^(y log2 |x|), the logarithm in two doubles; special cases as in C99. 0.9 ULP (1.3 without
 * fma). */
WG_INLINE double wg_pow_f64(double x, double y) {
  double a = __builtin_fabs(x);
  double scaled = a < 2.2250738585072014e-308 ? a * 4503599627370496.0 : a; /* 2^52 */
  uint64_t bits = wg_bits_f64(scaled) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  e = a < 2.2250738585072014e-308 ? e - 52.0 : e;
  double m = wg_from_bits_f64((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);

  /* s + s_low = (m - 1) / (m + 1), z + z_low its square */
  double f = m - 1.0, d = m + 1.0, d_low = m - (d - 1.0), reciprocal = 1.0 / d;
  double s = f * reciprocal, product = s * d;
  double s_low = ((f - product) - wg_product_error_f64(s, d, product) - s * d_low) * reciprocal;
  double z = s * s, z_low = wg_product_error_f64(s, s, z) + 2.0 * s * s_low;

  /* log2(m) = s (c0 + z (c1 + z (...))), with c0 = 2 / ln 2 and c1 = c0 / 3 in two parts */
  double l = wg_fma_f64(0.19037935387064989, z, 0.19125584795833889);
  l = wg_fma_f64(l, z, 0.22198396674201443);
  l = wg_fma_f64(l, z, 0.2623077018342917);
  l = wg_fma_f64(l, z, 0.32059890226502624);
  l = wg_fma_f64(l, z, 0.41219858309199042);
  l = wg_fma_f64(l, z, 0.57707801635561784);
  double tail = l * z;
  double u = 0.96179669392597555 + tail;
  double u_low = ((0.96179669392597555 - u) + tail) + 5.0577616648125901e-17;
  double v = z * u, v_low = wg_product_error_f64(z, u, v) + z * u_low + z_low * u;
  double g = 2.8853900817779268 + v;
  double g_low = ((2.8853900817779268 - g) + v) + (v_low + 4.071054748186206e-17);
  double h = s * g, h_low = wg_product_error_f64(s, g, h) + s * g_low + s_low * g;
  double log2_a = e + h, log2_low = ((e - log2_a) + h) + h_low;

  double b = y > 7.3786976294838206e+19 ? 7.3786976294838206e+19 : y; /* 2^66: as inf */
  b = b < -7.3786976294838206e+19 ? -7.3786976294838206e+19 : b;
  double t = b * log2_a, t_low = wg_product_error_f64(b, log2_a, t) + b * log2_low;
  t_low = __builtin_fabs(t) < 1100.0 ? t_low : 0.0;
  t = t < -1100.0 ? -1100.0 : t;
  t = t > 1100.0 ? 1100.0 : t;
  double shifted = t + 6755399441057790.0; /* 1.5 * 2^52 + 2046 + n */
  double r = (t - (shifted - 6755399441057790.0)) + t_low;
  double p = wg_fma_f64(4.4395371622290336e-10, r, 7.0733013996757973e-09);
  p = wg_fma_f64(p, r, 1.0178155213216162e-07);
  p = wg_fma_f64(p, r, 1.3215438417560606e-06);
  p = wg_fma_f64(p, r, 1.5252733646795267e-05);
  p = wg_fma_f64(p, r, 0.00015403530449953332);
  p = wg_fma_f64(p, r, 0.0013333558146531482);
  p = wg_fma_f64(p, r, 0.009618129107600756);
  p = wg_fma_f64(p, r, 0.055504108664821784);
  p = wg_fma_f64(p, r, 0.24022650695910111);
  p = wg_fma_f64(p, r, 0.69314718055994529);
  p = wg_fma_f64(p, r, 1.0);
  uint64_t whole = wg_bits_f64(shifted), half = whole >> 1;
  double size = p * wg_from_bits_f64(half << 52) * wg_from_bits_f64((whole - half) << 52);

  double infinity = __builtin_inf();
  size = ((a == 0.0) | (a == infinity)) ? (((a == 0.0) == (y < 0.0)) ? infinity : 0.0) : size;
  size = ((x != x) | (y != y)) ? x + y : size;
  size = ((a == 1.0) | (y == 0.0)) ? 1.0 : size;
  double c = __builtin_fabs(y);
  double sum = c < 4503599627370496.0 ? c + 4503599627370496.0 : c; /* 2^52 */
  int is_whole = (c >= 4503599627370496.0) | (sum - 4503599627370496.0 == c);
  uint64_t odd = ((c < 9007199254740992.0) & is_whole) ? wg_bits_f64(sum) << 63 : 0u;
  size = ((x < 0.0) & (a < infinity) & !is_whole) ? __builtin_nan("") : size;
  return wg_from_bits_f64(wg_bits_f64(size) ^ (wg_bits_f64(x) & odd));
}
)c",

    // Integers
    R"c(
/* The quotient rounded down, as in Python; 0 where b is 0; the smallest integer over -1 wraps. */
WG_INLINE int32_t wg_floordiv_i32(int32_t a, int32_t b) {
  int32_t divisor = b == 0 || b == -1 ? 1 : b;
  int32_t quotient = a / divisor, rest = a % divisor;
  quotient -= rest != 0 && (rest < 0) != (divisor < 0);
  return b == 0 ? 0 : (b == -1 ? (int32_t)(0u - (uint32_t)a) : quotient);
}
)c",
    R"c(
/* i, counted from the end where negative. Outside [0, count) it is 0, and *failed is set. */
WG_INLINE int64_t wg_index(int64_t i, int64_t length, int64_t count, int64_t* failed) {
  int64_t place = i < 0 ? i + length : i, bad = (uint64_t)place >= (uint64_t)count;
  *failed |= bad;
  return bad ? 0 : place;
}
)c",
    R"c(
/* The quotient rounded down, as in Python; 0 where b is 0; the smallest integer over -1 wraps. */
WG_INLINE int64_t wg_floordiv_i64(int64_t a, int64_t b) {
  int64_t divisor = b == 0 || b == -1 ? 1 : b;
  int64_t quotient = a / divisor, rest = a % divisor;
  quotient -= rest != 0 && (rest < 0) != (divisor < 0);
  return b == 0 ? 0 : (b == -1 ? (int64_t)((uint64_t)0 - (uint64_t)a) : quotient);
}
)c",
    R"c(
/* The remainder with the sign of b, as in Python; 0 where b is 0. */
WG_INLINE int32_t wg_mod_i32(int32_t a, int32_t b) {
  int32_t divisor = b == 0 || b == -1 ? 1 : b;
  int32_t rest = a % divisor;
  return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest;
}
)c",
    R"c(
/* The remainder with the sign of b, as in Python; 0 where b is 0. */
WG_INLINE int64_t wg_mod_i64(int64_t a, int64_t b) {
  int64_t divisor = b == 0 || b == -1 ? 1 : b;
  int64_t rest = a % divisor;
  return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest;
}
)c",
    R"c(
/* a modulo b with the sign of a, exact. Quotients beyond 2^52 are taken off in pieces: a loop. */
WG_INLINE double wg_fmod_f64(double a, double b) {
  double rest = __builtin_fabs(a), divisor = __builtin_fabs(b);
  if (!(rest < __builtin_inf()) || !(divisor > 0.0)) return __builtin_nan("");
  if (rest < divisor) return a;
  while (rest >= divisor) {
    double piece = divisor;
    while (rest > piece * 4503599627370496.0) piece *= 4503599627370496.0; /* 2^52 */
    double quotient = wg_floor_f64(rest / piece), product = quotient * piece;
    rest = (rest - product) - wg_product_error_f64(quotient, piece, product);
    rest = rest < 0.0 ? rest + piece : rest;
  }
  return __builtin_copysign(rest, a);
}
)c",
    R"c(
/* The remainder with the sign of b, as in Python; NaN where b is 0. */
WG_INLINE double wg_mod_f64(double a, double b) {
  double rest = wg_fmod_f64(a, b);
  if (rest == 0.0) return __builtin_copysign(0.0, b);
  return (rest < 0.0) != (b < 0.0) ? rest + b : rest;
}
)c",
    R"c(
/* The remainder with the sign of b, as in Python; NaN where b is 0. */
WG_INLINE float wg_mod_f32(float a, float b) {
  double rest = wg_fmod_f64(a, b);
  if (rest == 0.0) return __builtin_copysignf(0.0f, b);
  return (rest < 0.0) != (b < 0.0f) ? (float)rest + b : (float)rest;
}
)c",
    R"c(
/* The quotient rounded down, as in Python: from the exact remainder, since a / b may round up to
 * the next integer. */
WG_INLINE double wg_floordiv_f64(double a, double b) {
  double rest = wg_fmod_f64(a, b), quotient = (a - rest) / b;
  quotient -= rest != 0.0 && (rest < 0.0) != (b < 0.0) ? 1.0 : 0.0;
  double y = wg_round_f64(quotient);
  return b == 0.0 ? a / b : (y == 0.0 ? __builtin_copysign(0.0, a / b) : y);
}
)c",
    R"c(
/* The quotient rounded down, as in Python: from the exact remainder, since a / b may round up to
 * the next integer. */
WG_INLINE float wg_floordiv_f32(float a, float b) {
  double rest = wg_fmod_f64(a, b), quotient = (a - rest) / b;
  quotient -= rest != 0.0 && (rest < 0.0) != (b < 0.0f) ? 1.0 : 0.0;
  double y = wg_round_f64(quotient);
  return b == 0.0f ? a / b : (y == 0.0 ? __builtin_copysignf(0.0f, a / b) : (float)y);
}
)c",
    R"c(
/* a^b, wrapping; where b is negative, 0 unless a is 1 or -1. */
WG_INLINE int32_t wg_pow_i32(int32_t a, int32_t b) {
  uint32_t result = 1, square = (uint32_t)a;
  for (uint32_t rest = (uint32_t)b; rest != 0; rest >>= 1) {
    result *= rest & 1 ? square : 1u;
    square *= square;
  }
  return b >= 0 || a == 1 || a == -1 ? (int32_t)result : 0;
}
)c",
    R"c(
/* a^b, wrapping; where b is negative, 0 unless a is 1 or -1. */
WG_INLINE int64_t wg_pow_i64(int64_t a, int64_t b) {
  uint64_t result = 1, square = (uint64_t)a;
  for (uint64_t rest = (uint64_t)b; rest != 0; rest >>= 1) {
    result *= rest & 1 ? square : 1u;
    square *= square;
  }
  return b >= 0 || a == 1 || a == -1 ? (int64_t)result : 0;
}
)c",

    // Random numbers
    R"c(
/* One block of Philox 4x32-10. */
typedef struct wg_philox_words { uint32_t w0, w1, w2, w3; } wg_philox_words;

WG_INLINE wg_philox_words wg_philox_round(wg_philox_words c, uint32_t key0, uint32_t key1) {
  uint64_t a = (uint64_t)c.w0 * 0xd2511f53u, b = (uint64_t)c.w2 * 0xcd9e8d57u;
  wg_philox_words next = {(uint32_t)(b >> 32) ^ c.w1 ^ key0, (uint32_t)b,
                          (uint32_t)(a >> 32) ^ c.w3 ^ key1, (uint32_t)a};
  return next;
}
)c",
    R"c(
/* The four words of block `counter` of Philox 4x32-10 (J. K. Salmon et al., 2011). */
WG_INLINE wg_philox_words wg_philox_block(uint32_t key0, uint32_t key1, uint64_t counter) {
  wg_philox_words c = {(uint32_t)counter, (uint32_t)(counter >> 32), 0u, 0u};
  c = wg_philox_round(c, key0, key1);
  c = wg_philox_round(c, key0 + 1u * 0x9e3779b9u, key1 + 1u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 2u * 0x9e3779b9u, key1 + 2u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 3u * 0x9e3779b9u, key1 + 3u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 4u * 0x9e3779b9u, key1 + 4u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 5u * 0x9e3779b9u, key1 + 5u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 6u * 0x9e3779b9u, key1 + 6u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 7u * 0x9e3779b9u, key1 + 7u * 0xbb67ae85u);
  c = wg_philox_round(c, key0 + 8u * 0x9e3779b9u, key1 + 8u * 0xbb67ae85u);
  return wg_philox_round(c, key0 + 9u * 0x9e3779b9u, key1 + 9u * 0xbb67ae85u);
}
)c",
    R"c(
/* Word `lane` (0 to 3) of block `counter`. */
WG_INLINE uint32_t wg_philox(uint32_t key0, uint32_t key1, uint64_t counter, uint32_t lane) {
  wg_philox_words words = wg_philox_block(key0, key1, counter);
  uint32_t low = lane == 0u ? words.w0 : words.w1, high = lane == 2u ? words.w2 : words.w3;
  return lane < 2u ? low : high;
}
)c",
    R"c(
/* Word i of the stream of a key: word i % 4 of block i / 4. */
WG_INLINE uint32_t wg_random_bits(uint32_t key0, uint32_t key1, uint64_t i) {
  return wg_philox(key0, key1, i >> 2, (uint32_t)i & 3u);
}
)c",
    R"c(
/* Uniform in [0, 1), from the high 24 bits of a word. */
WG_INLINE float wg_uniform_f32(uint32_t bits) {
  return (float)(int32_t)(bits >> 8) * 5.96046448e-08f; /* 2^-24 */
}
)c",
    R"c(
/* Uniform in [0, 1), from the high 27 bits of one word and the high 26 of another. */
WG_INLINE double wg_uniform_f64(uint32_t high, uint32_t low) {
  double whole = (double)(int32_t)(high >> 5) * 67108864.0 + (double)(int32_t)(low >> 6);
  return whole * 1.1102230246251565e-16; /* 2^-53 */
}
)c",
    R"c(
/* Standard normal, from a word: sqrt(2) erfinv(x) at x = (bits + 1/2) / 2^31 - 1, so at most 6.34
 * in size. The rest 1 - x^2 = 4 p (1 - p) is taken from the distance p to the nearer end, which
 * keeps the tails accurate. 4.3 ULP; the same bits on every machine. */
WG_INLINE float wg_normal_f32(uint32_t bits) {
  float x = ((float)(int32_t)(bits ^ 0x80000000u) + 0.5f) * 4.65661287e-10f; /* 2^-31 */
  uint32_t from_end = bits & 0x80000000u ? ~bits : bits;
  float p = ((float)(int32_t)from_end + 0.5f) * 2.32830644e-10f; /* 2^-32 */
  return 1.41421356f * wg_erfinv_reduced_f32(x, 4.0f * p * (1.0f - p));
}
)c",
    R"c(
/* Standard normal, from two words: as for float, with the high 63 bits of high * 2^32 + low; at
 * most 9.1 in size. 4.2 ULP; the same bits on every machine. */
WG_INLINE double wg_normal_f64(uint32_t high, uint32_t low) {
  uint32_t flip = high & 0x80000000u ? 0xffffffffu : 0u;
  double x = (double)(int32_t)(high ^ 0x80000000u), p = (double)(int32_t)(high ^ flip);
  x += ((double)(int32_t)(low >> 1) + 0.5) * 4.6566128730773926e-10; /* 2^-31 */
  p += ((double)(int32_t)((low ^ flip) >> 1) + 0.5) * 4.6566128730773926e-10;
  x *= 4.6566128730773926e-10;
  p *= 2.3283064365386963e-10;
  return 1.4142135623730951 * wg_erfinv_reduced_f64(x, 4.0 * p * (1.0 - p));
}
)c",
    R"c(
/* A round function: the finalizer of MurmurHash3 (A. Appleby). */
WG_INLINE uint32_t wg_mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}
)c",
    R"c(
/* Element i < n of a permutation of 0 .. n-1 that the key chooses, without memory: a Feistel
 * network of 12 rounds over the smallest 4^k >= n (at least 4), walked until it meets a number
 * below n (J. Black and P. Rogaway, 2002). Such a network is an even permutation, so half of the
 * keys let 0 and 1 change places before it. */
WG_INLINE uint64_t wg_permute(uint32_t key0, uint32_t key1, uint64_t i, uint64_t n) {
  uint32_t bits = 1; /* of a half */
  while (bits < 32 && (n - 1) >> (2 * bits) != 0) ++bits;
  uint32_t mask = 0xffffffffu >> (32 - bits);
  wg_philox_words a = wg_philox_block(key0, key1, 0), b = wg_philox_block(key0, key1, 1);
  wg_philox_words c = wg_philox_block(key0, key1, 2);
  uint32_t odd = wg_mix(key0 ^ wg_mix(key1)) & 1u;
  do {
    i = i < 2 ? i ^ odd : i;
    uint32_t left = (uint32_t)(i >> bits), right = (uint32_t)i & mask;
    left ^= wg_mix(right ^ a.w0) & mask;
    right ^= wg_mix(left ^ a.w1) & mask;
    left ^= wg_mix(right ^ a.w2) & mask;
    right ^= wg_mix(left ^ a.w3) & mask;
    left ^= wg_mix(right ^ b.w0) & mask;
    right ^= wg_mix(left ^ b.w1) & mask;
    left ^= wg_mix(right ^ b.w2) & mask;
    right ^= wg_mix(left ^ b.w3) & mask;
    left ^= wg_mix(right ^ c.w0) & mask;
    right ^= wg_mix(left ^ c.w1) & mask;
    left ^= wg_mix(right ^ c.w2) & mask;
    right ^= wg_mix(left ^ c.w3) & mask;
    i = ((uint64_t)left << bits) | right;
  } while (i >= n && n != 0);
  return i;
}
)c",
};

}  // namespace wengert::compile
