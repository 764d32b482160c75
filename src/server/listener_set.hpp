/// The daemon's listening sockets, held by the control thread: from the configuration or from systemd, kept
/// across reloads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/net/listener.hpp"
#include "sluice/server/config.hpp"

#include "systemd.hpp"

namespace sluice::server {

/// One listener that is open. `key` stays the same as long as the configuration names the same address.
struct OpenListener {
  std::string key;
  bool tls = false;
  bool inherited = false;
  std::unique_ptr<net::Listener> listener;

  /// "http://127.0.0.1:8080", "https://[::1]:443", "unix:/run/x.sock".
  [[nodiscard]] std::string url() const;
};

class ListenerSet {
 public:
  /// Descriptors of the service manager are offered to the first open(); what no configured address claims
  /// is served as well, plain unless it is named "https" or "tls".
  ListenerSet(std::size_t workers, std::vector<InheritedSocket> inherited)
      : workers_(workers), inherited_(std::move(inherited)) {}

  /// What a configuration changes, opened but not yet in use.
  struct Change {
    std::vector<std::unique_ptr<OpenListener>> added;
    std::vector<std::string> removed;
    std::map<std::string, bool> kept;  ///< key → tls from now on
  };
  /// Opens what is new; mistakes get the listener's place. `own_ports`: what this process listens on beside
  /// the set (the admin API).
  Change prepare(const std::vector<ListenerConfig>& listeners, std::set<std::uint16_t> own_ports,
                 Diagnostics& diagnostics);
  /// TCP ports of the set.
  [[nodiscard]] std::set<std::uint16_t> ports() const;
  /// Makes the change the current set. Descriptors of `added` are for the caller to take.
  void commit(Change change);
  [[nodiscard]] const std::map<std::string, std::unique_ptr<OpenListener>>& open() const noexcept {
    return open_;
  }

 private:
  std::unique_ptr<OpenListener> open_one(const std::string& key, const ListenerConfig& config,
                                         const std::set<std::uint16_t>& own_ports, Diagnostics& diagnostics);
  void adopt_all(Diagnostics& diagnostics);

  std::size_t workers_;
  std::vector<InheritedSocket> inherited_;
  std::vector<std::pair<std::string, std::unique_ptr<net::Listener>>> adopted_;
  std::map<std::string, std::unique_ptr<OpenListener>> open_;
};

}  // namespace sluice::server
