// What the TLS contexts and the TLS stream share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/net/tls.hpp"

#include "openssl.hpp"

namespace sluice::net {

class LoadedCertificate final : public TlsCertificate {
 public:
  [[nodiscard]] SystemTime not_before() const noexcept override { return not_before_; }
  [[nodiscard]] SystemTime not_after() const noexcept override { return not_after_; }
  [[nodiscard]] const std::vector<std::string>& dns_names() const noexcept override { return dns_names_; }

  /// Puts chain and key into a context. Errors: what OpenSSL's security level refuses (keys that are too
  /// small).
  [[nodiscard]] Result<void> use_in(SSL_CTX* context) const;

 private:
  friend class TlsCertificate;
  OpensslPtr<X509> certificate_;
  OpensslPtr<STACK_OF(X509)> chain_;
  OpensslPtr<EVP_PKEY> key_;
  SystemTime not_before_;
  SystemTime not_after_;
  std::vector<std::string> dns_names_;
  std::string name_;
};

class ServerContext final : public TlsServerContext {
 public:
  struct Entry {
    TlsIdentity identity;
    OpensslPtr<SSL_CTX> context;
  };
  static Result<std::shared_ptr<const TlsServerContext>> make(std::vector<TlsIdentity> identities,
                                                              const std::vector<std::string>& alpn);

  [[nodiscard]] const TlsIdentity& find(std::string_view server_name) const noexcept override {
    return entry(server_name).identity;
  }
  [[nodiscard]] const Entry& entry(std::string_view server_name) const noexcept;
  /// The entry whose context a connection ended up with.
  [[nodiscard]] const Entry& entry_of(const SSL* ssl) const noexcept;
  [[nodiscard]] SSL_CTX* initial() const noexcept { return entries_.front()->context.get(); }

 private:
  static int on_server_name(SSL* ssl, int* alert, void* argument);
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                     unsigned in_size, void* argument);

  std::vector<std::unique_ptr<Entry>> entries_;
  std::map<std::string, const Entry*, std::less<>> exact_;
  std::map<std::string, const Entry*, std::less<>> wildcard_;  ///< by the part behind the '*'
  std::string alpn_;                                           ///< wire format
};

class ClientContext final : public TlsClientContext {
 public:
  static Result<std::shared_ptr<const TlsClientContext>> make(const TlsClientOptions& options);

  [[nodiscard]] SSL_CTX* get() const noexcept { return context_.get(); }
  [[nodiscard]] bool verifies() const noexcept { return verify_; }
  /// The session to resume with a host, once; nullptr: none.
  [[nodiscard]] OpensslPtr<SSL_SESSION> take_session(const std::string& host) const;
  void keep_session(const std::string& host, OpensslPtr<SSL_SESSION> session) const;

 private:
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

  OpensslPtr<SSL_CTX> context_;
  bool verify_ = true;
  mutable std::mutex mutex_;
  mutable std::map<std::string, OpensslPtr<SSL_SESSION>, std::less<>> sessions_;
};

/// Where an SSL of a client keeps a pointer to its host's name.
int client_host_index();

}  // namespace sluice::net
