// What the rules of primitives refuse that no public function hands them, since it broadcasts, converts and normalises
// first: programs come from texts as well.
#include <gtest/gtest.h>

#include "tests/errors.hpp"
#include "wengert/trace/bind.hpp"
#include "wengert/wengert.hpp"

namespace wengert {
namespace {

using enum ErrorKind;

struct Row {
  const char* primitive;
  std::vector<const Type*> operands;
  Params params;
  ErrorKind kind;
  const char* id;
  const char* text;
};

const Type* f32(const Shape& shape) { return Type::of(float32, shape); }
const Type* i64(const Shape& shape) { return Type::of(int64, shape); }
Params conv(const Axes& kernel) {
  return {Axes{1, 1}, Axes{0, 0}, Axes{1, 1}, int64_t{1}, Axes{4, 4}, kernel, float32, std::string("highest")};
}
Params product(const std::string& precision) { return {Axes{1}, Axes{0}, Axes{}, Axes{}, float32, precision}; }

TEST(Rules, RefuseWhatTheFunctionsNeverHandThem) {
  const Row rows[] = {
      {"conv",
       {f32({1, 2, 4, 4}), Type::of(float64, {4, 2, 3, 3})},
       conv({3, 3}),
       dtype,
       "conv-dtype",
       "conv: x f32[1,2,4,4], w f64[4,2,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 1, image [4,4], "
       "kernel [3,3], dtype f32, precision \"highest\": wanted equal floating dtypes"},
      {"conv",
       {f32({1, 2, 4, 4}), f32({4, 2, 3, 3})},
       conv({3, 2}),
       shape,
       "conv-image",
       "conv: x f32[1,2,4,4], w f32[4,2,3,3], stride [1,1], padding [0,0], dilation [1,1], groups 1, image [4,4], "
       "kernel [3,2], dtype f32, precision \"highest\": wanted operands with the lengths of image and kernel"},
      {"logical_not",
       {f32({2})},
       {},
       dtype,
       "dtype-bool",
       "logical_not: x f32[2]: wanted bool operands; convert with astype(bool_)"},
      {"tanh",
       {i64({2})},
       {},
       dtype,
       "dtype-inexact",
       "tanh: x i64[2]: wanted a floating dtype; convert with astype()"},
      {"add",
       {f32({2}), f32({3})},
       {},
       shape,
       "shape-equal",
       "add: a f32[2], b f32[3]: wanted equal shapes; broadcast_to() first"},
      {"where",
       {f32({2}), f32({2}), f32({2})},
       {},
       dtype,
       "where-condition",
       "where: condition f32[2], a f32[2], b f32[2]: wanted a bool condition; compare, or convert with astype(bool_)"},
      {"eye",
       {},
       {Shape{2}, int64_t{0}, float32},
       shape,
       "eye-rank",
       "eye: shape [2], diagonal 0, dtype f32: wanted a shape of rank 2"},
      {"from_diagonal",
       {f32({2})},
       {int64_t{0}, int64_t{0}, Shape{2, 2}},
       shape,
       "from-diagonal",
       "from_diagonal: x f32[2], axis1 0, axis2 0, shape [2,2]: wanted the shape of that diagonal"},
      {"sum",
       {f32({2, 3})},
       {Axes{2}, false},
       shape,
       "reduce-axes",
       "sum: x f32[2,3], axes [2], keepdims false: wanted axes of x"},
      {"softmax",
       {f32({2, 3})},
       {int64_t{2}},
       shape,
       "softmax-axis",
       "softmax: x f32[2,3], axis 2: wanted an axis of x"},
      {"pick",
       {f32({2, 0}), i64({2})},
       {},
       shape,
       "pick-classes",
       "pick: x f32[2,0], index i64[2]: wanted x with elements along its last axis"},
      {"pad",
       {f32({2}), f32({})},
       {Axes{-1}, Axes{0}, Axes{0}},
       value,
       "pad-negative",
       "pad: x f32[2], value f32[], low [-1], high [0], interior [0]: wanted no negative numbers"},
      {"take",
       {f32({2, 3}), i64({2})},
       {Axes{2}, int64_t{0}},
       shape,
       "take-axes",
       "take: x f32[2,3], indices i64[2], axes [2], at 0: wanted one index array for each axis, in the order of the "
       "axes"},
      {"take",
       {f32({2, 3}), i64({2}), i64({3})},
       {Axes{0, 1}, int64_t{0}},
       shape,
       "take-indices",
       "take: x f32[2,3], indices i64[2], indices i64[3], axes [0,1], at 0: wanted index arrays of one shape"},
      {"update_slice",
       {f32({2, 3}), f32({2, 3})},
       {Axes{1, 1}, Axes{}, std::string("max")},
       value,
       "slice-combine",
       "update_slice: x f32[2,3], y f32[2,3], strides [1,1], dropped [], combine \"max\": wanted combine set or add"},
      {"update_slice",
       {f32({2, 3}), f32({2})},
       {Axes{1, 1}, Axes{}, std::string("set")},
       shape,
       "slice-shape",
       "update_slice: x f32[2,3], y f32[2], strides [1,1], dropped [], combine \"set\": wanted y with 2 axes"},
      {"pool_scatter",
       {f32({1, 1, 2, 2}), i64({1, 1, 2, 2})},
       {Axes{2, 2}, Axes{2, 2}, Axes{0, 0}, Axes{4, 4}},
       dtype,
       "pool-place",
       "pool_scatter: ct f32[1,1,2,2], place i64[1,1,2,2], size [2,2], stride [2,2], padding [0,0], image [4,4]: wanted "
       "places of dtype int32, as max_pool returns"},
      {"dot_general",
       {f32({2, 3}), f32({3, 2})},
       product("low"),
       value,
       "product-precision",
       "dot_general: a f32[2,3], b f32[3,2], lhs_contract [1], rhs_contract [0], lhs_batch [], rhs_batch [], dtype "
       "f32, precision \"low\": wanted the precision \"highest\""},
  };
  for (const Row& row : rows) {
    const Primitive* primitive = find_primitive(row.primitive);
    ASSERT_NE(primitive, nullptr) << row.primitive;
    const auto infer = [&] { infer_types(*primitive, row.operands, row.params, {}); };
    EXPECT_EQ(test::error_of(infer, row.kind, row.id), row.text);
  }
}

}  // namespace
}  // namespace wengert
