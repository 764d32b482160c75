/// The token endpoint of the processes that the daemon runs (client/cloud/workload_tokens.hpp): a loopback
/// listener on the control thread, on a port that the kernel picks.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/cloud/workload_tokens.hpp"
#include "sluice/http/handler.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/net/listener.hpp"

#include "control_port.hpp"

namespace sluice::server {

/// issue() and revoke() from any thread, the rest on the control thread.
class TokenServer final : public client::cloud::WorkloadTokens {
 public:
  /// Both outlive the server.
  TokenServer(net::Worker& control, client::cloud::CredentialStore& store);
  ~TokenServer() override;

  /// Opens the listener; a second call does nothing. Errors: it cannot listen.
  Result<void> open();
  void close();

  Result<std::string> issue(std::string_view account) override;
  void revoke(std::string_view address) noexcept override;

  /// The account of a secret; empty where it is nobody's.
  [[nodiscard]] std::string account_of(std::string_view secret) const;
  /// How many addresses are in force.
  [[nodiscard]] std::size_t issued() const;

 private:
  struct Grant {
    std::string secret;
    std::string account;
  };

  std::unique_ptr<http::Handler> handler_;
  http::ServerLimits limits_;
  std::unique_ptr<net::Listener> listener_;
  ControlPort port_;
  mutable std::mutex mutex_;
  std::string authority_;  ///< "127.0.0.1:PORT"; empty: not open
  /// By the digest of the secret, so that the time of a look-up tells nothing of it.
  std::map<std::string, Grant> grants_;
};

}  // namespace sluice::server
