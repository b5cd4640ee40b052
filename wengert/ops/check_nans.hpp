// Where a NaN comes from.
#pragma once

namespace wengert {

/// While it lives, every operation that this thread computes, forward or backward, is looked at: one whose result has a
/// NaN though no operand has one throws Error(value, "nan-made"), which names the operation, its operands and the first
/// place, and says how to stay inside of a function's domain. Slow: each operation is read twice more. Scopes nest;
/// nothing is checked while a program is recorded, for it has no values.
class CheckNans {
 public:
  CheckNans();
  ~CheckNans();
  CheckNans(const CheckNans&) = delete;
  CheckNans& operator=(const CheckNans&) = delete;
};

}  // namespace wengert
