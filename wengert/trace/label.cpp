#include "wengert/trace/label.hpp"

#include "wengert/array/error.hpp"

namespace wengert {
namespace {

std::string line_of(const std::source_location& where) {
  if (where.line() == 0) return "";
  std::string_view file = where.file_name();
  if (const size_t slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
  return std::string(file) + ":" + std::to_string(where.line());
}

}  // namespace

std::string Label::text() const {
  if (!transformation_) return name_ ? *name_ : "";
  std::string function = name_ ? *name_ : "";
  if (function.empty() && type_.find("lambda") == type_.npos) function = type_;
  if (function.empty()) function = line_of(where_);
  return function.empty() ? transformation_ : transformation_ + ("(" + function + ")");
}

std::string Label::call_site() const { return called_at(called_.line() != 0 ? called_ : where_); }

}  // namespace wengert
