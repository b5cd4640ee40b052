// The narrow interface between the core and whatever turns C text into machine code. The plug-in's
// half is plain C, so that the two libraries may come from different compilers and standard
// libraries.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

enum wengert_compile_status : int32_t {
  wengert_compiled = 0,
  wengert_rejected = 1,  // the text is at fault; `message` says why
  wengert_failed = 2     // the compiler is at fault; `message` says how
};

/// What a compile yields; owned by the plug-in until release().
struct wengert_compile_result {
  int32_t status;
  const char* object;  // a relocatable ELF object that defines wg_kernel
  size_t object_size;
  const char* message;  // diagnostics, ends with 0; empty when there were none
  void* owner;
};

/// What a plug-in offers. Both functions may be called by several threads at once and never throw.
struct wengert_compiler_plugin {
  const char* revision;  // equal to wengert::cpu::plugin_revision, or the core refuses the plug-in
  const char* version;   // of the compiler, for people
  /// Compiles a complete C11 translation unit. `cpu` names a target CPU ("x86-64-v3"); null is this
  /// machine's.
  void (*compile)(const char* text, size_t text_size, const char* cpu, wengert_compile_result* result);
  void (*release)(wengert_compile_result* result);
};

/// The plug-in's only exported symbol.
const wengert_compiler_plugin* wengert_compiler_entry();
}

namespace wengert::cpu {

/// What the plug-in's code depends on besides the text and the CPU: interface, compiler version,
/// flags. The core knows it without loading the plug-in, because it is part of the disk cache's
/// key: raise it with any of those.
inline constexpr char plugin_revision[] = "wengert-clang-19.2";

}  // namespace wengert::cpu
