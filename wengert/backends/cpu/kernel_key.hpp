// The content hash behind every cache of kernels. Not cryptographic: it separates texts by
// odds that no accident beats; it does not withstand somebody who looks for collisions (the caches
// refuse what others could have written).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace wengert::cpu {

/// 128-bit content hash of a text: the key of every kernel cache.
struct KernelKey {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const KernelKey&) const = default;
};

/// The key of `text`. The same on every machine, in every process and version; about 8 bytes a
/// nanosecond.
KernelKey kernel_key(std::string_view text);

/// `key` as 32 hexadecimal digits, high half first.
std::string to_string(const KernelKey& key);

}  // namespace wengert::cpu

template <>
struct std::hash<wengert::cpu::KernelKey> {
  std::size_t operator()(const wengert::cpu::KernelKey& key) const noexcept { return key.low; }
};
