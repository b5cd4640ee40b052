// Element types and their promotion.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace wengert {

/// Element types. Those without a C++ element type below have their place here, and no kernels yet.
enum class Dtype : uint8_t {
  bool_,
  uint8,
  uint16,
  uint32,
  uint64,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
  complex64,
  complex128,
};

inline constexpr Dtype bool_ = Dtype::bool_;
inline constexpr Dtype uint8 = Dtype::uint8;
inline constexpr Dtype int32 = Dtype::int32;
inline constexpr Dtype int64 = Dtype::int64;
inline constexpr Dtype float32 = Dtype::float32;
inline constexpr Dtype float64 = Dtype::float64;

/// Bytes of one element.
constexpr int itemsize(Dtype dtype) {
  constexpr int sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(dtype)];
}

constexpr bool is_bool(Dtype d) { return d == Dtype::bool_; }
constexpr bool is_unsigned(Dtype d) { return d >= Dtype::uint8 && d <= Dtype::uint64; }
constexpr bool is_integer(Dtype d) { return d >= Dtype::uint8 && d <= Dtype::int64; }
constexpr bool is_floating(Dtype d) { return d >= Dtype::float16 && d <= Dtype::float64; }
constexpr bool is_complex(Dtype d) { return d >= Dtype::complex64; }
/// Floating or complex: what can be differentiated.
constexpr bool is_inexact(Dtype d) { return d >= Dtype::float16; }
/// Whether arrays of this dtype can be made today.
constexpr bool is_supported(Dtype d) {
  return d == bool_ || d == uint8 || d == int32 || d == int64 || d == float32 || d == float64;
}

/// "float32"; the name a user writes.
std::string_view name(Dtype dtype);
/// "f32"; the name that programs and errors print.
std::string_view short_name(Dtype dtype);
/// The inverse of both names. Throws Error(dtype) for another text.
Dtype dtype_from_name(std::string_view text);

/// The dtype of a result of a (op) b, as in the Python array API standard; integers mixed with floats
/// give the float. A weak operand (a scalar literal) keeps the other's dtype unless its kind is higher.
Dtype promote(Dtype a, bool weak_a, Dtype b, bool weak_b);

namespace detail {
template <class T>
consteval Dtype dtype_of_type() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::same_as<U, bool>) return Dtype::bool_;
  else if constexpr (std::same_as<U, float>) return Dtype::float32;
  else if constexpr (std::same_as<U, double>) return Dtype::float64;
  else if constexpr (std::integral<U> && sizeof(U) == 1 && std::is_unsigned_v<U>) return Dtype::uint8;
  else if constexpr (std::integral<U> && sizeof(U) == 4 && std::is_signed_v<U>) return Dtype::int32;
  else if constexpr (std::integral<U> && sizeof(U) == 8 && std::is_signed_v<U>) return Dtype::int64;
  else static_assert(!sizeof(U), "wengert: an element type is bool, uint8_t, int32_t, int64_t, float or double");
}
}  // namespace detail

/// The C++ types that are element types: bool, uint8_t, int32_t, int64_t, float, double.
template <class T>
concept Element = std::same_as<T, bool> || std::same_as<T, float> || std::same_as<T, double> ||
    (std::integral<T> &&
     ((sizeof(T) == 1 && std::is_unsigned_v<T>) || (sizeof(T) == 4 && std::is_signed_v<T>) ||
      (sizeof(T) == 8 && std::is_signed_v<T>)));

template <class T>
inline constexpr Dtype dtype_of = detail::dtype_of_type<T>();

}  // namespace wengert
