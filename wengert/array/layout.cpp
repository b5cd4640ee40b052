#include "wengert/array/layout.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "wengert/array/error.hpp"
#include "wengert/array/fork.hpp"

namespace wengert {
namespace {

uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h *= 0xff51afd7ed558ccdu;
  return h ^ (h >> 32);
}

/// All values of one interned kind, by hash. Values never move and are never freed.
template <class T>
class Interner {
 public:
  template <class Equal>
  const T* find_or_add(uint64_t hash, Equal equal, auto make) {
    Shard& shard = shards_[hash >> 60];
    std::lock_guard lock(shard.mutex);
    auto [begin, end] = shard.values.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      if (equal(*it->second)) return it->second.get();
    }
    return shard.values.emplace(hash, std::make_unique<T>(make()))->second.get();
  }

  void lock() {
    for (Shard& shard : shards_) shard.mutex.lock();
  }
  void unlock() {
    for (Shard& shard : shards_) shard.mutex.unlock();
  }

 private:
  struct Shard {
    std::mutex mutex;
    std::unordered_multimap<uint64_t, std::unique_ptr<T>> values;
  };
  std::array<Shard, 16> shards_;
};

// Leaked: arrays with static storage duration may outlive any destructor here.
Interner<Type>& types() {
  static auto* table = new Interner<Type>;
  return *table;
}
Interner<Layout>& layouts() {
  static auto* table = new Interner<Layout>;
  return *table;
}

[[maybe_unused]] const bool held_over_fork = [] {
  const auto unlock = [] {
    layouts().unlock();
    types().unlock();
  };
  const auto lock = [] {
    types().lock();
    layouts().lock();
  };
  handle_fork(ForkPlace::types, {lock, unlock, unlock});
  return true;
}();

void describe_order(Layout& layout) {
  const int rank = layout.type->rank();
  const Shape& shape = layout.type->shape;
  std::iota(layout.order.begin(), layout.order.end(), uint8_t{0});
  std::sort(layout.order.begin(), layout.order.begin() + rank, [&](int a, int b) {
    const int64_t x = std::abs(layout.strides[a]), y = std::abs(layout.strides[b]);
    return x != y ? x > y : a < b;
  });
  layout.dense = true;
  if (layout.type->size == 0) return;
  int64_t expected = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const int axis = layout.order[i];
    if (shape[axis] == 1) continue;
    layout.dense &= layout.strides[axis] == expected;
    expected *= shape[axis];
  }
}

void describe_extent(Layout& layout) {
  layout.lowest = layout.highest = 0;
  layout.contiguous = true;
  if (layout.type->size == 0) {  // whose lengths may have a product beyond int64
    layout.highest = -1;
    return;
  }
  int64_t expected = 1;
  const Shape& shape = layout.type->shape;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    const int64_t reach = (shape[i] - 1) * layout.strides[i];
    (reach < 0 ? layout.lowest : layout.highest) += reach;
    if (shape[i] != 1) layout.contiguous &= layout.strides[i] == expected;
    expected *= shape[i];
  }
}

}  // namespace

const Type* Type::of(Dtype dtype, const Shape& shape, bool weak) try {
  uint64_t hash = mix(static_cast<uint64_t>(dtype) * 2 + weak, static_cast<uint64_t>(shape.rank()));
  for (Dim d : shape) hash = mix(hash, static_cast<uint64_t>(d.value()));
  return types().find_or_add(
      hash, [&](const Type& t) { return t.dtype == dtype && t.weak == weak && t.shape == shape; },
      [&] { return Type{dtype, weak, shape, shape.size(), hash, nullptr}; });
} catch (const std::bad_alloc&) { throw_no_memory_within(); }

const Layout* Type::repeated() const {
  std::atomic_ref<const Layout*> cached(repeated_layout);
  const Layout* layout = cached.load(std::memory_order_acquire);
  if (!layout) {
    layout = Layout::of(this, Strides{});
    cached.store(layout, std::memory_order_release);
  }
  return layout;
}

const Layout* Layout::of(const Type* type, const Strides& given) try {
  // One spelling for what cannot be told apart: unused strides, those of axes of length 1, and all of an empty array.
  Strides strides = type->size == 0 ? Strides{} : given;
  for (int i = max_rank - 1; i >= type->rank(); --i) strides[i] = 0;
  for (int i = type->rank() - 1; i >= 0 && type->size > 0; --i) {
    if (type->shape[i] == 1) strides[i] = i + 1 < type->rank() ? strides[i + 1] * type->shape[i + 1] : 1;
  }
  uint64_t hash = type->hash;
  for (int i = 0; i < type->rank(); ++i) hash = mix(hash, static_cast<uint64_t>(strides[i]));
  return layouts().find_or_add(
      hash, [&](const Layout& l) { return l.type == type && l.strides == strides; },
      [&] {
        Layout layout{type, strides, 0, 0, false, false, {}, hash};
        describe_order(layout);
        describe_extent(layout);
        return layout;
      });
} catch (const std::bad_alloc&) { throw_no_memory_within(); }

const Layout* Layout::contiguous_of(const Type* type) {
  Strides strides{};
  int64_t step = 1;
  for (int i = type->rank() - 1; i >= 0 && type->size > 0; --i) {
    strides[i] = step;
    step *= type->shape[i];
  }
  return of(type, strides);
}

const Layout* Layout::dense_of(const Type* type, const std::array<uint8_t, max_rank>& order) {
  Strides strides{};
  int64_t step = 1;
  for (int i = type->rank() - 1; i >= 0 && type->size > 0; --i) {
    strides[order[i]] = step;
    step *= type->shape[order[i]];
  }
  return of(type, strides);
}

const Layout* Layout::dense_like(const Type* type, const Layout* like) { return dense_of(type, like->order); }

std::string to_string(const Type& type) {
  return std::string(short_name(type.dtype)) + (type.weak ? "*" : "") + to_string(type.shape);
}

}  // namespace wengert
