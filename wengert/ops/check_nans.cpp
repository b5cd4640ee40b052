#include "wengert/ops/check_nans.hpp"

#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/trace/call.hpp"

namespace wengert {
namespace {

thread_local int scopes = 0;

bool has_nan(const Array& x) {
  return x.defined() && is_inexact(x.dtype()) && x.size() > 0 && any(isnan(x)).item<bool>();
}

/// "[1,0]": the index of the first NaN, in row-major order.
std::string first_nan(const Array& x) {
  int64_t place = argmax(isnan(reshape(x, {-1}))).item<int64_t>();
  std::string text;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    const int64_t length = x.shape()[axis];
    text = std::to_string(place % length) + (text.empty() ? "" : ",") + text;
    place /= length;
  }
  return "[" + text + "]";
}

/// What errors call the operation. Plans that are derived are calls with the name of what they were derived from.
std::string name_of(const Primitive& primitive, const Params& params) {
  if (&primitive != &call_primitive || params.text(1).empty()) return operation_name(primitive);
  return params.text(1) + " under differentiation";
}

[[noreturn]] void nan_made(const std::string& name, const std::string& operands, const Array& result) {
  throw Error(ErrorKind::value, "nan-made",
              name + operands + ": made a NaN of operands that have none, first at " + first_nan(result) + " of " +
                  describe(result) +
                  ": wanted operands inside of its domain; where a mask takes such results away again, its derivative "
                  "still is 0 times infinity: mask before as well, where(ok, f(where(ok, x, 1)), 0)" +
                  call_site());
}

class CheckingExecutor final : public Executor {
 public:
  explicit CheckingExecutor(Executor& inner) : inner_(inner) {}

  void execute(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
               std::span<Array> out, uint64_t donated) override {
    if (scopes == 0) return inner_.execute(primitive, in, params, runtimes, out, donated);
    const int saved = std::exchange(scopes, 0);  // the checks themselves are operations
    const struct Restore {
      int value;
      ~Restore() { scopes = value; }
    } restore{saved};
    const std::string name = name_of(primitive, params);
    bool clean = true;
    std::string operands;
    {
      const CallScope scope;
      for (Node* x : in) {
        const Array operand = share(x);
        clean = clean && !has_nan(operand);
        operands += (operands.empty() ? ": " : ", ") + describe(operand);
      }
    }
    inner_.execute(primitive, in, params, runtimes, out, donated);
    if (!clean) return;
    const CallScope scope;
    for (const Array& y : out) {
      if (has_nan(y)) nan_made(name, operands, y);
    }
  }

 private:
  Executor& inner_;
};

}  // namespace

CheckNans::CheckNans() {
  static CheckingExecutor* const installed = [] {
    auto* checking = new CheckingExecutor(executor());
    set_executor(checking);
    return checking;
  }();
  static_cast<void>(installed);
  ++scopes;
}
CheckNans::~CheckNans() { --scopes; }

}  // namespace wengert
