/* What memory gives: the classical triad over one thread's part. Compiled with -O3 -march=native. */
#include <stddef.h>

void triad(float* restrict a, const float* restrict b, const float* restrict c, float s, size_t count) {
  for (size_t i = 0; i < count; ++i) a[i] = b[i] + s * c[i];
}
