// Models are trees with a call operator. Functions on them are pure: init makes parameters from a key, apply runs a
// model in a mode and returns its new state beside the output.
#pragma once

#include <map>
#include <optional>

#include "wengert/ops/random.hpp"
#include "wengert/tree/tree.hpp"

namespace wengert::nn {

/// State of a model that is no parameter, such as running statistics: not differentiated, and changed only by apply().
struct Buffer {
  Array value;
  operator const Array&() const { return value; }
};

/// How a model is run.
struct Mode {
  bool training = false;
  Array key = {};  // for layers that draw random numbers; each draw folds in the layer's path and its number there
};

/// What layers with a mode, randomness or state take beside their input. Lives as long as one apply().
class Context {
 public:
  explicit Context(Mode mode) : mode_(std::move(mode)) {}

  bool training() const { return mode_.training; }
  /// A fresh key: the mode's, with the path of the layer at work folded in (the model's own, "", where it is no part of
  /// the model), and then how many keys were drawn there before. So a layer that is called twice draws twice, and one
  /// more layer elsewhere changes nothing as long as the layer's own path stays: in `sequential`, an insertion moves
  /// every later one. Throws Error(value, "nn-key") naming the layer when the mode has none.
  Array next_key(const char* layer);
  /// The value of a buffer: a layer that is called twice in one apply() goes on from its first call.
  const Array& value(const Buffer& buffer) const {
    const auto it = updates_.find(&buffer.value);
    return it == updates_.end() ? buffer.value : it->second;
  }
  /// Notes the new value of a buffer of the model that apply() runs.
  void update(const Buffer& buffer, Array value) { updates_[&buffer.value] = std::move(value); }
  const std::map<const Array*, Array>& updates() const { return updates_; }

 private:
  Mode mode_;
  std::map<std::string, int64_t> draws_;  // by path
  std::map<const Array*, Array> updates_;
};

namespace detail {

/// While a model runs: errors of its layers name their paths in it and, where it is known, the line that applied it.
class ModelScope : CallPlace {
 public:
  template <class Net>
  explicit ModelScope(const Net& net, std::source_location where = {})
      : ModelScope(&net, &tree::detail::walk<Net>, where) {}
  ModelScope(const void* net, tree::detail::Walk walk, const std::source_location& where);
  ModelScope(const ModelScope&) = delete;
  ~ModelScope() { thread().place = outer; }

 private:
  friend class LayerScope;
  static std::string text_of(const CallPlace& model);
  std::string line() const;

  const void* net_;
  tree::detail::Walk walk_;
  std::source_location where_;
};

/// While a layer runs: errors name its place in the outermost model that holds it.
class LayerScope : CallPlace {
 public:
  /// `named`: say what the layer is.
  template <class Layer>
  explicit LayerScope(const Layer& layer, bool named = true)
      : LayerScope(&layer, tree::detail::type_name<Layer>, named) {}
  LayerScope(const void* layer, std::string_view type, bool named);
  LayerScope(const LayerScope&) = delete;
  ~LayerScope() { thread().place = outer; }

  /// The path of the layer at work in the outermost model that holds it; empty where none does.
  static std::string current_path();

 private:
  static std::string text_of(const CallPlace& layer);
  std::string path() const;

  const void* layer_;
  std::string_view type_;
  bool named_;
};

/// Puts new values in a copy in the places that they have in the original.
class LeafPlaces final : public tree::detail::Visitor {
 public:
  LeafPlaces() : Visitor(false) {}
  void leaf(Array& x) override { places.push_back(&x); }
  std::vector<Array*> places;
};
std::vector<Array> updated_leaves(const std::vector<Array*>& places, const Context& context);

/// Layers whose errors name the line of the caller; with and without a context.
template <class T>
concept TakesOperandInContext = requires { static_cast<Array (T::*)(const Operand&, Context&) const>(&T::operator()); };
template <class T>
concept TakesOperand = requires { static_cast<Array (T::*)(const Operand&) const>(&T::operator()); };

template <class T>
concept HasInitialize = requires(T& x, const Array& key) { x.initialize(key); };

/// Gives every layer below `x` its parameters, each from a key of its own; then `x`, which may change what they got.
template <class T>
void initialize(T& x, const Array& key) {
  int64_t number = 0;
  const auto child = [&](auto& c) { initialize(c, random::fold_in(key, number++)); };
  if constexpr (tree::detail::is_list<T>) {
    for (auto& c : x) child(c);
  } else if constexpr (tree::detail::is_map<T>) {
    for (auto& [name, c] : x) child(c);
  } else if constexpr (tree::detail::is_optional<T>) {
    if (x) child(*x);
  } else if constexpr (tree::detail::is_tuple<T>) {
    std::apply([&](auto&... c) { (child(c), ...); }, x);
  } else if constexpr (tree::detail::Plain<T> && !std::same_as<T, Array> && !tree::detail::Empty<T>) {
    std::apply([&](auto&... c) { (child(c), ...); }, tree::detail::members_of(x));
  }
  if constexpr (HasInitialize<T>) x.initialize(key);
}

}  // namespace detail

/// The model with parameters drawn from `key`; its layers say how in their initialize().
template <class Net>
Net init(Net net, const Array& key, std::source_location where = std::source_location::current()) try {
  const CallScope scope(where);
  detail::initialize(net, key);
  return net;
} catch (const std::bad_alloc&) { throw_no_memory("nn::init", where); }

/// net(x) in a mode: {output, net with its buffers updated}. Layers that need no mode take x alone.
template <class Net, class X>
auto apply(const Net& net, const X& x, Mode mode = {},
           std::source_location where = std::source_location::current()) try {
  constexpr bool in_context = std::is_invocable_v<const Net&, const X&, Context&>;
  static_assert(in_context || std::is_invocable_v<const Net&, const X&>,
                "wengert: nn::apply: the model cannot be called with this input: give it a call operator such as "
                "Array operator()(const Array& x) const, with a Context& behind x where it needs the mode");
  Context context(std::move(mode));
  auto y = [&] {
    const detail::ModelScope scope(net, where);
    if constexpr (detail::TakesOperandInContext<Net>) return net(Operand(x, where), context);
    else if constexpr (detail::TakesOperand<Net> && !in_context) return net(Operand(x, where));
    else if constexpr (in_context) return net(x, context);
    else if constexpr (std::is_invocable_v<const Net&, const X&>) return net(x);
    else return Array();
  }();
  Net updated = net;
  if (!context.updates().empty()) {
    detail::LeafPlaces places;
    tree::detail::visit_const(net, places);
    tree::detail::replace(updated, detail::updated_leaves(places.places, context));
  }
  return std::pair{std::move(y), std::move(updated)};
} catch (const std::bad_alloc&) { throw_no_memory("nn::apply", where); }

/// Calls a layer with or without a context, as it takes it.
template <class Layer>
Array call(const Layer& layer, const Array& x, Context& context) {
  constexpr bool in_context = std::is_invocable_r_v<Array, const Layer&, const Array&, Context&>;
  constexpr bool alone = std::is_invocable_r_v<Array, const Layer&, const Array&>;
  static_assert(in_context || alone,
                "wengert: this layer has no call operator that takes an Array and returns one: give it one such as "
                "Array operator()(const Array& x) const, with a Context& behind x where it needs the mode");
  if constexpr (in_context) return layer(x, context);
  else if constexpr (alone) return layer(x);
  else return x;
}

/// Layers and functions one after the other: sequential(Linear{4, 8}, relu, Linear{8, 2}).
template <class... Layers>
struct Sequential {
  std::tuple<Layers...> layers;

  Array operator()(const Operand& x, Context& context) const {
    const CallScope scope(x);
    std::optional<detail::ModelScope> model;
    if constexpr (tree::Tree<Sequential>) {
      if (!thread().place) model.emplace(*this);
    }
    Array y = x.to_array();
    const auto step = [&](const auto& layer) {
      const detail::LayerScope place(layer, false);
      y = call(layer, y, context);
    };
    std::apply([&](const auto&... layer) { (step(layer), ...); }, layers);
    return y;
  }
  Array operator()(const Operand& x) const {
    Context context{Mode{}};
    return (*this)(x, context);
  }
};
template <class... Layers>
auto sequential(Layers... layers) {
  return Sequential<Layers...>{{std::move(layers)...}};
}

namespace detail {
std::string summary_of(tree::detail::Walk walk, const void* net);
}
/// A table of the layers: path, kind, arrays with their types, elements and bytes; and the sums, with parameters and
/// buffers apart.
template <class Net>
std::string summary(const Net& net) {
  return detail::summary_of(&tree::detail::walk<Net>, &net);
}

}  // namespace wengert::nn

namespace wengert::tree {
template <>
inline constexpr bool is_buffer<nn::Buffer> = true;
}
