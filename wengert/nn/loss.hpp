// Losses and scores of models.
#pragma once

#include "wengert/ops/normalize.hpp"

namespace wengert::nn {

/// One name for one function: see ops/normalize.hpp.
using wengert::softmax_cross_entropy;
/// Mean of the squared differences over all elements; 0 over no elements. Errors: shape, unless both have one.
Array mse(const Operand& prediction, const Operand& target);
/// The number of the largest logit of every row, [..., classes]; concrete values. Errors: shape (no classes).
std::vector<int64_t> predicted_classes(const Operand& logits);
/// How many rows of logits [..., classes] are largest at the label, [...]; concrete values. Errors: shape.
int64_t count_correct(const Operand& logits, const Operand& labels);

}  // namespace wengert::nn
