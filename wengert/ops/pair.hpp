// Two numbers of an image.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>

namespace wengert {

/// A number for the rows of an image and one for its columns; a single integer is both: {3, 5}, 3.
struct Pair : std::array<int64_t, 2> {
  constexpr Pair() : Pair(0, 0) {}
  template <std::integral T>
  constexpr Pair(T both) : Pair(static_cast<int64_t>(both), static_cast<int64_t>(both)) {}
  constexpr Pair(int64_t rows, int64_t columns) : array{rows, columns} {}
  constexpr Pair(const std::array<int64_t, 2>& both) : array(both) {}
};

}  // namespace wengert
