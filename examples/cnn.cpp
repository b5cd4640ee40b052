// A convolutional network learns Fashion-MNIST, and leaves a report. Usage: cnn [epochs] [training images] [folder]
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "wengert/data/dataset.hpp"
#include "wengert/train/progress.hpp"
#include "wengert/train/report.hpp"
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
      const std::vector<float> image(pixels.begin() + static_cast<long>(i) * 784, pixels.begin() + static_cast<long>(i + 1) * 784);
      report.mistakes.push_back({wg::array(image, {28, 28}), wanted[i], predicted[i]});
    }
  }
  return static_cast<double>(right) / static_cast<double>(test.size());
}

int main(int argc, char** argv) {
  const int epochs = argc > 1 ? std::atoi(argv[1]) : 8;
  const std::string folder = argc > 3 ? argv[3] : "out/fashion-mnist";
  std::filesystem::create_directories(folder);
  std::filesystem::remove(folder + "/metrics.jsonl");
  auto data = wg::data::fashion_mnist();
  if (argc > 2) {
    const auto part = data.train.slice(0, std::atol(argv[2]));
    data.train = wg::data::Dataset(part.x, part.y);
  }

  auto net = wg::nn::init(Net{}, wg::random::key(0));
  const auto adam = wg::optim::adam(1e-3);
  auto state = adam.init(net);
  std::printf("%s\n", wg::nn::summary(net).c_str());

  // The logits come back beside the loss, so that the accuracy costs nothing more.
  const auto loss = [](const Net& n, const wg::Array& x, const wg::Array& y, const wg::Array& key) {
    const wg::Array logits = wg::nn::apply(n, x, {.training = true, .key = key}).first;
    return std::pair{wg::nn::softmax_cross_entropy(logits, y), logits};
  };

  wg::train::Report report;
  report.title = "A convolutional network on Fashion-MNIST";
  report.classes = wg::data::fashion_mnist_names();
  wg::Array key = wg::random::key(1);
  const wg::train::Progress clock("", 0);
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    const auto batches = data.train.shuffle(wg::random::fold_in(key, -epoch)).batches(128, true);
    wg::train::Progress progress("epoch " + std::to_string(epoch) + "/" + std::to_string(epochs), batches.size(), "images");
    double total = 0;
    int64_t step = 0, right = 0;
    const auto text = [&] {
      char line[64];
      std::snprintf(line, sizeof line, "loss %.4f  accuracy %.2f %%", total / static_cast<double>(step),
                    100 * static_cast<double>(right) / static_cast<double>(step * 128));
      return std::string(line);
    };
    for (const auto& [x, y] : batches) {
      const auto [value, gradient] = wg::value_and_grad(loss)(net, x, y, wg::random::fold_in(key, epoch * 1000 + step));
      std::tie(net, state) = adam.update(std::move(net), std::move(state), gradient);
      total += static_cast<double>(value.first.item<float>());
      right += wg::nn::count_correct(value.second, y);
      ++step;
      progress.update(step, step * 128, text());
    }
    progress.finish(text());
    const double count = static_cast<double>(step);
    report.epochs.push_back({epoch, total / count, static_cast<double>(right) / (count * 128), examine(net, data.test, report), progress.rate()});
    wg::train::append_metrics(folder + "/metrics.jsonl", report.epochs.back());
  }
  std::printf("test accuracy %.2f %%\n", 100 * report.epochs.back().test_accuracy);

  report.facts = {{"network", "conv 32 3x3, pool, conv 64 3x3, pool, dropout, dense 128, dense 10"},
                  {"training", "Adam 1e-3, batches of 128, " + std::to_string(epochs) + " epochs"},
                  {"machine", std::to_string(std::thread::hardware_concurrency()) + " processors"},
                  {"time", std::to_string(static_cast<int>(clock.seconds())) + " s"},
                  {"test accuracy", std::to_string(100 * report.epochs.back().test_accuracy) + " %"}};
  wg::train::write_report(folder + "/report.html", report);
  std::printf("wrote %s/report.html\n", folder.c_str());
}
