// Primitive: all that is known of one operation, stated in one place (its room in wengert/ops).
//
// A primitive states shape rule, tangent formula, transpose where it is linear, and lowering; or, when it
// is a composite, a body over other primitives in place of the lowering. Passes ask for slots and traits,
// never for names.
#pragma once

#include <cmath>
#include <functional>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "wengert/array/array.hpp"
#include "wengert/program/loops.hpp"
#include "wengert/program/params.hpp"

namespace wengert {

struct Primitive;

/// What passes may ask of a primitive.
enum class Trait : uint32_t {
  none = 0,
  elementwise = 1,          // every output element depends on the input elements at the same index
  linear = 2,               // linear in all inexact operands together (add, concatenate, transpose)
  bilinear = 4,             // linear in operand 0 and in operand 1 apart (mul, matmul, conv)
  view = 8,                 // moves elements only: on strided memory it is a new layout
  reduction = 16,           // combines the elements of whole axes
  contraction = 32,         // a sum of products: worth a library or a tiled schedule
  cheap = 64,               // a few arithmetic instructions: recompute rather than store
  nondifferentiable = 128,  // piecewise constant or integer-valued: its tangent is zero
  commutative = 256,
  in_place = 512,  // output 0 may use the memory of operand 0 when nobody else does
  opaque = 1024,   // its lowering is not inlined into consumers
};
constexpr Trait operator|(Trait a, Trait b) {
  return static_cast<Trait>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}
constexpr bool has(Trait set, Trait one) { return (static_cast<uint32_t>(set) & static_cast<uint32_t>(one)) != 0; }

/// What a shape rule sees: the types of the operands and the parameters.
struct Avals {
  const Primitive& primitive;
  std::span<const Type* const> types;
  const Params& params;
  std::span<const RuntimeParam> runtimes;

  const Type& operator[](int i) const { return *types[static_cast<size_t>(i)]; }
  int size() const { return static_cast<int>(types.size()); }
};

/// Throws Error(kind): "<primitive>: a f32[2,3], b f32[4,5]: wanted <text>; called at ...".
/// The text after ';' in `wanted` is the cure. `id` is stable; kind follows from its meaning.
[[noreturn]] void reject(const Avals& in, ErrorKind kind, const char* id, const std::string& wanted);

using Types = std::vector<const Type*>;

/// What a derivative rule sees of an equation: operands, outputs and parameters as arrays to compute with.
/// While a transpose runs, linear operands have no value (types do); outputs have none either.
struct RuleEquation {
  const Primitive& primitive;
  std::span<const Array> inputs;
  std::span<const Array> outputs;
  std::span<const Type* const> input_types;
  std::span<const Type* const> output_types;
  const Params& params;
  const Runtimes& runtimes;

  const Array& in(int i = 0) const { return inputs[static_cast<size_t>(i)]; }
  const Array& out(int i = 0) const { return outputs[static_cast<size_t>(i)]; }
  const Type& in_type(int i = 0) const { return *input_types[static_cast<size_t>(i)]; }
  const Type& out_type(int i = 0) const { return *output_types[static_cast<size_t>(i)]; }
};

/// One array per output; an undefined one is a zero that nobody needs to compute.
struct Results : std::vector<Array> {
  Results() = default;
  Results(Array single) { push_back(std::move(single)); }
  Results(std::initializer_list<Array> arrays) : std::vector<Array>(arrays) {}
  explicit Results(std::vector<Array> arrays) : std::vector<Array>(std::move(arrays)) {}
};

/// Tangents of the operands. Operands that are not inexact have none (undefined).
using Tangents = std::span<const Array>;

using InferRule = Types (*)(const Avals& in);
using BodyRule = Results (*)(std::span<const Array> in, const Params& params, const Runtimes& runtimes);
using TangentRule = Results (*)(const RuleEquation& e, Tangents d);
/// The cotangent of linear operand `operand`, given that of output 0.
using TransposeRule = Array (*)(const RuleEquation& e, const Array& cotangent, int operand);
/// accumulator + transpose(e, cotangent, operand), in time proportional to the cotangent.
using AccumulateRule = Array (*)(const RuleEquation& e, const Array& accumulator, const Array& cotangent, int operand);
/// For primitives that are linear in several operands: the result when the operands in `zeros` (bits) are zero and
/// at least one is not.
using DropZerosRule = Array (*)(const RuleEquation& e, uint64_t zeros);
/// For views: the layout of the output over the memory of operand 0, and the offset of its first element as
/// runtime parameters times strides. nullptr when the layout cannot express it (a reshape of a transpose).
using ViewRule = const Layout* (*)(const Avals& in, const Layout& layout, const Type& out,
                                   std::span<int64_t> runtime_strides, int64_t& offset);
/// The value of every output at `index`, from the operands' elements; see loops.hpp.
using LowerRule = std::vector<Expr> (*)(Lowering& k, const Coordinates& index);
/// For updates: operand 0 with some elements combined with others; see loops.hpp.
using UpdateRule = Update (*)(Lowering& k);
/// For results that are stored piece by piece: where operand `operand` goes. Together the pieces are all elements.
using PieceRule = Update (*)(Lowering& k, int operand);

/// One way to call a primitive that tests, the checker and the build of prebuilt kernels use.
struct Sample {
  std::vector<Shape> shapes;  // one per operand
  Params params = {};
  Runtimes runtimes = {};
  std::vector<Dtype> fixed = {};  // dtype per operand where it is not the tested one; else the tested one
  std::vector<std::pair<double, double>> ranges = {};  // per operand, instead of Samples::range
};

/// At least one sample: without them a primitive does not build.
struct Cases : std::vector<Sample> {
  Cases(std::initializer_list<Sample> samples) : std::vector<Sample>(samples) {}
};

/// How tests, the derivative checker and the build of prebuilt kernels call a primitive.
struct Samples {
  Cases cases;
  std::pair<double, double> range = {-2, 2};  // of inexact operands
  std::vector<double> special = {};           // points at which derivatives to order 3 are checked
  std::vector<Dtype> dtypes = {Dtype::float32, Dtype::float64};
  bool smooth = true;       // finite differences apply on the whole range
  double error = 0;         // absolute, in units in the last place of 1: what `doc` grants where results are small
  double reach = INFINITY;  // how large float64 operands may be for results to be as accurate as `doc` says
};

namespace detail {
/// Enters its primitive into the table that the parser and the tests read.
class Registration {
 public:
  explicit Registration(const Primitive& primitive);
  Registration(const Registration&) = delete;
};
}  // namespace detail

struct Primitive {
  const char* name;
  const char* doc;  // shapes, dtypes, formula, accuracy
  Trait traits = Trait::none;
  std::vector<const char*> params = {};       // names of the static parameters
  std::vector<const char*> operands = {"x"};  // names of the operands in errors; the last one repeats
  InferRule infer;
  BodyRule body = nullptr;        // composites, in place of lower
  TangentRule tangent = nullptr;  // composites: in place of their body's
  TransposeRule transpose = nullptr;
  AccumulateRule accumulate = nullptr;
  DropZerosRule drop_zeros = nullptr;
  ViewRule view = nullptr;
  LowerRule lower = nullptr;
  UpdateRule update = nullptr;
  PieceRule piece = nullptr;  // in place of lower
  Samples samples;
  detail::Registration registration{*this};

  bool is(Trait trait) const { return has(traits, trait); }
};

/// The primitive of that name, or nullptr.
const Primitive* find_primitive(std::string_view name);
/// All of them, by name.
std::vector<const Primitive*> all_primitives();

}  // namespace wengert
