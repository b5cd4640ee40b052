// make_program: the Wengert list of a function of trees; run: what it computes.
#pragma once

#include <source_location>
#include <type_traits>

#include "wengert/program/program.hpp"
#include "wengert/trace/name.hpp"
#include "wengert/tree/tree.hpp"

namespace wengert {
namespace detail {

using LeafFunction = std::function<std::vector<Array>(std::span<const Array>)>;
/// Records f for leaves of those types; undefined leaves stay so and are no inputs. Undefined outputs are left out.
ProgramPtr record_leaves(std::span<const Array> leaves, const LeafFunction& f, Label label);

}  // namespace detail

/// make_program(f)(args...): f recorded for arguments of those types, as a Program. Inputs are the arrays of the
/// arguments in the order of tree::flatten, outputs those of what f returns. f must not look at values: there are none
/// (Error(trace)). Arrays that f captures are constants of the program.
template <class F>
auto make_program(F f, Name name = std::source_location::current()) {
  return [f = std::move(f), name = std::move(name)](const auto&... args) {
    constexpr bool fits = std::is_invocable_v<const F&, std::decay_t<decltype(args)>...>;
    static_assert(fits,
                  "wengert: the function cannot be called with these arguments: count them, and compare their types");
    if constexpr (!fits) {
      return ProgramPtr();  // so that the error above is the only one
    } else {
      try {
        const std::tuple<std::decay_t<decltype(args)>...> trees(args...);
        const auto run = [&](std::span<const Array> leaves) {
          auto inputs = trees;
          tree::detail::replace(inputs, leaves);
          using Result = std::remove_cvref_t<decltype(std::apply(f, std::move(inputs)))>;
          if constexpr (std::is_convertible_v<Result, Array>)
            return tree::detail::leaves(Array(std::apply(f, std::move(inputs))));
          else return tree::detail::leaves(std::apply(f, std::move(inputs)));
        };
        return detail::record_leaves(tree::detail::leaves(trees), run, name.label<F>("make_program"));
      } catch (const std::bad_alloc&) { throw_no_memory("make_program", name.where()); }
    }
  };
}

/// The outputs of a program, of make_program or parse_program, for those inputs: arrays of the types that its text
/// names. Under a transformation it is a function like any other. Throws Error(value, "program-inputs").
std::vector<Array> run(const Program& program, const std::vector<Array>& inputs,
                       std::source_location where = std::source_location::current());

}  // namespace wengert
