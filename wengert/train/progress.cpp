#include "wengert/train/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <utility>

namespace wengert::train {
namespace {

using Clock = std::chrono::steady_clock;

/// When the next drawing is due, for all loops of the process: the first one at once, so that whoever reads a pipe sees
/// that the work has begun.
std::atomic<Clock::time_point> next_drawing{Clock::time_point::min()};

std::string time_text(double seconds) {
  char text[32];
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(s / 60), static_cast<int>(s % 60));
  return text;
}

/// Characters of a text in UTF-8; each is taken to be one column wide.
size_t columns_of(const std::string& text) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins));
}

}  // namespace

Progress::Progress(std::string label, int64_t total, std::string unit, int64_t done, int64_t units)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), done_(done), units_(units), first_done_(done),
      first_units_(units), terminal_(::isatty(STDOUT_FILENO) == 1), start_(Clock::now()) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
double Progress::rate() const { return static_cast<double>(units_ - first_units_) / std::max(seconds(), 1e-9); }

void Progress::update(int64_t done, int64_t units, const std::string& text) {
  done_ = done;
  units_ = units;
  if (Clock::now() >= next_drawing.load()) draw(text, false);
}

void Progress::finish(const std::string& text) { draw(text, true); }

void Progress::draw(const std::string& text, bool last) const {
  next_drawing = Clock::now() + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10));
  const bool ended = done_ >= total_;
  const int64_t steps = done_ - first_done_;
  const double left = steps > 0 ? seconds() / static_cast<double>(steps) * static_cast<double>(total_ - done_) : 0;
  const std::string state = text + "  " + std::to_string(std::llround(rate())) + " " + unit_ + "/s  " +
      (ended ? "in " + time_text(seconds()) : time_text(left) + " left");
  if (terminal_) {
    std::printf("\r%s%s", line_with_bar(state, last).c_str(), last ? "\n" : "");
  } else {
    const std::string place = ended ? "" : "  step " + std::to_string(done_) + " of " + std::to_string(total_);
    std::printf("%s%s  %s\n", label_.c_str(), place.c_str(), state.c_str());
  }
  std::fflush(stdout);
}

/// As wide as the terminal but for its last column, where some begin a new line: what stood there before is gone. The
/// last line of a loop is not redrawn, and may be longer.
std::string Progress::line_with_bar(const std::string& state, bool last) const {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  const size_t columns = known ? size.ws_col - 1u : 79, others = columns_of(label_) + columns_of(state) + 4;
  std::string line = label_ + " ";
  if (columns > others + 4) line += bar(std::min<size_t>(columns - others, 24)) + " ";
  line += state;
  while (!last && columns_of(line) > columns) line.pop_back();
  while (columns_of(line) < columns) line += ' ';
  return line;
}

std::string Progress::bar(size_t width) const {
  size_t filled = width;
  if (done_ < total_) filled = width * static_cast<size_t>(std::max<int64_t>(done_, 0)) / static_cast<size_t>(total_);
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
}

}  // namespace wengert::train
