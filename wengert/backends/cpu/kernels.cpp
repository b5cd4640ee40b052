#include "wengert/backends/cpu/kernels.hpp"

#include <cstdio>
#include <cstdlib>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wengert/array/error.hpp"
#include "wengert/backends/cpu/code_loader.hpp"
#include "wengert/backends/cpu/instruction_set.hpp"
#include "wengert/backends/cpu/system_compiler.hpp"
#include "wengert/backends/cpu/temporary_folder.hpp"

namespace wengert::cpu {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::chrono::seconds system_compiler_limit{60};

CompilerChoice choice_from_environment() {
  const char* variable = std::getenv("WENGERT_COMPILER");
  const std::string_view name = variable != nullptr ? variable : "";
  if (name.empty() || name == "auto") return CompilerChoice::automatic;
  if (name == "clang") return CompilerChoice::plugin;
  if (name == "cc") return CompilerChoice::system;
  if (name == "none") return CompilerChoice::none;
  throw Error(ErrorKind::value, "compiler-choice",
              "WENGERT_COMPILER: got '" + std::string(name) + "': wanted auto, clang, cc or none");
}

/// A kernel of this process, or the promise of one.
struct Slot {
  enum class State { compiling, ready, missing } state = State::compiling;
  wg_kernel kernel = nullptr;
};

class KernelStore {
 public:
  static KernelStore& instance() {
    static KernelStore* store = new KernelStore;  // outlives static objects that still call kernels at exit
    return *store;
  }

  wg_kernel find(std::string_view text);
  void prepare(std::span<const std::string> texts);
  void add(std::span<const PrebuiltKernel> kernels);
  void observe(std::function<void(std::string_view)> observer);
  void choose(CompilerChoice choice);
  KernelStatistics statistics();

 private:
  KernelStore() = default;

  void notify_observer(std::string_view text);
  std::optional<wg_kernel> find_prebuilt(const KernelKey& key) const;
  wg_kernel produce(std::string_view text);
  wg_kernel produce_with_system(std::string_view text);
  void warn_once(const std::string& reason);
  CompilerChoice choice();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<KernelKey, PrebuiltKernel> prebuilt_;
  std::unordered_map<KernelKey, Slot> slots_;
  std::optional<CompilerChoice> choice_;
  KernelStatistics statistics_;
  bool warned_ = false;

  std::atomic<bool> observed_ = false;
  std::mutex observer_mutex_;
  std::shared_ptr<const std::function<void(std::string_view)>> observer_;
};

void KernelStore::notify_observer(std::string_view text) {
  if (!observed_.load(std::memory_order_acquire)) return;
  std::shared_ptr<const std::function<void(std::string_view)>> observer;
  {
    std::lock_guard lock(observer_mutex_);
    observer = observer_;
  }
  if (observer) (*observer)(text);
}

std::optional<wg_kernel> KernelStore::find_prebuilt(const KernelKey& key) const {
  const auto found = prebuilt_.find(key);
  if (found == prebuilt_.end()) return std::nullopt;
  const PrebuiltKernel& kernel = found->second;
  const InstructionSet best = best_level();
  if (best >= InstructionSet::avx512 && kernel.avx512 != nullptr) return kernel.avx512;
  if (best >= InstructionSet::avx2 && kernel.avx2 != nullptr) return kernel.avx2;
  if (kernel.baseline != nullptr) return kernel.baseline;
  return std::nullopt;
}

wg_kernel KernelStore::find(std::string_view text) {
  notify_observer(text);
  const KernelKey key = kernel_key(text);
  std::unique_lock lock(mutex_);
  if (const auto prebuilt = find_prebuilt(key)) {
    ++statistics_.prebuilt;
    return *prebuilt;
  }
  while (true) {
    const auto [place, inserted] = slots_.try_emplace(key);
    if (inserted) break;
    if (place->second.state == Slot::State::ready) {
      ++statistics_.memory;
      return place->second.kernel;
    }
    if (place->second.state == Slot::State::missing) {
      ++statistics_.missing;
      return nullptr;
    }
    changed_.wait(lock);
  }
  lock.unlock();

  wg_kernel kernel = nullptr;
  try {
    kernel = produce(text);
  } catch (...) {
    lock.lock();
    slots_.erase(key);  // whoever waits tries for himself and gets the error, too
    changed_.notify_all();
    throw;
  }
  lock.lock();
  slots_[key] = {kernel != nullptr ? Slot::State::ready : Slot::State::missing, kernel};
  if (kernel == nullptr) ++statistics_.missing;
  changed_.notify_all();
  return kernel;
}

void KernelStore::prepare(std::span<const std::string> texts) {
  const std::size_t threads =
      std::min<std::size_t>(texts.size(), std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < texts.size(); i = next++) {
      try {
        find(texts[i]);
      } catch (...) {
        std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

void KernelStore::add(std::span<const PrebuiltKernel> kernels) {
  std::lock_guard lock(mutex_);
  for (const PrebuiltKernel& kernel : kernels) prebuilt_[{kernel.low, kernel.high}] = kernel;
}

void KernelStore::observe(std::function<void(std::string_view)> observer) {
  std::lock_guard lock(observer_mutex_);
  observed_.store(observer != nullptr, std::memory_order_release);
  observer_ = std::make_shared<const std::function<void(std::string_view)>>(std::move(observer));
}

void KernelStore::choose(CompilerChoice choice) {
  std::lock_guard lock(mutex_);
  choice_ = choice;
  std::erase_if(slots_, [](const auto& item) { return item.second.state == Slot::State::missing; });
}

CompilerChoice KernelStore::choice() {
  std::lock_guard lock(mutex_);
  if (!choice_) choice_ = choice_from_environment();
  return *choice_;
}

KernelStatistics KernelStore::statistics() {
  std::lock_guard lock(mutex_);
  return statistics_;
}

void KernelStore::warn_once(const std::string& reason) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(warned_, true)) return;
  }
  std::fprintf(stderr,
               "wengert: no compiler (%s): operations without a prebuilt kernel are evaluated slowly; install gcc or "
               "clang, or name a C compiler in WENGERT_CC\n",
               reason.c_str());
}

wg_kernel KernelStore::produce(std::string_view text) {
  switch (choice()) {
    case CompilerChoice::automatic:
    case CompilerChoice::system: return produce_with_system(text);
    case CompilerChoice::plugin: warn_once("the plug-in is not installed"); return nullptr;
    case CompilerChoice::none: warn_once("none was chosen"); return nullptr;
  }
  return nullptr;
}

std::vector<std::string> scratch_parents() {
  std::vector<std::string> parents;
  if (const char* folder = std::getenv("TMPDIR"); folder != nullptr && *folder == '/') parents.push_back(folder);
  parents.push_back("/tmp");
  return parents;
}

/// The first line of a compiler's output that states an error.
std::string first_error(const std::string& message) {
  std::size_t begin = message.find("error:");
  if (begin == std::string::npos) begin = 0;
  begin = message.rfind('\n', begin) + 1;
  return message.substr(begin, message.find('\n', begin) - begin);
}

[[noreturn]] void throw_rejected(std::string_view text, const std::string& message) {
  std::string kept = "the text could not be kept";
  for (const std::string& parent : scratch_parents()) {
    const std::string path = parent + "/wengert-rejected-" + to_string(kernel_key(text)) + ".c";
    std::remove(path.c_str());
    if (write_file(path, text)) {
      kept = "the text is kept in " + path;
      break;
    }
  }
  throw Error(ErrorKind::compiler, "kernel-rejected",
              "find_kernel: the compiler rejected a kernel: " + first_error(message) + "; " + kept +
                  "; please report it");
}

wg_kernel KernelStore::produce_with_system(std::string_view text) {
  using Status = SystemCompileResult::Status;
  std::string problem = "neither cc nor gcc nor clang on PATH";
  for (const SystemCompiler& compiler : find_system_compilers()) {
    const auto start = std::chrono::steady_clock::now();
    const SystemCompileResult result =
        compile_with_system(compiler, text, scratch_parents(), system_compiler_limit);
    {
      std::lock_guard lock(mutex_);
      statistics_.compile_seconds += Seconds(std::chrono::steady_clock::now() - start).count();
    }
    if (result.status == Status::rejected) throw_rejected(text, result.message);
    if (result.status == Status::failed) {
      problem = result.message;
      continue;
    }
    const LoadResult loaded = load_shared_object(result.shared_object, scratch_parents());
    if (loaded.kernel != nullptr) {
      std::lock_guard lock(mutex_);
      ++statistics_.compiled_system;
      return loaded.kernel;
    }
    problem = loaded.problem;
  }
  warn_once(problem);
  return nullptr;
}

}  // namespace

wg_kernel find_kernel(std::string_view text) { return KernelStore::instance().find(text); }

void prepare_kernels(std::span<const std::string> texts) { KernelStore::instance().prepare(texts); }

void register_prebuilt(std::span<const PrebuiltKernel> kernels) { KernelStore::instance().add(kernels); }

KernelStatistics kernel_statistics() { return KernelStore::instance().statistics(); }

void set_kernel_observer(std::function<void(std::string_view)> observer) {
  KernelStore::instance().observe(std::move(observer));
}

void set_compiler(CompilerChoice choice) { KernelStore::instance().choose(choice); }

}  // namespace wengert::cpu
