// From compiled bytes to a function that can be called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wengert/backends/cpu/abi.h"

namespace wengert::cpu {

/// What a loader yields: the kernel, or why it could not be had. Loaded code stays until the
/// process ends.
struct LoadResult {
  wg_kernel kernel = nullptr;
  std::string problem;
};

/// Loads a shared object that defines wg_kernel. It passes through a file in one of
/// `scratch_parents`, since the dynamic linker reads files only; the first folder that is not
/// mounted noexec serves.
LoadResult load_shared_object(std::string_view bytes, const std::vector<std::string>& scratch_parents);

}  // namespace wengert::cpu
