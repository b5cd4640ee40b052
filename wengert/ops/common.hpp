// What the rooms share: shape rules, promotion, lowerings of whole families.
#pragma once

#include "wengert/ops/operand.hpp"
#include "wengert/trace/bind.hpp"

namespace wengert {

// Shape rules.
/// All operands of one inexact dtype and shape; the result is the same.
Types same_inexact(const Avals& in);
/// All operands of one dtype (not bool) and shape.
Types same_numeric(const Avals& in);
/// All operands of one dtype and shape.
Types same_type(const Avals& in);
/// As same_type, but the result is bool.
Types same_to_bool(const Avals& in);
/// As operand 0, which the rule knows to be right.
Types as_operand(const Avals& in);
/// The shape of a reduction of operand 0, by the parameters axes and keepdims, which come first. Axes are kept, with
/// length 1, where later steps run over the whole array again: values of equal rank can be computed by one kernel.
Shape reduced_shape(const Avals& in);
/// `shape` with length 1 along axes.
Shape kept_shape(const Shape& shape, const Axes& axes);

/// Throws unless `condition`: see reject().
inline void want(bool condition, const Avals& in, ErrorKind kind, const char* id, const std::string& wanted) {
  if (!condition) reject(in, kind, id, wanted);
}

// Promotion, done by public functions before they bind.
/// Ints and bool become float32, weak when x is.
Array to_inexact(const Operand& x);
/// Binds an elementwise primitive of one operand after to_inexact.
Array bind_inexact(const Primitive& primitive, const Operand& x);
/// Promotes and broadcasts two operands, then binds. Throws Error(shape, "broadcast").
Array bind_broadcast(const Primitive& primitive, const Operand& a, const Operand& b);
/// The same, with both promoted to an inexact dtype first.
Array bind_broadcast_inexact(const Primitive& primitive, const Operand& a, const Operand& b);
/// The same for three operands.
Array bind_broadcast(const Primitive& primitive, const Operand& a, const Operand& b, const Operand& c);
/// The shape that all operands broadcast to. Throws Error(shape, "broadcast"), naming primitive and operands.
Shape common_shape(const Primitive& primitive, std::initializer_list<const Operand*> operands);
/// A plain integer must not wrap unseen: throws Error(value, "number-range") when one of the last operands does not
/// fit.
void check_numbers(const Primitive& primitive, std::initializer_list<const Operand*> operands, Dtype dtype);
/// x in that dtype and shape, without the weak bit unless `weak`.
Array converted_and_broadcast(const Operand& x, Dtype dtype, bool weak, const Shape& shape);

/// Axis numbers from 0 to rank-1, sorted, each once; empty `axes` with `all` means every axis.
/// Throws Error(shape, "axis-range") or Error(shape, "axis-repeated"), naming the operation.
Axes normalize_axes(const char* operation, const Array& x, const Axes& axes, bool all = true);
int64_t normalize_axis(const char* operation, const Array& x, int64_t axis);

/// As short as it can be read back.
std::string shortest_text(double x);

/// Throws "<operation>: <got>: wanted <wanted>; called at ...".
[[noreturn]] void fail(ErrorKind kind, const char* id, const std::string& operation, const std::string& got,
                       const std::string& wanted);

}  // namespace wengert
