#include "wengert/ops/index_expression.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {

extern const Primitive take_primitive, scatter_add_primitive, scatter_set_primitive, update_slice_primitive;

namespace {

/// An index expression worked out for one array: a slice, new axes, then index arrays.
struct Selection {
  detail::SlicePlace place;
  bool whole = true;          // the slice is all of x
  Shape sliced, expanded;     // shapes of the slice, and of the slice with the new axes
  std::vector<Array> arrays;  // of one shape
  Axes axes;                  // of `expanded`, one for each array
  int64_t at = 0;             // where their axes come into the result, see take

  bool plain() const { return whole && expanded == sliced; }
};

/// Reads an index expression from left to right.
class Selector {
 public:
  Selector(const char* operation, const Array& x, std::span<const Index> indices)
      : operation_(operation), x_(x), indices_(indices) {}

  Selection run() {
    const auto is = [](Index::Kind kind) { return [kind](const Index& i) { return i.kind() == kind; }; };
    const auto count = [&](Index::Kind kind) { return std::count_if(indices_.begin(), indices_.end(), is(kind)); };
    const auto used = static_cast<int>(static_cast<int64_t>(indices_.size()) - count(Index::Kind::ellipsis) -
                                       count(Index::Kind::new_axis));
    if (used > x_.rank()) {
      refuse(ErrorKind::index, "index-count", std::to_string(used) + " indices",
             "at most one for each of " + std::to_string(x_.rank()) + " axes");
    }
    if (count(Index::Kind::ellipsis) > 1) refuse(ErrorKind::value, "index-ellipsis", "two ellipses", "one at most");
    gathers_ = count(Index::Kind::array) > 0;
    for (const Index& index : indices_) {
      switch (index.kind()) {
        case Index::Kind::number: add_number(index.number()); break;
        case Index::Kind::range: add_range(index.range()); break;
        case Index::Kind::ellipsis: add_whole_axes(x_.rank() - used); break;
        case Index::Kind::new_axis:
          end_run();
          s_.expanded.push_back(1);
          break;
        case Index::Kind::array: add_array(index.array()); break;
      }
    }
    add_whole_axes(x_.rank() - s_.place.starts.size());
    broadcast_arrays();
    return std::move(s_);
  }

 private:
  [[noreturn]] void refuse(ErrorKind kind, const char* id, const std::string& got, const std::string& wanted) const {
    fail(kind, id, operation_, "x " + describe(x_) + ", " + got, wanted);
  }

  int axis() const { return s_.place.starts.size(); }
  int64_t length() const { return x_.shape()[axis()]; }

  void keep(int64_t start, int64_t size, int64_t stride) {
    s_.whole = s_.whole && start == 0 && size == length() && stride == 1;
    s_.place.starts.push_back(start);
    s_.place.sizes.push_back(size);
    s_.place.strides.push_back(stride);
    s_.sliced.push_back(size);
    s_.expanded.push_back(size);
  }

  void add_number(int64_t i) {
    const int64_t n = length(), place = i < 0 ? i + n : i;
    if (place < 0 || place >= n) {
      refuse(ErrorKind::index, "index-range",
             "index " + std::to_string(i) + " on axis " + std::to_string(axis()) + " of length " + std::to_string(n),
             n == 0 ? "none, since the axis has no elements"
                    : "an index from " + std::to_string(-n) + " to " + std::to_string(n - 1));
    }
    if (gathers_) begin_run();  // beside index arrays, a number counts as one of rank 0
    s_.whole = false;
    s_.place.dropped.push_back(axis());
    s_.place.starts.push_back(place);
    s_.place.sizes.push_back(1);
    s_.place.strides.push_back(1);
  }

  /// As Python's slice.indices.
  void add_range(const Range& r) {
    end_run();
    if (r.step == 0) refuse(ErrorKind::value, "index-step", "range step 0", "a step other than 0");
    const int64_t n = length(), most = std::max<int64_t>(n, 1), step = std::clamp(r.step, -most, most);
    const int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? n - 1 : n;
    const auto bound = [&](const std::optional<int64_t>& given, int64_t none) {
      if (!given) return none;
      return std::clamp(*given < 0 ? *given + n : *given, lowest, highest);
    };
    const int64_t begin = bound(r.begin, step < 0 ? highest : lowest), end = bound(r.end, step < 0 ? lowest : highest);
    const int64_t reach = step < 0 ? begin - end : end - begin, stride = std::abs(step);
    const int64_t size = reach <= 0 ? 0 : (reach + stride - 1) / stride;
    keep(size == 0 ? 0 : begin, size, size < 2 ? 1 : step);
  }

  void add_whole_axes(int count) {
    end_run();
    for (int i = 0; i < count; ++i) keep(0, length(), 1);
  }

  void add_array(const Array& indices) {
    if (!indices.defined()) {
      refuse(ErrorKind::state, "array-undefined", "indices from a default-constructed or moved-from handle",
             "integers in an array with values");
    }
    if (is_bool(indices.dtype())) {
      refuse(ErrorKind::dtype, "index-mask", "mask " + describe(indices),
             "integers: the shape of the result would depend on values; choose with wg::where(mask, a, b)");
    }
    if (!is_integer(indices.dtype())) {
      refuse(ErrorKind::dtype, "index-dtype", "indices " + describe(indices),
             "indices of an integer dtype; convert with astype(wg::int64)");
    }
    begin_run();
    s_.axes.push_back(s_.expanded.rank());
    s_.arrays.push_back(indices);
    keep(0, length(), 1);
  }

  /// The axes of index arrays that stand side by side come in at their place, else in front: NumPy's rule.
  void begin_run() {
    if (run_ == Run::none) s_.at = s_.expanded.rank();
    if (run_ == Run::ended) s_.at = 0;
    run_ = run_ == Run::none || run_ == Run::open ? Run::open : Run::several;
  }
  void end_run() {
    if (run_ == Run::open) run_ = Run::ended;
  }

  void broadcast_arrays() {
    Shape shape;
    std::string got;
    bool fits = true;
    for (const Array& a : s_.arrays) {
      Shape joint;
      fits = fits && broadcast_shapes(shape, a.shape(), joint);
      shape = joint;
      got += (got.empty() ? "indices " : ", ") + describe(a);
    }
    if (!fits)
      refuse(ErrorKind::shape, "index-arrays", got,
             "index arrays that broadcast: equal lengths from the last axis on, or 1");
    for (Array& a : s_.arrays) a = broadcast_to(a, shape);
  }

  const char* operation_;
  const Array& x_;
  std::span<const Index> indices_;
  Selection s_;
  bool gathers_ = false;
  enum class Run { none, open, ended, several } run_ = Run::none;
};

Array sliced_and_expanded(const Array& x, const Selection& s) {
  const Array part = s.whole ? x : detail::slice(x, s.place);
  return s.expanded == s.sliced ? part : reshape(part, s.expanded);
}

std::vector<Array> with_arrays(std::vector<Array> front, const Selection& s) {
  front.insert(front.end(), s.arrays.begin(), s.arrays.end());
  return front;
}

Array take_selected(const Array& part, const Selection& s) {
  return s.arrays.empty() ? part : wengert::bind(take_primitive, with_arrays({part}, s), {s.axes, s.at});
}

Shape selected_shape(const Selection& s) {
  if (s.arrays.empty()) return s.expanded;
  Shape shape;
  for (int d = 0; d < s.expanded.rank(); ++d) {
    if (!s.axes.contains(d)) shape.push_back(s.expanded[d]);
  }
  const Shape& indices = s.arrays[0].shape();
  for (int d = 0; d < indices.rank(); ++d) shape.insert(static_cast<int>(s.at) + d, indices[d]);
  return shape;
}

/// `values` in x's dtype, in the shape of what is selected.
Array fit_values(const char* operation, const Array& x, const Operand& values, const Shape& shape) {
  const std::string got = "x " + describe(x) + ", values " +
      (values.is_scalar() ? std::string(name(values.dtype())) : describe(values.array()));
  if (promote(x.dtype(), false, values.dtype(), values.weak()) != x.dtype()) {
    fail(ErrorKind::dtype, "index-update", operation, got, "values that x's dtype can hold; convert with astype()");
  }
  if (!values.fits(x.dtype())) {
    fail(ErrorKind::value, "number-range", operation, "x " + describe(x) + ", values " + values.number_text(),
         "numbers that " + std::string(name(x.dtype())) + " can hold");
  }
  Shape joint;
  if (!broadcast_shapes(values.shape(), shape, joint) || joint != shape) {
    fail(ErrorKind::shape, "index-update", operation, got, "values that broadcast to " + to_string(shape));
  }
  return converted_and_broadcast(values, x.dtype(), false, shape);
}

/// Binds an update of x, which is written over when nobody else holds it.
Array bind_update(const Primitive& primitive, Array x, std::vector<Array> others, const Params& params,
                  const Runtimes& runtimes = {}) {
  others.insert(others.begin(), std::move(x));
  Array out;
  bind_donating(primitive, others, 1, params, runtimes, {&out, 1});
  return out;
}

Array bind_scatter(Array x, const Array& values, const Selection& s, bool sums) {
  return bind_update(sums ? scatter_add_primitive : scatter_set_primitive, std::move(x), with_arrays({values}, s),
                     {s.axes, s.at});
}

std::source_location first_place(std::initializer_list<Index> indices) {
  return indices.size() == 0 ? std::source_location() : indices.begin()->where();
}

}  // namespace

/// In y = std::move(y).at(1).add(y[0]) the array is given up before y[0] is asked for.
void IndexedArray::want_defined(const char* operation) const {
  if (x_.defined()) return;
  fail(ErrorKind::state, "array-undefined", operation, "x is a default-constructed or moved-from handle",
       "an array with values; std::move(x).at(...) gives x up at once, so take what is needed of it before");
}

Array IndexedArray::get(std::source_location where) && try {
  const CallScope scope(where, "x[...]");
  want_defined("x[...]");
  const Selection s = Selector("x[...]", x_, indices_).run();
  return take_selected(sliced_and_expanded(x_, s), s);
} catch (const std::bad_alloc&) { throw_no_memory("x[...]", where); }

Array IndexedArray::set(const Operand& values) && { return update(values, false, "x.at(...).set"); }
Array IndexedArray::add(const Operand& values) && { return update(values, true, "x.at(...).add"); }

Array IndexedArray::update(const Operand& values, bool sums, const char* operation) try {
  const CallScope scope(values.where(), operation);
  want_defined(operation);
  const Selection s = Selector(operation, x_, indices_).run();
  Array v = fit_values(operation, x_, values, selected_shape(s));
  if (!s.arrays.empty()) {
    if (s.plain()) return bind_scatter(std::move(x_), v, s, sums);
    v = bind_scatter(sliced_and_expanded(x_, s), v, s, sums);  // the changed part takes the place of the old one
  }
  const bool adds = sums && s.arrays.empty();
  return bind_update(update_slice_primitive, std::move(x_), {reshape(v, s.sliced)},
                     {s.place.strides, s.place.dropped, std::string(adds ? "add" : "set")}, Runtimes(s.place.starts));
} catch (const std::bad_alloc&) { throw_no_memory(operation, values.where()); }

IndexedArray::IndexedArray(Array x, std::initializer_list<Index> indices) try : x_(std::move(x)), indices_(indices) {
} catch (const std::bad_alloc&) { throw_no_memory("x.at"); }

IndexedArray Array::at(std::initializer_list<Index> indices) const& { return {*this, indices}; }
IndexedArray Array::at(std::initializer_list<Index> indices) && { return {std::move(*this), indices}; }

Array Array::operator[](const Index& index) const { return operator[](std::initializer_list<Index>{index}); }
Array Array::operator[](std::initializer_list<Index> indices) const try {
  return IndexedArray(*this, indices).get(first_place(indices));
} catch (const std::bad_alloc&) { throw_no_memory("x[...]", first_place(indices)); }

}  // namespace wengert
