/// The authorized key of a service account, and the JWT that is exchanged for an IAM token.
/// backends.md, "IAM tokens"; RFC 7519, RFC 7518 section 3.5 (PS256).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"

namespace sluice::client::cloud {

/// Immutable, thread-safe. The private key stays inside.
class AuthorizedKey {
 public:
  AuthorizedKey(const AuthorizedKey&) = delete;
  AuthorizedKey& operator=(const AuthorizedKey&) = delete;
  virtual ~AuthorizedKey() = default;

  /// Of the JSON that the cloud hands out: {id, service_account_id, key_algorithm, public_key, private_key};
  /// text before the PEM of the private key is skipped. Errors (config): what is missing or wrong, without
  /// anything of the key.
  static Result<std::shared_ptr<const AuthorizedKey>> parse(std::string_view json);

  [[nodiscard]] virtual const std::string& id() const noexcept = 0;
  [[nodiscard]] virtual const std::string& service_account_id() const noexcept = 0;
  /// {typ: JWT, alg: PS256, kid}, {iss, aud, iat, exp = iat + 1 h}; the salt is as long as the digest.
  /// Errors (internal): OpenSSL refused to sign.
  [[nodiscard]] virtual Result<std::string> sign_jwt(SystemTime issued_at) const = 0;
  /// Whether both are the same key of the same account.
  [[nodiscard]] virtual bool same_as(const AuthorizedKey& other) const noexcept = 0;

 protected:
  AuthorizedKey() = default;
};

/// The audience of every JWT, whatever the endpoint.
inline constexpr std::string_view iam_audience = "https://iam.api.cloud.yandex.net/iam/v1/tokens";

}  // namespace sluice::client::cloud
