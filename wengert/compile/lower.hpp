// Program -> kernels: which values get memory, and one nest of loops for every group of values that are
// computed together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "wengert/compile/nest.hpp"
#include "wengert/compile/schedule.hpp"
#include "wengert/program/program.hpp"

namespace wengert::compile {

/// What a variable or constant of a program is at run time. Slots number the variables, then the constants, then
/// copies that library calls read.
struct Value {
  enum Kind : uint8_t {
    absent,  // computed where it is used, or not needed
    given,   // an input or a constant
    stored,  // written by a kernel into memory of its own
    alias,   // a view of slot `base`
  };
  Kind kind = absent;
  uint32_t base = 0;
  const Layout* layout = nullptr;
  int64_t offset = 0;                                   // alias: elements after the base's first
  std::vector<std::pair<int, int64_t>> runtime_offset;  // alias: (runtime parameter, stride)
};

/// One thing to do, in order.
struct LoweredStep {
  enum Kind : uint8_t { kernel, update, claimed };
  Kind kind = kernel;
  std::unique_ptr<Nest> nest;  // kernel and update
  Schedule schedule;
  std::vector<uint32_t> slots;  // of the nest's buffers; claimed: operands, then results
  uint32_t equation = 0;        // update and claimed: the equation
};

struct Lowered {
  ProgramPtr program;
  std::vector<Value> values;  // by slot
  std::vector<LoweredStep> steps;

  uint32_t slot(Atom a) const { return a.is_constant() ? program->variable_count() + a.id() : a.id(); }
};

/// Which equations a library computes, and in which layouts; see claims.hpp.
class Claims;

struct LowerOptions {
  bool fuse = true;  // false: one nest for each equation (the oracle)
  const Claims* claims = nullptr;
  uint64_t donated = 0;  // inputs whose memory may be written: bit i for input i
};

/// `program` holds no composites but claimed ones. `inputs` are the layouts of its inputs.
Lowered lower(ProgramPtr program, std::span<const Layout* const> inputs, const LowerOptions& options = {});

}  // namespace wengert::compile
