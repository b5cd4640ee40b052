#include "wengert/backends/cpu/code_loader.hpp"

#include <dlfcn.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "wengert/backends/cpu/files.hpp"

namespace wengert::cpu {

LoadResult load_shared_object(std::string_view bytes, const std::vector<std::string>& scratch_parents) {
  LoadResult result;
  result.problem = "no folder for temporary files; set TMPDIR";
  for (const std::string& parent : scratch_parents) {
    const TemporaryFolder folder(std::span(&parent, 1));
    if (folder.path().empty()) continue;
    const std::string path = folder.path() + "/kernel.so";
    if (!write_file(path, bytes)) {
      result.problem = path + ": " + std::strerror(errno);
      continue;
    }
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* symbol = library != nullptr ? ::dlsym(library, "wg_kernel") : nullptr;
    if (symbol != nullptr) return {reinterpret_cast<wg_kernel>(symbol), {}};
    const char* reason = ::dlerror();
    result.problem = reason != nullptr ? reason : path + ": no wg_kernel in it";
    if (library != nullptr) ::dlclose(library);
  }
  return result;
}

}  // namespace wengert::cpu
