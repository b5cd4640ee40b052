// The one exception type of the library. A message reads
//   operation: what it got: what it wanted; the cure; called at file:line, in grad(loss)
// so that it can be acted on without a debugger.
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wengert {

enum class ErrorKind {
  shape,     // shapes, ranks, axes, broadcasting
  dtype,     // element types
  index,     // an index or range outside its array
  value,     // any other argument out of its domain
  trace,     // a traced value used where a concrete one is needed, or outside its transformation
  state,     // an object used in a state that does not allow it (consumed, empty, closed)
  io,        // files and folders
  memory,    // no memory, or a cap reached
  compiler,  // no compiler, or it rejected a kernel
  internal,  // a broken promise of the library itself
};

/// The kind's name, as messages and tests print it.
const char* name(ErrorKind kind);

/// What every failure of the library throws. `id` is stable across versions ("matmul-inner-dimension")
/// and is what programs should compare; `what()` is for people.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string id, const std::string& message);

  ErrorKind kind() const { return kind_; }
  const std::string& id() const { return *id_; }

 private:
  ErrorKind kind_;
  std::shared_ptr<const std::string> id_;  // shared, so that an error is copied without memory
};

/// "; called at train.cpp:41, in grad(loss)": `where`, or the line of the public function that this thread is in, and
/// the transformations at work. Defined in trace/, which knows them.
std::string called_at(const std::source_location& where);
/// The same of the line that this thread noted last. Defined in trace/.
std::string call_site();
/// "train.cpp:41"; empty for a line that is not known.
std::string line_text(std::string_view file, uint32_t line);

/// What stands behind `catch (const std::bad_alloc&)` at the doors of the library: throws Error(memory,
/// "memory-exhausted") that names the operation and the caller, or where there is no memory even for that text, one
/// that was made beforehand.
[[noreturn]] void throw_no_memory(const char* operation, const std::source_location& where = {});
/// The same for the parts of any operation, such as its parameters: what runs the operation puts its name here.
[[noreturn]] void throw_no_memory_within();
/// Whether `error` is of throw_no_memory_within().
bool is_no_memory_within(const Error& error);

}  // namespace wengert
