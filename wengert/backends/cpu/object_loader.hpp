// Makes a relocatable object callable without a linker: what lets a cached kernel start in
// microseconds, with neither LLVM nor the dynamic linker loaded.
#pragma once

#include <string_view>

#include "wengert/backends/cpu/code_loader.hpp"

namespace wengert::cpu {

/// Maps a position-independent x86-64 ELF object that defines wg_kernel and needs nothing from
/// outside but memcpy, memmove, memset, memcmp and the rounding, remainder and fma functions of
/// libm. Memory is writable while the object is relocated, executable afterwards, never both.
/// Anything else in the object (thread-local storage, absolute 32-bit addresses, other names) is
/// refused with the reason, as is a damaged one; nothing stays mapped then.
LoadResult load_object(std::string_view bytes);

}  // namespace wengert::cpu
