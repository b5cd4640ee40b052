// Static parameters of an equation: axes, dtypes, modes. A closed set of value types, hashed, compared
// and printed; the names stand in the primitive's room.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "wengert/array/dtype.hpp"
#include "wengert/array/error.hpp"
#include "wengert/array/shape.hpp"

namespace wengert {

class Program;
using ProgramPtr = std::shared_ptr<const Program>;

using Param = std::variant<bool, int64_t, double, Dtype, std::string, Axes, Shape, ProgramPtr>;

/// The values of all static parameters of one equation, in the order of the primitive's names.
/// Immutable and shared; empty costs nothing.
class Params {
 public:
  Params() = default;
  Params(std::initializer_list<Param> values) : Params(std::span<const Param>(values.begin(), values.size())) {}
  /// Equal values that were used a moment ago on this thread are shared, not copied.
  explicit Params(std::span<const Param> values);

  bool empty() const { return !record_; }
  int size() const { return record_ ? static_cast<int>(record_->values.size()) : 0; }
  const Param& operator[](int i) const { return record_->values[i]; }
  template <class T>
  const T& get(int i) const {
    return std::get<T>(record_->values[i]);
  }
  const Axes& axes(int i) const { return get<Axes>(i); }
  const Shape& shape(int i) const { return get<Shape>(i); }
  int64_t integer(int i) const { return get<int64_t>(i); }
  bool flag(int i) const { return get<bool>(i); }
  double number(int i) const { return get<double>(i); }
  Dtype dtype(int i) const { return get<Dtype>(i); }
  const std::string& text(int i) const { return get<std::string>(i); }
  const ProgramPtr& program(int i) const { return get<ProgramPtr>(i); }

  uint64_t hash() const { return record_ ? record_->hash : 0; }
  bool operator==(const Params& other) const;

 private:
  struct Record {
    std::vector<Param> values;
    uint64_t hash;
  };
  struct Recent;
  std::shared_ptr<const Record> record_;
};

/// A runtime parameter: part of no key. While a plan is derived it stands for the equation's own runtime
/// parameter number `slot`, so that one plan serves every value; a rule may pass it on but not compute with it.
struct RuntimeParam {
  int64_t value = 0;
  int32_t slot = -1;

  bool symbolic() const { return slot >= 0; }
  bool operator==(const RuntimeParam&) const = default;
};

/// Up to 8 of them, inline.
class Runtimes {
 public:
  Runtimes() = default;
  Runtimes(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back({v, -1});
  }
  explicit Runtimes(std::span<const RuntimeParam> values) {
    for (RuntimeParam v : values) push_back(v);
  }
  explicit Runtimes(const Axes& values) {
    for (int64_t v : values) push_back({v, -1});
  }
  void push_back(RuntimeParam v) { values_[static_cast<size_t>(size_++)] = v; }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const RuntimeParam& operator[](int i) const { return values_[static_cast<size_t>(i)]; }
  RuntimeParam& operator[](int i) { return values_[static_cast<size_t>(i)]; }
  const RuntimeParam* begin() const { return values_.data(); }
  const RuntimeParam* end() const { return values_.data() + size_; }

 private:
  int size_ = 0;
  std::array<RuntimeParam, max_rank> values_{};
};

uint64_t hash_combine(uint64_t seed, uint64_t value);
uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0);

/// As programs print it: true, 3, 0.5, f32, "name", [0,1], (2,3), a program in braces.
std::string to_string(const Param& param);

}  // namespace wengert
