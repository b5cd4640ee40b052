#include "wengert/compile/prelude.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "wengert/array/error.hpp"

namespace wengert::compile {
namespace {

// The polynomials are from tools/derive_polynomials.py, under the names that stand in the comments here.
//
// Three tricks recur. Adding and subtracting 1.5 * 2^23 (2^52 for doubles) rounds to the nearest integer, and leaves
// that integer in the low bits of the sum, where it can be shifted into the place of an exponent; a bias for the
// exponent is added to the constant. `x > c ? c : x` keeps NaN and is one instruction. A power of two that may lie
// beyond the exponent range is multiplied in two halves, so that subnormal results are rounded once and overflow is
// an infinity.
//
// Bounds in ULP are the largest errors measured by tests/compile/prelude_test.cpp, rounded up: over all 2^32 arguments
// for the float32 functions of one argument, over tens of millions of samples for the others.
constexpr std::string_view texts[] = {
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
/* 1 / sqrt(x); +-0 gives +-inf. 1 ULP. */
WG_INLINE float wg_rsqrt_f32(float x) { return 1.0f / __builtin_sqrtf(x); }
)c",
    R"c(
/* 1 / sqrt(x); +-0 gives +-inf. 1 ULP. */
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
/* The larger; NaN if either is. */
WG_INLINE float wg_max_f32(float a, float b) {
  float larger = a > b ? a : b;
  return a != a ? a : larger;
}
)c",
    R"c(
/* The larger; NaN if either is. */
WG_INLINE double wg_max_f64(double a, double b) {
  double larger = a > b ? a : b;
  return a != a ? a : larger;
}
)c",
    R"c(
/* The smaller; NaN if either is. */
WG_INLINE float wg_min_f32(float a, float b) {
  float smaller = a < b ? a : b;
  return a != a ? a : smaller;
}
)c",
    R"c(
/* The smaller; NaN if either is. */
WG_INLINE double wg_min_f64(double a, double b) {
  double smaller = a < b ? a : b;
  return a != a ? a : smaller;
}
)c",

    // Exponentials: x = n ln 2 + r, e^x = 2^n e^r. Polynomials exp_f32 and exp_f64; for tanh, tanh_f32.
    R"c(
/* e^x. ?exp_f32 ULP. */
WG_INLINE float wg_exp_f32(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  float shifted = wg_fma_f32(c, 1.44269502f, 12583166.0f); /* 1.5 * 2^23 + 254 + n */
  float n = shifted - 12583166.0f;
  float r = wg_fma_f32(n, -0.693145752f, c);
  r = wg_fma_f32(n, -1.42860677e-06f, r);
  float p = wg_fma_f32(0.0013869782f, r, 0.00836625788f);
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
/* e^x. ?exp_f64 ULP. */
WG_INLINE double wg_exp_f64(double x) {
  double c = x < -746.0 ? -746.0 : x;
  c = c > 710.0 ? 710.0 : c;
  double shifted = wg_fma_f64(c, 1.4426950408889634, 6755399441057790.0); /* 1.5 * 2^52 + 2046 + n */
  double n = shifted - 6755399441057790.0;
  double r = wg_fma_f64(n, -0.6931471805601177, c);
  r = wg_fma_f64(n, 1.7239444525614835e-13, r);
  double p = wg_fma_f64(2.5007270099827641e-08, r, 2.7630219741713427e-07);
  p = wg_fma_f64(p, r, 2.7557558594127401e-06);
  p = wg_fma_f64(p, r, 2.4801493101815946e-05);
  p = wg_fma_f64(p, r, 0.00019841269545581725);
  p = wg_fma_f64(p, r, 0.0013888888943763731);
  p = wg_fma_f64(p, r, 0.0083333333334709835);
  p = wg_fma_f64(p, r, 0.041666666666528608);
  p = wg_fma_f64(p, r, 0.16666666666666463);
  p = wg_fma_f64(p, r, 0.50000000000000111);
  p = wg_fma_f64(p, r, 1.0);
  p = wg_fma_f64(p, r, 1.0);
  uint64_t whole = wg_bits_f64(shifted), half = whole >> 1;
  return p * wg_from_bits_f64(half << 52) * wg_from_bits_f64((whole - half) << 52);
}
)c",
    R"c(
/* e^x - 1. ?expm1_f32 ULP. */
WG_INLINE float wg_expm1_f32(float x) {
  float c = x < -18.0f ? -18.0f : x;
  c = c > 89.0f ? 89.0f : c;
  float shifted = wg_fma_f32(c, 1.44269502f, 12583038.0f); /* 1.5 * 2^23 + 126 + n */
  float n = shifted - 12583038.0f;
  float r = wg_fma_f32(n, -0.693145752f, c);
  r = wg_fma_f32(n, -1.42860677e-06f, r);
  float p = wg_fma_f32(0.0013869782f, r, 0.00836625788f);
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
/* e^x - 1. ?expm1_f64 ULP. */
WG_INLINE double wg_expm1_f64(double x) {
  double c = x < -40.0 ? -40.0 : x;
  c = c > 710.0 ? 710.0 : c;
  double shifted = wg_fma_f64(c, 1.4426950408889634, 6755399441056766.0); /* 1.5 * 2^52 + 1022 + n */
  double n = shifted - 6755399441056766.0;
  double r = wg_fma_f64(n, -0.6931471805601177, c);
  r = wg_fma_f64(n, 1.7239444525614835e-13, r);
  double p = wg_fma_f64(2.5045873970289166e-08, r, 2.7622219398766692e-07);
  p = wg_fma_f64(p, r, 2.7557425138716665e-06);
  p = wg_fma_f64(p, r, 2.4801516365566281e-05);
  p = wg_fma_f64(p, r, 0.00019841269709301327);
  p = wg_fma_f64(p, r, 0.0013888888920496449);
  p = wg_fma_f64(p, r, 0.0083333333333883881);
  p = wg_fma_f64(p, r, 0.041666666666620007);
  p = wg_fma_f64(p, r, 0.16666666666666602);
  p = wg_fma_f64(p, r, 0.5);
  p = wg_fma_f64(p * r, r, r);
  double half = wg_from_bits_f64(wg_bits_f64(shifted) << 52); /* 2^(n-1), as 2^1024 is no double */
  double y = wg_fma_f64(p, half, half - 0.5);
  return __builtin_fabs(x) < 5.5511151231257827e-17 ? x : y + y;
}
)c",
    R"c(
/* tanh(x) = h + h h / (1 - h) with h = (1 - e^(-2 |x|)) / 2. ?tanh_f32 ULP; odd; +-1 from 9.02 on. */
WG_INLINE float wg_tanh_f32(float x) {
  float a = __builtin_fabsf(x);
  a = a > 9.1f ? 9.1f : a;
  float shifted = wg_fma_f32(a, -2.88539004f, 12583038.0f); /* 1.5 * 2^23 + 126 + n */
  float n = shifted - 12583038.0f;
  float r = wg_fma_f32(n, -0.34657359f, -a);
  float p = wg_fma_f32(0.0887666047f, r, 0.267720252f);
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
/* tanh(x) = h + h h / (1 - h) with h = (1 - e^(-2 |x|)) / 2. ?tanh_f64 ULP; odd; +-1 from 19.07 on. */
WG_INLINE double wg_tanh_f64(double x) {
  double a = __builtin_fabs(x);
  a = a > 19.1 ? 19.1 : a;
  double shifted = wg_fma_f64(a, -2.8853900817779268, 6755399441056766.0); /* 1.5 * 2^52 + 1022 + n */
  double n = shifted - 6755399441056766.0;
  double r = 2.0 * wg_fma_f64(n, -0.34657359027997264, -a);
  double p = wg_fma_f64(2.5045873970289166e-08, r, 2.7622219398766692e-07);
  p = wg_fma_f64(p, r, 2.7557425138716665e-06);
  p = wg_fma_f64(p, r, 2.4801516365566281e-05);
  p = wg_fma_f64(p, r, 0.00019841269709301327);
  p = wg_fma_f64(p, r, 0.0013888888920496449);
  p = wg_fma_f64(p, r, 0.0083333333333883881);
  p = wg_fma_f64(p, r, 0.041666666666620007);
  p = wg_fma_f64(p, r, 0.16666666666666602);
  p = wg_fma_f64(p, r, 0.5);
  p = wg_fma_f64(p, r * r, r);
  double power = wg_from_bits_f64(wg_bits_f64(shifted) << 52); /* 2^(n-1) */
  double h = wg_fma_f64(-p, power, 0.5 - power);
  return __builtin_copysign(wg_fma_f64(h, h / (1.0 - h), h), x);
}
)c",
    R"c(
/* 1 / (1 + e^-x). ?sigmoid_f32 ULP. */
WG_INLINE float wg_sigmoid_f32(float x) {
  float e = wg_exp_f32(-__builtin_fabsf(x));
  float sum = 1.0f + e, lost = e - (sum - 1.0f), y = e / sum;
  y = wg_fma_f32(-y, lost, y); /* at -|x| */
  return x < 0.0f ? y : 1.0f - y;
}
)c",
    R"c(
/* 1 / (1 + e^-x). ?sigmoid_f64 ULP. */
WG_INLINE double wg_sigmoid_f64(double x) {
  double e = wg_exp_f64(-__builtin_fabs(x));
  double sum = 1.0 + e, lost = e - (sum - 1.0), y = e / sum;
  y = wg_fma_f64(-y, lost, y); /* at -|x| */
  return x < 0.0 ? y : 1.0 - y;
}
)c",

    // Logarithms: x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). Polynomials log_f32 and log_f64.
    R"c(
/* log(1 + f) + e log(2). */
WG_INLINE float wg_log_reduced_f32(float f, float e) {
  float p = wg_fma_f32(0.0870053396f, f, -0.142669603f);
  p = wg_fma_f32(p, f, 0.149144813f);
  p = wg_fma_f32(p, f, -0.165776491f);
  p = wg_fma_f32(p, f, 0.19963102f);
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
  double p = wg_fma_f64(0.14795382809785793, z, 0.1531410916259992);
  p = wg_fma_f64(p, z, 0.18183561947231577);
  p = wg_fma_f64(p, z, 0.22222198620976094);
  p = wg_fma_f64(p, z, 0.2857142874189722);
  p = wg_fma_f64(p, z, 0.39999999999417035);
  p = wg_fma_f64(p, z, 0.6666666666666734);
  double q = wg_fma_f64(-p, z, f); /* 2 atanh(s) = f - s (f - z p) */
  q = wg_fma_f64(-s, q, e * -1.7239444525614835e-13);
  return wg_fma_f64(e, 0.6931471805601177, f + q);
}
)c",
    R"c(
/* log(x); 0 gives -inf, negative arguments NaN. ?log_f32 ULP. */
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
/* log(x); 0 gives -inf, negative arguments NaN. ?log_f64 ULP. */
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
/* log(1 + x); -1 gives -inf, smaller arguments NaN. ?log1p_f32 ULP. */
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
/* log(1 + x); -1 gives -inf, smaller arguments NaN. ?log1p_f64 ULP. */
WG_INLINE double wg_log1p_f64(double x) {
  double scaled = x > 1.0e300 ? x * 8.8817841970012523e-16 : x; /* 2^-50, so that 2^-e is a double */
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

    // Sines: x = n pi + r with n an integer (sin) or an integer and a half (cos). Polynomials sin_f32 and sin_f64.
    R"c(
/* sin(x), or cos(x) where `cosine` is 1. x / pi is taken modulo 2 in doubles, from three pieces of 1 / pi whose
 * leading ones multiply x exactly; for large x they are later bits of 1 / pi, as the earlier ones give multiples
 * of 2 (M. H. Payne and R. N. Hanek, 1983). */
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
  double p = wg_fma_f64(0.076190772488482744, z, -0.59752748968206326);
  p = wg_fma_f64(p, z, 2.5499535061236149);
  p = wg_fma_f64(p, z, -5.1677036537842858);
  p = wg_fma_f64(p, z, 3.1415925880020126);
  float y = (float)(p * fraction);
  uint32_t odd = (uint32_t)wg_bits_f64(shifted) + (cosine ? 1u : 0u);
  return wg_from_bits_f32(wg_bits_f32(y) ^ (odd << 31));
}
)c",
    R"c(
/* sin(x). ?sin_f32 ULP for all x. */
WG_INLINE float wg_sin_f32(float x) { return wg_sine_f32(x, 0); }
)c",
    R"c(
/* cos(x). ?cos_f32 ULP for all x. */
WG_INLINE float wg_cos_f32(float x) { return wg_sine_f32(x, 1); }
)c",
    R"c(
/* sin(x), or cos(x) where `cosine` is 1. x - n pi is taken in three or four parts (W. J. Cody and W. Waite, 1980). */
WG_INLINE double wg_sine_f64(double x, int cosine) {
  double turns = x * 0.31830988618379069;
  double shifted = (cosine ? turns - 0.5 : turns) + 6755399441055744.0; /* 1.5 * 2^52 */
  double n = shifted - 6755399441055744.0;
  n = cosine ? n + 0.5 : n;
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  double r = __builtin_fma(n, -3.1415926535897931, x);
  r = __builtin_fma(n, -1.2246467991473532e-16, r);
  r = __builtin_fma(n, 2.9947698097183397e-33, r);
#else
  double r = x - n * 3.1415926516056061; /* 29 bits each, so that the products are exact */
  r -= n * 1.9841871617964912e-09;
  r += n * 2.4354103561755643e-18;
  r -= n * 5.807711947958721e-28;
#endif
  r = r > 1.75 ? 1.75 : r;
  r = r < -1.75 ? -1.75 : r;
  double z = r * r;
  double p = wg_fma_f64(2.6993952545185678e-15, z, -7.6407158934460762e-13);
  p = wg_fma_f64(p, z, 1.6058843217361816e-10);
  p = wg_fma_f64(p, z, -2.5052104748615642e-08);
  p = wg_fma_f64(p, z, 2.7557319185394627e-06);
  p = wg_fma_f64(p, z, -0.00019841269841042113);
  p = wg_fma_f64(p, z, 0.0083333333333326792);
  p = wg_fma_f64(p, z, -0.1666666666666666);
  p = wg_fma_f64(p * z, r, r);
  uint64_t odd = wg_bits_f64(shifted) + (cosine ? 1u : 0u);
  return wg_from_bits_f64(wg_bits_f64(p) ^ (odd << 63));
}
)c",
    R"c(
/* sin(x). ?sin_f64 ULP for |x| < 2^24. */
WG_INLINE double wg_sin_f64(double x) { return wg_sine_f64(x, 0); }
)c",
    R"c(
/* cos(x). ?cos_f64 ULP for |x| < 2^24. */
WG_INLINE double wg_cos_f64(double x) { return wg_sine_f64(x, 1); }
)c",

    // Error functions. Polynomials exp2_f32 and exp2_f64 (2^x - 1), erf_f32, erf_f64, erfc_f32, erfc_f64, erfinv_*.
    R"c(
/* erf(x) = 1 - 2^t with t = log2(erfc(|x|)), a polynomial. ?erf_f32 ULP; odd; +-1 from 3.92 on. */
WG_INLINE float wg_erf_f32(float x) {
  float a = __builtin_fabsf(x);
  a = a > 3.95f ? 3.95f : a;
  float q = wg_fma_f32(1.22273523e-05f, a, -0.000160769676f);
  q = wg_fma_f32(q, a, 0.00088497554f);
  q = wg_fma_f32(q, a, -0.00236084033f);
  q = wg_fma_f32(q, a, 0.000194183755f);
  q = wg_fma_f32(q, a, 0.0276483949f);
  q = wg_fma_f32(q, a, -0.148280442f);
  q = wg_fma_f32(q, a, -0.918447375f);
  float t = wg_fused_f32(a, -1.62790704f, q * (a * a));
  float shifted = t + 12583039.0f; /* 1.5 * 2^23 + 127 + n */
  float r = t - (shifted - 12583039.0f);
  float p = wg_fma_f32(0.000153845205f, r, 0.00133874232f);
  p = wg_fma_f32(p, r, 0.0096183056f);
  p = wg_fma_f32(p, r, 0.0555036739f);
  p = wg_fma_f32(p, r, 0.240226492f);
  p = wg_fused_f32(r, 0.693147182f, p * (r * r));
  float power = wg_from_bits_f32(wg_bits_f32(shifted) << 23);
  return __builtin_copysignf(wg_fma_f32(p, -power, 1.0f - power), x);
}
)c",
    R"c(
/* erf(x) = 1 - 2^t with t = log2(erfc(|x|)), a polynomial. ?erf_f64 ULP; odd; +-1 from 5.92 on. */
WG_INLINE double wg_erf_f64(double x) {
  double a = __builtin_fabs(x);
  a = a > 5.95 ? 5.95 : a;
  double q = wg_fma_f64(5.5267137327847393e-15, a, -2.4781858787651772e-13);
  q = wg_fma_f64(q, a, 5.150557213580492e-12);
  q = wg_fma_f64(q, a, -6.5719852660548308e-11);
  q = wg_fma_f64(q, a, 5.7368518793976212e-10);
  q = wg_fma_f64(q, a, -3.5997137871663372e-09);
  q = wg_fma_f64(q, a, 1.6463390755161456e-08);
  q = wg_fma_f64(q, a, -5.328807442429547e-08);
  q = wg_fma_f64(q, a, 1.04689761955576e-07);
  q = wg_fma_f64(q, a, -5.8791005138330876e-09);
  q = wg_fma_f64(q, a, -7.8123853433390637e-07);
  q = wg_fma_f64(q, a, 2.8771095941853967e-06);
  q = wg_fma_f64(q, a, -4.4471522052754624e-06);
  q = wg_fma_f64(q, a, -4.6405718239184463e-06);
  q = wg_fma_f64(q, a, 4.2718090360530073e-05);
  q = wg_fma_f64(q, a, -9.2967008115106155e-05);
  q = wg_fma_f64(q, a, -3.7360327149236684e-05);
  q = wg_fma_f64(q, a, 0.00085137733719114518);
  q = wg_fma_f64(q, a, -0.0024471095361622221);
  q = wg_fma_f64(q, a, 0.00030180424708214985);
  q = wg_fma_f64(q, a, 0.027596515629430839);
  q = wg_fma_f64(q, a, -0.14826952512272185);
  q = wg_fma_f64(q, a, -0.91844818852656906);
  q = wg_fma_f64(q, a, -1.627907028611115);
  double t = q * a;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(4.466500968381966e-10, r, 7.07072447788426e-09);
  p = wg_fma_f64(p, r, 1.0177956465670526e-07);
  p = wg_fma_f64(p, r, 1.3215453373549163e-06);
  p = wg_fma_f64(p, r, 1.5252734170799984e-05);
  p = wg_fma_f64(p, r, 0.00015403530420792736);
  p = wg_fma_f64(p, r, 0.0013333558145955542);
  p = wg_fma_f64(p, r, 0.0096181291076220029);
  p = wg_fma_f64(p, r, 0.055504108664823949);
  p = wg_fma_f64(p, r, 0.24022650695910069);
  p = wg_fma_f64(p, r, 0.69314718055994529);
  double power = wg_from_bits_f64(wg_bits_f64(shifted) << 52);
  return __builtin_copysign(wg_fma_f64(p * r, -power, 1.0 - power), x);
}
)c",
    R"c(
/* erfc(x) = e^(-x^2) q(u) / (|x| + 3) with u = (|x| - 3) / (|x| + 3), or 2 minus that where x < 0; in doubles.
 * ?erfc_f32 ULP. */
WG_INLINE float wg_erfc_f32(float x) {
  double a = __builtin_fabs((double)x);
  a = a > 10.3 ? 10.3 : a;
  double d = 1.0 / (a + 3.0), u = (a - 3.0) * d;
  double q = wg_fma_f64(-0.00032471925210738397, u, -0.00048199430022272897);
  q = wg_fma_f64(q, u, 0.0030805779765558723);
  q = wg_fma_f64(q, u, -0.0012270461740156099);
  q = wg_fma_f64(q, u, -0.026840061429676283);
  q = wg_fma_f64(q, u, 0.11952917267987197);
  q = wg_fma_f64(q, u, -0.31046597065684756);
  q = wg_fma_f64(q, u, 0.59022829218879735);
  q = wg_fma_f64(q, u, -0.88339448777378982);
  q = wg_fma_f64(q, u, 1.0740069078372443);
  double t = a * a * -1.4426950408889634;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(0.00015353269177314545, r, 0.0013399003306442906);
  p = wg_fma_f64(p, r, 0.0096184385588413308);
  p = wg_fma_f64(p, r, 0.055503321629659298);
  p = wg_fma_f64(p, r, 0.24022647897220753);
  p = wg_fma_f64(p, r, 0.69314720298543331);
  p = wg_fma_f64(p, r, 1.0);
  double y = p * wg_from_bits_f64(wg_bits_f64(shifted) << 52) * (q * d);
  return (float)(x < 0.0f ? 2.0 - y : y);
}
)c",
    R"c(
/* erfc(x) = e^(-x^2) q(u) / (|x| + 4) with u = (|x| - 4) / (|x| + 4), or 2 minus that where x < 0. ?erfc_f64 ULP. */
WG_INLINE double wg_erfc_f64(double x) {
  double a = __builtin_fabs(x);
  a = a > 27.4 ? 27.4 : a;
  double d = 1.0 / (a + 4.0), u = (a - 4.0) * d;
  double q = wg_fma_f64(-3.9780593937073716e-09, u, -1.6446155977760691e-08);
  q = wg_fma_f64(q, u, 1.1772986826146884e-08);
  q = wg_fma_f64(q, u, 1.3188688830072702e-07);
  q = wg_fma_f64(q, u, -8.7479554391145717e-08);
  q = wg_fma_f64(q, u, -8.5791313227518434e-07);
  q = wg_fma_f64(q, u, 1.4311326745263701e-06);
  q = wg_fma_f64(q, u, 4.7033228084745579e-06);
  q = wg_fma_f64(q, u, -1.886314333569211e-05);
  q = wg_fma_f64(q, u, -3.6391633862135973e-06);
  q = wg_fma_f64(q, u, 0.00017681320680776593);
  q = wg_fma_f64(q, u, -0.00045505158131151194);
  q = wg_fma_f64(q, u, -0.00028095889030239609);
  q = wg_fma_f64(q, u, 0.0061120554693905671);
  q = wg_fma_f64(q, u, -0.026370053341945449);
  q = wg_fma_f64(q, u, 0.076381514927542873);
  q = wg_fma_f64(q, u, -0.17401093723965783);
  q = wg_fma_f64(q, u, 0.33085158787709801);
  q = wg_fma_f64(q, u, -0.5408538313132436);
  q = wg_fma_f64(q, u, 0.77320870226525495);
  q = wg_fma_f64(q, u, -0.97654872908088197);
  q = wg_fma_f64(q, u, 1.0959956610004911);
  double high = wg_from_bits_f64(wg_bits_f64(a) & 0xfffffffff8000000u); /* its square is exact */
  double low = (a - high) * (a + high);
  double shifted = wg_fma_f64(a * a, -1.4426950408889634, 6755399441057790.0); /* 1.5 * 2^52 + 2046 + n */
  double n = shifted - 6755399441057790.0;
  double r = wg_fma_f64(n, -0.6931471805601177, -high * high);
  r = wg_fma_f64(n, 1.7239444525614835e-13, r) - low;
  double p = wg_fma_f64(2.5007270099827641e-08, r, 2.7630219741713427e-07);
  p = wg_fma_f64(p, r, 2.7557558594127401e-06);
  p = wg_fma_f64(p, r, 2.4801493101815946e-05);
  p = wg_fma_f64(p, r, 0.00019841269545581725);
  p = wg_fma_f64(p, r, 0.0013888888943763731);
  p = wg_fma_f64(p, r, 0.0083333333334709835);
  p = wg_fma_f64(p, r, 0.041666666666528608);
  p = wg_fma_f64(p, r, 0.16666666666666463);
  p = wg_fma_f64(p, r, 0.50000000000000111);
  p = wg_fma_f64(p, r, 1.0);
  p = wg_fma_f64(p, r, 1.0);
  uint64_t whole = wg_bits_f64(shifted), half = whole >> 1;
  double y = p * (q * d) * wg_from_bits_f64(half << 52) * wg_from_bits_f64((whole - half) << 52);
  return x < 0.0 ? 2.0 - y : y;
}
)c",
    R"c(
/* The inverse of erf at x, where rest = 1 - x^2: x times a polynomial in w = -log(rest), or in sqrt(w) where x is
 * near 1 (M. B. Giles, 2010). */
WG_INLINE float wg_erfinv_reduced_f32(float x, float rest) {
  float w = -wg_log_f32(rest), v = w - 3.5f;
  float p = wg_fma_f32(5.74388204e-10f, v, -2.41238585e-09f);
  p = wg_fma_f32(p, v, -3.43368569e-08f);
  p = wg_fma_f32(p, v, 3.37837832e-07f);
  p = wg_fma_f32(p, v, -3.97791808e-07f);
  p = wg_fma_f32(p, v, -1.58712337e-05f);
  p = wg_fma_f32(p, v, 0.000158600931f);
  p = wg_fma_f32(p, v, -0.000481147348f);
  p = wg_fma_f32(p, v, -0.00671709469f);
  p = wg_fma_f32(p, v, 0.235358343f);
  p = wg_fma_f32(p, v, 1.74282992f);
  float s = __builtin_sqrtf(w) - 3.7f;
  float q = wg_fma_f32(4.42219862e-05f, s, -0.000138060117f);
  q = wg_fma_f32(q, s, 0.00021238382f);
  q = wg_fma_f32(q, s, -0.00030820453f);
  q = wg_fma_f32(q, s, 0.000608136354f);
  q = wg_fma_f32(q, s, -0.00140420604f);
  q = wg_fma_f32(q, s, 0.00225809403f);
  q = wg_fma_f32(q, s, 1.00846231f);
  q = wg_fma_f32(q, s, 3.53707552f);
  return x * (w < 7.0f ? p : q);
}
)c",
    R"c(
/* The inverse of erf at x, where rest = 1 - x^2: x times a polynomial in w = -log(rest), or in sqrt(w) where x is
 * near 1 (M. B. Giles, 2010). */
WG_INLINE double wg_erfinv_reduced_f64(double x, double rest) {
  double w = -wg_log_f64(rest), v = w - 3.5;
  double p = wg_fma_f64(-2.4778001998859526e-22, v, 5.6103958815663335e-22);
  p = wg_fma_f64(p, v, 2.802817377622913e-20);
  p = wg_fma_f64(p, v, -1.3933340196711544e-19);
  p = wg_fma_f64(p, v, -1.1337557175337799e-18);
  p = wg_fma_f64(p, v, 1.2641160495255202e-17);
  p = wg_fma_f64(p, v, -1.7746459807340681e-17);
  p = wg_fma_f64(p, v, -5.0130661402939015e-16);
  p = wg_fma_f64(p, v, 4.4571574835050704e-15);
  p = wg_fma_f64(p, v, -5.6012411000118472e-15);
  p = wg_fma_f64(p, v, -2.032866454115108e-13);
  p = wg_fma_f64(p, v, 1.7994734499083045e-12);
  p = wg_fma_f64(p, v, -1.9205653712669536e-12);
  p = wg_fma_f64(p, v, -8.6115529505065515e-11);
  p = wg_fma_f64(p, v, 7.4475062673348708e-10);
  p = wg_fma_f64(p, v, -7.0439912698227237e-10);
  p = wg_fma_f64(p, v, -3.6872306275827279e-08);
  p = wg_fma_f64(p, v, 3.2168219446946412e-07);
  p = wg_fma_f64(p, v, -3.8236845616565356e-07);
  p = wg_fma_f64(p, v, -1.5798453664435706e-05);
  p = wg_fma_f64(p, v, 0.00015856231501840812);
  p = wg_fma_f64(p, v, -0.00048128346332125744);
  p = wg_fma_f64(p, v, -0.0067170665876728191);
  p = wg_fma_f64(p, v, 0.2353584092078789);
  p = wg_fma_f64(p, v, 1.742829922065944);
  double root = __builtin_sqrt(w), s = root - 3.25;
  double q = wg_fma_f64(-1.6654430599595905e-08, s, 1.0416440257031149e-07);
  q = wg_fma_f64(q, s, -2.3624118561282986e-07);
  q = wg_fma_f64(q, s, -8.431791831267876e-09);
  q = wg_fma_f64(q, s, 1.469243333782808e-06);
  q = wg_fma_f64(q, s, -3.992139987718044e-06);
  q = wg_fma_f64(q, s, 2.9390768648927823e-06);
  q = wg_fma_f64(q, s, 1.2465946950397827e-05);
  q = wg_fma_f64(q, s, -4.7322524786097945e-05);
  q = wg_fma_f64(q, s, 6.8287139779368641e-05);
  q = wg_fma_f64(q, s, 2.4031813905433888e-05);
  q = wg_fma_f64(q, s, -0.0003550378366728909);
  q = wg_fma_f64(q, s, 0.00095328931385354663);
  q = wg_fma_f64(q, s, -0.0016882755329700606);
  q = wg_fma_f64(q, s, 0.0024914420992619905);
  q = wg_fma_f64(q, s, -0.0037512085083153336);
  q = wg_fma_f64(q, s, 0.0053709145535305721);
  q = wg_fma_f64(q, s, 1.0052589676941661);
  q = wg_fma_f64(q, s, 3.0838856104922208);
  double t = root - 5.25;
  double g = wg_fma_f64(2.7613130784234676e-13, t, -5.8912478965594359e-12);
  g = wg_fma_f64(g, t, 3.9239963581150379e-11);
  g = wg_fma_f64(g, t, -1.4536422573115803e-10);
  g = wg_fma_f64(g, t, 3.8194649353770175e-10);
  g = wg_fma_f64(g, t, -8.2760488204476125e-10);
  g = wg_fma_f64(g, t, 1.6243314434147702e-09);
  g = wg_fma_f64(g, t, -3.2012950482475502e-09);
  g = wg_fma_f64(g, t, 7.8201136052081108e-09);
  g = wg_fma_f64(g, t, -2.8156166276266798e-08);
  g = wg_fma_f64(g, t, 1.3091989940367241e-07);
  g = wg_fma_f64(g, t, -6.4734790308817946e-07);
  g = wg_fma_f64(g, t, 3.1187983279336404e-06);
  g = wg_fma_f64(g, t, -1.4023132808191525e-05);
  g = wg_fma_f64(g, t, 5.5148726658076384e-05);
  g = wg_fma_f64(g, t, -0.00015004600197986395);
  g = wg_fma_f64(g, t, -0.00027432268761412126);
  g = wg_fma_f64(g, t, 1.0101951772794833);
  g = wg_fma_f64(g, t, 5.1024697665054211);
  return x * (w < 7.0 ? p : (root < 4.25 ? q : g));
}
)c",
    R"c(
/* The inverse of erf; +-1 gives +-inf, what lies outside NaN. ?erfinv_f32 ULP. */
WG_INLINE float wg_erfinv_f32(float x) {
  float y = wg_erfinv_reduced_f32(x, (1.0f - x) * (1.0f + x));
  return __builtin_fabsf(x) == 1.0f ? x * __builtin_inff() : y;
}
)c",
    R"c(
/* The inverse of erf; +-1 gives +-inf, what lies outside NaN. ?erfinv_f64 ULP. */
WG_INLINE double wg_erfinv_f64(double x) {
  double y = wg_erfinv_reduced_f64(x, (1.0 - x) * (1.0 + x));
  return __builtin_fabs(x) == 1.0 ? x * __builtin_inf() : y;
}
)c",

    // Powers. Polynomials log2_f32 and log2_f64 (in s = (m - 1) / (m + 1)), exp2_pow_f32, exp2_pow_f64.
    R"c(
/* x^y = 2^(y log2 |x|), in doubles; special cases as in C99. ?pow_f32 ULP. */
WG_INLINE float wg_pow_f32(float x, float y) {
  double a = __builtin_fabs((double)x);
  uint64_t bits = wg_bits_f64(a) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* sqrt(1/2) */
  double e = wg_from_bits_f64((bits >> 52) | 0x4330000000000000u) - 4503599627371519.0;
  double m = wg_from_bits_f64((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
  double s = (m - 1.0) / (m + 1.0), z = s * s;
  double l = wg_fma_f64(0.34072834247826733, z, 0.41167281135395384);
  l = wg_fma_f64(l, z, 0.57708358345716793);
  l = wg_fma_f64(l, z, 0.96179667334982288);
  l = wg_fma_f64(l, z, 2.8853900817900802);
  double log2_a = wg_fma_f64(s, l, e);
  log2_a = a < __builtin_inf() ? log2_a : a;
  log2_a = a == 0.0 ? -__builtin_inf() : log2_a;
  double t = ((a == 1.0) | (y == 0.0f)) ? 0.0 : y * log2_a;
  t = t < -160.0 ? -160.0 : t;
  t = t > 160.0 ? 160.0 : t;
  double shifted = t + 6755399441056767.0; /* 1.5 * 2^52 + 1023 + n */
  double r = t - (shifted - 6755399441056767.0);
  double p = wg_fma_f64(0.00015353269177314545, r, 0.0013399003306442906);
  p = wg_fma_f64(p, r, 0.0096184385588413308);
  p = wg_fma_f64(p, r, 0.055503321629659298);
  p = wg_fma_f64(p, r, 0.24022647897220753);
  p = wg_fma_f64(p, r, 0.69314720298543331);
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
/* x^y = 2^(y log2 |x|), the logarithm in two doubles; special cases as in C99. ?pow_f64 ULP. */
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
  double l = wg_fma_f64(0.19037915591752061, z, 0.1912558675142744);
  l = wg_fma_f64(l, z, 0.22198396599197731);
  l = wg_fma_f64(l, z, 0.2623077018482281);
  l = wg_fma_f64(l, z, 0.32059890226490056);
  l = wg_fma_f64(l, z, 0.41219858309199087);
  l = wg_fma_f64(l, z, 0.57707801635561784);
  double tail = l * z;
  double u = 0.96179669392597555 + tail;
  double u_low = ((0.96179669392597555 - u) + tail) + 5.0577616648125907e-17;
  double v = z * u, v_low = wg_product_error_f64(z, u, v) + z * u_low + z_low * u;
  double g = 2.8853900817779268 + v;
  double g_low = ((2.8853900817779268 - g) + v) + (v_low + 4.0710547481862066e-17);
  double h = s * g, h_low = wg_product_error_f64(s, g, h) + s * g_low + s_low * g;
  double log2_a = e + h, log2_low = ((e - log2_a) + h) + h_low;

  double b = y > 7.3786976294838206e+19 ? 7.3786976294838206e+19 : y; /* 2^66: the power is 0, 1 or inf */
  b = b < -7.3786976294838206e+19 ? -7.3786976294838206e+19 : b;
  double t = b * log2_a, t_low = wg_product_error_f64(b, log2_a, t) + b * log2_low;
  t_low = __builtin_fabs(t) < 1100.0 ? t_low : 0.0;
  t = t < -1100.0 ? -1100.0 : t;
  t = t > 1100.0 ? 1100.0 : t;
  double shifted = t + 6755399441057790.0; /* 1.5 * 2^52 + 2046 + n */
  double r = (t - (shifted - 6755399441057790.0)) + t_low;
  double p = wg_fma_f64(4.4395380700392371e-10, r, 7.073301867654257e-09);
  p = wg_fma_f64(p, r, 1.0178155228574984e-07);
  p = wg_fma_f64(p, r, 1.3215438415675579e-06);
  p = wg_fma_f64(p, r, 1.5252733646722287e-05);
  p = wg_fma_f64(p, r, 0.00015403530449955189);
  p = wg_fma_f64(p, r, 0.0013333558146531557);
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
  double c = __builtin_fabs(y), sum = c < 4503599627370496.0 ? c + 4503599627370496.0 : c; /* 2^52 */
  int is_whole = (c >= 4503599627370496.0) | (sum - 4503599627370496.0 == c);
  uint64_t odd = ((c < 9007199254740992.0) & is_whole) ? wg_bits_f64(sum) << 63 : 0u;
  size = ((x < 0.0) & (a < infinity) & !is_whole) ? __builtin_nan("") : size;
  return wg_from_bits_f64(wg_bits_f64(size) ^ (wg_bits_f64(x) & odd));
}
)c",

    // Integers
    R"c(
/* The quotient rounded down, as in Python; 0 where b is 0; the smallest integer divided by -1 wraps. */
WG_INLINE int32_t wg_floordiv_i32(int32_t a, int32_t b) {
  int32_t divisor = b == 0 || b == -1 ? 1 : b;
  int32_t quotient = a / divisor, rest = a % divisor;
  quotient -= rest != 0 && (rest < 0) != (divisor < 0);
  return b == 0 ? 0 : (b == -1 ? (int32_t)(0u - (uint32_t)a) : quotient);
}
)c",
    R"c(
/* The quotient rounded down, as in Python; 0 where b is 0; the smallest integer divided by -1 wraps. */
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
/* The quotient rounded down, as in Python: from the exact remainder, since a / b may round up to the next integer. */
WG_INLINE double wg_floordiv_f64(double a, double b) {
  double rest = wg_fmod_f64(a, b), quotient = (a - rest) / b;
  quotient -= rest != 0.0 && (rest < 0.0) != (b < 0.0) ? 1.0 : 0.0;
  double y = wg_round_f64(quotient);
  return b == 0.0 ? a / b : (y == 0.0 ? __builtin_copysign(0.0, a / b) : y);
}
)c",
    R"c(
/* The quotient rounded down, as in Python: from the exact remainder, since a / b may round up to the next integer. */
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
  return ((double)(int32_t)(high >> 5) * 67108864.0 + (double)(int32_t)(low >> 6)) * 1.1102230246251565e-16; /* 2^-53 */
}
)c",
    R"c(
/* Standard normal, from a word: sqrt(2) erfinv(x) at x = (bits + 1/2) / 2^31 - 1, so at most 6.34 in size. The rest
 * 1 - x^2 = 4 p (1 - p) is taken from the distance p to the nearer end, which keeps the tails accurate. */
WG_INLINE float wg_normal_f32(uint32_t bits) {
  float x = ((float)(int32_t)(bits ^ 0x80000000u) + 0.5f) * 4.65661287e-10f; /* 2^-31 */
  uint32_t from_end = bits & 0x80000000u ? ~bits : bits;
  float p = ((float)(int32_t)from_end + 0.5f) * 2.32830644e-10f; /* 2^-32 */
  return 1.41421356f * wg_erfinv_reduced_f32(x, 4.0f * p * (1.0f - p));
}
)c",
    R"c(
/* Standard normal, from two words: as wg_normal_f32, with the high 63 bits of high * 2^32 + low; at most 9.1 in size. */
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
/* Element i < n of a permutation of 0 .. n-1 that the key chooses, without memory: a Feistel network of 12 rounds over
 * the smallest 4^k >= n (at least 4), walked until it meets a number below n (J. Black and P. Rogaway, 2002). */
WG_INLINE uint64_t wg_permute(uint32_t key0, uint32_t key1, uint64_t i, uint64_t n) {
  uint32_t bits = 1; /* of a half */
  while (bits < 32 && (n - 1) >> (2 * bits) != 0) ++bits;
  uint32_t mask = 0xffffffffu >> (32 - bits);
  wg_philox_words a = wg_philox_block(key0, key1, 0), b = wg_philox_block(key0, key1, 1);
  wg_philox_words c = wg_philox_block(key0, key1, 2);
  do {
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

// Without the attribute a function that is called twice stays a call, and a loop with a call is not vectorized.
constexpr std::string_view prologue = R"c(#ifndef WG_INLINE
#define WG_INLINE static inline __attribute__((always_inline))
#endif
)c";

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The names in a text that start with wg_, in the order of their first occurrence.
std::vector<std::string_view> names_in(std::string_view text) {
  std::vector<std::string_view> names;
  for (std::size_t begin = text.find("wg_"); begin != text.npos; begin = text.find("wg_", begin)) {
    std::size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    const std::string_view name = text.substr(begin, end - begin);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    begin = end;
  }
  return names;
}

/// The name that a text defines: the one before the first parenthesis that follows WG_INLINE.
std::string_view defined_name(std::string_view text) {
  const std::size_t end = text.find('(', text.find("WG_INLINE"));
  std::size_t begin = end;
  while (is_name_character(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

/// Reads names and needs from the texts, so that they cannot disagree with them.
std::vector<PreludeFunction> read_texts() {
  std::vector<PreludeFunction> functions;
  for (std::string_view text : texts) {
    PreludeFunction function{defined_name(text), {}, text.substr(1)};  // after the first line break
    const std::vector<std::string_view> used = names_in(text);
    for (const PreludeFunction& earlier : functions)
      if (std::find(used.begin(), used.end(), earlier.name) != used.end())
        function.needs.push_back(earlier.name);
    functions.push_back(std::move(function));
  }
  return functions;
}

}  // namespace

std::span<const PreludeFunction> prelude() {
  static const std::vector<PreludeFunction> functions = read_texts();
  return functions;
}

const PreludeFunction& prelude_function(std::string_view name) {
  for (const PreludeFunction& function : prelude())
    if (function.name == name) return function;
  throw Error(ErrorKind::internal, "prelude-name",
              "prelude: got the name " + std::string(name) + ": wanted a function of the prelude");
}

std::string prelude_text(std::span<const std::string> names) {
  std::set<std::string_view> wanted;
  for (const std::string& name : names) wanted.insert(prelude_function(name).name);
  const std::span<const PreludeFunction> functions = prelude();
  for (auto f = functions.rbegin(); f != functions.rend(); ++f)  // callers before what they call
    if (wanted.contains(f->name)) wanted.insert(f->needs.begin(), f->needs.end());
  std::string text(prologue);
  for (const PreludeFunction& function : functions)
    if (wanted.contains(function.name)) text.append("\n").append(function.text);
  return text;
}

}  // namespace wengert::compile
