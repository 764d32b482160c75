/// Getting connected: addresses raced (RFC 8305), refused connects tried again with back-off, TLS on top, all
/// within the connect timeout.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/client/http_client.hpp"
#include "sluice/net/resolver.hpp"
#include "sluice/net/stream.hpp"

namespace sluice::client {

/// The TLS of one origin. `context` is made at the first handshake and kept.
struct TlsSettings {
  UpstreamTls files;
  std::shared_ptr<void> context;
};

struct ConnectTarget {
  Origin origin;
  bool public_only = false;
  TlsSettings tls;
};

struct ConnectLimits {
  Duration connect_timeout{};
  Duration connect_retry{};
  std::optional<SteadyTime> deadline;
  net::CancelToken* cancel = nullptr;
};

/// What all connects of a client share.
struct ConnectorShared {
  net::Worker& worker;
  net::Resolver& resolver;
};

/// A connected stream, TLS done. Errors: resolve_failed, connect_failed, connect_timeout, tls_failed,
/// address_refused, deadline, cancelled; nothing was sent, so all of them may be retried but address_refused
/// and cancelled.
net::Awaitable<Result<std::unique_ptr<net::Stream>>> connect(ConnectorShared& shared, ConnectTarget& target,
                                                             ConnectLimits limits);

}  // namespace sluice::client
