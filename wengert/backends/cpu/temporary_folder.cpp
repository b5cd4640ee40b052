#include "wengert/backends/cpu/temporary_folder.hpp"

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

bool write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  if (file < 0) return false;
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = errno;
      ::close(file);
      errno = reason;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::close(file) == 0;
}

bool read_file(const std::string& path, std::string* bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status;
  bool good = ::fstat(file, &status) == 0;
  if (good) {
    bytes->resize(static_cast<std::size_t>(status.st_size));
    std::size_t at = 0;
    while (good && at < bytes->size()) {
      const ssize_t got = ::read(file, bytes->data() + at, bytes->size() - at);
      if (got < 0 && errno == EINTR) continue;
      good = got > 0;
      if (good) at += static_cast<std::size_t>(got);
    }
  }
  const int reason = errno;
  ::close(file);
  errno = reason;
  return good;
}

}  // namespace wengert::cpu
