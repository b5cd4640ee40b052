// A dense network learns Fashion-MNIST. Usage: mlp [epochs] [training images]
#include <cstdio>
#include <cstdlib>

#include "wengert/data/dataset.hpp"
#include "wengert/nn/nn.hpp"
#include "wengert/optim/optim.hpp"
#include "wengert/train/progress.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;

struct Net {
  wg::nn::Linear first{784, 256}, second{256, 128}, last{128, 10};

  wg::Array operator()(const wg::Array& x) const {
    const wg::Array h = wg::relu(second(wg::relu(first(wg::reshape(x, {x.dim(0), -1})))));
    return last(h);
  }
};

double accuracy(const Net& net, const wg::data::Dataset& set) {
  double right = 0;
  for (const auto& [x, y] : set.batches(1000)) right += wg::nn::count_correct(net(x), y);
  return right / static_cast<double>(set.size());
}

int main(int argc, char** argv) {
  const int epochs = argc > 1 ? std::atoi(argv[1]) : 6;
  auto data = wg::data::fashion_mnist();
  if (argc > 2) {
    const auto part = data.train.slice(0, std::atol(argv[2]));
    data.train = wg::data::Dataset(part.x, part.y);
  }
  auto net = wg::nn::init(Net{}, wg::random::key(0));
  const auto adam = wg::optim::adam(1e-3);
  auto state = adam.init(net);
  const auto loss = [](const Net& n, const wg::Array& x, const wg::Array& y) {
    return wg::nn::softmax_cross_entropy(n(x), y);
  };

  for (int epoch = 1; epoch <= epochs; ++epoch) {
    const auto batches = data.train.shuffle(epoch).batches(128, true);
    wg::train::Progress progress("epoch " + std::to_string(epoch), batches.size(), "images");
    double total = 0;
    int64_t step = 0;
    for (const auto& [x, y] : batches) {
      const auto [value, gradient] = wg::value_and_grad(loss)(net, x, y);
      std::tie(net, state) = adam.update(std::move(net), std::move(state), gradient);
      total += static_cast<double>(value.item<float>());
      ++step;
      progress.update(step, step * 128, "loss " + std::to_string(total / static_cast<double>(step)));
    }
    progress.finish("loss " + std::to_string(total / static_cast<double>(step)));
  }
  std::printf("test accuracy %.2f %%\n", 100 * accuracy(net, data.test));
}
