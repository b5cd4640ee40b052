#include "wengert/trace/interpreter.hpp"

#include <atomic>
#include <memory>
#include <utility>

#include "wengert/array/per_thread.hpp"

namespace wengert {
namespace {

std::atomic<uint64_t> next_tag{1};
std::atomic<Executor*> registered_executor{nullptr};

}  // namespace

namespace detail {
thread_local Thread* thread_state = nullptr;

Thread& make_thread_state() {
  static const pthread_key_t key = thread_end_key([](void*) { delete std::exchange(thread_state, nullptr); });
  auto made = std::make_unique<Thread>();
  destroy_at_thread_end(key, made.get());
  return *(thread_state = made.release());
}

void skip_tags(uint64_t count) { next_tag.fetch_add(count, std::memory_order_relaxed); }
}  // namespace detail

Interpreter::Interpreter(Label label, bool computes)
    : tag_(next_tag.fetch_add(1, std::memory_order_relaxed)), parent_(thread().current), label_(std::move(label)),
      concrete_(computes && (!parent_ || parent_->concrete_)) {}

Interpreter::~Interpreter() {
  Thread* state = detail::thread_state;
  if (!state) return;  // a thread without a state has seen no value of this
  EndedInterpreter& place = state->ended[tag_ % std::size(state->ended)];
  place.tag = tag_;
  place.label = std::move(label_);
}

void set_executor(Executor* executor) { registered_executor = executor; }
Executor& executor() { return *registered_executor.load(std::memory_order_acquire); }

void check_alive(const Node* x) {
  if (x->tag == 0) return;
  for (const Interpreter* i = thread().current; i; i = i->parent()) {
    if (i->tag() == x->tag) return;
  }
  const EndedInterpreter& place = thread().ended[x->tag % std::size(thread().ended)];
  const std::string value = to_string(*x->layout->type);
  if (place.tag == x->tag && !place.label.empty()) {
    throw Error(
        ErrorKind::trace, "trace-escaped",
        place.label.text() + ": its value " + value +
            " is used outside of it: wanted the values that it "
            "returns; return this one too instead of storing it (grad and make_program have auxiliary outputs)" +
            call_site());
  }
  throw Error(ErrorKind::trace, "trace-escaped",
              "a value " + value +
                  " of a transformation is used outside of it or on another thread: wanted the values that it returns, "
                  "and what it was given on its own thread; a thread may call transformations of its own" +
                  call_site());
}

std::string called_at(std::string_view file, uint32_t line) {
  const Thread& state = thread();
  std::string text = state.depth > 0 ? line_text(state.where) : line_text(file, line);
  if (!text.empty()) text = "; called at " + text;
  if (state.place) text += state.place->text(*state.place);
  for (const Interpreter* i = state.innermost; i; i = i->parent()) {
    if (!i->label().empty()) text += ", in " + i->label().text();
  }
  return text;
}

std::string called_at(const std::source_location& where) { return called_at(where.file_name(), where.line()); }

std::string call_site() { return called_at(thread().where); }

}  // namespace wengert
