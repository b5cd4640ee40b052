// IDX files: the format of MNIST and Fashion-MNIST, plain or gzipped.
#pragma once

#include <string>

#include "wengert/array/array.hpp"

namespace wengert::data {

/// Reads an IDX file (big-endian header: two zero bytes, a type code, the rank, the lengths; then the elements).
/// uint8, int32, float32 and float64 elements. Errors: io (missing, truncated, too long, corrupt), naming the file.
Array read_idx(const std::string& path, std::source_location where = std::source_location::current());

}  // namespace wengert::data
