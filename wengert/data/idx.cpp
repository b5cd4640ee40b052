#include "wengert/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "wengert/ops/operand.hpp"

namespace wengert::data {
namespace {

[[noreturn]] void fail(const char* id, const std::string& path, const std::string& got, const std::string& wanted) {
  throw Error(ErrorKind::io, id, "read_idx: " + path + ": " + got + ": wanted " + wanted + called_at({}));
}

/// A file that zlib reads, gzipped or not.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb"), &gzclose) {
    if (!file_) fail("idx-open", path, std::strerror(errno), "a readable file");
  }

  void read(void* out, int64_t bytes) {
    auto* to = static_cast<char*>(out);
    while (bytes > 0) {
      const int part = static_cast<int>(std::min<int64_t>(bytes, 1 << 30));
      const int got = gzread(file_.get(), to, static_cast<unsigned>(part));
      if (got < 0) fail("idx-corrupt", path_, "its compressed data is corrupt", "a whole gzip file; fetch it again");
      if (got == 0)
        fail("idx-truncated", path_, "it ends " + std::to_string(bytes) + " bytes early",
             "as many elements as its header says");
      to += got;
      bytes -= got;
    }
  }
  bool at_end() {
    char c;
    return gzread(file_.get(), &c, 1) == 0;
  }

 private:
  const std::string& path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

Dtype dtype_of_code(const std::string& path, uint8_t code) {
  switch (code) {
    case 0x08: return uint8;
    case 0x0C: return int32;
    case 0x0D: return float32;
    case 0x0E: return float64;
    default:
      fail("idx-type", path, "type code " + std::to_string(code),
           "8 (uint8), 12 (int32), 13 (float32) or 14 (float64)");
  }
}

}  // namespace

Array read_idx(const std::string& path, std::source_location where) try {
  const CallScope scope(where);
  Source source(path);
  uint8_t head[4];
  source.read(head, 4);
  if (head[0] != 0 || head[1] != 0 || head[3] > max_rank) {
    fail("idx-header", path, "its first bytes are no IDX header",
         "two zero bytes, a type code and a rank of at most 8");
  }
  const Dtype dtype = dtype_of_code(path, head[2]);
  Shape shape;
  int64_t largest = max_size;
  for (int i = 0; i < head[3]; ++i) {
    uint8_t b[4];
    source.read(b, 4);
    shape.push_back(int64_t{b[0]} << 24 | int64_t{b[1]} << 16 | int64_t{b[2]} << 8 | int64_t{b[3]});
    const int64_t length = std::max<int64_t>(shape.back(), 1);
    if (length > largest) fail("idx-header", path, "its header names too many elements", "at most 2^58");
    largest /= length;
  }
  // Read in parts: a corrupt header must not make a large allocation before the data is seen to be there.
  const int64_t bytes = shape.size() * itemsize(dtype);
  std::vector<char> data;
  constexpr int64_t part = 64 << 20;
  for (int64_t done = 0; done < bytes; done += part) {
    data.resize(static_cast<size_t>(std::min(bytes, done + part)));
    source.read(data.data() + done, std::min(part, bytes - done));
  }
  if (!source.at_end())
    fail("idx-long", path, "it goes on after its last element", "as many elements as its header says");
  for (size_t i = 0; itemsize(dtype) > 1 && i < data.size(); i += static_cast<size_t>(itemsize(dtype))) {
    std::reverse(data.begin() + static_cast<int64_t>(i), data.begin() + static_cast<int64_t>(i) + itemsize(dtype));
  }
  return detail::from_bytes(data.data(), Type::of(dtype, shape));
} catch (const std::bad_alloc&) { throw_no_memory("read_idx", where); }

}  // namespace wengert::data
