#include "wengert/ops/normalize.hpp"

#include <algorithm>
#include <limits>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {

extern const Primitive place_primitive;

namespace {

using Values = std::vector<Expr>;

constexpr double inf = std::numeric_limits<double>::infinity();

int64_t length(const Array& x, int64_t axis) { return x.shape()[static_cast<int>(axis)]; }
Array repeat(const Array& y, const Array& x) { return broadcast_to(y, x.shape()); }
Array kept_sum(const Array& x, const Axes& axes) { return sum(x, axes, true); }
Array kept_mean(const Array& x, const Axes& axes) { return mean(x, axes, true); }

}  // namespace

// Softmax ------------------------------------------------------------------------------------------------

namespace {

/// Reductions with the parameters axes and keepdims.
Types infer_over_axes(const Avals& in) {
  same_inexact(in);
  return {Type::of(in[0].dtype, reduced_shape(in), in[0].weak)};
}

const Cases reduction_cases = {{{{2, 3}}, {Axes{1}, false}},
                               {{{3, 2}}, {Axes{0}, true}},
                               {{{2, 3, 4}}, {Axes{0, 2}, false}},
                               {{{0, 3}}, {Axes{1}, false}}};

}  // namespace

const Primitive shift_primitive{
    .name = "shift",
    .doc =
        "The largest element over axes, as a constant: what is subtracted before exp() and makes no difference to the "
        "result has no derivative.",
    .traits = Trait::nondifferentiable,
    .params = {"axes", "keepdims"},
    .infer = infer_over_axes,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      return max(in[0], params.axes(0), params.flag(1));
    },
    .samples = {.cases = reduction_cases, .smooth = false},
};

namespace {

/// What every function of the family starts from: exp(x - max) and its sum over axes. Both numbers of a row are what a
/// backward pass keeps; without kept axes, they are of the shape of losses and come from the same kernel.
struct Exponentials {
  Exponentials(const Array& x, const Axes& axes, bool keepdims = true, bool finite_shift = false) {
    shift = bind(shift_primitive, x, {axes, keepdims});
    if (finite_shift) shift = where(isfinite(shift), shift, 0);
    shifted = x - spread(shift, axes, x);
    exponentials = exp(shifted);
    total = sum(exponentials, axes, keepdims);
  }
  /// A number of each row, repeated along the row.
  static Array spread(const Array& y, const Axes& axes, const Array& x) {
    return repeat(reshape(y, kept_shape(x.shape(), axes)), x);
  }
  Array shift, shifted, exponentials, total;
};

Types infer_softmax(const Avals& in) {
  const int64_t axis = in.params.integer(0);
  want(axis >= 0 && axis < in[0].rank(), in, ErrorKind::shape, "softmax-axis", "an axis of x");
  return same_inexact(in);
}

const Cases softmax_cases = {
    {{{2, 3}}, {int64_t{1}}}, {{{3, 2}}, {int64_t{0}}}, {{{2, 3, 4}}, {int64_t{1}}}, {{{0, 3}}, {int64_t{1}}}};

}  // namespace

const Primitive softmax_primitive{
    .name = "softmax",
    .doc = "exp(x) over its sum along an axis.",
    .params = {"axis"},
    .infer = infer_softmax,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const int64_t axis = params.integer(0);
      if (length(in[0], axis) == 0) return in[0];
      const Exponentials e(in[0], axis);
      return e.exponentials * repeat(1 / e.total, in[0]);
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = y (dx - sum of y dx)
      const Array& y = e.out();
      return y * (d[0] - repeat(kept_sum(y * d[0], e.params.integer(0)), y));
    },
    .samples = {.cases = softmax_cases, .special = {0, -inf, 1000}},
};

const Primitive log_softmax_primitive{
    .name = "log_softmax",
    .doc = "log(softmax(x)) along an axis.",
    .params = {"axis"},
    .infer = infer_softmax,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const int64_t axis = params.integer(0);
      if (length(in[0], axis) == 0) return in[0];
      const Exponentials e(in[0], axis);
      return e.shifted - repeat(log(e.total), in[0]);
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = dx - sum of softmax(x) dx
      const Array& y = e.out();
      return d[0] - repeat(kept_sum(exp(y) * d[0], e.params.integer(0)), y);
    },
    .samples = {.cases = softmax_cases, .special = {0, -inf, 1000}},
};

const Primitive logsumexp_primitive{
    .name = "logsumexp",
    .doc = "log of the sum of exp(x) over axes; -inf over nothing but -inf.",
    .params = {"axes", "keepdims"},
    .infer = infer_over_axes,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Array& x = in[0];
      const Axes& axes = params.axes(0);
      if (x.size() == 0) return log(sum(x, axes, params.flag(1)));
      const Exponentials e(x, axes, params.flag(1), true);
      return log(e.total) + e.shift;
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = sum of exp(x - y) dx
      const Axes& axes = e.params.axes(0);
      const Array y = reshape(e.out(), kept_shape(e.in_type().shape, axes)), finite = where(y == -inf, 0, y);
      return sum(exp(e.in() - repeat(finite, e.in())) * d[0], axes, e.params.flag(1));
    },
    .samples = {.cases = reduction_cases, .special = {0, -inf, 1000}},
};

// Cross entropy ------------------------------------------------------------------------------------------

namespace {

/// logits [..., classes] and one integer for each row.
void want_labels(const Avals& in, int labels, const Shape& rows) {
  want(is_integer(in[labels].dtype), in, ErrorKind::dtype, "labels-dtype",
       "labels of an integer dtype; convert with astype(wg::int64)");
  want(in[labels].shape == rows, in, ErrorKind::shape, "labels-shape", "one label for each row: " + to_string(rows));
}

Sample labelled(std::vector<Shape> shapes, Params params, double classes) {
  Sample s{std::move(shapes), std::move(params)};
  s.fixed = {Dtype::float64, Dtype::int64};
  s.ranges = {{-2, 2}, {0, classes - 1}};
  return s;
}

}  // namespace

const Primitive pick_primitive{
    .name = "pick",
    .doc = "y[...] = x[..., index[...]]. x: inexact; index: integer, from 0 on. Linear in x.",
    .traits = Trait::linear,
    .operands = {"x", "index"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].rank() > 0 && in[0].shape.back().value() > 0, in, ErrorKind::shape, "pick-classes",
           "x with elements along its last axis");
      want_labels(in, 1, in[0].shape.first(in[0].rank() - 1));
      return {Type::of(in[0].dtype, in[1].shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(pick_primitive, d[0], e.in(1)); },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(place_primitive, ct, e.in(1), {e.in_type().shape.back().value()}); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      Coordinates at = i;
      at.push_back(k.index(k(1, i), 0, k.operand(0).shape.back()));  // no label counts from the end
      return {k(0, at)};
    },
    .samples = {{labelled({{4, 3}, {4}}, {}, 3), labelled({{2, 2, 3}, {2, 2}}, {}, 3), labelled({{0, 3}, {0}}, {}, 3)}},
};

const Primitive place_primitive{
    .name = "place",
    .doc = "y[..., j] = x[...] where j == index[...], from 0 on, else 0: the transpose of pick.",
    .traits = Trait::linear | Trait::cheap,
    .params = {"classes"},
    .operands = {"x", "index"},
    .infer = [](const Avals& in) -> Types {
      want_labels(in, 1, in[0].shape);
      return {Type::of(in[0].dtype, in[0].shape + Shape{in.params.integer(0)})};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(place_primitive, d[0], e.in(1), e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return bind(pick_primitive, ct, e.in(1)); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Coordinates row(i.begin(), i.end() - 1);
      const Expr x = k(0, row), label = k.index(k(1, row), 0, std::max<int64_t>(k.params().integer(0), 1));
      return {select(i.back() == label, x, k.constant(0, x.dtype()))};
    },
    .samples = {{labelled({{4}, {4}}, {int64_t{3}}, 3), labelled({{2, 2}, {2, 2}}, {int64_t{3}}, 3),
                 labelled({{0}, {0}}, {int64_t{3}}, 3)}},
};

const Primitive one_hot_primitive{
    .name = "one_hot",
    .doc = "y[..., j] = 1 where j == labels[...], else 0. labels: integer, from 0 on.",
    .traits = Trait::nondifferentiable | Trait::cheap,
    .params = {"classes", "dtype"},
    .operands = {"labels"},
    .infer = [](const Avals& in) -> Types {
      want(is_integer(in[0].dtype), in, ErrorKind::dtype, "labels-dtype",
           "labels of an integer dtype; convert with astype(wg::int64)");
      return {Type::of(in.params.dtype(1), in[0].shape + Shape{in.params.integer(0)})};
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Coordinates row(i.begin(), i.end() - 1);
      const int64_t classes = std::max<int64_t>(k.params().integer(0), 1);  // there is no element of none
      return {convert(i.back() == k.index(k(0, row), 0, classes), k.result().dtype)};
    },
    .samples = {.cases = {{{{4}}, {int64_t{3}, Dtype::float32}, {}, {}, {{0, 2}}},
                          {{{2, 2}}, {int64_t{3}, Dtype::bool_}, {}, {}, {{0, 2}}},
                          {{{0, 2}}, {int64_t{3}, Dtype::float64}, {}, {}, {{0, 2}}}},
                .dtypes = {Dtype::int64, Dtype::uint8}},
};

namespace {

/// The mean over all examples where the equation says so.
Array over_examples(const Array& losses, const Params& params) { return params.flag(0) ? mean(losses) : losses; }

/// The exponentials of rows along the last axis, with one number of each row in the shape of the losses.
struct Rows : Exponentials {
  explicit Rows(const Array& x) : Exponentials(x, Axes{x.rank() - 1}, false) {}
  Array spread(const Array& y) const { return Exponentials::spread(y, Axes{shifted.rank() - 1}, shifted); }
  Array softmax() const { return exponentials * spread(1 / total); }
};

Results cross_entropy_of_labels(std::span<const Array> in, const Params& params, const Runtimes&) {
  const Rows rows(in[0]);
  return over_examples(log(rows.total) - bind(pick_primitive, rows.shifted, in[1]), params);
}

Results cross_entropy_of_distributions(std::span<const Array> in, const Params& params, const Runtimes&) {
  const Rows rows(in[0]);
  const Array losses = where(in[1] == 0, 0, in[1] * (rows.spread(log(rows.total)) - rows.shifted));
  return over_examples(sum(losses, {-1}), params);
}

/// logits, then labels or distributions.
Types infer_cross_entropy(const Avals& in, bool distributions) {
  want(is_inexact(in[0].dtype), in, ErrorKind::dtype, "dtype-inexact", "logits of a floating dtype");
  want(in[0].rank() > 0 && in[0].shape.back().value() > 0, in, ErrorKind::shape, "cross-entropy-classes",
       "logits with at least one class along the last axis");
  const Shape rows = in[0].shape.first(in[0].rank() - 1);
  if (distributions) same_inexact(in);
  else want_labels(in, 1, rows);
  return {Type::of(in[0].dtype, in.params.flag(0) ? Shape{} : rows)};
}

}  // namespace

// Rows are read once forward (maximum and sum are kept as residuals) and once backward: from x, both numbers and the
// label comes softmax(x) - one_hot(label), element by element. No array of x's size is stored in between.
const Primitive softmax_cross_entropy_primitive{
    .name = "softmax_cross_entropy",
    .doc =
        "log of the sum of exp(x) minus x at the label, along the last axis; with `mean`, its mean over all examples.",
    .params = {"mean"},
    .operands = {"logits", "labels"},
    .infer = [](const Avals& in) { return infer_cross_entropy(in, false); },
    .body = cross_entropy_of_labels,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = sum of softmax(x) dx - dx at the label
      const Array expected = sum(Rows(e.in()).softmax() * d[0], {-1});
      return over_examples(expected - bind(pick_primitive, d[0], e.in(1)), e.params);
    },
    .samples = {.cases = {labelled({{4, 3}, {4}}, {true}, 3), labelled({{2, 2, 3}, {2, 2}}, {false}, 3),
                          labelled({{0, 3}, {0}}, {false}, 3)},
                .special = {0, -inf, 1000}},
};

const Primitive distribution_cross_entropy_primitive{
    .name = "distribution_cross_entropy",
    .doc = "Minus the sum of p log(softmax(x)) along the last axis; with `mean`, its mean over all examples.",
    .params = {"mean"},
    .operands = {"logits", "labels"},
    .infer = [](const Avals& in) { return infer_cross_entropy(in, true); },
    .body = cross_entropy_of_distributions,
    // dy = sum of (softmax(x) sum(p) - p) dx - log(softmax(x)) dp
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Array& p = e.in(1);
      const Rows rows(e.in());
      const Array weights = rows.spread(sum(p, {-1})), surprise = rows.spread(log(rows.total)) - rows.shifted;
      return over_examples(sum((rows.softmax() * weights - p) * d[0] + surprise * d[1], {-1}), e.params);
    },
    .samples = {.cases = {{{{4, 3}, {4, 3}}, {true}}, {{{2, 2, 3}, {2, 2, 3}}, {false}}, {{{0, 3}, {0, 3}}, {false}}},
                .range = {0.1, 1}},
};

// Normalizations -----------------------------------------------------------------------------------------

namespace {

enum { eps_at, weight_at, bias_at };
const std::vector<const char*> affine_params = {"eps", "weight", "bias"};

/// Statistics, weight and bias are vectors along that axis of x; the parameters say which of the last two there are.
void want_vectors(const Avals& in, int axis) {
  const int statistics = static_cast<int>(in.primitive.operands.size()) - 3;
  want(in.size() == 1 + statistics + in.params.flag(weight_at) + in.params.flag(bias_at), in, ErrorKind::shape,
       "norm-vector", "weight and bias beside x where the parameters say so");
  want(is_inexact(in[0].dtype), in, ErrorKind::dtype, "dtype-inexact", "a floating dtype; convert with astype()");
  const Shape vector{in[0].shape[axis]};
  for (int i = 1; i < in.size(); ++i) {
    want(in[i].dtype == in[0].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
    want(in[i].shape == vector, in, ErrorKind::shape, "norm-vector", "vectors " + to_string(vector) + " beside x");
  }
}

/// A vector along axis `axis` of x, repeated along all others.
Array along(const Array& vector, const Array& x, int axis) {
  Shape shape = x.shape();
  for (int d = 0; d < shape.rank(); ++d) {
    if (d != axis) shape[d] = 1;
  }
  return repeat(reshape(vector, shape), x);
}

/// Weight and bias of a normalization: operands `first` and on.
struct Affine {
  Affine(std::span<const Array> in, const Params& params, size_t first) {
    if (params.flag(weight_at)) weight = in[first++];
    if (params.flag(bias_at)) bias = in[first];
  }
  Array apply(Array y, int axis) const {
    if (weight.defined()) y = y * along(weight, y, axis);
    if (bias.defined()) y = y + along(bias, y, axis);
    return y;
  }
  Array weight, bias;
};

/// x - mean and 1 / sqrt(var + eps) over axes. Mean and variance are what the backward pass keeps.
struct Moments {
  Moments(const Array& x, const Axes& axes, double eps)
      : mean(wengert::mean(x, axes, true)), var(wengert::var(x, axes, 0, true)), centered(x - repeat(mean, x)),
        rstd(rsqrt(var + eps)), normalized(centered * repeat(rstd, x)) {}
  Array mean, var, centered, rstd, normalized;
};

/// The tangent of (x - mean) / sqrt(var + eps): rstd (dx - mean(dx) - normalized mean(normalized dx)).
Array normalized_tangent(const Moments& m, const Array& dx, const Axes& axes) {
  const Array parallel = m.normalized * repeat(kept_mean(m.normalized * dx, axes), dx);
  return repeat(m.rstd, dx) * (dx - repeat(kept_mean(dx, axes), dx) - parallel);
}

/// That of normalized * weight + bias; weight and bias are operands 1 and 2 as far as they are there.
Array affine_tangent(const RuleEquation& e, Tangents d, const Moments& m, const Axes& axes, int axis) {
  const Affine affine(e.inputs, e.params, 1), change(d, e.params, 1);
  Array dy = normalized_tangent(m, d[0], axes);
  if (affine.weight.defined()) dy = dy * along(affine.weight, dy, axis) + m.normalized * along(change.weight, dy, axis);
  if (affine.bias.defined()) dy = dy + along(change.bias, dy, axis);
  return dy;
}

Axes all_but_channels(int rank) {
  Axes axes;
  for (int d = 0; d < rank; ++d) {
    if (d != 1) axes.push_back(d);
  }
  return axes;
}

}  // namespace

const Primitive layer_norm_primitive{
    .name = "layer_norm",
    .doc = "(x - mean) / sqrt(variance + eps) over the last axis, times weight, plus bias.",
    .params = affine_params,
    .operands = {"x", "weight", "bias"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].rank() > 0, in, ErrorKind::shape, "layer-norm-rank", "x of rank 1 or more");
      want_vectors(in, in[0].rank() - 1);
      return {Type::of(in[0].dtype, in[0].shape)};
    },
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const int last = in[0].rank() - 1;
      const Moments m(in[0], Axes{last}, params.number(eps_at));
      return Affine(in, params, 1).apply(m.normalized, last);
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const int last = e.in().rank() - 1;
      const Moments m(e.in(), Axes{last}, e.params.number(eps_at));
      return affine_tangent(e, d, m, Axes{last}, last);
    },
    .samples = {{{{{3, 4}}, {1e-5, false, false}},
                 {{{3, 4}, {4}, {4}}, {1e-5, true, true}},
                 {{{2, 3, 4}, {4}}, {0.1, true, false}},
                 {{{2, 4}, {4}}, {0.1, false, true}},
                 {{{0, 4}, {4}, {4}}, {1e-5, true, true}}}},
};

const Primitive batch_norm_primitive{
    .name = "batch_norm",
    .doc = "(x - mean) / sqrt(var + eps) over all axes but 1, times weight, plus bias; and mean and var.",
    .params = affine_params,
    .operands = {"x", "weight", "bias"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].rank() > 1, in, ErrorKind::shape, "batch-norm-rank", "x of rank 2 or more: [N, C, ...]");
      want_vectors(in, 1);
      const Type* vector = Type::of(in[0].dtype, {in[0].shape[1]});
      return {Type::of(in[0].dtype, in[0].shape), vector, vector};
    },
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Array& x = in[0];
      const Moments m(x, all_but_channels(x.rank()), params.number(eps_at));
      const Shape vector{x.shape()[1]};
      return {Affine(in, params, 1).apply(m.normalized, 1), reshape(m.mean, vector), reshape(m.var, vector)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      const Axes axes = all_but_channels(e.in().rank());
      const Moments m(e.in(), axes, e.params.number(eps_at));
      return {affine_tangent(e, d, m, axes, 1), mean(d[0], axes), 2 * mean(m.centered * d[0], axes)};
    },
    .samples = {{{{{4, 3}}, {1e-5, false, false}},
                 {{{2, 3, 2, 2}, {3}, {3}}, {0.1, true, true}},
                 {{{3, 2, 2}, {2}}, {0.1, false, true}},
                 {{{2, 0, 2}, {0}}, {1e-5, true, false}}}},
};

const Primitive batch_norm_inference_primitive{
    .name = "batch_norm_inference",
    .doc = "(x - mean) / sqrt(var + eps) along axis 1, times weight, plus bias.",
    .params = affine_params,
    .operands = {"x", "mean", "var", "weight", "bias"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].rank() > 1, in, ErrorKind::shape, "batch-norm-rank", "x of rank 2 or more: [N, C, ...]");
      want_vectors(in, 1);
      return {Type::of(in[0].dtype, in[0].shape)};
    },
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      const Array centered = in[0] - along(in[1], in[0], 1);
      const Array rstd = rsqrt(in[2] + params.number(eps_at));
      return Affine(in, params, 3).apply(centered * along(rstd, centered, 1), 1);
    },
    .samples = {.cases = {{{{4, 3}, {3}, {3}}, {1e-5, false, false}},
                          {{{2, 3, 2, 2}, {3}, {3}, {3}, {3}}, {0.1, true, true}},
                          {{{0, 3}, {3}, {3}, {3}}, {1e-5, true, false}}},
                .range = {0.5, 2}},
};

const Primitive norm_primitive{
    .name = "norm",
    .doc = "The square root of the sum of squares over axes. Its derivative is 0 at 0.",
    .params = {"axes", "keepdims"},
    .infer = infer_over_axes,
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      return sqrt(sum(square(in[0]), params.axes(0), params.flag(1)));
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dy = sum of x / y dx
      const Array kept = reshape(e.out(), kept_shape(e.in_type().shape, e.params.axes(0)));
      const Array y = repeat(kept, e.in()), zero = y == 0;
      return sum(where(zero, 0, e.in() / where(zero, 1, y)) * d[0], e.params.axes(0), e.params.flag(1));
    },
    .samples = {reduction_cases, {0.5, 2}, {0}},
};

// The functions ------------------------------------------------------------------------------------------

namespace {

Array along_axis(const char* name, const Primitive& primitive, const Operand& x, int64_t axis) {
  const CallScope scope(x, name);
  const Array a = to_inexact(x);
  return bind(primitive, a, {normalize_axis(name, a, axis)});
}

Array over_axes(const char* name, const Primitive& primitive, const Operand& x, const Axes& axes, bool keepdims) {
  const CallScope scope(x, name);
  const Array a = to_inexact(x);
  return bind(primitive, a, {normalize_axes(name, a, axes), keepdims});
}

Array cross_entropy(const char* name, const Operand& logits, const Operand& labels, bool mean) try {
  const CallScope scope(logits, name);
  const Array x = to_inexact(logits);
  if (is_inexact(labels.dtype())) {
    if (!(labels.shape() == x.shape())) {
      fail(ErrorKind::shape, "labels-shape", name, "logits " + describe(x) + ", labels " + describe(labels.to_array()),
           "probabilities of the logits' shape; labels that are class numbers have an integer dtype");
    }
    const Dtype dtype = promote(x.dtype(), x.type().weak, labels.dtype(), labels.weak());
    return bind(distribution_cross_entropy_primitive, convert(x, dtype), convert(labels, dtype), {mean});
  }
  return bind(softmax_cross_entropy_primitive, x, labels.to_array(), {mean});
} catch (const std::bad_alloc&) { throw_no_memory(name, logits.where()); }

struct NamedVector {
  const char* name;
  const Array& vector;
};
/// Statistics, weight and bias are as long as that axis of x, where they are given.
void want_vectors(const char* operation, const Array& x, int axis, std::initializer_list<NamedVector> vectors) {
  if (x.rank() <= axis || axis < 0) return;  // the primitive says so
  const Shape wanted{x.shape()[axis]};
  for (const NamedVector& v : vectors) {
    if (!v.vector.defined() || v.vector.shape() == wanted) continue;
    fail(ErrorKind::shape, "norm-vector", operation, "x " + describe(x) + ", " + v.name + " " + describe(v.vector),
         "a " + std::string(v.name) + " of shape " + to_string(wanted));
  }
}

/// The operands that are there, in one dtype.
std::vector<Array> defined_of(const Array& x, std::initializer_list<const Array*> others) {
  std::vector<Array> in{x};
  for (const Array* a : others) {
    if (a->defined()) in.push_back(a->dtype() == x.dtype() ? *a : convert(*a, x.dtype()));
  }
  return in;
}

}  // namespace

Array softmax(const Operand& x, int64_t axis) { return along_axis("softmax", softmax_primitive, x, axis); }
Array log_softmax(const Operand& x, int64_t axis) { return along_axis("log_softmax", log_softmax_primitive, x, axis); }
Array logsumexp(const Operand& x, const Axes& axes, bool keepdims) {
  return over_axes("logsumexp", logsumexp_primitive, x, axes, keepdims);
}
Array norm(const Operand& x, const Axes& axes, bool keepdims) {
  return over_axes("norm", norm_primitive, x, axes, keepdims);
}

Array softmax_cross_entropy(const Operand& logits, const Operand& labels) {
  return cross_entropy("softmax_cross_entropy", logits, labels, true);
}
Array softmax_cross_entropy_each(const Operand& logits, const Operand& labels) {
  return cross_entropy("softmax_cross_entropy_each", logits, labels, false);
}

Array one_hot(const Operand& labels, int64_t classes, Dtype dtype) {
  const CallScope scope(labels);
  const Array l = labels.to_array();
  if (classes < 0)
    fail(ErrorKind::value, "one-hot-classes", "one_hot", std::to_string(classes) + " classes", "0 or more");
  return bind(one_hot_primitive, l, {classes, dtype});
}

Array layer_norm(const Operand& x, const Array& weight, const Array& bias, double eps) try {
  const CallScope scope(x);
  const Array a = to_inexact(x);
  want_vectors("layer_norm", a, a.rank() - 1, {{"weight", weight}, {"bias", bias}});
  return bind(layer_norm_primitive, defined_of(a, {&weight, &bias}), {eps, weight.defined(), bias.defined()});
} catch (const std::bad_alloc&) { throw_no_memory("layer_norm", x.where()); }

BatchNorm batch_norm(const Operand& x, const Array& weight, const Array& bias, double eps) try {
  const CallScope scope(x);
  const Array a = to_inexact(x);
  want_vectors("batch_norm", a, 1, {{"weight", weight}, {"bias", bias}});
  std::vector<Array> out =
      bind_all(batch_norm_primitive, defined_of(a, {&weight, &bias}), 3, {eps, weight.defined(), bias.defined()});
  return {out[0], out[1], out[2]};
} catch (const std::bad_alloc&) { throw_no_memory("batch_norm", x.where()); }

Array batch_norm_inference(const Operand& x, const Array& mean, const Array& var, const Array& weight,
                           const Array& bias, double eps) try {
  const CallScope scope(x);
  const Array a = to_inexact(x);
  want_vectors("batch_norm_inference", a, 1,
               {{"mean", Operand(mean).array()}, {"var", Operand(var).array()}, {"weight", weight}, {"bias", bias}});
  const std::vector<Array> in = defined_of(a, {&mean, &var, &weight, &bias});
  return bind(batch_norm_inference_primitive, in, {eps, weight.defined(), bias.defined()});
} catch (const std::bad_alloc&) { throw_no_memory("batch_norm_inference", x.where()); }

}  // namespace wengert
