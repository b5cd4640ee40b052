// Whole files, and a private folder that goes away with its owner.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace wengert::cpu {

/// A new folder that only this user can enter, made inside the first of the parents that allows it;
/// removed with all files in it by the destructor. path() is empty when no parent allowed it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::span<const std::string> parents);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Writes all of `bytes` to an open file; false when it could not, with errno set.
bool write_all(int file, std::string_view bytes);

/// Reads `size` bytes from an open file; false when it could not or there are fewer, with errno
/// set.
bool read_all(int file, char* bytes, std::size_t size);

/// Writes all of `bytes` to a new file at `path`; false when it could not, with errno set.
bool write_file(const std::string& path, std::string_view bytes);

/// Reads the whole file at `path` into `bytes`; false when it could not, with errno set.
bool read_file(const std::string& path, std::string* bytes);

}  // namespace wengert::cpu
