#include "wengert/diff/grad.hpp"

#include <algorithm>

#include "wengert/diff/jvp.hpp"

namespace wengert::diff {
namespace {

[[noreturn]] void fail_at(ErrorKind kind, const char* id, const std::string& message, const std::source_location& where) {
  std::string_view file = where.file_name();
  if (const size_t slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
  throw Error(kind, id, message + "; called at " + std::string(file) + ":" + std::to_string(where.line()));
}

void check_arguments(const Arguments& arguments, const std::string& label, const std::source_location& where) {
  if (std::find(arguments.active.begin(), arguments.active.end(), true) != arguments.active.end()) return;
  std::string got;
  for (const Array& x : arguments.leaves) got += (got.empty() ? "" : ", ") + describe(x);
  fail_at(ErrorKind::dtype, "grad-argument",
          label + ": argument " + (got.empty() ? "without arrays" : got) +
              ": wanted a floating-point array; convert integers with x.astype(wg::float32)", where);
}

void check_loss(const Array& loss, const std::string& label, const std::source_location& where) {
  if (!loss.defined() || loss.rank() != 0) {
    fail_at(ErrorKind::shape, "grad-output-shape",
            label + ": the function returned " + describe(loss) +
                ": wanted a scalar; return wg::sum or wg::mean of it, or use wg::vjp or wg::jacrev", where);
  }
  if (!is_inexact(loss.dtype())) {
    fail_at(ErrorKind::dtype, "grad-output-dtype",
            label + ": the function returned " + describe(loss) + ": wanted a floating-point scalar", where);
  }
}

}  // namespace

Gradients value_and_gradients(const ArrayFunction& f, const Arguments& arguments, const std::string& label,
                              const std::source_location& where) {
  check_arguments(arguments, label, where);
  VjpResult forward = run_with_tape(f, arguments, label);
  check_loss(forward.outputs[0], label, where);
  std::vector<Array> seeds(forward.outputs.size());
  seeds[0] = detail::scalar(int64_t{1}, forward.outputs[0].dtype(), false);
  return {std::move(forward.outputs), pull_back(forward.pullback, seeds, arguments)};
}

}  // namespace wengert::diff
