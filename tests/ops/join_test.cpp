// Concatenation, splitting and padding against plain loops over indices, in every dtype and layout; derivatives,
// errors.
#include "tests/ops/shape_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"

namespace wengert::testing {
namespace {

/// The element of the concatenation at an index, found by walking along the axis.
Values concatenated(const Arrays& arrays, int axis) {
  Shape shape = arrays[0].shape();
  std::vector<Values> values;
  for (const Array& a : arrays) values.push_back(values_of(a));
  for (size_t i = 1; i < arrays.size(); ++i) shape[axis] += arrays[i].shape()[axis];
  Values result;
  for_each_index(shape, [&](Index i) {
    size_t operand = 0;
    int64_t& along = i[static_cast<size_t>(axis)];
    for (; along >= arrays[operand].shape()[axis].value(); ++operand) along -= arrays[operand].shape()[axis];
    result.push_back(values[operand][static_cast<size_t>(row_major(arrays[operand].shape(), i))]);
  });
  return result;
}

struct JoinCase {
  std::vector<Shape> shapes;
  int axis;
};
const JoinCase join_cases[] = {
    {{{3}, {4}}, 0},
    {{{5}}, 0},
    {{{2, 3}, {2, 5}, {2, 1}}, 1},
    {{{2, 3}, {5, 3}, {1, 3}}, 0},
    {{{0, 3}, {5, 3}}, 0},
    {{{2, 0}, {2, 0}}, 1},
    {{{3, 2, 4}, {3, 1, 4}, {3, 0, 4}}, 1},
    {{{30, 40}, {30, 7}}, 1},
    {{{1, 1}, {1, 1}}, 0},
    {{{0}, {0}, {2}}, 0},
};

TEST(Concatenate, PutsElementsWhereALoopPutsThem) {
  for (const JoinCase& c : join_cases) {
    for (Dtype dtype : dtypes) {
      for (Placement placement : placements) {
        Arrays arrays;
        for (const Shape& shape : c.shapes)
          arrays.push_back(counted(shape, dtype, arrays.empty() ? Placement::contiguous : placement));
        const Array y = concatenate(arrays, c.axis);
        EXPECT_EQ(y.dtype(), dtype);
        EXPECT_EQ(values_of(y), concatenated(arrays, c.axis));
        EXPECT_EQ(values_of(concatenate(arrays, c.axis - y.rank())), values_of(y));
      }
    }
  }
}

TEST(Concatenate, JoinsAnyNumberOfArrays) {
  for (size_t count : {1, 31, 32, 33, 64, 100, 1100}) {
    Arrays arrays;
    for (size_t i = 0; i < count; ++i)
      arrays.push_back(counted({2, static_cast<int64_t>(i % 3)}, float64) + static_cast<double>(i));
    const Array y = concatenate(arrays, 1);
    EXPECT_EQ(values_of(y), concatenated(arrays, 1)) << count;
    if (count > 100 || !(arrays[0].shape() == arrays[count - 1].shape())) continue;
    const Array g = grad([&](const Array& x) {
      Arrays parts = arrays;
      parts[0] = x, parts[count - 1] = x;
      return sum(concatenate(parts, 1) * concatenate(arrays, 1));
    })(arrays[count - 1]);
    EXPECT_EQ(values_of(g), values_of(count == 1 ? arrays[0] : arrays[0] + arrays[count - 1]));
  }
}

TEST(Concatenate, Promotes) {
  EXPECT_EQ(concatenate({array({1, 2}), array({0.5f})}).dtype(), float32);
  EXPECT_EQ(values_of(concatenate({array({1, 2}), array({0.5f})})), (Values{1, 2, 0.5}));
  EXPECT_EQ(concatenate({array({true}), array({uint8_t{7}})}).dtype(), uint8);
  EXPECT_EQ(concatenate({array({1.0f}), array({2.0})}).dtype(), float64);
  EXPECT_EQ(stack({array(1), array(2.5f)}).dtype(), float32);
}

/// What is computed element by element is computed where it goes: one kernel for each operand, no other.
TEST(Concatenate, ComputesOperandsWhereTheyGo) {
  const Array x = counted({6, 11}, float64), y = counted({6, 3}, float64);
  const Type* types[] = {&x.type(), &y.type()};
  const auto f = [](std::span<const Array> in) -> Arrays {
    return {concatenate({exp(in[0]) * 1e-3, in[1], in[0] - sum(in[1], 1, true)}, 1) + 0};
  };
  const auto joined = [&](std::span<const Array> in) -> Arrays {
    return {concatenate({exp(in[0]) * 1e-3, in[1] + 1}, 1)};
  };
  const Array in[] = {x, y};
  int kernels = 0;
  cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
  const Arrays got = call(call_params(record(types, joined), "test"), in);
  cpu::set_kernel_observer({});
  EXPECT_EQ(kernels, 2);
  const Arrays mixed = call(call_params(record(types, f), "test"), in);
  const cpu::OracleScope oracle;
  EXPECT_EQ(difference(values_of(got[0]), values_of(joined(in)[0]), float64, {2, 0}), "");
  EXPECT_EQ(difference(values_of(mixed[0]), values_of(f(in)[0]), float64, {4, 1e-14}), "");
}

TEST(Concatenate, GivesEveryOperandItsPartOfTheCotangent) {
  const Array a = counted({2, 3}, float64), b = counted({2, 1}, float64) + 0.5;
  check_grads([](const Array& x, const Array& y) { return sum(sin(concatenate({x, y, x}, 1))); }, std::tuple(a, b));
  const auto [da, db] = grad<0, 1>([](const Array& x, const Array& y) {
    return sum(concatenate({x, y}, 1) * array({{1.0, 2.0, 3.0, 4.0}, {5.0, 6.0, 7.0, 8.0}}));
  })(a, b);
  EXPECT_EQ(values_of(da), (Values{1, 2, 3, 5, 6, 7}));
  EXPECT_EQ(values_of(db), (Values{4, 8}));
}

TEST(Concatenate, NamesWhatIsWrong) {
  const Array x = counted({2, 3}, float32), y = counted({2, 4}, int32), z = counted({3}, float32);
  expect_error([] { concatenate({}); }, ErrorKind::value, "concatenate-empty",
               "concatenate: no arrays: wanted at least one");
  expect_error(
      [&] { concatenate({x, x, y}); }, ErrorKind::shape, "concatenate-shape",
      "concatenate: operand 0 f32[2,3], operand 2 i32[2,4], axis 0: wanted equal lengths along every axis but axis 0");
  expect_error(
      [&] { concatenate({x, z}, -1); }, ErrorKind::shape, "concatenate-shape",
      "concatenate: operand 0 f32[2,3], operand 1 f32[3], axis -1: wanted equal lengths along every axis but axis 1");
  expect_error([&] { concatenate({x, x}, 2); }, ErrorKind::shape, "axis-range",
               "concatenate: x f32[2,3], axis 2: wanted an axis from -2 to 1");
  expect_error([&] { concatenate({array(1.0f), array(2.0f)}); }, ErrorKind::shape, "concatenate-rank",
               "concatenate: operand 0 f32[]: wanted arrays with axes; stack() joins numbers");
}

TEST(Stack, AddsAnAxis) {
  const Array a = counted({2, 3}, float32), b = a + 10;
  for (int axis : {0, 1, 2, -1, -3}) {
    const Array y = stack({a, b}, axis);
    const int at = axis < 0 ? axis + 3 : axis;
    Shape shape{2, 3};
    shape.insert(at, 2);
    EXPECT_EQ(y.shape(), shape);
    Values wanted;
    for_each_index(shape, [&](Index i) {
      const int64_t which = i[static_cast<size_t>(at)];
      i.erase(i.begin() + at);
      wanted.push_back(row_major({2, 3}, i) + 10 * which);
    });
    EXPECT_EQ(values_of(y), wanted) << axis;
  }
  EXPECT_EQ(values_of(stack({array(1.0f), array(2.0f), array(3.0f)})), (Values{1, 2, 3}));
  EXPECT_EQ(stack({counted({0, 2}, int64)}, 1).shape(), (Shape{0, 1, 2}));
  check_grads([](const Array& x, const Array& y) { return sum(sin(stack({x, y, x * y}, 1))); },
              std::tuple(counted({3}, float64), counted({3}, float64) + 0.5));
  expect_error([&] { stack({a, counted({3, 2}, float32)}); }, ErrorKind::shape, "stack-shape",
               "stack: operand 0 f32[2,3], operand 1 f32[3,2]: wanted arrays of one shape");
  expect_error([&] { stack({a}, 3); }, ErrorKind::shape, "axis-range",
               "stack: operand 0 f32[2,3], axis 3: wanted an axis from -3 to 2");
  expect_error([] { stack({}); }, ErrorKind::value, "stack-empty", "stack: no arrays: wanted at least one");
}

TEST(Split, CutsIntoViews) {
  for (Placement placement : placements) {
    const Array x = counted({6, 10}, float32, placement);
    for (int axis : {0, 1, -1}) {
      const std::vector<Array> halves = split(x, 2, axis), parts = split(x, {1, 0, x.dim(axis) - 1}, axis);
      ASSERT_EQ(halves.size(), 2u);
      ASSERT_EQ(parts.size(), 3u);
      EXPECT_EQ(halves[1].dim(axis), x.dim(axis) / 2);
      EXPECT_EQ(parts[1].dim(axis).value(), 0);
      EXPECT_TRUE(shares_memory(halves[1], x));
      EXPECT_EQ(concatenated(halves, axis < 0 ? axis + 2 : axis), values_of(x));
      EXPECT_EQ(concatenated(parts, axis < 0 ? axis + 2 : axis), values_of(x));
    }
  }
  EXPECT_EQ(split(counted({0, 2}, float32), 3).size(), 3u);
  EXPECT_EQ(split(counted({4}, float32), {4}).size(), 1u);
  EXPECT_EQ(split(counted({4}, float32), 4).size(), 4u);
  check_grads(
      [](const Array& x) {
        const std::vector<Array> parts = split(x, {1, 2, 1}, 1);
        return sum(parts[0] * parts[2]) + sum(sin(parts[1]));
      },
      counted({2, 4}, float64));
}

TEST(Split, NamesWhatIsWrong) {
  const Array x = counted({2, 3}, float32);
  expect_error([&] { split(x, 2, 1); }, ErrorKind::shape, "split-sections",
               "split: x f32[2,3], 2 sections, axis 1: wanted a number of sections that divides 3");
  EXPECT_EQ(thrown_by([&] { split(x, 0); }).id(), "split-sections");
  EXPECT_EQ(thrown_by([&] { split(x, -1); }).id(), "split-sections");
  expect_error([&] { split(x, {1, 1}, -1); }, ErrorKind::shape, "split-sizes",
               "split: x f32[2,3], sizes [1,1], axis -1: wanted sizes that add up to 3");
  EXPECT_EQ(thrown_by([&] { split(x, {-1, 4}, 1); }).id(), "split-sizes");
  EXPECT_EQ(thrown_by([&] { split(x, 1, 2); }).id(), "axis-range");
}

struct PadCase {
  Shape shape;
  Axes low, high, interior;
};
const PadCase pad_cases[] = {
    {{5}, {2}, {3}, {}},
    {{5}, {0}, {0}, {2}},
    {{2, 3}, {1, 0}, {0, 2}, {}},
    {{2, 3}, {1, 2}, {1, 0}, {1, 3}},
    {{0}, {2}, {1}, {4}},
    {{0, 2}, {0, 1}, {0, 1}, {}},
    {{}, {}, {}, {}},
    {{5}, {-2}, {-1}, {}},
    {{5}, {-3}, {4}, {}},
    {{3}, {-1}, {-1}, {2}},
    {{4, 5}, {-1, 2}, {3, -6}, {0, 1}},
    {{5}, {-9}, {6}, {}},
    {{3}, {-3}, {0}, {}},
    {{30, 20}, {3, 5}, {1, 0}, {}},
};

/// Every element of the result comes from x or is the value.
Values padded(const Values& x, const PadCase& c, Real value, Shape& shape) {
  shape = Shape();
  const auto gap = [&](int d) { return c.interior.empty() ? 1 : c.interior[d] + 1; };
  for (int d = 0; d < c.shape.rank(); ++d) {
    const int64_t n = c.shape[d];
    shape.push_back(c.low[d] + (n == 0 ? 0 : (n - 1) * gap(d) + 1) + c.high[d]);
  }
  Values result;
  for_each_index(shape, [&](const Index& i) {
    Index from;
    bool inside = true;
    for (int d = 0; d < shape.rank(); ++d) {
      const int64_t along = i[static_cast<size_t>(d)] - c.low[d];
      inside = inside && along >= 0 && along % gap(d) == 0 && along / gap(d) < c.shape[d].value();
      from.push_back(along / gap(d));
    }
    result.push_back(inside ? x[static_cast<size_t>(row_major(c.shape, from))] : value);
  });
  return result;
}

TEST(Pad, PutsElementsWhereALoopPutsThem) {
  for (const PadCase& c : pad_cases) {
    for (Dtype dtype : dtypes) {
      for (Placement placement : placements) {
        const Array x = counted(c.shape, dtype, placement);
        Shape shape;
        const Values wanted = padded(values_of(x), c, 1, shape);
        const Array y = pad(x, c.low, c.high, dtype == bool_ ? Operand(true) : Operand(1), c.interior);
        EXPECT_EQ(y.shape(), shape);
        EXPECT_EQ(y.dtype(), dtype);
        EXPECT_EQ(values_of(y), wanted) << to_string(c.shape);
      }
    }
  }
  EXPECT_EQ(values_of(pad(array({1.0f, 2.0f}), {1}, {1})), (Values{0, 1, 2, 0}));
  EXPECT_EQ(pad(array({1, 2}), {1}, {1}, array(0.5f)).dtype(), float32);
}

TEST(Pad, DifferentiatesArrayAndValue) {
  for (const PadCase& c : pad_cases) {
    if (c.shape.size() > 100) continue;
    const Array x = counted(c.shape, float64);
    check_grads(
        [&](const Array& a, const Array& v) {
          const Array y = pad(a, c.low, c.high, v, c.interior);
          return sum(sin(y * y));
        },
        std::tuple(x * 0.1, array(0.7)));
  }
  const auto [dx, dv] = grad<0, 1>([](const Array& x, const Array& v) {
    return sum(pad(x, {1}, {2}, v) * array({1.0, 2.0, 3.0, 4.0, 5.0}));
  })(array({1.0, 1.0}), array(2.0));
  EXPECT_EQ(values_of(dx), (Values{2, 3}));
  EXPECT_EQ(values_of(dv), (Values{10}));
}

TEST(Pad, NamesWhatIsWrong) {
  const Array x = counted({2, 3}, float32);
  expect_error([&] { pad(x, {1}, {1, 1}); }, ErrorKind::shape, "pad-rank",
               "pad: x f32[2,3], value i64*[], low [1], high [1,1]: wanted one number for each of 2 axes");
  expect_error([&] { pad(x, {1, 1}, {1, 1}, x); }, ErrorKind::shape, "pad-value",
               "pad: x f32[2,3], value f32[2,3], low [1,1], high [1,1]: wanted a value of rank 0");
  expect_error(
      [&] { pad(x, {1, 1}, {1, 1}, 0, {0, -1}); }, ErrorKind::value, "pad-interior",
      "pad: x f32[2,3], value i64*[], low [1,1], high [1,1], interior [0,-1]: wanted an interior of 0 or more");
  expect_error([&] { pad(x, {0, -2}, {0, -2}); }, ErrorKind::shape, "pad-length",
               "pad: x f32[2,3], value i64*[], low [0,-2], high [0,-2]: wanted at least 0 elements left along axis 1");
}

TEST(Roll, MovesElementsOn) {
  const Array x = counted({2, 5}, float32);
  for (int64_t shift : {0, 1, 4, 5, 7, -1, -13}) {
    const Values wanted = gathered(values_of(x), x.shape(), x.shape(),
                                   [&](const Index& i) { return Index{i[0], ((i[1] - shift) % 5 + 5) % 5}; });
    EXPECT_EQ(values_of(roll(x, shift, 1)), wanted) << shift;
  }
  EXPECT_EQ(values_of(roll(x, 1, 0)), (Values{5, 6, 7, 8, 9, 0, 1, 2, 3, 4}));
  EXPECT_EQ(roll(counted({0, 2}, float32), 3, 0).shape(), (Shape{0, 2}));
  EXPECT_EQ(thrown_by([&] { roll(x, 1, 2); }).id(), "axis-range");
}

}  // namespace
}  // namespace wengert::testing
