#include "wengert/nn/loss.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert::nn {

Array mse(const Operand& prediction, const Operand& target) {
  const CallScope scope(prediction, "mse");
  if (!(prediction.shape() == target.shape())) {
    fail(ErrorKind::shape, "mse-shape", "mse",
         "prediction " + describe(prediction.to_array()) + ", target " + describe(target.to_array()),
         "equal shapes; [5,1] beside [5] would become [5,5]: use wg::squeeze(prediction, -1)");
  }
  const Array difference = prediction - target;
  return sum(difference * difference) / static_cast<double>(std::max<int64_t>(difference.size(), 1));
}

std::vector<int64_t> predicted_classes(const Operand& logits) {
  const CallScope scope(logits, "predicted_classes");
  const Array x = logits.to_array();
  if (x.rank() < 1 || x.dim(-1) == 0) {
    fail(ErrorKind::shape, "class-count", thread().operation, "logits " + describe(x),
         "[..., classes] with at least one class");
  }
  const std::vector<float> values = x.astype(float32).to_vector<float>();
  const int64_t classes = x.dim(-1);
  std::vector<int64_t> result;
  for (auto row = values.begin(); row != values.end(); row += classes) {
    result.push_back(std::max_element(row, row + classes) - row);
  }
  return result;
}

int64_t count_correct(const Operand& logits, const Operand& labels) {
  const CallScope scope(logits, "count_correct");
  const std::vector<int64_t> predicted = predicted_classes(logits);
  const Array x = logits.to_array(), y = labels.to_array();
  if (y.shape() != Shape(std::span(x.shape().begin(), x.shape().end() - 1))) {
    fail(ErrorKind::shape, "label-count", "count_correct", "logits " + describe(x) + ", labels " + describe(y),
         "logits [..., classes] and a label for each row, [...]");
  }
  const std::vector<int64_t> wanted = y.astype(int64).to_vector<int64_t>();
  int64_t count = 0;
  for (size_t i = 0; i < wanted.size(); ++i) count += predicted[i] == wanted[i];
  return count;
}

}  // namespace wengert::nn
