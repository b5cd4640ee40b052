// The library installs no signal handler: neither do LLVM and oneDNN, which it loads, behind its back.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/sanitizers.hpp"
#include "tests/scratch.hpp"
#include "wengert/backends/cpu/compiler_plugin.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What the process says of its signals, those that are blocked, ignored, and caught, as hexadecimal sets. Signals 32
/// and 33 are left out: with them the C library keeps its threads together.
std::string signals() {
  std::istringstream status(content("/proc/self/status"));
  std::ostringstream text;
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigBlk") && !line.starts_with("SigIgn") && !line.starts_with("SigCgt")) continue;
    const uint64_t set = std::stoull(line.substr(7), nullptr, 16) & ~(uint64_t{3} << 31);
    text << line.substr(0, 6) << " " << std::hex << set << " ";
  }
  return text.str();
}

struct Model {
  nn::Conv2d conv{.in = 1, .out = 4, .size = {3, 3}};
  nn::Linear dense{4 * 6 * 6, 3};
  Array operator()(const Array& x) const { return dense(reshape(relu(conv(x)), {x.dim(0), -1})); }
};

/// A training step with a kernel that clang compiles, and a checkpoint; run as a child, with a folder in its
/// environment.
TEST(Child, DISABLED_Trains) {
  const std::string folder = std::getenv("WENGERT_TEST_FOLDER"), before = signals();
  Model model = nn::init(Model(), random::key(0));
  const auto adam = optim::adam(1e-2);
  auto state = adam.init(model);
  const Array x = random::normal(random::key(1), {2, 1, 8, 8}), y = array<int64_t>({0, 2});
  const auto loss = [&](const Model& r) { return nn::softmax_cross_entropy(r(x), y); };
  const Array dx = grad([&](const Array& a) { return sum(transpose(cos(a) * erf(a)) * 3); })(ones({5, 7}));
  const auto [value, gradient] = value_and_grad(loss)(model);
  std::tie(model, state) = adam.update(model, state, gradient);
  io::save_checkpoint(folder + "/c.npz", model);
  model = io::load_checkpoint(folder + "/c.npz", model);
  std::cout << "\nbefore " << before << "\nafter " << signals() << "\n";
  std::cout << "clang kernels " << cpu::kernel_statistics().compiled_plugin << "\n";
  std::cout << "oneDNN " << (content("/proc/self/maps").find("libdnnl") != std::string::npos) << "\n";
}

/// What follows a word at the beginning of a line.
std::string after(const std::string& text, const std::string& word) {
  const size_t begin = text.find("\n" + word + " ");
  if (begin == text.npos) return "nothing";
  const size_t value = begin + word.size() + 2;
  return text.substr(value, text.find('\n', value) - value);
}

TEST(Signals, AreLeftAsTheyWere) {
  const test::Scratch folder, cache;
  const std::string command = "env WENGERT_COMPILER=auto WENGERT_CACHE=" + cache.path() +
      " WENGERT_TEST_FOLDER=" + folder.path() + " '" + std::filesystem::read_symlink("/proc/self/exe").string() +
      "' --gtest_also_run_disabled_tests --gtest_filter=Child.DISABLED_Trains 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  for (std::array<char, 4096> part; const size_t size = std::fread(part.data(), 1, part.size(), pipe);) {
    text.append(part.data(), size);
  }
  ASSERT_EQ(::pclose(pipe), 0) << text;
  EXPECT_EQ(after(text, "after"), after(text, "before"));
  EXPECT_NE(after(text, "before").find("SigCgt"), std::string::npos) << text;
  if (!test::sanitized) { EXPECT_NE(after(text, "before").find("SigCgt 0 "), std::string::npos) << text; }
  // Where they are there they were at work. (Asked in this process, which need not stay as it was.)
  EXPECT_EQ(after(text, "clang kernels") != "0", cpu::load_compiler_plugin().plugin != nullptr) << text;
  EXPECT_EQ(after(text, "oneDNN"), cpu::onednn::library() ? "1" : "0") << text;
}

}  // namespace
}  // namespace wengert
