#include "wengert/io/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "wengert/array/error.hpp"

namespace wengert::io {
namespace {

constexpr int64_t buffer_bytes = 64 << 10;
constexpr int64_t most_at_once = 1 << 30;  // of one read or write; the system's limit is just below 2 GiB

std::string message(const std::string& operation, const std::string& path, const std::string& got,
                    const std::string& wanted) {
  return operation + ": " + path + ": " + got + ": wanted " + wanted + called_at({});
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

/// The file that `path` stands for: where a symbolic link leads.
std::string resolved(const std::string& path) {
  struct stat entry;
  if (::lstat(path.c_str(), &entry) != 0 || !S_ISLNK(entry.st_mode)) return path;
  char target[PATH_MAX];
  return ::realpath(path.c_str(), target) ? target : path;
}

}  // namespace

InputFile::InputFile(std::string operation, std::string path)
    : operation_(std::move(operation)), path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without writer does not hang
  if (descriptor_ < 0) fail("file-open", std::strerror(errno), "a readable file");
  struct stat status;
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail("file-open", "is no regular file", "a regular file");
  }
  size_ = status.st_size;
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::fail(const char* id, const std::string& got, const std::string& wanted) const {
  throw Error(ErrorKind::io, id, message(operation_, path_, got, wanted));
}

void InputFile::read(int64_t at, void* out, int64_t bytes) const {
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = ::pread(descriptor_, to, static_cast<size_t>(std::min(bytes, most_at_once)), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("file-read", std::strerror(errno), "a readable file");
    if (got == 0)
      fail("file-truncated", "it ends " + std::to_string(bytes) + " bytes early", "a whole file; fetch it again");
    to += got;
    at += got;
    bytes -= got;
  }
}

OutputFile::OutputFile(std::string operation, const std::string& path)
    : operation_(std::move(operation)), path_(resolved(path)), temporary_(path_ + ".tmp") {
  struct stat old;
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) fail("file-write", path_, "is no regular file", "a name for a file");
  buffer_.reserve(buffer_bytes);  // what can fail comes before the lock: a constructor that throws is not destroyed
  lock_temporary();
  if (exists) static_cast<void>(::fchmod(descriptor_, old.st_mode & 0777));  // as it was; a default mode will do
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  if (descriptor_ < 0) return;
  ::unlink(temporary_.c_str());
  ::close(std::exchange(descriptor_, -1));
}

void OutputFile::fail(const char* id, const std::string& path, const std::string& got,
                      const std::string& wanted) const {
  throw Error(ErrorKind::io, id, message(operation_, path, got, wanted));
}

/// Opens the temporary file when no other writer has it. What a killed process left there is written over.
void OutputFile::lock_temporary() {
  while (true) {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) fail("file-write", temporary_, std::strerror(errno), "a folder that can be written to");
    while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {}
    struct stat mine, named;
    const bool still_named = ::fstat(descriptor_, &mine) == 0 && ::stat(temporary_.c_str(), &named) == 0 &&
        mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
    if (still_named) break;
    ::close(std::exchange(descriptor_, -1));  // the other writer has renamed or removed it meanwhile
  }
  if (::ftruncate(descriptor_, 0) == 0) return;
  const int reason = errno;
  discard();
  errno = reason;
  fail_to_write();
}

void OutputFile::write(const void* data, int64_t bytes) {
  position_ += bytes;
  const char* from = static_cast<const char*>(data);
  if (static_cast<int64_t>(buffer_.size()) + bytes <= buffer_bytes) {
    buffer_.insert(buffer_.end(), from, from + bytes);
    return;
  }
  flush();
  write_through(from, bytes);
}

void OutputFile::flush() {
  write_through(buffer_.data(), static_cast<int64_t>(buffer_.size()));
  buffer_.clear();
}

void OutputFile::write_through(const char* from, int64_t bytes) {
  while (bytes > 0) {
    const ssize_t done = ::write(descriptor_, from, static_cast<size_t>(std::min(bytes, most_at_once)));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_to_write();
    from += done;
    bytes -= done;
  }
}

void OutputFile::fail_to_write() const {
  fail("file-write", path_, std::strerror(errno), "room on the disk; what stood there before is unchanged");
}

void OutputFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_to_write();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail("file-write", path_, std::strerror(errno), "a name that can be replaced");
  }
  ::close(std::exchange(descriptor_, -1));
  // The new name is on the disk only when its folder is.
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;  // a folder that may be written but not read
  ::fsync(folder);
  ::close(folder);
}

void write_text(const std::string& operation, const std::string& path, std::string_view text) {
  OutputFile file(operation, path);
  file.write(text);
  file.commit();
}

}  // namespace wengert::io
