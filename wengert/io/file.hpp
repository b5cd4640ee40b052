// Files as the formats here need them: read at any place, and written so that a name always stands for a whole file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wengert::io {

/// A regular file, open for reading. Errors: io, naming operation and file.
class InputFile {
 public:
  InputFile(std::string operation, std::string path);
  InputFile(const InputFile&) = delete;
  ~InputFile();

  int64_t size() const { return size_; }
  /// "operation: path", as errors begin.
  std::string name() const { return operation_ + ": " + path_; }
  /// Copies `bytes` bytes that begin at `at`. Throws Error(io, "file-truncated") when the file ends before.
  void read(int64_t at, void* out, int64_t bytes) const;
  /// Throws Error(io, id): "operation: path: got: wanted".
  [[noreturn]] void fail(const char* id, const std::string& got, const std::string& wanted) const;

 private:
  std::string operation_, path_;
  int descriptor_;
  int64_t size_;
};

/// A file that appears under its name whole or not at all: written beside it as `path.tmp`, brought to the disk, then
/// renamed. Until commit() returns, what stood there before stays. Writers of the same path in several processes take
/// turns, and the last one wins. A name that is a symbolic link keeps it. Errors: io, naming operation and file.
class OutputFile {
 public:
  OutputFile(std::string operation, const std::string& path);
  OutputFile(const OutputFile&) = delete;
  /// Without commit(), removes what was written.
  ~OutputFile();

  void write(const void* data, int64_t bytes);
  void write(std::string_view text) { write(text.data(), static_cast<int64_t>(text.size())); }
  /// Bytes written so far.
  int64_t position() const { return position_; }
  void commit();

 private:
  [[noreturn]] void fail(const char* id, const std::string& path, const std::string& got,
                         const std::string& wanted) const;
  [[noreturn]] void fail_to_write() const;
  void lock_temporary();
  void discard();
  void flush();
  void write_through(const char* from, int64_t bytes);

  std::string operation_, path_, temporary_;
  int descriptor_ = -1;
  int64_t position_ = 0;
  std::vector<char> buffer_;
};

/// Replaces a file by that text, through OutputFile.
void write_text(const std::string& operation, const std::string& path, std::string_view text);

}  // namespace wengert::io
