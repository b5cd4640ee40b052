// Optimizers: pure functions from parameters, state and gradients to new parameters and state.
#pragma once

#include <functional>
#include <optional>

#include "wengert/ops/operand.hpp"
#include "wengert/tree/tree.hpp"

namespace wengert::optim {

/// A learning rate: a number, or a function of the step (int64, rank 0, from 0) to a float64 of rank 0.
class Schedule {
 public:
  Schedule(double rate) : rate_(rate) {}
  Schedule(std::function<Array(const Array& step)> f) : f_(std::move(f)) {}
  Array operator()(const Array& step) const;

 private:
  friend class Sgd;
  friend class Adam;
  double rate_ = 0;  // where there is no function
  std::function<Array(const Array&)> f_;
};

/// Always `rate`.
Schedule constant(double rate);
/// From `rate` down to `final` over `steps` along half a cosine, then constant. Loshchilov, Hutter, ICLR 2017.
/// Errors: value "schedule-steps" (below 1).
Schedule cosine(double rate, int64_t steps, double final = 0,
                std::source_location where = std::source_location::current());
/// Linearly from 0 to what `after` begins with over `steps`; `after` counts from there.
/// Errors: value "schedule-steps" (below 1).
Schedule warm_up(int64_t steps, Schedule after, std::source_location where = std::source_location::current());

/// Whether a leaf is meant: its path and value.
using Mask = std::function<bool(const std::string& path, const Array& leaf)>;

/// Moments of a tree of parameters, and the number of steps taken. A tree itself.
template <class T>
struct SgdState {
  Array step;
  T velocity;
};
template <class T>
struct AdamState {
  Array step;
  T mean, variance;
};

struct SgdOptions {
  double momentum = 0;
  bool nesterov = false;
  double decay = 0;      // added to the gradient, times the parameter
  Mask decay_mask = {};  // leaves that decay; empty: all
};

/// Stochastic gradient descent: v = momentum v + g; p -= rate v (nesterov: p -= rate (g + momentum v)).
class Sgd {
 public:
  /// Errors: value "optimizer-option".
  Sgd(Schedule rate, SgdOptions options, std::source_location where = std::source_location::current());

  template <class T>
  SgdState<T> init(const T& parameters, std::source_location where = std::source_location::current()) const try {
    const CallScope scope(where);
    return {zero_step(), options_.momentum == 0 ? blank(parameters) : zero_moments(parameters)};
  } catch (const std::bad_alloc&) { throw_no_memory("sgd", where); }
  /// {new parameters, new state}. Moved-in trees that nobody else holds are updated in place.
  template <class T>
  std::pair<T, SgdState<T>> update(T parameters, SgdState<T> state, const T& gradient,
                                   std::source_location where = std::source_location::current()) const try {
    const CallScope scope(where);
    std::vector<Array> p = tree::detail::leaves(parameters), v = tree::detail::leaves(state.velocity),
                       g = tree::detail::leaves(gradient);
    const std::vector<std::string> paths = tree::detail::leaf_paths(parameters);
    forget(parameters, state.velocity);
    step_leaves(paths, p, v, g, state.step);
    return {tree::detail::with_leaves(parameters, p), {next(state.step), tree::detail::with_leaves(state.velocity, v)}};
  } catch (const std::bad_alloc&) { throw_no_memory("sgd", where); }

 private:
  friend class Adam;
  void step_leaves(const std::vector<std::string>& paths, std::vector<Array>& p, std::vector<Array>& v,
                   const std::vector<Array>& g, const Array& step) const;
  static Array zero_step();
  static Array next(const Array& step);
  template <class T>
  static T blank(const T& parameters) {
    return tree::map([](const Array&) { return Array(); }, parameters);
  }
  template <class T>
  static T zero_moments(const T& parameters);
  /// Drops the handles of trees whose leaves were taken out, so that the leaves are held once.
  template <class... T>
  static void forget(T&... trees) {
    ((trees = blank(trees)), ...);
  }

  Schedule rate_;
  SgdOptions options_;
};

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0;      // decoupled: p -= rate decay p
  Mask decay_mask = {};  // leaves that decay; empty: all
};

/// Adam (Kingma, Ba, ICLR 2015) with decoupled weight decay (Loshchilov, Hutter, ICLR 2019):
/// m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; p -= rate (m / (1-b1^t) / (sqrt(v / (1-b2^t)) + epsilon) + decay p).
class Adam {
 public:
  /// Errors: value "optimizer-option".
  Adam(Schedule rate, AdamOptions options, std::source_location where = std::source_location::current());

  template <class T>
  AdamState<T> init(const T& parameters, std::source_location where = std::source_location::current()) const try {
    const CallScope scope(where);
    return {Sgd::zero_step(), Sgd::zero_moments(parameters), Sgd::zero_moments(parameters)};
  } catch (const std::bad_alloc&) { throw_no_memory("adam", where); }
  /// {new parameters, new state}. Moved-in trees that nobody else holds are updated in place.
  template <class T>
  std::pair<T, AdamState<T>> update(T parameters, AdamState<T> state, const T& gradient,
                                    std::source_location where = std::source_location::current()) const try {
    const CallScope scope(where);
    std::vector<Array> p = tree::detail::leaves(parameters), m = tree::detail::leaves(state.mean),
                       v = tree::detail::leaves(state.variance);
    const std::vector<Array> g = tree::detail::leaves(gradient);
    const std::vector<std::string> paths = tree::detail::leaf_paths(parameters);
    Sgd::forget(parameters, state.mean, state.variance);
    step_leaves(paths, p, m, v, g, state.step);
    return {tree::detail::with_leaves(parameters, p),
            {Sgd::next(state.step), tree::detail::with_leaves(state.mean, m),
             tree::detail::with_leaves(state.variance, v)}};
  } catch (const std::bad_alloc&) { throw_no_memory("adam", where); }

 private:
  void step_leaves(const std::vector<std::string>& paths, std::vector<Array>& p, std::vector<Array>& m,
                   std::vector<Array>& v, const std::vector<Array>& g, const Array& step) const;
  Schedule rate_;
  AdamOptions options_;
};

/// Errors of all three: value "optimizer-option" (a rate, momentum, epsilon or decay that is negative or not finite, a
/// beta outside [0, 1)).
Sgd sgd(Schedule rate, SgdOptions options = {}, std::source_location where = std::source_location::current());
Adam adam(Schedule rate, AdamOptions options = {}, std::source_location where = std::source_location::current());
/// Adam with decay on leaves of rank >= 2, unless a mask says otherwise.
Adam adamw(Schedule rate, AdamOptions options = {.decay = 0.01},
           std::source_location where = std::source_location::current());

namespace detail {
Array zero_moment(const Array& parameter);
std::vector<Array> clipped(std::vector<Array> gradients, double norm);
Array norm_of(const std::vector<Array>& leaves);
}  // namespace detail

template <class T>
T Sgd::zero_moments(const T& parameters) {
  std::vector<Array> leaves = tree::detail::leaves(parameters);
  const std::vector<bool> trainable = tree::trainable(parameters);
  for (size_t i = 0; i < leaves.size(); ++i) {
    leaves[i] =
        trainable[i] && leaves[i].defined() && is_inexact(leaves[i].dtype()) ? detail::zero_moment(leaves[i]) : Array();
  }
  return tree::detail::with_leaves(parameters, leaves);
}

/// The square root of the sum of squares of all defined floating leaves, in their widest dtype; its derivative is 0 at 0.
/// The squares are added in float64: none of a float32 leaf overflows, those of float64 leaves do beyond 1e154.
template <class T>
Array global_norm(const T& tree, std::source_location where = std::source_location::current()) try {
  const CallScope scope(where);
  return detail::norm_of(tree::detail::leaves(tree));
} catch (const std::bad_alloc&) { throw_no_memory("global_norm", where); }
/// Scales the gradient down so that its global norm is at most `norm`. With an infinite element the others become 0 and
/// it becomes NaN; with a NaN all become NaN: look at isfinite(global_norm(gradient)) to leave such a step out. Errors:
/// value "clip-norm" (a negative norm, or NaN).
template <class T>
T clip_by_norm(const T& gradient, double norm, std::source_location where = std::source_location::current()) try {
  const CallScope scope(where);
  return tree::detail::with_leaves(gradient, detail::clipped(tree::detail::leaves(gradient), norm));
} catch (const std::bad_alloc&) { throw_no_memory("clip_by_norm", where); }

}  // namespace wengert::optim
