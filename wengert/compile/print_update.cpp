// An update: one nest of loops in order, every target read and written.
#include <algorithm>

#include "wengert/compile/integers.hpp"
#include "wengert/compile/kernel_printer.hpp"

namespace wengert::compile {
namespace {

class UpdatePrinter : public KernelPrinter {
 public:
  using KernelPrinter::KernelPrinter;

 private:
  /// Values are computed as far outside as their axes allow; an index outside its axis ends the kernel before anything
  /// is written for it.
  void print_loops() override {
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
      open |= axis_bit(a);
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

  /// Elements of an update: all of them, or those for one index of the axis that is cut.
  int64_t elements_of_iteration(int64_t) const override {
    int64_t elements = 1;
    for (int a : nest_.stores[0].axes) {
      if (a >= 0 && (schedule_.target >= 0 || a != schedule_.inner))
        elements = multiply_saturating(elements, std::max<int64_t>(extents_[static_cast<size_t>(a)], 1));
    }
    return elements;
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
      if (layout.strides[d] == 1 && graph_.node(store.target[d]).free == axis_bit(schedule_.inner)) return true;
    }
    return false;
  }

  /// Values not yet known that depend on the axes in `open` alone; then the check of the indices among them, and
  /// whether their place is this thread's.
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
};

}  // namespace

KernelText print_update(const Nest& nest, const Schedule& schedule) { return UpdatePrinter(nest, schedule).print(); }

}  // namespace wengert::compile
