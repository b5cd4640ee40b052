// Functions of trees as functions of arrays: what all transformations of diff/ do with their arguments.
#pragma once

#include <optional>
#include <tuple>
#include <type_traits>

#include "wengert/diff/forward.hpp"
#include "wengert/trace/name.hpp"
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

template <class T>
struct ArgumentList {
  static auto from(const T& x) { return std::tuple<TreeOf<T>>(to_tree(x)); }
};
template <class... T>
struct ArgumentList<std::tuple<T...>> {
  static auto from(const std::tuple<T...>& x) {
    return std::apply([](const T&... each) { return std::tuple<TreeOf<T>...>(to_tree(each)...); }, x);
  }
};
/// Primals or tangents as given: a std::tuple is a list of arguments, anything else is the one argument.
template <class T>
auto argument_list(const T& x) {
  return ArgumentList<T>::from(x);
}

/// The one tree of a tuple of one, or the tuple.
template <class... T>
auto unwrap(std::tuple<T...> trees) {
  if constexpr (sizeof...(T) == 1) return std::get<0>(std::move(trees));
  else return trees;
}

/// A list of bits by leaf, contiguous as bool; the first ones stand in the object.
class Flags {
 public:
  void push_back(bool flag) {
    if (size_ < few) first_[size_] = flag;
    else if (size_ == few) rest_.assign(first_.begin(), first_.end());
    if (size_ >= few) rest_.push_back(flag);
    ++size_;
  }
  bool operator[](size_t i) const { return data()[i]; }
  size_t size() const { return size_; }
  const bool* data() const {
    static_assert(sizeof(bool) == 1);
    return size_ <= few ? first_.data() : reinterpret_cast<const bool*>(rest_.data());
  }
  std::span<const bool> span() const { return {data(), size_}; }
  bool any() const {
    for (bool flag : span()) {
      if (flag) return true;
    }
    return false;
  }

 private:
  static constexpr size_t few = 16;
  size_t size_ = 0;
  std::array<bool, few> first_{};
  std::vector<unsigned char> rest_;  // all of them, once there are more than a few
};

/// The leaves of some arguments. Active are those that are differentiated: inexact, defined, and in no buffer.
class Arguments final : public tree::detail::Visitor {
 public:
  Arguments() : Visitor(false) {}
  template <class T>
  explicit Arguments(const T& trees) : Visitor(false) {
    leaves.reserve(8);
    tree::detail::visit_const(trees, *this);
  }
  void leaf(Array& x) override;

  std::vector<Array> leaves;
  Flags active;
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
    constexpr bool fits =
        std::is_invocable_v<const F&, decltype(pick<static_cast<int>(k), I...>(trees, std::declval<Pack&>()))...>;
    static_assert(fits,
                  "wengert: the function cannot be called with these arguments: count them, and compare their types");
    if constexpr (fits) return f(pick<static_cast<int>(k), I...>(trees, args)...);
    else return Array();  // so that the error above is the only one
  }(std::make_index_sequence<std::tuple_size_v<std::remove_reference_t<Args>>>());
}
/// f(trees...) with all arguments taken from a tuple.
template <class F, class... T>
decltype(auto) invoke_all(const F& f, std::tuple<T...> trees) {
  constexpr bool fits = std::is_invocable_v<const F&, T...>;
  static_assert(fits,
                "wengert: the function cannot be called with these arguments: count them, and compare their types");
  if constexpr (fits) return std::apply(f, std::move(trees));
  else return Array();  // so that the error above is the only one
}
template <class F, class Trees>
using ResultOf = OutputOf<decltype(invoke_all(std::declval<const F&>(), std::declval<Trees>()))>;

/// f over trees as a function of the leaves of `trees`. The tree that f returns is left in `result`.
template <class F, class Trees, class Result>
auto leaf_function(const F& f, const Trees& trees, std::optional<Result>& result) {
  return [&](std::span<const Array> leaves) {
    Trees inputs = trees;
    tree::detail::replace(inputs, leaves);
    result.emplace(invoke_all(f, std::move(inputs)));
    return tree::detail::leaves(*result);
  };
}

/// Zeros of the type of `x`, without the weak bit.
Array zeros_of(const Type& type);

/// Whether derivatives of that array exist.
inline bool has_tangent(const Array& x) { return x.defined() && is_inexact(x.dtype()); }

/// Tangents or cotangents (`role`) for the leaves of `tree`; those of leaves that are not active come back undefined,
/// undefined ones stay so and mean zero, weak ones are converted. Errors: value "<role>-structure" (another number of
/// leaves), shape "<role>-shape", dtype "<role>-dtype" (not those of the leaf; naming its path).
std::vector<Array> checked_derivatives(const char* role, const Label& label, std::vector<Array> given,
                                       const Arguments& leaves, tree::detail::Walk walk, const void* tree);
template <class T>
std::vector<Array> checked_derivatives(const char* role, const Label& label, const T& given, const T& like,
                                       const Arguments& leaves) {
  return checked_derivatives(role, label, tree::detail::leaves(given), leaves, &tree::detail::walk<T>, &like);
}

/// Zeros in place of undefined derivatives of arrays that can have one.
void fill_zeros(std::vector<Array>& derivatives, const Arguments& like);

}  // namespace wengert::diff
