// Integer arithmetic of schedules and of the plain evaluator: saturating, wrapping, floor division, Philox, permutations.
// Written apart from the kernels' prelude on purpose: each is checked against the other.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "wengert/array/dtype.hpp"

namespace wengert::compile {

inline int64_t add_wrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t subtract_wrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t multiply_wrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
/// A number of elements or of steps, at most the largest number: beside an empty axis others may be of any length.
inline int64_t multiply_saturating(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}
inline int64_t negate_wrapping(int64_t a) { return subtract_wrapping(0, a); }

inline int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return negate_wrapping(a);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
inline int64_t floor_modulo(int64_t a, int64_t b) {
  return b == 0 ? 0 : subtract_wrapping(a, multiply_wrapping(floor_divide(a, b), b));
}

/// The remainder of Python: exact, with the sign of b.
inline long double floor_modulo(long double a, long double b) {
  const long double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0L, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}
/// The quotient that belongs to it.
inline long double floor_divide(long double a, long double b) {
  if (b == 0) return a / b;
  const long double rest = std::fmod(a, b);
  const long double quotient = std::nearbyint((a - rest) / b) - (rest != 0 && (rest < 0) != (b < 0));
  return quotient == 0 ? std::copysign(0.0L, a / b) : quotient;
}

inline int64_t lowest_integer(Dtype d) {
  if (d == Dtype::int64) return std::numeric_limits<int64_t>::min();
  return d == Dtype::int32 ? std::numeric_limits<int32_t>::min() : 0;
}
inline int64_t highest_integer(Dtype d) {
  if (d == Dtype::int64) return std::numeric_limits<int64_t>::max();
  if (d == Dtype::int32) return std::numeric_limits<int32_t>::max();
  return d == Dtype::bool_ ? 1 : 255;
}

/// As the hardware does: out of range and NaN give the smallest number of the width that is converted in.
inline int64_t truncate_to_integer(double x, Dtype to) {
  const double limit = to == Dtype::int64 ? 0x1p63 : 0x1p31;
  if (!(x > -limit - 1 && x < limit))
    return to == Dtype::int64 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  return static_cast<int64_t>(x);
}

/// base^exponent, wrapping; a negative exponent gives 0 unless the base is 1 or -1.
inline int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1, base = multiply_wrapping(base, base)) {
    if (exponent & 1) result = multiply_wrapping(result, base);
  }
  return result;
}

/// Word `i` of the stream of a key: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011).
inline uint32_t random_bits(uint32_t key0, uint32_t key1, uint64_t i) {
  const uint64_t block = i >> 2;
  uint32_t c[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p = uint64_t{0xD2511F53} * c[0], q = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(q >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(q),
                              static_cast<uint32_t>(p >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(p)};
    for (int k = 0; k < 4; ++k) c[k] = next[k];
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c[i & 3];
}

/// A round function of that permutation: the finalizer of MurmurHash3 (A. Appleby).
inline uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

/// Element `i` of a permutation of 0 .. n-1: see wg_permute in the prelude.
inline int64_t permuted_index(uint32_t key0, uint32_t key1, int64_t i, int64_t n) {
  const auto length = static_cast<uint64_t>(n);
  uint32_t bits = 1;  // of one half
  while (bits < 32 && ((length - 1) >> (2 * bits)) != 0) ++bits;
  const uint32_t mask = 0xffffffffu >> (32 - bits);
  auto x = static_cast<uint64_t>(i);
  do {
    if (x < 2) x ^= mix(key0 ^ mix(key1)) & 1;  // the rounds alone make even permutations only
    uint32_t half[2] = {static_cast<uint32_t>(x >> bits), static_cast<uint32_t>(x) & mask};
    for (uint64_t round = 0; round < 12; ++round) {
      half[round % 2] ^= mix(half[(round + 1) % 2] ^ random_bits(key0, key1, round)) & mask;
    }
    x = (static_cast<uint64_t>(half[0]) << bits) | half[1];
  } while (x >= length && length != 0);
  return static_cast<int64_t>(x);
}

/// The inverse of erf by Halley's method on an initial guess (Giles, GPU Computing Gems 2, 2011).
inline long double inverse_erf(long double y) {
  if (!(y > -1 && y < 1)) return y == 1 ? INFINITY : y == -1 ? -INFINITY : NAN;
  const long double w = -std::log((1 - y) * (1 + y));
  long double x = std::copysign(std::sqrt(w < 5 ? w * 0.7853981633974483L : w - 0.5L * std::log(w)), y);
  if (y == 0) return y;
  for (int i = 0; i < 60; ++i) {
    const long double error = y > 0 ? (1 - y) - std::erfc(x) : std::erfc(-x) - (1 + y);
    const long double step = error / (1.1283791670955126L * std::exp(-x * x));
    const long double next = x - step / (1 + x * step);
    if (next == x || std::fabs(next - x) < 1e-19L * std::fabs(x)) break;
    x = next;
  }
  return x;
}

}  // namespace wengert::compile
