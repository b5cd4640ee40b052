#include "wengert/ops/diagonal.hpp"

#include <algorithm>

#include "wengert/ops/common.hpp"
#include "wengert/ops/reduce.hpp"

namespace wengert {
namespace {

using Values = std::vector<Expr>;

/// Coordinates without two axes, then `last`.
Coordinates without(const Coordinates& i, int64_t axis1, int64_t axis2, Expr last) {
  Coordinates at;
  for (int64_t d = 0; d < static_cast<int64_t>(i.size()); ++d) {
    if (d != axis1 && d != axis2) at.push_back(i[static_cast<size_t>(d)]);
  }
  at.push_back(last);
  return at;
}

}  // namespace

extern const Primitive from_diagonal_primitive;

const Primitive diagonal_primitive{
    .name = "diagonal",
    .doc = "The elements at equal indices of two axes, along a new last axis.",
    .traits = Trait::linear | Trait::view | Trait::cheap,
    .params = {"axis1", "axis2"},
    .infer = [](const Avals& in) -> Types {
      const int64_t a = in.params.integer(0), b = in.params.integer(1), rank = in[0].rank();
      want(a >= 0 && b >= 0 && a < rank && b < rank && a != b, in, ErrorKind::shape, "diagonal-axes", "two axes of x");
      Shape shape;
      for (int d = 0; d < rank; ++d) {
        if (d != a && d != b) shape.push_back(in[0].shape[d]);
      }
      shape.push_back(std::min(in[0].shape[static_cast<int>(a)].value(), in[0].shape[static_cast<int>(b)].value()));
      return {Type::of(in[0].dtype, shape, in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(diagonal_primitive, d[0], e.params); },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int) {
          return bind(from_diagonal_primitive, ct, {e.params.integer(0), e.params.integer(1), e.in_type().shape});
        },
    .view =
        [](const Avals& in, const Layout& layout, const Type& out, std::span<int64_t>, int64_t&) {
          const int64_t a = in.params.integer(0), b = in.params.integer(1);
          Strides strides{};
          size_t to = 0;
          for (int64_t d = 0; d < in[0].rank(); ++d) {
            if (d != a && d != b) strides[to++] = layout.strides[static_cast<size_t>(d)];
          }
          strides[to] = layout.strides[static_cast<size_t>(a)] + layout.strides[static_cast<size_t>(b)];
          return Layout::of(&out, strides);
        },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const int64_t a = k.params().integer(0), b = k.params().integer(1);
      Coordinates at;
      size_t from = 0;
      for (int64_t d = 0; d < k.operand(0).rank(); ++d) at.push_back(d == a || d == b ? i.back() : i[from++]);
      return {k(0, at)};
    },
    .samples = {{{{{3, 3}}, {int64_t{0}, int64_t{1}}},
                 {{{2, 4, 3}}, {int64_t{2}, int64_t{0}}},
                 {{{0, 2}}, {int64_t{0}, int64_t{1}}}}},
};

const Primitive from_diagonal_primitive{
    .name = "from_diagonal",
    .doc = "Zeros, with x's last axis on the diagonal of two axes: the transpose of diagonal.",
    .traits = Trait::linear | Trait::cheap,
    .params = {"axis1", "axis2", "shape"},
    .infer = [](const Avals& in) -> Types {
      const int64_t a = in.params.integer(0), b = in.params.integer(1);
      const Shape& shape = in.params.shape(2);
      Shape from;
      for (int d = 0; d < shape.rank(); ++d) {
        if (d != a && d != b) from.push_back(shape[d]);
      }
      const bool valid = a >= 0 && b >= 0 && a < shape.rank() && b < shape.rank() && a != b;
      if (valid) from.push_back(std::min(shape[static_cast<int>(a)].value(), shape[static_cast<int>(b)].value()));
      want(valid && from == in[0].shape, in, ErrorKind::shape, "from-diagonal", "the shape of that diagonal");
      return {Type::of(in[0].dtype, shape, in[0].weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(from_diagonal_primitive, d[0], e.params);
    },
    .transpose = [](const RuleEquation& e, const Array& ct,
                    int) { return bind(diagonal_primitive, ct, {e.params.integer(0), e.params.integer(1)}); },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const int64_t a = k.params().integer(0), b = k.params().integer(1);
      if (k.operand(0).size == 0) return {k.constant(0, k.result().dtype)};
      const Expr row = i[static_cast<size_t>(a)], column = i[static_cast<size_t>(b)];
      const Expr last = k.integer(k.operand(0).shape.back().value() - 1);
      const Expr x = k(0, without(i, a, b, min(row, last)));
      return {select(row == column, x, k.constant(0, k.result().dtype))};
    },
    .samples = {{{{{3}}, {int64_t{0}, int64_t{1}, Shape{3, 3}}},
                 {{{4, 2}}, {int64_t{2}, int64_t{0}, Shape{2, 4, 3}}},
                 {{{0, 2}}, {int64_t{2}, int64_t{1}, Shape{0, 2, 2}}}}},
};

Array diagonal(const Operand& x, int64_t axis1, int64_t axis2) {
  const CallScope scope(x);
  const Array a = x.to_array();
  const int64_t first = normalize_axis("diagonal", a, axis1), second = normalize_axis("diagonal", a, axis2);
  return bind(diagonal_primitive, a, {first, second});
}

Array trace(const Operand& x, int64_t axis1, int64_t axis2) {
  const CallScope scope(x);
  return sum(diagonal(x, axis1, axis2), {-1});
}

}  // namespace wengert
