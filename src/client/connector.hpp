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
#include "sluice/net/tls.hpp"

namespace sluice::client {

/// The TLS of one origin.
struct TlsSettings {
  UpstreamTls files;
  /// Tells one version of the files from another.
  std::string stamp;
  /// Made at the first handshake, kept.
  std::shared_ptr<const net::TlsClientContext> context;
};
TlsSettings make_tls_settings(UpstreamTls files);
bool same_tls(const TlsSettings& left, const TlsSettings& right) noexcept;

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
  /// For all origins without TLS files of their own: the system's store is read once.
  std::shared_ptr<const net::TlsClientContext> default_tls = nullptr;
};

/// A connected stream, TLS done. Errors: resolve_failed, connect_failed, connect_timeout, tls_failed,
/// address_refused, deadline, cancelled; nothing was sent, so all of them may be retried but address_refused
/// and cancelled.
net::Awaitable<Result<std::unique_ptr<net::Stream>>> connect(ConnectorShared& shared, ConnectTarget& target,
                                                             ConnectLimits limits);

}  // namespace sluice::client
