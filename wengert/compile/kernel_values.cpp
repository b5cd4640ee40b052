// The values of a kernel: C expressions of the nodes of its graph.
#include <cmath>

#include "wengert/array/number_text.hpp"
#include "wengert/compile/kernel_printer.hpp"

namespace wengert::compile {

const char* memory_type(Dtype d) {
  switch (d) {
    case Dtype::bool_:
    case Dtype::uint8: return "uint8_t";
    case Dtype::uint32: return "uint32_t";
    case Dtype::int32: return "int32_t";
    case Dtype::int64: return "int64_t";
    case Dtype::float32: return "float";
    default: return "double";
  }
}
const char* value_type(Dtype d) { return d == Dtype::bool_ ? "int" : memory_type(d); }

namespace {

std::string float_literal(double value, Dtype dtype) {
  const bool narrow = dtype == Dtype::float32;
  if (std::isnan(value)) return narrow ? "__builtin_nanf(\"\")" : "__builtin_nan(\"\")";
  if (std::isinf(value)) {
    return std::string(value < 0 ? "-" : "") + (narrow ? "__builtin_inff()" : "__builtin_inf()");
  }
  const double rounded = narrow ? static_cast<double>(static_cast<float>(value)) : value;
  std::string literal = number_text(rounded, std::chars_format::general, narrow ? 9 : 17);
  if (literal.find_first_of(".en") == literal.npos) literal += ".0";
  return narrow ? literal + "f" : literal;
}

}  // namespace

std::string KernelPrinter::value(int32_t id) {
  const Node& n = graph_.node(id);
  if (n.op == Op::constant) {
    if (is_floating(n.dtype))
      return n.number < 0 ? "(" + float_literal(n.number, n.dtype) + ")" : float_literal(n.number, n.dtype);
    return integer_names_.count(id) ? integer_names_.at(id) : std::to_string(n.integer);
  }
  return "v" + number(id);
}

void KernelPrinter::name_integers(int32_t id) {
  for (int32_t c : graph_.children(graph_.node(id))) {
    const Node& n = graph_.node(c);
    if (n.op != Op::constant || n.dtype != Dtype::int64 || n.integer == 0 || n.integer == 1 || integer_names_.count(c))
      continue;
    integer_names_[c] = size(n.integer);
  }
}

std::string KernelPrinter::use(const std::string& function) {
  prelude_.insert(function);
  return function;
}

std::string KernelPrinter::combined(Combine kind, Dtype dtype, const std::string& a, const std::string& b) {
  const std::string cast = dtype == Dtype::uint8 ? "(uint8_t)" : "";
  switch (kind) {
    case Combine::sum: return cast + "(" + a + " + " + b + ")";
    case Combine::prod: return cast + "(" + a + " * " + b + ")";
    case Combine::max:
    case Combine::min: {
      const std::string name = kind == Combine::max ? "max" : "min";
      if (is_floating(dtype)) return use("wg_" + name + suffix(dtype)) + "(" + a + ", " + b + ")";
      return "(" + a + (kind == Combine::max ? " > " : " < ") + b + " ? " + a + " : " + b + ")";
    }
    case Combine::any: return "(" + a + " | " + b + ")";
    case Combine::all: return "(" + a + " & " + b + ")";
    case Combine::set: return b;
  }
  return b;
}

std::string KernelPrinter::identity(Combine kind, Dtype dtype) {
  const bool low = kind == Combine::max;
  switch (kind) {
    case Combine::prod:
    case Combine::all: return "1";
    case Combine::max:
    case Combine::min:
      if (is_floating(dtype)) return float_literal(low ? -INFINITY : INFINITY, dtype);
      if (dtype == Dtype::int64) return low ? "(-__INT64_MAX__ - 1)" : "__INT64_MAX__";
      if (dtype == Dtype::int32) return low ? "(-__INT_MAX__ - 1)" : "__INT_MAX__";
      return low ? "0" : dtype == Dtype::bool_ ? "1" : "255";
    default: return "0";
  }
}

/// max or min of two values. Beside a literal one comparison is enough, which NaN fails and so stays: of equals only 0
/// and -0 differ, and which of them the literal is, is known.
std::string KernelPrinter::larger_or_smaller(const Node& n, Combine kind) {
  for (int side : {0, 1}) {
    const Node& literal = graph_.node(graph_.child(n, side));
    if (literal.op != Op::constant || !is_floating(n.dtype) || std::isnan(literal.number)) continue;
    const bool is_max = kind == Combine::max, wins = literal.number == 0 && std::signbit(literal.number) != is_max;
    const std::string x = value(graph_.child(n, 1 - side)), c = value(graph_.child(n, side));
    return "(" + x + (is_max ? " <" : " >") + (wins ? "= " : " ") + c + " ? " + c + " : " + x + ")";
  }
  return combined(kind, n.dtype, value(graph_.child(n, 0)), value(graph_.child(n, 1)));
}

std::string KernelPrinter::expression(int32_t id) {
  const Node& n = graph_.node(id);
  name_integers(id);
  auto child = [&](int i) { return value(graph_.child(n, i)); };
  const std::string cast = n.dtype == Dtype::uint8 ? "(uint8_t)" : "";
  const auto infix = [&](const char* op) { return cast + "(" + child(0) + " " + op + " " + child(1) + ")"; };
  switch (n.op) {
    case Op::axis: return axis_text_.at(static_cast<int>(n.integer));
    case Op::argument: return runtime_size(n.integer);
    case Op::load: return load_text(id);
    case Op::neg: return cast + "(-" + child(0) + ")";
    case Op::abs:
      if (is_floating(n.dtype))
        return std::string(n.dtype == Dtype::float32 ? "__builtin_fabsf(" : "__builtin_fabs(") + child(0) + ")";
      return is_unsigned(n.dtype) ? child(0) : "(" + child(0) + " < 0 ? -" + child(0) + " : " + child(0) + ")";
    case Op::sqrt:
    case Op::floor:
    case Op::round: {
      const std::string name = n.op == Op::sqrt ? "wg_sqrt" : n.op == Op::floor ? "wg_floor" : "wg_round";
      return use(name + suffix(n.dtype)) + "(" + child(0) + ")";
    }
    case Op::logical_not: return "!" + child(0);
    case Op::add: return infix("+");
    case Op::sub: return infix("-");
    case Op::mul: return infix("*");
    case Op::div: return infix("/");
    case Op::max: return larger_or_smaller(n, Combine::max);
    case Op::min: return larger_or_smaller(n, Combine::min);
    case Op::floordiv:
    case Op::mod: return integer_division(n, child(0), child(1));
    case Op::eq: return infix("==");
    case Op::ne: return infix("!=");
    case Op::lt: return infix("<");
    case Op::le: return infix("<=");
    case Op::logical_and: return "(" + child(0) + " & " + child(1) + ")";
    case Op::logical_or: return "(" + child(0) + " | " + child(1) + ")";
    case Op::select: return "(" + child(0) + " ? " + child(1) + " : " + child(2) + ")";
    case Op::convert:
      return is_bool(n.dtype) ? "(" + child(0) + " != 0)" : "(" + std::string(value_type(n.dtype)) + ")" + child(0);
    case Op::math: return call(n);
    case Op::index: return use("wg_index") + "(" + child(0) + ", " + child(1) + ", " + child(2) + ", &failed)";
    default: return "0";
  }
}

std::string KernelPrinter::integer_division(const Node& n, const std::string& a, const std::string& b) {
  const char* name = n.op == Op::mod ? "wg_mod" : "wg_floordiv";
  if (n.dtype == Dtype::uint8) return "(uint8_t)" + use(std::string(name) + "_i32") + "(" + a + ", " + b + ")";
  return use(name + suffix(n.dtype)) + "(" + a + ", " + b + ")";
}

std::string KernelPrinter::call(const Node& n) {
  const auto& function = loops::math_functions()[static_cast<size_t>(n.integer)];
  std::string name = "wg_" + std::string(function.name);
  if (function.name != "random_bits" && function.name != "permute") name += suffix(n.dtype);
  std::string text = use(name) + "(";
  for (int i = 0; i < n.child_count; ++i) text += (i ? ", " : "") + value(graph_.child(n, i));
  return text + ")";
}

}  // namespace wengert::compile
