// A model of one's own: defined, trained, saved, loaded.
#include <iostream>

#include "wengert/wengert.hpp"

namespace wg = wengert;

/// Any struct of layers and arrays is a model; a gradient of it is a Net as well.
struct Net {
  wg::nn::Linear first{2, 16}, last{16, 2};

  wg::Array operator()(const wg::Array& x) const { return last(wg::tanh(first(x))); }
};

int main() {
  // Points of a square, and whether they lie in a circle.
  const wg::Array x = wg::random::uniform(wg::random::key(0), {512, 2}, wg::float32, -1, 1);
  const wg::Array labels = (wg::sum(x * x, 1) < 0.6).astype(wg::int32);
  const auto loss = [&](const Net& net) { return wg::nn::softmax_cross_entropy(net(x), labels); };

  Net net = wg::nn::init(Net{}, wg::random::key(1));
  const auto adam = wg::optim::adam(0.02);
  auto state = adam.init(net);
  for (int step = 1; step <= 300; ++step) {
    const auto [value, gradient] = wg::value_and_grad(loss)(net);
    std::tie(net, state) = adam.update(std::move(net), std::move(state), gradient);
    if (step % 100 == 0) std::cout << "step " << step << "  loss " << value << "\n";
  }

  wg::io::save_checkpoint("net.npz", net);
  const Net loaded = wg::io::load_checkpoint("net.npz", Net{});
  std::cout << wg::nn::count_correct(loaded(x), labels) << " of 512 are right\n";
}
