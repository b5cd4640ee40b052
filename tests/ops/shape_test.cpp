// Functions that move elements, against plain loops over indices, in every dtype and layout; derivatives of slices and
// what they cost.
#include "tests/ops/shape_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"

namespace wengert::testing {
namespace {

// Slices -------------------------------------------------------------------------------------------------

struct SliceCase {
  Shape shape;
  Axes starts, limits, strides;
  Shape result;
};
const SliceCase slice_cases[] = {
    {{10}, {2}, {7}, {}, {5}},
    {{10}, {1}, {10}, {3}, {3}},
    {{10}, {9}, {-1}, {-1}, {10}},
    {{10}, {8}, {1}, {-3}, {3}},
    {{10}, {4}, {4}, {}, {0}},
    {{10}, {3}, {3}, {-2}, {0}},
    {{0}, {0}, {0}, {}, {0}},
    {{0}, {-1}, {-1}, {-1}, {0}},
    {{}, {}, {}, {}, {}},
    {{1, 5}, {0, 1}, {1, 4}, {7, 2}, {1, 2}},
    {{6, 7}, {1, 6}, {5, 0}, {2, -2}, {2, 3}},
    {{3, 4, 5, 2}, {2, 0, 1, 1}, {-1, 4, 5, 0}, {-2, 1, 2, -1}, {2, 4, 2, 1}},
    {{40, 30}, {3, 2}, {33, 29}, {}, {30, 27}},
};

Values sliced(const Values& x, const SliceCase& c) {
  return gathered(x, c.shape, c.result, [&](const Index& i) {
    Index at;
    for (int d = 0; d < c.shape.rank(); ++d)
      at.push_back(c.starts[d] + i[static_cast<size_t>(d)] * (c.strides.empty() ? 1 : c.strides[d]));
    return at;
  });
}

TEST(Slice, TakesWhatALoopTakes) {
  for (const SliceCase& c : slice_cases) {
    for (Dtype dtype : dtypes) {
      for (Placement placement : placements) {
        const Array x = counted(c.shape, dtype, placement);
        const Array y = slice(x, c.starts, c.limits, c.strides);
        EXPECT_EQ(y.shape(), c.result);
        EXPECT_EQ(y.dtype(), dtype);
        EXPECT_EQ(values_of(y), sliced(values_of(x), c)) << to_string(c.shape);
      }
    }
  }
}

TEST(Views, ShareMemoryAndBeginWhereTheArrayDoes) {
  for (Dtype dtype : dtypes) {
    for (Placement placement : placements) {
      const Array x = counted({3, 1, 4}, dtype, placement);
      for (const Array& y : {transpose(x), transpose(x, {1, 2, 0}), broadcast_to(x, {3, 5, 4}),
                             broadcast_to(x, {2, 3, 1, 4}), transpose(broadcast_to(x, {3, 2, 4}))}) {
        EXPECT_TRUE(shares_memory(x, y));
        EXPECT_EQ(y.node()->data, x.node()->data);
      }
    }
  }
}

TEST(Slice, IsAViewAndSoIsASliceOfIt) {
  const Array x = counted({40, 30}, float32);
  const Array y = slice(x, {38, 1}, {1, 30}, {-3, 2});
  const Array z = slice(y, {1, 14}, {12, 3}, {2, -4});
  EXPECT_TRUE(shares_memory(x, y));
  EXPECT_TRUE(shares_memory(x, z));
  EXPECT_EQ(z.node()->data, x.node()->data + ((38 - 3) * 30 + 1 + 14 * 2) * 4);
  const Values wanted = gathered(values_of(x), x.shape(), {6, 3}, [](const Index& i) {
    return Index{38 - 3 * (1 + 2 * i[0]), 1 + 2 * (14 - 4 * i[1])};
  });
  EXPECT_EQ(values_of(z), wanted);
  EXPECT_EQ(values_of(transpose(z) * 1.0), values_of(transpose(z)));
}

TEST(Slice, HasOnePlanForAllStarts) {
  const Array x = counted({50, 4}, float32);
  const auto loss = [](const Array& v) {
    Array total = sum(v) * 0;
    for (int64_t i = 0; i < v.dim(0); ++i) total = total + sum(exp(slice(v, {i, 0}, {i + 1, 4})));
    return total;
  };
  grad(loss)(slice(x, {0, 0}, {3, 4}) + 0);  // another shape
  const auto rows = [&](int64_t from) {
    for (int64_t i = from; i < from + 20; ++i) exp(detail::slice(x, {{i, 0}, {1, 4}, {1, 1}, {0}}));
  };
  rows(0);
  const int64_t plans = cpu::plan_count();
  rows(30);
  EXPECT_EQ(cpu::plan_count(), plans);
  const auto gradient_plans = [&](int64_t n) {
    const Array v = counted({n, 5}, float64);
    const int64_t before = cpu::plan_count();
    const auto f = [](const Array& a) {
      Array total = array(0.0);
      for (int64_t i = 0; i < a.dim(0); ++i) total = total + sum(detail::slice(a, {{i, 0}, {1, 5}, {1, 1}, {0}}));
      return total;
    };
    grad(f)(v);
    return cpu::plan_count() - before;
  };
  const int64_t few = gradient_plans(3), many = gradient_plans(40);
  EXPECT_LE(many, few);
}

/// The slice is computed inside the kernel of its consumer, and from a value that has no memory.
TEST(Slice, IsInlinedIntoKernels) {
  for (const SliceCase& c : slice_cases) {
    const Array x = counted(c.shape, float64);
    const Type* type = &x.type();
    const ProgramPtr program = record({&type, 1}, [&](std::span<const Array> in) -> Arrays {
      return {slice(in[0] * 2 + 1, c.starts, c.limits, c.strides) * 3, slice(in[0], c.starts, c.limits, c.strides) + 1};
    });
    const Arrays y = call(call_params(program, "test"), {&x, 1});
    Values doubled = values_of(x), wanted = sliced(values_of(x), c);
    for (Real& v : doubled) v = 2 * v + 1;
    doubled = sliced(doubled, c);
    for (Real& v : doubled) v *= 3;
    for (Real& v : wanted) v += 1;
    EXPECT_EQ(values_of(y[0]), doubled);
    EXPECT_EQ(values_of(y[1]), wanted);
  }
}

TEST(Slice, PutsItsCotangentBack) {
  for (const SliceCase& c : slice_cases) {
    const Array x = counted(c.shape, float64);
    const Array w = counted(c.result, float64) + 1;
    Values wanted(static_cast<size_t>(x.size()));
    const Values weights = values_of(w);
    Values positions;
    for (int64_t n = 0; n < x.size(); ++n) positions.push_back(n);
    const Values places = sliced(positions, c);
    for (size_t i = 0; i < places.size(); ++i) wanted[static_cast<size_t>(places[i])] += weights[i];
    const auto loss = [&](const Array& a) { return sum(slice(a, c.starts, c.limits, c.strides) * w); };
    EXPECT_EQ(values_of(grad(loss)(x)), wanted);
    const auto twice = [&](const Array& a) { return loss(a) + sum(a) + loss(a); };
    for (Real& v : wanted) v = 2 * v + 1;
    EXPECT_EQ(values_of(grad(twice)(x)), wanted);
    check_grads([&](const Array& a) { return sum(sin(slice(a, c.starts, c.limits, c.strides)) * a.size()); }, x,
                {.order = 2});
  }
}

/// n slices of one array: each adds to the one gradient in place. Rows are so short that they take no storage of their
/// own, so that the storages counted are gradients.
TEST(Slice, AccumulatesInPlace) {
  const Array x = counted({400, 4}, float32);
  const auto loss = [](const Array& a) {
    Array total = array(0.0f);
    for (int64_t i = 0; i < a.dim(0); ++i) {
      const Array row = detail::slice(a, {{i, 0}, {1, 4}, {1, 1}, {0}});
      total = total + sum(row * row);
    }
    return total;
  };
  grad(loss)(x);  // plans and kernels
  const int64_t before = memory::statistics().allocations;
  const Array g = grad(loss)(x);
  EXPECT_LE(memory::statistics().allocations - before, 2);
  EXPECT_EQ(values_of(g), values_of(x * 2));
}

TEST(Slice, NamesWhatIsWrong) {
  const Array x = counted({2, 3}, float32);
  expect_error([&] { slice(x, {0}, {2}); }, ErrorKind::shape, "slice-rank",
               "slice: x f32[2,3], starts [0], limits [2]: wanted one start, limit and stride for each of 2 axes");
  expect_error([&] { slice(x, {0, 0}, {2, 3}, {1, 0}); }, ErrorKind::value, "slice-stride",
               "slice: x f32[2,3], starts [0,0], limits [2,3], strides [1,0]: wanted strides that are not 0");
  expect_error([&] { slice(x, {0, 1}, {2, 4}); }, ErrorKind::index, "slice-range",
               "slice: x f32[2,3], starts [0,1], limits [2,4]: wanted along axis 1 0 <= start <= limit <= 3");
  expect_error(
      [&] { slice(x, {1, 2}, {-2, -1}, {-1, -1}); }, ErrorKind::index, "slice-range",
      "slice: x f32[2,3], starts [1,2], limits [-2,-1], strides [-1,-1]: wanted along axis 0 1 >= start >= limit >= "
      "-1, "
      "for a negative stride");
  EXPECT_EQ(thrown_by([&] { slice(x, {-1, 0}, {1, 1}); }).id(), "slice-range");
  EXPECT_EQ(thrown_by([&] { slice(x, {2, 0}, {1, 1}); }).id(), "slice-range");
}

/// A program that was written by hand is held to the same rules.
TEST(Slice, IsCheckedInPrograms) {
  const Type* type = Type::of(float32, {5});
  const Primitive& p = *find_primitive("slice");
  const auto infer = [&](Params params, Runtimes starts) { infer_types(p, {&type, 1}, params, runtime_span(starts)); };
  infer({Shape{2}, Axes{3}, Axes{}}, {1});
  for (int64_t start : {-1, 2, 5}) {
    EXPECT_EQ(thrown_by([&] { infer({Shape{2}, Axes{3}, Axes{}}, {start}); }).id(), "slice-place");
  }
  EXPECT_EQ(thrown_by([&] { infer({Shape{6}, Axes{1}, Axes{}}, {0}); }).id(), "slice-place");
  EXPECT_EQ(thrown_by([&] { infer({Shape{2}, Axes{0}, Axes{}}, {0}); }).id(), "slice-place");
  EXPECT_EQ(thrown_by([&] { infer({Shape{2}, Axes{1}, Axes{0}}, {0}); }).id(), "slice-place");
  EXPECT_EQ(thrown_by([&] { infer({Shape{2}, Axes{1}, Axes{}}, {}); }).id(), "slice-place");
}

TEST(UpdateSlice, ChangesWhatALoopChanges) {
  for (const SliceCase& c : slice_cases) {
    for (Dtype dtype : dtypes) {
      for (Placement placement : placements) {
        const Array x = counted(c.shape, dtype, placement), y = counted(c.result, dtype, placement);
        const detail::SlicePlace place{
            c.result.size() == 0 ? Axes(std::vector<int64_t>(static_cast<size_t>(c.shape.rank()))) : c.starts, c.result,
            c.strides.empty() ? Axes(std::vector<int64_t>(static_cast<size_t>(c.shape.rank()), 1)) : c.strides};
        Values set = values_of(x), added = values_of(x);
        Values positions;
        for (int64_t n = 0; n < x.size(); ++n) positions.push_back(n);
        const Values places = sliced(positions, c), values = values_of(y);
        for (size_t i = 0; i < places.size(); ++i) {
          const auto at = static_cast<size_t>(places[i]);
          set[at] = values[i];
          added[at] += values[i];
          if (dtype == uint8) added[at] = std::fmod(added[at], 256.0L);
        }
        const Values before = values_of(x);
        EXPECT_EQ(values_of(detail::set_slice(x, y, place)), set) << to_string(c.shape) << name(placement);
        EXPECT_EQ(values_of(x), before);
        if (dtype == bool_) continue;
        EXPECT_EQ(values_of(detail::add_to_slice(x, y, place)), added) << to_string(c.shape) << name(placement);
      }
    }
  }
}

/// An operand that was given away is changed where it lies, by one kernel; otherwise a second one copies it first.
TEST(UpdateSlice, CopiesNoMoreThanItMust) {
  const Array y = counted({3}, float64);
  const Params params{Axes{1, 1}, Axes{0}, "add"};
  for (bool given_up : {true, false}) {
    Arrays in{counted({29, 3}, float64), y}, out(1);
    const std::byte* memory = in[0].node()->data;
    int kernels = 0;
    cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
    bind_donating(*find_primitive("update_slice"), in, given_up ? 1 : 0, params, {7, 0}, out);
    cpu::set_kernel_observer({});
    EXPECT_EQ(kernels, given_up ? 1 : 2);
    EXPECT_EQ(out[0].node()->data == memory, given_up);
    EXPECT_EQ(values_of(slice(out[0], {7, 0}, {8, 3})), (Values{21, 23, 25}));
  }
}

/// Several in a row, in one program: the first copies, the others write where it wrote.
TEST(UpdateSlice, FollowsUpdatesInOneProgram) {
  const Array x = counted({6, 4}, float64), y = counted({2, 4}, float64) + 100;
  const auto f = [](std::span<const Array> in) -> Arrays {
    Array a = in[0];
    for (int64_t i = 0; i < 5; ++i) a = detail::add_to_slice(a, in[1] * 2, {{i, 0}, {2, 4}, {1, 1}});
    const Array b = detail::set_slice(a, in[1], {{4, 0}, {2, 4}, {1, 1}});
    return {a, b, b * 2};
  };
  const Type* types[] = {&x.type(), &y.type()};
  const Array in[] = {x, y};
  const Arrays got = call(call_params(record(types, f), "test"), in);
  const cpu::OracleScope oracle;
  const Arrays wanted = f(in);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(values_of(got[i]), values_of(wanted[i])) << i;
}

/// A sum written over an operand that was given away, and a view of it.
TEST(Views, OfAResultInMemoryGivenAway) {
  const Array y = counted({20, 30}, float32);
  const Type* types[] = {&y.type(), &y.type()};
  const ProgramPtr program = record(types, [](std::span<const Array> in) -> Arrays {
    const Array s = in[0] + in[1];
    return {s, transpose(s), slice(s, {3, 29}, {4, -1}, {1, -7})};
  });
  const Arrays wanted = call(call_params(program, "test"), Arrays{y, y});
  Arrays in{y, y + 0}, got(3);
  const std::byte* given = in[1].node()->data;
  bind_donating(call_primitive, in, 2, call_params(program, "test"), {}, got);
  EXPECT_EQ(got[0].node()->data, given);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(values_of(got[i]), values_of(wanted[i])) << i;
}

// Flip, expand, squeeze ----------------------------------------------------------------------------------

TEST(Flip, ReversesAxes) {
  struct Case {
    Shape shape;
    Axes axes;
  };
  for (const auto& [shape, axes] : {Case{{5}, {}}, Case{{3, 4}, {0}}, Case{{3, 4}, {-1}}, Case{{2, 3, 4}, {0, -1}},
                                    Case{{2, 1, 4}, {}}, Case{{}, {}}, Case{{0, 3}, {}}, Case{{3, 0}, {0}}}) {
    for (Dtype dtype : dtypes) {
      for (Placement placement : placements) {
        const Array x = counted(shape, dtype, placement), y = flip(x, axes);
        const Values wanted = gathered(values_of(x), shape, shape, [&, &shape = shape, &axes = axes](Index i) {
          for (int d = 0; d < shape.rank(); ++d) {
            if (axes.empty() || axes.contains(d) || axes.contains(d - shape.rank()))
              i[static_cast<size_t>(d)] = shape[d] - 1 - i[static_cast<size_t>(d)];
          }
          return i;
        });
        EXPECT_EQ(values_of(y), wanted) << to_string(shape);
        EXPECT_EQ(values_of(flip(y, axes)), values_of(x));
        EXPECT_TRUE(shape.size() == 0 || shares_memory(x, y));
      }
    }
  }
  const Array x = counted({2, 3}, float64);
  check_grads([](const Array& a) { return sum(sin(flip(a, {1})) * array({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}})); }, x);
  expect_error([&] { flip(x, {2}); }, ErrorKind::shape, "axis-range",
               "flip: x f64[2,3], axis 2: wanted an axis from -2 to 1");
  EXPECT_EQ(thrown_by([&] { flip(x, {0, -2}); }).id(), "axis-repeated");
}

TEST(Expand, InsertsAxesOfLengthOne) {
  for (Dtype dtype : dtypes) {
    for (Placement placement : placements) {
      const Array x = counted({5, 7}, dtype, placement);
      const auto expect = [&](const Array& y, const Shape& shape) {
        EXPECT_EQ(y.shape(), shape);
        EXPECT_EQ(values_of(y), values_of(x));
        EXPECT_TRUE(shares_memory(x, y));
        EXPECT_EQ(y.node()->data, x.node()->data);
        EXPECT_EQ(values_of(squeeze(y)), values_of(x));
        EXPECT_EQ(squeeze(y).shape(), x.shape());
      };
      expect(expand(x, 0), {1, 5, 7});
      expect(expand(x, -1), {5, 7, 1});
      expect(expand(x, {1, 3}), {5, 1, 7, 1});
      expect(expand(x, {-1, 0, 2}), {1, 5, 1, 7, 1});
      expect(expand(x, {}), {5, 7});
    }
  }
  EXPECT_EQ(expand(array(3.0f), {0, 1}).shape(), (Shape{1, 1}));
  EXPECT_EQ(expand(counted({0, 2}, float32), 1).shape(), (Shape{0, 1, 2}));
  const Array x = counted({2, 3}, float32);
  expect_error([&] { expand(x, 3); }, ErrorKind::shape, "axis-range",
               "expand: x f32[2,3], axes [3]: wanted axes from -3 to 2");
  expect_error([&] { expand(x, {1, -3}); }, ErrorKind::shape, "axis-repeated",
               "expand: x f32[2,3], axes [1,-3]: wanted each axis once");
  expect_error([&] { expand(x, {0, 1, 2, 3, 4, 5, 6}); }, ErrorKind::shape, "expand-rank",
               "expand: x f32[2,3], axes [0,1,2,3,4,5,6]: wanted at most 8 axes in the result");
}

TEST(Squeeze, RemovesAxesOfLengthOne) {
  const Array x = counted({1, 5, 1, 7, 1}, float32, Placement::strided);
  EXPECT_EQ(squeeze(x).shape(), (Shape{5, 7}));
  EXPECT_EQ(squeeze(x, {0, -1}).shape(), (Shape{5, 1, 7}));
  EXPECT_EQ(squeeze(x, 2).shape(), (Shape{1, 5, 7, 1}));
  EXPECT_EQ(values_of(squeeze(x, 2)), values_of(x));
  EXPECT_TRUE(shares_memory(squeeze(x), x));
  EXPECT_EQ(squeeze(counted({1, 1}, float32)).shape(), Shape{});
  EXPECT_EQ(squeeze(counted({1, 0}, float32)).shape(), Shape{0});
  check_grads([](const Array& a) { return sum(sin(expand(squeeze(a), 1))); }, counted({1, 3, 1}, float64));
  expect_error([&] { squeeze(x, {0, 1}); }, ErrorKind::shape, "squeeze-length",
               "squeeze: x f32[1,5,1,7,1], axis 1: wanted axes of length 1");
  EXPECT_EQ(thrown_by([&] { squeeze(x, 5); }).id(), "axis-range");
}

}  // namespace
}  // namespace wengert::testing
