/// Landlock rule sets of net::Sandbox. Made before the fork; the child only has to enforce one.
#pragma once

#include "sluice/net/process.hpp"

namespace sluice::net {

/// A rule set's descriptor (close it), or -1 where the kernel has no Landlock or the sandbox is off. Errors
/// (io).
Result<int> make_landlock_ruleset(const Sandbox& sandbox);
/// In the child, between fork and exec: restricts the calling thread for good. False: errno says why.
bool enforce_landlock(int ruleset) noexcept;

}  // namespace sluice::net
