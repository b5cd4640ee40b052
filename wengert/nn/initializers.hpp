// How parameters begin. Variances follow the number of inputs and outputs of one unit.
#pragma once

#include <source_location>

#include "wengert/ops/random.hpp"

namespace wengert::nn {

/// Inputs and outputs of one unit of a weight [in, out] (linear) or [out, in, i, j] (convolution).
struct Fans {
  int64_t in, out;
};

/// Normal with variance 2 / in: for layers before a relu. He, Zhang, Ren, Sun, ICCV 2015.
Array he_normal(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                std::source_location where = std::source_location::current());
/// Uniform with the same variance.
Array he_uniform(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                 std::source_location where = std::source_location::current());
/// Normal with variance 2 / (in + out). Glorot, Bengio, AISTATS 2010.
Array glorot_normal(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                    std::source_location where = std::source_location::current());
Array glorot_uniform(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                     std::source_location where = std::source_location::current());
/// Normal with variance 1 / in. LeCun, Bottou, Orr, Müller, "Efficient backprop", 1998.
Array lecun_normal(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                   std::source_location where = std::source_location::current());
Array lecun_uniform(const Array& key, const Shape& shape, Fans fans, Dtype dtype = float32,
                    std::source_location where = std::source_location::current());

}  // namespace wengert::nn
