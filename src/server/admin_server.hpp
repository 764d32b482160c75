/// The admin API's listener: one, on the control thread.
#pragma once

#include <memory>
#include <optional>

#include "sluice/http/handler.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/net/worker.hpp"

#include "admin.hpp"
#include "control_port.hpp"
#include "listener_set.hpp"

namespace sluice::server {

class AdminServer {
 public:
  /// Both outlive the server.
  AdminServer(net::Worker& control, AdminBackend& backend);
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  ~AdminServer();

  struct Change {
    bool keep = false;
    std::unique_ptr<OpenListener> added;  ///< nullptr without `keep`: none from now on
  };
  /// `own_ports`: what this process listens on already.
  Change prepare(const std::optional<ListenerConfig>& config, const std::set<std::uint16_t>& own_ports,
                 Diagnostics& diagnostics);
  void commit(Change change, const http::ServerLimits& limits);
  void close();
  /// nullptr: not configured.
  [[nodiscard]] const OpenListener* listener() const noexcept { return open_.get(); }

 private:
  std::unique_ptr<http::Handler> handler_;
  http::ServerLimits limits_;
  std::unique_ptr<OpenListener> open_;
  ControlPort port_;
};

}  // namespace sluice::server
