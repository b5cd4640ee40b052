// Operand: what public functions take. Converts from an array or a plain number, and remembers where it was written,
// so that an error knows the caller's line.
#pragma once

#include <cmath>
#include <source_location>
#include <string>
#include <type_traits>

#include "wengert/array/array.hpp"
#include "wengert/trace/interpreter.hpp"

namespace wengert {

namespace detail {
[[noreturn]] void number_too_large(uint64_t number, const std::source_location& where);

/// Throws Error(value, "number-range") for a number beyond int64.
template <class T>
constexpr int64_t to_int64(T number, const std::source_location& where) {
  if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(int64_t)) {
    if (number > static_cast<T>(INT64_MAX)) number_too_large(number, where);
  }
  return static_cast<int64_t>(number);
}
}  // namespace detail

class Operand {
 public:
  Operand(const Array& x, std::source_location where = std::source_location::current()) : array_(&x), where_(where) {
    if (!x.defined()) undefined(where);
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  Operand(T value, std::source_location where = std::source_location::current()) : where_(where) {
    if constexpr (std::is_same_v<T, bool>) {
      kind_ = Dtype::bool_;
      integer_ = value;
    } else if constexpr (std::is_integral_v<T>) {
      kind_ = Dtype::int64;
      integer_ = detail::to_int64(value, where);
    } else {
      kind_ = Dtype::float32;
      number_ = static_cast<double>(value);
    }
  }

  /// Whether a plain number was given: it is weak, and takes the other operand's dtype.
  bool is_scalar() const { return array_ == nullptr; }
  const Array& array() const { return *array_; }
  const std::source_location& where() const { return where_; }
  bool weak() const { return is_scalar() || array_->type().weak; }
  /// bool, int64 or float32 for numbers.
  Dtype dtype() const { return is_scalar() ? kind_ : array_->dtype(); }
  Shape shape() const { return is_scalar() ? Shape{} : array_->shape(); }

  /// Whether the operand is not a plain number whose integer part lies outside the range of `dtype`, an integer dtype.
  bool fits(Dtype dtype) const {
    if (!is_scalar() || kind_ == Dtype::bool_ || !is_integer(dtype)) return true;
    if (kind_ == Dtype::float32) return in_range(number_, dtype);
    if (dtype == Dtype::int64) return true;
    const int64_t count = int64_t{1} << (8 * itemsize(dtype)), lowest = is_unsigned(dtype) ? 0 : -count / 2;
    return integer_ >= lowest && integer_ < lowest + count;
  }
  /// Whether the integer part of `number` is one of `dtype`, an integer dtype; NaN is none.
  static bool in_range(double number, Dtype dtype) {
    const double count = std::ldexp(1.0, 8 * itemsize(dtype)), lowest = is_unsigned(dtype) ? 0 : -count / 2;
    return std::trunc(number) >= lowest && std::trunc(number) < lowest + count;
  }
  /// A number as errors print it.
  std::string number_text() const;

  /// The operand as an array of its own dtype; a number gives a weak array of rank 0.
  Array to_array() const { return is_scalar() ? scalar(kind_) : *array_; }
  /// A number seen at every index of `type`.
  Array repeated(const Type* type) const {
    return kind_ == Dtype::float32 ? detail::repeated_scalar(number_, type) : detail::repeated_scalar(integer_, type);
  }
  /// A number as an array of rank 0.
  Array scalar(Dtype dtype) const {
    const bool weak = dtype == kind_;
    return kind_ == Dtype::float32 ? detail::scalar(number_, dtype, weak) : detail::scalar(integer_, dtype, weak);
  }

 private:
  [[noreturn]] static void undefined(const std::source_location& where);

  const Array* array_ = nullptr;
  Dtype kind_ = Dtype::float32;
  union {
    double number_ = 0;
    int64_t integer_;
  };
  std::source_location where_;
};

/// Notes the user's line for errors; the outermost public function wins.
inline void note_call(const Operand& x) {
  Thread& state = thread();
  if (state.depth == 0) state.where = x.where();
}

/// For public functions that call others: errors inside still name the user's line.
class CallScope {
 public:
  /// `operation` is what errors call the function, where its primitive has another name.
  explicit CallScope(const Operand& x, const char* operation = nullptr) : CallScope(x.where(), operation) {}
  explicit CallScope(const std::source_location& where, const char* operation = nullptr) : state_(thread()) {
    if (state_.depth++ == 0) state_.where = where;
    else saved_ = state_.operation;
    state_.operation = saved_ ? saved_ : operation;
  }
  /// For what the library does on its own account, such as recording a rule: the line noted last stays.
  CallScope() : state_(thread()) {
    if (state_.depth++ > 0) saved_ = state_.operation;
    state_.operation = saved_;
  }
  ~CallScope() {
    --state_.depth;
    state_.operation = saved_;
  }
  CallScope(const CallScope&) = delete;

 private:
  Thread& state_;
  const char* saved_ = nullptr;  // what an outer function is called
};

}  // namespace wengert
