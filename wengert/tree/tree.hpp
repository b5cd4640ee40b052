// Trees of arrays: parameters, optimizer state, batches and gradients.
//
// A tree is an Array (a leaf); a std::vector, array, map with string keys, tuple, pair or optional of trees; an
// aggregate of trees; or a class with  template <class V> void fields(V& v) { v("name", member); ... } .
// Numbers, strings, enums, function pointers, and whatever has == and std::hash, are static: part of the tree's
// structure. Leaves may be undefined. Paths read `hidden.weight`, `layers[3].bias`, `["key"]`; that of a tree which
// is one array is empty.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "wengert/tree/visit.hpp"

namespace wengert::tree {
namespace detail {
class StructureVisitor;
}

template <class T>
concept Tree = detail::all_nodes<std::remove_cvref_t<T>>();

/// What a tree is apart from its arrays: its nodes, their names and its static values.
class Structure {
 public:
  bool operator==(const Structure& other) const;
  uint64_t hash() const;
  int leaf_count() const { return static_cast<int>(paths_.size()); }
  /// By leaf, in the order of flatten().
  const std::vector<std::string>& paths() const { return paths_; }
  /// Where the two first differ, and in what: "layers: 2 elements, not 3"; empty when they are equal.
  std::string difference(const Structure& other) const;

  struct Entry {
    enum Kind : uint8_t { leaf, value, open, close } kind;
    std::string name;  // of the field or key in its parent
    std::string path;
    std::string text;                         // type or kind of a node, or a value as printed
    size_t count = 0;                         // children of a node
    detail::StaticValue bits = {};            // owns nothing; see text and object
    std::shared_ptr<const void> object = {};  // a copy of a static value of another type
    bool operator==(const Entry& other) const;
  };

 private:
  friend class detail::StructureVisitor;
  friend std::string to_string(const Structure&);
  std::vector<Entry> entries_;
  std::vector<std::string> paths_;
};

/// "Net{hidden: Linear{in: 784, weight: *}, layers: [*, *]}"; * is an array.
std::string to_string(const Structure& structure);

namespace detail {

/// As paths are written: `layers[3].bias`.
std::string path_text(std::span<const Step> steps);
/// As values are printed; a function or a value of another type shows only what it is.
std::string value_text(const StaticValue& value);

class Count final : public Visitor {
 public:
  Count() : Visitor(false) {}
  void leaf(Array&) override { ++leaves; }
  int leaves = 0;
};

/// Copies handles out.
class Collect final : public Visitor {
 public:
  explicit Collect(std::vector<Array>& leaves) : Visitor(false), leaves_(leaves) {}
  void leaf(Array& x) override { leaves_.push_back(x); }

 private:
  std::vector<Array>& leaves_;
};

/// Puts handles in. Reports a wrong count in finish().
class Replace final : public Visitor {
 public:
  explicit Replace(std::span<const Array> leaves) : Visitor(false), leaves_(leaves) {}
  /// Takes the handles out of `leaves`.
  explicit Replace(std::vector<Array>& leaves) : Visitor(false), leaves_(leaves), given_(leaves.data()) {}
  void leaf(Array& x) override {
    if (next_ < leaves_.size()) {
      if (given_) x = std::move(given_[next_]);
      else x = leaves_[next_];
    }
    ++next_;
  }
  /// Throws Error(value, "tree-leaf-count") when the tree had another number of leaves.
  void finish(const std::source_location& where = {}) const;

 private:
  std::span<const Array> leaves_;
  Array* given_ = nullptr;
  size_t next_ = 0;
};

/// Which leaves are parameters and not buffers.
class Trainable final : public Visitor {
 public:
  explicit Trainable(std::vector<bool>& flags) : Visitor(false), flags_(flags) {}
  void leaf(Array&) override { flags_.push_back(!in_buffer()); }

 private:
  std::vector<bool>& flags_;
};

class ForEach final : public Visitor {
 public:
  using Function = std::function<void(const std::string&, Array&)>;
  explicit ForEach(const Function& f) : Visitor(true), f_(f) {}
  void leaf(Array& x) override;

 private:
  const Function& f_;
};

using Walk = void (*)(const void* tree, Visitor& v);
template <class T>
void walk(const void* tree, Visitor& v) {
  visit_const(*static_cast<const T*>(tree), v);
}

Structure structure_of(const void* tree, Walk walk);
std::vector<std::string> paths_of(const void* tree, Walk walk);
std::vector<Array> leaves_of(const void* tree, Walk walk);
/// The leaves of every tree. Throws Error(value, "tree-structure") naming `operation` and the first path in which two
/// differ.
std::vector<std::vector<Array>> leaves_of_equals(const char* operation, Walk walk, std::span<const void* const> trees,
                                                 const std::source_location& where = {});

using Predicate = std::function<bool(const std::string&)>;
/// The leaves that are selected, then the others; undefined elsewhere.
std::pair<std::vector<Array>, std::vector<Array>> split(const void* tree, Walk walk, const Predicate& selected);
std::vector<Array> join(Walk walk, const void* a, const void* b, const std::source_location& where);

template <class T>
void replace(T& tree, std::span<const Array> leaves, const std::source_location& where = {}) {
  Replace replacement(leaves);
  visit(tree, replacement);
  replacement.finish(where);
}
template <class T>
void replace(T& tree, std::vector<Array>&& leaves) {
  Replace replacement(leaves);
  visit(tree, replacement);
  replacement.finish();
}

// What the library does with trees inside functions of its own, whose name and line their errors have: the functions
// below without their places, and with std::bad_alloc as it is.
template <class T>
std::vector<Array> leaves(const T& tree) {
  if constexpr (std::same_as<T, Array>) return {tree};
  else return leaves_of(&tree, &walk<T>);
}
template <class T>
std::vector<std::string> leaf_paths(const T& tree) {
  return paths_of(&tree, &walk<T>);
}
template <class T>
T with_leaves(const T& like, std::span<const Array> leaves, const std::source_location& where = {}) {
  if constexpr (Tree<T>) {
    T copy(like);
    replace(copy, leaves, where);
    return copy;
  } else {
    static_cast<void>(&walk<T>);  // reports the type
    __builtin_unreachable();
  }
}

}  // namespace detail

/// The number of arrays, undefined ones too.
template <class T>
int leaf_count(const T& tree) {
  detail::Count count;
  detail::visit_const(tree, count);
  return count.leaves;
}

/// The arrays of a tree, in the order of declaration; map entries in the order of their keys.
template <class T>
std::vector<Array> flatten(const T& tree, std::source_location where = std::source_location::current()) try {
  return detail::leaves(tree);
} catch (const std::bad_alloc&) { throw_no_memory("tree::flatten", where); }

/// A copy of `like` with other leaves. Throws Error(value, "tree-leaf-count").
template <class T>
T unflatten(const T& like, std::span<const Array> leaves,
            std::source_location where = std::source_location::current()) try {
  return detail::with_leaves(like, leaves, where);
} catch (const std::bad_alloc&) { throw_no_memory("tree::unflatten", where); }

template <class T>
Structure structure(const T& tree, std::source_location where = std::source_location::current()) try {
  return detail::structure_of(&tree, &detail::walk<T>);
} catch (const std::bad_alloc&) { throw_no_memory("tree::structure", where); }

/// The path of every leaf, in the order of flatten().
template <class T>
std::vector<std::string> paths(const T& tree, std::source_location where = std::source_location::current()) try {
  return detail::leaf_paths(tree);
} catch (const std::bad_alloc&) { throw_no_memory("tree::paths", where); }

/// By leaf: whether it is a parameter; false below types for which is_buffer is true.
template <class T>
std::vector<bool> trainable(const T& tree, std::source_location where = std::source_location::current()) try {
  std::vector<bool> flags;
  detail::Trainable visitor(flags);
  detail::visit_const(tree, visitor);
  return flags;
} catch (const std::bad_alloc&) { throw_no_memory("tree::trainable", where); }

/// Calls f(path, array) on every leaf; f may assign to the array when the tree is not const.
template <class T>
void for_each(T& tree, const detail::ForEach::Function& f) {
  detail::ForEach visitor(f);
  detail::visit(const_cast<std::remove_const_t<T>&>(tree), visitor);
}

namespace detail {

/// f(number of the leaf, leaf, leaf of rest...) in place of every defined leaf of `first`.
template <class F, class T, class... Rest>
T map_leaves(const char* operation, const std::source_location& where, F&& f, const T& first, const Rest&... rest) try {
  static_assert((std::same_as<T, Rest> && ...), "wengert: tree::map and map_with_path take trees of one type");
  const void* trees[] = {&first, &rest...};
  auto leaves = leaves_of_equals(operation, &walk<T>, trees, where);
  for (size_t i = 0; i < leaves[0].size(); ++i) {
    if (!leaves[0][i].defined()) continue;
    [&]<size_t... k>(std::index_sequence<k...>) {
      leaves[0][i] = f(i, std::as_const(leaves[k][i])...);
    }(std::make_index_sequence<1 + sizeof...(Rest)>());
  }
  return with_leaves(first, leaves[0]);
} catch (const std::bad_alloc&) { throw_no_memory(operation, where); }
template <class F, class T, class... Rest>
T map_paths(const std::source_location& where, F&& f, const T& first, const Rest&... rest) try {
  const std::vector<std::string> all = leaf_paths(first);
  return map_leaves(
      "tree::map_with_path", where, [&](size_t i, const auto&... leaf) { return f(all[i], leaf...); }, first, rest...);
} catch (const std::bad_alloc&) { throw_no_memory("tree::map_with_path", where); }

}  // namespace detail

/// f(leaf, leaf of rest...) in place of every defined leaf of `first`; undefined leaves of `first` stay undefined,
/// those of the others are given to f. Throws Error(value, "tree-structure") naming the first path in which the trees
/// differ, and for two trees the line of the call: behind more there is no place for it in C++.
template <class F, class T, class... Rest>
T map(F&& f, const T& first, const Rest&... rest) {
  return detail::map_leaves("tree::map", {}, [&](size_t, const auto&... leaf) { return f(leaf...); }, first, rest...);
}
template <class F, class T>
T map(F&& f, const T& a, const T& b, std::source_location where = std::source_location::current()) {
  return detail::map_leaves("tree::map", where, [&](size_t, const auto&... leaf) { return f(leaf...); }, a, b);
}

/// The same with f(path, leaf, leaf of rest...).
template <class F, class T, class... Rest>
T map_with_path(F&& f, const T& first, const Rest&... rest) {
  return detail::map_paths({}, f, first, rest...);
}
template <class F, class T>
T map_with_path(F&& f, const T& a, const T& b, std::source_location where = std::source_location::current()) {
  return detail::map_paths(where, f, a, b);
}

/// Two copies of the tree: one with the leaves whose path `selected` wants, one with the others. Leaves that went to
/// the other copy are undefined. merge() puts them together again.
template <class T>
std::pair<T, T> partition(const T& tree, const detail::Predicate& selected,
                          std::source_location where = std::source_location::current()) try {
  auto [a, b] = detail::split(&tree, &detail::walk<T>, selected);
  return {detail::with_leaves(tree, a), detail::with_leaves(tree, b)};
} catch (const std::bad_alloc&) { throw_no_memory("tree::partition", where); }

/// The leaves that are defined in `a` or in `b`. Throws Error(value, "tree-merge") naming a leaf defined in both, and
/// Error(value, "tree-structure") as map does.
template <class T>
T merge(const T& a, const T& b, std::source_location where = std::source_location::current()) try {
  return detail::with_leaves(a, detail::join(&detail::walk<T>, &a, &b, where));
} catch (const std::bad_alloc&) { throw_no_memory("tree::merge", where); }

}  // namespace wengert::tree

template <>
struct std::hash<wengert::tree::Structure> {
  size_t operator()(const wengert::tree::Structure& s) const { return s.hash(); }
};
