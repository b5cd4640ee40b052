// Losses and scores of models.
#pragma once

#include "wengert/ops/normalize.hpp"

namespace wengert::nn {

/// One name for one function: see ops/normalize.hpp.
using wengert::softmax_cross_entropy;
/// Mean of the squared differences over all elements; 0 over no elements. The operands broadcast. Errors: shape.
Array mse(const Operand& prediction, const Operand& target);
/// The number of the largest logit of every row; concrete values.
std::vector<int64_t> predicted_classes(const Array& logits);
/// How many rows have their largest logit at the label; concrete values.
int64_t count_correct(const Array& logits, const Array& labels);

}  // namespace wengert::nn
