// What stands where no service account is configured.
#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/cloud/workload_tokens.hpp"

#include "client/cloud/errors.hpp"

namespace sluice::client::cloud {
namespace {

class NoCredentials final : public Credentials {
 public:
  net::Awaitable<Result<IamToken>> iam_token(std::string_view account, std::optional<SteadyTime> /*deadline*/,
                                             net::CancelToken* /*cancel*/) override {
    co_return unknown_account(account);
  }
  std::optional<IamToken> cached_token(std::string_view /*account*/) override { return std::nullopt; }
  void refuse_token(std::string_view /*account*/, std::string_view /*refused*/) override {}
  const StaticKey* static_key(std::string_view /*account*/) override { return nullptr; }
  bool prefers_static_key(std::string_view /*account*/) override { return false; }
};

class NoWorkloadTokens final : public WorkloadTokens {
 public:
  Result<std::string> issue(std::string_view account) override {
    return config_error("the service account " + std::string(account) +
                        " is not configured: there is no token endpoint");
  }
  void revoke(std::string_view /*address*/) noexcept override {}
};

}  // namespace

net::Awaitable<Result<std::string>> Credentials::token(std::string_view account,
                                                       std::optional<SteadyTime> deadline,
                                                       net::CancelToken* cancel) {
  Result<IamToken> got = co_await iam_token(account, deadline, cancel);
  if (!got) {
    co_return std::move(got).error();
  }
  co_return std::move(got->value);
}

Error unavailable(std::string detail) {
  Error error;
  error.code = ErrorCode::not_found;
  error.source = ErrorSource::config;
  error.slug = "credentials_unavailable";
  error.status = 502;
  error.message = "The gateway has no valid credentials for this call";
  error.detail = std::move(detail);
  return error;
}

Error unknown_account(std::string_view account) {
  return unavailable("the service account " + std::string(account) +
                     " is not configured: add it under service_accounts");
}

Credentials& no_credentials() {
  static NoCredentials none;
  return none;
}

WorkloadTokens& no_workload_tokens() {
  static NoWorkloadTokens none;
  return none;
}

}  // namespace sluice::client::cloud
