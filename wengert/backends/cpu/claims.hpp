// The claims of all libraries that compute on the CPU, as one.
#pragma once

#include "wengert/compile/claims.hpp"

namespace wengert::cpu {

/// Enters claims that plans ask from now on; called by static objects beside each library's claims. `claims` must live
/// until the process ends.
void register_claims(const compile::Claims& claims);

/// All of them: an equation goes to the first that wants it.
const compile::Claims& all_claims();

}  // namespace wengert::cpu
