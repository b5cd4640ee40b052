#include "wengert/backends/cpu/files.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace wengert::cpu {

TemporaryFolder::TemporaryFolder(std::span<const std::string> parents) {
  for (const std::string& parent : parents) {
    if (parent.empty()) continue;
    std::string candidate = parent + "/wengert-XXXXXX";
    if (::mkdtemp(candidate.data()) != nullptr) {
      path_ = std::move(candidate);
      return;
    }
  }
}

TemporaryFolder::~TemporaryFolder() {
  if (path_.empty()) return;
  std::error_code ignored;  // a folder that cannot be removed is no reason to end a program
  std::filesystem::remove_all(path_, ignored);
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool read_all(int file, char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(file, bytes, size);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;  // the file shrank meanwhile
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  if (file < 0) return false;
  const bool written = write_all(file, bytes);
  const int reason = errno;
  const bool closed = ::close(file) == 0;
  if (!written) errno = reason;
  return written && closed;
}

bool read_file(const std::string& path, std::string* bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status;
  bool good = ::fstat(file, &status) == 0;
  if (good) {
    bytes->resize(static_cast<std::size_t>(status.st_size));
    good = read_all(file, bytes->data(), bytes->size());
  }
  const int reason = errno;
  ::close(file);
  errno = reason;
  return good;
}

}  // namespace wengert::cpu
