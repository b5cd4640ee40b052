#include "wengert/io/zip.hpp"

#include <zlib.h>

#include <algorithm>
#include <set>
#include <utility>

namespace wengert::io::detail {
namespace {

constexpr uint32_t entry_signature = 0x04034b50, directory_signature = 0x02014b50, end_signature = 0x06054b50,
                   wide_end_signature = 0x06064b50, wide_locator_signature = 0x07064b50;
constexpr int64_t entry_header = 30, end_record = 22, wide_end_record = 56, wide_locator = 20;
constexpr uint16_t wide_field = 1;                                   // the extra field with numbers of 64 bits
constexpr uint16_t encrypted = 1, sizes_follow = 8, utf8 = 1 << 11;  // flags
constexpr int64_t all_ones = 0xffffffff;                             // "see the wide field"

const char* const whole_file = "a whole .npz file; fetch it again";

/// Little-endian numbers, read in order from a piece of the file. Reading past its end gives zeros and clears ok().
class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : bytes_(bytes) {}
  uint64_t get(size_t bytes) {
    const std::string_view part = take(static_cast<int64_t>(bytes));
    uint64_t value = 0;
    for (size_t i = part.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(part[i]);
    return value;
  }
  uint16_t u16() { return static_cast<uint16_t>(get(2)); }
  uint32_t u32() { return static_cast<uint32_t>(get(4)); }
  /// A length or a place; one that no file can have is as bad as one that is missing.
  int64_t i64() {
    const auto value = static_cast<int64_t>(get(8));
    ok_ &= value >= 0;
    return value;
  }
  std::string_view take(int64_t bytes) {
    ok_ &= bytes <= static_cast<int64_t>(bytes_.size());
    if (!ok_) return {};
    const std::string_view part = bytes_.substr(0, static_cast<size_t>(bytes));
    bytes_.remove_prefix(static_cast<size_t>(bytes));
    return part;
  }
  bool ok() const { return ok_; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

/// The same, written.
class NumberWriter {
 public:
  NumberWriter& put(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i);
    return *this;
  }
  NumberWriter& u16(uint64_t value) { return put(value, 2); }
  NumberWriter& u32(uint64_t value) { return put(value, 4); }
  NumberWriter& i64(int64_t value) { return put(static_cast<uint64_t>(value), 8); }
  std::string text;
};

std::string piece(const InputFile& file, int64_t at, int64_t bytes) {
  std::string text(static_cast<size_t>(bytes), '\0');
  file.read(at, text.data(), bytes);
  return text;
}

/// Replaces those of `values` that are all ones by what the wide field among the extra fields says. False if it lacks
/// them.
bool widen(std::string_view extra, std::initializer_list<int64_t*> values) {
  Numbers fields(extra);
  std::string_view wide;
  while (fields.ok() && !fields.empty()) {
    const uint16_t id = fields.u16();
    const std::string_view field = fields.take(fields.u16());
    if (id == wide_field) wide = field;
  }
  Numbers numbers(wide);
  for (int64_t* value : values) {
    if (*value == all_ones) *value = numbers.i64();
  }
  return numbers.ok();
}

/// The bytes of one entry. Checks the sum when the last of them is read.
class EntrySource final : public Source {
 public:
  EntrySource(const InputFile& file, const ZipEntry& entry) : file_(file), entry_(entry) {
    if (entry_.deflated && inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  EntrySource(const EntrySource&) = delete;
  ~EntrySource() override {
    if (entry_.deflated) inflateEnd(&stream_);
  }

  int64_t remaining() const override { return entry_.size - done_; }
  void read(void* out, int64_t bytes) override {
    if (bytes == 0) return;
    if (entry_.deflated) inflate_into(static_cast<Bytef*>(out), bytes);
    else file_.read(entry_.data + done_, out, bytes);
    done_ += bytes;
    crc_ = crc32_z(crc_, static_cast<const Bytef*>(out), static_cast<size_t>(bytes));
    if (remaining() > 0) return;
    if (crc_ != entry_.crc || (entry_.deflated && !at_end_of_stream())) corrupt();
  }
  std::string name() const override { return file_.name() + ": " + entry_.name; }

 private:
  [[noreturn]] void corrupt() const { fail("zip-corrupt", "its data does not match its checksum", whole_file); }

  void inflate_into(Bytef* out, int64_t bytes) {
    while (bytes > 0) {
      stream_.next_out = out;
      stream_.avail_out = static_cast<uInt>(std::min<int64_t>(bytes, 1 << 30));
      const uInt room = stream_.avail_out;
      step();
      out += room - stream_.avail_out;
      bytes -= room - stream_.avail_out;
      if (ended_ && bytes > 0) corrupt();
    }
  }
  /// Whether nothing is left in the stream after the last byte that was asked for, nor behind the stream.
  bool at_end_of_stream() {
    Bytef nothing;
    while (!ended_) {
      stream_.next_out = &nothing;
      stream_.avail_out = 1;
      step();
      if (stream_.avail_out == 0) return false;
    }
    return taken_ == entry_.packed && stream_.avail_in == 0;
  }
  void step() {
    if (stream_.avail_in == 0 && taken_ < entry_.packed) {
      packed_ = piece(file_, entry_.data + taken_, std::min<int64_t>(entry_.packed - taken_, 64 << 10));
      taken_ += static_cast<int64_t>(packed_.size());
      stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
      stream_.avail_in = static_cast<uInt>(packed_.size());
    }
    const int status = inflate(&stream_, Z_NO_FLUSH);
    ended_ = status == Z_STREAM_END;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK && !ended_) corrupt();
  }

  const InputFile& file_;
  const ZipEntry& entry_;
  int64_t done_ = 0;
  uLong crc_ = 0;
  z_stream stream_ = {};
  std::string packed_;  // what inflate works on
  int64_t taken_ = 0;   // bytes of the entry that were given to it
  bool ended_ = false;
};

}  // namespace

// Reading ------------------------------------------------------------------------------------------------

ZipReader::ZipReader(std::string operation, const std::string& path) : file_(std::move(operation), path) {
  read_directory();
  for (ZipEntry& entry : entries_) check_header(entry);

  // Two entries in the same bytes would let a small file become a large one.
  std::vector<std::pair<int64_t, int64_t>> ranges;
  std::set<std::string_view> names;
  for (const ZipEntry& e : entries_) {
    ranges.emplace_back(e.header, e.data + e.packed);
    if (!names.insert(e.name).second) file_.fail("zip-corrupt", "two of its entries are called " + e.name, whole_file);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) file_.fail("zip-corrupt", "its entries overlap", whole_file);
  }
}

/// Finds the directory through the record at the end of the file, and reads it.
void ZipReader::read_directory() {
  const auto corrupt = [&] { file_.fail("zip-directory", "its directory is missing or corrupt", whole_file); };
  const int64_t tail_bytes = std::min<int64_t>(file_.size(), end_record + 0xffff);  // a comment may follow the record
  const std::string tail = piece(file_, file_.size() - tail_bytes, tail_bytes);
  int64_t end = tail_bytes - end_record;
  const auto is_end = [&](int64_t at) {
    Numbers n(std::string_view(tail).substr(static_cast<size_t>(at)));
    const bool found = n.u32() == end_signature;
    n.take(16);
    return found && n.u16() == tail_bytes - at - end_record;
  };
  while (end >= 0 && !is_end(end)) --end;
  if (end < 0) corrupt();

  Numbers n(std::string_view(tail).substr(static_cast<size_t>(end) + 4));
  const uint16_t disk = n.u16(), directory_disk = n.u16(), here = n.u16();
  int64_t count = n.u16(), bytes = n.u32();
  directory_ = n.u32();
  end += file_.size() - tail_bytes;
  if (disk != 0 || directory_disk != 0 || here != count) corrupt();
  if (count == 0xffff || bytes == all_ones || directory_ == all_ones) {
    if (end < wide_locator + wide_end_record) corrupt();
    const std::string text = piece(file_, end - wide_locator, wide_locator);
    Numbers locator(text);
    if (locator.u32() != wide_locator_signature || locator.u32() != 0) corrupt();
    const int64_t place = locator.i64();
    if (!locator.ok() || place != end - wide_locator - wide_end_record || locator.u32() != 1) corrupt();
    const std::string record = piece(file_, place, wide_end_record);
    Numbers wide(record);
    if (wide.u32() != wide_end_signature || wide.i64() != wide_end_record - 12) corrupt();
    wide.take(12);  // versions and disks
    const int64_t entries_here = wide.i64();
    count = wide.i64();
    bytes = wide.i64();
    directory_ = wide.i64();
    if (!wide.ok() || entries_here != count) corrupt();
    end = place;
  }
  if (bytes > end || directory_ != end - bytes) corrupt();

  const std::string text = piece(file_, directory_, bytes);
  Numbers d(text);
  while (d.ok() && !d.empty()) {
    ZipEntry& e = entries_.emplace_back();
    if (d.u32() != directory_signature) corrupt();
    d.take(4);  // versions
    const uint16_t flags = d.u16(), method = d.u16();
    d.take(4);  // time and date
    e.crc = d.u32();
    e.packed = d.u32();
    e.size = d.u32();
    const int64_t name = d.u16(), extra = d.u16(), comment = d.u16();
    d.take(8);  // disk, attributes
    e.header = d.u32();
    e.name = d.take(name);
    if (!widen(d.take(extra), {&e.size, &e.packed, &e.header})) corrupt();
    d.take(comment);
    if ((flags & encrypted) != 0 || (method != 0 && method != 8)) {
      file_.fail("zip-method", e.name + ": is encrypted or packed by method " + std::to_string(method),
                 "an entry stored or deflated");
    }
    e.deflated = method == 8;
  }
  if (!d.ok() || static_cast<int64_t>(entries_.size()) != count) corrupt();
}

/// Reads the header before an entry's bytes and checks that it says what the directory says, and that they are there.
void ZipReader::check_header(ZipEntry& e) const {
  const auto corrupt = [&] {
    file_.fail("zip-corrupt", "the header of its entry " + e.name + " is corrupt", whole_file);
  };
  if (e.header > directory_ - entry_header) corrupt();
  const std::string text = piece(file_, e.header, entry_header);
  Numbers n(text);
  if (n.u32() != entry_signature) corrupt();
  n.take(2);  // version
  const uint16_t flags = n.u16(), method = n.u16();
  n.take(4);  // time and date
  const uint32_t crc = n.u32();
  int64_t packed = n.u32(), size = n.u32();
  const int64_t name = n.u16(), extra = n.u16();
  e.data = e.header + entry_header + name + extra;
  if (e.data > directory_ || e.packed > directory_ - e.data || method != (e.deflated ? 8 : 0)) corrupt();
  const std::string rest = piece(file_, e.header + entry_header, name + extra);
  if (std::string_view(rest).substr(0, static_cast<size_t>(name)) != e.name) corrupt();
  if (!widen(std::string_view(rest).substr(static_cast<size_t>(name)), {&size, &packed})) corrupt();
  if ((flags & sizes_follow) == 0 && (crc != e.crc || packed != e.packed || size != e.size)) corrupt();
  // A deflated byte becomes at most 1,032: what claims more is not worth an allocation.
  if (e.deflated ? e.size / 1032 > e.packed : e.size != e.packed) corrupt();
}

std::unique_ptr<Source> ZipReader::open(const ZipEntry& entry) const {
  return std::make_unique<EntrySource>(file_, entry);
}

// Writing ------------------------------------------------------------------------------------------------

ZipWriter::ZipWriter(std::string operation, const std::string& path, int64_t wide_from)
    : operation_(std::move(operation)), file_(operation_, path), wide_from_(wide_from) {}

/// What stands before an entry's bytes, or for it in the directory.
std::string ZipWriter::header(const ZipEntry& e, bool in_directory) const {
  const bool wide_size = e.size >= wide_from_, wide_place = in_directory && e.header >= wide_from_;
  NumberWriter extra;
  if (wide_size || wide_place) {
    extra.u16(wide_field).u16((wide_size ? 16u : 0u) + (wide_place ? 8u : 0u));
    if (wide_size) extra.i64(e.size).i64(e.packed);
    if (wide_place) extra.i64(e.header);
  }
  const uint64_t version = extra.text.empty() ? 20 : 45, date = 1 << 5 | 1;  // 1980-01-01
  const auto size = static_cast<uint64_t>(wide_size ? all_ones : e.size);
  NumberWriter n;
  n.u32(in_directory ? directory_signature : entry_signature);
  if (in_directory) n.u16(version);
  n.u16(version).u16(utf8).u16(0).u16(0).u16(date).u32(e.crc).u32(size).u32(size);
  n.u16(e.name.size()).u16(extra.text.size());
  if (in_directory) n.u16(0).u16(0).u16(0).u32(0).u32(static_cast<uint64_t>(wide_place ? all_ones : e.header));
  return n.text + e.name + extra.text;
}

void ZipWriter::add(const std::string& name, std::initializer_list<std::string_view> parts) {
  if (name.size() > 0xffff) {
    throw Error(
        ErrorKind::value, "zip-name",
        operation_ + ": a name of " + std::to_string(name.size()) + " bytes: wanted at most 65535" + called_at({}));
  }
  if (!names_.insert(name).second)
    throw Error(ErrorKind::value, "zip-name",
                operation_ + ": two entries " + name + ": wanted different names" + called_at({}));
  ZipEntry entry{.name = name, .header = file_.position()};
  uLong crc = 0;
  for (const std::string_view part : parts) {
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
    entry.size += static_cast<int64_t>(part.size());
  }
  entry.crc = static_cast<uint32_t>(crc);
  entry.packed = entry.size;
  file_.write(header(entry, false));
  for (const std::string_view part : parts) file_.write(part);
  entries_.push_back(std::move(entry));
}

void ZipWriter::commit() {
  const int64_t begin = file_.position();
  for (const ZipEntry& entry : entries_) file_.write(header(entry, true));
  const int64_t end = file_.position(), count = static_cast<int64_t>(entries_.size());
  NumberWriter n;
  const bool wide = end >= wide_from_ || count >= 0xffff;
  if (wide) {
    n.u32(wide_end_signature).i64(wide_end_record - 12).u16(45).u16(45).u32(0).u32(0);
    n.i64(count).i64(count).i64(end - begin).i64(begin);
    n.u32(wide_locator_signature).u32(0).i64(end).u32(1);
  }
  const uint64_t entries = wide ? 0xffff : static_cast<uint64_t>(count);
  n.u32(end_signature).u16(0).u16(0).u16(entries).u16(entries);
  n.u32(static_cast<uint64_t>(wide ? all_ones : end - begin))
      .u32(static_cast<uint64_t>(wide ? all_ones : begin))
      .u16(0);
  file_.write(n.text);
  file_.commit();
}

}  // namespace wengert::io::detail
