// Reductions whose vector lanes run along the innermost axis of the output, block by block.
#include <algorithm>
#include <bit>

#include "wengert/compile/integers.hpp"
#include "wengert/compile/reduction_printer.hpp"

namespace wengert::compile {
namespace {

class ColumnsPrinter : public ReductionPrinter {
 public:
  using ReductionPrinter::ReductionPrinter;

 private:
  void print_loops() override {
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
    // After the reductions: what depends on one of them or on the column.
    for (int32_t id : needed_where(values, [&](int32_t node) { return varying(node); })) print_value("      ", id);
    for (size_t s = 0; s < nest_.stores.size(); ++s) line("      ", store_text(s));
    line("    ", "}");
    finish_columns();
  }

  int64_t elements_of_iteration(int64_t inside) const override {
    const int64_t n = std::max<int64_t>(extents_[static_cast<size_t>(schedule_.inner)], 1);
    return inside / n * std::min<int64_t>(n, column_block);
  }

  /// Reductions of a block of columns, an accumulator for each column.
  void print_column_sums(std::span<const int32_t> group, uint64_t bound) {
    const std::vector<int> axes = loop_axes(bound);
    const Sections sections = sections_of(axes);
    const std::string gathered = sections.steps > 0 ? "s" : "a";
    std::string indent = "    ";
    print_new_columns(indent, group, "a");
    axis_text_[schedule_.inner] = "(j0 + l)";
    for (int a : axes) axis_text_[a] = "r" + std::to_string(a);
    for (size_t i = 0; i < axes.size(); ++i) {
      const std::string r = "r" + std::to_string(axes[i]);
      std::string first = first_of(axes[i]), last = last_of(axes[i]);
      if (sections.steps > 0 && sections.loop == i) {
        const std::string steps = size(sections.steps);
        line(indent, "for (int64_t section = " + first + "; section < " + last + "; section += " + steps + ") {");
        indent += "  ";
        line(indent,
             "const int64_t end = " + last + " - section < " + steps + " ? " + last + " : section + " + steps + ";");
        print_new_columns(indent, group, gathered);
        first = "section", last = "end";
      }
      if (i + 1 == axes.size() && is_light(group)) {
        line(indent, "int64_t " + r + " = " + first + ";");
        print_column_steps(indent, group, axes[i], last, gathered);
        line(indent, "for (; " + r + " < " + last + "; ++" + r + ") {");
      } else {
        line(indent, "for (int64_t " + r + " = " + first + "; " + r + " < " + last + "; ++" + r + ") {");
      }
      indent += "  ";
    }
    print_column_step(indent, group, gathered);
    for (size_t i = axes.size(); i-- > 0;) {
      indent.resize(indent.size() - 2);
      line(indent, "}");
      if (sections.steps == 0 || sections.loop != i) continue;
      print_section_end(indent, group);
      indent.resize(indent.size() - 2);
      line(indent, "}");
    }
  }

  /// Sections that a reduction is cut into: the loop that runs through one, and its steps. No steps: none.
  struct Sections {
    size_t loop = 0;
    int64_t steps = 0;
  };

  /// What rounding takes from a sum grows with the length of its chain of additions, by the square root at best and in
  /// proportion where the elements are alike: a long chain becomes one of chains about as long as they are many.
  Sections sections_of(std::span<const int> axes) const {
    constexpr int64_t long_chain = 1 << 11;
    const auto steps_of = [&](int a) {
      return a == schedule_.split ? schedule_.piece : extents_[static_cast<size_t>(a)];
    };
    int64_t all = 1;
    for (int a : axes) all = multiply_saturating(all, steps_of(a));
    if (all < long_chain) return {};
    const int64_t wanted = int64_t{1} << (std::bit_width(static_cast<uint64_t>(all)) / 2);
    int64_t inside = 1;
    for (size_t i = axes.size(); i-- > 0; inside *= steps_of(axes[i])) {
      if (multiply_saturating(inside, steps_of(axes[i])) > wanted) return {i, std::max<int64_t>(wanted / inside, 1)};
    }
    return {};
  }

  void print_new_columns(const std::string& indent, std::span<const int32_t> group, const std::string& gathered) {
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = gathered + number(r);
      line(indent, std::string(value_type(node.dtype)) + " " + a + "[" + std::to_string(column_block) + "];");
      line(indent, "for (int64_t l = 0; l < nj; ++l) " + a + "[l] = " + identity(node.combine, node.dtype) + ";");
    }
  }

  void print_section_end(const std::string& indent, std::span<const int32_t> group) {
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = "a" + number(r) + "[l]", s = "s" + number(r) + "[l]";
      line(indent, "for (int64_t l = 0; l < nj; ++l) " + a + " = " + combined(node.combine, node.dtype, a, s) + ";");
    }
  }

  void print_column_step(const std::string& indent, std::span<const int32_t> group, const std::string& gathered) {
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    for (int32_t id : inside) {
      if (!(graph_.node(id).free & axis_bit(schedule_.inner))) print_value(indent, id);
    }
    line(indent, "for (int64_t l = 0; l < nj; ++l) {");
    for (int32_t id : inside) {
      if (graph_.node(id).free & axis_bit(schedule_.inner)) print_value(indent + "  ", id);
    }
    for (int32_t r : group) {
      const Node& node = graph_.node(r);
      const std::string a = gathered + number(r) + "[l]";
      line(indent + "  ", a + " = " + combined(node.combine, node.dtype, a, value(graph_.child(node, 0))) + ";");
    }
    line(indent, "}");
  }

  /// Whether a reduction spends its time on memory: then several steps of it are taken at once.
  bool is_light(std::span<const int32_t> group) const {
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    return inside.size() <= 5 &&
        std::all_of(inside.begin(), inside.end(), [&](int32_t id) { return graph_.node(id).op != Op::math; });
  }

  /// Eight steps of a reduction in one pass over the accumulators, in the same order: as many streams from memory.
  void print_column_steps(const std::string& indent, std::span<const int32_t> group, int axis, const std::string& last,
                          const std::string& gathered) {
    constexpr int steps = 8;
    const std::string r = "r" + std::to_string(axis), count = std::to_string(steps);
    const std::vector<int32_t> inside = needed_inside(bodies(group), 0);
    line(indent, "for (; " + r + " + " + count + " <= " + last + "; " + r + " += " + count + ") {");
    line(indent, "  for (int64_t l = 0; l < nj; ++l) {");
    for (int32_t g : group) {
      const std::string a = number(g);
      line(indent, "    " + std::string(value_type(graph_.node(g).dtype)) + " t" + a + " = " + gathered + a + "[l];");
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
    for (int32_t g : group) line(indent, "    " + gathered + number(g) + "[l] = t" + number(g) + ";");
    line(indent, "  }");
    line(indent, "}");
  }

  void finish_columns() {
    result_.sizes[0] = results();
    const std::string bounds = column_bounds("row");
    add_function("wg_loop", "  for (int64_t row = begin; row < end; ++row) {\n" + bounds + head_ + rows_ + "  }\n");
  }
};

}  // namespace

KernelText print_columns(const Nest& nest, const Schedule& schedule) { return ColumnsPrinter(nest, schedule).print(); }

}  // namespace wengert::compile
