// oneDNN, loaded when a claim first needs it: its functions and its engine. Claims of families of operations stand in
// files of their own (onednn_product.cpp).
//
// Every call of oneDNN runs on one thread, the caller's: claims cut their work into pieces and run them on Wengert's own
// pool. So libgomp, which oneDNN brings along, never starts a thread: none spins, none is missing after a fork.
#pragma once

#include <oneapi/dnnl/dnnl.h>

namespace wengert::cpu::onednn {

/// The functions of the C API that claims use, under their own names without the prefix.
struct Library {
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;

  decltype(&::dnnl_sgemm) sgemm = nullptr;

  int (*get_max_threads)() = nullptr;    // of libgomp, for the calling thread
  void (*set_num_threads)(int) = nullptr;
};

/// The library, or nullptr where there is none, its version is unknown, or WENGERT_ONEDNN=off. Loaded by the first call.
const Library* library();

/// While it lives, calls of oneDNN from this thread use this thread alone. What libgomp was told before holds again
/// afterwards.
class OneThread {
 public:
  explicit OneThread(const Library& library) : library_(library), saved_(library.get_max_threads()) {
    if (saved_ != 1) library_.set_num_threads(1);
  }
  ~OneThread() {
    if (saved_ != 1) library_.set_num_threads(saved_);
  }
  OneThread(const OneThread&) = delete;

 private:
  const Library& library_;
  int saved_;
};

}  // namespace wengert::cpu::onednn
