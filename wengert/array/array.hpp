// Array: an immutable n-dimensional array of numbers; a handle of eight bytes.
//
// Array -> Node (layout, data, tag) -> Storage (memory, shared by views). The values of a small array
// stand in its node. A traced array is a node with the tag of the interpreter that it belongs to.
// Functions over arrays are in wengert/ops; the members below that compute are defined there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <new>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wengert/array/dtype.hpp"
#include "wengert/array/error.hpp"
#include "wengert/array/layout.hpp"
#include "wengert/array/shape.hpp"
#include "wengert/array/storage.hpp"

namespace wengert {

inline constexpr int64_t inline_bytes = 64;

/// What an Array points to. Concrete when tag is 0: then data points to its first element.
/// Otherwise a value of the interpreter with that tag; owner, tangent and slot are that interpreter's.
struct alignas(64) Node {
  std::atomic<uint32_t> count;
  uint32_t reserved;
  const Layout* layout;
  std::byte* data;
  Storage* storage;  // owner of data, or null
  Node* owner;       // node whose inline values data points to; or the primal of a traced value
  Node* tangent;     // forward mode
  int64_t slot;      // reverse mode: place on the tape; recording: variable
  uint64_t tag;      // 64 bits: tags are never used again

  std::byte* inline_values() { return reinterpret_cast<std::byte*>(this) + sizeof(Node); }
};
static_assert(sizeof(Node) == 64);

namespace detail {
void destroy(Node* node) noexcept;
}

class Index;
class IndexedArray;

class Array {
 public:
  Array() = default;
  /// Takes over one count of `node`.
  explicit Array(Node* node) : node_(node) {}
  Array(const Array& other) : node_(other.node_) { retain(); }
  Array(Array&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Array& operator=(const Array& other) & {
    Array copy(other);
    std::swap(node_, copy.node_);
    return *this;
  }
  Array& operator=(Array&& other) & noexcept {
    Array taken(std::move(other));  // what this was is let go of now, not when `other` ends
    std::swap(node_, taken.node_);
    return *this;
  }
  /// Not for temporaries.
  template <class T>
  void operator=(const T&) && {
    static_assert(std::is_void_v<T>,
                  "wengert: x[...] = y would change a temporary array and not x: write x = x.at(...).set(y)");
  }
  ~Array() { release(); }

  /// False for a default-constructed or moved-from handle, which has no shape and no values.
  bool defined() const { return node_ != nullptr; }

  /// Of what is not defined, shape() and its kin throw Error(state, "array-undefined").
  const Shape& shape(std::source_location where = std::source_location::current()) const { return type(where).shape; }
  /// Length of one axis; negative axes count from the end. Throws Error(shape) when there is no such axis.
  Dim dim(int axis, std::source_location where = std::source_location::current()) const;
  int rank(std::source_location where = std::source_location::current()) const { return type(where).rank(); }
  int64_t size(std::source_location where = std::source_location::current()) const { return type(where).size; }
  int64_t nbytes(std::source_location where = std::source_location::current()) const { return type(where).nbytes(); }
  Dtype dtype(std::source_location where = std::source_location::current()) const { return type(where).dtype; }
  const Type& type(std::source_location where = std::source_location::current()) const { return *layout(where).type; }
  const Layout& layout(std::source_location where = std::source_location::current()) const {
    if (!node_) [[unlikely]]
      undefined(where);
    return *node_->layout;
  }

  /// The one element of an array of size 1. T must be the dtype's C++ type. Under a transformation it is a constant:
  /// no derivative goes through a number.
  /// Errors: shape (size is not 1), dtype (T differs), trace (no value while a program is recorded).
  template <Element T>
  T item(std::source_location where = std::source_location::current()) const {
    T value;
    read_item(&value, dtype_of<T>, where);
    return value;
  }
  /// All elements in row-major order. Errors as for item().
  template <Element T>
  std::vector<T> to_vector(std::source_location where = std::source_location::current()) const;
  /// Copies all elements in row-major order into `out`, which must have size() elements.
  template <Element T>
  void copy_to(std::span<T> out, std::source_location where = std::source_location::current()) const {
    read_values(out.data(), static_cast<int64_t>(out.size()), dtype_of<T>, "copy_to", where);
  }
  /// The elements of a contiguous array without a copy. Errors: dtype, trace, value (not contiguous).
  template <Element T>
  std::span<const T> span(std::source_location where = std::source_location::current()) const {
    return {static_cast<const T*>(contiguous_data(dtype_of<T>, where)), static_cast<size_t>(size(where))};
  }
  /// Truth of an array of size 1, so that native `if` and `while` work on concrete values.
  explicit operator bool() const;

  // Defined in wengert/ops.
  Array astype(Dtype dtype, std::source_location where = std::source_location::current()) const;
  Array transpose(std::source_location where = std::source_location::current()) const;
  /// x[3], x[range(1, 5)], x[{0, ellipsis, new_axis, indices}]: see wengert/ops/index_expression.hpp.
  Array operator[](const Index& index) const;
  Array operator[](std::initializer_list<Index> indices) const;
  /// x.at(3, range(1, 5)).set(v) and .add(v): a new array; std::move(x).at(...) writes over x where nobody shares it.
  template <class... I>
  IndexedArray at(const I&... indices) const&;
  template <class... I>
  IndexedArray at(const I&... indices) &&;
  /// x.at({3, range(1, 5)}): the same, written as x[{3, range(1, 5)}] is.
  IndexedArray at(std::initializer_list<Index> indices) const&;
  IndexedArray at(std::initializer_list<Index> indices) &&;

  Node* node() const { return node_; }
  Node* release_node() { return std::exchange(node_, nullptr); }
  /// Whether this handle is the only one to its node.
  bool unique() const { return node_->count.load(std::memory_order_acquire) == 1; }

 private:
  void retain() {
    if (node_) node_->count.fetch_add(1, std::memory_order_relaxed);
  }
  void release() {
    if (!node_) return;
    if (node_->count.load(std::memory_order_acquire) == 1 ||
        node_->count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      detail::destroy(node_);
    }
  }
  [[noreturn]] static void undefined(std::source_location where);
  void read_item(void* out, Dtype dtype, std::source_location where) const;
  void read_values(void* out, int64_t count, Dtype dtype, const char* operation, std::source_location where) const;
  const void* contiguous_data(Dtype dtype, std::source_location where) const;

  Node* node_ = nullptr;
};

template <Element T>
std::vector<T> Array::to_vector(std::source_location where) const try {
  if constexpr (std::same_as<T, bool>) {
    std::vector<uint8_t> bytes(static_cast<size_t>(size(where)));
    read_values(bytes.data(), size(where), Dtype::bool_, "to_vector", where);
    return std::vector<bool>(bytes.begin(), bytes.end());
  } else {
    std::vector<T> values(static_cast<size_t>(size(where)));
    read_values(values.data(), size(where), dtype_of<T>, "to_vector", where);
    return values;
  }
} catch (const std::bad_alloc&) { throw_no_memory("to_vector", where); }

/// "f32[2,3]", as errors print it; "nothing" for an undefined array.
std::string describe(const Array& x);

/// As NumPy prints: lines of 75 columns, at most 8 digits after the point, the middle of long axes left out. An array of
/// rank 0 has all its digits.
std::string to_string(const Array& x);
std::ostream& operator<<(std::ostream& out, const Array& x);
/// "[2,3]".
std::ostream& operator<<(std::ostream& out, const Shape& shape);
/// "float32".
std::ostream& operator<<(std::ostream& out, Dtype dtype);

namespace detail {

/// A fresh dense array with undefined values.
Array make_array(const Layout* layout);
/// Shares the memory of `base`, `offset` elements after its first one.
Array make_view(const Array& base, const Layout* layout, int64_t offset);
/// A value of the interpreter `tag`; `primal` may be undefined.
Array make_traced(uint64_t tag, const Layout* layout, const Array& primal, int64_t slot);
/// The values behind all transformations of reverse and forward mode.
/// Throws Error(trace) while a program is recorded: then there are none.
const Node* concrete_node(const Array& x, std::string_view operation, std::source_location where);
/// The array behind all such transformations.
Array concrete(const Array& x, std::string_view operation, std::source_location where);
/// Whether nobody else holds x or its memory, so that it may be written over.
bool owned_alone(const Array& x);
/// Copies in row-major order from or to a strided array.
void copy_strided(void* out, const Node* node);
Array from_bytes(const void* data, const Type* type);
/// A rank-0 array; value is converted to dtype.
Array scalar(double value, Dtype dtype, bool weak);
Array scalar(int64_t value, Dtype dtype, bool weak);
/// One number seen at every index of `type`: strides 0, no memory of its own.
Array repeated_scalar(double value, const Type* type);
Array repeated_scalar(int64_t value, const Type* type);

template <class T>
void flatten_list(const T& value, Shape&, int, std::vector<T>& out, bool, const std::source_location&) {
  out.push_back(value);
}

[[noreturn]] void ragged_list(int axis, int64_t expected, int64_t got, const std::source_location& where);

template <class T, class List>
void flatten_list(std::initializer_list<List> list, Shape& shape, int axis, std::vector<T>& out, bool first,
                  const std::source_location& where) {
  const int64_t length = static_cast<int64_t>(list.size());
  if (first) shape.push_back(length);
  else if (shape[axis].value() != length) ragged_list(axis, shape[axis], length, where);
  bool first_item = first;
  for (const auto& item : list) {
    flatten_list(item, shape, axis + 1, out, first_item, where);
    first_item = false;
  }
}

template <class T>
Array from_values(const std::vector<T>& values, const Shape& shape) try {
  const Type* type = Type::of(dtype_of<T>, shape);
  if constexpr (std::same_as<T, bool>) {
    const std::vector<uint8_t> bytes(values.begin(), values.end());
    return from_bytes(bytes.data(), type);
  } else {
    return from_bytes(values.data(), type);
  }
} catch (const std::bad_alloc&) { throw_no_memory("array"); }

template <class T, class List>
Array from_list(std::initializer_list<List> list, const std::source_location& where) try {
  Shape shape;
  std::vector<T> values;
  flatten_list(list, shape, 0, values, true, where);
  return from_values(values, shape);
} catch (const std::bad_alloc&) { throw_no_memory("array", where); }

void check_count(int64_t got, const Shape& shape, const std::source_location& where);

}  // namespace detail

/// An array of the C++ element type, from a number, nested braces, or values and a shape:
/// array(1.5f), array({{1, 2}, {3, 4}}), array(values, {2, 3}). array(0.5) is float64, and float32 * float64 is
/// float64; a plain number takes the other operand's dtype. Throws Error(shape) when the braces are ragged or the count
/// of values is not that of the shape.
template <Element T>
Array array(T value) {
  return detail::from_bytes(&value, Type::of(dtype_of<T>, {}));
}
template <Element T>
Array array(std::initializer_list<T> list, std::source_location where = std::source_location::current()) {
  return detail::from_list<T>(list, where);
}
template <Element T>
Array array(std::initializer_list<std::initializer_list<T>> list,
            std::source_location where = std::source_location::current()) {
  return detail::from_list<T>(list, where);
}
template <Element T>
Array array(std::initializer_list<std::initializer_list<std::initializer_list<T>>> list,
            std::source_location where = std::source_location::current()) {
  return detail::from_list<T>(list, where);
}
template <Element T>
Array array(std::initializer_list<std::initializer_list<std::initializer_list<std::initializer_list<T>>>> list,
            std::source_location where = std::source_location::current()) {
  return detail::from_list<T>(list, where);
}
template <Element T>
Array array(const std::vector<T>& values) {
  return detail::from_values(values, Shape{static_cast<int64_t>(values.size())});
}
template <Element T>
Array array(const std::vector<T>& values, const Shape& shape,
            std::source_location where = std::source_location::current()) {
  detail::check_count(static_cast<int64_t>(values.size()), shape, where);
  return detail::from_values(values, shape);
}
template <class T>
  requires Element<std::remove_const_t<T>>
Array array(std::span<T> values, const Shape& shape, std::source_location where = std::source_location::current()) {
  detail::check_count(static_cast<int64_t>(values.size()), shape, where);
  return detail::from_bytes(values.data(), Type::of(dtype_of<T>, shape));
}

}  // namespace wengert
