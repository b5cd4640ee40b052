#include "wengert/array/array.hpp"

#include <new>

namespace wengert {
namespace {

Node* new_node(const Layout* layout) {
  Node* node = static_cast<Node*>(memory::allocate_node());
  new (&node->count) std::atomic<uint32_t>(1);
  node->tag = 0;
  node->layout = layout;
  node->data = nullptr;
  node->storage = nullptr;
  node->owner = nullptr;
  node->tangent = nullptr;
  node->slot = -1;
  return node;
}

void check_dtype(const char* operation, const Array& x, Dtype wanted, const std::source_location& where) {
  if (x.dtype(where) == wanted) return;
  throw Error(ErrorKind::dtype, "element-type",
              std::string(operation) + ": x " + describe(x) + ", element type " + std::string(name(wanted)) +
                  ": wanted the C++ type of the dtype; convert with x.astype(wg::" + std::string(name(wanted)) + ")" +
                  called_at(where));
}

template <class T>
void copy_strided_as(T* out, const Node* node) {
  const Layout& layout = *node->layout;
  const T* data = reinterpret_cast<const T*>(node->data);
  const int64_t size = layout.type->size;
  if (layout.contiguous) {
    if (size > 0) std::memcpy(out, data, static_cast<size_t>(size) * sizeof(T));
    return;
  }
  const Shape& shape = layout.type->shape;
  std::array<int64_t, max_rank> index{};
  int64_t offset = 0;
  for (int64_t i = 0; i < size; ++i) {
    out[i] = data[offset];
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      offset += layout.strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= layout.strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

void Array::undefined(std::source_location where) {
  throw Error(ErrorKind::state, "array-undefined",
              "array: got a default-constructed or moved-from handle: wanted an array with values; "
              "a layer's parameters are made by wg::nn::init(net, key), integer leaves have no gradient" +
                  called_at(where));
}

Dim Array::dim(int axis, std::source_location where) const {
  const int r = rank(where);
  if (axis < -r || axis >= r) {
    throw Error(ErrorKind::shape, "axis-range",
                "dim: x " + describe(*this) + ", axis " + std::to_string(axis) + ": wanted " +
                    (r == 0 ? "an array with axes; x has none"
                            : "an axis from " + std::to_string(-r) + " to " + std::to_string(r - 1)) +
                    called_at(where));
  }
  return shape()[axis < 0 ? axis + r : axis];
}

void Array::read_item(void* out, Dtype dtype, std::source_location where) const {
  if (size(where) != 1) {
    throw Error(
        ErrorKind::shape, "item-size",
        "item: x " + describe(*this) + ": wanted an array of one element; reduce or index it first" + called_at(where));
  }
  check_dtype("item", *this, dtype, where);
  const Node* node = detail::concrete_node(*this, "item", where);
  std::memcpy(out, node->data, static_cast<size_t>(itemsize(dtype)));
}

void Array::read_values(void* out, int64_t count, Dtype dtype, const char* operation,
                        std::source_location where) const {
  check_dtype(operation, *this, dtype, where);
  if (count != size(where)) {
    throw Error(ErrorKind::shape, "copy-size",
                "copy_to: x " + describe(*this) + ", out of " + std::to_string(count) +
                    " elements: wanted as many as x has" + called_at(where));
  }
  detail::copy_strided(out, detail::concrete_node(*this, operation, where));
}

const void* Array::contiguous_data(Dtype dtype, std::source_location where) const {
  check_dtype("span", *this, dtype, where);
  const Node* node = detail::concrete_node(*this, "span", where);
  if (!node->layout->contiguous) {
    throw Error(ErrorKind::value, "span-contiguous",
                "span: x " + describe(*this) +
                    " is not contiguous: wanted row-major memory; use "
                    "wg::contiguous(x) or to_vector()" +
                    called_at(where));
  }
  return node->data;
}

Array::operator bool() const {
  const std::source_location here{};  // a conversion does not know its caller
  if (size(here) != 1) {
    throw Error(ErrorKind::shape, "truth-size",
                "bool: x " + describe(*this) +
                    ": wanted an array of one element; use wg::any(x) or wg::all(x), and wg::logical_and, "
                    "logical_or and logical_not instead of &&, || and !" +
                    called_at(here));
  }
  const Node* node = detail::concrete_node(*this, "bool", here);
  for (int i = 0; i < itemsize(dtype()); ++i) {
    const bool sign_byte = is_floating(dtype()) && i == itemsize(dtype()) - 1;
    if ((static_cast<unsigned>(node->data[i]) & (sign_byte ? 0x7fu : 0xffu)) != 0) return true;
  }
  return false;
}

std::string describe(const Array& x) { return x.defined() ? to_string(x.type()) : "nothing"; }

namespace detail {

void destroy(Node* node) noexcept {
  if (node->storage) memory::release(node->storage);
  // Handles that take the counts over and drop them; chains are as long as transformations nest.
  const Array owner(node->owner), tangent(node->tangent);
  memory::free_node(node);
}

Array make_array(const Layout* layout) {
  Array result(new_node(layout));
  Node* node = result.node();
  const int64_t bytes = (layout->highest - layout->lowest + 1) * itemsize(layout->type->dtype);
  if (bytes <= inline_bytes) {
    node->data = node->inline_values();
  } else {
    node->storage = memory::allocate(bytes);
    node->data = node->storage->data();
  }
  node->data -= layout->lowest * itemsize(layout->type->dtype);
  return result;
}

Array make_view(const Array& base, const Layout* layout, int64_t offset) {
  Array result(new_node(layout));
  Node* node = result.node();
  Node* source = base.node();
  node->data = source->data + offset * itemsize(layout->type->dtype);
  if (source->storage) {
    memory::retain(source->storage);
    node->storage = source->storage;
  } else {
    Node* owner = source->owner ? source->owner : source;
    owner->count.fetch_add(1, std::memory_order_relaxed);
    node->owner = owner;
  }
  return result;
}

Array make_traced(uint64_t tag, const Layout* layout, const Array& primal, int64_t slot) {
  Array result(new_node(layout));
  Node* node = result.node();
  node->tag = tag;
  node->slot = slot;
  if (primal.defined()) node->owner = Array(primal).release_node();
  return result;
}

const Node* concrete_node(const Array& x, std::string_view operation, std::source_location where) {
  const Node* node = x.node();
  while (node->tag != 0) {
    if (!node->owner) {
      throw Error(ErrorKind::trace, "trace-no-value",
                  std::string(operation) + ": x " + describe(x) +
                      " has no value while a program is recorded: wanted a concrete array; keep the branch "
                      "out of the recorded function, or select with wg::where" +
                      called_at(where));
    }
    node = node->owner;
  }
  return node;
}

Array concrete(const Array& x, std::string_view operation, std::source_location where) {
  Node* node = const_cast<Node*>(concrete_node(x, operation, where));
  node->count.fetch_add(1, std::memory_order_relaxed);
  return Array(node);
}

bool owned_alone(const Array& x) {
  const Node* node = x.node();
  if (!x.unique() || node->tag != 0 || node->owner) return false;
  return !node->storage || (node->storage->unique() && !node->storage->exported() && !node->storage->foreign());
}

void copy_strided(void* out, const Node* node) {
  switch (itemsize(node->layout->type->dtype)) {
    case 1: return copy_strided_as(static_cast<uint8_t*>(out), node);
    case 2: return copy_strided_as(static_cast<uint16_t*>(out), node);
    case 4: return copy_strided_as(static_cast<uint32_t*>(out), node);
    case 8: return copy_strided_as(static_cast<uint64_t*>(out), node);
    default: return copy_strided_as(static_cast<std::array<uint64_t, 2>*>(out), node);
  }
}

Array from_bytes(const void* data, const Type* type) {
  Array result = make_array(Layout::contiguous_of(type));
  if (type->size > 0) std::memcpy(result.node()->data, data, static_cast<size_t>(type->nbytes()));
  return result;
}

namespace {
template <class V>
Array scalar_of(V value, const Layout* layout) {
  const Dtype dtype = layout->type->dtype;
  Array result(new_node(layout));
  result.node()->data = result.node()->inline_values();
  std::byte* data = result.node()->data;
  auto store = [&](auto v) { std::memcpy(data, &v, sizeof v); };
  switch (dtype) {
    case Dtype::bool_: store(static_cast<uint8_t>(value != 0)); break;
    case Dtype::uint8: store(static_cast<uint8_t>(static_cast<int64_t>(value))); break;
    case Dtype::int32: store(static_cast<int32_t>(static_cast<int64_t>(value))); break;
    case Dtype::int64: store(static_cast<int64_t>(value)); break;
    case Dtype::float32: store(static_cast<float>(value)); break;
    case Dtype::float64: store(static_cast<double>(value)); break;
    default:
      throw Error(
          ErrorKind::dtype, "dtype-unsupported",
          "scalar: got dtype " + std::string(name(dtype)) + ": wanted bool, uint8, int32, int64, float32 or float64");
  }
  return result;
}
}  // namespace

Array scalar(double value, Dtype dtype, bool weak) { return scalar_of(value, Type::of(dtype, {}, weak)->repeated()); }
Array scalar(int64_t value, Dtype dtype, bool weak) { return scalar_of(value, Type::of(dtype, {}, weak)->repeated()); }
Array repeated_scalar(double value, const Type* type) { return scalar_of(value, type->repeated()); }
Array repeated_scalar(int64_t value, const Type* type) { return scalar_of(value, type->repeated()); }

void ragged_list(int axis, int64_t expected, int64_t got, const std::source_location& where) {
  throw Error(ErrorKind::shape, "array-ragged",
              "array: got braces of " + std::to_string(expected) + " and of " + std::to_string(got) +
                  " items on axis " + std::to_string(axis) + ": wanted equal lengths" + called_at(where));
}

namespace {
std::string count_text(int64_t values) { return std::to_string(values) + (values == 1 ? " value" : " values"); }
}  // namespace

void check_count(int64_t got, const Shape& shape, const std::source_location& where) {
  if (got == shape.size()) return;
  throw Error(ErrorKind::shape, "array-count",
              "array: got " + count_text(got) + ", shape " + to_string(shape) + ": wanted " + count_text(shape.size()) +
                  called_at(where));
}

}  // namespace detail
}  // namespace wengert
