#include "wengert/diff/check_grads.hpp"

#include <algorithm>
#include <cmath>

#include "wengert/array/number_text.hpp"
#include "wengert/diff/jvp.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert::diff {
namespace {

std::string number(double x) { return number_text(x, std::chars_format::general, 9); }

/// Numbers of size 0.5 to 1.5 and either sign, so that no element counts for little.
class Directions {
 public:
  explicit Directions(int64_t seed) : state_(static_cast<uint64_t>(seed)) {}
  Array like(const Array& x) {
    std::vector<double> values(static_cast<size_t>(x.size()));
    for (double& v : values) v = next();
    return convert(array(values, x.shape()), x.dtype());
  }

 private:
  double next() {  // SplitMix64 (G. Steele, D. Lea, C. Flood, 2014)
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const double size = 0.5 + static_cast<double>(z >> 12) * 0x1p-52;
    return (z & 1) != 0 ? size : -size;
  }
  uint64_t state_;
};

/// A sum of products, and the sum of their absolute values: the scale of its rounding.
struct Projection {
  double value = 0, scale = 0;
  void add(const Array& a, const Array& b) {
    if (!a.defined() || !b.defined()) return;
    const std::vector<double> x = convert(a, float64).to_vector<double>(), y = convert(b, float64).to_vector<double>();
    for (size_t i = 0; i < x.size(); ++i) {
      value += x[i] * y[i];
      scale += std::abs(x[i] * y[i]);
    }
  }
  void add(const std::vector<Array>& a, const std::vector<Array>& b) {
    for (size_t i = 0; i < a.size(); ++i) add(a[i], b[i]);
  }
};

class Checker {
 public:
  Checker(const Flags& active, const std::vector<std::string>& paths, const CheckOptions& options, const Label& label)
      : active_(active), paths_(paths), options_(options), label_(label), directions_(options.seed) {}

  /// `history`: "" or " of forward mode of reverse mode", the modes that made f.
  void check(const ArrayFunction& f, std::span<const Array> x, int order, const std::string& history) {
    const std::vector<Array> y = f(x);
    std::vector<Array> cotangents(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      if (has_tangent(y[i])) cotangents[i] = directions_.like(y[i]);
    }
    for (size_t i = 0; i < x.size(); ++i) {
      if (active_[i]) check_leaf(f, x, i, cotangents, order, history);
    }
    if (order == options_.order) return;
    if (options_.forward) check(along_tangents(f, x), x, order + 1, " of forward mode" + history);
    if (options_.reverse) check(along_cotangents(f, cotangents), x, order + 1, " of reverse mode" + history);
  }

 private:
  void check_leaf(const ArrayFunction& f, std::span<const Array> x, size_t leaf, const std::vector<Array>& cotangents,
                  int order, const std::string& history) {
    std::vector<Array> tangents(x.size());
    tangents[leaf] = directions_.like(x[leaf]);
    Projection expected;
    const double h = options_.eps;
    for (const auto& [step, weight] : {std::pair{h, 8.0}, {-h, -8.0}, {2 * h, -1.0}, {-2 * h, 1.0}}) {
      std::vector<Array> moved(x.begin(), x.end());
      moved[leaf] = x[leaf] + tangents[leaf] * step;
      Projection here;
      here.add(f(moved), cotangents);
      expected.value += weight * here.value / (12 * h);
      expected.scale += here.scale;
    }
    const auto report = [&](const char* mode, const Projection& got) {
      const double rounding = 1e-15 * expected.scale / h;
      compare(mode + (" mode" + history), order, leaf, x[leaf], expected.value, got, rounding);
    };
    if (options_.forward) {
      Projection got;
      got.add(jvp_through(f, x, tangents, "check_grads forward").second, cotangents);
      report("forward", got);
    }
    if (options_.reverse) {
      Projection got;
      got.add(pull(f, x, cotangents)[leaf], tangents[leaf]);
      report("reverse", got);
    }
  }

  void compare(const std::string& mode, int order, size_t leaf, const Array& x, double expected, const Projection& got,
               double rounding) {
    const double difference = std::abs(got.value - expected);
    const double allowed = options_.tolerance * std::max(std::abs(expected), got.scale) + rounding;
    const bool finite = std::isfinite(got.value) && std::isfinite(expected) && std::isfinite(allowed);
    if (got.value == expected || (finite && difference <= allowed)) return;
    throw Error(ErrorKind::value, "check-grads",
                label_.text() + ": " + mode + ", order " + std::to_string(order) + ", operand " +
                    (paths_[leaf].empty() ? "" : paths_[leaf] + " ") + describe(x) + ": got " + number(got.value) +
                    ": wanted " + number(expected) + " by finite differences, within " + number(allowed) +
                    label_.call_site());
  }

  std::vector<Array> pull(const ArrayFunction& f, std::span<const Array> x,
                          const std::vector<Array>& cotangents) const {
    Arguments arguments;
    arguments.leaves.assign(x.begin(), x.end());
    arguments.active = active_;
    VjpResult run = run_with_tape(f, arguments, "check_grads reverse");
    return pull_back(run.pullback, cotangents, arguments);
  }

  /// The derivatives of f along fixed tangents, as functions of the point.
  ArrayFunction along_tangents(const ArrayFunction& f, std::span<const Array> x) {
    std::vector<Array> tangents(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      if (active_[i]) tangents[i] = directions_.like(x[i]);
    }
    return [f, tangents](std::span<const Array> point) {
      return push_forward(f, point, tangents, "check_grads forward").tangents;
    };
  }
  ArrayFunction along_cotangents(const ArrayFunction& f, const std::vector<Array>& cotangents) {
    return [this, f, cotangents](std::span<const Array> point) { return pull(f, point, cotangents); };
  }

  const Flags& active_;
  const std::vector<std::string>& paths_;
  const CheckOptions& options_;
  const Label& label_;
  Directions directions_;
};

}  // namespace

void check_arrays(const ArrayFunction& f, const Arguments& arguments, const std::vector<std::string>& paths,
                  const CheckOptions& options, const Label& label) {
  std::vector<Array> x = arguments.leaves;
  for (size_t i = 0; i < x.size(); ++i) {
    if (arguments.active[i]) x[i] = convert(x[i], float64);
  }
  Checker(arguments.active, paths, options, label).check(f, x, 1, "");
}

}  // namespace wengert::diff
