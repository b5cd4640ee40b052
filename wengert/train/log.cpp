#include "wengert/train/log.hpp"

#include <cstdio>

namespace wengert::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t columns = 5;

Array integer(int64_t value) { return array(value); }
std::vector<double> values(const Array& x) { return x.defined() ? x.to_vector<double>() : std::vector<double>(); }

}  // namespace

Log::Log()
    : epoch_(integer(1)), batch_(integer(0)), examples_(integer(0)), right_(integer(0)), loss_(array(0.0)),
      seconds_(array(0.0)), timed_(Clock::now()) {}

double Log::loss() const { return loss_.item<double>() / static_cast<double>(batch()); }
double Log::accuracy() const { return static_cast<double>(right_.item<int64_t>()) / static_cast<double>(examples()); }

std::string Log::text() const {
  char line[64];
  std::snprintf(line, sizeof line, "loss %.4f  accuracy %.2f %%", loss(), 100 * accuracy());
  return line;
}

void Log::add(double loss, int64_t examples, int64_t right) {
  batch_ = integer(batch() + 1);
  examples_ = integer(this->examples() + examples);
  right_ = integer(right_.item<int64_t>() + right);
  loss_ = array(loss_.item<double>() + loss);
  add_time();
}

void Log::end_epoch(double test_accuracy, double images_per_second) {
  std::vector<double> rows = values(history_);
  const double row[columns] = {static_cast<double>(epoch()), loss(), accuracy(), test_accuracy, images_per_second};
  rows.insert(rows.end(), std::begin(row), std::end(row));
  history_ = array(rows, {static_cast<int64_t>(rows.size()) / columns, columns});
  epoch_ = integer(epoch() + 1);
  batch_ = examples_ = right_ = integer(0);
  loss_ = array(0.0);
  add_time();
}

std::vector<EpochMetrics> Log::epochs() const {
  const std::vector<double> rows = values(history_);
  std::vector<EpochMetrics> all;
  for (size_t i = 0; i < rows.size(); i += columns) {
    all.push_back({static_cast<int>(rows[i]), rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4]});
  }
  return all;
}

void Log::add_time() {
  const Clock::time_point now = Clock::now();
  seconds_ = array(seconds() + std::chrono::duration<double>(now - std::exchange(timed_, now)).count());
}

}  // namespace wengert::train
