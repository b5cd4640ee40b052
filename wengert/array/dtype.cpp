#include "wengert/array/dtype.hpp"

#include <algorithm>
#include <string>

#include "wengert/array/error.hpp"

namespace wengert {
namespace {

constexpr std::string_view names[] = {"bool",     "uint8",   "uint16",  "uint32",    "uint64",
                                      "int8",     "int16",   "int32",   "int64",     "float16",
                                      "bfloat16", "float32", "float64", "complex64", "complex128"};
constexpr std::string_view short_names[] = {"bool", "u8",  "u16",  "u32", "u64", "i8",  "i16", "i32",
                                            "i64",  "f16", "bf16", "f32", "f64", "c64", "c128"};

int kind(Dtype d) { return is_bool(d) ? 0 : is_integer(d) ? 1 : is_floating(d) ? 2 : 3; }

Dtype promote_integers(Dtype a, Dtype b) {
  if (is_unsigned(a) == is_unsigned(b)) return itemsize(a) >= itemsize(b) ? a : b;
  const Dtype u = is_unsigned(a) ? a : b, s = is_unsigned(a) ? b : a;
  if (itemsize(s) > itemsize(u)) return s;
  switch (itemsize(u)) {
    case 1: return Dtype::int16;
    case 2: return Dtype::int32;
    default: return Dtype::int64;
  }
}

Dtype promote_floats(Dtype a, Dtype b) {
  if (a == b) return a;
  if (itemsize(a) == itemsize(b)) return Dtype::float32;  // float16 with bfloat16
  return itemsize(a) > itemsize(b) ? a : b;
}

Dtype promote_strong(Dtype a, Dtype b) {
  if (a == b) return a;
  const int ka = kind(a), kb = kind(b);
  if (ka != kb && std::max(ka, kb) < 3) return ka > kb ? a : b;
  if (ka == 1 && kb == 1) return promote_integers(a, b);
  if (ka == 2 && kb == 2) return promote_floats(a, b);
  const bool wide = itemsize(a) == 16 || itemsize(b) == 16 || a == Dtype::float64 || b == Dtype::float64;
  return wide ? Dtype::complex128 : Dtype::complex64;
}

}  // namespace

std::string_view name(Dtype dtype) {
  const auto i = static_cast<size_t>(dtype);
  return i < std::size(names) ? names[i] : "no dtype";
}
std::string_view short_name(Dtype dtype) {
  const auto i = static_cast<size_t>(dtype);
  return i < std::size(short_names) ? short_names[i] : "no dtype";
}

Dtype dtype_from_name(std::string_view text) {
  for (size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == text || short_names[i] == text) return static_cast<Dtype>(i);
  }
  throw Error(ErrorKind::dtype, "dtype-name",
              "dtype: got \"" + std::string(text) + "\": wanted a name such as float32 or f32");
}

Dtype promote(Dtype a, bool weak_a, Dtype b, bool weak_b) {
  if (weak_a == weak_b) return promote_strong(a, b);
  const Dtype weak = weak_a ? a : b, strong = weak_a ? b : a;
  if (kind(weak) <= kind(strong)) return strong;
  if (kind(weak) == 1) return Dtype::int64;
  if (kind(weak) == 2) return Dtype::float32;
  return strong == Dtype::float64 ? Dtype::complex128 : Dtype::complex64;
}

}  // namespace wengert
