// Name: what errors call a function under a transformation.
#pragma once

#include "wengert/trace/label.hpp"
#include "wengert/tree/visit.hpp"

namespace wengert {

/// The optional last argument of grad, jvp and their kin: what errors call the function. Without it that is the name
/// of its class, or for a lambda the line of the transformation where that is known.
class Name {
 public:
  Name() = default;
  Name(std::source_location where) : where_(where) {}
  Name(std::string text, std::source_location where = std::source_location::current())
      : text_(std::make_shared<const std::string>(std::move(text))), where_(where) {}
  Name(const char* text, std::source_location where = std::source_location::current())
      : Name(std::string(text), where) {}

  /// Of the transformation; not known where there is no place for it in C++.
  const std::source_location& where() const { return where_; }
  /// "grad(loss)" for a function of type F.
  template <class F>
  Label label(const char* transformation) const {
    if constexpr (std::is_class_v<F>) return {transformation, tree::detail::type_name<F>, text_, where_};
    else return {transformation, {}, text_, where_};
  }

 private:
  std::shared_ptr<const std::string> text_;
  std::source_location where_;
};

}  // namespace wengert
