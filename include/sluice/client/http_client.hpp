/// The HTTP client of a worker: keep-alive pools an origin, names through c-ares, IPv6 and IPv4 raced, TLS
/// with verification, retries of backends.md ("Pools", "Retries").
///
/// Single-threaded: one client a worker. It must outlive its responses (their bodies hold connections).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/http/message.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/tls.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::client {

/// Where a call goes. Equal origins share a pool.
struct Origin {
  enum class Scheme : std::uint8_t { http, https, unix_socket };
  Scheme scheme = Scheme::http;
  std::string
      host;  ///< lower-case name, IPv4 text, IPv6 text without brackets; the socket's path for unix_socket
  std::uint16_t port = 80;
  bool operator==(const Origin&) const = default;
};

/// An absolute http:, https: or unix: URL. `path_and_query` is ready for the request line ("/" at least).
struct Url {
  Origin origin;
  std::string authority;  ///< as Host wants it: port left out where it is the scheme's
  std::string path_and_query;
};
/// Errors (invalid, config): another scheme, user information, a fragment, a bad host or port.
Result<Url> parse_url(std::string_view text);

/// TLS towards one origin (configuration `upstreams`). Paths are PEM files.
struct UpstreamTls {
  std::string ca_file{};           ///< empty: the system's store
  std::string certificate_file{};  ///< client certificate; empty: none
  std::string private_key_file{};
  /// Of read_files(); what clients share. Without it each client reads the files at its first handshake.
  std::shared_ptr<const net::TlsClientContext> context{};
  std::string stamp{};  ///< tells one version of the files from another

  /// Reads the files now, so that what a file becomes later counts from the next reading on. Errors (config):
  /// one that cannot be used.
  Result<void> read_files();
};

struct ClientSettings {
  Duration connect_retry = std::chrono::seconds(1);   ///< limits.connect_retry
  Duration idle_timeout = std::chrono::seconds(60);   ///< pooled connections
  std::size_t connections_per_origin = 512;           ///< a worker; more wait
  std::size_t idle_per_origin = 128;                  ///< a worker
  std::size_t header_bytes = std::size_t{64} << 10U;  ///< of a response's head
  std::size_t kept_body = std::size_t{64} << 10U;     ///< request bodies up to this may be sent again
  std::vector<std::pair<Origin, UpstreamTls>> upstreams;
};

/// One call. `headers` go as they are (hop-by-hop removed by the caller); the client adds Host where missing
/// and the framing. `body` as in a response; a BodySource is streamed with its size, or chunked.
struct ClientRequest {
  std::string method = "GET";
  Origin origin;
  std::string path_and_query = "/";
  http::Headers headers;
  http::Body body;
  /// A body that belongs to somebody else (the server connection's); used instead of `body` where set.
  http::BodySource* borrowed_body = nullptr;
};

struct CallOptions {
  Duration connect_timeout = std::chrono::seconds(5);  ///< until connected, TLS too
  Duration read_timeout = std::chrono::minutes(5);     ///< the longest silence of the upstream
  std::optional<SteadyTime> head_deadline;             ///< until the response's head; Error deadline
  net::CancelToken* cancel = nullptr;                  ///< ends the call, and the response's body later
  /// The host came from a parameter: loopback, private and link-local addresses are refused at connect
  /// (address_refused), spec.md section 3.
  bool public_addresses_only = false;
};

/// How a call went, for logs and metrics.
struct CallRecord {
  bool reused_connection = false;
  unsigned attempts = 0;
  Duration connect_time{};
  Duration head_time{};
};

class HttpClient {
 public:
  HttpClient() = default;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  virtual ~HttpClient() = default;

  /// The answer with its head read; the body is a BodySource over the connection (or bytes, where all of it
  /// came with the head). 1xx are dropped, 101 is a malformed answer here. Errors: resolve_failed,
  /// connect_failed, connect_timeout, tls_failed, read_timeout, deadline, closed, malformed, cancelled,
  /// overloaded, address_refused; or the error of reading the request's body (source: downstream).
  virtual net::Awaitable<Result<http::Response>> send(ClientRequest& request, const CallOptions& options,
                                                      CallRecord* record = nullptr) = 0;
  /// Takes new settings; pools of origins whose TLS changed are emptied as their connections come back.
  virtual void configure(ClientSettings settings) = 0;
  /// Closes idle connections.
  virtual void close_idle() noexcept = 0;
  struct PoolCounts {
    std::size_t idle = 0;
    std::size_t busy = 0;
    std::size_t waiting = 0;
    std::uint64_t opened = 0;
    std::uint64_t reused = 0;
    std::uint64_t retried = 0;
  };
  [[nodiscard]] virtual PoolCounts counts() const noexcept = 0;
};

std::unique_ptr<HttpClient> make_http_client(net::Worker& worker, ClientSettings settings);

}  // namespace sluice::client
