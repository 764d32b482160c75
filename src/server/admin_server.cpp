#include "admin_server.hpp"

#include "sluice/base/log.hpp"

namespace sluice::server {

namespace {

/// Enough for scrapers and people; never in the way of the gateways' connections.
constexpr std::size_t most_connections = 256;

}  // namespace

AdminServer::AdminServer(net::Worker& control, AdminBackend& backend)
    : handler_(make_admin_handler(backend)), port_(control, *handler_, limits_, most_connections) {}

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
  port_.open(open_->listener->take(0));
  log::info("admin API on " + open_->url(), {{"url", open_->url()}});
}

void AdminServer::close() {
  port_.close();
  open_.reset();
}

}  // namespace sluice::server
