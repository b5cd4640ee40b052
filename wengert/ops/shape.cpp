#include "wengert/ops/shape.hpp"

#include <array>
#include <cstdlib>

#include "wengert/ops/common.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {
using Values = std::vector<Expr>;
using detail::zeros_of;
}  // namespace

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
      return {Type::of(in[0].dtype, to, in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return broadcast_to(d[0], e.params.shape(0)); },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int) {  // adds up what was repeated
          const Shape& from = e.in_type().shape;
          const int lead = ct.rank() - from.rank();
          Axes axes;
          for (int i = 0; i < ct.rank(); ++i) {
            if (i < lead || (from[i - lead].value() == 1 && ct.shape()[i].value() != 1)) axes.push_back(i);
          }
          return axes.empty() ? ct : reshape(sum(ct, axes, true), from);
        },
    .view =
        [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) {
          Strides strides{};
          const int lead = out.rank() - in[0].rank();
          for (int i = 0; i < in[0].rank(); ++i) {
            strides[static_cast<size_t>(lead + i)] =
                in[0].shape[i].value() == out.shape[lead + i].value() ? layout.strides[static_cast<size_t>(i)] : 0;
          }
          return Layout::of(&out, strides);
        },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const Shape& from = k.operand(0).shape;
      Coordinates at(i.end() - from.rank(), i.end());
      for (int d = 0; d < from.rank(); ++d) {
        if (from[d].value() == 1) at[static_cast<size_t>(d)] = k.integer(0);
      }
      return {k(0, at)};
    },
    .samples = {{{{{3}}, {Shape{2, 3}}},
                 {{{2, 1}}, {Shape{4, 2, 5}}},
                 {{{}}, {Shape{3}}},
                 {{{1, 3}}, {Shape{0, 3}}},
                 {{{0, 1}}, {Shape{2, 0, 3}}}}},
};

namespace {

/// The axes that are longer than 1.
std::vector<int> long_axes(const Shape& shape) {
  std::vector<int> axes;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d].value() != 1) axes.push_back(d);
  }
  return axes;
}

/// Where the element at `i` of a reshape's result stands in its operand. Runs of axes with as many elements on both
/// sides are worked out one by one: an axis that stays needs no division.
Coordinates before_reshape(Lowering& k, const Coordinates& i) {
  const Shape &from = k.operand(0).shape, &to = k.result().shape;
  Coordinates at(static_cast<size_t>(from.rank()), k.integer(0));
  if (from.size() == 0) return at;
  const std::vector<int> sources = long_axes(from), targets = long_axes(to);
  size_t s = 0, t = 0;
  while (s < sources.size()) {
    const size_t first = s;
    int64_t there = from[sources[s++]], here = to[targets[t]];
    Expr linear = i[static_cast<size_t>(targets[t++])];
    while (here != there) {
      if (here > there) {
        there *= from[sources[s++]];
        continue;
      }
      const int axis = targets[t++];
      linear = linear * k.integer(to[axis]) + i[static_cast<size_t>(axis)];
      here *= to[axis];
    }
    for (size_t j = s; j-- > first + 1;) {
      const Expr length = k.integer(from[sources[j]]);
      at[static_cast<size_t>(sources[j])] = mod(linear, length);
      linear = floordiv(linear, length);
    }
    at[static_cast<size_t>(sources[first])] = linear;
  }
  return at;
}

}  // namespace

const Primitive reshape_primitive{
    .name = "reshape",
    .doc = "The same elements in row-major order with another shape.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"shape"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].size == in.params.shape(0).size(), in, ErrorKind::shape, "reshape-size",
           "a shape of the same number of elements");
      return {Type::of(in[0].dtype, in.params.shape(0), in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return reshape(d[0], e.params.shape(0)); },
    .transpose = [](const RuleEquation& e, const Array& ct, int) { return reshape(ct, e.in_type().shape); },
    .view = [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) -> const Layout* {
      if (layout.contiguous) return Layout::contiguous_of(&out);
      // Axes of length 1 come and go; otherwise runs of axes that are contiguous among themselves may be cut anew.
      Strides strides{};
      int from = 0;
      int64_t room = 1, stride = 0;  // elements of the current run not yet used, and the run's innermost stride
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
      return Layout::of(&out, strides);
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return {k(0, before_reshape(k, i))}; },
    .samples = {{{{{2, 6}}, {Shape{3, 4}}},
                 {{{4}}, {Shape{2, 1, 2}}},
                 {{{0, 3}}, {Shape{3, 0}}},
                 {{{1}}, {Shape{}}},
                 {{{2, 1, 6, 5}}, {Shape{3, 4, 1, 5}}},
                 {{{3, 2, 2}}, {Shape{3, 4}}}}},
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
      return {Type::of(in[0].dtype, shape, in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return transpose(d[0], e.params.axes(0)); },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int) {
          const Axes& axes = e.params.axes(0);
          Axes inverse = axes;
          for (int i = 0; i < axes.size(); ++i) inverse[static_cast<int>(axes[i])] = i;
          return transpose(ct, inverse);
        },
    .view =
        [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) {
          Strides strides{};
          for (int i = 0; i < out.rank(); ++i)
            strides[static_cast<size_t>(i)] = layout.strides[static_cast<size_t>(in.params.axes(0)[i])];
          return Layout::of(&out, strides);
        },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      Coordinates at(i.size());
      for (size_t d = 0; d < i.size(); ++d) at[static_cast<size_t>(k.params().axes(0)[static_cast<int>(d)])] = i[d];
      return {k(0, at)};
    },
    .samples = {{{{{2, 3}}, {Axes{1, 0}}}, {{{2, 3, 4}}, {Axes{2, 0, 1}}}, {{{0, 3}}, {Axes{1, 0}}}}},
};

namespace {

/// Lengths without those of the dropped axes.
Shape without(const Shape& sizes, const Axes& dropped) {
  Shape shape;
  for (int d = 0; d < sizes.rank(); ++d) {
    if (!dropped.contains(d)) shape.push_back(sizes[d]);
  }
  return shape;
}

/// The other way round: 1 for each dropped axis of `rank`.
Shape with(const Shape& shape, const Axes& dropped, int rank) {
  Shape sizes;
  for (int d = 0, next = 0; d < rank; ++d) sizes.push_back(dropped.contains(d) ? Dim(1) : shape[next++]);
  return sizes;
}

/// Throws unless a slice of these sizes lies in `whole` for the starts that are known.
void want_inside(const Avals& in, const Shape& whole, const Shape& sizes, const Axes& strides, const Axes& dropped) {
  const int rank = whole.rank();
  bool fits = sizes.rank() == rank && strides.size() == rank && static_cast<int>(in.runtimes.size()) == rank;
  for (int d = 0; fits && d < rank; ++d) {
    const RuntimeParam start = in.runtimes[static_cast<size_t>(d)];
    const int64_t reach = sizes[d] == 0 ? 0 : (sizes[d] - 1) * strides[d];
    fits = strides[d] != 0 && (sizes[d] == 0 || std::abs(reach) < whole[d].value());
    if (start.symbolic() || sizes[d] == 0) continue;
    for (const int64_t end : {start.value, start.value + reach}) fits = fits && end >= 0 && end < whole[d].value();
  }
  for (int i = 0; fits && i < dropped.size(); ++i) {
    fits = dropped[i] >= (i == 0 ? 0 : dropped[i - 1] + 1) && dropped[i] < rank;
    fits = fits && sizes[static_cast<int>(dropped[i])].value() == 1;
  }
  want(fits, in, ErrorKind::index, "slice-place", "a slice inside x, one size, stride and start for each axis");
}

/// The coordinates in the whole of element i of a slice.
Coordinates place_in_whole(const Lowering& k, const Coordinates& i, const Axes& strides, const Axes& dropped) {
  Coordinates at;
  for (int d = 0, next = 0; d < strides.size(); ++d) {
    const Expr start = k.runtime(d);
    at.push_back(dropped.contains(d) ? start : start + i[static_cast<size_t>(next++)] * k.integer(strides[d]));
  }
  return at;
}

Array update_slice(const Array& x, const Array& y, const Params& params, const Runtimes& starts);

}  // namespace

extern const Primitive update_slice_primitive;

const Primitive slice_primitive{
    .name = "slice",
    .doc = "Elements start + i * stride of every axis; dropped axes, of size 1, are missing in the result.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"sizes", "strides", "dropped"},
    .infer = [](const Avals& in) -> Types {
      const Shape& sizes = in.params.shape(0);
      want_inside(in, in[0].shape, sizes, in.params.axes(1), in.params.axes(2));
      return {Type::of(in[0].dtype, without(sizes, in.params.axes(2)), in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(slice_primitive, d[0], e.params, e.runtimes);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int) {
          return update_slice(zeros_of(e.in_type()), ct, {e.params[1], e.params[2], "set"}, e.runtimes);
        },
    .accumulate = [](const RuleEquation& e, const Array& sum, const Array& ct,
                     int) { return update_slice(sum, ct, {e.params[1], e.params[2], "add"}, e.runtimes); },
    .view =
        [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t> runtime_strides, int64_t&) {
          Strides strides{};
          for (int d = 0, next = 0; d < in[0].rank(); ++d) {
            const int64_t stride = layout.strides[static_cast<size_t>(d)];
            runtime_strides[static_cast<size_t>(d)] = stride;
            if (!in.params.axes(2).contains(d)) strides[static_cast<size_t>(next++)] = stride * in.params.axes(1)[d];
          }
          return Layout::of(&out, strides);
        },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      return {k(0, place_in_whole(k, i, k.params().axes(1), k.params().axes(2)))};
    },
    .samples = {{{{{5}}, {Shape{3}, Axes{1}, Axes{}}, {2}},
                 {{{4, 7}}, {Shape{2, 3}, Axes{1, 2}, Axes{}}, {1, 2}},
                 {{{4, 7}}, {Shape{4, 3}, Axes{-1, -3}, Axes{}}, {3, 6}},
                 {{{4, 3, 2}}, {Shape{1, 3, 1}, Axes{1, 1, 1}, Axes{0, 2}}, {2, 0, 1}},
                 {{{6}}, {Shape{1}, Axes{1}, Axes{0}}, {4}},
                 {{{3, 2}}, {Shape{0, 2}, Axes{1, 1}, Axes{}}, {0, 0}},
                 {{{0, 3}}, {Shape{0, 2}, Axes{1, 1}, Axes{}}, {0, 1}}}},
};

const Primitive update_slice_primitive{
    .name = "update_slice",
    .doc = "x with y in place of the elements of a slice (combine set), or added to them (add).",
    .traits = Trait::linear | Trait::in_place,
    .params = {"strides", "dropped", "combine"},
    .operands = {"x", "y"},
    .infer = [](const Avals& in) -> Types {
      want(in[0].dtype == in[1].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
      const std::string& combine = in.params.text(2);
      want(combine == "set" || combine == "add", in, ErrorKind::value, "slice-combine", "combine set or add");
      want(combine == "set" || !is_bool(in[0].dtype), in, ErrorKind::dtype, "dtype-numeric",
           "a numeric dtype, not bool; convert with astype()");
      const Axes& dropped = in.params.axes(1);
      const int kept = in[0].rank() - dropped.size();
      want(in[1].rank() == kept, in, ErrorKind::shape, "slice-shape", "y with " + std::to_string(kept) + " axes");
      want_inside(in, in[0].shape, with(in[1].shape, dropped, in[0].rank()), in.params.axes(0), dropped);
      return {Type::of(in[0].dtype, in[0].shape, in[0].weak && in[1].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return update_slice(d[0], d[1], e.params, e.runtimes);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          if (operand == 1) {
            const Shape sizes = with(e.in_type(1).shape, e.params.axes(1), e.in_type(0).rank());
            return bind(slice_primitive, ct, {sizes, e.params[0], e.params[1]}, e.runtimes);
          }
          return e.params.text(2) == "add" ? ct : update_slice(ct, zeros_of(e.in_type(1)), e.params, e.runtimes);
        },
    .drop_zeros =
        [](const RuleEquation& e, uint64_t zeros) {
          if (zeros == 1) return update_slice(zeros_of(e.in_type(0)), e.in(1), e.params, e.runtimes);
          if (e.params.text(2) == "add") return e.in(0);
          return update_slice(e.in(0), zeros_of(e.in_type(1)), e.params, e.runtimes);
        },
    .update = [](Lowering& k) -> Update {
      const bool add = k.params().text(2) == "add";
      return {k.operand(1).shape, add ? loops::Combine::sum : loops::Combine::set,
              [&k](const Coordinates& i) { return place_in_whole(k, i, k.params().axes(0), k.params().axes(1)); },
              [&k](const Coordinates& i) { return k(1, i); }, true};
    },
    .samples = {{{{{5}, {3}}, {Axes{1}, Axes{}, "add"}, {2}},
                 {{{5}, {3}}, {Axes{-2}, Axes{}, "set"}, {4}},
                 {{{4, 7}, {2, 3}}, {Axes{1, 2}, Axes{}, "add"}, {1, 2}},
                 {{{4, 7}, {7}}, {Axes{1, 1}, Axes{0}, "set"}, {3, 0}},
                 {{{4, 3}, {}}, {Axes{1, 1}, Axes{0, 1}, "add"}, {3, 1}},
                 {{{3, 2}, {0, 2}}, {Axes{1, 1}, Axes{}, "set"}, {0, 0}}}},
};

namespace {

Array update_slice(const Array& x, const Array& y, const Params& params, const Runtimes& starts) {
  return bind(update_slice_primitive, x, y, params, starts);
}

}  // namespace

Array broadcast_to(const Operand& x, const Shape& shape) {
  note_call(x);
  if (!x.is_scalar() && x.array().shape() == shape) return x.array();
  return bind(broadcast_to_primitive, x.to_array(), {shape});
}

Array reshape(const Operand& x, std::initializer_list<int64_t> lengths) {
  const CallScope scope(x, "reshape");
  const Array a = x.to_array();
  Axes given;
  Shape shape;
  int open = -1;
  const auto got = [&] { return "x " + describe(a) + ", shape " + to_string(Param(given)); };
  for (int64_t n : lengths) {
    given.push_back(n);
    if (n < -1 || (n == -1 && open >= 0)) {
      for (size_t rest = static_cast<size_t>(given.size()); rest < lengths.size(); ++rest)
        given.push_back(lengths.begin()[rest]);
      fail(ErrorKind::shape, "reshape-lengths", "reshape", got(), "lengths >= 0, and at most one -1");
    }
    if (n == -1) open = shape.rank();
    shape.push_back(n == -1 ? 1 : n);
  }
  if (open >= 0) {
    int64_t known = 1;
    for (Dim n : shape) known = n.value() == 0 ? 0 : known > max_size / n.value() ? max_size + 1 : known * n.value();
    if (known > max_size) {
      fail(ErrorKind::shape, "shape-size", "reshape", got(), "lengths beside -1 with a product of at most 2^58");
    }
    if (known == 0 || a.size() % known != 0) {
      fail(ErrorKind::shape, "reshape-size", "reshape", got(),
           known == 0 ? "other lengths > 0 beside -1" : "a size of x that " + std::to_string(known) + " divides");
    }
    shape[open] = a.size() / known;
  }
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

namespace detail {

Array zeros_of(const Type& type) { return broadcast_to(scalar(int64_t{0}, type.dtype, type.weak), type.shape); }

Array slice(const Array& x, const SlicePlace& place) {
  return bind(slice_primitive, x, {place.sizes, place.strides, place.dropped}, Runtimes(place.starts));
}
Array set_slice(const Array& x, const Array& y, const SlicePlace& place) {
  return update_slice(x, y, {place.strides, place.dropped, "set"}, Runtimes(place.starts));
}
Array add_to_slice(const Array& x, const Array& y, const SlicePlace& place) {
  return update_slice(x, y, {place.strides, place.dropped, "add"}, Runtimes(place.starts));
}

}  // namespace detail

Array slice(const Operand& x, const Axes& starts, const Axes& limits, const Axes& strides) {
  note_call(x);
  const Array a = x.to_array();
  const auto got = [&] {
    return "x " + describe(a) + ", starts " + to_string(Param(starts)) + ", limits " + to_string(Param(limits)) +
        (strides.empty() ? "" : ", strides " + to_string(Param(strides)));
  };
  if (starts.size() != a.rank() || limits.size() != a.rank() || (!strides.empty() && strides.size() != a.rank())) {
    fail(ErrorKind::shape, "slice-rank", "slice", got(),
         "one start, limit and stride for each of " + std::to_string(a.rank()) + " axes");
  }
  detail::SlicePlace place;
  for (int d = 0; d < a.rank(); ++d) {
    const int64_t n = a.shape()[d], start = starts[d], limit = limits[d], stride = strides.empty() ? 1 : strides[d];
    if (stride == 0) fail(ErrorKind::value, "slice-stride", "slice", got(), "strides that are not 0");
    const bool inside =
        stride > 0 ? 0 <= start && start <= limit && limit <= n : -1 <= limit && limit <= start && start < n;
    if (!inside) {
      const std::string range = stride > 0 ? "0 <= start <= limit <= " + std::to_string(n)
                                           : std::to_string(n - 1) + " >= start >= limit >= -1, for a negative stride";
      fail(ErrorKind::index, "slice-range", "slice", got(), "along axis " + std::to_string(d) + " " + range);
    }
    const auto distance = static_cast<uint64_t>(std::abs(limit - start));
    const uint64_t step = stride > 0 ? static_cast<uint64_t>(stride) : -static_cast<uint64_t>(stride);
    const auto size = static_cast<int64_t>(distance == 0 ? 0 : (distance - 1) / step + 1);
    place.starts.push_back(size == 0 ? 0 : start);
    place.sizes.push_back(size);
    place.strides.push_back(size <= 1 ? 1 : stride);
  }
  return detail::slice(a, place);
}

Array flip(const Operand& x, const Axes& axes) {
  note_call(x);
  const Array a = x.to_array();
  const Axes flipped = normalize_axes("flip", a, axes);
  detail::SlicePlace place{{}, a.shape(), {}};
  for (int d = 0; d < a.rank(); ++d) {
    const bool turns = flipped.contains(d) && a.shape()[d].value() > 1;
    place.starts.push_back(turns ? a.shape()[d] - 1 : 0);
    place.strides.push_back(turns ? -1 : 1);
  }
  return detail::slice(a, place);
}

Array expand(const Operand& x, const Axes& axes) try {
  const CallScope scope(x, "expand");
  const Array a = x.to_array();
  const int64_t rank = a.rank() + axes.size();
  const auto got = [&] { return "x " + describe(a) + ", axes " + to_string(Param(axes)); };
  if (rank > max_rank) {
    fail(ErrorKind::shape, "expand-rank", "expand", got(),
         "at most " + std::to_string(max_rank) + " axes in the result");
  }
  std::array<bool, max_rank> added{};
  for (int64_t axis : axes) {
    if (axis < -rank || axis >= rank) {
      fail(ErrorKind::shape, "axis-range", "expand", got(),
           "axes from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
    }
    bool& is_new = added[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
    if (is_new) fail(ErrorKind::shape, "axis-repeated", "expand", got(), "each axis once");
    is_new = true;
  }
  Shape shape;
  for (int d = 0, next = 0; d < rank; ++d) shape.push_back(added[static_cast<size_t>(d)] ? Dim(1) : a.shape()[next++]);
  return reshape(a, shape);
} catch (const std::bad_alloc&) { throw_no_memory("expand", x.where()); }

Array squeeze(const Operand& x, const Axes& axes) try {
  const CallScope scope(x, "squeeze");
  const Array a = x.to_array();
  Axes gone;
  if (axes.empty()) {
    for (int d = 0; d < a.rank(); ++d) {
      if (a.shape()[d].value() == 1) gone.push_back(d);
    }
  } else {
    gone = normalize_axes("squeeze", a, axes);
  }
  for (int64_t axis : gone) {
    if (a.shape()[static_cast<int>(axis)].value() != 1) {
      fail(ErrorKind::shape, "squeeze-length", "squeeze", "x " + describe(a) + ", axis " + std::to_string(axis),
           "axes of length 1");
    }
  }
  return reshape(a, without(a.shape(), gone));
} catch (const std::bad_alloc&) { throw_no_memory("squeeze", x.where()); }

Array Array::transpose(std::source_location where) const { return wengert::transpose(Operand(*this, where)); }

}  // namespace wengert
