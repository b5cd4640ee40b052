// Arrays that NumPy's programs in tests/fixtures/ recorded: see recording.py there.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/ops/primitive_testing.hpp"

namespace wengert::testing {

using Json = nlohmann::json;

struct Recorded {
  Values values;
  Dtype dtype;
  Shape shape;
};

inline Recorded decode(const Json& json) {
  Recorded x{{}, dtype_from_name(json["dtype"].get<std::string>()), {}};
  for (const Json& length : json["shape"]) x.shape.push_back(length.get<int64_t>());
  for (const Json& v : json["values"]) {
    if (v.is_string()) x.values.push_back(std::strtold(v.get<std::string>().c_str(), nullptr));
    else if (v.is_boolean()) x.values.push_back(v.get<bool>());
    else if (v.is_number_integer()) x.values.push_back(static_cast<Real>(v.get<int64_t>()));
    else
      x.values.push_back(x.dtype == float32 ? static_cast<Real>(static_cast<float>(v.get<double>())) : v.get<double>());
  }
  return x;
}

/// The file of that name in tests/fixtures/.
inline Json recording(const std::string& name) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/" + name + ".json");
  EXPECT_TRUE(file.is_open()) << name;
  return Json::parse(file);
}

}  // namespace wengert::testing
