// The pages of the documentation: what they quote is what the library prints, what they link to is there.
//
// A fenced block of a page is checked when a comment stands before it: <!-- printed: NAME --> says that the block is
// all of the text NAME, <!-- excerpt: NAME --> that it is a part of it, or several parts with lines of "..." between
// them. NAME is a text of printed_texts() below or a file of the repository.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

#include "wengert/backends/cpu/compiler_plugin.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/diff/derive.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

namespace fs = std::filesystem;

const fs::path root = WENGERT_SOURCE_DIR;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> found = {root / "README.md", root / "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  }
  return found;
}

// What the library prints --------------------------------------------------------------------------------

template <class T>
std::string shown(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

const Array& point() {
  static const Array x = array({0.5f, -1.0f, 2.0f});
  return x;
}

Array f(const Array& x) { return sum(tanh(x) * x); }

/// The C text of the kernel that a primitive gets for operands laid out as point() is.
std::string kernel_text(const Primitive& primitive, const Params& params, size_t operands, uint64_t donated = 0) {
  const std::vector<const Layout*> layouts(operands, point().node()->layout);
  std::string text;
  cpu::set_kernel_observer([&](std::string_view asked) { text = asked; });
  cpu::make_plan(primitive, params, 0, layouts, donated, {});
  cpu::set_kernel_observer({});
  return text;
}

const diff::Derivation& tanh_derivation() {
  Node* in[] = {point().node()};
  return diff::derivation(*find_primitive("tanh"), in, {}, {}, 1);
}

/// Every text that a page may quote.
std::map<std::string, std::string> printed_texts() {
  const Primitive& primitive = *find_primitive("tanh");
  const diff::Derivation& derived = tanh_derivation();
  const diff::BackwardPlan& adding = derived.backward(1, 1);
  const auto first = grad([](const Array& x) { return tanh(x); });
  const auto second = grad(first);
  const auto third = grad(second);
  return {
      {"tanh", shown(tanh(point()))},
      {"tanh program", to_string(*make_program([](const Array& x) { return tanh(x); })(point()))},
      {"tanh kernel", kernel_text(primitive, {}, 1)},
      {"tangent program", to_string(*derived.tangent().call.program(0))},
      {"backward program", to_string(*derived.backward(1, 0).call.program(0))},
      {"accumulating program", to_string(*adding.call.program(0))},
      {"accumulating kernel",
       kernel_text(call_primitive, adding.call, adding.sources.size(), 1u << (adding.sources.size() - 1))},
      {"gradient", shown(grad(f)(point()))},
      {"gradient program", to_string(*make_program(grad(f))(point()))},
      {"second order program", to_string(*make_program(second)(array(100.0f)))},
      {"tanh at 100",
       shown(tanh(array(100.0f))) + "\n" + shown(first(array(100.0f))) + "\n" + shown(second(array(100.0f))) + "\n" +
           shown(third(array(100.0f)))},
  };
}

/// The instructions of tanh's kernel, compiled for AVX-512 by the clang that the page names; nothing without it.
std::string machine_code() {
  const cpu::LoadedPlugin loaded = cpu::load_compiler_plugin();
  if (!loaded.plugin || std::string(loaded.plugin->version) != "clang 19.1.7") return {};
  const std::string text = kernel_text(*find_primitive("tanh"), {}, 1);
  wengert_compile_result result;
  loaded.plugin->compile(text.data(), text.size(), "x86-64-v4", &result);
  const std::string path = ::testing::TempDir() + "wengert_tanh_" + std::to_string(::getpid()) + ".o";
  std::ofstream(path, std::ios::binary).write(result.object, static_cast<std::streamsize>(result.object_size));
  loaded.plugin->release(&result);
  const std::string command =
      "objdump --disassemble --no-show-raw-insn --disassembler-options=intel '" + path + "' 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string output;
  char part[4096];
  while (pipe && std::fgets(part, sizeof part, pipe.get())) output += part;
  fs::remove(path);
  return std::regex_replace(output, std::regex("^ *[0-9a-f]+:\t", std::regex::multiline), "");
}

// What the pages quote -----------------------------------------------------------------------------------

struct Quote {
  std::string page, name, text;
  bool whole;
};

std::vector<Quote> quotes() {
  static const std::regex announcement("<!-- (printed|excerpt): (.*) -->");
  std::vector<Quote> result;
  for (const fs::path& page : pages()) {
    const std::vector<std::string> lines = lines_of(contents(page));
    for (size_t i = 0; i + 1 < lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_match(lines[i], match, announcement)) continue;
      Quote quote{page.filename(), match[2], "", match[1] == "printed"};
      EXPECT_TRUE(lines[i + 1].starts_with("```")) << quote.page << ": " << lines[i];
      for (i += 2; i < lines.size() && lines[i] != "```"; ++i) quote.text += lines[i] + "\n";
      result.push_back(quote);
    }
  }
  return result;
}

/// Whether the parts of an excerpt stand in `text` in that order, each beginning and ending with a line.
bool is_excerpt(const std::string& excerpt, const std::string& text) {
  const std::string all = "\n" + text;
  std::string part = "\n";
  size_t at = 0;
  const auto found = [&] {
    at = all.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size() - 1;
    part = "\n";
    return true;
  };
  for (const std::string& line : lines_of(excerpt)) {
    if (line.find_first_not_of(' ') == line.find("...") && line.ends_with("...")) {
      if (!found()) return false;
    } else {
      part += line + "\n";
    }
  }
  return found();
}

TEST(Pages, QuoteWhatTheLibraryPrints) {
#ifdef __clang__
  GTEST_SKIP() << "pages show what g++ makes: compilers compute the operands of a formula in another order";
#endif
  const std::map<std::string, std::string> texts = printed_texts();
  std::set<std::string> used;
  for (const Quote& quote : quotes()) {
    if (quote.name == "machine code") continue;
    const auto known = texts.find(quote.name);
    const bool is_file = known == texts.end() && fs::is_regular_file(root / quote.name);
    ASSERT_TRUE(known != texts.end() || is_file) << quote.page << ": " << quote.name;
    const std::string text = is_file ? contents(root / quote.name) : known->second + "\n";
    const bool right = quote.whole ? quote.text == text : is_excerpt(quote.text, text);
    EXPECT_TRUE(right) << quote.page << " does not quote \"" << quote.name << "\" as it is:\n" << text;
    used.insert(quote.name);
  }
  for (const auto& [name, text] : texts) EXPECT_TRUE(used.contains(name)) << "no page quotes " << name;
}

/// The lines of a text without the spaces before them.
std::string without_indent(const std::string& text) {
  return std::regex_replace(text, std::regex("^ +", std::regex::multiline), "");
}

/// docs/one-tanh.md says how what it quotes is printed.
TEST(Pages, SayHowPublicFunctionsPrintWhatTheyQuote) {
#ifdef __clang__
  GTEST_SKIP() << "as above";
#endif
  std::map<std::string, std::string> texts = printed_texts();
  const auto expect_call = [&](const std::string& name, const Program& program) {
    const std::string text = without_indent(to_string(program)), quoted = without_indent(texts.at(name));
    EXPECT_NE(text.find("program=" + quoted + ", name="), std::string::npos) << name << ":\n" << to_string(program);
  };
  const auto g = [](const Array& x) { return tanh(x); };
  const Array& x = point();
  expect_call("tangent program",
              *make_program([&](const Array& at, const Array& dx) { return jvp(g, at, dx).second; })(x, x));
  expect_call("backward program",
              *make_program([&](const Array& at, const Array& dy) { return vjp(g, at).pullback(dy); })(x, x));
  expect_call("accumulating program", *make_program(grad(f))(x));

  std::vector<std::string> asked;
  cpu::set_kernel_observer([&](std::string_view text) { asked.emplace_back(text); });
  const Array other = array({0.5f, -1.0f, 2.0f, 0.0f, 1.0f, 3.0f, 4.0f});  // of a length without plans
  tanh(other);
  grad(f)(other);
  cpu::set_kernel_observer({});
  ASSERT_GT(asked.size(), 1u);
  EXPECT_EQ(asked.front(), texts.at("tanh kernel"));
  EXPECT_EQ(asked.back(), texts.at("accumulating kernel"));
}

TEST(Pages, QuoteTheInstructionsOfTheKernel) {
  const std::string code = machine_code();
  if (code.find("wg_kernel") == std::string::npos) GTEST_SKIP() << "wanted the plug-in with clang 19.1.7, and objdump";
  int count = 0;
  for (const Quote& quote : quotes()) {
    if (quote.name != "machine code") continue;
    ++count;
    EXPECT_TRUE(is_excerpt(quote.text, code)) << quote.page << " does not quote the machine code as it is:\n" << code;
  }
  EXPECT_EQ(count, 1);
}

/// The first twenty lines of the README: a value, its gradient, and a check of it.
TEST(Pages, BeginWithNumbersThatAreTrue) {
  const auto g = [](const Array& x) { return sum(tanh(x) * x); };
  const Array x = array({0.5, -1.0, 2.0}), e0 = array({1.0, 0.0, 0.0});
  std::vector<std::string> lines = lines_of(contents(root / "README.md"));
  lines.resize(20);
  const auto expect_result = [&](const std::string& code, const Array& value) {
    const auto line = std::find_if(lines.begin(), lines.end(),
                                   [&](const std::string& l) { return l.find(code) != std::string::npos; });
    ASSERT_NE(line, lines.end()) << code;
    const size_t comment = line->find("// ");
    ASSERT_NE(comment, std::string::npos) << *line;
    if (value.rank() == 0) {  // all its digits: the last ones are another machine's
      EXPECT_NEAR(std::stod(line->substr(comment + 3)), value.item<double>(), 1e-8) << *line;
    } else {
      EXPECT_EQ(line->substr(comment + 3), shown(value)) << *line;
    }
  };
  expect_result("<< f(x) <<", g(x));
  expect_result("<< wg::grad(f)(x) <<", grad(g)(x));
  expect_result("<< (f(x + 1e-6 * e0) - f(x - 1e-6 * e0)) / 2e-6 <<", (g(x + 1e-6 * e0) - g(x - 1e-6 * e0)) / 2e-6);
}

// What the pages name ------------------------------------------------------------------------------------

TEST(Pages, LinkToWhatIsThere) {
  static const std::regex link("\\]\\(([^)# ]+)(#[^)]*)?\\)");
  int count = 0;
  for (const fs::path& page : pages()) {
    const std::string text = contents(page);
    for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
      const std::string target = (*it)[1];
      if (target.starts_with("http")) continue;
      EXPECT_TRUE(fs::exists(page.parent_path() / target)) << page.filename() << ": " << target;
      ++count;
    }
  }
  EXPECT_GT(count, 20);
}

/// docs/environment.md has a row for every variable that the library reads, and for no other of Wengert's.
TEST(Pages, ListTheVariablesOfTheEnvironment) {
  std::set<std::string> read, listed;
  static const std::regex variable("\"(WENGERT_[A-Z_]+)\""), row("\n\\| `(WENGERT_[A-Z_]+)");
  for (const auto& entry : fs::recursive_directory_iterator(root / "wengert")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = contents(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), variable), end; it != end; ++it) read.insert((*it)[1]);
  }
  const std::string page = contents(root / "docs" / "environment.md");
  for (std::sregex_iterator it(page.begin(), page.end(), row), end; it != end; ++it) listed.insert((*it)[1]);
  EXPECT_EQ(read, listed);
}

}  // namespace
}  // namespace wengert
