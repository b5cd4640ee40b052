// For every index of the outer loops: reductions along the row, then one loop that stores it.
#include <algorithm>
#include <set>

#include "wengert/compile/reduction_printer.hpp"

namespace wengert::compile {
namespace {

constexpr int64_t shortest_row_to_fetch = 256, longest_row_to_fetch = 1 << 15;  // elements
constexpr int64_t long_row = 1 << 14, section_length = 1 << 12;                 // elements; a multiple of the lanes
constexpr int expensive = 10;  // a function from this cost on is kept in scratch rather than computed again

class RowsPrinter : public ReductionPrinter {
 public:
  using ReductionPrinter::ReductionPrinter;

 private:
  void print_loops() override {
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

  int64_t elements_of_iteration(int64_t inside) const override { return single_row() ? 1 : inside; }

  bool along_row(size_t s) const {
    const auto& axes = nest_.stores[s].axes;
    return schedule_.inner >= 0 && std::find(axes.begin(), axes.end(), schedule_.inner) != axes.end();
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
        lane_axes |= axis_bit(loop_axes(bound)[0]);
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
    print_new_lanes("    ", group, "a", count);
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
    const bool is_last = is_last_reduction(group) && lane == schedule_.inner;
    if (extents_[static_cast<size_t>(lane)] < long_row) {
      print_lane_steps(indent, group, "a", count, n, is_last ? lane : -1);
    } else {
      print_lane_sections(indent, group, count, n, is_last ? lane : -1);
    }
    print_row_end(indent, group, count, n);
    for (size_t i = 1; i < axes.size(); ++i) line(std::string(4 + 2 * (axes.size() - 1 - i), ' '), "}");
    for (int32_t id : needed_inside(bodies(group), 0)) {
      if (const auto it = cached_.find(id); it != cached_.end()) it->second = true;
    }
    for (int32_t r : group) print_tree(r, lanes);
    line("    ", "}");
  }

  void print_new_lanes(const std::string& indent, std::span<const int32_t> group, const std::string& lanes,
                       const std::string& count) {
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = lanes + number(r);
      line(indent, std::string(value_type(node.dtype)) + " " + a + "[" + count + "];");
      line(indent,
           "for (int l = 0; l < " + count + "; ++l) " + a + "[l] = " + identity(node.combine, node.dtype) + ";");
    }
  }

  /// All whole steps of the lanes up to `end`. `fetched`: the lane axis if the next row is to be fetched on the way.
  void print_lane_steps(const std::string& indent, std::span<const int32_t> group, const std::string& lanes,
                        const std::string& count, const std::string& end, int fetched) {
    line(indent, "for (; j + " + count + " <= " + end + "; j += " + count + ") {");
    line(indent, "  for (int l = 0; l < " + count + "; ++l) {");
    print_lane_body(indent + "    ", group, lanes);
    line(indent, "  }");
    if (fetched >= 0) print_fetch_ahead(indent + "  ", fetched);
    line(indent, "}");
  }

  /// The same in sections of a bounded number of steps: what rounding takes from a lane grows with the length of its
  /// chain of additions, by the square root at best and in proportion where the elements are alike.
  void print_lane_sections(const std::string& indent, std::span<const int32_t> group, const std::string& count,
                           const std::string& n, int fetched) {
    const std::string section = std::to_string(section_length);
    line(indent, "while (j + " + count + " <= " + n + ") {");
    line(indent, "  const int64_t end = j + " + section + " < " + n + " ? j + " + section + " : " + n + ";");
    print_new_lanes(indent + "  ", group, "s", count);
    print_lane_steps(indent + "  ", group, "s", count, "end", fetched);
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = "a" + number(r) + "[l]", s = "s" + number(r) + "[l]";
      line(indent,
           "  for (int l = 0; l < " + count + "; ++l) " + a + " = " + combined(node.combine, node.dtype, a, s) + ";");
    }
    line(indent, "}");
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

  /// In the last pass before the loop that stores a row, where that computes expensive functions and memory would be
  /// idle: the next row of what is read and written along the lanes. Reading past the end of an array does no harm that
  /// way.
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

  std::map<int32_t, size_t> kept_in_output_;  // nodes kept in the row of an output -> the store of that
};

}  // namespace

KernelText print_rows(const Nest& nest, const Schedule& schedule) { return RowsPrinter(nest, schedule).print(); }

}  // namespace wengert::compile
