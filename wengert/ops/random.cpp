#include "wengert/ops/random.hpp"

#include <cmath>

#include "wengert/ops/common.hpp"
#include "wengert/ops/elementwise.hpp"

namespace wengert {
namespace {

using Values = std::vector<Expr>;

/// The two words of a key.
struct KeyWords {
  Expr low, high;
};
KeyWords words(Lowering& k) {
  const Expr key = k(0, {});
  return {convert(key, Dtype::uint32), convert(floordiv(key, k.integer(int64_t{1} << 32)), Dtype::uint32)};
}

Expr bits(const KeyWords& key, Expr index) {
  const Expr arguments[] = {key.low, key.high, index};
  return math("random_bits", arguments, Dtype::uint32);
}

/// Row-major number of an element, whatever its layout.
Expr linear_index(Lowering& k, const Coordinates& i) {
  Expr linear = k.integer(0);
  for (size_t d = 0; d < i.size(); ++d) linear = linear * k.integer(k.result().shape[static_cast<int>(d)]) + i[d];
  return linear;
}

/// A distribution's function of one random word, or of two in float64.
Values draw(Lowering& k, const Coordinates& i, std::string_view function) {
  const KeyWords key = words(k);
  const Expr index = linear_index(k, i);
  if (k.result().dtype == Dtype::float32) {
    const Expr word = bits(key, index);
    return {math(function, {&word, 1}, Dtype::float32)};
  }
  const Expr pair[] = {bits(key, index * k.integer(2)), bits(key, index * k.integer(2) + k.integer(1))};
  return {math(function, pair, Dtype::float64)};
}

void want_key(const Avals& in) {
  want(in[0].dtype == Dtype::int64 && in[0].rank() == 0, in, ErrorKind::dtype, "random-key",
       "a key: int64 of rank 0; make one with wg::random::key(seed)");
}

Types infer_draw(const Avals& in) {
  want_key(in);
  const Dtype dtype = in.params.dtype(1);
  want(dtype == Dtype::float32 || dtype == Dtype::float64, in, ErrorKind::dtype, "random-dtype", "float32 or float64");
  return {Type::of(dtype, in.params.shape(0))};
}

Samples draw_samples() {
  const std::vector<std::pair<double, double>> range = {{-1e9, 1e9}};
  return {.cases = {Sample{{{}}, {Shape{4, 5}, Dtype::float32}, {}, {Dtype::int64}, range},
                    Sample{{{}}, {Shape{3}, Dtype::float64}, {}, {Dtype::int64}, range},
                    Sample{{{}}, {Shape{0, 3}, Dtype::float64}, {}, {Dtype::int64}, range}},
          .dtypes = {Dtype::int64}};
}

}  // namespace

const Primitive random_uniform_primitive{
    .name = "random_uniform",
    .doc = "Uniform in [0, 1): element i from word i of the key's stream (float64: words 2i and 2i+1).",
    .traits = Trait::nondifferentiable,
    .params = {"shape", "dtype"},
    .operands = {"key"},
    .infer = infer_draw,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return draw(k, i, "uniform"); },
    .samples = draw_samples(),
};

const Primitive random_normal_primitive{
    .name = "random_normal",
    .doc = "Standard normal: sqrt(2) erfinv of a uniform number in (-1, 1).",
    .traits = Trait::nondifferentiable,
    .params = {"shape", "dtype"},
    .operands = {"key"},
    .infer = infer_draw,
    .lower = [](Lowering& k, const Coordinates& i) -> Values { return draw(k, i, "normal"); },
    .samples = draw_samples(),
};

// Words of a key's stream: from 0 those of its elements, of which there are at most 2^58; from 2^61 those of keys folded
// with small numbers; from 2^63 those of split keys; from 2^64 - 2^62 those that large numbers are folded with first.
namespace {

/// Two words of a key's stream, for a key of their own.
KeyWords words_at(Lowering& k, const KeyWords& key, Expr first) {
  return {bits(key, first), bits(key, first + k.integer(1))};
}

Expr key_of(Lowering& k, const KeyWords& key) {
  return convert(key.low, Dtype::int64) + convert(key.high, Dtype::int64) * k.integer(int64_t{1} << 32);
}

KeyWords select_words(Expr condition, const KeyWords& yes, const KeyWords& no) {
  return {select(condition, yes.low, no.low), select(condition, yes.high, no.high)};
}

Types infer_new_key(const Avals& in) {
  want_key(in);
  want(in[1].dtype == Dtype::int64 && in[1].rank() == 0, in, ErrorKind::dtype, "random-number",
       "an int64 number of rank 0");
  return {Type::of(Dtype::int64, {})};
}

}  // namespace

const Primitive random_fold_primitive{
    .name = "random_fold",
    .doc =
        "A new key from a key and a number n: words 2^62 + 2n and the next one of the key's stream; beyond 2^60 in size, "
        "with the low 32 bits for n, of the stream of the key that the high ones give.",
    .traits = Trait::nondifferentiable,
    .operands = {"key", "number"},
    .infer = infer_new_key,
    .lower = [](Lowering& k, const Coordinates&) -> Values {
      const Expr n = k(1, {}), two = k.integer(2), most = k.integer(int64_t{1} << 60);
      const Expr base = k.integer(int64_t{1} << 62), half = k.integer(int64_t{1} << 32);
      const Expr high = floordiv(n, half), large = n < k.integer(0) - most || most <= n;
      const KeyWords key = words(k), folded = words_at(k, key, high * two - base);
      const Expr low = select(large, n - high * half, n);
      return {key_of(k, words_at(k, select_words(large, folded, key), low * two + base))};
    },
    .samples = {.cases = {{{{}, {}}, {}, {}, {}, {{-1e9, 1e9}, {-1e6, 1e6}}},
                          {{{}, {}}, {}, {}, {}, {{-1e9, 1e9}, {-9e18, 9e18}}}},
                .dtypes = {Dtype::int64}},
};

const Primitive random_split_primitive{
    .name = "random_split",
    .doc = "Key number n of those that a key is split into: words 2^63 + 2n and the next one of its stream.",
    .traits = Trait::nondifferentiable,
    .operands = {"key", "number"},
    .infer = infer_new_key,
    .lower = [](Lowering& k, const Coordinates&) -> Values {
      return {key_of(k, words_at(k, words(k), k(1, {}) * k.integer(2) + k.integer(INT64_MIN)))};
    },
    .samples = {.cases = {{{{}, {}}, {}, {}, {}, {{-1e9, 1e9}, {0, 1e6}}}}, .dtypes = {Dtype::int64}},
};

const Primitive random_permutation_primitive{
    .name = "random_permutation",
    .doc = "Element i of a permutation of 0..n-1: a Feistel network over the next power of 4, walked until below n.",
    .traits = Trait::nondifferentiable,
    .params = {"n"},
    .operands = {"key"},
    .infer = [](const Avals& in) -> Types {
      want_key(in);
      want(in.params.integer(0) >= 0, in, ErrorKind::value, "permutation-length", "n >= 0");
      return {Type::of(Dtype::int64, {in.params.integer(0)})};
    },
    .lower = [](Lowering& k, const Coordinates& i) -> Values {
      const KeyWords key = words(k);
      const Expr arguments[] = {key.low, key.high, i[0], k.integer(k.params().integer(0))};
      return {math("permute", arguments, Dtype::int64)};
    },
    .samples = {.cases = {{{{}}, {int64_t{17}}, {}, {}, {{-1e9, 1e9}}},
                          {{{}}, {int64_t{1}}, {}, {}, {{-1e9, 1e9}}},
                          {{{}}, {int64_t{0}}, {}, {}, {{-1e9, 1e9}}}},
                .dtypes = {Dtype::int64}},
};

namespace random {
namespace {
const Array& want_defined(const Array& key) { return Operand(key).array(); }  // throws

/// The largest number of that dtype below x.
double last_below(double x, Dtype dtype) {
  if (dtype == Dtype::float64) return std::nextafter(x, -HUGE_VAL);
  const auto near = static_cast<float>(x);
  return near < x ? near : std::nextafter(near, -HUGE_VALF);
}
}  // namespace

Array key(int64_t seed) { return array(seed); }

Array fold_in(const Array& key, const Operand& number) {
  const CallScope scope(number, "random::fold_in");
  const Array n = number.is_scalar() ? strengthen(number.scalar(int64)) : convert(number, int64);
  return bind(random_fold_primitive, want_defined(key), n);
}

std::vector<Array> split(const Array& key, int64_t count, std::source_location where) try {
  const CallScope scope(where, "random::split");
  constexpr int64_t most = int64_t{1} << 20;  // each is an array of its own, of 128 bytes
  if (count < 0 || count > most) {
    fail(ErrorKind::value, "split-count", "random::split", "count " + std::to_string(count),
         "a count from 0 to " + std::to_string(most) + "; wg::random::fold_in(key, i) makes keys one by one");
  }
  std::vector<Array> keys;
  for (int64_t i = 0; i < count; ++i) keys.push_back(bind(random_split_primitive, want_defined(key), array(i)));
  return keys;
} catch (const std::bad_alloc&) { throw_no_memory("random::split", where); }

Array uniform(const Array& key, const Shape& shape, Dtype dtype, double low, double high, std::source_location where) {
  const CallScope scope(where, "random::uniform");
  const Array u = bind(random_uniform_primitive, want_defined(key), {shape, dtype});
  if (low == 0 && high == 1) return u;
  const Array x = u * (high - low) + low;
  return low < high ? minimum(x, last_below(high, dtype)) : x;  // the sum may be rounded up
}

Array normal(const Array& key, const Shape& shape, Dtype dtype, std::source_location where) {
  const CallScope scope(where, "random::normal");
  return bind(random_normal_primitive, want_defined(key), {shape, dtype});
}

Array bernoulli(const Array& key, const Operand& probability, const Shape& shape) {
  const CallScope scope(probability, "random::bernoulli");
  if (probability.is_scalar()) {
    const double p = probability.scalar(float64).item<double>();
    if (!(p >= 0 && p <= 1)) {
      fail(ErrorKind::value, "bernoulli-probability", "random::bernoulli", "probability " + probability.number_text(),
           "a probability from 0 to 1");
    }
  }
  return less(uniform(key, shape), probability);
}

Array permutation(const Array& key, int64_t n, std::source_location where) {
  const CallScope scope(where, "random::permutation");
  return bind(random_permutation_primitive, want_defined(key), {n});
}

}  // namespace random
}  // namespace wengert
