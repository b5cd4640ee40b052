#include "wengert/backends/cpu/compiler_plugin.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

namespace wengert::cpu {
namespace {

constexpr char plugin_file[] = "libwengert_clang.so";

std::string plugin_path() {
  if (const char* chosen = std::getenv("WENGERT_PLUGIN"); chosen != nullptr && *chosen != '\0') return chosen;
  Dl_info self;
  if (::dladdr(reinterpret_cast<const void*>(&load_compiler_plugin), &self) == 0 || self.dli_fname == nullptr) {
    return plugin_file;
  }
  const std::string library = self.dli_fname;
  const std::size_t slash = library.rfind('/');
  return slash == std::string::npos ? plugin_file : library.substr(0, slash + 1) + plugin_file;
}

}  // namespace

LoadedPlugin load_compiler_plugin() {
  LoadedPlugin loaded;
  loaded.path = plugin_path();
  void* library = ::dlopen(loaded.path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    loaded.problem = reason != nullptr ? reason : loaded.path + ": cannot be loaded";
    return loaded;
  }
  const auto entry = reinterpret_cast<decltype(&wengert_compiler_entry)>(::dlsym(library, "wengert_compiler_entry"));
  const wengert_compiler_plugin* plugin = entry != nullptr ? entry() : nullptr;
  const char* revision = plugin != nullptr ? plugin->revision : "none";
  if (std::strcmp(revision, plugin_revision) != 0) {
    loaded.refused = true;
    loaded.problem = loaded.path + ": its revision is " + revision + ", this library wants " + plugin_revision +
        "; install the plug-in of the same version";
    return loaded;  // stays mapped: unloading LLVM is not worth its risks
  }
  loaded.plugin = plugin;
  return loaded;
}

}  // namespace wengert::cpu
