#include "wengert/diff/arguments.hpp"

#include "wengert/ops/shape.hpp"

namespace wengert::diff {

void Arguments::leaf(Array& x) {
  leaves.push_back(x);
  active.push_back(x.defined() && is_inexact(x.dtype()) && !in_buffer());
}

Array zeros_of(const Type& type) { return broadcast_to(detail::scalar(int64_t{0}, type.dtype, false), type.shape); }

}  // namespace wengert::diff
