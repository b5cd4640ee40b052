#include "wengert/data/dataset.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "wengert/data/idx.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/random.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert::data {
namespace {

[[noreturn]] void fail(ErrorKind kind, const char* id, const std::string& message) {
  throw Error(kind, id, message + called_at({}));
}

/// Rows of `x` along axis 0 in the order given, in fresh memory: a batch is copied once, whatever the order.
Array gather_rows(const Array& x, std::span<const int64_t> rows) {
  Shape shape = x.shape();
  shape[0] = static_cast<int64_t>(rows.size());
  Array out = wengert::detail::make_array(Layout::contiguous_of(Type::of(x.dtype(), shape)));
  const auto bytes = static_cast<size_t>(x.size() / std::max<int64_t>(x.shape()[0], 1) * itemsize(x.dtype()));
  std::byte* to = out.node()->data;
  for (int64_t row : rows) {
    std::memcpy(to, x.node()->data + row * static_cast<int64_t>(bytes), bytes);
    to += bytes;
  }
  return out;
}

}  // namespace

Dataset::Dataset(Array x, Array y, std::source_location where) try : x_(std::move(x)), y_(std::move(y)) {
  const CallScope scope(where);
  if (x_.rank() == 0 || y_.rank() == 0 || x_.shape()[0].value() != y_.shape()[0].value()) {
    fail(ErrorKind::shape, "dataset-length",
         "Dataset: x " + describe(x_) + ", y " + describe(y_) + ": wanted equal lengths of axis 0");
  }
  const auto whole = [](const Array& a) { return a.layout().contiguous && a.node()->tag == 0; };
  if (!whole(x_) || !whole(y_))
    fail(ErrorKind::value, "dataset-memory",
         "Dataset: x " + describe(x_) + ", y " + describe(y_) +
             ": wanted contiguous arrays with values; use wg::contiguous(x)");
} catch (const std::bad_alloc&) { throw_no_memory("Dataset", where); }

Dataset Dataset::shuffle(const Array& key, std::source_location where) const try {
  const CallScope scope(where);
  Dataset shuffled = *this;
  const std::vector<int64_t> places = random::permutation(key, size()).to_vector<int64_t>();
  for (size_t i = 0; i < places.size(); ++i) {
    if (shuffled.order_.size() <= i) shuffled.order_.push_back(0);
    shuffled.order_[i] = order_.empty() ? places[i] : order_[static_cast<size_t>(places[i])];
  }
  return shuffled;
} catch (const std::bad_alloc&) { throw_no_memory("Dataset", where); }
Dataset Dataset::shuffle(int64_t seed, std::source_location where) const { return shuffle(random::key(seed), where); }

Batch Dataset::slice(int64_t begin, int64_t end, std::source_location where) const try {
  const CallScope scope(where);
  if (begin < 0 || end > size() || begin > end) {
    fail(ErrorKind::index, "dataset-range",
         "Dataset: examples " + std::to_string(begin) + " to " + std::to_string(end) + " of " + std::to_string(size()) +
             ": wanted a range inside");
  }
  std::vector<int64_t> rows(static_cast<size_t>(end - begin));
  for (int64_t i = begin; i < end; ++i) {
    rows[static_cast<size_t>(i - begin)] = order_.empty() ? i : order_[static_cast<size_t>(i)];
  }
  return {gather_rows(x_, rows), gather_rows(y_, rows)};
} catch (const std::bad_alloc&) { throw_no_memory("Dataset", where); }

Dataset Dataset::first(int64_t count, std::source_location where) const try {
  Batch part = slice(0, count, where);
  return {std::move(part.x), std::move(part.y), where};
} catch (const std::bad_alloc&) { throw_no_memory("Dataset", where); }

Batches Dataset::batches(int64_t size, bool drop_last, std::source_location where) const try {
  const CallScope scope(where);
  return {*this, size, drop_last};
} catch (const std::bad_alloc&) { throw_no_memory("batches", where); }

Batches::Batches(Dataset set, int64_t size, bool drop_last) : set_(std::move(set)), batch_(size) {
  if (size < 1)
    fail(ErrorKind::value, "batch-size", "batches: got a size of " + std::to_string(size) + ": wanted at least 1");
  if (drop_last && set_.size() < size) {
    fail(ErrorKind::value, "batch-size",
         "batches: got a size of " + std::to_string(size) + ", " + std::to_string(set_.size()) +
             " examples, drop_last: " + "wanted examples for one whole batch; take more of them, or a smaller size");
  }
  count_ = drop_last ? set_.size() / size : (set_.size() + size - 1) / size;
}

Batch Batches::operator[](int64_t i) const {
  return set_.slice(i * batch_, std::min((i + 1) * batch_, set_.size()), {});
}

const std::vector<std::string>& fashion_mnist_names() {
  static const auto& names = *new std::vector<std::string>{
      // static objects may report at exit
      "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};
  return names;
}

FashionMnist fashion_mnist(const std::string& given, std::source_location where) try {
  const CallScope scope(where);
  const char* variable = std::getenv("WENGERT_DATA");
  const std::string folder = !given.empty() ? given : variable ? variable : "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::is_directory(folder)) {
    fail(ErrorKind::io, "fashion-mnist-folder",
         "fashion_mnist: " + folder +
             ": no such folder: wanted the gzipped IDX files; "
             "install Debian's package dataset-fashion-mnist, or name their folder in WENGERT_DATA");
  }
  const auto load = [&](const std::string& part) {
    const Array images = read_idx(folder + "/" + part + "-images-idx3-ubyte.gz");
    const Array labels = read_idx(folder + "/" + part + "-labels-idx1-ubyte.gz");
    if (images.rank() != 3 || labels.rank() != 1) {
      fail(ErrorKind::io, "fashion-mnist-shape",
           "fashion_mnist: images " + describe(images) + ", labels " + describe(labels) + ": wanted rank 3 and 1");
    }
    const Array x = reshape(images.astype(float32) * (1.0f / 255), {images.dim(0), 1, images.dim(1), images.dim(2)});
    return Dataset(x, labels.astype(int32));
  };
  return {load("train"), load("t10k")};
} catch (const std::bad_alloc&) { throw_no_memory("fashion_mnist", where); }

}  // namespace wengert::data
