#include "sluice/client/cloud/authorized_key.hpp"

#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/base/rsa_key.hpp"

namespace sluice::client::cloud {
namespace {

constexpr std::chrono::hours jwt_life{1};

class RsaAuthorizedKey final : public AuthorizedKey {
 public:
  RsaAuthorizedKey(std::string id, std::string account, std::shared_ptr<const RsaPrivateKey> key)
      : id_(std::move(id)), account_(std::move(account)), key_(std::move(key)) {}

  [[nodiscard]] const std::string& id() const noexcept override { return id_; }
  [[nodiscard]] const std::string& service_account_id() const noexcept override { return account_; }

  [[nodiscard]] Result<std::string> sign_jwt(SystemTime issued_at) const override {
    const std::int64_t now =
        std::chrono::duration_cast<std::chrono::seconds>(issued_at.time_since_epoch()).count();
    const std::int64_t end = now + std::chrono::seconds(jwt_life).count();
    const OrderedJson header = {{"typ", "JWT"}, {"alg", "PS256"}, {"kid", id_}};
    const OrderedJson claims = {{"iss", account_}, {"aud", iam_audience}, {"iat", now}, {"exp", end}};
    std::string text = base64url_encode(dump_json(header)) + "." + base64url_encode(dump_json(claims));
    const Result<std::string> signature = key_->sign_ps256(text);
    if (!signature) {
      return internal_error(signature.error().detail + " with the authorized key " + id_);
    }
    return text.append(".").append(base64url_encode(*signature));
  }

  [[nodiscard]] bool same_as(const AuthorizedKey& other) const noexcept override {
    const auto* rsa = dynamic_cast<const RsaAuthorizedKey*>(&other);
    return rsa != nullptr && id_ == rsa->id_ && account_ == rsa->account_ && key_->same_as(*rsa->key_);
  }

 private:
  std::string id_;
  std::string account_;
  std::shared_ptr<const RsaPrivateKey> key_;
};

Result<std::string> text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return config_error(std::string("`") + name + "` is missing");
  }
  if (!found->is_string() || found->get_ref<const std::string&>().empty()) {
    return config_error(std::string("`") + name + "` must be a text");
  }
  return found->get<std::string>();
}

}  // namespace

Result<std::shared_ptr<const AuthorizedKey>> AuthorizedKey::parse(std::string_view json) {
  constexpr std::size_t most = std::size_t{64} << 10U;
  const Result<Json> parsed = parse_json(json, {most, 16});
  if (!parsed || !parsed->is_object()) {
    return config_error("it is no JSON object");
  }
  if (parsed->contains("user_account_id") && !parsed->contains("service_account_id")) {
    return config_error("it is the key of a user account, not of a service account");
  }
  if (parsed->contains("access_key") && parsed->contains("secret")) {
    return config_error("it is a static access key, whose `key_id` and `secret` go under `static_key`");
  }
  Result<std::string> id = text_member(*parsed, "id");
  if (!id) {
    return id.error();
  }
  Result<std::string> account = text_member(*parsed, "service_account_id");
  if (!account) {
    return account.error();
  }
  const Result<std::string> pem = text_member(*parsed, "private_key");
  if (!pem) {
    return pem.error();
  }
  // The cloud's tools put a warning line before the PEM.
  auto key = RsaPrivateKey::parse(*pem);
  if (!key) {
    return config_error("`private_key` " + key.error().detail);
  }
  return std::make_shared<const RsaAuthorizedKey>(std::move(*id), std::move(*account), std::move(*key));
}

}  // namespace sluice::client::cloud
