// Where a training run stands, and what it has reached. A tree of arrays: a checkpoint that holds it lets the run go
// on.
#pragma once

#include <chrono>
#include <source_location>
#include <vector>

#include "wengert/array/array.hpp"
#include "wengert/train/report.hpp"

namespace wengert::train {

class Log {
 public:
  explicit(false) Log(std::source_location where = std::source_location::current());

  /// The epoch that is being trained, from 1, and the batches done in it.
  int64_t epoch() const { return epoch_.item<int64_t>(); }
  int64_t batch() const { return batch_.item<int64_t>(); }
  /// Examples seen in this epoch.
  int64_t examples() const { return examples_.item<int64_t>(); }
  /// Mean loss of its batches, and the share of its examples that were right; NaN before the first.
  double loss() const;
  double accuracy() const;
  /// "loss 0.2871  accuracy 89.40 %"
  std::string text() const;

  /// Notes a batch: its mean loss, its examples, and how many of them were right. Errors: memory; nothing is noted then.
  void add(double loss, int64_t examples, int64_t right, std::source_location where = std::source_location::current());
  /// Ends the epoch and begins the next. Errors: as add.
  void end_epoch(double test_accuracy, double images_per_second,
                 std::source_location where = std::source_location::current());

  /// The epochs that are done.
  std::vector<EpochMetrics> epochs(std::source_location where = std::source_location::current()) const;
  /// Spent in the run so far; what was lost by a kill is not counted.
  double seconds() const { return seconds_.item<double>(); }

  template <class V>
  void fields(V& v) {
    v("epoch", epoch_);
    v("batch", batch_);
    v("examples", examples_);
    v("right", right_);
    v("loss", loss_);
    v("seconds", seconds_);
    v("history", history_);
  }

 private:
  void add_time();

  Array epoch_, batch_, examples_, right_;  // int64, rank 0
  Array loss_, seconds_;                    // float64, rank 0: the sum of the batches' losses; time
  Array history_;  // float64 [epochs, 5], as EpochMetrics; undefined before the first has ended
  std::chrono::steady_clock::time_point timed_;
};

}  // namespace wengert::train
