// IDX files that are as they should be: every type, plain and gzipped. What is wrong with others is in
// tests/errors/errors_test.cpp.
#include "wengert/data/idx.hpp"

#include <gtest/gtest.h>

#include <zlib.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "tests/scratch.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using Bytes = std::string;

/// `value` in as many bytes, the most significant first.
Bytes big_endian(uint64_t value, int bytes) {
  Bytes text;
  for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}
Bytes big_endian(uint8_t value) { return big_endian(value, 1); }
Bytes big_endian(int32_t value) { return big_endian(static_cast<uint32_t>(value), 4); }
Bytes big_endian(float value) { return big_endian(std::bit_cast<uint32_t>(value), 4); }
Bytes big_endian(double value) { return big_endian(std::bit_cast<uint64_t>(value), 8); }

template <class T>
Bytes file(uint8_t code, const std::vector<uint32_t>& lengths, const std::vector<T>& values) {
  Bytes text = Bytes(2, '\0') + static_cast<char>(code) + static_cast<char>(lengths.size());
  for (uint32_t length : lengths) text += big_endian(length, 4);
  for (T value : values) text += big_endian(value);
  return text;
}

/// Reads the text as a plain and as a gzipped file.
std::vector<Array> read_both(const Bytes& text) {
  const test::Scratch scratch;
  const std::string plain = scratch / "plain.idx", zipped = scratch / "zipped.idx.gz";
  std::ofstream(plain, std::ios::binary) << text;
  const gzFile out = gzopen(zipped.c_str(), "wb");
  EXPECT_EQ(gzwrite(out, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  gzclose(out);
  EXPECT_EQ(std::ifstream(zipped, std::ios::binary).get(), 0x1f) << "gzipped";
  return {data::read_idx(plain), data::read_idx(zipped)};
}

/// The first `count` of the values, in each of the shapes.
template <class T>
void expect_read(uint8_t code, Dtype dtype, const std::vector<T>& values) {
  const std::vector<uint32_t> shapes[] = {{6}, {1}, {0}, {2, 3}, {3, 2}, {4, 0}, {1, 2, 3}, {3, 1, 2}, {2, 0, 5}};
  ASSERT_EQ(values.size(), 6u);
  for (const std::vector<uint32_t>& lengths : shapes) {
    Shape shape;
    for (uint32_t length : lengths) shape.push_back(length);
    const std::vector<T> part(values.begin(), values.begin() + shape.size());
    for (const Array& x : read_both(file(code, lengths, part))) {
      EXPECT_EQ(describe(x), describe(zeros(shape, dtype)));
      const std::vector<T> got = x.to_vector<T>();
      ASSERT_EQ(got.size(), part.size());
      if (part.empty()) continue;
      EXPECT_EQ(std::memcmp(got.data(), part.data(), part.size() * sizeof(T)), 0) << describe(x);
    }
  }
}

TEST(ReadIdx, OfEveryTypeAndRank) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  expect_read<uint8_t>(0x08, uint8, {0, 1, 127, 128, 254, 255});
  expect_read<int32_t>(0x0C, int32, {0, 1, -1, 0x01020304, INT32_MAX, INT32_MIN});
  expect_read<float>(0x0D, float32, {0.f, -0.f, 1.5f, nan, 1e-45f, -INFINITY});
  expect_read<double>(0x0E, float64, {0., -0., 0.1, nan, 5e-324, INFINITY});
}

/// The bytes of a file as the format's description has them: int32 [2,2], 1 2 3 -2.
TEST(ReadIdx, OfBytesWrittenByHand) {
  const Bytes text("\0\0\x0c\x02\0\0\0\2\0\0\0\2\0\0\0\1\0\0\0\2\0\0\0\3\xff\xff\xff\xfe", 28);
  for (const Array& x : read_both(text)) {
    EXPECT_EQ(describe(x), "i32[2,2]");
    EXPECT_EQ(x.to_vector<int32_t>(), (std::vector<int32_t>{1, 2, 3, -2}));
  }
}

/// Longer than the parts that zlib gives at once.
TEST(ReadIdx, OfManyElements) {
  std::vector<uint8_t> values(300'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i * i >> 5);
  for (const Array& x : read_both(file(0x08, {3, 100'000}, values))) EXPECT_EQ(x.to_vector<uint8_t>(), values);
}

}  // namespace
}  // namespace wengert
