#include "wengert/diff/jacobian.hpp"

#include <cstring>

#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::diff {
namespace {

/// Zeros with a 1 in place `i`.
Array unit(const Type& type, int64_t i) {
  const Array x = detail::make_array(Layout::contiguous_of(Type::of(type.dtype, type.shape)));
  std::memset(x.node()->data, 0, static_cast<size_t>(type.nbytes()));
  const Array one = detail::scalar(int64_t{1}, type.dtype, false);
  std::memcpy(x.node()->data + i * itemsize(type.dtype), one.node()->data, static_cast<size_t>(itemsize(type.dtype)));
  return x;
}

/// The outer product, of shape a + b.
Array outer(const Array& a, const Array& b) {
  Shape column = a.shape();
  for (int i = 0; i < b.rank(); ++i) column.push_back(1);
  return reshape(a, column) * b;
}

void add_block(Array& sum, const Array& x) { sum = sum.defined() ? sum + x : x; }

Array empty_block(const Type& output, const Type& input) {
  return zeros_of(*Type::of(output.dtype, output.shape + input.shape));
}

std::vector<std::vector<Array>> empty_blocks(const LinearMap& map) {
  std::vector<std::vector<Array>> blocks(map.outputs().size(), std::vector<Array>(map.inputs().size()));
  for (size_t o = 0; o < blocks.size(); ++o) {
    for (size_t i = 0; i < blocks[o].size(); ++i) {
      const Type *output = map.outputs()[o], *input = map.inputs()[i];
      if (output && input && (output->size == 0 || input->size == 0)) blocks[o][i] = empty_block(*output, *input);
    }
  }
  return blocks;
}

}  // namespace

std::vector<std::vector<Array>> columns_of(const LinearMap& map) {
  std::vector<std::vector<Array>> blocks = empty_blocks(map);
  for (size_t i = 0; i < map.inputs().size(); ++i) {
    for (int64_t k = 0; map.inputs()[i] && k < map.inputs()[i]->size; ++k) {
      std::vector<Array> tangents(map.inputs().size());
      tangents[i] = unit(*map.inputs()[i], k);
      const std::vector<Array> column = map(tangents);
      for (size_t o = 0; o < blocks.size(); ++o) {
        if (map.outputs()[o]) add_block(blocks[o][i], outer(column[o], convert(tangents[i], column[o].dtype())));
      }
    }
  }
  return blocks;
}

std::vector<std::vector<Array>> rows_of(const LinearMap& map) {
  std::vector<std::vector<Array>> blocks = empty_blocks(map);
  const LinearMap::Transpose transpose = map.transpose();
  for (size_t o = 0; o < map.outputs().size(); ++o) {
    for (int64_t k = 0; map.outputs()[o] && k < map.outputs()[o]->size; ++k) {
      std::vector<Array> cotangents(map.outputs().size());
      cotangents[o] = unit(*map.outputs()[o], k);
      const std::vector<Array> row = transpose(cotangents);
      for (size_t i = 0; i < row.size(); ++i) {
        if (map.inputs()[i]) add_block(blocks[o][i], outer(convert(cotangents[o], row[i].dtype()), row[i]));
      }
    }
  }
  return blocks;
}

}  // namespace wengert::diff
