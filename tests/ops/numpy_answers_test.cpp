// The plain evaluator, to which all kernels are held, against NumPy's recorded answers: see
// tests/fixtures/make_numpy_answers.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/ops/primitive_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/compile/lower.hpp"
#include "wengert/trace/recorder.hpp"

namespace wengert::testing {
namespace {

using Json = nlohmann::json;

struct Recorded {
  Values values;
  Dtype dtype;
  Shape shape;
};

Recorded decode(const Json& json) {
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

Params decode_params(const Primitive& p, const Json& json) {
  std::vector<Param> params;
  for (const std::string name : p.params) {
    const Json& v = json.at(name);
    if (v.is_string()) params.push_back(dtype_from_name(v.get<std::string>()));
    else if (v.is_boolean()) params.push_back(v.get<bool>());
    else if (v.is_number()) params.push_back(v.get<double>());
    else {
      Axes axes;
      for (const Json& axis : v) axes.push_back(axis.get<int64_t>());
      params.push_back(axes);
    }
  }
  return params.empty() ? Params() : Params(params);
}

/// One rounding apart where the answer was rounded once; composites and sums round in between.
Tolerance tolerance(const Primitive& p, Dtype dtype) {
  if (!is_inexact(dtype)) return {};
  if (p.is(Trait::elementwise) && !p.body) return {1, 0};
  return {2, dtype == float32 ? 1e-6 : 1e-14};
}

TEST(NumpyAnswers, AreThoseOfThePlainEvaluator) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/numpy_answers.json");
  ASSERT_TRUE(file.is_open());
  const Json json = Json::parse(file);
  std::map<std::string, Array> operands;
  for (const auto& [name, recorded] : json["operands"].items()) {
    const Recorded x = decode(recorded);
    operands[name] = contiguous_array(x.values, x.dtype, x.shape);
  }
  const cpu::OracleScope oracle;
  for (const Json& recorded : json["cases"]) {
    const std::string name = recorded["primitive"];
    const Primitive* p = find_primitive(name);
    ASSERT_NE(p, nullptr) << name;
    Arrays in;
    for (const Json& operand : recorded["inputs"]) in.push_back(operands.at(operand));
    const Recorded answer = decode(recorded["answer"]);
    const Array got = wengert::bind(*p, in, decode_params(*p, recorded["params"]));
    const std::string what = name + " of " + describe(in[0]) + " " + recorded["params"].dump();
    EXPECT_EQ(got.dtype(), answer.dtype) << what;
    EXPECT_EQ(got.shape(), answer.shape) << what;
    EXPECT_EQ(difference(values_of(got), answer.values, answer.dtype, tolerance(*p, answer.dtype)), "") << what;
  }
}

/// Whether the plain evaluator computes it by the one function of libm that has its name: kernels are held to libm
/// then.
bool is_function_of_libm(const Primitive& p) {
  const Sample& sample = p.samples.cases.front();
  if (!p.lower || !accepted(p, sample, float64)) return false;
  const std::vector<const Type*> types = operand_types(sample, float64);
  std::vector<const Layout*> layouts;
  for (const Type* type : types) layouts.push_back(Layout::contiguous_of(type));
  const auto program = single_equation(p, types, sample.params, sample.runtimes.size());
  const compile::Lowered lowered = compile::lower(program, layouts, {.fuse = false});
  const compile::Nest& nest = *lowered.steps.at(0).nest;
  const loops::Node& value = nest.graph.node(nest.stores.at(0).value);
  const auto is_load = [&](int32_t child) { return nest.graph.node(child).op == loops::Op::load; };
  const auto operands = nest.graph.children(value);
  return value.op == loops::Op::math && std::all_of(operands.begin(), operands.end(), is_load) &&
      loops::math_functions()[static_cast<size_t>(value.integer)].name == p.name;
}

/// Every elementwise primitive has answers, or needs none.
TEST(NumpyAnswers, CoverTheElementwisePrimitives) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/numpy_answers.json");
  const Json json = Json::parse(file);
  std::map<std::string, int> cases;
  for (const Json& recorded : json["cases"]) ++cases[recorded["primitive"]];
  for (const Primitive* p : all_primitives()) {
    if (!p->is(Trait::elementwise) || cases[p->name] > 0) continue;
    EXPECT_TRUE(is_function_of_libm(*p)) << p->name
                                         << ": record NumPy's answers by tests/fixtures/make_numpy_answers.py";
  }
}

}  // namespace
}  // namespace wengert::testing
