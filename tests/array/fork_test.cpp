// Forks beside threads that compute: the child finds no lock taken.
#include "wengert/array/fork.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/sanitizers.hpp"
#include "wengert/program/observer.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// The derivative of something with several outputs and operands, of a shape that is new in the process.
bool derives(int64_t n) {
  const auto f = [](const Array& x) {
    const auto parts = split(sin(x) * x, 2);
    return sum(concatenate({parts[1], parts[0] * parts[1]}) + x);
  };
  return grad(f)(ones({2, n})).shape() == Shape{2, n};
}

TEST(Fork, ChildrenComputeWhateverOtherThreadsWereDoing) {
  if (test::sanitized) GTEST_SKIP() << "its threads do not survive a fork";
  std::atomic<bool> stop = false;
  std::atomic<int64_t> next = 1;
  const auto derive = [&] {
    while (!stop) derives(2 * next++);
  };
  std::thread first(derive), second(derive);
  while (next < 10) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      set_program_observer(nullptr);  // the tests' own has a lock
      _exit(derives(2 * i + 1) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "fork " << i << (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": hung" : ": died");
    if (::testing::Test::HasFailure()) break;
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_TRUE(derives(1));
}

}  // namespace
}  // namespace wengert
