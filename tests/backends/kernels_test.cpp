#include "wengert/backends/cpu/kernels.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "wengert/array/error.hpp"

namespace wengert::cpu {
namespace {

/// The declarations that a kernel's text begins with, as the printer emits them.
const std::string declarations = R"(
#include <stdint.h>
typedef union wg_scalar { int64_t i; double f; } wg_scalar;
typedef struct wg_context wg_context;
)";

/// A kernel that writes scale * x[i] + offset to y; distinct offsets make distinct texts.
std::string scaling_kernel(int offset) {
  return declarations + R"(
static float scaled(float x, float scale) { return scale * x + )" + std::to_string(offset) + R"(.0f; }
int32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* sizes, const wg_scalar* scalars) {
  const float* restrict x = (const float*)buffers[0];
  float* restrict y = (float*)buffers[1];
  (void)context;
  for (int64_t i = 0; i < sizes[0]; ++i) y[i] = scaled(x[i], (float)scalars[0].f);
  return 0;
}
)";
}

void expect_scaling(wg_kernel kernel, int offset) {
  ASSERT_NE(kernel, nullptr);
  std::vector<float> x(1000), y(1000, -1);
  for (int i = 0; i < 1000; ++i) x[i] = static_cast<float>(i);
  void* buffers[] = {x.data(), y.data()};
  const int64_t sizes[] = {999};
  wg_scalar scalars[1];
  scalars[0].f = 3;
  EXPECT_EQ(kernel(nullptr, buffers, sizes, scalars), wg_ok);
  for (int i = 0; i < 999; ++i) ASSERT_EQ(y[i], 3.0f * x[i] + static_cast<float>(offset)) << i;
  EXPECT_EQ(y[999], -1);
}

TEST(Kernels, cc_compiles_and_memory_answers_the_second_time) {
  set_compiler(CompilerChoice::system);
  const KernelStatistics before = kernel_statistics();
  const wg_kernel kernel = find_kernel(scaling_kernel(1));
  expect_scaling(kernel, 1);
  EXPECT_EQ(find_kernel(scaling_kernel(1)), kernel);
  const KernelStatistics after = kernel_statistics();
  EXPECT_EQ(after.compiled_system - before.compiled_system, 1);
  EXPECT_EQ(after.memory - before.memory, 1);
}

TEST(Kernels, rejected_text_is_an_error_with_the_first_complaint) {
  set_compiler(CompilerChoice::system);
  try {
    find_kernel(declarations + "int32_t wg_kernel(void) { return nothing_of_that_name; }\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::compiler);
    EXPECT_EQ(error.id(), "kernel-rejected");
    EXPECT_NE(std::string(error.what()).find("nothing_of_that_name"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace wengert::cpu
