#include "wengert/nn/module.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"

namespace wengert::nn {
namespace {

std::string padded(std::string text, size_t width, bool right = false) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

}  // namespace

Array Context::next_key(const char* layer) {
  if (!mode_.key.defined()) {
    fail(ErrorKind::value, "nn-key", layer, "a mode without a key",
         "a key to draw from; call nn::apply(net, x, {.training = true, .key = wg::random::key(0)})");
  }
  return random::fold_in(mode_.key, draws_++);
}

namespace detail {

std::vector<Array> updated_leaves(const std::vector<Array*>& places, const Context& context) {
  std::vector<Array> leaves;
  size_t found = 0;
  for (const Array* place : places) {
    const auto it = context.updates().find(place);
    found += it != context.updates().end();
    leaves.push_back(it == context.updates().end() ? *place : it->second);
  }
  if (found != context.updates().size()) {
    fail(ErrorKind::state, "nn-buffer", "nn::apply", "an update of a buffer that is not in the model",
         "buffers of the model itself; call layers by reference, not on copies");
  }
  return leaves;
}

std::string summary_of(const std::vector<std::string>& paths, const std::vector<Array>& leaves,
                       const std::vector<bool>& trainable) {
  size_t width = 10;
  for (const std::string& path : paths) width = std::max(width, path.size() + 2);
  std::string text;
  int64_t count[2] = {0, 0}, bytes[2] = {0, 0};
  for (size_t i = 0; i < leaves.size(); ++i) {
    const bool defined = leaves[i].defined();
    const int64_t size = defined ? leaves[i].size() : 0;
    text += padded(paths[i], width) + padded(describe(leaves[i]), 20) + padded(std::to_string(size), 12, true) +
            (trainable[i] ? "" : "  buffer") + "\n";
    count[trainable[i]] += size;
    bytes[trainable[i]] += defined ? leaves[i].nbytes() : 0;
  }
  text += std::to_string(count[1]) + " parameters, " + std::to_string(bytes[1]) + " bytes";
  if (count[0] > 0) text += "; " + std::to_string(count[0]) + " in buffers, " + std::to_string(bytes[0]) + " bytes";
  return text + "\n";
}

}  // namespace detail
}  // namespace wengert::nn
