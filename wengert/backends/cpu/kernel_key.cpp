#include "wengert/backends/cpu/kernel_key.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace wengert::cpu {
namespace {

// Fractional binary digits of the square roots of 2, 3, 5 and 7: numbers with nothing up their
// sleeve.
constexpr std::array<uint64_t, 4> digits = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                            0xa54ff53a5f1d36f1};

/// High xor low half of the 128-bit product: every bit of both factors reaches every bit of the
/// result.
uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t read_little_endian(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

}  // namespace

KernelKey kernel_key(std::string_view text) {
  uint64_t low = digits[0], high = digits[1];
  // Each half is added to, never replaced, so that a product that happens to be zero loses nothing
  // that came before.
  const auto absorb = [&](uint64_t first, uint64_t second) {
    const uint64_t mixed_low = fold(low ^ first, second ^ digits[2]);
    const uint64_t mixed_high = fold(high ^ second, first ^ digits[3]);
    low = std::rotl(low, 29) + mixed_low;
    high = std::rotl(high, 31) + mixed_high;
  };
  std::size_t at = 0;
  for (; at + 16 <= text.size(); at += 16) {
    absorb(read_little_endian(text.data() + at), read_little_endian(text.data() + at + 8));
  }
  char tail[16] = {};
  std::memcpy(tail, text.data() + at, text.size() - at);
  absorb(read_little_endian(tail), read_little_endian(tail + 8));
  absorb(text.size(), low ^ std::rotl(high, 17));
  return {fold(low ^ digits[1], high ^ digits[2]), fold(high ^ digits[0], low ^ digits[3])};
}

std::string to_string(const KernelKey& key) {
  static constexpr char hexadecimal[] = "0123456789abcdef";
  std::string result(32, '0');
  for (int i = 0; i < 16; ++i) {
    result[15 - i] = hexadecimal[(key.high >> (4 * i)) & 15];
    result[31 - i] = hexadecimal[(key.low >> (4 * i)) & 15];
  }
  return result;
}

}  // namespace wengert::cpu
