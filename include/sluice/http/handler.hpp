/// The one interface between protocols and what answers: HTTP/1.1, HTTP/2, WebSocket upgrades and tests all
/// call it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/http/message.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::http {

/// Facts of the connection that a request came on. Outlives its requests.
struct ConnectionInfo {
  std::string
      peer_address;  ///< IP text without port; "unix" for unix sockets; PROXY protocol's where believed
  std::uint16_t peer_port = 0;
  std::string local_address;
  std::uint16_t local_port = 0;
  bool secure = false;
  const net::TlsInfo* tls = nullptr;  ///< nullptr for plain connections
  bool peer_trusted = false;          ///< the socket's peer is in trusted_proxies (`unix`: of a unix socket)
};

/// What the access log and the metrics say of a request; filled on the way, written once in finished().
/// Views point into the snapshot that the request pinned (`pinned`) or to static storage.
struct RequestRecord {
  std::string_view gateway;
  std::string_view path_template;
  std::string_view operation;
  std::string_view release;      ///< "stable" or "canary"
  std::string_view integration;  ///< type
  std::string_view slug;  ///< why the gateway itself answered ("route_not_found"); empty when it did not
  std::string detail;     ///< for the log only
  Duration integration_time{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  int status = 0;
  bool aborted = false;           ///< the response broke after its head
  const void* metrics = nullptr;  ///< the handler's own: what finished() counts on; lives in `pinned`
};

/// One request's surroundings. Belongs to the connection, used again for the next request.
struct RequestContext {
  explicit RequestContext(net::Worker& its_worker, const ConnectionInfo& its_connection)
      : worker(its_worker), connection(its_connection) {}

  net::Worker& worker;
  const ConnectionInfo& connection;
  net::CancelToken cancel;
  SteadyTime started{};
  std::string request_id;              ///< set by the connection before handle()
  std::string client_address;          ///< sourceIp (daemon.md, "Trust"); set by the handler
  std::string trace_parent;            ///< the traceparent to pass on; set by the handler
  std::shared_ptr<const void> pinned;  ///< keeps the snapshot that `record` points into
  RequestRecord record;

  void clear() noexcept;
};

/// Thread-safe in the sense that each worker has its own, or that it keeps no state.
class Handler {
 public:
  Handler() = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  virtual ~Handler() = default;

  /// Answers. Never fails: errors are responses. `request` and `context` stay until finished() was called.
  /// Reading `request.body` sends "100 Continue" first where the client waits for it; what is left unread is
  /// drained by the connection within its limits.
  virtual net::Awaitable<Response> handle(Request& request, RequestContext& context) = 0;
  /// A request that never reached handle(): the head was refused. Makes the answer to send before closing.
  virtual Response refuse(const Error& error, RequestContext& context) = 0;
  /// Called once for each request and refusal after the last byte went out or the connection broke.
  virtual void finished(const Request& request, RequestContext& context) noexcept = 0;
};

}  // namespace sluice::http
