#include "wengert/backends/cpu/threads.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/errors.hpp"
#include "tests/sanitizers.hpp"
#include "wengert/array/error.hpp"

namespace wengert::cpu {
namespace {

using test::sanitized;

/// Calls a C++ function object (begin, end) -> status through the C interface.
template <class Body>
int32_t parallel_for(int64_t count, int64_t chunk, const Body& body) {
  wg_body call = [](const wg_context*, const void* arguments, int64_t begin, int64_t end) {
    return static_cast<int32_t>((*static_cast<const Body*>(arguments))(begin, end));
  };
  return context()->parallel_for(context(), call, &body, count, chunk);
}

/// The sum of f(i) for i below `count`, computed in parallel: what every test can check.
int64_t parallel_sum(int64_t count, int64_t chunk) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  int32_t status = parallel_for(count, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] = i * i % 1000;
    return wg_ok;
  });
  EXPECT_EQ(status, wg_ok);
  int64_t sum = 0;
  for (int64_t value : values) sum += value;
  return sum;
}

int64_t serial_sum(int64_t count) {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += i * i % 1000;
  return sum;
}

/// A loop whose chunks wait for each other, so that it ends only if `count` threads take part.
/// Returns their ids.
std::set<std::thread::id> together(int count) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> arrived{0};
  EXPECT_EQ(parallel_for(count, 1,
                         [&](int64_t, int64_t) {
                           ++arrived;
                           while (arrived < count) std::this_thread::yield();
                           std::lock_guard guard(mutex);
                           seen.insert(std::this_thread::get_id());
                           return wg_ok;
                         }),
            wg_ok);
  return seen;
}

/// Runs `body` in a forked child and returns its exit status; -1 if it died, -2 if it hung.
template <class Body>
int in_child(Body body) {
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return WTERMSIG(status) == SIGALRM ? -2 : -1;
}

class ThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override { set_threads(2); }
  void TearDown() override {
    clear_interrupt();
    set_threads(default_threads_);
  }
  int default_threads_ = threads();
};

TEST_F(ThreadsTest, EveryIndexIsVisitedOnceInChunksThatDoNotDependOnTheThreads) {
  const int64_t counts[] = {0, 1, 2, 3, 7, 64, 1000, 65'535, 65'536, 200'001};
  const int64_t chunks[] = {1, 2, 3, 64, 999, 1'000'000, INT64_MAX};
  for (int thread_count : {1, 2, 3, 8}) {
    set_threads(thread_count);
    for (int64_t count : counts) {
      for (int64_t chunk : chunks) {
        std::vector<std::atomic<uint8_t>> visits(static_cast<size_t>(count));
        std::atomic<int64_t> bodies{0};
        std::atomic<int> wrong_bounds{0};
        int32_t status = parallel_for(count, chunk, [&](int64_t begin, int64_t end) {
          ++bodies;
          int64_t expected_end = count - begin > chunk ? begin + chunk : count;
          if (begin % chunk != 0 || end != expected_end) ++wrong_bounds;
          for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
          return wg_ok;
        });
        ASSERT_EQ(status, wg_ok);
        ASSERT_EQ(wrong_bounds, 0) << count << " in chunks of " << chunk;
        ASSERT_EQ(bodies, count == 0 ? 0 : (count - 1) / chunk + 1);
        ASSERT_TRUE(std::all_of(visits.begin(), visits.end(), [](auto& n) { return n == 1; }))
            << count << " in chunks of " << chunk << " on " << thread_count << " threads";
      }
    }
  }
}

TEST_F(ThreadsTest, HugeCountsDoNotOverflow) {
  std::atomic<int64_t> covered{0};
  std::atomic<int64_t> last{0};
  int64_t chunk = INT64_MAX / 5;
  EXPECT_EQ(parallel_for(INT64_MAX, chunk,
                         [&](int64_t begin, int64_t end) {
                           covered += end - begin;
                           if (end == INT64_MAX) last = begin;
                           return wg_ok;
                         }),
            wg_ok);
  EXPECT_EQ(covered, INT64_MAX);
  EXPECT_EQ(last, INT64_MAX / chunk * chunk);
}

TEST_F(ThreadsTest, OddArgumentsAreHarmless) {
  int calls = 0;
  auto count_calls = [&](int64_t, int64_t) { return ++calls, wg_ok; };
  EXPECT_EQ(parallel_for(-5, 1, count_calls), wg_ok);
  EXPECT_EQ(calls, 0);
  set_threads(1);
  EXPECT_EQ(parallel_for(3, 0, count_calls), wg_ok);
  EXPECT_EQ(calls, 3);
}

TEST_F(ThreadsTest, SeveralThreadsTakePart) {
  set_threads(3);
  auto seen = together(3);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.count(std::this_thread::get_id()), 1u);
}

TEST_F(ThreadsTest, ALoopInsideABodyRunsOnItsThread) {
  std::atomic<int> elsewhere{0};
  std::vector<std::atomic<int>> visits(100 * 50);
  EXPECT_EQ(parallel_for(100, 1,
                         [&](int64_t outer, int64_t) {
                           auto self = std::this_thread::get_id();
                           return parallel_for(50, 1, [&](int64_t inner, int64_t) {
                             if (std::this_thread::get_id() != self) ++elsewhere;
                             ++visits[static_cast<size_t>(outer * 50 + inner)];
                             return wg_ok;
                           });
                         }),
            wg_ok);
  EXPECT_EQ(elsewhere, 0);
  EXPECT_TRUE(std::all_of(visits.begin(), visits.end(), [](auto& n) { return n == 1; }));
}

TEST_F(ThreadsTest, ALoopInsideABodyThatRunsAloneStaysAlone) {
  // The outer loop runs alone because another has the pool, which is free when the inner loop
  // starts.
  std::atomic<bool> taken{false};
  std::atomic<bool> release{false};
  std::thread first([&] {
    parallel_for(2, 1, [&](int64_t, int64_t) {
      taken = true;
      while (!release) std::this_thread::yield();
      return wg_ok;
    });
  });
  while (!taken) std::this_thread::yield();
  std::atomic<int> elsewhere{0};
  auto self = std::this_thread::get_id();
  parallel_for(2, 1, [&](int64_t begin, int64_t) {
    release = true;
    if (begin == 0) first.join();
    return parallel_for(200, 1, [&](int64_t, int64_t) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      if (std::this_thread::get_id() != self) ++elsewhere;
      return wg_ok;
    });
  });
  EXPECT_EQ(elsewhere, 0);
}

TEST_F(ThreadsTest, TheFirstStatusWinsAndTheRestIsNotStarted) {
  for (int thread_count : {1, 2, 4}) {
    set_threads(thread_count);
    std::atomic<int64_t> started{0};
    int32_t status = parallel_for(1'000'000, 1, [&](int64_t begin, int64_t) -> int32_t {
      ++started;
      return begin == 10 ? wg_status_assertion : wg_ok;
    });
    EXPECT_EQ(status, wg_status_assertion);
    if (thread_count == 1) { EXPECT_EQ(started, 11); }
    EXPECT_LT(started, 1'000'000);
    // The next loop does not remember it.
    EXPECT_EQ(parallel_sum(1000, 10), serial_sum(1000));
  }
}

TEST_F(ThreadsTest, OneOfManyStatusesIsReturned) {
  for (int round = 0; round < 200; ++round) {
    int32_t status = parallel_for(100, 1, [&](int64_t begin, int64_t) { return static_cast<int32_t>(begin + 1); });
    ASSERT_GE(status, 1);
    ASSERT_LE(status, 100);
  }
}

TEST_F(ThreadsTest, SixteenThreadsCallAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  int64_t expected = serial_sum(5000);
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        if (parallel_sum(5000, 1 + (i * 37 + round) % 300) != expected) ++wrong;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ThreadsTest, CallersWithFailuresDoNotDisturbEachOther) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 300; ++round) {
        int32_t own = i % 2 == 0 ? 0 : 100 + i;
        int32_t status =
            parallel_for(64, 1, [&](int64_t begin, int64_t) -> int32_t { return begin == round % 64 ? own : wg_ok; });
        if (status != own) ++wrong;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ThreadsTest, ALoopAfterAPauseWakesTheWorkers) {
  for (int i = 0; i < 30; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
    ASSERT_EQ(parallel_sum(20'000, 100), serial_sum(20'000));
  }
  // Few and long chunks, which have no first unit to be measured by.
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(together(2).size(), 2u);
  }
}

TEST_F(ThreadsTest, ShortLoopsInSuccessionWakeTheWorkers) {
  // Each alone is too short to wake anybody for; the test ends when a worker has come all the same.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  auto self = std::this_thread::get_id();
  std::atomic<bool> helped{false};
  while (!helped) {
    parallel_for(16, 1, [&](int64_t, int64_t) {
      for (std::atomic<int> i{0}; i < 100; ++i) {}
      if (std::this_thread::get_id() != self) helped = true;
      return wg_ok;
    });
  }
}

TEST_F(ThreadsTest, TheNumberOfThreadsChangesBetweenLoops) {
  for (int round = 0; round < 50; ++round) {
    int count = 1 + round * 7 % 9;
    set_threads(count);
    EXPECT_EQ(threads(), count);
    ASSERT_EQ(parallel_sum(3000, 1 + round), serial_sum(3000));
  }
}

TEST_F(ThreadsTest, TheNumberOfThreadsChangesDuringLoops) {
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int i = 0; !stop; ++i) {
      set_threads(1 + i % 6);
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < 300; ++round) EXPECT_EQ(parallel_sum(2000, 7), serial_sum(2000));
  stop = true;
  changer.join();
}

TEST_F(ThreadsTest, TheNumberOfThreadsIsChecked) {
  for (int count : {0, -1, 1025}) {
    EXPECT_EQ(test::error_of([&] { set_threads(count); }, ErrorKind::value, "threads-range"),
              "set_threads: " + std::to_string(count) + ": wanted a number from 1 to 1024");
  }
  EXPECT_EQ(threads(), 2);
}

TEST_F(ThreadsTest, ForkThenComputeInChildAndParent) {
  if (sanitized) GTEST_SKIP();
  set_threads(3);
  int64_t expected = serial_sum(50'000);
  EXPECT_EQ(parallel_sum(50'000, 100), expected);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(in_child([&] {
                if (together(3).size() != 3) return 1;
                int grandchild = in_child([&] { return parallel_sum(50'000, 70) != expected; });
                return grandchild != 0 || parallel_sum(50'000, 100) != expected ? 2 : 0;
              }),
              0);
    EXPECT_EQ(parallel_sum(50'000, 100), expected);
  }
}

TEST_F(ThreadsTest, ForkWhileOtherThreadsRunLoops) {
  if (sanitized) GTEST_SKIP();
  int64_t expected = serial_sum(5000);
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) EXPECT_EQ(parallel_sum(5000, 10), expected);
    });
  }
  for (int round = 0; round < 20; ++round) {
    // The child has the pool for itself even if another thread of the parent had it.
    EXPECT_EQ(in_child([&] { return together(2).size() != 2 || parallel_sum(5000, 10) != expected; }), 0);
  }
  stop = true;
  for (auto& caller : callers) caller.join();
}

TEST_F(ThreadsTest, TheProcessExitsCleanlyWithWorkersAwakeOrAsleep) {
  if (sanitized) GTEST_SKIP();
  for (int pause : {0, 5}) {
    EXPECT_EXIT(
        {
          set_threads(4);
          parallel_sum(100'000, 100);
          std::this_thread::sleep_for(std::chrono::milliseconds(pause));
          std::exit(7);
        },
        ::testing::ExitedWithCode(7), "");
  }
}

/// Puts the calling thread on one processor while it lives, and another process that never rests on every other one
/// that it may use: whatever thread wakes there waits for its turn.
class BusyProcessors {
 public:
  BusyProcessors() {
    sched_getaffinity(0, sizeof allowed_, &allowed_);
    cpu_set_t own;
    CPU_ZERO(&own);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (!CPU_ISSET(i, &allowed_)) continue;
      if (CPU_COUNT(&own) == 0) CPU_SET(i, &own);
      else keep_busy(i);
    }
    sched_setaffinity(0, sizeof own, &own);
  }
  ~BusyProcessors() {
    sched_setaffinity(0, sizeof allowed_, &allowed_);
    for (const pid_t other : others_) {
      kill(other, SIGKILL);
      waitpid(other, nullptr, 0);
    }
  }

 private:
  void keep_busy(int processor) {
    const pid_t other = fork();
    if (other == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      cpu_set_t there;
      CPU_ZERO(&there);
      CPU_SET(processor, &there);
      sched_setaffinity(0, sizeof there, &there);
      for (std::atomic<uint64_t> i{0};; ++i) {}
    }
    others_.push_back(other);
  }

  cpu_set_t allowed_;
  std::vector<pid_t> others_;
};

// What the benchmark prints in microseconds, as a fact: no chunk waits for a thread that has been called and has not
// come. The worker is called to every one of these loops, out of its sleep and behind the busy process; were a chunk
// kept for it, the caller would never have run them all.
TEST_F(ThreadsTest, ABusyProcessorDelaysNobody) {
  parallel_sum(20'000, 50);  // starts the worker, which inherits no processor of this test's choice
  const BusyProcessors others;
  const auto self = std::this_thread::get_id();
  int alone = 0;
  for (int round = 0; round < 200; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> own{0}, all{0};
    parallel_for(6, 1, [&](int64_t, int64_t) {
      ++all;
      own += std::this_thread::get_id() == self;
      return wg_ok;
    });
    ASSERT_EQ(all, 6);
    alone += own == 6;
    EXPECT_EQ(parallel_sum(20'000, 50), serial_sum(20'000));
  }
  EXPECT_GT(alone, 0);
}

/// The first thread but the caller that gets a chunk of `count`, few enough to wake everybody at once, stays in it until
/// all others are done: then true. A scheme that deals chunks out beforehand would wait for ever, so it gives up some
/// time.
bool others_finish_around_one_that_is_held_up(int count) {
  const auto self = std::this_thread::get_id();
  std::atomic<bool> held{false}, given_up{false};
  std::atomic<int> finished{0};
  parallel_for(count, 1, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() == self) {
      while (!held) std::this_thread::yield();
    } else if (!held.exchange(true)) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (finished < count - 1 && !given_up) {
        std::this_thread::yield();
        given_up = std::chrono::steady_clock::now() > end;
      }
    }
    ++finished;
    return wg_ok;
  });
  return !given_up && finished == count;
}

TEST_F(ThreadsTest, AThreadThatIsHeldUpHoldsUpItsOwnChunkOnly) {
  for (int threads : {2, 3}) {
    set_threads(threads);
    for (int count : {threads, 4, 7}) ASSERT_TRUE(others_finish_around_one_that_is_held_up(count));
  }
}

TEST_F(ThreadsTest, TheCallerNeedsNoWorker) {
  // A loop that does not begin before its worker has gone elsewhere: the caller must finish alone
  // while the only worker is stuck in a chunk of another loop's.
  std::atomic<bool> caught{false};
  std::atomic<bool> go{false};
  std::thread first([&] {
    parallel_for(2, 1, [&](int64_t, int64_t) {
      caught = true;
      while (!go) std::this_thread::yield();
      return wg_ok;
    });
  });
  while (!caught) std::this_thread::yield();
  EXPECT_EQ(parallel_sum(10'000, 10), serial_sum(10'000));
  go = true;
  first.join();
}

TEST_F(ThreadsTest, AnInterruptStopsLoops) {
  EXPECT_FALSE(interrupted());
  EXPECT_EQ(*context()->interrupt, 0);
  std::atomic<int64_t> started{0};
  int32_t status = parallel_for(1'000'000, 1, [&](int64_t begin, int64_t) {
    if (begin == 0) interrupt();
    ++started;
    return wg_ok;
  });
  EXPECT_EQ(status, wg_status_interrupted);
  EXPECT_LT(started, 1'000'000);
  EXPECT_TRUE(interrupted());
  EXPECT_NE(*context()->interrupt, 0);
  EXPECT_EQ(parallel_for(10, 1, [](int64_t, int64_t) { return wg_ok; }), wg_status_interrupted);
  clear_interrupt();
  EXPECT_EQ(parallel_sum(1000, 10), serial_sum(1000));
}

/// Each is asked itself: all that a thread can block. NPTL keeps signals 32 and 33 for itself.
TEST_F(ThreadsTest, WorkersBlockEverySignal) {
  constexpr int count = 4;
  set_threads(count);
  const pthread_t caller = pthread_self();
  std::atomic<int> arrived{0}, workers{0}, open{0};
  parallel_for(count, 1, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < count) std::this_thread::yield();
    if (pthread_equal(pthread_self(), caller)) return wg_ok;
    ++workers;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
      const bool never = signal == SIGKILL || signal == SIGSTOP || (signal > 31 && signal < SIGRTMIN);
      open += !never && !sigismember(&blocked, signal);
    }
    return wg_ok;
  });
  EXPECT_EQ(workers, count - 1);
  EXPECT_EQ(open, 0);
}

std::atomic<pid_t> signal_taker{0};

/// A signal to the process waits while the program's own thread blocks it, though workers run, and is then that
/// thread's. In a child, where no other library's threads are.
TEST_F(ThreadsTest, SignalsToTheProcessAreForTheThreadsOfTheProgram) {
  if (sanitized) GTEST_SKIP() << "its threads do not survive a fork";
  EXPECT_EQ(in_child([] {
              set_threads(4);
              if (together(4).size() != 4) return 1;
              struct sigaction action = {};
              action.sa_handler = [](int) { signal_taker = gettid(); };
              sigaction(SIGUSR1, &action, nullptr);
              sigset_t usr1, pending;
              sigemptyset(&usr1);
              sigaddset(&usr1, SIGUSR1);
              pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
              kill(getpid(), SIGUSR1);
              if (together(4).size() != 4) return 2;
              sigpending(&pending);
              if (signal_taker != 0 || !sigismember(&pending, SIGUSR1)) return 3;
              pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
              return signal_taker == getpid() ? 0 : 4;  // the child's one thread has the id of the process
            }),
            0);
}

TEST_F(ThreadsTest, ScratchGrowsIsAlignedAndBelongsToItsThread) {
  std::mutex mutex;
  std::set<void*> seen;
  std::atomic<int> arrived{0};
  parallel_for(2, 1, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
    for (int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{5000}, int64_t{3} << 20, int64_t{100}}) {
      void* memory = context()->scratch(context(), bytes);
      EXPECT_NE(memory, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
      std::memset(memory, 1, static_cast<size_t>(bytes));
      std::lock_guard guard(mutex);
      if (bytes == 100) seen.insert(memory);
    }
    return wg_ok;
  });
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(ThreadsTest, ABodyDoesNotGetTheScratchOfTheCodeAroundItsLoop) {
  auto* outer = static_cast<char*>(context()->scratch(context(), 1000));
  std::memset(outer, 1, 1000);
  parallel_for(8, 1, [&](int64_t, int64_t) {
    auto* middle = static_cast<char*>(context()->scratch(context(), 1000));
    std::memset(middle, 2, 1000);
    parallel_for(2, 1, [&](int64_t, int64_t) {
      std::memset(context()->scratch(context(), 100'000), 3, 100'000);
      return wg_ok;
    });
    EXPECT_TRUE(std::all_of(middle, middle + 1000, [](char c) { return c == 2; }));
    return wg_ok;
  });
  EXPECT_TRUE(std::all_of(outer, outer + 1000, [](char c) { return c == 1; }));
}

TEST_F(ThreadsTest, ScratchThatCannotBeHadIsNull) {
  EXPECT_EQ(context()->scratch(context(), -1), nullptr);
  EXPECT_EQ(context()->scratch(context(), INT64_MAX), nullptr);
  if (sanitized) GTEST_SKIP();
  EXPECT_EQ(in_child([] {
              rlimit limit{int64_t{1} << 30, int64_t{1} << 30};
              if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
              if (context()->scratch(context(), int64_t{2} << 30) != nullptr) return 2;
              return context()->scratch(context(), 1 << 20) == nullptr ? 3 : 0;
            }),
            0);
}

TEST_F(ThreadsTest, TheHostIsCalledBack) {
  void* buffers[] = {nullptr};
  EXPECT_EQ(context()->callback(context(), 5, buffers), wg_status_callback);
  set_host_callback([](int64_t id, void* const* pointers) -> int32_t {
    return id == 5 && pointers[0] == nullptr ? wg_ok : wg_status_callback;
  });
  EXPECT_EQ(context()->callback(context(), 5, buffers), wg_ok);
  EXPECT_EQ(context()->callback(context(), 6, buffers), wg_status_callback);
  set_host_callback(nullptr);
  EXPECT_EQ(context()->callback(context(), 5, buffers), wg_status_callback);
}

TEST_F(ThreadsTest, TextIsPrintedInOrder) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(context()->print(context(), "x = 1\n"), wg_ok);
  EXPECT_EQ(context()->print(context(), "y = 2\n"), wg_ok);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "x = 1\ny = 2\n");
}

}  // namespace
}  // namespace wengert::cpu
