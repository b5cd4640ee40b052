// jvp and vjp: the derivative of a function of trees along a tangent, and the way back from a cotangent.
#pragma once

#include "wengert/diff/arguments.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/ops/operand.hpp"

namespace wengert {
namespace diff {

struct Derivative {
  std::vector<Array> values, tangents;
};
/// jvp_through with zeros for outputs that do not depend on the inputs.
Derivative push_forward(const ArrayFunction& f, std::span<const Array> primals, std::span<const Array> tangents,
                        const Label& label);
/// vjp_through for the active arguments.
VjpResult run_with_tape(const ArrayFunction& f, const Arguments& arguments, const Label& label);
std::vector<Array> pull_back(Pullback& pullback, std::span<const Array> cotangents, const Arguments& arguments);

/// The way back of one call of vjp: from a cotangent like f's output to cotangents like its arguments.
template <class Result, class Trees>
class TreePullback {
 public:
  TreePullback(const Result& result, Trees trees, Arguments arguments, Pullback pullback, Label label)
      : outputs_(result), like_(result), trees_(std::move(trees)), arguments_(std::move(arguments)),
        pullback_(std::move(pullback)), label_(std::move(label)) {}

  /// A tree like the argument, a tuple of trees for several. Undefined leaves of `cotangent` are zero.
  /// Can be called once: Error(state, "pullback-consumed") after that. Errors: "cotangent-shape", "cotangent-dtype".
  auto operator()(const Result& cotangent, std::source_location where = std::source_location::current()) try {
    const CallScope scope(where);
    const std::vector<Array> seeds = checked_derivatives("cotangent", label_.at(where), cotangent, like_, outputs_);
    Trees result = trees_;
    tree::detail::replace(result, pull_back(pullback_, seeds, arguments_));
    return unwrap(std::move(result));
  } catch (const std::bad_alloc&) { throw_no_memory("vjp", where); }

 private:
  Arguments outputs_;
  Result like_;
  Trees trees_;
  Arguments arguments_;
  Pullback pullback_;
  Label label_;
};

template <class Result, class Trees>
struct Vjp {
  Result outputs;
  TreePullback<Result, Trees> pullback;
};

}  // namespace diff

/// The outputs of f(args...) and the function that takes a cotangent of them back to the arguments:
///   auto [y, pullback] = vjp(f, a, b);  auto [da, db] = pullback(dy);
/// The pullback keeps what the way back needs, and can be called once; linearize() gives one for many calls.
template <class F, class... Args>
auto vjp(const F& f, const Args&... args) try {
  std::tuple<diff::TreeOf<Args>...> trees(diff::to_tree(args)...);
  std::optional<diff::ResultOf<F, decltype(trees)>> result;
  diff::Arguments arguments(trees);
  Label label = Name().label<F>("vjp");
  diff::VjpResult run = diff::run_with_tape(diff::leaf_function(f, trees, result), arguments, label);
  tree::detail::replace(*result, run.outputs);
  diff::TreePullback pullback(*result, std::move(trees), std::move(arguments), std::move(run.pullback),
                              std::move(label));
  return diff::Vjp<std::decay_t<decltype(*result)>, decltype(trees)>{std::move(*result), std::move(pullback)};
} catch (const std::bad_alloc&) { throw_no_memory("vjp"); }

/// {f(primals...), its derivative along tangents}, by forward mode. A std::tuple is a list of arguments, anything else
/// the one argument: jvp(f, std::tuple{a, b}, std::tuple{da, db}), jvp(f, x, dx).
/// Tangents are trees like the primals; undefined leaves are zero, and leaves that are not differentiated (see grad)
/// have none. Errors: "tangent-structure", "tangent-shape", "tangent-dtype".
template <class F, class Primals, class Tangents>
auto jvp(const F& f, const Primals& primals, const Tangents& tangents,
         Name name = std::source_location::current()) try {
  const auto trees = diff::argument_list(primals);
  const auto directions = diff::argument_list(tangents);
  static_assert(std::same_as<decltype(trees), decltype(directions)>,
                "wengert: jvp takes tangents of the primals' types");
  std::optional<diff::ResultOf<F, std::decay_t<decltype(trees)>>> result;
  const Label label = name.label<F>("jvp");
  const diff::Arguments arguments(trees);
  const auto checked = diff::checked_derivatives("tangent", label, directions, trees, arguments);
  const diff::Derivative d =
      diff::push_forward(diff::leaf_function(f, trees, result), arguments.leaves, checked, label);
  std::pair output(*result, *std::move(result));
  tree::detail::replace(output.first, d.values);
  tree::detail::replace(output.second, d.tangents);
  return output;
} catch (const std::bad_alloc&) { throw_no_memory("jvp", name.where()); }

}  // namespace wengert
