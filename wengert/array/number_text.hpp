// Numbers as text that programs, kernels, files and people read: with a point, whatever the locale of the process is.
#pragma once

#include <charconv>
#include <cmath>
#include <string>

namespace wengert {

/// `value` as C's formats e, f and g write it in the locale "C"; NaN has no sign. At most 190 digits after the point.
inline std::string number_text(double value, std::chars_format format, int precision) {
  if (std::isnan(value)) return "nan";  // whatever its sign
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value, format, precision).ptr};
}

}  // namespace wengert
