// Label: what errors call a transformation, "grad(loss)".
#pragma once

#include <memory>
#include <source_location>
#include <string>
#include <string_view>

namespace wengert {

/// Cheap to make and to copy: the text is put together when an error asks for it.
class Label {
 public:
  Label() = default;
  Label(std::string text) : name_(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text))) {}
  Label(const char* text) : Label(std::string(text)) {}
  /// "grad(loss)": by `name`, else by the name of the function's type, else by the line. Transformation and type have
  /// static lifetime.
  Label(const char* transformation, std::string_view type, std::shared_ptr<const std::string> name,
        const std::source_location& where)
      : transformation_(transformation), type_(type), name_(std::move(name)), where_(where) {}

  /// The same, called at that line.
  Label at(const std::source_location& where) const {
    Label label = *this;
    label.called_ = where;
    return label;
  }
  bool empty() const { return !transformation_ && !name_; }
  std::string text() const;
  /// "; called at train.cpp:41", or nothing when the line is not known.
  std::string call_site() const;

 private:
  const char* transformation_ = nullptr;
  std::string_view type_;
  std::shared_ptr<const std::string> name_;
  std::source_location where_;   // of the transformation
  std::source_location called_;  // of the call that errors name, where that is another
};

}  // namespace wengert
