// Program: the Wengert list. Typed, immutable, single-assignment; the only array-level representation.
//
// Variables are numbered: inputs first, then the outputs of each equation in order. An operand is a
// variable or a constant. Ids are 32 bits wide and records lie in flat arenas, so that 10^5 equations
// record and hash in milliseconds and nothing recurses over them.
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wengert/array/array.hpp"
#include "wengert/program/params.hpp"

namespace wengert {

struct Primitive;

/// An operand of an equation, or an output of a program: variable or constant.
class Atom {
 public:
  Atom() = default;
  static Atom variable(uint32_t id) { return Atom(id); }
  static Atom constant(uint32_t id) { return Atom(id | constant_bit); }
  bool is_constant() const { return (bits_ & constant_bit) != 0; }
  uint32_t id() const { return bits_ & ~constant_bit; }
  bool operator==(const Atom&) const = default;

 private:
  static constexpr uint32_t constant_bit = 1u << 31;
  explicit Atom(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

/// One application of a primitive. Its operands and parameters stand in the program's arenas.
struct Equation {
  const Primitive* primitive;
  uint32_t params;    // index into the program's parameters
  uint32_t operands;  // index of the first one in the operand arena
  uint32_t results;   // id of the first output variable
  uint32_t runtimes;  // index of the first one in the runtime arena
  uint32_t location;  // index into the program's locations; not part of the hash
  uint16_t operand_count;
  uint8_t result_count;
  uint8_t runtime_count;
};
static_assert(sizeof(Equation) <= 32);

/// Where an equation was written.
struct Location {
  const char* file = nullptr;
  uint32_t line = 0;
};
/// "train.cpp:41"; empty for one that is not known.
std::string to_string(const Location& location);

class Program {
 public:
  int input_count() const { return input_count_; }
  /// Number of runtime parameters that symbolic ones refer to.
  int runtime_count() const { return runtime_count_; }
  std::span<const Equation> equations() const { return equations_; }
  std::span<const Atom> outputs() const { return outputs_; }
  uint32_t variable_count() const { return static_cast<uint32_t>(types_.size()); }
  const Type* type(uint32_t variable) const { return types_[variable]; }
  const Type* type(Atom atom) const { return atom.is_constant() ? &constants_[atom.id()].type() : types_[atom.id()]; }
  const Array& constant(uint32_t id) const { return constants_[id]; }
  std::span<const Array> constants() const { return constants_; }

  std::span<const Atom> operands(const Equation& e) const { return {operands_.data() + e.operands, e.operand_count}; }
  const Params& params(const Equation& e) const { return params_[e.params]; }
  std::span<const RuntimeParam> runtimes(const Equation& e) const {
    return {runtimes_.data() + e.runtimes, e.runtime_count};
  }
  Location location(const Equation& e) const { return locations_[e.location]; }

  /// Structural: equal programs have equal hashes; locations do not count.
  uint64_t hash() const { return hash_; }
  bool operator==(const Program& other) const;

 private:
  friend class ProgramBuilder;
  int input_count_ = 0;
  int runtime_count_ = 0;
  std::vector<const Type*> types_;
  std::vector<Equation> equations_;
  std::vector<Atom> operands_;
  std::vector<Atom> outputs_;
  std::vector<Array> constants_;
  std::vector<Params> params_{Params()};
  std::vector<RuntimeParam> runtimes_;
  std::vector<Location> locations_{Location{}};
  uint64_t hash_ = 0;
};

/// Appends to a program under construction.
class ProgramBuilder {
 public:
  ProgramBuilder();

  /// All inputs come before the first equation.
  Atom add_input(const Type* type);
  /// A literal up to 64 bytes, or a larger array known by its content.
  Atom add_constant(const Array& value);
  /// Appends an equation whose output types are already known; returns its first variable.
  uint32_t add(const Primitive& primitive, std::span<const Atom> operands, const Params& params,
               std::span<const RuntimeParam> runtimes, std::span<const Type* const> results, Location location = {});
  void set_runtime_count(int count) { program_->runtime_count_ = count; }
  const Program& current() const { return *program_; }
  /// Ends the construction: sets the outputs and the hash.
  ProgramPtr finish(std::span<const Atom> outputs);

 private:
  void order_constants();

  std::shared_ptr<Program> program_;
};

enum class Lines { hidden, shown };
/// The text form. parse_program(to_string(p), p.constants()) equals p. With its lines, each equation is followed by where
/// it was written, "// train.cpp:41": a comment, which the parser passes over.
std::string to_string(const Program& program, Lines lines = Lines::hidden);
/// The program of a text. Constants above 64 bytes stand there as names with the hash of their content, and values that
/// a program took from a function recorded around it as #traced0, #traced1, ...: both are found again among
/// `constants`, the latter by their number. Throws Error(value, "program-parse") with line and column.
ProgramPtr parse_program(std::string_view text, std::span<const Array> constants = {});

/// Throws Error(internal, "program-invalid") naming the first equation that breaks a rule, and its line: an operand
/// before its definition, types other than the primitive infers, a parameter of the wrong kind.
void verify(const Program& program);

}  // namespace wengert
