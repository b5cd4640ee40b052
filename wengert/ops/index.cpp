#include "wengert/ops/index.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {

extern const Primitive take_primitive, scatter_add_primitive, scatter_set_primitive, add_along_axis_primitive;
extern const Primitive dynamic_slice_primitive, dynamic_update_slice_primitive, dynamic_add_slice_primitive;

namespace {

using Values = std::vector<Expr>;

void want_integers(const Avals& in, int first) {
  for (int i = first; i < in.size(); ++i) {
    want(is_integer(in[i].dtype), in, ErrorKind::dtype, "index-dtype",
         "indices of an integer dtype; convert with astype(wg::int64)");
  }
}

void want_values_like(const Avals& in, const Shape& shape) {
  want(in[1].dtype == in[0].dtype, in, ErrorKind::dtype, "dtype-equal", "values of x's dtype; convert with astype()");
  want(in[1].shape == shape, in, ErrorKind::shape, "index-values", "values of shape " + to_string(shape));
}

/// Binds `primitive` to `front` and behind it the operands of e from number `first` on: its indices.
Array bind_indexed(const Primitive& primitive, std::vector<Array> front, const RuleEquation& e, int first,
                   const Params& params = {}) {
  front.insert(front.end(), e.inputs.begin() + first, e.inputs.end());
  return wengert::bind(primitive, front, params);
}

void want_sums(const Avals& in) {
  want(!is_bool(in[0].dtype), in, ErrorKind::dtype, "dtype-numeric",
       "a numeric dtype, not bool; convert with astype()");
}

Array zeros_of(const Type& type) { return broadcast_to(detail::scalar(int64_t{0}, type.dtype, false), type.shape); }

// take and scatter ---------------------------------------------------------------------------------------

/// Axes `axes` of x are indexed, by one array each, all of one shape. The indexed axes leave x's shape, and that of the
/// indices comes in at place `at`.
Shape taken_shape(const Shape& x, const Shape& indices, const Axes& axes, int64_t at) {
  Shape shape;
  for (int d = 0; d < x.rank(); ++d) {
    if (!axes.contains(d)) shape.push_back(x[d]);
  }
  for (int d = 0; d < indices.rank(); ++d) shape.insert(static_cast<int>(at) + d, indices[d]);
  return shape;
}

/// The shape of the result for operands x, ..., indices from number `first` on.
Shape infer_taken(const Avals& in, int first) {
  const Axes& axes = in.params.axes(0);
  const int64_t at = in.params.integer(1);
  want_integers(in, first);
  bool valid = axes.size() == in.size() - first && at >= 0 && at <= in[0].rank() - axes.size();
  for (int i = 0; i < axes.size(); ++i) {
    valid = valid && axes[i] < in[0].rank() && axes[i] > (i == 0 ? -1 : axes[i - 1]);
  }
  want(valid, in, ErrorKind::shape, "take-axes", "one index array for each axis, in the order of the axes");
  for (int i = 0; i < axes.size(); ++i) {
    want(in[first + i].shape == in[first].shape, in, ErrorKind::shape, "take-indices", "index arrays of one shape");
    want(in[first].size == 0 || in[0].shape[static_cast<int>(axes[i])].value() > 0, in, ErrorKind::index, "index-empty",
         "no indices, since axis " + std::to_string(axes[i]) + " has no elements");
  }
  return taken_shape(in[0].shape, in[first].shape, axes, at);
}

/// The place in x of the element at `i` of what is taken from it.
Coordinates taken_from(Lowering& k, int first, const Coordinates& i) {
  const Axes& axes = k.params().axes(0);
  const auto at = k.params().integer(1);
  const int rank = k.operand(first).rank();
  const Coordinates indices(i.begin() + at, i.begin() + at + rank);
  Coordinates rest = i, from;
  rest.erase(rest.begin() + at, rest.begin() + at + rank);
  int indexed = 0;
  for (int d = 0; d < k.operand(0).rank(); ++d) {
    if (axes.contains(d)) from.push_back(k.index(k(first + indexed++, indices), k.operand(0).shape[d]));
    else from.push_back(rest[static_cast<size_t>(d - indexed)]);
  }
  return from;
}

Update scatter(Lowering& k, loops::Combine combine) {
  return {k.operand(1).shape, combine, [&k](const Coordinates& i) { return taken_from(k, 2, i); },
          [&k](const Coordinates& i) { return k(1, i); }};
}

/// The cotangent of the values that a scatter wrote. Where several went to one place, the last one alone counts.
Array cotangent_of_written(const RuleEquation& e, const Array& ct) {
  const Array taken = bind_indexed(take_primitive, {ct}, e, 2, e.params);
  const Shape& indices = e.in_type(2).shape;
  if (indices.size() == 1) return taken;
  const Axes& axes = e.params.axes(0);
  Shape indexed;
  Axes order;
  for (int i = 0; i < axes.size(); ++i) {
    indexed.push_back(e.in_type().shape[static_cast<int>(axes[i])]);
    order.push_back(i);
  }
  const Array numbers = reshape(arange(indices.size()), indices);
  const Params params{order, int64_t{0}};
  const Array last = bind_indexed(scatter_set_primitive, {zeros(indexed, int64), numbers}, e, 2, params);
  Array counts = bind_indexed(take_primitive, {last}, e, 2, params) == numbers;
  Shape aligned = indices;  // the axes of x behind the indices
  while (aligned.rank() < taken.rank() - static_cast<int>(e.params.integer(1))) aligned.push_back(1);
  counts = broadcast_to(reshape(counts, aligned), taken.shape());
  return where(counts, taken, 0);
}

Sample take_sample(Shape x, Shape indices, Axes axes, int64_t at, Dtype dtype, Dtype index_dtype = Dtype::int64) {
  Sample s{{x}, {axes, at}, {}, {dtype}, {{-2, 2}}};
  for (int64_t axis : axes) {
    const auto n = static_cast<double>(x[static_cast<int>(axis)].value());
    s.shapes.push_back(indices);
    s.fixed.push_back(index_dtype);
    s.ranges.push_back({-n, n - 1});
  }
  return s;
}

Sample scatter_sample(Shape x, Shape indices, Axes axes, int64_t at, Dtype dtype) {
  Sample s = take_sample(x, indices, axes, at, dtype);
  s.shapes.insert(s.shapes.begin() + 1, taken_shape(x, indices, axes, at));
  s.fixed.insert(s.fixed.begin() + 1, dtype);
  s.ranges.insert(s.ranges.begin() + 1, {-2, 2});
  return s;
}

const Cases scatter_samples = {scatter_sample({5, 3}, {4}, {0}, 0, Dtype::float64),
                               scatter_sample({2, 4, 3}, {2, 5}, {1}, 1, Dtype::float64),
                               scatter_sample({4, 2, 3}, {6}, {0, 2}, 0, Dtype::float64),
                               scatter_sample({5, 20}, {7}, {0}, 0, Dtype::float32),
                               scatter_sample({5}, {}, {0}, 0, Dtype::float64),
                               scatter_sample({3, 4}, {0}, {1}, 1, Dtype::float64)};

}  // namespace

const Primitive take_primitive{
    .name = "take",
    .doc =
        "Elements of x at indices along `axes`, one index array for each; their common shape comes in at place `at`.",
    .traits = Trait::linear,
    .params = {"axes", "at"},
    .operands = {"x", "indices"},
    .infer = [](const Avals& in) -> Types { return {Type::of(in[0].dtype, infer_taken(in, 1), in[0].weak)}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(take_primitive, {d[0]}, e, 1, e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind_indexed(scatter_add_primitive, {zeros_of(e.in_type()), ct}, e, 1, e.params); },
    .accumulate = [](const RuleEquation& e, const Array& sum, const Array& ct,
                     int) { return bind_indexed(scatter_add_primitive, {sum, ct}, e, 1, e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, taken_from(k, 1, i))}; },
    .samples = {{take_sample({5, 3}, {4}, {0}, 0, Dtype::float64),
                 take_sample({2, 4, 3}, {2, 3}, {1}, 1, Dtype::float64),
                 take_sample({4, 2, 3}, {5}, {0, 2}, 0, Dtype::float32),
                 take_sample({4, 3}, {2}, {1}, 0, Dtype::float64, Dtype::int32),
                 take_sample({5}, {}, {0}, 0, Dtype::float64), take_sample({3, 4}, {0}, {1}, 1, Dtype::float64)}},
};

const Primitive scatter_add_primitive{
    .name = "scatter_add",
    .doc =
        "x with values added at indices: the transpose of take. Those that meet are added in the order of the indices.",
    .traits = Trait::linear,
    .params = {"axes", "at"},
    .operands = {"x", "values", "indices"},
    .infer = [](const Avals& in) -> Types {
      want_sums(in);
      want_values_like(in, infer_taken(in, 2));
      return {Type::of(in[0].dtype, in[0].shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(scatter_add_primitive, {d[0], d[1]}, e, 2, e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int operand) { return operand == 0 ? ct : bind_indexed(take_primitive, {ct}, e, 2, e.params); },
    .drop_zeros =
        [](const RuleEquation& e, uint64_t zeros) {
          return zeros & 2 ? e.in(0)
                           : bind_indexed(scatter_add_primitive, {zeros_of(e.in_type()), e.in(1)}, e, 2, e.params);
        },
    .update = [](Lowering& k) { return scatter(k, loops::Combine::sum); },
    .samples = {scatter_samples},
};

const Primitive scatter_set_primitive{
    .name = "scatter_set",
    .doc = "x with the elements at indices replaced by values; of those that meet, the last one stays.",
    .traits = Trait::linear,
    .params = {"axes", "at"},
    .operands = {"x", "values", "indices"},
    .infer = [](const Avals& in) -> Types {
      want_values_like(in, infer_taken(in, 2));
      return {Type::of(in[0].dtype, in[0].shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(scatter_set_primitive, {d[0], d[1]}, e, 2, e.params);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          if (operand == 1) return cotangent_of_written(e, ct);
          return bind_indexed(scatter_set_primitive, {ct, zeros_of(e.in_type(1))}, e, 2, e.params);
        },
    .update = [](Lowering& k) { return scatter(k, loops::Combine::set); },
    .samples = {scatter_samples},
};

// Along an axis ------------------------------------------------------------------------------------------

namespace {

/// Operand 0 and the indices, operand number `last`, have equal lengths but along the axis.
void want_along_axis(const Avals& in, int last) {
  const auto axis = static_cast<int>(in.params.integer(0));
  want_integers(in, last);
  bool fits = in[0].rank() == in[last].rank() && axis >= 0 && axis < in[0].rank();
  for (int d = 0; fits && d < in[0].rank(); ++d)
    fits = d == axis || in[0].shape[d].value() == in[last].shape[d].value();
  want(fits, in, ErrorKind::shape, "take-along-axis", "equal lengths of x and indices but along the axis");
  want(in[last].size == 0 || in[0].shape[axis].value() > 0, in, ErrorKind::index, "index-empty",
       "no indices, since axis " + std::to_string(axis) + " has no elements");
}

Coordinates along_axis(Lowering& k, int last, const Coordinates& i) {
  const auto axis = static_cast<size_t>(k.params().integer(0));
  Coordinates from = i;
  from[axis] = k.index(k(last, i), k.operand(0).shape[static_cast<int>(axis)]);
  return from;
}

Sample along_sample(std::vector<Shape> shapes, int64_t axis, Dtype dtype) {
  const auto n = static_cast<double>(shapes[0][static_cast<int>(axis)].value());
  Sample s{std::move(shapes), {axis}};
  for (size_t i = 0; i + 1 < s.shapes.size(); ++i) {
    s.fixed.push_back(dtype);
    s.ranges.push_back({-2, 2});
  }
  s.fixed.push_back(Dtype::int64);
  s.ranges.push_back({-n, n - 1});
  return s;
}

}  // namespace

const Primitive take_along_axis_primitive{
    .name = "take_along_axis",
    .doc = "Elements of x at indices along one axis, each at its own place along the others.",
    .traits = Trait::linear,
    .params = {"axis"},
    .operands = {"x", "indices"},
    .infer = [](const Avals& in) -> Types {
      want_along_axis(in, 1);
      return {Type::of(in[0].dtype, in[1].shape, in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(take_along_axis_primitive, d[0], e.in(1), e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(add_along_axis_primitive, zeros_of(e.in_type()), ct, e.in(1), e.params); },
    .accumulate = [](const RuleEquation& e, const Array& sum, const Array& ct,
                     int) { return bind(add_along_axis_primitive, sum, ct, e.in(1), e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, along_axis(k, 1, i))}; },
    .samples = {{along_sample({{3, 4}, {3, 2}}, 1, Dtype::float64),
                 along_sample({{3, 4, 2}, {5, 4, 2}}, 0, Dtype::float32), along_sample({{4}, {0}}, 0, Dtype::float64)}},
};

const Primitive add_along_axis_primitive{
    .name = "add_along_axis",
    .doc = "x with values added at indices along one axis: the transpose of take_along_axis.",
    .traits = Trait::linear,
    .params = {"axis"},
    .operands = {"x", "values", "indices"},
    .infer = [](const Avals& in) -> Types {
      want_sums(in);
      want_along_axis(in, 2);
      want_values_like(in, in[2].shape);
      return {Type::of(in[0].dtype, in[0].shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(add_along_axis_primitive, d[0], d[1], e.in(2), e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int operand) { return operand == 0 ? ct : bind(take_along_axis_primitive, ct, e.in(2), e.params); },
    .drop_zeros =
        [](const RuleEquation& e, uint64_t zeros) {
          return zeros & 2 ? e.in(0)
                           : bind(add_along_axis_primitive, zeros_of(e.in_type()), e.in(1), e.in(2), e.params);
        },
    .update = [](Lowering& k) -> Update {
      return {k.operand(1).shape, loops::Combine::sum, [&k](const Coordinates& i) { return along_axis(k, 2, i); },
              [&k](const Coordinates& i) { return k(1, i); }};
    },
    .samples = {{along_sample({{3, 4}, {3, 2}, {3, 2}}, 1, Dtype::float64),
                 along_sample({{3, 4, 2}, {5, 4, 2}, {5, 4, 2}}, 0, Dtype::float32),
                 along_sample({{4}, {0}, {0}}, 0, Dtype::float64)}},
};

// Blocks at places that are values -----------------------------------------------------------------------

namespace {

/// One start for each axis from operand number `first` on; the block fits on x.
void want_block(const Avals& in, int first, const Shape& sizes) {
  want_integers(in, first);
  bool fits = in.size() - first == in[0].rank() && sizes.rank() == in[0].rank();
  for (int d = 0; fits && d < sizes.rank(); ++d) fits = sizes[d].value() <= in[0].shape[d].value();
  for (int i = first; i < in.size(); ++i) fits = fits && in[i].rank() == 0;
  want(fits, in, ErrorKind::shape, "dynamic-slice", "one start of rank 0 for each axis, and a block not larger than x");
}

Coordinates in_block(Lowering& k, int first, const Shape& sizes, const Coordinates& i) {
  Coordinates from = i;
  for (int d = 0; d < sizes.rank(); ++d) {
    const int64_t n = k.operand(0).shape[d];
    from[static_cast<size_t>(d)] = i[static_cast<size_t>(d)] + k.index(k(first + d, {}), n, n - sizes[d] + 1);
  }
  return from;
}

Update update_block(Lowering& k, loops::Combine combine) {
  return {k.operand(1).shape, combine, [&k](const Coordinates& i) { return in_block(k, 2, k.operand(1).shape, i); },
          [&k](const Coordinates& i) { return k(1, i); }};
}

/// `shapes` are those of x and, for updates, of the block.
Sample block_sample(std::vector<Shape> shapes, Shape sizes, Dtype dtype, bool update) {
  Sample s{shapes, update ? Params() : Params{sizes}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    s.fixed.push_back(dtype);
    s.ranges.push_back({-2, 2});
  }
  for (int d = 0; d < sizes.rank(); ++d) {
    s.shapes.push_back({});
    s.fixed.push_back(Dtype::int64);
    s.ranges.push_back({-static_cast<double>(shapes[0][d].value()), static_cast<double>(-sizes[d].value())});
  }
  return s;
}

const Cases update_block_samples = {
    block_sample({{5, 4}, {2, 3}}, {2, 3}, Dtype::float64, true), block_sample({{6}, {6}}, {6}, Dtype::float64, true),
    block_sample({{3, 7, 2}, {1, 4, 2}}, {1, 4, 2}, Dtype::float32, true),
    block_sample({{}, {}}, {}, Dtype::float64, true), block_sample({{4, 3}, {0, 2}}, {0, 2}, Dtype::float64, true)};

Types infer_update_block(const Avals& in) {
  want(in[1].dtype == in[0].dtype, in, ErrorKind::dtype, "dtype-equal",
       "an update of x's dtype; convert with astype()");
  want_block(in, 2, in[1].shape);
  return {Type::of(in[0].dtype, in[0].shape)};
}

}  // namespace

const Primitive dynamic_slice_primitive{
    .name = "dynamic_slice",
    .doc = "The block of x with those sizes that begins at the starts.",
    .traits = Trait::linear,
    .params = {"sizes"},
    .operands = {"x", "start"},
    .infer = [](const Avals& in) -> Types {
      want_block(in, 1, in.params.shape(0));
      return {Type::of(in[0].dtype, in.params.shape(0), in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(dynamic_slice_primitive, {d[0]}, e, 1, e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind_indexed(dynamic_update_slice_primitive, {zeros_of(e.in_type()), ct}, e, 1); },
    .accumulate = [](const RuleEquation& e, const Array& sum, const Array& ct,
                     int) { return bind_indexed(dynamic_add_slice_primitive, {sum, ct}, e, 1); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, in_block(k, 1, k.params().shape(0), i))}; },
    .samples = {{block_sample({{5, 4}}, {2, 3}, Dtype::float64, false), block_sample({{6}}, {6}, Dtype::float64, false),
                 block_sample({{3, 7, 2}}, {1, 4, 2}, Dtype::float32, false),
                 block_sample({{}}, {}, Dtype::float64, false), block_sample({{4, 3}}, {0, 2}, Dtype::float64, false)}},
};

const Primitive dynamic_update_slice_primitive{
    .name = "dynamic_update_slice",
    .doc = "x with the block that begins at the starts replaced.",
    .traits = Trait::linear,
    .operands = {"x", "update", "start"},
    .infer = infer_update_block,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(dynamic_update_slice_primitive, {d[0], d[1]}, e, 2);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          if (operand == 1) return bind_indexed(dynamic_slice_primitive, {ct}, e, 2, {e.in_type(1).shape});
          return bind_indexed(dynamic_update_slice_primitive, {ct, zeros_of(e.in_type(1))}, e, 2);
        },
    .update = [](Lowering& k) { return update_block(k, loops::Combine::set); },
    .samples = {update_block_samples},
};

const Primitive dynamic_add_slice_primitive{
    .name = "dynamic_add_slice",
    .doc = "x with values added to the block that begins at the starts.",
    .traits = Trait::linear,
    .operands = {"x", "update", "start"},
    .infer = [](const Avals& in) -> Types {
      want_sums(in);
      return infer_update_block(in);
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind_indexed(dynamic_add_slice_primitive, {d[0], d[1]}, e, 2);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          return operand == 0 ? ct : bind_indexed(dynamic_slice_primitive, {ct}, e, 2, {e.in_type(1).shape});
        },
    .drop_zeros =
        [](const RuleEquation& e, uint64_t zeros) {
          return zeros & 2 ? e.in(0)
                           : bind_indexed(dynamic_update_slice_primitive, {zeros_of(e.in_type()), e.in(1)}, e, 2);
        },
    .update = [](Lowering& k) { return update_block(k, loops::Combine::sum); },
    .samples = {update_block_samples},
};

// Functions ----------------------------------------------------------------------------------------------

Array take(const Operand& x, const Array& indices, int64_t axis) try {
  const CallScope scope(x, "take");
  const Array a = x.to_array();
  axis = normalize_axis("take", a, axis);
  return bind(take_primitive, a, indices, {Axes{axis}, axis});
} catch (const std::bad_alloc&) { throw_no_memory("take", x.where()); }

Array take_along_axis(const Operand& x, const Array& indices, int64_t axis) try {
  const CallScope scope(x, "take_along_axis");
  Array a = x.to_array(), at = indices;
  axis = normalize_axis("take_along_axis", a, axis);
  if (a.rank() == at.rank()) {
    Shape left = a.shape(), right = at.shape(), joint;
    left[static_cast<int>(axis)] = right[static_cast<int>(axis)] = 1;
    if (broadcast_shapes(left, right, joint)) {
      left = right = joint;
      left[static_cast<int>(axis)] = a.shape()[static_cast<int>(axis)];
      right[static_cast<int>(axis)] = at.shape()[static_cast<int>(axis)];
      a = broadcast_to(a, left);
      at = broadcast_to(at, right);
    }
  }
  return bind(take_along_axis_primitive, a, at, {axis});
} catch (const std::bad_alloc&) { throw_no_memory("take_along_axis", x.where()); }

Array add_along_axis(const Operand& x, const Array& values, const Array& indices, int64_t axis) try {
  const CallScope scope(x, "add_along_axis");
  const Array a = x.to_array();
  axis = normalize_axis("add_along_axis", a, axis);
  return bind(add_along_axis_primitive, a, values, indices, {axis});
} catch (const std::bad_alloc&) { throw_no_memory("add_along_axis", x.where()); }

namespace {
std::vector<Array> with_starts(std::vector<Array> front, const std::vector<Array>& starts) {
  front.insert(front.end(), starts.begin(), starts.end());
  return front;
}
}  // namespace

Array dynamic_slice(const Operand& x, const std::vector<Array>& starts, const Shape& sizes) try {
  const CallScope scope(x, "dynamic_slice");
  return wengert::bind(dynamic_slice_primitive, with_starts({x.to_array()}, starts), {sizes});
} catch (const std::bad_alloc&) { throw_no_memory("dynamic_slice", x.where()); }

Array dynamic_update_slice(const Operand& x, const Array& update, const std::vector<Array>& starts) try {
  const CallScope scope(x, "dynamic_update_slice");
  return wengert::bind(dynamic_update_slice_primitive, with_starts({x.to_array(), update}, starts));
} catch (const std::bad_alloc&) { throw_no_memory("dynamic_update_slice", x.where()); }

}  // namespace wengert
