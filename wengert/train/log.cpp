#include "wengert/train/log.hpp"

#include "wengert/array/number_text.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t columns = 5;

Array integer(int64_t value) { return array(value); }
std::vector<double> values(const Array& x, std::source_location where) {
  return x.defined() ? x.to_vector<double>(where) : std::vector<double>();
}

}  // namespace

Log::Log(std::source_location where) try : timed_(Clock::now()) {
  const CallScope scope(where);
  epoch_ = integer(1);
  batch_ = examples_ = right_ = integer(0);
  loss_ = seconds_ = array(0.0);
} catch (const std::bad_alloc&) { throw_no_memory("Log", where); }

double Log::loss() const { return loss_.item<double>() / static_cast<double>(batch()); }
double Log::accuracy() const { return static_cast<double>(right_.item<int64_t>()) / static_cast<double>(examples()); }

std::string Log::text() const {
  return "loss " + number_text(loss(), std::chars_format::fixed, 4) + "  accuracy " +
      number_text(100 * accuracy(), std::chars_format::fixed, 2) + " %";
}

void Log::add(double loss, int64_t examples, int64_t right, std::source_location where) try {
  const CallScope scope(where);
  Log next = *this;
  next.batch_ = integer(batch() + 1);
  next.examples_ = integer(this->examples() + examples);
  next.right_ = integer(right_.item<int64_t>() + right);
  next.loss_ = array(loss_.item<double>() + loss);
  next.add_time();
  *this = std::move(next);
} catch (const std::bad_alloc&) { throw_no_memory("Log::add", where); }

void Log::end_epoch(double test_accuracy, double images_per_second, std::source_location where) try {
  const CallScope scope(where);
  Log next = *this;
  std::vector<double> rows = values(history_, where);
  const double row[columns] = {static_cast<double>(epoch()), loss(), accuracy(), test_accuracy, images_per_second};
  rows.insert(rows.end(), std::begin(row), std::end(row));
  next.history_ = array(rows, {static_cast<int64_t>(rows.size()) / columns, columns});
  next.epoch_ = integer(epoch() + 1);
  next.batch_ = next.examples_ = next.right_ = integer(0);
  next.loss_ = array(0.0);
  next.add_time();
  *this = std::move(next);
} catch (const std::bad_alloc&) { throw_no_memory("Log::end_epoch", where); }

std::vector<EpochMetrics> Log::epochs(std::source_location where) const try {
  const std::vector<double> rows = values(history_, where);
  std::vector<EpochMetrics> all;
  for (size_t i = 0; i < rows.size(); i += columns) {
    all.push_back({static_cast<int>(rows[i]), rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4]});
  }
  return all;
} catch (const std::bad_alloc&) { throw_no_memory("Log::epochs", where); }

void Log::add_time() {
  const Clock::time_point now = Clock::now();
  seconds_ = array(seconds() + std::chrono::duration<double>(now - std::exchange(timed_, now)).count());
}

}  // namespace wengert::train
