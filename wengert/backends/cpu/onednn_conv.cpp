// Convolutions in float32 by oneDNN: images channels-last, weights in the layout that it likes best. Each call is cut
// into parts of the batch, one for each thread.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>

#include "wengert/backends/cpu/claims.hpp"
#include "wengert/backends/cpu/onednn.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/ops/conv_geometry.hpp"

namespace wengert::cpu::onednn {
namespace {

constexpr std::array<uint8_t, max_rank> channels_last = {0, 2, 3, 1};
/// Multiplications of one part of the batch, at least: below, a second thread costs more than it saves, measured by
/// benchmarks/eager_threads_benchmark.
constexpr int64_t part_work = 1 << 18;

void want(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return;
  throw Error(ErrorKind::internal, "onednn",
              std::string("conv: oneDNN refused ") + what + " (status " + std::to_string(status) + "): wanted success");
}

/// Frees a handle of oneDNN.
struct Release {
  void operator()(dnnl_primitive_desc_t x) const { library()->primitive_desc_destroy(x); }
  void operator()(dnnl_primitive_t x) const { library()->primitive_destroy(x); }
  void operator()(dnnl_memory_t x) const { library()->memory_destroy(x); }
  void operator()(dnnl_stream_t x) const { library()->stream_destroy(x); }
};
template <class T>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Release>;

dnnl_memory_desc_t image_desc(int64_t n, int64_t c, int64_t h, int64_t w) {
  dnnl_memory_desc_t desc;
  const dnnl_dims_t dims = {n, c, h, w}, strides = {h * w * c, 1, w * c, c};
  want(library()->memory_desc_init_by_strides(&desc, 4, dims, dnnl_f32, strides), "an image's layout");
  return desc;
}

/// Weights [groups, out, in, i, j], row-major or in a layout of oneDNN's choice.
dnnl_memory_desc_t weight_desc(int64_t groups, int64_t out, int64_t in, const Axes& kernel, bool any) {
  dnnl_memory_desc_t desc;
  const dnnl_dims_t grouped = {groups, out / groups, in, kernel[0], kernel[1]}, plain = {out, in, kernel[0], kernel[1]};
  const auto tag = any ? dnnl_format_tag_any : groups > 1 ? dnnl_abcde : dnnl_abcd;
  want(library()->memory_desc_init_by_tag(&desc, groups > 1 ? 5 : 4, groups > 1 ? grouped : plain, dnnl_f32, tag),
       "a weight's layout");
  return desc;
}

Handle<dnnl_memory_t> memory_of(const dnnl_memory_desc_t& desc, const void* data) {
  dnnl_memory_t memory = nullptr;
  want(library()->memory_create(&memory, &desc, library()->engine, const_cast<void*>(data)), "memory");
  return Handle<dnnl_memory_t>(memory);
}

Handle<dnnl_primitive_t> make_primitive(const_dnnl_primitive_desc_t desc) {
  dnnl_primitive_t primitive = nullptr;
  want(library()->primitive_create(&primitive, desc), "a primitive");
  return Handle<dnnl_primitive_t>(primitive);
}

enum class Direction { forward, input, kernel };

/// What a convolution is made for.
struct Problem {
  Direction direction;
  ConvGeometry geometry;
  int64_t batch, in, out;  // images, channels of x and of y

  int64_t weights() const { return out * (in / geometry.groups) * geometry.kernel[0] * geometry.kernel[1]; }
  int64_t work() const { return batch * weights() * geometry.out(0) * geometry.out(1); }  // multiplications
  int64_t x_size() const { return in * geometry.image[0] * geometry.image[1]; }
  int64_t y_size() const { return out * geometry.out(0) * geometry.out(1); }
};

/// The primitive for one number of images, with the reorder of its weights.
class Part {
 public:
  Part(const Problem& p, int64_t images)
      : x_(image_desc(images, p.in, p.geometry.image[0], p.geometry.image[1])),
        y_(image_desc(images, p.out, p.geometry.out(0), p.geometry.out(1))),
        plain_(weight_desc(p.geometry.groups, p.out, p.in / p.geometry.groups, p.geometry.kernel, false)),
        direction_(p.direction) {
    const dnnl_memory_desc_t any =
        weight_desc(p.geometry.groups, p.out, p.in / p.geometry.groups, p.geometry.kernel, true);
    const auto forward = make_desc(p, Direction::forward, any, nullptr);
    const auto desc = p.direction == Direction::forward ? nullptr : make_desc(p, p.direction, any, forward.get());
    const_dnnl_primitive_desc_t own = desc ? desc.get() : forward.get();
    const bool writes_weights = p.direction == Direction::kernel;
    blocked_ = *library()->primitive_desc_query_md(
        own, writes_weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    scratch_ = *library()->primitive_desc_query_md(own, dnnl_query_scratchpad_md, 0);
    primitive_ = make_primitive(own);
    if (library()->memory_desc_equal(&blocked_, &plain_)) return;
    dnnl_primitive_desc_t reorder = nullptr;
    const dnnl_memory_desc_t &from = writes_weights ? blocked_ : plain_, &to = writes_weights ? plain_ : blocked_;
    want(library()->reorder_primitive_desc_create(&reorder, &from, library()->engine, &to, library()->engine, nullptr),
         "a reorder");
    reorder_ = make_primitive(Handle<dnnl_primitive_desc_t>(reorder).get());
  }

  bool reorders() const { return reorder_ != nullptr; }
  int64_t blocked_bytes() const { return static_cast<int64_t>(library()->memory_desc_get_size(&blocked_)); }
  int64_t scratch_bytes() const { return static_cast<int64_t>(library()->memory_desc_get_size(&scratch_)); }

  /// Weights from row-major into the primitive's layout, or back.
  void reorder(dnnl_stream_t stream, const void* from, void* to) const {
    const bool back = direction_ == Direction::kernel;
    const auto source = memory_of(back ? blocked_ : plain_, from), target = memory_of(back ? plain_ : blocked_, to);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source.get()}, {DNNL_ARG_TO, target.get()}};
    want(library()->primitive_execute(reorder_.get(), stream, 2, arguments), "a reorder");
  }

  void run(dnnl_stream_t stream, const void* x, const void* weights, const void* y, void* scratch) const {
    const auto mx = memory_of(x_, x), mw = memory_of(blocked_, weights), my = memory_of(y_, y),
               ms = memory_of(scratch_, scratch);
    const bool forward = direction_ == Direction::forward;
    const dnnl_exec_arg_t arguments[] = {
        {direction_ == Direction::input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, mx.get()},
        {direction_ == Direction::kernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, mw.get()},
        {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, my.get()},
        {DNNL_ARG_SCRATCHPAD, ms.get()}};
    want(library()->primitive_execute(primitive_.get(), stream, 4, arguments), "a convolution");
  }

 private:
  Handle<dnnl_primitive_desc_t> make_desc(const Problem& p, Direction direction, const dnnl_memory_desc_t& any,
                                          const_dnnl_primitive_desc_t hint) const {
    const ConvGeometry& g = p.geometry;
    const dnnl_dims_t stride = {g.stride[0], g.stride[1]}, padding = {g.padding[0], g.padding[1]};
    const dnnl_dims_t dilation = {g.dilation[0] - 1, g.dilation[1] - 1};
    dnnl_convolution_desc_t desc;
    const Library& l = *library();
    switch (direction) {
      case Direction::forward:
        want(l.dilated_convolution_forward_desc_init(&desc, dnnl_forward_training, dnnl_convolution_direct, &x_, &any,
                                                     nullptr, &y_, stride, dilation, padding, padding),
             "a convolution's shapes");
        break;
      case Direction::input:
        want(l.dilated_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &x_, &any, &y_, stride,
                                                           dilation, padding, padding),
             "a convolution's shapes");
        break;
      case Direction::kernel:
        want(l.dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &x_, &any, nullptr, &y_,
                                                              stride, dilation, padding, padding),
             "a convolution's shapes");
        break;
    }
    dnnl_primitive_attr_t attributes = nullptr;
    want(l.primitive_attr_create(&attributes), "attributes");
    dnnl_primitive_desc_t result = nullptr;
    // Scratch is ours: the library's own would be shared by threads.
    dnnl_status_t status = l.primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = l.primitive_desc_create(&result, &desc, attributes, l.engine, hint);
    l.primitive_attr_destroy(attributes);
    want(status, "a convolution");
    return Handle<dnnl_primitive_desc_t>(result);
  }

  dnnl_memory_desc_t x_, y_, plain_, blocked_, scratch_;
  Direction direction_;
  Handle<dnnl_primitive_t> primitive_, reorder_;
};

/// Memory of the array pool for the length of one call.
class Block {
 public:
  explicit Block(int64_t bytes) : storage_(memory::allocate(std::max<int64_t>(bytes, 1))) {}
  ~Block() { memory::release(storage_); }
  Block(const Block&) = delete;
  float* data() const { return reinterpret_cast<float*>(storage_->data()); }

 private:
  Storage* storage_;
};

class Convolution final : public compile::ClaimedCall {
 public:
  explicit Convolution(Problem problem) : problem_(std::move(problem)) { part(problem_.batch); }

  void run(std::span<void* const> operands, std::span<void* const> results) override {
    const int64_t pieces =
        std::min({int64_t{cpu::threads()}, problem_.batch, std::max<int64_t>(1, problem_.work() / part_work)});
    const int64_t images = (problem_.batch + pieces - 1) / pieces;
    Job job{*this, images, operands, results};
    job.main = &part(images);
    const int64_t rest = problem_.batch % images;
    job.last = rest == 0 ? job.main : &part(rest);
    std::optional<Block> partial;
    const int64_t used = (problem_.batch + images - 1) / images;
    if (problem_.direction == Direction::kernel && used > 1) {
      partial.emplace(used * problem_.weights() * static_cast<int64_t>(sizeof(float)));
      job.partial = partial->data();
    }
    const int32_t status = context()->parallel_for(context(), run_pieces, &job, used, 1);
    if (status == wg_status_interrupted) throw Error(ErrorKind::state, "interrupted", "conv: interrupted");
    if (status == wg_status_no_memory) throw Error(ErrorKind::memory, "scratch-memory", "conv: no memory for scratch");
    if (status != wg_ok)
      throw Error(ErrorKind::internal, "onednn", "conv: oneDNN refused a convolution: wanted success");
    if (job.partial) add_up(job.partial, used, static_cast<float*>(results[0]));
  }

 private:
  struct Job {
    Convolution& convolution;
    int64_t images;
    std::span<void* const> operands, results;
    const Part *main = nullptr, *last = nullptr;
    float* partial = nullptr;
  };

  /// A part that was made, and those made before it.
  struct Made {
    int64_t images;
    Part part;
    std::unique_ptr<const Made> before;
  };

  /// Made once for each number of images. Found without a lock: another convolution may be in the making.
  const Part& part(int64_t images) {
    if (const Part* found = find(newest_.load(std::memory_order_acquire), images)) return *found;
    const OneThread one(*library());  // primitives are made for one thread
    const std::lock_guard lock(making());
    if (const Part* found = find(made_.get(), images)) return *found;
    made_ = std::make_unique<const Made>(Made{images, Part(problem_, images), std::move(made_)});
    newest_.store(made_.get(), std::memory_order_release);
    static const bool left = (leave_at_exit(), true);
    static_cast<void>(left);
    return made_->part;
  }

  static const Part* find(const Made* made, int64_t images) {
    while (made && made->images != images) made = made->before.get();
    return made ? &made->part : nullptr;
  }

  static int32_t run_pieces(const wg_context*, const void* arguments, int64_t begin, int64_t end) {
    const Job& job = *static_cast<const Job*>(arguments);
    try {
      for (int64_t i = begin; i < end; ++i) job.convolution.run_piece(job, i);
    } catch (const Error& e) { return e.kind() == ErrorKind::memory ? wg_status_no_memory : wg_status_callback; }
    return wg_ok;
  }

  void run_piece(const Job& job, int64_t piece) const {
    const OneThread one(*library());
    const Part& part = (piece + 1) * job.images > problem_.batch ? *job.last : *job.main;
    dnnl_stream_t created = nullptr;
    want(library()->stream_create(&created, library()->engine, dnnl_stream_default_flags), "a stream");
    const Handle<dnnl_stream_t> stream(created);
    const int64_t x_offset = piece * job.images * problem_.x_size(), y_offset = piece * job.images * problem_.y_size();
    const Block scratch(part.scratch_bytes()), weights(part.reorders() ? part.blocked_bytes() : 0);
    const auto image = [](void* data, int64_t offset) { return static_cast<float*>(data) + offset; };
    switch (problem_.direction) {
      case Direction::forward:
      case Direction::input: {
        const bool forward = problem_.direction == Direction::forward;
        const void* plain = job.operands[1];
        if (part.reorders()) part.reorder(stream.get(), plain, weights.data());
        const void* own = part.reorders() ? weights.data() : plain;
        void *x = forward ? job.operands[0] : job.results[0], *y = forward ? job.results[0] : job.operands[0];
        return part.run(stream.get(), image(x, x_offset), own, image(y, y_offset), scratch.data());
      }
      case Direction::kernel: {
        float* plain = job.partial ? job.partial + piece * problem_.weights() : static_cast<float*>(job.results[0]);
        float* own = part.reorders() ? weights.data() : plain;
        part.run(stream.get(), image(job.operands[0], x_offset), own, image(job.operands[1], y_offset), scratch.data());
        if (part.reorders()) part.reorder(stream.get(), own, plain);
      }
    }
  }

  void add_up(const float* partial, int64_t pieces, float* out) const {
    const int64_t n = problem_.weights();
    std::memcpy(out, partial, static_cast<size_t>(n) * sizeof(float));
    for (int64_t p = 1; p < pieces; ++p) {
      for (int64_t i = 0; i < n; ++i) out[i] += partial[p * n + i];
    }
  }

  Problem problem_;
  std::unique_ptr<const Made> made_;  // changed under making()
  std::atomic<const Made*> newest_{nullptr};
};

std::optional<Direction> direction_of(const Equation& e) {
  if (e.primitive == &conv_primitive) return Direction::forward;
  if (e.primitive == &conv_input_primitive) return Direction::input;
  if (e.primitive == &conv_kernel_primitive) return Direction::kernel;
  return std::nullopt;
}

class ConvolutionClaims final : public compile::Claims {
 public:
  bool wants(const Program& program, const Equation& e) const override {
    const auto direction = direction_of(e);
    if (!direction || program.type(e.results)->dtype != Dtype::float32) return false;
    const ConvGeometry geometry(program.params(e));
    for (const Axes* lengths :
         {&geometry.stride, &geometry.padding, &geometry.dilation, &geometry.image, &geometry.kernel}) {
      if (std::any_of(lengths->begin(), lengths->end(), [](int64_t n) { return n > INT32_MAX; }))
        return false;  // int, in oneDNN
    }
    for (Atom a : program.operands(e)) {
      if (program.type(a)->size == 0) return false;
    }
    return library() != nullptr;
  }

  std::vector<const Layout*> operand_layouts(const Program& program, const Equation& e,
                                             std::span<const Layout* const>) const override {
    const Type *a = program.type(program.operands(e)[0]), *b = program.type(program.operands(e)[1]);
    const bool images = direction_of(e) == Direction::kernel;
    return {Layout::dense_of(a, channels_last), images ? Layout::dense_of(b, channels_last) : Layout::contiguous_of(b)};
  }

  std::vector<const Layout*> result_layouts(const Program& program, const Equation& e,
                                            std::span<const Layout* const>) const override {
    const Type* type = program.type(e.results);
    return {direction_of(e) == Direction::kernel ? Layout::contiguous_of(type) : Layout::dense_of(type, channels_last)};
  }

  std::shared_ptr<compile::ClaimedCall> prepare(const Program& program, const Equation& e,
                                                std::span<const Layout* const>,
                                                std::span<const Layout* const>) const override {
    const Shape& a = program.type(program.operands(e)[0])->shape;
    const Shape& b = program.type(program.operands(e)[1])->shape;
    const Shape& r = program.type(e.results)->shape;
    const Direction direction = *direction_of(e);
    const ConvGeometry geometry(program.params(e));
    switch (direction) {
      case Direction::forward: return std::make_shared<Convolution>(Problem{direction, geometry, a[0], a[1], b[0]});
      case Direction::input: return std::make_shared<Convolution>(Problem{direction, geometry, a[0], r[1], a[1]});
      case Direction::kernel: return std::make_shared<Convolution>(Problem{direction, geometry, a[0], a[1], b[1]});
    }
    return nullptr;
  }
};

const bool registered = [] {
  static const ConvolutionClaims claims;
  register_claims(claims);
  return true;
}();

}  // namespace
}  // namespace wengert::cpu::onednn
