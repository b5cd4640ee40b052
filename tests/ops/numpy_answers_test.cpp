// The plain evaluator, to which all kernels are held, against NumPy's recorded answers: see
// tests/fixtures/make_numpy_answers.py and make_numpy_room_answers.py.
#include <gtest/gtest.h>

#include <map>

#include "tests/ops/primitive_testing.hpp"
#include "tests/ops/recorded.hpp"
#include "wengert/backends/cpu/executor.hpp"

namespace wengert::testing {
namespace {

/// A number, list or text as a parameter of the same kind as another one.
Param decode_param(const Json& json, const Param& like) {
  std::vector<int64_t> numbers;
  if (json.is_array()) numbers = json.get<std::vector<int64_t>>();
  if (std::holds_alternative<Axes>(like)) return Axes(std::span<const int64_t>(numbers));
  if (std::holds_alternative<Shape>(like)) return Shape(std::span<const int64_t>(numbers));
  if (std::holds_alternative<Dtype>(like)) return dtype_from_name(json.get<std::string>());
  if (std::holds_alternative<bool>(like)) return json.get<bool>();
  if (std::holds_alternative<int64_t>(like)) return json.get<int64_t>();
  if (std::holds_alternative<double>(like)) return json.get<double>();
  return json.get<std::string>();
}

/// Of the kinds that the primitive's samples have.
Params decode_params(const Primitive& p, const Json& json) {
  std::vector<Param> params;
  for (size_t i = 0; i < p.params.size(); ++i) {
    params.push_back(decode_param(json.at(p.params[i]), p.samples.cases.front().params[static_cast<int>(i)]));
  }
  return params.empty() ? Params() : Params(params);
}

Runtimes decode_runtimes(const Json& recorded) {
  Axes numbers;
  if (recorded.contains("runtimes"))
    for (const Json& v : recorded["runtimes"]) numbers.push_back(v.get<int64_t>());
  return Runtimes(numbers);
}

/// One rounding apart where the answer was rounded once; composites and sums round in between.
Tolerance tolerance(const Primitive& p, Dtype dtype) {
  if (!is_inexact(dtype)) return {};
  if (p.is(Trait::elementwise) && !p.body) return {1, 0};
  return {2, dtype == float32 ? 1e-6 : 1e-14};
}

/// What the make_*.py of these names recorded.
std::vector<Json> recordings() { return {recording("numpy_answers"), recording("numpy_room_answers")}; }

class PlainEvaluator : public ::testing::TestWithParam<Placement> {};

TEST_P(PlainEvaluator, GivesNumpysAnswers) {
  const cpu::OracleScope oracle;
  for (const Json& file : recordings()) {
    std::map<std::string, Array> operands;
    for (const auto& [name, recorded] : file["operands"].items()) {
      const Recorded x = decode(recorded);
      operands[name] = make_operand(x.values, x.dtype, x.shape, GetParam());
    }
    for (const Json& recorded : file["cases"]) {
      const std::string name = recorded["primitive"];
      const Primitive* p = find_primitive(name);
      ASSERT_NE(p, nullptr) << name;
      Arrays in;
      for (const Json& operand : recorded["inputs"]) in.push_back(operands.at(operand));
      const int count = static_cast<int>(recorded["answers"].size());
      const auto outputs = bind_all(*p, in, count, decode_params(*p, recorded["params"]), decode_runtimes(recorded));
      for (int i = 0; i < count; ++i) {
        const Array& got = outputs[static_cast<size_t>(i)];
        const Recorded answer = decode(recorded["answers"][static_cast<size_t>(i)]);
        const std::string what = name + " of " + (in.empty() ? "nothing" : describe(in[0])) + " " +
            recorded["params"].dump() + ", output " + std::to_string(i);
        EXPECT_EQ(got.dtype(), answer.dtype) << what;
        EXPECT_EQ(got.shape(), answer.shape) << what;
        EXPECT_EQ(difference(values_of(got), answer.values, answer.dtype, tolerance(*p, answer.dtype)), "") << what;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfOperands, PlainEvaluator,
                         ::testing::Values(Placement::contiguous, Placement::transposed, Placement::strided,
                                           Placement::reversed),
                         [](const auto& info) { return name(info.param); });

/// What has its truth elsewhere.
const std::map<std::string, std::string> exceptions = {
    {"call", "is its program's answer"},
    {"random_uniform", "tests/ops/random_test.cpp"},
    {"random_normal", "tests/ops/random_test.cpp"},
    {"random_fold", "tests/ops/random_test.cpp"},
    {"random_split", "tests/ops/random_test.cpp"},
    {"random_permutation", "tests/ops/random_test.cpp"},
};

TEST(NumpyAnswers, CoverEveryPrimitive) {
  std::map<std::string, int> cases;
  for (const Json& file : recordings())
    for (const Json& recorded : file["cases"]) ++cases[recorded["primitive"]];
  for (const Primitive* p : all_primitives()) {
    EXPECT_NE(cases[p->name] > 0, exceptions.contains(p->name))
        << p->name << ": record NumPy's answers by tests/fixtures/make_numpy_answers.py or make_numpy_room_answers.py";
  }
}

}  // namespace
}  // namespace wengert::testing
