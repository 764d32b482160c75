/// The processes that descend from a child of the daemon's, whatever session or group they have gone to.
///
/// The daemon is the subreaper of its descendants (adopt_orphans): who loses its parent becomes the daemon's
/// child. Whose it was is told by its process group or session, by the mount namespace that its family has of
/// its own, or by the temporary folder in its environment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/net/process.hpp"

namespace sluice::net {

/// The children that the daemon started itself: everything else that is its child is an orphan.
class Children {
 public:
  static Children& of_daemon();

  /// Held over a fork until add(), so that nobody takes the new child for an orphan.
  [[nodiscard]] std::unique_lock<std::mutex> hold() { return std::unique_lock(mutex_); }
  /// With hold().
  void add(pid_t pid) { known_.push_back(pid); }
  void remove(pid_t pid);
  /// With hold(): children that are not its own.
  [[nodiscard]] std::vector<pid_t> orphans() const;
  /// Takes the status of orphans that have ended.
  void reap_orphans();

 private:
  std::mutex mutex_;
  std::vector<pid_t> known_;
};

/// "" where it cannot be told.
std::string mount_namespace_of(pid_t pid);

struct Family {
  pid_t leader = -1;
  std::string mount_namespace;  ///< of /proc/PID/ns/mnt, where it is the family's own; else empty
  std::string temporary;        ///< value of TMPDIR that only this family has; or empty

  /// Descendants and orphans, without the leader.
  [[nodiscard]] std::vector<pid_t> members() const;
  /// SIGKILL to the group and to all members, and to those that they start meanwhile. The leader must not
  /// have been reaped, so that its number is still its own.
  void kill() const;
  /// Anonymous resident memory of the leader and all members, bytes.
  [[nodiscard]] std::uint64_t resident_bytes() const;
};

}  // namespace sluice::net
