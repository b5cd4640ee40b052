// The plain evaluator of the loop vocabulary. Written to be obviously right, not fast.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "wengert/compile/integers.hpp"
#include "wengert/compile/nest.hpp"

namespace wengert::compile {
namespace {

using loops::Combine;
using loops::Graph;
using loops::Node;
using loops::Op;
using Real = long double;

/// A scalar: `real` for floats, `integer` for integers and bool.
struct Value {
  Real real = 0;
  int64_t integer = 0;
};

class Runner {
 public:
  Runner(const Nest& nest, std::span<void* const> buffers, std::span<const int64_t> arguments, bool writes)
      : nest_(nest), graph_(nest.graph), buffers_(buffers), arguments_(arguments), writes_(writes),
        index_(static_cast<size_t>(graph_.axis_count())), changed_(index_.size()),
        known_(static_cast<size_t>(graph_.size())) {}

  /// Stores over memory that others read wait for them: a kernel may write a result over its input.
  std::optional<IndexFailure> run() {
    const bool alone = nest_.stores.size() == 1;
    std::vector<const Store*> waiting;
    for (const Store& store : nest_.stores) {
      hold_ = writes_ && !alone && is_read(store.buffer);
      if (hold_) waiting.push_back(&store);
      known_.assign(known_.size(), Known());
      each(store, [&] { write(store); });
      if (failure_) return failure_;
    }
    size_t next = 0;
    for (const Store* store : waiting)
      each(*store, [&] { put(address(*store), layout_of(*store).type->dtype, held_[next++]); });
    return failure_;
  }

 private:
  template <class F>
  void each(const Store& store, const F& f) {
    std::vector<int> axes;
    for (int axis : store.axes) {
      if (axis >= 0) axes.push_back(axis);
    }
    loop(axes, 0, f);
  }
  template <class F>
  void loop(std::span<const int> axes, size_t depth, const F& f) {
    if (depth == axes.size()) return f();
    for (int64_t i = 0; i < graph_.extent(axes[depth]) && !failure_; ++i) {
      set_index(axes[depth], i);
      loop(axes, depth + 1, f);
    }
  }
  void set_index(int axis, int64_t i) {
    index_[static_cast<size_t>(axis)] = i;
    changed_[static_cast<size_t>(axis)] = ++time_;
  }

  bool is_read(int buffer) const {
    for (int32_t id = 0; id < graph_.size(); ++id) {
      if (graph_.node(id).op == Op::load && graph_.node(id).integer == buffer) return true;
    }
    return false;
  }

  void write(const Store& store) {
    const Dtype dtype = layout_of(store).type->dtype;
    std::byte* at = address(store);
    Value value = evaluate(store.value.id());
    if (failure_ || !writes_) return;
    if (store.combine != Combine::set) value = combine(store.combine, read(at, dtype), value, dtype);
    if (hold_) held_.push_back(value);
    else put(at, dtype, value);
  }

  const Layout& layout_of(const Store& store) const { return *nest_.buffers[static_cast<size_t>(store.buffer)].layout; }
  std::byte* address(const Store& store) {
    const Layout& layout = layout_of(store);
    int64_t offset = 0;
    if (store.target.empty()) {
      for (size_t d = 0; d < store.axes.size(); ++d) {
        if (store.axes[d] >= 0) offset += layout.strides[d] * index_[static_cast<size_t>(store.axes[d])];
      }
    } else {
      for (size_t d = 0; d < store.target.size(); ++d) {
        offset += layout.strides[d] * evaluate(store.target[d].id()).integer;
      }
    }
    return address(store.buffer, offset, layout.type->dtype);
  }
  std::byte* address(int64_t buffer, int64_t offset, Dtype dtype) const {
    return static_cast<std::byte*>(buffers_[static_cast<size_t>(buffer)]) + offset * itemsize(dtype);
  }

  template <class T>
  static T get(const std::byte* at) {
    T v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }

  static Value read(const std::byte* at, Dtype dtype) {
    switch (dtype) {
      case Dtype::bool_:
      case Dtype::uint8: return {0, get<uint8_t>(at)};
      case Dtype::int32: return {0, get<int32_t>(at)};
      case Dtype::int64: return {0, get<int64_t>(at)};
      case Dtype::float32: return {get<float>(at), 0};
      default: return {get<double>(at), 0};
    }
  }

  static void put(std::byte* at, Dtype dtype, Value v) {
    auto set = [&](auto x) { std::memcpy(at, &x, sizeof x); };
    switch (dtype) {
      case Dtype::bool_:
      case Dtype::uint8: return set(static_cast<uint8_t>(v.integer));
      case Dtype::int32: return set(static_cast<int32_t>(v.integer));
      case Dtype::int64: return set(v.integer);
      case Dtype::float32: return set(static_cast<float>(v.real));
      default: return set(static_cast<double>(v.real));
    }
  }

  static Value wrap(Value v, Dtype dtype) {
    if (dtype == Dtype::uint8) v.integer = static_cast<uint8_t>(v.integer);
    if (dtype == Dtype::uint32) v.integer = static_cast<uint32_t>(v.integer);
    if (dtype == Dtype::int32) v.integer = static_cast<int32_t>(v.integer);
    return v;
  }

  static Value combine(Combine kind, Value a, Value b, Dtype dtype) {
    const bool real = is_floating(dtype);
    switch (kind) {
      case Combine::sum: return wrap({a.real + b.real, add_wrapping(a.integer, b.integer)}, dtype);
      case Combine::prod: return wrap({a.real * b.real, multiply_wrapping(a.integer, b.integer)}, dtype);
      case Combine::max:
        if (real && a.real == b.real) return std::signbit(a.real) ? b : a;
        if (real) return {std::isnan(a.real) || a.real > b.real ? a.real : b.real, 0};
        return {0, std::max(a.integer, b.integer)};
      case Combine::min:
        if (real && a.real == b.real) return std::signbit(a.real) ? a : b;
        if (real) return {std::isnan(a.real) || a.real < b.real ? a.real : b.real, 0};
        return {0, std::min(a.integer, b.integer)};
      case Combine::any: return {0, a.integer | b.integer};
      case Combine::all: return {0, a.integer & b.integer};
      case Combine::set: return b;
    }
    return b;
  }

  static Value identity(Combine kind, Dtype dtype) {
    switch (kind) {
      case Combine::prod: return {1, 1};
      case Combine::all: return {0, 1};
      case Combine::max: return {-std::numeric_limits<Real>::infinity(), lowest_integer(dtype)};
      case Combine::min: return {std::numeric_limits<Real>::infinity(), highest_integer(dtype)};
      default: return {};
    }
  }

  Value reduce(const Node& n) {
    std::vector<int> axes;
    for (int axis = 0; axis < graph_.axis_count(); ++axis) {
      if (n.bound >> axis & 1) axes.push_back(axis);
    }
    std::vector<int64_t> saved;
    for (int axis : axes) saved.push_back(index_[static_cast<size_t>(axis)]);
    Value total = identity(n.combine, n.dtype);
    loop(axes, 0, [&] { total = combine(n.combine, total, evaluate(graph_.child(n, 0)), n.dtype); });
    for (size_t i = 0; i < axes.size(); ++i) set_index(axes[i], saved[i]);
    return total;
  }

  Value checked_index(const Node& n) {
    const int64_t i = evaluate(graph_.child(n, 0)).integer, length = evaluate(graph_.child(n, 1)).integer,
                  count = evaluate(graph_.child(n, 2)).integer;
    const int64_t place = i < 0 ? add_wrapping(i, length) : i;
    if (place >= 0 && place < count) return {0, place};
    if (!failure_) fail({i, length, count}, graph_.node(graph_.child(n, 0)));
    return {};
  }
  void fail(IndexFailure failure, const Node& index) {
    if (index.op == Op::convert) return fail(failure, graph_.node(graph_.child(index, 0)));
    if (index.op == Op::load) {
      failure.indices = nest_.buffers[static_cast<size_t>(index.integer)].layout->type;
      for (int d = 0; d < index.child_count; ++d) {
        failure.place = failure.place * failure.indices->shape[d] + evaluate(graph_.child(index, d)).integer;
      }
    }
    failure_ = failure;
  }

  Value load(const Node& n) {
    const Layout& layout = *nest_.buffers[static_cast<size_t>(n.integer)].layout;
    int64_t offset = 0;
    for (int d = 0; d < n.child_count; ++d) {
      offset += layout.strides[static_cast<size_t>(d)] * evaluate(graph_.child(n, d)).integer;
    }
    return read(address(n.integer, offset, layout.type->dtype), layout.type->dtype);
  }

  static Value convert(Value v, Dtype from, Dtype to) {
    if (is_bool(to)) return {0, is_floating(from) ? v.real != 0 : v.integer != 0};
    if (is_floating(to)) {
      const Real x = is_floating(from) ? v.real : static_cast<Real>(v.integer);
      return {
          to == Dtype::float32 ? static_cast<Real>(static_cast<float>(x)) : static_cast<Real>(static_cast<double>(x)),
          0};
    }
    return wrap({0, is_floating(from) ? truncate_to_integer(static_cast<double>(v.real), to) : v.integer}, to);
  }

  Value call_math(const Node& n) {
    const auto& function = loops::math_functions()[static_cast<size_t>(n.integer)];
    Value in[4];
    for (int i = 0; i < n.child_count; ++i) in[i] = evaluate(graph_.child(n, i));
    if (function.evaluate) {
      Real x[4];
      for (int i = 0; i < n.child_count; ++i) x[i] = in[i].real;
      if (is_floating(n.dtype)) return {function.evaluate(x), 0};
    }
    if (function.name == "random_bits") {
      return {0,
              random_bits(static_cast<uint32_t>(in[0].integer), static_cast<uint32_t>(in[1].integer),
                          static_cast<uint64_t>(in[2].integer))};
    }
    const auto word = [&](int i) { return static_cast<uint32_t>(in[i].integer); };
    if (function.name == "uniform") {
      if (function.arity == 1) return {static_cast<Real>(word(0) >> 8) * 0x1p-24L, 0};
      return {(static_cast<Real>(word(0) >> 5) * 0x1p26L + static_cast<Real>(word(1) >> 6)) * 0x1p-53L, 0};
    }
    if (function.name == "normal") {
      const Real low = function.arity == 1 ? 0.5L : (static_cast<Real>(word(1) >> 1) + 0.5L) * 0x1p-31L;
      return {std::sqrt(2.0L) *
                  inverse_erf((static_cast<Real>(static_cast<int32_t>(word(0) ^ 0x80000000u)) + low) * 0x1p-31L),
              0};
    }
    if (function.name == "permute") return {0, permuted_index(word(0), word(1), in[2].integer, in[3].integer)};
    if (function.name == "pow") return wrap({0, power(in[0].integer, in[1].integer)}, n.dtype);
    if (function.name == "sign") return {0, (in[0].integer > 0) - (in[0].integer < 0)};
    if (function.name == "erfinv") return {inverse_erf(in[0].real), 0};
    return {};
  }

  /// The value of a node at the current indices. Kept until one that it depends on changes: lowerings share
  /// subexpressions, and following each use anew would take time exponential in their depth.
  Value evaluate(int32_t id) {
    Known& known = known_[static_cast<size_t>(id)];
    int64_t needed = 1;
    for (uint64_t free = graph_.node(id).free; free != 0; free &= free - 1) {
      needed = std::max(needed, changed_[static_cast<size_t>(std::countr_zero(free))]);
    }
    if (known.time < needed) {
      const Value value = compute(id);
      known_[static_cast<size_t>(id)] = {value, time_};
    }
    return known.value;
  }

  Value compute(int32_t id) {
    const Node& n = graph_.node(id);
    auto child = [&](int i) { return evaluate(graph_.child(n, i)); };
    auto child_is_real = [&](int i) { return is_floating(graph_.node(graph_.child(n, i)).dtype); };
    switch (n.op) {
      case Op::constant:
        return is_floating(n.dtype) ? Value{n.dtype == Dtype::float32 ? static_cast<Real>(static_cast<float>(n.number))
                                                                      : static_cast<Real>(n.number),
                                            0}
                                    : Value{0, n.integer};
      case Op::argument: return {0, arguments_[static_cast<size_t>(n.integer)]};
      case Op::axis: return {0, index_[static_cast<size_t>(n.integer)]};
      case Op::load: return load(n);
      case Op::reduce: return reduce(n);
      case Op::index: return checked_index(n);
      case Op::math: return call_math(n);
      case Op::convert: return convert(child(0), graph_.node(graph_.child(n, 0)).dtype, n.dtype);
      case Op::select: return child(0).integer ? child(1) : child(2);
      case Op::logical_not: return {0, !child(0).integer};
      case Op::neg: {
        const Value a = child(0);
        return wrap({-a.real, negate_wrapping(a.integer)}, n.dtype);
      }
      case Op::abs: {
        const Value a = child(0);
        return wrap({std::fabs(a.real), a.integer < 0 ? negate_wrapping(a.integer) : a.integer}, n.dtype);
      }
      case Op::sqrt: return {std::sqrt(child(0).real), 0};
      case Op::floor: return {std::floor(child(0).real), 0};
      case Op::round: return {std::nearbyint(child(0).real), 0};
      default: break;
    }
    const Value a = child(0), b = child(1);
    switch (n.op) {
      case Op::add: return combine(Combine::sum, a, b, n.dtype);
      case Op::mul: return combine(Combine::prod, a, b, n.dtype);
      case Op::sub: return wrap({a.real - b.real, subtract_wrapping(a.integer, b.integer)}, n.dtype);
      case Op::div: return {a.real / b.real, 0};
      case Op::max: return combine(Combine::max, a, b, n.dtype);
      case Op::min: return combine(Combine::min, a, b, n.dtype);
      case Op::floordiv:
        if (is_floating(n.dtype)) return {floor_divide(a.real, b.real), 0};
        return wrap({0, floor_divide(a.integer, b.integer)}, n.dtype);
      case Op::mod: {
        if (!is_floating(n.dtype)) return wrap({0, floor_modulo(a.integer, b.integer)}, n.dtype);
        return {floor_modulo(a.real, b.real), 0};
      }
      case Op::eq: return {0, child_is_real(0) ? a.real == b.real : a.integer == b.integer};
      case Op::ne: return {0, child_is_real(0) ? a.real != b.real : a.integer != b.integer};
      case Op::lt: return {0, child_is_real(0) ? a.real < b.real : a.integer < b.integer};
      case Op::le: return {0, child_is_real(0) ? a.real <= b.real : a.integer <= b.integer};
      case Op::logical_and: return {0, a.integer && b.integer};
      case Op::logical_or: return {0, a.integer || b.integer};
      default: return {};
    }
  }

  const Nest& nest_;
  const Graph& graph_;
  std::span<void* const> buffers_;
  std::span<const int64_t> arguments_;
  bool writes_;
  bool hold_ = false;  // whether values of this store wait in held_
  std::vector<Value> held_;
  std::optional<IndexFailure> failure_;
  std::vector<int64_t> index_;
  /// Counts changes of indices: when each axis last changed, and when each node's value was computed.
  int64_t time_ = 1;
  std::vector<int64_t> changed_;
  struct Known {
    Value value;
    int64_t time = 0;
  };
  std::vector<Known> known_;
};

}  // namespace

std::optional<IndexFailure> run_nest(const Nest& nest, std::span<void* const> buffers,
                                     std::span<const int64_t> arguments) {
  return Runner(nest, buffers, arguments, true).run();
}

std::optional<IndexFailure> find_index_failure(const Nest& nest, std::span<void* const> buffers,
                                               std::span<const int64_t> arguments) {
  return Runner(nest, buffers, arguments, false).run();
}

}  // namespace wengert::compile
