#include "wengert/ops/shape.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {
using Values = std::vector<Expr>;
}

const Primitive broadcast_to_primitive{
    .name = "broadcast_to",
    .doc = "x repeated along new leading axes and axes of length 1.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"shape"},
    .infer = [](const Avals& in) -> Types {
      const Shape& to = in.params.shape(0);
      const int lead = to.rank() - in[0].rank();
      bool fits = lead >= 0;
      for (int i = 0; fits && i < in[0].rank(); ++i) {
        fits = in[0].shape[i].value() == to[lead + i].value() || in[0].shape[i].value() == 1;
      }
      want(fits, in, ErrorKind::shape, "broadcast-to", "lengths that are equal from the last axis on, or 1");
      return {Type::of(in[0].dtype, to, in[0].weak)}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return broadcast_to(d[0], e.params.shape(0)); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) {   // adds up what was repeated
      const Shape& from = e.in_type().shape;
      const int lead = ct.rank() - from.rank();
      Axes axes;
      for (int i = 0; i < ct.rank(); ++i) {
        if (i < lead || (from[i - lead].value() == 1 && ct.shape()[i].value() != 1)) axes.push_back(i);
      }
      return axes.empty() ? ct : reshape(sum(ct, axes, true), from); },
    .view = [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) {
      Strides strides{};
      const int lead = out.rank() - in[0].rank();
      for (int i = 0; i < in[0].rank(); ++i) {
        strides[static_cast<size_t>(lead + i)] = in[0].shape[i].value() == out.shape[lead + i].value() ? layout.strides[static_cast<size_t>(i)] : 0;
      }
      return Layout::of(&out, strides); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Shape& from = k.operand(0).shape;
      Coordinates at(i.end() - from.rank(), i.end());
      for (int d = 0; d < from.rank(); ++d) {
        if (from[d].value() == 1) at[static_cast<size_t>(d)] = k.integer(0);
      }
      return {k(0, at)}; },
    .samples = {{{{{3}}, {Shape{2, 3}}}, {{{2, 1}}, {Shape{4, 2, 5}}}, {{{}}, {Shape{3}}}, {{{1, 3}}, {Shape{0, 3}}}}},
};

const Primitive reshape_primitive{
    .name = "reshape",
    .doc = "The same elements in row-major order with another shape.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"shape"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].size == in.params.shape(0).size(), in, ErrorKind::shape, "reshape-size", "a shape of the same number of elements");
      return {Type::of(in[0].dtype, in.params.shape(0), in[0].weak)}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return reshape(d[0], e.params.shape(0)); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return reshape(ct, e.in_type().shape); },
    .view = [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) -> const Layout* {
      if (layout.contiguous) return Layout::contiguous_of(&out);
      // Axes of length 1 come and go; otherwise runs of axes that are contiguous among themselves may be cut anew.
      Strides strides{};
      int from = 0;
      int64_t room = 1, stride = 0;   // elements of the current run not yet used, and the run's innermost stride
      for (int to = 0; to < out.rank(); ++to) {
        const int64_t length = out.shape[to];
        if (length == 1) continue;
        if (room == 1) {
          while (from < in[0].rank() && in[0].shape[from].value() == 1) ++from;
          room = in[0].shape[from];
          stride = layout.strides[static_cast<size_t>(from++)];
        }
        while (room % length != 0 || room < length) {
          if (from == in[0].rank()) return nullptr;
          const int64_t next = in[0].shape[from], inner = layout.strides[static_cast<size_t>(from++)];
          if (next != 1 && stride != next * inner) return nullptr;
          if (next != 1) stride = inner;
          room *= next;
        }
        room /= length;
        strides[static_cast<size_t>(to)] = stride * room;
      }
      return Layout::of(&out, strides); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Shape &from = k.operand(0).shape, &to = k.result().shape;
      Expr linear = k.integer(0);
      for (int d = 0; d < to.rank(); ++d) linear = linear * k.integer(to[d]) + i[static_cast<size_t>(d)];
      Coordinates at(static_cast<size_t>(from.rank()));
      for (int d = from.rank() - 1; d >= 0; --d) {
        at[static_cast<size_t>(d)] = d == 0 ? linear : mod(linear, k.integer(from[d]));
        linear = floordiv(linear, k.integer(from[d]));
      }
      return {k(0, at)}; },
    .samples = {{{{{2, 6}}, {Shape{3, 4}}}, {{{4}}, {Shape{2, 1, 2}}}, {{{0, 3}}, {Shape{3, 0}}}, {{{1}}, {Shape{}}}}},
};

const Primitive transpose_primitive{
    .name = "transpose",
    .doc = "Axes in another order: axis i of the result is axis axes[i] of x.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"axes"},
    .infer = [](const Avals& in) -> Types {
      const Axes& axes = in.params.axes(0);
      Shape shape;
      bool valid = axes.size() == in[0].rank();
      for (int i = 0; valid && i < axes.size(); ++i) {
        valid = axes[i] >= 0 && axes[i] < in[0].rank();
        for (int j = 0; valid && j < i; ++j) valid = axes[i] != axes[j];
        if (valid) shape.push_back(in[0].shape[static_cast<int>(axes[i])]);
      }
      want(valid, in, ErrorKind::shape, "transpose-axes", "a permutation of x's axes");
      return {Type::of(in[0].dtype, shape, in[0].weak)}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return transpose(d[0], e.params.axes(0)); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) {
      const Axes& axes = e.params.axes(0);
      Axes inverse = axes;
      for (int i = 0; i < axes.size(); ++i) inverse[static_cast<int>(axes[i])] = i;
      return transpose(ct, inverse); },
    .view = [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) {
      Strides strides{};
      for (int i = 0; i < out.rank(); ++i) strides[static_cast<size_t>(i)] = layout.strides[static_cast<size_t>(in.params.axes(0)[i])];
      return Layout::of(&out, strides); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      Coordinates at(i.size());
      for (size_t d = 0; d < i.size(); ++d) at[static_cast<size_t>(k.params().axes(0)[static_cast<int>(d)])] = i[d];
      return {k(0, at)}; },
    .samples = {{{{{2, 3}}, {Axes{1, 0}}}, {{{2, 3, 4}}, {Axes{2, 0, 1}}}, {{{0, 3}}, {Axes{1, 0}}}}},
};

Array broadcast_to(const Operand& x, const Shape& shape) {
  note_call(x);
  if (!x.is_scalar() && x.array().shape() == shape) return x.array();
  return bind(broadcast_to_primitive, x.to_array(), {shape});
}

Array reshape(const Operand& x, std::initializer_list<int64_t> lengths) {
  note_call(x);
  const Array a = x.to_array();
  Shape shape;
  int64_t known = 1;
  int open = -1;
  for (int64_t n : lengths) {
    if (n == -1 && open < 0) open = shape.rank();
    else known *= n;
    shape.push_back(n == -1 ? 0 : n);
  }
  if (open >= 0 && known > 0 && a.size() % known == 0) shape[open] = a.size() / known;
  return reshape(x, shape);
}

Array reshape(const Operand& x, const Shape& shape) {
  note_call(x);
  if (!x.is_scalar() && x.array().shape() == shape) return x.array();
  return bind(reshape_primitive, x.to_array(), {shape});
}

Array transpose(const Operand& x, const Axes& axes) {
  note_call(x);
  const Array a = x.to_array();
  Axes order;
  for (int i = 0; i < a.rank(); ++i) order.push_back(axes.empty() ? a.rank() - 1 - i : i);
  if (!axes.empty()) {
    order = Axes();
    for (int64_t axis : axes) order.push_back(normalize_axis("transpose", a, axis));
  }
  return bind(transpose_primitive, a, {order});
}

Array Array::transpose(std::source_location where) const { return wengert::transpose(Operand(*this, where)); }

}  // namespace wengert
