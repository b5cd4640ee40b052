// ZIP archives as .npz files need them: entries that are stored or deflated, with sizes of 64 bits.
// PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", version 6.3.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "wengert/io/file.hpp"
#include "wengert/io/npy.hpp"

namespace wengert::io::detail {

/// What the directory at the end of an archive says about an entry.
struct ZipEntry {
  std::string name;
  bool deflated = false;
  uint32_t crc = 0;
  int64_t packed = 0, size = 0;  // bytes in the archive, and unpacked
  int64_t header = 0, data = 0;  // where its header and its bytes begin
};

/// An archive open for reading. The constructor checks that directory, headers and lengths fit together and into the
/// file; open() gives an entry, whose checksum is checked by its last byte. Errors: io, naming operation and file.
class ZipReader {
 public:
  ZipReader(std::string operation, const std::string& path);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The bytes of an entry, unpacked. Lives no longer than this reader.
  std::unique_ptr<Source> open(const ZipEntry& entry) const;
  const InputFile& file() const { return file_; }

 private:
  void read_directory();
  void check_header(ZipEntry& entry) const;

  InputFile file_;
  int64_t directory_ = 0;  // where it begins
  std::vector<ZipEntry> entries_;
};

/// Writes an archive of stored entries; nothing of it is seen before commit(). Dates are left at 1980, so that equal
/// contents make equal files.
class ZipWriter {
 public:
  /// Sizes and places from `wide_from` on are written in 64 bits: where the format's 32 end, unless a test wants less.
  ZipWriter(std::string operation, const std::string& path, int64_t wide_from = 0xffffffff);

  /// An entry of these parts, one after the other. Errors: value (the name is too long, or there is one of that name).
  void add(const std::string& name, std::initializer_list<std::string_view> parts);
  void commit();

 private:
  std::string header(const ZipEntry& entry, bool in_directory) const;

  std::string operation_;
  OutputFile file_;
  int64_t wide_from_;
  std::vector<ZipEntry> entries_;
  std::set<std::string> names_;
};

}  // namespace wengert::io::detail
