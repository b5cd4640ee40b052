// Arrays as NumPy prints them: one format for all elements, columns aligned, the middle of long axes left out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "wengert/array/array.hpp"

namespace wengert {
namespace {

constexpr int64_t long_array = 1000;  // from here on the middle is left out
constexpr int64_t edge_items = 3;
constexpr int digits = 8;

double element(const std::byte* at, Dtype dtype) {
  const auto get = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return static_cast<double>(value);
  };
  switch (dtype) {
    case Dtype::float32: return get(0.0f);
    case Dtype::float64: return get(0.0);
    case Dtype::int32: return get(int32_t{0});
    default: return get(uint8_t{0});
  }
}

/// How the floats of one array are written: fixed, or with exponents where they are large, small or far apart. Every
/// element has as many digits as tell it from its neighbours in its dtype, at most 8 of them after the point.
struct FloatFormat {
  Dtype dtype;
  bool exponent = false;
  int fraction = 0;  // digits after the point of the longest element

  FloatFormat(const std::vector<double>& values, Dtype type) : dtype(type) {
    double largest = 0, smallest = INFINITY;
    for (double v : values) {
      if (!std::isfinite(v) || v == 0) continue;
      largest = std::max(largest, std::fabs(v));
      smallest = std::min(smallest, std::fabs(v));
    }
    exponent = largest > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
    for (double v : values) {
      if (std::isfinite(v)) fraction = std::max(fraction, needed(v));
    }
  }
  std::string text(double v, int places) const {
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, exponent ? "%.*e" : "%.*f", places, v);
    return buffer;
  }
  /// Digits after the point after which the text reads back as v in its dtype, or nothing but zeros would follow.
  int needed(double v) const {
    int places = 0;
    const auto read = [&](const std::string& t) {
      return dtype == Dtype::float32 ? static_cast<double>(std::strtof(t.c_str(), nullptr))
                                     : std::strtod(t.c_str(), nullptr);
    };
    while (places < digits && read(text(v, places)) != v) ++places;
    const std::string rounded = text(v, places);
    for (size_t end = exponent ? rounded.find('e') : rounded.size(); places > 0 && rounded[end - 1] == '0'; --end)
      --places;
    return places;
  }
  std::string write(double v) const {
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    // Fixed numbers end at their last digit and are padded, so that the points stand below each other.
    const int places = exponent ? fraction : needed(v);
    std::string result = text(v, places);
    if (places == 0) result.insert(exponent ? result.find('e') : result.size(), ".");
    if (!exponent) result.append(static_cast<size_t>(fraction - places), ' ');
    return result;
  }
};

class Printer {
 public:
  explicit Printer(const Node* node)
      : layout_(*node->layout), type_(*layout_.type), data_(node->data), cut_(type_.size > long_array) {}

  std::string print() {
    if (type_.size == 0) return "[]";  // as NumPy; its rows could be 2^62
    std::vector<const std::byte*> shown;
    collect(0, data_, shown);
    write_elements(shown);
    std::string text;
    next_ = 0;
    print_axis(0, text);
    return text;
  }

 private:
  bool cuts(int axis) const { return cut_ && type_.shape[axis].value() > 2 * edge_items; }

  template <class F>
  void each(int axis, const F& f) const {
    const int64_t n = type_.shape[axis];
    for (int64_t i = 0; i < n; ++i) {
      if (cuts(axis) && i == edge_items) i = n - edge_items;
      f(i);
    }
  }

  void collect(int axis, const std::byte* at, std::vector<const std::byte*>& shown) const {
    if (axis == type_.rank()) return shown.push_back(at);
    each(axis, [&](int64_t i) {
      collect(axis + 1, at + i * layout_.strides[static_cast<size_t>(axis)] * itemsize(type_.dtype), shown);
    });
  }

  void write_elements(const std::vector<const std::byte*>& shown) {
    if (is_floating(type_.dtype)) {
      std::vector<double> values;
      for (const std::byte* at : shown) values.push_back(element(at, type_.dtype));
      const FloatFormat format(values, type_.dtype);
      for (double v : values) elements_.push_back(format.write(v));
    } else {
      for (const std::byte* at : shown) elements_.push_back(write_integer(at));
    }
    for (const std::string& e : elements_) width_ = std::max(width_, e.size());
  }

  std::string write_integer(const std::byte* at) const {
    if (is_bool(type_.dtype)) return element(at, Dtype::uint8) != 0 ? "True" : "False";
    if (type_.dtype != Dtype::int64) return std::to_string(static_cast<int64_t>(element(at, type_.dtype)));
    int64_t value;
    std::memcpy(&value, at, sizeof value);
    return std::to_string(value);
  }

  void print_axis(int axis, std::string& text) {
    if (axis == type_.rank()) {
      const std::string& e = elements_[next_++];
      text += std::string(type_.rank() == 0 ? 0 : width_ - e.size(), ' ') + e;
      return;
    }
    const bool last = axis == type_.rank() - 1;
    const std::string separator = last ? " "
                                       : std::string(static_cast<size_t>(type_.rank() - 1 - axis), '\n') +
            std::string(static_cast<size_t>(axis) + 1, ' ');
    text += "[";
    each(axis, [&](int64_t i) {
      if (i > 0) text += separator;
      if (cuts(axis) && i == type_.shape[axis].value() - edge_items) text += "..." + separator;
      print_axis(axis + 1, text);
    });
    text += "]";
  }

  const Layout& layout_;
  const Type& type_;
  const std::byte* data_;
  bool cut_;
  std::vector<std::string> elements_;
  size_t width_ = 0, next_ = 0;
};

}  // namespace

std::string to_string(const Array& x) {
  if (!x.defined()) return "nothing";
  const Node* node = x.node();
  while (node->tag != 0 && node->owner) node = node->owner;
  return node->tag != 0 ? "traced " + to_string(x.type()) : Printer(node).print();
}

std::ostream& operator<<(std::ostream& out, const Array& x) { return out << to_string(x); }
std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }
std::ostream& operator<<(std::ostream& out, Dtype dtype) { return out << name(dtype); }

}  // namespace wengert
