// Interpreters: what an operation means right now. A thread has one current interpreter, or none, which
// means eager: compute at once. Each holds its parent; it treats inputs that carry its own tag as active and
// everything else as constant, and does its inner work with its parent current.
#pragma once

#include <array>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>

#include "wengert/array/array.hpp"
#include "wengert/program/params.hpp"
#include "wengert/trace/label.hpp"

namespace wengert {

struct Primitive;

/// Borrowed handles of the operands of one operation.
using Inputs = std::span<Node* const>;

inline Inputs as_inputs(std::span<const Array> arrays) {
  static_assert(sizeof(Array) == sizeof(Node*));
  return {reinterpret_cast<Node* const*>(arrays.data()), arrays.size()};
}
/// A new handle to a borrowed node.
inline Array share(Node* node) {
  if (node) node->count.fetch_add(1, std::memory_order_relaxed);
  return Array(node);
}

class Interpreter {
 public:
  /// `label` is what errors print: "grad(loss)".
  explicit Interpreter(Label label, bool computes = true);
  virtual ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// Applies `primitive`; fills `out`, one handle per output.
  virtual void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                    std::span<Array> out) = 0;

  uint64_t tag() const { return tag_; }
  Interpreter* parent() const { return parent_; }
  const Label& label() const { return label_; }
  /// Whether values exist while it is at work: false for a recorder, and for everything inside one.
  bool concrete() const { return concrete_; }

 private:
  uint64_t tag_;         // unique in the process, not 0
  Interpreter* parent_;  // current when this one was made
  Label label_;
  bool concrete_;
};

/// What computes eagerly: implemented by a backend, set once when the library is loaded.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Bit i of `donated` says that nobody needs operand i any more and nothing shares its memory: it may be
  /// written over.
  virtual void execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                       std::span<Array> out, uint64_t donated = 0) = 0;
};
void set_executor(Executor* executor);
Executor& executor();

/// An interpreter that has ended, so that a value which escaped from it can say from where.
struct EndedInterpreter {
  uint64_t tag = 0;
  Label label;
};

/// Where in a larger thing the user's call is, for errors, such as the layer of a model (wengert/nn): a list by scopes.
struct CallPlace {
  const CallPlace* outer;
  /// What errors say after the line: ", in layers[0] (Linear)"; may be empty.
  std::string (*text)(const CallPlace& innermost);
};

/// The state of one thread; everything else is a thread-safe cache.
struct Thread {
  Interpreter* current = nullptr;
  Interpreter* innermost = nullptr;        // of the function that the user's code is in; current is it or an outer one
  std::source_location where;              // of the user's innermost call
  int depth = 0;                           // of public functions that call public functions
  const char* operation = nullptr;         // what errors call the outermost of them, where primitives have other names
  const CallPlace* place = nullptr;        // the innermost
  std::array<EndedInterpreter, 32> ended;  // by tag

  /// A cache that another folder keeps for this thread.
  struct Cache {
    void* data = nullptr;
    void (*destroy)(void*) = nullptr;

    template <class T>
    T& get() {
      if (!data) {
        data = new T;
        destroy = [](void* cache) { delete static_cast<T*>(cache); };
      }
      return *static_cast<T*>(data);
    }
    ~Cache() {
      if (data) destroy(data);
    }
  };
  Cache plans, derivations, tapes;
};

namespace detail {
extern thread_local Thread* thread_state __attribute__((tls_model("initial-exec")));
Thread& make_thread_state();
/// As if `count` interpreters had come and gone: for tests.
void skip_tags(uint64_t count);
}  // namespace detail

inline Thread& thread() {
  Thread* state = detail::thread_state;
  return state ? *state : detail::make_thread_state();
}

/// Makes an interpreter current for a scope.
class CurrentInterpreter {
 public:
  explicit CurrentInterpreter(Interpreter* interpreter)
      : state_(thread()), saved_(state_.current), innermost_(state_.innermost) {
    // One that does its inner work with its parent current is still the one that errors name.
    if (!saved_ || interpreter != saved_->parent()) state_.innermost = interpreter;
    state_.current = interpreter;
  }
  ~CurrentInterpreter() {
    state_.current = saved_;
    state_.innermost = innermost_;
  }
  CurrentInterpreter(const CurrentInterpreter&) = delete;

 private:
  Thread& state_;
  Interpreter *saved_, *innermost_;
};

/// Throws Error(trace, "trace-escaped") when `x` belongs to an interpreter that is not at work on this thread.
void check_alive(const Node* x);
inline std::string line_text(const std::source_location& line) { return line_text(line.file_name(), line.line()); }
/// As called_at() for a line that a program noted.
std::string called_at(std::string_view file, uint32_t line);

}  // namespace wengert
