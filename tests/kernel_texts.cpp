// Every kernel that any test asks for is written down in the folder WENGERT_KERNEL_TEXTS, under the hash of its text, for
// compile_kernel_texts.py, which runs when all other tests have.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "wengert/backends/cpu/kernel_key.hpp"
#include "wengert/backends/cpu/kernels.hpp"

namespace wengert::test {
namespace {

/// How kernels begin that the library prints. Tests of the compilers write others, some of them wrong.
constexpr std::string_view beginning = "typedef signed char int8_t;";

/// Takes no lock: forked children ask for kernels too.
void write_down(const std::string& folder, std::string_view text) {
  if (!text.starts_with(beginning)) return;
  const std::string path = folder + "/" + to_string(cpu::kernel_key(text)) + ".c";
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return;  // now it is one of this build's too
  const std::string own = path + "." + std::to_string(::gettid());
  std::ofstream(own) << text;
  if (std::rename(own.c_str(), path.c_str()) != 0) ADD_FAILURE() << "cannot write " << path;
}

/// Sets the observer before each test, since some have one of their own and end with none.
class WriteDownKernels : public ::testing::EmptyTestEventListener {
 public:
  explicit WriteDownKernels(std::string folder) : folder_(std::move(folder)) {}
  void OnTestStart(const ::testing::TestInfo&) override {
    cpu::set_kernel_observer([folder = folder_](std::string_view text) { write_down(folder, text); });
  }
  void OnTestEnd(const ::testing::TestInfo&) override { cpu::set_kernel_observer({}); }

 private:
  std::string folder_;
};

class Listen : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* folder = std::getenv("WENGERT_KERNEL_TEXTS");
    if (folder != nullptr) ::testing::UnitTest::GetInstance()->listeners().Append(new WriteDownKernels(folder));
  }
};
const auto* const environment = ::testing::AddGlobalTestEnvironment(new Listen);

}  // namespace
}  // namespace wengert::test
