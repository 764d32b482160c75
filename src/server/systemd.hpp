/// systemd's protocols in small: sd_notify(3), sd_listen_fds(3), the watchdog. All of it does nothing where
/// the environment does not ask for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/clock.hpp"

namespace sluice::server {

/// A socket that was opened by the service manager.
struct InheritedSocket {
  int descriptor = -1;
  std::string name;  ///< of LISTEN_FDNAMES; may be empty
};

class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_* and takes them out of the environment, so that children do
  /// not see them. Before any thread is started.
  ServiceManager();

  /// Sends "READY=1" and the like; errors are ignored, as nobody could help.
  void notify(std::string_view state) const;
  /// "RELOADING=1" with the monotonic time that Type=notify-reload wants.
  void notify_reloading() const;
  /// How often to send "WATCHDOG=1": half of what systemd waits; nullopt: never.
  [[nodiscard]] std::optional<Duration> watchdog_interval() const noexcept { return watchdog_; }
  /// Close-on-exec is set; the caller owns the descriptors.
  [[nodiscard]] const std::vector<InheritedSocket>& sockets() const noexcept { return sockets_; }

 private:
  std::string notify_socket_;
  std::optional<Duration> watchdog_;
  std::vector<InheritedSocket> sockets_;
};

}  // namespace sluice::server
