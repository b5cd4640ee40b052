// Promotion, against the table of the Python array API standard: tests/fixtures/promotion.txt.
#include "wengert/array/dtype.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "wengert/wengert.hpp"

namespace wengert {
namespace {

struct Cell {
  std::string a;  // with a star where it is weak
  std::string b, result;
  bool standard;  // or the library's own answer
};

std::vector<Cell> promotion_table() {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/promotion.txt");
  std::vector<std::string> columns;
  std::vector<Cell> cells;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string a, word;
    if (columns.empty()) {
      while (words >> word) columns.push_back(word);
      continue;
    }
    words >> a;
    for (const std::string& b : columns) {
      words >> word;
      const bool own = word.starts_with("(");
      cells.push_back({a, b, own ? word.substr(1, word.size() - 2) : word, !own});
    }
  }
  return cells;
}

TEST(Promotion, IsThatOfTheArrayApiStandard) {
  int standard = 0, all = 0;
  for (const Cell& cell : promotion_table()) {
    const bool weak = cell.a.ends_with("*");
    const Dtype a = dtype_from_name(cell.a.substr(0, cell.a.size() - weak)), b = dtype_from_name(cell.b);
    EXPECT_EQ(short_name(promote(a, weak, b, false)), cell.result) << cell.a << " with " << cell.b;
    EXPECT_EQ(short_name(promote(b, false, a, weak)), cell.result) << cell.b << " with " << cell.a;
    if (!weak) {
      EXPECT_EQ(short_name(promote(a, true, b, true)), cell.result) << cell.a << " with " << cell.b << ", both weak";
    }
    standard += cell.standard;
    ++all;
  }
  EXPECT_EQ(all, 18 * 15);
  EXPECT_EQ(standard, 90);
}

/// Arrays of the dtypes that there are kernels for, beside plain numbers of C++, on either side.
TEST(Promotion, OfPlainNumbersIsThatOfTheTable) {
  for (const Cell& cell : promotion_table()) {
    const Dtype b = dtype_from_name(cell.b);
    if (!cell.a.ends_with("*") || !is_supported(b)) continue;
    const Array x = ones({2}, b);
    const auto expect = [&](const Array& y) {
      EXPECT_EQ(short_name(y.dtype()), cell.result) << cell.a << " with " << cell.b;
    };
    if (cell.a == "bool*") expect(maximum(x, true)), expect(maximum(true, x));
    if (cell.a == "i64*")
      expect(maximum(x, 1)), expect(1 + x), expect(maximum(uint8_t{1}, x)), expect(where(x == x, x, 1));
    if (cell.a == "f32*") expect(maximum(x, 1.5)), expect(1.5 * x), expect(x - 1.5f), expect(where(x == x, 1.5, x));
  }
}

}  // namespace
}  // namespace wengert
