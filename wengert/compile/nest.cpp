#include "wengert/compile/nest.hpp"

namespace wengert::compile {
namespace {

using loops::Graph;
using loops::Node;
using loops::Op;

/// Adds scale * expression to `sum`; false when it is not linear.
bool add_linear(const Graph& graph, int32_t id, int64_t scale, Affine& sum) {
  const Node& n = graph.node(id);
  switch (n.op) {
    case Op::constant: sum.constant += scale * n.integer; return true;
    case Op::axis: sum.stride[static_cast<size_t>(n.integer)] += scale; return true;
    case Op::argument: sum.arguments.emplace_back(n.integer, scale); return true;
    case Op::add:
      return add_linear(graph, graph.child(n, 0), scale, sum) && add_linear(graph, graph.child(n, 1), scale, sum);
    case Op::sub:
      return add_linear(graph, graph.child(n, 0), scale, sum) && add_linear(graph, graph.child(n, 1), -scale, sum);
    case Op::mul: {
      const Node &a = graph.node(graph.child(n, 0)), &b = graph.node(graph.child(n, 1));
      if (a.op == Op::constant) return add_linear(graph, graph.child(n, 1), scale * a.integer, sum);
      if (b.op == Op::constant) return add_linear(graph, graph.child(n, 0), scale * b.integer, sum);
      return false;
    }
    default: return false;
  }
}

}  // namespace

std::optional<Affine> affine_offset(const Graph& graph, std::span<const int32_t> coordinates, const Layout& layout) {
  Affine sum;
  for (size_t i = 0; i < coordinates.size(); ++i) {
    if (layout.strides[i] == 0) continue;
    if (!add_linear(graph, coordinates[i], layout.strides[i], sum)) return std::nullopt;
  }
  return sum;
}

bool checks_indices(const Nest& nest) {
  for (int32_t id = 0; id < nest.graph.size(); ++id) {
    if (nest.graph.node(id).op == Op::index) return true;
  }
  return false;
}

}  // namespace wengert::compile
