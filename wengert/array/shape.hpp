// Dim and Shape: the lengths of an array's axes.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <span>
#include <string>

namespace wengert {

/// The length of one axis. Its own type, so that a length can later be an expression of named sizes.
class Dim {
 public:
  constexpr Dim() = default;
  template <std::integral T>
  constexpr Dim(T value) : value_(static_cast<int64_t>(value)) {}

  constexpr int64_t value() const { return value_; }
  constexpr operator int64_t() const { return value_; }

  constexpr Dim& operator+=(Dim b) {
    value_ += b.value_;
    return *this;
  }
  constexpr Dim& operator*=(Dim b) {
    value_ *= b.value_;
    return *this;
  }

 private:
  int64_t value_ = 0;
};

inline constexpr int max_rank = 8;
/// Elements of an array; their bytes, and all distances between them, fit into int64.
inline constexpr int64_t max_size = int64_t{1} << 58;

/// The lengths of all axes, outermost first. Rank 0 to 8; a plain value.
class Shape {
 public:
  constexpr Shape() = default;
  Shape(std::initializer_list<Dim> dims, std::source_location where = std::source_location::current());
  /// Throws Error(shape) for more than 8 axes, or a negative length.
  explicit Shape(std::span<const Dim> dims, std::source_location where = std::source_location::current());
  explicit Shape(std::span<const int64_t> dims, std::source_location where = std::source_location::current());

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  Dim operator[](int axis) const { return dims_[axis]; }
  Dim& operator[](int axis) { return dims_[axis]; }
  Dim back() const { return dims_[rank_ - 1]; }
  const Dim* begin() const { return dims_.data(); }
  const Dim* end() const { return dims_.data() + rank_; }

  /// Number of elements. Throws Error(shape) when it does not fit 62 bits.
  int64_t size() const;
  void push_back(Dim dim);
  void insert(int axis, Dim dim);
  void erase(int axis);
  /// The first `count` lengths.
  Shape first(int count) const;
  /// The last `count` lengths.
  Shape last(int count) const;
  Shape operator+(const Shape& other) const;

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if (dims_[i].value() != other.dims_[i].value()) return false;
    }
    return true;
  }

 private:
  int rank_ = 0;
  std::array<Dim, max_rank> dims_{};
};

/// "[2,3]".
std::string to_string(const Shape& shape);

/// The common shape of two operands by NumPy's rule, in `result`; false when there is none.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape& result);

/// Up to 8 axis numbers or other small integers, inline.
class Axes {
 public:
  Axes() = default;
  Axes(std::initializer_list<int64_t> axes) {
    for (int64_t a : axes) push_back(a);
  }
  Axes(int64_t axis) { push_back(axis); }
  explicit Axes(std::span<const int64_t> axes) {
    for (int64_t a : axes) push_back(a);
  }
  void push_back(int64_t axis);
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  const int64_t* begin() const { return values_.data(); }
  const int64_t* end() const { return values_.data() + size_; }
  int64_t* begin() { return values_.data(); }
  int64_t* end() { return values_.data() + size_; }
  bool contains(int64_t axis) const;
  bool operator==(const Axes& o) const;

 private:
  int size_ = 0;
  std::array<int64_t, 2 * max_rank> values_{};
};

}  // namespace wengert
