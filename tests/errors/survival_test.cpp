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
  std::vector<Array> list{2}, inputs{ones({3})};
  ProgramPtr program = make_program(some_loss)(ones({3}));
  std::string text = to_string(*program);
  ScratchFolder scratch;
  std::string metrics = scratch.path() + "/metrics.jsonl", page = scratch.path() + "/report.html";
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
    {"metrics", [](const Array&) { here(); train::write_metrics(given->metrics, given->epochs); }, "write_metrics"},
    {"report", [](const Array&) { here(); train::write_report(given->page, given->report); }, "write_report"},
    {"folder", [](const Array&) { here(); train::prepare_folder(given->options); }, "folder of the run"},
};
// clang-format on
TEST_P(AtAnyAllocation, IsAnErrorAndLeavesTheThreadClean) { fail_at_any_allocation(GetParam(), false); }
TEST_P(AtAnyAllocation, NamesTheOperationAndTheLine) { fail_at_any_allocation(GetParam(), true); }

INSTANTIATE_TEST_SUITE_P(NoMemory, AtAnyAllocation, ::testing::ValuesIn(failing),
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
    const Array y = sum(cos(x) * erf(x) + floor(x / 3), {1});
    std::cout << "answer " << sum(y).item<double>() << "\n";
  } catch (const Error& error) {
    std::cout << "error " << name(error.kind()) << " " << error.id() << " " << error.what() << "\n";
  }
}

/// The lines of a child's output that begin with "answer", "error" or "wengert".
std::vector<std::string> run_child(const std::string& environment) {
  const std::string command = "env " + environment + " '" + std::filesystem::read_symlink("/proc/self/exe").string() +
      "' --gtest_also_run_disabled_tests --gtest_filter=Child.DISABLED_Computes 2>&1";
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
  EXPECT_EQ(error("WENGERT_CACHE_MIB=much"),
            "error value cache-limit WENGERT_CACHE_MIB: got 'much': wanted a whole number of MiB, at least 1");
}

}  // namespace
}  // namespace wengert::errors_testing
