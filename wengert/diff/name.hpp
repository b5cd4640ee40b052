// How errors name a function under a transformation: "grad(loss)".
#pragma once

#include <source_location>
#include <string>
#include <string_view>

#include "wengert/tree/visit.hpp"

namespace wengert {

/// The optional last argument of grad, vjp and their kin: what errors call the function. Without it that is the name
/// of its class, or for a lambda the line of the transformation where that is known.
class Name {
 public:
  Name() = default;
  Name(std::source_location where) : where_(where) {}
  Name(const char* text, std::source_location where = std::source_location::current()) : text_(text), where_(where) {}
  Name(std::string text, std::source_location where = std::source_location::current())
      : text_(std::move(text)), where_(where) {}

  const std::source_location& where() const { return where_; }
  /// "grad(loss)"; `type` is the name of the function's type.
  std::string label(const char* transformation, std::string_view type) const;
  template <class F>
  std::string label(const char* transformation) const {
    if constexpr (std::is_class_v<F>) return label(transformation, tree::detail::type_name<F>);
    else return label(transformation, "");
  }

 private:
  std::string text_;
  std::source_location where_;
};

}  // namespace wengert
