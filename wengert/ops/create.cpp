#include "wengert/ops/create.hpp"

#include <cmath>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {
using Values = std::vector<Expr>;

void want_supported(const Avals& in, Dtype dtype) {
  want(is_supported(dtype), in, ErrorKind::dtype, "dtype-unsupported", "bool, uint8, int32, int64, float32 or float64");
}

/// Throws unless `dtype` can hold the first number and the last.
void want_range(const char* operation, const std::string& got, double first, double last, Dtype dtype) {
  if (!is_integer(dtype) || (Operand::in_range(first, dtype) && Operand::in_range(last, dtype))) return;
  fail(ErrorKind::value, "number-range", operation, got + ", dtype " + std::string(name(dtype)),
       "numbers that " + std::string(name(dtype)) + " can hold");
}

std::string steps_text(double start, double stop, double step) {
  return "start " + shortest_text(start) + ", stop " + shortest_text(stop) + ", step " + shortest_text(step);
}
std::string steps_text(int64_t start, int64_t stop, int64_t step) {
  return "start " + std::to_string(start) + ", stop " + std::to_string(stop) + ", step " + std::to_string(step);
}

/// How many of start, start + step, ... come before stop; no difference of two int64 overflows here.
int64_t step_count(int64_t start, int64_t stop, int64_t step) {
  if (step > 0 ? start >= stop : start <= stop) return 0;
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                     : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t width = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  const uint64_t count = (distance - 1) / width + 1;
  if (count > static_cast<uint64_t>(max_size)) {
    fail(ErrorKind::shape, "shape-size", "arange", steps_text(start, stop, step), "at most 2^58 elements");
  }
  return static_cast<int64_t>(count);
}

}  // namespace

const Primitive copy_primitive{
    .name = "copy",
    .doc = "The same values in memory of their own.",
    .traits = Trait::elementwise | Trait::linear | Trait::cheap,
    .infer = as_operand,
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return d[0]; },
    .transpose = [](const RuleEquation&, const Array& ct, int) { return ct; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i)}; },
    .samples = {{{{{2, 3}}}, {{{}}}, {{{0, 4}}}}},
};

const Primitive iota_primitive{
    .name = "iota",
    .doc = "The index along one axis.",
    .traits = Trait::nondifferentiable | Trait::cheap,
    .params = {"shape", "axis", "dtype"},
    .operands = {"none"},
    .infer = [](const Avals& in) -> Types {
      want_supported(in, in.params.dtype(2));
      const int64_t rank = in.params.shape(0).rank(), axis = in.params.integer(1);
      want(axis >= 0 && axis < rank, in, ErrorKind::shape, "axis-range", "an axis of the shape");
      return {Type::of(in.params.dtype(2), in.params.shape(0))};
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      return {convert(i[static_cast<size_t>(k.params().integer(1))], k.result().dtype)};
    },
    .samples = {.cases = {{{}, {Shape{4}, int64_t{0}, Dtype::int64}},
                          {{}, {Shape{2, 3}, int64_t{1}, Dtype::float32}},
                          {{}, {Shape{0, 3}, int64_t{1}, Dtype::float64}}},
                .dtypes = {Dtype::int64}},
};

const Primitive eye_primitive{
    .name = "eye",
    .doc = "Ones where column - row == diagonal, zeros elsewhere.",
    .traits = Trait::nondifferentiable | Trait::cheap,
    .params = {"shape", "diagonal", "dtype"},
    .operands = {"none"},
    .infer = [](const Avals& in) -> Types {
      want_supported(in, in.params.dtype(2));
      want(in.params.shape(0).rank() == 2, in, ErrorKind::shape, "eye-rank", "a shape of rank 2");
      return {Type::of(in.params.dtype(2), in.params.shape(0))};
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Dtype dtype = k.result().dtype;
      return {select(i[1] - i[0] == k.integer(k.params().integer(1)), k.constant(1, dtype), k.constant(0, dtype))};
    },
    .samples = {.cases = {{{}, {Shape{3, 4}, int64_t{1}, Dtype::float32}},
                          {{}, {Shape{4, 2}, int64_t{-1}, Dtype::int64}},
                          {{}, {Shape{0, 3}, int64_t{0}, Dtype::float64}}},
                .dtypes = {Dtype::float32}},
};

Array full(const Shape& shape, const Operand& value, Dtype dtype) {
  const CallScope scope(value, "full");
  if (!is_supported(dtype)) {
    fail(ErrorKind::dtype, "dtype-unsupported", operation_name(copy_primitive),
         "shape " + to_string(shape) + ", dtype " + std::string(name(dtype)),
         "bool, uint8, int32, int64, float32 or float64");
  }
  if (!value.fits(dtype)) {
    fail(ErrorKind::value, "number-range", operation_name(copy_primitive),
         "shape " + to_string(shape) + ", value " + value.number_text() + ", dtype " + std::string(name(dtype)),
         "a number that " + std::string(name(dtype)) + " can hold");
  }
  const Array x = value.is_scalar() ? value.scalar(dtype) : convert(value, dtype);
  return bind(copy_primitive, broadcast_to(strengthen(x), shape));
}
Array full(const Shape& shape, const Operand& value) { return full(shape, value, value.dtype()); }

Array zeros(const Shape& shape, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "zeros");
  return full(shape, 0, dtype);
}
Array ones(const Shape& shape, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "ones");
  return full(shape, 1, dtype);
}
Array zeros_like(const Array& x, std::source_location where) {
  return zeros(Operand(x, where).shape(), x.dtype(), where);
}
Array ones_like(const Array& x, std::source_location where) {
  return ones(Operand(x, where).shape(), x.dtype(), where);
}

Array iota(const Shape& shape, int axis, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "iota");
  return bind(iota_primitive, std::span<const Array>(), {shape, static_cast<int64_t>(axis), dtype});
}

Array eye(int64_t rows, int64_t columns, int64_t diagonal, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "eye");
  return bind(eye_primitive, std::span<const Array>(), {Shape{rows, columns < 0 ? rows : columns}, diagonal, dtype});
}

Array arange(int64_t stop, std::source_location where) { return arange(int64_t{0}, stop, int64_t{1}, int64, where); }

Array arange(int64_t start, int64_t stop, int64_t step, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "arange");
  if (step == 0) fail(ErrorKind::value, "arange-step", "arange", "step 0", "a step that is not 0");
  const int64_t count = step_count(start, stop, step);
  if (count > 0 && dtype != int64) {
    const double first = static_cast<double>(start),
                 last = first + static_cast<double>(count - 1) * static_cast<double>(step);
    want_range("arange", steps_text(start, stop, step), first, last, dtype);
  }
  return convert(iota({count}, 0, int64) * step + start, dtype);
}

Array arange(double start, double stop, double step, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "arange");
  const double count = std::ceil((stop - start) / step);
  if (step == 0 || !(count <= static_cast<double>(max_size)) || !std::isfinite(start)) {
    fail(ErrorKind::value, "arange-step", "arange", steps_text(start, stop, step),
         "finite numbers, a step that is not 0 and at most 2^58 elements");
  }
  if (count > 0) want_range("arange", steps_text(start, stop, step), start, start + (count - 1) * step, dtype);
  const Array index = iota({static_cast<int64_t>(std::max(count, 0.0))}, 0, float64);
  return convert(index * full({}, step, float64) + full({}, start, float64), dtype);
}

Array linspace(double start, double stop, int64_t count, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "linspace");
  if (count < 0) fail(ErrorKind::value, "linspace-count", "linspace", "count " + std::to_string(count), "a count >= 0");
  if (count > 0) {
    want_range("linspace", "start " + shortest_text(start) + ", stop " + shortest_text(stop), start,
               count > 1 ? stop : start, dtype);
  }
  const double step = count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0;
  const Array index = iota({count}, 0, float64);
  const Array inside = index * full({}, step, float64) + full({}, start, float64);
  return convert(count > 1 ? wengert::where(index == count - 1, full({}, stop, float64), inside) : inside, dtype);
}

Array contiguous(const Operand& x) {
  const CallScope scope(x);
  const Array a = x.to_array();
  if (a.layout().contiguous && a.node()->tag == 0) return a;
  const Array flat = reshape(a, Shape{a.size()});
  return reshape(flat, a.shape());
}

}  // namespace wengert
