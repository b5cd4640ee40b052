#include "wengert/compile/product_text.hpp"

#include <algorithm>

namespace wengert::compile {
namespace {

/// The packed part of the right factor stays in the second cache.
constexpr int64_t most_depth = 256, packed_bytes = 512 << 10;
/// Multiples of the rows and columns of a block in registers, on every instruction set.
constexpr int64_t rows_step = 12, columns_step = 64;
constexpr int64_t most_rows = 192, least_rows = 48;

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

}  // namespace

ProductBlocks::ProductBlocks(int64_t r, int64_t c, int64_t d, Dtype dtype) : rows(r), columns(c), depth(d) {
  const int64_t parts = (depth + most_depth - 1) / most_depth;
  block_depth = (depth + parts - 1) / parts;
  const int64_t size = dtype == Dtype::uint8 ? 4 : itemsize(dtype);
  block_columns = std::min(round_up(columns, columns_step), packed_bytes / most_depth / size);
  block_rows = std::clamp(round_up((rows + 3) / 4, rows_step), least_rows, most_rows);
}

const char* product_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::uint8:
    case Dtype::uint32: return "uint32_t";
    case Dtype::int32: return "int32_t";
    case Dtype::int64: return "int64_t";
    case Dtype::float32: return "float";
    default: return "double";
  }
}

std::string product_function(Dtype dtype) {
  const std::string type = product_type(dtype);
  std::string text =
      "#if defined(__AVX512F__)\n"
      "enum { wg_width = 64, wg_rows = 12 };\n"
      "#elif defined(__AVX__)\n"
      "enum { wg_width = 32, wg_rows = 6 };\n"
      "#else\n"
      "enum { wg_width = 16, wg_rows = 6 };\n"
      "#endif\n"
      "enum { wg_lanes = wg_width / sizeof(" +
      type +
      "), wg_columns = 2 * wg_lanes };\n"
      "typedef " +
      type + " wg_vector __attribute__((vector_size(wg_width), aligned(sizeof(" + type + ")), may_alias));\n";
  if (is_floating(dtype)) {
    // One rounding for a product and its addition, where the machine has that: clang wants a builtin, gcc a licence.
    text +=
        "#if !defined(__FMA__) && !defined(__ARM_FEATURE_FMA)\n"
        "#define WG_FUSED(a, b, c) ((a) * (b) + (c))\n"
        "#define WG_FUSING\n"
        "#elif defined(__clang__)\n"
        "#define WG_FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)\n"
        "#define WG_FUSING\n"
        "#else\n"
        "#define WG_FUSED(a, b, c) ((a) * (b) + (c))\n"
        "#define WG_FUSING __attribute__((optimize(\"fp-contract=fast\")))\n"
        "#endif\n";
  } else {
    text += "#define WG_FUSED(a, b, c) ((a) * (b) + (c))\n#define WG_FUSING\n";
  }
  text += "static __attribute__((noinline)) WG_FUSING void wg_block(int64_t nk, const " + type +
      "* restrict left, const " + type + "* restrict right, " + type +
      "* restrict block) {\n"
      "  wg_vector sum[wg_rows][2];\n"
      "  for (int r = 0; r < wg_rows; ++r) sum[r][0] = sum[r][1] = (wg_vector){0};\n"
      "  for (int64_t k = 0; k < nk; ++k) {\n"
      "    const wg_vector b0 = *(const wg_vector*)(right + k * wg_columns), b1 = *(const wg_vector*)(right + k * "
      "wg_columns + wg_lanes);\n"
      "    for (int r = 0; r < wg_rows; ++r) {\n"
      "      const wg_vector a = left[k * wg_rows + r] - (wg_vector){0};\n"
      "      sum[r][0] = WG_FUSED(a, b0, sum[r][0]);\n"
      "      sum[r][1] = WG_FUSED(a, b1, sum[r][1]);\n"
      "    }\n"
      "  }\n"
      "  for (int r = 0; r < wg_rows; ++r) {\n"
      "    *(wg_vector*)(block + r * wg_columns) = sum[r][0];\n"
      "    *(wg_vector*)(block + r * wg_columns + wg_lanes) = sum[r][1];\n"
      "  }\n"
      "}\n\n";
  return text;
}

std::string product_loop(const ProductNames& n, const ProductText& text) {
  const auto rest = [](const std::string& all, const std::string& from, const std::string& most) {
    return all + " - " + from + " < " + most + " ? " + all + " - " + from + " : " + most;
  };
  return "  " + n.type + "* right = (" + n.type + "*)context->scratch(context, " + n.block_depth + " * (" +
      n.block_columns + " + wg_rows) * (int64_t)sizeof(" + n.type +
      "));\n"
      "  if (!right) return 2;\n"
      "  " +
      n.type + "* left = right + " + n.block_depth + " * " + n.block_columns +
      ";\n"
      "  " +
      n.type +
      " block[wg_rows * wg_columns] __attribute__((aligned(64)));\n"
      "  for (int64_t tile = begin; tile < end; ++tile) {\n"
      "    const int64_t first_column = tile % " +
      n.column_blocks + " * " + n.block_columns + ", columns = " + rest(n.columns, "first_column", n.block_columns) +
      ";\n"
      "    const int64_t first_row = tile / " +
      n.column_blocks + " % " + n.row_blocks + " * " + n.block_rows +
      ", rows = " + rest(n.rows, "first_row", n.block_rows) + ";\n" + text.indices + text.pointers + text.row_values +
      "    for (int64_t k0 = 0; k0 < " + n.depth + "; k0 += " + n.block_depth +
      ") {\n"
      "      if (*context->interrupt) return 1;\n"
      "      const int64_t nk = " +
      rest(n.depth, "k0", n.block_depth) +
      ";\n"
      "      for (int64_t column = 0; column < columns; column += wg_columns) {\n"
      "        const int64_t wide = " +
      rest("columns", "column", "wg_columns") +
      ";\n"
      "        {\n" +
      text.pack_columns +
      "        }\n"
      "      }\n"
      "      for (int64_t row = 0; row < rows; row += wg_rows) {\n"
      "        const int64_t high = " +
      rest("rows", "row", "wg_rows") +
      ";\n"
      "        {\n" +
      text.pack_rows +
      "        }\n"
      "        for (int64_t column = 0; column < columns; column += wg_columns) {\n"
      "          const int64_t wide = " +
      rest("columns", "column", "wg_columns") +
      ";\n"
      "          wg_block(nk, left, right + column * nk, block);\n"
      "          for (int64_t r = 0; r < high; ++r) {\n" +
      text.store +
      "          }\n"
      "        }\n"
      "      }\n"
      "    }\n"
      "  }\n";
}

}  // namespace wengert::compile
