// Wengert's side of benchmarks/compare.py. Prints one line for each thing measured: name, tab, number; times in
// seconds, the shortest of all; memory in bytes. With 0 seconds it measures nothing and gives answers to check instead:
// inputs, parameters and results are left in a folder for the others, or numbers are printed as "answer ...".
//
//   workloads eager <seconds>                            latency on one thread
//   workloads operations <threads> <folder> <seconds>    large arrays with a fresh result each time
//   workloads direct <threads> <folder> <seconds>        what those are measured by: triad, reading, oneDNN called directly
//   workloads train <mlp|cnn> <threads> <folder> <seconds>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/wengert.hpp"

extern "C" void triad(float* a, const float* b, const float* c, float s, size_t count);
extern "C" float read_all(const float* values, size_t count);

namespace wg = wengert;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The shortest of many runs of `calls` calls, over a budget of seconds; of one call.
double best_seconds(const std::function<void()>& f, double budget, int calls = 1) {
  f();
  double best = 1e300;
  const auto start = Clock::now();
  for (int round = 0; round < 3 || seconds_since(start) < budget; ++round) {
    const auto turn = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, seconds_since(turn) / calls);
  }
  return best;
}

void report(const std::string& name, double value) {
  std::printf("%s\t%.9g\n", name.c_str(), value);
  std::fflush(stdout);
}

std::vector<float> random_values(int64_t count, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

void write(const std::string& path, const void* data, size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  if (!file) std::perror(path.c_str()), std::exit(1);
}
void write(const std::string& path, const std::vector<float>& values) {
  write(path, values.data(), values.size() * sizeof(float));
}

std::vector<float> read(const std::string& path, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file) std::perror(path.c_str()), std::exit(1);
  return values;
}

/// A line of /proc/self/status in bytes: VmRSS is resident now, VmHWM was resident at most.
double status(const char* name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) == 0) return 1024 * std::atof(line.c_str() + std::strlen(name) + 1);
  }
  return 0;
}

// What is measured -------------------------------------------------------------------------------------------

void eager(double budget) {
  wg::cpu::set_threads(1);
  const wg::Array x = wg::array({1.f, 2.f, 3.f, 4.f}), y = wg::array({0.5f, 0.25f, 0.125f, 1.f});
  const wg::Array long_x = wg::ones({1024}, wg::float32), long_y = wg::ones({1024}, wg::float32);
  const auto gradient = wg::grad([&](const wg::Array& w) { return wg::sum(wg::tanh(w * x) + y); });
  const auto measure = [&](const char* name, const std::function<wg::Array()>& f) {
    if (budget > 0) return report(name, best_seconds([&] { f(); }, budget, 500));
    const std::vector<float> values = f().to_vector<float>();
    for (size_t i = 0; i < 4; ++i) report(std::string("answer ") + std::to_string(i) + " of " + name, values[i]);
  };
  measure("x + y, 4", [&] { return x + y; });
  measure("x + y, 1024", [&] { return long_x + long_y; });
  measure("grad of sum(tanh(w*x)+y), 4", [&] { return gradient(x); });
}

// Large arrays -------------------------------------------------------------------------------------------------

constexpr int64_t side = 4096;
constexpr int64_t product_sides[] = {256, 1024, 2048};

/// The first rows and columns' worth of values as a matrix.
wg::Array square(const std::vector<float>& values, int64_t n) {
  return wg::array(std::vector<float>(values.begin(), values.begin() + n * n), {n, n});
}

void operations(int threads, const std::string& folder, double budget) {
  wg::cpu::set_threads(threads);
  const std::vector<float> values = random_values(side * side, 3), others = random_values(side * side, 4);
  if (budget == 0) write(folder + "/x.bin", values), write(folder + "/y.bin", others);
  const wg::Array x = wg::array(values, {side, side}), y = wg::array(others, {side, side}),
                  v = wg::array(std::vector<float>(others.begin(), others.begin() + side));
  const auto measure = [&](const std::string& name, const std::function<wg::Array()>& f) {
    if (budget > 0) return report(name, best_seconds([&] { f(); }, budget));
    write(folder + "/" + name + ".ours.bin", f().to_vector<float>());
  };
  measure("add", [&] { return x + y; });
  measure("exp", [&] { return wg::exp(x); });
  measure("tanh", [&] { return wg::tanh(x); });
  measure("gelu", [&] { return wg::gelu(x); });
  measure("softmax", [&] { return wg::softmax(x); });
  measure("layer_norm", [&] { return wg::layer_norm(x); });
  measure("matvec", [&] { return wg::matmul(x, v); });
  for (const int64_t n : product_sides) {
    const wg::Array a = square(values, n), b = square(others, n);
    measure("matmul " + std::to_string(n), [&] { return wg::matmul(a, b); });
  }
}

/// Runs `f(begin, end)` for as many equal parts of `count` as there are threads, all at once.
template <class F>
void in_parts(int threads, int64_t count, const F& f) {
  const struct Job {
    const F& f;
    int64_t part;
  } job{f, count / threads};
  wg::cpu::context()->parallel_for(
      wg::cpu::context(),
      [](const wg_context*, const void* given, int64_t begin, int64_t end) {
        const Job& j = *static_cast<const Job*>(given);
        for (int64_t i = begin; i < end; ++i) j.f(i * j.part, (i + 1) * j.part);
        return 0;
      },
      &job, threads, 1);
}

void direct(int threads, const std::string& folder, double budget) {
  wg::cpu::set_threads(threads);
  const std::vector<float> b = random_values(side * side, 3), c = random_values(side * side, 4);
  std::vector<float> a(b.size());
  if (budget > 0) {
    report("triad",
           best_seconds(
               [&] {
                 in_parts(threads, side * side, [&](int64_t from, int64_t to) {
                   triad(a.data() + from, b.data() + from, c.data() + from, 0.5f, static_cast<size_t>(to - from));
                 });
               },
               budget));
    report("reading",
           best_seconds(
               [&] {
                 in_parts(threads, side * side, [&](int64_t from, int64_t to) {
                   a[static_cast<size_t>(from)] = read_all(b.data() + from, static_cast<size_t>(to - from));
                 });
               },
               budget));
  }
  const auto* dnnl = wg::cpu::onednn::library();
  if (dnnl == nullptr) return;
  dnnl->set_num_threads(threads);
  for (const int64_t n : product_sides) {
    const std::string name = "matmul " + std::to_string(n);
    const auto product = [&] { dnnl->sgemm('N', 'N', n, n, n, 1, b.data(), n, c.data(), n, 0, a.data(), n); };
    if (budget > 0) {
      report(name, best_seconds(product, budget));
      continue;
    }
    product();
    const std::vector<float> ours = read(folder + "/" + name + ".ours.bin", n * n);
    for (size_t i = 0; i < ours.size(); ++i) {
      if (std::fabs(ours[i] - a[i]) > 1e-4f * (1 + std::fabs(a[i]))) {
        std::fprintf(stderr, "%s: element %zu is %g, oneDNN's %g\n", name.c_str(), i, ours[i], a[i]), std::exit(1);
      }
    }
  }
}

template <class Net>
void train(Net net, const wg::Shape& image, const std::string& folder, double budget) {
  const double before = status("VmRSS:");
  net = wg::nn::init(std::move(net), wg::random::key(0));
  int number = 0;
  for (const wg::Array& parameter : wg::tree::flatten(net))
    write(folder + "/" + std::to_string(number++) + ".bin", parameter.to_vector<float>());
  wg::Shape shape{128};
  for (int d = 0; d < image.rank(); ++d) shape.push_back(image[d]);
  const std::vector<float> pixels = random_values(shape.size(), 5);
  write(folder + "/x.bin", pixels);
  std::vector<int32_t> labels;
  for (int i = 0; i < 128; ++i) labels.push_back((i * 7 + 3) % 10);
  const wg::Array x = wg::array(pixels, shape), y = wg::array(labels);
  const auto loss = [](const Net& n, const wg::Array& in, const wg::Array& wanted) {
    return wg::nn::softmax_cross_entropy(n(in), wanted);
  };
  const auto adam = wg::optim::adam(1e-3);
  auto state = adam.init(net);
  float value = 0;
  const auto step = [&] {
    auto [l, gradient] = wg::value_and_grad(loss)(net, x, y);
    std::tie(net, state) = adam.update(std::move(net), std::move(state), std::move(gradient));
    value = l.template item<float>();
  };
  const auto start = Clock::now();
  step();
  report("first step", seconds_since(start));
  for (int i = 1; i < 4; ++i) step();
  report("answer loss after four steps", static_cast<double>(value));
  if (budget > 0) report("step", best_seconds(step, budget));
  report("memory", status("VmHWM:") - before);
}

void train(const std::string& name, int threads, const std::string& folder, double budget) {
  using namespace wg::nn;
  wg::cpu::set_threads(threads);
  if (name == "mlp") {
    return train(sequential(Linear{784, 256}, wg::relu, Linear{256, 128}, wg::relu, Linear{128, 10}), {784}, folder,
                 budget);
  }
  train(sequential(Conv2d{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}}, wg::relu, MaxPool2d{},
                   Conv2d{.in = 32, .out = 64, .size = {3, 3}}, wg::relu, MaxPool2d{}, Flatten{},
                   Linear{64 * 6 * 6, 128}, wg::relu, Linear{128, 10}),
        {1, 28, 28}, folder, budget);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "eager" && argc == 3) eager(std::atof(argv[2]));
  else if (command == "operations" && argc == 5) operations(std::atoi(argv[2]), argv[3], std::atof(argv[4]));
  else if (command == "direct" && argc == 5) direct(std::atoi(argv[2]), argv[3], std::atof(argv[4]));
  else if (command == "train" && argc == 6) train(argv[2], std::atoi(argv[3]), argv[4], std::atof(argv[5]));
  else return std::fprintf(stderr, "usage: see the head of benchmarks/workloads.cpp\n"), 2;
}
