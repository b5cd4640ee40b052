// A folder of a test's own.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace wengert::test {

/// Was nobody's before, and goes away with what is in it.
class Scratch {
 public:
  Scratch() {
    path_ = (std::filesystem::temp_directory_path() / "wengert-test-XXXXXX").string();
    if (!::mkdtemp(path_.data())) throw std::runtime_error("no scratch folder");
  }
  Scratch(const Scratch&) = delete;
  ~Scratch() {
    ::chmod(path_.c_str(), 0700);
    std::filesystem::remove_all(path_);
  }

  const std::string& path() const { return path_; }
  /// The path of a file in it.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// Of what is in it, in order.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
};

}  // namespace wengert::test
