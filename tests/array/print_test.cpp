// Printing, against what NumPy 2 prints: see tests/fixtures/make_numpy_array_answers.py.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "wengert/wengert.hpp"

namespace wg = wengert;

TEST(Print, LikeNumPy) {
  EXPECT_EQ(to_string(wg::array({{1.f, 2.5f}, {3.f, -4.f}})), "[[ 1.   2.5]\n [ 3.  -4. ]]");
  EXPECT_EQ(to_string(wg::array({1, -20, 300})), "[  1 -20 300]");
  EXPECT_EQ(to_string(wg::array({true, false})), "[ True False]");
  EXPECT_EQ(to_string(wg::array(1.5f)), "1.5");
  EXPECT_EQ(to_string(wg::array({0.1f, NAN, INFINITY})), "[0.1 nan inf]");
  EXPECT_EQ(to_string(wg::array({1e-10, 1.0})), "[1.e-10 1.e+00]");
  EXPECT_EQ(to_string(wg::arange(2000)), "[   0    1    2 ... 1997 1998 1999]");
  EXPECT_EQ(to_string(wg::zeros({0})), "[]");
  EXPECT_EQ(to_string(wg::zeros({3, 0})), "[]");
  EXPECT_EQ(to_string(wg::zeros({int64_t{1} << 62, 16, 0})), "[]");
  EXPECT_EQ(to_string(wg::array({1.f / 3})), "[0.33333334]");
}

/// Every element with the digits that its dtype needs; exponents as soon as elements are far apart.
TEST(Print, FloatsLikeNumPy) {
  EXPECT_EQ(to_string(wg::array({2.00042677f, -2.98889804f, 0.49825546f})), "[ 2.0004268  -2.988898    0.49825546]");
  EXPECT_EQ(to_string(wg::array({6.5632596f, -3.1188331f, 100.f})), "[  6.5632596  -3.118833  100.       ]");
  EXPECT_EQ(to_string(wg::array({0.1, -1.18156850000002, 2.0})), "[ 0.1       -1.1815685  2.       ]");
  EXPECT_EQ(to_string(wg::array({5000.0, 1.0})), "[5.e+03 1.e+00]");
  EXPECT_EQ(to_string(wg::array({1000.0, 1.0})), "[1000.    1.]");
  EXPECT_EQ(to_string(wg::array({0.1, 1.0 / 3, 123.456789012})), "[1.00000000e-01 3.33333333e-01 1.23456789e+02]");
  EXPECT_EQ(to_string(wg::array({0.1f, 1.f / 3, 12.3456789f})), "[ 0.1         0.33333334 12.345679  ]");
}

namespace {

using Json = nlohmann::json;

double number(const Json& v) {
  return v.is_string() ? std::strtod(v.get<std::string>().c_str(), nullptr) : v.get<double>();
}

/// The array of a record: by its values, or 0, 1, 2, ... (mod 251 for uint8, mod 2 for bool) times a factor.
wg::Array recorded(const Json& record) {
  const wg::Dtype dtype = wg::dtype_from_name(record["dtype"].get<std::string>());
  wg::Shape shape;
  for (const Json& length : record["shape"]) shape.push_back(length.get<int64_t>());
  if (record.contains("factor")) {
    const int64_t period = dtype == wg::uint8 ? 251 : dtype == wg::bool_ ? 2 : int64_t{1} << 40;
    const wg::Array base = wg::arange(shape.size()) % period;
    const wg::Array x = is_floating(dtype) ? base.astype(wg::float64) * number(record["factor"])
                                           : base * record["factor"].get<int64_t>();
    return reshape(x.astype(dtype), shape);
  }
  if (dtype == wg::int64) return wg::array(record["values"].get<std::vector<int64_t>>(), shape);
  std::vector<double> values;
  for (const Json& v : record["values"]) values.push_back(v.is_boolean() ? v.get<bool>() : number(v));
  return wg::array(values, shape).astype(dtype);
}

/// Ranks 0 to 8, every dtype, lines that end at 75 columns, long axes without their middle.
TEST(Print, EveryRecordedArrayLikeNumPy) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/numpy_array_answers.json");
  ASSERT_TRUE(file.is_open());
  const Json answers = Json::parse(file);
  for (const Json& record : answers["prints"]) {
    EXPECT_EQ(to_string(recorded(record)), record["text"].get<std::string>())
        << record["dtype"] << record["shape"] << record.value("values", record.value("factor", Json())).dump();
  }
}

}  // namespace
