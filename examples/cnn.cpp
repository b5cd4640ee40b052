// A convolutional network learns Fashion-MNIST, and leaves a report.
// Usage: cnn [epochs] [training images] [folder] [--resume]
#include <cstdio>

#include "wengert/data/dataset.hpp"
#include "wengert/train/train.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;

struct Net {
  wg::nn::Conv2d first{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}};
  wg::nn::Conv2d second{.in = 32, .out = 64, .size = {3, 3}};
  wg::nn::MaxPool2d pool;
  wg::nn::Dropout dropout{0.25};
  wg::nn::Linear dense{64 * 6 * 6, 128};
  wg::nn::Linear output{128, 10};

  wg::Array operator()(const wg::Array& x, wg::nn::Context& context) const {
    wg::Array h = pool(wg::relu(first(x)));
    h = pool(wg::relu(second(h)));
    h = dropout(wg::reshape(h, {h.dim(0), -1}), context);
    return output(wg::relu(dense(h)));
  }
};

/// Everything that the training needs to go on: what a checkpoint holds.
struct Run {
  Net net;
  wg::optim::AdamState<Net> moments = {};
  wg::Array key;
  wg::train::Log log = {};
  int64_t images;  // a static value: a checkpoint of another training set is refused
};

/// Fills the parts of the report that show how the net does on the test images; returns its accuracy.
double examine(const Net& net, const wg::data::Dataset& test, wg::train::Report& report) {
  report.confusion.assign(10, std::vector<int64_t>(10, 0));
  report.mistakes.clear();
  int64_t right = 0;
  for (const auto& [x, y] : test.batches(500)) {
    const std::vector<int64_t> predicted = wg::nn::predicted_classes(wg::nn::apply(net, x).first);
    const std::vector<int32_t> wanted = y.to_vector<int32_t>();
    const std::vector<float> pixels = x.to_vector<float>();
    for (size_t i = 0; i < wanted.size(); ++i) {
      ++report.confusion[static_cast<size_t>(wanted[i])][static_cast<size_t>(predicted[i])];
      right += wanted[i] == predicted[i];
      if (wanted[i] == predicted[i] || report.mistakes.size() >= 40) continue;
      const std::vector<float> image(pixels.begin() + static_cast<long>(i) * 784,
                                     pixels.begin() + static_cast<long>(i + 1) * 784);
      report.mistakes.push_back({wg::array(image, {28, 28}), wanted[i], predicted[i]});
    }
  }
  return static_cast<double>(right) / static_cast<double>(test.size());
}

int main(int argc, char** argv) try {
  const auto options = wg::train::parse_options(argc, argv, {.epochs = 8, .folder = "out/fashion-mnist"});
  const std::string folder = options.folder;
  const wg::train::Interrupt interrupt;
  Net net = wg::nn::init(Net{}, wg::random::key(0));
  std::printf("%s\n", wg::nn::summary(net).c_str());
  std::fflush(stdout);  // before the data are read: whoever waits sees what is trained

  auto data = wg::data::fashion_mnist();
  if (options.images > 0) data.train = data.train.first(options.images);
  wg::train::prepare_folder(options);

  const auto adam = wg::optim::adam(1e-3);
  Run run{.net = std::move(net), .key = wg::random::key(1), .images = data.train.size()};
  run.moments = adam.init(run.net);
  wg::train::Saver saver(folder + "/checkpoint.npz");
  run = saver.begin(std::move(run), options.resume);
  wg::train::write_metrics(folder + "/metrics.jsonl", run.log.epochs());

  // The logits come back beside the loss, so that the accuracy costs nothing more.
  const auto loss = [](const Net& n, const wg::Array& x, const wg::Array& y, const wg::Array& key) {
    const wg::Array logits = wg::nn::apply(n, x, {.training = true, .key = key}).first;
    return std::pair{wg::nn::softmax_cross_entropy(logits, y), logits};
  };

  wg::train::Report report;
  report.title = "A convolutional network on Fashion-MNIST";
  report.classes = wg::data::fashion_mnist_names();
  wg::train::Log& log = run.log;
  while (log.epoch() <= options.epochs) {
    const int64_t epoch = log.epoch();
    const auto batches = data.train.shuffle(wg::random::fold_in(run.key, -epoch)).batches(128, true);
    wg::train::Progress progress("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs),
                                 batches.size(), "images", log.batch(), log.examples());
    while (log.batch() < batches.size()) {
      const auto [x, y] = batches[log.batch()];
      const wg::Array key = wg::random::fold_in(wg::random::fold_in(run.key, epoch), log.batch());
      const auto [value, gradient] = wg::value_and_grad(loss)(run.net, x, y, key);
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
    log.end_epoch(examine(run.net, data.test, report), progress.rate());
    saver.save(run);
    wg::train::write_metrics(folder + "/metrics.jsonl", log.epochs());
  }

  report.epochs = log.epochs();
  const double accuracy =
      report.confusion.empty() ? examine(run.net, data.test, report) : report.epochs.back().test_accuracy;
  char percent[16];
  std::snprintf(percent, sizeof percent, "%.2f %%", 100 * accuracy);
  std::printf("test accuracy %s\n", percent);
  report.facts = {
      {"test accuracy", percent},
      {"network", "conv 32 3x3, pool, conv 64 3x3, pool, dropout 0.25, dense 128, dense 10"},
      {"training", "Adam 1e-3, batches of 128, " + std::to_string(options.epochs) + " epochs"},
      {"images", std::to_string(run.images) + " for training, " + std::to_string(data.test.size()) + " for the test"},
      {"time", std::to_string(static_cast<int>(log.seconds())) + " s"}};
  for (auto& fact : wg::train::machine_facts()) report.facts.push_back(std::move(fact));
  wg::train::write_report(folder + "/report.html", report);
  std::printf("wrote %s/report.html\n", folder.c_str());
} catch (const wg::Error& error) {
  std::fprintf(stderr, "cnn: %s\n", error.what());
  return 1;
}
