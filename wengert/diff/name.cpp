#include "wengert/diff/name.hpp"

namespace wengert {

std::string Name::label(const char* transformation, std::string_view type) const {
  std::string text = transformation;
  if (!text_.empty()) return text + "(" + text_ + ")";
  if (!type.empty() && type.find("lambda") == type.npos) return text + "(" + std::string(type) + ")";
  if (where_.line() == 0) return text;
  std::string_view file = where_.file_name();
  if (const size_t slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
  return text + "(" + std::string(file) + ":" + std::to_string(where_.line()) + ")";
}

}  // namespace wengert
