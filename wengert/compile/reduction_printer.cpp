#include "wengert/compile/reduction_printer.hpp"

namespace wengert::compile {

int64_t ReductionPrinter::results() const {
  int64_t count = 1;
  for (int a : schedule_.outer) count *= extents_[static_cast<size_t>(a)];
  if (schedule_.kind == Schedule::columns) {
    count *= (extents_[static_cast<size_t>(schedule_.inner)] + column_block - 1) / column_block;
  }
  return count;
}

std::string ReductionPrinter::partial_at(size_t i, Dtype dtype, const std::string& piece, const std::string& result) {
  const std::string type = value_type(dtype);
  const int64_t section = schedule_.pieces * results() * piece_width() * 8;
  std::string at =
      "((" + type + "*)(given->partial" + (i == 0 ? "" : " + " + size(static_cast<int64_t>(i) * section)) + "))";
  return at + "[(" + piece + " * " + size(results()) + " + " + result + ") * " + std::to_string(piece_width());
}

void ReductionPrinter::finish_pieces(std::span<const int32_t> group) {
  const bool columns = schedule_.kind == Schedule::columns;
  if (columns) line("    ", "for (int64_t l = 0; l < nj; ++l) {");
  for (size_t i = 0; i < group.size(); ++i) {
    const Dtype dtype = graph_.node(group[i]).dtype;
    const std::string r = number(group[i]);
    line("      ", partial_at(i, dtype, "piece", "result") + (columns ? " + l] = a" + r + "[l];" : "] = v" + r + ";"));
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

void ReductionPrinter::combine_pieces(std::span<const int32_t> group) {
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

std::string ReductionPrinter::column_bounds(const std::string& result) {
  const int64_t blocks = (extents_[static_cast<size_t>(schedule_.inner)] + column_block - 1) / column_block;
  const std::string n = extent(schedule_.inner), nb = size(blocks), width = std::to_string(column_block);
  std::string text = "    const int64_t j0 = " + result + " % " + nb + " * " + width + ";\n";
  text += "    const int64_t nj = " + n + " - j0 < " + width + " ? " + n + " - j0 : " + width + ";\n";
  return text + decode_outer(result + " / " + nb);
}

std::string ReductionPrinter::arguments_text() {
  if (schedule_.split < 0) return KernelPrinter::arguments_text();
  result_.sizes.push_back(schedule_.pieces * results());
  result_.sizes.push_back(partial_sections_ * schedule_.pieces * results() * piece_width() * 8);
  const std::string count = "sizes[" + std::to_string(result_.sizes.size() - 2) + "]";
  return "  char* partial = (char*)context->scratch(context, sizes[" + std::to_string(result_.sizes.size() - 1) +
      "]);\n"
      "  if (!partial) return 2;\n"
      "  const wg_arguments arguments = {buffers, sizes, scalars, partial};\n"
      "  const int32_t status = context->parallel_for(context, wg_piece, &arguments, " +
      count +
      ", 1);\n"
      "  if (status) return status;\n";
}

}  // namespace wengert::compile
