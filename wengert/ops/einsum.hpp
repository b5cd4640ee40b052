// Sums of products by index names.
#pragma once

#include <span>
#include <string_view>

#include "wengert/ops/operand.hpp"

namespace wengert {

/// einsum("bij,bjk->bik", a, b): an index that the result lacks is summed over, one that an operand repeats takes the
/// diagonal, "..." stands for leading axes, which broadcast. Without "->" the result has the indices that occur once,
/// in the order of their letters (capitals first), after those of "...". Operands are multiplied from left to right.
/// Errors: value (a text that is no such list, an index of the result that no operand has or that it repeats), shape
/// (ranks, lengths that differ, more than 8 axes on the way), dtype (bool).
Array einsum(std::string_view subscripts, const Operand& a);
Array einsum(std::string_view subscripts, const Operand& a, const Operand& b);
Array einsum(std::string_view subscripts, const Operand& a, const Operand& b, const Operand& c);
Array einsum(std::string_view subscripts, std::span<const Operand> operands);

}  // namespace wengert
