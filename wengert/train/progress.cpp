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

}  // namespace

Progress::Progress(std::string label, int64_t total, std::string unit, int64_t done, int64_t units)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), done_(done), units_(units), first_done_(done),
      first_units_(units), terminal_(::isatty(STDOUT_FILENO) == 1), start_(Clock::now()) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
double Progress::rate() const { return static_cast<double>(units_ - first_units_) / std::max(seconds(), 1e-9); }

void Progress::update(int64_t done, int64_t units, const std::string& text) {
  done_ = done;
  units_ = units;
  if (Clock::now() >= next_drawing.load()) draw(text, terminal_ ? "" : "\n");
}

void Progress::finish(const std::string& text) { draw(text, "\n"); }

void Progress::draw(const std::string& text, const char* end) const {
  next_drawing = Clock::now() + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10));
  const bool ended = done_ >= total_;
  const int64_t steps = done_ - first_done_;
  const double left = steps > 0 ? seconds() / static_cast<double>(steps) * static_cast<double>(total_ - done_) : 0;
  const std::string state = text + "  " + std::to_string(std::llround(rate())) + " " + unit_ + "/s  " +
      (ended ? "in " + time_text(seconds()) : time_text(left) + " left");
  const std::string line = terminal_ ? line_with_bar(state)
      : ended                        ? label_ + "  " + state
              : label_ + "  step " + std::to_string(done_) + " of " + std::to_string(total_) + "  " + state;
  std::printf("%s%s%s", terminal_ ? "\r" : "", line.c_str(), end);
  std::fflush(stdout);
}

/// As wide as the terminal but for its last column, where some begin a new line: what stood there before is gone.
std::string Progress::line_with_bar(const std::string& state) const {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  const size_t columns = known ? size.ws_col - 1u : 79, others = label_.size() + state.size() + 4;
  std::string line = label_ + " ";
  if (columns > others + 4) line += bar(std::min<size_t>(columns - others, 24)) + " ";
  line += state;
  line.resize(columns, ' ');
  return line;
}

std::string Progress::bar(size_t width) const {
  const size_t filled = total_ > 0 ? width * static_cast<size_t>(done_) / static_cast<size_t>(total_) : width;
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
}

}  // namespace wengert::train
