// dot_general in float32 by oneDNN's plain matrix product: as fast as its primitives, and without their creation.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "wengert/backends/cpu/claims.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/ops/product.hpp"
#include "wengert/program/primitive.hpp"

namespace wengert::cpu::onednn {
namespace {

/// Up to this many multiplications our own kernels are as fast, and the library need not be loaded.
constexpr int64_t most_small_work = 16 * 16 * 16;
/// Multiplications of one piece of a product that is cut for several threads.
constexpr int64_t piece_work = 1 << 16;
/// Rows or columns of a piece are a multiple of this, a register's width. (Of 48, as the kernels inside step, pieces of
/// 256 are 144 and 112: what the longer one takes more is lost by the other thread.)
constexpr int64_t piece_step = 16;

/// Several axes that are stepped through as one.
struct Run {
  int64_t length = 1;
  int64_t stride = 1;
};

/// The axes in that order as one, outermost first; nothing where their strides do not allow it.
std::optional<Run> as_one(const Layout& layout, const Axes& axes) {
  Run run;
  for (int i = axes.size() - 1; i >= 0; --i) {
    const int64_t length = layout.type->shape[static_cast<int>(axes[i])],
                  stride = layout.strides[static_cast<size_t>(axes[i])];
    if (length == 1) continue;
    if (run.length == 1) run.stride = stride;
    else if (stride != run.stride * run.length) return std::nullopt;
    run.length *= length;
  }
  return run;
}

/// A matrix as oneDNN takes it: one of its strides is 1.
struct Matrix {
  bool transposed = false;
  int64_t leading = 1;  // the other stride

  int64_t row_stride() const { return transposed ? 1 : leading; }
  int64_t column_stride() const { return transposed ? leading : 1; }
};

std::optional<Matrix> as_matrix(const Run& rows, const Run& columns) {
  const auto steps = [](const Run& inner, const Run& outer) {
    return (inner.stride == 1 || inner.length == 1) && (outer.length == 1 || outer.stride >= inner.length);
  };
  const auto leading = [](const Run& inner, const Run& outer) {
    return outer.length == 1 ? std::max<int64_t>(inner.length, 1) : outer.stride;
  };
  if (steps(columns, rows)) return Matrix{false, leading(columns, rows)};
  if (steps(rows, columns)) return Matrix{true, leading(rows, columns)};
  return std::nullopt;
}

/// The axes of one operand of a product by what they are for.
struct OperandAxes {
  Axes batch, free, contract;

  OperandAxes(const Params& params, int operand, int rank)
      : batch(params.axes(2 + operand)), contract(params.axes(operand)) {
    for (int i = 0; i < rank; ++i) {
      if (!batch.contains(i) && !contract.contains(i)) free.push_back(i);
    }
  }
};

/// The operand as a stack of matrices [free, contract]; nothing where it has to be copied first.
std::optional<Matrix> operand_matrix(const Layout& layout, const OperandAxes& axes) {
  const auto rows = as_one(layout, axes.free), columns = as_one(layout, axes.contract);
  return rows && columns ? as_matrix(*rows, *columns) : std::nullopt;
}

/// A layout that operand_matrix takes.
const Layout* packed(const Type* type, const OperandAxes& axes) {
  std::array<uint8_t, max_rank> order{};
  size_t n = 0;
  for (const Axes* group : {&axes.batch, &axes.free, &axes.contract}) {
    for (int64_t axis : *group) order[n++] = static_cast<uint8_t>(axis);
  }
  return Layout::dense_of(type, order);
}

int64_t length_of(const Shape& shape, const Axes& axes) {
  int64_t length = 1;
  for (int64_t axis : axes) length *= shape[static_cast<int>(axis)].value();
  return length;
}

/// A stack of products c = a b, all of the same shape.
class Products final : public compile::ClaimedCall {
 public:
  Products(const Params& params, const Layout& a, const Layout& b, const Layout& c) : library_(*library()) {
    const OperandAxes a_axes(params, 0, a.type->rank()), b_axes(params, 1, b.type->rank());
    rows_ = length_of(a.type->shape, a_axes.free);
    columns_ = length_of(b.type->shape, b_axes.free);
    inner_ = length_of(a.type->shape, a_axes.contract);
    a_ = *operand_matrix(a, a_axes);
    b_ = *operand_matrix(b, b_axes);
    b_.transposed = !b_.transposed;  // oneDNN's right operand is [contract, free]
    for (int i = 0; i < a_axes.batch.size(); ++i) {
      batch_.push_back({c.type->shape[i].value(), a.strides[static_cast<size_t>(a_axes.batch[i])],
                        b.strides[static_cast<size_t>(b_axes.batch[i])], c.strides[static_cast<size_t>(i)]});
      stack_ *= batch_.back().length;
    }
  }

  void run(std::span<void* const> operands, std::span<void* const> results) override {
    Job job{*this, static_cast<const float*>(operands[0]), static_cast<const float*>(operands[1]),
            static_cast<float*>(results[0])};
    cut(job);
    const int32_t status = context()->parallel_for(context(), run_pieces, &job, stack_ * job.pieces, job.chunk);
    if (status == wg_status_interrupted) throw Error(ErrorKind::state, "interrupted", "dot_general: interrupted");
    if (status != wg_ok)
      throw Error(ErrorKind::internal, "onednn", "dot_general: oneDNN refused a product: wanted success");
  }

 private:
  struct Batch {
    int64_t length, a_stride, b_stride, c_stride;
  };
  struct Job {
    const Products& products;
    const float *a, *b;
    float* c;
    bool by_rows = true;  // each matrix is cut along its rows, or columns
    int64_t pieces = 1;   // of one matrix
    int64_t step = 0;     // rows or columns of a piece
    int64_t chunk = 1;    // pieces of one iteration of the parallel loop
  };

  /// Pieces for the threads at hand: whole matrices where there are enough of them.
  void cut(Job& job) const {
    const int64_t work = std::max<int64_t>(rows_ * columns_ * inner_, 1), threads = cpu::threads();
    job.by_rows = rows_ >= columns_;
    job.step = job.by_rows ? rows_ : columns_;
    job.chunk = std::max<int64_t>(1, piece_work / work);
    if (stack_ >= threads || threads == 1) return;
    const int64_t wanted = std::min(threads, work / piece_work);
    if (wanted <= 1) return;
    job.step = (job.step + wanted - 1) / wanted;
    job.step = (job.step + piece_step - 1) / piece_step * piece_step;
    job.pieces = ((job.by_rows ? rows_ : columns_) + job.step - 1) / job.step;
  }

  static int32_t run_pieces(const wg_context*, const void* arguments, int64_t begin, int64_t end) {
    const Job& job = *static_cast<const Job*>(arguments);
    const OneThread one_thread(job.products.library_);
    for (int64_t i = begin; i < end; ++i) {
      if (!job.products.run_piece(job, i / job.pieces, i % job.pieces)) return wg_status_callback;
    }
    static const bool left = (leave_at_exit(), true);
    static_cast<void>(left);
    return wg_ok;
  }

  bool run_piece(const Job& job, int64_t matrix, int64_t piece) const {
    const float *a = job.a, *b = job.b;
    float* c = job.c;
    for (size_t i = batch_.size(); i-- > 0; matrix /= batch_[i].length) {
      const int64_t index = matrix % batch_[i].length;
      a += index * batch_[i].a_stride;
      b += index * batch_[i].b_stride;
      c += index * batch_[i].c_stride;
    }
    int64_t rows = rows_, columns = columns_;
    const int64_t from = piece * job.step;
    if (job.by_rows) {
      rows = std::min(job.step, rows_ - from);
      a += from * a_.row_stride();
      c += from * columns_;
    } else {
      columns = std::min(job.step, columns_ - from);
      b += from * b_.column_stride();
      c += from;
    }
    return library_.sgemm(a_.transposed ? 'T' : 'N', b_.transposed ? 'T' : 'N', rows, columns, inner_, 1.0f, a,
                          a_.leading, b, b_.leading, 0.0f, c, columns_) == dnnl_success;
  }

  const Library& library_;
  int64_t rows_, columns_, inner_, stack_ = 1;
  Matrix a_, b_;
  std::vector<Batch> batch_;
};

class ProductClaims final : public compile::Claims {
 public:
  bool wants(const Program& program, const Equation& e) const override {
    if (e.primitive != &dot_general_primitive) return false;
    const Type &a = *program.type(program.operands(e)[0]), &b = *program.type(program.operands(e)[1]);
    if (a.dtype != Dtype::float32 || program.type(e.results)->dtype != Dtype::float32) return false;
    const Params& params = program.params(e);
    const OperandAxes a_axes(params, 0, a.rank()), b_axes(params, 1, b.rank());
    const int64_t rows = length_of(a.shape, a_axes.free), columns = length_of(b.shape, b_axes.free);
    const int64_t inner = length_of(a.shape, a_axes.contract);
    return rows > 1 && columns > 1 && inner > 1 && rows * columns * inner > most_small_work && library() != nullptr;
  }

  std::vector<const Layout*> operand_layouts(const Program& program, const Equation& e,
                                             std::span<const Layout* const> operands) const override {
    std::vector<const Layout*> layouts;
    for (int i = 0; i < 2; ++i) {
      const Layout* layout = operands[static_cast<size_t>(i)];
      const OperandAxes axes(program.params(e), i, layout->type->rank());
      layouts.push_back(operand_matrix(*layout, axes) ? layout : packed(layout->type, axes));
    }
    return layouts;
  }

  std::vector<const Layout*> result_layouts(const Program& program, const Equation& e,
                                            std::span<const Layout* const>) const override {
    return {Layout::contiguous_of(program.type(e.results))};
  }

  std::shared_ptr<compile::ClaimedCall> prepare(const Program& program, const Equation& e,
                                                std::span<const Layout* const> operands,
                                                std::span<const Layout* const> results) const override {
    return std::make_shared<Products>(program.params(e), *operands[0], *operands[1], *results[0]);
  }
};

const bool registered = [] {
  static const ProductClaims claims;
  register_claims(claims);
  return true;
}();

}  // namespace
}  // namespace wengert::cpu::onednn
