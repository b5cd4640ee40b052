#include "wengert/array/fork.hpp"

#include <pthread.h>

#include <array>
#include <mutex>
#include <ranges>

namespace wengert {
namespace {

/// Held over a fork too, so that the handlers after it are those before it.
constinit std::mutex mutex;
constinit std::array<ForkHandler, static_cast<size_t>(ForkPlace::count)> handlers;  // by place
bool registered = false;

void before_fork() {
  mutex.lock();
  for (const ForkHandler& handler : handlers) {
    if (handler.before) handler.before();
  }
}

void after_fork(void (*ForkHandler::*side)()) {
  for (const ForkHandler& handler : handlers | std::views::reverse) {
    if (handler.*side) (handler.*side)();
  }
  mutex.unlock();
}

}  // namespace

void handle_fork(ForkPlace place, ForkHandler handler) {
  const std::lock_guard lock(mutex);
  handlers[static_cast<size_t>(place)] = handler;
  if (registered) return;
  registered =
      pthread_atfork(
          before_fork, [] { after_fork(&ForkHandler::in_parent); }, [] { after_fork(&ForkHandler::in_child); }) == 0;
}

}  // namespace wengert
