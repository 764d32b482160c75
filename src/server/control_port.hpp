/// HTTP over plain connections on the control thread: what the admin API and the token endpoint stand on.
#pragma once

#include <cstddef>
#include <memory>

#include "sluice/http/h1/server_connection.hpp"
#include "sluice/http/handler.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/net/listener.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::server {

class ListenerPort;

/// On the control thread. The ends of its connections are waited for by whoever ends the loop.
class ControlPort {
 public:
  /// All of them outlive it.
  ControlPort(net::Worker& control, http::Handler& handler, const http::ServerLimits& limits,
              std::size_t most_connections);
  ControlPort(const ControlPort&) = delete;
  ControlPort& operator=(const ControlPort&) = delete;
  ~ControlPort();

  /// Takes connections from `descriptor`, a listening socket that belongs to it from now on, after close().
  void open(int descriptor);
  /// Takes no more; connections end with the request that they are at. Nothing where none is open.
  void close();
  /// close(), and cuts the connections.
  void abort();

 private:
  static net::Awaitable<void> run_connection(ControlPort& self, std::unique_ptr<net::Stream> stream,
                                             http::ConnectionInfo info, std::shared_ptr<ListenerPort> port);

  net::Worker& control_;
  http::h1::ServerShared shared_;
  net::ConnectionLimit limit_;
  net::AcceptStats stats_;
  std::shared_ptr<ListenerPort> port_;
};

}  // namespace sluice::server
