// A sum of products by blocks in registers: what product_text.hpp leaves open.
#include <algorithm>
#include <utility>

#include "wengert/compile/kernel_printer.hpp"
#include "wengert/compile/product_text.hpp"

namespace wengert::compile {
namespace {

class ProductPrinter : public KernelPrinter {
 public:
  using KernelPrinter::KernelPrinter;

 private:
  void print_loops() override {
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

  int64_t length_of(const std::vector<int>& axes) const {
    int64_t length = 1;
    for (int a : axes) length *= extents_[static_cast<size_t>(a)];
    return length;
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
    const auto along_lanes = [&](int32_t id) { return (graph_.node(id).free & axis_bit(axes.back())) != 0; };
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
};

}  // namespace

KernelText print_product(const Nest& nest, const Schedule& schedule) { return ProductPrinter(nest, schedule).print(); }

}  // namespace wengert::compile
