#include "wengert/optim/optim.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "wengert/ops/common.hpp"
#include "wengert/ops/create.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {

/// The first `count` operands and results are alike; the other operands are numbers of rank 0.
Types infer_leaf_update(const Avals& in, int count, int alike) {
  want(is_inexact(in[0].dtype), in, ErrorKind::dtype, "optimizer-dtype", "a floating parameter; freeze the others");
  for (int i = 1; i < alike; ++i) {
    want(in[i].dtype == in[0].dtype, in, ErrorKind::dtype, "optimizer-dtype",
         "a gradient and moments of the parameter's dtype");
    want(in[i].shape == in[0].shape, in, ErrorKind::shape, "optimizer-shape",
         "a gradient and moments of the parameter's shape");
  }
  return Types(in.types.begin(), in.types.begin() + count);
}

Array number(const Array& x, Dtype dtype) { return convert(x, dtype); }

}  // namespace

const Primitive sgd_leaf_primitive{
    .name = "sgd_leaf",
    .doc = "One parameter's step of stochastic gradient descent: the new parameter.",
    .operands = {"parameter", "gradient", "rate", "decay"},
    .infer = [](const Avals& in) { return infer_leaf_update(in, 1, 2); },
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      const Dtype dtype = in[0].dtype();
      return in[0] - number(in[2], dtype) * (in[1] + number(in[3], dtype) * in[0]);
    },
    .samples = {{{{{2, 3}, {2, 3}, {}, {}}}, {{{5}, {5}, {}, {}}}, {{{0, 3}, {0, 3}, {}, {}}}}},
};

namespace {
Sample momentum_sample(const Shape& shape, Dtype dtype) {
  return {{shape, shape, shape, {}, {}, {}, {}}, {}, {}, {dtype, dtype, dtype, dtype, dtype, dtype, bool_}};
}
Sample adam_sample(const Shape& shape) {
  return {{shape, shape, shape, shape, {}, {}, {}, {}, {}, {}, {}, {}, {}}, {}, {}, {}, {{-2, 2}, {-2, 2}, {0.5, 2}}};
}
}  // namespace

const Primitive momentum_leaf_primitive{
    .name = "momentum_leaf",
    .doc = "One parameter's step of stochastic gradient descent with momentum: new parameter and velocity.",
    .operands = {"parameter", "velocity", "gradient", "rate", "momentum", "decay", "nesterov"},
    .infer = [](const Avals& in) { return infer_leaf_update(in, 2, 3); },
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      const Dtype dtype = in[0].dtype();
      const Array g = in[2] + number(in[5], dtype) * in[0];
      const Array v = number(in[4], dtype) * in[1] + g;
      const Array step = where(in[6], g + number(in[4], dtype) * v, v);
      return {in[0] - number(in[3], dtype) * step, v};
    },
    .samples = {{momentum_sample({2, 3}, float32), momentum_sample({5}, float64), momentum_sample({0, 3}, float64)}},
};

const Primitive adam_leaf_primitive{
    .name = "adam_leaf",
    .doc = "One parameter's step of Adam with decoupled decay: new parameter, mean and variance.",
    .operands = {"parameter", "mean", "variance", "gradient", "rate", "beta1", "rest1", "beta2", "rest2", "correction1",
                 "correction2", "epsilon", "decay"},
    .infer = [](const Avals& in) { return infer_leaf_update(in, 3, 4); },
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      const Dtype dtype = in[0].dtype();
      const auto n = [&](size_t i) { return number(in[i], dtype); };
      // 1 - beta is an operand, because a difference of beta in float32 is off by up to 1e-5 of it.
      const Array m = n(5) * in[1] + n(6) * in[3];
      const Array v = n(7) * in[2] + n(8) * in[3] * in[3];
      const Array step = m / n(9) / (sqrt(v / n(10)) + n(11)) + n(12) * in[0];
      return {in[0] - n(4) * step, m, v};
    },
    .samples = {{adam_sample({2, 3}), adam_sample({5}), adam_sample({0, 3})}, {0.1, 0.9}},
};

const Primitive wide_squares_primitive{
    .name = "wide_squares",
    .doc =
        "The sum of the squares of all elements in float64, where no square of a float32 number overflows or vanishes.",
    .infer = [](const Avals& in) -> Types {
      same_inexact(in);
      return {Type::of(float64, {})};
    },
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      return sum(square(convert(in[0], float64)));
    },
    .samples = {{{{{2, 3}}}, {{{}}}, {{{0, 4}}}}},
};

const Primitive wide_scale_primitive{
    .name = "wide_scale",
    .doc = "x times a number in float64, rounded to x's dtype once: the number may be subnormal there.",
    .operands = {"x", "scale"},
    .infer = [](const Avals& in) -> Types {
      want(is_inexact(in[0].dtype) && is_inexact(in[1].dtype) && in[1].rank() == 0, in, ErrorKind::dtype,
           "optimizer-dtype", "a floating x and a floating scale of rank 0");
      return {&in[0]};
    },
    .body = [](std::span<const Array> in, const Params&, const Runtimes&) -> Results {
      return convert(convert(in[0], float64) * convert(in[1], float64), in[0].dtype());
    },
    .samples = {{{{{2, 3}, {}}}, {{{}, {}}}, {{{0, 4}, {}}}}},
};

namespace optim {
namespace {

/// Rates and their like are float64: the update of a leaf converts them to the dtype of that.
Array rank0(double value) { return wengert::detail::scalar(value, float64, false); }

/// Whether a leaf takes a step: one without gradient stays as it is, a gradient without its leaf is an error.
bool takes_step(const char* optimizer, const std::string& path, const Array& parameter, const Array& gradient) {
  if (!gradient.defined()) return false;
  if (parameter.defined()) return is_inexact(parameter.dtype());
  fail(ErrorKind::state, "optimizer-parameter", optimizer,
       "a gradient but no parameter" + (path.empty() ? "" : " for '" + path + "'"),
       "parameters; those that were moved into update() are in what it returned");
}

/// Throws unless there are as many leaves of `what` as parameters.
void want_leaves(const char* optimizer, size_t parameters, size_t leaves, const char* what) {
  if (parameters == leaves) return;
  fail(ErrorKind::value, "optimizer-tree", optimizer,
       std::to_string(parameters) + (parameters == 1 ? " parameter, " : " parameters, ") + std::to_string(leaves) +
           (leaves == 1 ? " leaf of the " : " leaves of the ") + what,
       "trees of one structure");
}
void want_moment(const char* optimizer, const std::string& path, const Array& moment) {
  if (moment.defined()) return;
  fail(ErrorKind::state, "optimizer-state", optimizer,
       "a gradient but no state" + (path.empty() ? "" : " for '" + path + "'"),
       "the state that init() makes for these parameters");
}

/// A gradient or moment is like its parameter.
void want_alike(const char* optimizer, const std::string& path, const Array& parameter, const char* what,
                const Array& given) {
  const bool shape = given.shape() == parameter.shape();
  if (shape && given.dtype() == parameter.dtype()) return;
  fail(shape ? ErrorKind::dtype : ErrorKind::shape, shape ? "optimizer-dtype" : "optimizer-shape", optimizer,
       "parameter " + (path.empty() ? "" : path + " ") + describe(parameter) + ", " + what + " " + describe(given),
       std::string("a ") + what + (shape ? " of the parameter's dtype" : " of the parameter's shape"));
}

void want_steps(const char* schedule, int64_t steps, const std::source_location& where) {
  if (steps >= 1) return;
  const CallScope scope(where);
  fail(ErrorKind::value, "schedule-steps", schedule, std::to_string(steps) + " steps",
       "at least 1; optim::constant(rate) changes with no step");
}
void want_not_negative(const char* optimizer, const char* option, double given) {
  if (given >= 0 && std::isfinite(given)) return;
  fail(ErrorKind::value, "optimizer-option", optimizer, option + (" " + shortest_text(given)), "a finite number >= 0");
}
void want_below_one(const char* optimizer, const char* option, double given) {
  if (given >= 0 && given < 1) return;
  fail(ErrorKind::value, "optimizer-option", optimizer, option + (" " + shortest_text(given)),
       "a number from 0 to below 1");
}

bool decays(const Mask& mask, const std::string& path, const Array& leaf) { return !mask || mask(path, leaf); }

}  // namespace

Array Schedule::operator()(const Array& step) const { return f_ ? f_(step) : rank0(rate_); }

Schedule constant(double rate) { return Schedule(rate); }

Schedule cosine(double rate, int64_t steps, double final, std::source_location where) {
  want_steps("cosine", steps, where);
  return Schedule([=](const Array& step) {
    const Array part = minimum(convert(step, float64) / static_cast<double>(steps), 1);
    return final + (rate - final) * 0.5 * (1 + cos(part * std::numbers::pi));
  });
}

Schedule warm_up(int64_t steps, Schedule after, std::source_location where) {
  want_steps("warm_up", steps, where);
  return Schedule([=](const Array& step) {
    const Array done = convert(step, float64) / static_cast<double>(steps);
    return wengert::where(less(step, steps), done * after(zeros({}, int64)), after(maximum(step - steps, 0)));
  });
}

namespace detail {

Array zero_moment(const Array& parameter) { return zeros(parameter.shape(), parameter.dtype()); }

namespace {
Array wide_norm(const std::vector<Array>& leaves) {
  Array total = zeros({}, float64);
  for (const Array& x : leaves) {
    if (x.defined() && is_inexact(x.dtype())) total = total + bind(wide_squares_primitive, x);
  }
  const Array flat = equal(total, 0);  // the derivative is 0 there, as that of wg::norm
  return where(flat, 0, sqrt(where(flat, 1, total)));
}
}  // namespace

Array norm_of(const std::vector<Array>& leaves) {
  const bool wide =
      std::any_of(leaves.begin(), leaves.end(), [](const Array& x) { return x.defined() && x.dtype() == float64; });
  return convert(wide_norm(leaves), wide ? float64 : float32);
}

std::vector<Array> clipped(std::vector<Array> gradients, double norm) {
  if (!(norm >= 0)) fail(ErrorKind::value, "clip-norm", "clip_by_norm", "norm " + shortest_text(norm), "a norm >= 0");
  const Array scale = minimum(norm / maximum(wide_norm(gradients), 1e-300), 1);
  for (Array& x : gradients) {
    if (x.defined() && is_inexact(x.dtype())) x = bind(wide_scale_primitive, x, scale);
  }
  return gradients;
}

}  // namespace detail

Sgd::Sgd(Schedule rate, SgdOptions options, std::source_location where)
    : rate_(std::move(rate)), options_(std::move(options)) {
  const CallScope scope(where);
  want_not_negative("sgd", "rate", rate_.rate_);
  want_not_negative("sgd", "momentum", options_.momentum);
  want_not_negative("sgd", "decay", options_.decay);
}

Adam::Adam(Schedule rate, AdamOptions options, std::source_location where)
    : rate_(std::move(rate)), options_(std::move(options)) {
  const CallScope scope(where);
  want_not_negative("adam", "rate", rate_.rate_);
  want_below_one("adam", "beta1", options_.beta1);
  want_below_one("adam", "beta2", options_.beta2);
  want_not_negative("adam", "epsilon", options_.epsilon);
  want_not_negative("adam", "decay", options_.decay);
}

Array Sgd::zero_step() { return zeros({}, int64); }
Array Sgd::next(const Array& step) { return step + 1; }

void Sgd::step_leaves(const std::vector<std::string>& paths, std::vector<Array>& p, std::vector<Array>& v,
                      const std::vector<Array>& g, const Array& step) const {
  const Array rate = rate_(step), momentum = rank0(options_.momentum), none = rank0(0), decay = rank0(options_.decay);
  const Array nesterov = array(options_.nesterov);
  want_leaves("sgd", p.size(), g.size(), "gradient");
  want_leaves("sgd", p.size(), v.size(), "state");
  for (size_t i = 0; i < p.size(); ++i) {
    if (!takes_step("sgd", paths[i], p[i], g[i])) continue;
    want_alike("sgd", paths[i], p[i], "gradient", g[i]);
    const Array& leaf_decay = decays(options_.decay_mask, paths[i], p[i]) ? decay : none;
    if (options_.momentum == 0) {
      const std::array in{std::exchange(p[i], Array()), g[i], rate, leaf_decay};
      bind_donating(sgd_leaf_primitive, in, 1, {}, {}, {&p[i], 1});
      continue;
    }
    want_moment("sgd", paths[i], v[i]);
    want_alike("sgd", paths[i], p[i], "velocity", v[i]);
    const std::array in{
        std::exchange(p[i], Array()), std::exchange(v[i], Array()), g[i], rate, momentum, leaf_decay, nesterov};
    Array out[2];
    bind_donating(momentum_leaf_primitive, in, 3, {}, {}, out);
    p[i] = std::move(out[0]);
    v[i] = std::move(out[1]);
  }
}

void Adam::step_leaves(const std::vector<std::string>& paths, std::vector<Array>& p, std::vector<Array>& m,
                       std::vector<Array>& v, const std::vector<Array>& g, const Array& step) const {
  const Array rate = rate_(step), beta1 = rank0(options_.beta1), beta2 = rank0(options_.beta2);
  const Array rest1 = rank0(1 - options_.beta1), rest2 = rank0(1 - options_.beta2);
  const Array count = convert(step + 1, float64);
  const Array correction1 = 1 - power(beta1, count), correction2 = 1 - power(beta2, count);
  const Array epsilon = rank0(options_.epsilon), decay = rank0(options_.decay), none = rank0(0);
  want_leaves("adam", p.size(), g.size(), "gradient");
  want_leaves("adam", p.size(), m.size(), "state");
  want_leaves("adam", p.size(), v.size(), "state");
  for (size_t i = 0; i < p.size(); ++i) {
    if (!takes_step("adam", paths[i], p[i], g[i])) continue;
    want_moment("adam", paths[i], m[i]);
    want_moment("adam", paths[i], v[i]);
    want_alike("adam", paths[i], p[i], "gradient", g[i]);
    want_alike("adam", paths[i], p[i], "mean", m[i]);
    want_alike("adam", paths[i], p[i], "variance", v[i]);
    const Array& leaf_decay = decays(options_.decay_mask, paths[i], p[i]) ? decay : none;
    std::vector<Array> in{p[i],  m[i],  v[i],        g[i],        rate,    beta1,     rest1,
                          beta2, rest2, correction1, correction2, epsilon, leaf_decay};
    p[i] = m[i] = v[i] = Array();
    Array out[3];
    bind_donating(adam_leaf_primitive, in, 7, {}, {}, out);
    p[i] = out[0];
    m[i] = out[1];
    v[i] = out[2];
  }
}

Sgd sgd(Schedule rate, SgdOptions options, std::source_location where) {
  return {std::move(rate), std::move(options), where};
}
Adam adam(Schedule rate, AdamOptions options, std::source_location where) {
  return {std::move(rate), std::move(options), where};
}
Adam adamw(Schedule rate, AdamOptions options, std::source_location where) {
  if (!options.decay_mask) options.decay_mask = [](const std::string&, const Array& leaf) { return leaf.rank() >= 2; };
  return {std::move(rate), std::move(options), where};
}

}  // namespace optim
}  // namespace wengert
