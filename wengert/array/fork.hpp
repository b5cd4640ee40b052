// Fork beside threads that compute. The child has the forking thread only: a lock that another thread held would never
// be released there, so locks that all threads share are held while the process forks.
#pragma once

#include <cstdint>

namespace wengert {

/// Who acts at a fork: before it in this order, after it in the reverse one. Whoever takes another's lock while it holds
/// its own comes earlier.
enum class ForkPlace : uint8_t { kernels, derivations, plans, onednn, types, memory, count };

struct ForkHandler {
  void (*before)() = nullptr;
  void (*in_parent)() = nullptr;
  void (*in_child)() = nullptr;
};

/// Has `handler` called around every fork from now on. Once for each place, while the library is loaded.
void handle_fork(ForkPlace place, ForkHandler handler);

}  // namespace wengert
