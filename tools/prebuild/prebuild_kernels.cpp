// Compiles the kernels that the library is built with, so that common eager work needs no compiler.
// Usage: prebuild_kernels <folder> [C compiler]
//        prebuild_kernels --texts <folder>    only writes the texts, for whoever compiles them
//
// What is common: every primitive, forward and backward, as the samples in its room call it, operands repeated along an
// axis, numbers beside arrays, what makes arrays, reductions of vectors and matrices, and the training steps of small
// networks. Nothing is computed to find that out: each text that is asked for gets a function that does nothing. Writes
// <folder>/kernels.rsp, the names of the objects, and <folder>/table.cpp, which registers their functions. Objects of an
// earlier run are kept. Without the plug-in the C compiler is used.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

#include "wengert/backends/cpu/compiler_plugin.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/wengert.hpp"

namespace wg = wengert;
namespace cpu = wengert::cpu;
namespace fs = std::filesystem;

namespace {

/// Texts by key.
using Texts = std::map<cpu::KernelKey, std::string>;

int32_t do_nothing(const wg_context*, void* const*, const int64_t*, const wg_scalar*) { return wg_ok; }

/// Notes every text that anybody asks for, and answers it before a compiler is asked.
void collect_into(Texts& texts) {
  cpu::set_kernel_observer([&texts](std::string_view text) {
    const cpu::KernelKey key = cpu::kernel_key(text);
    if (!texts.emplace(key, text).second) return;
    const cpu::PrebuiltKernel answer{key.low, key.high, do_nothing, do_nothing, do_nothing};
    cpu::register_prebuilt({&answer, 1});
  });
}

// What is asked for ------------------------------------------------------------------------------------------

using Arrays = std::vector<wg::Array>;

wg::Array zeros(wg::Dtype dtype, const wg::Shape& shape) {
  const wg::Array x = wg::detail::make_array(wg::Layout::contiguous_of(wg::Type::of(dtype, shape)));
  if (x.size() > 0) std::memset(x.node()->data, 0, static_cast<size_t>(x.nbytes()));
  return x;
}

/// A primitive applied to operands; where `differentiate`, with the way back for all inexact ones.
void use(const wg::Primitive& primitive, const wg::Sample& sample, const Arrays& in, bool differentiate) {
  std::vector<const wg::Type*> types;
  for (const wg::Array& x : in) types.push_back(&x.type());
  const std::vector<wg::RuntimeParam> runtimes(sample.runtimes.begin(), sample.runtimes.end());
  const int outputs = static_cast<int>(wg::infer_types(primitive, types, sample.params, runtimes).size());
  const auto f = [&](std::span<const wg::Array> x) {
    return wg::bind_all(primitive, x, outputs, sample.params, sample.runtimes);
  };
  f(in);
  if (!differentiate) return;
  wg::diff::Flags active;
  for (const wg::Array& x : in) active.push_back(wg::is_inexact(x.dtype()));
  const auto pull_back = [&](auto cotangent_of) {
    wg::diff::VjpResult result = wg::diff::vjp_through(f, in, active.span());
    Arrays cotangents;
    for (const wg::Array& y : result.outputs) {
      cotangents.push_back(wg::is_inexact(y.dtype()) ? cotangent_of(y) : wg::Array());
    }
    result.pullback(cotangents);
  };
  pull_back([](const wg::Array& y) { return zeros(y.dtype(), y.shape()); });
  if (!primitive.is(wg::Trait::elementwise)) return;
  pull_back([](const wg::Array& y) { return wg::broadcast_to(zeros(y.dtype(), {}), y.shape()); });  // below a sum
}

void use_sample(const wg::Primitive& primitive, const wg::Sample& sample, wg::Dtype dtype, bool differentiate) {
  const auto empty = [](const wg::Shape& shape) { return shape.size() == 0; };
  if (std::any_of(sample.shapes.begin(), sample.shapes.end(), empty)) return;  // nobody waits for those
  Arrays in;
  for (size_t i = 0; i < sample.shapes.size(); ++i) {
    in.push_back(zeros(i < sample.fixed.size() ? sample.fixed[i] : dtype, sample.shapes[i]));
  }
  try {
    use(primitive, sample, in, differentiate);
  } catch (const wg::Error&) {  // a dtype that the primitive does not take, or no derivative: nothing to build
  }
}

/// float32 as all samples say; the other dtypes as the first one does.
void use_every_primitive() {
  for (const wg::Primitive* primitive : wg::all_primitives()) {
    const wg::Cases& cases = primitive->samples.cases;
    for (const wg::Sample& sample : cases) use_sample(*primitive, sample, wg::float32, true);
    use_sample(*primitive, cases.front(), wg::float64, true);
    for (wg::Dtype dtype : {wg::int64, wg::int32, wg::uint8, wg::bool_}) {
      use_sample(*primitive, cases.front(), dtype, false);
    }
  }
}

/// Elementwise primitives of two operands, one of which is a number, a row or a column; and transposed ones.
void use_broadcasts() {
  const wg::Shape shape = {3, 5};
  const auto along = [&](const wg::Shape& own) { return wg::broadcast_to(zeros(wg::float32, own), shape); };
  const wg::Array full = zeros(wg::float32, shape), turned = wg::transpose(zeros(wg::float32, {5, 3}));
  for (const wg::Primitive* primitive : wg::all_primitives()) {
    const wg::Sample& sample = primitive->samples.cases.front();
    if (!primitive->is(wg::Trait::elementwise) || !sample.fixed.empty()) continue;
    std::vector<Arrays> calls = {{turned}};
    if (sample.shapes.size() == 2) {
      calls = {{full, along({})},     {along({}), full}, {full, along({5})},
               {full, along({3, 1})}, {full, turned},    {turned, turned}};
    }
    if (sample.shapes.size() > 2) continue;
    for (const Arrays& in : calls) {
      try {
        use(*primitive, sample, in, true);
      } catch (const wg::Error&) {  // as above
      }
    }
  }
}

/// What makes arrays, and numbers beside arrays of the other dtypes: forward only.
void use_creation_and_numbers() {
  for (wg::Dtype dtype : {wg::int32, wg::int64, wg::float32, wg::float64}) {
    wg::arange(0, 5, 2, dtype), wg::arange(0.0, 1.0, 0.25, dtype), wg::linspace(0, 1, 5, dtype),
        wg::eye(3, 5, 1, dtype);
    wg::arange(0, 5, 1, dtype), wg::eye(3, 3, 0, dtype);
  }
  for (wg::Dtype dtype : {wg::int32, wg::int64, wg::float64}) {
    const wg::Array x = zeros(dtype, {5}), number = wg::broadcast_to(zeros(dtype, {}), {5});
    for (const wg::Primitive* primitive : wg::all_primitives()) {
      const wg::Sample& sample = primitive->samples.cases.front();
      if (!primitive->is(wg::Trait::elementwise) || !sample.fixed.empty() || sample.shapes.size() != 2) continue;
      for (const Arrays& in : {Arrays{x, number}, Arrays{number, x}}) {
        try {
          use(*primitive, sample, in, false);
        } catch (const wg::Error&) {  // as above
        }
      }
    }
    wg::where(zeros(wg::bool_, {5}), x, number), wg::where(zeros(wg::bool_, {5}), number, x);
  }
}

/// f of one array, and the gradient of the sum of its outputs.
template <class F>
void use_with_gradient(F f, const wg::Array& x) {
  f(x);
  if (wg::is_inexact(x.dtype()) && wg::is_inexact(f(x).dtype())) {
    wg::grad([&](const wg::Array& v) { return wg::sum(f(v)); })(x);
  }
}

/// Reductions and what is made of them, over vectors and matrices, short and long, along each axis and over all.
void use_reductions() {
  for (const wg::Shape& shape :
       {wg::Shape{7}, wg::Shape{1 << 20}, wg::Shape{3, 5}, wg::Shape{512, 512}, wg::Shape{2, 3, 5}}) {
    const wg::Array x = zeros(wg::float32, shape), n = zeros(wg::int64, shape), flags = zeros(wg::bool_, shape);
    std::vector<wg::Axes> choices = {{}};
    for (int axis = 0; axis < shape.rank(); ++axis) choices.push_back({axis});
    for (const wg::Axes& axes : choices) {
      use_with_gradient([&](const wg::Array& v) { return wg::sum(v, axes); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::mean(v, axes); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::max(v, axes); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::min(v, axes); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::var(v, axes); }, x);
      wg::sum(n, axes), wg::max(n, axes), wg::min(n, axes), wg::any(flags, axes), wg::all(flags, axes);
    }
    for (int axis = 0; axis < shape.rank(); ++axis) {
      use_with_gradient([&](const wg::Array& v) { return wg::softmax(v, axis); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::log_softmax(v, axis); }, x);
      use_with_gradient([&](const wg::Array& v) { return wg::logsumexp(v, {axis}); }, x);
      wg::argmax(x, axis);
    }
    use_with_gradient([&](const wg::Array& v) { return v * v; }, x);
    use_with_gradient([&](const wg::Array& v) { return wg::tanh(v) * v; }, x);
  }
}

void use_conversions() {
  constexpr wg::Dtype all[] = {wg::bool_, wg::uint8, wg::int32, wg::int64, wg::float32, wg::float64};
  for (wg::Dtype from : all) {
    for (wg::Dtype to : all) zeros(from, {5}).astype(to);
  }
}

/// One step of training with that network and optimizer.
template <class Net, class Optimizer>
void use_training(Net net, const Optimizer& optimizer, const wg::Array& x, wg::Dtype labels = wg::int32) {
  net = wg::nn::init(std::move(net), wg::random::key(0));
  const auto loss = [&](const Net& n) {
    const wg::Array logits = wg::nn::apply(n, x, {.training = true, .key = wg::random::key(1)}).first;
    return std::pair{wg::nn::softmax_cross_entropy(logits, zeros(labels, {x.dim(0)})), logits};
  };
  auto state = optimizer.init(net);
  for (int step = 0; step < 2; ++step) {
    auto [value, gradient] = wg::value_and_grad(loss)(net);
    optimizer.update(net, state, gradient);  // into new memory, and then in place
    std::tie(net, state) = optimizer.update(std::move(net), std::move(state), gradient);
    wg::nn::count_correct(value.second, zeros(labels, {x.dim(0)}));
  }
  wg::nn::apply(net, x);
}

void use_networks() {
  using namespace wg::nn;
  // Lengths on either side of where schedules change: products of our own, short rows, sums that are cut into pieces.
  for (int64_t batch : {1, 2, 8, 64, 512}) {
    for (int64_t in : {2, 24}) {
      for (int64_t out : {2, 16}) {
        const auto net = sequential(Linear{in, 20}, wg::relu, Linear{20, out});
        use_training(net, wg::optim::adam(1e-3), zeros(wg::float32, {batch, in}));
        use_training(net, wg::optim::sgd(0.1), zeros(wg::float32, {batch, in}), wg::int64);
      }
    }
  }
  const auto mlp = sequential(Flatten{}, Linear{784, 256}, wg::relu, Linear{256, 10});
  const wg::Array images = zeros(wg::float32, {128, 1, 28, 28});
  use_training(mlp, wg::optim::sgd(0.1), images);
  use_training(mlp, wg::optim::sgd(0.1, {.momentum = 0.9}), images);
  use_training(mlp, wg::optim::adam(1e-3), images);
  use_training(mlp, wg::optim::adamw(1e-3), images);
  const auto cnn = sequential(Conv2d{.in = 1, .out = 32, .size = {3, 3}, .padding = {1, 1}}, wg::relu, MaxPool2d{},
                              Conv2d{.in = 32, .out = 64, .size = {3, 3}}, wg::relu, MaxPool2d{}, Flatten{},
                              Dropout{0.25}, Linear{64 * 6 * 6, 128}, wg::relu, Linear{128, 10});
  use_training(cnn, wg::optim::adam(1e-3), images);
}

// Building ---------------------------------------------------------------------------------------------------

struct Level {
  const char* name;
  const char* cpu;
};
constexpr Level levels[] = {{"baseline", "x86-64"}, {"avx2", "x86-64-v3"}, {"avx512", "x86-64-v4"}};

std::string symbol(const cpu::KernelKey& key, const Level& level) { return "wg_" + to_string(key) + "_" + level.name; }

/// Writes through a second name, so that a file that is there is whole.
void write(const fs::path& path, std::string_view bytes) {
  const fs::path unfinished = path.string() + ".new";
  std::ofstream file(unfinished, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
  fs::rename(unfinished, path);
}

class Builder {
 public:
  Builder(fs::path folder, std::string c_compiler) : folder_(std::move(folder)), c_compiler_(std::move(c_compiler)) {
    plugin_ = cpu::load_compiler_plugin().plugin;
    if (!plugin_ && c_compiler_.empty()) throw std::runtime_error("no compiler plug-in and no C compiler was given");
    objects_ = folder_ / (plugin_ ? cpu::plugin_revision : "cc");
    fs::create_directories(objects_);
  }

  void build(const Texts& texts) {
    std::vector<std::pair<const std::string*, std::string>> tasks;
    for (const auto& [key, text] : texts) {
      for (const Level& level : levels) tasks.emplace_back(&text, symbol(key, level));
    }
    std::atomic<size_t> next = 0;
    std::exception_ptr failure;
    std::atomic<bool> failed = false;
    const auto work = [&] {
      for (size_t i = next++; i < tasks.size() && !failed; i = next++) {
        try {
          compile(*tasks[i].first, tasks[i].second, levels[i % std::size(levels)]);
        } catch (...) {
          if (!failed.exchange(true)) failure = std::current_exception();
        }
      }
    };
    {
      std::vector<std::jthread> helpers;
      for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) helpers.emplace_back(work);
      work();
    }
    if (failure) std::rethrow_exception(failure);
    write_list(tasks);
    write_table(texts);
  }

 private:
  fs::path object(const std::string& name) const { return objects_ / (name + ".o"); }

  void compile(const std::string& text, const std::string& name, const Level& level) const {
    if (fs::exists(object(name))) return;
    const std::string renamed = "#define wg_kernel " + name + "\n" + text;
    if (plugin_) return write(object(name), compile_with_plugin(renamed, level));
    const std::string base = (objects_ / name).string();
    write(base + ".c", renamed);
    const std::string command = "'" + c_compiler_ +
        "' -std=c11 -O3 -w -fPIC -ffreestanding -ffp-contract=off -fno-math-errno "
        "-fno-trapping-math -fwrapv -march=" +
        level.cpu + " -c '" + base + ".c' -o '" + base + ".o.new'";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
    fs::rename(base + ".o.new", object(name));
    fs::remove(base + ".c");
  }

  std::string compile_with_plugin(const std::string& text, const Level& level) const {
    wengert_compile_result result;
    plugin_->compile(text.data(), text.size(), level.cpu, &result);
    const std::string bytes(result.object, result.object_size), message = result.message;
    const bool compiled = result.status == wengert_compiled;
    plugin_->release(&result);
    if (!compiled) throw std::runtime_error(message);
    return bytes;
  }

  void write_list(const std::vector<std::pair<const std::string*, std::string>>& tasks) const {
    std::string list;
    for (const auto& [text, name] : tasks) list += object(name).string() + "\n";
    write(folder_ / "kernels.rsp", list);
  }

  void write_table(const Texts& texts) const {
    std::string declarations, rows;
    for (const auto& [key, text] : texts) {
      char words[64];
      std::snprintf(words, sizeof words, "{0x%016llxu, 0x%016llxu", static_cast<unsigned long long>(key.low),
                    static_cast<unsigned long long>(key.high));
      rows += std::string("    ") + words;
      for (const Level& level : levels) {
        declarations +=
            "int32_t " + symbol(key, level) + "(const wg_context*, void* const*, const int64_t*, const wg_scalar*);\n";
        rows += ", " + symbol(key, level);
      }
      rows += "},\n";
    }
    write(folder_ / "table.cpp",
          "// Written by tools/prebuild.\n#include \"wengert/backends/cpu/kernels.hpp\"\n\nextern \"C\" {\n" +
              declarations + "}\n\nnamespace wengert::cpu {\nnamespace {\n\nconstexpr PrebuiltKernel prebuilt[] = {\n" +
              rows +
              "};\nconst bool registered = (register_prebuilt(prebuilt), true);\n\n}  // namespace\n}  // namespace "
              "wengert::cpu\n");
  }

  fs::path folder_, objects_;
  std::string c_compiler_;
  const wengert_compiler_plugin* plugin_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: prebuild_kernels <folder> [C compiler], or prebuild_kernels --texts <folder>\n");
    return 2;
  }
  try {
    Texts texts;
    collect_into(texts);
    use_every_primitive();
    use_broadcasts();
    use_creation_and_numbers();
    use_reductions();
    use_conversions();
    use_networks();
    if (std::string_view(argv[1]) == "--texts") {
      for (const auto& [key, text] : texts) write(fs::path(argv[argc - 1]) / (to_string(key) + ".c"), text);
      return 0;
    }
    Builder(argv[1], argc > 2 ? argv[2] : "").build(texts);
    std::printf("%zu kernels, each at %zu levels\n", texts.size(), std::size(levels));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prebuild_kernels: %s\n", error.what());
    return 1;
  }
}
