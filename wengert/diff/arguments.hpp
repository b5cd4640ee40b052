// Functions of trees as functions of arrays: what all transformations of diff/ do with their arguments.
#pragma once

#include <optional>
#include <tuple>
#include <type_traits>

#include "wengert/diff/forward.hpp"
#include "wengert/diff/name.hpp"
#include "wengert/tree/tree.hpp"

namespace wengert::diff {

/// A plain number is differentiated as an array of rank 0 of its C++ type.
template <class T>
using TreeOf = std::conditional_t<std::is_arithmetic_v<std::remove_cvref_t<T>>, Array, std::remove_cvref_t<T>>;

template <class T>
TreeOf<T> to_tree(T&& x) {
  if constexpr (std::is_arithmetic_v<std::remove_cvref_t<T>>) return array(x);
  else return std::forward<T>(x);
}

/// The leaves of some arguments. Active are those that are differentiated: inexact, defined, and in no buffer.
class Arguments final : public tree::detail::Visitor {
 public:
  Arguments() : Visitor(false) {}
  void leaf(Array& x) override;
  template <class T>
  void add(const T& argument) { tree::detail::visit_const(argument, *this); }

  std::vector<Array> leaves;
  std::vector<bool> active;
};

/// What a function returns, as a tree: anything that converts to an array is one.
template <class R>
using OutputOf = std::conditional_t<std::is_convertible_v<R, Array>, Array, std::remove_cvref_t<R>>;

/// Position of `argument` among the numbers I, or -1.
template <int... I>
constexpr int position_of(int argument) {
  int position = 0, found = -1;
  ((found = I == argument ? position : found, ++position), ...);
  return found;
}
template <int k, int... I, class Trees, class Args>
decltype(auto) pick(Trees& trees, Args& args) {
  constexpr int position = position_of<I...>(k);
  if constexpr (position >= 0) return std::move(std::get<static_cast<size_t>(position)>(trees));
  else return std::get<static_cast<size_t>(k)>(std::move(args));
}
/// f(args...) with those numbered I taken from `trees`.
template <int... I, class F, class Trees, class Args>
decltype(auto) invoke_with(const F& f, Trees&& trees, Args&& args) {
  return [&]<size_t... k>(std::index_sequence<k...>) -> decltype(auto) {
    using Pack = std::remove_reference_t<Args>;
    static_assert(std::is_invocable_v<const F&, decltype(pick<static_cast<int>(k), I...>(trees, std::declval<Pack&>()))...>,
                  "wengert: the function cannot be called with these arguments: count them, and compare their types");
    return f(pick<static_cast<int>(k), I...>(trees, args)...);
  }(std::make_index_sequence<std::tuple_size_v<std::remove_reference_t<Args>>>());
}

/// Zeros of the type of `x`, without the weak bit.
Array zeros_of(const Type& type);

}  // namespace wengert::diff
