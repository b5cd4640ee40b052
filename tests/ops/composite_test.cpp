// Composites: whatever they are made of, one equation of a program and one eager plan.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "wengert/backends/cpu/executor.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

struct Composite {
  const char* primitive;
  std::function<std::vector<Array>(const Array&)> call;  // of float32 [5,7]
};
std::ostream& operator<<(std::ostream& out, const Composite& c) { return out << c.primitive; }

const Array x = reshape(arange(35), {5, 7}).astype(float32) * 0.125f - 2.0f;
const Array weight = arange(7).astype(float32) + 0.5f, bias = arange(7).astype(float32), labels = arange(5);

class Composites : public ::testing::TestWithParam<Composite> {};

TEST_P(Composites, AreOneEquation) {
  const ProgramPtr program = make_program(GetParam().call)(x);
  ASSERT_EQ(program->equations().size(), 1u) << to_string(*program);
  EXPECT_STREQ(program->equations()[0].primitive->name, GetParam().primitive);
  EXPECT_TRUE(program->equations()[0].primitive->body) << "computed by others";
}

/// The first call derives one plan; a second one of those types derives none.
TEST_P(Composites, AreOneEagerPlan) {
  const Array other = slice(zeros({5, 9}), {0, 1}, {5, 8});  // a layout that no other call here has
  const int64_t before = cpu::plan_count();
  GetParam().call(other);
  EXPECT_EQ(cpu::plan_count(), before + 1);
  GetParam().call(other);
  EXPECT_EQ(cpu::plan_count(), before + 1);
}

using Results = std::vector<Array>;
INSTANTIATE_TEST_SUITE_P(
    All, Composites,
    ::testing::Values(Composite{"softmax", [](const Array& v) { return Results{softmax(v)}; }},
                      Composite{"log_softmax", [](const Array& v) { return Results{log_softmax(v)}; }},
                      Composite{"logsumexp", [](const Array& v) { return Results{logsumexp(v, {1})}; }},
                      Composite{"softmax_cross_entropy",
                                [](const Array& v) { return Results{softmax_cross_entropy(v, labels)}; }},
                      Composite{"layer_norm", [](const Array& v) { return Results{layer_norm(v, weight, bias)}; }},
                      Composite{"batch_norm",
                                [](const Array& v) {
                                  const BatchNorm result = batch_norm(v, weight, bias);
                                  return Results{result.y, result.mean, result.var};
                                }},
                      Composite{"gelu", [](const Array& v) { return Results{gelu(v)}; }},
                      Composite{"silu", [](const Array& v) { return Results{silu(v)}; }},
                      Composite{"softplus", [](const Array& v) { return Results{softplus(v)}; }},
                      Composite{"norm", [](const Array& v) { return Results{norm(v)}; }}),
    [](const auto& row) { return std::string(row.param.primitive); });

}  // namespace
}  // namespace wengert
