#include "sluice/client/cloud/authorized_key.hpp"

#include <utility>

#include <climits>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"

namespace sluice::client::cloud {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using SigningContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD, Free<EVP_MD_free>>;

constexpr std::chrono::hours jwt_life{1};
/// RFC 7518 section 3.5.
constexpr int least_bits = 2048;
constexpr int salt_length = 32;

/// SHA-256, fetched once.
const EVP_MD* sha256_digest() {
  static const Digest digest(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return digest.get();
}

/// No key file of the cloud is encrypted, and a daemon asks nobody for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) {
  return -1;
}

class RsaAuthorizedKey final : public AuthorizedKey {
 public:
  RsaAuthorizedKey(std::string id, std::string account, Key key)
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
    const SigningContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* padding = nullptr;  // the context's
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t size = signature.size();
    if (context == nullptr ||
        EVP_DigestSignInit(context.get(), &padding, sha256_digest(), nullptr, key_.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, salt_length) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(padding, sha256_digest()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1) {
      ERR_clear_error();
      return internal_error("OpenSSL could not sign with the authorized key " + id_);
    }
    signature.resize(size);
    return text.append(".").append(base64url_encode(signature));
  }

  [[nodiscard]] bool same_as(const AuthorizedKey& other) const noexcept override {
    const auto* rsa = dynamic_cast<const RsaAuthorizedKey*>(&other);
    return rsa != nullptr && id_ == rsa->id_ && account_ == rsa->account_ &&
           EVP_PKEY_eq(key_.get(), rsa->key_.get()) == 1;
  }

 private:
  std::string id_;
  std::string account_;
  Key key_;
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

Result<Key> read_private_key(const std::string& text) {
  // The cloud's tools put a warning line before the PEM.
  const std::size_t begin = text.find("-----BEGIN ");
  if (begin == std::string::npos || text.size() > INT_MAX) {
    return config_error("`private_key` holds no PEM (no line \"-----BEGIN PRIVATE KEY-----\")");
  }
  const Bio memory(BIO_new_mem_buf(text.data() + begin, static_cast<int>(text.size() - begin)));
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr));
  // What OpenSSL says of it might quote the key.
  ERR_clear_error();
  if (key == nullptr) {
    return config_error("`private_key` cannot be read: its PEM is damaged, encrypted or no private key");
  }
  if (EVP_PKEY_is_a(key.get(), "RSA") != 1) {
    return config_error("`private_key` is no RSA key");
  }
  if (EVP_PKEY_get_bits(key.get()) < least_bits) {
    return config_error("`private_key` has " + std::to_string(EVP_PKEY_get_bits(key.get())) +
                        " bits; at least 2048 are needed");
  }
  return key;
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
  Result<Key> key = read_private_key(*pem);
  if (!key) {
    return key.error();
  }
  return std::make_shared<const RsaAuthorizedKey>(std::move(*id), std::move(*account), std::move(*key));
}

}  // namespace sluice::client::cloud
