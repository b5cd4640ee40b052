#include "wengert/array/error.hpp"

#include <new>
#include <utility>

namespace wengert {

const char* name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::shape: return "shape";
    case ErrorKind::dtype: return "dtype";
    case ErrorKind::index: return "index";
    case ErrorKind::value: return "value";
    case ErrorKind::trace: return "trace";
    case ErrorKind::state: return "state";
    case ErrorKind::io: return "io";
    case ErrorKind::memory: return "memory";
    case ErrorKind::compiler: return "compiler";
    case ErrorKind::internal: return "internal";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, std::string id, const std::string& message)
    : std::runtime_error(message), kind_(kind), id_(std::make_shared<const std::string>(std::move(id))) {}

std::string line_text(std::string_view file, uint32_t line) {
  if (file.empty()) return {};
  file.remove_prefix(file.rfind('/') + 1);
  return std::string(file) + ":" + std::to_string(line);
}

namespace {

constexpr const char* no_memory =
    ": the system has no memory left: wanted some for the work beside the values; release arrays";
constexpr const char* any_operation = "wengert";
/// Made when the library is loaded, since then there is memory; never destroyed.
const Error& no_memory_error =
    *new Error(ErrorKind::memory, "memory-exhausted", std::string(any_operation) + no_memory);

}  // namespace

void throw_no_memory(const char* operation, const std::source_location& where) {
  try {
    throw Error(ErrorKind::memory, "memory-exhausted", std::string(operation) + no_memory + called_at(where));
  } catch (const std::bad_alloc&) { throw Error(no_memory_error); }
}

void throw_no_memory_within() {
  try {
    throw Error(ErrorKind::memory, "memory-exhausted", std::string(any_operation) + no_memory + call_site());
  } catch (const std::bad_alloc&) { throw Error(no_memory_error); }
}

bool is_no_memory_within(const Error& error) {
  return error.kind() == ErrorKind::memory && std::string_view(error.what()).starts_with(no_memory_error.what());
}

}  // namespace wengert
