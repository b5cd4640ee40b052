// What the tests of all primitives share: operands of any dtype in any layout, values read back, comparisons.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "wengert/array/array.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/trace/bind.hpp"

namespace wengert::testing {

/// Holds every value of every dtype exactly.
using Real = long double;
using Values = std::vector<Real>;
using Arrays = std::vector<Array>;

// Operands -----------------------------------------------------------------------------------------------

enum class Placement { contiguous, transposed, strided, reversed, repeated };
inline constexpr Placement placements[] = {Placement::contiguous, Placement::transposed, Placement::strided,
                                           Placement::reversed, Placement::repeated};
inline const char* name(Placement placement) {
  constexpr const char* names[] = {"contiguous", "transposed", "strided", "reversed", "repeated"};
  return names[static_cast<int>(placement)];
}

/// Calls f with a value of the C++ type of `dtype`.
template <class F>
auto with_element_type(Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::bool_: return f(bool{});
    case Dtype::uint8: return f(uint8_t{});
    case Dtype::int32: return f(int32_t{});
    case Dtype::int64: return f(int64_t{});
    case Dtype::float32: return f(float{});
    default: return f(double{});
  }
}

inline Array contiguous_array(const Values& values, Dtype dtype, const Shape& shape) {
  return with_element_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> data;
    for (Real v : values) data.push_back(static_cast<T>(v));
    return array(data, shape);
  });
}

/// Strides in elements, and the offset of the first element in a block that begins at the lowest one.
struct Arrangement {
  Strides strides{};
  int64_t offset = 0, count = 1;
};

/// transposed: the first axis is innermost. strided: every second element, after one that is left out. reversed:
/// backwards along every axis. repeated: one row along the first axis, again and again.
inline Arrangement arrange(const Shape& shape, Placement placement) {
  Arrangement a;
  const int rank = shape.rank();
  const int64_t unit = placement == Placement::strided ? 2 : 1;
  int64_t stride = unit;
  for (int k = 0; k < rank; ++k) {
    const int d = placement == Placement::transposed ? k : rank - 1 - k;
    const auto at = static_cast<size_t>(d);
    if (placement == Placement::repeated && d == 0) continue;
    a.strides[at] = placement == Placement::reversed ? -stride : stride;
    if (placement == Placement::reversed && shape[d].value() > 0) a.offset += stride * (shape[d] - 1);
    stride *= shape[d];
  }
  if (placement == Placement::strided) a.offset = 1;
  a.count = std::max<int64_t>(stride, 1) + unit;
  return a;
}

/// The elements of `values`, row-major, laid out like that. A repeated operand has the values of its first row.
inline Array make_operand(const Values& values, Dtype dtype, const Shape& shape, Placement placement) {
  if (placement == Placement::contiguous) return contiguous_array(values, dtype, shape);
  const Arrangement a = arrange(shape, placement);
  Values memory(static_cast<size_t>(a.count), 1);
  std::vector<int64_t> index(static_cast<size_t>(shape.rank()));
  for (size_t n = 0; n < values.size(); ++n) {
    int64_t rest = static_cast<int64_t>(n), at = a.offset;
    bool first_row = true;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      const int64_t i = rest % shape[d];
      rest /= shape[d];
      at += i * a.strides[static_cast<size_t>(d)];
      if (d == 0) first_row = i == 0;
    }
    if (placement != Placement::repeated || first_row) memory[static_cast<size_t>(at)] = values[n];
  }
  const Array base = contiguous_array(memory, dtype, {a.count});
  return detail::make_view(base, Layout::of(Type::of(dtype, shape), a.strides), a.offset);
}

/// `count` numbers of a range, none equal to another and none on an integer or a half, in random order: away from the
/// kinks of piecewise functions. Operands of different `number` have no values in common either.
inline Values separated_values(std::pair<double, double> range, int64_t count, int number, std::mt19937& engine) {
  Values values;
  for (int64_t j = 0; j < count; ++j) {
    const double part = (static_cast<double>(j) + 0.437 + 0.113 * number) / static_cast<double>(count);
    values.push_back(range.first + (range.second - range.first) * part);
  }
  std::shuffle(values.begin(), values.end(), engine);
  return values;
}

/// Numbers for operand `i` of a sample.
inline Values sample_values(const Primitive& p, const Sample& sample, int i, Dtype dtype, int64_t count,
                            std::mt19937& engine) {
  std::pair<double, double> range = p.samples.range;
  if (!is_inexact(dtype))
    range = is_bool(dtype) ? std::pair(0.0, 1.0) : is_unsigned(dtype) ? std::pair(0.0, 5.0) : std::pair(-3.0, 3.0);
  const auto at = static_cast<size_t>(i);
  if (at < sample.ranges.size() && !is_bool(dtype)) range = sample.ranges[at];
  if (is_inexact(dtype)) return separated_values(range, count, i, engine);
  if (is_unsigned(dtype)) range.first = std::max(range.first, 0.0);
  std::uniform_int_distribution<int64_t> uniform(static_cast<int64_t>(std::ceil(range.first)),
                                                 static_cast<int64_t>(std::floor(range.second)));
  Values values;
  for (int64_t j = 0; j < count; ++j) values.push_back(static_cast<Real>(uniform(engine)));
  return values;
}

/// The dtypes of a sample's operands when `tested` is the tested one.
inline std::vector<Dtype> operand_dtypes(const Sample& sample, Dtype tested) {
  std::vector<Dtype> dtypes(sample.shapes.size(), tested);
  for (size_t i = 0; i < sample.fixed.size() && i < dtypes.size(); ++i) dtypes[i] = sample.fixed[i];
  return dtypes;
}

inline std::vector<const Type*> operand_types(const Sample& sample, Dtype tested) {
  const std::vector<Dtype> dtypes = operand_dtypes(sample, tested);
  std::vector<const Type*> types;
  for (size_t i = 0; i < dtypes.size(); ++i) types.push_back(Type::of(dtypes[i], sample.shapes[i]));
  return types;
}

inline std::span<const RuntimeParam> runtime_span(const Runtimes& runtimes) {
  return {runtimes.begin(), runtimes.end()};
}

/// The types of the outputs; nothing when the shape rule does not take these dtypes.
inline std::optional<Types> accepted(const Primitive& p, const Sample& sample, Dtype tested) {
  try {
    return infer_types(p, operand_types(sample, tested), sample.params, runtime_span(sample.runtimes));
  } catch (const Error& error) {
    // A program takes the types that it was made for, and no others.
    if (error.kind() == ErrorKind::dtype || error.id() == "program-inputs") return std::nullopt;
    throw;
  }
}

// Results ------------------------------------------------------------------------------------------------

inline Values values_of(const Array& x) {
  return with_element_type(x.dtype(), [&](auto zero) {
    const auto data = x.to_vector<decltype(zero)>();
    return Values(data.begin(), data.end());
  });
}

/// The bytes of all elements, row-major.
inline std::string bytes_of(const Array& x) {
  return with_element_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto data = x.to_vector<T>();
    std::string bytes;
    for (T v : data) bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
    return bytes;
  });
}

/// How far two numbers may lie apart: in units in the last place of the second, plus a share of 1 + |second|.
struct Tolerance {
  double ulps = 0, relative = 0;
};

inline Real unit_in_last_place(Real x, Dtype dtype) {
  return with_element_type(dtype, [&](auto zero) -> Real {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const T a = std::min(std::fabs(static_cast<T>(x)), std::numeric_limits<T>::max());
      const T next = std::nextafter(a, std::numeric_limits<T>::infinity());
      return std::isinf(next) ? Real(a) - Real(std::nextafter(a, T(0))) : Real(next) - Real(a);
    } else {
      return 0;
    }
  });
}

/// What is wrong with `got`, or nothing. NaN equals NaN.
inline std::string difference(const Values& got, const Values& wanted, Dtype dtype, Tolerance tolerance) {
  if (got.size() != wanted.size()) return "other count";
  for (size_t i = 0; i < got.size(); ++i) {
    const Real a = got[i], b = wanted[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const Real allowed = tolerance.ulps * unit_in_last_place(b, dtype) + tolerance.relative * (1 + std::fabs(b));
    if (std::isfinite(a) && std::isfinite(b) && std::fabs(a - b) <= allowed) continue;
    char text[200];
    std::snprintf(text, sizeof text, "element %zu: %.17Lg, wanted %.17Lg, apart by %.3Lg ULP", i, a, b,
                  std::fabs(a - b) / unit_in_last_place(b, dtype));
    return text;
  }
  return "";
}

}  // namespace wengert::testing
