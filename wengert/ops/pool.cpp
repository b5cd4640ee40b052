#include "wengert/ops/pool.hpp"

#include <limits>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert {
namespace {

using Values = std::vector<Expr>;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr int64_t largest_window = 256;  // its elements are written out one by one

enum Place { size_at, stride_at, padding_at, image_at };
const std::vector<const char*> param_names = {"size", "stride", "padding", "image"};

struct Geometry {
  explicit Geometry(const Params& p)
      : size(p.axes(size_at)), stride(p.axes(stride_at)), padding(p.axes(padding_at)), image(p.axes(image_at)) {}
  int64_t out(int a) const { return (image[a] + 2 * padding[a] - size[a]) / stride[a] + 1; }
  /// Whether out() can be asked: the text of a program may hold any numbers.
  bool valid() const {
    for (const Axes* pair : {&size, &stride, &padding, &image}) {
      if (pair->size() != 2) return false;
    }
    for (int a = 0; a < 2; ++a) {
      if (size[a] < 1 || size[a] > max_size || stride[a] < 1 || padding[a] < 0 || padding[a] > size[a] / 2)
        return false;
      if (image[a] < 1 || image[a] > max_size || image[a] + 2 * padding[a] < size[a]) return false;
    }
    return true;
  }
  /// Whether no place of the image lies in two windows.
  bool disjoint() const { return stride[0] >= size[0] && stride[1] >= size[1]; }
  bool padded() const { return padding[0] > 0 || padding[1] > 0; }
  Axes size, stride, padding, image;
};

struct Spot {
  Expr index, inside;
};
Spot kept(Lowering& k, Expr index, int64_t length) {
  const Expr zero = k.integer(0), last = k.integer(length - 1);
  return {max(min(index, last), zero), zero <= index && index <= last};
}

Shape pooled(const Type& x, const Geometry& g) { return {x.shape[0], x.shape[1], g.out(0), g.out(1)}; }
Shape unpooled(const Type& y, const Geometry& g) { return {y.shape[0], y.shape[1], g.image[0], g.image[1]}; }

Geometry geometry(const Avals& in) {
  for (int i = 0; i < in.size(); ++i) {
    want(in[i].rank() == 4, in, ErrorKind::shape, "pool-rank", i == 0 ? "an array of rank 4" : "arrays of rank 4");
  }
  const Geometry g(in.params);
  want(g.valid(), in, ErrorKind::value, "pool-window",
       "pairs of numbers: size and stride >= 1, padding at most half the size, a window that fits on the image");
  return g;
}
void want_places(const Avals& in) {
  want(in[1].dtype == Dtype::int32, in, ErrorKind::dtype, "pool-place", "places of dtype int32, as max_pool returns");
}

/// The parameters, where operand 0 is an image.
Geometry pooling(const Avals& in) {
  const Geometry g = geometry(in);
  want(in[0].shape == unpooled(in[0], g), in, ErrorKind::shape, "pool-image", "an x with the lengths of image");
  if (in.size() > 1) {
    want(in[1].shape == pooled(in[0], g), in, ErrorKind::shape, "pool-image", "a place for each window");
    want_places(in);
  }
  return g;
}
/// The parameters, where all operands have one element for each window.
Geometry unpooling(const Avals& in) {
  const Geometry g = geometry(in);
  for (int i = 0; i < in.size(); ++i) {
    want(in[i].shape == pooled(in[0], g), in, ErrorKind::shape, "pool-image", "an element for each window of image");
  }
  if (in.size() > 1) want_places(in);
  return g;
}

Coordinates window_element(Lowering& k, const Geometry& g, const Coordinates& i, Expr row, Expr column, Expr& inside) {
  const Expr h = i[2] * k.integer(g.stride[0]) + row - k.integer(g.padding[0]);
  const Expr w = i[3] * k.integer(g.stride[1]) + column - k.integer(g.padding[1]);
  if (!g.padded()) {
    inside = k.integer(1, Dtype::bool_);
    return {i[0], i[1], h, w};
  }
  const Spot a = kept(k, h, g.image[0]), b = kept(k, w, g.image[1]);
  inside = a.inside && b.inside;
  return {i[0], i[1], a.index, b.index};
}

/// The elements of a window one after the other: windows are small, and this way the largest element and its place
/// come from one pass whose vectors run along the channels.
Values lower_max_pool(Lowering& k, const Coordinates& i) {
  const Geometry g(k.params());
  const Dtype dtype = k.operand(0).dtype;
  Expr best, place, found;  // found: whether the window had an element of the image so far
  for (int64_t row = 0; row < g.size[0]; ++row) {
    for (int64_t column = 0; column < g.size[1]; ++column) {
      Expr inside;
      const Coordinates at = window_element(k, g, i, k.integer(row), k.integer(column), inside);
      const Expr value = select(inside, k(0, at), k.constant(-inf, dtype));
      const Expr number = k.integer(row * g.size[1] + column, Dtype::int32);
      if (!best.defined()) {
        best = value;
        place = number;
        found = inside;
        continue;
      }
      Expr better = best < value || (value != value && best == best);
      if (g.padded()) {  // an element of -inf is better than padding
        better = better || (inside && !found);
        found = found || inside;
      }
      best = select(better, value, best);
      place = select(better, number, place);
    }
  }
  return {best, place};
}

/// The window and the place in it that an element of the image belongs to; disjoint windows only.
Values lower_scatter_disjoint(Lowering& k, const Geometry& g, const Coordinates& i) {
  const auto split = [&](int a, Expr h, Expr& place) {
    const Expr begin = h + k.integer(g.padding[a]);
    place = mod(begin, k.integer(g.stride[a]));
    return kept(k, floordiv(begin, k.integer(g.stride[a])), g.out(a));
  };
  Expr row, column;
  const Spot p = split(0, i[2], row), q = split(1, i[3], column);
  const Coordinates at = {i[0], i[1], p.index, q.index};
  const Expr number = convert(row * k.integer(g.size[1]) + column, Dtype::int32);
  const Expr in_window = p.inside && q.inside && row < k.integer(g.size[0]) && column < k.integer(g.size[1]);
  const Expr value = k(0, at);
  return {select(in_window && k(1, at) == number, value, k.constant(0, value.dtype()))};
}

/// The sum over all windows that an element of the image lies in.
Expr sum_of_windows(Lowering& k, const Geometry& g, const Coordinates& i, bool chosen) {
  return k.reduce(loops::Combine::sum, {g.size[0], g.size[1]}, {}, [&](const Coordinates& r) {
    const auto window = [&](int a, Expr h, Expr offset) {
      const Expr begin = h + k.integer(g.padding[a]) - offset, step = k.integer(g.stride[a]);
      Spot spot = kept(k, floordiv(begin, step), g.out(a));
      spot.inside = spot.inside && mod(begin, step) == k.integer(0);
      return spot;
    };
    const Spot p = window(0, i[2], r[0]), q = window(1, i[3], r[1]);
    const Coordinates at = {i[0], i[1], p.index, q.index};
    Expr here = p.inside && q.inside;
    if (chosen) here = here && k(1, at) == convert(r[0] * k.integer(g.size[1]) + r[1], Dtype::int32);
    const Expr value = k(0, at);
    return select(here, value, k.constant(0, value.dtype()));
  });
}

Sample sample(std::vector<Shape> shapes, int64_t size, int64_t stride, int64_t padding, Axes image, bool chosen,
              Dtype dtype = Dtype::float32) {
  Sample s{std::move(shapes), {Axes{size, size}, Axes{stride, stride}, Axes{padding, padding}, std::move(image)}};
  if (chosen) {
    s.fixed = {dtype, Dtype::int32};
    s.ranges = {{-2, 2}, {0, static_cast<double>(size * size - 1)}};
  }
  return s;
}

}  // namespace

extern const Primitive pool_gather_primitive, pool_scatter_primitive, window_sum_primitive, window_spread_primitive;

const Primitive max_pool_primitive{
    .name = "max_pool",
    .doc =
        "Largest element of every window, or its first NaN, and its number in the window (row-major, int32); the first "
        "of equals. Padding is never chosen.",
    .params = param_names,
    .infer = [](const Avals& in) -> Types {
      const Geometry g = pooling(in);
      want(g.size[0] <= largest_window && g.size[1] <= largest_window && g.size[0] * g.size[1] <= largest_window, in,
           ErrorKind::value, "pool-window-large", "a window of at most 256 elements");
      const Shape shape = pooled(in[0], g);
      return {Type::of(in[0].dtype, shape), Type::of(Dtype::int32, shape)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return {bind(pool_gather_primitive, d[0], e.out(1), e.params), Array()};
    },
    .lower = lower_max_pool,
    .samples = {.cases = {sample({{2, 3, 4, 6}}, 2, 2, 0, {4, 6}, false),
                          sample({{1, 2, 5, 5}}, 3, 2, 1, {5, 5}, false),
                          sample({{0, 2, 4, 4}}, 2, 2, 0, {4, 4}, false)},
                .special = {0, -inf},
                .smooth = false},
};

const Primitive pool_gather_primitive{
    .name = "pool_gather",
    .doc = "The element of every window that `place` names. Linear in x.",
    .traits = Trait::linear,
    .params = param_names,
    .operands = {"x", "place"},
    .infer = [](const Avals& in) -> Types { return {Type::of(in[0].dtype, pooled(in[0], pooling(in)))}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(pool_gather_primitive, d[0], e.in(1), e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(pool_scatter_primitive, ct, e.in(1), e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Geometry g(k.params());
      const Expr place = convert(k(1, i), Dtype::int64), width = k.integer(g.size[1]);
      Expr inside;
      const Coordinates at = window_element(k, g, i, floordiv(place, width), mod(place, width), inside);
      const Expr value = k(0, at);
      return {select(inside, value, k.constant(0, value.dtype()))};
    },
    .samples = {{sample({{2, 3, 4, 6}, {2, 3, 2, 3}}, 2, 2, 0, {4, 6}, true),
                 sample({{2, 2, 4, 6}, {2, 2, 2, 3}}, 2, 2, 0, {4, 6}, true, Dtype::float64),
                 sample({{1, 2, 5, 5}, {1, 2, 3, 3}}, 3, 2, 1, {5, 5}, true, Dtype::float64),
                 sample({{0, 2, 4, 4}, {0, 2, 2, 2}}, 2, 2, 0, {4, 4}, true, Dtype::float64)}},
};

const Primitive pool_scatter_primitive{
    .name = "pool_scatter",
    .doc = "The transpose of pool_gather: every element to the place of its window that `place` names, added up.",
    .traits = Trait::linear,
    .params = param_names,
    .operands = {"ct", "place"},
    .infer = [](const Avals& in) -> Types { return {Type::of(in[0].dtype, unpooled(in[0], unpooling(in)))}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(pool_scatter_primitive, d[0], e.in(1), e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(pool_gather_primitive, ct, e.in(1), e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Geometry g(k.params());
      return g.disjoint() ? lower_scatter_disjoint(k, g, i) : Values{sum_of_windows(k, g, i, true)};
    },
    .samples = {{sample({{2, 3, 2, 3}, {2, 3, 2, 3}}, 2, 2, 0, {4, 6}, true),
                 sample({{1, 2, 3, 3}, {1, 2, 3, 3}}, 3, 2, 1, {5, 5}, true),
                 sample({{2, 2, 2, 3}, {2, 2, 2, 3}}, 2, 2, 0, {4, 6}, true, Dtype::float64),
                 sample({{1, 2, 3, 3}, {1, 2, 3, 3}}, 3, 2, 1, {5, 5}, true, Dtype::float64),
                 sample({{0, 2, 2, 2}, {0, 2, 2, 2}}, 2, 2, 0, {4, 4}, true, Dtype::float64)}},
};

const Primitive window_sum_primitive{
    .name = "window_sum",
    .doc = "Sum of every window; padding counts as zeros.",
    .traits = Trait::linear | Trait::reduction,
    .params = param_names,
    .infer = [](const Avals& in) -> Types { return {Type::of(in[0].dtype, pooled(in[0], pooling(in)))}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(window_sum_primitive, d[0], e.params); },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(window_spread_primitive, ct, e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Geometry g(k.params());
      return {k.reduce(loops::Combine::sum, {g.size[0], g.size[1]}, {}, [&](const Coordinates& r) {
        Expr inside;
        const Coordinates at = window_element(k, g, i, r[0], r[1], inside);
        const Expr value = k(0, at);
        return select(inside, value, k.constant(0, value.dtype()));
      })};
    },
    .samples = {{sample({{2, 3, 4, 6}}, 2, 2, 0, {4, 6}, false), sample({{1, 2, 5, 5}}, 3, 2, 1, {5, 5}, false),
                 sample({{0, 2, 4, 4}}, 2, 2, 0, {4, 4}, false)}},
};

const Primitive window_spread_primitive{
    .name = "window_spread",
    .doc = "The transpose of window_sum: every element added to all places of its window.",
    .traits = Trait::linear | Trait::reduction,
    .params = param_names,
    .infer = [](const Avals& in) -> Types { return {Type::of(in[0].dtype, unpooled(in[0], unpooling(in)))}; },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(window_spread_primitive, d[0], e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return bind(window_sum_primitive, ct, e.params); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      return {sum_of_windows(k, Geometry(k.params()), i, false)};
    },
    .samples = {{sample({{2, 3, 2, 3}}, 2, 2, 0, {4, 6}, false), sample({{1, 2, 3, 3}}, 3, 2, 1, {5, 5}, false),
                 sample({{0, 2, 2, 2}}, 2, 2, 0, {4, 4}, false)}},
};

namespace {

Params pool_params(const char* operation, const Array& x, const Pair& size, const Pair& given, const Pair& padding) {
  const Pair stride = given == Pair() ? size : given;
  if (x.rank() != 4) fail(ErrorKind::shape, "pool-rank", operation, "x " + describe(x), "x [N,C,H,W]");
  for (size_t a = 0; a < 2; ++a) {
    const std::string got = "x " + describe(x) + ", size " + std::to_string(size[a]) + ", stride " +
        std::to_string(stride[a]) + ", padding " + std::to_string(padding[a]);
    const bool valid = size[a] >= 1 && stride[a] >= 1 && padding[a] >= 0 && padding[a] <= size[a] / 2;
    if (!valid)
      fail(ErrorKind::value, "pool-window", operation, got,
           "size and stride >= 1, or a stride of 0 for the size, and padding at most half the size");
    const int64_t length = x.dim(2 + static_cast<int>(a)).value();
    if (length == 0) fail(ErrorKind::shape, "pool-image", operation, got, "images with rows and columns");
    if (size[a] > max_size || length + 2 * padding[a] < size[a]) {
      fail(ErrorKind::shape, "pool-size", operation, got, "a window that fits on the padded image");
    }
  }
  return {Axes{size[0], size[1]}, Axes{stride[0], stride[1]}, Axes{padding[0], padding[1]}, Axes{x.dim(2), x.dim(3)}};
}

}  // namespace

Array max_pool2d(const Operand& x, Pair size, Pair stride, Pair padding) try {
  const CallScope scope(x, "max_pool2d");
  const Array a = to_inexact(x);
  const Params params = pool_params("max_pool2d", a, size, stride, padding);
  if (size[0] * size[1] > largest_window) {
    fail(ErrorKind::value, "pool-window-large", "max_pool2d",
         "a window of " + std::to_string(size[0] * size[1]) + " elements",
         "at most 256; for whole images use wg::max(x, {2, 3}, true)");
  }
  return bind_all(max_pool_primitive, {&a, 1}, 2, params)[0];
} catch (const std::bad_alloc&) { throw_no_memory("max_pool2d", x.where()); }

Array avg_pool2d(const Operand& x, Pair size, Pair stride, Pair padding) try {
  const CallScope scope(x, "avg_pool2d");
  const Array a = to_inexact(x);
  const Params params = pool_params("avg_pool2d", a, size, stride, padding);
  return bind(window_sum_primitive, a, params) * (1.0 / static_cast<double>(size[0] * size[1]));
} catch (const std::bad_alloc&) { throw_no_memory("avg_pool2d", x.where()); }

}  // namespace wengert
