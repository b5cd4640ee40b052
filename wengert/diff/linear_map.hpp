// The linear map that a function is at one point: recorded once, applied and transposed many times.
#pragma once

#include "wengert/diff/forward.hpp"
#include "wengert/program/program.hpp"

namespace wengert::diff {

class LinearMap {
 public:
  /// `program` maps the arguments numbered `used` to those outputs that depend on them: output i of the map is output
  /// `places[i]` of the program, or zero for -1. Types are nullptr where there is no derivative.
  LinearMap(ProgramPtr program, std::vector<int> used, std::vector<const Type*> inputs,
            std::vector<const Type*> outputs, std::vector<int> places)
      : program_(std::move(program)), used_(std::move(used)), inputs_(std::move(inputs)), outputs_(std::move(outputs)),
        places_(std::move(places)) {}

  /// Tangents of the outputs; undefined inputs are zero.
  std::vector<Array> operator()(std::span<const Array> tangents) const;

  /// The map from cotangents of the outputs to those of the inputs, for the interpreter that is current.
  class Transpose {
   public:
    /// Undefined cotangents are zero.
    std::vector<Array> operator()(std::span<const Array> cotangents) const;

   private:
    friend class LinearMap;
    const LinearMap* map_;
    ProgramPtr program_;        // without composites
    std::vector<bool> linear_;  // by variable
    std::vector<Array> known_;  // values of the variables that are not
  };
  Transpose transpose() const;

  const ProgramPtr& program() const { return program_; }
  const std::vector<const Type*>& inputs() const { return inputs_; }
  const std::vector<const Type*>& outputs() const { return outputs_; }

 private:
  ProgramPtr program_;
  std::vector<int> used_;
  std::vector<const Type*> inputs_, outputs_;
  std::vector<int> places_;
};

struct Linearization {
  std::vector<Array> values;
  LinearMap map;
};
/// f at `primals`, under the current interpreter, and its derivative there with respect to those in `active`. f runs
/// once, on concrete values; only what depends on the tangents is recorded.
Linearization linearize_arrays(const ArrayFunction& f, std::span<const Array> primals, std::span<const bool> active,
                               const Label& label);

/// A function that is linear in the active arguments, as a map; their values do not matter. Throws
/// Error(value, "not-linear") when its derivative depends on them.
LinearMap record_linear(const ArrayFunction& f, std::span<const Array> examples, std::span<const bool> active,
                        const Label& label);

/// Arrays of the types of the map's outputs, without values of their own.
std::vector<Array> placeholders(const LinearMap& map);

}  // namespace wengert::diff
