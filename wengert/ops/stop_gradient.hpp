// stop_gradient: a value as a constant.
#pragma once

#include "wengert/ops/operand.hpp"
#include "wengert/tree/tree.hpp"

namespace wengert {

/// x, with a derivative of zero. Any dtype and shape.
Array stop_gradient(const Operand& x);

/// The same for every array of a tree.
template <class T>
  requires(tree::Tree<T> && !std::is_convertible_v<const T&, Operand>)
T stop_gradient(const T& tree) {
  return tree::map([](const Array& x) { return stop_gradient(x); }, tree);
}

}  // namespace wengert
