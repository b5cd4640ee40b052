// Compiled kernels that outlive the process: one checksummed file each, in a folder of the user's
// own.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wengert/backends/cpu/kernel_key.hpp"

namespace wengert::cpu {

/// What the bytes of a compiled kernel are, so which loader takes them.
enum class CodeForm : uint32_t { object = 1, shared_object = 2 };

struct CompiledCode {
  CodeForm form;
  std::string bytes;
};

/// $WENGERT_CACHE, else $XDG_CACHE_HOME/wengert, else ~/.cache/wengert; empty when the environment
/// names none of them.
std::string default_cache_folder();

/// How many bytes the cache may hold: the environment variable WENGERT_CACHE_MIB times 2^20, else
/// 256 MiB. Throws Error(value) when that is not a whole number of at least 1.
int64_t default_cache_limit();

/// A folder of compiled kernels. Safe with any number of threads and processes at once: an entry is
/// written under another name and renamed, and what is read is believed only if its checksum holds.
/// A damaged entry is removed. Neither a folder nor a file that belongs to another user, or that
/// others may write, is ever used. Nothing here throws for what the file system does: a cache that
/// cannot work says so once on stderr and then holds nothing.
class DiskCache {
 public:
  /// Makes the folder, with those above it, where it is missing. `limit` bounds the sum of the
  /// entries' sizes; the entries not used for longest go first.
  DiskCache(const std::string& folder, int64_t limit);
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  const std::string& folder() const { return folder_; }
  bool usable() const { return descriptor_ >= 0; }

  std::optional<CompiledCode> read(const KernelKey& key);
  void write(const KernelKey& key, const CompiledCode& code);
  void remove(const KernelKey& key);

  /// Keeps a text beside the entries, for people to look at; its path, or empty when that did not
  /// work.
  std::string keep_text(const KernelKey& key, std::string_view text);

  struct Usage {
    int64_t entries = 0;
    int64_t bytes = 0;
  };
  Usage usage() const;

  /// Removes every entry; files that are not the cache's stay.
  void clear();

 private:
  bool write_entry(const std::string& name, std::string_view header, std::string_view body);
  void trim();
  void give_up(const char* what, int reason);

  std::string folder_;
  int64_t limit_;
  int descriptor_ = -1;
  std::atomic<bool> writable_ = true;
};

}  // namespace wengert::cpu
