// Saves a run now and then, so that a kill costs little of it.
#pragma once

#include <chrono>
#include <source_location>
#include <string>
#include <utility>

#include "wengert/io/checkpoint.hpp"

namespace wengert::train {

class Saver {
 public:
  /// Keeps the run in the file `path`, at most `seconds` old where save_when_due() is called after every batch.
  explicit Saver(std::string path, double seconds = 10) : path_(std::move(path)), seconds_(seconds) {}

  /// What training begins with: the run in the file where it is to go on, else `run`, which is saved at once, so that
  /// a folder that cannot be written to is known early. Errors: as io::load_checkpoint and save.
  template <class Run>
  Run begin(Run run, bool resume, std::source_location where = std::source_location::current()) {
    if (resume) return io::load_checkpoint(path_, run, "", where);
    save(run, where);
    return run;
  }
  /// Saves the run. Errors: as io::save_checkpoint.
  template <class Run>
  void save(const Run& run, std::source_location where = std::source_location::current()) {
    io::save_checkpoint(path_, run, where);
    saved_ = Clock::now();
  }
  /// The same, unless that was done a short while ago.
  template <class Run>
  void save_when_due(const Run& run, std::source_location where = std::source_location::current()) {
    if (std::chrono::duration<double>(Clock::now() - saved_).count() >= seconds_) save(run, where);
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::string path_;
  double seconds_;
  Clock::time_point saved_ = Clock::now();
};

}  // namespace wengert::train
