#include "wengert/program/primitive.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace wengert {
namespace {

std::map<std::string_view, const Primitive*>& table() {
  static auto* primitives = new std::map<std::string_view, const Primitive*>;
  return *primitives;
}

}  // namespace

namespace detail {
Registration::Registration(const Primitive& primitive) {
  const std::string name = primitive.name;
  if (primitive.samples.cases.empty()) {
    throw Error(ErrorKind::internal, "primitive-samples",
                name + ": has no samples: wanted one way to call it at least, for its tests");
  }
  if (!table().emplace(primitive.name, &primitive).second) {
    throw Error(ErrorKind::internal, "primitive-name", name + ": stated by two primitives: wanted a name of its own");
  }
}
}  // namespace detail

const Primitive* find_primitive(std::string_view name) {
  const auto it = table().find(name);
  return it == table().end() ? nullptr : it->second;
}

std::vector<const Primitive*> all_primitives() {
  std::vector<const Primitive*> all;
  for (const auto& [name, primitive] : table()) all.push_back(primitive);
  return all;
}

}  // namespace wengert
