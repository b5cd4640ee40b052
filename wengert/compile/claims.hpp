// Claims: equations that a library computes in place of a generated kernel.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "wengert/array/layout.hpp"
#include "wengert/program/program.hpp"

namespace wengert::compile {

/// A library call made ready for one equation, its shapes and its layouts.
class ClaimedCall {
 public:
  virtual ~ClaimedCall() = default;
  /// Several threads may call it at once.
  virtual void run(std::span<void* const> operands, std::span<void* const> results) = 0;
};

class Claims {
 public:
  virtual ~Claims() = default;
  /// Whether the library takes this equation. Equations whose results have no elements are not offered.
  virtual bool wants(const Program& program, const Equation& e) const = 0;
  /// The layouts in which it reads the operands, given those that they have: where one differs, a kernel copies the
  /// operand first. By default all as they are.
  virtual std::vector<const Layout*> operand_layouts(const Program& program, const Equation& e,
                                                     std::span<const Layout* const> operands) const {
    (void)program, (void)e;
    return {operands.begin(), operands.end()};
  }
  /// The layouts in which it writes the results, given those in which it reads the operands. Dense.
  virtual std::vector<const Layout*> result_layouts(const Program& program, const Equation& e,
                                                    std::span<const Layout* const> operands) const = 0;
  virtual std::shared_ptr<ClaimedCall> prepare(const Program& program, const Equation& e,
                                               std::span<const Layout* const> operands,
                                               std::span<const Layout* const> results) const = 0;
};

}  // namespace wengert::compile
