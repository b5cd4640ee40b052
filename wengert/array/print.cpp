// Arrays as NumPy prints them: one format for all elements, columns aligned, the middle of long axes left out.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <ostream>

#include "wengert/array/array.hpp"
#include "wengert/array/number_text.hpp"

namespace wengert {
namespace {

constexpr int64_t long_array = 1000;  // from here on the middle is left out
constexpr int64_t edge_items = 3;
constexpr int most_places = 8;  // digits after the point
constexpr size_t line_width = 75;

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

/// A float as the fewest decimal digits that read back as it in its dtype: digits[0].digits[1]digits[2]... * 10^exponent.
struct Decimal {
  bool negative;
  std::string digits;
  int exponent;

  Decimal(double v, Dtype dtype) : negative(std::signbit(v)) {
    char buffer[64];
    const auto scientific = std::chars_format::scientific;
    char* const end = dtype == Dtype::float32
        ? std::to_chars(buffer, buffer + sizeof buffer, std::fabs(static_cast<float>(v)), scientific).ptr
        : std::to_chars(buffer, buffer + sizeof buffer, std::fabs(v), scientific).ptr;
    char* const e = std::find(buffer, end, 'e');
    std::copy_if(buffer, e, std::back_inserter(digits), [](char c) { return c != '.'; });
    exponent = std::stoi(std::string(e + 1, end));
  }
  std::string sign() const { return negative ? "-" : ""; }
  int places() const { return std::max(0, static_cast<int>(digits.size()) - 1 - exponent); }
  /// Without an exponent: "1.", "0.025", "1200."; for as many places as the digits need.
  std::string fixed() const {
    const std::string leading(static_cast<size_t>(std::max(0, -exponent)), '0');
    std::string text = leading + digits;
    const auto point = static_cast<size_t>(std::max(0, exponent)) + 1;
    if (text.size() < point) text.append(point - text.size(), '0');
    text.insert(point, ".");
    return sign() + text;
  }
};

/// A text with a point, without the zeros at its end.
std::string without_zeros(std::string text) {
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string not_finite(double v) { return std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"; }

/// An array of rank 0: all its digits, and at least one after the point where there is no exponent.
std::string scalar_text(double v, Dtype dtype) {
  if (!std::isfinite(v)) return not_finite(v);
  const Decimal d(v, dtype);
  if (v == 0 || (std::fabs(v) >= 1e-4 && std::fabs(v) < (dtype == Dtype::float32 ? 1e6 : 1e16))) {
    const std::string text = d.fixed();
    return text.ends_with('.') ? text + "0" : text;
  }
  const int power = std::abs(d.exponent);
  return d.sign() + d.digits.substr(0, 1) + (d.digits.size() > 1 ? "." + d.digits.substr(1) : "") +
      (d.exponent < 0 ? "e-" : "e+") + (power < 10 ? "0" : "") + std::to_string(power);
}

/// How the floats of one array are written: fixed, or with exponents where they are large, small or far apart. Every
/// element has as many digits as tell it from its neighbours in its dtype, at most 8 of them after the point.
class FloatFormat {
 public:
  FloatFormat(const std::vector<double>& values, Dtype dtype) : dtype_(dtype) {
    double largest = 0, smallest = INFINITY;
    for (double v : values) {
      if (!std::isfinite(v) || v == 0) continue;
      largest = std::max(largest, std::fabs(v));
      smallest = std::min(smallest, std::fabs(v));
    }
    exponent_ = largest > 0 &&
        (largest >= (dtype == Dtype::float32 ? 1e6 : 1e8) || smallest < 1e-4 || ratio(largest, smallest) > 1000);
    for (double v : values) {
      if (!std::isfinite(v)) continue;
      const std::string text = exponent_ ? scientific(v) : fixed(v);
      const size_t point = text.find('.'), end = std::min(text.find('e'), text.size());
      places_ = std::max(places_, end - point - 1);
      if (exponent_) power_digits_ = std::max(power_digits_, text.size() - end - 2);
    }
  }

  std::string write(double v) const {
    if (!std::isfinite(v)) return not_finite(v);
    if (!exponent_) {  // ends at its last digit and is padded, so that the points stand below each other
      const std::string text = fixed(v);
      return text + std::string(places_ - (text.size() - text.find('.') - 1), ' ');
    }
    std::string text = number_text(v, std::chars_format::scientific, static_cast<int>(places_));
    if (places_ == 0) text.insert(text.find('e'), ".");
    text.insert(text.find('e') + 2, power_digits_ - (text.size() - text.find('e') - 2), '0');
    return text;
  }

 private:
  double ratio(double a, double b) const {
    return dtype_ == Dtype::float32 ? static_cast<double>(static_cast<float>(a) / static_cast<float>(b)) : a / b;
  }
  std::string fixed(double v) const {
    const Decimal d(v, dtype_);
    return d.places() <= most_places ? d.fixed() : without_zeros(number_text(v, std::chars_format::fixed, most_places));
  }
  std::string scientific(double v) const {
    const std::string text = number_text(v, std::chars_format::scientific, most_places),
                      power = text.substr(text.find('e'));
    const Decimal d(v, dtype_);
    if (static_cast<int>(d.digits.size()) - 1 > most_places)
      return without_zeros(text.substr(0, text.find('e'))) + power;
    return d.sign() + d.digits.substr(0, 1) + "." + without_zeros(d.digits.substr(1)) + power;
  }

  Dtype dtype_;
  bool exponent_ = false;
  size_t places_ = 0;        // digits after the point of the longest element
  size_t power_digits_ = 0;  // of the longest exponent
};

class Printer {
 public:
  explicit Printer(const Node* node)
      : layout_(*node->layout), type_(*layout_.type), data_(node->data), cut_(type_.size > long_array) {}

  std::string print() {
    if (type_.size == 0) return "[]";  // as NumPy; its rows could be 2^62
    if (type_.rank() == 0)
      return is_floating(type_.dtype) ? scalar_text(element(data_, type_.dtype), type_.dtype) : write_integer(data_);
    std::vector<const std::byte*> shown;
    collect(0, data_, shown);
    write_elements(shown);
    next_ = 0;
    std::string text;
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
    size_t width = is_bool(type_.dtype) ? 5 : 0;  // "False", whether or not there is one
    for (const std::string& e : elements_) width = std::max(width, e.size());
    for (std::string& e : elements_) e.insert(0, width - e.size(), ' ');
  }

  std::string write_integer(const std::byte* at) const {
    if (is_bool(type_.dtype)) return element(at, Dtype::uint8) != 0 ? "True" : "False";
    if (type_.dtype != Dtype::int64) return std::to_string(static_cast<int64_t>(element(at, type_.dtype)));
    int64_t value;
    std::memcpy(&value, at, sizeof value);
    return std::to_string(value);
  }

  /// The text of the rest of the axes, begun in the column after as many brackets as axes lie around it.
  void print_axis(int axis, std::string& text) {
    if (axis == type_.rank() - 1) return print_row(text);
    const std::string separator = std::string(static_cast<size_t>(type_.rank() - 1 - axis), '\n') +
        std::string(static_cast<size_t>(axis) + 1, ' ');
    text += "[";
    each(axis, [&](int64_t i) {
      if (i > 0) text += separator;
      if (cuts(axis) && i == type_.shape[axis].value() - edge_items) text += "..." + separator;
      print_axis(axis + 1, text);
    });
    text += "]";
  }

  /// The elements along the last axis, in lines that leave room for the brackets after the last one.
  void print_row(std::string& text) {
    const int axis = type_.rank() - 1;
    const auto brackets = static_cast<size_t>(type_.rank());
    const std::string indent(brackets, ' ');
    std::string line = indent;
    const auto extend = [&](const std::string& word) {
      if (line.size() + word.size() > line_width - brackets && line.size() > brackets) {
        text += line.substr(brackets, line.find_last_not_of(' ') + 1 - brackets) + "\n" + indent;
        line = indent;
      }
      line += word;
    };
    text += "[";
    each(axis, [&](int64_t i) {
      if (i > 0) line += " ";
      if (cuts(axis) && i == type_.shape[axis].value() - edge_items) {
        extend("...");
        line += " ";
      }
      extend(elements_[next_++]);
    });
    text += line.substr(brackets) + "]";
  }

  const Layout& layout_;
  const Type& type_;
  const std::byte* data_;
  bool cut_;
  std::vector<std::string> elements_;
  size_t next_ = 0;
};

}  // namespace

std::string to_string(const Array& x) try {
  if (!x.defined()) return "nothing";
  const Node* node = x.node();
  while (node->tag != 0 && node->owner) node = node->owner;
  return node->tag != 0 ? "traced " + to_string(x.type()) : Printer(node).print();
} catch (const std::bad_alloc&) { throw_no_memory("to_string"); }

std::ostream& operator<<(std::ostream& out, const Array& x) { return out << to_string(x); }
std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }
std::ostream& operator<<(std::ostream& out, Dtype dtype) { return out << name(dtype); }

}  // namespace wengert
