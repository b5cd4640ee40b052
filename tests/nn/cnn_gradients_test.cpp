// Loss and gradients of the CNN of the examples against PyTorch's: see tests/fixtures/make_cnn_gradients.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/nn/nn_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/threads.hpp"

namespace wengert::nn_testing {
namespace {

using Json = nlohmann::json;

constexpr int64_t batch = 8, features = 64 * 6 * 6;
constexpr double keep = 0.75;

/// numbers() of the script.
Array numbers(uint32_t seed, const Shape& shape, double scale, Dtype dtype) {
  Values values(static_cast<size_t>(shape.size()));
  for (double& v : values) {
    seed = 1664525 * seed + 1013904223;
    v = (std::ldexp(seed >> 8, -24) - 0.5) * scale;
  }
  return array(values, shape).astype(dtype);
}

struct Net {
  nn::Conv2d first{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}};
  nn::Conv2d second{.in = 32, .out = 64, .size = {3, 3}};
  nn::MaxPool2d pool;
  nn::Linear dense{features, 128};
  nn::Linear output{128, 10};

  Array operator()(const Array& x, const Array& mask) const {
    const Array h = pool(relu(second(pool(relu(first(x))))));
    return output(relu(dense(nn::Flatten{}(h)*mask)));
  }
};

Net make_net(Dtype dtype) {
  Net net = nn::init(Net{}, random::key(0));
  const double scales[] = {2, 0.25, 0.25, 0.25, 0.125, 0.25, 0.5, 0.25};
  uint32_t seed = 0;
  return tree::map(
      [&](const Array& p) {
        ++seed;
        return numbers(seed, p.shape(), scales[seed - 1], dtype);
      },
      net);
}

struct Recorded {
  Json json;
  std::vector<float> values;

  Values part(const Json& entry) const {
    const auto begin = values.begin() + entry["offset"].get<int64_t>();
    return Values(begin, begin + entry["size"].get<int64_t>());
  }
};
Recorded read_recorded() {
  const std::string path = WENGERT_SOURCE_DIR "/tests/fixtures/cnn_gradients";
  std::ifstream text(path + ".json"), binary(path + ".bin", std::ios::binary);
  Recorded r{Json::parse(text), {}};
  const std::string bytes{std::istreambuf_iterator<char>(binary), {}};
  r.values.resize(bytes.size() / sizeof(float));
  std::memcpy(r.values.data(), bytes.data(), r.values.size() * sizeof(float));
  return r;
}

/// The largest difference, in units of the largest element.
double relative_difference(const Values& got, const Values& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double largest = 0, difference = 0;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    largest = std::max(largest, std::fabs(expected[i]));
    difference = std::max(difference, std::fabs(got[i] - expected[i]));
  }
  EXPECT_GT(largest, 0);
  return difference / largest;
}

/// Compares all that is recorded of one gradient.
void expect_gradient(const Recorded& recorded, const Json& entry, const Array& gradient, double tolerance) {
  const Values g = doubles_of(gradient);
  const auto rows = static_cast<size_t>(gradient.dim(0).value()), columns = g.size() / rows;
  const auto step = entry["step"].get<size_t>();
  Values chosen, sums_of_columns(columns), sums_of_rows(rows);
  for (size_t i = 0; i < g.size(); ++i) {
    if (i / columns % step == 0) chosen.push_back(g[i]);
    sums_of_columns[i % columns] += g[i];
    sums_of_rows[i / columns] += g[i];
  }
  EXPECT_LE(relative_difference(chosen, recorded.part(entry["rows"])), tolerance);
  if (step == 1) return;
  EXPECT_LE(relative_difference(sums_of_columns, recorded.part(entry["sums_of_columns"])), tolerance);
  EXPECT_LE(relative_difference(sums_of_rows, recorded.part(entry["sums_of_rows"])), tolerance);
}

void expect_pytorch(Dtype dtype, double tolerance) {
  const Recorded recorded = read_recorded();
  const Net net = make_net(dtype);
  const Array x = numbers(100, {batch, 1, 28, 28}, 2, dtype), labels = arange(batch) * 7 % 10;
  const Array kept = numbers(200, {batch, features}, 1, dtype) < keep - 0.5;
  const auto loss = [&](const Net& n, const Array& images, const Array& mask) {
    return nn::softmax_cross_entropy(n(images, mask), labels);
  };
  for (const std::string name : {"plain", "dropout"}) {
    SCOPED_TRACE(name);
    const Json& answers = recorded.json[name];
    const Array mask =
        name == "plain" ? ones({batch, features}, dtype) : where(kept, convert(array(1 / keep), dtype), 0);
    const auto [value, gradients] = value_and_grad<0, 1>(loss)(net, x, mask);
    const auto expected = answers["loss"].get<double>();
    EXPECT_NEAR(doubles_of(value)[0], expected, tolerance * expected);
    const auto& [of_net, of_x] = gradients;
    const std::vector<std::string> paths = tree::paths(of_net);
    const std::vector<Array> leaves = tree::flatten(of_net);
    ASSERT_EQ(paths.size() + 1, answers["gradients"].size());
    for (size_t i = 0; i < paths.size(); ++i) {
      SCOPED_TRACE(paths[i]);
      expect_gradient(recorded, answers["gradients"][paths[i]], leaves[i], tolerance);
    }
    SCOPED_TRACE("x");
    expect_gradient(recorded, answers["gradients"]["x"], of_x, tolerance);
  }
}

class Threads {
 public:
  explicit Threads(int count) : saved_(cpu::threads()) { cpu::set_threads(count); }
  ~Threads() { cpu::set_threads(saved_); }

 private:
  int saved_;
};

TEST(CnnGradients, AreThoseOfPyTorch) {
  for (int count : {1, 2}) {
    const Threads threads(count);
    expect_pytorch(float32, 1e-5);
  }
}

TEST(CnnGradients, OfOurOwnKernelsAreThoseOfPyTorch) {
  const cpu::KernelScope ours;
  for (int count : {1, 2}) {
    const Threads threads(count);
    expect_pytorch(float32, 1e-5);
  }
}

/// The recorded numbers are float64's, rounded.
TEST(CnnGradients, InFloat64AreThoseOfPyTorchToTheLastBitsOfFloat32) { expect_pytorch(float64, 1e-7); }

}  // namespace
}  // namespace wengert::nn_testing
