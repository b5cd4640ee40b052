/* The kernel ABI, the same everywhere: in the library, in kernels compiled in process, in exported C.
 * C11 and C++20. The text of every generated kernel begins with these declarations.
 *
 *   int32_t kernel(const wg_context*, void* const* buffers, const int64_t* sizes, const wg_scalar* scalars)
 *
 * returns 0, or a status below. `buffers` holds one pointer per operand, `sizes` extents and strides in
 * elements, `scalars` runtime numbers. A kernel calls nothing but its own prelude and the context. */
#ifndef WENGERT_BACKENDS_CPU_ABI_H_
#define WENGERT_BACKENDS_CPU_ABI_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  wg_ok = 0,
  wg_status_interrupted = 1, /* the interrupt flag was set */
  wg_status_no_memory = 2,   /* scratch could not be had */
  wg_status_assertion = 3,   /* a value check of the program failed */
  wg_status_callback = 4     /* a callback reported an error */
};

typedef union wg_scalar {
  int64_t i;
  double f;
} wg_scalar;

typedef struct wg_context wg_context;

/* One piece of a parallel loop: iterations [begin, end). */
typedef int32_t (*wg_body)(const wg_context* context, const void* arguments, int64_t begin, int64_t end);

struct wg_context {
  /* Calls body on [0, count) in chunks of `chunk` iterations, the last one shorter; chunk bounds do not
   * depend on the number of threads. Returns the first status that is not 0, after all threads are done. */
  int32_t (*parallel_for)(const wg_context* context, wg_body body, const void* arguments, int64_t count, int64_t chunk);
  /* Scratch of the calling thread, 64-byte aligned; a second call from the same body may move it. 0 if no memory. */
  void* (*scratch)(const wg_context* context, int64_t bytes);
  /* Ordered output of a program. */
  int32_t (*print)(const wg_context* context, const char* text);
  /* Calls back into the host program. */
  int32_t (*callback)(const wg_context* context, int64_t id, void* const* buffers);
  /* Outer loops poll this; when it is not 0 they return wg_status_interrupted. */
  const volatile int32_t* interrupt;
};

typedef int32_t (*wg_kernel)(const wg_context* context, void* const* buffers, const int64_t* sizes,
                             const wg_scalar* scalars);

#ifdef __cplusplus
}
#endif

#endif /* WENGERT_BACKENDS_CPU_ABI_H_ */
