#include "admin_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "sluice/base/log.hpp"

namespace sluice::server {

namespace {

/// Enough for scrapers and people; never in the way of the gateways' connections.
constexpr std::size_t most_connections = 256;

}  // namespace

AdminServer::AdminServer(net::Worker& control, AdminBackend& backend)
    : control_(control),
      handler_(make_admin_handler(backend)),
      shared_{control, *handler_, &limits_},
      limit_(most_connections) {}

AdminServer::~AdminServer() = default;

AdminServer::Change AdminServer::prepare(const std::optional<ListenerConfig>& config,
                                         const std::set<std::uint16_t>& own_ports, Diagnostics& diagnostics) {
  Change change;
  if (!config) {
    return change;
  }
  if (open_ && open_->key == config->name()) {
    change.keep = true;
    return change;
  }
  constexpr int backlog = 128;
  const net::ListenAddress address{config->address, config->port, {}, 0600};
  auto listener = net::Listener::open(address, 1, backlog, own_ports.contains(config->port));
  if (listener.has_error()) {
    diagnostics.error(config->place, "cannot-listen", listener.error().detail);
    return change;
  }
  change.added = std::make_unique<OpenListener>();
  change.added->key = config->name();
  change.added->listener = std::move(listener.value());
  return change;
}

void AdminServer::commit(Change change, const http::ServerLimits& limits) {
  limits_ = limits;
  if (change.keep) {
    return;
  }
  close();
  open_ = std::move(change.added);
  if (!open_) {
    return;
  }
  const auto port = std::make_shared<ListenerPort>(false);
  const std::weak_ptr<ListenerPort> weak = port;
  auto acceptor = std::make_unique<net::Acceptor>(
      control_, open_->listener->take(0), limit_, stats_, connection_refusal(),
      [this, weak](std::unique_ptr<net::Stream> stream, net::Endpoints endpoints) {
        const auto live = weak.lock();
        if (!live) {
          limit_.release();
          return;
        }
        http::ConnectionInfo info;
        info.peer_address = std::move(endpoints.peer_address);
        info.peer_port = endpoints.peer_port;
        info.local_address = std::move(endpoints.local_address);
        info.local_port = endpoints.local_port;
        net::asio::co_spawn(control_.executor(),
                            run_connection(*this, std::move(stream), std::move(info), live),
                            net::asio::detached);
      });
  acceptor->start();
  port->take(std::move(acceptor));
  port_ = port;
  log::info("admin API on " + open_->url(), {{"url", open_->url()}});
}

net::Awaitable<void> AdminServer::run_connection(AdminServer& self, std::unique_ptr<net::Stream> stream,
                                                 http::ConnectionInfo info,
                                                 std::shared_ptr<ListenerPort> port) {
  ListenerPort::Connection connection;
  port->add(connection);
  std::function<void(http::h1::ServerConnection&)> on_start =
      [&connection, &port](http::h1::ServerConnection& handle) { port->ready(connection, handle); };
  co_await http::h1::serve_connection(self.shared_, std::move(stream), std::move(info), std::move(on_start));
  self.limit_.release();
}

void AdminServer::close() {
  if (port_) {
    port_->close();
    port_.reset();
  }
  open_.reset();
}

}  // namespace sluice::server
