// Finds and loads the compiler plug-in.
#pragma once

#include <string>

#include "wengert/backends/cpu/compiler.hpp"

namespace wengert::cpu {

/// The plug-in, or why there is none.
struct LoadedPlugin {
  const wengert_compiler_plugin* plugin = nullptr;
  std::string path;
  std::string problem;
  bool refused = false;  // found, but it belongs to another version of the library
};

/// Loads libwengert_clang.so: the file that the environment variable WENGERT_PLUGIN names, else the
/// one beside the library (or program) that this code is in. Takes tens of milliseconds; the caller
/// keeps the result. Symbols of the plug-in and of clang stay out of the process's global scope.
LoadedPlugin load_compiler_plugin();

}  // namespace wengert::cpu
