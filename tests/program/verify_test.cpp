// Broken programs, built by hand: what the verifier says of each of them.
#include <gtest/gtest.h>

#include <ostream>

#include "tests/errors.hpp"
#include "tests/round_trip.hpp"
#include "wengert/program/primitive.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

const Type* const pair_type = Type::of(float64, {2});
const Type* const scalar_type = Type::of(float64, {});

/// A program of one input, a: f64[2], and a first equation b = tanh(a), to which a row adds what is wrong.
struct Row {
  const char* name;
  std::vector<Atom> (*add)(ProgramBuilder&);  // returns the outputs
  const char* text;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

uint32_t add(ProgramBuilder& builder, const char* name, const std::vector<Atom>& operands, const Params& params,
             const std::vector<const Type*>& results, const std::vector<RuntimeParam>& runtimes = {}) {
  return builder.add(*find_primitive(name), operands, params, runtimes, results, {"/home/user/model.cpp", 41});
}

const Atom a = Atom::variable(0), b = Atom::variable(1), undefined = Atom::variable(7);

class Verify : public ::testing::TestWithParam<Row> {};

TEST_P(Verify, NamesTheEquationTheRuleAndTheLine) {
  const test::UncheckedPrograms scope;
  ProgramBuilder builder;
  builder.add_input(pair_type);
  add(builder, "tanh", {a}, {}, {pair_type});
  const std::vector<Atom> outputs = GetParam().add(builder);
  const ProgramPtr program = builder.finish(outputs);
  const Error error = test::thrown_by([&] { verify(*program); });
  EXPECT_EQ(error.kind(), ErrorKind::internal);
  EXPECT_EQ(error.id(), "program-invalid");
  EXPECT_EQ(std::string(error.what()), GetParam().text);
}

using Outputs = std::vector<Atom>;
INSTANTIATE_TEST_SUITE_P(
    Programs, Verify,
    ::testing::Values(
        Row{"OperandBeforeItsDefinition",
            [](ProgramBuilder& p) { return Outputs{Atom::variable(add(p, "add", {b, undefined}, {}, {pair_type}))}; },
            "verify: equation 1, add: an operand is used before its definition; called at model.cpp:41"},
        Row{"OperandThatIsItsOwnResult",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "tanh", {Atom::variable(2)}, {}, {pair_type}))};
            },
            "verify: equation 1, tanh: an operand is used before its definition; called at model.cpp:41"},
        Row{"ParameterOfAnotherKind",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "sum", {b}, {std::string("rows"), false}, {scalar_type}))};
            },
            "verify: equation 1, sum: has axes \"rows\", wanted a list such as [0,1]; called at model.cpp:41"},
        Row{"ParameterOfAnotherKindThatOnlyABodyReads",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "layer_norm", {b}, {int64_t{1}, false, false}, {pair_type}))};
            },
            "verify: equation 1, layer_norm: has eps 1, wanted a number with a point or an exponent; called at "
            "model.cpp:41"},
        Row{"FaultOfAProgramThatIsCalled",
            [](ProgramBuilder& p) {
              ProgramBuilder inner;
              const std::vector<Atom> x{inner.add_input(pair_type)};
              const Type* const part = Type::of(float64, {1});
              const uint32_t y = add(inner, "slice", x, {Shape{1}, Axes{1}, Axes{}}, {part}, {{0, 5}});
              inner.set_runtime_count(1);
              const ProgramPtr called = inner.finish(std::vector<Atom>{Atom::variable(y)});
              return Outputs{Atom::variable(add(p, "call", {b}, {called, std::string("f")}, {part}, {{0, -1}}))};
            },
            "verify: equation 1, call: has a program with a fault: equation 0, slice: a runtime parameter refers to none "
            "of the program's; called at model.cpp:41"},
        Row{"ParameterTooFew",
            [](ProgramBuilder& p) { return Outputs{Atom::variable(add(p, "sum", {b}, {Axes{0}}, {scalar_type}))}; },
            "verify: equation 1, sum: has 1 parameter, wanted 2; called at model.cpp:41"},
        Row{"ParameterThatTheRuleRefuses",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "sum", {b}, {Axes{1}, false}, {scalar_type}))};
            },
            "verify: equation 1, sum: x f64[2], axes [1], keepdims false: wanted axes of x; called at model.cpp:41"},
        Row{"ResultOfAnotherShape",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "sum", {b}, {Axes{0}, false}, {pair_type}))};
            },
            "verify: equation 1, sum: result 0 is f64[2], wanted f64[]; called at model.cpp:41"},
        Row{"ResultOfAnotherDtype",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "add", {a, b}, {}, {Type::of(float32, {2})}))};
            },
            "verify: equation 1, add: result 0 is f32[2], wanted f64[2]; called at model.cpp:41"},
        Row{"ResultTooMany",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "add", {a, b}, {}, {pair_type, pair_type}))};
            },
            "verify: equation 1, add: has 2 results, wanted 1; called at model.cpp:41"},
        Row{"OperandTooFew",
            [](ProgramBuilder& p) { return Outputs{Atom::variable(add(p, "add", {b}, {}, {pair_type}))}; },
            "verify: equation 1, add: has 1 operand, wanted 2; called at model.cpp:41"},
        Row{"OperandTooMany",
            [](ProgramBuilder& p) { return Outputs{Atom::variable(add(p, "add", {a, b, a}, {}, {pair_type}))}; },
            "verify: equation 1, add: has 3 operands, wanted 2; called at model.cpp:41"},
        Row{"OperandTooManyOfAComposite",
            [](ProgramBuilder& p) { return Outputs{Atom::variable(add(p, "silu", {a, b}, {}, {pair_type}))}; },
            "verify: equation 1, silu: has 2 operands, wanted 1; called at model.cpp:41"},
        Row{"OperandNoneWhereAnyNumberIsRight",
            [](ProgramBuilder& p) {
              return Outputs{Atom::variable(add(p, "concatenate", {}, {int64_t{0}}, {pair_type}))};
            },
            "verify: equation 1, concatenate: has 0 operands, wanted at least 1; called at model.cpp:41"},
        Row{"OperandsThatDoNotFit",
            [](ProgramBuilder& p) {
              const Atom c = p.add_constant(ones({3}, float64));
              return Outputs{Atom::variable(add(p, "add", {b, c}, {}, {pair_type}))};
            },
            "verify: equation 1, add: a f64[2], b f64[3]: wanted equal shapes; broadcast_to() first; called at model.cpp:41"},
        Row{"OutputThatIsNotDefined", [](ProgramBuilder&) { return Outputs{b, undefined}; },
            "verify: outputs: an output is not defined"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Verifier, LetsRightProgramsPass) {
  ProgramBuilder builder;
  builder.add_input(pair_type);
  const Atom sum = Atom::variable(add(builder, "add", {a, a}, {}, {pair_type}));
  verify(*builder.finish({&sum, 1}));
}

}  // namespace
}  // namespace wengert
