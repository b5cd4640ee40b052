// What the tests of reductions and normalizations share: arrays in many memory layouts, the oracle, derivatives.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/errors.hpp"
#include "tests/values.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/diff/forward.hpp"
#include "wengert/diff/reverse.hpp"
#include "wengert/wengert.hpp"

namespace wengert::reduction_testing {

using test::doubles_of;
using test::expect_close;
using test::random_array;
using test::random_values;
using test::thrown_by;

using Function = std::function<Array(std::span<const Array>)>;
using Functions = std::function<std::vector<Array>(std::span<const Array>)>;

/// How an array lies in memory.
enum class Memory { contiguous, transposed, strided, reversed, channels_last };
inline constexpr Memory memories[] = {Memory::contiguous, Memory::transposed, Memory::strided, Memory::reversed,
                                      Memory::channels_last};

/// The same values in another layout. channels_last: axis 1 innermost.
inline Array laid_out(const Array& x, Memory memory) {
  const int rank = x.rank();
  std::vector<int> order;  // of the axes in memory, outermost first
  for (int d = 0; d < rank; ++d) order.push_back(memory == Memory::transposed ? rank - 1 - d : d);
  if (memory == Memory::channels_last && rank > 2) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  const int64_t gap = memory == Memory::strided ? 3 : 1;
  Strides strides{};
  int64_t stride = gap, first = 0;
  for (int k = rank; k-- > 0;) {
    const auto d = static_cast<size_t>(order[static_cast<size_t>(k)]);
    const int64_t length = x.shape()[static_cast<int>(d)];
    strides[d] = memory == Memory::reversed ? -stride : stride;
    if (memory == Memory::reversed) first += stride * std::max<int64_t>(length - 1, 0);
    stride *= std::max<int64_t>(length, 1);
  }
  if (x.size() == 0) return x;
  const Type* flat = Type::of(x.dtype(), {stride});
  const Array base = detail::make_array(Layout::contiguous_of(flat));
  std::memset(base.node()->data, 0x7f, static_cast<size_t>(base.nbytes()));  // gaps hold huge numbers
  const Array y = detail::make_view(base, Layout::of(&x.type(), strides), first);
  std::vector<std::byte> dense(static_cast<size_t>(x.nbytes()));
  detail::copy_strided(dense.data(), x.node());
  const size_t width = static_cast<size_t>(itemsize(x.dtype()));
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t rest = i, at = 0;
    for (int d = rank; d-- > 0;) {
      const int64_t length = x.shape()[d];
      at += rest % length * strides[static_cast<size_t>(d)];
      rest /= length;
    }
    std::memcpy(y.node()->data + at * static_cast<int64_t>(width), dense.data() + static_cast<size_t>(i) * width,
                width);
  }
  return y;
}

inline std::vector<std::byte> bytes_of(const Array& x) {
  std::vector<std::byte> bytes(static_cast<size_t>(x.nbytes()));
  detail::copy_strided(bytes.data(), x.node());
  return bytes;
}

class ThreadCount {
 public:
  explicit ThreadCount(int count) : saved_(cpu::threads()) { cpu::set_threads(count); }
  ~ThreadCount() { cpu::set_threads(saved_); }

 private:
  int saved_;
};

/// f gives what the oracle gives, in every layout and the same bits on one and two threads.
inline void expect_as_oracle(const Functions& f, const std::vector<Array>& inputs, double tolerance) {
  for (Memory memory : memories) {
    const std::string what = "memory " + std::to_string(static_cast<int>(memory));
    std::vector<Array> x;
    for (const Array& a : inputs) x.push_back(laid_out(a, memory));
    std::vector<Array> expected, one, two;
    {
      const cpu::OracleScope oracle;
      expected = f(x);
    }
    {
      const ThreadCount threads(1);
      one = f(x);
    }
    {
      const ThreadCount threads(2);
      two = f(x);
    }
    ASSERT_EQ(one.size(), expected.size());
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(&one[i].type(), &expected[i].type()) << what;
      EXPECT_EQ(bytes_of(one[i]), bytes_of(two[i])) << what << ": one and two threads differ";
      expect_close(doubles_of(one[i]), doubles_of(expected[i]), tolerance, what);
    }
  }
}
inline void expect_as_oracle(const Function& f, const std::vector<Array>& inputs, double tolerance) {
  expect_as_oracle([&](std::span<const Array> x) { return std::vector<Array>{f(x)}; }, inputs, tolerance);
}

/// Kernels launched for the first time while f runs; f must not have run before with these shapes.
inline std::vector<std::string> kernels_of(const std::function<void()>& f) {
  std::vector<std::string> texts;
  cpu::set_kernel_observer([&](std::string_view text) { texts.emplace_back(text); });
  f();
  cpu::set_kernel_observer({});
  return texts;
}

// Derivatives --------------------------------------------------------------------------------------------

/// The gradients of sum(weights * f(x)) by reverse mode.
inline std::vector<Array> gradients(const Function& f, std::span<const Array> x, const Array& weights) {
  const std::unique_ptr<bool[]> active(new bool[x.size()]);
  for (size_t i = 0; i < x.size(); ++i) active[i] = is_inexact(x[i].dtype());
  const auto lifted = [&](std::span<const Array> in) { return std::vector<Array>{f(in)}; };
  diff::VjpResult result = diff::vjp_through(lifted, x, std::span<const bool>(active.get(), x.size()));
  std::vector<Array> g = result.pullback({&weights, 1});
  for (size_t i = 0; i < g.size(); ++i) {
    if (active[i] && !g[i].defined()) g[i] = x[i] * 0;
  }
  return g;
}

inline double dot(const Array& a, const Array& b) { return sum(a * b).item<double>(); }

inline std::vector<Array> moved(std::span<const Array> x, std::span<const Array> direction, double step) {
  std::vector<Array> result;
  for (size_t i = 0; i < x.size(); ++i) result.push_back(direction[i].defined() ? x[i] + direction[i] * step : x[i]);
  return result;
}

/// f at float64 inputs: forward and reverse mode against central differences; then the gradient itself,
/// differentiated forward and in reverse. Inputs that are not inexact are constants.
inline void expect_derivatives(const Function& f, const std::vector<Array>& x, double tolerance = 1e-6,
                               double step = 1e-5) {
  const Array y = f(x);
  const Array weights = random_array(y.shape(), 99);
  std::vector<Array> direction(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (is_inexact(x[i].dtype())) direction[i] = random_array(x[i].shape(), 7 + static_cast<unsigned>(i), -1, 1);
  }
  const auto lifted = [&](std::span<const Array> in) { return std::vector<Array>{f(in)}; };
  const double expected =
      (dot(weights, f(moved(x, direction, step))) - dot(weights, f(moved(x, direction, -step)))) / (2 * step);
  const Array tangent = diff::jvp_through(lifted, x, direction).second[0];
  const double forward = tangent.defined() ? dot(weights, tangent) : 0;
  EXPECT_NEAR(forward, expected, tolerance * (1 + std::fabs(expected))) << "forward";
  const std::vector<Array> g = gradients(f, x, weights);
  double reverse = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (direction[i].defined()) reverse += dot(g[i], direction[i]);
  }
  EXPECT_NEAR(reverse, expected, tolerance * (1 + std::fabs(expected))) << "reverse";

  const auto gradient = [&](std::span<const Array> in) { return gradients(f, in, weights); };
  std::vector<Array> second_direction(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (direction[i].defined()) second_direction[i] = random_array(x[i].shape(), 70 + static_cast<unsigned>(i), -1, 1);
  }
  const auto along = [&](std::span<const Array> in) {
    const std::vector<Array> parts = gradient(in);
    Array total = array(0.0);
    for (size_t i = 0; i < parts.size(); ++i) {
      if (second_direction[i].defined()) total = total + sum(parts[i] * second_direction[i]);
    }
    return total;
  };
  const double second =
      (along(moved(x, direction, step)).item<double>() - along(moved(x, direction, -step)).item<double>()) / (2 * step);
  const auto lifted_along = [&](std::span<const Array> in) { return std::vector<Array>{along(in)}; };
  const Array forward_over = diff::jvp_through(lifted_along, x, direction).second[0];
  EXPECT_NEAR(forward_over.defined() ? forward_over.item<double>() : 0, second,
              10 * tolerance * (1 + std::fabs(second)))
      << "forward over reverse";
  double reverse_over = 0;
  const std::vector<Array> h = gradients(along, x, array(1.0));
  for (size_t i = 0; i < x.size(); ++i) {
    if (direction[i].defined()) reverse_over += dot(h[i], direction[i]);
  }
  EXPECT_NEAR(reverse_over, second, 10 * tolerance * (1 + std::fabs(second))) << "reverse over reverse";
}

}  // namespace wengert::reduction_testing
