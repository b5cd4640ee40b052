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
  for (const Sample& sample : primitive.samples.cases) {
    if (sample.params.size() == static_cast<int>(primitive.params.size())) continue;
    throw Error(ErrorKind::internal, "primitive-samples",
                name + ": has a sample of " + std::to_string(sample.params.size()) + " parameters: wanted " +
                    std::to_string(primitive.params.size()));
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
