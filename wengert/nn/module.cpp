#include "wengert/nn/module.hpp"

#include <algorithm>
#include <array>

#include "wengert/ops/common.hpp"

namespace wengert::nn {
namespace {

std::string padded(std::string text, size_t width, bool right = false) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

/// One line of a summary for each layer: an aggregate that holds arrays, or holds no other aggregate.
class LayerTable final : public tree::detail::Visitor {
 public:
  LayerTable() : Visitor(true) {}

  void open(std::string_view kind, size_t) override {
    const bool container = kind == "[" || kind == "{" || kind == "(" || kind == "optional";
    if (open_.empty() || !(container || in_buffer())) {
      if (!open_.empty()) layers_[open_.back()].holds_layers = true;
      layers_.push_back({tree::detail::path_text(path()), std::string(kind), path().size()});
      open_.push_back(layers_.size() - 1);
    } else {
      open_.push_back(open_.back());
    }
  }
  void close() override { open_.pop_back(); }

  void leaf(Array& x) override {
    if (open_.empty()) layers_.push_back({"", "Array", 0});
    Layer& layer = layers_[open_.empty() ? layers_.size() - 1 : open_.back()];
    const std::span steps = std::span(path()).subspan(layer.depth);
    const size_t named = steps.size() - (in_buffer() && steps.size() > 1);  // `mean`, not `mean.value`
    const std::string name = tree::detail::path_text(steps.first(named));
    layer.arrays += (layer.arrays.empty() ? "" : ", ") + name + (name.empty() ? "" : " ") + describe(x) +
        (in_buffer() ? " (buffer)" : "");
    if (!x.defined()) return;
    layer.elements += x.size();
    layer.bytes += x.nbytes();
    elements_[in_buffer()] += x.size();
    bytes_[in_buffer()] += x.nbytes();
  }

  std::string text() const {
    std::vector<std::array<std::string, 5>> rows{{"layer", "kind", "arrays", "elements", "bytes"}};
    for (const Layer& l : layers_) {
      if (l.holds_layers && l.arrays.empty()) continue;
      rows.push_back({l.path, l.kind, l.arrays, std::to_string(l.elements), std::to_string(l.bytes)});
    }
    std::array<size_t, 5> widths{};
    for (const auto& row : rows) {
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const auto& row : rows) {
      for (size_t i = 0; i < row.size(); ++i) text += (i ? "  " : "") + padded(row[i], widths[i], i >= 3);
      text += "\n";
    }
    text += std::to_string(elements_[0]) + " parameters, " + std::to_string(bytes_[0]) + " bytes";
    if (elements_[1] == 0) return text + "\n";
    return text + "; " + std::to_string(elements_[1]) + " in buffers, " + std::to_string(bytes_[1]) + " bytes\n";
  }

 private:
  struct Layer {
    std::string path, kind;
    size_t depth;  // of its path
    bool holds_layers = false;
    std::string arrays = {};
    int64_t elements = 0, bytes = 0;
  };
  std::vector<Layer> layers_;
  std::vector<size_t> open_;                     // the layer of every open node
  std::array<int64_t, 2> elements_{}, bytes_{};  // of parameters; of buffers
};

/// The FNV-1a hash of a path: the same in every process and on every machine.
int64_t number_of(const std::string& path) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return static_cast<int64_t>(hash);
}

/// The path of the first node at an address that has that type; a member may begin where the whole does.
class FindNode final : public tree::detail::Visitor {
 public:
  FindNode(const void* address, std::string_view type) : Visitor(true), address_(address), type_(type) {}
  void leaf(Array&) override {}
  void node(const void* address, std::string_view type) override {
    if (!found && address == address_ && type == type_) found = tree::detail::path_text(path());
  }
  std::optional<std::string> found;

 private:
  const void* address_;
  std::string_view type_;
};

}  // namespace

namespace detail {

ModelScope::ModelScope(const void* net, tree::detail::Walk walk, const std::source_location& where)
    : CallPlace{thread().place, &text_of}, net_(net), walk_(walk), where_(where) {
  thread().place = this;
}

/// The line of nn::apply, where errors name another: one inside the model.
std::string ModelScope::line() const {
  const std::string line = line_text(where_);
  return line.empty() || line == line_text(thread().where) ? "" : ", in nn::apply at " + line;
}
std::string ModelScope::text_of(const CallPlace& model) { return static_cast<const ModelScope&>(model).line(); }

LayerScope::LayerScope(const void* layer, std::string_view type, bool named)
    : CallPlace{thread().place, &text_of}, layer_(layer), type_(type), named_(named) {
  thread().place = this;
}

std::string LayerScope::path() const {
  std::string path;
  for (const CallPlace* p = outer; p; p = p->outer) {
    if (p->text != &ModelScope::text_of) continue;
    const auto& model = static_cast<const ModelScope&>(*p);
    FindNode search(layer_, type_);
    model.walk_(model.net_, search);
    if (search.found && !search.found->empty()) path = *search.found;
  }
  return path;
}

std::string LayerScope::current_path() {
  const CallPlace* place = thread().place;
  return place && place->text == &text_of ? static_cast<const LayerScope*>(place)->path() : "";
}

std::string LayerScope::text_of(const CallPlace& place) {
  const auto& layer = static_cast<const LayerScope&>(place);
  std::string text = layer.path();
  if (!text.empty()) text = ", in " + text + (layer.named_ ? " (" + std::string(layer.type_) + ")" : "");
  const ModelScope* outermost = nullptr;
  for (const CallPlace* p = layer.outer; p; p = p->outer) {
    if (p->text == &ModelScope::text_of) outermost = static_cast<const ModelScope*>(p);
  }
  return outermost ? text + outermost->line() : text;
}

}  // namespace detail

Array Context::next_key(const char* layer) {
  if (!mode_.key.defined()) {
    fail(ErrorKind::value, "nn-key", layer, "a mode without a key",
         "a key to draw from; call nn::apply(net, x, {.training = true, .key = wg::random::key(0)})");
  }
  const std::string path = detail::LayerScope::current_path();
  return random::fold_in(random::fold_in(mode_.key, number_of(path)), draws_[path]++);
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

std::string summary_of(tree::detail::Walk walk, const void* net) {
  LayerTable table;
  walk(net, table);
  return table.text();
}

}  // namespace detail
}  // namespace wengert::nn
