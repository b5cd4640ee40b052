// The progress of a loop: on a terminal one line with a bar, redrawn in place and no wider than it; elsewhere (a file, a pipe) plain lines, each
// flushed as a whole: one at the first step of a process, one every ten seconds, and one at the end of every loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace wengert::train {

class Progress {
 public:
  /// `total` steps; `unit` names what is counted beside them ("images"), `label` stands before the bar. A loop that
  /// goes on where another run has stopped begins after `done` steps and `units` units.
  Progress(std::string label, int64_t total, std::string unit = "", int64_t done = 0, int64_t units = 0);
  /// Notes that `done` steps are done and `units` units were seen; redraws at most ten times a second, where there
  /// is no terminal, prints a line when none was printed for ten seconds.
  void update(int64_t done, int64_t units, const std::string& text);
  /// Draws the final state and ends the line: "epoch 1/8  loss 0.5  accuracy 82.00 %  7000 images/s  in 0:09".
  void finish(const std::string& text);
  /// Units a second since the start.
  double rate() const;
  double seconds() const;

 private:
  void draw(const std::string& text, bool last) const;
  std::string line_with_bar(const std::string& state, bool last) const;
  std::string bar(size_t width) const;

  std::string label_, unit_;
  int64_t total_, done_, units_, first_done_, first_units_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace wengert::train
