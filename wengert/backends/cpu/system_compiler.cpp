#include "wengert/backends/cpu/system_compiler.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "wengert/backends/cpu/files.hpp"
#include "wengert/backends/cpu/instruction_set.hpp"

namespace wengert::cpu {
namespace {

using Clock = std::chrono::steady_clock;

/// Raise it when the flags below change what a text compiles to.
constexpr char flags_revision[] = "1";

bool is_program(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// The program that `name` stands for, looked up on PATH unless it has a slash.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return is_program(name) ? name : std::string();
  const char* path = std::getenv("PATH");
  std::string_view folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (true) {
    const std::size_t colon = folders.find(':');
    const std::string candidate = std::string(folders.substr(0, colon)) + '/' + name;
    if (candidate[0] == '/' && candidate.size() > name.size() + 1 && is_program(candidate)) return candidate;
    if (colon == std::string_view::npos) return {};
    folders.remove_prefix(colon + 1);
  }
}

std::vector<std::string> compiler_arguments(const SystemCompiler& compiler) {
  // Freestanding and without the standard libraries, so that a compiler without libc's headers is
  // enough.
  std::vector<std::string> arguments = {compiler.path,
                                        "-std=c11",
                                        "-O3",
                                        "-w",
                                        "-fPIC",
                                        "-shared",
                                        "-ffreestanding",
                                        "-nostdlib",
                                        "-ffp-contract=off",
                                        "-fno-math-errno",
                                        "-fno-trapping-math",
                                        "-fwrapv"};
#if defined(__x86_64__)
  switch (target_instruction_set()) {
    case InstructionSet::baseline: arguments.push_back("-march=x86-64"); break;
    case InstructionSet::avx2: arguments.push_back("-march=x86-64-v3"); break;
    case InstructionSet::avx512: arguments.push_back("-march=x86-64-v4"); break;
    case InstructionSet::native: arguments.push_back("-march=native"); break;
  }
  if (best_level() == InstructionSet::avx512) arguments.push_back("-mprefer-vector-width=512");
#endif
  arguments.insert(arguments.end(), {"-o", "kernel.so", "kernel.c"});
  return arguments;
}

/// This process's environment, with messages in English and the compiler's own files in `scratch`.
std::vector<std::string> compiler_environment(const std::string& scratch) {
  std::vector<std::string> environment = {"LC_ALL=C", "TMPDIR=" + scratch};
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("LC_ALL=") && !text.starts_with("TMPDIR=")) environment.emplace_back(text);
  }
  return environment;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Starts a program in `folder`, in a process group of its own, with both outputs going to the
/// descriptor `output`. 0, or the reason as an errno value.
int spawn(std::vector<std::string> arguments, const std::string& folder, int output, pid_t* child) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> environment = compiler_environment(folder);
  const int reason = posix_spawn(child, arguments[0].c_str(), &actions, &attributes, pointers(arguments).data(),
                                 pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return reason;
}

/// Reads what comes out of `output` until all its writers are gone; false at the deadline.
bool read_until(int output, Clock::time_point deadline, std::string* text) {
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting = {output, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    const ssize_t got = ::read(output, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    if (text->size() < 64 * 1024) text->append(buffer, static_cast<std::size_t>(got));
  }
}

/// The exit status of `child`, or nothing at the deadline. A host that ignores SIGCHLD takes the
/// status away from us; then the output file decides, so that counts as success.
std::optional<int> wait_until(pid_t child, Clock::time_point deadline) {
  while (true) {
    int status = 0;
    const pid_t got = ::waitpid(child, &status, WNOHANG);
    if (got == child) return status;
    if (got < 0 && errno == ECHILD) return 0;
    if (Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

struct RunResult {
  bool success = false;
  std::string output;
};

RunResult run(const std::vector<std::string>& arguments, const std::string& folder, std::chrono::milliseconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {false, std::string("pipe: ") + std::strerror(errno)};
  pid_t child = 0;
  const int reason = spawn(arguments, folder, ends[1], &child);
  ::close(ends[1]);
  RunResult result;
  if (reason != 0) {
    result.output = arguments[0] + ": " + std::strerror(reason);
  } else {
    const Clock::time_point deadline = Clock::now() + limit;
    std::optional<int> status;
    if (read_until(ends[0], deadline, &result.output)) status = wait_until(child, deadline);
    if (!status) {
      ::kill(-child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      result.output += arguments[0] + ": did not end within " + std::to_string(limit.count()) + " ms";
    }
    result.success = status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
  }
  ::close(ends[0]);
  return result;
}

}  // namespace

std::vector<SystemCompiler> find_system_compilers() {
  std::vector<std::string> names = {"cc", "gcc", "clang"};
  if (const char* chosen = std::getenv("WENGERT_CC"); chosen != nullptr && *chosen != '\0') names = {chosen};
  std::vector<SystemCompiler> compilers;
  for (const std::string& name : names) {
    const std::string path = find_program(name);
    if (path.empty()) continue;
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) continue;
    std::error_code unresolved;
    const std::string program = std::filesystem::canonical(path, unresolved).string();
    SystemCompiler compiler{path,
                            program + ' ' + std::to_string(status.st_size) + ' ' +
                                std::to_string(status.st_mtim.tv_sec) + " flags " + flags_revision};
    const bool known = std::any_of(compilers.begin(), compilers.end(),
                                   [&](const SystemCompiler& other) { return other.identity == compiler.identity; });
    if (!known) compilers.push_back(std::move(compiler));
  }
  return compilers;
}

SystemCompileResult compile_with_system(const SystemCompiler& compiler, std::string_view text,
                                        const std::vector<std::string>& scratch_parents,
                                        std::chrono::milliseconds limit) {
  using Status = SystemCompileResult::Status;
  const TemporaryFolder folder(scratch_parents);
  if (folder.path().empty()) return {Status::failed, {}, "no folder for temporary files; set TMPDIR"};
  if (!write_file(folder.path() + "/kernel.c", text)) {
    return {Status::failed, {}, folder.path() + "/kernel.c: " + std::strerror(errno)};
  }
  RunResult ran = run(compiler_arguments(compiler), folder.path(), limit);
  SystemCompileResult result{Status::compiled, {}, std::move(ran.output)};
  if (!ran.success) {
    const bool about_text =
        result.message.find("kernel.c:") != std::string::npos && result.message.find("error:") != std::string::npos;
    result.status = about_text ? Status::rejected : Status::failed;
  } else if (!read_file(folder.path() + "/kernel.so", &result.shared_object)) {
    result.status = Status::failed;
    result.message += compiler.path + ": wrote no kernel.so: " + std::strerror(errno);
  }
  return result;
}

}  // namespace wengert::cpu
