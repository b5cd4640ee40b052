// What a training loop prints: plain lines where stdout is no terminal, a bar that is redrawn where it is one.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>

#include "wengert/train/progress.hpp"

namespace wengert::train {
namespace {

void run_loop() {
  Progress progress("epoch 1/8", 4, "images");
  for (int i = 1; i <= 4; ++i) progress.update(i, 128 * i, "loss 0.5000  accuracy 82.00 %");
  progress.finish("loss 0.5000  accuracy 82.00 %");
}

/// The lines of `text`, without a first one that says only that the process is at work.
std::string lines_after_the_first_step(const std::string& text) {
  return std::regex_replace(text, std::regex(R"(^epoch 1/8  step 1 of 4  [^\n]* left\n)"), "");
}

TEST(Progress, ToAFileIsOnePlainLineAtTheEnd) {
  ::testing::internal::CaptureStdout();
  run_loop();
  const std::string text = lines_after_the_first_step(::testing::internal::GetCapturedStdout());
  EXPECT_TRUE(
      std::regex_match(text, std::regex(R"(epoch 1/8  loss 0\.5000  accuracy 82\.00 %  \d+ images/s  in \d+:\d\d\n)")))
      << text;
}

/// The first step of a process is shown at once, the others of its first ten seconds are not.
TEST(ProgressDeathTest, BeginsWithTheFirstStep) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process of its own
  const auto run_two_loops = [] {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // what a death test reads
    run_loop();
    run_loop();
    std::exit(0);
  };
  EXPECT_EXIT(run_two_loops(), ::testing::ExitedWithCode(0),
              ::testing::ContainsRegex("epoch 1/8  step 1 of 4  loss [^\n]* left\n"
                                       "epoch 1/8  loss [^\n]*  in 0:00\n"
                                       "epoch 1/8  loss [^\n]*  in 0:00\n"));
}

TEST(Progress, OfALoopThatStopsEarlySaysHowFarItCame) {
  ::testing::internal::CaptureStdout();
  Progress progress("epoch 2", 4, "images", 1, 128);
  progress.update(1, 128, "loss 1");  // at most this prints a line of the first step
  progress.update(3, 384, "loss 1");
  progress.finish("loss 1");
  std::string text = ::testing::internal::GetCapturedStdout();
  text = std::regex_replace(text, std::regex("^epoch 2  step 1 of 4[^\n]*\n"), "");
  EXPECT_TRUE(std::regex_match(text, std::regex(R"(epoch 2  step 3 of 4  loss 1  \d+ images/s  \d+:\d\d left\n)")))
      << text;
}

/// What is printed while stdout is a pipe, read from its other end before the process flushes anything itself.
TEST(Progress, IntoAPipeIsFlushedLineByLine) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  run_loop();
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  char text[512];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ::dup2(saved, STDOUT_FILENO);
  for (int end : {saved, ends[0], ends[1]}) ::close(end);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(text, static_cast<size_t>(size)).find('\r'), std::string::npos);
  EXPECT_TRUE(std::regex_search(text, text + size, std::regex("epoch 1/8  loss [^\n]*\n$")));
}

/// What a loop prints on a terminal of so many columns; empty where there is no pseudo-terminal.
std::string on_a_terminal(unsigned short columns, void (*loop)() = run_loop) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) return "";
  const winsize size{24, columns, 0, 0};
  ::ioctl(terminal, TIOCSWINSZ, &size);
  const int end = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  std::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  ::dup2(end, STDOUT_FILENO);
  loop();
  ::dup2(saved, STDOUT_FILENO);
  for (int file : {saved, end}) ::close(file);
  std::string text;
  char part[512];  // a terminal hands over piece by piece; its end is an error
  for (ssize_t count; (count = ::read(terminal, part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(count));
  ::close(terminal);
  return text;
}

TEST(Progress, OnATerminalIsABarNoWiderThanIt) {
  if (on_a_terminal(100).empty()) GTEST_SKIP() << "wanted a pseudo-terminal";
  EXPECT_EQ(on_a_terminal(100).find("\repoch 1/8 [########################] loss 0.5000"), 0u) << on_a_terminal(100);
  EXPECT_NE(on_a_terminal(0).find("] loss 0.5000"), std::string::npos) << "of unknown width";
  EXPECT_TRUE(std::regex_search(on_a_terminal(80), std::regex("epoch 1/8 \\[#+\\] loss 0.5000.* images/s  in \\d")))
      << on_a_terminal(80);
}

/// In a process of its own, whose first step is drawn at once; then the last line, which is never cut.
TEST(ProgressDeathTest, IsRedrawnWithinTheColumnsOfATerminal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const unsigned short columns : {300, 80, 20, 2}) {
    const auto run = [&] {
      const std::string text = on_a_terminal(columns);
      const std::regex lines("(\r[^\r\n]{" + std::to_string(columns - 1) +
                             "})\repoch [^\r\n]*0:00 *\r\n");  // "\n" is "\r\n" there
      std::fprintf(stderr, "%s", text.empty() || std::regex_match(text, lines) ? "right" : text.c_str());
      std::exit(0);
    };
    EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "right") << columns;
  }
}

TEST(Progress, OfMoreStepsThanAnnouncedOrOddLabelsIsDrawn) {
  const std::string text = on_a_terminal(60, [] {
    Progress progress("Épöche", 4, "images");
    progress.update(5, 5, "");
    progress.finish("größer");
    Progress none("none", 0);
    none.finish("");
  });
  if (text.empty()) GTEST_SKIP() << "wanted a pseudo-terminal";
  EXPECT_TRUE(std::regex_search(text, std::regex("\rÉpöche \\[#+\\] größer  \\d+ images/s  in 0:00"))) << text;
}

}  // namespace
}  // namespace wengert::train
