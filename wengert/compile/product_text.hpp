// The text of a sum of products: blocks of the result in registers, panels of the factors packed into scratch.
//
// The classical scheme (K. Goto, R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34,
// 2008): for a block of columns and a part of the depth, the right factor is packed once; for every few rows, the left
// factor is packed, and a kernel keeps a block of wg_rows x wg_columns sums in registers. Every element of the result
// is a sum in the order of k, begun anew in each part of the depth, wherever its block lies: the bits depend on no
// number of threads.
#pragma once

#include <cstdint>
#include <string>

#include "wengert/array/dtype.hpp"

namespace wengert::compile {

/// How a product of that size is cut. One block of the result is one iteration of the parallel loop.
struct ProductBlocks {
  ProductBlocks(int64_t rows, int64_t columns, int64_t depth, Dtype dtype);
  int64_t row_blocks() const { return (rows + block_rows - 1) / block_rows; }
  int64_t column_blocks() const { return (columns + block_columns - 1) / block_columns; }

  int64_t rows, columns, depth;
  int64_t block_rows, block_columns, block_depth;
};

/// The numbers of a ProductBlocks as the text names them.
struct ProductNames {
  std::string rows, columns, depth, block_rows, block_columns, block_depth, row_blocks, column_blocks;
  std::string type;
};

/// What differs from product to product.
struct ProductText {
  std::string indices;     // of the outer axes, from `tile`
  std::string pointers;    // of all accesses
  std::string row_values;  // that depend on outer axes alone
  std::string pack_rows;   // `high` rows from first_row + row on, nk steps from k0 on, to left[k * wg_rows + ..]
  std::string
      pack_columns;   // `wide` columns from first_column + column on, to right[column * nk + k * wg_columns + ..]
  std::string store;  // row r of block[r * wg_columns + ..] to the result
};

/// The C type that products of a dtype are summed in; uint8 in a wider one, with the same result.
const char* product_type(Dtype dtype);
/// The function wg_block: one block of sums in registers.
std::string product_function(Dtype dtype);
/// The loop over tiles from `begin` to `end`.
std::string product_loop(const ProductNames& names, const ProductText& text);

}  // namespace wengert::compile
