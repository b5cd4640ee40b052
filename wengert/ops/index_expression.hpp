// Index expressions as NumPy has them:
//
//   x[3]   x[-1]   x[range(1, 5)]   x[{ellipsis, 0}]   x[{range(), new_axis, range(0, {}, 2)}]   x[{indices, range()}]
//   x.at(0, range(2, 4)).set(v)     x.at({0, range(2, 4)}).set(v)     x.at(indices).add(v)
//
// Numbers drop their axis, ranges keep it, integer arrays gather as in NumPy. Numbers, ranges and new axes alone give a
// view, and one plan serves all numbers: a loop over x[i] compiles nothing new. Masks (bool arrays) are not taken: the
// shape of the result would depend on values.
#pragma once

#include <optional>
#include <type_traits>
#include <vector>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// begin, begin + step, ... before end. Negative bounds count from the end of the axis, what lies beyond it is cut off.
struct Range {
  std::optional<int64_t> begin = {}, end = {};  // none: from one end of the axis to the other
  int64_t step = 1;
};
/// The whole axis: ":" in Python.
inline Range range() { return {}; }
/// range(1, 5) is "1:5", range(1, {}) "1:", range({}, {}, -1) "::-1".
inline Range range(std::optional<int64_t> begin, std::optional<int64_t> end, int64_t step = 1) {
  return {begin, end, step};
}

/// Stands for as many whole axes as are left: "..." in Python.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};
/// An axis of length 1: "None" in Python.
struct NewAxis {};
inline constexpr NewAxis new_axis{};

/// One part of an index expression.
class Index {
 public:
  enum class Kind : uint8_t { number, range, ellipsis, new_axis, array };

  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Index(T number, std::source_location where = std::source_location::current())
      : kind_(Kind::number), number_(detail::to_int64(number, where)), where_(where) {}
  Index(Dim number, std::source_location where = std::source_location::current())
      : kind_(Kind::number), number_(number.value()), where_(where) {}
  Index(const Range& range, std::source_location where = std::source_location::current())
      : kind_(Kind::range), range_(range), where_(where) {}
  Index(Ellipsis, std::source_location where = std::source_location::current())
      : kind_(Kind::ellipsis), where_(where) {}
  Index(NewAxis, std::source_location where = std::source_location::current()) : kind_(Kind::new_axis), where_(where) {}
  Index(const Array& array, std::source_location where = std::source_location::current())
      : kind_(Kind::array), array_(array), where_(where) {}

  Kind kind() const { return kind_; }
  int64_t number() const { return number_; }
  const Range& range() const { return range_; }
  const Array& array() const { return array_; }
  const std::source_location& where() const { return where_; }

 private:
  Kind kind_;
  int64_t number_ = 0;
  Range range_;
  Array array_;
  std::source_location where_;
};

/// The elements of an array that an index expression names. Used once.
///
/// Errors, by id: index "index-count" (more parts than axes), "index-range" (a number or an element of an index array
/// outside its axis), "index-empty"; value "index-ellipsis" (two), "index-step" (0); dtype "index-mask", "index-dtype"
/// (an array that holds no integers), "index-update" (values that x's dtype cannot hold); shape "index-arrays" (that do
/// not broadcast), "index-update" (values that do not broadcast to the elements); state
/// "array-undefined".
class IndexedArray {
 public:
  IndexedArray(Array x, std::initializer_list<Index> indices);
  IndexedArray(Array x, std::vector<Index> indices) : x_(std::move(x)), indices_(std::move(indices)) {}

  /// The elements.
  Array get(std::source_location where = std::source_location::current()) &&;
  /// x with `values` in their place, which broadcast to the elements. Of values that meet at one place, the last one in
  /// the order of the indices stays. The gradient reaches x and the values.
  Array set(const Operand& values) &&;
  /// x with `values` added to them; those that meet at one place are all added.
  Array add(const Operand& values) &&;

 private:
  void want_defined(const char* operation) const;
  Array update(const Operand& values, bool sums, const char* operation);

  Array x_;
  std::vector<Index> indices_;
};

template <class... I>
IndexedArray Array::at(const I&... indices) const& {
  return {*this, {Index(indices)...}};
}
template <class... I>
IndexedArray Array::at(const I&... indices) && {
  return {std::move(*this), {Index(indices)...}};
}

}  // namespace wengert
