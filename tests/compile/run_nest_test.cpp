// The plain evaluator of nests.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tests/compiler_scope.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/compile/nest.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/wengert.hpp"

namespace wengert::compile {
namespace {

/// y = 2 x and z = x + x², where x and y are one memory, as they are where a kernel writes over an input that was
/// given up: both results come from the old elements, whichever is stored first.
TEST(RunNest, StoresOverAnInputComeAfterItsLastUse) {
  for (const bool first : {true, false}) {
    Nest nest;
    const Layout* layout = Layout::contiguous_of(Type::of(float64, {3}));
    nest.buffers = {{layout, true}, {layout, true}};
    const int axis = nest.graph.add_axis(3);
    const std::array<Expr, 1> at = {nest.graph.axis(axis)};
    const Expr x = nest.graph.load(0, float64, at);
    const Store over{0, {axis}, x * 2.0}, beside{1, {axis}, x + x * x};
    nest.stores = first ? std::vector<Store>{over, beside} : std::vector<Store>{beside, over};
    std::array<double, 3> memory = {1, 2, 3}, other = {};
    const std::array<void*, 2> buffers = {memory.data(), other.data()};
    EXPECT_FALSE(run_nest(nest, buffers, {}));
    EXPECT_EQ(memory, (std::array<double, 3>{2, 4, 6}));
    EXPECT_EQ(other, (std::array<double, 3>{2, 6, 12}));
  }
}

// Donated inputs -----------------------------------------------------------------------------------------

using Arrays = std::vector<Array>;
constexpr int64_t rows = 37, columns = 21;

/// Three inputs [rows, columns] of their own memory.
Arrays fresh_inputs() {
  Arrays inputs;
  for (int n = 0; n < 3; ++n) {
    std::vector<double> values;
    for (int64_t i = 0; i < rows * columns; ++i) values.push_back(std::sin(static_cast<double>(i * (n + 2) + n)));
    inputs.push_back(array(values, {rows, columns}));
  }
  return inputs;
}

struct Outcome {
  std::vector<std::vector<double>> outputs;
  int over_inputs = 0;  // outputs that lie in the memory of an input
};

Outcome run(const ProgramPtr& program, uint64_t donated, bool fuse) {
  const Arrays inputs = fresh_inputs();
  std::vector<const Layout*> layouts;
  std::vector<wengert::Node*> nodes;
  for (const Array& x : inputs) {
    layouts.push_back(&x.layout());
    nodes.push_back(x.node());
  }
  LowerOptions options;
  options.fuse = fuse;
  const auto plan = cpu::make_plan(call_primitive, call_params(program), 0, layouts, donated, options);
  Arrays outputs(program->outputs().size());
  cpu::run_plan(*plan, nodes, {}, outputs);
  Outcome result;
  for (const Array& y : outputs) result.outputs.push_back(y.to_vector<double>());
  for (const cpu::PlanOutput& y : plan->outputs) result.over_inputs += y.place.block < inputs.size();
  return result;
}

struct Case {
  const char* name;
  std::vector<Array> (*f)(std::span<const Array>);
};
const Case cases[] = {
    {"elementwise",
     [](std::span<const Array> x) -> Arrays { return {x[0] * x[1] + x[2], x[0] - tanh(x[1]), x[2] * 2 + x[0]}; }},
    {"swapped", [](std::span<const Array> x) -> Arrays { return {x[1] + 1, x[2] + x[0], x[0] * x[1]}; }},
    {"backwards", [](std::span<const Array> x) -> Arrays { return {x[0] + flip(x[0], 0), flip(x[1], 1) * x[1]}; }},
    {"along rows",
     [](std::span<const Array> x) -> Arrays {
       return {softmax(x[0], 1), x[0] - mean(x[1], {1}, true), max(x[0], {1})};
     }},
    {"along columns",
     [](std::span<const Array> x) -> Arrays {
       return {x[0] - sum(x[0], {0}, true), x[1] * x[0], sum(x[1] * x[2], {0})};
     }},
    {"one after the other",
     [](std::span<const Array> x) -> Arrays {
       const Array total = sum(x[0] * x[1]);
       return {x[0] * total, x[1] + total, x[2] - x[0]};
     }},
};

/// Fused nests with several outputs, some of them in the memory of an input: in plain C++ and as kernels they give what
/// one nest for each equation gives that writes over nothing.
TEST(RunNest, WithDonatedInputsAndSeveralOutputs) {
  const Arrays like = fresh_inputs();
  const std::vector<const Type*> types(3, &like[0].type());
  int written_over = 0;
  for (const Case& c : cases) {
    const ProgramPtr program = record(types, c.f);
    const test::CompilerScope none(cpu::CompilerChoice::none);
    const Outcome wanted = run(program, 0, false);
    EXPECT_EQ(wanted.over_inputs, 0);
    int over_inputs = 0;
    for (const bool plain : {true, false}) {
      const test::CompilerScope chosen(plain ? cpu::CompilerChoice::none : cpu::CompilerChoice::automatic);
      for (uint64_t donated = 0; donated < 8; ++donated) {
        SCOPED_TRACE(std::string(c.name) + (plain ? ", plain" : ", kernels") + ", donated " + std::to_string(donated));
        const Outcome got = run(program, donated, true);
        over_inputs += got.over_inputs;
        EXPECT_TRUE(donated != 0 || got.over_inputs == 0);
        ASSERT_EQ(got.outputs.size(), wanted.outputs.size());
        for (size_t i = 0; i < wanted.outputs.size(); ++i) {
          ASSERT_EQ(got.outputs[i].size(), wanted.outputs[i].size());
          for (size_t n = 0; n < wanted.outputs[i].size(); ++n) {
            ASSERT_NEAR(got.outputs[i][n], wanted.outputs[i][n], 1e-12) << "output " << i << ", element " << n;
          }
        }
      }
    }
    written_over += over_inputs > 0;
  }
  EXPECT_GE(written_over, 4) << "cases in which a result took the memory of an input";
}

}  // namespace
}  // namespace wengert::compile
