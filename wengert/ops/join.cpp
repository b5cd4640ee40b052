#include "wengert/ops/join.hpp"

#include <algorithm>
#include <numeric>

#include "wengert/ops/common.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

/// Passes keep sets of operands in the bits of a word; more arrays than these are joined in groups.
constexpr size_t most_joined = 32;

/// The place of a part of an array that is whole along all axes but one.
detail::SlicePlace part_of(const Shape& whole, int axis, int64_t start, Dim length) {
  detail::SlicePlace place{{}, whole, {}};
  for (int d = 0; d < whole.rank(); ++d) {
    place.starts.push_back(d == axis && length.value() != 0 ? start : 0);
    place.strides.push_back(1);
  }
  place.sizes[axis] = length;
  return place;
}

/// Where operand `operand` of a concatenation begins.
int64_t start_of(std::span<const Type* const> types, int axis, int operand) {
  int64_t start = 0;
  for (int i = 0; i < operand; ++i) start += types[static_cast<size_t>(i)]->shape[axis];
  return start;
}

int axis_of(const Params& params) { return static_cast<int>(params.integer(0)); }

int64_t padded_length(int64_t n, int64_t low, int64_t high, int64_t interior) {
  return low + n + std::max<int64_t>(n - 1, 0) * interior + high;
}

/// x's shape padded as the parameters of `pad` say.
Shape padded_shape(const Shape& x, const Params& params) {
  Shape shape;
  for (int d = 0; d < x.rank(); ++d) {
    shape.push_back(padded_length(x[d], params.axes(0)[d], params.axes(1)[d], params.axes(2)[d]));
  }
  return shape;
}

bool same_but_for(const Shape& a, const Shape& b, int64_t axis) {
  for (int d = 0; d < a.rank(); ++d) {
    if (d != axis && a[d].value() != b[d].value()) return false;
  }
  return a.rank() == b.rank();
}

}  // namespace

const Primitive concatenate_primitive{
    .name = "concatenate",
    .doc = "The operands one after the other along an axis.",
    .traits = Trait::linear,
    .params = {"axis"},
    .infer = [](const Avals& in) -> Types {
      const int64_t axis = in.params.integer(0);
      want(in.size() > 0, in, ErrorKind::value, "concatenate-empty", "at least one operand");
      want(axis >= 0 && axis < in[0].rank(), in, ErrorKind::shape, "axis-range", "an axis of x");
      Shape shape = in[0].shape;
      bool weak = in[0].weak;
      for (int i = 1; i < in.size(); ++i) {
        want(in[i].dtype == in[0].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
        const bool fits = in[i].rank() == shape.rank() && same_but_for(shape, in[i].shape, axis);
        want(fits, in, ErrorKind::shape, "concatenate-shape", "equal lengths along all axes but one");
        shape[static_cast<int>(axis)] += in[i].shape[static_cast<int>(axis)];
        weak &= in[i].weak;
      }
      return {Type::of(in[0].dtype, shape, weak)};
    },
    .tangent = [](const RuleEquation& e, Tangents d) -> Results { return bind(concatenate_primitive, d, e.params); },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          const int axis = axis_of(e.params);
          const int64_t start = start_of(e.input_types, axis, operand);
          return detail::slice(ct, part_of(ct.shape(), axis, start, e.in_type(operand).shape[axis]));
        },
    .drop_zeros =
        [](const RuleEquation& e, uint64_t zeros) {
          std::vector<Array> operands(e.inputs.begin(), e.inputs.end());
          for (size_t i = 0; i < operands.size(); ++i) {
            if (zeros >> i & 1) operands[i] = detail::zeros_of(*e.input_types[i]);
          }
          return bind(concatenate_primitive, std::span<const Array>(operands), e.params);
        },
    .piece = [](Lowering& k, int operand) -> Update {
      const int axis = axis_of(k.params());
      int64_t start = 0;
      for (int i = 0; i < operand; ++i) start += k.operand(i).shape[axis];
      return {k.operand(operand).shape, loops::Combine::set,
              [&k, axis, start](Coordinates i) {
                i[static_cast<size_t>(axis)] = i[static_cast<size_t>(axis)] + k.integer(start);
                return i;
              },
              [&k, operand](const Coordinates& i) { return k(operand, i); }, true};
    },
    .samples = {{{{{3}, {2}, {4}}, {int64_t{0}}},
                 {{{2, 3}, {2, 1}}, {int64_t{1}}},
                 {{{2, 3}, {4, 3}}, {int64_t{0}}},
                 {{{2, 1, 2}, {2, 0, 2}, {2, 3, 2}}, {int64_t{1}}},
                 {{{5}}, {int64_t{0}}}}},
};

const Primitive pad_primitive{
    .name = "pad",
    .doc = "x with a value before and after it along every axis, and between its elements.",
    .params = {"low", "high", "interior"},
    .operands = {"x", "value"},
    .infer = [](const Avals& in) -> Types {
      const Axes &low = in.params.axes(0), &high = in.params.axes(1), &interior = in.params.axes(2);
      want(in[0].dtype == in[1].dtype, in, ErrorKind::dtype, "dtype-equal", "equal dtypes; convert with astype()");
      want(in[1].rank() == 0, in, ErrorKind::shape, "pad-value", "a value of rank 0");
      const int rank = in[0].rank();
      const bool complete = low.size() == rank && high.size() == rank && interior.size() == rank;
      want(complete, in, ErrorKind::shape, "pad-rank", "one number for each axis");
      for (const Axes* numbers : {&low, &high, &interior}) {
        const bool negative = std::any_of(numbers->begin(), numbers->end(), [](int64_t n) { return n < 0; });
        want(!negative, in, ErrorKind::value, "pad-negative", "no negative numbers");
      }
      return {Type::of(in[0].dtype, padded_shape(in[0].shape, in.params), in[0].weak && in[1].weak)};
    },
    .body = [](std::span<const Array> in, const Params& params, const Runtimes&) -> Results {
      Axes strides;
      for (const int64_t gap : params.axes(2)) strides.push_back(gap + 1);
      const Array filled = broadcast_to(in[1], padded_shape(in[0].shape(), params));
      return detail::set_slice(filled, in[0], {params.axes(0), in[0].shape(), strides});
    },
    .samples = {{{{{3}, {}}, {Axes{1}, Axes{2}, Axes{0}}},
                 {{{2, 3}, {}}, {Axes{0, 1}, Axes{3, 0}, Axes{2, 1}}},
                 {{{0, 2}, {}}, {Axes{1, 0}, Axes{1, 0}, Axes{1, 0}}},
                 {{{}, {}}, {Axes{}, Axes{}, Axes{}}}}},
};

namespace {

std::string operand_text(const std::vector<Array>& arrays, size_t i) {
  return "operand " + std::to_string(i) + " " + describe(arrays[i]);
}

/// The arrays in the dtype that all promote to.
std::vector<Array> promoted(const std::vector<Array>& arrays) {
  Dtype dtype = arrays[0].dtype();
  bool weak = arrays[0].type().weak;
  for (const Array& a : arrays) {
    dtype = promote(dtype, weak, a.dtype(), a.type().weak);
    weak = weak && a.type().weak;
  }
  std::vector<Array> result;
  for (const Array& a : arrays) result.push_back(converted_and_broadcast(a, dtype, weak, a.shape()));
  return result;
}

/// Arrays of one dtype and rank.
Array join(std::vector<Array> arrays, int64_t axis) {
  while (arrays.size() > 1) {
    std::vector<Array> joined;
    for (size_t i = 0; i < arrays.size(); i += most_joined) {
      const std::span<const Array> group(arrays.data() + i, std::min(most_joined, arrays.size() - i));
      joined.push_back(group.size() == 1 ? group[0] : bind(concatenate_primitive, group, {axis}));
    }
    arrays = std::move(joined);
  }
  return arrays[0];
}

void want_defined(const std::vector<Array>& arrays) {
  for (const Array& x : arrays) static_cast<void>(Operand(x));  // throws
}

}  // namespace

Array concatenate(const std::vector<Array>& arrays, int64_t axis, std::source_location where) try {
  const CallScope scope(where, "concatenate");
  if (arrays.empty()) fail(ErrorKind::value, "concatenate-empty", "concatenate", "no arrays", "at least one");
  want_defined(arrays);
  const Array& first = arrays[0];
  if (first.rank() == 0) {
    fail(ErrorKind::shape, "concatenate-rank", "concatenate", operand_text(arrays, 0),
         "arrays with axes; stack() joins numbers");
  }
  const int64_t along = normalize_axis("concatenate", first, axis);
  for (size_t i = 1; i < arrays.size(); ++i) {
    if (arrays[i].rank() == first.rank() && same_but_for(arrays[i].shape(), first.shape(), along)) continue;
    fail(ErrorKind::shape, "concatenate-shape", "concatenate",
         operand_text(arrays, 0) + ", " + operand_text(arrays, i) + ", axis " + std::to_string(axis),
         "equal lengths along every axis but axis " + std::to_string(along));
  }
  return join(promoted(arrays), along);
} catch (const std::bad_alloc&) { throw_no_memory("concatenate", where); }

Array stack(const std::vector<Array>& arrays, int64_t axis, std::source_location where) try {
  const CallScope scope(where, "stack");
  if (arrays.empty()) fail(ErrorKind::value, "stack-empty", "stack", "no arrays", "at least one");
  want_defined(arrays);
  for (size_t i = 1; i < arrays.size(); ++i) {
    if (arrays[i].shape() == arrays[0].shape()) continue;
    fail(ErrorKind::shape, "stack-shape", "stack", operand_text(arrays, 0) + ", " + operand_text(arrays, i),
         "arrays of one shape");
  }
  const int64_t rank = arrays[0].rank() + 1;
  if (rank > max_rank) {
    fail(ErrorKind::shape, "stack-rank", "stack", operand_text(arrays, 0), "arrays of at most 7 axes");
  }
  if (axis < -rank || axis >= rank) {
    fail(ErrorKind::shape, "axis-range", "stack", operand_text(arrays, 0) + ", axis " + std::to_string(axis),
         "an axis from " + std::to_string(-rank) + " to " + std::to_string(rank - 1));
  }
  std::vector<Array> layers = promoted(arrays);
  for (Array& a : layers) a = expand(a, axis);
  return join(std::move(layers), axis < 0 ? axis + rank : axis);
} catch (const std::bad_alloc&) { throw_no_memory("stack", where); }

namespace {
constexpr int64_t most_empty_parts = 1 << 16;  // of an axis without elements, which every number divides
}  // namespace

std::vector<Array> split(const Operand& x, int64_t sections, int64_t axis) try {
  const CallScope scope(x, "split");
  const Array a = x.to_array();
  const int64_t length = a.shape()[static_cast<int>(normalize_axis("split", a, axis))];
  if (sections <= 0 || length % sections != 0 || sections > std::max(length, most_empty_parts)) {
    fail(ErrorKind::shape, "split-sections", "split",
         "x " + describe(a) + ", " + std::to_string(sections) + " sections, axis " + std::to_string(axis),
         "a number of sections that divides " + std::to_string(length));
  }
  return split(a, std::vector<int64_t>(static_cast<size_t>(sections), length / sections), axis);
} catch (const std::bad_alloc&) { throw_no_memory("split", x.where()); }

std::vector<Array> split(const Operand& x, const std::vector<int64_t>& sizes, int64_t axis) try {
  const CallScope scope(x, "split");
  const Array a = x.to_array();
  const int along = static_cast<int>(normalize_axis("split", a, axis));
  const bool unfit =
      std::any_of(sizes.begin(), sizes.end(), [&](int64_t n) { return n < 0 || n > a.shape()[along].value(); });
  if (unfit || std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != a.shape()[along].value()) {
    std::string list;
    for (int64_t n : sizes) list += (list.empty() ? "" : ",") + std::to_string(n);
    fail(ErrorKind::shape, "split-sizes", "split",
         "x " + describe(a) + ", sizes [" + list + "], axis " + std::to_string(axis),
         "sizes that add up to " + std::to_string(a.shape()[along].value()));
  }
  std::vector<Array> parts;
  int64_t start = 0;
  for (int64_t n : sizes) {
    parts.push_back(detail::slice(a, part_of(a.shape(), along, start, n)));
    start += n;
  }
  return parts;
} catch (const std::bad_alloc&) { throw_no_memory("split", x.where()); }

std::vector<Array> split(const Operand& x, std::initializer_list<int64_t> sizes, int64_t axis) try {
  return split(x, std::vector<int64_t>(sizes), axis);
} catch (const std::bad_alloc&) { throw_no_memory("split", x.where()); }

Array pad(const Operand& x, const Axes& low, const Axes& high, const Operand& value, const Axes& interior) {
  const CallScope scope(x, "pad");
  const Array given = x.to_array();
  const int rank = given.rank();
  const auto got = [&] {
    return "x " + describe(given) + ", value " + describe(value.to_array()) + ", low " + to_string(Param(low)) +
        ", high " + to_string(Param(high)) + (interior.empty() ? "" : ", interior " + to_string(Param(interior)));
  };
  if (low.size() != rank || high.size() != rank || (!interior.empty() && interior.size() != rank)) {
    fail(ErrorKind::shape, "pad-rank", "pad", got(), "one number for each of " + std::to_string(rank) + " axes");
  }
  if (value.shape().rank() != 0) fail(ErrorKind::shape, "pad-value", "pad", got(), "a value of rank 0");
  Axes before, between, after, first, limit;
  bool cut = false;
  for (int d = 0; d < rank; ++d) {
    const int64_t n = given.shape()[d], gap = interior.empty() ? 0 : interior[d];
    if (gap < 0) fail(ErrorKind::value, "pad-interior", "pad", got(), "an interior of 0 or more");
    const auto is_far = [](int64_t distance) { return distance > max_size || distance < -max_size; };
    if (is_far(low[d]) || is_far(high[d]) || (n > 1 && gap > max_size / (n - 1))) {
      fail(ErrorKind::shape, "shape-size", "pad", got(), "a result of at most 2^58 elements");
    }
    const int64_t length = padded_length(n, low[d], high[d], gap);
    if (length < 0) {
      fail(ErrorKind::shape, "pad-length", "pad", got(), "at least 0 elements left along axis " + std::to_string(d));
    }
    before.push_back(std::max<int64_t>(low[d], 0));
    after.push_back(std::max<int64_t>(high[d], 0));
    between.push_back(gap);
    first.push_back(std::max<int64_t>(-low[d], 0));
    limit.push_back(first[d] + length);
    cut = cut || low[d] < 0 || high[d] < 0;
  }
  const Dtype dtype = promote(x.dtype(), x.weak(), value.dtype(), value.weak());
  const bool weak = x.weak() && value.weak();
  const Array padded = bind(pad_primitive, converted_and_broadcast(x, dtype, weak, given.shape()),
                            converted_and_broadcast(value, dtype, weak, {}), {before, after, between});
  return cut ? slice(padded, first, limit) : padded;
}

Array roll(const Operand& x, int64_t shift, int64_t axis) try {
  const CallScope scope(x, "roll");
  const Array a = x.to_array();
  const int64_t length = a.shape()[static_cast<int>(normalize_axis("roll", a, axis))];
  if (length == 0) return a;
  const int64_t moved = (shift % length + length) % length;
  const std::vector<Array> parts = split(a, {length - moved, moved}, axis);
  return concatenate({parts[1], parts[0]}, axis);
} catch (const std::bad_alloc&) { throw_no_memory("roll", x.where()); }

}  // namespace wengert
