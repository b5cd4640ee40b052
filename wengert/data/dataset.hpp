// Data sets in memory: pairs of examples and labels, shuffled by a key, cut into batches.
#pragma once

#include <string>
#include <vector>

#include "wengert/array/array.hpp"

namespace wengert::data {

struct Batch {
  Array x, y;
};

/// Examples along axis 0 of x, labels along axis 0 of y.
class Dataset {
 public:
  Dataset() = default;
  /// Throws Error(shape) when the two have different lengths.
  Dataset(Array x, Array y, std::source_location where = std::source_location::current());

  int64_t size() const { return x_.shape()[0]; }
  const Array& x() const { return x_; }
  const Array& y() const { return y_; }
  /// The examples in the order of random::permutation(key); nothing is copied before a batch is made.
  Dataset shuffle(const Array& key, std::source_location where = std::source_location::current()) const;
  Dataset shuffle(int64_t seed, std::source_location where = std::source_location::current()) const;
  /// Examples `begin` to `end` of the current order. Errors: index "dataset-range" (not within the set).
  Batch slice(int64_t begin, int64_t end, std::source_location where = std::source_location::current()) const;

  /// The first `count` examples of the current order as a set of their own, in fresh memory. Errors: index
  /// "dataset-range" (more than there are, or negative).
  Dataset first(int64_t count, std::source_location where = std::source_location::current()) const;

  /// Batches of `size` examples in order; the last one is left out when it would be shorter and `drop_last` is set.
  /// Errors: value "batch-size" (below 1; with `drop_last` also more than there are examples).
  class Batches batches(int64_t size, bool drop_last = false,
                        std::source_location where = std::source_location::current()) const;

 private:
  Array x_, y_;
  std::vector<int64_t> order_;  // empty: as stored
};

/// A range of batches; each is made when it is asked for.
class Batches {
 public:
  Batches(Dataset set, int64_t size, bool drop_last);
  int64_t size() const { return count_; }
  Batch operator[](int64_t i) const;

  class Iterator {
   public:
    Iterator(const Batches* batches, int64_t at) : batches_(batches), at_(at) {}
    Batch operator*() const { return (*batches_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return at_ != o.at_; }

   private:
    const Batches* batches_;
    int64_t at_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }

 private:
  Dataset set_;
  int64_t batch_, count_;
};

/// Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): 60,000 and 10,000 images of clothes.
struct FashionMnist {
  Dataset train, test;  // x: float32 [n, 1, 28, 28] in [0, 1]; y: int32 [n], 0 to 9
};
/// The names of the ten classes.
const std::vector<std::string>& fashion_mnist_names();
/// Reads the four gzipped IDX files from `folder`; by default where Debian's package dataset-fashion-mnist puts them,
/// or what the environment variable WENGERT_DATA names. Errors: io, naming the package.
FashionMnist fashion_mnist(const std::string& folder = "",
                           std::source_location where = std::source_location::current());

}  // namespace wengert::data
