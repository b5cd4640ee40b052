// NumPy's .npz files: several named arrays in one ZIP archive.
#pragma once

#include <map>
#include <source_location>
#include <string>

#include "wengert/array/array.hpp"

namespace wengert::io {

/// The arrays of a file that numpy.savez, numpy.savez_compressed or write_npz wrote, by name. Entries that are no .npy
/// files are left out. Checksums are checked. Errors: io, as read_npy, and when the archive is corrupt.
std::map<std::string, Array> read_npz(const std::string& path,
                                      std::source_location where = std::source_location::current());

/// Writes the arrays, not packed; numpy.load reads them. Replaces the file as a whole or not at all. Errors: as
/// write_npy; value (a name of more than 65,000 bytes).
void write_npz(const std::string& path, const std::map<std::string, Array>& arrays,
               std::source_location where = std::source_location::current());

namespace detail {
class ZipWriter;
/// Adds x as the entry `name`.npy.
void add_array(ZipWriter& zip, const std::string& name, const Array& x, const char* operation,
               std::source_location where);
}  // namespace detail

}  // namespace wengert::io
