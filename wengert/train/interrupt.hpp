// Ctrl-C as a question that a loop asks. Only a program that makes an Interrupt gets a signal handler: the library
// itself installs none.
#pragma once

#include <signal.h>

#include <atomic>

namespace wengert::train {

/// From its making to its end, a first SIGINT is only noted; a second one ends the process as ever.
class Interrupt {
 public:
  /// What a shell expects of a program that Ctrl-C has ended: 128 + SIGINT.
  static constexpr int exit_code = 130;

  Interrupt() {
    noted_ = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { noted_ = true; };
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &former_);
  }
  Interrupt(const Interrupt&) = delete;
  ~Interrupt() { sigaction(SIGINT, &former_, nullptr); }

  bool requested() const { return noted_; }

 private:
  static inline std::atomic<bool> noted_ = false;
  static_assert(std::atomic<bool>::is_always_lock_free, "a handler may set it");
  struct sigaction former_;
};

}  // namespace wengert::train
