// Reading and writing by indices against plain loops: values, derivatives, indices outside, threads, memory.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/errors.hpp"
#include "tests/ops/primitive_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/trace/call.hpp"
#include "wengert/trace/recorder.hpp"
#include "wengert/wengert.hpp"

namespace wengert::testing {
namespace {

using test::error_of;

/// 0, 1, 2, ... in that shape.
Array counting(const Shape& shape, Dtype dtype = float32) { return reshape(arange(shape.size()), shape).astype(dtype); }

Array indices(std::initializer_list<int64_t> list) { return array(std::vector<int64_t>(list)); }

/// Pseudorandom indices from -length to length - 1, many of them equal.
Array many_indices(int64_t count, int64_t length) {
  std::mt19937_64 engine(17);
  std::vector<int64_t> list;
  for (int64_t i = 0; i < count; ++i)
    list.push_back(static_cast<int64_t>(engine() % static_cast<uint64_t>(2 * length)) - length);
  return array(list);
}

/// f with kernels on one thread and on two, and in the plain evaluator: one result, one error.
template <class F>
void everywhere(F f) {
  const int before = cpu::threads();
  for (int threads : {1, 2}) {
    cpu::set_threads(threads);
    f();
  }
  cpu::set_threads(before);
  const cpu::OracleScope oracle;
  f();
}

// Values -------------------------------------------------------------------------------------------------

TEST(Take, GathersAlongAnAxis) {
  const Array x = counting({3, 4});
  everywhere([&] {
    EXPECT_EQ(values_of(take(x, indices({2, 0, -1}))), (Values{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
    EXPECT_EQ(values_of(take(x, indices({1, -4}), 1)), (Values{1, 0, 5, 4, 9, 8}));
    const Array square = take(x, array({{0, 1}, {-1, -2}}), -1);
    EXPECT_EQ(square.shape(), (Shape{3, 2, 2}));
    EXPECT_EQ(values_of(square), (Values{0, 1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10}));
    EXPECT_EQ(values_of(take(x, array(int64_t{1}))), (Values{4, 5, 6, 7}));
    EXPECT_EQ(take(x, array(std::vector<int64_t>())).shape(), (Shape{0, 4}));
  });
}

TEST(Take, TakesEveryDtype) {
  for (Dtype dtype : {bool_, uint8, int32, int64, float32, float64}) {
    const Array x = contiguous_array({1, 0, 1, 1}, dtype, {4});
    for (Dtype index : {uint8, int32, int64}) {
      const Array y = take(x, contiguous_array({1, 3, 1}, index, {3}));
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_EQ(values_of(y), (Values{0, 1, 0}));
    }
    if (dtype == bool_) continue;
    const Array operands[] = {x, contiguous_array({5, 6}, dtype, {2}), indices({1, -1})};
    EXPECT_EQ(values_of(wengert::bind(*find_primitive("scatter_add"), operands, {Axes{0}, int64_t{0}})),
              (Values{1, 5, 1, 7}));
    EXPECT_EQ(values_of(wengert::bind(*find_primitive("scatter_set"), operands, {Axes{0}, int64_t{0}})),
              (Values{1, 5, 1, 6}));
  }
}

TEST(TakeAlongAxis, BroadcastsTheOtherAxes) {
  const Array x = counting({2, 3});
  everywhere([&] {
    EXPECT_EQ(values_of(take_along_axis(x, array({{int64_t{2}, int64_t{-3}}, {int64_t{0}, int64_t{1}}}), 1)),
              (Values{2, 0, 3, 4}));
    EXPECT_EQ(values_of(take_along_axis(x, array({{int64_t{1}}}), 1)), (Values{1, 4}));
    EXPECT_EQ(values_of(add_along_axis(x, array({{10.f}, {20.f}}), array({{int64_t{1}}, {int64_t{-1}}}), 1)),
              (Values{0, 11, 2, 3, 4, 25}));
  });
}

TEST(DynamicSlice, ReadsAndReplacesABlock) {
  const Array x = counting({3, 4});
  const std::vector<Array> starts = {array(int64_t{1}), array(-3)};
  everywhere([&] {
    EXPECT_EQ(values_of(dynamic_slice(x, starts, {2, 3})), (Values{5, 6, 7, 9, 10, 11}));
    EXPECT_EQ(values_of(dynamic_update_slice(x, array({{-1.f, -2.f}}), starts)),
              (Values{0, 1, 2, 3, 4, -1, -2, 7, 8, 9, 10, 11}));
  });
}

/// One kernel serves every start.
TEST(DynamicSlice, CompilesOneKernelForAllStarts) {
  const Array x = counting({100});
  dynamic_slice(x, {array(int64_t{0})}, {5});
  int kernels = 0;
  cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
  for (int64_t i = 0; i <= 95; ++i) EXPECT_EQ(values_of(dynamic_slice(x, {array(i)}, {5}))[0], i);
  cpu::set_kernel_observer({});
  EXPECT_EQ(kernels, 0);
}

// Indices outside ----------------------------------------------------------------------------------------

TEST(IndexOutside, IsAnErrorThatNamesIt) {
  const Array x = counting({5, 3});
  const auto scatter = [&](const char* name, std::initializer_list<int64_t> list) {
    const Array operands[] = {x, ones({static_cast<int64_t>(list.size()), 3}), indices(list)};
    const CallScope scope(x);
    return wengert::bind(*find_primitive(name), operands, {Axes{0}, int64_t{0}});
  };
  everywhere([&] {
    EXPECT_EQ(error_of([&] { take(x, indices({0, 5, 1})); }, ErrorKind::index, "index-range"),
              "take: x f32[5,3], indices i64[3], index 5 on an axis of length 5: wanted an index from -5 to 4");
    EXPECT_EQ(error_of([&] { take(x, array({{int64_t{1}}, {int64_t{-4}}}), 1); }, ErrorKind::index, "index-range"),
              "take: x f32[5,3], indices i64[2,1], index -4 on an axis of length 3: wanted an index from -3 to 2");
    EXPECT_EQ(
        error_of([&] { take(x, indices({INT64_MIN})); }, ErrorKind::index, "index-range"),
        "take: x f32[5,3], indices i64[1], index -9223372036854775808 on an axis of length 5: wanted an index from -5 "
        "to 4");
    EXPECT_EQ(
        error_of([&] { take_along_axis(x, array({{int64_t{7}}}), 0); }, ErrorKind::index, "index-range"),
        "take_along_axis: x f32[5,3], indices i64[1,3], index 7 on an axis of length 5: wanted an index from -5 to 4");
    EXPECT_EQ(
        error_of([&] { dynamic_slice(x, {array(int64_t{3}), array(int64_t{1})}, {3, 2}); }, ErrorKind::index,
                 "index-range"),
        "dynamic_slice: x f32[5,3], start i64[], start i64[], index 3 on an axis of length 5: wanted an index from -5 "
        "to 2");
    EXPECT_EQ(
        error_of([&] { dynamic_slice(x, {array(int64_t{-2}), array(int64_t{1})}, {3, 2}); }, ErrorKind::index,
                 "index-range"),
        "dynamic_slice: x f32[5,3], start i64[], start i64[], index -2 on an axis of length 5: wanted an index from "
        "-5 to 2");
    EXPECT_EQ(
        error_of([&] { dynamic_update_slice(x, ones({2, 2}), {array(int64_t{4}), array(int64_t{0})}); },
                 ErrorKind::index, "index-range"),
        "dynamic_update_slice: x f32[5,3], update f32[2,2], start i64[], start i64[], index 4 on an axis of length 5: "
        "wanted an index from -5 to 3");
    for (const char* name : {"scatter_add", "scatter_set"}) {
      EXPECT_EQ(
          error_of([&] { scatter(name, {2, 6}); }, ErrorKind::index, "index-range"),
          std::string(name) +
              ": x f32[5,3], values f32[2,3], indices i64[2], index 6 on an axis of length 5: wanted an index from -5 "
              "to 4");
    }
    EXPECT_EQ(values_of(x), values_of(counting({5, 3})));
  });
}

/// Among so many that two threads share them.
TEST(IndexOutside, IsFoundByAnyThread) {
  const Array x = counting({1000});
  for (int64_t place : {0, 300000, 599999}) {
    std::vector<int64_t> list(600000, 7);
    list[static_cast<size_t>(place)] = 1000;
    error_of([&] { take(x, array(list)); }, ErrorKind::index, "index-range");
  }
}

/// In a kernel that does more than take, and in what is derived from it.
TEST(IndexOutside, IsFoundInFusedKernels) {
  const Array x = counting({5, 3}), good = indices({4, 0}), bad = indices({0, -6});
  const Type* types[] = {&x.type(), &good.type()};
  const ProgramPtr program =
      record(types, [](std::span<const Array> in) -> Arrays { return {sum(tanh(take(in[0] * 2, in[1])))}; });
  const Params params = call_params(program, "fused");
  int kernels = 0;
  cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
  const auto f = [&](const Array& a, const Array& i) {
    const CallScope scope(a);
    const Array in[] = {a, i};
    return call(params, in)[0];
  };
  f(x, good);
  cpu::set_kernel_observer({});
  EXPECT_EQ(kernels, 1);
  everywhere([&] {
    EXPECT_EQ(error_of([&] { f(x, bad); }, ErrorKind::index, "index-range"),
              "fused: x f32[5,3], x i64[2], index -6 on an axis of length 5: wanted an index from -5 to 4");
    error_of([&] { grad([&](const Array& a) { return f(a, bad); })(x); }, ErrorKind::index, "index-range");
  });
}

/// Rows, columns, and long sums that are cut into pieces: values and errors.
TEST(IndexOutside, IsFoundInEverySchedule) {
  const int64_t rows = 300, width = 40, count = 200000;
  const Array table = counting({rows, width}, int64), good = many_indices(count, rows);
  std::vector<int64_t> list = good.to_vector<int64_t>();
  Values by_column(static_cast<size_t>(width));
  for (int64_t i : list) {
    for (int64_t j = 0; j < width; ++j)
      by_column[static_cast<size_t>(j)] += static_cast<Real>((i < 0 ? i + rows : i) * width + j);
  }
  const Real total = std::accumulate(by_column.begin(), by_column.end(), Real(0));
  list[123456] = rows;
  const Array bad = array(list);
  const Type* types[] = {&table.type(), &good.type()};
  const auto program = [&](const auto& f) {
    return call_params(record(types, [&](std::span<const Array> in) -> Arrays { return {f(take(in[0], in[1]))}; }));
  };
  const Params sums[] = {program([](const Array& y) { return sum(y); }),
                         program([](const Array& y) { return sum(y, {0}); }),
                         program([](const Array& y) { return sum(sum(y, {1})); })};
  for (int threads : {1, 2}) {
    cpu::set_threads(threads);
    for (const Params& f : sums) {
      const Array right[] = {table, good}, wrong[] = {table, bad};
      const CallScope scope(table);
      const Values got = values_of(call(f, right)[0]);
      EXPECT_EQ(got, got.size() == 1 ? Values{total} : by_column);
      error_of([&] { call(f, wrong); }, ErrorKind::index, "index-range");
    }
  }
}

TEST(IndexErrors, OfShapesAndDtypes) {
  const Array x = counting({5, 3});
  EXPECT_EQ(error_of([&] { take(x, array({1.f, 2.f})); }, ErrorKind::dtype, "index-dtype"),
            "take: x f32[5,3], indices f32[2], axes [0], at 0: wanted indices of an integer dtype; convert with "
            "astype(wg::int64)");
  EXPECT_EQ(error_of([&] { take(x, array({true, false})); }, ErrorKind::dtype, "index-dtype"),
            "take: x f32[5,3], indices bool[2], axes [0], at 0: wanted indices of an integer dtype; convert with "
            "astype(wg::int64)");
  EXPECT_EQ(error_of([&] { take(x, indices({0}), 2); }, ErrorKind::shape, "axis-range"),
            "take: x f32[5,3], axis 2: wanted an axis from -2 to 1");
  EXPECT_EQ(error_of([&] { take(zeros({0, 3}), indices({0})); }, ErrorKind::index, "index-empty"),
            "take: x f32[0,3], indices i64[1], axes [0], at 0: wanted no indices, since axis 0 has no elements");
  EXPECT_EQ(
      error_of([&] { take_along_axis(x, indices({0}), 0); }, ErrorKind::shape, "take-along-axis"),
      "take_along_axis: x f32[5,3], indices i64[1], axis 0: wanted equal lengths of x and indices but along the axis");
  EXPECT_EQ(
      error_of([&] { dynamic_slice(x, {array(int64_t{0})}, {2, 2}); }, ErrorKind::shape, "dynamic-slice"),
      "dynamic_slice: x f32[5,3], start i64[], sizes [2,2]: wanted one start of rank 0 for each axis, and a block not "
      "larger than x");
  EXPECT_EQ(
      error_of([&] { dynamic_update_slice(x, ones({2, 2}, float64), {array(0), array(0)}); }, ErrorKind::dtype,
               "dtype-equal"),
      "dynamic_update_slice: x f32[5,3], update f64[2,2], start i32[], start i32[]: wanted an update of x's dtype; "
      "convert with astype()");
  EXPECT_EQ(
      error_of([&] { add_along_axis(x, ones({2, 3}), zeros({1, 3}, int64), 0); }, ErrorKind::shape, "index-values"),
      "add_along_axis: x f32[5,3], values f32[2,3], indices i64[1,3], axis 0: wanted values of shape [1,3]");
}

// Gradients ----------------------------------------------------------------------------------------------

TEST(TakeGradient, AddsWhatWasTakenMoreThanOnce) {
  const int64_t rows = 50, width = 24, count = 4000;
  const Array x = counting({rows, width}), at = many_indices(count, rows);
  const Array weights = sin(counting({count, width}));
  const std::vector<float> w = weights.to_vector<float>();
  std::vector<float> wanted(static_cast<size_t>(rows * width));
  const std::vector<int64_t> list = at.to_vector<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row =
        list[static_cast<size_t>(i)] < 0 ? list[static_cast<size_t>(i)] + rows : list[static_cast<size_t>(i)];
    for (int64_t j = 0; j < width; ++j)
      wanted[static_cast<size_t>(row * width + j)] += w[static_cast<size_t>(i * width + j)];
  }
  const auto loss = [&](const Array& a) { return sum(take(a, at) * weights); };
  everywhere([&] { EXPECT_EQ(grad(loss)(x).to_vector<float>(), wanted); });  // bit for bit: in the order of the indices
}

/// The other layouts: the axis that threads share is not the last one, or there is none.
TEST(TakeGradient, IsTheSameOnAnyNumberOfThreads) {
  for (const auto& [shape, axis] : {std::pair<Shape, int64_t>{{64, 300}, 1}, {{300}, 0}, {{8, 300, 3}, 1}}) {
    const int64_t n = shape[static_cast<int>(axis)];
    const Array x = counting(shape), at = many_indices(30000, n);
    const Array weights = sin(take(x, at, axis));
    const auto loss = [&, axis = axis](const Array& a) { return sum(take(a, at, axis) * weights); };
    std::vector<std::string> bits;
    everywhere([&] { bits.push_back(bytes_of(grad(loss)(x))); });
    EXPECT_TRUE(bits[0] == bits[1]);
    EXPECT_TRUE(bits[0] == bits[2]);
  }
}

/// A table of 4 MB, from which 200 rows are taken one after the other: its gradient is allocated once.
TEST(TakeGradient, OfManyTakesTouchesWhatTheyTook) {
  const Array table = zeros({16384, 64});
  const auto loss = [&](const Array& t) {
    Array total = array(0.f);
    for (int64_t i = 0; i < 200; ++i) total = total + sum(take(t, indices({i * 80, i})));
    return total;
  };
  Array g = grad(loss)(table);
  memory::reset_peak();
  const int64_t before = memory::statistics().current;
  g = grad(loss)(table);
  EXPECT_LT(memory::statistics().peak - before, table.nbytes() * 3 / 2);
  EXPECT_EQ(sum(g).item<float>(), 400 * 64);
}

TEST(ScatterSet, LeavesTheLastOfThoseThatMeet) {
  const Array x = zeros({4}), v = array({1.f, 2.f, 3.f});
  const auto set = [](const Array& a, const Array& b) {
    const Array operands[] = {a, b, indices({2, 0, 2})};
    return wengert::bind(*find_primitive("scatter_set"), operands, {Axes{0}, int64_t{0}});
  };
  everywhere([&] {
    EXPECT_EQ(values_of(set(x, v)), (Values{2, 0, 3, 0}));
    const auto [dx, dv] =
        grad<0, 1>([&](const Array& a, const Array& b) { return sum(set(a, b) * array({5.f, 6.f, 7.f, 8.f})); })(x, v);
    EXPECT_EQ(values_of(dx), (Values{0, 6, 0, 8}));
    EXPECT_EQ(values_of(dv), (Values{0, 5, 7}));
  });
}

// Index expressions --------------------------------------------------------------------------------------

using Json = nlohmann::json;

Shape decode_shape(const Json& json) {
  Shape shape;
  for (const Json& length : json) shape.push_back(length.get<int64_t>());
  return shape;
}

Values decode_values(const Json& json) {
  Values values;
  for (const Json& v : json) values.push_back(static_cast<Real>(v.get<int64_t>()));
  return values;
}

Index decode_index(const Json& json) {
  if (json.is_number()) return json.get<int64_t>();
  if (json == "new_axis") return new_axis;
  if (json == "ellipsis") return ellipsis;
  if (json.contains("values"))
    return contiguous_array(decode_values(json["values"]), int64, decode_shape(json["shape"]));
  const auto bound = [&](const char* name) {
    return json[name].is_null() ? std::optional<int64_t>() : std::optional<int64_t>(json[name].get<int64_t>());
  };
  return range(bound("begin"), bound("end"), json["step"].get<int64_t>());
}

/// The committed list of 40: see tests/fixtures/make_numpy_index_answers.py.
TEST(IndexExpression, GivesNumpysAnswers) {
  std::ifstream file(WENGERT_SOURCE_DIR "/tests/fixtures/numpy_index_answers.json");
  ASSERT_TRUE(file.is_open());
  const Json json = Json::parse(file);
  ASSERT_EQ(json["cases"].size(), 40u);
  everywhere([&] {
    for (const Json& recorded : json["cases"]) {
      const std::string what = recorded["text"].get<std::string>() + " of x " + to_string(decode_shape(recorded["x"]));
      const Array x = counting(decode_shape(recorded["x"]), float64);
      std::vector<Index> index;
      for (const Json& part : recorded["index"]) index.push_back(decode_index(part));
      const auto at = [&](const Array& a) { return IndexedArray(a, index); };
      const Array read = at(x).get();
      EXPECT_EQ(read.shape(), decode_shape(recorded["shape"])) << what;
      EXPECT_EQ(values_of(read), decode_values(recorded["read"])) << what;
      const Array v = counting(read.shape(), float64) + 1000;
      EXPECT_EQ(values_of(at(x).set(v)), decode_values(recorded["set"])) << what;
      EXPECT_EQ(values_of(at(x).add(v)), decode_values(recorded["added"])) << what;
      const Array gradient = grad([&](const Array& a) { return sum(at(a).get() * v); })(x);
      EXPECT_EQ(values_of(gradient), decode_values(recorded["gradient"])) << what;
      // What was added reaches the result where it was read; what was set, where it stayed.
      const Array weights = counting(x.shape(), float64) + 1,
                  dv = grad([&](const Array& a) { return sum(at(x).add(a) * weights); })(v);
      EXPECT_EQ(values_of(dv), values_of(at(weights).get())) << what;
      check_grads([&](const Array& a, const Array& b) { return at(a).set(b); }, std::tuple{x, v});
    }
  });
}

TEST(IndexExpression, ReadsAsItIsWritten) {
  const Array x = counting({3, 4}), at = indices({2, 0});
  EXPECT_EQ(values_of(x[1]), (Values{4, 5, 6, 7}));
  EXPECT_EQ(values_of(x[x.dim(0).value() - 1]), (Values{8, 9, 10, 11}));
  EXPECT_EQ(values_of(x[-1][-2]), (Values{10}));
  EXPECT_EQ(values_of(x[range(1, {})]), (Values{4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(x[{range(), range({}, {}, -3)}]), (Values{3, 0, 7, 4, 11, 8}));
  EXPECT_EQ(values_of(x[{ellipsis, 0}]), (Values{0, 4, 8}));
  EXPECT_EQ((x[{0, new_axis}].shape()), (Shape{1, 4}));
  EXPECT_EQ(values_of(x[{at, 1}]), (Values{9, 1}));
  EXPECT_EQ(values_of(x[at]), (Values{8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_EQ(values_of(x[{}]), values_of(x));
  EXPECT_EQ(values_of(x[array(int64_t{1})]), (Values{4, 5, 6, 7}));
  EXPECT_EQ(values_of(x.at(1, range(0, 2)).set(-1.5)), (Values{0, 1, 2, 3, -1.5, -1.5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(x.at(at).add(array({10.f, 20.f, 30.f, 40.f}))),
            (Values{10, 21, 32, 43, 4, 5, 6, 7, 18, 29, 40, 51}));
  EXPECT_EQ(values_of(x.at(new_axis, 0, at).add(1)), (Values{1, 1, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(counting({4}, int64).at(1).set(7)), (Values{0, 7, 2, 3}));
  EXPECT_EQ(values_of(array({true, true}).at(0).set(false)), (Values{0, 1}));
}

TEST(IndexExpression, IsAViewWhereItCanBe) {
  const Array x = counting({3, 40});
  const float* data = x.span<float>().data();
  EXPECT_EQ(x[1].span<float>().data(), data + 40);
  EXPECT_EQ((x[{2, range(5, 9)}].span<float>().data()), data + 85);
  EXPECT_EQ((x[{range(1, 3), new_axis}].span<float>().data()), data + 40);
}

TEST(IndexExpression, Errors) {
  const Array x = counting({5, 3});
  const auto text = [&](const char* rest) { return std::string(rest); };
  EXPECT_EQ(error_of([&] { x[5]; }, ErrorKind::index, "index-range"),
            text("x[...]: x f32[5,3], index 5 on axis 0 of length 5: wanted an index from -5 to 4"));
  EXPECT_EQ(error_of([&] { x[{range(), -4}]; }, ErrorKind::index, "index-range"),
            text("x[...]: x f32[5,3], index -4 on axis 1 of length 3: wanted an index from -3 to 2"));
  EXPECT_EQ(error_of([&] { zeros({0})[0]; }, ErrorKind::index, "index-range"),
            text("x[...]: x f32[0], index 0 on axis 0 of length 0: wanted none, since the axis has no elements"));
  EXPECT_EQ(error_of([&] { x[{0, 1, new_axis, 2}]; }, ErrorKind::index, "index-count"),
            text("x[...]: x f32[5,3], 3 indices: wanted at most one for each of 2 axes"));
  EXPECT_EQ(error_of([&] { x[{ellipsis, 0, ellipsis}]; }, ErrorKind::value, "index-ellipsis"),
            text("x[...]: x f32[5,3], two ellipses: wanted one at most"));
  EXPECT_EQ(error_of([&] { x[range(0, 3, 0)]; }, ErrorKind::value, "index-step"),
            text("x[...]: x f32[5,3], range step 0: wanted a step other than 0"));
  EXPECT_EQ(error_of([&] { x[x > 2]; }, ErrorKind::dtype, "index-mask"),
            text("x[...]: x f32[5,3], mask bool[5,3]: wanted integers: the shape of the result would depend on values; "
                 "choose with wg::where(mask, a, b)"));
  EXPECT_EQ(
      error_of([&] { x[array({1.f})]; }, ErrorKind::dtype, "index-dtype"),
      text("x[...]: x f32[5,3], indices f32[1]: wanted indices of an integer dtype; convert with astype(wg::int64)"));
  EXPECT_EQ(
      error_of([&] { x[{indices({0, 1}), indices({0, 1, 2})}]; }, ErrorKind::shape, "index-arrays"),
      text(
          "x[...]: x f32[5,3], indices i64[2], i64[3]: wanted index arrays that broadcast: equal lengths from the last "
          "axis on, or 1"));
  EXPECT_EQ(error_of([&] { x[indices({1, 9})]; }, ErrorKind::index, "index-range"),
            text("x[...]: x f32[5,3], indices i64[2], index 9 on an axis of length 5: wanted an index from -5 to 4"));
  EXPECT_EQ(error_of([&] { x.at(7).set(1); }, ErrorKind::index, "index-range"),
            text("x.at(...).set: x f32[5,3], index 7 on axis 0 of length 5: wanted an index from -5 to 4"));
  EXPECT_EQ(error_of([&] { x.at(0).set(ones({4})); }, ErrorKind::shape, "index-update"),
            text("x.at(...).set: x f32[5,3], values f32[4]: wanted values that broadcast to [3]"));
  EXPECT_EQ(error_of([&] { x.at(range(0, 2)).add(ones({1, 2, 3})); }, ErrorKind::shape, "index-update"),
            text("x.at(...).add: x f32[5,3], values f32[1,2,3]: wanted values that broadcast to [2,3]"));
  EXPECT_EQ(
      error_of([&] { counting({4}, int64).at(0).set(0.5); }, ErrorKind::dtype, "index-update"),
      text("x.at(...).set: x i64[4], values float32: wanted values that x's dtype can hold; convert with astype()"));
  EXPECT_EQ(
      error_of([&] { x.at(indices({5})).add(1); }, ErrorKind::index, "index-range"),
      text(
          "x.at(...).add: x f32[5,3], values f32[1,3], indices i64[1], index 5 on an axis of length 5: wanted an index "
          "from -5 to 4"));
  error_of([&] { array({true}).at(0).add(true); }, ErrorKind::dtype, "dtype-numeric");
  error_of([&] { array({true}).at(indices({0})).add(true); }, ErrorKind::dtype, "dtype-numeric");
}

/// On an array that nobody else holds; otherwise the old one stays as it was.
TEST(IndexExpression, WritesOverAnArrayThatWasGivenUp) {
  const auto fresh = [] { return zeros({8, 100}); };
  const auto kept_in_place = [&](const auto& update) {
    Array x = fresh();
    const std::byte* data = x.node()->data;
    x = update(std::move(x));
    return x.node()->data == data;
  };
  const Array at = indices({1, -1});
  EXPECT_TRUE(kept_in_place([](Array x) { return std::move(x).at(3).set(1); }));
  EXPECT_TRUE(kept_in_place([](Array x) { return std::move(x).at(range(), range(0, 50, 2)).add(1); }));
  EXPECT_TRUE(kept_in_place([&](Array x) { return std::move(x).at(at).set(1); }));
  EXPECT_TRUE(kept_in_place([&](Array x) { return std::move(x).at(range(), at).add(1); }));
  EXPECT_FALSE(kept_in_place([&](Array x) { return x.at(3).set(1); }));
  const Array x = fresh(), shared = x;
  const Array y = Array(x).at(at).set(1);
  EXPECT_EQ(sum(x).item<float>(), 0);
  EXPECT_EQ(sum(y).item<float>(), 200);
  Array z = fresh();
  const Array row = z[0];
  z = std::move(z).at(0).set(1);  // a view of it is alive
  EXPECT_EQ(sum(row).item<float>(), 0);
}

/// Numbers and starts are part of no plan: the first one compiles for all.
TEST(IndexExpression, OfALoopCompilesNothingNew) {
  const Array x = counting({100, 3}, float64);
  const auto pass = [&](int64_t i) {
    const Array y = x[i], z = x[range(i / 2, i / 2 + 7)];
    const Array g = grad([&](const Array& a) { return sum(a[i] * a[i]); })(x);
    return sum(y).item<double>() + sum(z).item<double>() + sum(g[i]).item<double>() +
        sum(x.at(i).set(1)).item<double>();
  };
  pass(0);
  int kernels = 0;
  cpu::set_kernel_observer([&](std::string_view) { ++kernels; });
  for (int64_t i = 1; i < 100; ++i) pass(i);
  cpu::set_kernel_observer({});
  EXPECT_EQ(kernels, 0);
}

/// n numbers of a vector of n, one after the other: their gradient is one vector, written in place n times. One that
/// was copied for each would hand out n vectors.
TEST(IndexExpression, GradientOfManyIsOneVector) {
  constexpr int64_t n = 1000;
  const Array x = counting({n}, float64);
  const auto loss = [&](const Array& a) {
    Array total = array(0.0);
    for (int64_t i = 0; i < n; ++i) total = total + a[i] * a[i];
    return total;
  };
  EXPECT_EQ(values_of(grad(loss)(x)), values_of(2 * x));
  const int64_t before = memory::statistics().allocations;
  const Array g = grad(loss)(x);
  EXPECT_LT(memory::statistics().allocations - before, 20);
  EXPECT_EQ(values_of(g), values_of(2 * x));
}

/// One cotangent is added in place while a kernel of more loops reads it for the values: it must be added once, not
/// once for each index.
TEST(IndexedAdd, OnAnAxisOfLengthOneAddsItsCotangentOnce) {
  const Array x = counting({1, 3}, float64), w = counting({1, 3}, float64) + 2;
  const auto loss = [&](const Array& a) { return sum(a * w) + sum(a.at(array({0, 0})).add(sum(a)) * w); };
  EXPECT_EQ(values_of(grad(loss)(x)), values_of(2 * w + 2 * sum(w)));
}

}  // namespace
}  // namespace wengert::testing
