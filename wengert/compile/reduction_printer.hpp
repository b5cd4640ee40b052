// What rows and columns share: reductions, cut into pieces where they are long and their results few.
#pragma once

#include "wengert/compile/kernel_printer.hpp"

namespace wengert::compile {

class ReductionPrinter : public KernelPrinter {
 public:
  using KernelPrinter::KernelPrinter;

 protected:
  std::string arguments_text() override;

  /// Bounds of a reduction's loop: all of the axis, or one piece of the split axis.
  std::string first_of(int axis) const { return axis == schedule_.split ? "from" : "0"; }
  std::string last_of(int axis) { return axis == schedule_.split ? "to" : extent(axis); }
  int64_t results() const;
  /// Ends the function that computes the pieces; what follows goes into the function that combines them.
  void finish_pieces(std::span<const int32_t> group);
  /// The indices and the columns of result number `result`.
  std::string column_bounds(const std::string& result);

 private:
  int64_t piece_width() const { return schedule_.kind == Schedule::columns ? column_block : 1; }
  /// Where the partial results of reduction number `i` of one piece stand.
  std::string partial_at(size_t i, Dtype dtype, const std::string& piece, const std::string& result);
  void combine_pieces(std::span<const int32_t> group);

  int64_t partial_sections_ = 0;
};

}  // namespace wengert::compile
