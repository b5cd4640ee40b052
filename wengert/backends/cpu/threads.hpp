// The threads that parallel kernels run on, and the context that every kernel is handed.
#pragma once

#include <cstdint>

#include "wengert/backends/cpu/abi.h"

namespace wengert::cpu {

/// The context handed to every kernel; one for the whole process. Its `parallel_for` runs chunks on
/// the calling thread and the pool; a loop that starts inside a body, or while another thread's
/// loop has the pool, runs on its caller alone. A body must not throw, and must not fork. A chunk
/// is not started once another has returned a status or the interrupt flag is set. `scratch` is the
/// calling thread's, one buffer to each depth of nested loops, so that a body never gets the memory
/// of the code around its loop.
const wg_context* context();

/// Number of threads that a parallel loop may use, the caller included. At first WENGERT_THREADS,
/// or else the number of processors that the affinity mask of the process allows.
int threads();

/// Sets the number of threads for loops that start from now on: 1 to 1,024, else Error(value). Any
/// thread may call it at any time.
void set_threads(int count);

/// Sets the flag that kernels poll: running kernels return `wg_status_interrupted` soon, later ones
/// at once, until it is cleared. Async-signal-safe.
void interrupt();
void clear_interrupt();
bool interrupted();

/// What `callback` of the context calls; without one it returns `wg_status_callback`. Null removes
/// it.
using HostCallback = int32_t (*)(int64_t id, void* const* buffers);
void set_host_callback(HostCallback callback);

}  // namespace wengert::cpu
