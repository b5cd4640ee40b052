// The command line of a training program.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>

namespace wengert::train {

/// [epochs] [images] [folder] [--resume], in this order; what is not given keeps its default.
struct Options {
  int64_t epochs = 1;
  int64_t images = 0;  // of the training set; 0: all
  std::string folder = {};
  bool resume = false;       // go on from the checkpoint in the folder
  std::string command = {};  // as it was called, for messages

  /// The command that goes on with this run: "build/examples/cnn 8 --resume".
  std::string resume_command() const;
};

/// Options from a command line. Error(value) "command-line" for whatever is none of them.
Options parse_options(int argc, const char* const* argv, Options defaults,
                      std::source_location where = std::source_location::current());

/// Makes the folder of a run. A run that begins anew leaves the files of an earlier one beside its own, with ".old"
/// after their names, and says so; all of them together. Where the later of two runs ended no epoch by its Log, the
/// files of the older one stay. Errors: io "run-folder".
void prepare_folder(const Options& options, std::source_location where = std::source_location::current());

}  // namespace wengert::train
