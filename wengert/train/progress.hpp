// A progress bar for a loop: redrawn in place on a terminal, one line at the end elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace wengert::train {

class Progress {
 public:
  /// `total` steps; `unit` names what is counted beside them ("images"), `label` stands before the bar. A loop that goes on
  /// where another run has stopped begins after `done` steps and `units` units.
  Progress(std::string label, int64_t total, std::string unit = "", int64_t done = 0, int64_t units = 0);
  /// Notes that `done` steps are done and `units` units were seen; redraws at most ten times a second.
  void update(int64_t done, int64_t units, const std::string& text);
  /// Draws the final state and ends the line.
  void finish(const std::string& text);
  /// Units a second since the start.
  double rate() const;
  double seconds() const;

 private:
  void draw(const std::string& text) const;

  std::string label_, unit_;
  int64_t total_, done_, units_, first_done_, first_units_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace wengert::train
