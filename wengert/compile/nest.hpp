// Nest: the loops of one kernel before they are ordered. Every store says what the element of a buffer is at the
// indices of its axes; reductions are nodes of the expressions.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "wengert/array/layout.hpp"
#include "wengert/program/loops.hpp"

namespace wengert::compile {

/// One buffer that a kernel reads or writes. Strides are numbers here and arguments in the text.
struct NestBuffer {
  const Layout* layout;
  bool written = false;
};

/// buffer[axes] = value, for all indices of the axes; an axis of length 1 is -1.
/// With `target`, an update: buffer[target] is combined with value, in the order of the indices.
struct Store {
  int buffer = 0;
  std::vector<int> axes;
  Expr value;
  loops::Combine combine = loops::Combine::set;
  Coordinates target = {};
};

struct Nest {
  loops::Graph graph;
  std::vector<NestBuffer> buffers;
  std::vector<Store> stores;
};

/// A linear function of loop indices and runtime arguments: an element offset.
struct Affine {
  std::array<int64_t, loops::max_axes> stride{};
  std::vector<std::pair<int64_t, int64_t>> arguments;  // (slot, coefficient)
  int64_t constant = 0;
};

/// The offset of a load or store as a linear function; nothing when it is not one (an index read from memory).
std::optional<Affine> affine_offset(const loops::Graph& graph, std::span<const int32_t> coordinates,
                                    const Layout& layout);

/// An index outside its axis: see checked_index().
struct IndexFailure {
  int64_t index, length, count;
  const Type* indices = nullptr;  // of the array that the index stands in; null where it was computed
  int64_t place = 0;              // there, in row-major order
};

/// Runs a nest in plain C++: one element after the other, in long double, with libm. No generated code: the oracle
/// of the tests, and what runs where there is neither a prebuilt kernel nor a compiler. Ends at the first index outside
/// its axis and returns it.
std::optional<IndexFailure> run_nest(const Nest& nest, std::span<void* const> buffers,
                                     std::span<const int64_t> arguments);
/// The first index outside its axis, if there is one: what run_nest() returns, but nothing is written.
std::optional<IndexFailure> find_index_failure(const Nest& nest, std::span<void* const> buffers,
                                               std::span<const int64_t> arguments);
/// Whether the nest can fail like that.
bool checks_indices(const Nest& nest);

}  // namespace wengert::compile
