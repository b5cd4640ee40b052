// The text form of programs: parsing and verification.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "wengert/program/primitive.hpp"
#include "wengert/program/program.hpp"

namespace wengert {
namespace {

/// What is wrong with one equation of a program.
struct Fault {
  size_t equation;
  std::string why;
};

/// What is wrong with that many operands. A primitive whose samples all have one count has no other; one whose samples
/// have several takes any number from the least.
std::optional<std::string> operand_count_fault(const Primitive& primitive, size_t count) {
  size_t fewest = SIZE_MAX, most = 0;
  for (const Sample& sample : primitive.samples.cases) {
    fewest = std::min(fewest, sample.shapes.size());
    most = std::max(most, sample.shapes.size());
  }
  if (count >= fewest && (count == fewest || most > fewest)) return {};
  return "has " + std::to_string(count) + (count == 1 ? " operand" : " operands") + ", wanted " +
      (most > fewest ? "at least " : "") + std::to_string(fewest);
}

/// What is wrong with the kinds of the parameters: they are those of a sample, which every primitive has.
std::optional<std::string> parameter_fault(const Primitive& primitive, const Params& params) {
  if (params.size() != static_cast<int>(primitive.params.size())) {
    return "has " + std::to_string(params.size()) + (params.size() == 1 ? " parameter" : " parameters") + ", wanted " +
        std::to_string(primitive.params.size());
  }
  for (int i = 0; i < params.size(); ++i) {
    const auto& samples = primitive.samples.cases;
    const bool known = std::any_of(samples.begin(), samples.end(),
                                   [&](const Sample& sample) { return sample.params[i].index() == params[i].index(); });
    if (known) continue;
    static constexpr const char* kinds[] = {"true or false", "an integer", "a number with a point or an exponent",
                                            "a dtype",       "a text",     "a list such as [0,1]",
                                            "a shape",       "a program"};
    static_assert(std::size(kinds) == std::variant_size_v<Param>);
    return std::string("has ") + primitive.params[static_cast<size_t>(i)] + " " + to_string(params[i]) + ", wanted " +
        kinds[samples.front().params[i].index()];
  }
  return {};
}

std::string place_of(const Program& program, size_t equation);

/// What is wrong first, in the program or in one that it calls; those in `right` are known to be without fault.
std::optional<Fault> find_fault(const Program& program, std::set<const Program*>& right) {
  if (right.contains(&program)) return {};
  uint32_t defined = static_cast<uint32_t>(program.input_count());
  for (size_t i = 0; i < program.equations().size(); ++i) {
    const Equation& e = program.equations()[i];
    std::vector<const Type*> types;
    for (Atom a : program.operands(e)) {
      if (!a.is_constant() && a.id() >= defined) return Fault{i, "an operand is used before its definition"};
      types.push_back(program.type(a));
    }
    if (const auto fault = operand_count_fault(*e.primitive, types.size())) return Fault{i, *fault};
    if (e.results != defined) return Fault{i, "its results are not the next variables"};
    if (const auto fault = parameter_fault(*e.primitive, program.params(e))) return Fault{i, *fault};
    for (int k = 0; k < program.params(e).size(); ++k) {
      const auto* called = std::get_if<ProgramPtr>(&program.params(e)[k]);
      if (!called) continue;
      if (const auto fault = find_fault(**called, right))
        return Fault{i, "has a program with a fault: " + place_of(**called, fault->equation) + ": " + fault->why};
    }
    for (const RuntimeParam& r : program.runtimes(e)) {
      if (r.symbolic() && r.slot >= program.runtime_count())
        return Fault{i, "a runtime parameter refers to none of the program's"};
    }
    if (e.primitive->infer) {
      Types wanted;
      try {
        wanted = e.primitive->infer({*e.primitive, types, program.params(e), program.runtimes(e)});
      } catch (const Error& error) {  // "add: a f32[2], b i32[]: wanted equal dtypes; called at ..."
        const std::string text = error.what();
        const std::string name = std::string(e.primitive->name) + ": ";
        const size_t begin = text.starts_with(name) ? name.size() : 0;  // or of an equation inside of it
        return Fault{i, text.substr(begin, text.find("; called at") - begin)};
      }
      if (wanted.size() != e.result_count) {
        return Fault{i, "has " + std::to_string(e.result_count) + " results, wanted " + std::to_string(wanted.size())};
      }
      for (uint32_t r = 0; r < e.result_count; ++r) {
        if (wanted[r] == program.type(e.results + r)) continue;
        return Fault{i,
                     "result " + std::to_string(r) + " is " + to_string(*program.type(e.results + r)) + ", wanted " +
                         to_string(*wanted[r])};
      }
    }
    defined += e.result_count;
  }
  for (Atom a : program.outputs()) {
    if (!a.is_constant() && a.id() >= defined) return Fault{program.equations().size(), "an output is not defined"};
  }
  right.insert(&program);
  return {};
}
std::optional<Fault> find_fault(const Program& program) {
  std::set<const Program*> right;
  return find_fault(program, right);
}

/// "equation 3, add", or "outputs".
std::string place_of(const Program& program, size_t equation) {
  if (equation == program.equations().size()) return "outputs";
  return "equation " + std::to_string(equation) + ", " + program.equations()[equation].primitive->name;
}

class Parser {
 public:
  Parser(std::string_view text, std::span<const Array> constants) : text_(text), constants_(constants) {}

  ProgramPtr parse() {
    ProgramPtr program = parse_block();
    skip();
    if (at_ < text_.size()) fail("the end of the text");
    return program;
  }

 private:
  // Characters -------------------------------------------------------------------------------------------

  [[noreturn]] void fail(const std::string& wanted) const {
    const size_t end = std::min(at_, text_.size()), before = end == 0 ? text_.npos : text_.rfind('\n', end - 1);
    const size_t column = before == text_.npos ? end + 1 : end - before;
    const std::string_view rest = text_.substr(end, 12);
    const std::string got =
        rest.empty() ? "the end of the text" : "\"" + std::string(rest.substr(0, rest.find('\n'))) + "\"";
    throw Error(ErrorKind::value, "program-parse",
                "parse_program: line " + std::to_string(line()) + ", column " + std::to_string(column) + ": got " +
                    got + ": wanted " + wanted);
  }
  size_t line() const {
    const std::string_view before = text_.substr(0, at_);
    return 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  }
  /// The line of the next equation. They come in order: together they cost one pass over the text.
  size_t next_line() {
    const std::string_view passed = text_.substr(counted_, at_ - counted_);
    newlines_ += static_cast<size_t>(std::count(passed.begin(), passed.end(), '\n'));
    counted_ = at_;
    return 1 + newlines_;
  }
  /// Over spaces and comments.
  void skip() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "//") at_ = std::min(text_.find('\n', at_), text_.size());
      else if (std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
      else return;
    }
  }
  bool next_is(std::string_view token) {
    skip();
    return text_.substr(at_, token.size()) == token;
  }
  bool take(std::string_view token) {
    if (!next_is(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) fail("\"" + std::string(token) + "\"");
  }
  std::string word() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (at_ == begin) fail("a name");
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string_view number_text() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || std::strchr("+-.", text_[at_])))
      ++at_;
    if (at_ == begin) fail("a number");
    return text_.substr(begin, at_ - begin);
  }
  template <class T>
  T convert(std::string_view digits) {
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      at_ = static_cast<size_t>(digits.data() - text_.data());
      fail("a number in range");
    }
    return value;
  }
  uint8_t truth(std::string_view digit) {
    const uint8_t value = convert<uint8_t>(digit);
    if (value > 1) {
      at_ = static_cast<size_t>(digit.data() - text_.data());
      fail("0 or 1, since it is a bool");
    }
    return value;
  }
  int64_t integer() { return convert<int64_t>(number_text()); }

  // Types and values -------------------------------------------------------------------------------------

  Shape shape(std::string_view open, std::string_view close) {
    expect(open);
    Shape result;
    while (!take(close)) {
      if (result.rank() > 0) expect(",");
      const int64_t length = integer();
      if (length < 0 || result.rank() == max_rank) fail("at most 8 lengths >= 0");
      result.push_back(length);
    }
    return result;
  }

  Dtype dtype() {
    const size_t begin = at_;
    const std::string text = word();
    for (int d = 0; d <= static_cast<int>(Dtype::complex128); ++d) {
      if (short_name(static_cast<Dtype>(d)) == text) return static_cast<Dtype>(d);
    }
    at_ = begin;
    fail("a dtype such as f32");
  }

  const Type* type() {
    const Dtype d = dtype();
    const bool weak = take("*");
    return Type::of(d, shape("[", "]"), weak);
  }

  template <class T>
  static void append(std::vector<std::byte>& bytes, T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), p, p + sizeof value);
  }

  Array constant() {
    skip();
    if (take("#")) return named_constant();
    std::vector<std::string_view> numbers;
    if (take("{")) {
      while (!take("}")) {
        if (!numbers.empty()) expect(",");
        numbers.push_back(number_text());
      }
    } else {
      numbers.push_back(number_text());
    }
    expect(":");
    const Type* t = type();
    if (static_cast<int64_t>(numbers.size()) != t->size || !is_supported(t->dtype))
      fail("as many numbers as the type has elements");
    std::vector<std::byte> bytes;
    for (std::string_view n : numbers) {
      switch (t->dtype) {
        case Dtype::float32: append(bytes, convert<float>(n)); break;
        case Dtype::float64: append(bytes, convert<double>(n)); break;
        case Dtype::int32: append(bytes, convert<int32_t>(n)); break;
        case Dtype::int64: append(bytes, convert<int64_t>(n)); break;
        case Dtype::bool_: append(bytes, truth(n)); break;
        default: append(bytes, convert<uint8_t>(n)); break;
      }
    }
    return detail::from_bytes(bytes.data(), t);
  }

  Array named_constant() {
    if (take("traced")) return traced_constant();
    const std::string hash = word();
    expect(":");
    const Type* t = type();
    for (const Array& x : constants_) {
      if (&x.type() != t || x.node()->tag != 0) continue;
      std::vector<std::byte> bytes(static_cast<size_t>(x.nbytes()));
      detail::copy_strided(bytes.data(), x.node());
      char text[24];
      const auto end = std::to_chars(text, text + sizeof text, hash_bytes(bytes.data(), bytes.size(), t->hash), 16).ptr;
      if (std::string_view(text, static_cast<size_t>(end - text)) == hash) return x;
    }
    fail("a constant that is among those given");
  }

  Array traced_constant() {
    int64_t before = integer();
    expect(":");
    const Type* t = type();
    for (const Array& x : constants_) {
      if (x.node()->tag != 0 && before-- == 0 && &x.type() == t) return x;
    }
    fail("a constant that is among those given");
  }

  /// After its opening quote.
  std::string rest_of_string() {
    std::string value;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      const bool escaped = text_[at_] == '\\';
      if (escaped && ++at_ == text_.size()) break;
      value += escaped && text_[at_] == 'n' ? '\n' : text_[at_];
    }
    if (at_ == text_.size()) fail("a closing quote");
    ++at_;
    return value;
  }

  Param param() {
    skip();
    if (take("true")) return true;
    if (take("false")) return false;
    if (next_is("program")) return parse_block();
    if (take("\"")) return rest_of_string();
    if (next_is("(")) return shape("(", ")");
    if (take("[")) {
      Axes axes;
      while (!take("]")) {
        if (!axes.empty()) expect(",");
        if (axes.size() == 2 * max_rank) fail("at most 16 numbers");
        axes.push_back(integer());
      }
      return axes;
    }
    const size_t begin = at_;
    const std::string_view token = number_text();
    const bool digit = std::isdigit(static_cast<unsigned char>(token[0])) || token[0] == '-';
    if (token == "inf" || token == "-inf" || token == "nan") return convert<double>(token);
    if (!digit) {
      at_ = begin;
      return dtype();
    }
    return token.find_first_of(".e") == token.npos ? Param(convert<int64_t>(token)) : Param(convert<double>(token));
  }

  // Programs ---------------------------------------------------------------------------------------------

  struct Scope {
    ProgramBuilder builder;
    std::map<std::string, Atom> names;
    std::vector<size_t> lines;  // of its equations
  };

  Atom atom(Scope& scope) {
    skip();
    if (at_ >= text_.size()) fail("an operand");
    const char c = text_[at_];
    const bool literal = std::isdigit(static_cast<unsigned char>(c)) || std::strchr("-#{", c);
    if (!literal) {
      const size_t begin = at_;
      const std::string name = word();
      const bool number = (name == "inf" || name == "nan") && next_is(":");
      if (const auto it = scope.names.find(name); it != scope.names.end() && !number) return it->second;
      at_ = begin;
      if (!number) fail("a variable that is defined above");
    }
    return scope.builder.add_constant(constant());
  }

  ProgramPtr parse_block() {
    Scope scope;
    if (++depth_ > most_nested) fail("programs in programs at most " + std::to_string(most_nested) + " deep");
    expect("program");
    expect("(");
    for (bool first = true; !take(")"); first = false) {
      if (!first) expect(",");
      const std::string name = word();
      expect(":");
      if (!scope.names.emplace(name, scope.builder.add_input(type())).second) fail("a new name");
    }
    if (take("at")) scope.builder.set_runtime_count(static_cast<int>(integer()));
    expect("{");
    while (!take("return")) parse_equation(scope);
    std::vector<Atom> outputs;
    for (bool first = true; !take("}"); first = false) {
      if (!first) expect(",");
      outputs.push_back(atom(scope));
    }
    --depth_;
    if (const std::optional<Fault> fault = find_fault(scope.builder.current())) {
      throw Error(ErrorKind::value, "program-parse",
                  "parse_program: line " + std::to_string(scope.lines[fault->equation]) + ", " +
                      place_of(scope.builder.current(), fault->equation) + ": " + fault->why);
    }
    return scope.builder.finish(outputs);
  }

  void parse_equation(Scope& scope) {
    std::vector<std::string> names;
    std::vector<const Type*> types;
    do {
      names.push_back(word());
      expect(":");
      types.push_back(type());
    } while (take(","));
    expect("=");
    skip();
    const size_t begin = at_;
    scope.lines.push_back(next_line());
    const std::string primitive_name = word();
    const Primitive* primitive = find_primitive(primitive_name);
    if (!primitive) {
      at_ = begin;
      fail("the name of a primitive");
    }
    expect("(");
    std::vector<Atom> operands;
    for (bool first = true; !take(")"); first = false) {
      if (!first) expect(",");
      operands.push_back(atom(scope));
    }
    const Params params = parse_params(*primitive);
    const Runtimes runtimes = parse_runtimes();
    const uint32_t result = scope.builder.add(*primitive, operands, params,
                                              {runtimes.begin(), static_cast<size_t>(runtimes.size())}, types);
    for (size_t i = 0; i < names.size(); ++i) {
      if (!scope.names.emplace(names[i], Atom::variable(result + static_cast<uint32_t>(i))).second) fail("a new name");
    }
  }

  Params parse_params(const Primitive& primitive) {
    if (primitive.params.empty()) return {};
    expect("{");
    std::vector<Param> values;
    for (const char* name : primitive.params) {
      if (!values.empty()) expect(",");
      expect(name);
      expect("=");
      values.push_back(param());
    }
    expect("}");
    return Params(std::move(values));
  }

  Runtimes parse_runtimes() {
    Runtimes runtimes;
    const size_t begin = at_;
    if (!take("at") || !take("[")) {  // "at" is also the name of the 46th variable
      at_ = begin;
      return runtimes;
    }
    while (!take("]")) {
      if (!runtimes.empty()) expect(",");
      if (runtimes.size() == max_rank) fail("at most 8 numbers");
      if (take("$")) runtimes.push_back({0, static_cast<int32_t>(integer())});
      else runtimes.push_back({integer(), -1});
    }
    return runtimes;
  }

  std::string_view text_;
  std::span<const Array> constants_;
  size_t at_ = 0;
  size_t counted_ = 0, newlines_ = 0;      // as far as next_line() has come
  static constexpr int most_nested = 256;  // the parser calls itself, and the stack ends somewhere
  int depth_ = 0;                          // of programs in programs
};

}  // namespace

ProgramPtr parse_program(std::string_view text, std::span<const Array> constants) try {
  return Parser(text, constants).parse();
} catch (const Error& error) {
  if (is_no_memory_within(error)) throw_no_memory("parse_program");  // the line noted last is that of another call
  throw;
} catch (const std::bad_alloc&) { throw_no_memory("parse_program"); }

void verify(const Program& program) {
  if (const std::optional<Fault> fault = find_fault(program)) {
    const bool known = fault->equation < program.equations().size();
    const std::string line = known ? to_string(program.location(program.equations()[fault->equation])) : "";
    throw Error(ErrorKind::internal, "program-invalid",
                "verify: " + place_of(program, fault->equation) + ": " + fault->why +
                    (line.empty() ? "" : "; called at " + line));
  }
}

}  // namespace wengert
