#include "wengert/train/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <utility>

namespace wengert::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t width = 24;  // characters of the bar

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
  if (Clock::now() < next_drawing.load()) return;
  draw(text, terminal_ ? "  " : "\n");  // blanks over the end of what stood there before
}

void Progress::finish(const std::string& text) { draw(text, terminal_ ? "    \n" : "\n"); }

void Progress::draw(const std::string& text, const char* end) const {
  next_drawing = Clock::now() + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10));
  std::string line = terminal_ ? "\r" + label_ + " " + bar() : label_;
  const bool ended = done_ >= total_;
  if (!terminal_ && !ended) line += "  step " + std::to_string(done_) + " of " + std::to_string(total_);
  const int64_t steps = done_ - first_done_;
  const double left = steps > 0 ? seconds() / static_cast<double>(steps) * static_cast<double>(total_ - done_) : 0;
  const std::string time = ended ? "in " + time_text(seconds()) : time_text(left) + " left";
  std::printf("%s%s%s  %lld %s/s  %s%s", line.c_str(), terminal_ ? " " : "  ", text.c_str(), std::llround(rate()),
              unit_.c_str(), time.c_str(), end);
  std::fflush(stdout);
}

std::string Progress::bar() const {
  const int64_t filled = total_ > 0 ? width * done_ / total_ : width;
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(static_cast<size_t>(width), '.');
  return "[" + bar + "]";
}

}  // namespace wengert::train
