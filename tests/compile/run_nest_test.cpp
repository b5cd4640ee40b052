// The plain evaluator of nests.
#include <gtest/gtest.h>

#include <array>

#include "wengert/compile/nest.hpp"

namespace wengert::compile {
namespace {

/// y = 2 x and z = x + x², where x and y are one memory, as they are where a kernel writes over an input that was given
/// up: both results come from the old elements, whichever is stored first.
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

}  // namespace
}  // namespace wengert::compile
