#include "control_port.hpp"

#include <functional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "worker_thread.hpp"

namespace sluice::server {

ControlPort::ControlPort(net::Worker& control, http::Handler& handler, const http::ServerLimits& limits,
                         std::size_t most_connections)
    : control_(control), shared_{control, handler, &limits}, limit_(most_connections) {}

ControlPort::~ControlPort() = default;

void ControlPort::open(int descriptor) {
  const auto port = std::make_shared<ListenerPort>(false);
  const std::weak_ptr<ListenerPort> weak = port;
  auto acceptor = std::make_unique<net::Acceptor>(
      control_, descriptor, limit_, stats_, connection_refusal(),
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
}

void ControlPort::close() {
  if (port_) {
    port_->close();
    port_.reset();
  }
}

void ControlPort::abort() {
  if (port_) {
    port_->close();
    port_->abort();
    port_.reset();
  }
}

net::Awaitable<void> ControlPort::run_connection(ControlPort& self, std::unique_ptr<net::Stream> stream,
                                                 http::ConnectionInfo info,
                                                 std::shared_ptr<ListenerPort> port) {
  ListenerPort::Connection connection;
  port->add(connection);
  std::function<void(http::h1::ServerConnection&)> on_start =
      [&connection, &port](http::h1::ServerConnection& handle) { port->ready(connection, handle); };
  co_await http::h1::serve_connection(self.shared_, std::move(stream), std::move(info), on_start);
  self.limit_.release();
}

}  // namespace sluice::server
