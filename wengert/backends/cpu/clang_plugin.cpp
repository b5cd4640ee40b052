// clang in this process, from C text in memory to an object in memory: the library
// libwengert_clang.so, loaded when the first kernel has to be compiled. It reads no file, runs no
// program and shares nothing with the core but compiler.hpp.

#include <clang/Basic/Diagnostic.h>
#include <clang/CodeGen/CodeGenAction.h>
#include <clang/Frontend/CompilerInstance.h>
#include <clang/Frontend/CompilerInvocation.h>
#include <clang/Frontend/TextDiagnosticPrinter.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/DiagnosticHandler.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/Error.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/VirtualFileSystem.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/Vectorize/SLPVectorizer.h>

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "wengert/backends/cpu/compiler.hpp"

static_assert(LLVM_VERSION_MAJOR == 19,
              "plugin_revision in compiler.hpp names the version of clang: change them together");

// Only the x86 half of LLVM's registry: initialising all targets costs milliseconds.
extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
}

namespace {

constexpr char triple[] = "x86_64-pc-linux-gnu";

/// The headers that a kernel may include, so that no file of the machine is needed.
constexpr char stdint_header[] = R"(
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
#define INT8_MIN (-INT8_MAX - 1)
#define INT16_MIN (-INT16_MAX - 1)
#define INT32_MIN (-INT32_MAX - 1)
#define INT64_MIN (-INT64_MAX - 1)
#define INT8_MAX __INT8_MAX__
#define INT16_MAX __INT16_MAX__
#define INT32_MAX __INT32_MAX__
#define INT64_MAX __INT64_MAX__
#define UINT8_MAX __UINT8_MAX__
#define UINT16_MAX __UINT16_MAX__
#define UINT32_MAX __UINT32_MAX__
#define UINT64_MAX __UINT64_MAX__
#define INT64_C(value) value##L
#define UINT64_C(value) value##UL
)";
constexpr char stddef_header[] = R"(
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#define NULL ((void*)0)
#define offsetof(type, member) __builtin_offsetof(type, member)
)";

/// What -O2 becomes for kernels. Gone are the passes for large programs (interprocedural constants,
/// jump threading, constraint elimination, ...). Short loops over lanes are unrolled after the
/// loops are vectorized, not before, so that a vector register is filled by one instruction rather
/// than pieced together. Measured on ten kernels in the printer's style (elementwise, row and
/// column reductions, softmax, layer norm): 53 % of the time of -O2, and kernels that take 0.95 of
/// theirs.
constexpr char pass_pipeline[] =
    "function(simplifycfg,sroa,early-cse),"
    "cgscc(inline,function(sroa,early-cse<memssa>,simplifycfg,"
    "instcombine<max-iterations=1;no-verify-fixpoint>,"
    "loop-mssa(loop-instsimplify,loop-simplifycfg,licm,loop-rotate<header-duplication>,licm),"
    "loop(loop-idiom,indvars,loop-deletion),dse,simplifycfg)),globaldce,"
    "function(loop-vectorize,instcombine<max-iterations=1;no-verify-fixpoint>,simplifycfg,"
    "loop(loop-unroll-full),sroa,early-cse<memssa>,"
    "instcombine<max-iterations=1;no-verify-fixpoint>,wengert-slp-vectorizer,vector-combine,gvn,"
    "loop-mssa(licm),simplifycfg)";

/// The vectorizer of straight-line code, which is quadratic in a block's length: 1,000 statements
/// take it a quarter of a second. Longer blocks than this stay scalar.
constexpr std::size_t longest_block_to_vectorize = 400;

class ShortBlockSlpVectorizer : public llvm::PassInfoMixin<ShortBlockSlpVectorizer> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
    for (const llvm::BasicBlock& block : function) {
      if (block.size() > longest_block_to_vectorize) return llvm::PreservedAnalyses::all();
    }
    return llvm::SLPVectorizerPass().run(function, analyses);
  }
};

struct Target {
  std::string cpu;
  std::vector<std::string> features;  // "+avx2", "-avx512f"
  bool wide = false;                  // 512-bit vectors
};

Target host_target() {
  Target target{llvm::sys::getHostCPUName().str(), {}, false};
  for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
    target.features.push_back((feature.second ? "+" : "-") + feature.first().str());
    if (feature.first() == "avx512vl") target.wide = feature.second;
  }
  return target;
}

Target named_target(const char* cpu) { return {cpu, {}, std::string_view(cpu) == "x86-64-v4"}; }

/// The arguments of `clang -cc1`. Its defaults suit: no errno from math functions, no trapping
/// arithmetic.
std::vector<std::string> frontend_arguments(const Target& target) {
  std::vector<std::string> arguments = {"-triple",
                                        triple,
                                        "-emit-llvm-only",
                                        "-disable-llvm-passes",
                                        "-disable-llvm-verifier",
                                        "-mrelocation-model",
                                        "pic",
                                        "-pic-level",
                                        "2",
                                        "-mframe-pointer=none",
                                        "-O2",
                                        "-vectorize-loops",
                                        "-vectorize-slp",
                                        "-ffp-contract=off",
                                        "-fwrapv",
                                        "-nobuiltininc",
                                        "-nostdsysteminc",
                                        "-internal-isystem",
                                        "/include",
                                        "-std=c11",
                                        "-w",
                                        "-ferror-limit",
                                        "5",
                                        "-fno-caret-diagnostics",
                                        "-target-cpu",
                                        target.cpu};
  for (const std::string& feature : target.features) arguments.insert(arguments.end(), {"-target-feature", feature});
  if (target.wide) arguments.push_back("-mprefer-vector-width=512");
  arguments.insert(arguments.end(), {"-x", "c", "/kernel.c"});
  return arguments;
}

/// A file system that holds the kernel and the headers and nothing else.
llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files_of(llvm::StringRef text) {
  auto files = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  files->addFile("/include/stdint.h", 0, llvm::MemoryBuffer::getMemBuffer(stdint_header));
  files->addFile("/include/stddef.h", 0, llvm::MemoryBuffer::getMemBuffer(stddef_header));
  files->addFile("/kernel.c", 0, llvm::MemoryBuffer::getMemBufferCopy(text));
  return files;
}

/// Parses and checks `text`; null, with the complaints in `messages`, when there is something wrong
/// with it.
std::unique_ptr<llvm::Module> parse(llvm::StringRef text, const Target& target, llvm::LLVMContext& context,
                                    std::string* messages) {
  llvm::raw_string_ostream stream(*messages);
  llvm::IntrusiveRefCntPtr<clang::DiagnosticOptions> options(new clang::DiagnosticOptions);
  llvm::IntrusiveRefCntPtr<clang::DiagnosticsEngine> diagnostics(new clang::DiagnosticsEngine(
      new clang::DiagnosticIDs, options, new clang::TextDiagnosticPrinter(stream, options.get())));
  const std::vector<std::string> arguments = frontend_arguments(target);
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  auto invocation = std::make_shared<clang::CompilerInvocation>();
  if (!clang::CompilerInvocation::CreateFromArgs(*invocation, pointers, *diagnostics)) return nullptr;

  clang::CompilerInstance compiler;
  compiler.setInvocation(std::move(invocation));
  compiler.setDiagnostics(diagnostics.get());
  compiler.createFileManager(files_of(text));
  clang::EmitLLVMOnlyAction action(&context);
  if (!compiler.ExecuteAction(action)) return nullptr;
  return action.takeModule();
}

/// A loop body that parallel_for gets by its address is also called directly, when there is little
/// to do. Inlined there it would be compiled twice.
void keep_out_of_line(llvm::Module& module) {
  for (llvm::Function& function : module) {
    if (!function.isDeclaration() && function.hasAddressTaken()) { function.addFnAttr(llvm::Attribute::NoInline); }
  }
}

/// What making machine code needs and several kernels in turn can share; for one thread at a time.
class CodeGenerator {
 public:
  explicit CodeGenerator(const Target& target) {
    std::string problem;
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, problem);
    std::string features;
    for (const std::string& feature : target.features) features += (features.empty() ? "" : ",") + feature;
    llvm::TargetOptions options;
    machine_.reset(found->createTargetMachine(triple, target.cpu, features, options, llvm::Reloc::PIC_,
                                              llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default, /*JIT=*/false));
  }

  bool emit(llvm::Module& module, llvm::raw_pwrite_stream& object, std::string* messages) {
    module.setDataLayout(machine_->createDataLayout());
    if (!optimize(module, messages)) return false;
    llvm::legacy::PassManager passes;
    passes.add(llvm::createTargetTransformInfoWrapperPass(machine_->getTargetIRAnalysis()));
    if (machine_->addPassesToEmitFile(passes, object, nullptr, llvm::CodeGenFileType::ObjectFile,
                                      /*DisableVerify=*/true)) {
      *messages += "the target cannot emit objects";
      return false;
    }
    passes.run(module);
    return true;
  }

 private:
  bool optimize(llvm::Module& module, std::string* messages) {
    keep_out_of_line(module);
    llvm::PassBuilder builder(machine_.get());
    builder.registerPipelineParsingCallback([](llvm::StringRef name, llvm::FunctionPassManager& passes, auto) {
      if (name != "wengert-slp-vectorizer") return false;
      passes.addPass(ShortBlockSlpVectorizer());
      return true;
    });
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager components;
    llvm::ModuleAnalysisManager modules;
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);
    llvm::ModulePassManager passes;
    if (llvm::Error error = builder.parsePassPipeline(passes, pass_pipeline)) {
      *messages += llvm::toString(std::move(error));
      return false;
    }
    passes.run(module, modules);
    return true;
  }

  std::unique_ptr<llvm::TargetMachine> machine_;
};

/// Code generators for one target that nobody uses at the moment.
class GeneratorPool {
 public:
  explicit GeneratorPool(Target target) : target_(std::move(target)) {}

  const Target& target() const { return target_; }

  std::unique_ptr<CodeGenerator> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<CodeGenerator>(target_);
    std::unique_ptr<CodeGenerator> generator = std::move(free_.back());
    free_.pop_back();
    return generator;
  }

  void give(std::unique_ptr<CodeGenerator> generator) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(generator));
  }

 private:
  const Target target_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<CodeGenerator>> free_;
};

/// What a result points into.
struct Output {
  llvm::SmallVector<char, 0> object;
  std::string messages;
  int32_t status = wengert_failed;
};

/// One compile, on a thread of its own.
struct Job {
  llvm::StringRef text;
  const char* cpu;
  Output* output;
  sem_t done;
  bool gave_up = false;
};
/// Initial-exec, though the library is loaded late: it is 8 bytes, and gcc 12's leak sanitizer
/// loses its way in dynamic thread-local storage.
[[gnu::tls_model("initial-exec")]] thread_local Job* current_job = nullptr;

/// LLVM ends the process when it meets something that it cannot compile. In a job of ours it ends
/// the job: the caller gets an error, and this thread, whose stack holds half-made objects, sleeps
/// on.
void give_up(void*, const char* reason, bool) {
  if (current_job == nullptr) {  // somebody else's: LLVM goes on as it would have
    std::fprintf(stderr, "LLVM ERROR: %s\n", reason);
    return;
  }
  current_job->output->messages += reason;
  current_job->gave_up = true;
  sem_post(&current_job->done);
  while (true) pause();
}

void initialize_llvm() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  llvm::install_fatal_error_handler(give_up);
  llvm::install_bad_alloc_error_handler(give_up);
  // A third of the time to make code, for nothing that kernels showed.
  const auto option = llvm::cl::getRegisteredOptions().find("disable-lsr");
  if (option != llvm::cl::getRegisteredOptions().end()) { option->second->addOccurrence(0, "disable-lsr", "true"); }
}

GeneratorPool& pool_for(const char* cpu) {
  using Pools = std::vector<std::pair<std::string, std::unique_ptr<GeneratorPool>>>;
  static std::mutex mutex;
  static Pools* const pools = new Pools;  // never freed: at exit LLVM is gone before our statics
  std::lock_guard lock(mutex);
  const std::string name = cpu != nullptr ? cpu : "";
  for (const auto& [known, pool] : *pools) {
    if (known == name) return *pool;
  }
  if (pools->empty()) initialize_llvm();
  pools->emplace_back(name, std::make_unique<GeneratorPool>(cpu != nullptr ? named_target(cpu) : host_target()));
  return *pools->back().second;
}

/// Collects what the back end finds wrong; by itself it would print that and end the process.
class BackendComplaints : public llvm::DiagnosticHandler {
 public:
  BackendComplaints(bool* complained, std::string* messages) : complained_(complained), messages_(messages) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo& complaint) override {
    if (complaint.getSeverity() != llvm::DS_Error) return true;
    *complained_ = true;
    llvm::raw_string_ostream stream(*messages_);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    complaint.print(printer);
    stream << '\n';
    return true;
  }

 private:
  bool* complained_;
  std::string* messages_;
};

void compile_text(llvm::StringRef text, const char* cpu, Output* output) {
  GeneratorPool& pool = pool_for(cpu);
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module = parse(text, pool.target(), context, &output->messages);
  if (module == nullptr) {
    output->status = wengert_rejected;
    return;
  }
  bool complained = false;
  context.setDiagnosticHandler(std::make_unique<BackendComplaints>(&complained, &output->messages));
  std::unique_ptr<CodeGenerator> generator = pool.take();
  llvm::raw_svector_ostream object(output->object);
  const bool emitted = generator->emit(*module, object, &output->messages);
  pool.give(std::move(generator));
  if (emitted && !complained) output->status = wengert_compiled;
}

void* run(void* argument) {
  Job* job = static_cast<Job*>(argument);
  current_job = job;
  compile_text(job->text, job->cpu, job->output);
  sem_post(&job->done);
  return nullptr;
}

/// clang and LLVM recurse, and the caller's thread may have a small stack.
constexpr size_t stack_size = size_t{16} << 20;

void compile(const char* text, size_t text_size, const char* cpu, wengert_compile_result* result) {
  auto* output = new Output;
  Job job{{text, text_size}, cpu, output, {}};
  sem_init(&job.done, /*pshared=*/0, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_size);
  pthread_t worker;
  if (pthread_create(&worker, &attributes, run, &job) == 0) {
    while (sem_wait(&job.done) != 0) continue;  // a signal came
    job.gave_up ? pthread_detach(worker) : pthread_join(worker, nullptr);
  } else {
    output->messages = "no thread to compile on";
  }
  pthread_attr_destroy(&attributes);
  sem_destroy(&job.done);
  *result = {output->status, output->object.data(), output->object.size(), output->messages.c_str(), output};
}

void release(wengert_compile_result* result) {
  delete static_cast<Output*>(result->owner);
  *result = {};
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const wengert_compiler_plugin* wengert_compiler_entry() {
  static const wengert_compiler_plugin plugin = {wengert::cpu::plugin_revision, "clang " LLVM_VERSION_STRING, &compile,
                                                 &release};
  return &plugin;
}
