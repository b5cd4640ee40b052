#include "wengert/diff/arguments.hpp"

#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::diff {

void Arguments::leaf(Array& x) {
  leaves.push_back(x);
  active.push_back(has_tangent(x) && !in_buffer());
}

Array zeros_of(const Type& type) { return broadcast_to(detail::scalar(int64_t{0}, type.dtype, false), type.shape); }

namespace {
std::string count_text(size_t arrays) { return std::to_string(arrays) + (arrays == 1 ? " array" : " arrays"); }

/// " of argument 0, layers[1].weight" for tangents, whose tree is the tuple of arguments; " of weight" for cotangents.
std::string place(std::string_view role, const std::string& path) {
  if (path.empty()) return "";
  const size_t end = path.find(']');
  if (role != "tangent" || end == path.npos) return " of " + path;
  const size_t rest = end + (path[std::min(end + 1, path.size() - 1)] == '.' ? 2 : 1);
  return " of argument " + path.substr(1, end - 1) + (rest < path.size() ? ", " + path.substr(rest) : "");
}

}  // namespace

std::vector<Array> checked_derivatives(const char* role, const Label& label, std::vector<Array> given,
                                       const Arguments& like, tree::detail::Walk walk, const void* tree) {
  if (given.size() != like.leaves.size()) {
    throw Error(ErrorKind::value, std::string(role) + "-structure",
                label.text() + ": a " + role + " of " + count_text(given.size()) + " for a value of " +
                    count_text(like.leaves.size()) + ": wanted a tree of the structure of the value" +
                    label.call_site());
  }
  for (size_t i = 0; i < given.size(); ++i) {
    Array& x = given[i];
    if (!like.active[i]) x = Array();
    if (!x.defined()) continue;
    const Type& type = like.leaves[i].type();
    const bool shape = x.shape() == type.shape;
    if (shape && x.dtype() == type.dtype) continue;
    if (shape && x.type().weak) {
      x = convert(x, type.dtype);
      continue;
    }
    const std::string path = place(role, tree::detail::paths_of(tree, walk)[i]);
    throw Error(shape ? ErrorKind::dtype : ErrorKind::shape, std::string(role) + (shape ? "-dtype" : "-shape"),
                label.text() + ": " + role + path + " " + describe(x) + ": wanted " +
                    to_string(*Type::of(type.dtype, type.shape)) + ", as the value has" +
                    (shape ? "; convert it with x.astype(wg::" + std::string(name(type.dtype)) + ")" : "") +
                    label.call_site());
  }
  return given;
}

void fill_zeros(std::vector<Array>& derivatives, const Arguments& like) {
  for (size_t i = 0; i < derivatives.size(); ++i) {
    if (!derivatives[i].defined() && like.active[i]) derivatives[i] = zeros_of(like.leaves[i].type());
  }
}

}  // namespace wengert::diff
