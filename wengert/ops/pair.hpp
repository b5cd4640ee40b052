// Two numbers of an image.
#pragma once

#include <array>
#include <cstdint>

namespace wengert {

/// A number for the rows of an image and one for its columns; a single number is both: {3, 5}, 3.
struct Pair : std::array<int64_t, 2> {
  constexpr Pair(int64_t both = 0) : Pair(both, both) {}
  constexpr Pair(int64_t rows, int64_t columns) : array{rows, columns} {}
};

}  // namespace wengert
