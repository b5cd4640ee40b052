#include "wengert/diff/grad.hpp"

#include <algorithm>

#include "wengert/diff/jvp.hpp"

namespace wengert::diff {
namespace {

void check_arguments(const Arguments& arguments, const Label& label) {
  if (arguments.active.any()) return;
  std::string got;
  for (const Array& x : arguments.leaves) got += (got.empty() ? "" : ", ") + describe(x);
  const bool empty = !arguments.leaves.empty() &&
      std::none_of(arguments.leaves.begin(), arguments.leaves.end(), [](const Array& x) { return x.defined(); });
  if (empty) {
    throw Error(ErrorKind::state, "grad-undefined",
                label.text() + ": argument " +
                    (arguments.leaves.size() == 1 ? "nothing" : "of nothing but undefined arrays") +
                    ": wanted a floating-point array; the parameters of a network are made by wg::nn::init(net, key)" +
                    label.call_site());
  }
  const bool number = arguments.leaves.size() == 1 && arguments.leaves[0].defined() && arguments.leaves[0].rank() == 0;
  throw Error(ErrorKind::dtype, "grad-argument",
              label.text() + ": argument " + (got.empty() ? "without arrays" : got) +
                  ": wanted a floating-point array; " + (number ? "write a number as 3.0f, " : "") +
                  "convert integers with x.astype(wg::float32)" + label.call_site());
}

void check_loss(const Array& loss, const Label& label) {
  if (!loss.defined() || loss.rank() != 0) {
    throw Error(ErrorKind::shape, "grad-output-shape",
                label.text() + ": the function returned " + describe(loss) +
                    ": wanted a scalar; return wg::sum or wg::mean of it, or use wg::vjp or wg::jacrev" +
                    label.call_site());
  }
  if (!is_inexact(loss.dtype())) {
    throw Error(ErrorKind::dtype, "grad-output-dtype",
                label.text() + ": the function returned " + describe(loss) + ": wanted a floating-point scalar" +
                    label.call_site());
  }
}

}  // namespace

Gradients value_and_gradients(const ArrayFunction& f, const Arguments& arguments, const Label& label) {
  check_arguments(arguments, label);
  VjpResult forward = run_with_tape(f, arguments, label);
  check_loss(forward.outputs[0], label);
  static const std::array<Array, 2>& ones =
      *new std::array<Array, 2>{// static objects may differentiate at exit
                                detail::scalar(1.0, float32, false), detail::scalar(1.0, float64, false)};
  const Dtype dtype = forward.outputs[0].dtype();
  std::vector<Array> seeds(forward.outputs.size());
  seeds[0] = dtype == float32 ? ones[0] : dtype == float64 ? ones[1] : detail::scalar(1.0, dtype, false);
  return {std::move(forward.outputs), pull_back(forward.pullback, seeds, arguments)};
}

}  // namespace wengert::diff
