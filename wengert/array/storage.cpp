#include "wengert/array/storage.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <string>

#include "wengert/array/error.hpp"
#include "wengert/array/fork.hpp"
#include "wengert/array/large_blocks.hpp"
#include "wengert/array/number_text.hpp"

#ifdef __has_feature
#define WENGERT_HAS_FEATURE(feature) __has_feature(feature)
#else
#define WENGERT_HAS_FEATURE(feature) 0
#endif

namespace wengert {
namespace memory {
namespace {

using detail::Block;
using detail::block_bytes;
using detail::Heap;
using detail::node_class;
using detail::size_classes;

// Under the address sanitizer every block is an allocation of its own, of the exact size, and no
// freed block is kept: a use after free or past the end is then seen.
#if defined(__SANITIZE_ADDRESS__) || WENGERT_HAS_FEATURE(address_sanitizer)
constexpr bool pooled = false;
#else
constexpr bool pooled = true;
#endif

constexpr int64_t slab_bytes = 256 * 1024;
// Larger requests are refused without asking: sums of sizes below cannot overflow.
constexpr int64_t absurd = int64_t{1} << 48;

/// Blocks that a thread keeps of one class before it shares half of them.
constexpr int64_t list_limit(int size_class) { return std::max<int64_t>(4, 256 * 1024 / block_bytes(size_class)); }

/// Blocks that move between a thread and the shared lists at a time.
constexpr int64_t batch_length(int size_class) { return list_limit(size_class) / 2; }

/// "3.2 GiB": for messages.
std::string readable(int64_t bytes) {
  const char* unit = "B";
  double value = static_cast<double>(bytes);
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return number_text(value, std::chars_format::fixed, *unit == 'B' ? 0 : 1) + " " + unit;
}

void require_not_negative(const char* operation, int64_t bytes, const std::source_location& where = {}) {
  if (bytes >= 0) return;
  throw Error(ErrorKind::value, "memory-size-negative",
              std::string(operation) + ": " + std::to_string(bytes) + ": wanted a number of bytes, 0 or more" +
                  called_at(where));
}

/// The machine's memory in bytes, or the control group's limit where that is less.
int64_t machine_memory() noexcept {
  int64_t bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::FILE* file = std::fopen(path, "r");
    if (file == nullptr) continue;
    long long limit = 0;  // stays 0 where the file says "max"
    if (std::fscanf(file, "%lld", &limit) == 1 && limit > 0) bytes = std::min<int64_t>(bytes, limit);
    std::fclose(file);
  }
  return bytes;
}

/// Some free blocks of one class on their way between threads, linked through the first.
struct Batch : Block {
  Batch* next_batch;
  int64_t length;
};

/// The head of a mapping that blocks of one class are cut from.
struct Slab {
  int64_t blocks;  // cut from it when it is full
  int64_t free;    // counted by a sweep
  Slab* next;      // among those that a sweep found empty
};

Slab* slab_of(void* block) {
  return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~static_cast<uintptr_t>(slab_bytes - 1));
}

constexpr int64_t slab_head = 64;
static_assert(sizeof(Slab) <= slab_head);

int64_t blocks_in_slab(int size_class) { return (slab_bytes - slab_head) / block_bytes(size_class); }

}  // namespace

namespace detail {

constinit thread_local Heap* heap = nullptr;

/// What all threads share. Everything below the mutex is guarded by it. Never destroyed, since
/// arrays may be freed by any destructor that runs at exit.
class Pool {
 public:
  Heap* own_heap() noexcept;
  void* take_block(int size_class, int64_t bytes);
  void put_block(void* block, int size_class) noexcept;
  Storage* allocate_large(int64_t bytes);
  Storage* allocate_exact(int64_t bytes);
  [[noreturn]] void refuse(int64_t bytes);
  void dispose(Storage* storage) noexcept;
  void count_large(int64_t bytes) noexcept;
  void settle(Heap& heap) noexcept;
  void retire(Heap& heap) noexcept;
  void trim() noexcept;
  Storage* adopt(void* data, int64_t bytes, void (*deleter)(void*), void* argument);
  uint64_t renewed_version() noexcept;
  Statistics statistics() noexcept;
  void reset_peak() noexcept;

  void set_cap(int64_t bytes) noexcept;
  int64_t cap() const noexcept { return cap_.load(std::memory_order_relaxed); }
  int64_t cache_cap() noexcept;
  void set_cache_cap(int64_t bytes) noexcept;

  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  void* cut(Heap& heap, int size_class) noexcept;
  void* take_exact(int64_t size) noexcept;
  void put_exact(void* block, int64_t size) noexcept;
  void* take_shared(Heap& heap, int size_class) noexcept;
  Range* take_range(int64_t bytes) noexcept;
  void share(Block* chain, int size_class) noexcept;
  Slab* sweep(int size_class) noexcept;
  void release_large(Storage* storage) noexcept;
  int64_t budget() const noexcept;
  bool reserve(int64_t bytes) noexcept;
  void raise_peak(int64_t live) noexcept;

  std::atomic<int64_t> live_{0};  // bytes of live storages, without what heaps have pending
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> cap_{0};
  std::atomic<int64_t> cache_cap_{-1};       // -1: not decided yet
  std::atomic<uint64_t> spare_versions_{1};  // for a thread that could not make a heap

  std::mutex mutex_;
  int64_t reserved_ = 0;      // bytes of all small blocks, live and cached
  int64_t cached_small_ = 0;  // in the shared lists
  Heap* heaps_ = nullptr;
  Heap* idle_heaps_ = nullptr;
  uint64_t heap_count_ = 0;
  pthread_key_t thread_end_{};
  Batch* batches_[size_classes] = {};
  std::byte* slab_next_[size_classes] = {};  // what is left of the slab being cut
  int64_t slab_left_[size_classes] = {};     // in blocks
  LargeBlocks large_;
};

namespace {

/// Keeps the pool from being destroyed.
union PoolForEver {
  constexpr PoolForEver() : pool() {}
  ~PoolForEver() {}
  Pool pool;
};
constinit PoolForEver for_ever;
constinit Pool& pool = for_ever.pool;

[[maybe_unused]] const bool held_over_fork = [] {
  const auto unlock = [] { pool.unlock(); };
  handle_fork(ForkPlace::memory, {[] { pool.lock(); }, unlock, unlock});
  return true;
}();

}  // namespace

/// The calling thread's heap, made on first use; null if there is no memory for it.
Heap* Pool::own_heap() noexcept {
  if (heap != nullptr) return heap;
  std::lock_guard guard(mutex_);
  if (heap_count_ == 0) {
    pthread_key_create(&thread_end_, [](void* ended) { pool.retire(*static_cast<Heap*>(ended)); });
  }
  Heap* made = idle_heaps_;
  if (made != nullptr) {
    idle_heaps_ = made->next_idle;
  } else {
    made = new (std::nothrow) Heap;
    if (made == nullptr) return nullptr;
    made->next = heaps_;
    heaps_ = made;
    made->first_version = ++heap_count_ << 48;
    for (int i = 0; i < size_classes; ++i) made->lists[i].limit = pooled ? list_limit(i) : 0;
  }
  pthread_setspecific(thread_end_, made);
  return heap = made;
}

/// Hands everything that an ended thread kept to the others.
void Pool::retire(Heap& ended) noexcept {
  settle(ended);
  std::lock_guard guard(mutex_);
  for (int i = 0; i < size_classes; ++i) {
    share(ended.lists[i].head, i);
    ended.lists[i].head = nullptr;
    ended.lists[i].length.set(0);
  }
  ended.next_idle = idle_heaps_;
  idle_heaps_ = &ended;
  heap = nullptr;
}

/// Bytes that the system may still be asked for. Under the lock.
int64_t Pool::budget() const noexcept {
  return cap() == 0 ? INT64_MAX : cap() - reserved_ - large_.used_and_warm_bytes();
}

/// Books bytes of small blocks that the system is to be asked for. Under the lock.
bool Pool::reserve(int64_t bytes) noexcept {
  if (bytes > budget()) return false;
  reserved_ += bytes;
  return true;
}

/// Throws what says why `bytes` cannot be had.
void Pool::refuse(int64_t bytes) {
  Statistics now = statistics();
  int64_t most = cap();
  bool capped = false;
  if (bytes >= 0 && bytes < absurd && most != 0) {
    std::lock_guard guard(mutex_);
    capped = bytes + bytes / 4 + 8192 > budget();  // the block is larger by at most this
  }
  std::string message = "allocate: " + (bytes < 0 ? std::to_string(bytes) + " B" : readable(bytes)) + " with " +
      readable(now.current) + " in use, " + readable(now.cached) + " cached, " +
      (most == 0 ? "no cap" : "cap " + readable(most));
  if (bytes < 0) {
    message += ": wanted a size that is not negative; look for an overflow where it is computed";
  } else if (capped) {
    message +=
        ": wanted a total within the cap; release arrays, use smaller batches, or raise the "
        "cap with memory::set_cap";
  } else {
    message += ": wanted memory that the system refuses; release arrays or use smaller batches";
  }
  throw Error(ErrorKind::memory, capped ? "memory-cap" : "memory-exhausted", message);
}

/// Takes a batch of free blocks into the heap's empty list and returns one more. Under the lock.
void* Pool::take_shared(Heap& own, int size_class) noexcept {
  Batch* batch = batches_[size_class];
  if (batch == nullptr) return nullptr;
  batches_[size_class] = batch->next_batch;
  cached_small_ -= batch->length * block_bytes(size_class);
  own.lists[size_class].head = batch->next;
  own.lists[size_class].length.set(batch->length - 1);
  return batch;
}

/// Cuts new blocks for the heap's empty list and returns one more, or null. Under the lock.
void* Pool::cut(Heap& own, int size_class) noexcept {
  int64_t size = block_bytes(size_class);
  if (slab_left_[size_class] == 0) {
    void* slab = map_pages(slab_bytes, slab_bytes);
    if (slab == nullptr) return nullptr;
    new (slab) Slab{blocks_in_slab(size_class), 0, nullptr};
    slab_next_[size_class] = static_cast<std::byte*>(slab) + slab_head;
    slab_left_[size_class] = blocks_in_slab(size_class);
  }
  int64_t length = std::clamp<int64_t>(16 * 1024 / size, 1, slab_left_[size_class]);
  if (!reserve(length * size)) {
    length = 1;
    if (!reserve(size)) return nullptr;
  }
  std::byte* first = slab_next_[size_class];
  slab_next_[size_class] += length * size;
  slab_left_[size_class] -= length;
  for (int64_t i = length - 1; i > 0; --i) own.push(first + i * size, size_class);
  return first;
}

/// A block for itself, or null. Under the lock.
void* Pool::take_exact(int64_t size) noexcept {
  if (!reserve(size)) return nullptr;
  void* block = nullptr;
  if (posix_memalign(&block, 64, static_cast<size_t>(size)) == 0) return block;
  reserved_ -= size;
  return nullptr;
}

void Pool::put_exact(void* block, int64_t size) noexcept {
  std::free(block);
  std::lock_guard guard(mutex_);
  reserved_ -= size;
}

/// A block of a class, for `bytes` of data. When it returns, the thread has a heap.
void* Pool::take_block(int size_class, int64_t bytes) {
  Heap* own = own_heap();
  for (int attempt = 0; own != nullptr && attempt < 2; ++attempt) {
    if (attempt == 1) trim();
    std::lock_guard guard(mutex_);
    if (!pooled) {
      if (void* block = take_exact(block_bytes(size_class))) return block;
      continue;
    }
    if (void* block = take_shared(*own, size_class)) return block;
    if (void* block = cut(*own, size_class)) return block;
  }
  refuse(bytes);
}

/// Adds a chain of free blocks to the shared lists. Under the lock.
void Pool::share(Block* chain, int size_class) noexcept {
  while (chain != nullptr) {
    auto* first = chain;
    int64_t length = 1;
    Block* last = chain;
    for (; last->next != nullptr && length < batch_length(size_class); ++length) last = last->next;
    chain = last->next;
    last->next = nullptr;
    batches_[size_class] = new (first) Batch{{first->next}, batches_[size_class], length};
    cached_small_ += length * block_bytes(size_class);
  }
}

/// Takes a block back when the thread has no heap, or a full list: shares the colder half of it.
void Pool::put_block(void* block, int size_class) noexcept {
  if (!pooled) return put_exact(block, block_bytes(size_class));
  Heap* own = own_heap();
  if (own == nullptr) {
    std::lock_guard guard(mutex_);
    share(new (block) Block{nullptr}, size_class);
    return;
  }
  if (own->push(block, size_class)) return;
  FreeList& list = own->lists[size_class];
  int64_t kept = list.length.get() - batch_length(size_class);
  Block* last = list.head;
  for (int64_t i = 1; i < kept; ++i) last = last->next;
  Block* chain = last->next;
  last->next = nullptr;
  list.length.set(kept);
  own->push(block, size_class);
  std::lock_guard guard(mutex_);
  share(chain, size_class);
}

void Pool::raise_peak(int64_t live) noexcept {
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (live > peak && !peak_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {}
}

void Pool::settle(Heap& own) noexcept {
  raise_peak(live_.load(std::memory_order_relaxed) + own.pending_peak);
  live_.fetch_add(own.pending.get(), std::memory_order_relaxed);
  own.pending.set(0);
  own.pending_peak = 0;
}

/// Counts a large block as live, or with a negative size as dead.
void Pool::count_large(int64_t bytes) noexcept {
  if (Heap* own = own_heap()) settle(*own);
  raise_peak(live_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
}

/// A storage in a block for itself.
Storage* Pool::allocate_exact(int64_t bytes) {
  void* block;
  {
    std::lock_guard guard(mutex_);
    block = take_exact(header_bytes + bytes);
  }
  if (block == nullptr) refuse(bytes);
  count_large(bytes);
  return new (block)
      Storage(Storage::Kind::exact, node_class, static_cast<Storage*>(block) + 1, bytes, heap->next_version());
}

Storage* Pool::allocate_large(int64_t bytes) {
  void* header = allocate_node();
  Range* range = take_range(bytes);
  if (range == nullptr) {
    trim();
    range = take_range(bytes);
  }
  if (range == nullptr) {
    free_node(header);
    refuse(bytes);
  }
  count_large(bytes);
  auto* storage = new (header) Storage(Storage::Kind::large, node_class, range->data, bytes, heap->next_version());
  storage->argument_ = range;
  return storage;
}

Range* Pool::take_range(int64_t bytes) noexcept {
  std::lock_guard guard(mutex_);
  return large_.take(bytes, budget());
}

void Pool::release_large(Storage* storage) noexcept {
  count_large(-storage->bytes_);
  int64_t most = cache_cap();
  {
    std::lock_guard guard(mutex_);
    large_.put(static_cast<Range*>(storage->argument_));
    large_.evict(most);
  }
  free_node(storage);
}

/// Takes slabs whose blocks are all in the shared lists out of use. Under the lock.
Slab* Pool::sweep(int size_class) noexcept {
  Block* chain = nullptr;
  while (Batch* batch = batches_[size_class]) {
    batches_[size_class] = batch->next_batch;
    cached_small_ -= batch->length * block_bytes(size_class);
    for (Block *block = batch, *next; block != nullptr; block = next) {
      next = block->next;
      chain = new (block) Block{chain};
      slab_of(block)->free = 0;
    }
  }
  for (Block* block = chain; block != nullptr; block = block->next) ++slab_of(block)->free;
  Slab* empty = nullptr;
  Block* kept = nullptr;
  for (Block *block = chain, *next; block != nullptr; block = next) {
    next = block->next;
    Slab* slab = slab_of(block);
    if (slab->free == slab->blocks) {
      slab->free = -1;
      slab->next = empty;
      empty = slab;
      reserved_ -= slab->blocks * block_bytes(size_class);
    }
    if (slab->free >= 0) kept = new (block) Block{kept};
  }
  share(kept, size_class);
  return empty;
}

void Pool::trim() noexcept {
  {
    std::lock_guard guard(mutex_);
    large_.evict(0);
  }
  Heap* own = own_heap();
  for (int i = 0; pooled && i < size_classes; ++i) {
    Slab* empty;
    {
      std::lock_guard guard(mutex_);
      if (own != nullptr) {
        share(own->lists[i].head, i);
        own->lists[i].head = nullptr;
        own->lists[i].length.set(0);
      }
      empty = sweep(i);
    }
    while (empty != nullptr) {
      Slab* next = empty->next;
      unmap_pages(empty, slab_bytes);
      empty = next;
    }
  }
}

Statistics Pool::statistics() noexcept {
  if (Heap* own = own_heap()) settle(*own);
  std::lock_guard guard(mutex_);
  Statistics sums{live_.load(), 0, large_.warm_bytes() + cached_small_, 0};
  for (Heap* each = heaps_; each != nullptr; each = each->next) {
    sums.current += each->pending.get();
    sums.allocations += each->versions.get() - each->renewals.get();
    for (int i = 0; i < size_classes; ++i) { sums.cached += each->lists[i].length.get() * block_bytes(i); }
  }
  raise_peak(sums.current);
  sums.peak = peak_.load();
  return sums;
}

void Pool::reset_peak() noexcept { peak_.store(statistics().current); }

void Pool::set_cap(int64_t bytes) noexcept {
  cap_.store(bytes, std::memory_order_relaxed);
  lock();
  bool exceeded = budget() < 0;
  unlock();
  if (exceeded) trim();
}

int64_t Pool::cache_cap() noexcept {
  if (!pooled) return 0;
  int64_t bytes = cache_cap_.load(std::memory_order_relaxed);
  if (bytes < 0) {
    bytes = machine_memory() / 4;
    cache_cap_.store(bytes, std::memory_order_relaxed);
  }
  return bytes;
}

void Pool::set_cache_cap(int64_t bytes) noexcept {
  cache_cap_.store(bytes, std::memory_order_relaxed);
  std::lock_guard guard(mutex_);
  large_.evict(cache_cap());
}

uint64_t Pool::renewed_version() noexcept {
  Heap* own = own_heap();
  if (own == nullptr) return spare_versions_.fetch_add(1, std::memory_order_relaxed);
  own->renewals.add(1);
  return own->next_version();
}

/// The slow end of `release`: nobody owns the storage any more.
void Pool::dispose(Storage* storage) noexcept {
  switch (storage->kind_) {
    case Storage::Kind::small:
      if (Heap* own = own_heap()) {
        own->count_dead(storage->bytes_);
      } else {
        live_.fetch_sub(storage->bytes_, std::memory_order_relaxed);
      }
      put_block(storage, storage->size_class_);
      break;
    case Storage::Kind::exact:
      count_large(-storage->bytes_);
      put_exact(storage, header_bytes + storage->bytes_);
      break;
    case Storage::Kind::large: release_large(storage); break;
    case Storage::Kind::foreign:
      if (storage->deleter_ != nullptr) storage->deleter_(storage->argument_);
      free_node(storage);
      break;
  }
}

Storage* Pool::adopt(void* data, int64_t bytes, void (*deleter)(void*), void* argument) {
  void* header = allocate_node();
  auto* storage = new (header) Storage(Storage::Kind::foreign, node_class, data, bytes, heap->next_version());
  storage->deleter_ = deleter;
  storage->argument_ = argument;
  return storage;
}

void Heap::settle() noexcept { pool.settle(*this); }

void* take_block(int size_class) { return pool.take_block(size_class, block_bytes(size_class) - header_bytes); }

void put_block(void* block, int size_class) noexcept { pool.put_block(block, size_class); }

Storage* allocate_slow(int64_t bytes) {
  if (bytes < 0 || bytes >= absurd || pool.own_heap() == nullptr) pool.refuse(bytes);
  if (!pooled) return pool.allocate_exact(bytes);
  if (bytes > small_limit) return pool.allocate_large(bytes);
  int wanted = size_class(bytes);
  void* block = pool.take_block(wanted, bytes);
  return heap->make_small(block, wanted, bytes);
}

void dispose(Storage* storage) noexcept { pool.dispose(storage); }

}  // namespace detail

Storage* adopt(void* data, int64_t bytes, void (*deleter)(void*), void* argument) {
  require_not_negative("adopt", bytes);
  return detail::pool.adopt(data, bytes, deleter, argument);
}

Statistics statistics() { return detail::pool.statistics(); }

void reset_peak() { detail::pool.reset_peak(); }

int64_t cap() { return detail::pool.cap(); }

void set_cap(int64_t bytes, std::source_location where) {
  require_not_negative("set_cap", bytes, where);
  detail::pool.set_cap(bytes);
}

int64_t cache_cap() { return detail::pool.cache_cap(); }

void set_cache_cap(int64_t bytes, std::source_location where) {
  require_not_negative("set_cache_cap", bytes, where);
  detail::pool.set_cache_cap(bytes);
}

void trim() { detail::pool.trim(); }

}  // namespace memory

void Storage::renew_version() noexcept {
  version_.store(memory::detail::pool.renewed_version(), std::memory_order_relaxed);
}

}  // namespace wengert
