// What the tests of functions that move elements share: plain loops over indices, and errors.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/errors.hpp"
#include "tests/ops/primitive_testing.hpp"
#include "wengert/wengert.hpp"

namespace wengert::testing {

using test::expect_error;
using test::thrown_by;

inline constexpr Dtype dtypes[] = {bool_, uint8, int32, int64, float32, float64};

using Index = std::vector<int64_t>;

/// Calls f with every index of a shape, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  Index index(static_cast<size_t>(shape.rank()));
  for (int64_t n = 0; n < shape.size(); ++n) {
    int64_t rest = n;
    for (int d = shape.rank(); d-- > 0;) {
      index[static_cast<size_t>(d)] = rest % shape[d];
      rest /= shape[d];
    }
    f(index);
  }
}

inline int64_t row_major(const Shape& shape, const Index& index) {
  int64_t n = 0;
  for (int d = 0; d < shape.rank(); ++d) n = n * shape[d] + index[static_cast<size_t>(d)];
  return n;
}

/// Element i of the result is element `from(i)` of x.
template <class F>
Values gathered(const Values& x, const Shape& shape, const Shape& result, F from) {
  Values values;
  for_each_index(result, [&](const Index& i) { values.push_back(x[static_cast<size_t>(row_major(shape, from(i)))]); });
  return values;
}

/// 0, 1, 2, ... as far as the dtype tells them apart.
inline Array counted(const Shape& shape, Dtype dtype, Placement placement = Placement::contiguous) {
  Values values;
  for (int64_t n = 0; n < shape.size(); ++n) values.push_back(is_bool(dtype) ? (n * n + n / 3) % 2 : n % 251);
  return make_operand(values, dtype, shape, shape.rank() == 0 ? Placement::contiguous : placement);
}

/// Whether the elements lie in one block, or in one small array's node.
inline bool shares_memory(const Array& a, const Array& b) {
  const auto home = [](const Node* n) {
    return n->storage ? static_cast<const void*>(n->storage) : n->owner ? n->owner : n;
  };
  return home(a.node()) == home(b.node());
}

}  // namespace wengert::testing
