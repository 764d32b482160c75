/// TLS on both sides: certificates from PEM files, the choice by server name, handshakes over a Stream.
/// TLS 1.2 (ECDHE with AEAD ciphers) and 1.3; no renegotiation, no compression. OpenSSL 3.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::net {

/// A certificate chain with its private key, loaded and checked against each other. Immutable.
class TlsCertificate {
 public:
  /// PEM files: the certificate first, then its intermediates; an unencrypted key (RSA, EC, Ed25519). Errors
  /// (config) name the file and what is wrong: unreadable, no PEM, encrypted, the key of another certificate.
  static Result<std::shared_ptr<const TlsCertificate>> load(const std::string& certificate_file,
                                                            const std::string& private_key_file);
  /// The same from text, for tests and for certificates that are made at run time; `name` for messages.
  static Result<std::shared_ptr<const TlsCertificate>> from_pem(std::string_view certificate,
                                                                std::string_view private_key,
                                                                const std::string& name);
  virtual ~TlsCertificate() = default;

  [[nodiscard]] virtual SystemTime not_before() const noexcept = 0;
  [[nodiscard]] virtual SystemTime not_after() const noexcept = 0;
  /// DNS names of the subject alternative names, lower case.
  [[nodiscard]] virtual const std::vector<std::string>& dns_names() const noexcept = 0;
};

/// For which server names a certificate is served: exact names and wildcards of one label
/// ("*.shop.example"), lower case; none: the certificate's own names.
struct TlsIdentity {
  std::string name;  ///< for logs (TlsInfo::certificate); empty: the first domain
  std::vector<std::string> domains;
  std::shared_ptr<const TlsCertificate> certificate;
};

/// What a TLS listener serves with. Immutable, shared by workers and by the connections made from it.
/// A server name picks the exact match, then the wildcard of one label (not the apex), then the first
/// identity.
class TlsServerContext {
 public:
  /// Session tickets stay valid across contexts of one process. `alpn`: what is offered, by preference.
  /// Errors (config): no identity.
  static Result<std::shared_ptr<const TlsServerContext>> make(std::vector<TlsIdentity> identities,
                                                              const std::vector<std::string>& alpn = {
                                                                  "http/1.1"});
  virtual ~TlsServerContext() = default;
  /// The identity served for a server name (any case; empty: none was sent).
  [[nodiscard]] virtual const TlsIdentity& find(std::string_view server_name) const noexcept = 0;
};

/// The current context; exchanged by a reload, taken by each new handshake. Thread-safe.
class TlsServerStore {
 public:
  [[nodiscard]] std::shared_ptr<const TlsServerContext> current() const;
  void replace(std::shared_ptr<const TlsServerContext> context);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsServerContext> context_;
};

/// The server's side of a handshake on a connected stream. Errors: tls_failed with OpenSSL's reason,
/// read_timeout, closed, io; the connection is closed then.
Awaitable<Result<std::unique_ptr<Stream>>> tls_accept(Worker& worker, std::unique_ptr<Stream> stream,
                                                      std::shared_ptr<const TlsServerContext> context,
                                                      Duration timeout);

struct TlsClientOptions {
  std::string ca_file;           ///< PEM; empty: the system's store
  std::string certificate_file;  ///< client certificate, PEM; empty: none
  std::string private_key_file;
  std::vector<std::string> alpn = {"http/1.1"};
  bool verify = true;  ///< the chain and the host name; false for tests only
};

/// What calls to upstreams are made with. Immutable but for its cache of sessions (one a host, thread-safe),
/// which saves handshakes their signatures.
class TlsClientContext {
 public:
  virtual ~TlsClientContext() = default;
};

/// Errors (config): a file that cannot be read, holds no PEM, or a key of another certificate.
Result<std::shared_ptr<const TlsClientContext>> make_client_tls_context(const TlsClientOptions& options);

/// The client's side of a handshake on a connected stream. `host` is the name or address (no brackets) that
/// the certificate must cover; names are sent as SNI. Errors: tls_failed with the reason of the verification,
/// connect_timeout, closed, io, cancelled (`cancel`); the connection is closed then.
Awaitable<Result<std::unique_ptr<Stream>>> tls_connect(Worker& worker, std::unique_ptr<Stream> stream,
                                                       std::shared_ptr<const TlsClientContext> context,
                                                       std::string host, Duration timeout,
                                                       CancelToken* cancel = nullptr);

}  // namespace sluice::net
