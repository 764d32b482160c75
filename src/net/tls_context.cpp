#include <algorithm>
#include <array>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "sluice/base/codec.hpp"

#include "tls_internal.hpp"

namespace sluice::net {
namespace {

/// The keys of session tickets: one pair for the life of the process, so that a reload forgets no session,
/// and a new one twice a day, so that a key that leaks opens only what was recorded around it.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    SteadyTime made{};
  };

  static TicketKeys& instance() {
    static TicketKeys keys;
    return keys;
  }

  Key current() {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = Clock::real().steady();
    if (keys_.empty() || now - keys_.front().made > std::chrono::hours(12)) {
      keys_.insert(keys_.begin(), make(now));
      keys_.resize(std::min<std::size_t>(keys_.size(), 2));
    }
    return keys_.front();
  }

  /// Whether the name is known, and whether it is the current one's.
  bool find(const unsigned char* name, Key& out, bool& newest) {
    const std::lock_guard lock(mutex_);
    for (const Key& key : keys_) {
      if (std::equal(key.name.begin(), key.name.end(), name)) {
        out = key;
        newest = &key == keys_.data();
        return true;
      }
    }
    return false;
  }

 private:
  static Key make(SteadyTime now) {
    Key key{};
    key.made = now;
    RAND_bytes(key.name.data(), static_cast<int>(key.name.size()));
    RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size()));
    RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size()));
    return key;
  }
  std::mutex mutex_;
  std::vector<Key> keys_;
};

/// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0 no ticket or unknown key, 1 good, 2 good but make a new ticket.
int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  int encrypt) {
  static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  TicketKeys::Key key{};
  bool newest = true;
  if (encrypt != 0) {
    key = TicketKeys::instance().current();
    std::copy(key.name.begin(), key.name.end(), name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1) {
      return -1;
    }
  } else if (!TicketKeys::instance().find(name, key, newest)) {
    return 0;
  }
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters.data()) != 1 ||
      EVP_CipherInit_ex(cipher, aes, nullptr, key.cipher.data(), iv, encrypt) != 1) {
    return -1;
  }
  // TLS 1.3 clients use a ticket once.
  return newest && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

/// ALPN's wire format: each name behind its length.
std::string alpn_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire.push_back(static_cast<char>(name.size()));
    wire += name;
  }
  return wire;
}

void set_common(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Buffers go back while a connection idles; one recv() takes what there is, not a header and then a record.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
}

Result<OpensslPtr<SSL_CTX>> make_server_context(const LoadedCertificate& certificate) {
  OpensslPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  set_common(context.get());
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // sessions are in tickets
  constexpr std::array<unsigned char, 6> session_context{'s', 'l', 'u', 'i', 'c', 'e'};
  SSL_CTX_set_session_id_context(context.get(), session_context.data(),
                                 static_cast<unsigned>(session_context.size()));
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context.get(), &on_ticket_key);
  const Result<void> used = certificate.use_in(context.get());
  if (!used) {
    return used.error();
  }
  return context;
}

constexpr std::size_t most_sessions = 1000;

}  // namespace

Result<std::shared_ptr<const TlsServerContext>> TlsServerContext::make(std::vector<TlsIdentity> identities,
                                                                       const std::vector<std::string>& alpn) {
  return ServerContext::make(std::move(identities), alpn);
}

Result<std::shared_ptr<const TlsServerContext>> ServerContext::make(std::vector<TlsIdentity> identities,
                                                                    const std::vector<std::string>& alpn) {
  if (identities.empty()) {
    return config_error("a TLS listener needs at least one certificate");
  }
  auto made = std::make_shared<ServerContext>();
  made->alpn_ = alpn_wire(alpn);
  for (TlsIdentity& identity : identities) {
    const auto& certificate = static_cast<const LoadedCertificate&>(*identity.certificate);
    Result<OpensslPtr<SSL_CTX>> context = make_server_context(certificate);
    if (!context) {
      return context.error();
    }
    SSL_CTX_set_tlsext_servername_callback(context->get(), &ServerContext::on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context->get(), made.get());
    SSL_CTX_set_alpn_select_cb(context->get(), &ServerContext::on_alpn, made.get());
    auto entry = std::make_unique<Entry>();
    entry->context = std::move(*context);
    entry->identity = std::move(identity);
    if (entry->identity.domains.empty()) {
      entry->identity.domains = certificate.dns_names();
    }
    if (entry->identity.name.empty() && !entry->identity.domains.empty()) {
      entry->identity.name = entry->identity.domains.front();
    }
    for (const std::string& domain : entry->identity.domains) {
      const std::string lower = to_lower(domain);
      if (lower.starts_with("*.")) {
        made->wildcard_.emplace(lower.substr(1), entry.get());
      } else {
        made->exact_.emplace(lower, entry.get());
      }
    }
    made->entries_.push_back(std::move(entry));
  }
  return std::shared_ptr<const TlsServerContext>(std::move(made));
}

const ServerContext::Entry& ServerContext::entry(std::string_view server_name) const noexcept {
  std::string name = to_lower(server_name);
  if (name.ends_with('.')) {
    name.pop_back();
  }
  if (const auto exact = exact_.find(name); exact != exact_.end()) {
    return *exact->second;
  }
  if (const std::size_t dot = name.find('.'); dot != std::string::npos && dot > 0) {
    const auto wildcard = wildcard_.find(std::string_view(name).substr(dot));
    if (wildcard != wildcard_.end()) {
      return *wildcard->second;
    }
  }
  return *entries_.front();
}

const ServerContext::Entry& ServerContext::entry_of(const SSL* ssl) const noexcept {
  const SSL_CTX* context = SSL_get_SSL_CTX(ssl);
  for (const auto& item : entries_) {
    if (item->context.get() == context) {
      return *item;
    }
  }
  return *entries_.front();
}

int ServerContext::on_server_name(SSL* ssl, int*, void* argument) {
  const auto& self = *static_cast<const ServerContext*>(argument);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const Entry& chosen = self.entry(name == nullptr ? std::string_view() : std::string_view(name));
  if (SSL_get_SSL_CTX(ssl) != chosen.context.get()) {
    SSL_set_SSL_CTX(ssl, chosen.context.get());
  }
  return name == nullptr ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

int ServerContext::on_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                           unsigned in_size, void* argument) {
  const auto& self = *static_cast<const ServerContext*>(argument);
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(self.alpn_.data()),
                            static_cast<unsigned>(self.alpn_.size()), in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::shared_ptr<const TlsServerContext> TlsServerStore::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

void TlsServerStore::replace(std::shared_ptr<const TlsServerContext> context) {
  const std::lock_guard lock(mutex_);
  context_.swap(context);
}

int client_host_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

Result<std::shared_ptr<const TlsClientContext>> make_client_tls_context(const TlsClientOptions& options) {
  return ClientContext::make(options);
}

Result<std::shared_ptr<const TlsClientContext>> ClientContext::make(const TlsClientOptions& options) {
  ERR_clear_error();
  auto made = std::make_shared<ClientContext>();
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->context_.get();
  set_common(context);
  made->verify_ = options.verify;
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
  } else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    return config_error("CA file '" + options.ca_file + "' cannot be used: " + take_openssl_error());
  }
  if (!options.certificate_file.empty()) {
    Result<std::shared_ptr<const TlsCertificate>> certificate =
        TlsCertificate::load(options.certificate_file, options.private_key_file);
    if (!certificate) {
      return certificate.error();
    }
    const Result<void> used = static_cast<const LoadedCertificate&>(**certificate).use_in(context);
    if (!used) {
      return used.error();
    }
  }
  const std::string alpn = alpn_wire(options.alpn);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context, made.get());
  SSL_CTX_sess_set_new_cb(context, &ClientContext::on_new_session);
  return std::shared_ptr<const TlsClientContext>(std::move(made));
}

int ClientContext::on_new_session(SSL* ssl, SSL_SESSION* session) {
  const auto* self = static_cast<const ClientContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto* host = static_cast<const std::string*>(SSL_get_ex_data(ssl, client_host_index()));
  if (host == nullptr) {
    return 0;
  }
  self->keep_session(*host, OpensslPtr<SSL_SESSION>(session));
  return 1;  // the session is ours now
}

OpensslPtr<SSL_SESSION> ClientContext::take_session(const std::string& host) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(host);
  if (found == sessions_.end()) {
    return nullptr;
  }
  OpensslPtr<SSL_SESSION> session = std::move(found->second);
  sessions_.erase(found);
  return session;
}

void ClientContext::keep_session(const std::string& host, OpensslPtr<SSL_SESSION> session) const {
  const std::lock_guard lock(mutex_);
  if (sessions_.size() < most_sessions || sessions_.contains(host)) {
    sessions_[host] = std::move(session);
  }
}

}  // namespace sluice::net
