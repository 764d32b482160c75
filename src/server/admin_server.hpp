/// The admin API's listener: one, on the control thread.
#pragma once

#include <memory>
#include <optional>

#include "sluice/http/h1/server_connection.hpp"
#include "sluice/net/listener.hpp"

#include "admin.hpp"
#include "listener_set.hpp"
#include "worker_thread.hpp"

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
  static net::Awaitable<void> run_connection(AdminServer& self, std::unique_ptr<net::Stream> stream,
                                             http::ConnectionInfo info, std::shared_ptr<ListenerPort> port);

  net::Worker& control_;
  std::unique_ptr<http::Handler> handler_;
  http::ServerLimits limits_;
  http::h1::ServerShared shared_;
  net::ConnectionLimit limit_;
  net::AcceptStats stats_;
  std::unique_ptr<OpenListener> open_;
  std::shared_ptr<ListenerPort> port_;
};

}  // namespace sluice::server
