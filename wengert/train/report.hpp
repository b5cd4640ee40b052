// What a training run leaves behind: a line of JSON for every epoch, and one page that stands by itself.
#pragma once

#include <string>
#include <vector>

#include "wengert/array/array.hpp"

namespace wengert::train {

struct EpochMetrics {
  int epoch = 0;
  double loss = 0, accuracy = 0, test_accuracy = 0, images_per_second = 0;
};

/// Writes one JSON object a line for each epoch: epoch, loss, accuracy, test_accuracy, images_per_second. Errors: io.
void write_metrics(const std::string& path, const std::vector<EpochMetrics>& epochs,
                   std::source_location where = std::source_location::current());

/// An image that was taken for something else.
struct Mistake {
  Array image;  // [height, width], 0 to 1
  int64_t wanted, predicted;
};

struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // configuration, time, machine_facts()
  std::vector<EpochMetrics> epochs;
  std::vector<std::string> classes;
  std::vector<std::vector<int64_t>> confusion;  // [wanted][predicted]
  std::vector<Mistake> mistakes;
};

/// Writes the report as one HTML file without references to others; light or dark as the reader's system asks for, and
/// printable. Errors: io; value (a confusion matrix or mistakes of other classes).
void write_report(const std::string& path, const Report& report,
                  std::source_location where = std::source_location::current());

}  // namespace wengert::train
