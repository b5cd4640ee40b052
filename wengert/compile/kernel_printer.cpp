#include "wengert/compile/kernel_printer.hpp"

#include <algorithm>

#include "wengert/compile/integers.hpp"
#include "wengert/compile/prelude.hpp"

namespace wengert::compile {
namespace {

/// The same declarations as wengert/backends/cpu/abi.h, so that a text stands by itself.
constexpr const char* abi_text =
    "typedef signed char int8_t; typedef unsigned char uint8_t; typedef int int32_t; typedef unsigned int uint32_t;\n"
    "typedef __INT64_TYPE__ int64_t; typedef __UINT64_TYPE__ uint64_t;\n"
    "typedef union wg_scalar { int64_t i; double f; } wg_scalar;\n"
    "typedef struct wg_context wg_context;\n"
    "typedef int32_t (*wg_body)(const wg_context* context, const void* arguments, int64_t begin, int64_t end);\n"
    "struct wg_context {\n"
    "  int32_t (*parallel_for)(const wg_context* context, wg_body body, const void* arguments, int64_t count, int64_t "
    "chunk);\n"
    "  void* (*scratch)(const wg_context* context, int64_t bytes);\n"
    "  int32_t (*print)(const wg_context* context, const char* text);\n"
    "  int32_t (*callback)(const wg_context* context, int64_t id, void* const* buffers);\n"
    "  const volatile int32_t* interrupt;\n"
    "};\n"
    "typedef struct wg_arguments { void* const* buffers; const int64_t* sizes; const wg_scalar* scalars; char* "
    "partial; } wg_arguments;\n\n";

}  // namespace

KernelPrinter::KernelPrinter(const Nest& nest, const Schedule& schedule)
    : nest_(nest), graph_(nest.graph), schedule_(schedule), reachable_(reachable_nodes(nest)),
      accesses_(find_accesses(nest, reachable_)) {
  for (int a = 0; a < graph_.axis_count(); ++a) extents_.push_back(graph_.extent(a));
  for (const auto& [dropped, kept] : schedule.joined) {
    extents_[static_cast<size_t>(kept)] *= extents_[static_cast<size_t>(dropped)];
    dropped_ |= axis_bit(dropped);
  }
  for (int a : schedule.outer) {
    outer_ |= axis_bit(a);
    axis_text_[a] = "i" + std::to_string(a);
  }
  for (int32_t id = 0; id < graph_.size(); ++id) {
    const Node& n = graph_.node(id);
    if (reachable_[static_cast<size_t>(id)] && n.op == Op::load) loaded_.insert(static_cast<int>(n.integer));
    checks_ |= reachable_[static_cast<size_t>(id)] && n.op == Op::index;
  }
  find_levels();
  result_.sizes = {0, 0};  // iterations and chunk of the parallel loop
}

KernelText KernelPrinter::print() {
  estimate_work();
  print_loops();
  result_.text =
      abi_text + prelude_text(std::vector<std::string>(prelude_.begin(), prelude_.end())) + functions_ + entry();
  return std::move(result_);
}

void KernelPrinter::estimate_work() {
  int64_t cost = 2, inside = 1;
  for (int32_t id = 0; id < graph_.size(); ++id) {
    const Node& n = graph_.node(id);
    if (!reachable_[static_cast<size_t>(id)] || !varying(id)) continue;
    cost += n.op == Op::math ? loops::math_functions()[static_cast<size_t>(n.integer)].cost : 1;
  }
  for (int a : loop_axes(inner_axes_)) {
    inside = multiply_saturating(inside, std::max<int64_t>(extents_[static_cast<size_t>(a)], 1));
  }
  result_.work = multiply_saturating(cost, std::max<int64_t>(elements_of_iteration(inside), 1));
}

// Sizes -------------------------------------------------------------------------------------------------

std::string KernelPrinter::size(int64_t value) {
  result_.sizes.push_back(value);
  return "n" + std::to_string(result_.sizes.size() - 1);
}

std::string KernelPrinter::runtime_size(int64_t slot) {
  const std::string name = size(0);
  result_.runtime_sizes.emplace_back(static_cast<int>(result_.sizes.size() - 1), static_cast<int>(slot));
  return name;
}

std::string KernelPrinter::extent(int axis) {
  auto& name = extent_names_[axis];
  if (name.empty()) name = size(extents_[static_cast<size_t>(axis)]);
  return name;
}

std::string KernelPrinter::scaled(const std::string& index, int64_t buffer, int axis, int64_t stride) {
  if (stride == 1) return index;
  auto& name = stride_names_[{buffer, axis, stride}];
  if (name.empty()) name = size(stride);
  return index + " * " + name;
}

std::string KernelPrinter::scaled(const std::string& index, int64_t stride) {
  if (stride == 1) return index;
  return index + " * " + size(stride);
}

void KernelPrinter::find_levels() {
  const size_t count = static_cast<size_t>(graph_.size());
  depth_.assign(count, 0);
  uint64_t inner = schedule_.inner >= 0 ? axis_bit(schedule_.inner) : 0;
  for (int32_t id = 0; id < graph_.size(); ++id)
    inner |= reachable_[static_cast<size_t>(id)] ? graph_.node(id).bound : 0;
  for (int a : schedule_.row_axes) inner |= axis_bit(a);
  for (int a : schedule_.column_axes) inner |= axis_bit(a);
  // Axes joined into an inner one vary with it.
  for (const auto& [dropped, kept] : schedule_.joined) {
    if (inner & axis_bit(kept)) inner |= axis_bit(dropped);
  }
  inner_axes_ = inner;
  for (int32_t id = 0; id < graph_.size(); ++id) {
    if (!reachable_[static_cast<size_t>(id)]) continue;
    const Node& n = graph_.node(id);
    if (n.op == Op::load && accesses_.loads[static_cast<size_t>(id)]) continue;
    for (int32_t c : graph_.children(n))
      depth_[static_cast<size_t>(id)] = std::max(depth_[static_cast<size_t>(id)], depth_[static_cast<size_t>(c)]);
    if (n.op == Op::reduce) ++depth_[static_cast<size_t>(id)];
    deepest_ = std::max(deepest_, depth_[static_cast<size_t>(id)]);
  }
}

// Memory ------------------------------------------------------------------------------------------------

std::string KernelPrinter::pointer(int64_t buffer, const Affine& offset) {
  std::vector<int64_t> key{buffer, offset.constant};
  for (int a : schedule_.outer) key.push_back(offset.stride[static_cast<size_t>(a)]);
  if (schedule_.kind == Schedule::columns) key.push_back(offset.stride[static_cast<size_t>(schedule_.inner)]);
  for (const auto& [slot, scale] : offset.arguments) key.insert(key.end(), {slot, scale});
  const auto [it, added] = pointers_.emplace(key, static_cast<int>(pointers_.size()));
  if (added) declare_pointer(it->second, buffer, offset);
  return "p" + std::to_string(it->second);
}

void KernelPrinter::declare_pointer(int number, int64_t buffer, const Affine& offset) {
  const NestBuffer& b = nest_.buffers[static_cast<size_t>(buffer)];
  const bool in_place = b.written && loaded_.count(static_cast<int>(buffer));
  std::string text = "    " + std::string(b.written ? "" : "const ") + memory_type(b.layout->type->dtype) +
      (in_place ? "* p" : "* restrict p") + std::to_string(number) + " = b" + std::to_string(buffer);
  if (offset.constant != 0) text += " + " + size(offset.constant);
  for (const auto& [slot, scale] : offset.arguments) text += " + " + scaled(runtime_size(slot), scale);
  for (int a : schedule_.outer) {
    const int64_t stride = offset.stride[static_cast<size_t>(a)];
    if (stride != 0) text += " + " + scaled("i" + std::to_string(a), buffer, a, stride);
  }
  if (schedule_.kind == Schedule::columns) {
    const int64_t stride = offset.stride[static_cast<size_t>(schedule_.inner)];
    if (stride != 0) text += " + " + scaled("j0", buffer, schedule_.inner, stride);
  }
  head_ += text + ";\n";
  used_buffers_.insert(static_cast<int>(buffer));
}

std::string KernelPrinter::inner_index(int64_t buffer, const Affine& offset) {
  std::string text;
  for (int a = 0; a < graph_.axis_count(); ++a) {
    const int64_t stride = offset.stride[static_cast<size_t>(a)];
    if (stride == 0 || (dropped_ & axis_bit(a)) || (outer_ & axis_bit(a))) continue;
    const bool column = schedule_.kind == Schedule::columns && a == schedule_.inner;
    text += (text.empty() ? "" : " + ") + scaled(column ? "l" : axis_text_.at(a), buffer, a, stride);
  }
  return text.empty() ? "0" : text;
}

std::string KernelPrinter::load_text(int32_t id) {
  const Node& n = graph_.node(id);
  if (const auto& access = accesses_.loads[static_cast<size_t>(id)]) {
    return pointer(n.integer, *access) + "[" + inner_index(n.integer, *access) + "]";
  }
  return "b" + std::to_string(n.integer) + "[" + indexed_offset(n.integer, graph_.children(n)) + "]";
}

std::string KernelPrinter::store_text(size_t s) {
  const Store& store = nest_.stores[s];
  const Affine& offset = accesses_.stores[s];
  return pointer(store.buffer, offset) + "[" + inner_index(store.buffer, offset) + "] = " + value(store.value.id()) +
      ";";
}

std::string KernelPrinter::indexed_offset(int64_t buffer, std::span<const int32_t> coordinates) {
  used_buffers_.insert(static_cast<int>(buffer));
  const Layout& layout = *nest_.buffers[static_cast<size_t>(buffer)].layout;
  std::string text;
  for (size_t d = 0; d < coordinates.size(); ++d) {
    if (layout.strides[d] == 0) continue;
    const Node& n = graph_.node(coordinates[d]);
    if (n.op == Op::constant && n.integer == 0) continue;
    if (n.op == Op::constant && !integer_names_.count(coordinates[d])) integer_names_[coordinates[d]] = size(n.integer);
    text += (text.empty() ? "" : " + ") + scaled(value(coordinates[d]), layout.strides[d]);
  }
  return text.empty() ? "0" : text;
}

// Loops -------------------------------------------------------------------------------------------------

std::vector<int32_t> KernelPrinter::needed_inside(std::span<const int32_t> roots, uint64_t given) const {
  return needed_where(roots, [&](int32_t id) { return (graph_.node(id).free & ~given & inner_axes_) != 0; });
}

std::vector<int32_t> KernelPrinter::needed_where(std::span<const int32_t> roots,
                                                 const std::function<bool(int32_t)>& computed) const {
  std::vector<bool> needed(static_cast<size_t>(graph_.size()));
  std::vector<int32_t> stack(roots.begin(), roots.end());
  while (!stack.empty()) {
    const int32_t id = stack.back();
    stack.pop_back();
    const Node& n = graph_.node(id);
    if (needed[static_cast<size_t>(id)] || n.op == Op::constant || n.op == Op::reduce || !computed(id)) continue;
    needed[static_cast<size_t>(id)] = true;
    if (cached_.count(id) && cached_.at(id)) continue;
    if (n.op == Op::load && accesses_.loads[static_cast<size_t>(id)]) continue;
    for (int32_t c : graph_.children(n)) stack.push_back(c);
  }
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < graph_.size(); ++id) {
    if (needed[static_cast<size_t>(id)]) ids.push_back(id);
  }
  return ids;
}

std::vector<int> KernelPrinter::loop_axes(uint64_t axes) const {
  std::vector<int> list;
  for (int a = 0; a < graph_.axis_count(); ++a) {
    if ((axes & axis_bit(a)) && !(dropped_ & axis_bit(a))) list.push_back(a);
  }
  return list;
}

std::map<uint64_t, std::vector<int32_t>> KernelPrinter::reductions_at(int depth) const {
  std::map<uint64_t, std::vector<int32_t>> groups;
  for (int32_t id = 0; id < graph_.size(); ++id) {
    if (reachable_[static_cast<size_t>(id)] && graph_.node(id).op == Op::reduce &&
        depth_[static_cast<size_t>(id)] == depth) {
      groups[graph_.node(id).bound].push_back(id);
    }
  }
  return groups;
}

std::vector<int32_t> KernelPrinter::bodies(std::span<const int32_t> reductions) const {
  std::vector<int32_t> ids;
  for (int32_t r : reductions) ids.push_back(graph_.child(graph_.node(r), 0));
  return ids;
}

void KernelPrinter::print_value(const std::string& indent, int32_t id) {
  const Node& n = graph_.node(id);
  line(indent, "const " + std::string(value_type(n.dtype)) + " v" + number(id) + " = " + expression(id) + ";");
}

void KernelPrinter::print_row_values(const std::string& indent, int depth) {
  for (int32_t id = 0; id < graph_.size(); ++id) {
    const Node& n = graph_.node(id);
    if (!reachable_[static_cast<size_t>(id)] || depth_[static_cast<size_t>(id)] != depth || varying(id) ||
        n.op == Op::constant || n.op == Op::reduce) {
      continue;
    }
    print_value(indent, id);
  }
}

std::string KernelPrinter::decode(const std::string& indent, const std::vector<int>& axes, char letter,
                                  const std::string& from) {
  if (axes.empty()) return "";
  if (axes.size() == 1) return indent + "int64_t " + letter + std::to_string(axes[0]) + " = " + from + ";\n";
  const std::string rest = std::string("rest_") + letter;
  std::string text = indent + "int64_t " + rest + " = " + from + ";\n";
  for (size_t k = axes.size(); k-- > 0;) {
    const std::string i = letter + std::to_string(axes[k]);
    if (k == 0) text += indent + "int64_t " + i + " = " + rest + ";\n";
    else
      text += indent + "int64_t " + i + " = " + rest + " % " + extent(axes[k]) + ";\n" + indent + rest +
          " /= " + extent(axes[k]) + ";\n";
  }
  return text;
}

std::string KernelPrinter::advance(const std::string& indent, const std::vector<int>& axes, char letter) {
  std::string text, close;
  for (size_t k = axes.size(); k-- > 0;) {
    const std::string i = letter + std::to_string(axes[k]);
    if (k == 0) text += indent + "++" + i + ";\n";
    else {
      text += indent + "if (++" + i + " == " + extent(axes[k]) + ") {\n" + indent + i + " = 0;\n";
      close += indent + "}\n";
    }
  }
  return text + close;
}

// Functions ---------------------------------------------------------------------------------------------

void KernelPrinter::add_function(const std::string& name, const std::string& body) {
  std::string text =
      "static int32_t " + name + "(const wg_context* context, const void* arguments, int64_t begin, int64_t end) {\n";
  text += "  const wg_arguments* given = (const wg_arguments*)arguments;\n  const int64_t* sizes = given->sizes;\n";
  text += "  if (*context->interrupt) return 1;\n";
  for (int b : used_buffers_) {
    const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(b)];
    const std::string type = memory_type(buffer.layout->type->dtype), k = std::to_string(b);
    text += "  " + std::string(buffer.written ? "" : "const ") + type + "* b" + k + " = (" + type +
        "*)given->buffers[" + k + "];\n";
  }
  for (size_t s = 2; s < result_.sizes.size(); ++s) {
    text += "  const int64_t n" + std::to_string(s) + " = sizes[" + std::to_string(s) + "];\n";
  }
  text += "  (void)sizes;\n";
  if (checks_) text += "  int64_t failed = 0;\n";
  functions_ += text + body + (checks_ ? "  return failed ? 3 : 0;\n}\n\n" : "  return 0;\n}\n\n");
}

std::string KernelPrinter::arguments_text() {
  return "  const wg_arguments arguments = {buffers, sizes, scalars, 0};\n";
}

std::string KernelPrinter::entry() {
  return "int32_t wg_kernel(const wg_context* context, void* const* buffers, const int64_t* sizes, "
         "const wg_scalar* scalars) {\n" +
      arguments_text() +
      "  if (sizes[0] <= sizes[1]) return wg_loop(context, &arguments, 0, sizes[0]);\n"
      "  return context->parallel_for(context, wg_loop, &arguments, sizes[0], sizes[1]);\n"
      "}\n";
}

}  // namespace wengert::compile
