#include "wengert/array/error.hpp"

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
    : std::runtime_error(message), kind_(kind), id_(std::move(id)) {}

}  // namespace wengert
