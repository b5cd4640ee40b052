#include "wengert/array/large_blocks.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace wengert::memory::detail {
namespace {

constexpr int64_t page = 4096;
constexpr int64_t huge_page = int64_t{2} << 20;
// Successive blocks of a size begin this far from each other within a page: five cache lines.
constexpr int64_t stagger = 320;
// A free rest smaller than this stays with its block.
constexpr int64_t least_rest = page;
// Blocks of arena 1 and the least size of a segment in each arena.
constexpr int64_t arena_1_from = int64_t{1} << 20;
constexpr int64_t segment_bytes[] = {int64_t{8} << 20, int64_t{64} << 20};
// Ranges of about a size that are looked at for the best fit.
constexpr int longest_look = 32;

constexpr int64_t round_up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

std::byte* page_at_or_before(std::byte* address) {
  return address - (reinterpret_cast<uintptr_t>(address) & (page - 1));
}

}  // namespace

void* map_pages(int64_t bytes, int64_t alignment) noexcept {
  auto map = [](int64_t length) {
    void* pages =
        mmap(nullptr, static_cast<size_t>(length), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? nullptr : static_cast<std::byte*>(pages);
  };
  auto excess = [&](std::byte* pages) {
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(pages) & static_cast<uintptr_t>(alignment - 1));
  };
  std::byte* pages = map(bytes);
  if (pages == nullptr || excess(pages) == 0) return pages;
  unmap_pages(pages, bytes);
  int64_t spare = alignment - page;
  pages = map(bytes + spare);
  if (pages == nullptr) return nullptr;
  int64_t before = excess(pages) == 0 ? 0 : alignment - excess(pages);
  if (before > 0) unmap_pages(pages, before);
  if (before < spare) unmap_pages(pages + before + bytes, spare - before);
  return pages + before;
}

void unmap_pages(void* pages, int64_t bytes) noexcept { munmap(pages, static_cast<size_t>(bytes)); }

LargeBlocks::~LargeBlocks() {
  evict(0);
  while (Range* range = spare_) {
    spare_ = range->next;
    delete range;
  }
}

/// The list that a free range of a size stands in: sixteen to each doubling.
int LargeBlocks::bin(int64_t bytes) noexcept {
  int width = std::bit_width(static_cast<uint64_t>(bytes));
  int index = 16 * (width - 7) + static_cast<int>((bytes >> (width - 5)) & 15);
  return std::clamp(index, 0, bins - 1);
}

LargeBlocks::FreeRanges& LargeBlocks::free_ranges(const Range& range) noexcept {
  return (range.state == Range::State::warm ? warm_ranges_ : clean_ranges_)[range.arena];
}

/// The smallest free range of at least `bytes`, or null; in long lists, the smallest of the first
/// few.
Range* LargeBlocks::find(const FreeRanges& free, int64_t bytes) noexcept {
  auto best_of = [bytes](Range* range) {
    Range* best = nullptr;
    for (int i = 0; range != nullptr && i < longest_look; ++i, range = range->next) {
      if (range->bytes < bytes || (best != nullptr && range->bytes >= best->bytes)) continue;
      best = range;
    }
    return best;
  };
  int first = bin(bytes);
  if (Range* best = best_of(free.heads[first])) return best;
  uint64_t mask = ~uint64_t{0} << (first + 1) % 64;
  for (int word = (first + 1) / 64; word < bins / 64; ++word, mask = ~uint64_t{0}) {
    uint64_t occupied = free.occupied[word] & mask;
    if (occupied != 0) return best_of(free.heads[word * 64 + std::countr_zero(occupied)]);
  }
  return nullptr;
}

/// Enters a free range into its list, and a warm one as the newest.
void LargeBlocks::link(Range* range) noexcept {
  FreeRanges& free = free_ranges(*range);
  int index = bin(range->bytes);
  Range*& head = free.heads[index];
  range->previous = nullptr;
  range->next = head;
  if (head != nullptr) head->previous = range;
  head = range;
  free.occupied[index / 64] |= uint64_t{1} << index % 64;
  if (range->state != Range::State::warm) return;
  range->newer = nullptr;
  range->older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = range;
  newest_ = range;
  warm_ += range->bytes;
}

void LargeBlocks::unlink(Range* range) noexcept {
  FreeRanges& free = free_ranges(*range);
  int index = bin(range->bytes);
  (range->previous != nullptr ? range->previous->next : free.heads[index]) = range->next;
  if (range->next != nullptr) range->next->previous = range->previous;
  if (free.heads[index] == nullptr) free.occupied[index / 64] &= ~(uint64_t{1} << index % 64);
  if (range->state != Range::State::warm) return;
  (range->older != nullptr ? range->older->newer : oldest_) = range->newer;
  (range->newer != nullptr ? range->newer->older : newest_) = range->older;
  warm_ -= range->bytes;
}

/// A descriptor, or null if there is no memory for it.
Range* LargeBlocks::new_range(const Range& value) noexcept {
  if (spare_ == nullptr) return new (std::nothrow) Range(value);
  Range* range = spare_;
  spare_ = range->next;
  *range = value;
  return range;
}

void LargeBlocks::recycle(Range* range) noexcept {
  range->next = spare_;
  spare_ = range;
}

/// A new segment as one clean range that is in no list, or null.
Range* LargeBlocks::map_segment(int arena, int64_t bytes) noexcept {
  int64_t offset = segments_ * stagger % page;
  int64_t least = round_up(bytes + offset, huge_page);
  int64_t wanted = bytes > segment_bytes[arena] / 2 ? least : segment_bytes[arena];
  for (int64_t size : {wanted, least}) {
    void* pages = map_pages(size, huge_page);
    if (pages == nullptr) pages = map_pages(size, page);  // where address space is scarce
    if (pages == nullptr) continue;
    auto* data = static_cast<std::byte*>(pages) + offset;
    Range* range = new_range({data, size - offset, Range::State::clean, static_cast<uint8_t>(arena), nullptr, nullptr,
                              nullptr, nullptr, nullptr, nullptr});
    if (range == nullptr) {
      unmap_pages(pages, size);
      return nullptr;
    }
    madvise(pages, static_cast<size_t>(size), MADV_HUGEPAGE);
    ++segments_;
    return range;
  }
  return nullptr;
}

/// Makes what a range has beyond `bytes` a free range of its own, in the same state.
void LargeBlocks::cut(Range* range, int64_t bytes) noexcept {
  if (range->bytes - bytes < least_rest) return;
  Range* rest = new_range({range->data + bytes, range->bytes - bytes, range->state, range->arena, range, range->after,
                           nullptr, nullptr, nullptr, nullptr});
  if (rest == nullptr) return;
  if (rest->after != nullptr) rest->after->before = rest;
  range->after = rest;
  range->bytes = bytes;
  link(rest);
}

Range* LargeBlocks::take(int64_t bytes, int64_t budget) noexcept {
  int arena = bytes < arena_1_from ? 0 : 1;
  int64_t block = round_up(bytes, page) + stagger;
  Range* range = find(warm_ranges_[arena], block);
  if (range != nullptr) {
    unlink(range);
  } else {
    if (block > budget) return nullptr;
    range = find(clean_ranges_[arena], block);
    if (range != nullptr) {
      unlink(range);
    } else {
      range = map_segment(arena, block);
    }
    if (range == nullptr) return nullptr;
  }
  cut(range, block);
  range->state = Range::State::used;
  used_ += range->bytes;
  return range;
}

/// Joins a range that is in no list with its neighbours of the same state.
Range* LargeBlocks::merge(Range* range) noexcept {
  auto absorb = [&](Range* first, Range* second) {
    first->bytes += second->bytes;
    first->after = second->after;
    if (first->after != nullptr) first->after->before = first;
    recycle(second);
    return first;
  };
  if (Range* after = range->after; after != nullptr && after->state == range->state) {
    unlink(after);
    range = absorb(range, after);
  }
  if (Range* before = range->before; before != nullptr && before->state == range->state) {
    unlink(before);
    range = absorb(before, range);
  }
  return range;
}

void LargeBlocks::put(Range* range) noexcept {
  used_ -= range->bytes;
  range->state = Range::State::warm;
  link(merge(range));
}

/// Gives the pages of a warm range that is in no list back, and its segment once nothing else is in
/// it.
void LargeBlocks::give_back(Range* range) noexcept {
  // A page at either end may be a neighbour's as well.
  std::byte* begin = page_at_or_before(range->data + page - 1);
  std::byte* end = page_at_or_before(range->data + range->bytes);
  range->state = Range::State::clean;
  Range* merged = merge(range);
  if (merged->before == nullptr && merged->after == nullptr) {
    std::byte* segment = page_at_or_before(merged->data);
    unmap_pages(segment, merged->data + merged->bytes - segment);
    recycle(merged);
    return;
  }
  if (begin < end) madvise(begin, static_cast<size_t>(end - begin), MADV_DONTNEED);
  link(merged);
}

void LargeBlocks::evict(int64_t limit) noexcept {
  while (warm_ > limit) {
    int64_t excess = round_up(warm_ - limit, huge_page);
    Range* range = oldest_;
    unlink(range);
    cut(range, excess);
    give_back(range);
  }
}

}  // namespace wengert::memory::detail
