// A linear layer learns three ways: with derivatives worked out by hand, with derivatives by grad,
// and as a ready-made layer with a ready-made optimizer. The three columns of losses are equal.
#include <cstdio>
#include <tuple>

#include "wengert/wengert.hpp"

namespace wg = wengert;
using wg::Array;

constexpr int64_t points = 100, features = 3;
constexpr double rate = 0.1;  // how far a step goes against the gradient

// Models are plain structs of arrays.
struct Layer {
  Array weight;  // [features, 1]
  Array bias;    // [1]
};

// One step by hand, as in a textbook. Forward: y' = x w + b, and the loss L = 1/n sum (y' - y)².
// Backward, by the chain rule: dL/dy' = 2/n (y' - y), dL/dw = xᵀ dL/dy', dL/db = sum of dL/dy'.
double step_by_hand(Layer& layer, const Array& x, const Array& y) {
  const Array difference = wg::matmul(x, layer.weight) + layer.bias - y;  // [points, 1]
  const Array loss = wg::mean(difference * difference);

  const Array d_output = difference * (2.0 / points);
  const Array d_weight = wg::matmul(wg::transpose(x), d_output);
  const Array d_bias = wg::sum(d_output, {0});

  layer.weight -= rate * d_weight;
  layer.bias -= rate * d_bias;
  return loss.item<float>();
}

// The same by grad: only the forward computation is written. The gradient of a Layer is a Layer.
double step_by_grad(Layer& layer, const Array& x, const Array& y) {
  const auto loss_of = [&](const Layer& l) {
    const Array difference = wg::matmul(x, l.weight) + l.bias - y;
    return wg::mean(difference * difference);
  };
  const auto [loss, gradient] = wg::value_and_grad(loss_of)(layer);
  layer.weight -= rate * gradient.weight;
  layer.bias -= rate * gradient.bias;
  return loss.item<float>();
}

// And with what is ready in wg::nn and wg::optim: a layer, a loss, an optimizer. Nothing changes in
// place: update() returns the new layer and the optimizer's new state.
using Linear = wg::nn::Linear;
using State = wg::optim::SgdState<Linear>;
double step_by_nn(Linear& layer, State& state, const Array& x, const Array& y) {
  const auto sgd = wg::optim::sgd(rate);
  const auto loss_of = [&](const Linear& l) { return wg::nn::mse(l(x), y); };
  const auto [loss, gradient] = wg::value_and_grad(loss_of)(layer);
  std::tie(layer, state) = sgd.update(layer, state, gradient);
  return loss.item<float>();
}

void print(const char* name, const Array& weight, const Array& bias) {
  const std::vector<float> w = weight.to_vector<float>();
  const float b = bias.item<float>();
  std::printf("%-9s  weight %7.4f %7.4f %7.4f  bias %7.4f\n", name, w[0], w[1], w[2], b);
}

int main() {
  // Random numbers come from keys: the same key gives the same numbers on every machine.
  const std::vector<Array> keys = wg::random::split(wg::random::key(0), 3);
  const Array x = wg::random::normal(keys[0], {points, features});
  const Array noise = 0.1 * wg::random::normal(keys[1], {points, 1});
  const Array truth = wg::array({{2.f}, {-3.f}, {0.5f}});
  const Array y = wg::matmul(x, truth) + 1 + noise;

  // All three start from the same random weights and a bias of zero.
  Linear ready = wg::nn::init(Linear{features, 1}, keys[2]);
  State state = wg::optim::sgd(rate).init(ready);
  Layer by_hand{ready.weight, ready.bias}, by_grad = by_hand;

  std::printf("step  by hand  by grad    by nn\n");
  for (int step = 1; step <= 40; ++step) {
    const double hand = step_by_hand(by_hand, x, y), grad = step_by_grad(by_grad, x, y);
    const double nn = step_by_nn(ready, state, x, y);
    if (step > 5 && step % 10 != 0) continue;
    std::printf("%4d  %7.4f  %7.4f  %7.4f\n", step, hand, grad, nn);
  }
  std::printf("\n");
  print("by hand", by_hand.weight, by_hand.bias);
  print("by grad", by_grad.weight, by_grad.bias);
  print("by nn", ready.weight, ready.bias);
  print("the truth", truth, wg::array({1.f}));
}
