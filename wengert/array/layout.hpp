// Type and Layout: what is known of an array without its values. Both are interned: equal means the
// same pointer, so a plan is found by comparing pointers. They live as long as the process.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "wengert/array/dtype.hpp"
#include "wengert/array/shape.hpp"

namespace wengert {

struct Layout;

/// dtype, shape and the weak bit (set by scalar literals, see promote()). Interned.
struct Type {
  Dtype dtype;
  bool weak;
  Shape shape;
  int64_t size;  // elements
  uint64_t hash;
  mutable const Layout* repeated_layout = nullptr;  // set once, atomically

  static const Type* of(Dtype dtype, const Shape& shape, bool weak = false);
  /// The layout of one element seen everywhere: all strides 0. Found once.
  const Layout* repeated() const;

  int rank() const { return shape.rank(); }
  int64_t nbytes() const { return size * itemsize(dtype); }
};

using Strides = std::array<int64_t, max_rank>;

/// A type and where its elements lie: strides in elements. Interned.
struct Layout {
  const Type* type;
  Strides strides;
  int64_t lowest, highest;              // smallest and largest element offset touched (0, -1 when empty)
  bool contiguous;                      // row-major without gaps
  bool dense;                           // without gaps or overlap in some order of the axes
  std::array<uint8_t, max_rank> order;  // axes from the largest stride to the smallest
  uint64_t hash;

  static const Layout* of(const Type* type, const Strides& strides);
  /// Row-major.
  static const Layout* contiguous_of(const Type* type);
  /// Dense, with axes ordered in memory as `order` says (outermost first).
  static const Layout* dense_of(const Type* type, const std::array<uint8_t, max_rank>& order);
  /// Dense, with the axes in the order in which `like` has them (same rank).
  static const Layout* dense_like(const Type* type, const Layout* like);
};

/// "f32[2,3]"; weak types as "f32*[]".
std::string to_string(const Type& type);

}  // namespace wengert
