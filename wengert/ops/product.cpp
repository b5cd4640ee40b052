#include "wengert/ops/product.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

using Values = std::vector<Expr>;

// Axes -----------------------------------------------------------------------------------------------------

Axes free_axes(int rank, const Axes& contract, const Axes& batch) {
  Axes free;
  for (int i = 0; i < rank; ++i) {
    if (!contract.contains(i) && !batch.contains(i)) free.push_back(i);
  }
  return free;
}

Axes counted(int64_t first, int64_t count) {
  Axes axes;
  for (int64_t i = 0; i < count; ++i) axes.push_back(first + i);
  return axes;
}

Axes joined(const Axes& a, const Axes& b, const Axes& c = {}) {
  Axes all = a;
  for (int64_t axis : b) all.push_back(axis);
  for (int64_t axis : c) all.push_back(axis);
  return all;
}

/// The static parameters of dot_general, with names.
struct Product {
  const Axes &lhs_contract, &rhs_contract, &lhs_batch, &rhs_batch;
  Dtype dtype;
  Axes lhs_free, rhs_free;

  Product(const Params& p, int lhs_rank, int rhs_rank)
      : lhs_contract(p.axes(0)), rhs_contract(p.axes(1)), lhs_batch(p.axes(2)), rhs_batch(p.axes(3)), dtype(p.dtype(4)),
        lhs_free(free_axes(lhs_rank, lhs_contract, lhs_batch)), rhs_free(free_axes(rhs_rank, rhs_contract, rhs_batch)) {
  }
};

Params product_params(const ProductAxes& axes, Dtype dtype) {
  return {axes.lhs_contract, axes.rhs_contract, axes.lhs_batch, axes.rhs_batch, dtype, std::string("highest")};
}

bool are_axes(const Axes& contract, const Axes& batch, int rank) {
  const Axes all = joined(contract, batch);
  for (int i = 0; i < all.size(); ++i) {
    if (all[i] < 0 || all[i] >= rank) return false;
    for (int j = 0; j < i; ++j) {
      if (all[i] == all[j]) return false;
    }
  }
  return true;
}

bool same_lengths(const Shape& a, const Axes& a_axes, const Shape& b, const Axes& b_axes) {
  if (a_axes.size() != b_axes.size()) return false;
  for (int i = 0; i < a_axes.size(); ++i) {
    if (a[static_cast<int>(a_axes[i])].value() != b[static_cast<int>(b_axes[i])].value()) return false;
  }
  return true;
}

Types infer_product(const Avals& in) {
  const Type &a = in[0], &b = in[1];
  const Params& p = in.params;
  want(a.dtype == b.dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
  want(!is_bool(a.dtype), in, ErrorKind::dtype, "dtype-numeric", "a numeric dtype, not bool; convert with astype()");
  want(promote(a.dtype, false, p.dtype(4), false) == p.dtype(4), in, ErrorKind::dtype, "product-dtype",
       "a result dtype that holds the operands'");
  want(p.text(5) == "highest", in, ErrorKind::value, "product-precision", "the precision \"highest\"");
  want(are_axes(p.axes(0), p.axes(2), a.rank()) && are_axes(p.axes(1), p.axes(3), b.rank()), in, ErrorKind::shape,
       "product-axes", "contracted and batch axes that a and b have, each named once");
  want(same_lengths(a.shape, p.axes(0), b.shape, p.axes(1)), in, ErrorKind::shape, "product-contract",
       "contracted axes of equal lengths");
  want(same_lengths(a.shape, p.axes(2), b.shape, p.axes(3)), in, ErrorKind::shape, "product-batch",
       "batch axes of equal lengths");
  const Product product(p, a.rank(), b.rank());
  want(p.axes(2).size() + product.lhs_free.size() + product.rhs_free.size() <= max_rank, in, ErrorKind::shape,
       "product-rank", "at most 8 axes in the result");
  Shape shape;
  for (int64_t axis : product.lhs_batch) shape.push_back(a.shape[static_cast<int>(axis)]);
  for (int64_t axis : product.lhs_free) shape.push_back(a.shape[static_cast<int>(axis)]);
  for (int64_t axis : product.rhs_free) shape.push_back(b.shape[static_cast<int>(axis)]);
  return {Type::of(p.dtype(4), shape, a.weak && b.weak)};
}

/// The coordinates of one operand.
Coordinates operand_at(int rank, const Axes& batch, const Axes& free, const Axes& contract,
                       std::span<const Expr> batch_at, std::span<const Expr> free_at, const Coordinates& r) {
  Coordinates at(static_cast<size_t>(rank));
  const auto put = [&](const Axes& axes, std::span<const Expr> from) {
    for (int i = 0; i < axes.size(); ++i) at[static_cast<size_t>(axes[i])] = from[static_cast<size_t>(i)];
  };
  put(batch, batch_at);
  put(free, free_at);
  put(contract, r);
  return at;
}

Values lower_product(Lowering& k, const Coordinates& i) {
  const int lhs_rank = k.operand(0).rank(), rhs_rank = k.operand(1).rank();
  const Product p(k.params(), lhs_rank, rhs_rank);
  const std::span<const Expr> at(i);
  const auto batch = at.first(static_cast<size_t>(p.lhs_batch.size()));
  const auto lhs_free = at.subspan(batch.size(), static_cast<size_t>(p.lhs_free.size()));
  const auto rhs_free = at.subspan(batch.size() + lhs_free.size());
  Shape extents;
  for (int64_t axis : p.lhs_contract) extents.push_back(k.operand(0).shape[static_cast<int>(axis)]);
  return {k.reduce(loops::Combine::sum, extents, {}, [&](const Coordinates& r) {
    return convert(k(0, operand_at(lhs_rank, p.lhs_batch, p.lhs_free, p.lhs_contract, batch, lhs_free, r)), p.dtype) *
        convert(k(1, operand_at(rhs_rank, p.rhs_batch, p.rhs_free, p.rhs_contract, batch, rhs_free, r)), p.dtype);
  })};
}

/// x with its axes in the order that `places` says: axis i of x becomes axis places[i].
Array moved(const Array& x, const Axes& places) {
  Axes order = places;
  bool sorted = true;
  for (int i = 0; i < places.size(); ++i) {
    order[static_cast<int>(places[i])] = i;
    sorted &= places[i] == i;
  }
  return sorted ? x : transpose(x, order);
}

/// The contracted axes of one operand as the axes of the other that they are paired with, in rising order of the
/// latter: the order in which the product of a cotangent with the other operand brings them out.
Axes in_partner_order(const Axes& own, const Axes& partner) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int i = 0; i < own.size(); ++i) pairs.emplace_back(partner[i], own[i]);
  std::sort(pairs.begin(), pairs.end());
  Axes result;
  for (const auto& pair : pairs) result.push_back(pair.second);
  return result;
}

/// The cotangent of one operand: the product of ct with the other operand over that one's free axes. Of the two orders
/// of a product the one is taken whose result needs no transpose.
Array transpose_product(const RuleEquation& e, const Array& ct, int operand) {
  const Product p(e.params, e.in_type(0).rank(), e.in_type(1).rank());
  const bool left = operand == 0;
  const Array other = convert(e.in(1 - operand), ct.dtype());
  const int64_t batch = p.lhs_batch.size(), lhs_free = p.lhs_free.size(), rhs_free = p.rhs_free.size();
  const Axes &own_batch = left ? p.lhs_batch : p.rhs_batch, &own_free = left ? p.lhs_free : p.rhs_free;
  const Axes &other_batch = left ? p.rhs_batch : p.lhs_batch, &other_free = left ? p.rhs_free : p.lhs_free;
  const Axes own_contract =
      left ? in_partner_order(p.lhs_contract, p.rhs_contract) : in_partner_order(p.rhs_contract, p.lhs_contract);
  const Axes ct_batch = counted(0, batch);
  const Axes ct_contract = left ? counted(batch + lhs_free, rhs_free) : counted(batch, lhs_free);
  const Axes ct_first = joined(own_batch, own_free, own_contract),
             other_first = joined(own_batch, own_contract, own_free);
  const bool swap = std::is_sorted(other_first.begin(), other_first.end()) ||
      (!left && !std::is_sorted(ct_first.begin(), ct_first.end()));
  const Array result = swap ? dot_general(other, ct, {other_free, ct_contract, other_batch, ct_batch})
                            : dot_general(ct, other, {ct_contract, other_free, ct_batch, other_batch});
  return convert(moved(result, swap ? other_first : ct_first), e.in_type(operand).dtype);
}

}  // namespace

const Primitive dot_general_primitive{
    .name = "dot_general",
    .doc = "Sums of a * b over pairs of contracted axes; axes of the result: batch, free of a, free of b.",
    .traits = Trait::bilinear | Trait::contraction,
    .params = {"lhs_contract", "rhs_contract", "lhs_batch", "rhs_batch", "dtype", "precision"},
    .operands = {"a", "b"},
    .infer = infer_product,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {  // dC = dA B + A dB
      return bind(dot_general_primitive, d[0], e.in(1), e.params) +
          bind(dot_general_primitive, e.in(0), d[1], e.params);
    },
    .transpose = transpose_product,
    .lower = lower_product,
    .samples = {{{{{2, 3}, {3, 4}}, product_params({{1}, {0}, {}, {}}, Dtype::float64)},
                 {{{3}, {3}}, product_params({{0}, {0}, {}, {}}, Dtype::float64)},
                 {{{5, 2, 3}, {5, 4, 3}}, product_params({{2}, {2}, {0}, {0}}, Dtype::float64)},
                 {{{2, 3, 4}, {4, 5, 3}}, product_params({{1, 2}, {2, 0}, {}, {}}, Dtype::float64)},
                 {{{0, 3}, {3, 2}}, product_params({{1}, {0}, {}, {}}, Dtype::float64)},
                 {{{2, 0}, {0, 2}}, product_params({{1}, {0}, {}, {}}, Dtype::float64)}}},
};

// Products by name ---------------------------------------------------------------------------------------

namespace {

std::string text(const Operand& x) {
  return x.is_scalar() ? std::string(short_name(x.dtype())) + "*[]" : describe(x.array());
}

/// Both operands in their common dtype. Throws Error(dtype) for bool.
std::pair<Array, Array> promoted(const char* operation, const Operand& a, const Operand& b) {
  const Dtype dtype = promote(a.dtype(), a.weak(), b.dtype(), b.weak());
  if (is_bool(dtype)) {
    fail(ErrorKind::dtype, "dtype-numeric", operation, "a " + text(a) + ", b " + text(b),
         "a numeric dtype, not bool; convert with astype()");
  }
  const auto ready = [&](const Operand& x) {
    return x.is_scalar() ? x.scalar(dtype) : x.dtype() == dtype ? x.array() : convert(x, dtype);
  };
  return {ready(a), ready(b)};
}

std::string both(const Array& a, const Array& b) { return "a " + describe(a) + ", b " + describe(b); }

Array bind_product(const Array& a, const Array& b, const ProductAxes& axes) {
  return bind(dot_general_primitive, a, b, product_params(axes, a.dtype()));
}

/// Products of two matrices are common: their parameters are made once.
const Params& matrix_params(Dtype dtype) {
  static const std::vector<Params>& all = *[] {
    auto params = std::make_unique<std::vector<Params>>();
    for (int d = 0; d <= static_cast<int>(Dtype::complex128); ++d) {
      params->push_back(product_params({{1}, {0}, {}, {}}, static_cast<Dtype>(d)));
    }
    return params.release();  // static objects may compute at exit
  }();
  return all[static_cast<size_t>(dtype)];
}

/// Products of stacks of matrices, whose leading axes broadcast.
Array matmul_stacks(const Array& a, const Array& b) {
  const Shape lead_a = a.shape().first(a.rank() - 2), lead_b = b.shape().first(b.rank() - 2);
  Shape lead;
  if (!broadcast_shapes(lead_a, lead_b, lead)) {
    fail(ErrorKind::shape, "matmul-leading", "matmul", both(a, b),
         "leading dimensions that broadcast: equal from the last one on, or 1");
  }
  // One matrix on the right for all on the left is one product with more rows.
  if (lead_b.size() == 1 && lead_a.rank() >= lead_b.rank()) {
    return bind_product(a, reshape(b, b.shape().last(2)), {{a.rank() - 1}, {0}, {}, {}});
  }
  const Array x = broadcast_to(a, lead + a.shape().last(2)), y = broadcast_to(b, lead + b.shape().last(2));
  const Axes batch = counted(0, lead.rank());
  return bind_product(x, y, {{x.rank() - 1}, {y.rank() - 2}, batch, batch});
}

}  // namespace

Array dot_general(const Operand& a, const Operand& b, const ProductAxes& axes, std::optional<Dtype> result) {
  const CallScope scope(a, "dot_general");
  const auto [x, y] = promoted("dot_general", a, b);
  return bind(dot_general_primitive, x, y, product_params(axes, result.value_or(x.dtype())));
}

Array matmul(const Operand& a, const Operand& b) {
  const CallScope scope(a, "matmul");
  const auto [x, y] = promoted("matmul", a, b);
  if (x.rank() == 0 || y.rank() == 0) {
    fail(ErrorKind::shape, "matmul-rank", "matmul", both(x, y),
         "arrays of at least one dimension; a * b multiplies by a number");
  }
  const int64_t inner = y.rank() == 1 ? 0 : y.rank() - 2;
  if (x.dim(-1).value() != y.dim(static_cast<int>(inner)).value()) {
    fail(ErrorKind::shape, "matmul-inner", "matmul", both(x, y),
         y.rank() == 1 ? "last dimension of a == length of b" : "last dimension of a == second to last of b");
  }
  if (x.rank() == 2 && y.rank() == 2) return bind(dot_general_primitive, x, y, matrix_params(x.dtype()));
  if (x.rank() == 1 || y.rank() == 1) return bind_product(x, y, {{x.rank() - 1}, {inner}, {}, {}});
  return matmul_stacks(x, y);
}

Array dot(const Operand& a, const Operand& b) {
  const CallScope scope(a, "dot");
  const auto [x, y] = promoted("dot", a, b);
  if (x.rank() == 0 || y.rank() == 0) return x * y;
  const int64_t inner = y.rank() == 1 ? 0 : y.rank() - 2;
  if (x.dim(-1).value() != y.dim(static_cast<int>(inner)).value()) {
    fail(ErrorKind::shape, "dot-inner", "dot", both(x, y),
         y.rank() == 1 ? "last dimension of a == length of b" : "last dimension of a == second to last of b");
  }
  return bind_product(x, y, {{x.rank() - 1}, {inner}, {}, {}});
}

Array vdot(const Operand& a, const Operand& b) {
  const CallScope scope(a, "vdot");
  const auto [x, y] = promoted("vdot", a, b);
  if (x.size() != y.size()) fail(ErrorKind::shape, "vdot-size", "vdot", both(x, y), "as many elements in a as in b");
  return bind_product(reshape(x, Shape{x.size()}), reshape(y, Shape{y.size()}), {{0}, {0}, {}, {}});
}

Array outer(const Operand& a, const Operand& b) {
  const CallScope scope(a, "outer");
  const auto [x, y] = promoted("outer", a, b);
  const Array column = broadcast_to(reshape(x, Shape{x.size(), 1}), Shape{x.size(), y.size()});
  return column * reshape(y, Shape{1, y.size()});
}

Array tensordot(const Operand& a, const Operand& b, int64_t count) {
  const CallScope scope(a, "tensordot");
  const auto [x, y] = promoted("tensordot", a, b);
  if (count < 0 || count > std::min(x.rank(), y.rank())) {
    fail(ErrorKind::shape, "tensordot-count", "tensordot", both(x, y) + ", " + std::to_string(count) + " axes",
         "at most as many axes as a and b have");
  }
  return tensordot(x, y, counted(x.rank() - count, count), counted(0, count));
}

Array tensordot(const Operand& a, const Operand& b, const Axes& a_axes, const Axes& b_axes) {
  const CallScope scope(a, "tensordot");
  const auto [x, y] = promoted("tensordot", a, b);
  Axes of_x, of_y;
  for (int64_t axis : a_axes) of_x.push_back(normalize_axis("tensordot", x, axis));
  for (int64_t axis : b_axes) of_y.push_back(normalize_axis("tensordot", y, axis));
  if (!are_axes(of_x, {}, x.rank()) || !are_axes(of_y, {}, y.rank()) ||
      !same_lengths(x.shape(), of_x, y.shape(), of_y)) {
    fail(ErrorKind::shape, "tensordot-axes", "tensordot",
         both(x, y) + ", axes " + to_string(Param(a_axes)) + " and " + to_string(Param(b_axes)),
         "pairs of axes of equal lengths, each axis once");
  }
  return bind_product(x, y, {of_x, of_y, {}, {}});
}

}  // namespace wengert
