/// A /tmp of a child's own: a mount namespace in which the child's temporary folder lies on /tmp. Made before
/// the fork; the child only mounts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sluice/net/process.hpp"

namespace sluice::net {

struct PrivateTmp {
  bool user_namespace = false;  ///< an ordinary user needs one to mount
  std::string user_map;
  std::string group_map;
  std::string source;  ///< lies on /tmp then
  /// What the child needs of the real /tmp.
  struct Kept {
    std::string from;
    std::string to;  ///< below `source`
    bool read_only = false;
  };
  std::vector<Kept> kept;
};

/// What a child with these options needs, its places below `options.temporary` made; nullopt where its files
/// cannot lie beside a /tmp of its own, or the system has none.
std::optional<PrivateTmp> plan_private_tmp(const ProcessOptions& options);
/// In the child, between fork and exec. False: errno says why.
bool enter_private_tmp(const PrivateTmp& plan) noexcept;

}  // namespace sluice::net
