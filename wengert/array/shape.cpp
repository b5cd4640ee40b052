#include "wengert/array/shape.hpp"

#include <algorithm>

#include "wengert/array/error.hpp"

namespace wengert {
namespace {

void check_dim(int64_t dim, const std::source_location& where) {
  if (dim < 0) {
    throw Error(ErrorKind::shape, "shape-negative",
                "shape: got a length of " + std::to_string(dim) + ": wanted lengths >= 0" + called_at(where));
  }
}

[[noreturn]] void too_many_axes(size_t rank, const std::source_location& where = {}) {
  throw Error(
      ErrorKind::shape, "shape-rank",
      "shape: got " + std::to_string(rank) + " axes: wanted at most 8; reshape to join axes" + called_at(where));
}

}  // namespace

Shape::Shape(std::initializer_list<Dim> dims, std::source_location where)
    : Shape(std::span<const Dim>(dims.begin(), dims.size()), where) {}

Shape::Shape(std::span<const Dim> dims, std::source_location where) {
  if (dims.size() > max_rank) too_many_axes(dims.size(), where);
  for (Dim d : dims) {
    check_dim(d.value(), where);
    dims_[rank_++] = d;
  }
}

Shape::Shape(std::span<const int64_t> dims, std::source_location where) {
  if (dims.size() > max_rank) too_many_axes(dims.size(), where);
  for (int64_t d : dims) {
    check_dim(d, where);
    dims_[rank_++] = d;
  }
}

int64_t Shape::size() const {
  int64_t size = 1;
  bool overflow = false;
  for (Dim d : *this) {
    if (d.value() == 0) return 0;
    overflow |= __builtin_mul_overflow(size, d.value(), &size) || size > max_size;
  }
  if (overflow) {
    throw Error(ErrorKind::shape, "shape-size",
                "shape: got " + to_string(*this) + ": wanted at most 2^58 elements" + called_at({}));
  }
  return size;
}

void Shape::push_back(Dim dim) {
  if (rank_ == max_rank) too_many_axes(max_rank + 1);
  dims_[rank_++] = dim;
}

void Shape::insert(int axis, Dim dim) {
  push_back(dim);
  std::rotate(dims_.begin() + axis, dims_.begin() + rank_ - 1, dims_.begin() + rank_);
}

void Shape::erase(int axis) {
  std::copy(dims_.begin() + axis + 1, dims_.begin() + rank_, dims_.begin() + axis);
  dims_[--rank_] = 0;
}

Shape Shape::first(int count) const { return Shape(std::span<const Dim>(begin(), count)); }
Shape Shape::last(int count) const { return Shape(std::span<const Dim>(end() - count, count)); }

Shape Shape::operator+(const Shape& other) const {
  Shape result = *this;
  for (Dim d : other) result.push_back(d);
  return result;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i].value());
  }
  return text + "]";
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape& result) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  result = longer;
  const int lead = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    const int64_t x = longer[lead + i], y = shorter[i];
    if (x != y && x != 1 && y != 1) return false;
    result[lead + i] = x == 1 ? y : x;
  }
  return true;
}

void Axes::push_back(int64_t axis) {
  if (size_ == static_cast<int>(values_.size())) too_many_axes(values_.size() + 1);
  values_[size_++] = axis;
}

bool Axes::contains(int64_t axis) const { return std::find(begin(), end(), axis) != end(); }

bool Axes::operator==(const Axes& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

}  // namespace wengert
