#include "wengert/backends/cpu/kernels.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/backends/kernel_testing.hpp"
#include "tests/compiler_scope.hpp"
#include "tests/errors.hpp"
#include "tests/sanitizers.hpp"
#include "wengert/array/error.hpp"
#include "wengert/backends/cpu/compiler.hpp"
#include "wengert/backends/cpu/disk_cache.hpp"
#include "wengert/backends/cpu/instruction_set.hpp"

namespace wengert::cpu {
namespace {

using namespace testing_kernels;

// What the process-wide state has seen is told by a child: this program again, running only
// ChildProcess.reports with its orders in the environment.

using Environment = std::map<std::string, std::string>;

struct ChildReport {
  int exit_status = -1;
  std::string output;  // both streams
  std::map<std::string, int64_t> counts;
};

constexpr char report_mark[] = "report:";

TEST(ChildProcess, reports) {
  const char* orders = std::getenv("WENGERT_TEST_OFFSETS");
  if (orders == nullptr) return;
  std::istringstream offsets(orders);
  int wrong = 0;
  for (int offset; offsets >> offset;) {
    const wg_kernel kernel = find_kernel(scaling_kernel(offset));
    wrong += kernel != nullptr && !computes_scaling(kernel, offset);
  }
  const KernelStatistics statistics = kernel_statistics();
  const bool clang_is_loaded = read_text("/proc/self/maps").find("libLLVM") != std::string::npos;
  std::printf("%s prebuilt %d memory %d disk %d plugin %d system %d missing %d wrong %d clang %d\n", report_mark,
              int(statistics.prebuilt), int(statistics.memory), int(statistics.disk), int(statistics.compiled_plugin),
              int(statistics.compiled_system), int(statistics.missing), wrong, int(clang_is_loaded));
}

TEST(ChildProcess, forks) {
  if (std::getenv("WENGERT_TEST_FORKS") == nullptr) return;
  set_compiler(CompilerChoice::plugin);
  const auto complaint_of = [](int offset) -> std::string {
    try {
      find_kernel(scaling_kernel(offset));
    } catch (const Error& error) { return error.what(); }
    return "none";
  };
  std::atomic<bool> go = true;
  std::jthread busy([&] {
    while (go) complaint_of(1);
  });
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      std::printf("%s\n", complaint_of(2).c_str());
      std::fflush(stdout);
      ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  go = false;
}

/// A running child.
class Child {
 public:
  Child(const std::string& offsets, Environment environment) {
    environment["WENGERT_TEST_OFFSETS"] = offsets;
    std::vector<std::string> entries;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      if (!environment.contains(text.substr(0, text.find('=')))) entries.push_back(text);
    }
    for (const auto& [name, value] : environment) entries.push_back(name + "=" + value);
    std::vector<char*> pointers;
    for (std::string& entry : entries) pointers.push_back(entry.data());
    pointers.push_back(nullptr);

    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    std::string program = fs::read_symlink("/proc/self/exe"), filter = "--gtest_filter=ChildProcess.*";
    char* arguments[] = {program.data(), filter.data(), nullptr};
    EXPECT_EQ(posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments, pointers.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ends[0];
  }

  ChildReport wait() {
    ChildReport report;
    char buffer[4096];
    for (ssize_t got; (got = ::read(output_, buffer, sizeof buffer)) > 0;) report.output.append(buffer, got);
    ::close(output_);
    ::waitpid(process_, &report.exit_status, 0);
    const std::size_t mark = report.output.find(report_mark);
    if (mark != std::string::npos) {
      std::istringstream line(report.output.substr(mark + sizeof report_mark - 1));
      std::string name;
      for (int64_t value; line >> name >> value;) report.counts[name] = value;
    }
    return report;
  }

 private:
  pid_t process_ = 0;
  int output_ = -1;
};

ChildReport run_child(const std::string& offsets, Environment environment) {
  return Child(offsets, std::move(environment)).wait();
}

/// The child found every kernel right and ended well, and its statistics are those of `wanted`.
void expect_counts(ChildReport report, const std::map<std::string, int64_t>& wanted) {
  for (const auto& [name, value] : wanted) EXPECT_EQ(report.counts[name], value) << name << " in\n" << report.output;
  EXPECT_EQ(report.counts["wrong"], 0);
  EXPECT_EQ(report.exit_status, 0) << report.output;
}

/// In-process tests keep their kernels out of the user's cache.
const bool own_cache = [] {
  if (std::getenv("WENGERT_TEST_OFFSETS") != nullptr) return false;  // a child's is chosen by its parent
  static Scratch scratch;
  ::setenv("WENGERT_CACHE", (scratch / "cache").c_str(), 1);
  return true;
}();

using test::CompilerScope;

// --- the key
// ---------------------------------------------------------------------------------------------------------

TEST(KernelKey, is_stable) {
  // Recorded once; a change here empties every cache and every table of prebuilt kernels.
  EXPECT_EQ(to_string(kernel_key("")), "adefa4e0811d47e34cc0ffa2b762f738");
  EXPECT_EQ(to_string(kernel_key("wengert")), "6ed20eae27c52c153b6b1b6ee61650ba");
  EXPECT_EQ(to_string(kernel_key(std::string(1000, 'x'))), "8665365a00996a70e534bc2148e2d74f");
}

TEST(KernelKey, every_bit_of_a_text_matters) {
  std::string text = scaling_kernel(0);
  std::set<KernelKey> keys = {kernel_key(text)};
  std::set<uint64_t> lows = {kernel_key(text).low};
  for (char& letter : text) {
    for (int bit = 0; bit < 8; ++bit) {
      letter = static_cast<char>(letter ^ (1 << bit));
      keys.insert(kernel_key(text));
      lows.insert(kernel_key(text).low);
      letter = static_cast<char>(letter ^ (1 << bit));
    }
  }
  EXPECT_EQ(keys.size(), text.size() * 8 + 1);
  EXPECT_EQ(lows.size(), text.size() * 8 + 1);
}

TEST(KernelKey, length_and_zeros_matter) {
  std::set<KernelKey> keys;
  for (std::size_t size = 0; size < 100; ++size) keys.insert(kernel_key(std::string(size, '\0')));
  EXPECT_EQ(keys.size(), 100u);
}

TEST(KernelKey, half_of_the_bits_change_with_one_bit) {
  std::string text(64, 'a');
  const KernelKey before = kernel_key(text);
  int64_t changed = 0;
  for (int bit = 0; bit < 512; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    const KernelKey after = kernel_key(text);
    changed += __builtin_popcountll(before.low ^ after.low) + __builtin_popcountll(before.high ^ after.high);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  }
  // 65,536 fair coins: the standard deviation is 128.
  EXPECT_NEAR(static_cast<double>(changed), 512 * 64, 6 * 128);
}

// --- ways to a kernel
// ------------------------------------------------------------------------------------------------

class EachCompiler : public testing::TestWithParam<CompilerChoice> {
 protected:
  const CompilerScope chosen_{GetParam()};
  int64_t compiled() const {
    const KernelStatistics statistics = kernel_statistics();
    return GetParam() == CompilerChoice::plugin ? statistics.compiled_plugin : statistics.compiled_system;
  }
  /// Texts of one compiler are not those of the other: memory would answer.
  std::string own(const std::string& text) const {
    return "/* " + std::to_string(static_cast<int>(GetParam())) + " */\n" + text;
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, EachCompiler, testing::Values(CompilerChoice::plugin, CompilerChoice::system),
                         [](const auto& info) {
                           return info.param == CompilerChoice::plugin ? std::string("plugin") : std::string("cc");
                         });

TEST_P(EachCompiler, compiles_once_then_memory_answers) {
  const int64_t before = compiled();
  const int64_t memory_before = kernel_statistics().memory;
  const wg_kernel kernel = find_kernel(own(scaling_kernel(1)));
  EXPECT_TRUE(computes_scaling(kernel, 1));
  EXPECT_EQ(find_kernel(own(scaling_kernel(1))), kernel);
  EXPECT_EQ(compiled() - before, 1);
  EXPECT_EQ(kernel_statistics().memory - memory_before, 1);
  EXPECT_GT(kernel_statistics().compile_seconds, 0);
}

TEST_P(EachCompiler, rejected_text_is_an_error_with_the_first_complaint_and_the_kept_text) {
  const std::string text =
      own(declarations + "int32_t wg_kernel(void) {\n  return nothing_of_that_name;\n}\nint x = y;\n");
  for (int time = 0; time < 2; ++time) {
    const Error error = test::thrown_by([&] { find_kernel(text); });
    EXPECT_EQ(error.kind(), ErrorKind::compiler);
    EXPECT_EQ(error.id(), "kernel-rejected");
    const std::string message = error.what();
    EXPECT_NE(message.find("kernel.c:7:"), std::string::npos) << message;
    EXPECT_NE(message.find("error: "), std::string::npos) << message;
    EXPECT_NE(message.find("nothing_of_that_name"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const std::string path = message.substr(message.rfind(' ') + 1);
    EXPECT_EQ(read_text(path), text) << path;
  }
}

TEST_P(EachCompiler, text_without_wg_kernel_is_an_error_or_nothing) {
  const std::string text = own(declarations + "int32_t another_name(void) { return 0; }\n");
  if (GetParam() == CompilerChoice::plugin) {
    const Error error = test::thrown_by([&] { find_kernel(text); });
    EXPECT_EQ(error.id(), "compiler-failed");
    EXPECT_NE(std::string(error.what()).find("does not define wg_kernel"), std::string::npos) << error.what();
  } else {
    EXPECT_EQ(find_kernel(text), nullptr);
  }
}

TEST_P(EachCompiler, constants_tables_switches_and_state_load) {
  const std::string text = own(kernel_of(R"(
static const double weights[4] = {0.5, 1.5, 2.5, 3.5};
static const char* const names[3] = {"zero", "one", "two"};
static int32_t calls;
static int32_t seed = 40;
static int32_t first(int32_t x) { return x + 1; }
static int32_t second(int32_t x) { return x * 7; }
static int32_t third(int32_t x) { return x - 9; }
static int32_t (*const table[3])(int32_t) = {first, second, third};
static int32_t choose(int32_t x) {
  switch (x) { case 0: return 11; case 1: return 29; case 2: return 3; case 3: return 57; case 4: return 5;
       case 5: return 91; default: return -1; }
})",
                                         R"(
  int32_t* out = (int32_t*)buffers[0];
  const int32_t* in = (const int32_t*)buffers[1];
  ++calls;
  out[0] = (int32_t)(weights[in[0]] * 2);
  out[1] = names[in[1]][0];
  out[2] = table[in[1]](in[2]);
  out[3] = choose(in[3]);
  out[4] = seed + calls;
  return wg_kernel == 0 ? -1 : 5;)"));
  const wg_kernel kernel = find_kernel(text);
  ASSERT_NE(kernel, nullptr);
  int32_t out[5], in[4] = {2, 1, 6, 5};
  EXPECT_EQ(call(kernel, {out, in}), 5);
  EXPECT_EQ(out[0], 5);
  EXPECT_EQ(out[1], 'o');
  EXPECT_EQ(out[2], 42);
  EXPECT_EQ(out[3], 91);
  EXPECT_EQ(out[4], 41);
  in[3] = 6;
  EXPECT_EQ(call(kernel, {out, in}), 5);
  EXPECT_EQ(out[3], -1);
  EXPECT_EQ(out[4], 42);
}

TEST_P(EachCompiler, fills_and_copies_may_become_library_calls) {
  const std::string text = own(kernel_of("", R"(
  char* restrict to = (char*)buffers[0];
  const char* restrict from = (const char*)buffers[1];
  int64_t count = *(const int64_t*)buffers[2];
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  for (int64_t i = 0; i < count; ++i) to[count + i] = 0;
  return 0;)"));
  const wg_kernel kernel = find_kernel(text);
  ASSERT_NE(kernel, nullptr);
  for (int64_t count : {0, 1, 63, 100000}) {
    std::vector<char> to(static_cast<std::size_t>(2 * count + 1), 'x'), from(static_cast<std::size_t>(count + 1));
    for (int64_t i = 0; i < count; ++i) from[i] = static_cast<char>(i * 37 + 1);
    EXPECT_EQ(call(kernel, {to.data(), from.data(), &count}), 0);
    EXPECT_TRUE(std::equal(from.begin(), from.begin() + count, to.begin()));
    EXPECT_EQ(std::count(to.begin() + count, to.begin() + 2 * count, '\0'), count);
    EXPECT_EQ(to.back(), 'x');
  }
}

TEST_P(EachCompiler, arithmetic_is_ieee_without_contraction_and_wraps) {
  const std::string text = own(kernel_of("", R"(
  const double* x = (const double*)buffers[0];
  double* y = (double*)buffers[1];
  y[0] = x[0] * x[1] + x[2];              /* contraction would give another result */
  y[1] = x[3] - x[3];                     /* inf - inf */
  y[2] = 0.0 * x[4];                      /* -0 */
  y[3] = (x[5] + x[0]) - x[5];            /* no reassociation */
  const int32_t* i = (const int32_t*)buffers[2];
  y[4] = i[0] + 1 < i[0];                 /* wraps */
  return 0;)"));
  const wg_kernel kernel = find_kernel(text);
  ASSERT_NE(kernel, nullptr);
  const double epsilon = 0x1p-52;
  double x[6] = {1 + epsilon, 1 - epsilon, -1, INFINITY, -3, 1e300}, y[5];
  int32_t i = INT32_MAX;
  EXPECT_EQ(call(kernel, {x, y, &i}), 0);
  EXPECT_EQ(y[0], 0.0);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_TRUE(y[2] == 0 && std::signbit(y[2]));
  EXPECT_EQ(y[3], 0.0);
  EXPECT_EQ(y[4], 1);
}

TEST_P(EachCompiler, headers_of_the_machine_are_out_of_reach_of_kernels_that_follow_the_rules) {
  // <stddef.h> and <stdint.h> are there even where libc's headers are not.
  const wg_kernel kernel =
      find_kernel(own("#include <stddef.h>\n" + kernel_of("", "  return (int32_t)sizeof(size_t);")));
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(call(kernel, {}), 8);
}

TEST_P(EachCompiler, many_threads_compile_a_text_once) {
  const int64_t before = compiled();
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int offset = 100; offset < 104; ++offset) {
        const int mine = 100 + (offset + i) % 4;
        right += computes_scaling(find_kernel(own(scaling_kernel(mine))), mine);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 64);
  EXPECT_EQ(compiled() - before, 4);
}

TEST_P(EachCompiler, prepares_several_texts_at_once) {
  std::vector<std::string> texts;
  for (int offset = 200; offset < 206; ++offset) texts.push_back(own(scaling_kernel(offset)));
  texts.push_back(texts.front());
  const int64_t before = compiled();
  prepare_kernels(texts);
  EXPECT_EQ(compiled() - before, 6);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(computes_scaling(find_kernel(texts[i]), 200 + i));
  EXPECT_EQ(compiled() - before, 6);

  texts.insert(texts.begin(), own(declarations + "int32_t wg_kernel(void) { return 1 +; }\n"));
  EXPECT_EQ(test::thrown_by([&] { prepare_kernels(texts); }).id(), "kernel-rejected");
  prepare_kernels({});
}

TEST(Kernels, what_clang_itself_gives_up_on_is_an_error_and_no_end) {
  const CompilerScope chosen(CompilerChoice::plugin);
  // LLVM ends the process for the first (a fatal error) and for the second (an assembler's error).
  for (const std::string& text : {kernel_of("register uint64_t frame __asm__(\"rbp\");", "  return (int32_t)frame;"),
                                  kernel_of("", "  __asm__ volatile(\"no such instruction\");\n  return 0;")}) {
    const Error error = test::thrown_by([&] { find_kernel(text); });
    EXPECT_EQ(error.kind(), ErrorKind::compiler);
    EXPECT_EQ(error.id(), "compiler-failed");
    EXPECT_NE(std::string(error.what()).find("find_kernel: clang 19."), std::string::npos) << error.what();
  }
  EXPECT_TRUE(computes_scaling(find_kernel(scaling_kernel(340)), 340));
}

TEST(Kernels, none_gives_nothing_until_a_compiler_is_chosen) {
  const CompilerScope chosen(CompilerChoice::none);
  const int64_t before = kernel_statistics().missing;
  EXPECT_EQ(find_kernel(scaling_kernel(300)), nullptr);
  EXPECT_EQ(find_kernel(scaling_kernel(300)), nullptr);
  EXPECT_EQ(kernel_statistics().missing - before, 2);
  set_compiler(CompilerChoice::automatic);
  EXPECT_TRUE(computes_scaling(find_kernel(scaling_kernel(300)), 300));
}

int32_t stand_in(const wg_context*, void* const*, const int64_t*, const wg_scalar*) { return 77; }
int32_t other_stand_in(const wg_context*, void* const*, const int64_t*, const wg_scalar*) { return 78; }

TEST(Kernels, prebuilt_kernels_come_first_and_the_best_level_is_taken) {
  const KernelKey plain = kernel_key(scaling_kernel(310)), both = kernel_key(scaling_kernel(311)),
                  unusable = kernel_key(scaling_kernel(312));
  {
    const std::vector<PrebuiltKernel> table = {
        {plain.low, plain.high, &stand_in, nullptr, nullptr},
        {both.low, both.high, &stand_in, &other_stand_in, nullptr},
        {unusable.low, unusable.high, nullptr, nullptr, nullptr},
    };
    register_prebuilt(table);
  }
  const int64_t before = kernel_statistics().prebuilt;
  const CompilerScope chosen(CompilerChoice::none);
  EXPECT_EQ(find_kernel(scaling_kernel(310)), &stand_in);
  EXPECT_EQ(find_kernel(scaling_kernel(311)), best_level() >= InstructionSet::avx2 ? &other_stand_in : &stand_in);
  EXPECT_EQ(find_kernel(scaling_kernel(312)), nullptr);
  EXPECT_EQ(kernel_statistics().prebuilt - before, 2);
}

TEST(Kernels, observer_sees_every_text_asked_for) {
  std::vector<std::string> seen;
  std::mutex mutex;
  set_kernel_observer([&](std::string_view text) {
    std::lock_guard lock(mutex);
    seen.emplace_back(text);
  });
  const std::vector<std::string> texts = {scaling_kernel(320), scaling_kernel(321)};
  find_kernel(texts[0]);
  find_kernel(texts[0]);
  prepare_kernels(texts);
  set_kernel_observer({});
  find_kernel(texts[1]);
  EXPECT_EQ(seen, (std::vector<std::string>{texts[0], texts[0], texts[0], texts[1]}));
}

TEST(Kernels, a_forked_child_finds_what_a_thread_of_the_parent_is_compiling) {
  if (test::thread_sanitized) GTEST_SKIP() << "its children may not start threads";
  const CompilerScope chosen(CompilerChoice::plugin);
  find_kernel(scaling_kernel(330));
  std::atomic<int> latest = 400;
  std::atomic<bool> go = true;
  std::jthread busy([&] {
    while (go) find_kernel(scaling_kernel(++latest));
  });
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(7));
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      const int offset = latest;
      const bool right = computes_scaling(find_kernel(scaling_kernel(330)), 330) &&
          computes_scaling(find_kernel(scaling_kernel(offset)), offset) &&
          computes_scaling(find_kernel(scaling_kernel(-1 - i)), -1 - i);
      ::_exit(right ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  go = false;
}

// --- the environment, the plug-in and cc, seen from processes of their own
// -----------------------------------------

TEST(KernelProcesses, second_process_loads_from_disk_and_loads_no_compiler) {
  const Scratch scratch;
  const Environment environment = {{"WENGERT_CACHE", scratch / "new/cache"}};
  expect_counts(run_child("1 2 1", environment), {{"plugin", 2}, {"memory", 1}, {"clang", 1}});
  expect_counts(run_child("1 2 1", environment), {{"plugin", 0}, {"disk", 2}, {"memory", 1}, {"clang", 0}});
  struct stat status;
  ASSERT_EQ(::stat((scratch / "new/cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(KernelProcesses, cc_kernels_are_cached_too_and_apart) {
  const Scratch scratch;
  Environment environment = {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_COMPILER", "cc"}};
  expect_counts(run_child("1", environment), {{"system", 1}, {"clang", 0}});
  expect_counts(run_child("1", environment), {{"system", 0}, {"disk", 1}});
  environment["WENGERT_COMPILER"] = "clang";
  expect_counts(run_child("1", environment), {{"plugin", 1}, {"disk", 0}});
}

TEST(KernelProcesses, each_instruction_set_has_its_own_code) {
  const Scratch scratch;
  Environment environment = {{"WENGERT_CACHE", scratch / "cache"}};
  int64_t compiled = 0;
  for (const char* level : {"baseline", "avx2", "avx512"}) {
    if (best_level() < (level == std::string("avx2")         ? InstructionSet::avx2
                            : level == std::string("avx512") ? InstructionSet::avx512
                                                             : InstructionSet::baseline)) {
      continue;
    }
    for (const char* compiler : {"clang", "cc"}) {
      environment["WENGERT_ISA"] = level;
      environment["WENGERT_COMPILER"] = compiler;
      const ChildReport report = run_child("1", environment);
      expect_counts(report, {{"disk", 0}});
      compiled += report.counts.at("plugin") + report.counts.at("system");
    }
  }
  EXPECT_EQ(compiled, 2 * (static_cast<int>(best_level()) + 1));
}

TEST(KernelProcesses, without_the_plug_in_cc_compiles) {
  const Scratch scratch;
  expect_counts(run_child("1", {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_PLUGIN", scratch / "none.so"}}),
                {{"plugin", 0}, {"system", 1}, {"missing", 0}});
}

TEST(KernelProcesses, a_stale_plug_in_is_refused_by_name_and_cc_compiles) {
  const Scratch scratch;
  write_text(scratch / "stale.c", R"(
    struct plugin { const char* revision; const char* version; void *compile, *release; };
    const struct plugin* wengert_compiler_entry(void) { static const struct plugin old = {"wengert-clang-0"};
         return &old; })");
  ASSERT_EQ(std::system(("cc -shared -fPIC -o " + scratch / "stale.so " + scratch / "stale.c").c_str()), 0);
  const Environment environment = {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_PLUGIN", scratch / "stale.so"}};
  const ChildReport report = run_child("1 2", environment);
  expect_counts(report, {{"plugin", 0}, {"system", 2}});
  EXPECT_NE(report.output.find(scratch / "stale.so: its revision is wengert-clang-0"), std::string::npos)
      << report.output;
}

TEST(KernelProcesses, a_fork_waits_for_compiles_in_the_plug_in) {
  const Scratch scratch;
  // A plug-in that tells whether it came into the process in the middle of a compile.
  write_text(scratch / "slow.c", R"(
    #include <stdint.h>
    #include <stddef.h>
    #include <unistd.h>
    struct result { int32_t status; const char* object; size_t size; const char* message; void* owner; };
    static volatile int busy;
    static void compile(const char* text, size_t size, const char* cpu, struct result* result) {
      result->status = 2; result->object = 0; result->size = 0; result->owner = 0;
      result->message = busy ? "forked while it compiled" : "forked at rest";
      busy = 1; usleep(20000); busy = 0;
    }
    static void release(struct result* result) {}
    struct plugin { const char* revision; const char* version; void *compile, *release; };
    const struct plugin* wengert_compiler_entry(void) {
      static struct plugin slow = {REVISION, "slow", compile, release};
      return &slow;
    })");
  const std::string revision = "-DREVISION='\"" + std::string(plugin_revision) + "\"' ";
  ASSERT_EQ(
      std::system(("cc -w -shared -fPIC " + revision + "-o " + scratch / "slow.so " + scratch / "slow.c").c_str()), 0);
  const ChildReport report = run_child(
      "", {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_PLUGIN", scratch / "slow.so"}, {"WENGERT_TEST_FORKS", "1"}});
  EXPECT_EQ(report.exit_status, 0) << report.output;
  EXPECT_EQ(report.output.find("forked while it compiled"), std::string::npos) << report.output;
  EXPECT_NE(report.output.find("forked at rest"), std::string::npos) << report.output;
}

TEST(KernelProcesses, without_any_compiler_one_warning_names_the_cure) {
  const Scratch scratch;
  fs::create_directory(scratch / "empty");
  const ChildReport report = run_child(
      "1 2 2",
      {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_PLUGIN", scratch / "none.so"}, {"PATH", scratch / "empty"}});
  expect_counts(report, {{"missing", 3}, {"system", 0}, {"plugin", 0}});
  const std::size_t warning = report.output.find("wengert: no compiler");
  ASSERT_NE(warning, std::string::npos) << report.output;
  EXPECT_EQ(report.output.find("wengert:", warning + 1), std::string::npos) << report.output;
  EXPECT_NE(report.output.find("install gcc or clang"), std::string::npos) << report.output;
}

TEST(KernelProcesses, none_in_the_environment_is_one_warning_and_looks_nowhere) {
  const Scratch scratch;
  const ChildReport report = run_child("1 2", {{"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_COMPILER", "none"}});
  expect_counts(report, {{"missing", 2}, {"clang", 0}});
  const std::size_t warning = report.output.find("wengert: no compiler (WENGERT_COMPILER is none)");
  ASSERT_NE(warning, std::string::npos) << report.output;
  EXPECT_EQ(report.output.find("wengert:", warning + 1), std::string::npos) << report.output;
  EXPECT_FALSE(fs::exists(scratch / "cache"));
}

TEST(KernelProcesses, a_missing_cc_is_named) {
  const Scratch scratch;
  Environment environment = {
      {"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_COMPILER", "cc"}, {"PATH", scratch / "empty"}};
  std::string output = run_child("1", environment).output;
  EXPECT_NE(output.find("no compiler (no C compiler on PATH)"), std::string::npos) << output;
  environment["WENGERT_CC"] = "tcc";
  output = run_child("1", environment).output;
  EXPECT_NE(output.find("no compiler (WENGERT_CC is 'tcc', which is no program)"), std::string::npos) << output;
}

TEST(KernelProcesses, a_broken_cc_is_passed_over) {
  const Scratch scratch;
  fs::create_directory(scratch / "bin");
  write_script(scratch / "bin/cc", "echo \"cc: cannot execute 'cc1': No such file or directory\" >&2\nexit 1\n");
  const Environment environment = {
      {"WENGERT_CACHE", scratch / "cache"}, {"WENGERT_COMPILER", "cc"}, {"PATH", scratch / "bin:/usr/bin:/bin"}};
  expect_counts(run_child("1", environment), {{"system", 1}});
  Environment only = environment;
  only["WENGERT_CC"] = scratch / "bin/cc";
  const ChildReport report = run_child("2", only);
  expect_counts(report, {{"missing", 1}});
  EXPECT_NE(report.output.find("cannot execute 'cc1'"), std::string::npos) << report.output;
}

TEST(KernelProcesses, an_unknown_compiler_or_level_is_an_error) {
  const Scratch scratch;
  for (const char* name : {"WENGERT_COMPILER", "WENGERT_ISA", "WENGERT_CACHE_MIB"}) {
    const ChildReport report = run_child("1", {{"WENGERT_CACHE", scratch / "cache"}, {name, "turbo"}});
    EXPECT_NE(report.exit_status, 0);
    EXPECT_NE(report.output.find(std::string(name) + ": got 'turbo': wanted "), std::string::npos) << report.output;
  }
}

TEST(KernelProcesses, several_processes_on_an_empty_cache_all_compute_and_leave_it_whole) {
  const Scratch scratch;
  const Environment environment = {{"WENGERT_CACHE", scratch / "cache"}};
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) children.emplace_back("1 2 3 4 5 6", environment);
  for (Child& child : children) {
    ChildReport report = child.wait();
    expect_counts(report, {{"missing", 0}});
    EXPECT_EQ(report.counts["plugin"] + report.counts["disk"], 6) << report.output;
  }
  DiskCache cache(scratch / "cache", 1 << 20);
  EXPECT_EQ(cache.usage().entries, 6);
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch / "cache"), fs::directory_iterator()), 6)
      << "temporary files left";
  expect_counts(run_child("1 2 3 4 5 6", environment), {{"plugin", 0}, {"disk", 6}});
}

TEST(KernelProcesses, damaged_entries_are_compiled_again) {
  const Scratch scratch;
  const Environment environment = {{"WENGERT_CACHE", scratch / "cache"}};
  run_child("1", environment);
  const std::string entry = fs::directory_iterator(scratch / "cache")->path();
  const std::string whole = read_text(entry);
  ASSERT_GT(whole.size(), 500u);
  std::vector<std::string> damaged = {
      "", "WGKERNEL", whole.substr(0, whole.size() / 2), whole.substr(0, whole.size() - 1), whole + "x", "x" + whole};
  for (std::size_t at :
       {std::size_t{0}, std::size_t{9}, std::size_t{20}, std::size_t{35}, whole.size() / 2, whole.size() - 1}) {
    damaged.push_back(whole);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 4);
  }
  for (const std::string& bytes : damaged) {
    write_text(entry, bytes);
    expect_counts(run_child("1", environment), {{"plugin", 1}, {"disk", 0}});
    expect_counts(run_child("1", environment), {{"plugin", 0}, {"disk", 1}});
  }
}

TEST(KernelProcesses, a_folder_that_cannot_be_used_costs_one_warning) {
  const Scratch scratch;
  fs::create_directory(scratch / "open");
  ::chmod((scratch / "open").c_str(), 0777);
  write_text(scratch / "file", "not a folder");
  for (const std::string& folder : {scratch / "open", scratch / "file", std::string("/proc/no/such/folder")}) {
    const ChildReport report = run_child("1 2", {{"WENGERT_CACHE", folder}});
    expect_counts(report, {{"plugin", 2}, {"disk", 0}});
    const std::size_t warning = report.output.find("wengert: kernel cache " + folder);
    ASSERT_NE(warning, std::string::npos) << report.output;
    EXPECT_EQ(report.output.find("wengert:", warning + 1), std::string::npos) << report.output;
    EXPECT_NE(report.output.find("set WENGERT_CACHE"), std::string::npos) << report.output;
  }
  EXPECT_TRUE(fs::is_empty(scratch / "open"));
}

TEST(KernelProcesses, a_full_disk_costs_one_warning) {
  const Scratch scratch;
  // A file size limit stands in for the disk: writes fail alike.
  write_script(scratch / "small", "ulimit -f 0\ntrap '' XFSZ\nexec \"$@\"\n");
  fs::create_directory(scratch / "cache");
  ::chmod((scratch / "cache").c_str(), 0700);
  const std::string program = fs::read_symlink("/proc/self/exe");
  const std::string command = "WENGERT_TEST_OFFSETS='1 2' WENGERT_CACHE=" + scratch / "cache" + " " +
      scratch / "small " + program + " --gtest_filter=ChildProcess.reports 2>&1 | cat > " + scratch / "output";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string output = read_text(scratch / "output");
  EXPECT_NE(output.find("plugin 2"), std::string::npos) << output;
  const std::size_t warning = output.find("wengert: kernel cache");
  ASSERT_NE(warning, std::string::npos) << output;
  EXPECT_NE(output.find("File too large", warning), std::string::npos) << output;
  EXPECT_EQ(output.find("wengert:", warning + 1), std::string::npos) << output;
  EXPECT_TRUE(fs::is_empty(scratch / "cache"));
}

}  // namespace
}  // namespace wengert::cpu
