/* What large arrays are compared with: plain loops over as many bytes. */
#include <stddef.h>

void triad(float* restrict a, const float* restrict b, const float* restrict c, float s, size_t count) {
  for (size_t i = 0; i < count; ++i) a[i] = b[i] + s * c[i];
}

/* The sum of all, in lanes, so that additions do not wait for each other. */
float read_all(const float* values, size_t count) {
  enum { lanes = 64 };
  float sums[lanes] = {0}, sum = 0;
  for (size_t i = 0; i + lanes <= count; i += lanes) {
    for (size_t l = 0; l < lanes; ++l) sums[l] += values[i + l];
  }
  for (size_t l = 0; l < lanes; ++l) sum += sums[l];
  return sum;
}
