// eye, arange and linspace, against NumPy's answers: see tests/fixtures/make_numpy_array_answers.py.
#include "wengert/ops/create.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/ops/primitive_testing.hpp"
#include "tests/values.hpp"

namespace wengert::testing {
namespace {

using Json = nlohmann::json;

Array created(const Json& record) {
  const std::string name = record["name"];
  const Json& a = record["arguments"];
  const Dtype dtype = dtype_from_name(record["dtype"].get<std::string>());
  const auto integer = [&](size_t i) { return a.at(i).get<int64_t>(); };
  const auto number = [&](size_t i) { return a.at(i).get<double>(); };
  if (name == "eye") return eye(integer(0), integer(1), integer(2), dtype);
  if (name == "arange") return arange(integer(0), integer(1), integer(2), dtype);
  if (name == "arange_floats") return arange(number(0), number(1), number(2), dtype);
  return linspace(number(0), number(1), integer(2), dtype);
}

/// Integers are equal; floats within a rounding of the step, and the ends of linspace exactly.
TEST(Create, GivesWhatNumPyGives) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/numpy_array_answers.json");
  ASSERT_TRUE(file.is_open());
  const Json answers = Json::parse(file);
  std::map<std::string, int> count;
  for (const Json& record : answers["creates"]) {
    ++count[record["name"].get<std::string>()];
    const std::string what = record["name"].get<std::string>() + record["arguments"].dump() + record["dtype"].dump();
    const Array got = created(record);
    Shape shape;
    for (const Json& length : record["shape"]) shape.push_back(length.get<int64_t>());
    EXPECT_EQ(got.shape(), shape) << what;
    if (got.shape() != shape) continue;
    if (is_floating(got.dtype())) {
      const auto wanted = record["values"].get<std::vector<double>>();
      test::expect_close(test::doubles_of(got), wanted, 4e-16, what);
      const bool ends = record["name"] == "linspace" && !wanted.empty();
      EXPECT_TRUE(!ends || test::doubles_of(got).back() == wanted.back()) << what;
    } else {
      Values wanted;
      for (const Json& v : record["values"]) wanted.push_back(v.is_boolean() ? v.get<bool>() : v.get<int64_t>());
      EXPECT_EQ(values_of(got), wanted) << what;
    }
  }
  EXPECT_EQ(count.size(), 4u);
}

}  // namespace
}  // namespace wengert::testing
