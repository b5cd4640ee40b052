// oneDNN, loaded when a claim first needs it: its functions and its engine. Claims of families of operations stand in
// files of their own (onednn_product.cpp).
//
// Every call of oneDNN runs on one thread, the caller's: claims cut their work into pieces and run them on Wengert's
// own pool. So libgomp, which oneDNN brings along, never starts a thread: none spins, none is missing after a fork.
#pragma once

#include <oneapi/dnnl/dnnl.h>
#include <signal.h>

#include <mutex>

namespace wengert::cpu::onednn {

/// The functions of the C API that claims use, under their own names without the prefix.
struct Library {
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;

  decltype(&::dnnl_sgemm) sgemm = nullptr;
  decltype(&::dnnl_stream_create) stream_create = nullptr;
  decltype(&::dnnl_stream_destroy) stream_destroy = nullptr;
  decltype(&::dnnl_memory_desc_init_by_strides) memory_desc_init_by_strides = nullptr;
  decltype(&::dnnl_memory_desc_init_by_tag) memory_desc_init_by_tag = nullptr;
  decltype(&::dnnl_memory_desc_equal) memory_desc_equal = nullptr;
  decltype(&::dnnl_memory_desc_get_size) memory_desc_get_size = nullptr;
  decltype(&::dnnl_memory_create) memory_create = nullptr;
  decltype(&::dnnl_memory_destroy) memory_destroy = nullptr;
  decltype(&::dnnl_primitive_attr_create) primitive_attr_create = nullptr;
  decltype(&::dnnl_primitive_attr_set_scratchpad_mode) primitive_attr_set_scratchpad_mode = nullptr;
  decltype(&::dnnl_primitive_attr_destroy) primitive_attr_destroy = nullptr;
  decltype(&::dnnl_primitive_desc_create) primitive_desc_create = nullptr;
  decltype(&::dnnl_primitive_desc_destroy) primitive_desc_destroy = nullptr;
  decltype(&::dnnl_primitive_desc_query_md) primitive_desc_query_md = nullptr;
  decltype(&::dnnl_primitive_create) primitive_create = nullptr;
  decltype(&::dnnl_primitive_destroy) primitive_destroy = nullptr;
  decltype(&::dnnl_primitive_execute) primitive_execute = nullptr;
  decltype(&::dnnl_reorder_primitive_desc_create) reorder_primitive_desc_create = nullptr;
  decltype(&::dnnl_dilated_convolution_forward_desc_init) dilated_convolution_forward_desc_init = nullptr;
  decltype(&::dnnl_dilated_convolution_backward_data_desc_init) dilated_convolution_backward_data_desc_init = nullptr;
  decltype(&::dnnl_dilated_convolution_backward_weights_desc_init) dilated_convolution_backward_weights_desc_init =
      nullptr;

  int (*get_max_threads)() = nullptr;  // of libgomp, for the calling thread
  void (*set_num_threads)(int) = nullptr;
};

/// The library, or nullptr where there is none, its version is unknown, or WENGERT_ONEDNN=off. Loaded by the first
/// call.
const Library* library();

/// Held while oneDNN is loaded and while it makes a primitive, by forks too. Taken inside OneThread: no signal handler
/// runs under it.
std::mutex& making();

/// Has all threads leave oneDNN when the process begins to end, before the static objects go that it has made so far.
/// To be said again after whatever makes some: its loading, and the first call of each kind.
void leave_at_exit();

/// While it lives, calls of oneDNN from this thread use this thread alone, and signals that are not faults wait: its
/// products use the stack pointer as one more pointer to data, and a handler would be called on top of the heap. What
/// libgomp was told before holds again afterwards. Forks wait for its end.
class OneThread {
 public:
  explicit OneThread(const Library& library);
  ~OneThread();
  OneThread(const OneThread&) = delete;

 private:
  const Library& library_;
  int saved_;
  sigset_t signals_;  // that were held before
};

}  // namespace wengert::cpu::onednn
