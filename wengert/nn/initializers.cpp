#include "wengert/nn/initializers.hpp"

#include <cmath>

#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert::nn {
namespace {

Array scaled_normal(const Array& key, const Shape& shape, double variance, Dtype dtype, const char* name,
                    std::source_location where) {
  const CallScope scope(where, name);
  return random::normal(key, shape, dtype) * std::sqrt(variance);
}
/// A uniform number in [-a, a] has variance a² / 3.
Array scaled_uniform(const Array& key, const Shape& shape, double variance, Dtype dtype, const char* name,
                     std::source_location where) {
  const CallScope scope(where, name);
  const double a = std::sqrt(3 * variance);
  return random::uniform(key, shape, dtype, -a, a);
}
double per(int64_t fan) { return 1.0 / static_cast<double>(std::max<int64_t>(fan, 1)); }

}  // namespace

Array he_normal(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_normal(key, shape, 2 * per(f.in), dtype, "he_normal", where);
}
Array he_uniform(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_uniform(key, shape, 2 * per(f.in), dtype, "he_uniform", where);
}
Array glorot_normal(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_normal(key, shape, 2 * per(f.in + f.out), dtype, "glorot_normal", where);
}
Array glorot_uniform(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_uniform(key, shape, 2 * per(f.in + f.out), dtype, "glorot_uniform", where);
}
Array lecun_normal(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_normal(key, shape, per(f.in), dtype, "lecun_normal", where);
}
Array lecun_uniform(const Array& key, const Shape& shape, Fans f, Dtype dtype, std::source_location where) {
  return scaled_uniform(key, shape, per(f.in), dtype, "lecun_uniform", where);
}

}  // namespace wengert::nn
