/// A private RSA key that signs. RFC 8017 section 8.1 (PSS), RFC 7518 section 3.5 (PS256).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"

namespace sluice {

/// Immutable, thread-safe.
class RsaPrivateKey {
 public:
  RsaPrivateKey() = default;
  RsaPrivateKey(const RsaPrivateKey&) = delete;
  RsaPrivateKey& operator=(const RsaPrivateKey&) = delete;
  virtual ~RsaPrivateKey() = default;

  /// The first PEM block of `text`; what stands before it is skipped. Errors (config): no PEM, no RSA key,
  /// one below 2048 bits; `detail` quotes nothing of it and reads on after the key's name ("holds no PEM …").
  static Result<std::shared_ptr<const RsaPrivateKey>> parse(std::string_view text);

  /// SHA-256, MGF1 with SHA-256, a salt of 32 bytes. Errors (internal): OpenSSL refused to sign.
  [[nodiscard]] virtual Result<std::string> sign_ps256(std::string_view bytes) const = 0;
  [[nodiscard]] virtual bool same_as(const RsaPrivateKey& other) const noexcept = 0;
};

}  // namespace sluice
