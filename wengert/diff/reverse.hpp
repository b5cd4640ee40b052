// Reverse mode: a tape of derived plans, consumed from the back.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "wengert/diff/forward.hpp"

namespace wengert::diff {

class Tape;

/// A function applied under a tape: its outputs, and the way back.
class Pullback {
 public:
  Pullback();
  ~Pullback();
  Pullback(Pullback&&) noexcept;
  Pullback& operator=(Pullback&&) noexcept;

  /// The cotangents of the inputs from those of the outputs (undefined: zero), under the interpreter that is current
  /// now. Inputs that no output depends on get undefined. Consumes the tape: a second call is Error(state).
  std::vector<Array> operator()(std::span<const Array> cotangents);
  /// Whether output i depends on an active input.
  bool depends(size_t i) const;

 private:
  friend struct Linearized;
  friend struct VjpResult vjp_through(const ArrayFunction&, std::span<const Array>, std::span<const bool>, Label);
  std::unique_ptr<Tape> tape_;
};

struct VjpResult {
  std::vector<Array> outputs;
  Pullback pullback;
};

/// f at `primals` with a tape for the inputs in `active` (inexact ones).
VjpResult vjp_through(const ArrayFunction& f, std::span<const Array> primals, std::span<const bool> active,
                      Label label = {});

}  // namespace wengert::diff
