// jacfwd, jacrev, hessian, hvp: derivatives of functions whose output is no scalar, and second derivatives.
#pragma once

#include "wengert/diff/grad.hpp"
#include "wengert/diff/jvp.hpp"
#include "wengert/diff/linear_map.hpp"

namespace wengert {
namespace diff {

/// The matrices of a linear map, block [o][i] of shape output + input; undefined where there is no derivative.
/// One application for each element of the inputs, or one of the transpose for each element of the outputs.
std::vector<std::vector<Array>> columns_of(const LinearMap& map);
std::vector<std::vector<Array>> rows_of(const LinearMap& map);

using Blocks = std::vector<std::vector<Array>> (*)(const LinearMap&);

template <class F, int argument>
class JacobianFunction {
 public:
  JacobianFunction(F f, Name name, const char* transformation, Blocks blocks)
      : f_(std::move(f)), name_(std::move(name)), transformation_(transformation), blocks_(blocks) {}

  template <class... Args>
  auto operator()(Args&&... args) const try {
    static_assert(argument >= 0 && argument < static_cast<int>(sizeof...(Args)),
                  "wengert: jacfwd<I>, jacrev<I>, hessian<I>: the call has no argument with this number");
    auto given = std::forward_as_tuple(std::forward<Args>(args)...);
    std::tuple<TreeOf<std::tuple_element_t<argument, decltype(given)>>> trees(
        to_tree(std::as_const(std::get<argument>(given))));
    using Result = OutputOf<decltype(invoke_with<argument>(f_, trees, given))>;
    using Tree = std::tuple_element_t<0, decltype(trees)>;
    static_assert(
        std::same_as<Result, Array> || std::same_as<Tree, Array>,
        "wengert: a jacobian needs a function from one Array to a tree or from a tree to one Array; for second "
        "derivatives with respect to a tree use wg::hvp");
    std::optional<Result> result;
    const Arguments arguments(trees);
    const Linearization run = linearize_arrays(
        [&](std::span<const Array> leaves) {
          auto inputs = trees;
          tree::detail::replace(inputs, leaves);
          result.emplace(invoke_with<argument>(f_, inputs, given));
          return tree::detail::leaves(*result);
        },
        arguments.leaves, arguments.active.span(), name_.label<F>(transformation_));
    std::vector<std::vector<Array>> blocks = [&] {
      const CallScope scope(name_.where());
      return blocks_(run.map);
    }();
    if constexpr (std::same_as<Result, Array>) {
      tree::detail::replace(trees, blocks[0]);
      return std::get<0>(std::move(trees));
    } else {
      std::vector<Array> leaves;
      for (std::vector<Array>& row : blocks) leaves.push_back(std::move(row[0]));
      tree::detail::replace(*result, leaves);
      return *std::move(result);
    }
  } catch (const std::bad_alloc&) { throw_no_memory(transformation_, name_.where()); }

 private:
  F f_;
  Name name_;
  const char* transformation_;
  Blocks blocks_;
};

}  // namespace diff

/// The Jacobian of f with respect to argument number I (default 0), as a function of f's arguments, by forward mode:
/// for few inputs. Shape: that of the output, then that of the input. Either may be a tree, and the result is one then;
/// leaves without a derivative (see grad) are undefined. f runs once; the linear part once for each input element.
template <int I = 0, class F>
auto jacfwd(F f, Name name = std::source_location::current()) {
  return diff::JacobianFunction<F, I>(std::move(f), std::move(name), "jacfwd", &diff::columns_of);
}
/// The same by reverse mode: for few outputs. The linear part runs once for each output element.
template <int I = 0, class F>
auto jacrev(F f, Name name = std::source_location::current()) {
  return diff::JacobianFunction<F, I>(std::move(f), std::move(name), "jacrev", &diff::rows_of);
}

/// The matrix of second derivatives of a scalar function with respect to argument number I, an Array of shape S; it has
/// shape S + S. Forward mode over reverse mode.
template <int I = 0, class F>
auto hessian(F f, Name name = std::source_location::current()) {
  return diff::JacobianFunction<diff::Grad<F, I>, I>(diff::Grad<F, I>(std::move(f), name), name, "hessian",
                                                     &diff::columns_of);
}

/// The Hessian of the scalar function f at `primals` times `tangents`, at the cost of a few gradients. Arguments, trees
/// and errors as for jvp; the result is a tree like the primal, a tuple for several.
template <class F, class Primals, class Tangents>
auto hvp(const F& f, const Primals& primals, const Tangents& tangents, Name name = std::source_location::current()) {
  const auto gradient = [&]<class... Args>(const Args&... args) {
    return [&]<int... i>(std::integer_sequence<int, i...>) {
      return grad<i...>(f, name)(args...);
    }(std::make_integer_sequence<int, static_cast<int>(sizeof...(Args))>());
  };
  return jvp(gradient, primals, tangents, name).second;
}

}  // namespace wengert
