// A dense network learns Fashion-MNIST. Usage: mlp [epochs] [training images] [folder] [--resume]
#include <cstdio>

#include "wengert/data/dataset.hpp"
#include "wengert/train/train.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;

struct Net {
  wg::nn::Linear first{784, 256}, second{256, 128}, last{128, 10};

  wg::Array operator()(const wg::Array& x) const {
    const wg::Array h = wg::relu(second(wg::relu(first(wg::reshape(x, {x.dim(0), -1})))));
    return last(h);
  }
};

/// What a checkpoint holds.
struct Run {
  Net net;
  wg::optim::AdamState<Net> moments = {};
  wg::train::Log log = {};
  int64_t images;
};

double accuracy(const Net& net, const wg::data::Dataset& set) {
  double right = 0;
  for (const auto& [x, y] : set.batches(1000)) right += wg::nn::count_correct(net(x), y);
  return right / static_cast<double>(set.size());
}

int main(int argc, char** argv) try {
  const auto options = wg::train::parse_options(argc, argv, {.epochs = 6, .folder = "out/mlp"});
  const wg::train::Interrupt interrupt;
  auto data = wg::data::fashion_mnist();
  if (options.images > 0) data.train = data.train.first(options.images);
  wg::train::prepare_folder(options);
  const auto adam = wg::optim::adam(1e-3);
  Run run{.net = wg::nn::init(Net{}, wg::random::key(0)), .images = data.train.size()};
  run.moments = adam.init(run.net);
  wg::train::Saver saver(options.folder + "/checkpoint.npz");
  run = saver.begin(std::move(run), options.resume);
  const auto loss = [](const Net& n, const wg::Array& x, const wg::Array& y) {
    const wg::Array logits = n(x);
    return std::pair{wg::nn::softmax_cross_entropy(logits, y), logits};
  };

  wg::train::Log& log = run.log;
  while (log.epoch() <= options.epochs) {
    const auto batches = data.train.shuffle(log.epoch()).batches(128, true);
    wg::train::Progress progress("epoch " + std::to_string(log.epoch()), batches.size(), "images", log.batch(),
                                 log.examples());
    while (log.batch() < batches.size()) {
      const auto [x, y] = batches[log.batch()];
      const auto [value, gradient] = wg::value_and_grad(loss)(run.net, x, y);
      std::tie(run.net, run.moments) = adam.update(std::move(run.net), std::move(run.moments), gradient);
      log.add(static_cast<double>(value.first.item<float>()), 128, wg::nn::count_correct(value.second, y));
      progress.update(log.batch(), log.examples(), log.text());
      saver.save_when_due(run);
      if (interrupt.requested()) {
        saver.save(run);
        std::printf("\nstopped; %s goes on\n", options.resume_command().c_str());
        return wg::train::Interrupt::exit_code;
      }
    }
    progress.finish(log.text());
    log.end_epoch(accuracy(run.net, data.test), progress.rate());
    saver.save(run);
  }
  std::printf("test accuracy %.2f %%\n", 100 * accuracy(run.net, data.test));
} catch (const wg::Error& error) {
  std::fprintf(stderr, "mlp: %s\n", error.what());
  return 1;
}
