#include "wengert/ops/common.hpp"

#include <algorithm>
#include <charconv>

#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

void want_equal(const Avals& in) {
  for (int i = 1; i < in.size(); ++i) {
    want(in[i].dtype == in[0].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
    want(in[i].shape == in[0].shape, in, ErrorKind::shape, "shape-equal", "equal shapes; broadcast_to() first");
  }
}

Types result(const Avals& in, Dtype dtype) {
  bool weak = true;
  for (int i = 0; i < in.size(); ++i) weak &= in[i].weak;
  return {Type::of(dtype, in[0].shape, weak)};
}

std::string text(const Operand& x) {
  return x.is_scalar() ? std::string(short_name(x.dtype())) + "*[]" : describe(x.array());
}

}  // namespace

Types same_inexact(const Avals& in) {
  want_equal(in);
  want(is_inexact(in[0].dtype), in, ErrorKind::dtype, "dtype-inexact", "a floating dtype; convert with astype()");
  return result(in, in[0].dtype);
}

Types same_numeric(const Avals& in) {
  want_equal(in);
  want(!is_bool(in[0].dtype), in, ErrorKind::dtype, "dtype-numeric",
       "a numeric dtype, not bool; convert with astype()");
  return result(in, in[0].dtype);
}

Types same_type(const Avals& in) {
  want_equal(in);
  return result(in, in[0].dtype);
}

Types same_to_bool(const Avals& in) {
  want_equal(in);
  return {Type::of(Dtype::bool_, in[0].shape)};
}

Types as_operand(const Avals& in) { return {in.types[0]}; }

Shape reduced_shape(const Avals& in) {
  const Axes& axes = in.params.axes(0);
  const bool keepdims = in.params.flag(1);
  for (int64_t a : axes) want(a >= 0 && a < in[0].rank(), in, ErrorKind::shape, "reduce-axes", "axes of x");
  Shape result;
  for (int d = 0; d < in[0].rank(); ++d) {
    if (!axes.contains(d)) result.push_back(in[0].shape[d]);
    else if (keepdims) result.push_back(1);
  }
  return result;
}

Shape kept_shape(const Shape& shape, const Axes& axes) {
  Shape kept = shape;
  for (int64_t a : axes) kept[static_cast<int>(a)] = 1;
  return kept;
}

Array to_inexact(const Operand& x) {
  if (!x.is_scalar() && is_inexact(x.dtype())) return x.array();
  return x.is_scalar() ? x.scalar(Dtype::float32) : convert(x, Dtype::float32);
}

Array bind_inexact(const Primitive& primitive, const Operand& x) {
  note_call(x);
  if (!x.is_scalar() && is_inexact(x.dtype())) return bind(primitive, x.array());
  return bind(primitive, to_inexact(x));
}

Shape common_shape(const Primitive& primitive, std::initializer_list<const Operand*> operands) {
  Shape shape;
  bool fits = true;
  for (const Operand* x : operands) {
    Shape joint;
    fits = fits && broadcast_shapes(shape, x->shape(), joint);
    shape = joint;
  }
  if (fits) return shape;
  std::string got;
  for (size_t i = 0; const Operand* x : operands) {
    got += (i ? ", " : "") + std::string(primitive.operands[i]) + " " + text(*x);
    ++i;
  }
  fail(ErrorKind::shape, "broadcast", operation_name(primitive), got,
       "shapes that broadcast: equal lengths from the last axis on, or 1");
}

void check_numbers(const Primitive& primitive, std::initializer_list<const Operand*> operands, Dtype dtype) {
  size_t i = primitive.operands.size() - operands.size();
  for (const Operand* x : operands) {
    if (!x->fits(dtype)) {
      fail(ErrorKind::value, "number-range", operation_name(primitive),
           std::string(primitive.operands[i]) + " " + x->number_text(),
           "a number that " + std::string(name(dtype)) + " can hold; convert the array beside it with astype()");
    }
    ++i;
  }
}

namespace {
/// Whether a plain number can stand beside `x` without an equation of its own: where values exist and x keeps its
/// dtype.
bool takes_number(const Operand& x, const Operand& number) {
  const Interpreter* current = thread().current;
  return (!current || current->concrete()) && !x.array().type().weak &&
      promote(x.dtype(), false, number.dtype(), true) == x.dtype() && number.fits(x.dtype());
}
}  // namespace

Array converted_and_broadcast(const Operand& x, Dtype dtype, bool weak, const Shape& shape) {
  Array y = x.is_scalar() ? x.scalar(dtype) : x.dtype() == dtype ? x.array() : convert(x, dtype);
  if (y.type().weak && !weak) y = strengthen(y);
  return y.shape() == shape ? y : broadcast_to(y, shape);
}

Array bind_broadcast(const Primitive& primitive, const Operand& a, const Operand& b) {
  note_call(a);
  if (a.is_scalar() != b.is_scalar() && takes_number(a.is_scalar() ? b : a, a.is_scalar() ? a : b)) {
    return a.is_scalar() ? bind(primitive, a.repeated(&b.array().type()), b.array())
                         : bind(primitive, a.array(), b.repeated(&a.array().type()));
  }
  if (!a.is_scalar() && !b.is_scalar() && &a.array().type() == &b.array().type()) {
    return bind(primitive, a.array(), b.array());
  }
  const CallScope scope(a);
  const Dtype dtype = promote(a.dtype(), a.weak(), b.dtype(), b.weak());
  const bool weak = a.weak() && b.weak();
  const Shape shape = common_shape(primitive, {&a, &b});
  check_numbers(primitive, {&a, &b}, dtype);
  return bind(primitive, converted_and_broadcast(a, dtype, weak, shape),
              converted_and_broadcast(b, dtype, weak, shape));
}

Array bind_broadcast(const Primitive& primitive, const Operand& a, const Operand& b, const Operand& c) {
  const CallScope scope(a);
  const Dtype dtype =
      promote(promote(a.dtype(), a.weak(), b.dtype(), b.weak()), a.weak() && b.weak(), c.dtype(), c.weak());
  const bool weak = a.weak() && b.weak() && c.weak();
  const Shape shape = common_shape(primitive, {&a, &b, &c});
  check_numbers(primitive, {&a, &b, &c}, dtype);
  return bind(primitive, converted_and_broadcast(a, dtype, weak, shape), converted_and_broadcast(b, dtype, weak, shape),
              converted_and_broadcast(c, dtype, weak, shape));
}

Array bind_broadcast_inexact(const Primitive& primitive, const Operand& a, const Operand& b) {
  if (is_inexact(a.dtype()) && is_inexact(b.dtype())) return bind_broadcast(primitive, a, b);
  const CallScope scope(a);
  const Array x = is_inexact(b.dtype()) && a.is_scalar() ? a.to_array() : to_inexact(a);
  const Array y = is_inexact(a.dtype()) && b.is_scalar() ? b.to_array() : to_inexact(b);
  return bind_broadcast(primitive, x, y);
}

Axes normalize_axes(const char* operation, const Array& x, const Axes& axes, bool all) {
  Axes result;
  if (axes.empty() && all) {
    for (int i = 0; i < x.rank(); ++i) result.push_back(i);
    return result;
  }
  for (int64_t axis : axes) result.push_back(normalize_axis(operation, x, axis));
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
    fail(ErrorKind::shape, "axis-repeated", operation, "x " + describe(x) + ", axes " + to_string(Param(axes)),
         "each axis once");
  }
  return result;
}

int64_t normalize_axis(const char* operation, const Array& x, int64_t axis) {
  const int64_t rank = x.rank();
  if (axis < -rank || axis >= rank) {
    fail(ErrorKind::shape, "axis-range", operation, "x " + describe(x) + ", axis " + std::to_string(axis),
         rank == 0 ? "an array with axes; x has none"
                   : "an axis from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
  }
  return axis < 0 ? axis + rank : axis;
}

void fail(ErrorKind kind, const char* id, const std::string& operation, const std::string& got,
          const std::string& wanted) {
  throw Error(kind, id, operation + ": " + got + ": wanted " + wanted + call_site());
}

void detail::number_too_large(uint64_t number, const std::source_location& where) {
  throw Error(ErrorKind::value, "number-range",
              "number: got " + std::to_string(number) + ": wanted an integer that int64 can hold" + called_at(where));
}

std::string shortest_text(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
}

std::string Operand::number_text() const {
  return kind_ == Dtype::float32 ? shortest_text(number_) : std::to_string(integer_);
}

void Operand::undefined(const std::source_location& where) {
  throw Error(ErrorKind::state, "array-undefined",
              "array: got a default-constructed or moved-from handle: wanted an array with values; "
              "a layer's parameters are made by wg::nn::init(net, key), integer leaves have no gradient" +
                  called_at(where));
}

}  // namespace wengert
