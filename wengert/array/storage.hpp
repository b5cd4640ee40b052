// The memory that arrays live in: counted blocks, and the pool that they come from and go back to.
//
// Small blocks (up to 64 KiB) come from free lists of the calling thread, one per size class; these
// hot paths are in this header and write nothing that another thread writes. Large blocks, and what
// overflows from the lists, are shared by all threads behind one lock. A block goes to the list of
// the thread that drops the last reference, whoever allocated it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <source_location>

namespace wengert {

class Storage;

namespace memory {

/// A block of 128 bytes, 64-byte aligned, uninitialized: the header of an array, with up to 64
/// bytes of values inline. Throws as `allocate` does.
void* allocate_node();

/// Gives back what `allocate_node` gave, on any thread.
void free_node(void* node) noexcept;

/// A storage of `bytes` uninitialized bytes, count 1, data 64-byte aligned. Blocks of more than 64
/// KiB lie in huge pages where the system has them. The first touch of a page clears it: do not
/// clear a block before writing it. Throws Error(memory): "memory-cap" if live and cached blocks
/// would exceed `cap`, "memory-exhausted" if the system refuses, or `bytes` is negative or absurd;
/// both after one `trim`.
Storage* allocate(int64_t bytes);

/// A storage of count 1 over memory of someone else's, any alignment. `deleter(argument)` runs
/// once, on the thread that drops the last reference; it must not throw, and may be null. If
/// `adopt` itself throws (Error(memory), or Error(value) for negative `bytes`), it has not run.
/// Foreign bytes are no part of `statistics` and `cap`.
Storage* adopt(void* data, int64_t bytes, void (*deleter)(void*), void* argument);

/// Adds an owner. `storage` is not null.
void retain(Storage* storage) noexcept;

/// Removes an owner; the last one gives the memory back. `storage` is not null.
void release(Storage* storage) noexcept;

namespace detail {
struct Heap;
class Pool;
}  // namespace detail

}  // namespace memory

/// A block of memory that arrays share. Made by `memory::allocate` or `memory::adopt`, counted by
/// `memory::retain` and `memory::release`; returns to its pool when the count reaches 0.
class alignas(64) Storage {
 public:
  std::byte* data() const noexcept { return data_; }

  /// Size as asked for; the block behind it may be larger.
  int64_t bytes() const noexcept { return bytes_; }

  /// Number of owners, for diagnostics: it may change while it is read. Ask `unique` before
  /// writing.
  uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// True if the caller's reference is the only one; what former owners wrote is then visible.
  bool unique() const noexcept { return count_.load(std::memory_order_acquire) == 1; }

  /// Identifies the content: no other storage of this process has, had or will have this number, so
  /// a cache may be keyed by it alone.
  uint64_t version() const noexcept { return version_.load(std::memory_order_relaxed); }

  /// Gives the storage a new version; to be called after writing to it in place.
  void renew_version() noexcept;

  /// True once memory is visible outside the library (DLPack, buffer protocol): such a storage is
  /// never donated and never updated in place.
  bool exported() const noexcept { return exported_.load(std::memory_order_relaxed); }
  void set_exported(bool exported) noexcept { exported_.store(exported, std::memory_order_relaxed); }

  /// True if the memory was adopted.
  bool foreign() const noexcept { return kind_ == Kind::foreign; }

 private:
  friend struct memory::detail::Heap;
  friend class memory::detail::Pool;
  friend Storage* memory::allocate(int64_t bytes);
  friend void memory::retain(Storage* storage) noexcept;
  friend void memory::release(Storage* storage) noexcept;

  enum class Kind : uint8_t { small, large, exact, foreign };

  Storage(Kind kind, int size_class, void* data, int64_t bytes, uint64_t version) noexcept
      : kind_(kind), size_class_(static_cast<uint8_t>(size_class)), data_(static_cast<std::byte*>(data)), bytes_(bytes),
        version_(version) {}

  std::atomic<uint32_t> count_{1};
  Kind kind_;
  uint8_t size_class_;  // of the block that holds this header
  std::atomic<bool> exported_{false};
  std::byte* data_;
  int64_t bytes_;
  std::atomic<uint64_t> version_;
  void (*deleter_)(void*) = nullptr;  // of foreign memory
  void* argument_ = nullptr;          // its argument, or the range of a large block
};

static_assert(sizeof(Storage) == 64);

namespace memory {

struct Statistics {
  int64_t current;      // bytes of live storages, as asked for
  int64_t peak;         // largest `current` since the start or `reset_peak`
  int64_t cached;       // bytes in free lists and in the pool of large blocks
  int64_t allocations;  // storages ever handed out
};

/// Sums over all threads. Exact while no other thread allocates or frees; otherwise `current` and
/// `peak` may be off by 64 KiB for each thread that does.
Statistics statistics();

/// Sets `peak` to `current`.
void reset_peak();

/// Most bytes that live and cached blocks may take together; 0: no limit (the default).
int64_t cap();

/// Sets `cap`. Below what is in use already, only further growth fails. Error(value) if negative.
void set_cap(int64_t bytes, std::source_location where = std::source_location::current());

/// Most bytes of large blocks that are kept for reuse; at first a quarter of the machine's memory,
/// or of the control group's limit where that is less.
int64_t cache_cap();

/// Sets `cache_cap` and gives back what exceeds it. Error(value) if negative.
void set_cache_cap(int64_t bytes, std::source_location where = std::source_location::current());

/// Gives cached blocks back to the system: all large ones, and the small ones that the calling
/// thread and the shared lists hold (a page goes back when all its blocks are there).
void trim();

namespace detail {

constexpr int64_t header_bytes = sizeof(Storage);
constexpr int64_t small_limit = 64 * 1024;
constexpr int size_classes = 36;
constexpr int node_class = 0;

/// Classes of data sizes: multiples of 64 up to 512, then four to each doubling up to
/// `small_limit`.
constexpr int size_class(int64_t bytes) {
  if (bytes <= 512) return bytes == 0 ? 0 : static_cast<int>((bytes - 1) / 64);
  uint64_t last = static_cast<uint64_t>(bytes - 1);
  int width = std::bit_width(last);
  return 8 + 4 * (width - 10) + static_cast<int>((last >> (width - 3)) & 3);
}

/// Bytes of a block of a class: a header and the largest data of the class.
constexpr int64_t block_bytes(int size_class) {
  if (size_class < 8) return header_bytes + 64 * (size_class + 1);
  return header_bytes + (int64_t{(size_class - 8) % 4 + 5} << ((size_class - 8) / 4 + 7));
}

static_assert(size_class(small_limit) == size_classes - 1);
static_assert(block_bytes(size_class(small_limit)) == header_bytes + small_limit);
static_assert(block_bytes(node_class) == 128);

/// A number that one thread writes and any thread may read: no locked instruction.
class Counter {
 public:
  int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
  void set(int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t change) noexcept { set(get() + change); }

 private:
  std::atomic<int64_t> value_{0};
};

/// A block in a free list.
struct Block {
  Block* next;
};

struct FreeList {
  Block* head = nullptr;
  Counter length;
  int64_t limit = 0;
};

/// What one thread owns of the pool.
struct alignas(64) Heap {
  static constexpr int64_t settle_limit = 64 * 1024;

  FreeList lists[size_classes];
  // Live bytes that this thread added (or freed) since it last told the pool, and their maximum.
  Counter pending;
  int64_t pending_peak = 0;
  // Versions handed out, of which `renewals` were no allocations.
  Counter versions;
  Counter renewals;
  uint64_t first_version = 0;
  Heap* next = nullptr;       // in the pool's list of all heaps
  Heap* next_idle = nullptr;  // in its list of heaps whose thread has ended

  uint64_t next_version() noexcept {
    versions.add(1);
    return first_version + static_cast<uint64_t>(versions.get());
  }

  void* pop(int size_class) noexcept {
    FreeList& list = lists[size_class];
    Block* block = list.head;
    if (block == nullptr) return nullptr;
    list.head = block->next;
    list.length.add(-1);
    return block;
  }

  bool push(void* memory, int size_class) noexcept {
    FreeList& list = lists[size_class];
    if (list.length.get() >= list.limit) return false;
    list.head = new (memory) Block{list.head};
    list.length.add(1);
    return true;
  }

  void count_live(int64_t bytes) noexcept {
    int64_t now = pending.get() + bytes;
    pending.set(now);
    if (now > pending_peak) [[unlikely]]
      raise_peak(now);
  }

  void count_dead(int64_t bytes) noexcept {
    int64_t now = pending.get() - bytes;
    pending.set(now);
    if (now < -settle_limit) [[unlikely]]
      settle();
  }

  Storage* make_small(void* block, int size_class, int64_t bytes) noexcept {
    count_live(bytes);
    return new (block)
        Storage(Storage::Kind::small, size_class, static_cast<std::byte*>(block) + header_bytes, bytes, next_version());
  }

  void raise_peak(int64_t now) noexcept {
    pending_peak = now;
    if (now > settle_limit) settle();
  }

  /// Adds this thread's pending bytes to the pool's total.
  void settle() noexcept;
};

// One pointer, not the heap itself: room in the static TLS block is scarce when a Python process
// loads the library, and this model makes the access a single instruction.
#if defined(__GNUC__) && defined(__ELF__)
[[gnu::tls_model("initial-exec")]]
#endif
extern constinit thread_local Heap* heap;  // null until the thread's first slow path

void* take_block(int size_class);
void put_block(void* block, int size_class) noexcept;
Storage* allocate_slow(int64_t bytes);
void dispose(Storage* storage) noexcept;

}  // namespace detail

inline void* allocate_node() {
  if (detail::Heap* heap = detail::heap) {
    if (void* node = heap->pop(detail::node_class)) [[likely]]
      return node;
  }
  return detail::take_block(detail::node_class);
}

inline void free_node(void* node) noexcept {
  detail::Heap* heap = detail::heap;
  if (heap != nullptr && heap->push(node, detail::node_class)) [[likely]]
    return;
  detail::put_block(node, detail::node_class);
}

inline Storage* allocate(int64_t bytes) {
  detail::Heap* heap = detail::heap;
  if (heap != nullptr && static_cast<uint64_t>(bytes) <= detail::small_limit) [[likely]] {
    int size_class = detail::size_class(bytes);
    if (void* block = heap->pop(size_class)) [[likely]] { return heap->make_small(block, size_class, bytes); }
  }
  return detail::allocate_slow(bytes);
}

inline void retain(Storage* storage) noexcept { storage->count_.fetch_add(1, std::memory_order_relaxed); }

inline void release(Storage* storage) noexcept {
  // A count of 1 is the caller's own reference: nobody else can change it, so no locked
  // instruction.
  if (storage->count_.load(std::memory_order_acquire) != 1 &&
      storage->count_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  detail::Heap* heap = detail::heap;
  int64_t bytes = storage->bytes_;
  if (storage->kind_ == Storage::Kind::small && heap != nullptr && heap->push(storage, storage->size_class_))
      [[likely]] {
    heap->count_dead(bytes);
    return;
  }
  detail::dispose(storage);
}

}  // namespace memory

}  // namespace wengert
