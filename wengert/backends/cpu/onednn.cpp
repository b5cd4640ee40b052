#include "wengert/backends/cpu/onednn.hpp"

#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "wengert/array/fork.hpp"
#include "wengert/backends/cpu/executor.hpp"

namespace wengert::cpu::onednn {
namespace {

constexpr const char* file = "libdnnl.so.2";  // Debian's; 3.x has another interface

template <class Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  return function != nullptr;
}

/// What claims of convolutions use.
bool find_primitives(void* handle, Library& l) {
  return find(handle, "dnnl_stream_create", l.stream_create) && find(handle, "dnnl_stream_destroy", l.stream_destroy) &&
      find(handle, "dnnl_memory_desc_init_by_strides", l.memory_desc_init_by_strides) &&
      find(handle, "dnnl_memory_desc_init_by_tag", l.memory_desc_init_by_tag) &&
      find(handle, "dnnl_memory_desc_equal", l.memory_desc_equal) &&
      find(handle, "dnnl_memory_desc_get_size", l.memory_desc_get_size) &&
      find(handle, "dnnl_memory_create", l.memory_create) && find(handle, "dnnl_memory_destroy", l.memory_destroy) &&
      find(handle, "dnnl_primitive_attr_create", l.primitive_attr_create) &&
      find(handle, "dnnl_primitive_attr_set_scratchpad_mode", l.primitive_attr_set_scratchpad_mode) &&
      find(handle, "dnnl_primitive_attr_destroy", l.primitive_attr_destroy) &&
      find(handle, "dnnl_primitive_desc_create", l.primitive_desc_create) &&
      find(handle, "dnnl_primitive_desc_destroy", l.primitive_desc_destroy) &&
      find(handle, "dnnl_primitive_desc_query_md", l.primitive_desc_query_md) &&
      find(handle, "dnnl_primitive_create", l.primitive_create) &&
      find(handle, "dnnl_primitive_destroy", l.primitive_destroy) &&
      find(handle, "dnnl_primitive_execute", l.primitive_execute) &&
      find(handle, "dnnl_reorder_primitive_desc_create", l.reorder_primitive_desc_create) &&
      find(handle, "dnnl_dilated_convolution_forward_desc_init", l.dilated_convolution_forward_desc_init) &&
      find(handle, "dnnl_dilated_convolution_backward_data_desc_init", l.dilated_convolution_backward_data_desc_init) &&
      find(handle, "dnnl_dilated_convolution_backward_weights_desc_init",
           l.dilated_convolution_backward_weights_desc_init);
}

/// The structures of the C API are those of 2.6 and have grown since 2.0.
bool is_known(const dnnl_version_t& version) { return version.major == 2 && version.minor >= 6; }

bool load(Library& library) {
  const char* variable = std::getenv("WENGERT_ONEDNN");
  const std::string setting = variable ? variable : "";
  if (setting == "off") return false;
  if (!setting.empty() && setting != "on") {
    throw Error(ErrorKind::value, "onednn-choice", "WENGERT_ONEDNN: got '" + setting + "': wanted on or off");
  }
  void* handle = ::dlopen(file, RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return false;
  decltype(&::dnnl_version) version = nullptr;
  if (!find(handle, "dnnl_version", version) || !is_known(*version())) return false;
  decltype(&::dnnl_engine_create) engine_create = nullptr;
  const bool complete = find(handle, "dnnl_engine_create", engine_create) && find_primitives(handle, library) &&
      find(handle, "dnnl_sgemm", library.sgemm) && find(handle, "omp_get_max_threads", library.get_max_threads) &&
      find(handle, "omp_set_num_threads", library.set_num_threads);
  return complete && engine_create(&library.engine, dnnl_cpu, 0) == dnnl_success &&
      library.stream_create(&library.stream, library.engine, dnnl_stream_default_flags) == dnnl_success;
}

constinit std::mutex making_mutex;
constinit std::atomic<bool> looked_for{false};
constinit std::atomic<const Library*> found{nullptr};

// oneDNN locks mutexes of its own in some calls, and a child would inherit them locked: forks wait until no call is
// under way, and calls until no fork is.
constinit std::atomic<int> calls{0}, forks{0};
constexpr std::chrono::microseconds poll{50};

void enter_call() {
  calls.fetch_add(1);
  while (forks.load() > 0) {
    calls.fetch_sub(1);
    while (forks.load() > 0) std::this_thread::sleep_for(poll);
    calls.fetch_add(1);
  }
}

const bool registered = [] {
  const auto before = [] {
    forks.fetch_add(1);
    while (calls.load() > 0) std::this_thread::sleep_for(poll);
    making_mutex.lock();
  };
  const auto in_parent = [] {
    making_mutex.unlock();
    forks.fetch_sub(1);
  };
  const auto in_child = [] {  // of other threads that were about to call, or to fork, there are none
    making_mutex.unlock();
    calls.store(0);
    forks.store(0);
  };
  handle_fork(ForkPlace::onednn, {before, in_parent, in_child});
  return true;
}();

}  // namespace

std::mutex& making() { return making_mutex; }

void leave_at_exit() {
  static_cast<void>(std::atexit([] {
    leave_claims();
    // Calls of other threads end soon; for one that this thread left by exit() itself, nobody need wait for ever.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (calls.load() > 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(poll);
  }));
}

const Library* library() {
  if (!looked_for.load(std::memory_order_acquire)) {
    const std::lock_guard lock(making_mutex);
    if (!looked_for.load(std::memory_order_relaxed)) {
      static Library loaded;  // never unloaded: kernels that it made may be in use when the process ends
      if (load(loaded)) {
        found.store(&loaded, std::memory_order_relaxed);
        leave_at_exit();
      }
      looked_for.store(true, std::memory_order_release);
    }
  }
  return found.load(std::memory_order_relaxed);
}

OneThread::OneThread(const Library& library) : library_(library), saved_(library.get_max_threads()) {
  static const sigset_t all_but_faults = [] {
    sigset_t set;
    sigfillset(&set);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&set, fault);
    return set;
  }();
  pthread_sigmask(SIG_BLOCK, &all_but_faults, &signals_);  // first: no handler forks inside of a call
  enter_call();
  if (saved_ != 1) library_.set_num_threads(1);
}

OneThread::~OneThread() {
  if (saved_ != 1) library_.set_num_threads(saved_);
  calls.fetch_sub(1);
  pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
}

}  // namespace wengert::cpu::onednn
