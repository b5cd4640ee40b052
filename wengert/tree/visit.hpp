// How trees are walked. One recursive template, visit(), knows the node types; everything else about trees is
// compiled code behind a Visitor, so that a tree type costs one instantiation whatever is done with it.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/pfr/core.hpp>

#include "wengert/array/array.hpp"

namespace wengert::tree {

/// Specialize as true for types whose arrays are state of a model and not parameters (nn::Buffer): grad does not
/// differentiate them and optimizers leave them alone.
template <class T>
inline constexpr bool is_buffer = false;

namespace detail {

/// One step from a node to a child.
struct Step {
  enum Kind : uint8_t { field, index, key } kind;
  std::string_view name;  // of a field or key; an empty one adds nothing to a path
  size_t number = 0;
};

/// A static value of a type that has == and std::hash but is neither number, string, enum nor pointer.
struct StaticType {
  std::string_view name;
  bool (*equal)(const void*, const void*);
  size_t (*hash)(const void*);
  std::shared_ptr<const void> (*copy)(const void*);
};

/// A static value, borrowed. Numbers are compared by their bits: NaN equals itself, and -0 is not 0.
struct StaticValue {
  enum Kind : uint8_t { boolean, integer, number, text, enumerator, pointer, other } kind;
  uint64_t bits = 0;
  std::string_view string;
  const void* object = nullptr;
  const StaticType* type = nullptr;
};

/// What is done at the nodes of a tree.
class Visitor {
 public:
  /// A visitor that is not detailed sees leaves only, and no path.
  explicit Visitor(bool detailed) : detailed_(detailed) {}
  virtual void leaf(Array& x) = 0;
  virtual void static_value(const StaticValue&) {}
  /// A node with `count` children; those of containers are counted, not named, by their kind.
  virtual void open(std::string_view /*kind*/, size_t /*count*/) {}
  /// Comes first at every node but arrays: where it is and its type.
  virtual void node(const void* /*address*/, std::string_view /*type*/) {}
  virtual void close() {}

  bool detailed() const { return detailed_; }
  const std::vector<Step>& path() const { return path_; }
  /// Whether the leaf is below a type that is a buffer.
  bool in_buffer() const { return buffers_ > 0; }

  void enter(Step step) {
    if (detailed_) path_.push_back(step);
  }
  void leave() {
    if (detailed_) path_.pop_back();
  }
  void enter_buffer() { ++buffers_; }
  void leave_buffer() { --buffers_; }

 protected:
  ~Visitor() = default;

 private:
  bool detailed_;
  int buffers_ = 0;
  std::vector<Step> path_;
};

// Names, from the compiler's text for a template argument -------------------------------------------------

template <class T>
constexpr std::string_view type_text() {
  return __PRETTY_FUNCTION__;
}
template <auto pointer>
constexpr std::string_view pointer_text() {
  return __PRETTY_FUNCTION__;
}

/// "Net" from "... [with T = app::Net; ...]" or "... [T = app::Net]".
constexpr std::string_view parse_type_name(std::string_view text) {
  const size_t begin = text.find("T = ") + 4;
  text = text.substr(begin, std::min(text.find("; std::string_view", begin), text.rfind(']')) - begin);
  const size_t scope = text.substr(0, text.find('<')).rfind("::");
  return scope == text.npos ? text : text.substr(scope + 2);
}
/// The unqualified name of a type, with its template arguments.
template <class T>
inline constexpr std::string_view type_name = parse_type_name(type_text<T>());

/// Whatever a member of an aggregate may be initialized by. Never called, but defined: g++ asks for it with local types.
struct AnyMember {
  template <class T>
  operator T&() const {
    __builtin_unreachable();
  }
};
struct AnyMovedMember {
  template <class T>
  operator T&&() const {
    __builtin_unreachable();
  }
};
template <class T, class Member, size_t... i>
constexpr bool takes_members(std::index_sequence<i...>) {
  return requires { T{(static_cast<void>(i), Member{})...}; };
}
/// How many members an aggregate has: the most that it can be initialized by. Boost.PFR counts as well, but asks more of
/// the compiler than g++ 12 can answer where a member is a std::array or has a list as default initializer.
template <class T, size_t n = std::min<size_t>(sizeof(T), 100)>
constexpr size_t member_count() {
  if constexpr (n == 0) return 0;
  else if constexpr (takes_members<T, AnyMember>(std::make_index_sequence<n>())) return n;
  else if constexpr (takes_members<T, AnyMovedMember>(std::make_index_sequence<n>())) return n;
  else return member_count<T, n - 1>();
}
/// References to the members of an aggregate, as a tuple.
template <class T>
constexpr auto members_of(T& x) {
  constexpr size_t count = member_count<std::remove_const_t<T>>();
  return boost::pfr::detail::make_stdtiedtuple_from_tietuple(
      boost::pfr::detail::tie_as_tuple(x, boost::pfr::detail::size_t_<count>()), std::make_index_sequence<count>());
}

/// An object that never lives: its members have addresses, and those have names. Local types may have one too.
template <class T>
union Phantom {
  char nothing;
  T object;
  constexpr Phantom() : nothing() {}
  constexpr ~Phantom() {}
};
template <class T>
inline constexpr Phantom<T> phantom{};
/// "weight" from "... (& phantom<Net>.Phantom<Net>::object.Net::weight) ..." or "... &phantom<Net>.object.weight]".
constexpr std::string_view parse_field_name(std::string_view text) {
  const auto is_name = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
  };
  const size_t clause = text.find("; std::string_view");
  size_t end = clause == text.npos ? text.size() : clause;
  while (end > 0 && !is_name(text[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && is_name(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}
template <class T, size_t i>
inline constexpr std::string_view field_name =
    parse_field_name(pointer_text<&std::get<i>(members_of(phantom<T>.object))>());

// Kinds of nodes -----------------------------------------------------------------------------------------

template <class T>
inline constexpr bool is_list = false;
template <class T, class A>
inline constexpr bool is_list<std::vector<T, A>> = !std::same_as<T, bool>;
template <class T, size_t n>
std::array<T, n> as_array(const std::array<T, n>&);
/// Classes that are an array by inheritance too, and nothing more.
template <class T>
  requires requires(const T& x) { requires sizeof(T) == sizeof(detail::as_array(x)); }
inline constexpr bool is_list<T> = true;

template <class T>
inline constexpr bool is_map = false;
template <class T, class C, class A>
inline constexpr bool is_map<std::map<std::string, T, C, A>> = true;

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
inline constexpr bool is_smart_pointer = false;
template <class T, class D>
inline constexpr bool is_smart_pointer<std::unique_ptr<T, D>> = true;
template <class T>
inline constexpr bool is_smart_pointer<std::shared_ptr<T>> = true;

struct AnyFieldVisitor {
  template <class T>
  void operator()(std::string_view, T&);
};
template <class T>
concept HasFields = requires(T& x, AnyFieldVisitor& v) { x.fields(v); };

template <class T>
inline constexpr bool is_plain_static =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, std::string> || std::same_as<T, std::string_view> ||
    std::same_as<T, const char*> || (std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>);
template <class T>
concept Hashable = requires(const T& x) {
  { std::hash<T>{}(x) } -> std::convertible_to<size_t>;
  { x == x } -> std::convertible_to<bool>;
};
/// Wengert's own small values; they have no std::hash.
template <class T>
inline constexpr bool is_shape = std::same_as<T, Shape> || std::same_as<T, Axes>;

template <class T>
concept Container = is_list<T> || is_map<T> || is_tuple<T> || is_optional<T>;
template <class T>
concept HashedStatic = !is_plain_static<T> && !Container<T> && !HasFields<T> && !std::is_pointer_v<T> &&
    !is_smart_pointer<T> && (is_shape<T> || Hashable<T>);
/// Converts to base classes of T only, so that it initializes an aggregate just when it has one.
template <class T>
struct AnyBase {
  template <class B>
    requires(std::is_base_of_v<B, T> && !std::same_as<B, T>)
  operator B() const;
};
template <class T>
concept HasBase = requires { T{AnyBase<T>()}; };
template <class T>
concept Plain = std::is_aggregate_v<T> && !HasBase<T> && !std::is_union_v<T> && !std::is_array_v<T> && !Container<T> &&
    !HasFields<T> && !HashedStatic<T>;
template <class T>
concept Empty = std::is_class_v<T> && std::is_empty_v<T> && !HasFields<T> && !HashedStatic<T>;

/// Whether visit() knows what to do with a T; its children are another question.
template <class T>
inline constexpr bool is_node = std::same_as<T, Array> || is_plain_static<T> || Container<T> || HasFields<T> ||
    HashedStatic<T> || Empty<T> || Plain<T>;

template <class T>
constexpr bool all_nodes();
template <class T>
struct AllNodes {  // containers and aggregates are told apart here, without looking at a value
  static constexpr bool value = true;
};
template <class... T>
struct AllNodes<std::tuple<T...>> {
  static constexpr bool value = (all_nodes<std::remove_cvref_t<T>>() && ...);
};
/// Whether T is a tree to its bottom. Classes with a fields() member say so themselves.
template <class T>
constexpr bool all_nodes() {
  if constexpr (!is_node<T>) return false;
  else if constexpr (is_list<T> || is_optional<T>) return all_nodes<typename T::value_type>();
  else if constexpr (is_map<T>) return all_nodes<typename T::mapped_type>();
  else if constexpr (is_tuple<T>) {
    return []<size_t... i>(std::index_sequence<i...>) {
      return (all_nodes<std::remove_cvref_t<std::tuple_element_t<i, T>>>() && ...);
    }(std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (Plain<T> && !Empty<T>) {
    return AllNodes<decltype(members_of(std::declval<T&>()))>::value;
  } else return true;
}

/// The one place where a type that is no tree is reported.
template <class T>
constexpr void require_node() {
  static_assert(
      is_node<T>,
      "wengert: this type is not a tree of arrays. A tree is an Array; a number, string, enum or function "
      "pointer; a std::vector, array, map with string keys, tuple, pair or optional of trees; or an aggregate "
      "(public members, no base class, no constructor, no C array) of trees. Hold values instead of pointers; "
      "give any other class a member  template <class V> void fields(V& v) { v(\"name\", member); }");
}

// The walk -----------------------------------------------------------------------------------------------

uint64_t hash_of(const Shape& shape);
uint64_t hash_of(const Axes& axes);

template <class T>
inline constexpr StaticType static_type{
    type_name<T>, [](const void* a, const void* b) { return *static_cast<const T*>(a) == *static_cast<const T*>(b); },
    [](const void* x) -> size_t {
      if constexpr (is_shape<T>) return hash_of(*static_cast<const T*>(x));
      else return std::hash<T>{}(*static_cast<const T*>(x));
    },
    [](const void* x) -> std::shared_ptr<const void> { return std::make_shared<const T>(*static_cast<const T*>(x)); }};

template <class T>
StaticValue make_static_value(const T& x) {
  if constexpr (std::same_as<T, bool>) return {StaticValue::boolean, x, {}};
  else if constexpr (std::is_enum_v<T>) return {StaticValue::enumerator, static_cast<uint64_t>(x), type_name<T>};
  else if constexpr (std::is_integral_v<T>) return {StaticValue::integer, static_cast<uint64_t>(x), {}};
  else if constexpr (std::is_floating_point_v<T>) {
    return {StaticValue::number, std::bit_cast<uint64_t>(static_cast<double>(x)), {}};
  } else if constexpr (std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>) {
    return {StaticValue::pointer, reinterpret_cast<uintptr_t>(x), type_name<T>};
  } else if constexpr (is_plain_static<T>) return {StaticValue::text, 0, std::string_view(x)};
  else return {StaticValue::other, 0, {}, &x, &static_type<T>};
}

template <class T>
void visit(T& x, Visitor& v);

struct FieldVisitor {
  Visitor& v;
  template <class T>
  void operator()(std::string_view name, T& child) {
    v.enter({Step::field, name});
    visit(child, v);
    v.leave();
  }
};

template <class T, size_t... i>
void visit_tuple(T& x, Visitor& v, std::index_sequence<i...>) {
  ((v.enter({Step::index, {}, i}), visit(std::get<i>(x), v), v.leave()), ...);
}
template <class T, class Tied, size_t... i>
void visit_fields(const Tied& fields, Visitor& v, std::index_sequence<i...>) {
  ((v.enter({Step::field, field_name<T, i>}), visit(std::get<i>(fields), v), v.leave()), ...);
}

template <class T>
void visit_children(T& x, Visitor& v) {
  if constexpr (HasFields<T>) {
    if (v.detailed()) v.open(type_name<T>, 0);
    FieldVisitor fields{v};
    x.fields(fields);
  } else if constexpr (is_list<T>) {
    if (v.detailed()) v.open("[", x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      v.enter({Step::index, {}, i});
      visit(x[i], v);
      v.leave();
    }
  } else if constexpr (is_map<T>) {
    if (v.detailed()) v.open("{", x.size());
    for (auto& [key, child] : x) {
      v.enter({Step::key, key});
      visit(child, v);
      v.leave();
    }
  } else if constexpr (is_optional<T>) {
    if (v.detailed()) v.open("optional", x.has_value());
    if (x) visit(*x, v);
  } else if constexpr (is_tuple<T>) {
    if (v.detailed()) v.open("(", std::tuple_size_v<T>);
    visit_tuple(x, v, std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (Empty<T>) {
    if (v.detailed()) v.open(type_name<T>, 0);
  } else if constexpr (Plain<T>) {
    const auto fields = members_of(x);
    if (v.detailed()) v.open(type_name<T>, std::tuple_size_v<std::remove_const_t<decltype(fields)>>);
    visit_fields<T>(fields, v, std::make_index_sequence<std::tuple_size_v<std::remove_const_t<decltype(fields)>>>());
  }
  if (v.detailed()) v.close();
}

/// Shows every leaf and static value of the tree to `v`, in the order in which they are declared.
template <class T>
void visit(T& x, Visitor& v) {
  require_node<T>();
  if constexpr (is_node<T> && !std::same_as<T, Array>) {
    if (v.detailed()) v.node(&x, type_name<T>);
  }
  if constexpr (!is_node<T>) return;
  else if constexpr (std::same_as<T, Array>) v.leaf(x);
  else if constexpr (is_plain_static<T> || HashedStatic<T>) {
    if (v.detailed()) v.static_value(make_static_value(x));
  } else if constexpr (is_buffer<T>) {
    v.enter_buffer();
    visit_children(x, v);
    v.leave_buffer();
  } else {
    visit_children(x, v);
  }
}
/// For visitors that change nothing.
template <class T>
void visit_const(const T& x, Visitor& v) {
  visit(const_cast<T&>(x), v);
}

}  // namespace detail
}  // namespace wengert::tree
