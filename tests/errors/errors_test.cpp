// What bad input gets: one row for each pair of operation and cause, with the error's kind, id and full text.
//
// In a text, @ stands for "; called at errors_test.cpp:" and the line of here(), % for a folder of the test's own. A
// row without @ has no line to name: a conversion, a function of any number of arguments, or a text was at fault.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <source_location>

#include "tests/errors/errors_testing.hpp"
#include "wengert/data/dataset.hpp"
#include "wengert/data/idx.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/train/train.hpp"
#include "wengert/wengert.hpp"

namespace wengert::errors_testing {
namespace {

using enum ErrorKind;
using Function = std::function<Array(const Array&)>;

int marked_line = 0;

/// Stands on the line of the call that fails: the error must name it.
void here(std::source_location where = std::source_location::current()) {
  marked_line = static_cast<int>(where.line());
}

struct Row {
  std::function<void()> call;
  ErrorKind kind;
  const char* id;
  const char* text;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.text; }

class Errors : public ::testing::TestWithParam<Row> {};

TEST_P(Errors, SayWhatWasWrong) {
  const Row& row = GetParam();
  const ScratchFolder scratch;
  std::string wanted;
  marked_line = 0;
  try {
    row.call();
    FAIL() << "no error";
  } catch (const Error& error) {
    for (const char* c = row.text; *c; ++c) {
      if (*c == '@') wanted += "; called at errors_test.cpp:" + std::to_string(marked_line);
      else if (*c == '%') wanted += scratch.path();
      else wanted += *c;
    }
    EXPECT_EQ(error.what(), wanted);
    EXPECT_EQ(error.id(), row.id);
    EXPECT_EQ(error.kind(), row.kind) << name(error.kind());
  }
  expect_clean_thread();
}

Array small() { return zeros({2, 3}); }
Array other() { return zeros({4, 5}); }
Array cube() { return zeros({2, 3, 4}); }
Array truths() { return array({true, false}); }
Array whole() { return array<int64_t>({1, 2}); }
Array image() { return zeros({1, 3, 8, 8}); }
Array kernel() { return zeros({6, 3, 3, 3}); }
Array none() { return {}; }
Dtype half() { return Dtype::float16; }

// Elementwise operations ---------------------------------------------------------------------------------

// clang-format off: a row is a call, its kind, its id and its text

const Row elementwise[] = {
    {[] { here(); small() + other(); }, shape, "broadcast",
     "add: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); 1 - small() * other(); }, shape, "broadcast",
     "mul: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); multiply(small(), whole()); }, shape, "broadcast",
     "mul: a f32[2,3], b i64[2]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); divide(whole(), small()); }, shape, "broadcast",
     "div: a f32[2], b f32[2,3]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); static_cast<void>(small() < other()); }, shape, "broadcast",
     "lt: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); static_cast<void>(small() > other()); }, shape, "broadcast",
     "greater: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); maximum(small(), other()); }, shape, "broadcast",
     "maximum: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); logical_and(small(), other()); }, shape, "broadcast",
     "logical_and: a bool[2,3], b bool[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); where(truths(), small(), small()); }, shape, "broadcast",
     "where: condition bool[2], a f32[2,3], b f32[2,3]: wanted shapes that broadcast: equal lengths from the last "
     "axis on, or 1@"},
    {[] { here(); clamp(small(), other(), 1); }, shape, "broadcast",
     "clamp: x f32[2,3], low f32[4,5], high i64*[]: wanted shapes that broadcast: equal lengths from the last axis "
     "on, or 1@"},
    {[] { here(); leaky_relu(small(), other()); }, shape, "broadcast",
     "leaky_relu: x f32[2,3], slope f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or "
     "1@"},
    {[] { Array x = small(); here(); x -= other(); }, shape, "broadcast",
     "sub: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); allclose(small(), other()); }, shape, "broadcast",
     "allclose: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@"},
    {[] { here(); truths() - truths(); }, dtype, "dtype-numeric",
     "sub: a bool[2], b bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); -truths(); }, dtype, "dtype-numeric",
     "neg: x bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); abs(truths()); }, dtype, "dtype-numeric",
     "abs: x bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); power(truths(), truths()); }, dtype, "dtype-numeric",
     "pow: a bool[2], b bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); relu(truths()); }, dtype, "dtype-numeric",
     "relu: x bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); array<uint8_t>({1, 2}) + 300; }, value, "number-range",
     "add: b 300: wanted a number that uint8 can hold; convert the array beside it with astype()@"},
    {[] { here(); where(truths(), array<uint8_t>({1, 2}), -1); }, value, "number-range",
     "where: b -1: wanted a number that uint8 can hold; convert the array beside it with astype()@"},
    {[] { here(); small() + ~uint64_t{0}; }, value, "number-range",
     "number: got 18446744073709551615: wanted an integer that int64 can hold@"},
    {[] { here(); small().astype(half()); }, dtype, "dtype-unsupported",
     "astype: x f32[2,3], dtype f16: wanted bool, uint8, int32, int64, float32 or float64@"},
    {[] { here(); none() + small(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); tanh(none()); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
};
INSTANTIATE_TEST_SUITE_P(Elementwise, Errors, ::testing::ValuesIn(elementwise));

// Shapes and reductions ----------------------------------------------------------------------------------

const Row shapes[] = {
    {[] { here(); broadcast_to(small(), {4, 3}); }, shape, "broadcast-to",
     "broadcast_to: x f32[2,3], shape [4,3]: wanted lengths that are equal from the last axis on, or 1@"},
    {[] { here(); broadcast_to(small(), {3}); }, shape, "broadcast-to",
     "broadcast_to: x f32[2,3], shape [3]: wanted lengths that are equal from the last axis on, or 1@"},
    {[] { here(); broadcast_to(small(), {int64_t{1} << 40, int64_t{1} << 40, 2, 3}); }, shape, "shape-size",
     "broadcast_to: x f32[2,3], shape [1099511627776,1099511627776,2,3]: wanted a result of at most 2^58 elements@"},
    {[] { here(); reshape(small(), {4, 2}); }, shape, "reshape-size",
     "reshape: x f32[2,3], shape [4,2]: wanted a shape of the same number of elements@"},
    {[] { here(); reshape(small(), {4, -1}); }, shape, "reshape-size",
     "reshape: x f32[2,3], shape [4,-1]: wanted a size of x that 4 divides@"},
    {[] { here(); reshape(small(), {-1, -1}); }, shape, "reshape-lengths",
     "reshape: x f32[2,3], shape [-1,-1]: wanted lengths >= 0, and at most one -1@"},
    {[] { here(); reshape(zeros({4}), {int64_t{1} << 62, 16, -1}); }, shape, "shape-size",
     "reshape: x f32[4], shape [4611686018427387904,16,-1]: wanted lengths beside -1 with a product of at most 2^58@"},
    {[] { here(); reshape(zeros({4}), {int64_t{1} << 62, 16}); }, shape, "shape-size",
     "reshape: x f32[4], shape [4611686018427387904,16]: wanted a result of at most 2^58 elements@"},
    {[] { here(); transpose(small(), {0, 2}); }, shape, "axis-range",
     "transpose: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); transpose(small(), {0, 0}); }, shape, "transpose-axes",
     "transpose: x f32[2,3], axes [0,0]: wanted a permutation of x's axes@"},
    {[] { here(); flip(small(), {-3}); }, shape, "axis-range",
     "flip: x f32[2,3], axis -3: wanted an axis from -2 to 1@"},
    {[] { here(); expand(small(), {1, -3}); }, shape, "axis-repeated",
     "expand: x f32[2,3], axes [1,-3]: wanted each axis once@"},
    {[] { here(); squeeze(small(), 0); }, shape, "squeeze-length",
     "squeeze: x f32[2,3], axis 0: wanted axes of length 1@"},
    {[] { here(); slice(small(), {0}, {2}); }, shape, "slice-rank",
     "slice: x f32[2,3], starts [0], limits [2]: wanted one start, limit and stride for each of 2 axes@"},
    {[] { here(); slice(small(), {0, 0}, {2, 3}, {1, 0}); }, value, "slice-stride",
     "slice: x f32[2,3], starts [0,0], limits [2,3], strides [1,0]: wanted strides that are not 0@"},
    {[] { here(); slice(small(), {0, 1}, {2, 4}); }, index, "slice-range",
     "slice: x f32[2,3], starts [0,1], limits [2,4]: wanted along axis 1 0 <= start <= limit <= 3@"},
    {[] { here(); diagonal(small(), 1, -1); }, shape, "diagonal-axes",
     "diagonal: x f32[2,3], axis1 1, axis2 1: wanted two axes of x@"},
    {[] { here(); concatenate({small(), other()}); }, shape, "concatenate-shape",
     "concatenate: operand 0 f32[2,3], operand 1 f32[4,5], axis 0: wanted equal lengths along every axis but axis 0@"},
    {[] { here(); concatenate({}); }, value, "concatenate-empty",
     "concatenate: no arrays: wanted at least one@"},
    {[] { here(); concatenate({small(), none()}); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); stack({zeros({1, 1, 1, 1, 1, 1, 1, 1})}); }, shape, "stack-rank",
     "stack: operand 0 f32[1,1,1,1,1,1,1,1]: wanted arrays of at most 7 axes@"},
    {[] { here(); stack({small(), other()}); }, shape, "stack-shape",
     "stack: operand 0 f32[2,3], operand 1 f32[4,5]: wanted arrays of one shape@"},
    {[] { here(); split(small(), 2, 1); }, shape, "split-sections",
     "split: x f32[2,3], 2 sections, axis 1: wanted a number of sections that divides 3@"},
    {[] { here(); split(small(), {1, 1}, 1); }, shape, "split-sizes",
     "split: x f32[2,3], sizes [1,1], axis 1: wanted sizes that add up to 3@"},
    {[] { here(); pad(small(), {1}, {1}); }, shape, "pad-rank",
     "pad: x f32[2,3], value i64*[], low [1], high [1]: wanted one number for each of 2 axes@"},
    {[] { here(); pad(small(), {0, -2}, {0, -2}); }, shape, "pad-length",
     "pad: x f32[2,3], value i64*[], low [0,-2], high [0,-2]: wanted at least 0 elements left along axis 1@"},
    {[] { here(); roll(small(), 1, 2); }, shape, "axis-range",
     "roll: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); sum(small(), {2}); }, shape, "axis-range",
     "sum: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); sum(array(1.f), 0); }, shape, "axis-range",
     "sum: x f32[], axis 0: wanted an array with axes; x has none@"},
    {[] { here(); sum(small(), {0, -2}); }, shape, "axis-repeated",
     "sum: x f32[2,3], axes [0,-2]: wanted each axis once@"},
    {[] { here(); max(zeros({0, 3}), {0}); }, shape, "reduce-empty",
     "max: x f32[0,3], axes [0], keepdims false: wanted axes with elements: none has no largest or smallest@"},
    {[] { here(); argmin(zeros({0})); }, shape, "reduce-empty",
     "argmin: x f32[0], axes [0], keepdims false: wanted axes with elements: none has no largest or smallest@"},
    {[] { here(); softmax(small(), 2); }, shape, "axis-range",
     "softmax: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); zeros({-1, 3}); }, shape, "shape-negative",
     "shape: got a length of -1: wanted lengths >= 0@"},
    {[] { here(); zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); }, shape, "shape-rank",
     "shape: got 9 axes: wanted at most 8; reshape to join axes@"},
    {[] { here(); zeros({int64_t{1} << 40, int64_t{1} << 40}); }, shape, "shape-size",
     "zeros: x f32[], shape [1099511627776,1099511627776]: wanted a result of at most 2^58 elements@"},
    {[] { here(); outer(zeros({1 << 20}), broadcast_to(zeros({}), {int64_t{1} << 50})); }, shape, "shape-size",
     "outer: x f32[1048576,1], shape [1048576,1125899906842624]: wanted a result of at most 2^58 elements@"},
};
INSTANTIATE_TEST_SUITE_P(Shapes, Errors, ::testing::ValuesIn(shapes));

// Creation, random numbers -------------------------------------------------------------------------------

const Row creation[] = {
    {[] { here(); arange(0, 5, 0); }, value, "arange-step",
     "arange: step 0: wanted a step that is not 0@"},
    {[] { here(); arange(0.0, 1.0, std::nan("")); }, value, "arange-step",
     "arange: start 0, stop 1, step nan: wanted finite numbers, a step that is not 0 and at most 2^58 elements@"},
    {[] { here(); arange(INT64_MIN, INT64_MAX, 1); }, shape, "shape-size",
     "arange: start -9223372036854775808, stop 9223372036854775807, step 1: wanted at most 2^58 elements@"},
    {[] { here(); arange(0, 300, 100, uint8); arange(0, 301, 100, uint8); }, value, "number-range",
     "arange: start 0, stop 301, step 100, dtype uint8: wanted numbers that uint8 can hold@"},
    {[] { here(); arange(0.0, 1e30, 1e29, int32); }, value, "number-range",
     "arange: start 0, stop 1e+30, step 1e+29, dtype int32: wanted numbers that int32 can hold@"},
    {[] { here(); arange(~uint64_t{0}, 3); }, value, "number-range",
     "number: got 18446744073709551615: wanted an integer that int64 can hold@"},
    {[] { here(); linspace(0, 1e10, 5, int32); }, value, "number-range",
     "linspace: start 0, stop 1e+10, dtype int32: wanted numbers that int32 can hold@"},
    {[] { here(); full({2}, 1e30, int32); }, value, "number-range",
     "full: shape [2], value 1e+30, dtype int32: wanted a number that int32 can hold@"},
    {[] { here(); full({2}, std::nan(""), int64); }, value, "number-range",
     "full: shape [2], value nan, dtype int64: wanted a number that int64 can hold@"},
    {[] { here(); full({2}, 0x1p63, int64); }, value, "number-range",
     "full: shape [2], value 9223372036854775808, dtype int64: wanted a number that int64 can hold@"},
    {[] { here(); full({2}, -1.5, uint8); }, value, "number-range",
     "full: shape [2], value -1.5, dtype uint8: wanted a number that uint8 can hold@"},
    {[] { here(); full({2}, 300, uint8); }, value, "number-range",
     "full: shape [2], value 300, dtype uint8: wanted a number that uint8 can hold@"},
    {[] { here(); linspace(0, 1, -2); }, value, "linspace-count",
     "linspace: count -2: wanted a count >= 0@"},
    {[] { here(); eye(-3); }, shape, "shape-negative",
     "shape: got a length of -3: wanted lengths >= 0@"},
    {[] { here(); eye(int64_t{1} << 40); }, shape, "shape-size",
     "eye: shape [1099511627776,1099511627776], diagonal 0, dtype f32: wanted a result of at most 2^58 elements@"},
    {[] { here(); linspace(0, 1, INT64_MAX); }, shape, "shape-size",
     "linspace: shape [9223372036854775807], axis 0, dtype f64: wanted a result of at most 2^58 elements@"},
    {[] { here(); iota({2, 3}, 2); }, shape, "axis-range",
     "iota: shape [2,3], axis 2, dtype i64: wanted an axis of the shape@"},
    {[] { here(); zeros({2}, half()); }, dtype, "dtype-unsupported",
     "zeros: shape [2], dtype float16: wanted bool, uint8, int32, int64, float32 or float64@"},
    {[] { here(); array({{1.f, 2.f}, {3.f}}); }, shape, "array-ragged",
     "array: got braces of 2 and of 1 items on axis 1: wanted equal lengths@"},
    {[] { here(); array(std::vector<float>{1, 2, 3}, {2, 2}); }, shape, "array-count",
     "array: got 3 values, shape [2,2]: wanted 4 values@"},
    {[] { const float x[] = {1, 2, 3}; here(); array(std::span<const float>(x), {1}); }, shape, "array-count",
     "array: got 3 values, shape [1]: wanted 1 value@"},
    {[] { dtype_from_name("float31"); }, dtype, "dtype-name",
     "dtype: got \"float31\": wanted a name such as float32 or f32"},
    {[] { here(); random::uniform(array(1.f), {2}); }, dtype, "random-key",
     "random::uniform: key f32[], shape [2], dtype f32: wanted a key: int64 of rank 0; make one with "
     "wg::random::key(seed)@"},
    {[] { here(); random::normal(whole(), {2}); }, dtype, "random-key",
     "random::normal: key i64[2], shape [2], dtype f32: wanted a key: int64 of rank 0; make one with "
     "wg::random::key(seed)@"},
    {[] { here(); random::normal(none(), {2}); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); random::uniform(random::key(0), {2}, int32); }, dtype, "random-dtype",
     "random::uniform: key i64[], shape [2], dtype i32: wanted float32 or float64@"},
    {[] { here(); random::uniform(random::key(0), {-2}); }, shape, "shape-negative",
     "shape: got a length of -2: wanted lengths >= 0@"},
    {[] { here(); random::permutation(random::key(0), -1); }, value, "permutation-length",
     "random::permutation: key i64[], n -1: wanted n >= 0@"},
    {[] { here(); random::fold_in(random::key(0), whole()); }, dtype, "random-number",
     "random::fold_in: key i64[], number i64[2]: wanted an int64 number of rank 0@"},
    {[] { here(); random::bernoulli(random::key(0), 1.5, {5}); }, value, "bernoulli-probability",
     "random::bernoulli: probability 1.5: wanted a probability from 0 to 1@"},
    {[] { here(); random::bernoulli(random::key(0), -1, {5}); }, value, "bernoulli-probability",
     "random::bernoulli: probability -1: wanted a probability from 0 to 1@"},
    {[] { here(); random::bernoulli(random::key(0), std::nan(""), {5}); }, value, "bernoulli-probability",
     "random::bernoulli: probability nan: wanted a probability from 0 to 1@"},
    {[] { here(); random::split(random::key(0), -1); }, value, "split-count",
     "random::split: count -1: wanted a count from 0 to 1048576; wg::random::fold_in(key, i) makes keys one by one@"},
    {[] { here(); random::split(random::key(0), INT64_MAX); }, value, "split-count",
     "random::split: count 9223372036854775807: wanted a count from 0 to 1048576; wg::random::fold_in(key, i) makes "
     "keys one by one@"},
    {[] { here(); random::permutation(random::key(0), INT64_MAX); }, shape, "shape-size",
     "random::permutation: key i64[], n 9223372036854775807: wanted a result of at most 2^58 elements@"},
    {[] { here(); random::normal(random::key(0), {int64_t{1} << 40, int64_t{1} << 40}); }, shape, "shape-size",
     "random::normal: key i64[], shape [1099511627776,1099511627776], dtype f32: wanted a result of at most 2^58 "
     "elements@"},
    {[] { here(); random::bernoulli(random::key(0), small(), {5}); }, shape, "broadcast",
     "random::bernoulli: a f32[5], b f32[2,3]: wanted shapes that broadcast: equal lengths from the last axis on, or "
     "1@"},
};
INSTANTIATE_TEST_SUITE_P(Creation, Errors, ::testing::ValuesIn(creation));

// Arrays and their values --------------------------------------------------------------------------------

const Row values[] = {
    {[] { here(); small().item<float>(); }, shape, "item-size",
     "item: x f32[2,3]: wanted an array of one element; reduce or index it first@"},
    {[] { here(); sum(small()).item<double>(); }, dtype, "element-type",
     "item: x f32[], element type float64: wanted the C++ type of the dtype; convert with x.astype(wg::float64)@"},
    {[] { here(); small().to_vector<int32_t>(); }, dtype, "element-type",
     "to_vector: x f32[2,3], element type int32: wanted the C++ type of the dtype; convert with x.astype(wg::int32)@"},
    {[] { std::vector<float> out(5); here(); small().copy_to(std::span<float>(out)); }, shape, "copy-size",
     "copy_to: x f32[2,3], out of 5 elements: wanted as many as x has@"},
    {[] { here(); static_cast<void>(transpose(small()).span<float>()); }, value, "span-contiguous",
     "span: x f32[3,2] is not contiguous: wanted row-major memory; use wg::contiguous(x) or to_vector()@"},
    {[] { here(); static_cast<void>(small().span<double>()); }, dtype, "element-type",
     "span: x f32[2,3], element type float64: wanted the C++ type of the dtype; convert with x.astype(wg::float64)@"},
    {[] { static_cast<void>(static_cast<bool>(small() == 0)); }, shape, "truth-size",
     "bool: x bool[2,3]: wanted an array of one element; use wg::any(x) or wg::all(x), and wg::logical_and, "
     "logical_or and logical_not instead of &&, || and !"},
    {[] { here(); small().dim(2); }, shape, "axis-range",
     "dim: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); array(1.f).dim(0); }, shape, "axis-range",
     "dim: x f32[], axis 0: wanted an array with axes; x has none@"},
    {[] { here(); none().shape(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); none().dim(0); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); none().item<float>(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); none().to_vector<float>(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); none().to_vector<bool>(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { std::vector<float> out(5); here(); none().copy_to(std::span<float>(out)); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); static_cast<void>(none().span<float>()); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { static_cast<void>(static_cast<bool>(none())); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient"},
    {[] { here(); none().dtype(); }, state, "array-undefined",
     "array: got a default-constructed or moved-from handle: wanted an array with values; a layer's parameters are "
     "made by wg::nn::init(net, key), integer leaves have no gradient@"},
};
INSTANTIATE_TEST_SUITE_P(Values, Errors, ::testing::ValuesIn(values));

// Products and convolutions ------------------------------------------------------------------------------

const Row products[] = {
    {[] { here(); matmul(small(), other()); }, shape, "matmul-inner",
     "matmul: a f32[2,3], b f32[4,5]: wanted last dimension of a == second to last of b@"},
    {[] { here(); matmul(small(), zeros({2})); }, shape, "matmul-inner",
     "matmul: a f32[2,3], b f32[2]: wanted last dimension of a == length of b@"},
    {[] { here(); matmul(cube(), zeros({3, 4, 2})); }, shape, "matmul-leading",
     "matmul: a f32[2,3,4], b f32[3,4,2]: wanted leading dimensions that broadcast: equal from the last one on, or 1@"},
    {[] { here(); matmul(small(), array(2.f)); }, shape, "matmul-rank",
     "matmul: a f32[2,3], b f32[]: wanted arrays of at least one dimension; a * b multiplies by a number@"},
    {[] { here(); matmul(truths(), truths()); }, dtype, "dtype-numeric",
     "matmul: a bool[2], b bool[2]: wanted a numeric dtype, not bool; convert with astype()@"},
    {[] { here(); dot(small(), small()); }, shape, "dot-inner",
     "dot: a f32[2,3], b f32[2,3]: wanted last dimension of a == second to last of b@"},
    {[] { here(); vdot(small(), other()); }, shape, "vdot-size",
     "vdot: a f32[2,3], b f32[4,5]: wanted as many elements in a as in b@"},
    {[] { here(); tensordot(small(), other(), 3); }, shape, "tensordot-count",
     "tensordot: a f32[2,3], b f32[4,5], 3 axes: wanted at most as many axes as a and b have@"},
    {[] { here(); tensordot(small(), other(), {0}, {1}); }, shape, "tensordot-axes",
     "tensordot: a f32[2,3], b f32[4,5], axes [0] and [1]: wanted pairs of axes of equal lengths, each axis once@"},
    {[] { here(); dot_general(small(), other(), {{1}, {0}, {}, {}}); }, shape, "product-contract",
     "dot_general: a f32[2,3], b f32[4,5], lhs_contract [1], rhs_contract [0], lhs_batch [], rhs_batch [], dtype f32, "
     "precision \"highest\": wanted contracted axes of equal lengths@"},
    {[] { here(); dot_general(cube(), zeros({3, 4, 2}), {{2}, {1}, {0}, {0}}); }, shape, "product-batch",
     "dot_general: a f32[2,3,4], b f32[3,4,2], lhs_contract [2], rhs_contract [1], lhs_batch [0], rhs_batch [0], dtype "
     "f32, precision \"highest\": wanted batch axes of equal lengths@"},
    {[] { const Array x = zeros({1, 1, 1, 1, 1}); here(); tensordot(x, x, 0); }, shape, "product-rank",
     "tensordot: a f32[1,1,1,1,1], b f32[1,1,1,1,1], lhs_contract [], rhs_contract [], lhs_batch [], rhs_batch [], dtype "
     "f32, precision \"highest\": wanted at most 8 axes in the result@"},
    {[] { here(); dot_general(small(), other(), {{2}, {0}, {}, {}}); }, shape, "product-axes",
     "dot_general: a f32[2,3], b f32[4,5], lhs_contract [2], rhs_contract [0], lhs_batch [], rhs_batch [], dtype f32, "
     "precision \"highest\": wanted contracted and batch axes that a and b have, each named once@"},
    {[] { here(); einsum("ij,jk->ik", small(), other()); }, shape, "einsum-length",
     "einsum: subscripts \"ij,jk->ik\", operand 1 f32[4,5]: wanted index j of length 3 as in an operand before@"},
    {[] { here(); einsum("ijk->i", small()); }, shape, "einsum-rank",
     "einsum: subscripts \"ijk->i\", operand 0 f32[2,3]: wanted as many indices as the operand has axes@"},
    {[] { here(); einsum("ij->iz", small()); }, value, "einsum-result",
     "einsum: subscripts \"ij->iz\": wanted indices of the operands in the result, each once@"},
    {[] { here(); einsum("i_j", small()); }, value, "einsum-subscripts",
     "einsum: subscripts \"i_j\": wanted letters and at most one \"...\" for each operand, as in \"bij,bjk->bik\"@"},
    {[] { here(); einsum("ij,jk", small()); }, value, "einsum-operands",
     "einsum: subscripts \"ij,jk\", 1 operand: wanted as many lists of indices as operands@"},
    {[] { here(); einsum("abcde,fghij->abcdefghij", zeros({1, 1, 1, 1, 1}), zeros({1, 1, 1, 1, 1})); }, shape,
     "einsum-indices",
     "einsum: subscripts \"abcde,fghij->abcdefghij\", 10 indices in the result: wanted at most 8, as many as an array "
     "has axes@"},
    {[] {
       const Array x = zeros({2, 2, 2, 2, 2});
       here(); einsum("abcde,fghij,abcdefghij->a", x, x, x);
     }, shape, "einsum-rank",
     "einsum: subscripts \"abcde,fghij,abcdefghij->a\", operand 2 f32[2,2,2,2,2]: wanted as many indices as the operand "
     "has axes@"},
    {[] {
       const Array x = zeros({2, 2, 2, 2, 2});
       here(); einsum("abcde,fghij,abcdf->eghi", x, x, x);
     }, shape, "einsum-indices",
     "einsum: subscripts \"abcde,fghij,abcdf->eghi\", 9 indices in a product of two operands: wanted at most 8, as many as "
     "an array has axes@"},
    {[] { here(); conv2d(image(), zeros({6, 4, 3, 3})); }, shape, "conv-channels",
     "conv2d: x f32[1,3,8,8], w f32[6,4,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 1: wanted channels "
     "of x == groups * axis 1 of w, and output channels in equal groups@"},
    {[] { here(); conv2d(image(), kernel(), {}, 2); }, shape, "conv-channels",
     "conv2d: x f32[1,3,8,8], w f32[6,3,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 2: wanted channels "
     "of x == groups * axis 1 of w, and output channels in equal groups@"},
    {[] { here(); conv2d(image(), kernel(), {}, 0); }, value, "conv-groups",
     "conv2d: x f32[1,3,8,8], w f32[6,3,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 0: wanted at least "
     "one group@"},
    {[] { here(); conv2d(small(), kernel()); }, shape, "conv-rank",
     "conv2d: x f32[2,3], w f32[6,3,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 1: wanted x [N,C,H,W] "
     "and w [O,C/groups,I,J]@"},
    {[] { here(); conv2d(image(), kernel(), {.stride = {1, 0}}); }, value, "conv-window",
     "conv2d: x f32[1,3,8,8], w f32[6,3,3,3], stride [1,0], padding [0,0], dilation [1,1], groups 1: wanted stride "
     "and dilation >= 1, padding from 0 to 2^58@"},
    {[] { here(); conv2d(image(), kernel(), {.padding = {-1, 0}}); }, value, "conv-window",
     "conv2d: x f32[1,3,8,8], w f32[6,3,3,3], stride [1,1], padding [-1,0], dilation [1,1], groups 1: wanted stride "
     "and dilation >= 1, padding from 0 to 2^58@"},
    {[] { here(); conv2d(image(), kernel(), {.dilation = {1, 4}}); }, shape, "conv-size",
     "conv2d: x f32[1,3,8,8], w f32[6,3,3,3], stride [1,1], padding [0,0], dilation [1,4], groups 1: wanted a window "
     "that fits on the padded image@"},
    {[] { here(); max_pool2d(image(), {9, 2}); }, shape, "pool-size",
     "max_pool2d: x f32[1,3,8,8], size 9, stride 9, padding 0: wanted a window that fits on the padded image@"},
    {[] { here(); avg_pool2d(zeros({1, 3, 0, 8}), {2, 2}, {}, {1, 1}); }, shape, "pool-image",
     "avg_pool2d: x f32[1,3,0,8], size 2, stride 2, padding 1: wanted images with rows and columns@"},
    {[] { here(); max_pool2d(small(), {2, 2}); }, shape, "pool-rank",
     "max_pool2d: x f32[2,3]: wanted x [N,C,H,W]@"},
    {[] { here(); avg_pool2d(image(), {2, 2}, {0, 1}); }, value, "pool-window",
     "avg_pool2d: x f32[1,3,8,8], size 2, stride 0, padding 0: wanted size and stride >= 1, or a stride of 0 for "
     "the size, and padding at most half the size@"},
    {[] { here(); max_pool2d(image(), {2, 2}, {}, {2, 0}); }, value, "pool-window",
     "max_pool2d: x f32[1,3,8,8], size 2, stride 2, padding 2: wanted size and stride >= 1, or a stride of 0 for "
     "the size, and padding at most half the size@"},
    {[] { here(); max_pool2d(zeros({1, 1, 32, 32}), {17, 16}); }, value, "pool-window-large",
     "max_pool2d: a window of 272 elements: wanted at most 256; for whole images use wg::max(x, {2, 3}, true)@"},
};
INSTANTIATE_TEST_SUITE_P(Products, Errors, ::testing::ValuesIn(products));

// Normalizations, losses and indices ---------------------------------------------------------------------

const Row rows[] = {
    {[] { here(); softmax_cross_entropy(small(), array<int64_t>({0, 3})); }, index, "label-range",
     "softmax_cross_entropy: label 3 at place 1 of i64[2]: wanted labels from 0 to 2@"},
    {[] { here(); softmax_cross_entropy(small(), array<int64_t>({0, 1, 2})); }, shape, "labels-shape",
     "softmax_cross_entropy: logits f32[2,3], labels i64[3], mean true: wanted one label for each row: [2]@"},
    {[] { here(); softmax_cross_entropy(small(), truths()); }, dtype, "labels-dtype",
     "softmax_cross_entropy: logits f32[2,3], labels bool[2], mean true: wanted labels of an integer dtype; convert "
     "with astype(wg::int64)@"},
    {[] { here(); softmax_cross_entropy(zeros({2, 0}), whole()); }, shape, "cross-entropy-classes",
     "softmax_cross_entropy: logits f32[2,0], labels i64[2], mean true: wanted logits with at least one class along "
     "the last axis@"},
    {[] { here(); softmax_cross_entropy(small(), other()); }, shape, "labels-shape",
     "softmax_cross_entropy: logits f32[2,3], labels f32[4,5]: wanted probabilities of the logits' shape; labels that "
     "are class numbers have an integer dtype@"},
    {[] { here(); one_hot(whole(), -1); }, value, "one-hot-classes",
     "one_hot: -1 classes: wanted 0 or more@"},
    {[] { here(); one_hot(zeros({2}), 3); }, dtype, "labels-dtype",
     "one_hot: labels f32[2], classes 3, dtype f32: wanted labels of an integer dtype; convert with "
     "astype(wg::int64)@"},
    {[] { here(); layer_norm(small(), zeros({2})); }, shape, "norm-vector",
     "layer_norm: x f32[2,3], weight f32[2]: wanted a weight of shape [3]@"},
    {[] { here(); layer_norm(array(1.f)); }, shape, "layer-norm-rank",
     "layer_norm: x f32[], eps 1e-05, weight false, bias false: wanted x of rank 1 or more@"},
    {[] { here(); batch_norm(zeros({3})); }, shape, "batch-norm-rank",
     "batch_norm: x f32[3], eps 1e-05, weight false, bias false: wanted x of rank 2 or more: [N, C, ...]@"},
    {[] { here(); take(small(), array<int64_t>({0, 2})); }, index, "index-range",
     "take: x f32[2,3], indices i64[2], index 2 on an axis of length 2: wanted an index from -2 to 1@"},
    {[] { here(); take(small(), array<int64_t>({0}), 2); }, shape, "axis-range",
     "take: x f32[2,3], axis 2: wanted an axis from -2 to 1@"},
    {[] { here(); take(small(), array({0.f})); }, dtype, "index-dtype",
     "take: x f32[2,3], indices f32[1], axes [0], at 0: wanted indices of an integer dtype; convert with "
     "astype(wg::int64)@"},
    {[] { here(); take(zeros({0, 3}), array<int64_t>({0})); }, index, "index-empty",
     "take: x f32[0,3], indices i64[1], axes [0], at 0: wanted no indices, since axis 0 has no elements@"},
    {[] { here(); take(small(), none()); }, state, "array-undefined",
     "take: got a default-constructed or moved-from handle: wanted arrays with values; a layer's parameters are made "
     "by wg::nn::init(net, key), integer leaves have no gradient@"},
    {[] { here(); take_along_axis(small(), zeros({4, 1}, int64), 1); }, shape, "take-along-axis",
     "take_along_axis: x f32[2,3], indices i64[4,1], axis 1: wanted equal lengths of x and indices but along the "
     "axis@"},
    {[] { here(); add_along_axis(small(), zeros({2, 1}), zeros({2, 2}, int64), 1); }, shape, "index-values",
     "add_along_axis: x f32[2,3], values f32[2,1], indices i64[2,2], axis 1: wanted values of shape [2,2]@"},
    {[] { here(); dynamic_slice(small(), {array<int64_t>(1), array<int64_t>(2)}, {2, 2}); }, index, "index-range",
     "dynamic_slice: x f32[2,3], start i64[], start i64[], index 1 on an axis of length 2: wanted an index from -2 to "
     "0@"},
    {[] { here(); dynamic_slice(small(), {array<int64_t>(0)}, {2, 2}); }, shape, "dynamic-slice",
     "dynamic_slice: x f32[2,3], start i64[], sizes [2,2]: wanted one start of rank 0 for each axis, and a block not "
     "larger than x@"},
    {[] { here(); dynamic_update_slice(small(), other(), {array<int64_t>(0), array<int64_t>(0)}); }, shape,
     "dynamic-slice",
     "dynamic_update_slice: x f32[2,3], update f32[4,5], start i64[], start i64[]: wanted one start of rank 0 for "
     "each axis, and a block not larger than x@"},
};
INSTANTIATE_TEST_SUITE_P(Rows, Errors, ::testing::ValuesIn(rows));

// Index expressions --------------------------------------------------------------------------------------

const Row index_expressions[] = {
    {[] { here(); small()[2]; }, index, "index-range",
     "x[...]: x f32[2,3], index 2 on axis 0 of length 2: wanted an index from -2 to 1@"},
    {[] { here(); small()[{range(), -4}]; }, index, "index-range",
     "x[...]: x f32[2,3], index -4 on axis 1 of length 3: wanted an index from -3 to 2@"},
    {[] { here(); small()[~size_t{0}]; }, value, "number-range",
     "number: got 18446744073709551615: wanted an integer that int64 can hold@"},
    {[] { here(); zeros({0})[0]; }, index, "index-range",
     "x[...]: x f32[0], index 0 on axis 0 of length 0: wanted none, since the axis has no elements@"},
    {[] { here(); small()[{0, 1, 2}]; }, index, "index-count",
     "x[...]: x f32[2,3], 3 indices: wanted at most one for each of 2 axes@"},
    {[] { here(); small()[{ellipsis, ellipsis}]; }, value, "index-ellipsis",
     "x[...]: x f32[2,3], two ellipses: wanted one at most@"},
    {[] { here(); small()[range(0, 2, 0)]; }, value, "index-step",
     "x[...]: x f32[2,3], range step 0: wanted a step other than 0@"},
    {[] { here(); small()[small() > 0]; }, dtype, "index-mask",
     "x[...]: x f32[2,3], mask bool[2,3]: wanted integers: the shape of the result would depend on values; choose with "
     "wg::where(mask, a, b)@"},
    {[] { here(); small()[zeros({1})]; }, dtype, "index-dtype",
     "x[...]: x f32[2,3], indices f32[1]: wanted indices of an integer dtype; convert with astype(wg::int64)@"},
    {[] { here(); small()[{whole(), array<int64_t>({0, 1, 2})}]; }, shape, "index-arrays",
     "x[...]: x f32[2,3], indices i64[2], i64[3]: wanted index arrays that broadcast: equal lengths from the last axis "
     "on, or 1@"},
    {[] { here(); small()[whole()]; }, index, "index-range",
     "x[...]: x f32[2,3], indices i64[2], index 2 on an axis of length 2: wanted an index from -2 to 1@"},
    {[] { here(); small()[none()]; }, state, "array-undefined",
     "x[...]: x f32[2,3], indices from a default-constructed or moved-from handle: wanted integers in an array with "
     "values@"},
    {[] { here(); none()[0]; }, state, "array-undefined",
     "x[...]: x is a default-constructed or moved-from handle: wanted an array with values; std::move(x).at(...) gives x "
     "up at once, so take what is needed of it before@"},
    {[] { Array y = small(); here(); y = std::move(y).at(1).add(y[0]); }, state, "array-undefined",
     "x[...]: x is a default-constructed or moved-from handle: wanted an array with values; std::move(x).at(...) gives x "
     "up at once, so take what is needed of it before@"},
    {[] { here(); small().at(0, 5).get(); }, index, "index-range",
     "x[...]: x f32[2,3], index 5 on axis 1 of length 3: wanted an index from -3 to 2@"},
    {[] { here(); small().at(7).set(1); }, index, "index-range",
     "x.at(...).set: x f32[2,3], index 7 on axis 0 of length 2: wanted an index from -2 to 1@"},
    {[] { here(); small().at(0).set(other()); }, shape, "index-update",
     "x.at(...).set: x f32[2,3], values f32[4,5]: wanted values that broadcast to [3]@"},
    {[] { here(); whole().at(0).add(0.5); }, dtype, "index-update",
     "x.at(...).add: x i64[2], values float32: wanted values that x's dtype can hold; convert with astype()@"},
    {[] { here(); array<uint8_t>({1, 2}).at(0).set(300); }, value, "number-range",
     "x.at(...).set: x u8[2], values 300: wanted numbers that uint8 can hold@"},
    {[] { here(); small().at(whole()).add(1); }, index, "index-range",
     "x.at(...).add: x f32[2,3], values f32[2,3], indices i64[2], index 2 on an axis of length 2: wanted an index from "
     "-2 to 1@"},
    {[] { here(); small().at(whole()).set(1); }, index, "index-range",
     "x.at(...).set: x f32[2,3], values f32[2,3], indices i64[2], index 2 on an axis of length 2: wanted an index from "
     "-2 to 1@"},
    {[] { here(); none().at(0).set(1); }, state, "array-undefined",
     "x.at(...).set: x is a default-constructed or moved-from handle: wanted an array with values; std::move(x).at(...) "
     "gives x up at once, so take what is needed of it before@"},
};
INSTANTIATE_TEST_SUITE_P(IndexExpressions, Errors, ::testing::ValuesIn(index_expressions));

// Transformations ----------------------------------------------------------------------------------------

using List = std::vector<Array>;
Array twice(const Array& x) { return x * 2; }
Array f64() { return zeros({2, 3}, float64); }

const Row transformations[] = {
    {[] { grad([](const Array& x) { here(); return sum(matmul(x, other())); }, "loss")(small()); }, shape,
     "matmul-inner",
     "matmul: a f32[2,3], b f32[4,5]: wanted last dimension of a == second to last of b@, in grad(loss)"},
    {[] { here(); grad(twice, "loss")(whole()); }, dtype, "grad-argument",
     "grad(loss): argument i64[2]: wanted a floating-point array; convert integers with x.astype(wg::float32)@"},
    {[] { here(); grad([](const nn::Linear&) { return array(1.f); }, "loss")(nn::Linear{2, 3}); }, state, "grad-undefined",
     "grad(loss): argument of nothing but undefined arrays: wanted a floating-point array; the parameters of a network "
     "are made by wg::nn::init(net, key)@"},
    {[] { here(); grad(twice, "loss")(none()); }, state, "grad-undefined",
     "grad(loss): argument nothing: wanted a floating-point array; the parameters of a network are made by "
     "wg::nn::init(net, key)@"},
    {[] { here(); grad(twice, "loss")(3); }, dtype, "grad-argument",
     "grad(loss): argument i32[]: wanted a floating-point array; write a number as 3.0f, convert integers with "
     "x.astype(wg::float32)@"},
    {[] { here(); grad(twice, "loss")(small()); }, shape, "grad-output-shape",
     "grad(loss): the function returned f32[2,3]: wanted a scalar; return wg::sum or wg::mean of it, or use wg::vjp "
     "or wg::jacrev@"},
    {[] { here(); grad([](const Array& x) { return sum(x > 0); }, "loss")(small()); }, dtype, "grad-output-dtype",
     "grad(loss): the function returned i64[]: wanted a floating-point scalar@"},
    {[] { here(); grad([](const Array&) { return Array(); }, "loss")(small()); }, shape, "grad-output-shape",
     "grad(loss): the function returned nothing: wanted a scalar; return wg::sum or wg::mean of it, or use wg::vjp or "
     "wg::jacrev@"},
    {[] {
       const auto added = [](const Array& y) { here(); return sum(y + other()); };
       const auto inner = [&](const Array& x) { return sum(grad(added, "inner")(x)); };
       grad(inner, "outer")(small());
     }, shape, "broadcast",
     "add: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@, in "
     "grad(inner), in grad(outer)"},
    {[] {
       Array escaped;
       grad([&](const Array& x) { return sum(escaped = x * x); }, "loss")(small());
       here(); escaped + 1;
     }, trace, "trace-escaped",
     "grad(loss): its value f32[2,3] is used outside of it: wanted the values that it returns; return this one too "
     "instead of storing it (grad and make_program have auxiliary outputs)@"},
    {[] {
       const auto loss = [](const Array& x, const Array& l) { return softmax_cross_entropy(x, l); };
       const Array x = small(), labels = array<int64_t>({0, 7});
       const Params slope = call_params(make_program(grad(loss))(x, whole()), "slope");
       here(); softmax(x); call(slope, std::vector{x, labels});
     }, index, "label-range",
     "slope: label 7 at place 1 of i64[2]: wanted labels from 0 to 2@"},
    {[] { here(); jvp(twice, small(), other(), "twice"); }, shape, "tangent-shape",
     "jvp(twice): tangent of argument 0 f32[4,5]: wanted f32[2,3], as the value has@"},
    {[] { here(); jvp(twice, small(), f64(), "twice"); }, dtype, "tangent-dtype",
     "jvp(twice): tangent of argument 0 f64[2,3]: wanted f32[2,3], as the value has; convert it with "
     "x.astype(wg::float32)@"},
    {[] {
       const auto first = [](const std::vector<Array>& x) { return x[0]; };
       here(); jvp(first, std::vector{small()}, std::vector{small(), small()}, "first");
     },
     value, "tangent-structure",
     "jvp(first): a tangent of 2 arrays for a value of 1 array: wanted a tree of the structure of the value@"},
    {[] { auto [y, pullback] = vjp(twice, small()); pullback(small()); here(); pullback(small()); }, state,
     "pullback-consumed",
     "vjp: the pullback was used before: wanted one use; call vjp again, or linearize for several@"},
    {[] { auto [y, pullback] = vjp(twice, small()); here(); pullback(other()); }, shape, "cotangent-shape",
     "vjp: cotangent f32[4,5]: wanted f32[2,3], as the value has@"},
    {[] { auto [y, linear] = linearize(twice, small()); here(); linear(other()); }, shape, "tangent-shape",
     "linearize: tangent of argument 0 f32[4,5]: wanted f32[2,3], as the value has@"},
    {[] { auto [y, linear] = linearize(twice, small()); here(); linear.transpose(f64()); }, dtype, "cotangent-dtype",
     "linearize: cotangent f64[2,3]: wanted f32[2,3], as the value has; convert it with x.astype(wg::float32)@"},
    {[] { linear_transpose([](const Array& x) { here(); return x * x; }, small()); }, value, "not-linear",
     "linear_transpose: the derivative of the function depends on its argument: wanted a linear function; use "
     "wg::linearize for its derivative at a point@"},
    {[] {
       const auto both = [](const Array& x) { return List{x, x * 2}; };
       auto [y, linear] = linearize(both, small());
       here(); linear.transpose(List{small()});
     }, value, "cotangent-structure",
     "linearize: a cotangent of 1 array for a value of 2 arrays: wanted a tree of the structure of the value@"},
    {[] { const auto f = linear_transpose(twice, small()); here(); f(other()); }, shape, "cotangent-shape",
     "linear_transpose: cotangent f32[4,5]: wanted f32[2,3], as the value has@"},
    {[] { here(); grad([](const Array& x) { here(); return sum(crooked(x)); }, "loss")(small()); }, value,
     "no-transpose", "tanh: is not linear in its operands: wanted a linear function@"},
    {[] { here(); jacfwd([](const Array& x) { here(); return matmul(x, x); }, "square")(small()); }, shape,
     "matmul-inner",
     "matmul: a f32[2,3], b f32[2,3]: wanted last dimension of a == second to last of b@, in jacfwd(square)"},
    {[] { here(); hessian(twice, "twice")(small()); }, shape, "grad-output-shape",
     "grad(twice): the function returned f32[2,3]: wanted a scalar; return wg::sum or wg::mean of it, or use wg::vjp "
     "or wg::jacrev@, in hessian(twice)"},
    {[] { here(); check_grads(biased, array({1.0, 2.0}), {}, "biased"); }, value, "check-grads",
     "check_grads(biased): forward mode, order 1, operand [0] f64[2]: got 0.167850306: wanted 0.335700611 by finite "
     "differences, within 3.35728278e-07@"},
    {[] { make_program([](const Array& x) { here(); return x.item<float>() > 0 ? x : -x; }, "branch")(array(1.f)); },
     trace,
     "trace-no-value",
     "item: x f32[] has no value while a program is recorded: wanted a concrete array; keep the branch out of the "
     "recorded function, or select with wg::where@, in make_program(branch)"},
    {[] { make_program([](const Array& x) { return sum(x) > 0 ? x : -x; }, "branch")(small()); }, trace,
     "trace-no-value",
     "bool: x bool[] has no value while a program is recorded: wanted a concrete array; keep the branch out of the "
     "recorded function, or select with wg::where, in make_program(branch)"},
    {[] { make_program([](const Array& x) { here(); return tanh(x) + other(); }, "f")(small()); }, shape, "broadcast",
     "add: a f32[2,3], b f32[4,5]: wanted shapes that broadcast: equal lengths from the last axis on, or 1@, in "
     "make_program(f)"},
    {[] { here(); grad([](const Array& x) { here(); return sum(underivable(x)); }, "loss")(small()); }, value,
     "no-derivative",
     "underivable: has no derivative rule: wanted a tangent formula in its room; wg::stop_gradient(x) makes it a "
     "constant@, in grad(loss)"},
};
INSTANTIATE_TEST_SUITE_P(Transformations, Errors, ::testing::ValuesIn(transformations));

// Programs -----------------------------------------------------------------------------------------------

/// Parses one operation on images of 4 by 4 with damaged parameters.
void parse_conv(const std::string& name, const std::string& numbers, const std::string& b = "f32[4,2,3,3]") {
  parse_program("program(a: f32[1,2,4,4], b: " + b + ") {\n  c: f32[1,4,2,2] = " + name + "(a, b) {" + numbers +
                ", image=[4,4], kernel=[3,3], dtype=f32, precision=\"highest\"}\n  return c\n}");
}
void parse_pool(const std::string& name, const std::string& numbers) {
  const std::string place = name == "max_pool" ? ", d: i32[1,2,2,2]" : "";
  parse_program("program(a: f32[1,2,4,4]) {\n  c: f32[1,2,2,2]" + place + " = " + name + "(a) {" + numbers +
                "}\n  return c\n}");
}

/// A part of an array from `start` on, where the program that is called does not know where.
void parse_sliced_in_call(int64_t start) {
  parse_program("program(a: f32[3]) {\n  b: f32[2] = call(a) {program=program(a: f32[3]) at 1 {\n"
                "    b: f32[2] = slice(a) {sizes=(2), strides=[1], dropped=[]} at [$0]\n    return b\n"
                "  }, name=\"part\"} at [" +
                std::to_string(start) + "]\n  return b\n}");
}

const Row programs[] = {
    {[] { parse_program("nonsense"); }, value, "program-parse",
     "parse_program: line 1, column 1: got \"nonsense\": wanted \"program\""},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = tanh(x)\n"); }, value, "program-parse",
     "parse_program: line 3, column 1: got the end of the text: wanted a name"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = tanhh(x)\n  return y\n}"); }, value, "program-parse",
     "parse_program: line 2, column 15: got \"tanhh(x)\": wanted the name of a primitive"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = tanh(z)\n  return y\n}"); }, value, "program-parse",
     "parse_program: line 2, column 20: got \"z)\": wanted a variable that is defined above"},
    {[] { parse_program("program(x: f31[2]) {\n  return x\n}"); }, value, "program-parse",
     "parse_program: line 1, column 11: got \" f31[2]) {\": wanted a dtype such as f32"},
    {[] { parse_program("program(x: f32[2]) {\n  return x\n} x"); }, value, "program-parse",
     "parse_program: line 3, column 3: got \"x\": wanted the end of the text"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[3] = tanh(x)\n  return y\n}"); }, value, "program-parse",
     "parse_program: line 2, equation 0, tanh: result 0 is f32[3], wanted f32[2]"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = add(x)\n  return y\n}"); }, value, "program-parse",
     "parse_program: line 2, equation 0, add: has 1 operand, wanted 2"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = add(x, 1:i32[])\n  return y\n}"); }, value,
     "program-parse",
     "parse_program: line 2, equation 0, add: a f32[2], b i32[]: wanted equal dtypes; convert with astype()"},
    {[] { parse_program("program() {\n  a: bool[2] = logical_not({1, 2}:bool[2])\n  return a\n}"); }, value, "program-parse",
     "parse_program: line 2, column 32: got \"2}:bool[2])\": wanted 0 or 1, since it is a bool"},
    {[] { parse_program("program(x: f32[2]) {\n  y: f32[2] = layer_norm(x) {eps=1, weight=false, bias=false}\n  return y\n}"); },
     value, "program-parse",
     "parse_program: line 2, equation 0, layer_norm: has eps 1, wanted a number with a point or an exponent"},
    {[] { parse_program("program(x: f32[2,3]) {\n  y: f32[2,3] = layer_norm(x) {eps=0.1, weight=true, bias=true}\n  return y\n}"); },
     value, "program-parse",
     "parse_program: line 2, equation 0, layer_norm: x f32[2,3], eps 0.1, weight true, bias true: wanted weight and bias "
     "beside x where the parameters say so"},
    {[] { parse_sliced_in_call(2); }, value, "program-parse",
     "parse_program: line 2, equation 0, call: slice: x f32[3], sizes [2], strides [1], dropped []: wanted a slice "
     "inside x, one size, stride and start for each axis"},
    {[] { parse_sliced_in_call(-1); }, value, "program-parse",
     "parse_program: line 2, equation 0, call: slice: x f32[3], sizes [2], strides [1], dropped []: wanted a slice "
     "inside x, one size, stride and start for each axis"},
    {[] { const auto p = parse_program("program(x: f32[2]) {\n  return x\n}"); here(); run(*p, {small()}); }, value,
     "program-inputs", "run: input 0 is f32[2,3]: wanted f32[2], as the program has@"},
    {[] { const auto p = parse_program("program(x: f32[2]) {\n  return x\n}"); here(); run(*p, {}); }, value,
     "program-inputs", "run: 0 inputs: wanted 1, as the program has: f32[2]@"},
    {[] { parse_conv("conv", "stride=[0,1], padding=[0,0], dilation=[1,1], groups=1"); }, value, "program-parse",
     "parse_program: line 2, equation 0, conv: x f32[1,2,4,4], w f32[4,2,3,3], stride [0,1], padding [0,0], "
     "dilation [1,1], groups 1, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted pairs of "
     "numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1"},
    {[] { parse_conv("conv", "stride=[1,1], padding=[0,0], dilation=[1,1], groups=0"); }, value, "program-parse",
     "parse_program: line 2, equation 0, conv: x f32[1,2,4,4], w f32[4,2,3,3], stride [1,1], padding [0,0], "
     "dilation [1,1], groups 0, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted pairs of "
     "numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1"},
    {[] { parse_conv("conv", "stride=[1], padding=[0,0], dilation=[1,1], groups=1"); }, value, "program-parse",
     "parse_program: line 2, equation 0, conv: x f32[1,2,4,4], w f32[4,2,3,3], stride [1], padding [0,0], "
     "dilation [1,1], groups 1, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted pairs of "
     "numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1"},
    {[] { parse_conv("conv_input", "stride=[1,0], padding=[0,0], dilation=[1,1], groups=1"); }, value,
     "program-parse",
     "parse_program: line 2, equation 0, conv_input: ct f32[1,2,4,4], w f32[4,2,3,3], stride [1,0], padding "
     "[0,0], dilation [1,1], groups 1, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted "
     "pairs of numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1"},
    {[] { parse_conv("conv_kernel", "stride=[1,1], padding=[0,0], dilation=[1,1], groups=0", "f32[1,4,2,2]"); }, value,
     "program-parse",
     "parse_program: line 2, equation 0, conv_kernel: x f32[1,2,4,4], ct f32[1,4,2,2], stride [1,1], padding "
     "[0,0], dilation [1,1], groups 0, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted "
     "pairs of numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1"},
    {[] { parse_conv("conv", "stride=[1,1], padding=[0,0], dilation=[1,1], groups=1", "f32[4,2,2,3]"); }, value,
     "program-parse",
     "parse_program: line 2, equation 0, conv: x f32[1,2,4,4], w f32[4,2,2,3], stride [1,1], padding [0,0], "
     "dilation [1,1], groups 1, image [4,4], kernel [3,3], dtype f32, precision \"highest\": wanted operands "
     "with the lengths of image and kernel"},
    {[] { parse_pool("max_pool", "size=[2,2], stride=[0,2], padding=[0,0], image=[4,4]"); }, value, "program-parse",
     "parse_program: line 2, equation 0, max_pool: x f32[1,2,4,4], size [2,2], stride [0,2], padding [0,0], "
     "image [4,4]: wanted pairs of numbers: size and stride >= 1, padding at most half the size, a window that "
     "fits on the image"},
    {[] { parse_pool("max_pool", "size=[2,2], stride=[2,2], padding=[0,0], image=[5,4]"); }, value, "program-parse",
     "parse_program: line 2, equation 0, max_pool: x f32[1,2,4,4], size [2,2], stride [2,2], padding [0,0], "
     "image [5,4]: wanted an x with the lengths of image"},
    {[] { parse_pool("window_sum", "size=[2,2], stride=[2,0], padding=[0,0], image=[4,4]"); }, value, "program-parse",
     "parse_program: line 2, equation 0, window_sum: x f32[1,2,4,4], size [2,2], stride [2,0], padding [0,0], "
     "image [4,4]: wanted pairs of numbers: size and stride >= 1, padding at most half the size, a window that "
     "fits on the image"},
    {[] { parse_pool("window_spread", "size=[2,2], stride=[0,0], padding=[0,0], image=[4,4]"); }, value,
     "program-parse",
     "parse_program: line 2, equation 0, window_spread: x f32[1,2,4,4], size [2,2], stride [0,0], padding "
     "[0,0], image [4,4]: wanted pairs of numbers: size and stride >= 1, padding at most half the size, a "
     "window that fits on the image"},
};
INSTANTIATE_TEST_SUITE_P(Programs, Errors, ::testing::ValuesIn(programs));

// Trees, layers and optimizers ---------------------------------------------------------------------------

struct Two {
  Array a, b;
};
/// A function, because g++ 12 fails at lists of layers in a member's initializer.
std::map<std::string, nn::Linear> encoder_blocks() { return {{"first", {3, 4}}}; }
/// A model of the user's own.
struct Encoder {
  std::map<std::string, nn::Linear> blocks = encoder_blocks();
  Array operator()(const Array& x) const { here(); return blocks.at("first")(x); }
};
const nn::Mode training{.training = true};
const nn::Mode keyed{.training = true, .key = random::key(0)};

const Row models[] = {
    {[] { here(); tree::unflatten(Two{}, List{small()}); }, value, "tree-leaf-count",
     "tree::unflatten: a tree of 2 arrays and 1 leaf: wanted as many leaves as the tree has arrays@"},
    {[] { here(); tree::map([](const Array& a, const Array&) { return a; }, List{small()}, List{}); }, value,
     "tree-structure",
     "tree::map: tree 1 differs from tree 0 at its root: 1 element, not 0 elements: wanted trees of equal structure@"},
    {[] {
       const auto first = [](const std::string&, const Array& a, const Array&) { return a; };
       here(); tree::map_with_path(first, List{small()}, List{});
     }, value, "tree-structure",
     "tree::map_with_path: tree 1 differs from tree 0 at its root: 1 element, not 0 elements: wanted trees of equal "
     "structure@"},
    {[] { here(); tree::merge(Two{small(), {}}, Two{small(), small()}); }, value, "tree-merge",
     "tree::merge: a f32[2,3] is defined in both trees: wanted it in one of them@"},
    {[] { here(); nn::Linear{3, 4}(small()); }, state, "nn-init",
     "Linear: no weight: wanted a layer with parameters; call net = nn::init(net, key) first@"},
    {[] { const auto net = nn::init(nn::Linear{3, 4}, random::key(0)); here(); net(other()); }, shape, "matmul-inner",
     "matmul: a f32[4,5], b f32[3,4]: wanted last dimension of a == second to last of b@"},
    {[] {
       const auto net = nn::init(nn::sequential(nn::Linear{3, 4}, relu, nn::Linear{5, 2}), random::key(0));
       here(); net(small());
     }, shape, "matmul-inner",
     "matmul: a f32[2,4], b f32[5,2]: wanted last dimension of a == second to last of b@, in layers[2] (Linear)"},
    {[] {
       const auto net = nn::init(nn::sequential(nn::Linear{3, 4}, nn::sequential(relu, nn::MaxPool2d{})), random::key(0));
       here(); nn::apply(net, small());
     }, shape, "pool-rank",
     "max_pool2d: x f32[2,4]: wanted x [N,C,H,W]@, in layers[1].layers[1] (MaxPool2d)"},
    {[] {
       const auto cut = [](const Array& x) { return reshape(x, {7}); };
       const auto net = nn::init(nn::sequential(nn::Linear{3, 4}, cut), random::key(0));
       grad([&](const auto& n, const Array& x) { here(); return sum(nn::apply(n, x).first); }, "loss")(net, small());
     }, shape, "reshape-size",
     "reshape: x f32[2,4], shape [7]: wanted a shape of the same number of elements@, in layers[1], in grad(loss)"},
    {[] { const auto net = nn::init(nn::Linear{3, 4}, random::key(0)); here(); nn::apply(net, other()); }, shape, "matmul-inner",
     "matmul: a f32[4,5], b f32[3,4]: wanted last dimension of a == second to last of b@"},
    {[] {
       const Encoder net = nn::init(Encoder(), random::key(0));
       nn::apply(net, other(), {}, std::source_location());
     }, shape, "matmul-inner",
     "matmul: a f32[4,5], b f32[3,4]: wanted last dimension of a == second to last of b@, in blocks[\"first\"] (Linear)"},
    {[] { here(); nn::init(nn::Linear{3, -4}, random::key(0)); }, shape, "shape-negative",
     "Linear: in 3, out -4: wanted sizes >= 0@"},
    {[] { here(); nn::init(nn::Conv2d{.in = 4, .out = 2, .size = {3, -3}}, random::key(0)); }, shape, "shape-negative",
     "Conv2d: in 4, out 2, height 3, width -3: wanted sizes >= 0@"},
    {[] { here(); nn::init(nn::BatchNorm{-1}, random::key(0)); }, shape, "shape-negative",
     "BatchNorm: channels -1: wanted sizes >= 0@"},
    {[] { here(); nn::init(nn::Embedding{-5, 2}, random::key(0)); }, shape, "shape-negative",
     "Embedding: count -5, size 2: wanted sizes >= 0@"},
    {[] { here(); nn::init(nn::BatchNorm{.channels = 3, .momentum = 7}, random::key(0)); }, value,
     "batch-norm-momentum",
     "BatchNorm: momentum 7: wanted a momentum from 0 to 1@"},
    {[] {
       auto net = nn::init(nn::BatchNorm{3}, random::key(0));
       net.momentum = std::nan("");
       here(); nn::apply(net, small(), training);
     }, value, "batch-norm-momentum",
     "BatchNorm: momentum nan: wanted a momentum from 0 to 1@"},
    {[] { here(); nn::apply(nn::Dropout{std::nan("")}, small(), keyed); }, value, "dropout-rate",
     "Dropout: rate nan: wanted a rate from 0 to below 1@"},
    {[] { const auto net = nn::init(nn::Conv2d{.in = 4, .out = 2}, random::key(0)); here(); net(image()); }, shape,
     "conv-channels",
     "conv2d: x f32[1,3,8,8], w f32[2,4,1,1], stride [1,1], padding [0,0], dilation [1,1], groups 1: wanted channels "
     "of x == groups * axis 1 of w, and output channels in equal groups@"},
    {[] { here(); nn::init(nn::Conv2d{.in = 4, .out = 2, .groups = 0}, random::key(0)); }, value, "conv-groups",
     "Conv2d: in 4, out 2, groups 0: wanted at least one group, and in and out in equal groups@"},
    {[] { here(); nn::init(nn::Conv2d{.in = 4, .out = 6, .groups = 3}, random::key(0)); }, value, "conv-groups",
     "Conv2d: in 4, out 6, groups 3: wanted at least one group, and in and out in equal groups@"},
    {[] { here(); nn::init(nn::Conv2d{.in = 4, .out = 6, .groups = 4}, random::key(0)); }, value, "conv-groups",
     "Conv2d: in 4, out 6, groups 4: wanted at least one group, and in and out in equal groups@"},
    {[] { here(); nn::count_correct(small(), zeros({3}, int64)); }, shape, "label-count",
     "count_correct: logits f32[2,3], labels i64[3]: wanted logits [..., classes] and a label for each row, [...]@"},
    {[] { here(); nn::count_correct(zeros({2, 0}), zeros({2}, int64)); }, shape, "class-count",
     "count_correct: logits f32[2,0]: wanted [..., classes] with at least one class@"},
    {[] { here(); nn::predicted_classes(zeros({})); }, shape, "class-count",
     "predicted_classes: logits f32[]: wanted [..., classes] with at least one class@"},
    {[] { here(); nn::apply(nn::Dropout{}, small(), training); }, value, "nn-key",
     "Dropout: a mode without a key: wanted a key to draw from; call nn::apply(net, x, {.training = true, .key = "
     "wg::random::key(0)})@"},
    {[] { here(); nn::apply(nn::Dropout{1}, small(), keyed); }, value, "dropout-rate",
     "Dropout: rate 1.000000: wanted a rate from 0 to below 1@"},
    {[] { here(); nn::apply(nn::init(nn::BatchNorm{4}, random::key(0)), small()); }, shape, "batch-norm-channels",
     "BatchNorm: f32[2,3]: wanted [N, 4, ...]@"},
    {[] { here(); nn::apply(nn::init(nn::BatchNorm{3}, random::key(0)), zeros({1, 3}), training); }, shape,
     "batch-norm-count",
     "BatchNorm: f32[1,3] in training: wanted at least two values for each channel; use a larger batch@"},
    {[] { here(); nn::LayerNorm{{4}}(small()); }, shape, "layer-norm-shape",
     "LayerNorm: f32[2,3]: wanted last axes [4]@"},
    {[] { const auto net = nn::init(nn::Embedding{5, 2}, random::key(0)); here(); net(array<int64_t>({5})); }, index,
     "index-range",
     "take: x f32[5,2], indices i64[1], index 5 on an axis of length 5: wanted an index from -5 to 4@"},
    {[] { here(); nn::mse(zeros({5, 1}), zeros({5})); }, shape, "mse-shape",
     "mse: prediction f32[5,1], target f32[5]: wanted equal shapes; [5,1] beside [5] would become [5,5]: use "
     "wg::squeeze(prediction, -1)@"},
    {[] { const auto sgd = optim::sgd(0.1); here(); sgd.update(List{small()}, sgd.init(List{small()}), List{}); },
     value,
     "optimizer-tree",
     "sgd: 1 parameter, 0 leaves of the gradient: wanted trees of one structure@"},
    {[] { const auto adam = optim::adam(0.1);
       here(); adam.update(List{none()}, adam.init(List{small()}), List{small()}); }, state,
     "optimizer-parameter",
     "adam: a gradient but no parameter for '[0]': wanted parameters; those that were moved into update() are in what "
     "it returned@"},
    {[] { const auto sgd = optim::sgd(0.1); here(); sgd.update(none(), sgd.init(none()), small()); }, state,
     "optimizer-parameter",
     "sgd: a gradient but no parameter: wanted parameters; those that were moved into update() are in what it "
     "returned@"},
    {[] { const auto adam = optim::adam(0.1);
       here(); adam.update(List{small()}, adam.init(List{none()}), List{small()}); }, state,
     "optimizer-state",
     "adam: a gradient but no state for '[0]': wanted the state that init() makes for these parameters@"},
    {[] { here(); optim::adam(-1e-3); }, value, "optimizer-option",
     "adam: rate -0.001: wanted a finite number >= 0@"},
    {[] { here(); optim::adam(1e-3, {.beta1 = 1.5}); }, value, "optimizer-option",
     "adam: beta1 1.5: wanted a number from 0 to below 1@"},
    {[] { here(); optim::adamw(1e-3, {.beta2 = 1}); }, value, "optimizer-option",
     "adam: beta2 1: wanted a number from 0 to below 1@"},
    {[] { here(); optim::sgd(std::nan("")); }, value, "optimizer-option",
     "sgd: rate nan: wanted a finite number >= 0@"},
    {[] { here(); optim::sgd(0.1, {.momentum = -0.9}); }, value, "optimizer-option",
     "sgd: momentum -0.9: wanted a finite number >= 0@"},
    {[] { here(); optim::cosine(0.1, -5); }, value, "schedule-steps",
     "cosine: -5 steps: wanted at least 1; optim::constant(rate) changes with no step@"},
    {[] { here(); optim::warm_up(0, 0.1); }, value, "schedule-steps",
     "warm_up: 0 steps: wanted at least 1; optim::constant(rate) changes with no step@"},
    {[] { here(); optim::clip_by_norm(small(), -1); }, value, "clip-norm",
     "clip_by_norm: norm -1: wanted a norm >= 0@"},
    {[] { here(); optim::clip_by_norm(small(), std::nan("")); }, value, "clip-norm",
     "clip_by_norm: norm nan: wanted a norm >= 0@"},
    {[] { const auto sgd = optim::sgd(0.1, {.momentum = 0.9});
       here(); sgd.update(small(), optim::sgd(0.1).init(small()), small()); }, state,
     "optimizer-state",
     "sgd: a gradient but no state: wanted the state that init() makes for these parameters@"},
    {[] { const auto sgd = optim::sgd(0.1); here(); sgd.update(small(), sgd.init(small()), other()); }, shape,
     "optimizer-shape",
     "sgd: parameter f32[2,3], gradient f32[4,5]: wanted a gradient of the parameter's shape@"},
    {[] { const auto adam = optim::adam(0.1); here(); adam.update(small(), adam.init(small()), f64()); }, dtype,
     "optimizer-dtype",
     "adam: parameter f32[2,3], gradient f64[2,3]: wanted a gradient of the parameter's dtype@"},
};
INSTANTIATE_TEST_SUITE_P(Models, Errors, ::testing::ValuesIn(models));

// Files --------------------------------------------------------------------------------------------------

/// A file of those bytes in the test's folder.
std::string file(const std::string& bytes) {
  const std::string path = ScratchFolder::current() + "/file";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}
std::string missing() { return ScratchFolder::current() + "/missing"; }
std::string bytes(std::initializer_list<int> values) { return std::string(values.begin(), values.end()); }
std::string saved(const Two& tree) {
  io::save_checkpoint(missing(), tree);
  return missing();
}

const Row files[] = {
    {[] { here(); data::read_idx(missing()); }, io, "idx-open",
     "read_idx: %/missing: No such file or directory: wanted a readable file@"},
    {[] { here(); data::read_idx(file(bytes({1, 2, 3, 4, 5}))); }, io, "idx-header",
     "read_idx: %/file: its first bytes are no IDX header: wanted two zero bytes, a type code and a rank of at most "
     "8@"},
    {[] { here(); data::read_idx(file(bytes({0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1}))); }, io,
     "idx-header",
     "read_idx: %/file: its header names too many elements: wanted at most 2^58@"},
    {[] { here(); data::read_idx(file(bytes({0, 0, 8, 1, 0, 0, 0, 9, 1, 2}))); }, io, "idx-truncated",
     "read_idx: %/file: it ends 7 bytes early: wanted as many elements as its header says@"},
    {[] { here(); data::read_idx(file(bytes({0, 0, 8, 1, 0, 0, 0, 1, 1, 2}))); }, io, "idx-long",
     "read_idx: %/file: it goes on after its last element: wanted as many elements as its header says@"},
    {[] { here(); data::read_idx(file(bytes({0, 0, 7, 1, 0, 0, 0, 1, 1}))); }, io, "idx-type",
     "read_idx: %/file: type code 7: wanted 8 (uint8), 12 (int32), 13 (float32) or 14 (float64)@"},
    {[] { here(); data::read_idx(file(bytes({0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 7, 7, 7, 7}))); }, io, "idx-corrupt",
     "read_idx: %/file: its compressed data is corrupt: wanted a whole gzip file; fetch it again@"},
    {[] { here(); data::fashion_mnist(missing()); }, io, "fashion-mnist-folder",
     "fashion_mnist: %/missing: no such folder: wanted the gzipped IDX files; install Debian's package "
     "dataset-fashion-mnist, or name their folder in WENGERT_DATA@"},
    {[] { here(); data::Dataset(small(), other()); }, shape, "dataset-length",
     "Dataset: x f32[2,3], y f32[4,5]: wanted equal lengths of axis 0@"},
    {[] { here(); data::Dataset(transpose(other()), zeros({5})); }, value, "dataset-memory",
     "Dataset: x f32[5,4], y f32[5]: wanted contiguous arrays with values; use wg::contiguous(x)@"},
    {[] { const data::Dataset set(small(), small()); here(); set.slice(1, 3); }, index, "dataset-range",
     "Dataset: examples 1 to 3 of 2: wanted a range inside@"},
    {[] { const data::Dataset set(small(), small()); here(); set.batches(0); }, value, "batch-size",
     "batches: got a size of 0: wanted at least 1@"},
    {[] { const data::Dataset set(small(), small()); here(); set.batches(3, true); }, value, "batch-size",
     "batches: got a size of 3, 2 examples, drop_last: wanted examples for one whole batch; take more of them, or a "
     "smaller size@"},
    {[] { here(); wengert::io::read_npy(missing()); }, io, "file-open",
     "read_npy: %/missing: No such file or directory: wanted a readable file@"},
    {[] { here(); wengert::io::read_npy(file("no array")); }, io, "npy-truncated",
     "read_npy: %/file: it ends within its header: wanted a whole .npy file; fetch it again@"},
    {[] { here(); wengert::io::read_npy(file("\x93NUMPY" + bytes({4, 0, 0, 0, 0, 0}))); }, io, "npy-version",
     "read_npy: %/file: format version 4: wanted 1, 2 or 3@"},
    {[] { here(); wengert::io::write_npz(missing(), {{std::string(70000, 'a'), small()}}); }, value, "zip-name",
     "write_npz: a name of 70004 bytes: wanted at most 65535@"},
    {[] { const std::string path = file("no folder"); here(); train::prepare_folder({.folder = path + "/run"}); }, io,
     "run-folder", "folder of the run: %/file/run: Not a directory: wanted a folder to write to@"},
    {[] {
       const char* words[] = {"mlp", "8", "--fast"};
       here(); train::parse_options(3, words, {});
     }, value, "command-line",
     "command line: got '--fast': wanted [epochs] [images] [folder] [--resume], with at least one epoch@"},
    {[] {
       const char* words[] = {"mlp", "0"};
       here(); train::parse_options(2, words, {});
     }, value, "command-line",
     "command line: got '0': wanted [epochs] [images] [folder] [--resume], with at least one epoch@"},
    {[] { here(); train::write_metrics(missing() + "/m.jsonl", {}); }, io, "file-write",
     "write_metrics: %/missing/m.jsonl.tmp: No such file or directory: wanted a folder that can be written to@"},
    {[] { here(); train::write_metrics("/dev/full", {{}}); }, io, "file-write",
     "write_metrics: /dev/full: is no regular file: wanted a name for a file@"},
    {[] { here(); train::write_report(missing() + "/r.html", {}); }, io, "file-write",
     "write_report: %/missing/r.html.tmp: No such file or directory: wanted a folder that can be written to@"},
    {[] { here(); train::write_report(missing(), {.title = "", .facts = {}, .epochs = {}, .classes = {"a"}, .confusion = {}, .mistakes = {}}); },
     value, "report-classes",
     "write_report: a confusion matrix of 0 rows, 1 classes: wanted a row for each class@"},
    {[] { here(); train::write_report(missing(), {.title = "", .facts = {}, .epochs = {}, .classes = {"a"}, .confusion = {{1, 2}}, .mistakes = {}}); },
     value, "report-classes",
     "write_report: a row of 2 numbers in the confusion matrix, 1 classes: wanted a number for each class@"},
    {[] { here(); train::write_report(missing(), {.title = "", .facts = {}, .epochs = {}, .classes = {"a"}, .confusion = {{1}}, .mistakes = {{small(), 0, -1}}}); },
     value, "report-classes",
     "write_report: a mistake of class -1: wanted a class from 0 to 0@"},
    {[] { here(); memory::set_cap(-1); }, value, "memory-size-negative",
     "set_cap: -1: wanted a number of bytes, 0 or more@"},
    {[] { here(); memory::set_cache_cap(-1); }, value, "memory-size-negative",
     "set_cache_cap: -1: wanted a number of bytes, 0 or more@"},
    {[] { here(); wengert::io::read_npz(file("no archive")); }, io, "zip-directory",
     "read_npz: %/file: its directory is missing or corrupt: wanted a whole .npz file; fetch it again@"},
    {[] { here(); wengert::io::write_npy(missing() + "/x.npy", small()); }, io, "file-write",
     "write_npy: %/missing/x.npy.tmp: No such file or directory: wanted a folder that can be written to@"},
    {[] { here(); wengert::io::load_checkpoint(missing(), Two{}); }, io, "file-open",
     "load_checkpoint: %/missing: No such file or directory: wanted a readable file@"},
    {[] { const auto path = saved({small(), {}});
       here(); wengert::io::load_checkpoint(path, Two{small(), small()}); }, value,
     "checkpoint-missing",
     "load_checkpoint: %/missing: b: is not in it: wanted f32[2,3]@"},
    {[] { const auto path = saved({small(), {}}); here(); wengert::io::load_checkpoint(path, Two{other(), {}}); },
     shape,
     "checkpoint-shape",
     "load_checkpoint: %/missing: a: is f32[2,3]: wanted f32[4,5]@"},
    {[] {
       const std::string path = missing();
       wengert::io::save_checkpoint(path, nn::Dropout{0.5});
       here(); wengert::io::load_checkpoint(path, nn::Dropout{0.25});
     }, value, "checkpoint-value",
     "load_checkpoint: %/missing: rate: was 0.5 and is 0.25: wanted the value that was saved; numbers and texts in a tree "
     "are static: give the same ones, or hold what changes in an array@"},
    {[] { const auto path = saved({small(), {}}); here(); wengert::io::load_checkpoint(path, Two{f64(), {}}); }, dtype,
     "checkpoint-dtype",
     "load_checkpoint: %/missing: a: is f32[2,3]: wanted f64[2,3]@"},
};

// clang-format on
INSTANTIATE_TEST_SUITE_P(Files, Errors, ::testing::ValuesIn(files));

}  // namespace
}  // namespace wengert::errors_testing
