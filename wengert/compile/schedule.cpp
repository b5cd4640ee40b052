#include "wengert/compile/schedule.hpp"

#include <algorithm>

#include "wengert/compile/integers.hpp"

namespace wengert::compile {
namespace {

using loops::Graph;
using loops::Node;
using loops::Op;

constexpr uint64_t bit(int axis) { return uint64_t{1} << axis; }

/// What a schedule is decided from.
struct Survey {
  std::vector<bool> reachable;
  Accesses accesses;
  std::vector<int32_t> reductions;  // node ids, inner ones first
  std::vector<int> domain;          // outermost first, in the memory order of the widest store
  std::vector<int64_t> extents;     // by axis, joined axes multiplied in
};

Survey survey(const Nest& nest) {
  Survey s;
  s.reachable = reachable_nodes(nest);
  s.accesses = find_accesses(nest, s.reachable);
  for (int32_t id = 0; id < nest.graph.size(); ++id) {
    if (s.reachable[static_cast<size_t>(id)] && nest.graph.node(id).op == Op::reduce) s.reductions.push_back(id);
  }
  for (int a = 0; a < nest.graph.axis_count(); ++a) s.extents.push_back(nest.graph.extent(a));
  const auto width = [](const Store& store) {
    return std::count_if(store.axes.begin(), store.axes.end(), [](int a) { return a >= 0; });
  };
  const Store& widest = *std::max_element(nest.stores.begin(), nest.stores.end(),
                                          [&](const Store& a, const Store& b) { return width(a) < width(b); });
  const Layout& layout = *nest.buffers[static_cast<size_t>(widest.buffer)].layout;
  for (size_t i = 0; i < widest.axes.size(); ++i) {
    const int axis = widest.axes[layout.order[i]];
    if (axis >= 0) s.domain.push_back(axis);
  }
  return s;
}

/// Whether loops over a and then b can be one loop over b of both lengths.
bool can_join(const Nest& nest, const Survey& s, int a, int b) {
  if (s.accesses.indexed & (bit(a) | bit(b))) return false;
  const auto steps = [&](const Affine& f) {
    return f.stride[static_cast<size_t>(a)] == f.stride[static_cast<size_t>(b)] * s.extents[static_cast<size_t>(b)];
  };
  for (const auto& load : s.accesses.loads) {
    if (load && !steps(*load)) return false;
  }
  for (const Affine& store : s.accesses.stores) {
    if (!steps(store)) return false;
  }
  for (int32_t id : s.reductions) {
    const uint64_t bound = nest.graph.node(id).bound;
    if (((bound & bit(a)) != 0) != ((bound & bit(b)) != 0)) return false;
  }
  for (const Store& store : nest.stores) {
    const auto has = [&](int axis) {
      return std::find(store.axes.begin(), store.axes.end(), axis) != store.axes.end();
    };
    if (has(a) != has(b)) return false;
  }
  return true;
}

void join_axes(const Nest& nest, Survey& s, std::vector<int>& axes, Schedule& schedule) {
  for (size_t i = axes.size(); i-- > 1;) {
    const int a = axes[i - 1], b = axes[i];
    int64_t joined;  // beside an axis of no elements others may be of any length
    if (__builtin_mul_overflow(s.extents[static_cast<size_t>(a)], s.extents[static_cast<size_t>(b)], &joined)) continue;
    if (!can_join(nest, s, a, b)) continue;
    schedule.joined.emplace_back(a, b);
    s.extents[static_cast<size_t>(b)] = joined;
    // What steps through b now steps through a as well; a's strides are done with.
    for (auto& load : s.accesses.loads) {
      if (load) load->stride[static_cast<size_t>(a)] = 0;
    }
    for (Affine& store : s.accesses.stores) store.stride[static_cast<size_t>(a)] = 0;
    axes.erase(axes.begin() + static_cast<int64_t>(i) - 1);
  }
}

std::vector<int> reduction_only_axes(const Nest& nest, const Survey& s) {
  uint64_t bound = 0, domain = 0;
  for (int32_t id : s.reductions) bound |= nest.graph.node(id).bound;
  for (int a : s.domain) domain |= bit(a);
  std::vector<int> axes;
  for (int a = 0; a < nest.graph.axis_count(); ++a) {
    if ((bound & ~domain) & bit(a)) axes.push_back(a);
  }
  return axes;
}

/// Loads under a node whose stride along any axis of `axes` is 1.
int count_unit_loads(const Nest& nest, const Survey& s, int32_t root, uint64_t axes) {
  std::vector<int32_t> stack{root};
  std::vector<bool> seen(static_cast<size_t>(nest.graph.size()));
  int count = 0;
  while (!stack.empty()) {
    const int32_t id = stack.back();
    stack.pop_back();
    if (seen[static_cast<size_t>(id)]) continue;
    seen[static_cast<size_t>(id)] = true;
    const Node& n = nest.graph.node(id);
    if (n.op == Op::load && s.accesses.loads[static_cast<size_t>(id)]) {
      for (int a = 0; a < nest.graph.axis_count(); ++a) {
        if ((axes & bit(a)) && std::abs(s.accesses.loads[static_cast<size_t>(id)]->stride[static_cast<size_t>(a)]) == 1)
          ++count;
      }
      continue;
    }
    for (int32_t c : nest.graph.children(n)) stack.push_back(c);
  }
  return count;
}

/// A reduction inside another one that depends on the other's index would run again and again.
int32_t find_nested(const Nest& nest, const Survey& s) {
  for (int32_t outer : s.reductions) {
    std::vector<int32_t> stack{nest.graph.child(nest.graph.node(outer), 0)};
    std::vector<bool> seen(static_cast<size_t>(nest.graph.size()));
    while (!stack.empty()) {
      const int32_t id = stack.back();
      stack.pop_back();
      if (seen[static_cast<size_t>(id)]) continue;
      seen[static_cast<size_t>(id)] = true;
      const Node& n = nest.graph.node(id);
      if (n.op == Op::reduce && (n.free & nest.graph.node(outer).bound)) return id;
      for (int32_t c : nest.graph.children(n)) stack.push_back(c);
    }
  }
  return -1;
}

int32_t find_inside(const Nest& nest, int32_t outer) {
  std::vector<int32_t> stack{nest.graph.child(nest.graph.node(outer), 0)};
  while (!stack.empty()) {
    const int32_t id = stack.back();
    stack.pop_back();
    if (nest.graph.node(id).op == Op::reduce) return id;
    for (int32_t c : nest.graph.children(nest.graph.node(id))) stack.push_back(c);
  }
  return -1;
}

/// Lanes along the innermost output axis need every reduction to depend on it, and none inside another.
int32_t find_misplaced_in_columns(const Nest& nest, const Survey& s, int inner) {
  uint64_t domain = 0;
  for (int a : s.domain) domain |= bit(a);
  for (int32_t id : s.reductions) {
    if (const int32_t inside = find_inside(nest, id); inside >= 0) return inside;
    const Node& n = nest.graph.node(id);
    if (!(n.free & bit(inner)) || (n.bound & domain)) return id;
  }
  return -1;
}

/// A row is computed once for every index of the outer axes: a reduction that depends on fewer of them, or that
/// runs over one of them, would be computed more than once. Those in `own` have no better place.
int32_t find_misplaced_in_rows(const Nest& nest, const Survey& s, const Schedule& schedule,
                               std::span<const int32_t> own) {
  constexpr int64_t long_row = 1 << 16;
  uint64_t outer = 0, wide_outer = 0;
  for (int a : schedule.outer) {
    outer |= bit(a);
    if (s.extents[static_cast<size_t>(a)] != 1) wide_outer |= bit(a);
  }
  for (int32_t id : s.reductions) {
    const Node& n = nest.graph.node(id);
    if (n.bound & outer) return id;
    if (std::find(own.begin(), own.end(), id) != own.end()) continue;
    uint64_t free = n.free;
    for (const auto& [dropped, kept] : schedule.joined) {
      if (free & bit(dropped)) free |= bit(kept);
    }
    if (wide_outer & ~free) return id;
    if (schedule.outer.empty() && schedule.inner >= 0 && s.extents[static_cast<size_t>(schedule.inner)] > long_row)
      return id;
  }
  return -1;
}

/// Cuts a reduction whose results alone would keep too few threads busy.
void split_reduction(const Nest& nest, const Survey& s, Schedule& schedule) {
  constexpr int64_t few_results = 16, long_reduction = 1 << 17, piece_elements = 1 << 15, most_pieces = 64;
  if (s.reductions.empty() || (schedule.kind == Schedule::rows && schedule.inner >= 0)) return;
  uint64_t dropped = 0;
  for (const auto& [from, to] : schedule.joined) dropped |= bit(from);
  const uint64_t bound = nest.graph.node(s.reductions[0]).bound;
  for (int32_t id : s.reductions) {
    if (nest.graph.node(id).bound != bound || find_inside(nest, id) >= 0) return;
  }
  int64_t results = 1, columns = 1, elements = 1;
  for (int a : schedule.outer) results = multiply_saturating(results, s.extents[static_cast<size_t>(a)]);
  if (schedule.kind == Schedule::columns) {
    columns = std::min(s.extents[static_cast<size_t>(schedule.inner)], column_block);
    results = multiply_saturating(results,
                                  (s.extents[static_cast<size_t>(schedule.inner)] + column_block - 1) / column_block);
  }
  for (int a = 0; a < nest.graph.axis_count(); ++a) {
    if (!((bound & ~dropped) & bit(a))) continue;
    elements = multiply_saturating(elements, s.extents[static_cast<size_t>(a)]);
    if (schedule.split < 0 || s.extents[static_cast<size_t>(a)] > s.extents[static_cast<size_t>(schedule.split)])
      schedule.split = a;
  }
  const int64_t length = schedule.split < 0 ? 0 : s.extents[static_cast<size_t>(schedule.split)];
  const int64_t work = multiply_saturating(elements, columns);
  if (results > few_results || work < long_reduction || length < 2) {
    schedule.split = -1;
    return;
  }
  schedule.pieces = std::min({length, most_pieces, (work - 1) / piece_elements + 1});
  schedule.piece = (length + schedule.pieces - 1) / schedule.pieces;
  schedule.pieces = (length + schedule.piece - 1) / schedule.piece;
}

// Products -----------------------------------------------------------------------------------------------

/// Below this many multiplications, rows or columns, blocks in registers are not worth their packing.
constexpr int64_t least_product = 1 << 10, least_rows = 4, least_columns = 8;

int64_t length_of(const Survey& s, const std::vector<int>& axes) {
  int64_t length = 1;
  for (int a : axes) length *= s.extents[static_cast<size_t>(a)];
  return length;
}

/// One sum of products whose factors depend on axes of the result that the other does not depend on.
bool find_product(const Nest& nest, const Survey& s, const std::vector<int>& sum_axes, Schedule& schedule) {
  if (nest.stores.size() != 1 || s.reductions.size() != 1 || nest.stores[0].value.id() != s.reductions[0]) return false;
  const Node& sum = nest.graph.node(s.reductions[0]);
  const Node& body = nest.graph.node(nest.graph.child(sum, 0));
  if (sum.combine != loops::Combine::sum || body.op != Op::mul || is_bool(sum.dtype)) return false;
  std::array<int32_t, 2> factors{nest.graph.child(body, 0), nest.graph.child(body, 1)};
  std::vector<int> outer, axes[2];
  for (int a : s.domain) {
    const bool first = nest.graph.node(factors[0]).free & bit(a), second = nest.graph.node(factors[1]).free & bit(a);
    (first == second ? outer : axes[first ? 0 : 1]).push_back(a);
  }
  if (axes[0].empty() || axes[1].empty()) return false;
  // Columns are what lies side by side in the result.
  if (axes[0].back() == s.domain.back()) {
    std::swap(axes[0], axes[1]);
    std::swap(factors[0], factors[1]);
  }
  const int64_t rows = length_of(s, axes[0]), columns = length_of(s, axes[1]);
  if (rows < least_rows || columns < least_columns || rows * columns * length_of(s, sum_axes) < least_product)
    return false;
  schedule.kind = Schedule::product;
  schedule.outer = outer;
  schedule.row_axes = axes[0];
  schedule.column_axes = axes[1];
  schedule.factors = factors;
  return true;
}

/// Whether a value that depends on one loop axis differs at each index of it: a multiple of the index and a constant.
bool has_steps(const Graph& graph, int32_t id) {
  const Node& n = graph.node(id);
  if (n.op == Op::axis) return true;
  if (n.op != Op::add && n.op != Op::sub && n.op != Op::mul) return false;
  const int32_t a = graph.child(n, 0), b = graph.child(n, 1);
  if (graph.node(a).free != 0 && graph.node(b).free != 0) return false;
  const int32_t moving = graph.node(a).free != 0 ? a : b, fixed = moving == a ? b : a;
  if (n.op == Op::mul && (graph.node(fixed).op != Op::constant || graph.node(fixed).integer == 0)) return false;
  return has_steps(graph, moving);
}

/// Elements of an update for each value of a coordinate that depends on those axes.
int64_t elements_inside(const Nest& nest, const std::vector<int>& loops, uint64_t axes) {
  int64_t count = 1;
  for (size_t i = loops.size(); i-- > 0 && !(axes & bit(loops[i]));) count *= nest.graph.extent(loops[i]);
  return count;
}

}  // namespace

std::vector<bool> reachable_nodes(const Nest& nest) {
  std::vector<bool> reachable(static_cast<size_t>(nest.graph.size()));
  std::vector<int32_t> stack;
  for (const Store& store : nest.stores) {
    stack.push_back(store.value.id());
    for (const Expr& e : store.target) stack.push_back(e.id());
  }
  while (!stack.empty()) {
    const int32_t id = stack.back();
    stack.pop_back();
    if (reachable[static_cast<size_t>(id)]) continue;
    reachable[static_cast<size_t>(id)] = true;
    const Node& n = nest.graph.node(id);
    if (n.op == Op::load &&
        affine_offset(nest.graph, nest.graph.children(n), *nest.buffers[static_cast<size_t>(n.integer)].layout)) {
      continue;
    }
    for (int32_t c : nest.graph.children(n)) stack.push_back(c);
  }
  return reachable;
}

Accesses find_accesses(const Nest& nest, const std::vector<bool>& reachable) {
  Accesses accesses;
  accesses.loads.resize(static_cast<size_t>(nest.graph.size()));
  for (int32_t id = 0; id < nest.graph.size(); ++id) {
    if (!reachable[static_cast<size_t>(id)]) continue;
    const Node& n = nest.graph.node(id);
    if (n.op == Op::axis) accesses.indexed |= bit(static_cast<int>(n.integer));
    if (n.op == Op::load) {
      accesses.loads[static_cast<size_t>(id)] =
          affine_offset(nest.graph, nest.graph.children(n), *nest.buffers[static_cast<size_t>(n.integer)].layout);
    }
  }
  for (const Store& store : nest.stores) {
    Affine offset;
    const Layout& layout = *nest.buffers[static_cast<size_t>(store.buffer)].layout;
    for (size_t d = 0; d < store.axes.size() && store.target.empty(); ++d) {
      if (store.axes[d] >= 0) offset.stride[static_cast<size_t>(store.axes[d])] += layout.strides[d];
    }
    accesses.stores.push_back(offset);
  }
  return accesses;
}

bool make_schedule(const Nest& nest, Schedule& schedule, int32_t& misplaced, std::span<const int32_t> own) {
  Survey s = survey(nest);
  misplaced = find_nested(nest, s);
  if (misplaced >= 0) return false;
  join_axes(nest, s, s.domain, schedule);
  std::vector<int> reduction_axes = reduction_only_axes(nest, s);
  join_axes(nest, s, reduction_axes, schedule);
  if (find_product(nest, s, reduction_axes, schedule)) return true;

  schedule.outer = s.domain;
  schedule.inner = s.domain.empty() ? -1 : s.domain.back();
  int along_inner = 0, along_bound = 0;
  bool depends = false;
  for (int32_t id : s.reductions) {
    const Node& n = nest.graph.node(id);
    if (schedule.inner < 0 || !(n.free & bit(schedule.inner))) continue;
    depends = true;
    along_inner += count_unit_loads(nest, s, id, bit(schedule.inner));
    along_bound += count_unit_loads(nest, s, id, n.bound);
  }
  if (depends && along_bound <= along_inner) {
    schedule.kind = Schedule::columns;
    schedule.outer.pop_back();
    misplaced = find_misplaced_in_columns(nest, s, schedule.inner);
    split_reduction(nest, s, schedule);
    return misplaced < 0;
  }
  schedule.kind = Schedule::rows;
  if (depends) schedule.inner = -1;
  else if (schedule.inner >= 0) schedule.outer.pop_back();
  misplaced = find_misplaced_in_rows(nest, s, schedule, own);
  split_reduction(nest, s, schedule);
  return misplaced < 0;
}

Schedule schedule_update(const Nest& nest) {
  constexpr int64_t enough = 8, most_pieces = 8;
  Schedule schedule;
  schedule.kind = Schedule::update;
  const Store& store = nest.stores[0];
  const std::vector<int> loops = update_loops(store);
  for (int axis : loops) {
    const auto follows = [&](const Expr& at) {
      return nest.graph.node(at).free == bit(axis) && has_steps(nest.graph, at.id());
    };
    if (std::none_of(store.target.begin(), store.target.end(), follows)) continue;
    if (schedule.inner < 0 || nest.graph.extent(axis) >= nest.graph.extent(schedule.inner)) schedule.inner = axis;
    if (axis == loops.front() && nest.graph.extent(axis) >= enough) return schedule;
  }
  int64_t most = 0;
  for (size_t d = 0; d < store.target.size(); ++d) {
    const int64_t inside = elements_inside(nest, loops, nest.graph.node(store.target[d]).free);
    if (inside <= most || nest.graph.node(store.target[d]).free == 0) continue;
    most = inside;
    schedule.pieces =
        std::min({most_pieces, inside / enough,
                  nest.buffers[static_cast<size_t>(store.buffer)].layout->type->shape[static_cast<int>(d)].value()});
    schedule.target = schedule.pieces > 1 ? static_cast<int>(d) : -1;
  }
  return schedule;
}

std::vector<int> update_loops(const Store& store) {
  std::vector<int> axes;
  for (int axis : store.axes) {
    if (axis >= 0) axes.push_back(axis);
  }
  return axes;
}

}  // namespace wengert::compile
