// The loop vocabulary that lowerings are written in: scalar expressions over the indices of loops.
//
// A primitive says what the element of its output at some coordinates is, as an expression over elements
// of its operands (pull). Inlining such expressions into each other is fusion; evaluating them one by one is
// the oracle of the tests (evaluate.hpp); printing loops around them is a kernel (wengert/compile).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "wengert/array/dtype.hpp"
#include "wengert/array/layout.hpp"
#include "wengert/program/params.hpp"

namespace wengert {

namespace loops {

enum class Op : uint8_t {
  constant,  // integer or number
  argument,  // int64 number `payload` of the launch (a runtime parameter)
  axis,      // current index of loop axis `payload`
  load,      // element of buffer `payload` at the coordinates in the children
  neg,
  abs,
  sqrt,
  floor,
  round,
  logical_not,
  add,
  sub,
  mul,
  div,
  max,
  min,
  floordiv,
  mod,  // integers, sign as in Python; 0 where the divisor is 0
  eq,
  ne,
  lt,
  le,
  logical_and,
  logical_or,
  select,   // children: condition, where true, where false
  convert,  // to this node's dtype
  math,     // prelude function number `payload`: see math_functions()
  index,    // children: i, length, count. i, or i + length where negative; outside [0, count) the kernel fails
  reduce,   // child 0 combined over the bound axes in `bound`
};

/// How a reduction or an update combines elements. max and min keep NaN.
enum class Combine : uint8_t { sum, prod, max, min, any, all, set };

struct Node {
  Node(Op o, Dtype d, Combine c = Combine::sum) : op(o), dtype(d), combine(c) {}
  Op op;
  Dtype dtype;
  Combine combine;
  uint8_t child_count = 0;
  uint32_t children = 0;  // index of the first one in the arena
  uint64_t free = 0;      // loop axes that the value depends on
  uint64_t bound = 0;     // reduce: axes that it runs over
  union {
    int64_t integer = 0;  // constants of integers and bool; argument, axis, load, math: a number
    double number;        // constants of floats
  };
};

/// A function of the prelude that expressions may call: wg_<name>_<dtype> in kernels, libm in the evaluator.
struct MathFunction {
  std::string_view name;
  int arity;
  int cost;                                     // relative to an addition
  long double (*evaluate)(const long double*);  // null for the integer-valued ones
};
std::span<const MathFunction> math_functions();

class Graph;

}  // namespace loops

/// A scalar expression: a node of a Graph.
class Expr {
 public:
  Expr() = default;
  Expr(loops::Graph* graph, int32_t id) : graph_(graph), id_(id) {}
  loops::Graph* graph() const { return graph_; }
  int32_t id() const { return id_; }
  bool defined() const { return graph_ != nullptr; }
  Dtype dtype() const;

 private:
  loops::Graph* graph_ = nullptr;
  int32_t id_ = -1;
};

// Arithmetic of equal dtypes; a plain number takes the dtype of the other side.
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator&&(Expr a, Expr b);
Expr operator||(Expr a, Expr b);
Expr operator!(Expr a);
Expr operator+(Expr a, double b);
Expr operator-(Expr a, double b);
Expr operator-(double a, Expr b);
Expr operator*(Expr a, double b);
Expr operator/(double a, Expr b);
Expr operator==(Expr a, double b);
Expr operator<(Expr a, double b);
Expr operator<=(double a, Expr b);
Expr max(Expr a, Expr b);
Expr min(Expr a, Expr b);
Expr floordiv(Expr a, Expr b);
Expr mod(Expr a, Expr b);
Expr select(Expr condition, Expr yes, Expr no);
Expr convert(Expr a, Dtype dtype);
/// A unary operation without a function of the prelude: abs, sqrt, floor, round.
Expr unary(loops::Op op, Expr a);
/// A function of the prelude by name.
Expr math(std::string_view name, Expr a);
Expr math(std::string_view name, Expr a, Expr b);
Expr math(std::string_view name, std::span<const Expr> arguments, Dtype result);

/// i where it is not negative, else i + length. Where that is not in [0, count), count > 0, the kernel ends with
/// wg_status_assertion and the value is 0, so that nothing outside is ever read or written. All int64. With a length of
/// 0 nothing counts from the end: i is a label, and errors call it so.
Expr checked_index(Expr i, Expr length, Expr count);

/// The coordinates of one element: one int64 expression per axis.
using Coordinates = std::vector<Expr>;

namespace loops {

inline constexpr int max_axes = 64;

/// Hash-consed expressions over numbered loop axes. Equal expressions are the same node.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// A new loop axis of that length.
  int add_axis(int64_t extent);
  int axis_count() const { return static_cast<int>(extents_.size()); }
  int64_t extent(int axis) const { return extents_[static_cast<size_t>(axis)]; }

  Expr axis(int axis);
  Expr integer(int64_t value, Dtype dtype = Dtype::int64);
  Expr number(double value, Dtype dtype);
  Expr argument(int64_t slot);
  Expr load(int64_t buffer, Dtype dtype, std::span<const Expr> coordinates);
  Expr make(Op op, Dtype dtype, std::span<const Expr> children, int64_t payload = 0);
  Expr reduce(Combine combine, uint64_t bound, Expr body);

  const Node& node(int32_t id) const { return nodes_[static_cast<size_t>(id)]; }
  const Node& node(Expr e) const { return node(e.id()); }
  int32_t child(const Node& n, int i) const { return arena_[n.children + static_cast<size_t>(i)]; }
  std::span<const int32_t> children(const Node& n) const { return {arena_.data() + n.children, n.child_count}; }
  int32_t size() const { return static_cast<int32_t>(nodes_.size()); }
  /// Loads of one buffer become loads of another: the last thing done to a graph.
  void redirect_loads(int64_t from, int64_t to) {
    for (Node& n : nodes_) {
      if (n.op == Op::load && n.integer == from) n.integer = to;
    }
  }

  /// Loop axes of the kernel under construction: a reduction over an operand's axis reuses the one at the same
  /// place where it is free to, so that x[i,j] inside a row reduction and beside it are one node.
  std::vector<int> shared_axes;
  /// Axes of earlier reductions, with the place that they ran over: the next one over that place takes the same.
  std::vector<std::pair<int, int>> reduction_axes;

 private:
  Expr intern(Node node, std::span<const int32_t> children);
  std::vector<Node> nodes_;
  std::vector<int32_t> arena_;
  std::vector<int64_t> extents_;
  std::unordered_multimap<uint64_t, int32_t> index_;
};

}  // namespace loops

/// What a lowering rule sees of its equation.
class Lowering {
 public:
  using Fetch = std::function<Expr(int operand, const Coordinates& at)>;

  Lowering(loops::Graph& graph, std::span<const Type* const> operands, std::span<const Type* const> results,
           const Params& params, std::span<const RuntimeParam> runtimes, uint64_t used_axes, Fetch fetch)
      : graph_(graph), operands_(operands), results_(results), params_(params), runtimes_(runtimes),
        used_axes_(used_axes), fetch_(std::move(fetch)) {}

  /// The element of an operand.
  Expr operator()(int operand, const Coordinates& at) const { return fetch_(operand, at); }
  int operand_count() const { return static_cast<int>(operands_.size()); }
  const Type& operand(int i) const { return *operands_[static_cast<size_t>(i)]; }
  const Type& result(int i = 0) const { return *results_[static_cast<size_t>(i)]; }
  const Params& params() const { return params_; }

  Expr integer(int64_t value, Dtype dtype = Dtype::int64) const { return graph_.integer(value, dtype); }
  /// A number of that dtype, integer or floating.
  Expr constant(double value, Dtype dtype) const;
  /// An index of any integer dtype into an axis, negative ones from its end: see checked_index(). `count` says how many
  /// values from 0 on are allowed, at least 1; by default all of the axis.
  Expr index(Expr i, int64_t length) const { return index(i, length, length); }
  Expr index(Expr i, int64_t length, int64_t count) const;
  /// The runtime parameter with that number, an int64.
  Expr runtime(int i) const;
  /// Combines body(r) over r in extents. `places` says which axes of the operand r runs over, as a hint that lets
  /// kernels share loops; empty when r runs over something else.
  Expr reduce(loops::Combine combine, const Shape& extents, const Axes& places,
              const std::function<Expr(const Coordinates& r)>& body) const;

 private:
  loops::Graph& graph_;
  std::span<const Type* const> operands_, results_;
  const Params& params_;
  std::span<const RuntimeParam> runtimes_;
  uint64_t used_axes_;
  Fetch fetch_;
};

/// How some elements of a result change: for every index of `domain`, result[target(i)] is combined with value(i).
struct Update {
  Shape domain;
  loops::Combine combine = loops::Combine::set;
  std::function<Coordinates(const Coordinates& i)> target;
  std::function<Expr(const Coordinates& i)> value;
  bool distinct = false;  // no two indices have one target: the order does not matter
};

}  // namespace wengert
