// The math prelude: the scalar C functions that generated kernels call instead of libm.
//
// Every function is branch-free (selects and bit patterns; no tables, no calls to libm) except
// division with a remainder, integer powers and permutations, so that a loop over elements
// vectorizes at full width under gcc -O3 and clang -O2 with -ffp-contract=off -fno-math-errno
// -fno-trapping-math. The text is C11 without intrinsics, pragmas or <math.h>; it wants <stdint.h>.
// Functions are declared WG_INLINE, which prelude_text defines unless a dialect has done so. Each
// text states its error in ULP; tests/compile/prelude_test.cpp holds it to a bound.
//
// Of reals, with _f32 and _f64: wg_fma, wg_sqrt, wg_rsqrt, wg_exp, wg_expm1, wg_log, wg_log1p,
// wg_tanh, wg_sigmoid, wg_sin, wg_cos, wg_erf, wg_erfc, wg_erfinv, wg_pow, wg_sign, wg_round,
// wg_floor, wg_max, wg_min, wg_mod, wg_floordiv.
// Of integers, with _i32 and _i64: wg_floordiv, wg_mod, wg_pow; of int64 alone: wg_index.
// Random numbers: wg_philox_block (four words at a time, without waste), wg_philox and
// wg_random_bits (one word: four times the work, for loops over single elements), wg_uniform_f32
// and wg_normal_f32 of one word, wg_uniform_f64 and wg_normal_f64 of two, wg_permute. Their bits
// are the same on every machine.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wengert::compile {

/// One function of the prelude: its C text and the names of those that it calls.
struct PreludeFunction {
  std::string_view name;
  std::vector<std::string_view> needs;
  std::string_view text;
};

/// The function of that name; throws Error(internal, "prelude-name") if there is none.
const PreludeFunction& prelude_function(std::string_view name);

/// C text of the named functions and all that they need, each once, every function after those that
/// it calls. The order is the prelude's own, so that equal sets of names give equal texts. Throws
/// as prelude_function does.
std::string prelude_text(std::span<const std::string> names);

/// All of them, every function after those that it calls.
std::span<const PreludeFunction> prelude();

}  // namespace wengert::compile
