#include "wengert/diff/jacobian.hpp"

#include <cstring>

#include "wengert/ops/join.hpp"
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

/// The block of the derivatives `lines`, one for each element of the output or, if `by_column`, of the input. They are
/// put side by side rather than added up: no element meets another one's infinity.
Array block_of(std::vector<Array> lines, const Type& output, const Type& input, bool by_column) {
  for (Array& line : lines) line = reshape(line, {line.size()});
  const Array matrix = stack(lines);
  return reshape(by_column ? transpose(matrix) : matrix, output.shape + input.shape);
}

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
    const Type* input = map.inputs()[i];
    std::vector<std::vector<Array>> columns(map.outputs().size());
    for (int64_t k = 0; input && k < input->size; ++k) {
      std::vector<Array> tangents(map.inputs().size());
      tangents[i] = unit(*input, k);
      const std::vector<Array> column = map(tangents);
      for (size_t o = 0; o < columns.size(); ++o) columns[o].push_back(column[o]);
    }
    for (size_t o = 0; o < columns.size(); ++o) {
      const Type* output = map.outputs()[o];
      if (output && !columns[o].empty()) blocks[o][i] = block_of(std::move(columns[o]), *output, *input, true);
    }
  }
  return blocks;
}

std::vector<std::vector<Array>> rows_of(const LinearMap& map) {
  std::vector<std::vector<Array>> blocks = empty_blocks(map);
  const LinearMap::Transpose transpose = map.transpose();
  for (size_t o = 0; o < map.outputs().size(); ++o) {
    const Type* output = map.outputs()[o];
    std::vector<std::vector<Array>> rows(map.inputs().size());
    for (int64_t k = 0; output && k < output->size; ++k) {
      std::vector<Array> cotangents(map.outputs().size());
      cotangents[o] = unit(*output, k);
      const std::vector<Array> row = transpose(cotangents);
      for (size_t i = 0; i < rows.size(); ++i) rows[i].push_back(row[i]);
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const Type* input = map.inputs()[i];
      if (input && !rows[i].empty()) blocks[o][i] = block_of(std::move(rows[i]), *output, *input, false);
    }
  }
  return blocks;
}

}  // namespace wengert::diff
