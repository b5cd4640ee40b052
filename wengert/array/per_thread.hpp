// State of one thread that outlives the thread's other objects.
#pragma once

#include <utility>

namespace wengert {

/// The calling thread's T. It ends with the thread; who asks after that, such as the destructor of a static object that
/// computes, gets a new one, which is never freed.
template <class T>
T& per_thread() {
  static constinit thread_local T* state __attribute__((tls_model("initial-exec"))) = nullptr;
  if (state) [[likely]]
    return *state;
  struct Owner {
    ~Owner() { delete std::exchange(state, nullptr); }
  };
  state = new T;
  static thread_local Owner owner;
  static_cast<void>(&owner);  // made here, so that it is destroyed when the thread ends
  return *state;
}

}  // namespace wengert
