// How a loop runs. Its chunks are grouped into at most 65,535 units, and every participant gets a
// run of neighbouring units: the same part of the arrays in every loop of a size, so that a core
// finds in its cache what it wrote there. A participant takes units from the front of its own run,
// then from the back of the others'. The caller takes part like everyone else. A worker that wakes
// late finds nothing left, and the caller waits only for units that have been taken: a busy core
// delays nobody.
//
// A run is one 64-bit word that names its loop, and taking a unit is one compare-and-swap of that
// word. So a worker needs no permission to look at a loop: if the loop it knows is over, the swap
// fails.
//
// Waking a worker that sleeps costs the caller 10 to 20 us on a virtual machine, and the worker
// comes 30 to 90 us later. So a loop of many units is measured by its first one, and workers are
// woken once the loops that did without them would have paid for it. A woken worker is kept off the
// caller's processor: Linux likes to queue it there, behind the caller, for milliseconds, while the
// other processors of a virtual machine idle (measured: 2.8 ms, 0.09 kept off).
#include "wengert/backends/cpu/threads.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "wengert/array/error.hpp"
#include "wengert/array/per_thread.hpp"

namespace wengert::cpu {
namespace {

constexpr int max_threads = 1024;
constexpr int64_t max_units = 65535;
constexpr std::chrono::microseconds spin_time{50};
// Loops of fewer units may be long ones: they wake workers at once.
constexpr int64_t few_units = 8;
// Others do so when this much time has gone to loops whose workers slept.
constexpr std::chrono::microseconds worth_waking{60};

/// Units [next, end) of a loop that nobody has taken yet.
struct Run {
  uint32_t loop;
  uint16_t next;
  uint16_t end;
};
static_assert(std::atomic<Run>::is_always_lock_free);

/// Units of a loop that one participant has finished.
struct Finished {
  uint32_t loop;
  uint32_t units;
};

/// A participant's place; seat 0 is the caller's. Apart by two cache lines, which are fetched in
/// pairs.
struct alignas(128) Seat {
  std::atomic<Run> run{};
  std::atomic<Finished> finished{};
  std::atomic<uint32_t> called{0};  // the last loop that this seat was called to
  std::atomic<bool> asleep{false};
  std::atomic<int> kept_off{-1};  // the processor that the sleeping worker may not wake on
  pthread_t worker{};
  uint32_t seen = 0;  // `called` when the worker was started
};

/// A parallel loop.
struct Loop {
  const wg_context* context;
  wg_body body;
  const void* arguments;
  int64_t count;
  int64_t chunk;
  int64_t chunks;
  int64_t unit;  // in chunks
  int participants;
};

/// The loop that the pool runs, for workers to copy. A copy may mix two loops, but then the first
/// unit that its owner tries to take is gone.
struct SharedLoop {
  std::atomic<const wg_context*> context{nullptr};
  std::atomic<wg_body> body{nullptr};
  std::atomic<const void*> arguments{nullptr};
  std::atomic<int64_t> count{0};
  std::atomic<int64_t> chunk{0};
  std::atomic<int64_t> chunks{0};
  std::atomic<int64_t> unit{0};
  std::atomic<int> participants{0};

  void write(const Loop& loop) {
    constexpr auto relaxed = std::memory_order_relaxed;
    context.store(loop.context, relaxed);
    body.store(loop.body, relaxed);
    arguments.store(loop.arguments, relaxed);
    count.store(loop.count, relaxed);
    chunk.store(loop.chunk, relaxed);
    chunks.store(loop.chunks, relaxed);
    unit.store(loop.unit, relaxed);
    participants.store(loop.participants, relaxed);
  }

  Loop read() const {
    constexpr auto relaxed = std::memory_order_relaxed;
    return {context.load(relaxed), body.load(relaxed),   arguments.load(relaxed), count.load(relaxed),
            chunk.load(relaxed),   chunks.load(relaxed), unit.load(relaxed),      participants.load(relaxed)};
  }
};

/// Never destroyed: detached workers sleep on it while the process exits.
struct Pool {
  std::atomic<bool> busy{false};  // a caller has the pool; what follows is its own
  bool fork_handled = false;
  int workers = 0;
  uint32_t generation = 0;
  std::chrono::nanoseconds without_workers{0};  // of loops since workers were last woken
  cpu_set_t processors{};                       // that workers may use, when they were started

  std::atomic<int> threads{0};                    // 0: not decided yet
  alignas(128) std::atomic<uint32_t> waiting{0};  // the loop that its caller sleeps for, or 0
  std::atomic<int> caller_processor{-1};          // where the loop's caller runs
  std::atomic<int32_t> status{0};                 // of the loop: the first that is not 0
  SharedLoop loop;
  Seat seats[max_threads];
};

constinit Pool pool;
constinit int32_t interrupt_flag = 0;
constinit std::atomic<HostCallback> host_callback{nullptr};

/// Bodies that the calling thread is inside of.
constinit thread_local int depth = 0;

/// The grow-only buffers of a thread, by depth.
class Scratch {
 public:
  ~Scratch() {
    for (Buffer& buffer : buffers_) std::free(buffer.data);
  }

  void* get(size_t level, int64_t bytes) {
    if (bytes < 0 || bytes > (int64_t{1} << 48)) return nullptr;
    if (level >= buffers_.size()) buffers_.resize(level + 1);
    Buffer& buffer = buffers_[level];
    if (bytes > buffer.bytes || buffer.data == nullptr) buffer = grown(buffer, bytes);
    return buffer.data;
  }

 private:
  struct Buffer {
    void* data = nullptr;
    int64_t bytes = 0;
  };

  static Buffer grown(const Buffer& old, int64_t bytes) noexcept {
    constexpr size_t huge_page = size_t{2} << 20;
    std::free(old.data);
    auto size = static_cast<size_t>(std::max<int64_t>(bytes, 4096));
    size_t alignment = size < huge_page ? 64 : huge_page;
    size = size < huge_page ? std::bit_ceil(size) : (size + huge_page - 1) / huge_page * huge_page;
    void* data = std::aligned_alloc(alignment, size);
    if (data == nullptr) return {};
    if (alignment == huge_page) madvise(data, size, MADV_HUGEPAGE);
    return {data, static_cast<int64_t>(size)};
  }

  std::vector<Buffer> buffers_;
};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits in a loop for `ready`, at most `spin_time`; says whether it came.
template <class Condition>
bool spin_until(Condition ready) {
  auto spin = [&](int times) {
    for (int i = 0; i < times; ++i) {
      if (ready()) return true;
      relax();
    }
    return false;
  };
  if (spin(100)) return true;
  auto end = std::chrono::steady_clock::now() + spin_time;
  do {
    if (spin(50)) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

int32_t run_chunk(const Loop& loop, int64_t index) {
  if (interrupted()) return wg_status_interrupted;
  int64_t begin = index * loop.chunk;
  int64_t end = loop.count - begin > loop.chunk ? begin + loop.chunk : loop.count;
  return loop.body(loop.context, loop.arguments, begin, end);
}

int32_t run_alone(const Loop& loop) {
  int32_t status = wg_ok;
  ++depth;
  for (int64_t i = 0; i < loop.chunks && status == wg_ok; ++i) status = run_chunk(loop, i);
  --depth;
  return status;
}

/// Runs the chunks of one unit, or none once a chunk of the loop has failed.
void run_unit(const Loop& loop, int64_t unit) {
  int64_t end = std::min((unit + 1) * loop.unit, loop.chunks);
  ++depth;
  for (int64_t i = unit * loop.unit; i < end; ++i) {
    if (pool.status.load(std::memory_order_relaxed) != wg_ok) break;
    int32_t status = run_chunk(loop, i);
    int32_t none = wg_ok;
    if (status != wg_ok) pool.status.compare_exchange_strong(none, status);
  }
  --depth;
}

/// Takes one unit of a loop out of a run, from the front or from the back; -1 if none is left.
int64_t take_unit(std::atomic<Run>& shared, uint32_t generation, bool front) {
  Run run = shared.load(std::memory_order_acquire);
  while (run.loop == generation && run.next < run.end) {
    Run rest = run;
    int64_t unit = front ? rest.next++ : --rest.end;
    if (shared.compare_exchange_weak(run, rest, std::memory_order_acq_rel, std::memory_order_acquire)) { return unit; }
  }
  return -1;
}

/// Runs units of a loop until none is left. Returns the number run.
uint32_t take_part(int seat, uint32_t generation) {
  Loop loop = pool.loop.read();
  uint32_t finished = 0;
  for (int i = 0; i < loop.participants; ++i) {
    std::atomic<Run>& run = pool.seats[(seat + i) % loop.participants].run;
    for (int64_t unit; (unit = take_unit(run, generation, i == 0)) >= 0;) {
      run_unit(loop, unit);
      pool.seats[seat].finished.store({generation, ++finished});
    }
  }
  return finished;
}

/// Lets a worker that sleeps, or is about to, wake on every processor but one, if there are others.
void keep_off(Seat& seat, pthread_t worker, int processor) {
  if (processor < 0 || processor == seat.kept_off.load(std::memory_order_relaxed)) return;
  cpu_set_t others = pool.processors;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (pthread_setaffinity_np(worker, sizeof others, &others) == 0) seat.kept_off.store(processor);
}

/// Lets the calling worker run everywhere again.
void keep_off_none(Seat& seat) {
  if (seat.kept_off.load(std::memory_order_relaxed) < 0) return;
  seat.kept_off.store(-1);
  pthread_setaffinity_np(pthread_self(), sizeof pool.processors, &pool.processors);
}

/// The life of a worker.
void* work(void* argument) {
  auto* seat = static_cast<Seat*>(argument);
  uint32_t seen = seat->seen;
  auto called = [&] { return seat->called.load(std::memory_order_acquire) != seen; };
  for (;;) {
    if (!spin_until(called)) {
      keep_off(*seat, pthread_self(), pool.caller_processor.load(std::memory_order_relaxed));
      seat->asleep.store(true);
      seat->called.wait(seen);
      seat->asleep.store(false, std::memory_order_relaxed);
    }
    seen = seat->called.load(std::memory_order_acquire);
    take_part(static_cast<int>(seat - pool.seats), seen);
    uint32_t waited_for = pool.waiting.load();
    if (waited_for == seen && pool.waiting.compare_exchange_strong(waited_for, 0)) { pool.waiting.notify_one(); }
    keep_off_none(*seat);
  }
}

/// In a forked child the workers do not exist, nor a caller that had the pool.
void forget_workers() {
  for (int i = 1; i <= pool.workers; ++i) pool.seats[i].asleep.store(false);
  pool.workers = 0;
  pool.waiting.store(0);
  pool.busy.store(false);
}

/// Starts workers until there are `wanted`, or as many as the system allows. They are detached and
/// leave all signals to the threads of the program.
void start_workers(int wanted) {
  if (pool.workers >= wanted) return;
  if (!pool.fork_handled) pool.fork_handled = pthread_atfork(nullptr, nullptr, forget_workers) == 0;
  if (pool.workers == 0) {
    // The mask of the main thread: the caller's may be narrower. Empty beyond 1,024 processors.
    CPU_ZERO(&pool.processors);
    sched_getaffinity(getpid(), sizeof pool.processors, &pool.processors);
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (pool.workers < wanted) {
    Seat& seat = pool.seats[pool.workers + 1];
    seat.seen = seat.called.load();
    seat.kept_off.store(-1);
    if (pthread_create(&seat.worker, &detached, work, &seat) != 0) break;
    pthread_setname_np(seat.worker, "wengert");
    ++pool.workers;
  }
  pthread_attr_destroy(&detached);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// Deals the units of a loop out to the seats and calls the workers. Returns whether any is asleep.
bool call_workers(const Loop& loop, int64_t units) {
  uint32_t generation = pool.generation;
  pool.status.store(wg_ok, std::memory_order_relaxed);
  pool.loop.write(loop);
  int64_t next = 0;
  for (int i = 0; i < loop.participants; ++i) {
    int64_t end = units * (i + 1) / loop.participants;
    pool.seats[i].run.store({generation, static_cast<uint16_t>(next), static_cast<uint16_t>(end)},
                            std::memory_order_release);
    next = end;
  }
  pool.caller_processor.store(sched_getcpu(), std::memory_order_relaxed);
  bool asleep = false;
  for (int i = 1; i < loop.participants; ++i) {
    pool.seats[i].called.store(generation);
    asleep |= pool.seats[i].asleep.load();
  }
  return asleep;
}

void wake_workers(const Loop& loop) {
  pool.without_workers = {};
  for (int i = 1; i < loop.participants; ++i) {
    Seat& seat = pool.seats[i];
    if (!seat.asleep.load()) continue;
    keep_off(seat, seat.worker, sched_getcpu());
    seat.called.notify_one();
  }
}

/// Runs the first unit of a loop to measure it, adds it to `finished`, and says whether the time
/// has come to wake workers.
bool measure_first_unit(const Loop& loop, int64_t units, int64_t& finished) {
  auto start = std::chrono::steady_clock::now();
  int64_t unit = take_unit(pool.seats[0].run, pool.generation, true);
  if (unit < 0) return false;
  run_unit(loop, unit);
  ++finished;
  pool.without_workers += (std::chrono::steady_clock::now() - start) * units;
  return pool.without_workers >= worth_waking;
}

/// Waits until workers have finished `units` of the loop.
void wait_for_workers(const Loop& loop, int64_t units) {
  uint32_t generation = pool.generation;
  auto done = [&] {
    int64_t sum = 0;
    for (int i = 1; i < loop.participants && sum < units; ++i) {
      Finished finished = pool.seats[i].finished.load();
      if (finished.loop == generation) sum += finished.units;
    }
    return sum == units;
  };
  while (!spin_until(done)) {
    pool.waiting.store(generation);
    if (!done()) pool.waiting.wait(generation);
    pool.waiting.store(0);
  }
}

/// Runs a loop on the pool, which the caller has.
int32_t run_together(Loop& loop) {
  int64_t units = (loop.chunks - 1) / loop.unit + 1;
  int wanted = static_cast<int>(std::min<int64_t>(threads(), units));
  start_workers(wanted - 1);
  loop.participants = std::min(wanted, pool.workers + 1);
  if (++pool.generation == 0) ++pool.generation;
  int64_t own = 0;
  if (call_workers(loop, units)) {
    if (units < few_units || measure_first_unit(loop, units, own)) wake_workers(loop);
  }
  own += take_part(0, pool.generation);
  wait_for_workers(loop, units - own);
  return pool.status.load(std::memory_order_relaxed);
}

int32_t parallel_for(const wg_context* context, wg_body body, const void* arguments, int64_t count,
                     int64_t chunk) noexcept {
  if (count <= 0) return wg_ok;
  chunk = std::max<int64_t>(chunk, 1);
  int64_t chunks = (count - 1) / chunk + 1;
  int64_t unit = (chunks - 1) / max_units + 1;
  Loop loop{context, body, arguments, count, chunk, chunks, unit, 1};
  if (chunks == 1 || depth > 0 || threads() == 1 || pool.busy.exchange(true, std::memory_order_acquire)) {
    return run_alone(loop);
  }
  int32_t status = run_together(loop);
  pool.busy.store(false, std::memory_order_release);
  return status;
}

void* scratch(const wg_context*, int64_t bytes) noexcept {
  try {
    return per_thread<Scratch>().get(static_cast<size_t>(depth), bytes);
  } catch (const std::bad_alloc&) { return nullptr; }
}

int32_t print(const wg_context*, const char* text) noexcept {
  return std::fputs(text, stdout) < 0 ? wg_status_callback : wg_ok;
}

int32_t callback(const wg_context*, int64_t id, void* const* buffers) noexcept {
  HostCallback host = host_callback.load(std::memory_order_acquire);
  return host == nullptr ? static_cast<int32_t>(wg_status_callback) : host(id, buffers);
}

constinit const wg_context the_context{parallel_for, scratch, print, callback, &interrupt_flag};

/// Number of processors that the main thread may run on.
int allowed_processors() {
  for (int processors = 1024; processors <= 1 << 20; processors *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(processors));
    if (set == nullptr) break;
    size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(processors));
    int count = sched_getaffinity(getpid(), bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return std::min(count, max_threads);
  }
  return 1;
}

int default_threads() {
  int processors = allowed_processors();
  const char* text = std::getenv("WENGERT_THREADS");
  if (text == nullptr || *text == 0) return processors;
  int count = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  if (error == std::errc() && *end == 0 && count >= 1 && count <= max_threads) return count;
  std::fprintf(stderr, "wengert: WENGERT_THREADS=%s: wanted a number from 1 to %d; using %d\n", text, max_threads,
               processors);
  return processors;
}

}  // namespace

const wg_context* context() { return &the_context; }

int threads() {
  int count = pool.threads.load(std::memory_order_relaxed);
  if (count != 0) return count;
  int wanted = default_threads();
  pool.threads.compare_exchange_strong(count, wanted);
  return count != 0 ? count : wanted;
}

void set_threads(int count) {
  if (count < 1 || count > max_threads) {
    throw Error(ErrorKind::value, "threads-range",
                "set_threads: " + std::to_string(count) + ": wanted a number from 1 to " + std::to_string(max_threads));
  }
  pool.threads.store(count);
}

void interrupt() { std::atomic_ref(interrupt_flag).store(1); }

void clear_interrupt() { std::atomic_ref(interrupt_flag).store(0); }

bool interrupted() { return std::atomic_ref(interrupt_flag).load(std::memory_order_relaxed) != 0; }

void set_host_callback(HostCallback callback) { host_callback.store(callback); }

}  // namespace wengert::cpu
