#include "wengert/backends/cpu/onednn.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

namespace wengert::cpu::onednn {
namespace {

constexpr const char* file = "libdnnl.so.2";   // Debian's; 3.x has another interface

template <class Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  return function != nullptr;
}

/// The structures of the C API are those of 2.6 and have grown since 2.0.
bool is_known(const dnnl_version_t& version) { return version.major == 2 && version.minor >= 6; }

bool load(Library& library) {
  if (const char* setting = std::getenv("WENGERT_ONEDNN"); setting != nullptr && std::string_view(setting) == "off") return false;
  void* handle = ::dlopen(file, RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return false;
  decltype(&::dnnl_version) version = nullptr;
  if (!find(handle, "dnnl_version", version) || !is_known(*version())) return false;
  decltype(&::dnnl_engine_create) engine_create = nullptr;
  decltype(&::dnnl_stream_create) stream_create = nullptr;
  const bool complete = find(handle, "dnnl_engine_create", engine_create) && find(handle, "dnnl_stream_create", stream_create) &&
                        find(handle, "dnnl_sgemm", library.sgemm) &&
                        find(handle, "omp_get_max_threads", library.get_max_threads) &&
                        find(handle, "omp_set_num_threads", library.set_num_threads);
  return complete && engine_create(&library.engine, dnnl_cpu, 0) == dnnl_success &&
         stream_create(&library.stream, library.engine, dnnl_stream_default_flags) == dnnl_success;
}

}  // namespace

const Library* library() {
  // Never unloaded: kernels that it made may still be in use when the process ends.
  static const Library* const loaded = [] {
    auto* library = new Library;
    return load(*library) ? library : nullptr;
  }();
  return loaded;
}

}  // namespace wengert::cpu::onednn
