// check_grads: a function's derivatives against finite differences.
#pragma once

#include "wengert/diff/arguments.hpp"

namespace wengert {

/// What check_grads compares, and how closely.
struct CheckOptions {
  int order = 2;            // derivatives up to this order, in every mix of the modes
  bool forward = true;      // forward mode
  bool reverse = true;      // reverse mode
  double eps = 1e-3;        // step of the differences
  double tolerance = 1e-6;  // of the difference, relative to the size of what is compared
  int64_t seed = 0;         // of the random directions
};

namespace diff {
void check_arrays(const ArrayFunction& f, const Arguments& arguments, const std::vector<std::string>& paths,
                  const CheckOptions& options, const Label& label);
}  // namespace diff

/// Compares the derivatives of f at `primals` with central differences (fourth order, step eps) of values and of lower
/// derivatives, in float64. One leaf of the arguments at a time moves in a random direction, and the outputs are
/// projected on another (A. Griewank, A. Walther, Evaluating Derivatives, 2008): a check costs a few calls of f for
/// each leaf, whatever its size. f must be smooth within 2 eps of the primals, and is called with float64 arrays.
/// `primals`: as for jvp. Throws Error(value, "check-grads") naming mode, order, operand, expected and got.
template <class F, class Primals>
void check_grads(const F& f, const Primals& primals, const CheckOptions& options = {},
                 Name name = std::source_location::current()) try {
  const auto trees = diff::argument_list(primals);
  std::optional<diff::ResultOf<F, std::decay_t<decltype(trees)>>> result;
  diff::check_arrays(diff::leaf_function(f, trees, result), diff::Arguments(trees), tree::detail::leaf_paths(trees),
                     options, name.label<F>("check_grads"));
} catch (const std::bad_alloc&) { throw_no_memory("check_grads", name.where()); }

}  // namespace wengert
