// Texts of small kernels, and scratch folders, for the tests of the ways from C text to a function.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scratch.hpp"
#include "wengert/backends/cpu/abi.h"

namespace wengert::cpu::testing_kernels {

namespace fs = std::filesystem;

using test::Scratch;

inline void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

inline std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

inline void write_script(const std::string& path, const std::string& body) {
  write_text(path, "#!/bin/sh\n" + body);
  ::chmod(path.c_str(), 0700);
}

/// The declarations that a kernel's text begins with.
inline const std::string declarations = R"(
#include <stdint.h>
typedef union wg_scalar { int64_t i; double f; } wg_scalar;
typedef struct wg_context wg_context;
)";

/// A kernel that writes scale * x[i] + offset to y; distinct offsets make distinct texts.
inline std::string scaling_kernel(int offset) {
  return declarations + R"(
static void scale(const float* restrict x, float* restrict y, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) y[i] = factor * x[i] + )" +
      std::to_string(offset) + R"(.0f;
}
int32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* sizes, const wg_scalar* scalars) {
  (void)context;
  scale(buffers[0], buffers[1], sizes[0], (float)scalars[0].f);
  return 0;
}
)";
}

inline bool computes_scaling(wg_kernel kernel, int offset) {
  if (kernel == nullptr) return false;
  std::vector<float> x(1000), y(1000, -1);
  for (int i = 0; i < 1000; ++i) x[i] = static_cast<float>(i);
  void* buffers[] = {x.data(), y.data()};
  const int64_t sizes[] = {999};
  wg_scalar scalars[1];
  scalars[0].f = 3;
  if (kernel(nullptr, buffers, sizes, scalars) != wg_ok || y[999] != -1) return false;
  for (int i = 0; i < 999; ++i) {
    if (y[i] != 3.0f * x[i] + static_cast<float>(offset)) return false;
  }
  return true;
}

/// Calls kernel(null, buffers, null, null).
inline int32_t call(wg_kernel kernel, std::vector<void*> buffers) {
  return kernel(nullptr, buffers.data(), nullptr, nullptr);
}

inline std::string kernel_of(const std::string& helpers, const std::string& body) {
  return declarations + helpers +
      "\nint32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* "
      "sizes, const wg_scalar* "
      "scalars) {\n  (void)context; (void)buffers; (void)sizes; (void)scalars;\n" +
      body + "\n}\n";
}

}  // namespace wengert::cpu::testing_kernels
