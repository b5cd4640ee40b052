// What the tests of files share: a folder that goes away, whole files as text, and errors.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/errors.hpp"
#include "tests/scratch.hpp"

namespace wengert::io_testing {

namespace fs = std::filesystem;
using test::Scratch;

inline std::string fixture(const std::string& name) { return WENGERT_SOURCE_DIR "/tests/fixtures/io/" + name; }

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void put(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

/// A file that is on no disk: for thousands of contents one after the other.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("test", 0)) {}
  MemoryFile(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void put(const std::string& text) const {
    ASSERT_EQ(ftruncate(descriptor_, static_cast<off_t>(text.size())), 0);
    ASSERT_EQ(pwrite(descriptor_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }

 private:
  int descriptor_;
};

/// "kind id: text" of what f throws; the folder of the file in it is left out.
template <class F>
std::string error_of(F&& f, const std::string& folder = "") {
  const Error e = test::thrown_by(f);
  std::string text = std::string(name(e.kind())) + " " + e.id() + ": " + test::without_place(e.what());
  for (size_t at; !folder.empty() && (at = text.find(folder)) != text.npos;) text.erase(at, folder.size());
  return text;
}

}  // namespace wengert::io_testing
