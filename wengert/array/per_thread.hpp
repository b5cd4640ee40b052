// State of one thread that outlives the thread's other objects.
#pragma once

#include <pthread.h>

#include <memory>
#include <new>
#include <utility>

namespace wengert {

/// Has `destroy(state)` called when the calling thread ends. `key` is made by `thread_end_key` for this `destroy`.
inline void destroy_at_thread_end(pthread_key_t key, void* state) {
  if (pthread_setspecific(key, state) != 0) throw std::bad_alloc();
}
inline pthread_key_t thread_end_key(void (*destroy)(void*)) {
  pthread_key_t key;
  if (pthread_key_create(&key, destroy) != 0) throw std::bad_alloc();
  return key;
}

/// The calling thread's T. It ends after the thread's other objects, whose destructors may compute, and lives as long as
/// the process on the main thread. (Destructors of keys run after those of objects, and again for what they make.)
template <class T>
T& per_thread() {
  static constinit thread_local T* state __attribute__((tls_model("initial-exec"))) = nullptr;
  if (state) [[likely]]
    return *state;
  static const pthread_key_t key = thread_end_key([](void*) { delete std::exchange(state, nullptr); });
  auto made = std::make_unique<T>();
  destroy_at_thread_end(key, made.get());
  return *(state = made.release());
}

}  // namespace wengert
