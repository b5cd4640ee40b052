// Where storages of more than 64 KiB get their memory: segments of address space, advised to huge
// pages, that blocks are cut from and merge back into when they are freed.
//
// Measured on a virtual machine: touching a fresh page of 4 KiB takes 1.7 us, a huge page of 2 MiB
// 55; so blocks of any size share huge pages, and freed ones are reused before fresh ones are
// touched. Blocks begin at different offsets into a page: a loop over twelve arrays at equal
// offsets has no room in an 8-way cache and was 7 times slower.
#pragma once

#include <cstddef>
#include <cstdint>

namespace wengert::memory::detail {

/// A stretch of a segment.
struct Range {
  enum class State : uint8_t {
    used,   // a storage's
    warm,   // free, its pages kept: the cache
    clean,  // free, its pages not had from the system, or given back
  };

  std::byte* data;  // 64-byte aligned
  int64_t bytes;
  State state;
  uint8_t arena;
  Range* before;  // the neighbours in the segment
  Range* after;
  Range* previous;  // in a list of free ranges of about a size
  Range* next;
  Range* older;  // among the warm ones
  Range* newer;
};

/// An allocator of large blocks. One thread at a time may use it.
class LargeBlocks {
 public:
  constexpr LargeBlocks() = default;
  LargeBlocks(const LargeBlocks&) = delete;
  LargeBlocks& operator=(const LargeBlocks&) = delete;
  ~LargeBlocks();  // all blocks must be back

  /// A block of at least `bytes`, up to 2^48. Null if the system refuses, or if the block would
  /// take more than `budget` bytes from the system.
  Range* take(int64_t bytes, int64_t budget) noexcept;

  /// Takes a block back. It stays warm.
  void put(Range* range) noexcept;

  /// Gives warm ranges back to the system, the oldest first, until at most `limit` bytes are warm.
  void evict(int64_t limit) noexcept;

  int64_t warm_bytes() const noexcept { return warm_; }
  int64_t used_and_warm_bytes() const noexcept { return used_ + warm_; }

 private:
  static constexpr int arenas = 2;  // smaller blocks do not break up what larger ones need
  static constexpr int bins = 704;

  struct FreeRanges {
    Range* heads[bins] = {};
    uint64_t occupied[bins / 64] = {};  // a bit for each bin
  };

  static int bin(int64_t bytes) noexcept;
  FreeRanges& free_ranges(const Range& range) noexcept;
  static Range* find(const FreeRanges& free, int64_t bytes) noexcept;
  void link(Range* range) noexcept;
  void unlink(Range* range) noexcept;
  Range* new_range(const Range& value) noexcept;
  void recycle(Range* range) noexcept;
  Range* map_segment(int arena, int64_t bytes) noexcept;
  void cut(Range* range, int64_t bytes) noexcept;
  Range* merge(Range* range) noexcept;
  void give_back(Range* range) noexcept;

  int64_t used_ = 0;
  int64_t warm_ = 0;
  int64_t segments_ = 0;  // mapped so far
  Range* oldest_ = nullptr;
  Range* newest_ = nullptr;
  Range* spare_ = nullptr;  // descriptors for reuse, linked by `next`
  FreeRanges warm_ranges_[arenas];
  FreeRanges clean_ranges_[arenas];
};

/// Fresh pages at a multiple of `alignment` (a power of two); null if the system refuses.
void* map_pages(int64_t bytes, int64_t alignment) noexcept;
void unmap_pages(void* pages, int64_t bytes) noexcept;

}  // namespace wengert::memory::detail
