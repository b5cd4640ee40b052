// The folder of a run: what is left of the runs before.
#include "wengert/train/options.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/scratch.hpp"
#include "wengert/train/log.hpp"
#include "wengert/train/saver.hpp"

namespace wengert::train {
namespace {

struct Run {
  Log log = {};
  int64_t number = 0;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A run that is stopped after so many epochs; the last writes a report.
void run(const std::string& folder, int64_t number, int epochs, bool report = false) {
  prepare_folder({.folder = folder});
  Run run{.number = number};
  for (int i = 0; i < epochs; ++i) {
    run.log.add(1, 1, 1);
    run.log.end_epoch(1, 1);
  }
  Saver(folder + "/checkpoint.npz").save(run);
  std::ofstream(folder + "/metrics.jsonl") << number;
  if (report) std::ofstream(folder + "/report.html") << number;
}
void expect_kept(const std::string& folder, int64_t number, int64_t epoch) {
  const Run kept = io::load_checkpoint(folder + "/checkpoint.npz.old", Run{.number = number});
  EXPECT_EQ(kept.log.epoch(), epoch);
  EXPECT_EQ(content(folder + "/metrics.jsonl.old"), std::to_string(number));
}

TEST(RunFolder, KeepsARunWhoseSuccessorEndedNoEpoch) {
  const test::Scratch scratch;
  const std::string folder = scratch / "run";
  run(folder, 1, 2, true);
  run(folder, 2, 0);
  expect_kept(folder, 1, 3);
  run(folder, 3, 0);
  expect_kept(folder, 1, 3);
  EXPECT_EQ(content(folder + "/report.html.old"), "1");
  prepare_folder({.folder = folder});
  expect_kept(folder, 1, 3);
  EXPECT_FALSE(std::ifstream(folder + "/checkpoint.npz").is_open());
}

TEST(RunFolder, KeepsFilesOfOneRun) {
  const test::Scratch scratch;
  const std::string folder = scratch / "run";
  run(folder, 1, 2, true);
  run(folder, 2, 1);  // stopped before its report
  run(folder, 3, 1);
  expect_kept(folder, 2, 2);
  EXPECT_FALSE(std::ifstream(folder + "/report.html.old").is_open()) << "the first run's beside the second's";
}

}  // namespace
}  // namespace wengert::train
