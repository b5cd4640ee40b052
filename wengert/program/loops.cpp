#include "wengert/program/loops.hpp"

#include <cmath>

#include "wengert/array/error.hpp"

namespace wengert {
namespace loops {
namespace {

using R = long double;

constexpr MathFunction functions[] = {
    {"exp", 1, 12, [](const R* x) { return std::exp(x[0]); }},
    {"expm1", 1, 16, [](const R* x) { return std::expm1(x[0]); }},
    {"log", 1, 12, [](const R* x) { return std::log(x[0]); }},
    {"log1p", 1, 16, [](const R* x) { return std::log1p(x[0]); }},
    {"tanh", 1, 16, [](const R* x) { return std::tanh(x[0]); }},
    {"sigmoid", 1, 14, [](const R* x) { return 1 / (1 + std::exp(-x[0])); }},
    {"sin", 1, 16, [](const R* x) { return std::sin(x[0]); }},
    {"cos", 1, 16, [](const R* x) { return std::cos(x[0]); }},
    {"erf", 1, 16, [](const R* x) { return std::erf(x[0]); }},
    {"erfc", 1, 24, [](const R* x) { return std::erfc(x[0]); }},
    {"normal_cdf", 1, 14, [](const R* x) -> R { return std::erfc(x[0] * -0.70710678118654752440L) / 2; }},
    {"pow", 2, 40, [](const R* x) { return std::pow(x[0], x[1]); }},
    {"rsqrt", 1, 6, [](const R* x) { return 1 / std::sqrt(x[0]); }},
    {"sign", 1, 2, [](const R* x) -> R { return std::isnan(x[0]) ? x[0]
                                             : x[0] == 0         ? x[0]
                                             : x[0] > 0          ? 1
                                                                 : -1; }},
    {"erfinv", 1, 24, nullptr},
    {"random_bits", 3, 60, nullptr},  // key word 0, key word 1, counter -> uint32
    {"uniform", 1, 3, nullptr},       // a random word -> float32 in [0, 1)
    {"uniform", 2, 5, nullptr},       // two -> float64
    {"normal", 1, 24, nullptr},       // a random word -> standard normal float32
    {"normal", 2, 30, nullptr},       // two -> float64
    {"permute", 4, 400, nullptr},     // key word 0, key word 1, index, length -> int64
};

uint64_t hash_node(const Node& n, std::span<const int32_t> children) {
  uint64_t h = hash_combine(
      static_cast<uint64_t>(n.op) << 16 | static_cast<uint64_t>(n.dtype) << 8 | static_cast<uint64_t>(n.combine),
      static_cast<uint64_t>(n.integer));
  h = hash_combine(h, n.bound);
  for (int32_t c : children) h = hash_combine(h, static_cast<uint64_t>(c));
  return h;
}

bool is_integer_constant(const Graph& g, Expr e, int64_t value) {
  const Node& n = g.node(e);
  return n.op == Op::constant && !is_floating(n.dtype) && n.integer == value;
}

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  const int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

/// Index arithmetic is simplified as it is written: it decides what is contiguous.
Expr fold_index(Graph& g, Op op, Expr a, Expr b) {
  const Node &x = g.node(a), &y = g.node(b);
  if (x.dtype != Dtype::int64) return {};
  if (x.op == Op::constant && y.op == Op::constant) {
    switch (op) {
      case Op::add: return g.integer(x.integer + y.integer);
      case Op::sub: return g.integer(x.integer - y.integer);
      case Op::mul: return g.integer(x.integer * y.integer);
      case Op::floordiv: return g.integer(floor_divide(x.integer, y.integer));
      case Op::mod: return g.integer(x.integer - floor_divide(x.integer, y.integer) * y.integer);
      default: return {};
    }
  }
  if (op == Op::add && is_integer_constant(g, a, 0)) return b;
  if ((op == Op::add || op == Op::sub) && is_integer_constant(g, b, 0)) return a;
  if (op == Op::mul && (is_integer_constant(g, a, 0) || is_integer_constant(g, b, 1))) return a;
  if (op == Op::mul && (is_integer_constant(g, b, 0) || is_integer_constant(g, a, 1))) return b;
  if (op == Op::floordiv && is_integer_constant(g, b, 1)) return a;
  if (op == Op::mod && is_integer_constant(g, b, 1)) return g.integer(0);
  return {};
}

Graph& graph_of(Expr a) { return *a.graph(); }

Expr binary(Op op, Expr a, Expr b, bool compares = false) {
  Graph& g = graph_of(a);
  if (a.dtype() != b.dtype()) {
    throw Error(ErrorKind::internal, "lowering-dtype",
                "lowering: got operands " + std::string(name(a.dtype())) + " and " + std::string(name(b.dtype())) +
                    ": wanted equal dtypes");
  }
  if (Expr folded = fold_index(g, op, a, b); folded.defined()) return folded;
  const Expr children[] = {a, b};
  return g.make(op, compares ? Dtype::bool_ : a.dtype(), children);
}

Expr like(Expr other, double value) {
  Graph& g = graph_of(other);
  return is_floating(other.dtype()) ? g.number(value, other.dtype())
                                    : g.integer(static_cast<int64_t>(value), other.dtype());
}

}  // namespace

std::span<const MathFunction> math_functions() { return functions; }

int Graph::add_axis(int64_t extent) {
  if (axis_count() == max_axes) {
    throw Error(ErrorKind::internal, "lowering-axes", "lowering: more than 64 loop axes in one kernel");
  }
  extents_.push_back(extent);
  return axis_count() - 1;
}

Expr Graph::intern(Node node, std::span<const int32_t> children) {
  node.child_count = static_cast<uint8_t>(children.size());
  const uint64_t hash = hash_node(node, children);
  auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Node& m = nodes_[static_cast<size_t>(it->second)];
    if (m.op == node.op && m.dtype == node.dtype && m.combine == node.combine && m.bound == node.bound &&
        m.integer == node.integer && m.child_count == node.child_count &&
        std::equal(children.begin(), children.end(), arena_.begin() + m.children)) {
      return {this, it->second};
    }
  }
  for (int32_t c : children) node.free |= nodes_[static_cast<size_t>(c)].free;
  node.free &= ~node.bound;
  node.children = static_cast<uint32_t>(arena_.size());
  arena_.insert(arena_.end(), children.begin(), children.end());
  nodes_.push_back(node);
  index_.emplace(hash, size() - 1);
  return {this, size() - 1};
}

Expr Graph::axis(int axis) {
  if (extent(axis) == 1) return integer(0);
  Node n{Op::axis, Dtype::int64};
  n.integer = axis;
  n.free = uint64_t{1} << axis;
  return intern(n, {});
}

Expr Graph::integer(int64_t value, Dtype dtype) {
  Node n{Op::constant, dtype};
  n.integer = value;
  return intern(n, {});
}

Expr Graph::number(double value, Dtype dtype) {
  Node n{Op::constant, dtype};
  n.number = value;
  return intern(n, {});
}

Expr Graph::argument(int64_t slot) {
  Node n{Op::argument, Dtype::int64};
  n.integer = slot;
  return intern(n, {});
}

Expr Graph::load(int64_t buffer, Dtype dtype, std::span<const Expr> coordinates) {
  return make(Op::load, dtype, coordinates, buffer);
}

Expr Graph::make(Op op, Dtype dtype, std::span<const Expr> children, int64_t payload) {
  int32_t ids[max_rank];
  for (size_t i = 0; i < children.size(); ++i) ids[i] = children[i].id();
  Node n{op, dtype};
  n.integer = payload;
  return intern(n, {ids, children.size()});
}

Expr Graph::reduce(Combine combine, uint64_t bound, Expr body) {
  Node n{Op::reduce, body.dtype(), combine};
  n.integer = 0;
  n.bound = bound;
  const int32_t child = body.id();
  return intern(n, {&child, 1});
}

}  // namespace loops

using loops::Op;

Dtype Expr::dtype() const { return graph_->node(id_).dtype; }

Expr operator+(Expr a, Expr b) { return loops::binary(Op::add, a, b); }
Expr operator-(Expr a, Expr b) { return loops::binary(Op::sub, a, b); }
Expr operator*(Expr a, Expr b) { return loops::binary(Op::mul, a, b); }
Expr operator/(Expr a, Expr b) { return loops::binary(Op::div, a, b); }
Expr operator-(Expr a) { return unary(Op::neg, a); }
Expr operator==(Expr a, Expr b) { return loops::binary(Op::eq, a, b, true); }
Expr operator!=(Expr a, Expr b) { return loops::binary(Op::ne, a, b, true); }
Expr operator<(Expr a, Expr b) { return loops::binary(Op::lt, a, b, true); }
Expr operator<=(Expr a, Expr b) { return loops::binary(Op::le, a, b, true); }
Expr operator&&(Expr a, Expr b) { return loops::binary(Op::logical_and, a, b); }
Expr operator||(Expr a, Expr b) { return loops::binary(Op::logical_or, a, b); }
Expr operator!(Expr a) { return unary(Op::logical_not, a); }
Expr operator+(Expr a, double b) { return a + loops::like(a, b); }
Expr operator-(Expr a, double b) { return a - loops::like(a, b); }
Expr operator-(double a, Expr b) { return loops::like(b, a) - b; }
Expr operator*(Expr a, double b) { return a * loops::like(a, b); }
Expr operator/(double a, Expr b) { return loops::like(b, a) / b; }
Expr operator==(Expr a, double b) { return a == loops::like(a, b); }
Expr operator<(Expr a, double b) { return a < loops::like(a, b); }
Expr operator<=(double a, Expr b) { return loops::like(b, a) <= b; }
Expr max(Expr a, Expr b) { return loops::binary(Op::max, a, b); }
Expr min(Expr a, Expr b) { return loops::binary(Op::min, a, b); }
Expr floordiv(Expr a, Expr b) { return loops::binary(Op::floordiv, a, b); }
Expr mod(Expr a, Expr b) { return loops::binary(Op::mod, a, b); }

Expr select(Expr condition, Expr yes, Expr no) {
  if (yes.id() == no.id()) return yes;
  const loops::Node& c = condition.graph()->node(condition);
  if (c.op == Op::constant) return c.integer ? yes : no;
  const Expr children[] = {condition, yes, no};
  return condition.graph()->make(Op::select, yes.dtype(), children);
}

Expr convert(Expr a, Dtype dtype) {
  if (a.dtype() == dtype) return a;
  const loops::Node& n = a.graph()->node(a);
  if (n.op == Op::constant && n.dtype == Dtype::int64 && is_floating(dtype)) {
    return a.graph()->number(static_cast<double>(n.integer), dtype);
  }
  return a.graph()->make(Op::convert, dtype, {&a, 1});
}

Expr checked_index(Expr i, Expr length, Expr count) {
  const Expr children[] = {i, length, count};
  return i.graph()->make(Op::index, Dtype::int64, children);
}

Expr unary(Op op, Expr a) { return a.graph()->make(op, a.dtype(), {&a, 1}); }

Expr math(std::string_view name, Expr a) { return math(name, {&a, 1}, a.dtype()); }

Expr math(std::string_view name, Expr a, Expr b) {
  const Expr arguments[] = {a, b};
  return math(name, arguments, a.dtype());
}

Expr math(std::string_view name, std::span<const Expr> arguments, Dtype result) {
  const auto functions = loops::math_functions();
  for (size_t i = 0; i < functions.size(); ++i) {
    if (functions[i].name == name && functions[i].arity == static_cast<int>(arguments.size())) {
      return arguments[0].graph()->make(Op::math, result, arguments, static_cast<int64_t>(i));
    }
  }
  throw Error(ErrorKind::internal, "lowering-math",
              "lowering: got function \"" + std::string(name) + "\" of " + std::to_string(arguments.size()) +
                  " arguments: wanted one of the prelude");
}

Expr Lowering::constant(double value, Dtype dtype) const {
  return is_floating(dtype) ? graph_.number(value, dtype) : graph_.integer(static_cast<int64_t>(value), dtype);
}

Expr Lowering::index(Expr i, int64_t length, int64_t count) const {
  return checked_index(convert(i, Dtype::int64), integer(length), integer(count));
}

Expr Lowering::runtime(int i) const {
  const RuntimeParam& p = runtimes_[static_cast<size_t>(i)];
  return p.symbolic() ? graph_.argument(p.slot) : graph_.integer(p.value);
}

Expr Lowering::reduce(loops::Combine combine, const Shape& extents, const Axes& places,
                      const std::function<Expr(const Coordinates& r)>& body) const {
  uint64_t bound = 0;
  Coordinates r;
  for (int i = 0; i < extents.rank(); ++i) {
    if (extents[i].value() == 1) {
      r.push_back(graph_.integer(0));
      continue;
    }
    int axis = -1;
    const int place = i < places.size() ? static_cast<int>(places[i]) : -1;
    if (place >= 0 && place < static_cast<int>(graph_.shared_axes.size())) {
      const int candidate = graph_.shared_axes[static_cast<size_t>(place)];
      const uint64_t bit = uint64_t{1} << candidate;
      if (graph_.extent(candidate) == extents[i].value() && !((used_axes_ | bound) & bit)) axis = candidate;
    }
    for (const auto& [known_place, known] : graph_.reduction_axes) {
      const bool taken = (used_axes_ | bound) >> known & 1;
      if (axis < 0 && place >= 0 && known_place == place && graph_.extent(known) == extents[i].value() && !taken) {
        axis = known;
      }
    }
    if (axis < 0) {
      axis = graph_.add_axis(extents[i].value());
      if (place >= 0) graph_.reduction_axes.emplace_back(place, axis);
    }
    bound |= uint64_t{1} << axis;
    r.push_back(graph_.axis(axis));
  }
  Expr value = body(r);
  return bound == 0 ? value : graph_.reduce(combine, bound, value);
}

}  // namespace wengert
