#include "wengert/train/progress.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace wengert::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t width = 24;  // characters of the bar

std::string time_text(double seconds) {
  char text[32];
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(s / 60), static_cast<int>(s % 60));
  return text;
}

}  // namespace

Progress::Progress(std::string label, int64_t total, std::string unit, int64_t done, int64_t units)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total), done_(done), units_(units), first_done_(done),
      first_units_(units), terminal_(::isatty(STDOUT_FILENO) == 1), start_(Clock::now()), drawn_(start_) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
double Progress::rate() const { return static_cast<double>(units_ - first_units_) / std::max(seconds(), 1e-9); }

void Progress::update(int64_t done, int64_t units, const std::string& text) {
  done_ = done;
  units_ = units;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (Clock::now() - drawn_ < pause) return;
  drawn_ = Clock::now();
  draw(text);
  if (!terminal_) std::printf("\n");
}

void Progress::finish(const std::string& text) {
  draw(text);
  std::printf("\n");
  std::fflush(stdout);
}

void Progress::draw(const std::string& text) const {
  const int64_t filled = total_ > 0 ? width * done_ / total_ : width;
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(static_cast<size_t>(width), '.');
  const int64_t steps = done_ - first_done_;
  const double left = steps > 0 ? seconds() / static_cast<double>(steps) * static_cast<double>(total_ - done_) : 0;
  const std::string rest = done_ < total_ ? time_text(left) + " left" : "in " + time_text(seconds()) + "  ";
  std::printf("%s%s [%s] %s  %.0f %s/s  %s ", terminal_ ? "\r" : "", label_.c_str(), bar.c_str(), text.c_str(), rate(),
              unit_.c_str(), rest.c_str());
  std::fflush(stdout);
}

}  // namespace wengert::train
