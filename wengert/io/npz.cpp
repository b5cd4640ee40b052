#include "wengert/io/npz.hpp"

#include "wengert/io/zip.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::io {

void detail::add_array(ZipWriter& zip, const std::string& name, const Array& x, const char* operation,
                       std::source_location where) {
  const Array values = row_major(x, operation, where);
  const auto* data = reinterpret_cast<const char*>(values.node()->data);
  zip.add(name + ".npy", {npy_header(values.type()), std::string_view(data, static_cast<size_t>(values.nbytes()))});
}

std::map<std::string, Array> read_npz(const std::string& path, std::source_location where) try {
  const CallScope scope(where);
  const detail::ZipReader zip("read_npz", path);
  std::map<std::string, Array> arrays;
  for (const detail::ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(".npy")) continue;
    arrays[entry.name.substr(0, entry.name.size() - 4)] = detail::read_array(*zip.open(entry));
  }
  return arrays;
} catch (const std::bad_alloc&) { throw_no_memory("read_npz", where); }

void write_npz(const std::string& path, const std::map<std::string, Array>& arrays, std::source_location where) try {
  const CallScope scope(where);
  detail::ZipWriter zip("write_npz", path);
  for (const auto& [name, x] : arrays) detail::add_array(zip, name, x, "write_npz", where);
  zip.commit();
} catch (const std::bad_alloc&) { throw_no_memory("write_npz", where); }

}  // namespace wengert::io
