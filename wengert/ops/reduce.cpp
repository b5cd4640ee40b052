#include "wengert/ops/reduce.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/join.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {

extern const Primitive sum_primitive, stored_primitive, over_count_primitive;

namespace {

using loops::Combine;
using Values = std::vector<Expr>;

enum { axes_at, keepdims_at, correction_at };
const std::vector<const char*> reduction_params = {"axes", "keepdims"};

// Shape rules --------------------------------------------------------------------------------------------

Types infer_sum(const Avals& in) {
  return {Type::of(is_inexact(in[0].dtype) ? in[0].dtype : Dtype::int64, reduced_shape(in), in[0].weak)};
}

Types infer_truth(const Avals& in) { return {Type::of(Dtype::bool_, reduced_shape(in))}; }

Types infer_mean(const Avals& in) {
  const bool inexact = is_inexact(in[0].dtype);
  return {Type::of(inexact ? in[0].dtype : Dtype::float32, reduced_shape(in), inexact && in[0].weak)};
}

void want_elements(const Avals& in) {
  for (int64_t a : in.params.axes(axes_at)) {
    if (a < 0 || a >= in[0].rank()) continue;  // reduced_shape() says so
    want(in[0].shape[static_cast<int>(a)].value() > 0, in, ErrorKind::shape, "reduce-empty",
         "axes with elements: none has no largest or smallest");
  }
}

Types infer_extremum(const Avals& in) {
  want_elements(in);
  return {Type::of(in[0].dtype, reduced_shape(in), in[0].weak)};
}

Types infer_index(const Avals& in) {
  want_elements(in);
  return {Type::of(Dtype::int64, reduced_shape(in))};
}

/// Elements under one element of the result.
int64_t count(const Shape& shape, const Axes& axes) {
  int64_t n = 1;
  for (int64_t a : axes) n *= shape[static_cast<int>(a)];
  return n;
}

Shape extents(const Shape& shape, const Axes& axes) {
  Shape lengths;
  for (int64_t a : axes) lengths.push_back(shape[static_cast<int>(a)]);
  return lengths;
}

// Lowerings ----------------------------------------------------------------------------------------------

/// The operand's coordinates from those of the result and of the reduced axes.
Coordinates merge(Lowering& k, const Coordinates& i, const Coordinates& r) {
  const Axes& axes = k.params().axes(axes_at);
  const bool keepdims = k.params().flag(keepdims_at);
  Coordinates at;
  size_t next_i = 0, next_r = 0;
  for (int d = 0; d < k.operand(0).rank(); ++d) {
    const bool reduced = axes.contains(d);
    at.push_back(reduced ? r[next_r++] : i[next_i]);
    if (!reduced || keepdims) ++next_i;
  }
  return at;
}

/// Elements in the dtype of the result, combined.
template <Combine combine>
Values lower_reduction(Lowering& k, const Coordinates& i) {
  const Axes& axes = k.params().axes(axes_at);
  return {k.reduce(combine, extents(k.operand(0).shape, axes), axes,
                   [&](const Coordinates& r) { return convert(k(0, merge(k, i, r)), k.result().dtype); })};
}

Values lower_first_index(Lowering& k, const Coordinates& i) {
  const Shape& shape = k.operand(0).shape;
  const Axes& axes = k.params().axes(axes_at);
  Coordinates kept = i;
  if (!k.params().flag(keepdims_at)) {
    for (int64_t a : axes) kept.insert(kept.begin() + a, k.integer(0));
  }
  const Expr extremum = k(1, kept);
  return {k.reduce(Combine::min, extents(shape, axes), axes, [&](const Coordinates& r) {
    const Expr x = k(0, merge(k, i, r));
    Expr index = k.integer(0);
    for (int d = 0; d < axes.size(); ++d) {
      index = index * k.integer(shape[static_cast<int>(axes[d])]) + r[static_cast<size_t>(d)];
    }
    return select(x == extremum || x != x, index, k.integer(count(shape, axes)));
  })};
}

// Derivatives --------------------------------------------------------------------------------------------

/// The equation's own reduction of another array.
Array reduced_alike(const Primitive& primitive, const RuleEquation& e, const Array& x) {
  return bind(primitive, x, Params{e.params[axes_at], e.params[keepdims_at]});
}

/// A result, or what has its shape, repeated to the operand's.
Array spread(const RuleEquation& e, const Array& y) {
  const Shape& shape = e.in_type().shape;
  return broadcast_to(reshape(y, kept_shape(shape, e.params.axes(axes_at))), shape);
}

/// dy = the mean of dx over the elements that equal y; where y is NaN, over those that are NaN.
Results extremum_tangent(const RuleEquation& e, Tangents d) {
  const Array ties = logical_or(equal(e.in(), spread(e, e.out())), isnan(e.in()));
  const Array tied = reduced_alike(sum_primitive, e, convert(ties, e.out_type().dtype));
  return reduced_alike(sum_primitive, e, where(ties, d[0], 0)) / tied;
}

const Cases reduction_cases = {{{{2, 3}}, {Axes{1}, false}},       {{{2, 3}}, {Axes{0}, true}},
                               {{{4, 2, 3}}, {Axes{0, 2}, false}}, {{{5}}, {Axes{0}, false}},
                               {{{3, 1, 2}}, {Axes{1, 2}, true}},  {{{0, 3}}, {Axes{1}, false}}};
const Cases deviation_cases = {{{{2, 3}}, {Axes{1}, false, 0.0}},
                               {{{2, 3}}, {Axes{0}, true, 1.0}},
                               {{{4, 2, 3}}, {Axes{0, 2}, false, 0.0}},
                               {{{5}}, {Axes{0}, false, 1.0}},
                               {{{0, 3}}, {Axes{1}, false, 0.0}}};

}  // namespace

// Sums and products --------------------------------------------------------------------------------------

const Primitive sum_primitive{
    .name = "sum",
    .doc = "Sum over axes. Integers and bool give int64.",
    .traits = Trait::linear | Trait::reduction,
    .params = reduction_params,
    .infer = infer_sum,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(sum_primitive, d[0], e.params); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return spread(e, ct); },
    .lower = lower_reduction<Combine::sum>,
    .samples = {reduction_cases},
};

const Primitive stored_primitive{
    .name = "stored",
    .doc =
        "x, in memory wherever it is used: where each step reads two elements of the one before, kernels that compute "
        "many steps at once would compute everything many times over.",
    .traits = Trait::linear | Trait::view | Trait::cheap | Trait::opaque,
    .infer = same_type,
    .tangent = [](const RuleEquation&, Tangents d) -> Results { return bind(stored_primitive, d[0]); },
    .transpose = [](const RuleEquation&, const Array& ct, int) { return bind(stored_primitive, ct); },
    .view = [](const Avals&, const Layout& layout, const Type&, std::span<int64_t>, int64_t&) { return &layout; },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, i)}; },
    .samples = {{{{{2, 3}}}, {{{}}}, {{{0, 4}}}}},
};

namespace {

/// Elements and their tangents, [outer, length, inner], to be multiplied along the axis in the middle.
struct Factors {
  Array x, dx;
  int64_t outer() const { return x.shape()[0]; }
  int64_t length() const { return x.shape()[1]; }
  int64_t inner() const { return x.shape()[2]; }
};

/// Factors of 1 after the others.
Factors lengthened(const Factors& f, int64_t length) {
  const Axes none{0, 0, 0}, more{0, length - f.length(), 0};
  return {pad(f.x, none, more, 1), pad(f.dx, none, more, 0)};
}

/// The first half of an even number of factors times the second. Tangents are multiplied by the other half each.
Factors halved(const Factors& f) {
  const int64_t half = f.length() / 2;
  const Array product =
      slice(f.x, {0, 0, 0}, {f.outer(), half, f.inner()}) * slice(f.x, {0, half, 0}, {f.outer(), 2 * half, f.inner()});
  const Shape halves{f.outer(), 2, half, f.inner()};
  const Array tangent = sum(reshape(f.dx, halves) * flip(reshape(f.x, halves), 1), 1);
  return {bind(stored_primitive, product), bind(stored_primitive, tangent)};
}

/// The tangent of the product over axes: half of an axis times the other half until one element is left. Time
/// proportional to the number of elements, and no division: zeros are no special case in derivatives of any order.
Array tangent_of_product(const Array& x, const Array& dx, const Axes& axes) {
  Shape shape = x.shape();
  Factors f{x, dx};
  for (int64_t axis : axes) {
    const int64_t length = shape[static_cast<int>(axis)], outer = shape.first(static_cast<int>(axis)).size();
    const Shape middle{outer, length, shape.size() / (outer * length)};
    f = {reshape(f.x, middle), reshape(f.dx, middle)};
    int64_t step = 1;  // a power of 2, of which the length becomes a multiple: then it stays even nearly to the end
    while (8 * step < length) step *= 2;
    if (length % step != 0) f = lengthened(f, (length / step + 1) * step);
    while (f.length() > 1) f = halved(f.length() % 2 == 0 ? f : lengthened(f, f.length() + 1));
    shape[static_cast<int>(axis)] = 1;
  }
  return f.dx;
}

}  // namespace

const Primitive prod_primitive{
    .name = "prod",
    .doc = "Product over axes. Integers and bool give int64. Derivatives of every order are right at zeros as well.",
    .traits = Trait::reduction,
    .params = reduction_params,
    .infer = infer_sum,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      if (e.in_type().size == 0) return reduced_alike(sum_primitive, e, d[0]);
      return reshape(tangent_of_product(e.in(), d[0], e.params.axes(axes_at)), e.out_type().shape);
    },
    .lower = lower_reduction<Combine::prod>,
    .samples = {.cases = reduction_cases, .special = {0, 1}},
};

// Extrema ------------------------------------------------------------------------------------------------

const Primitive reduce_max_primitive{
    .name = "reduce_max",
    .doc = "Largest element over axes; NaN if there is one. Ties share the derivative equally.",
    .traits = Trait::reduction,
    .params = reduction_params,
    .infer = infer_extremum,
    .tangent = extremum_tangent,
    .lower = lower_reduction<Combine::max>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

const Primitive reduce_min_primitive{
    .name = "reduce_min",
    .doc = "Smallest element over axes; NaN if there is one. Ties share the derivative equally.",
    .traits = Trait::reduction,
    .params = reduction_params,
    .infer = infer_extremum,
    .tangent = extremum_tangent,
    .lower = lower_reduction<Combine::min>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

const Primitive first_index_primitive{
    .name = "first_index",
    .doc =
        "Index over axes, in row-major order, of the first element that equals `extremum` (x's shape with reduced axes "
        "of length 1) or is NaN; int64.",
    .traits = Trait::reduction | Trait::nondifferentiable,
    .params = reduction_params,
    .operands = {"x", "extremum"},
    .infer = infer_index,
    .lower = lower_first_index,
    .samples = {{{{{2, 3}, {2, 1}}, {Axes{1}, false}},
                 {{{4, 2, 3}, {1, 2, 1}}, {Axes{0, 2}, true}},
                 {{{2, 3, 5}, {2, 1, 5}}, {Axes{1}, false}},
                 {{{0, 3}, {0, 1}}, {Axes{1}, false}}}},
};

namespace {
/// Extremum and index in one kernel, where a row is at hand.
template <const Primitive& extremum>
Results index_of(std::span<const Array> in, const Params& params, const Runtimes&) {
  return bind(first_index_primitive, in[0], bind(extremum, in[0], {params[axes_at], true}), params);
}
}  // namespace

const Primitive argmax_primitive{
    .name = "argmax",
    .doc = "Index over axes, in row-major order, of the first largest element, or of the first NaN; int64.",
    .traits = Trait::nondifferentiable,
    .params = reduction_params,
    .infer = infer_index,
    .body = index_of<reduce_max_primitive>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

const Primitive argmin_primitive{
    .name = "argmin",
    .doc = "Index over axes, in row-major order, of the first smallest element, or of the first NaN; int64.",
    .traits = Trait::nondifferentiable,
    .params = reduction_params,
    .infer = infer_index,
    .body = index_of<reduce_min_primitive>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

// Truth --------------------------------------------------------------------------------------------------

const Primitive any_primitive{
    .name = "any",
    .doc = "Whether any element over axes is not 0.",
    .traits = Trait::reduction | Trait::nondifferentiable,
    .params = reduction_params,
    .infer = infer_truth,
    .lower = lower_reduction<Combine::any>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

const Primitive all_primitive{
    .name = "all",
    .doc = "Whether no element over axes is 0.",
    .traits = Trait::reduction | Trait::nondifferentiable,
    .params = reduction_params,
    .infer = infer_truth,
    .lower = lower_reduction<Combine::all>,
    .samples = {.cases = reduction_cases, .smooth = false},
};

// Moments ------------------------------------------------------------------------------------------------

const Primitive over_count_primitive{
    .name = "over_count",
    .doc =
        "x / max(count - correction, 0). The count is an argument of the kernel, so that one kernel serves every "
        "shape.",
    .traits = Trait::linear | Trait::cheap,
    .params = {"count", "correction"},
    .infer = same_inexact,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(over_count_primitive, d[0], e.params); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return bind(over_count_primitive, ct, e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Expr x = k(0, i), integer = k.integer(k.params().integer(0));
      const double correction = k.params().number(1);
      // convert() would fold the integer into a literal of the text.
      const Expr count = integer.graph()->make(loops::Op::convert, x.dtype(), {&integer, 1});
      return {x / (correction == 0 ? count : max(count - correction, k.constant(0, x.dtype())))};
    },
    .samples = {{{{{2, 3}}, {int64_t{3}, 0.0}}, {{{4}}, {int64_t{4}, 1.0}}, {{{0, 3}}, {int64_t{3}, 0.0}}}},
};

const Primitive mean_primitive{
    .name = "mean",
    .doc = "Arithmetic mean over axes. Integers and bool are added in float64 and give float32.",
    .params = reduction_params,
    .infer = infer_mean,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Params n{count(in[0].shape(), params.axes(axes_at)), 0.0};
      if (is_inexact(in[0].dtype())) return bind(over_count_primitive, bind(sum_primitive, in[0], params), n);
      const Array total = bind(sum_primitive, convert(in[0], Dtype::float64), params);
      return convert(bind(over_count_primitive, total, n), Dtype::float32);
    },
    .samples = {reduction_cases},
};

namespace {

/// Differences from the mean. Computed twice rather than stored: the row is in the cache.
Array deviations(const Array& x, const Params& params) {
  return x - broadcast_to(bind(mean_primitive, x, {params[axes_at], true}), x.shape());
}
/// A sum over as many elements as the equation's x has, divided by n - correction.
Array per_degree_of_freedom(const Array& total, const Shape& shape, const Params& params) {
  return bind(over_count_primitive, total, {count(shape, params.axes(axes_at)), params[correction_at]});
}

}  // namespace

const Primitive var_primitive{
    .name = "var",
    .doc = "Variance over axes: the sum of (x - mean)² over n - correction, in two passes.",
    .params = {"axes", "keepdims", "correction"},
    .infer = infer_mean,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Array x = to_inexact(in[0]);
      const Array squares = bind(sum_primitive, square(deviations(x, params)), {params[axes_at], params[keepdims_at]});
      return per_degree_of_freedom(squares, x.shape(), params);
    },
    // The mean's own tangent drops out: the deviations add up to 0.
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array products = reduced_alike(sum_primitive, e, deviations(e.in(), e.params) * d[0]);
      return 2 * per_degree_of_freedom(products, e.in_type().shape, e.params);
    },
    .samples = {deviation_cases},
};

const Primitive std_primitive{
    .name = "std",
    .doc = "Standard deviation over axes: the square root of var. Its derivatives of every order are 0 where it is 0.",
    .params = {"axes", "keepdims", "correction"},
    .infer = infer_mean,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      // The square root is kept from 0, where derivatives of the body, as of the tangent below, would be 0 / 0.
      const Array v = bind(var_primitive, in[0], params), flat = equal(v, 0);
      return where(flat, 0, sqrt(where(flat, 1, v)));
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = sum of (x - mean) dx / (y (n - correction))
      const Array y = spread(e, e.out()), flat = equal(y, 0);
      const Array direction = where(flat, 0, deviations(e.in(), e.params) / where(flat, 1, y));
      return per_degree_of_freedom(reduced_alike(sum_primitive, e, direction * d[0]), e.in_type().shape, e.params);
    },
    .samples = {deviation_cases},
};

// The functions ------------------------------------------------------------------------------------------

namespace {

Array reduce(const char* name, const Primitive& primitive, const Operand& x, const Axes& axes, bool keepdims) {
  const CallScope scope(x, name);
  const Array a = x.to_array();
  return bind(primitive, a, {normalize_axes(name, a, axes), keepdims});
}

Array reduce_to_index(const char* name, const Primitive& primitive, const Operand& x, std::optional<int64_t> axis,
                      bool keepdims) {
  return reduce(name, primitive, x, axis ? Axes{*axis} : Axes{}, keepdims);
}

Array deviation(const char* name, const Primitive& primitive, const Operand& x, const Axes& axes, double correction,
                bool keepdims) {
  const CallScope scope(x, name);
  const Array a = x.to_array();
  return bind(primitive, a, {normalize_axes(name, a, axes), keepdims, correction});
}

}  // namespace

Array sum(const Operand& x, const Axes& axes, bool keepdims) { return reduce("sum", sum_primitive, x, axes, keepdims); }
Array prod(const Operand& x, const Axes& axes, bool keepdims) {
  return reduce("prod", prod_primitive, x, axes, keepdims);
}
Array max(const Operand& x, const Axes& axes, bool keepdims) {
  return reduce("max", reduce_max_primitive, x, axes, keepdims);
}
Array min(const Operand& x, const Axes& axes, bool keepdims) {
  return reduce("min", reduce_min_primitive, x, axes, keepdims);
}
Array any(const Operand& x, const Axes& axes, bool keepdims) { return reduce("any", any_primitive, x, axes, keepdims); }
Array all(const Operand& x, const Axes& axes, bool keepdims) { return reduce("all", all_primitive, x, axes, keepdims); }
Array mean(const Operand& x, const Axes& axes, bool keepdims) {
  return reduce("mean", mean_primitive, x, axes, keepdims);
}

Array argmax(const Operand& x, std::optional<int64_t> axis, bool keepdims) {
  return reduce_to_index("argmax", argmax_primitive, x, axis, keepdims);
}
Array argmin(const Operand& x, std::optional<int64_t> axis, bool keepdims) {
  return reduce_to_index("argmin", argmin_primitive, x, axis, keepdims);
}

Array var(const Operand& x, const Axes& axes, double correction, bool keepdims) {
  return deviation("var", var_primitive, x, axes, correction, keepdims);
}
Array std(const Operand& x, const Axes& axes, double correction, bool keepdims) {
  return deviation("std", std_primitive, x, axes, correction, keepdims);
}

}  // namespace wengert
