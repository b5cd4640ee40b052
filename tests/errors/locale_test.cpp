// A process whose locale writes numbers with a comma, as programs that call setlocale() in Germany or France do.
#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <locale>
#include <sstream>
#include <string_view>

#include "tests/errors.hpp"
#include "tests/scratch.hpp"
#include "tests/values.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/train/train.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// As glibc's localedef writes LC_NUMERIC: decimal point ",", thousands by "." in threes. No system needs to have it.
constexpr std::string_view compiled_locale(
    "\x14\x11\x03\x20\x06\0\0\0\x20\0\0\0\x22\0\0\0\x24\0\0\0\x28\0\0\0\x2c\0\0\0\x30\0\0\0"
    ",\0.\0\x03\x03\0\0,\0\0\0.\0\0\0ANSI_X3.4-1968\0",
    63);

struct Commas final : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// Commas in C and in C++ while it lives.
class CommaScope {
 public:
  CommaScope() {
    std::filesystem::create_directory(folder_ / "comma");
    std::ofstream(folder_ / "comma/LC_NUMERIC", std::ios::binary) << compiled_locale;
    ::setenv("LOCPATH", folder_.path().c_str(), 1);
    found_ = std::setlocale(LC_NUMERIC, "comma") != nullptr;
    saved_ = std::locale::global(std::locale(std::locale::classic(), new Commas));
    found_ = found_ && std::setlocale(LC_NUMERIC, "comma") != nullptr;  // global() has set that of C too
  }
  ~CommaScope() {
    std::locale::global(saved_);
    std::setlocale(LC_NUMERIC, "C");
    ::unsetenv("LOCPATH");
  }
  CommaScope(const CommaScope&) = delete;

  bool found() const { return found_; }

 private:
  test::Scratch folder_;
  std::locale saved_;
  bool found_ = false;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Everything that the library writes for machines and people.
std::string all_texts() {
  const test::Scratch folder;
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << array({1234567.5, 2.25}) << array({0.1f, 25.266918f}) << array(-1.5e-7) << "\n";
  out << to_string(*make_program([](const Array& x) { return x * -0.25 + 1.5e-7; })(ones({3}))) << "\n";
  out << test::thrown_by([] { random::uniform(random::key(0), {2}, int32, -0.5, 1.5); }).what() << "\n";

  train::Log log;
  log.add(0.75, 2000, 1500);
  out << log.text() << "\n";
  const std::vector<train::EpochMetrics> epochs = {{1, 0.75, 0.5, 0.625, 12345.5}, {2, 0.25, 0.875, 0.8125, 1200}};
  train::write_metrics(folder / "metrics", epochs);
  train::write_report(folder / "report",
                      {.title = "t",
                       .facts = {},
                       .epochs = epochs,
                       .classes = {"a", "b"},
                       .confusion = {{3000, 1}, {0, 4}},
                       .mistakes = {{full({3, 4}, 0.5f), 0, 1}}});
  return out.str() + text_of(folder / "metrics") + text_of(folder / "report");
}

TEST(Locale, ChangesNoText) {
  const std::string wanted = all_texts();
  const CommaScope commas;
  EXPECT_EQ(all_texts(), wanted);  // those of C++ stand everywhere
  if (!commas.found()) GTEST_SKIP() << "this C library reads no such locale";
  char half[8];
  std::snprintf(half, sizeof half, "%.1f", 0.5);
  EXPECT_STREQ(half, "0,5");
}

TEST(Locale, ChangesNoKernelAndNoFile) {
  const Array x = linspace(-3, 3, 7);
  // Their kernels have constants in them: 0.5, -0.5, 0.398942292, 1.12837923.
  const auto f = [](const Array& a) { return sum(gelu(a) + erf(a) * rsqrt(square(a) + 1) + maximum(a, flip(a))); };
  const CommaScope commas;
  if (!commas.found()) GTEST_SKIP() << "this C library reads no such locale";
  const auto [value, gradient] = value_and_grad(f)(x);
  {
    const cpu::OracleScope no_kernels;
    const auto [wanted_value, wanted_gradient] = value_and_grad(f)(x);
    EXPECT_TRUE(allclose(value, wanted_value)) << value << wanted_value;
    EXPECT_TRUE(allclose(gradient, wanted_gradient)) << gradient << wanted_gradient;
  }

  const test::Scratch folder;
  const std::string text = to_string(*make_program(f)(x));
  EXPECT_EQ(to_string(*parse_program(text)), text);
  io::save_checkpoint(folder / "run", x);
  EXPECT_EQ(io::load_checkpoint(folder / "run", x).to_vector<float>(), x.to_vector<float>());
  io::write_npy(folder / "x.npy", x);
  EXPECT_EQ(io::read_npy(folder / "x.npy").to_vector<float>(), x.to_vector<float>());
}

}  // namespace
}  // namespace wengert
