// A loop over many shapes asks for few kernels: lengths are arguments of a kernel, no part of its text.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>

#include "tests/compiler_scope.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

/// The texts that f asks for, each once.
std::set<std::string> texts_of(const std::function<void()>& f) {
  std::set<std::string> texts;
  cpu::set_kernel_observer([&](std::string_view text) { texts.emplace(text); });
  f();
  cpu::set_kernel_observer({});
  return texts;
}

/// 50 shapes [rows, columns], no two lengths of them equal, as a language model meets them.
std::vector<Shape> many_shapes() {
  std::vector<Shape> shapes;
  for (int64_t i = 0; i < 50; ++i) shapes.push_back({3 + i, 5 + 3 * i});
  return shapes;
}

Array chain(const Array& x) { return tanh(x * 0.5f + 1.0f) * x; }

struct Loop {
  const char* name;
  std::function<void(const Array&)> body;  // of float32 [rows, columns]
  size_t most;                             // kernels: a few schedules, for short and long loops
};

/// Every shape derives plans of its own, so that the bound is not that of a loop that does nothing new.
TEST(ManyShapes, ShareTheirKernels) {
  const test::CompilerScope none(cpu::CompilerChoice::none);  // texts are asked for, none needs compiling
  const cpu::KernelScope own;                                 // products by kernels, not by oneDNN
  for (const Loop& loop : {
           Loop{"chain", [](const Array& x) { chain(x); }, 4},
           Loop{"softmax", [](const Array& x) { softmax(x); }, 2},
           Loop{"matmul", [](const Array& x) { matmul(x, transpose(x)); }, 2},
           Loop{"sum of rows", [](const Array& x) { sum(x, {1}); }, 2},
           Loop{"sum of columns", [](const Array& x) { sum(x, {0}); }, 1},
           Loop{"grad", [](const Array& x) { grad([](const Array& v) { return sum(softmax(chain(v)) * v); })(x); }, 9},
       }) {
    std::map<std::string, int> uses;
    const int64_t plans = cpu::plan_count();
    for (const Shape& shape : many_shapes()) {
      const Array x = full(shape, 0.25f);
      for (const std::string& text : texts_of([&] { loop.body(x); })) ++uses[text];
    }
    EXPECT_GE(cpu::plan_count() - plans, 50) << loop.name;
    EXPECT_LE(uses.size(), loop.most) << loop.name;
    EXPECT_GE(uses.size(), 1u) << loop.name;
  }
}

/// Nor do the numbers of an index make kernels.
TEST(ManyIndices, ShareTheirKernels) {
  const test::CompilerScope none(cpu::CompilerChoice::none);
  const Array x = full({60, 40}, 0.5f);
  const int64_t plans = cpu::plan_count();
  const std::set<std::string> texts = texts_of([&] {
    for (int64_t i = 0; i < 50; ++i)
      grad([i](const Array& v) { return sum(v[{i, range(i % 7, 10 + i % 7)}] * 2.0f); })(x);
  });
  EXPECT_LE(cpu::plan_count() - plans, 6);
  EXPECT_LE(texts.size(), 5u);
}

}  // namespace
}  // namespace wengert
