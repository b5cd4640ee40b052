// NumPy's .npy files: one array each. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <source_location>
#include <string>

#include "wengert/array/array.hpp"

namespace wengert::io {

/// Reads an array of bool, uint8, int32, int64, float32 or float64, in either order of bytes; versions 1 to 3. An array
/// in Fortran order keeps its memory order. Errors: io (missing, truncated, too long, corrupt, another dtype, more than
/// 8 axes), naming the file.
Array read_npy(const std::string& path, std::source_location where = std::source_location::current());

/// Writes x in row-major order, whatever its strides; replaces the file as a whole or not at all. Errors: io (folder,
/// full disk), trace (no values while a program is recorded), state (x is undefined).
void write_npy(const std::string& path, const Array& x, std::source_location where = std::source_location::current());

namespace detail {

/// Bytes that are read once, from front to back.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t remaining() const = 0;
  virtual void read(void* out, int64_t bytes) = 0;
  /// The operation that reads it, and what it is.
  virtual std::string name() const = 0;
  /// Throws Error(io, id): "name: got: wanted".
  [[noreturn]] void fail(const char* id, const std::string& got, const std::string& wanted) const;
};

/// Reads everything that is left of `source` as one array. Allocates nothing that the source is too short to fill.
Array read_array(Source& source);
/// What stands before the elements of an array of this type.
std::string npy_header(const Type& type);
/// x in row-major memory: itself where it is that already.
Array row_major(const Array& x, const char* operation, std::source_location where);

}  // namespace detail
}  // namespace wengert::io
