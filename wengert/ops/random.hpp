// Random numbers from keys: pure functions, the same bits on every device and any number of threads.
//
// A key is an int64 of rank 0, which names a stream of the counter-based generator Philox4x32-10 (Salmon, Moraes,
// Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Element i of a result (row-major) comes from
// the stream's words at i. Use a key once; make new ones with split or fold_in.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert::random {

/// The key of a seed.
Array key(int64_t seed);
/// A key that depends on both; different numbers give independent keys, none of which split gives.
Array fold_in(const Array& key, const Operand& number);
/// `count` independent keys.
std::vector<Array> split(const Array& key, int64_t count = 2,
                         std::source_location where = std::source_location::current());

/// Uniform in [low, high); 24 random bits in float32, 53 in float64. Errors: dtype (not floating), shape (key).
Array uniform(const Array& key, const Shape& shape, Dtype dtype = float32, double low = 0, double high = 1,
              std::source_location where = std::source_location::current());
/// Standard normal, by the inverse of its distribution function; at most 6.3 in size in float32.
Array normal(const Array& key, const Shape& shape, Dtype dtype = float32,
             std::source_location where = std::source_location::current());
/// true with the given probability. Errors: value "bernoulli-probability" (a plain number outside [0, 1], or NaN).
Array bernoulli(const Array& key, const Operand& probability, const Shape& shape);
/// 0 .. n-1 in an order that the key chooses, int64, computed element by element without memory.
Array permutation(const Array& key, int64_t n, std::source_location where = std::source_location::current());

}  // namespace wengert::random
