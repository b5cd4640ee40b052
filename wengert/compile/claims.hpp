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
  virtual void run(std::span<void* const> operands, std::span<void* const> results) = 0;
};

class Claims {
 public:
  virtual ~Claims() = default;
  /// Whether the library takes this equation.
  virtual bool wants(const Program& program, const Equation& e) const = 0;
  /// The layouts in which it writes the results, given those of the operands. Dense.
  virtual std::vector<const Layout*> result_layouts(const Program& program, const Equation& e,
                                                    std::span<const Layout* const> operands) const = 0;
  virtual std::shared_ptr<ClaimedCall> prepare(const Program& program, const Equation& e,
                                               std::span<const Layout* const> operands,
                                               std::span<const Layout* const> results) const = 0;
};

}  // namespace wengert::compile
