// The report of a run: one file that needs no other, complete, and well-formed where names hold anything.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <sstream>
#include <thread>

#include "tests/errors.hpp"
#include "tests/file_limit.hpp"
#include "tests/scratch.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/train/train.hpp"

namespace wengert::train {
namespace {

std::string written(const Report& report) {
  const std::string path = ::testing::TempDir() + "wengert_report_" + std::to_string(::getpid()) + ".html";
  write_report(path, report);
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  std::remove(path.c_str());
  return text.str();
}

Report example() {
  Report report;
  report.title = "Cats & <dogs>";
  report.facts = {{"network", "conv <3x3>"}};
  report.epochs = {{1, 0.75, 0.5, 0.625, 1000}, {2, 0.25, 0.875, 0.8125, 1200}};
  report.classes = {"cat's", "dog"};
  report.confusion = {{3, 1}, {0, 4}};
  report.mistakes = {{array(std::vector<float>(12, 0.5f), {3, 4}), 0, 1}};
  return report;
}

size_t count(const std::string& text, const std::string& pattern) {
  const std::regex wanted(pattern);
  return static_cast<size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), wanted), std::sregex_iterator()));
}

TEST(Report, NeedsNoOtherFile) {
  const std::string html = written(example());
  EXPECT_EQ(count(html, "https?:|<link|<script|@import|url\\("), 0u);
  EXPECT_EQ(count(html, "src='data:image/png;base64,iVBORw0KGgo"), 1u);
}

TEST(Report, ClosesEveryElementThatItOpens) {
  const std::string html = written(example());
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z0-9]+)[^>]*?(/?)>");
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if ((*it)[3].length() > 0 || name == "meta" || name == "img" || name == "br") continue;
    if ((*it)[1].length() == 0) open.push_back(name);
    else {
      ASSERT_FALSE(open.empty()) << name;
      EXPECT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Report, ShowsWhatItWasGiven) {
  const std::string html = written(example());
  EXPECT_NE(html.find("<h1>Cats &amp; &lt;dogs></h1>"), std::string::npos);
  EXPECT_NE(html.find("<th>network</th><td>conv &lt;3x3></td>"), std::string::npos);
  EXPECT_NE(html.find("<td>2</td><td>0.2500</td><td>87.50 %</td><td>81.25 %</td><td>1200</td>"), std::string::npos);
  EXPECT_EQ(count(html, "<circle "), 6u);  // loss, accuracy and test accuracy of two epochs
  EXPECT_NE(html.find("taken for <b>dog</b>"), std::string::npos);
  EXPECT_NE(html.find("alt='cat&#39;s'"), std::string::npos);
  EXPECT_EQ(count(html, "<td>75\\.0 %</td>|<td>100\\.0 %</td>"), 2u);  // the shares found of each class
}

TEST(Report, IsReadableInTheDarkAndOnPaper) {
  const std::string html = written(example());
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(html.find("@media print"), std::string::npos);
}

TEST(Report, OfOneEpochOrOfNoneOrOfNumbersThatAreNoneHasNoNanInItsCurves) {
  Report report = example();
  report.epochs.resize(1);
  EXPECT_EQ(count(written(report), "<circle "), 3u);
  report.epochs.push_back({2, std::numeric_limits<double>::quiet_NaN(), 0.5, 0.5, 1000});
  const std::string html = written(report);
  EXPECT_EQ(count(html, "<circle "), 5u);
  EXPECT_EQ(count(html, "(cx|cy|x1|y1|y2|x|y|d)='[^']*(nan|inf)"), 0u);
  report.epochs.clear();
  EXPECT_EQ(count(written(report), "<circle |(nan|inf)[^o]"), 0u);
}

TEST(Report, OfManyEpochsNumbersSomeOfThem) {
  Report report = example();
  report.epochs.clear();
  for (int i = 1; i <= 100; ++i) report.epochs.push_back({i, 1.0 / i, 0.5, 0.5, 1000});
  const std::string html = written(report);
  EXPECT_LE(count(html, "y='228'"), 30u);
  EXPECT_EQ(count(html, "<circle "), 300u);
}

TEST(Report, ThatCannotBeWrittenIsAnErrorAndLeavesTheOldOne) {
  const test::Scratch scratch;
  const std::string metrics = scratch / "metrics.jsonl", page = scratch / "report.html";
  const auto write = [&](const Report& report) {
    write_metrics(metrics, report.epochs);
    write_report(page, report);
  };
  write(example());
  const auto content = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = content(metrics) + content(page);
  Report other = example();
  other.title = "Other";
  other.epochs.resize(1);
  for (const auto& [path, operation] : {std::pair(metrics, "write_metrics"), {page, "write_report"}}) {
    const test::FileLimit full(10);
    test::expect_error(
        [&] { path == metrics ? write_metrics(metrics, other.epochs) : write_report(page, other); }, ErrorKind::io,
        "file-write",
        operation + (": " + path) + ": File too large: wanted room on the disk; what stood there before is unchanged");
  }
  EXPECT_EQ(content(metrics) + content(page), before);
  EXPECT_EQ(scratch.names(), (std::vector<std::string>{"metrics.jsonl", "report.html"}));
}

TEST(MachineFacts, NameTheProcessorAndWhatIsUsedOfIt) {
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : machine_facts()) facts[name] = value;
  for (const char* name : {"processor", "cores", "instructions", "compiler", "Wengert"}) {
    ASSERT_TRUE(facts.contains(name)) << name;
    EXPECT_FALSE(facts[name].empty()) << name;
  }
  std::ifstream file("/proc/cpuinfo");
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().find("model name") != std::string::npos) {
    EXPECT_NE(text.str().find(": " + facts["processor"] + "\n"), std::string::npos) << facts["processor"];
  }
  const int saved = cpu::threads();
  cpu::set_threads(3);
  std::string cores;
  for (const auto& [name, value] : machine_facts()) cores += name == "cores" ? value : "";
  cpu::set_threads(saved);
  EXPECT_NE(cores.find("Wengert uses 3 threads"), std::string::npos) << cores;
  EXPECT_NE(cores.find(std::to_string(std::thread::hardware_concurrency()) + " hardware thread"), std::string::npos);
  EXPECT_TRUE(std::regex_match(facts["Wengert"], std::regex("\\d+\\.\\d+\\.\\d+"))) << facts["Wengert"];
}

}  // namespace
}  // namespace wengert::train
