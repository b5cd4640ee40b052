// What goes on after a failure: no memory, no compiler, no cache, exceptions of the user's own. Children are this
// program again with another environment.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <new>
#include <numeric>
#include <optional>
#include <regex>
#include <source_location>
#include <sstream>
#include <thread>

#include "tests/errors.hpp"
#include "tests/errors/errors_testing.hpp"
#include "tests/round_trip.hpp"
#include "wengert/backends/cpu/executor.hpp"
#include "wengert/backends/cpu/kernels.hpp"
#include "wengert/backends/cpu/threads.hpp"
#include "wengert/data/dataset.hpp"
#include "wengert/train/train.hpp"

// An allocator that can be told to fail -------------------------------------------------------------------

namespace {
thread_local int64_t allocations_left = -1;  // before one fails; negative: none does
thread_local bool fails_alone = false;       // and none after it
thread_local bool allocation_failed = false;

void* allocate(std::size_t bytes) {
  if (allocations_left == 0) {
    allocation_failed = true;
    if (fails_alone) allocations_left = -1;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) --allocations_left;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

/// Not inlined: g++ at -O1 would see free() take what operator new returned, and warn.
[[gnu::noinline]] void release(void* memory) { std::free(memory); }
}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes == 0 ? 1 : bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes == 0 ? 1 : bytes); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }

namespace wengert::errors_testing {
namespace {

/// The whole text of an error, where numbers in it vary.
void expect_text(const Error& error, const std::string& pattern) {
  EXPECT_TRUE(std::regex_match(error.what(), std::regex(pattern))) << error.what();
}

int64_t bytes_in_use() { return wengert::memory::statistics().current; }

// Memory -------------------------------------------------------------------------------------------------

/// Leaves room for `bytes` more while it lives.
class Cap {
 public:
  explicit Cap(int64_t bytes) {
    wengert::memory::trim();
    const auto now = wengert::memory::statistics();
    wengert::memory::set_cap(now.current + now.cached + bytes);
  }
  ~Cap() { wengert::memory::set_cap(0); }
};

TEST(NoMemory, IsAnErrorThatNamesTheOperationAndLeavesNothingBehind) {
  const Array x = ones({1024, 1024});
  const Array warm = x + x;  // plans and kernels are no part of what is measured
  const int64_t before = bytes_in_use();
  {
    const Cap cap(1 << 20);
    const Error error = test::thrown_by([&] { x + x; });
    const int line = __LINE__ - 1;
    EXPECT_EQ(error.kind(), ErrorKind::memory);
    EXPECT_EQ(error.id(), "memory-cap");
    expect_text(
        error,
        R"(add: a f32\[1024,1024\], b f32\[1024,1024\]: 4\.0 MiB with [\d.]+ MiB in use, [\d.]+ .?i?B cached, )"
        R"(cap [\d.]+ MiB: wanted a total within the cap; release arrays, use smaller batches, or raise the cap )"
        R"(with memory::set_cap; called at survival_test\.cpp:)" +
            std::to_string(line));
    EXPECT_EQ(sum(x).item<float>(), 1 << 20);  // what fits goes on
  }
  EXPECT_EQ(bytes_in_use(), before);
  EXPECT_EQ((x + x).to_vector<float>()[5], 2);
  expect_clean_thread();
}

TEST(NoMemory, OfTheSystemIsAnError) {
  const int line = __LINE__ + 1;
  const Error error = test::thrown_by([] { full({int64_t{1} << 55}, 1.f); });
  EXPECT_EQ(error.kind(), ErrorKind::memory);
  EXPECT_EQ(error.id(), "memory-exhausted");
  expect_text(error,
              R"(full: x f32\[36028797018963968\]: 128\.0 PiB with [\d.]+ .?i?B in use, [\d.]+ .?i?B cached, )"
              R"(no cap: wanted memory that the system refuses; release arrays or use smaller batches; called at )"
              R"(survival_test\.cpp:)" +
                  std::to_string(line));
  expect_clean_thread();
}

TEST(NoMemory, InTheMiddleOfAGradientReleasesItsTape) {
  const Array x = full({1024, 1024}, 0.5f);
  const auto loss = [](const Array& y) { return sum(tanh(tanh(tanh(tanh(y))))); };
  const Array wanted = grad(loss)(x);
  const int64_t before = bytes_in_use();
  for (const int64_t room : {1, 5, 9, 13, 17}) {
    const Cap cap(room << 20);
    try {
      grad(loss, "loss")(x);
    } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::memory) << error.what(); }
    EXPECT_LE(bytes_in_use(), before) << room << " MiB";
  }
  EXPECT_EQ(grad(loss)(x).to_vector<float>(), wanted.to_vector<float>());
  expect_clean_thread();
}

struct Failing {
  const char* name;
  std::function<void(const Array& x)> call;
  const char* operations;  // that its errors may name, as a regular expression
  bool placed = true;      // whether each names a line: for some calls there is no place for it in C++
};
void PrintTo(const Failing& failing, std::ostream* out) { *out << failing.name; }

/// Lines that errors of the call may name; without memory.
std::array<uint32_t, 4> marked_lines;
void here(std::source_location where = std::source_location::current()) {
  std::rotate(marked_lines.begin(), marked_lines.end() - 1, marked_lines.end());
  marked_lines[0] = where.line();
}

/// "add: ...: the system has no memory left: ...; called at survival_test.cpp:12, in grad", with one place at most.
void expect_no_memory(const Error& error, const Failing& failing, bool with_text) {
  EXPECT_EQ(error.kind(), ErrorKind::memory) << error.what();
  EXPECT_EQ(error.id(), "memory-exhausted");
  const std::string text = error.what();
  std::smatch found;
  static const std::regex pattern(
      R"((.+?): ([^;]+: )?the system has no memory left: wanted some (for the work beside the values|to plan with); )"
      R"(release arrays(; called at survival_test\.cpp:(\d+)(, in [^;]*)?)?)");
  ASSERT_TRUE(std::regex_match(text, found, pattern)) << text;
  if (!with_text && !found[4].matched) return;  // made beforehand
  EXPECT_TRUE(std::regex_match(found[1].str(), std::regex(failing.operations))) << text;
  EXPECT_TRUE(found[4].matched || !failing.placed) << text;
  if (!found[4].matched) return;
  const auto line = static_cast<uint32_t>(std::stoul(found[5]));
  EXPECT_NE(std::find(marked_lines.begin(), marked_lines.end(), line), marked_lines.end()) << text;
}

/// Allocations of the call fail in turn: alone, or with all that follow, those of the error's own text too. Each of the
/// first 64, then ever fewer of them.
void fail_at_any_allocation(const Failing& failing, bool alone) {
  const cpu::OracleScope no_kernels;        // compilers may abort without memory; they are loaded late and once
  const test::UncheckedPrograms unchecked;  // which would ask for memory too
  int64_t length = 3;
  int failures = 0;
  for (int64_t n = 0;; n += n < 64 ? 1 : n / 16) {
    const Array x = ones({++length});  // a shape that no plan knows yet
    marked_lines = {};
    allocation_failed = false;
    fails_alone = alone;
    try {
      allocations_left = n;
      failing.call(x);
      allocations_left = -1;
    } catch (const Error& error) {
      allocations_left = -1;
      ++failures;
      expect_no_memory(error, failing, alone);
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      ADD_FAILURE() << "std::bad_alloc for allocation " << n;
    }
    expect_clean_thread();
    if (!allocation_failed || ::testing::Test::HasFailure()) break;
    ASSERT_LT(n, 100000);
  }
  EXPECT_GT(failures, 0);
}

Array some_loss(const Array& y) { return here(), sum(softmax(y) * exp(y) + take(y, array<int64_t>(0))); }
struct Pair {
  Array a, b;
};

/// What the calls are given: memory that is not the library's to ask for.
struct Given {
  Array key = random::key(3);
  std::vector<Array> list{2}, inputs{ones({3})}, starts{array<int64_t>(0)};
  ProgramPtr program = make_program(some_loss)(ones({3}));
  std::string text = to_string(*program);
  ScratchFolder scratch;
  std::string metrics = scratch.path() + "/metrics.jsonl", page = scratch.path() + "/report.html";
  std::string file = scratch.path() + "/new.npz", checkpoint = scratch.path() + "/saved.npz";
  Pair saved{transpose(ones({2, 3})), ones({3})};
  Given() { io::save_checkpoint(checkpoint, saved); }
  std::vector<train::EpochMetrics> epochs{2};
  train::Report report{.title = "t",
                       .facts = {{"a", "b"}},
                       .epochs = epochs,
                       .classes = {"a", "b"},
                       .confusion = {{1, 0}, {0, 1}},
                       .mistakes = {{ones({2, 2}), 0, 1}}};
  train::Options options{.folder = scratch.path() + "/a/b"};
};
std::optional<Given> given;

class AtAnyAllocation : public ::testing::TestWithParam<Failing> {
 protected:
  AtAnyAllocation() { given.emplace(); }
  ~AtAnyAllocation() override { given.reset(); }
};

// clang-format off: each call on the line of its here()
const Failing failing[] = {
    {"operations", [](const Array& x) { some_loss(x); }, ".*"},
    {"joined", [](const Array& x) {
       given->list[0] = given->list[1] = x;
       here(); stack(given->list), concatenate(given->list);
     }, "stack|concatenate|wengert"},
    {"indexed", [](const Array& x) { here(); x[{ellipsis, range(0, 2)}]; }, "x.*|wengert", false},
    {"updated", [](const Array& x) { here(); x.at(1).set(3); }, "x.*|wengert", false},
    {"einsum", [](const Array& x) { here(); einsum("i,i->", x, x); }, "einsum|.*"},
    {"grad", [](const Array& x) { here(); grad(some_loss)(x); }, ".*"},
    {"value_and_grad", [](const Array& x) { here(); value_and_grad(some_loss)(x); }, ".*"},
    {"jvp", [](const Array& x) { here(); jvp(some_loss, x, x); }, ".*"},
    {"vjp", [](const Array& x) { here(); vjp(some_loss, x).pullback(array(1.f)); }, ".*", false},
    {"linearize", [](const Array& x) { here(); linearize(some_loss, x).linear(x); }, ".*", false},
    {"linear_transpose", [](const Array& x) {
       here(); linear_transpose([](const Array& y) { here(); return sum(y); }, x)(array(1.f));
     }, ".*", false},
    {"hessian", [](const Array& x) { here(); hessian(some_loss)(x); }, ".*"},
    {"make_program", [](const Array& x) { here(); make_program(some_loss)(x); }, ".*"},
    {"run", [](const Array&) {
       here(); run(*given->program, given->inputs);
     }, ".*"},
    {"text", [](const Array&) { here(); parse_program(given->text), to_string(*given->program); },
     "parse_program|to_string", false},
    {"map", [](const Array& x) {
       const Pair pair{x, x};
       const auto first = [](const Array& a, const Array&) { return a; };
       here(); tree::map(first, pair, pair);
     }, "tree::map"},
    {"map_with_path", [](const Array& x) {
       const Pair pair{x, x};
       const auto first = [](const std::string&, const Array& a, const Array&) { return a; };
       here(); tree::map_with_path(first, pair, pair);
     }, "tree::map_with_path"},
    {"tree", [](const Array& x) {
       const Pair pair{x, x};
       here(); tree::unflatten(pair, tree::flatten(pair)), tree::structure(pair), tree::trainable(pair);
       here(); tree::paths(pair);
     }, "tree::(flatten|unflatten|structure|trainable|paths)"},
    {"halves", [](const Array& x) {
       const Pair pair{x, x};
       here(); auto [a, b] = tree::partition(pair, [](const std::string& path) { return path == "a"; });
       here(); tree::merge(a, b);
     }, "tree::(partition|merge)"},
    {"layers", [](const Array& x) {
       here(); const auto net = nn::init(nn::sequential(nn::Linear{x.size(), 2}, nn::Dropout{0.5}), random::key(0));
       here(); nn::apply(net, expand(x, {0}), {.training = true, .key = random::key(1)});
     }, ".*"},
    {"sgd", [](const Array& x) {
       here(); const auto sgd = optim::sgd(0.1, {.momentum = 0.5});
       here(); sgd.update(x, sgd.init(x), x);
     }, ".*"},
    {"adam", [](const Array& x) {
       here(); const auto adam = optim::adam(0.1);
       here(); adam.update(x, adam.init(x), x);
     }, ".*"},
    {"norms", [](const Array& x) { here(); optim::clip_by_norm(x, 1), optim::global_norm(x); }, ".*"},
    {"data", [](const Array& x) {
       here(); const data::Dataset set(x, x);
       here(); set.shuffle(1).first(2).batches(2);
     }, ".*"},
    {"save_checkpoint", [](const Array& x) {
       here(); const Pair pair{transpose(expand(x, {0}) + x), x};
       here(); io::save_checkpoint(given->file, pair);
     }, ".*"},
    {"load_checkpoint", [](const Array&) {
       here(); io::load_checkpoint(given->checkpoint, given->saved);
     }, "load_checkpoint|.*"},
    {"log", [](const Array&) {
       here(); train::Log log;
       here(); log.add(0.5, 2, 1);
       here(); log.end_epoch(0.5, 1);
       here(); log.epochs();
     }, ".*"},
    {"metrics", [](const Array&) { here(); train::write_metrics(given->metrics, given->epochs); }, "write_metrics"},
    {"report", [](const Array&) { here(); train::write_report(given->page, given->report); }, "write_report|to_vector"},
    {"folder", [](const Array&) { here(); train::prepare_folder(given->options); }, "folder of the run"},
};
// clang-format on
TEST_P(AtAnyAllocation, IsAnErrorAndLeavesTheThreadClean) { fail_at_any_allocation(GetParam(), false); }
TEST_P(AtAnyAllocation, NamesTheOperationAndTheLine) { fail_at_any_allocation(GetParam(), true); }

INSTANTIATE_TEST_SUITE_P(NoMemory, AtAnyAllocation, ::testing::ValuesIn(failing),
                         [](const auto& test) { return test.param.name; });

/// One row for each operation.
struct Operation {
  const char* name;
  std::function<void(const Array& x)> call;
  bool placed = true;  // as above
};
void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }

// clang-format off: each call on the line of its here()
const Operation operations[] = {
    {"relu", [](const Array& x) { here(); relu(x); }},
    {"leaky_relu", [](const Array& x) { here(); leaky_relu(x); }},
    {"elu", [](const Array& x) { here(); elu(x); }},
    {"relu6", [](const Array& x) { here(); relu6(x); }},
    {"gelu", [](const Array& x) { here(); gelu(x); }},
    {"silu", [](const Array& x) { here(); silu(x); }},
    {"softplus", [](const Array& x) { here(); softplus(x); }},
    {"abs", [](const Array& x) { here(); abs(x); }},
    {"sign", [](const Array& x) { here(); sign(x); }},
    {"square", [](const Array& x) { here(); square(x); }},
    {"reciprocal", [](const Array& x) { here(); reciprocal(x); }},
    {"floor", [](const Array& x) { here(); floor(x); }},
    {"round", [](const Array& x) { here(); round(x); }},
    {"sqrt", [](const Array& x) { here(); sqrt(x); }},
    {"rsqrt", [](const Array& x) { here(); rsqrt(x); }},
    {"exp", [](const Array& x) { here(); exp(x); }},
    {"expm1", [](const Array& x) { here(); expm1(x); }},
    {"log", [](const Array& x) { here(); log(x); }},
    {"log1p", [](const Array& x) { here(); log1p(x); }},
    {"sin", [](const Array& x) { here(); sin(x); }},
    {"cos", [](const Array& x) { here(); cos(x); }},
    {"tanh", [](const Array& x) { here(); tanh(x); }},
    {"sigmoid", [](const Array& x) { here(); sigmoid(x); }},
    {"erf", [](const Array& x) { here(); erf(x); }},
    {"erfc", [](const Array& x) { here(); erfc(x); }},
    {"logical_not", [](const Array& x) { here(); logical_not(x); }},
    {"isnan", [](const Array& x) { here(); isnan(x); }},
    {"isinf", [](const Array& x) { here(); isinf(x); }},
    {"isfinite", [](const Array& x) { here(); isfinite(x); }},
    {"contiguous", [](const Array& x) { here(); contiguous(flip(x)); }},
    {"softmax", [](const Array& x) { here(); softmax(x); }},
    {"log_softmax", [](const Array& x) { here(); log_softmax(x); }},
    {"logsumexp", [](const Array& x) { here(); logsumexp(x); }},
    {"layer_norm", [](const Array& x) { here(); layer_norm(x); }},
    {"batch_norm", [](const Array& x) { here(); batch_norm(expand(x, {0})); }},
    {"norm", [](const Array& x) { here(); norm(x); }},
    {"sum", [](const Array& x) { here(); sum(x); }},
    {"prod", [](const Array& x) { here(); prod(x); }},
    {"max", [](const Array& x) { here(); max(x); }},
    {"min", [](const Array& x) { here(); min(x); }},
    {"argmax", [](const Array& x) { here(); argmax(x); }},
    {"argmin", [](const Array& x) { here(); argmin(x); }},
    {"any", [](const Array& x) { here(); any(x); }},
    {"all", [](const Array& x) { here(); all(x); }},
    {"mean", [](const Array& x) { here(); mean(x); }},
    {"var", [](const Array& x) { here(); var(x); }},
    {"std", [](const Array& x) { here(); std(x); }},
    {"transpose", [](const Array& x) { here(); transpose(x); }},
    {"flip", [](const Array& x) { here(); flip(x); }},
    {"stop_gradient", [](const Array& x) { here(); stop_gradient(x); }},
    {"negative", [](const Array& x) { here(); negative(x); }},
    {"zeros_like", [](const Array& x) { here(); zeros_like(x); }},
    {"ones_like", [](const Array& x) { here(); ones_like(x); }},
    {"isclose", [](const Array& x) { here(); isclose(x, x); }},
    {"allclose", [](const Array& x) { here(); allclose(x, x); }},
    {"add", [](const Array& x) { here(); add(x, x); }},
    {"subtract", [](const Array& x) { here(); subtract(x, x); }},
    {"multiply", [](const Array& x) { here(); multiply(x, x); }},
    {"divide", [](const Array& x) { here(); divide(x, x); }},
    {"power", [](const Array& x) { here(); power(x, x); }},
    {"floor_divide", [](const Array& x) { here(); floor_divide(x, x); }},
    {"remainder", [](const Array& x) { here(); remainder(x, x); }},
    {"maximum", [](const Array& x) { here(); maximum(x, x); }},
    {"minimum", [](const Array& x) { here(); minimum(x, x); }},
    {"equal", [](const Array& x) { here(); equal(x, x); }},
    {"not_equal", [](const Array& x) { here(); not_equal(x, x); }},
    {"less", [](const Array& x) { here(); less(x, x); }},
    {"less_equal", [](const Array& x) { here(); less_equal(x, x); }},
    {"greater", [](const Array& x) { here(); greater(x, x); }},
    {"greater_equal", [](const Array& x) { here(); greater_equal(x, x); }},
    {"logical_and", [](const Array& x) { here(); logical_and(x, x); }},
    {"logical_or", [](const Array& x) { here(); logical_or(x, x); }},
    {"dot", [](const Array& x) { here(); dot(x, x); }},
    {"vdot", [](const Array& x) { here(); vdot(x, x); }},
    {"outer", [](const Array& x) { here(); outer(x, x); }},
    {"mse", [](const Array& x) { here(); nn::mse(x, x); }},
    {"numbers", [](const Array& x) { here(); x * 2 + 1.5; }},
    {"in_place", [](const Array& x) { here(); Array y = x; y += x; }},
    {"floats_of_integers", [](const Array& x) { here(); exp(x.astype(int32)); }},
    {"clamp", [](const Array& x) { here(); clamp(x, 0, 1); }},
    {"where", [](const Array& x) { here(); where(x > 0, x, 2); }},
    {"astype", [](const Array& x) { here(); x.astype(float64); }},
    {"kept", [](const Array& x) { here(); sum(x, {0}, true); }},
    {"trace", [](const Array& x) { here(); trace(outer(x, x)); }},
    {"diagonal", [](const Array& x) { here(); diagonal(outer(x, x)); }},
    {"conv2d", [](const Array& x) { here(); conv2d(expand(x, {0, 1, 3}), ones({1, 1, 1, 1})); }},
    {"max_pool2d", [](const Array& x) { here(); max_pool2d(expand(x, {0, 1, 3}), {1, 1}); }},
    {"avg_pool2d", [](const Array& x) { here(); avg_pool2d(expand(x, {0, 1, 3}), {1, 1}); }},
    {"full", [](const Array& x) { here(); full(x.shape(), 2); }},
    {"zeros", [](const Array& x) { here(); zeros(x.shape()); }},
    {"eye", [](const Array& x) { here(); eye(x.size()); }},
    {"arange", [](const Array& x) { here(); arange(x.size()); }},
    {"linspace", [](const Array& x) { here(); linspace(0, 1, x.size()); }},
    {"iota", [](const Array& x) { here(); iota(x.shape(), 0); }},
    {"lists", [](const Array&) { here(); array({1.f, 2.f}), array({{1.f, 2.f}, {3.f, 4.f}}); }},
    {"take", [](const Array& x) { here(); take(x, array<int64_t>(0)); }},
    {"take_along_axis", [](const Array& x) { here(); take_along_axis(x, zeros({1}, int64), 0); }},
    {"add_along_axis", [](const Array& x) { here(); add_along_axis(x, x, zeros(x.shape(), int64), 0); }},
    {"dynamic_slice", [](const Array& x) { here(); dynamic_slice(x, given->starts, {1}); }},
    {"dynamic_update_slice", [](const Array& x) { here(); dynamic_update_slice(x, x, given->starts); }},
    {"split", [](const Array& x) { here(); split(x, {1, x.size() - 1}); }},
    {"pad", [](const Array& x) { here(); pad(x, {1}, {1}); }},
    {"roll", [](const Array& x) { here(); roll(x, 1, 0); }},
    {"softmax_cross_entropy", [](const Array& x) { here(); softmax_cross_entropy(expand(x, {0}), zeros({1}, int64)); }},
    {"each_cross_entropy", [](const Array& x) { here(); softmax_cross_entropy_each(expand(x, {0}), zeros({1}, int64)); }},
    {"one_hot", [](const Array& x) { here(); one_hot(x.astype(int64), 3); }},
    {"batch_norm_inference", [](const Array& x) { here(); batch_norm_inference(expand(x, {0}), x, x); }},
    {"matmul", [](const Array& x) { here(); matmul(expand(x, {0}), x); }},
    {"dot_general", [](const Array& x) { here(); dot_general(x, x, {}); }},
    {"tensordot", [](const Array& x) { here(); tensordot(x, x, 1); }},
    {"uniform", [](const Array& x) { here(); random::uniform(given->key, x.shape()); }},
    {"normal", [](const Array& x) { here(); random::normal(given->key, x.shape()); }},
    {"bernoulli", [](const Array& x) { here(); random::bernoulli(given->key, 0.5, x.shape()); }},
    {"permutation", [](const Array& x) { here(); random::permutation(given->key, x.size()); }},
    {"keys", [](const Array& x) { here(); random::split(random::fold_in(random::key(1), 2), x.size()); }},
    {"broadcast_to", [](const Array& x) { here(); broadcast_to(x, {2, x.size()}); }},
    {"reshape", [](const Array& x) { here(); reshape(x, {1, -1}); }},
    {"slice", [](const Array& x) { here(); slice(x, {0}, {2}); }},
    {"expand", [](const Array& x) { here(); expand(x, {0}); }},
    {"squeeze", [](const Array& x) { here(); squeeze(expand(x, {0})); }},
    {"permuted", [](const Array& x) { here(); transpose(expand(x, {0}), {1, 0}); }},
    {"flipped", [](const Array& x) { here(); flip(x, {0}); }},
    {"he_normal", [](const Array& x) { here(); nn::he_normal(given->key, x.shape(), {.in = 1, .out = 1}); }},
    {"read", [](const Array& x) { here(); x.to_vector<float>(); }},
    {"printed", [](const Array& x) { here(); to_string(x); }, false},
};
// clang-format on

class OperationAtAnyAllocation : public ::testing::TestWithParam<Operation> {
 protected:
  OperationAtAnyAllocation() { given.emplace(); }
  ~OperationAtAnyAllocation() override { given.reset(); }
};
TEST_P(OperationAtAnyAllocation, IsAnErrorThatNamesTheLine) {
  fail_at_any_allocation({GetParam().name, GetParam().call, ".*", GetParam().placed}, true);
}
INSTANTIATE_TEST_SUITE_P(NoMemory, OperationAtAnyAllocation, ::testing::ValuesIn(operations),
                         [](const auto& test) { return test.param.name; });

TEST(NoMemory, AtTheEndOfATapeIsNoFailure) {
  const Array x = ones({3});
  for (const bool elsewhere : {false, true}) {
    auto [y, pullback] = vjp([](const Array& a) { return tanh(a) * a; }, x);
    auto end = [&, pullback = std::move(pullback)]() mutable {
      allocations_left = 0;
      { const auto last = std::move(pullback); }
      allocations_left = -1;
    };
    if (elsewhere) std::thread(std::move(end)).join();  // which has never computed anything
    else end();
  }
  expect_clean_thread();
}

// Exceptions of the user's own ----------------------------------------------------------------------------

struct Refusal {};

TEST(Exceptions, PassThroughTransformationsAndLeaveTheThreadClean) {
  const Array x = ones({2, 3});
  const int64_t before = bytes_in_use();
  const auto refuse = [](const Array& y) -> Array {
    const Array z = tanh(y) * y;
    throw Refusal();
    return sum(z);
  };
  const auto wrong = [](const Array& y) { return sum(matmul(y, y)); };
  const auto each = [&](const auto& f) {
    const auto in_grad = [&](const Array& y) { return sum(grad(f)(y)); };
    EXPECT_ANY_THROW(grad(f)(x));
    expect_clean_thread();
    EXPECT_ANY_THROW(grad(in_grad)(x));
    expect_clean_thread();
    EXPECT_ANY_THROW(jvp(f, x, x));
    expect_clean_thread();
    EXPECT_ANY_THROW(vjp(f, x));
    expect_clean_thread();
    EXPECT_ANY_THROW(linearize(f, x));
    expect_clean_thread();
    EXPECT_ANY_THROW(linear_transpose(f, x));
    expect_clean_thread();
    EXPECT_ANY_THROW(jacfwd(f)(x));
    expect_clean_thread();
    EXPECT_ANY_THROW(hessian(f)(x));
    expect_clean_thread();
    EXPECT_ANY_THROW(make_program(f)(x));
    expect_clean_thread();
    EXPECT_ANY_THROW(make_program(in_grad)(x));
    expect_clean_thread();
  };
  each(refuse);
  each(wrong);
  EXPECT_THROW(grad(refuse)(x), Refusal);
  EXPECT_EQ(bytes_in_use(), before);
}

TEST(Exceptions, OfLoopsOnSeveralThreadsReachTheCaller) {
  const int saved = cpu::threads();
  cpu::set_threads(2);
  const Array x = ones({1000, 64}), good = zeros({40000}, int64);
  std::vector<int64_t> indices(40000, 7);
  for (const size_t place : {size_t{0}, size_t{20001}, size_t{39999}}) {
    indices[place] = -1001;
    const Error error = test::thrown_by([&] { take(x, array(indices)); });
    EXPECT_EQ(error.id(), "index-range");
    EXPECT_NE(
        std::string(error.what()).find("index -1001 on an axis of length 1000: wanted an index from -1000 to 999"),
        std::string::npos);
    indices[place] = 7;
    EXPECT_EQ(sum(take(x, good)).item<float>(), 40000.f * 64);
  }
  cpu::set_threads(saved);
}

TEST(Exceptions, OfAnInterruptEndTheOperation) {
  const Array x = ones({1000, 1000});
  cpu::interrupt();
  const Error error = test::thrown_by([&] { x + x; });
  const int line = __LINE__ - 1;
  cpu::clear_interrupt();
  EXPECT_EQ(error.kind(), ErrorKind::state);
  EXPECT_EQ(error.id(), "interrupted");
  EXPECT_EQ(error.what(), "add: interrupted; called at survival_test.cpp:" + std::to_string(line));
  EXPECT_EQ((x + x).to_vector<float>()[7], 2);
}

// Compilers and caches ------------------------------------------------------------------------------------

TEST(Kernels, ThatACompilerRejectsAreAnErrorAndNoMore) {
  const Error error = test::thrown_by([] { cpu::find_kernel("int this is no C"); });
  EXPECT_EQ(error.kind(), ErrorKind::compiler);
  EXPECT_EQ(error.id(), "kernel-rejected");
  expect_text(error,
              R"(find_kernel: the compiler rejected a kernel: \S+:1:\d+: error: [^\n]+; its text is in /\S+\.c)");
  expect_clean_thread();
}

/// What the child prints: the sum of something that no prebuilt kernel computes, or the error.
TEST(Child, DISABLED_Computes) {
  try {
    const Array x = transpose(reshape(arange(24).astype(float64), {2, 3, 4}), {2, 0, 1});
    const Array none = zeros({200, 200});
    const Array y = sum(cos(x) * erf(x) + floor(x / 3), {1}) + sum(matmul(none, none));  // oneDNN's, if there is one
    std::cout << "answer " << sum(y).item<double>() << "\n";
  } catch (const Error& error) {
    std::cout << "error " << name(error.kind()) << " " << error.id() << " " << error.what() << "\n";
  }
}

/// Answers when it is destroyed, with kernels that nobody has asked for before.
struct AnswersAtExit {
  ~AnswersAtExit() {
    const auto loss = [](const Array& x) { return sum(erf(x) * exp(x) * sin(x)); };
    std::cout << "answer " << sum(grad(loss)(array({1.0, 2.0}))).item<double>() << " "
              << sum(matmul(ones({100, 100}), ones({100, 100}))).item<float>() << " "
              << sum(conv2d(ones({4, 3, 9, 9}), ones({2, 3, 3, 3}))).item<float>() << "\n";
  }
};
TEST(Child, DISABLED_ComputesAtExit) {
  static const AnswersAtExit last;  // goes after all that the library makes from here on
  EXPECT_EQ(sum(matmul(ones({100, 100}), ones({100, 100}))).item<float>(), 1e6f);
  static const AnswersAtExit between;  // goes after what the first convolution makes
  sum(conv2d(ones({4, 3, 9, 9}), ones({2, 3, 3, 3})));
  sum(gelu(ones({4}), true));
  grad([](const Array& x) { return sum(cos(x) * erf(x)); })(array({1.0, 2.0}));
}

/// The lines of a child's output that begin with "answer", "error" or "wengert".
std::vector<std::string> run_child(const std::string& environment, const std::string& test = "Computes") {
  const std::string command = "env " + environment + " '" + std::filesystem::read_symlink("/proc/self/exe").string() +
      "' --gtest_also_run_disabled_tests --gtest_filter=Child.DISABLED_" + test + " 2>&1";
  std::vector<std::string> lines;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), pipe)) {
    const std::string text(line.data(), std::string_view(line.data()).find_last_not_of('\n') + 1);
    if (text.starts_with("answer") || text.starts_with("error") || text.starts_with("wengert")) lines.push_back(text);
  }
  EXPECT_EQ(::pclose(pipe), 0) << environment;
  return lines;
}

/// The child's answer is right; how many lines of warning stand beside it.
size_t warnings_of(const std::string& environment) {
  double wanted = 0;
  for (int i = 0; i < 24; ++i) wanted += std::cos(i) * std::erf(i) + std::floor(i / 3.0);
  const std::vector<std::string> lines = run_child(environment);
  size_t warnings = 0, answers = 0;
  for (const std::string& line : lines) {
    warnings += line.starts_with("wengert");
    if (!line.starts_with("answer ")) continue;
    ++answers;
    EXPECT_NEAR(std::stod(line.substr(7)), wanted, 1e-3);
  }
  EXPECT_EQ(answers, 1u) << environment << (lines.empty() ? "" : ": " + lines[0]);
  return warnings;
}

TEST(Environment, WithoutACompilerIsSlowerAndSaysSoOnce) {
  const ScratchFolder scratch;
  EXPECT_EQ(warnings_of("WENGERT_COMPILER=none WENGERT_CACHE=" + scratch.path()), 1u);
}

TEST(Environment, WithoutACacheSaysSoAtMostOnce) {
  const ScratchFolder scratch;
  std::ofstream(scratch.path() + "/file") << "no folder";
  EXPECT_LE(warnings_of("WENGERT_CACHE=" + scratch.path() + "/file"), 1u);
  EXPECT_LE(warnings_of("WENGERT_CACHE=/proc/wengert"), 1u);  // nobody may write there, not even root
  EXPECT_LE(warnings_of("WENGERT_CACHE=/dev/full"), 1u);
}

TEST(Environment, OfUnknownValuesIsAnError) {
  const ScratchFolder scratch;
  const std::string cache = "WENGERT_CACHE=" + scratch.path() + " ";
  const auto error = [&](const std::string& variable) {
    const std::vector<std::string> lines = run_child(cache + variable);
    return lines.empty() ? "" : lines[0];
  };
  EXPECT_EQ(error("WENGERT_COMPILER=tcc"),
            "error value compiler-choice WENGERT_COMPILER: got 'tcc': wanted auto, clang, cc or none");
  EXPECT_EQ(
      error("WENGERT_ISA=mmx"),
      "error value instruction-set WENGERT_ISA: got 'mmx': wanted baseline, avx2 or avx512; unset it to use all that "
      "this CPU has");
  EXPECT_EQ(error("WENGERT_ONEDNN=maybe"), "error value onednn-choice WENGERT_ONEDNN: got 'maybe': wanted on or off");
  EXPECT_EQ(error("WENGERT_CACHE_MIB=much"),
            "error value cache-limit WENGERT_CACHE_MIB: got 'much': wanted a whole number of MiB, at least 1");
}

TEST(Exit, LeavesStaticObjectsTheirKernels) {
  for (const char* compiler : {"auto", "cc", "none"}) {
    SCOPED_TRACE(compiler);
    const test::Scratch cache;
    const std::vector<std::string> lines =
        run_child("WENGERT_CACHE=" + cache.path() + " WENGERT_COMPILER=" + compiler, "ComputesAtExit");
    ASSERT_FALSE(lines.empty());
    double derivative = 0, products = 0, convolution = 0;
    std::istringstream(lines.back().substr(7)) >> derivative >> products >> convolution;
    double wanted = 0;
    for (const double x : {1.0, 2.0}) {
      wanted += 2 / std::sqrt(std::acos(-1)) * std::exp(x - x * x) * std::sin(x) +
          std::erf(x) * std::exp(x) * (std::sin(x) + std::cos(x));
    }
    EXPECT_NEAR(derivative, wanted, 1e-4);
    EXPECT_EQ(products, 1e6);
    EXPECT_EQ(convolution, 4 * 2 * 7 * 7 * 27);
  }
}

}  // namespace
}  // namespace wengert::errors_testing
