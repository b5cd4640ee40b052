#include "wengert/backends/cpu/disk_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include "wengert/array/error.hpp"
#include "wengert/backends/cpu/files.hpp"

namespace wengert::cpu {
namespace {

using Clock = std::chrono::system_clock;

// An entry is a header, the code, and the kernel_key of both. Numbers are in the machine's own
// order: a cache serves machines that can run each other's code.
struct EntryHeader {
  char magic[8];
  uint32_t version;
  CodeForm form;
  KernelKey key;
  uint64_t size;
};
static_assert(sizeof(EntryHeader) == 40);

constexpr char entry_magic[8] = {'W', 'G', 'K', 'E', 'R', 'N', 'E', 'L'};
constexpr uint32_t entry_version = 1;
constexpr std::size_t entry_overhead = sizeof(EntryHeader) + sizeof(KernelKey);
constexpr std::size_t largest_entry = std::size_t{1} << 30;

constexpr char entry_suffix[] = ".kernel";
constexpr char text_suffix[] = ".c";
constexpr char temporary_suffix[] = ".new";

/// A use is recorded (as the file's time) when the last record is older than this: cheap, and exact
/// enough for LRU.
constexpr time_t use_resolution_seconds = 3600;
/// A temporary file this old was left by a process that died.
constexpr time_t abandoned_seconds = 3600;

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

bool ours_alone(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// Whether a file of this name is the cache's: 32 hexadecimal digits and one of the suffixes, or a
/// temporary file.
bool is_cache_file(std::string_view name) {
  if (name.ends_with(temporary_suffix)) name = name.substr(0, name.find('-'));
  if (name.size() < 32) return false;
  const std::string_view suffix = name.substr(32);
  const bool digits = std::all_of(name.begin(), name.begin() + 32,
                                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return digits && (suffix.empty() || suffix == entry_suffix || suffix == text_suffix);
}

/// Makes `folder` and those above it, for this user alone.
void make_folders(const std::string& folder) {
  for (std::size_t slash = folder.find('/', 1); slash != std::string::npos; slash = folder.find('/', slash + 1)) {
    ::mkdir(folder.substr(0, slash).c_str(), 0700);
  }
  ::mkdir(folder.c_str(), 0700);
}

/// The code in an entry's bytes, if they are what was once written for `key`.
std::optional<CompiledCode> decode(std::string bytes, const KernelKey& key) {
  if (bytes.size() < entry_overhead) return std::nullopt;
  EntryHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  KernelKey checksum;
  std::memcpy(&checksum, bytes.data() + bytes.size() - sizeof checksum, sizeof checksum);
  const std::string_view covered(bytes.data(), bytes.size() - sizeof checksum);
  const bool good = std::memcmp(header.magic, entry_magic, sizeof entry_magic) == 0 &&
      header.version == entry_version && header.key == key &&
      (header.form == CodeForm::object || header.form == CodeForm::shared_object) &&
      header.size == bytes.size() - entry_overhead && kernel_key(covered) == checksum;
  if (!good) return std::nullopt;
  return CompiledCode{header.form, bytes.substr(sizeof header, header.size)};
}

struct CacheFile {
  std::string name;
  int64_t bytes;
  timespec used;
  bool temporary;
};

/// The cache's files in the folder behind `descriptor`.
std::vector<CacheFile> list(int descriptor) {
  std::vector<CacheFile> files;
  const int again = ::openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* folder = again >= 0 ? ::fdopendir(again) : nullptr;
  if (folder == nullptr) return files;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    struct stat status;
    if (!is_cache_file(name) || ::fstatat(descriptor, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    files.push_back({std::string(name), status.st_size, status.st_mtim, name.ends_with(temporary_suffix)});
  }
  ::closedir(folder);
  return files;
}

}  // namespace

std::string default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (std::string own = variable("WENGERT_CACHE"); !own.empty()) return own;
  if (std::string all = variable("XDG_CACHE_HOME"); all.starts_with('/')) return all + "/wengert";
  if (std::string home = variable("HOME"); home.starts_with('/')) return home + "/.cache/wengert";
  return {};
}

int64_t default_cache_limit() {
  const char* variable = std::getenv("WENGERT_CACHE_MIB");
  const std::string_view text = variable != nullptr ? variable : "";
  if (text.empty()) return int64_t{256} << 20;
  int64_t mebibytes = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), mebibytes);
  if (failure != std::errc() || end != text.data() + text.size() || mebibytes < 1 || mebibytes > (int64_t{1} << 40)) {
    throw Error(ErrorKind::value, "cache-limit",
                "WENGERT_CACHE_MIB: got '" + std::string(text) + "': wanted a whole number of MiB, at least 1");
  }
  return mebibytes << 20;
}

DiskCache::DiskCache(const std::string& folder, int64_t limit) : folder_(folder), limit_(limit) {
  if (folder_.empty()) {
    give_up("neither WENGERT_CACHE nor XDG_CACHE_HOME nor HOME is set", 0);
    return;
  }
  int file = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    make_folders(folder_);
    file = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  struct stat status;
  if (file < 0 || ::fstat(file, &status) != 0) {
    give_up("opening it", errno);
    return;
  }
  if (!ours_alone(status)) {
    give_up("it belongs to another user or others may write to it", 0);
    ::close(file);
    return;
  }
  descriptor_ = file;
}

DiskCache::~DiskCache() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void DiskCache::give_up(const char* what, int reason) {
  if (!writable_.exchange(false)) return;
  std::fprintf(stderr,
               "wengert: kernel cache %s: %s%s%s: kernels are not kept for the next process; free "
               "some space there, or "
               "set WENGERT_CACHE to a folder of your own\n",
               folder_.c_str(), what, reason != 0 ? ": " : "", reason != 0 ? std::strerror(reason) : "");
}

std::optional<CompiledCode> DiskCache::read(const KernelKey& key) {
  if (!usable()) return std::nullopt;
  const std::string name = to_string(key) + entry_suffix;
  const int file = ::openat(descriptor_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) {
    if (errno == ELOOP) remove(key);
    return std::nullopt;
  }
  std::optional<CompiledCode> code;
  struct stat status;
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && ours_alone(status) &&
      static_cast<std::size_t>(status.st_size) <= largest_entry) {
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    if (read_all(file, bytes.data(), bytes.size())) code = decode(std::move(bytes), key);
    if (code && std::time(nullptr) - status.st_mtim.tv_sec > use_resolution_seconds) ::futimens(file, nullptr);
  }
  ::close(file);
  if (!code) remove(key);
  return code;
}

void DiskCache::remove(const KernelKey& key) {
  if (usable()) ::unlinkat(descriptor_, (to_string(key) + entry_suffix).c_str(), 0);
}

void DiskCache::write(const KernelKey& key, const CompiledCode& code) {
  if (!usable() || !writable_) return;
  const int64_t size = static_cast<int64_t>(code.bytes.size() + entry_overhead);
  if (size > limit_ / 8) return;  // would push too much out
  EntryHeader header{{}, entry_version, code.form, key, code.bytes.size()};
  std::memcpy(header.magic, entry_magic, sizeof entry_magic);
  std::string body = code.bytes;
  const KernelKey checksum = kernel_key(std::string(bytes_of(header)) + code.bytes);
  body += bytes_of(checksum);
  if (!write_entry(to_string(key) + entry_suffix, bytes_of(header), body)) return;
  // Looking at every entry takes long, and knowing their sum would take a lock that all processes
  // share. So that is done by chance, in proportion to what is written: once per 32nd of the limit.
  // See trim() for the margin.
  const int64_t writes_between = std::max<int64_t>(limit_ / (32 * size), 1);
  if (key.high % static_cast<uint64_t>(writes_between) == 0) trim();
}

std::string DiskCache::keep_text(const KernelKey& key, std::string_view text) {
  if (!usable() || !writable_) return {};
  const std::string name = to_string(key) + text_suffix;
  return write_entry(name, {}, text) ? folder_ + '/' + name : std::string();
}

bool DiskCache::write_entry(const std::string& name, std::string_view header, std::string_view body) {
  // Process numbers are no use in the name: containers that share a folder share them, too.
  static std::atomic<uint64_t> next_number = static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  std::string temporary;
  int file = -1;
  do {
    temporary = name.substr(0, 32) + '-' + std::to_string(next_number++) + temporary_suffix;
    file = ::openat(descriptor_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  } while (file < 0 && errno == EEXIST);
  if (file < 0) {
    give_up("writing to it", errno);
    return false;
  }
  bool good = write_all(file, header) && write_all(file, body);
  int reason = errno;
  if (::close(file) != 0 && good) good = false, reason = errno;
  if (good && ::renameat(descriptor_, temporary.c_str(), descriptor_, name.c_str()) != 0) good = false, reason = errno;
  if (good) return true;
  ::unlinkat(descriptor_, temporary.c_str(), 0);
  give_up("writing to it", reason);
  return false;
}

/// Removes the entries that were not used for longest, until half of the limit is free, when less
/// than a quarter is. With what write() promises, the limit itself is passed once in e^8 times, by
/// a few percent.
void DiskCache::trim() {
  std::vector<CacheFile> files = list(descriptor_);
  const time_t now = std::time(nullptr);
  int64_t bytes = 0;
  for (const CacheFile& file : files) {
    bytes += file.bytes;
    if (file.temporary && now - file.used.tv_sec > abandoned_seconds) ::unlinkat(descriptor_, file.name.c_str(), 0);
  }
  if (bytes <= limit_ - limit_ / 4) return;
  std::sort(files.begin(), files.end(), [](const CacheFile& a, const CacheFile& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  for (const CacheFile& file : files) {
    if (bytes <= limit_ / 2) break;
    if (file.temporary) continue;
    ::unlinkat(descriptor_, file.name.c_str(), 0);
    bytes -= file.bytes;
  }
}

DiskCache::Usage DiskCache::usage() const {
  Usage usage;
  if (!usable()) return usage;
  for (const CacheFile& file : list(descriptor_)) {
    usage.entries += file.name.ends_with(entry_suffix);
    usage.bytes += file.bytes;
  }
  return usage;
}

void DiskCache::clear() {
  if (!usable()) return;
  for (const CacheFile& file : list(descriptor_)) ::unlinkat(descriptor_, file.name.c_str(), 0);
}

}  // namespace wengert::cpu
