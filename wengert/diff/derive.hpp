// Derived programs: the tangent program of an equation, found by recording its one rule, and the backward program,
// found by transposing the linear part of that. Derived once for each primitive, parameters, types and mask.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "wengert/trace/call.hpp"

namespace wengert::diff {

/// Which array of an equation an input of a derived program is.
struct Source {
  enum Kind : uint8_t {
    input,        // operand `index`
    output,       // output `index`
    extra,        // extra output `index` of the augmented forward program
    tangent,      // tangent of operand `index`
    cotangent,    // cotangent of output `index`
    accumulator,  // what the cotangent of operand `index` is added to
  };
  Kind kind;
  int index;
};

/// Tangents of the outputs from operands, outputs and tangents of the active operands. Inputs that the formula does
/// not use are left out.
struct TangentPlan {
  Params call;                  // of the call primitive
  std::vector<Source> sources;  // of the call's operands
  std::vector<int> results;     // output of the equation that result i is the tangent of
};

/// Cotangents of the active operands from residuals and the cotangents of the outputs.
struct BackwardPlan {
  Params call;
  std::vector<Source> sources;  // residuals by their number: kind extra, index into Derivation::residuals()
  std::vector<int> results;     // operand of the equation that result i is the cotangent of
  bool passes_on = false;       // nothing to compute: result i is the cotangent in sources[passed[i]]
  std::vector<uint32_t> passed;
};

/// All that is derived for one equation and one set of active operands.
class Derivation {
 public:
  Derivation(const Primitive& primitive, std::vector<const Type*> types, Params params, int runtime_count,
             uint64_t active);
  ~Derivation();
  /// How many there are in the process: bounded, however many shapes come by.
  static int64_t count();

  const TangentPlan& tangent() const { return tangent_; }
  /// Whether any output depends on an active operand.
  bool differentiable() const { return !tangent_.results.empty(); }
  /// Outputs of the augmented forward program: those of the equation, then the extra ones. Empty params: the
  /// equation itself will do.
  const Params& forward() const { return forward_; }
  int output_count() const { return output_count_; }
  int extra_count() const { return extra_count_; }
  /// What the backward programs may ask for: kept on the tape. Kinds input, output and extra.
  const std::vector<Source>& residuals() const { return residuals_; }
  /// Bit i of `live`: output i has a cotangent. Bit i of `accumulate`: the cotangent of operand i is added to one.
  const BackwardPlan& backward(uint64_t live, uint64_t accumulate) const;

  bool matches(const Primitive& primitive, Inputs in, const Params& params, uint64_t active) const;

 private:
  void derive_tangent();
  void choose_residuals();
  void build_forward();
  const BackwardPlan& backward_in_table(uint64_t live, uint64_t accumulate) const;
  BackwardPlan derive_backward(uint64_t live, uint64_t accumulate) const;
  std::vector<Array> replay_known(std::span<const Array> in, std::span<const Array> out,
                                  std::span<const Array> extras) const;

  const Primitive& primitive_;
  std::vector<const Type*> types_;
  std::vector<const Type*> output_types_;
  Params params_;
  int runtime_count_;
  uint64_t active_;
  int output_count_ = 0, extra_count_ = 0;

  ProgramPtr tangent_program_;        // inputs: operands, outputs, tangents of active operands; flat
  std::vector<bool> linear_;          // by variable: depends on a tangent
  std::vector<int> tangent_outputs_;  // output of the equation that output i is the tangent of
  std::vector<uint32_t> extras_;      // variables of the tangent program that the forward pass computes
  TangentPlan tangent_;
  Params forward_;
  std::vector<Source> residuals_;

  mutable std::array<std::atomic<const BackwardPlan*>, 8> common_{};
  mutable std::map<std::pair<uint64_t, uint64_t>, BackwardPlan> backward_;  // by live and accumulate; never moved
};

/// Derivations that a thread found one after another, and those that it found later.
struct Generation;

/// Keeps every derivation that its thread finds from now on, as long as it lives, on whatever thread it ends.
class KeptDerivations {
 public:
  KeptDerivations();

 private:
  std::shared_ptr<const Generation> from_;
};

/// Whether a composite has more operands or results than the masks of a derivation have bits. It is differentiated
/// equation by equation then.
inline bool is_wide(const Primitive& primitive, Inputs in, std::span<const Array> out) {
  return (in.size() > 64 || out.size() > 64) && primitive.body;
}
/// Binds the equations of a composite's body under the current interpreter.
void bind_body(const Primitive& composite, Inputs in, const Params& params, const Runtimes& runtimes,
               std::span<Array> out);

/// The derivation for operands of those types; cached, and good while a KeptDerivations lives that this thread made
/// before. Throws Error(value, "no-derivative") for a primitive that states none, naming it.
const Derivation& derivation(const Primitive& primitive, Inputs in, const Params& params, const Runtimes& runtimes,
                             uint64_t active);

}  // namespace wengert::diff
