#include "wengert/nn/loss.hpp"

#include <algorithm>

#include "wengert/diff/stop_gradient.hpp"
#include "wengert/ops/common.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::nn {

Array cross_entropy(const Operand& logits, const Operand& labels) {
  const CallScope scope(logits);
  const Array z = to_inexact(logits), y = labels.to_array();
  const std::string got = "logits " + describe(z) + ", labels " + describe(y);
  if (z.rank() != 2 || y.rank() != 1 || z.dim(0).value() != y.dim(0).value()) {
    fail(ErrorKind::shape, "cross-entropy-shape", "cross_entropy", got, "logits [N, classes] and labels [N]");
  }
  if (!is_integer(y.dtype())) {
    fail(ErrorKind::dtype, "cross-entropy-labels", "cross_entropy", got, "integer labels; convert with astype(wg::int32)");
  }
  const Array shifted = z - max(stop_gradient(z), {1}, true);
  const Array log_sum = log(sum(exp(shifted), {1}));
  const Array is_label = equal(iota(z.shape(), 1, y.dtype()), reshape(y, Shape{y.dim(0), 1}));
  return sum(log_sum - sum(where(is_label, shifted, 0), {1})) / static_cast<double>(z.dim(0));
}

Array mse(const Operand& prediction, const Operand& target) {
  const CallScope scope(prediction);
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
