// Functions that put arrays together and take them apart.
#pragma once

#include <vector>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// The arrays one after the other along `axis`; their dtypes are promoted. Each is copied once, to where it goes.
/// Errors: value "concatenate-empty" (no array), shape "concatenate-rank", "concatenate-shape" (naming the array),
/// "axis-range".
Array concatenate(const std::vector<Array>& arrays, int64_t axis = 0,
                  std::source_location where = std::source_location::current());
/// Arrays of one shape along a new axis, which has number `axis` in the result. Errors: value "stack-empty", shape
/// "stack-shape" (naming the array), "axis-range".
Array stack(const std::vector<Array>& arrays, int64_t axis = 0,
            std::source_location where = std::source_location::current());

/// x cut along `axis` into that many parts of equal length: views. Errors: shape "split-sections" (the length is no
/// multiple of them), "axis-range".
std::vector<Array> split(const Operand& x, int64_t sections, int64_t axis = 0);
/// x cut into parts of these lengths. Errors: shape "split-sizes" (they do not add up to the axis's length).
std::vector<Array> split(const Operand& x, const std::vector<int64_t>& sizes, int64_t axis = 0);
std::vector<Array> split(const Operand& x, std::initializer_list<int64_t> sizes, int64_t axis = 0);

/// x with low[d] elements `value` before and high[d] after axis d, and interior[d] between any two of its elements. A
/// negative number takes as many away. `value` has rank 0 and is differentiated like x. Errors: shape "pad-rank" (not
/// one number for each axis), "pad-value" (not of rank 0), value "pad-interior" (negative), shape "pad-length" (more is
/// taken away than there is).
Array pad(const Operand& x, const Axes& low, const Axes& high, const Operand& value = 0, const Axes& interior = {});

/// The elements moved on by `shift` along `axis`; those that leave the end come in at the beginning. Errors: shape.
Array roll(const Operand& x, int64_t shift, int64_t axis);

}  // namespace wengert
