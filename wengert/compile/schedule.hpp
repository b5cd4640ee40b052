// Schedule: the order of a nest's loops, and which of them are vectorized, joined and run in parallel.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "wengert/compile/nest.hpp"

namespace wengert::compile {

/// Elements of one block of columns: their accumulators stay in the first cache, and a row's part is long enough for
/// the hardware to fetch ahead.
inline constexpr int64_t column_block = 1024;

struct Schedule {
  enum Kind : uint8_t {
    rows,     // for every index of the outer axes: reductions over rows, then one loop along the row
    columns,  // reductions whose vector lanes run along the innermost axis of the output
    update,   // one loop nest in order, every target read and written; see schedule_update()
    product,  // sums of products, by blocks in registers: see product_text()
  };
  Kind kind = rows;
  std::vector<int> outer;  // axes of the outer loops, outermost first; run in parallel
  int inner = -1;          // the axis along which elements are stored; -1: none
  // A long reduction with few results is cut along this axis into pieces that run in parallel; their number depends
  // on the shape alone, so that the sum does not depend on the threads. -1: not cut.
  int split = -1;
  int64_t piece = 0;  // indices of the split axis in one piece
  int64_t pieces = 1;
  // update: the coordinate of the targets whose places are shared among the threads, in `pieces`. -1: none, `inner` is
  // cut.
  int target = -1;
  // product: the first factor depends on the row axes, the second on the column axes, both on the outer ones.
  std::vector<int> row_axes, column_axes;
  std::array<int32_t, 2> factors{};
  // Axes joined into others: `first` runs over the product of both lengths and is no loop of its own.
  std::vector<std::pair<int, int>> joined;  // (dropped axis, axis that takes its length)
};

/// The schedule of a nest. When a reduction stands where it would be computed again and again, returns false and
/// puts its node in `misplaced`: its value needs memory of its own. Those in `own` have that already: where an operand
/// repeats along an axis they are computed again for each index of it.
bool make_schedule(const Nest& nest, Schedule& schedule, int32_t& misplaced, std::span<const int32_t> own = {});

/// The schedule of an update: elements meet in the order of the domain, and sums depend on no number of threads.
/// Threads share either the outermost loop, or another, when no two of its indices have one target: a coordinate of the
/// targets follows it alone. Or each goes through all indices and takes those elements whose target lies in its part.
Schedule schedule_update(const Nest& nest);
/// The loops of an update, outermost first.
std::vector<int> update_loops(const Store& store);

/// Loads and stores of a nest as linear functions of loop indices, by node id (stores: by position).
struct Accesses {
  std::vector<std::optional<Affine>> loads;  // by node id
  std::vector<Affine> stores;                // by position; updates: empty
  uint64_t indexed = 0;                      // axes whose index itself is a value
};
Accesses find_accesses(const Nest& nest, const std::vector<bool>& reachable);
std::vector<bool> reachable_nodes(const Nest& nest);

/// The C text of a nest, and the sizes that it reads besides the buffers.
struct KernelText {
  std::string text;
  std::vector<int64_t> sizes;
  std::vector<std::pair<int, int>> runtime_sizes;  // (position in sizes, runtime parameter)
  int64_t work = 0;                                // of one parallel iteration, in additions
};
KernelText print_kernel(const Nest& nest, const Schedule& schedule);

}  // namespace wengert::compile
