// Arrays from nothing but a shape. They are operations like any other: recorded when a program is recorded.
#pragma once

#include <concepts>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// All elements `value`, in memory of its own. Floats lose their fraction where dtype is an integer's.
/// Errors: dtype (one without kernels), shape, value "number-range" (a number that dtype cannot hold).
Array full(const Shape& shape, const Operand& value, Dtype dtype);
/// As above, with the dtype of the value: float32, int64 or bool for a plain number.
Array full(const Shape& shape, const Operand& value);
Array zeros(const Shape& shape, Dtype dtype = float32, std::source_location where = std::source_location::current());
Array ones(const Shape& shape, Dtype dtype = float32, std::source_location where = std::source_location::current());
Array zeros_like(const Array& x, std::source_location where = std::source_location::current());
Array ones_like(const Array& x, std::source_location where = std::source_location::current());
/// Ones where column - row == diagonal. columns < 0: as many as rows.
Array eye(int64_t rows, int64_t columns = -1, int64_t diagonal = 0, Dtype dtype = float32,
          std::source_location where = std::source_location::current());
/// start, start + step, ... below stop (above, for a negative step). Errors: value (step 0; numbers beyond dtype).
Array arange(int64_t stop, std::source_location where = std::source_location::current());
Array arange(int64_t start, int64_t stop, int64_t step = 1, Dtype dtype = int64,
             std::source_location where = std::source_location::current());
Array arange(double start, double stop, double step, Dtype dtype = float32,
             std::source_location where = std::source_location::current());
template <std::integral Start, std::integral Stop, std::integral Step = int64_t>
Array arange(Start start, Stop stop, Step step = 1, Dtype dtype = int64,
             std::source_location where = std::source_location::current()) {
  return arange(detail::to_int64(start, where), detail::to_int64(stop, where), detail::to_int64(step, where), dtype,
                where);
}
/// `count` equal steps from start to stop, both included. Errors: value (count < 0; numbers beyond dtype).
Array linspace(double start, double stop, int64_t count, Dtype dtype = float32,
               std::source_location where = std::source_location::current());
/// Index along one axis: element [i0, i1, ...] is i_axis.
Array iota(const Shape& shape, int axis, Dtype dtype = int64,
           std::source_location where = std::source_location::current());
/// The same values in memory of their own, row-major.
Array contiguous(const Operand& x);

}  // namespace wengert
