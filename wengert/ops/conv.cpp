#include "wengert/ops/conv.hpp"

#include "wengert/ops/common.hpp"
#include "wengert/ops/conv_geometry.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert {
namespace {

using Values = std::vector<Expr>;

// The three primitives share their parameters: they are transposes of each other.
const std::vector<const char*> param_names = {"stride", "padding", "dilation", "groups",
                                              "image",  "kernel",  "dtype",    "precision"};
using Geometry = ConvGeometry;

Type element(const Avals& in) {
  want(is_inexact(in[0].dtype) && in[0].dtype == in[1].dtype, in, ErrorKind::dtype, "conv-dtype",
       "equal floating dtypes");
  want(in[0].rank() == 4 && in[1].rank() == 4, in, ErrorKind::shape, "conv-rank", "two arrays of rank 4");
  return in[0];
}

Geometry geometry(const Avals& in) {
  const Geometry g(in.params);
  want(g.valid(), in, ErrorKind::value, "conv-window",
       "pairs of numbers: stride and dilation >= 1, padding >= 0, lengths >= 0, and groups >= 1");
  return g;
}

/// Throws unless an operand has these spatial lengths.
void want_lengths(const Avals& in, int operand, int64_t height, int64_t width) {
  const Shape& shape = in[operand].shape;
  want(shape[2].value() == height && shape[3].value() == width, in, ErrorKind::shape, "conv-image",
       "operands with the lengths of image and kernel");
}

Types infer_conv(const Avals& in) {
  const Type x = element(in);
  const Geometry g = geometry(in);
  want_lengths(in, 0, g.image[0], g.image[1]);
  want_lengths(in, 1, g.kernel[0], g.kernel[1]);
  want(
      g.groups > 0 && x.shape[1].value() == in[1].shape[1].value() * g.groups && in[1].shape[0].value() % g.groups == 0,
      in, ErrorKind::shape, "conv-channels",
      "channels of x == groups * axis 1 of w, and output channels in equal groups");
  return {Type::of(x.dtype, {x.shape[0], in[1].shape[0], g.out(0), g.out(1)})};
}

Types infer_conv_input(const Avals& in) {
  const Type ct = element(in);
  const Geometry g = geometry(in);
  want_lengths(in, 0, g.out(0), g.out(1));
  want_lengths(in, 1, g.kernel[0], g.kernel[1]);
  want(ct.shape[1].value() == in[1].shape[0].value() && ct.shape[1].value() % g.groups == 0, in, ErrorKind::shape,
       "conv-channels", "channels of ct == axis 0 of w, in equal groups");
  return {Type::of(ct.dtype, {ct.shape[0], in[1].shape[1].value() * g.groups, g.image[0], g.image[1]})};
}

Types infer_conv_kernel(const Avals& in) {
  const Type x = element(in);
  const Geometry g = geometry(in);
  want_lengths(in, 0, g.image[0], g.image[1]);
  want_lengths(in, 1, g.out(0), g.out(1));
  want(x.shape[0].value() == in[1].shape[0].value() && x.shape[1].value() % g.groups == 0 &&
           in[1].shape[1].value() % g.groups == 0,
       in, ErrorKind::shape, "conv-channels", "as many images in x as in ct, and channels in equal groups");
  return {Type::of(x.dtype, {in[1].shape[1], x.shape[1].value() / g.groups, g.kernel[0], g.kernel[1]})};
}

/// A place on the image that may lie in the padding: the index, kept inside, and whether it is one.
struct Spot {
  Expr index, inside;
};
Spot on_image(Lowering& k, Expr index, int64_t length, bool can_leave) {
  const Expr zero = k.integer(0), last = k.integer(length - 1);
  if (!can_leave) return {index, k.integer(1, Dtype::bool_)};
  return {max(min(index, last), zero), zero <= index && index <= last};
}

/// x or 0 where a spot is outside; the selection is left out where nothing can be.
Expr masked(Lowering& k, const Spot& a, const Spot& b, bool can_leave, Expr value) {
  return can_leave ? select(a.inside && b.inside, value, k.constant(0, value.dtype())) : value;
}

Values lower_conv(Lowering& k, const Coordinates& i) {
  const Geometry g(k.params());
  const int64_t channels = k.operand(1).shape[1], outputs = k.operand(1).shape[0];
  const bool can_leave = g.padding[0] > 0 || g.padding[1] > 0;
  const auto at = [&](int a, Expr p, Expr r) {
    return on_image(k, p * k.integer(g.stride[a]) + r * k.integer(g.dilation[a]) - k.integer(g.padding[a]), g.image[a],
                    can_leave);
  };
  return {k.reduce(loops::Combine::sum, {channels, g.kernel[0], g.kernel[1]}, {}, [&](const Coordinates& r) {
    const Spot h = at(0, i[2], r[1]), w = at(1, i[3], r[2]);
    const Expr channel =
        g.groups == 1 ? r[0] : floordiv(i[1], k.integer(outputs / g.groups)) * k.integer(channels) + r[0];
    return masked(k, h, w, can_leave, k(0, {i[0], channel, h.index, w.index})) * k(1, {i[1], r[0], r[1], r[2]});
  })};
}

/// Every place of the image adds up the windows that lie on it.
Values lower_conv_input(Lowering& k, const Coordinates& i) {
  const Geometry g(k.params());
  const int64_t channels = k.operand(1).shape[1], per_group = k.operand(1).shape[0].value() / g.groups;
  const auto at = [&](int a, Expr h, Expr r) {
    const Expr begin = h + k.integer(g.padding[a]) - r * k.integer(g.dilation[a]), step = k.integer(g.stride[a]);
    Spot spot = on_image(k, floordiv(begin, step), g.out(a), true);
    if (g.stride[a] > 1) spot.inside = spot.inside && mod(begin, step) == k.integer(0);
    return spot;
  };
  return {k.reduce(loops::Combine::sum, {per_group, g.kernel[0], g.kernel[1]}, {}, [&](const Coordinates& r) {
    const Spot p = at(0, i[2], r[1]), q = at(1, i[3], r[2]);
    const bool one = g.groups == 1;
    const Expr output = one ? r[0] : floordiv(i[1], k.integer(channels)) * k.integer(per_group) + r[0];
    const Expr channel = one ? i[1] : mod(i[1], k.integer(channels));
    return masked(k, p, q, true, k(0, {i[0], output, p.index, q.index})) * k(1, {output, channel, r[1], r[2]});
  })};
}

Values lower_conv_kernel(Lowering& k, const Coordinates& i) {
  const Geometry g(k.params());
  const int64_t channels = k.operand(0).shape[1].value() / g.groups,
                per_group = k.operand(1).shape[1].value() / g.groups;
  const bool can_leave = g.padding[0] > 0 || g.padding[1] > 0;
  const auto at = [&](int a, Expr p, Expr r) {
    return on_image(k, p * k.integer(g.stride[a]) + r * k.integer(g.dilation[a]) - k.integer(g.padding[a]), g.image[a],
                    can_leave);
  };
  return {k.reduce(loops::Combine::sum, {k.operand(0).shape[0], g.out(0), g.out(1)}, {}, [&](const Coordinates& r) {
    const Spot h = at(0, r[1], i[2]), w = at(1, r[2], i[3]);
    const Expr channel = g.groups == 1 ? i[1] : floordiv(i[0], k.integer(per_group)) * k.integer(channels) + i[1];
    return masked(k, h, w, can_leave, k(0, {r[0], channel, h.index, w.index})) * k(1, {r[0], i[0], r[1], r[2]});
  })};
}

Params conv_params(Axes stride, Axes padding, Axes dilation, int64_t groups, Axes image, Axes kernel) {
  return {std::move(stride), std::move(padding), std::move(dilation), groups,
          std::move(image),  std::move(kernel),  Dtype::float32,      std::string("highest")};
}

/// `w` are the shapes of the two operands.
Sample sample(Shape a, Shape b, int64_t stride, int64_t padding, int64_t dilation, int64_t groups, Axes image,
              Axes kernel) {
  return {{a, b},
          conv_params({stride, stride}, {padding, padding}, {dilation, dilation}, groups, std::move(image),
                      std::move(kernel))};
}

}  // namespace

const Primitive conv_primitive{
    .name = "conv",
    .doc = "y[n,o,p,q] = sum over c,i,j of x[n,c,p*stride+i*dilation-padding,..] w[o,c,i,j].",
    .traits = Trait::bilinear | Trait::contraction,
    .params = param_names,
    .operands = {"x", "w"},
    .infer = infer_conv,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(conv_primitive, d[0], e.in(1), e.params) + bind(conv_primitive, e.in(0), d[1], e.params);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          return operand == 0 ? bind(conv_input_primitive, ct, e.in(1), e.params)
                              : bind(conv_kernel_primitive, e.in(0), ct, e.params);
        },
    .lower = lower_conv,
    .samples = {{sample({2, 3, 5, 6}, {4, 3, 3, 3}, 1, 1, 1, 1, {5, 6}, {3, 3}),
                 sample({1, 2, 6, 5}, {2, 2, 2, 3}, 2, 0, 1, 1, {6, 5}, {2, 3}),
                 sample({1, 4, 7, 7}, {6, 2, 3, 3}, 2, 2, 2, 2, {7, 7}, {3, 3}),
                 sample({0, 2, 4, 4}, {3, 2, 2, 2}, 1, 0, 1, 1, {4, 4}, {2, 2})}},
};

const Primitive conv_input_primitive{
    .name = "conv_input",
    .doc = "The transpose of conv in x: from y's cotangent and w.",
    .traits = Trait::bilinear | Trait::contraction,
    .params = param_names,
    .operands = {"ct", "w"},
    .infer = infer_conv_input,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(conv_input_primitive, d[0], e.in(1), e.params) + bind(conv_input_primitive, e.in(0), d[1], e.params);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          return operand == 0 ? bind(conv_primitive, ct, e.in(1), e.params)
                              : bind(conv_kernel_primitive, ct, e.in(0), e.params);
        },
    .lower = lower_conv_input,
    .samples = {{sample({2, 4, 5, 6}, {4, 3, 3, 3}, 1, 1, 1, 1, {5, 6}, {3, 3}),
                 sample({1, 6, 4, 4}, {6, 2, 3, 3}, 2, 2, 2, 2, {7, 7}, {3, 3}),
                 sample({0, 3, 3, 3}, {3, 2, 2, 2}, 1, 0, 1, 1, {4, 4}, {2, 2})}},
};

const Primitive conv_kernel_primitive{
    .name = "conv_kernel",
    .doc = "The transpose of conv in w: from x and y's cotangent.",
    .traits = Trait::bilinear | Trait::contraction,
    .params = param_names,
    .operands = {"x", "ct"},
    .infer = infer_conv_kernel,
    .tangent = [](const RuleEquation& e, Tangents d) -> Results {
      return bind(conv_kernel_primitive, d[0], e.in(1), e.params) +
          bind(conv_kernel_primitive, e.in(0), d[1], e.params);
    },
    .transpose =
        [](const RuleEquation& e, const Array& ct, int operand) {
          return operand == 0 ? bind(conv_input_primitive, e.in(1), ct, e.params)
                              : bind(conv_primitive, e.in(0), ct, e.params);
        },
    .lower = lower_conv_kernel,
    .samples = {{sample({2, 3, 5, 6}, {2, 4, 5, 6}, 1, 1, 1, 1, {5, 6}, {3, 3}),
                 sample({1, 4, 7, 7}, {1, 6, 4, 4}, 2, 2, 2, 2, {7, 7}, {3, 3}),
                 sample({0, 2, 4, 4}, {0, 3, 3, 3}, 1, 0, 1, 1, {4, 4}, {2, 2})}},
};

Array conv2d(const Operand& x, const Operand& w, const Window& window, int64_t groups) {
  const CallScope scope(x, "conv2d");
  const Dtype dtype = promote(x.dtype(), x.weak(), w.dtype(), w.weak());
  const Array a = convert(to_inexact(x), is_inexact(dtype) ? dtype : Dtype::float32);
  const Array b = convert(to_inexact(w), a.dtype());
  const auto two = [](const Pair& v) { return to_string(Param(Axes{v[0], v[1]})); };
  const auto got = [&] {
    return "x " + describe(a) + ", w " + describe(b) + ", stride " + two(window.stride) + ", padding " +
        two(window.padding) + ", dilation " + two(window.dilation) + ", groups " + std::to_string(groups);
  };
  if (a.rank() != 4 || b.rank() != 4)
    fail(ErrorKind::shape, "conv-rank", "conv2d", got(), "x [N,C,H,W] and w [O,C/groups,I,J]");
  if (groups < 1) fail(ErrorKind::value, "conv-groups", "conv2d", got(), "at least one group");
  if (a.dim(1) % groups != 0 || a.dim(1) / groups != b.dim(1) || b.dim(0) % groups != 0) {
    fail(ErrorKind::shape, "conv-channels", "conv2d", got(),
         "channels of x == groups * axis 1 of w, and output channels in equal groups");
  }
  Axes image, kernel;
  for (int i = 0; i < 2; ++i) {
    const auto u = static_cast<size_t>(i);
    image.push_back(a.dim(2 + i));
    kernel.push_back(b.dim(2 + i));
    if (window.stride[u] < 1 || window.dilation[u] < 1 || window.padding[u] < 0 || window.padding[u] > max_size) {
      fail(ErrorKind::value, "conv-window", "conv2d", got(), "stride and dilation >= 1, padding from 0 to 2^58");
    }
    const int64_t room = image[i] + 2 * window.padding[u] - 1;  // for the distance of the window's ends
    if (kernel[i] < 1 || room < 0 || (kernel[i] > 1 && window.dilation[u] > room / (kernel[i] - 1))) {
      fail(ErrorKind::shape, "conv-size", "conv2d", got(), "a window that fits on the padded image");
    }
  }
  const auto pair = [](const Pair& v) { return Axes{v[0], v[1]}; };
  return bind(conv_primitive, a, b,
              {pair(window.stride), pair(window.padding), pair(window.dilation), groups, image, kernel, a.dtype(),
               std::string("highest")});
}

}  // namespace wengert
