// A small training run that saves itself after every batch, for the tests that stop it.  trainer FOLDER EPOCHS
// [--resume]
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "wengert/data/dataset.hpp"
#include "wengert/train/train.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;

namespace {

struct Net {
  wg::nn::Conv2d first{.in = 1, .out = 4, .size = {3, 3}, .padding = {1, 1}};
  wg::nn::BatchNorm norm{4};
  wg::nn::Conv2d second{.in = 4, .out = 8, .size = {3, 3}};
  wg::nn::MaxPool2d pool;
  wg::nn::Dropout dropout{0.25};
  wg::nn::Linear output{8 * 3 * 3, 3};

  wg::Array operator()(const wg::Array& x, wg::nn::Context& context) const {
    const wg::Array h = pool(wg::relu(second(wg::relu(norm(first(x), context)))));
    return output(dropout(wg::reshape(h, {h.dim(0), -1}), context));
  }
};

struct Run {
  Net net;
  wg::optim::AdamState<Net> moments = {};
  wg::Array key = {};
  wg::train::Log log = {};
};

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argv[1], checkpoint = folder + "/checkpoint.npz";
  const int epochs = std::atoi(argv[2]);
  const wg::train::Interrupt interrupt;
  const wg::Array y = wg::convert(wg::random::uniform(wg::random::key(7), {96}) * 3, wg::int32);
  const wg::Array x =
      wg::random::normal(wg::random::key(8), {96, 1, 8, 8}) + wg::reshape(wg::convert(y, wg::float32), {96, 1, 1, 1});
  const wg::data::Dataset data(x, y);
  const auto loss = [](const Net& n, const wg::Array& images, const wg::Array& labels, const wg::Array& key) {
    const auto [logits, updated] = wg::nn::apply(n, images, {.training = true, .key = key});
    return std::pair{wg::nn::softmax_cross_entropy(logits, labels),
                     std::tuple{logits, updated.norm.mean, updated.norm.variance}};
  };

  const auto adam = wg::optim::adam(1e-2);
  Run run{.net = wg::nn::init(Net{}, wg::random::key(0)), .key = wg::random::key(1)};
  run.moments = adam.init(run.net);
  wg::train::Saver saver(checkpoint, 0);
  if (argc > 3) run = wg::io::load_checkpoint(checkpoint, run);
  else saver.save(run);
  wg::train::write_metrics(folder + "/metrics.jsonl", run.log.epochs());

  wg::train::Log& log = run.log;
  bool begun = false;
  while (log.epoch() <= epochs) {
    const auto batches = data.shuffle(wg::random::fold_in(run.key, -log.epoch())).batches(8);
    while (log.batch() < batches.size()) {
      const auto [images, labels] = batches[log.batch()];
      const wg::Array key = wg::random::fold_in(wg::random::fold_in(run.key, log.epoch()), log.batch());
      const auto [value, gradient] = wg::value_and_grad(loss)(run.net, images, labels, key);
      std::tie(run.net, run.moments) = adam.update(std::move(run.net), std::move(run.moments), gradient);
      const auto& [logits, mean, variance] = value.second;
      run.net.norm.mean = mean;
      run.net.norm.variance = variance;
      log.add(static_cast<double>(value.first.item<float>()), 8, wg::nn::count_correct(logits, labels));
      saver.save_when_due(run);
      if (!std::exchange(begun, true)) {  // what comes after the first batch is quick
        std::printf("begun\n");
        std::fflush(stdout);
      }
      if (interrupt.requested()) return wg::train::Interrupt::exit_code;
    }
    log.end_epoch(log.accuracy(), 0);
    saver.save(run);
    wg::train::write_metrics(folder + "/metrics.jsonl", log.epochs());
  }
}
