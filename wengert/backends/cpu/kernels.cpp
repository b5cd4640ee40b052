#include "wengert/backends/cpu/kernels.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wengert/array/error.hpp"
#include "wengert/array/fork.hpp"
#include "wengert/backends/cpu/code_loader.hpp"
#include "wengert/backends/cpu/compiler_plugin.hpp"
#include "wengert/backends/cpu/disk_cache.hpp"
#include "wengert/backends/cpu/files.hpp"
#include "wengert/backends/cpu/instruction_set.hpp"
#include "wengert/backends/cpu/object_loader.hpp"
#include "wengert/backends/cpu/system_compiler.hpp"

namespace wengert::cpu {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::chrono::seconds system_compiler_limit{60};
constexpr std::chrono::milliseconds fork_poll{1};

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
  /// A text on its way to a kernel.
  struct Request {
    std::string_view text;
    KernelKey key;
  };

  class PluginCompile;

  KernelStore();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
  /// Static objects of the user may ask for kernels after those of LLVM are gone.
  static void leave_plugin() { instance().plugin_gone_.store(true, std::memory_order_relaxed); }

  void notify_observer(std::string_view text);
  std::optional<wg_kernel> find_prebuilt(const KernelKey& key) const;
  wg_kernel find_or_produce(std::string_view text);

  wg_kernel produce(const Request& request);
  wg_kernel produce_with_plugin(const Request& request, CompilerChoice choice, std::string* problem);
  wg_kernel produce_with_system(const Request& request, std::string* problem);
  wg_kernel load(const CompiledCode& code, std::string* problem);
  wg_kernel load_cached(const KernelKey& disk_key);
  [[noreturn]] void throw_rejected(const Request& request, const std::string& message);
  void warn_once(const std::string& reason);

  CompilerChoice choice();
  DiskCache& disk();
  const LoadedPlugin& plugin();
  std::vector<std::string> scratch_parents();
  void count(int64_t KernelStatistics::* counter, double seconds = 0);

  std::mutex mutex_;  // of everything up to loading_mutex_
  std::unique_ptr<std::condition_variable> changed_ = std::make_unique<std::condition_variable>();
  std::unordered_map<KernelKey, PrebuiltKernel> prebuilt_;
  std::unordered_map<KernelKey, Slot> slots_;
  std::optional<CompilerChoice> choice_;
  bool expected_missing_ = false;  // the program itself chose to have no compiler
  KernelStatistics statistics_;
  bool warned_ = false;
  int plugin_compiles_ = 0;  // under way
  int forks_ = 0;            // under way; none of the above starts meanwhile

  std::mutex loading_mutex_;  // of making, once, what follows; held while the plug-in is loaded
  std::unique_ptr<DiskCache> disk_;
  std::optional<LoadedPlugin> plugin_;
  std::atomic<bool> plugin_gone_ = false;

  std::atomic<bool> observed_ = false;
  std::mutex observer_mutex_;
  std::shared_ptr<const std::function<void(std::string_view)>> observer_;
};

KernelStore::KernelStore() {
  handle_fork(ForkPlace::kernels, {before_fork, after_fork_in_parent, after_fork_in_child});
}

/// Lets no compile start and waits for those in the plug-in to end, since a child would inherit
/// whatever locks of LLVM they hold.
void KernelStore::before_fork() {
  KernelStore& store = instance();
  std::unique_lock lock(store.mutex_);
  ++store.forks_;
  while (store.plugin_compiles_ > 0) {
    lock.unlock();
    std::this_thread::sleep_for(fork_poll);
    lock.lock();
  }
  lock.unlock();
  store.loading_mutex_.lock();
  store.mutex_.lock();
  store.observer_mutex_.lock();
}

void KernelStore::after_fork_in_parent() {
  KernelStore& store = instance();
  --store.forks_;
  store.observer_mutex_.unlock();
  store.mutex_.unlock();
  store.loading_mutex_.unlock();
}

/// The threads that were compiling or waiting are not in the child: their promises go, and so does
/// the condition variable that still counts them (leaked, since destroying it would wait for them).
void KernelStore::after_fork_in_child() {
  KernelStore& store = instance();
  std::erase_if(store.slots_, [](const auto& item) { return item.second.state == Slot::State::compiling; });
  static_cast<void>(store.changed_.release());
  store.changed_ = std::make_unique<std::condition_variable>();
  store.forks_ = 1;  // another thread's fork is not ours
  after_fork_in_parent();
}

/// What a compile in the plug-in holds, so that no fork comes between.
class KernelStore::PluginCompile {
 public:
  explicit PluginCompile(KernelStore& store) : store_(store) {
    std::unique_lock lock(store_.mutex_);
    while (store_.forks_ > 0) {
      lock.unlock();
      std::this_thread::sleep_for(fork_poll);
      lock.lock();
    }
    ++store_.plugin_compiles_;
  }
  ~PluginCompile() {
    std::lock_guard lock(store_.mutex_);
    --store_.plugin_compiles_;
  }
  PluginCompile(const PluginCompile&) = delete;
  PluginCompile& operator=(const PluginCompile&) = delete;

 private:
  KernelStore& store_;
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
  return find_or_produce(text);
}

wg_kernel KernelStore::find_or_produce(std::string_view text) {
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
    changed_->wait(lock);
  }
  lock.unlock();

  wg_kernel kernel = nullptr;
  try {
    kernel = produce({text, key});
  } catch (...) {
    lock.lock();
    slots_.erase(key);  // whoever waits tries for himself and gets the error, too
    changed_->notify_all();
    throw;
  }
  lock.lock();
  slots_[key] = {kernel != nullptr ? Slot::State::ready : Slot::State::missing, kernel};
  if (kernel == nullptr) ++statistics_.missing;
  changed_->notify_all();
  return kernel;
}

void KernelStore::prepare(std::span<const std::string> texts) {
  for (const std::string& text : texts) notify_observer(text);
  const std::size_t threads = std::min<std::size_t>(texts.size(), std::max(1u, std::thread::hardware_concurrency()));
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < texts.size(); i = next++) {
      try {
        find_or_produce(texts[i]);
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
  expected_missing_ = choice == CompilerChoice::none;
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
    if (expected_missing_ || std::exchange(warned_, true)) return;
  }
  std::fprintf(stderr,
               "wengert: no compiler (%s): operations without a prebuilt kernel are evaluated "
               "slowly; install gcc or "
               "clang, or name a C compiler in WENGERT_CC\n",
               reason.c_str());
}

DiskCache& KernelStore::disk() {
  std::lock_guard lock(loading_mutex_);
  if (!disk_) disk_ = std::make_unique<DiskCache>(default_cache_folder(), default_cache_limit());
  return *disk_;
}

const LoadedPlugin& KernelStore::plugin() {
  std::lock_guard lock(loading_mutex_);
  if (!plugin_) {
    plugin_ = load_compiler_plugin();
    std::atexit(leave_plugin);  // comes before what LLVM registered while it was loaded
    if (plugin_->refused) std::fprintf(stderr, "wengert: compiler plug-in refused: %s\n", plugin_->problem.c_str());
  }
  return *plugin_;
}

/// Where temporary files go; the cache's folder comes last, for machines where nothing in /tmp may
/// be executed.
std::vector<std::string> KernelStore::scratch_parents() {
  std::vector<std::string> parents;
  if (const char* folder = std::getenv("TMPDIR"); folder != nullptr && *folder == '/') parents.push_back(folder);
  parents.push_back("/tmp");
  if (disk().usable()) parents.push_back(disk().folder());
  return parents;
}

void KernelStore::count(int64_t KernelStatistics::* counter, double seconds) {
  std::lock_guard lock(mutex_);
  ++(statistics_.*counter);
  statistics_.compile_seconds += seconds;
}

/// The key of a kernel on disk: its text, what it was compiled for, and by what.
KernelKey disk_key(const KernelKey& text_key, std::string_view compiler) {
  std::string key = to_string(text_key) + '\n' + target_identity() + '\n';
  key += compiler;
  return kernel_key(key);
}

wg_kernel KernelStore::produce(const Request& request) {
  const CompilerChoice chosen = choice();
  std::string problem = chosen == CompilerChoice::none ? "WENGERT_COMPILER is none" : "";
  wg_kernel kernel = nullptr;
  if (chosen == CompilerChoice::automatic || chosen == CompilerChoice::plugin) {
    kernel = produce_with_plugin(request, chosen, &problem);
  }
  if (kernel == nullptr && (chosen == CompilerChoice::automatic || chosen == CompilerChoice::system)) {
    kernel = produce_with_system(request, &problem);
  }
  if (kernel == nullptr && !plugin_gone_.load(std::memory_order_relaxed)) warn_once(problem);
  return kernel;
}

wg_kernel KernelStore::load(const CompiledCode& code, std::string* problem) {
  LoadResult loaded =
      code.form == CodeForm::object ? load_object(code.bytes) : load_shared_object(code.bytes, scratch_parents());
  if (loaded.kernel == nullptr) *problem = std::move(loaded.problem);
  return loaded.kernel;
}

wg_kernel KernelStore::load_cached(const KernelKey& disk_key) {
  const std::optional<CompiledCode> cached = disk().read(disk_key);
  if (!cached) return nullptr;
  std::string problem;
  const wg_kernel kernel = load(*cached, &problem);
  if (kernel == nullptr) {
    disk().remove(disk_key);
  } else {
    count(&KernelStatistics::disk);
  }
  return kernel;
}

/// The name that the plug-in knows the target by; null is this machine's own CPU.
const char* target_cpu() {
  switch (target_instruction_set()) {
    case InstructionSet::baseline: return "x86-64";
    case InstructionSet::avx2: return "x86-64-v3";
    case InstructionSet::avx512: return "x86-64-v4";
    case InstructionSet::native: break;
  }
  return nullptr;
}

wg_kernel KernelStore::produce_with_plugin(const Request& request, CompilerChoice choice, std::string* problem) {
  const KernelKey key = disk_key(request.key, plugin_revision);
  if (const wg_kernel kernel = load_cached(key)) return kernel;
  const auto start = Clock::now();
  if (plugin_gone_.load(std::memory_order_relaxed)) {
    *problem = "the process ends, and the compiler plug-in before it";
    return nullptr;
  }
  const LoadedPlugin& loaded = plugin();
  if (loaded.plugin == nullptr) {
    *problem = loaded.problem;
    return nullptr;
  }
  wengert_compile_result result;
  {
    const PluginCompile under_way(*this);
    loaded.plugin->compile(request.text.data(), request.text.size(), target_cpu(), &result);
  }
  static const int registered = std::atexit(leave_plugin);  // before what LLVM made in its first compile
  static_cast<void>(registered);
  const int32_t status = result.status;
  const CompiledCode code{CodeForm::object, std::string(result.object, result.object_size)};
  const std::string message = result.message;
  loaded.plugin->release(&result);
  if (status == wengert_rejected) throw_rejected(request, message);

  wg_kernel kernel = nullptr;
  if (status == wengert_compiled) {
    kernel = load(code, problem);
  } else {
    *problem = loaded.plugin->version + (": " + message);
  }
  if (kernel != nullptr) {
    count(&KernelStatistics::compiled_plugin, Seconds(Clock::now() - start).count());
    disk().write(key, code);
  } else if (choice == CompilerChoice::plugin) {
    throw Error(ErrorKind::compiler, "compiler-failed", "find_kernel: " + *problem + "; set WENGERT_COMPILER=cc");
  }
  return kernel;
}

/// Why find_system_compilers() found none.
std::string no_system_compiler() {
  const char* named = std::getenv("WENGERT_CC");
  if (named == nullptr || *named == '\0') return "no C compiler on PATH";
  return "WENGERT_CC is '" + std::string(named) + "', which is no program";
}

wg_kernel KernelStore::produce_with_system(const Request& request, std::string* problem) {
  using Status = SystemCompileResult::Status;
  const std::vector<SystemCompiler> compilers = find_system_compilers();
  if (compilers.empty()) *problem += (problem->empty() ? "" : "; ") + no_system_compiler();
  for (const SystemCompiler& compiler : compilers) {
    const KernelKey key = disk_key(request.key, compiler.identity);
    if (const wg_kernel kernel = load_cached(key)) return kernel;
    const auto start = Clock::now();
    const SystemCompileResult result =
        compile_with_system(compiler, request.text, scratch_parents(), system_compiler_limit);
    if (result.status == Status::rejected) throw_rejected(request, result.message);
    if (result.status == Status::failed) {
      *problem = result.message;
      continue;
    }
    const CompiledCode code{CodeForm::shared_object, result.shared_object};
    if (const wg_kernel kernel = load(code, problem)) {
      count(&KernelStatistics::compiled_system, Seconds(Clock::now() - start).count());
      disk().write(key, code);
      return kernel;
    }
  }
  return nullptr;
}

/// The first line of a compiler's output that states an error.
std::string first_error(const std::string& message) {
  const std::size_t error = message.find("error:");
  const std::size_t before = error == std::string::npos ? error : message.rfind('\n', error);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  return message.substr(begin, message.find('\n', begin) - begin);
}

void KernelStore::throw_rejected(const Request& request, const std::string& message) {
  std::string path = disk().keep_text(request.key, request.text);
  if (path.empty()) {
    path = "/tmp/wengert-" + to_string(request.key) + ".c";
    if (!write_file(path, request.text) && errno != EEXIST) path = "no file, since none could be written";
  }
  throw Error(ErrorKind::compiler, "kernel-rejected",
              "find_kernel: the compiler rejected a kernel: " + first_error(message) + "; its text is in " + path);
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
