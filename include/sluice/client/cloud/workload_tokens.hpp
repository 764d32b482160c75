/// IAM tokens for the processes that the daemon runs: function workers and containers with a service account
/// find them where the cloud's SDKs look, at the metadata service that YC_METADATA_ADDR names. The daemon
/// answers there on loopback, each process under a path of its own that nobody can guess:
///
///     YC_METADATA_ADDR=127.0.0.1:41503/5f0c…   (put the value in the process's environment)
///     GET http://$YC_METADATA_ADDR/computeMetadata/v1/instance/service-accounts/default/token
///     Metadata-Flavor: Google          →  {"access_token", "expires_in", "token_type": "Bearer"}
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "sluice/base/result.hpp"

namespace sluice::client::cloud {

/// Thread-safe.
class WorkloadTokens {
 public:
  WorkloadTokens() = default;
  WorkloadTokens(const WorkloadTokens&) = delete;
  WorkloadTokens& operator=(const WorkloadTokens&) = delete;
  virtual ~WorkloadTokens() = default;

  /// A new address for one process, good until it is revoked. The address is a secret: it goes into the
  /// process's environment and nowhere else. Errors: there is no endpoint (no service account is configured,
  /// or it could not listen).
  virtual Result<std::string> issue(std::string_view account) = 0;
  /// When the process has ended; an unknown address is nothing.
  virtual void revoke(std::string_view address) noexcept = 0;
};

/// Revokes at its end. Movable; the WorkloadTokens outlives it.
class WorkloadGrant {
 public:
  WorkloadGrant() = default;
  WorkloadGrant(WorkloadTokens& tokens, std::string address)
      : tokens_(&tokens), address_(std::move(address)) {}
  WorkloadGrant(WorkloadGrant&& other) noexcept
      : tokens_(std::exchange(other.tokens_, nullptr)), address_(std::move(other.address_)) {}
  WorkloadGrant& operator=(WorkloadGrant&& other) noexcept {
    if (this != &other) {
      reset();
      tokens_ = std::exchange(other.tokens_, nullptr);
      address_ = std::move(other.address_);
    }
    return *this;
  }
  ~WorkloadGrant() { reset(); }

  /// The value of YC_METADATA_ADDR; empty without a grant.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  void reset() noexcept {
    if (tokens_ != nullptr) {
      tokens_->revoke(address_);
      tokens_ = nullptr;
    }
  }

 private:
  WorkloadTokens* tokens_ = nullptr;
  std::string address_;
};

/// Has no endpoint: issue() fails. For tests and tools; lives forever.
WorkloadTokens& no_workload_tokens();

}  // namespace sluice::client::cloud
