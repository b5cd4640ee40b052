// The text form of programs: printing.
//
//   program(a: f32[2,3], b: f32[]) {
//     c: f32[2,3] = tanh(a)
//     d: f32[2] = sum(c) {axes=[1]}
//     e: f32[2] = slice(d) {sizes=(2), steps=[1]} at [0]
//     return e
//   }
//
// Constants up to 64 bytes stand where they are used, {1,2}:i32[2]; larger ones as #<hash>:f32[8,9]; those that are
// values of a function recorded around this one as #traced0:f32[2], by their number among the program's.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "wengert/program/primitive.hpp"
#include "wengert/program/program.hpp"

namespace wengert {
namespace {

std::string variable_name(uint32_t id) {
  std::string name;
  for (uint32_t n = id + 1; n > 0; n = (n - 1) / 26) name.insert(name.begin(), static_cast<char>('a' + (n - 1) % 26));
  return name;
}

template <class T>
std::string number(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  }
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

template <class T>
std::string numbers(const std::vector<std::byte>& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if (i > 0) text += ',';
    if constexpr (sizeof(T) == 1) text += std::to_string(value);
    else text += number(value);
  }
  return text;
}

bool is_traced(const Array& x) { return x.node()->tag != 0; }

std::string constant_text(const Array& x) {
  std::vector<std::byte> bytes(static_cast<size_t>(x.nbytes()));
  detail::copy_strided(bytes.data(), x.node());
  if (x.nbytes() > inline_bytes) {
    char hash[24];
    const auto end =
        std::to_chars(hash, hash + sizeof hash, hash_bytes(bytes.data(), bytes.size(), x.type().hash), 16).ptr;
    return "#" + std::string(hash, end) + ":" + to_string(x.type());
  }
  std::string text;
  switch (x.dtype()) {
    case Dtype::float32: text = numbers<float>(bytes); break;
    case Dtype::float64: text = numbers<double>(bytes); break;
    case Dtype::int32: text = numbers<int32_t>(bytes); break;
    case Dtype::int64: text = numbers<int64_t>(bytes); break;
    default: text = numbers<uint8_t>(bytes); break;
  }
  return (x.rank() == 0 ? text : "{" + text + "}") + ":" + to_string(x.type());
}

std::string indented(const std::string& text) {
  std::string result;
  for (char c : text) {
    result += c;
    if (c == '\n') result += "  ";
  }
  return result;
}

class Writer {
 public:
  Writer(const Program& program, Lines lines) : p_(program), lines_(lines) {}

  std::string write() {
    std::string text = "program(";
    for (int i = 0; i < p_.input_count(); ++i) text += (i ? ", " : "") + declaration(static_cast<uint32_t>(i));
    text += p_.runtime_count() > 0 ? ") at " + std::to_string(p_.runtime_count()) + " {\n" : ") {\n";
    for (const Equation& e : p_.equations()) text += "  " + equation(e) + comment(e) + "\n";
    text += "  return";
    for (size_t i = 0; i < p_.outputs().size(); ++i) text += (i ? ", " : " ") + atom(p_.outputs()[i]);
    return text + "\n}";
  }

 private:
  std::string declaration(uint32_t id) const { return variable_name(id) + ": " + to_string(*p_.type(id)); }
  std::string atom(Atom a) const {
    if (!a.is_constant()) return variable_name(a.id());
    const Array& x = p_.constant(a.id());
    return is_traced(x) ? "#traced" + std::to_string(traced_before(a.id())) + ":" + to_string(x.type())
                        : constant_text(x);
  }
  int64_t traced_before(uint32_t id) const {
    return std::count_if(p_.constants().begin(), p_.constants().begin() + id, is_traced);
  }

  std::string comment(const Equation& e) const {
    const std::string line = lines_ == Lines::shown ? to_string(p_.location(e)) : "";
    return line.empty() ? "" : "  // " + line;
  }

  std::string equation(const Equation& e) const {
    std::string text;
    for (uint32_t r = 0; r < e.result_count; ++r) text += (r ? ", " : "") + declaration(e.results + r);
    text += " = " + std::string(e.primitive->name) + "(";
    for (size_t i = 0; i < e.operand_count; ++i) text += (i ? ", " : "") + atom(p_.operands(e)[i]);
    text += ")";
    const Params& params = p_.params(e);
    for (int i = 0; i < params.size(); ++i) {
      text += (i ? ", " : " {") + std::string(e.primitive->params[static_cast<size_t>(i)]) + "=" +
          indented(to_string(params[i]));
    }
    if (params.size() > 0) text += "}";
    if (e.runtime_count > 0) {
      text += " at [";
      for (size_t i = 0; i < e.runtime_count; ++i) {
        const RuntimeParam& r = p_.runtimes(e)[i];
        text += (i ? "," : "") + (r.symbolic() ? "$" + std::to_string(r.slot) : std::to_string(r.value));
      }
      text += "]";
    }
    return text;
  }

  const Program& p_;
  const Lines lines_;
};

}  // namespace

std::string to_string(const Program& program, Lines lines) try {
  return Writer(program, lines).write();
} catch (const std::bad_alloc&) { throw_no_memory("to_string"); }

std::string to_string(const Location& location) { return line_text(location.file ? location.file : "", location.line); }

}  // namespace wengert
