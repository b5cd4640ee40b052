// Nest + Schedule -> C text. Extents, strides and runtime numbers are arguments, so that one text serves every shape.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "wengert/compile/prelude.hpp"
#include "wengert/compile/product_text.hpp"
#include "wengert/compile/schedule.hpp"

namespace wengert::compile {
namespace {

using loops::Combine;
using loops::Graph;
using loops::Node;
using loops::Op;

constexpr uint64_t bit(int axis) { return uint64_t{1} << axis; }
constexpr int64_t shortest_row_to_fetch = 256, longest_row_to_fetch = 1 << 15;  // elements
constexpr int expensive = 10;  // a function from this cost on is kept in scratch rather than computed again

/// The same declarations as wengert/backends/cpu/abi.h, so that a text stands by itself.
constexpr const char* abi_text =
    "typedef signed char int8_t; typedef unsigned char uint8_t; typedef int int32_t; typedef unsigned int uint32_t;\n"
    "typedef __INT64_TYPE__ int64_t; typedef __UINT64_TYPE__ uint64_t;\n"
    "typedef union wg_scalar { int64_t i; double f; } wg_scalar;\n"
    "typedef struct wg_context wg_context;\n"
    "typedef int32_t (*wg_body)(const wg_context* context, const void* arguments, int64_t begin, int64_t end);\n"
    "struct wg_context {\n"
    "  int32_t (*parallel_for)(const wg_context* context, wg_body body, const void* arguments, int64_t count, int64_t chunk);\n"
    "  void* (*scratch)(const wg_context* context, int64_t bytes);\n"
    "  int32_t (*print)(const wg_context* context, const char* text);\n"
    "  int32_t (*callback)(const wg_context* context, int64_t id, void* const* buffers);\n"
    "  const volatile int32_t* interrupt;\n"
    "};\n"
    "typedef struct wg_arguments { void* const* buffers; const int64_t* sizes; const wg_scalar* scalars; char* partial; } wg_arguments;\n\n";

const char* memory_type(Dtype d) {
  switch (d) {
    case Dtype::bool_:
    case Dtype::uint8: return "uint8_t";
    case Dtype::uint32: return "uint32_t";
    case Dtype::int32: return "int32_t";
    case Dtype::int64: return "int64_t";
    case Dtype::float32: return "float";
    default: return "double";
  }
}
const char* value_type(Dtype d) { return d == Dtype::bool_ ? "int" : memory_type(d); }

std::string float_literal(double value, Dtype dtype) {
  const bool narrow = dtype == Dtype::float32;
  if (std::isnan(value)) return narrow ? "__builtin_nanf(\"\")" : "__builtin_nan(\"\")";
  if (std::isinf(value)) {
    return std::string(value < 0 ? "-" : "") + (narrow ? "__builtin_inff()" : "__builtin_inf()");
  }
  char text[40];
  std::snprintf(text, sizeof text, narrow ? "%.9g" : "%.17g",
                narrow ? static_cast<double>(static_cast<float>(value)) : value);
  std::string literal = text;
  if (literal.find_first_of(".en") == literal.npos) literal += ".0";
  return narrow ? literal + "f" : literal;
}

class Printer {
 public:
  Printer(const Nest& nest, const Schedule& schedule)
      : nest_(nest), graph_(nest.graph), schedule_(schedule), reachable_(reachable_nodes(nest)),
        accesses_(find_accesses(nest, reachable_)) {
    for (int a = 0; a < graph_.axis_count(); ++a) extents_.push_back(graph_.extent(a));
    for (const auto& [dropped, kept] : schedule.joined) {
      extents_[static_cast<size_t>(kept)] *= extents_[static_cast<size_t>(dropped)];
      dropped_ |= bit(dropped);
    }
    for (int a : schedule.outer) {
      outer_ |= bit(a);
      axis_text_[a] = "i" + std::to_string(a);
    }
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const Node& n = graph_.node(id);
      if (reachable_[static_cast<size_t>(id)] && n.op == Op::load) loaded_.insert(static_cast<int>(n.integer));
      checks_ |= reachable_[static_cast<size_t>(id)] && n.op == Op::index;
    }
    find_levels();
    result_.sizes = {0, 0};  // iterations and chunk of the parallel loop
  }

  KernelText print() {
    estimate_work();
    switch (schedule_.kind) {
      case Schedule::rows: print_rows(); break;
      case Schedule::columns: print_columns(); break;
      case Schedule::update: print_update(); break;
      case Schedule::product: print_product(); break;
    }
    result_.text =
        abi_text + prelude_text(std::vector<std::string>(prelude_.begin(), prelude_.end())) + functions_ + entry();
    return std::move(result_);
  }

 private:
  /// Of one iteration of the parallel loop: additions, more or less.
  void estimate_work() {
    int64_t cost = 2, inside = 1;
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const Node& n = graph_.node(id);
      if (!reachable_[static_cast<size_t>(id)] || !varying(id)) continue;
      cost += n.op == Op::math ? loops::math_functions()[static_cast<size_t>(n.integer)].cost : 1;
    }
    for (int a : loop_axes(inner_axes_)) inside *= std::max<int64_t>(extents_[static_cast<size_t>(a)], 1);
    if (schedule_.kind == Schedule::update) inside = update_work();
    if (schedule_.kind == Schedule::rows && single_row()) inside = 1;
    if (schedule_.kind == Schedule::columns) {
      const int64_t n = std::max<int64_t>(extents_[static_cast<size_t>(schedule_.inner)], 1);
      inside = inside / n * std::min<int64_t>(n, column_block);
    }
    result_.work = cost * std::max<int64_t>(inside, 1);
  }

  /// Elements of an update: all of them, or those for one index of the axis that is cut.
  int64_t update_work() const {
    int64_t elements = 1;
    for (int a : nest_.stores[0].axes) {
      if (a >= 0 && (schedule_.target >= 0 || a != schedule_.inner))
        elements *= std::max<int64_t>(extents_[static_cast<size_t>(a)], 1);
    }
    return elements;
  }

  // Sizes ------------------------------------------------------------------------------------------------

  /// The name of a number that the text reads from `sizes`.
  std::string size(int64_t value) {
    result_.sizes.push_back(value);
    return "n" + std::to_string(result_.sizes.size() - 1);
  }
  std::string runtime_size(int64_t slot) {
    const std::string name = size(0);
    result_.runtime_sizes.emplace_back(static_cast<int>(result_.sizes.size() - 1), static_cast<int>(slot));
    return name;
  }
  std::string extent(int axis) {
    auto& name = extent_names_[axis];
    if (name.empty()) name = size(extents_[static_cast<size_t>(axis)]);
    return name;
  }
  /// The stride of a buffer along an axis: accesses to one buffer mostly share theirs.
  std::string scaled(const std::string& index, int64_t buffer, int axis, int64_t stride) {
    if (stride == 1) return index;
    auto& name = stride_names_[{buffer, axis, stride}];
    if (name.empty()) name = size(stride);
    return index + " * " + name;
  }
  /// "axis * stride" with the multiplication left out where the stride is 0 or 1.
  std::string scaled(const std::string& index, int64_t stride) {
    if (stride == 1) return index;
    return index + " * " + size(stride);
  }

  // Levels -----------------------------------------------------------------------------------------------

  /// depth: how many reductions come before a node. varying: depends on an index of an inner loop.
  void find_levels() {
    const size_t count = static_cast<size_t>(graph_.size());
    depth_.assign(count, 0);
    uint64_t inner = schedule_.inner >= 0 ? bit(schedule_.inner) : 0;
    for (int32_t id = 0; id < graph_.size(); ++id)
      inner |= reachable_[static_cast<size_t>(id)] ? graph_.node(id).bound : 0;
    for (int a : schedule_.row_axes) inner |= bit(a);
    for (int a : schedule_.column_axes) inner |= bit(a);
    // Axes joined into an inner one vary with it.
    for (const auto& [dropped, kept] : schedule_.joined) {
      if (inner & bit(kept)) inner |= bit(dropped);
    }
    inner_axes_ = inner;
    for (int32_t id = 0; id < graph_.size(); ++id) {
      if (!reachable_[static_cast<size_t>(id)]) continue;
      const Node& n = graph_.node(id);
      if (n.op == Op::load && accesses_.loads[static_cast<size_t>(id)]) continue;
      for (int32_t c : graph_.children(n))
        depth_[static_cast<size_t>(id)] = std::max(depth_[static_cast<size_t>(id)], depth_[static_cast<size_t>(c)]);
      if (n.op == Op::reduce) ++depth_[static_cast<size_t>(id)];
      deepest_ = std::max(deepest_, depth_[static_cast<size_t>(id)]);
    }
  }
  bool varying(int32_t id) const { return (graph_.node(id).free & inner_axes_) != 0; }

  // Values -----------------------------------------------------------------------------------------------

  /// Names count in the order of the text, so that equal kernels of unlike graphs have one text.
  std::string number(int32_t id) { return std::to_string(numbers_.emplace(id, numbers_.size()).first->second); }

  std::string value(int32_t id) {
    const Node& n = graph_.node(id);
    if (n.op == Op::constant) {
      if (is_floating(n.dtype))
        return n.number < 0 ? "(" + float_literal(n.number, n.dtype) + ")" : float_literal(n.number, n.dtype);
      return integer_names_.count(id) ? integer_names_.at(id) : std::to_string(n.integer);
    }
    return "v" + number(id);
  }

  /// Integer constants of index arithmetic depend on shapes: they come from `sizes`, except 0 and 1.
  void name_integers(int32_t id) {
    for (int32_t c : graph_.children(graph_.node(id))) {
      const Node& n = graph_.node(c);
      if (n.op != Op::constant || n.dtype != Dtype::int64 || n.integer == 0 || n.integer == 1 ||
          integer_names_.count(c))
        continue;
      integer_names_[c] = size(n.integer);
    }
  }

  std::string use(const std::string& function) {
    prelude_.insert(function);
    return function;
  }
  static std::string suffix(Dtype d) { return "_" + std::string(short_name(d)); }

  std::string combined(Combine kind, Dtype dtype, const std::string& a, const std::string& b) {
    const std::string cast = dtype == Dtype::uint8 ? "(uint8_t)" : "";
    switch (kind) {
      case Combine::sum: return cast + "(" + a + " + " + b + ")";
      case Combine::prod: return cast + "(" + a + " * " + b + ")";
      case Combine::max:
      case Combine::min: {
        const std::string name = kind == Combine::max ? "max" : "min";
        if (is_floating(dtype)) return use("wg_" + name + suffix(dtype)) + "(" + a + ", " + b + ")";
        return "(" + a + (kind == Combine::max ? " > " : " < ") + b + " ? " + a + " : " + b + ")";
      }
      case Combine::any: return "(" + a + " | " + b + ")";
      case Combine::all: return "(" + a + " & " + b + ")";
      case Combine::set: return b;
    }
    return b;
  }

  static std::string identity(Combine kind, Dtype dtype) {
    const bool low = kind == Combine::max;
    switch (kind) {
      case Combine::prod:
      case Combine::all: return "1";
      case Combine::max:
      case Combine::min:
        if (is_floating(dtype)) return float_literal(low ? -INFINITY : INFINITY, dtype);
        if (dtype == Dtype::int64) return low ? "(-__INT64_MAX__ - 1)" : "__INT64_MAX__";
        if (dtype == Dtype::int32) return low ? "(-__INT_MAX__ - 1)" : "__INT_MAX__";
        return low ? "0" : dtype == Dtype::bool_ ? "1" : "255";
      default: return "0";
    }
  }

  /// The right side of "v12 = ...".
  std::string expression(int32_t id) {
    const Node& n = graph_.node(id);
    name_integers(id);
    auto child = [&](int i) { return value(graph_.child(n, i)); };
    const std::string cast = n.dtype == Dtype::uint8 ? "(uint8_t)" : "";
    const auto infix = [&](const char* op) { return cast + "(" + child(0) + " " + op + " " + child(1) + ")"; };
    switch (n.op) {
      case Op::axis: return axis_text_.at(static_cast<int>(n.integer));
      case Op::argument: return runtime_size(n.integer);
      case Op::load: return load_text(id);
      case Op::neg: return cast + "(-" + child(0) + ")";
      case Op::abs:
        if (is_floating(n.dtype))
          return std::string(n.dtype == Dtype::float32 ? "__builtin_fabsf(" : "__builtin_fabs(") + child(0) + ")";
        return is_unsigned(n.dtype) ? child(0) : "(" + child(0) + " < 0 ? -" + child(0) + " : " + child(0) + ")";
      case Op::sqrt:
      case Op::floor:
      case Op::round: {
        const std::string name = n.op == Op::sqrt ? "wg_sqrt" : n.op == Op::floor ? "wg_floor" : "wg_round";
        return use(name + suffix(n.dtype)) + "(" + child(0) + ")";
      }
      case Op::logical_not: return "!" + child(0);
      case Op::add: return infix("+");
      case Op::sub: return infix("-");
      case Op::mul: return infix("*");
      case Op::div: return infix("/");
      case Op::max: return combined(Combine::max, n.dtype, child(0), child(1));
      case Op::min: return combined(Combine::min, n.dtype, child(0), child(1));
      case Op::floordiv:
      case Op::mod: return integer_division(n, child(0), child(1));
      case Op::eq: return infix("==");
      case Op::ne: return infix("!=");
      case Op::lt: return infix("<");
      case Op::le: return infix("<=");
      case Op::logical_and: return "(" + child(0) + " & " + child(1) + ")";
      case Op::logical_or: return "(" + child(0) + " | " + child(1) + ")";
      case Op::select: return "(" + child(0) + " ? " + child(1) + " : " + child(2) + ")";
      case Op::convert:
        return is_bool(n.dtype) ? "(" + child(0) + " != 0)" : "(" + std::string(value_type(n.dtype)) + ")" + child(0);
      case Op::math: return call(n);
      case Op::index: return use("wg_index") + "(" + child(0) + ", " + child(1) + ", " + child(2) + ", &failed)";
      default: return "0";
    }
  }

  std::string integer_division(const Node& n, const std::string& a, const std::string& b) {
    const char* name = n.op == Op::mod ? "wg_mod" : "wg_floordiv";
    if (n.dtype == Dtype::uint8) return "(uint8_t)" + use(std::string(name) + "_i32") + "(" + a + ", " + b + ")";
    return use(name + suffix(n.dtype)) + "(" + a + ", " + b + ")";
  }

  std::string call(const Node& n) {
    const auto& function = loops::math_functions()[static_cast<size_t>(n.integer)];
    std::string name = "wg_" + std::string(function.name);
    if (function.name != "random_bits" && function.name != "permute") name += suffix(n.dtype);
    std::string text = use(name) + "(";
    for (int i = 0; i < n.child_count; ++i) text += (i ? ", " : "") + value(graph_.child(n, i));
    return text + ")";
  }

  // Memory -----------------------------------------------------------------------------------------------

  /// A pointer to where the loads or stores of one access begin in the current row.
  std::string pointer(int64_t buffer, const Affine& offset) {
    std::vector<int64_t> key{buffer, offset.constant};
    for (int a : schedule_.outer) key.push_back(offset.stride[static_cast<size_t>(a)]);
    if (schedule_.kind == Schedule::columns) key.push_back(offset.stride[static_cast<size_t>(schedule_.inner)]);
    for (const auto& [slot, scale] : offset.arguments) key.insert(key.end(), {slot, scale});
    const auto [it, added] = pointers_.emplace(key, static_cast<int>(pointers_.size()));
    if (added) declare_pointer(it->second, buffer, offset);
    return "p" + std::to_string(it->second);
  }

  /// Pointers are declared at the head of a row; the text of that head is collected while the row is printed.
  void declare_pointer(int number, int64_t buffer, const Affine& offset) {
    const NestBuffer& b = nest_.buffers[static_cast<size_t>(buffer)];
    const bool in_place = b.written && loaded_.count(static_cast<int>(buffer));
    std::string text = "    " + std::string(b.written ? "" : "const ") + memory_type(b.layout->type->dtype) +
        (in_place ? "* p" : "* restrict p") + std::to_string(number) + " = b" + std::to_string(buffer);
    if (offset.constant != 0) text += " + " + size(offset.constant);
    for (const auto& [slot, scale] : offset.arguments) text += " + " + scaled(runtime_size(slot), scale);
    for (int a : schedule_.outer) {
      const int64_t stride = offset.stride[static_cast<size_t>(a)];
      if (stride != 0) text += " + " + scaled("i" + std::to_string(a), buffer, a, stride);
    }
    if (schedule_.kind == Schedule::columns) {
      const int64_t stride = offset.stride[static_cast<size_t>(schedule_.inner)];
      if (stride != 0) text += " + " + scaled("j0", buffer, schedule_.inner, stride);
    }
    head_ += text + ";\n";
    used_buffers_.insert(static_cast<int>(buffer));
  }

  /// The index of an access beside its pointer: the axes of inner loops.
  std::string inner_index(int64_t buffer, const Affine& offset) {
    std::string text;
    for (int a = 0; a < graph_.axis_count(); ++a) {
      const int64_t stride = offset.stride[static_cast<size_t>(a)];
      if (stride == 0 || (dropped_ & bit(a)) || (outer_ & bit(a))) continue;
      const bool column = schedule_.kind == Schedule::columns && a == schedule_.inner;
      text += (text.empty() ? "" : " + ") + scaled(column ? "l" : axis_text_.at(a), buffer, a, stride);
    }
    return text.empty() ? "0" : text;
  }

  std::string load_text(int32_t id) {
    const Node& n = graph_.node(id);
    if (const auto& access = accesses_.loads[static_cast<size_t>(id)]) {
      return pointer(n.integer, *access) + "[" + inner_index(n.integer, *access) + "]";
    }
    return "b" + std::to_string(n.integer) + "[" + indexed_offset(n.integer, graph_.children(n)) + "]";
  }

  /// An offset from coordinates that are values themselves.
  std::string indexed_offset(int64_t buffer, std::span<const int32_t> coordinates) {
    used_buffers_.insert(static_cast<int>(buffer));
    const Layout& layout = *nest_.buffers[static_cast<size_t>(buffer)].layout;
    std::string text;
    for (size_t d = 0; d < coordinates.size(); ++d) {
      if (layout.strides[d] == 0) continue;
      const Node& n = graph_.node(coordinates[d]);
      if (n.op == Op::constant && n.integer == 0) continue;
      if (n.op == Op::constant && !integer_names_.count(coordinates[d]))
        integer_names_[coordinates[d]] = size(n.integer);
      text += (text.empty() ? "" : " + ") + scaled(value(coordinates[d]), layout.strides[d]);
    }
    return text.empty() ? "0" : text;
  }

  // Loops ------------------------------------------------------------------------------------------------

  /// Nodes that `roots` need and that are computed inside the loop: varying ones, operands first.
  std::vector<int32_t> needed_inside(std::span<const int32_t> roots, uint64_t given) const {
    std::vector<bool> needed(static_cast<size_t>(graph_.size()));
    std::vector<int32_t> stack(roots.begin(), roots.end());
    while (!stack.empty()) {
      const int32_t id = stack.back();
      stack.pop_back();
      const Node& n = graph_.node(id);
      if (needed[static_cast<size_t>(id)] || n.op == Op::constant || n.op == Op::reduce ||
          !(n.free & ~given & inner_axes_))
        continue;
      needed[static_cast<size_t>(id)] = true;
      if (cached_.count(id) && cached_.at(id)) continue;
      if (n.op == Op::load && accesses_.loads[static_cast<size_t>(id)]) continue;
      for (int32_t c : graph_.children(n)) stack.push_back(c);
    }
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < graph_.size(); ++id) {
      if (needed[static_cast<size_t>(id)]) ids.push_back(id);
    }
    return ids;
  }

  void line(const std::string& indent, const std::string& text) { rows_ += indent + text + "\n"; }

  void print_value(const std::string& indent, int32_t id) {
    const Node& n = graph_.node(id);
    line(indent, "const " + std::string(value_type(n.dtype)) + " v" + number(id) + " = " + expression(id) + ";");
  }

  /// Nodes that do not vary inside the row, in the order of their ids, up to `depth` reductions.
  void print_row_values(const std::string& indent, int depth) {
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const Node& n = graph_.node(id);
      if (!reachable_[static_cast<size_t>(id)] || depth_[static_cast<size_t>(id)] != depth || varying(id) ||
          n.op == Op::constant || n.op == Op::reduce) {
        continue;
      }
      print_value(indent, id);
    }
  }

  std::vector<int> loop_axes(uint64_t axes) const {
    std::vector<int> list;
    for (int a = 0; a < graph_.axis_count(); ++a) {
      if ((axes & bit(a)) && !(dropped_ & bit(a))) list.push_back(a);
    }
    return list;
  }

  /// The reductions of one depth, those over the same axes together.
  std::map<uint64_t, std::vector<int32_t>> reductions_at(int depth) const {
    std::map<uint64_t, std::vector<int32_t>> groups;
    for (int32_t id = 0; id < graph_.size(); ++id) {
      if (reachable_[static_cast<size_t>(id)] && graph_.node(id).op == Op::reduce &&
          depth_[static_cast<size_t>(id)] == depth) {
        groups[graph_.node(id).bound].push_back(id);
      }
    }
    return groups;
  }

  // Rows -------------------------------------------------------------------------------------------------

  void print_rows() {
    plan_cache();
    for (int depth = 0; depth <= deepest_; ++depth) {
      print_row_values("    ", depth);
      for (const auto& [bound, group] : reductions_at(depth + 1)) {
        print_lanes(group, bound);
        if (schedule_.split >= 0) finish_pieces(group);
      }
    }
    std::vector<int32_t> inner_values;
    for (size_t s = 0; s < nest_.stores.size(); ++s) {
      if (along_row(s)) inner_values.push_back(nest_.stores[s].value.id());
      else line("    ", store_text(s));
    }
    if (!inner_values.empty()) print_row_loop(inner_values);
    finish_rows();
  }

  bool along_row(size_t s) const {
    const auto& axes = nest_.stores[s].axes;
    return schedule_.inner >= 0 && std::find(axes.begin(), axes.end(), schedule_.inner) != axes.end();
  }

  std::string store_text(size_t s) {
    const Store& store = nest_.stores[s];
    const Affine& offset = accesses_.stores[s];
    return pointer(store.buffer, offset) + "[" + inner_index(store.buffer, offset) + "] = " + value(store.value.id()) +
        ";";
  }

  /// Outer loops absent: the row itself is what runs in parallel.
  bool single_row() const { return schedule_.outer.empty() && schedule_.inner >= 0 && deepest_ == 0; }

  void print_row_loop(std::span<const int32_t> values) {
    axis_text_[schedule_.inner] = "j";
    const std::string from = single_row() ? "begin" : "0", to = single_row() ? "end" : extent(schedule_.inner);
    line("    ", "for (int64_t j = " + from + "; j < " + to + "; ++j) {");
    for (int32_t id : needed_inside(values, 0)) print_inner_value("      ", id, "j");
    for (size_t s = 0; s < nest_.stores.size(); ++s) {
      if (along_row(s)) line("      ", store_text(s));
    }
    line("    ", "}");
  }

  void print_inner_value(const std::string& indent, int32_t id, const std::string& index) {
    const auto it = cached_.find(id);
    if (it == cached_.end()) return print_value(indent, id);
    const Node& n = graph_.node(id);
    const std::string row = kept_row(id);
    if (it->second) {
      line(indent, "const " + std::string(value_type(n.dtype)) + " v" + number(id) + " = " + row + "[" + index + "];");
    } else {
      print_value(indent, id);
      line(indent, row + "[" + index + "] = v" + number(id) + ";");
    }
  }

  /// Expensive functions along the row that two loops need are computed in the first and kept in scratch.
  void plan_cache() {
    std::map<int32_t, int> loops_that_need;
    uint64_t lane_axes = 0;
    const auto count = [&](std::span<const int32_t> roots) {
      for (int32_t id : needed_inside(roots, 0)) {
        const Node& n = graph_.node(id);
        if (n.op == Op::math && loops::math_functions()[static_cast<size_t>(n.integer)].cost >= expensive)
          ++loops_that_need[id];
      }
    };
    for (int depth = 0; depth <= deepest_; ++depth) {
      for (const auto& [bound, group] : reductions_at(depth + 1)) {
        if (loop_axes(bound).size() != 1) continue;
        lane_axes |= bit(loop_axes(bound)[0]);
        count(bodies(group));
      }
    }
    std::vector<int32_t> values;
    for (size_t s = 0; s < nest_.stores.size(); ++s) {
      if (along_row(s)) values.push_back(nest_.stores[s].value.id());
    }
    count(values);
    for (const auto& [id, loops] : loops_that_need) {
      const uint64_t inside = graph_.node(id).free & inner_axes_ & ~dropped_;
      if (loops > 1 && (inside & lane_axes) == inside && (inside & (inside - 1)) == 0) cached_[id] = false;
    }
    for (const auto& [id, written] : cached_) {
      (void)written;
      if (const int store = row_to_keep_in(id); store >= 0) kept_in_output_[id] = static_cast<size_t>(store);
    }
  }

  /// A row of the output that nothing else is read from or written to before its own values are: kept there, values
  /// take no more of the first cache than the row itself. -1: none.
  int row_to_keep_in(int32_t id) const {
    const Node& n = graph_.node(id);
    if (schedule_.inner < 0 || loop_axes(n.free & inner_axes_) != std::vector<int>{schedule_.inner}) return -1;
    for (size_t s = 0; s < nest_.stores.size(); ++s) {
      const Store& store = nest_.stores[s];
      const Affine& offset = accesses_.stores[s];
      const bool taken =
          std::any_of(kept_in_output_.begin(), kept_in_output_.end(), [&](const auto& k) { return k.second == s; });
      const bool own_row = std::all_of(schedule_.outer.begin(), schedule_.outer.end(), [&](int a) {
        return offset.stride[static_cast<size_t>(a)] != 0 || extents_[static_cast<size_t>(a)] == 1;
      });
      if (along_row(s) && own_row && !taken && offset.stride[static_cast<size_t>(schedule_.inner)] == 1 &&
          store.value.dtype() == n.dtype && !is_bool(n.dtype) && !loaded_.count(store.buffer)) {
        return static_cast<int>(s);
      }
    }
    return -1;
  }

  /// Where the values of a node are kept between the loops over a row.
  std::string kept_row(int32_t id) {
    const auto it = kept_in_output_.find(id);
    if (it == kept_in_output_.end()) return "t" + number(id);
    return pointer(nest_.stores[it->second].buffer, accesses_.stores[it->second]);
  }

  std::vector<int32_t> bodies(std::span<const int32_t> reductions) const {
    std::vector<int32_t> ids;
    for (int32_t r : reductions) ids.push_back(graph_.child(graph_.node(r), 0));
    return ids;
  }

  /// The axis along which the lanes of a reduction run: the one in steps of 1.
  int lane_axis(std::span<const int32_t> group, const std::vector<int>& axes) const {
    int best = axes.back(), best_count = 0;
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    for (int a : axes) {
      int count = 0;
      for (int32_t id : inside) {
        const auto& access = accesses_.loads[static_cast<size_t>(id)];
        if (access && std::abs(access->stride[static_cast<size_t>(a)]) == 1) ++count;
      }
      if (count > best_count) {
        best = a;
        best_count = count;
      }
    }
    return best;
  }

  /// Reductions along the row: a fixed number of lanes, added up as a tree, so that the result depends on neither
  /// the number of threads nor the width of the vectors.
  void print_lanes(std::span<const int32_t> group, uint64_t bound) {
    std::vector<int> axes = loop_axes(bound);
    const int lane = lane_axis(group, axes);
    const int lanes = extents_[static_cast<size_t>(lane)] >= 256 ? 64 : 16;
    const std::string count = std::to_string(lanes), n = last_of(lane);
    for (int32_t r : group) line("    ", std::string(value_type(graph_.node(r).dtype)) + " v" + number(r) + ";");
    line("    ", "{");
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      line("    ", std::string(value_type(node.dtype)) + " a" + number(r) + "[" + count + "];");
      line("    ",
           "for (int l = 0; l < " + count + "; ++l) a" + number(r) + "[l] = " + identity(node.combine, node.dtype) +
               ";");
    }
    std::string indent = "    ";
    for (int a : axes) {
      if (a == lane) continue;
      const std::string r = "r" + std::to_string(a);
      axis_text_[a] = r;
      line(indent, "for (int64_t " + r + " = " + first_of(a) + "; " + r + " < " + last_of(a) + "; ++" + r + ") {");
      indent += "  ";
    }
    axis_text_[lane] = "(j + l)";
    line(indent, "int64_t j = " + first_of(lane) + ";");
    line(indent, "for (; j + " + count + " <= " + n + "; j += " + count + ") {");
    line(indent, "  for (int l = 0; l < " + count + "; ++l) {");
    print_lane_body(indent + "    ", group, "a");
    line(indent, "  }");
    if (is_last_reduction(group) && lane == schedule_.inner) print_fetch_ahead(indent + "  ", lane);
    line(indent, "}");
    print_row_end(indent, group, count, n);
    for (size_t i = 1; i < axes.size(); ++i) line(std::string(4 + 2 * (axes.size() - 1 - i), ' '), "}");
    for (int32_t id : needed_inside(bodies(group), 0)) {
      if (const auto it = cached_.find(id); it != cached_.end()) it->second = true;
    }
    for (int32_t r : group) print_tree(r, lanes);
    line("    ", "}");
  }

  /// What is left of a row, in lanes of its own: compilers keep an array in registers only if no variable indexes it.
  void print_row_end(const std::string& indent, std::span<const int32_t> group, const std::string& count,
                     const std::string& n) {
    line(indent, "if (j < " + n + ") {");
    for (int32_t r : group) {
      line(indent, "  " + std::string(value_type(graph_.node(r).dtype)) + " e" + number(r) + "[" + count + "];");
    }
    const auto copy = [&](const char* to, const char* from) {
      for (int32_t r : group) {
        line(indent,
             "  for (int l = 0; l < " + count + "; ++l) " + to + number(r) + "[l] = " + from + number(r) + "[l];");
      }
    };
    copy("e", "a");
    line(indent, "  for (int l = 0; j + l < " + n + "; ++l) {");
    print_lane_body(indent + "    ", group, "e");
    line(indent, "  }");
    copy("a", "e");
    line(indent, "}");
  }

  /// `lanes`: the name of the arrays that the reductions are gathered in.
  void print_lane_body(const std::string& indent, std::span<const int32_t> group, const std::string& lanes) {
    for (int32_t id : needed_inside(bodies(group), 0)) print_inner_value(indent, id, "j + l");
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = lanes + number(r) + "[l]";
      line(indent, a + " = " + combined(node.combine, node.dtype, a, value(graph_.child(node, 0))) + ";");
    }
  }

  bool is_last_reduction(std::span<const int32_t> group) const {
    return depth_[static_cast<size_t>(group[0])] == deepest_ && reductions_at(deepest_).size() == 1;
  }

  bool computes_expensively() const {
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const Node& n = graph_.node(id);
      if (reachable_[static_cast<size_t>(id)] && varying(id) && n.op == Op::math &&
          loops::math_functions()[static_cast<size_t>(n.integer)].cost >= expensive)
        return true;
    }
    return false;
  }

  /// In the last pass before the loop that stores a row, where that computes expensive functions and memory would be idle:
  /// the next row of what is read and written along the lanes. Reading past the end of an array does no harm that way.
  void print_fetch_ahead(const std::string& indent, int lane) {
    const int64_t length = extents_[static_cast<size_t>(lane)];
    if (schedule_.outer.empty() || !computes_expensively() || length < shortest_row_to_fetch ||
        length > longest_row_to_fetch)
      return;
    std::set<std::string> fetched;
    const auto fetch = [&](int buffer, const Affine& offset, bool write) {
      const int64_t next = offset.stride[static_cast<size_t>(schedule_.outer.back())];
      if (offset.stride[static_cast<size_t>(lane)] != 1 || next == 0) return;
      const std::string p = pointer(buffer, offset);
      if (!fetched.insert(p).second) return;
      const int width = itemsize(nest_.buffers[static_cast<size_t>(buffer)].layout->type->dtype);
      line(indent,
           "for (int l = 0; l < 64; l += " + std::to_string(64 / width) + ") __builtin_prefetch(" + p + " + " +
               scaled("1", buffer, schedule_.outer.back(), next) + " + j + l, " + (write ? "1" : "0") + ", 3);");
    };
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const auto& access = accesses_.loads[static_cast<size_t>(id)];
      if (reachable_[static_cast<size_t>(id)] && access)
        fetch(static_cast<int>(graph_.node(id).integer), *access, false);
    }
    for (size_t s = 0; s < nest_.stores.size(); ++s) {
      if (along_row(s)) fetch(nest_.stores[s].buffer, accesses_.stores[s], true);
    }
  }

  void print_tree(int32_t r, int lanes) {
    const Node& node = graph_.node(r);
    const std::string a = "a" + number(r);
    line("    ", "for (int w = " + std::to_string(lanes / 2) + "; w > 0; w /= 2) {");
    line("    ",
         "  for (int l = 0; l < w; ++l) " + a +
             "[l] = " + combined(node.combine, node.dtype, a + "[l]", a + "[l + w]") + ";");
    line("    ", "}");
    line("    ", "v" + number(r) + " = " + a + "[0];");
  }

  // Pieces -----------------------------------------------------------------------------------------------

  /// Bounds of a reduction's loop: all of the axis, or one piece of the split axis.
  std::string first_of(int axis) const { return axis == schedule_.split ? "from" : "0"; }
  std::string last_of(int axis) { return axis == schedule_.split ? "to" : extent(axis); }

  int64_t results() const {
    int64_t count = 1;
    for (int a : schedule_.outer) count *= extents_[static_cast<size_t>(a)];
    if (schedule_.kind == Schedule::columns) {
      count *= (extents_[static_cast<size_t>(schedule_.inner)] + column_block - 1) / column_block;
    }
    return count;
  }
  int64_t piece_width() const { return schedule_.kind == Schedule::columns ? column_block : 1; }

  /// Where the partial results of reduction number `i` of one piece stand.
  std::string partial_at(size_t i, Dtype dtype, const std::string& piece, const std::string& result) {
    const std::string type = value_type(dtype);
    const int64_t section = schedule_.pieces * results() * piece_width() * 8;
    std::string at =
        "((" + type + "*)(given->partial" + (i == 0 ? "" : " + " + size(static_cast<int64_t>(i) * section)) + "))";
    return at + "[(" + piece + " * " + size(results()) + " + " + result + ") * " + std::to_string(piece_width());
  }

  /// Ends the function that computes the pieces; what follows goes into the function that combines them.
  void finish_pieces(std::span<const int32_t> group) {
    const bool columns = schedule_.kind == Schedule::columns;
    if (columns) line("    ", "for (int64_t l = 0; l < nj; ++l) {");
    for (size_t i = 0; i < group.size(); ++i) {
      const Dtype dtype = graph_.node(group[i]).dtype;
      const std::string r = number(group[i]);
      line("      ",
           partial_at(i, dtype, "piece", "result") + (columns ? " + l] = a" + r + "[l];" : "] = v" + r + ";"));
    }
    if (columns) line("    ", "}");
    const std::string count = size(results()), length = size(schedule_.piece), all = extent(schedule_.split);
    std::string text = "  for (int64_t index = begin; index < end; ++index) {\n";
    text += "    const int64_t piece = index / " + count + ", result = index % " + count + ";\n";
    text += "    const int64_t from = piece * " + length + ", to = from + " + length + " < " + all + " ? from + " +
        length + " : " + all + ";\n";
    text += columns ? column_bounds("result") : decode_outer("result");
    add_function("wg_piece", text + head_ + rows_ + "  }\n");
    partial_sections_ = static_cast<int64_t>(group.size());
    head_.clear();
    rows_.clear();
    pointers_.clear();
    used_buffers_.clear();
    print_row_values("    ", 0);
    combine_pieces(group);
  }

  void combine_pieces(std::span<const int32_t> group) {
    const bool columns = schedule_.kind == Schedule::columns;
    for (size_t i = 0; i < group.size(); ++i) {
      const Node& node = graph_.node(group[i]);
      const std::string r = number(group[i]), type = value_type(node.dtype),
                        at = partial_at(i, node.dtype, "piece", "row");
      const std::string target = columns ? "a" + r + "[l]" : "v" + r, item = at + (columns ? " + l]" : "]");
      if (columns) {
        line("    ", type + " a" + r + "[" + std::to_string(column_block) + "];");
        line("    ", "for (int64_t l = 0; l < nj; ++l) " + target + " = " + identity(node.combine, node.dtype) + ";");
      } else {
        line("    ", type + " v" + r + " = " + identity(node.combine, node.dtype) + ";");
      }
      line("    ", "for (int64_t piece = 0; piece < " + size(schedule_.pieces) + "; ++piece) {");
      line("      ",
           std::string(columns ? "for (int64_t l = 0; l < nj; ++l) " : "") + target + " = " +
               combined(node.combine, node.dtype, target, item) + ";");
      line("    ", "}");
    }
  }

  /// Puts the loop over rows around the collected text.
  void finish_rows() {
    std::string text;
    if (single_row()) {
      text = head_ + rows_;
      result_.sizes[0] = extents_[static_cast<size_t>(schedule_.inner)];
    } else {
      result_.sizes[0] = 1;
      for (int a : schedule_.outer) result_.sizes[0] *= extents_[static_cast<size_t>(a)];
      text = decode_outer("begin") + scratch_rows() + "  for (int64_t row = begin; row < end; ++row) {\n" + head_ +
          rows_ + advance_outer() + "  }\n";
    }
    add_function("wg_loop", text);
  }

  std::string scratch_rows() {
    std::string declarations;
    int64_t bytes = 0;
    std::string total;
    for (const auto& [id, written] : cached_) {
      (void)written;
      if (kept_in_output_.count(id)) continue;
      const Node& n = graph_.node(id);
      const int axis = loop_axes(n.free & inner_axes_)[0];
      const std::string type = value_type(n.dtype);
      declarations += "  " + type + "* restrict t" + number(id) + " = (" + type + "*)(scratch" +
          (total.empty() ? "" : " + " + total) + ");\n";
      total += (total.empty() ? "" : " + ") + std::string("((") + extent(axis) + " * " +
          std::to_string(itemsize(n.dtype)) + " + 63) / 64 * 64)";
      bytes += 1;
    }
    if (bytes == 0) return "";
    return "  char* scratch = (char*)context->scratch(context, " + total + ");\n  if (!scratch) return 2;\n" +
        declarations;
  }

  std::string decode_outer(const std::string& from) { return decode("  ", schedule_.outer, 'i', from); }

  /// Declares the indices of several axes, outermost first, that have one number together.
  std::string decode(const std::string& indent, const std::vector<int>& axes, char letter, const std::string& from) {
    if (axes.empty()) return "";
    if (axes.size() == 1) return indent + "int64_t " + letter + std::to_string(axes[0]) + " = " + from + ";\n";
    const std::string rest = std::string("rest_") + letter;
    std::string text = indent + "int64_t " + rest + " = " + from + ";\n";
    for (size_t k = axes.size(); k-- > 0;) {
      const std::string i = letter + std::to_string(axes[k]);
      if (k == 0) text += indent + "int64_t " + i + " = " + rest + ";\n";
      else
        text += indent + "int64_t " + i + " = " + rest + " % " + extent(axes[k]) + ";\n" + indent + rest +
            " /= " + extent(axes[k]) + ";\n";
    }
    return text;
  }

  std::string advance_outer() { return advance("    ", schedule_.outer, 'i'); }

  /// Steps those indices to the next number.
  std::string advance(const std::string& indent, const std::vector<int>& axes, char letter) {
    std::string text, close;
    for (size_t k = axes.size(); k-- > 0;) {
      const std::string i = letter + std::to_string(axes[k]);
      if (k == 0) text += indent + "++" + i + ";\n";
      else {
        text += indent + "if (++" + i + " == " + extent(axes[k]) + ") {\n" + indent + i + " = 0;\n";
        close += indent + "}\n";
      }
    }
    return text + close;
  }

  // Columns ----------------------------------------------------------------------------------------------

  void print_columns() {
    print_row_values("    ", 0);
    for (const auto& [bound, group] : reductions_at(1)) {
      print_column_sums(group, bound);
      if (schedule_.split >= 0) finish_pieces(group);
    }
    axis_text_[schedule_.inner] = "(j0 + l)";
    line("    ", "for (int64_t l = 0; l < nj; ++l) {");
    for (const auto& [bound, group] : reductions_at(1)) {
      for (int32_t r : group)
        line("      ",
             "const " + std::string(value_type(graph_.node(r).dtype)) + " v" + number(r) + " = a" + number(r) + "[l];");
    }
    std::vector<int32_t> values;
    for (const Store& store : nest_.stores) values.push_back(store.value.id());
    for (int32_t id : column_nodes(values)) print_value("      ", id);
    for (size_t s = 0; s < nest_.stores.size(); ++s) line("      ", store_text(s));
    line("    ", "}");
    finish_columns();
  }

  /// Varying nodes after the reductions: everything that depends on a reduction or on the column.
  std::vector<int32_t> column_nodes(std::span<const int32_t> roots) const {
    std::vector<bool> needed(static_cast<size_t>(graph_.size()));
    std::vector<int32_t> stack(roots.begin(), roots.end());
    while (!stack.empty()) {
      const int32_t id = stack.back();
      stack.pop_back();
      const Node& n = graph_.node(id);
      if (needed[static_cast<size_t>(id)] || n.op == Op::constant || n.op == Op::reduce || !varying(id)) continue;
      needed[static_cast<size_t>(id)] = true;
      if (n.op == Op::load && accesses_.loads[static_cast<size_t>(id)]) continue;
      for (int32_t c : graph_.children(n)) stack.push_back(c);
    }
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < graph_.size(); ++id) {
      if (needed[static_cast<size_t>(id)]) ids.push_back(id);
    }
    return ids;
  }

  void print_column_sums(std::span<const int32_t> group, uint64_t bound) {
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      line("    ", std::string(value_type(node.dtype)) + " a" + number(r) + "[" + std::to_string(column_block) + "];");
      line("    ",
           "for (int64_t l = 0; l < nj; ++l) a" + number(r) + "[l] = " + identity(node.combine, node.dtype) + ";");
    }
    std::string indent = "    ";
    const std::vector<int> axes = loop_axes(bound);
    axis_text_[schedule_.inner] = "(j0 + l)";
    for (int a : axes) axis_text_[a] = "r" + std::to_string(a);
    for (size_t i = 0; i < axes.size(); ++i) {
      const std::string r = "r" + std::to_string(axes[i]), last = last_of(axes[i]);
      if (i + 1 == axes.size() && is_light(group)) {
        line(indent, "int64_t " + r + " = " + first_of(axes[i]) + ";");
        print_column_steps(indent, group, axes[i], last);
        line(indent, "for (; " + r + " < " + last + "; ++" + r + ") {");
      } else {
        line(indent, "for (int64_t " + r + " = " + first_of(axes[i]) + "; " + r + " < " + last + "; ++" + r + ") {");
      }
      indent += "  ";
    }
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    for (int32_t id : inside) {
      if (!(graph_.node(id).free & bit(schedule_.inner))) print_value(indent, id);
    }
    line(indent, "for (int64_t l = 0; l < nj; ++l) {");
    for (int32_t id : inside) {
      if (graph_.node(id).free & bit(schedule_.inner)) print_value(indent + "  ", id);
    }
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = "a" + number(r) + "[l]";
      line(indent + "  ", a + " = " + combined(node.combine, node.dtype, a, value(graph_.child(node, 0))) + ";");
    }
    line(indent, "}");
    for (size_t i = axes.size(); i-- > 0;) line(std::string(4 + 2 * i, ' '), "}");
  }

  /// Whether a reduction spends its time on memory: then several steps of it are taken at once.
  bool is_light(std::span<const int32_t> group) const {
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    return inside.size() <= 5 &&
        std::all_of(inside.begin(), inside.end(), [&](int32_t id) { return graph_.node(id).op != Op::math; });
  }

  /// Eight steps of a reduction in one pass over the accumulators, in the same order: as many streams from memory.
  void print_column_steps(const std::string& indent, std::span<const int32_t> group, int axis,
                          const std::string& last) {
    constexpr int steps = 8;
    const std::string r = "r" + std::to_string(axis), count = std::to_string(steps);
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    line(indent, "for (; " + r + " + " + count + " <= " + last + "; " + r + " += " + count + ") {");
    line(indent, "  for (int64_t l = 0; l < nj; ++l) {");
    for (int32_t g : group) {
      const std::string a = number(g);
      line(indent, "    " + std::string(value_type(graph_.node(g).dtype)) + " t" + a + " = a" + a + "[l];");
    }
    for (int step = 0; step < steps; ++step) {
      axis_text_[axis] = step == 0 ? r : "(" + r + " + " + std::to_string(step) + ")";
      line(indent, "    {");
      for (int32_t id : inside) print_value(indent + "      ", id);
      for (int32_t g : group) {
        const Node& node = graph_.node(g);
        const std::string t = "t" + number(g);
        line(indent, "      " + t + " = " + combined(node.combine, node.dtype, t, value(graph_.child(node, 0))) + ";");
      }
      line(indent, "    }");
    }
    axis_text_[axis] = r;
    for (int32_t g : group) line(indent, "    a" + number(g) + "[l] = t" + number(g) + ";");
    line(indent, "  }");
    line(indent, "}");
  }

  /// The indices and the columns of result number `result`.
  std::string column_bounds(const std::string& result) {
    const int64_t blocks = (extents_[static_cast<size_t>(schedule_.inner)] + column_block - 1) / column_block;
    const std::string n = extent(schedule_.inner), nb = size(blocks), width = std::to_string(column_block);
    std::string text = "    const int64_t j0 = " + result + " % " + nb + " * " + width + ";\n";
    text += "    const int64_t nj = " + n + " - j0 < " + width + " ? " + n + " - j0 : " + width + ";\n";
    return text + decode_outer(result + " / " + nb);
  }

  void finish_columns() {
    result_.sizes[0] = results();
    const std::string bounds = column_bounds("row");
    add_function("wg_loop", "  for (int64_t row = begin; row < end; ++row) {\n" + bounds + head_ + rows_ + "  }\n");
  }

  // Updates ----------------------------------------------------------------------------------------------

  /// Values are computed as far outside as their axes allow; an index outside its axis ends the kernel before anything
  /// is written for it.
  void print_update() {
    const Store& store = nest_.stores[0];
    const std::vector<int> axes = update_loops(store);
    std::string indent = "  ";
    begin_update(axes);
    uint64_t open = 0;
    std::vector<bool> known(static_cast<size_t>(graph_.size()));
    print_ready_values(indent, open, known);
    for (int a : axes) {
      const std::string i = "i" + std::to_string(a);
      const bool cut = schedule_.target < 0 && a == schedule_.inner;
      axis_text_[a] = i;
      line(indent,
           "for (int64_t " + i + " = " + (cut ? "first" : "0") + "; " + i + " < " + (cut ? "last" : extent(a)) +
               "; ++" + i + ") {");
      indent += "  ";
      open |= bit(a);
      print_ready_values(indent, open, known);
    }
    std::vector<int32_t> target;
    for (const Expr& e : store.target) target.push_back(e.id());
    const std::string at = "b" + std::to_string(store.buffer) + "[" + indexed_offset(store.buffer, target) + "]";
    const Dtype dtype = nest_.buffers[static_cast<size_t>(store.buffer)].layout->type->dtype;
    line(indent, at + " = " + combined(store.combine, dtype, at, value(store.value.id())) + ";");
    for (size_t i = axes.size(); i-- > 0;) line(std::string(2 + 2 * i, ' '), "}");
    add_function("wg_loop", head_ + rows_);
  }

  /// Declares what a thread gets: the bounds of a loop, or of a coordinate of the targets.
  void begin_update(const std::vector<int>& axes) {
    int64_t length = 0, block = 1;
    if (schedule_.target >= 0) {
      length = nest_.buffers[static_cast<size_t>(nest_.stores[0].buffer)].layout->type->shape[schedule_.target];
      block = (length + schedule_.pieces - 1) / schedule_.pieces;
      result_.work = std::max<int64_t>(1, result_.work / schedule_.pieces);
    } else if (schedule_.inner >= 0) {
      length = extents_[static_cast<size_t>(schedule_.inner)];
      if (schedule_.inner != axes.front()) block = inner_block(length);
      result_.work *= block;
    } else {
      result_.sizes[0] = 1;
      line("  ", "(void)begin, (void)end;");
      return;
    }
    const std::string width = size(block), n = size(length);
    result_.sizes[0] = (length + block - 1) / block;
    line("  ",
         "const int64_t first = begin * " + width + ", last = end * " + width + " < " + n + " ? end * " + width +
             " : " + n + ";");
  }

  /// An inner loop is cut into few blocks, of two cache lines at least where its elements lie side by side.
  int64_t inner_block(int64_t length) const {
    constexpr int64_t most_blocks = 8, least_elements = 32;
    const int64_t block =
        std::max((length + most_blocks - 1) / most_blocks, cut_axis_is_innermost() ? least_elements : 1);
    return std::min(block, length);
  }
  bool cut_axis_is_innermost() const {
    const Store& store = nest_.stores[0];
    const Layout& layout = *nest_.buffers[static_cast<size_t>(store.buffer)].layout;
    for (size_t d = 0; d < store.target.size(); ++d) {
      if (layout.strides[d] == 1 && graph_.node(store.target[d]).free == bit(schedule_.inner)) return true;
    }
    return false;
  }

  /// Values not yet known that depend on the axes in `open` alone; then the check of the indices among them, and whether
  /// their place is this thread's.
  void print_ready_values(const std::string& indent, uint64_t open, std::vector<bool>& known) {
    bool checked = false, placed = false;
    const Store& store = nest_.stores[0];
    for (int32_t id = 0; id < graph_.size(); ++id) {
      const Node& n = graph_.node(id);
      const auto at = static_cast<size_t>(id);
      if (!reachable_[at] || known[at] || n.op == Op::constant || (n.free & ~open)) continue;
      known[at] = true;
      print_value(indent, id);
      checked |= n.op == Op::index;
      placed |= schedule_.target >= 0 && id == store.target[static_cast<size_t>(schedule_.target)].id();
    }
    if (checked) line(indent, "if (failed) return 3;");
    if (!placed) return;
    const std::string place = value(store.target[static_cast<size_t>(schedule_.target)].id());
    line(indent, "if (" + place + " < first || " + place + " >= last) continue;");
  }

  // Products ---------------------------------------------------------------------------------------------

  int64_t length_of(const std::vector<int>& axes) const {
    int64_t length = 1;
    for (int a : axes) length *= extents_[static_cast<size_t>(a)];
    return length;
  }

  void print_product() {
    const Node& sum = graph_.node(nest_.stores[0].value);
    const std::vector<int> sum_axes = loop_axes(sum.bound);
    const ProductBlocks blocks(length_of(schedule_.row_axes), length_of(schedule_.column_axes), length_of(sum_axes),
                               sum.dtype);
    ProductNames names;
    names.rows = size(blocks.rows), names.columns = size(blocks.columns), names.depth = size(blocks.depth);
    names.block_rows = size(blocks.block_rows), names.block_columns = size(blocks.block_columns),
    names.block_depth = size(blocks.block_depth);
    names.row_blocks = size(blocks.row_blocks()), names.column_blocks = size(blocks.column_blocks());
    names.type = product_type(sum.dtype);
    print_row_values("    ", 0);
    ProductText text;
    text.row_values = std::exchange(rows_, "");
    text.pack_rows = pack("          ", schedule_.factors[0], schedule_.row_axes, sum_axes, "first_row + row", "high",
                          "wg_rows", "left");
    text.pack_columns = pack("          ", schedule_.factors[1], schedule_.column_axes, sum_axes,
                             "first_column + column", "wide", "wg_columns", "(right + column * nk)");
    text.store = store_block("              ");
    text.indices =
        decode("    ", schedule_.outer, 'i', "tile / (" + names.row_blocks + " * " + names.column_blocks + ")");
    text.pointers = head_;
    functions_ += product_function(sum.dtype);
    add_function("wg_loop", product_loop(names, text));
    result_.sizes[0] = length_of(schedule_.outer) * blocks.row_blocks() * blocks.column_blocks();
    result_.work = std::max<int64_t>(1, blocks.block_rows * blocks.block_columns * blocks.depth / 8);
  }

  /// Visits the elements of a panel in runs along the innermost of `axes`: sets their indices, `done` and `run`.
  std::string runs(const std::string& indent, const std::vector<int>& axes, const std::string& from,
                   const std::string& width, const std::string& body) {
    const std::string inner = "i" + std::to_string(axes.back());
    if (axes.size() == 1) {
      return indent + "const int64_t " + inner + " = " + from + ", done = 0, run = " + width + ";\n" + body;
    }
    std::string text = indent + "for (int64_t done = 0, run; done < " + width + "; done += run) {\n";
    text += decode(indent + "  ", axes, 'i', from + " + done");
    text += indent + "  run = " + extent(axes.back()) + " - " + inner + ";\n";
    text += indent + "  if (run > " + width + " - done) run = " + width + " - done;\n";
    return text + body + indent + "}\n";
  }

  void name_lanes(const std::vector<int>& axes) {
    for (int a : axes) axis_text_[a] = "i" + std::to_string(a);
    axis_text_[axes.back()] = "(i" + std::to_string(axes.back()) + " + l)";
  }

  /// Computes a factor for `width` rows or columns from number `from` on, into a panel of that many lanes for each k.
  std::string pack(const std::string& indent, int32_t factor, const std::vector<int>& axes,
                   const std::vector<int>& sum_axes, const std::string& from, const std::string& width,
                   const std::string& lanes, const std::string& to) {
    name_lanes(axes);
    for (int a : sum_axes) axis_text_[a] = "r" + std::to_string(a);
    const std::vector<int32_t> nodes = needed_inside(std::span<const int32_t>(&factor, 1), 0);
    const std::string in = indent + (axes.size() == 1 ? "" : "  ");
    rows_ = decode(in, sum_axes, 'r', "k0");
    line(in, "for (int64_t k = 0; k < nk; ++k) {");
    const auto along_lanes = [&](int32_t id) { return (graph_.node(id).free & bit(axes.back())) != 0; };
    for (int32_t id : nodes) {
      if (!along_lanes(id)) print_value(in + "  ", id);
    }
    line(in, "  for (int64_t l = 0; l < run; ++l) {");
    for (int32_t id : nodes) {
      if (along_lanes(id)) print_value(in + "    ", id);
    }
    line(in, "    " + to + "[k * " + lanes + " + done + l] = " + value(factor) + ";");
    line(in, "  }");
    rows_ += advance(in + "  ", sum_axes, 'r');
    line(in, "}");
    std::string text = runs(indent, axes, from, width, std::exchange(rows_, ""));
    line(indent, "if (" + width + " < " + lanes + ") {");
    line(indent, "  for (int64_t k = 0; k < nk; ++k) {");
    line(indent, "    for (int64_t l = " + width + "; l < " + lanes + "; ++l) " + to + "[k * " + lanes + " + l] = 0;");
    line(indent, "  }");
    line(indent, "}");
    return text + std::exchange(rows_, "");
  }

  /// Adds row r of a block to the result, or begins it.
  std::string store_block(const std::string& indent) {
    const Affine& offset = accesses_.stores[0];
    const int buffer = nest_.stores[0].buffer;
    for (int a : schedule_.row_axes) axis_text_[a] = "i" + std::to_string(a);
    name_lanes(schedule_.column_axes);
    const std::string at = pointer(buffer, offset) + "[" + inner_index(buffer, offset) + "]";
    const std::string item = "block[r * wg_columns + done + l]";
    const std::string in = indent + (schedule_.column_axes.size() == 1 ? "" : "  ");
    line(in, "if (k0 == 0) {");
    line(in, "  for (int64_t l = 0; l < run; ++l) " + at + " = " + item + ";");
    line(in, "} else {");
    line(in, "  for (int64_t l = 0; l < run; ++l) " + at + " += " + item + ";");
    line(in, "}");
    const std::string body = std::exchange(rows_, "");
    return decode(indent, schedule_.row_axes, 'i', "first_row + row + r") +
        runs(indent, schedule_.column_axes, "first_column + column", "wide", body);
  }

  // Functions --------------------------------------------------------------------------------------------

  void add_function(const std::string& name, const std::string& body) {
    std::string text =
        "static int32_t " + name + "(const wg_context* context, const void* arguments, int64_t begin, int64_t end) {\n";
    text += "  const wg_arguments* given = (const wg_arguments*)arguments;\n  const int64_t* sizes = given->sizes;\n";
    text += "  if (*context->interrupt) return 1;\n";
    for (int b : used_buffers_) {
      const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(b)];
      const std::string type = memory_type(buffer.layout->type->dtype), k = std::to_string(b);
      text += "  " + std::string(buffer.written ? "" : "const ") + type + "* b" + k + " = (" + type +
          "*)given->buffers[" + k + "];\n";
    }
    for (size_t s = 2; s < result_.sizes.size(); ++s) {
      text += "  const int64_t n" + std::to_string(s) + " = sizes[" + std::to_string(s) + "];\n";
    }
    text += "  (void)sizes;\n";
    if (checks_) text += "  int64_t failed = 0;\n";
    functions_ += text + body + (checks_ ? "  return failed ? 3 : 0;\n}\n\n" : "  return 0;\n}\n\n");
  }

  std::string entry() {
    std::string text =
        "int32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* sizes, const wg_scalar* scalars) {\n";
    if (schedule_.split < 0) {
      text += "  const wg_arguments arguments = {buffers, sizes, scalars, 0};\n";
    } else {
      result_.sizes.push_back(schedule_.pieces * results());
      result_.sizes.push_back(partial_sections_ * schedule_.pieces * results() * piece_width() * 8);
      const std::string count = "sizes[" + std::to_string(result_.sizes.size() - 2) + "]";
      text += "  char* partial = (char*)context->scratch(context, sizes[" + std::to_string(result_.sizes.size() - 1) +
          "]);\n"
          "  if (!partial) return 2;\n"
          "  const wg_arguments arguments = {buffers, sizes, scalars, partial};\n"
          "  const int32_t status = context->parallel_for(context, wg_piece, &arguments, " +
          count +
          ", 1);\n"
          "  if (status) return status;\n";
    }
    return text +
        "  if (sizes[0] <= sizes[1]) return wg_loop(context, &arguments, 0, sizes[0]);\n"
        "  return context->parallel_for(context, wg_loop, &arguments, sizes[0], sizes[1]);\n"
        "}\n";
  }

  const Nest& nest_;
  const Graph& graph_;
  const Schedule& schedule_;
  std::vector<bool> reachable_;
  Accesses accesses_;
  std::vector<int64_t> extents_;
  uint64_t dropped_ = 0, outer_ = 0, inner_axes_ = 0;
  std::vector<int> depth_;
  int deepest_ = 0;
  KernelText result_;
  std::string functions_, head_, rows_;
  std::set<std::string> prelude_;
  int64_t partial_sections_ = 0;
  bool checks_ = false;
  std::set<int> used_buffers_, loaded_;
  std::map<int, std::string> extent_names_;
  std::map<std::tuple<int64_t, int, int64_t>, std::string> stride_names_;
  std::map<int, std::string> axis_text_;
  std::map<int32_t, std::string> integer_names_;
  std::map<int32_t, size_t> numbers_;
  std::map<std::vector<int64_t>, int> pointers_;
  std::map<int32_t, bool> cached_;            // nodes kept between loops -> already there
  std::map<int32_t, size_t> kept_in_output_;  // those kept in the row of an output -> the store of that
};

}  // namespace

KernelText print_kernel(const Nest& nest, const Schedule& schedule) { return Printer(nest, schedule).print(); }

}  // namespace wengert::compile
