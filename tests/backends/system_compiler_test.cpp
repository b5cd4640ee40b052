#include "wengert/backends/cpu/system_compiler.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/backends/kernel_testing.hpp"
#include "wengert/backends/cpu/code_loader.hpp"

namespace wengert::cpu {
namespace {

using namespace testing_kernels;

TEST(SystemCompiler, a_compiler_that_hangs_is_killed_with_its_children) {
  const Scratch scratch;
  write_script(scratch / "slow",
               "echo $$ > " + scratch / "pid" + "\nsleep 1000 &\necho $! >> " + scratch / "pid" + "\nwait\n");
  const SystemCompileResult result =
      compile_with_system({scratch / "slow", ""}, scaling_kernel(1), {scratch / ""}, std::chrono::milliseconds(300));
  EXPECT_EQ(result.status, SystemCompileResult::Status::failed);
  EXPECT_NE(result.message.find("did not end within 300 ms"), std::string::npos) << result.message;
  std::istringstream processes(read_text(scratch / "pid"));
  int found = 0;
  const auto is_gone = [](pid_t process) {
    const std::string state = read_text("/proc/" + std::to_string(process) + "/stat");
    return state.empty() || state.find(") Z ") != std::string::npos;
  };
  for (pid_t process; processes >> process; ++found) {
    for (int tries = 0; tries < 1000 && !is_gone(process); ++tries) ::usleep(10000);  // a signal takes its time
    EXPECT_TRUE(is_gone(process)) << process;
  }
  EXPECT_EQ(found, 2);
}

TEST(SystemCompiler, leaves_no_files) {
  const Scratch scratch;
  fs::create_directory(scratch / "parent");
  const std::vector<SystemCompiler> compilers = find_system_compilers();
  ASSERT_FALSE(compilers.empty());
  for (const std::string& text : {scaling_kernel(1), std::string("no C")}) {
    compile_with_system(compilers[0], text, {scratch / "parent"}, std::chrono::seconds(60));
    EXPECT_TRUE(fs::is_empty(scratch / "parent"));
  }
}

TEST(SystemCompiler, every_compiler_here_takes_the_text) {
  const Scratch scratch;
  for (const char* name : {"gcc", "clang-19"}) {
    ::setenv("WENGERT_CC", name, 1);
    const std::vector<SystemCompiler> compilers = find_system_compilers();
    ::unsetenv("WENGERT_CC");
    ASSERT_EQ(compilers.size(), 1u) << name;
    const SystemCompileResult result =
        compile_with_system(compilers[0], scaling_kernel(1), {scratch / ""}, std::chrono::seconds(60));
    EXPECT_EQ(result.status, SystemCompileResult::Status::compiled) << result.message;
    EXPECT_TRUE(computes_scaling(load_shared_object(result.shared_object, {scratch / ""}).kernel, 1)) << name;
  }
}

}  // namespace
}  // namespace wengert::cpu
