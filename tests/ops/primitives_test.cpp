// Every primitive of the registry, from the samples in its room: fused kernels against the plain evaluator for each
// dtype, layout and number of threads; derivatives against finite differences; programs through their text.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "tests/ops/primitive_testing.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/plan.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/diff/check_grads.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/stop_gradient.hpp"
#include "wengert/program/program.hpp"
#include "wengert/trace/recorder.hpp"

namespace wengert::testing {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Dtype every_dtype[] = {bool_, uint8, int32, int64, float32, float64};

std::string test_name(const ::testing::TestParamInfo<const Primitive*>& info) { return info.param->name; }

Arrays apply(const Primitive& p, const Sample& sample, std::span<const Array> operands, size_t outputs) {
  return bind_all(p, operands, static_cast<int>(outputs), sample.params, sample.runtimes);
}

// Samples ------------------------------------------------------------------------------------------------

std::vector<const Type*> output_types(const Primitive& p, const Sample& sample, Dtype tested) {
  const Types types = infer_types(p, operand_types(sample, tested), sample.params, runtime_span(sample.runtimes));
  return {types.begin(), types.end()};
}

/// Three shapes at least, and one without elements: of the operands, or of the outputs where they alone vary.
TEST(PrimitiveSamples, HaveThreeShapesAndAnEmptyOne) {
  // Their shape rules take rank 0 and nothing else.
  const std::set<std::string> rank_0_only = {"random_fold", "random_split"};
  for (const Primitive* p : all_primitives()) {
    std::set<std::string> shapes;
    bool empty = false;
    for (const Sample& sample : p->samples.cases) {
      std::string text;
      const auto add = [&](const Shape& shape) {
        text += to_string(shape);
        empty = empty || shape.size() == 0;
      };
      for (const Shape& shape : sample.shapes) add(shape);
      for (const Type* type : output_types(*p, sample, p->samples.dtypes.front())) add(type->shape);
      shapes.insert(text);
    }
    if (rank_0_only.contains(p->name)) {
      EXPECT_EQ(shapes.size(), 1u) << p->name << " takes more than rank 0";
      continue;
    }
    EXPECT_GE(shapes.size(), 3u) << p->name;
    EXPECT_TRUE(empty) << p->name << " has no sample without elements";
  }
}

// Values -------------------------------------------------------------------------------------------------

class PrimitiveValues : public ::testing::TestWithParam<const Primitive*> {
 protected:
  void SetUp() override { threads_ = cpu::threads(); }
  void TearDown() override { cpu::set_threads(threads_); }

  const Primitive& p() const { return *GetParam(); }
  int threads_ = 1;

  /// Elementwise primitives are held to units in the last place. Composites round in between, so that a result near 0
  /// has the error of its larger terms; sums have that of their length.
  Tolerance tolerance(Dtype dtype) const {
    if (!is_inexact(dtype)) return {};
    if (p().is(Trait::elementwise) && !p().body) {
      const double unit = p().samples.error * static_cast<double>(unit_in_last_place(1, dtype));
      return {dtype == float32 ? 2.5 : 3.0, unit};
    }
    return {4, dtype == float32 ? 4e-6 : 1e-14};
  }

  /// The fused kernels on one and two threads against the plain evaluator, twice the same bits: what users get, which
  /// may be a library's. And our own kernels, cut into as many chunks as they have iterations: the same bits on any
  /// number of threads.
  void check(const Sample& sample, const Arrays& operands, size_t outputs, const std::string& what) {
    const auto run = [&](int threads) {
      cpu::set_threads(threads);
      return apply(p(), sample, operands, outputs);
    };
    const Arrays got = run(1), parallel = run(2), again = run(2);
    Arrays cut, cut_in_two, cut_in_three;
    {
      const cpu::KernelScope kernels;
      const cpu::GrainScope grain(1);
      cut = run(1), cut_in_two = run(2), cut_in_three = run(3);
    }
    const cpu::OracleScope oracle;
    const Arrays wanted = run(1);
    for (size_t i = 0; i < outputs; ++i) {
      const Values values = values_of(wanted[i]);
      EXPECT_EQ(&got[i].type(), &wanted[i].type()) << what;
      for (const Array& one : {got[i], parallel[i], cut[i]})
        EXPECT_EQ(difference(values_of(one), values, one.dtype(), tolerance(one.dtype())), "") << what;
      const std::string bytes = bytes_of(cut[i]);
      EXPECT_TRUE(bytes_of(parallel[i]) == bytes_of(again[i])) << what << ", once more";
      EXPECT_TRUE(bytes == bytes_of(cut_in_two[i])) << what << ", chunks on two threads";
      EXPECT_TRUE(bytes == bytes_of(cut_in_three[i])) << what << ", chunks on three threads";
      EXPECT_TRUE(p().is(Trait::contraction) || bytes == bytes_of(got[i])) << what << ", one chunk and many";
    }
  }

  /// All operands in one placement, and then, where there are several, the first contiguous and the others not.
  void check_placements(const Sample& sample, Dtype tested, std::span<const Placement> tried) {
    const std::optional<Types> types = accepted(p(), sample, tested);
    ASSERT_TRUE(types.has_value());
    std::mt19937 engine(7);
    const std::vector<const Type*> in = operand_types(sample, tested);
    std::vector<Values> values;
    for (size_t i = 0; i < in.size(); ++i)
      values.push_back(sample_values(p(), sample, static_cast<int>(i), in[i]->dtype, in[i]->size, engine));
    const auto operand = [&](size_t i, Placement placement) {
      return make_operand(values[i], in[i]->dtype, in[i]->shape,
                          in[i]->rank() == 0 ? Placement::contiguous : placement);
    };
    for (Placement placement : tried) {
      const std::string what = std::string(name(placement)) + " " + std::string(wengert::name(tested));
      Arrays same, mixed;
      for (size_t i = 0; i < in.size(); ++i) {
        same.push_back(operand(i, placement));
        mixed.push_back(operand(i, i == 0 ? Placement::contiguous : placement));
      }
      check(sample, same, types->size(), what);
      const bool vector = std::all_of(in.begin(), in.end(), [](const Type* t) { return t->rank() < 2; });
      if (in.size() > 1 && placement != Placement::contiguous && !vector)
        check(sample, mixed, types->size(), "mixed " + what);
    }
  }
};

/// The most iterations that a loop of the sample's kernels has, and whether it is cut when the grain is the least; 0 for
/// views, which compute nothing.
std::pair<int64_t, bool> longest_loop(const Primitive& p, const Sample& sample) {
  std::vector<const Layout*> layouts;
  for (const Type* type : operand_types(sample, p.samples.dtypes.front()))
    layouts.push_back(Layout::contiguous_of(type));
  const auto plan = cpu::make_plan(p, sample.params, sample.runtimes.size(), layouts, 0, {}, 1);
  std::pair<int64_t, bool> longest = {0, false};
  for (const cpu::PlanStep& step : plan->steps)
    longest = std::max(longest, {step.sizes.at(0), step.sizes.at(0) > step.sizes.at(1)});
  return longest;
}

/// What `check` says of chunks on many threads says something: there are several.
TEST(PrimitiveSamples, RunInSeveralChunks) {
  // One number in, or one number out.
  const std::set<std::string> one_iteration = {"random_fold", "random_split", "wide_squares"};
  for (const Primitive* p : all_primitives()) {
    std::pair<int64_t, bool> longest = {0, false};
    for (const Sample& sample : p->samples.cases) longest = std::max(longest, longest_loop(*p, sample));
    if (longest.first == 0) continue;
    EXPECT_EQ(longest.second, !one_iteration.contains(p->name)) << p->name;
  }
}

TEST_P(PrimitiveValues, OfEverySampleAndLayout) {
  ASSERT_FALSE(p().samples.cases.empty());
  for (const Sample& sample : p().samples.cases) {
    for (Dtype tested : p().samples.dtypes) check_placements(sample, tested, placements);
  }
}

/// The sample with `tested` where it states a dtype itself: of floating operands, of indices, of the result; those of
/// these variants that say something new.
std::vector<Sample> retyped(const Sample& sample, Dtype tested) {
  std::vector<Sample> variants;
  const auto state = [&](bool operands, bool params) {
    Sample s = sample;
    bool changed = false;
    for (size_t i = 0; operands && i < s.fixed.size(); ++i) {
      const bool negative = i < s.ranges.size() && s.ranges[i].first < 0;
      const bool replaces = is_inexact(s.fixed[i]) ||
          (is_integer(s.fixed[i]) && is_integer(tested) && !(negative && is_unsigned(tested)));
      changed = changed || (replaces && s.fixed[i] != tested);
      if (replaces) s.fixed[i] = tested;
    }
    std::vector<Param> values;
    for (int i = 0; i < s.params.size(); ++i) {
      values.push_back(s.params[i]);
      Dtype* stated = std::get_if<Dtype>(&values.back());
      changed = changed || (params && stated && *stated != tested);
      if (params && stated) *stated = tested;
    }
    s.params = Params(values);
    if (changed) variants.push_back(s);
  };
  state(true, false), state(false, true), state(true, true);
  return variants;
}

/// What the samples do not name but the shape rule takes: the first sample, in every placement.
TEST_P(PrimitiveValues, OfEveryOtherDtype) {
  const auto& listed = p().samples.dtypes;
  const Sample& sample = p().samples.cases.front();
  for (Dtype tested : every_dtype) {
    std::vector<Sample> samples = retyped(sample, tested);
    if (std::find(listed.begin(), listed.end(), tested) == listed.end()) samples.push_back(sample);
    for (const Sample& one : samples) {
      if (accepted(p(), one, tested)) check_placements(one, tested, placements);
    }
  }
}

/// Zeros of both signs, infinities, NaN, subnormal and huge numbers; for integers the ends of their range.
Values extreme_values(Dtype dtype) {
  switch (dtype) {
    case Dtype::bool_: return {0, 1};
    case Dtype::uint8: return {0, 1, 2, 7, 128, 255};
    case Dtype::int32: return {0, 1, -1, 2, -3, 31, INT32_MAX, INT32_MIN};
    case Dtype::int64: return {0, 1, -1, 2, -3, 63, static_cast<Real>(INT64_MAX), static_cast<Real>(INT64_MIN)};
    case Dtype::float32:
      return {0, -0.0, 1, -1, 0.5, 2, 3, -2.5, inf, -inf, nan, 1e-45L, 1e-39L, -1e-30L, 3e38L, -3e38L, 88.5L};
    default:
      return {0,    -0.0, 1,          -1,      0.5,      2,        3,         -2.5,  inf,
              -inf, nan,  4.94e-324L, 1e-310L, -1e-300L, 1.7e308L, -1.7e308L, 709.5L};
  }
}

Values extreme_values(const Primitive& p, Dtype dtype) {
  Values values = extreme_values(dtype);
  std::erase_if(values,
                [&](Real x) { return dtype == float64 && std::isfinite(x) && std::fabs(x) >= p.samples.reach; });
  return values;
}

/// Every combination of such values, one element each.
std::vector<Values> combinations(const Primitive& p, const std::vector<Dtype>& dtypes) {
  size_t count = 1;
  for (Dtype d : dtypes) count *= extreme_values(p, d).size();
  std::vector<Values> operands;
  for (size_t repeat = 1; Dtype d : dtypes) {
    const Values extremes = extreme_values(p, d);
    Values values;
    for (size_t n = 0; n < count; ++n) values.push_back(extremes[n / repeat % extremes.size()]);
    operands.push_back(values);
    repeat *= extremes.size();
  }
  return operands;
}

/// Whether a sample says no more than the dtypes of an elementwise primitive's operands.
bool free_of_shape(const Primitive& p, const Sample& sample) {
  return p.is(Trait::elementwise) && sample.runtimes.empty() && !sample.shapes.empty();
}

/// The sample with every length that it has made 0 and 1, wherever that length stands, as far as the shape rule takes it.
std::vector<Sample> with_lengths_0_and_1(const Primitive& p, const Sample& sample) {
  const auto replaced = [](Shape shape, int64_t from, int64_t to) {
    Shape result;
    for (int d = 0; d < shape.rank(); ++d) result.push_back(shape[d].value() == from ? to : shape[d].value());
    return result;
  };
  std::set<int64_t> lengths;
  for (const Shape& shape : sample.shapes) {
    for (int d = 0; d < shape.rank(); ++d) lengths.insert(shape[d].value());
  }
  std::vector<Sample> results;
  for (int64_t from : lengths) {
    for (int64_t to : {0, 1}) {
      Sample s = sample;
      for (Shape& shape : s.shapes) shape = replaced(shape, from, to);
      std::vector<Param> values;
      for (int i = 0; i < s.params.size(); ++i) {
        values.push_back(s.params[i]);
        if (Shape* shape = std::get_if<Shape>(&values.back())) *shape = replaced(*shape, from, to);
      }
      s.params = Params(values);
      try {
        output_types(p, s, p.samples.dtypes.back());
      } catch (const Error&) { continue; }
      if (from != to) results.push_back(s);
    }
  }
  return results;
}

TEST_P(PrimitiveValues, OfLengths0And1) {
  if (free_of_shape(p(), p().samples.cases.front())) return;  // see OfShapesOfElementwiseOperands
  constexpr Placement tried[] = {Placement::contiguous, Placement::transposed};
  for (const Sample& sample : p().samples.cases) {
    for (const Sample& small : with_lengths_0_and_1(p(), sample)) {
      try {
        check_placements(small, p().samples.dtypes.back(), tried);
      } catch (const Error& error) {  // indices of a longer axis, or what the body's rules refuse
        EXPECT_TRUE(error.kind() == ErrorKind::index || error.id() == "reduce-empty") << error.what();
      }
    }
  }
}

TEST_P(PrimitiveValues, AtTheEndsOfTheRange) {
  for (const Sample& sample : p().samples.cases) {
    if (!free_of_shape(p(), sample) || (&sample != &p().samples.cases.front() && sample.params.empty())) continue;
    for (Dtype tested : p().samples.dtypes) {
      const std::vector<Dtype> dtypes = operand_dtypes(sample, tested);
      const std::vector<Values> values = combinations(p(), dtypes);
      Arrays operands;
      for (size_t i = 0; i < dtypes.size(); ++i)
        operands.push_back(contiguous_array(values[i], dtypes[i], {static_cast<int64_t>(values[i].size())}));
      check(sample, operands, 1, std::string(wengert::name(tested)));
    }
  }
}

TEST_P(PrimitiveValues, OfShapesOfElementwiseOperands) {
  const Sample& first = p().samples.cases.front();
  if (!free_of_shape(p(), first)) return;
  for (const Shape& shape :
       {Shape{1}, Shape{1, 1}, Shape{67}, Shape{2, 3, 4}, Shape{3, 1, 5}, Shape{0}, Shape{2, 0, 3}}) {
    Sample sample = first;
    sample.shapes.assign(first.shapes.size(), shape);
    check_placements(sample, p().samples.dtypes.back(), placements);
  }
}

/// Long enough to be cut into chunks: a pattern, so that the evaluator need compute one period only.
TEST_P(PrimitiveValues, OfLongOperandsOnManyThreads) {
  const Sample& sample = p().samples.cases.front();
  if (!free_of_shape(p(), sample)) return;
  constexpr size_t period = 1009, length = 300 * period;
  std::mt19937 engine(11);
  const std::vector<Dtype> dtypes = operand_dtypes(sample, p().samples.dtypes.front());
  Arrays one, many;
  for (size_t i = 0; i < dtypes.size(); ++i) {
    const Values values = sample_values(p(), sample, static_cast<int>(i), dtypes[i], period, engine);
    Values repeated;
    for (size_t n = 0; n < length; ++n) repeated.push_back(values[n % period]);
    one.push_back(contiguous_array(values, dtypes[i], {static_cast<int64_t>(period)}));
    many.push_back(contiguous_array(repeated, dtypes[i], {static_cast<int64_t>(length)}));
  }
  Values wanted;
  {
    const cpu::OracleScope oracle;
    const Values part = values_of(apply(p(), sample, one, 1)[0]);
    for (size_t n = 0; n < length; ++n) wanted.push_back(part[n % period]);
  }
  std::string bytes;
  for (int threads : {1, 2, 3}) {
    cpu::set_threads(threads);
    const Array got = apply(p(), sample, many, 1)[0];
    if (threads == 1) bytes = bytes_of(got);
    EXPECT_EQ(difference(values_of(got), wanted, got.dtype(), tolerance(got.dtype())), "") << threads << " threads";
    EXPECT_TRUE(bytes_of(got) == bytes) << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(All, PrimitiveValues, ::testing::ValuesIn(all_primitives()), test_name);

// Derivatives --------------------------------------------------------------------------------------------

/// A function of the inexact operands of a sample that returns its inexact outputs.
struct Differentiable {
  diff::ArrayFunction f;
  Arrays point;
  std::vector<size_t> operands;  // their places among those of the primitive
};

Array zeros_like(const Array& x) {
  return contiguous_array(Values(static_cast<size_t>(x.size())), x.dtype(), x.shape());
}

Arrays random_like(const Arrays& like, std::mt19937& engine) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  Arrays result;
  for (const Array& x : like) {
    Values values(static_cast<size_t>(x.size()));
    for (Real& v : values) v = uniform(engine);
    result.push_back(contiguous_array(values, x.dtype(), x.shape()));
  }
  return result;
}

Arrays forward(const diff::ArrayFunction& f, std::span<const Array> x, std::span<const Array> v) {
  auto [y, dy] = diff::jvp_through(f, x, v);
  for (size_t i = 0; i < y.size(); ++i) {
    if (!dy[i].defined()) dy[i] = zeros_like(y[i]);
  }
  return dy;
}

Arrays backward(const diff::ArrayFunction& f, std::span<const Array> x, std::span<const Array> u) {
  const auto active = std::make_unique<bool[]>(x.size());
  std::fill_n(active.get(), x.size(), true);
  diff::VjpResult result = diff::vjp_through(f, x, {active.get(), x.size()});
  Arrays cotangents(u.begin(), u.end());
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (!result.pullback.depends(i)) cotangents[i] = Array();
  }
  Arrays dx = result.pullback(cotangents);
  for (size_t i = 0; i < dx.size(); ++i) {
    if (!dx[i].defined()) dx[i] = zeros_like(x[i]);
  }
  return dx;
}

/// f's derivative by central differences along v.
std::vector<Values> differences(const diff::ArrayFunction& f, const Arrays& x, const Arrays& v, double h) {
  const auto moved = [&](double step) {
    Arrays result;
    for (size_t i = 0; i < x.size(); ++i) {
      Values a = values_of(x[i]);
      const Values b = values_of(v[i]);
      for (size_t n = 0; n < a.size(); ++n) a[n] += step * b[n];
      result.push_back(contiguous_array(a, x[i].dtype(), x[i].shape()));
    }
    return f(result);
  };
  const Arrays up = moved(h), down = moved(-h);
  std::vector<Values> result;
  for (size_t i = 0; i < up.size(); ++i) {
    Values a = values_of(up[i]);
    const Values b = values_of(down[i]);
    for (size_t n = 0; n < a.size(); ++n) a[n] = (a[n] - b[n]) / (2 * h);
    result.push_back(a);
  }
  return result;
}

Real dot(const Arrays& a, const Arrays& b) {
  Real sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const Values x = values_of(a[i]), y = values_of(b[i]);
    for (size_t n = 0; n < x.size(); ++n) sum += x[n] * y[n];
  }
  return sum;
}

class PrimitiveDerivatives : public ::testing::TestWithParam<const Primitive*> {
 protected:
  const Primitive& p() const { return *GetParam(); }

  /// Nothing when no operand or no output is inexact.
  std::optional<Differentiable> function(const Sample& sample, Dtype tested) const {
    const std::optional<Types> types = accepted(p(), sample, tested);
    if (!types) return std::nullopt;
    std::mt19937 engine(3);
    const std::vector<const Type*> in = operand_types(sample, tested);
    Arrays operands, point;
    std::vector<size_t> active, outputs;
    for (size_t i = 0; i < in.size(); ++i) {
      operands.push_back(
          contiguous_array(sample_values(p(), sample, static_cast<int>(i), in[i]->dtype, in[i]->size, engine),
                           in[i]->dtype, in[i]->shape));
      if (!is_inexact(in[i]->dtype)) continue;
      active.push_back(i);
      point.push_back(operands.back());
    }
    for (size_t i = 0; i < types->size(); ++i) {
      if (is_inexact((*types)[i]->dtype)) outputs.push_back(i);
    }
    if (active.empty() || outputs.empty()) return std::nullopt;
    const size_t count = types->size();
    const Primitive* primitive = GetParam();
    return Differentiable{[=](std::span<const Array> x) {
                            Arrays all = operands, result;
                            for (size_t i = 0; i < active.size(); ++i) all[active[i]] = x[i];
                            const Arrays out = apply(*primitive, sample, all, count);
                            for (size_t i : outputs) result.push_back(out[i]);
                            return result;
                          },
                          point, active};
  }
};

/// What check_grads says about every output of a function by itself, or nothing.
std::string fault_of_derivatives(const Differentiable& d, const Arrays& y, int order) {
  for (size_t i = 0; i < y.size(); ++i) {
    CheckOptions options{.order = order, .eps = 1e-4};
    if (y[i].dtype() == float32) options.eps = 0.05, options.tolerance = 2e-5;  // its rounding; what narrows is linear
    const auto f = [&](const Arrays& x) {
      Arrays operands;
      for (size_t k = 0; k < x.size(); ++k) operands.push_back(convert(x[k], d.point[k].dtype()));
      return d.f(operands)[i];
    };
    try {
      check_grads(f, std::tuple(d.point), options, "output " + std::to_string(i));
    } catch (const Error& error) {
      EXPECT_EQ(error.id(), "check-grads");
      return error.what();
    }
  }
  return "";
}

/// The sample with float64 wherever it states a dtype, where the shape rule takes that.
Sample in_float64(const Primitive& p, const Sample& sample) {
  for (const Sample& wide : retyped(sample, float64)) {
    const std::optional<Types> types = accepted(p, wide, float64);
    const auto is_wide = [](const Type* t) { return t->dtype != float32; };
    if (types && std::all_of(types->begin(), types->end(), is_wide)) return wide;
  }
  return sample;
}

/// By check_grads, whose own test plants errors: every differentiable operand and output, both modes and all four of
/// the second order.
TEST_P(PrimitiveDerivatives, OfFirstAndSecondOrder) {
  for (const Sample& given : p().samples.cases) {
    const Sample sample = in_float64(p(), given);
    std::optional<Differentiable> d = function(sample, float64);
    if (!d) d = function(sample, p().samples.dtypes.front());
    if (!d) continue;
    const Arrays y = d->f(d->point);
    if (p().is(Trait::nondifferentiable)) {  // constant by decree, such as stop_gradient, or piecewise
      std::mt19937 engine(5);
      const Arrays u = random_like(y, engine), v = random_like(d->point, engine);
      EXPECT_EQ(dot(forward(d->f, d->point, v), u), 0);
      EXPECT_EQ(dot(backward(d->f, d->point, u), v), 0);
      continue;
    }
    EXPECT_EQ(fault_of_derivatives(*d, y, 2), "") << "sample " << &given - p().samples.cases.data();
  }
}

TEST_P(PrimitiveDerivatives, OfLength1) {
  if (p().is(Trait::nondifferentiable)) return;
  const cpu::OracleScope oracle;  // the rules are at stake here, not the kernels
  for (const Sample& given : p().samples.cases) {
    for (const Sample& small : with_lengths_0_and_1(p(), in_float64(p(), given))) {
      const std::optional<Differentiable> d = function(small, float64);
      if (!d) continue;
      Arrays y;
      try {
        y = d->f(d->point);
      } catch (const Error& error) {  // indices of a longer axis
        EXPECT_EQ(error.kind(), ErrorKind::index) << error.what();
        continue;
      }
      const auto is_number = [](const Array& a) { return all(isfinite(a)).item<bool>(); };
      if (!std::all_of(y.begin(), y.end(), is_number)) continue;  // the mean of nothing
      // Of one class it is 0, and so is every derivative but for its rounding.
      if (p().name == std::string("distribution_cross_entropy") && small.shapes[0].back().value() == 1) continue;
      EXPECT_EQ(fault_of_derivatives(*d, y, 2), "") << "sample " << &given - p().samples.cases.data();
    }
  }
}

/// The same check finds errors of 0.1 % in the derivatives of every room, of the first order and of the second.
TEST_P(PrimitiveDerivatives, AreCheckedSoThatErrorsShow) {
  if (p().is(Trait::nondifferentiable)) return;
  const Sample sample = in_float64(p(), p().samples.cases.front());
  const std::optional<Differentiable> d = function(sample, float64);
  if (!d) return;
  const Arrays y = d->f(d->point);
  const auto wrong = [&](double slope, double curvature) {
    Differentiable planted = *d;
    planted.f = [=, f = d->f](std::span<const Array> x) {
      Arrays result;
      for (const Array& out : f(x)) {
        const Array nothing = out - stop_gradient(out);
        result.push_back(out + slope * nothing + curvature * nothing * nothing);
      }
      return result;
    };
    return planted;
  };
  EXPECT_EQ(fault_of_derivatives(wrong(0, 0), y, 1), "");
  EXPECT_NE(fault_of_derivatives(wrong(1e-3, 0), y, 1), "");
  EXPECT_NE(fault_of_derivatives(wrong(0, 5e-4), y, 2), "");
}

/// The derivative of an elementwise function, elementwise.
diff::ArrayFunction derivative(const diff::ArrayFunction& f, bool reverse) {
  return [=](std::span<const Array> x) {
    const Array ones = contiguous_array(Values(static_cast<size_t>(x[0].size()), 1), x[0].dtype(), x[0].shape());
    return reverse ? backward(f, x, {&ones, 1}) : forward(f, x, {&ones, 1});
  };
}

/// At the special points of the samples: where the value is finite so are its derivatives, and they are a number where
/// the value is one. Forward and reverse mode agree.
TEST_P(PrimitiveDerivatives, OfThirdOrderAtSpecialPoints) {
  const std::vector<double>& special = p().samples.special;
  const Sample& sample = p().samples.cases.front();
  if (special.empty() || !free_of_shape(p(), sample)) return;
  for (Dtype dtype : {float32, float64}) {
    const std::vector<Dtype> dtypes = operand_dtypes(sample, dtype);
    for (size_t active = 0; active < dtypes.size(); ++active) {
      if (!is_inexact(dtypes[active])) continue;
      Arrays operands;
      const size_t count = static_cast<size_t>(std::pow(special.size(), dtypes.size()));
      for (size_t repeat = 1; Dtype d : dtypes) {
        Values values;
        for (size_t n = 0; n < count; ++n) values.push_back(is_bool(d) ? n % 2 : special[n / repeat % special.size()]);
        operands.push_back(contiguous_array(values, d, {static_cast<int64_t>(count)}));
        repeat *= special.size();
      }
      diff::ArrayFunction up = [&](std::span<const Array> x) {
        Arrays all = operands;
        all[active] = x[0];
        return apply(p(), sample, all, 1);
      };
      const Values value = values_of(up({&operands[active], 1})[0]);
      diff::ArrayFunction down = up;
      for (int order = 1; order <= 3; ++order) {
        up = derivative(up, false);
        down = derivative(down, true);
        const Values a = values_of(up({&operands[active], 1})[0]), b = values_of(down({&operands[active], 1})[0]);
        EXPECT_EQ(difference(b, a, dtype, {16, dtype == float32 ? 1e-5 : 1e-13}), "")
            << "order " << order << ", operand " << active;
        for (size_t n = 0; n < count; ++n) {
          const std::string where = "order " + std::to_string(order) + ", operand " + std::to_string(active) +
              ", point " + std::to_string(static_cast<double>(values_of(operands[active])[n]));
          EXPECT_TRUE(!std::isnan(a[n]) || std::isnan(value[n])) << where;
          EXPECT_TRUE(std::isfinite(a[n]) || !std::isfinite(value[n])) << where;
        }
      }
    }
  }
}

// Special points in rows, and of several operands at once: zeros, ties, infinities.

using Scalar = std::function<Array(std::span<const Array>)>;

/// <u, f(x)> over the outputs that are finite at the point.
Scalar weighed(const diff::ArrayFunction& f, const Arrays& y, const Arrays& u) {
  Arrays finite;
  for (const Array& a : y) finite.push_back(isfinite(a));
  return [=](std::span<const Array> x) {
    const Arrays out = f(x);
    Array total = array(0.0);
    for (size_t i = 0; i < out.size(); ++i) total = total + sum(where(finite[i], out[i], 0) * u[i]);
    return total;
  };
}

/// Its derivative along v, by one mode or the other.
Scalar along(const Scalar& s, const Arrays& v, bool reverse) {
  const diff::ArrayFunction f = [=](std::span<const Array> x) { return Arrays{s(x)}; };
  if (!reverse) return [=](std::span<const Array> x) { return forward(f, x, v)[0]; };
  return [=](std::span<const Array> x) {
    const Array one = array(1.0);
    const Arrays gradient = backward(f, x, {&one, 1});
    Array total = array(0.0);
    for (size_t i = 0; i < gradient.size(); ++i) total = total + sum(gradient[i] * v[i]);
    return total;
  };
}

/// What a sample is called with: the special number everywhere, in the first half, in the first place only, and in
/// every second place, among the sample's ordinary numbers.
constexpr int patterns = 4;
bool is_special_place(int pattern, size_t n, size_t count) {
  switch (pattern) {
    case 0: return true;
    case 1: return n < (count + 1) / 2;
    case 2: return n == 0;
    default: return n % 2 == 0;
  }
}

/// The numbers that are tried for operand `i`: those that the room names, or 0 where it lies in the operand's range, or
/// the least number there.
std::vector<double> special_numbers(const Primitive& p, const Sample& sample, size_t i) {
  if (!p.samples.special.empty()) return p.samples.special;
  const auto [low, high] = i < sample.ranges.size() ? sample.ranges[i] : p.samples.range;
  return {low <= 0 && high >= 0 ? 0 : low};
}

/// Functions that have no derivative at their special points, but a convention.
bool has_kinks(const Primitive& p) {
  const std::string name = p.name;
  return !p.samples.smooth || name == "norm" || name == "std" || name == "pow";
}

/// The derivatives of all mixes of the modes to third order are finite and equal; and each is what differences of the one
/// below give, where the function is smooth.
void check_mixes(const Scalar& s, const Arrays& x, const std::vector<Arrays>& v, bool smooth, const std::string& what) {
  const bool narrow = std::any_of(x.begin(), x.end(), [](const Array& a) { return a.dtype() != float64; });
  const double tolerance = narrow ? 1e-4 : 1e-9;
  std::vector<Scalar> forward_only{s};
  for (size_t order = 1; order <= 3; ++order) {
    forward_only.push_back(along(forward_only.back(), v[order - 1], false));
    const double wanted = forward_only.back()(x).item<double>();
    ASSERT_TRUE(std::isfinite(wanted)) << what << ", order " << order;
    for (unsigned mix = 1; mix < 1u << order; ++mix) {
      Scalar mixed = s;
      std::string modes;
      for (size_t stage = 0; stage < order; ++stage) {
        mixed = along(mixed, v[stage], mix >> stage & 1);
        modes += mix >> stage & 1 ? 'r' : 'f';
      }
      ASSERT_NEAR(mixed(x).item<double>(), wanted, tolerance * (1 + std::fabs(wanted))) << what << ", modes " << modes;
    }
    if (!smooth || narrow) continue;
    const diff::ArrayFunction below = [&](std::span<const Array> at) { return Arrays{forward_only[order - 1](at)}; };
    const auto difference = static_cast<double>(differences(below, x, v[order - 1], 1e-6)[0][0]);
    ASSERT_NEAR(wanted, difference, 2e-5 * (1 + std::fabs(difference))) << what << ", order " << order;
  }
}

TEST_P(PrimitiveDerivatives, OfThirdOrderWhereRowsAreSpecial) {
  const auto& dtypes = p().samples.dtypes;
  const bool elementwise = free_of_shape(p(), p().samples.cases.front()) && !p().samples.special.empty();
  if (p().is(Trait::nondifferentiable) || (elementwise && p().samples.cases.front().shapes.size() == 1)) return;
  if (std::find(dtypes.begin(), dtypes.end(), float64) == dtypes.end()) return;
  const cpu::OracleScope oracle;  // the rules are at stake here, not the kernels
  for (const Sample& sample : p().samples.cases) {
    const std::optional<Differentiable> d = function(sample, float64);
    if (!d) continue;
    size_t tried = 1;
    for (size_t i = 0; i < sample.shapes.size(); ++i) tried = std::max(tried, special_numbers(p(), sample, i).size());
    for (size_t number = 0; number < tried; ++number) {
      const int tried_patterns = p().is(Trait::contraction) ? 1 : patterns;  // sums of products have no special points
      for (int pattern = 0; pattern < tried_patterns; ++pattern) {
        Arrays x = d->point;
        for (size_t i = 0; i < x.size(); ++i) {
          const std::vector<double> numbers = special_numbers(p(), sample, d->operands[i]);
          Values values = values_of(x[i]);
          for (size_t n = 0; n < values.size(); ++n) {
            if (is_special_place(pattern, n, values.size())) values[n] = numbers[number % numbers.size()];
          }
          x[i] = contiguous_array(values, x[i].dtype(), x[i].shape());
        }
        const Arrays y = d->f(x);
        const auto is_number = [&](const Array& a) {
          return !any(elementwise ? logical_not(isfinite(a)) : isnan(a)).item<bool>();
        };
        if (!std::all_of(y.begin(), y.end(), is_number)) continue;
        std::mt19937 engine(9);
        const Arrays u = random_like(y, engine);
        std::vector<Arrays> v;
        for (int order = 1; order <= 3; ++order) v.push_back(random_like(x, engine));
        check_mixes(weighed(d->f, y, u), x, v, !has_kinks(p()),
                    "sample " + std::to_string(&sample - p().samples.cases.data()) + ", number " +
                        std::to_string(number) + ", pattern " + std::to_string(pattern));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PrimitiveDerivatives, ::testing::ValuesIn(all_primitives()), test_name);

/// As static objects do when the library is loaded: what they throw ends the process, and so the build.
void state(const char* name, const Cases& cases) noexcept {
  const Primitive primitive{.name = name, .doc = "y = x.", .infer = nullptr, .samples = {.cases = cases}};
}

TEST(RegistrationDeathTest, RefusesPrimitivesThatWouldGoUntested) {
  EXPECT_DEATH(state("tanh", {{{{2, 3}}}}), "tanh: stated by two primitives: wanted a name of its own");
  EXPECT_DEATH(state("mute", {}), "mute: has no samples: wanted one way to call it at least, for its tests");
}

// Programs -----------------------------------------------------------------------------------------------

class PrimitivePrograms : public ::testing::TestWithParam<const Primitive*> {};

void expect_round_trip(const Program& program) {
  verify(program);
  const std::string text = to_string(program);
  const ProgramPtr parsed = parse_program(text, program.constants());
  EXPECT_TRUE(*parsed == program) << text;
  EXPECT_EQ(parsed->hash(), program.hash()) << text;
  EXPECT_EQ(to_string(*parsed), text);
  verify(*parsed);
}

TEST_P(PrimitivePrograms, GoThroughTheirText) {
  const Primitive& p = *GetParam();
  for (const Sample& sample : p.samples.cases) {
    for (Dtype tested : p.samples.dtypes) {
      const std::vector<const Type*> in = operand_types(sample, tested);
      const Types out = infer_types(p, in, sample.params, runtime_span(sample.runtimes));
      const diff::ArrayFunction f = [&](std::span<const Array> x) { return apply(p, sample, x, out.size()); };
      expect_round_trip(*record(in, f));
      if (!std::all_of(in.begin(), in.end(), [](const Type* t) { return is_inexact(t->dtype); })) continue;
      if (in.empty() || out.size() != 1 || !is_inexact(out[0]->dtype)) continue;
      expect_round_trip(*record(in, [&](std::span<const Array> x) { return forward(f, x, x); }));
      const Array u = contiguous_array(Values(static_cast<size_t>(out[0]->size), 1), out[0]->dtype, out[0]->shape);
      expect_round_trip(*record(in, [&](std::span<const Array> x) { return backward(f, x, {&u, 1}); }));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, PrimitivePrograms, ::testing::ValuesIn(all_primitives()), test_name);

}  // namespace
}  // namespace wengert::testing
