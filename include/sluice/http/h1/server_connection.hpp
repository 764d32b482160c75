/// HTTP/1.1 on one client connection: RFC 9112, with the refusals of the engineering defaults (CL with TE, TE
/// other than chunked, bare CR or LF, obs-fold, a second Host, differing CLs: 400 and close).
#pragma once

#include <functional>
#include <memory>

#include "sluice/http/handler.hpp"
#include "sluice/http/limits.hpp"

namespace sluice::http::h1 {

class ExchangePool;

/// What all connections of a worker share. Limits and handler are read at each request, so that a reload may
/// change them between two requests.
struct ServerShared {
  net::Worker& worker;
  Handler& handler;
  const ServerLimits* limits;
  std::shared_ptr<ExchangePool> exchanges{};  ///< the connections' own; made by the first
};

/// Told to a running connection from outside (drain, shutdown), on its worker's thread.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  /// Idle: closes. Busy: the answer under way gets "Connection: close".
  virtual void drain() noexcept = 0;
  /// Ends at once.
  virtual void abort() noexcept = 0;
};

/// Runs the connection to its end; `stream` is connected (TLS already done). `on_start` receives the handle
/// for drain and abort, valid until the awaitable completes. Never throws.
net::Awaitable<void> serve_connection(ServerShared& shared, std::unique_ptr<net::Stream> stream,
                                      ConnectionInfo info,
                                      const std::function<void(ServerConnection&)>& on_start);

}  // namespace sluice::http::h1
