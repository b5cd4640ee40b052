#include "wengert/train/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "wengert/io/npz.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::train {
namespace {

[[noreturn]] void reject(const std::string& got) {
  throw Error(ErrorKind::value, "command-line",
              "command line: got '" + got + "': wanted [epochs] [images] [folder] [--resume], with at least one epoch" +
                  called_at({}));
}

int64_t parse_count(std::string_view text, int64_t least) {
  int64_t count = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (fault != std::errc{} || end != text.data() + text.size() || count < least) reject(std::string(text));
  return count;
}

/// Whether the Log in a checkpoint has an epoch that ended; a file that cannot be read may have.
bool has_epochs(const std::string& checkpoint) {
  try {
    const auto arrays = io::read_npz(checkpoint);
    return std::any_of(arrays.begin(), arrays.end(),
                       [](const auto& entry) { return entry.first.ends_with("history"); });
  } catch (const Error&) { return true; }
}

}  // namespace

std::string Options::resume_command() const { return resume ? command : command + " --resume"; }

Options parse_options(int argc, const char* const* argv, Options options, std::source_location where) {
  const CallScope scope(where);
  for (int i = 0; i < argc; ++i) options.command += (i > 0 ? " " : "") + std::string(argv[i]);
  int place = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--resume") options.resume = true;
    else if (word.substr(0, 1) == "-" || place > 2) reject(std::string(word));
    else if (place == 0) options.epochs = parse_count(word, 1), ++place;
    else if (place == 1) options.images = parse_count(word, 0), ++place;
    else options.folder = word, ++place;
  }
  return options;
}

void prepare_folder(const Options& options, std::source_location where) try {
  const CallScope scope(where);
  namespace fs = std::filesystem;
  try {
    fs::create_directories(options.folder);
    const std::string checkpoint = options.folder + "/checkpoint.npz";
    if (options.resume || !fs::exists(checkpoint)) return;
    const bool keep = !fs::exists(checkpoint + ".old") || has_epochs(checkpoint);
    for (const char* name : {"checkpoint.npz", "metrics.jsonl", "report.html"}) {
      const fs::path file = fs::path(options.folder) / name, old = file.string() + ".old";
      if (keep) fs::remove(old);  // of a run before: old files are of one run
      if (keep && fs::exists(file)) fs::rename(file, old);
      else fs::remove(file);
    }
    if (!keep) return;
  } catch (const fs::filesystem_error& fault) {
    throw Error(ErrorKind::io, "run-folder",
                "folder of the run: " + options.folder + ": " + fault.code().message() +
                    ": wanted a folder to write to" + called_at({}));
  }
  std::printf("An earlier run in %s is kept as *.old; --resume would go on with it.\n", options.folder.c_str());
} catch (const std::bad_alloc&) { throw_no_memory("folder of the run", where); }

}  // namespace wengert::train
