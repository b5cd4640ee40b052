// grad and value_and_grad: the gradient of a scalar function of trees, by reverse mode.
#pragma once

#include "wengert/diff/arguments.hpp"

namespace wengert {
namespace diff {

struct Gradients {
  std::vector<Array> values;     // what the function returned: the loss first
  std::vector<Array> gradients;  // by leaf of the arguments
};

/// Runs f and the way back. Errors: dtype "grad-argument" (no leaf to differentiate), shape "grad-output-shape" and
/// dtype "grad-output-dtype" (the loss is no inexact scalar).
Gradients value_and_gradients(const ArrayFunction& f, const Arguments& arguments, const Label& label);

template <class R>
inline constexpr bool is_loss_and_aux = false;
template <class L, class A>
inline constexpr bool is_loss_and_aux<std::pair<L, A>> = std::is_convertible_v<L, Array>;
template <class L, class A>
inline constexpr bool is_loss_and_aux<std::tuple<L, A>> = std::is_convertible_v<L, Array>;

template <int number, int... I>
inline constexpr int times_among = (0 + ... + static_cast<int>(I == number));

template <class F, int... I>
class GradientFunction {
 public:
  GradientFunction(F f, Name name) : f_(std::move(f)), name_(std::move(name)) {}

 protected:
  /// What f returned, and the tuple of gradients. After an error of the user's, values that make no further one.
  template <class... Args>
  auto run(const char* transformation, Args&&... args) const {
    constexpr bool numbered = ((I >= 0 && I < static_cast<int>(sizeof...(Args))) && ...);
    static_assert(numbered, "wengert: grad<I...>: the call has no argument with this number");
    constexpr bool distinct = ((times_among<I, I...> == 1) && ...);
    static_assert(distinct, "wengert: grad<I...>: an argument's number is repeated: wanted each once");
    if constexpr (numbered && distinct) return run_numbered(transformation, std::forward<Args>(args)...);
    else return std::pair{Array(), std::tuple<Array>()};
  }

  [[noreturn]] void no_memory(const char* transformation) const { throw_no_memory(transformation, name_.where()); }

 private:
  template <class... Args>
  auto run_numbered(const char* transformation, Args&&... args) const {
    auto given = std::forward_as_tuple(std::forward<Args>(args)...);
    std::tuple<TreeOf<std::tuple_element_t<I, decltype(given)>>...> trees(
        to_tree(std::as_const(std::get<I>(given)))...);
    using Result = OutputOf<decltype(invoke_with<I...>(f_, trees, given))>;
    static_assert(std::same_as<Result, Array> || is_loss_and_aux<Result>,
                  "wengert: grad takes a function that returns a scalar Array, or a pair or tuple of a scalar Array "
                  "and a tree of auxiliary output");
    if constexpr (std::same_as<Result, Array> || is_loss_and_aux<Result>) {
      const Arguments arguments(trees);
      std::optional<Result> result;
      Gradients found = value_and_gradients(
          [&](std::span<const Array> traced) {
            auto inputs = trees;
            tree::detail::replace(inputs, traced);
            result.emplace(invoke_with<I...>(f_, inputs, given));
            return tree::detail::leaves(*result);
          },
          arguments, name_.label<F>(transformation));
      tree::detail::replace(*result, std::move(found.values));
      tree::detail::replace(trees, std::move(found.gradients));
      return std::pair{std::move(*result), std::move(trees)};
    } else {
      return std::pair{Array(), std::move(trees)};
    }
  }

  F f_;
  Name name_;
};

template <class F, int... I>
class Grad : GradientFunction<F, I...> {
 public:
  using GradientFunction<F, I...>::GradientFunction;
  template <class... Args>
  auto operator()(Args&&... args) const try {
    auto [result, gradients] = this->run("grad", std::forward<Args>(args)...);
    if constexpr (std::same_as<decltype(result), Array>) return unwrap(std::move(gradients));
    else return std::pair{unwrap(std::move(gradients)), std::get<1>(std::move(result))};
  } catch (const std::bad_alloc&) { this->no_memory("grad"); }
};

template <class F, int... I>
class ValueAndGrad : GradientFunction<F, I...> {
 public:
  using GradientFunction<F, I...>::GradientFunction;
  template <class... Args>
  auto operator()(Args&&... args) const try {
    auto [result, gradients] = this->run("value_and_grad", std::forward<Args>(args)...);
    return std::pair{std::move(result), unwrap(std::move(gradients))};
  } catch (const std::bad_alloc&) { this->no_memory("value_and_grad"); }
};

}  // namespace diff

/// The gradient of f with respect to its arguments numbered I (default 0), as a function of f's arguments.
///
/// f returns a scalar of an inexact dtype. The gradient is a tree like the argument, a tuple of trees for several;
/// its leaves have the dtype and shape of the argument's. Leaves that are integers, bool, undefined or in a buffer are
/// not differentiated: their gradient is undefined. f may return {loss, auxiliary tree} as a pair or tuple; the result
/// is then {gradient, auxiliary tree}. Numbers among the arguments numbered I are arrays of rank 0.
/// f runs once, on concrete values: native if, for, while and recursion work.
/// Errors: shape, dtype (of the loss or the arguments), trace (a value of f used after f has returned).
template <int... I, class F>
auto grad(F f, Name name = std::source_location::current()) {
  if constexpr (sizeof...(I) == 0) return diff::Grad<F, 0>(std::move(f), std::move(name));
  else return diff::Grad<F, I...>(std::move(f), std::move(name));
}

/// The same, with what f returned: {value, gradient}, where value is {loss, auxiliary tree} if f returns that.
template <int... I, class F>
auto value_and_grad(F f, Name name = std::source_location::current()) {
  if constexpr (sizeof...(I) == 0) return diff::ValueAndGrad<F, 0>(std::move(f), std::move(name));
  else return diff::ValueAndGrad<F, I...>(std::move(f), std::move(name));
}

}  // namespace wengert
