#include "wengert/compile/prelude.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "wengert/array/error.hpp"
#include "wengert/compile/prelude_texts.hpp"

namespace wengert::compile {
namespace {

// Without the attribute a function that is called twice stays a call, and a loop with a call is not
// vectorized.
constexpr std::string_view prologue = R"c(#ifndef WG_INLINE
#define WG_INLINE static inline __attribute__((always_inline))
#endif
)c";

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The names in a text that start with wg_, in the order of their first occurrence.
std::vector<std::string_view> names_in(std::string_view text) {
  std::vector<std::string_view> names;
  for (std::size_t begin = text.find("wg_"); begin != text.npos; begin = text.find("wg_", begin)) {
    std::size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    const std::string_view name = text.substr(begin, end - begin);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    begin = end;
  }
  return names;
}

/// The name that a text defines: the one before the first parenthesis that follows WG_INLINE.
std::string_view defined_name(std::string_view text) {
  const std::size_t end = text.find('(', text.find("WG_INLINE"));
  std::size_t begin = end;
  while (is_name_character(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

/// Reads names and needs from the texts, so that they cannot disagree with them.
std::vector<PreludeFunction> read_texts() {
  std::vector<PreludeFunction> functions;
  for (std::string_view text : prelude_texts) {
    PreludeFunction function{defined_name(text), {}, text.substr(1)};  // after the first line break
    const std::vector<std::string_view> used = names_in(text);
    for (const PreludeFunction& earlier : functions)
      if (std::find(used.begin(), used.end(), earlier.name) != used.end()) function.needs.push_back(earlier.name);
    functions.push_back(std::move(function));
  }
  return functions;
}

}  // namespace

std::span<const PreludeFunction> prelude() {
  static const auto& functions = *new std::vector<PreludeFunction>(read_texts());  // static objects may compute at exit
  return functions;
}

const PreludeFunction& prelude_function(std::string_view name) {
  for (const PreludeFunction& function : prelude())
    if (function.name == name) return function;
  throw Error(ErrorKind::internal, "prelude-name",
              "prelude: got the name " + std::string(name) + ": wanted a function of the prelude");
}

std::string prelude_text(std::span<const std::string> names) {
  std::set<std::string_view> wanted;
  for (const std::string& name : names) wanted.insert(prelude_function(name).name);
  const std::span<const PreludeFunction> functions = prelude();
  for (auto f = functions.rbegin(); f != functions.rend(); ++f)  // callers before what they call
    if (wanted.contains(f->name)) wanted.insert(f->needs.begin(), f->needs.end());
  std::string text(prologue);
  for (const PreludeFunction& function : functions)
    if (wanted.contains(function.name)) text.append("\n").append(function.text);
  return text;
}

}  // namespace wengert::compile
