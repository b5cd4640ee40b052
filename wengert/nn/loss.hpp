// Losses and scores of models.
#pragma once

#include "wengert/ops/operand.hpp"

namespace wengert::nn {

/// Mean over the batch of -log softmax(logits)[label]. logits: [N, classes], labels: int32 or int64 [N].
/// Errors: shape (ranks, lengths), dtype (labels not integers).
Array cross_entropy(const Operand& logits, const Operand& labels);
/// Mean of the squared differences.
Array mse(const Operand& prediction, const Operand& target);
/// The number of the largest logit of every row; concrete values.
std::vector<int64_t> predicted_classes(const Array& logits);
/// How many rows have their largest logit at the label; concrete values.
int64_t count_correct(const Array& logits, const Array& labels);

}  // namespace wengert::nn
