// Logistic regression: a line that separates two classes of points in the plane, and says how sure
// it is of each point.
#include <cstdio>

#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;

constexpr int64_t points = 200;

// The log-odds that a point belongs to class 1 are linear in its two features.
struct Model {
  Array weight;  // [2]
  Array bias;    // []
};

Array log_odds(const Model& model, const Array& x) { return wg::matmul(x, model.weight) + model.bias; }

// Minus the logarithm of the probability that the model gives to the observed class of a point, on
// average over the points. With z the log-odds, p(1) = sigmoid(z) and p(0) = sigmoid(-z), and so
// -log p = log(1 + exp(z)) - z y. softplus(z) is log(1 + exp(z)) without overflow at large z.
Array loss(const Model& model, const Array& x, const Array& y) {
  const Array z = log_odds(model, x);
  return wg::mean(wg::softplus(z) - z * y);
}

// The share of the points that lie on their own class's side of the line z = 0.
double accuracy(const Model& model, const Array& x, const Array& y) {
  const Array right = wg::equal(log_odds(model, x) > 0, y > 0.5);
  return wg::mean(right).item<float>();
}

int main() {
  // Points from a normal distribution. Those with 2 a - b + 0.5 + noise > 0 are of class 1: because
  // of the noise the classes overlap a little, and no line is right for all points.
  const std::vector<Array> keys = wg::random::split(wg::random::key(42), 2);
  const Array x = wg::random::normal(keys[0], {points, 2});
  const Array noise = 0.5 * wg::random::normal(keys[1], {points});
  const Array z = wg::matmul(x, wg::array({2.f, -1.f})) + 0.5 + noise;
  const Array y = (z > 0).astype(wg::float32);

  // Gradient descent: walk against the gradient. A gradient is a tree like the model, and tree::map
  // applies a function to all of their arrays.
  Model model{wg::zeros({2}), wg::zeros({})};
  const auto downhill = [](const Array& parameter, const Array& gradient) { return parameter - 2.0 * gradient; };
  std::printf("step    loss  accuracy\n");
  for (int step = 0; step <= 200; ++step) {
    const auto [value, gradient] = wg::value_and_grad(loss)(model, x, y);
    if (step % 40 == 0) {
      std::printf("%4d  %6.4f  %6.1f %%\n", step, value.item<float>(), 100 * accuracy(model, x, y));
    }
    model = wg::tree::map(downhill, model, gradient);
  }

  // Points on the line a w0 + b w1 + bias = 0 may be of either class; its slope is -w0 / w1.
  const std::vector<float> w = model.weight.to_vector<float>();
  const float bias = model.bias.item<float>();
  std::printf("\nweight %.3f %.3f  bias %.3f\n", w[0], w[1], bias);
  std::printf("slope of the line %.3f, made with 2\n", -w[0] / w[1]);

  const Array unseen = wg::array({{1.f, 0.f}, {0.f, 0.5f}, {-1.f, 0.f}});
  const std::vector<float> p = wg::sigmoid(log_odds(model, unseen)).to_vector<float>();
  std::printf("probability of class 1 at (1, 0): %.3f, at (0, 0.5): %.3f, at (-1, 0): %.3f\n", p[0], p[1], p[2]);
}
