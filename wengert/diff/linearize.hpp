// linearize and linear_transpose: functions of trees as linear maps that can be used many times.
#pragma once

#include "wengert/diff/arguments.hpp"
#include "wengert/diff/linear_map.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert {
namespace diff {

/// A tangent as given: a tree, or a number for an array of rank 0.
template <class T>
struct Tangent {
  template <class X>
    requires std::same_as<TreeOf<X>, T>
  Tangent(const X& x) : tree(to_tree(x)) {}
  T tree;
};

/// The derivative of a function at one point. Takes tangents like its arguments, gives tangents like its output.
template <class Result, class Trees>
class LinearFunction;
template <class Result, class... T>
class LinearFunction<Result, std::tuple<T...>> {
  using Trees = std::tuple<T...>;

 public:
  LinearFunction(Result result, Trees trees, LinearMap map, Label label)
      : result_(std::move(result)), trees_(std::move(trees)), arguments_(trees_), outputs_(result_),
        map_(std::move(map)), label_(std::move(label)) {}

  /// One tangent for each argument. Undefined leaves are zero. Errors: "tangent-structure", "-shape", "-dtype".
  Result operator()(const Tangent<T>&... tangents, std::source_location where = std::source_location::current()) const
      try {
    const CallScope scope(where);
    const Trees directions(tangents.tree...);
    Result result = result_;
    tree::detail::replace(result,
                          map_(checked_derivatives("tangent", label_.at(where), directions, trees_, arguments_)));
    return result;
  } catch (const std::bad_alloc&) { throw_no_memory("linearize", where); }
  /// From a cotangent like the output to one like the argument, or a tuple for several. Errors: "cotangent-structure",
  /// "-shape", "-dtype".
  auto transpose(const Result& cotangent, std::source_location where = std::source_location::current()) const try {
    const CallScope scope(where);
    Trees result = trees_;
    tree::detail::replace(
        result, map_.transpose()(checked_derivatives("cotangent", label_.at(where), cotangent, result_, outputs_)));
    return unwrap(std::move(result));
  } catch (const std::bad_alloc&) { throw_no_memory("linearize", where); }
  /// The Wengert list behind it.
  const ProgramPtr& program() const { return map_.program(); }

 private:
  Result result_;
  Trees trees_;
  Arguments arguments_, outputs_;
  LinearMap map_;
  Label label_;
};

template <class Result, class Trees>
LinearFunction(Result, Trees, LinearMap, Label) -> LinearFunction<Result, Trees>;

template <class Result, class Trees>
struct LinearizeResult {
  Result outputs;
  LinearFunction<Result, Trees> linear;
};

}  // namespace diff

/// The outputs of f(args...) and its derivative there, a linear function that can be used many times:
///   auto [y, linear] = linearize(f, x);  Array dy = linear(dx);  Array dx = linear.transpose(dy);
/// f runs once, on concrete values.
template <class F, class... Args>
auto linearize(const F& f, const Args&... args) try {
  std::tuple<diff::TreeOf<Args>...> trees(diff::to_tree(args)...);
  std::optional<diff::ResultOf<F, decltype(trees)>> result;
  const diff::Arguments arguments(trees);
  Label label = Name().label<F>("linearize");
  diff::Linearization run =
      diff::linearize_arrays(diff::leaf_function(f, trees, result), arguments.leaves, arguments.active.span(), label);
  tree::detail::replace(*result, run.values);
  diff::LinearFunction linear(*result, std::move(trees), std::move(run.map), std::move(label));
  return diff::LinearizeResult<std::decay_t<decltype(*result)>, decltype(trees)>{*std::move(result), std::move(linear)};
} catch (const std::bad_alloc&) { throw_no_memory("linearize"); }

/// The transpose of a function that is linear in its arguments: from cotangents like its output to cotangents like the
/// arguments, a tuple for several. Only shapes and dtypes of `examples` matter: f is recorded, not run, so it must not
/// look at values. Error(value, "not-linear") when its derivative depends on the arguments.
template <class F, class... Args>
auto linear_transpose(const F& f, const Args&... examples) try {
  std::tuple<diff::TreeOf<Args>...> trees(diff::to_tree(examples)...);
  using Result = diff::ResultOf<F, decltype(trees)>;
  std::optional<Result> result;
  const diff::Arguments arguments(trees);
  Label label = Name().label<F>("linear_transpose");
  diff::LinearMap map =
      diff::record_linear(diff::leaf_function(f, trees, result), arguments.leaves, arguments.active.span(), label);
  tree::detail::replace(*result, diff::placeholders(map));
  return [linear = diff::LinearFunction(*std::move(result), std::move(trees), std::move(map), std::move(label))](
             const Result& cotangent, std::source_location where = std::source_location::current()) {
    return linear.transpose(cotangent, where);
  };
} catch (const std::bad_alloc&) { throw_no_memory("linear_transpose"); }

}  // namespace wengert
