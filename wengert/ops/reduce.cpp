#include "wengert/ops/reduce.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

using loops::Combine;
using Values = std::vector<Expr>;

Shape reduced_shape(const Shape& shape, const Axes& axes) {
  Shape result;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!axes.contains(i)) result.push_back(shape[i]);
  }
  return result;
}

Shape kept_shape(const Shape& shape, const Axes& axes) {
  Shape result = shape;
  for (int64_t a : axes) result[static_cast<int>(a)] = 1;
  return result;
}

Types infer_reduction(const Avals& in) {
  for (int64_t a : in.params.axes(0)) {
    want(a >= 0 && a < in[0].rank(), in, ErrorKind::shape, "reduce-axes", "axes of x");
  }
  return {Type::of(in[0].dtype, reduced_shape(in[0].shape, in.params.axes(0)), in[0].weak)};
}

Types infer_extremum(const Avals& in) {
  for (int64_t a : in.params.axes(0)) {
    want(a >= 0 && a < in[0].rank(), in, ErrorKind::shape, "reduce-axes", "axes of x");
    want(in[0].shape[static_cast<int>(a)].value() > 0, in, ErrorKind::shape, "reduce-empty", "axes with elements: there is no largest of none");
  }
  return infer_reduction(in);
}

/// The operand's coordinates from those of the result and of the reduced axes.
Coordinates merge(const Shape& shape, const Axes& axes, const Coordinates& i, const Coordinates& r) {
  Coordinates at;
  size_t next_i = 0, next_r = 0;
  for (int d = 0; d < shape.rank(); ++d) at.push_back(axes.contains(d) ? r[next_r++] : i[next_i++]);
  return at;
}

template <Combine combine>
Values lower_reduction(Lowering& k, const Coordinates& i) {
  const Shape& shape = k.operand(0).shape;
  const Axes& axes = k.params().axes(0);
  Shape extents;
  for (int64_t a : axes) extents.push_back(shape[static_cast<int>(a)]);
  return {k.reduce(combine, extents, axes, [&](const Coordinates& r) { return k(0, merge(shape, axes, i, r)); })};
}

const Cases reduction_cases = {{{{2, 3}}, {Axes{1}}}, {{{2, 3}}, {Axes{0}}}, {{{4, 2, 3}}, {Axes{0, 2}}}, {{{5}}, {Axes{0}}}};

}  // namespace

const Primitive sum_primitive{
    .name = "sum",
    .doc = "Sum over axes. x: numeric.",
    .traits = Trait::linear | Trait::reduction,
    .params = {"axes"},
    .infer = infer_reduction,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return sum(d[0], e.params.axes(0)); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) {
      const Shape& shape = e.in_type().shape;
      return broadcast_to(reshape(ct, kept_shape(shape, e.params.axes(0))), shape); },
    .lower = lower_reduction<Combine::sum>,
    .samples = {reduction_cases},
};

const Primitive reduce_max_primitive{
    .name = "reduce_max",
    .doc = "Largest element over axes; NaN if there is one. Ties share the derivative equally.",
    .traits = Trait::reduction,
    .params = {"axes"},
    .infer = infer_extremum,
    .tangent = nullptr,
    .lower = lower_reduction<Combine::max>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

namespace {
Array reduce(const Primitive& primitive, const Array& x, const Axes& axes, bool keepdims) {
  const Axes all = normalize_axes(primitive.name, x, axes);
  const Array y = all.empty() ? x : bind(primitive, x, {all});
  return keepdims ? reshape(y, kept_shape(x.shape(), all)) : y;
}
}  // namespace

Array sum(const Operand& x, const Axes& axes, bool keepdims) {
  const CallScope scope(x);
  const Array a = x.to_array();
  return reduce(sum_primitive, is_bool(a.dtype()) ? convert(a, int64) : a, axes, keepdims);
}

Array max(const Operand& x, const Axes& axes, bool keepdims) {
  const CallScope scope(x);
  return reduce(reduce_max_primitive, x.to_array(), axes, keepdims);
}

}  // namespace wengert
