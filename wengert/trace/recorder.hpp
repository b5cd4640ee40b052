// The recorder: an interpreter that computes nothing and writes a Program.
#pragma once

#include <functional>

#include "wengert/trace/bind.hpp"

namespace wengert {

class Recorder : public Interpreter {
 public:
  explicit Recorder(Label label = {});

  /// A symbolic input.
  Array add_input(const Type* type);
  void bind(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
            std::span<Array> out) override;
  /// Ends the recording. Outputs that are not this recorder's are constants. Undefined ones are an error.
  ProgramPtr finish(std::span<const Array> outputs);
  /// The operand that stands for `x`.
  Atom atom(Node* x);

 private:
  Array symbolic(const Type* type, uint32_t variable);
  ProgramBuilder builder_;
};

/// Records f applied to symbolic inputs of those types.
ProgramPtr record(std::span<const Type* const> inputs,
                  const std::function<std::vector<Array>(std::span<const Array>)>& f, Label label = {});

/// The body of a composite for operands of those types, which its shape rule must accept: errors name the composite.
/// Its runtime parameters are symbolic.
ProgramPtr record_body(const Primitive& composite, std::span<const Type* const> in, const Params& params,
                       int runtime_count);

/// A program of one equation; its runtime parameters are symbolic.
ProgramPtr single_equation(const Primitive& primitive, std::span<const Type* const> in, const Params& params,
                           int runtime_count);

/// Runtime parameters that stand for those of the equation that a rule is derived for.
Runtimes symbolic_runtimes(int count);

}  // namespace wengert
