// What every way to print a nest shares: the names of sizes, values and pointers, the loops around them, and the
// functions that they end in. A KernelPrinter for each kind of schedule says what stands in the loops.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "wengert/compile/schedule.hpp"

namespace wengert::compile {

constexpr uint64_t axis_bit(int axis) { return uint64_t{1} << axis; }

/// The C types of a dtype: in memory, and of a value.
const char* memory_type(Dtype d);
const char* value_type(Dtype d);

class KernelPrinter {
 public:
  KernelPrinter(const Nest& nest, const Schedule& schedule);
  virtual ~KernelPrinter() = default;
  KernelText print();

 protected:
  using Combine = loops::Combine;
  using Graph = loops::Graph;
  using Node = loops::Node;
  using Op = loops::Op;

  /// Prints the functions of the loops.
  virtual void print_loops() = 0;
  /// How many elements one iteration of the parallel loop takes, when the inner loops together take `inside`.
  virtual int64_t elements_of_iteration(int64_t inside) const { return inside; }
  /// The text that declares `arguments` for wg_loop, after whatever has to run before it.
  virtual std::string arguments_text();

  // Sizes -----------------------------------------------------------------------------------------------

  /// The name of a number that the text reads from `sizes`.
  std::string size(int64_t value);
  std::string runtime_size(int64_t slot);
  std::string extent(int axis);
  /// The stride of a buffer along an axis: accesses to one buffer mostly share theirs.
  std::string scaled(const std::string& index, int64_t buffer, int axis, int64_t stride);
  /// "axis * stride" with the multiplication left out where the stride is 0 or 1.
  std::string scaled(const std::string& index, int64_t stride);

  // Values ----------------------------------------------------------------------------------------------

  /// Names count in the order of the text, so that equal kernels of unlike graphs have one text.
  std::string number(int32_t id) { return std::to_string(numbers_.emplace(id, numbers_.size()).first->second); }
  std::string value(int32_t id);
  std::string use(const std::string& function);
  static std::string suffix(Dtype d) { return "_" + std::string(short_name(d)); }
  std::string combined(Combine kind, Dtype dtype, const std::string& a, const std::string& b);
  std::string larger_or_smaller(const Node& n, Combine kind);
  static std::string identity(Combine kind, Dtype dtype);

  // Memory ----------------------------------------------------------------------------------------------

  /// A pointer to where the loads or stores of one access begin in the current row.
  std::string pointer(int64_t buffer, const Affine& offset);
  /// The index of an access beside its pointer: the axes of inner loops.
  std::string inner_index(int64_t buffer, const Affine& offset);
  std::string store_text(size_t s);
  /// An offset from coordinates that are values themselves.
  std::string indexed_offset(int64_t buffer, std::span<const int32_t> coordinates);

  // Loops -----------------------------------------------------------------------------------------------

  /// Nodes that `roots` need and that are computed inside the loop: varying ones, operands first.
  std::vector<int32_t> needed_inside(std::span<const int32_t> roots, uint64_t given) const;
  /// The nodes that `roots` need and for which `computed` holds, in order; others are known where these are computed.
  std::vector<int32_t> needed_where(std::span<const int32_t> roots, const std::function<bool(int32_t)>& computed) const;
  bool varying(int32_t id) const { return (graph_.node(id).free & inner_axes_) != 0; }
  std::vector<int> loop_axes(uint64_t axes) const;
  /// The reductions of one depth, those over the same axes together.
  std::map<uint64_t, std::vector<int32_t>> reductions_at(int depth) const;
  std::vector<int32_t> bodies(std::span<const int32_t> reductions) const;
  void line(const std::string& indent, const std::string& text) { rows_ += indent + text + "\n"; }
  void print_value(const std::string& indent, int32_t id);
  /// Nodes that do not vary inside the row, in the order of their ids, up to `depth` reductions.
  void print_row_values(const std::string& indent, int depth);
  std::string decode_outer(const std::string& from) { return decode("  ", schedule_.outer, 'i', from); }
  /// Declares the indices of several axes, outermost first, that have one number together.
  std::string decode(const std::string& indent, const std::vector<int>& axes, char letter, const std::string& from);
  std::string advance_outer() { return advance("    ", schedule_.outer, 'i'); }
  /// Steps those indices to the next number.
  std::string advance(const std::string& indent, const std::vector<int>& axes, char letter);

  // Functions -------------------------------------------------------------------------------------------

  void add_function(const std::string& name, const std::string& body);

  const Nest& nest_;
  const Graph& graph_;
  const Schedule& schedule_;
  std::vector<bool> reachable_;
  Accesses accesses_;
  std::vector<int64_t> extents_;
  uint64_t dropped_ = 0, outer_ = 0, inner_axes_ = 0;
  std::vector<int> depth_;
  int deepest_ = 0;
  KernelText result_;
  std::string functions_, head_, rows_;
  std::set<std::string> prelude_;
  bool checks_ = false;
  std::set<int> used_buffers_, loaded_;
  std::map<int, std::string> extent_names_;
  std::map<std::tuple<int64_t, int, int64_t>, std::string> stride_names_;
  std::map<int, std::string> axis_text_;
  std::map<int32_t, std::string> integer_names_;
  std::map<int32_t, size_t> numbers_;
  std::map<std::vector<int64_t>, int> pointers_;
  std::map<int32_t, bool> cached_;  // nodes kept between loops -> already there

 private:
  /// depth: how many reductions come before a node. varying: depends on an index of an inner loop.
  void find_levels();
  /// Integer constants of index arithmetic depend on shapes: they come from `sizes`, except 0 and 1.
  void name_integers(int32_t id);
  /// The right side of "v12 = ...".
  std::string expression(int32_t id);
  std::string integer_division(const Node& n, const std::string& a, const std::string& b);
  std::string call(const Node& n);
  std::string load_text(int32_t id);
  /// Pointers are declared at the head of a row; the text of that head is collected while the row is printed.
  void declare_pointer(int number, int64_t buffer, const Affine& offset);
  /// Of one iteration of the parallel loop: additions, more or less.
  void estimate_work();
  std::string entry();
};

/// Prints with the printer of the kind.
KernelText print_rows(const Nest& nest, const Schedule& schedule);
KernelText print_columns(const Nest& nest, const Schedule& schedule);
KernelText print_update(const Nest& nest, const Schedule& schedule);
KernelText print_product(const Nest& nest, const Schedule& schedule);

}  // namespace wengert::compile
