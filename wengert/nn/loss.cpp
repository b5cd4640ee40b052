#include "wengert/nn/loss.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert::nn {

Array mse(const Operand& prediction, const Operand& target) {
  const CallScope scope(prediction, "mse");
  const Array difference = prediction - target;
  return sum(difference * difference) / static_cast<double>(std::max<int64_t>(difference.size(), 1));
}

std::vector<int64_t> predicted_classes(const Array& logits) {
  const std::vector<float> values = logits.astype(float32).to_vector<float>();
  const int64_t classes = logits.dim(-1);
  std::vector<int64_t> result;
  for (auto row = values.begin(); row != values.end(); row += classes) {
    result.push_back(std::max_element(row, row + classes) - row);
  }
  return result;
}

int64_t count_correct(const Array& logits, const Array& labels) {
  const std::vector<int64_t> predicted = predicted_classes(logits), wanted = labels.astype(int64).to_vector<int64_t>();
  int64_t count = 0;
  for (size_t i = 0; i < wanted.size(); ++i) count += predicted[i] == wanted[i];
  return count;
}

}  // namespace wengert::nn
