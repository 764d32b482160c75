#include "sluice/base/rsa_key.hpp"

#include <utility>

#include <climits>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace sluice {
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

constexpr int least_bits = 2048;
constexpr int salt_length = 32;

/// SHA-256, fetched once.
const EVP_MD* sha256_digest() {
  static const Digest digest(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return digest.get();
}

/// A daemon asks nobody for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) {
  return -1;
}

class OpensslRsaKey final : public RsaPrivateKey {
 public:
  explicit OpensslRsaKey(Key key) : key_(std::move(key)) {}

  [[nodiscard]] Result<std::string> sign_ps256(std::string_view bytes) const override {
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
                       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) != 1) {
      ERR_clear_error();
      return internal_error("OpenSSL could not sign");
    }
    signature.resize(size);
    return signature;
  }

  [[nodiscard]] bool same_as(const RsaPrivateKey& other) const noexcept override {
    const auto* rsa = dynamic_cast<const OpensslRsaKey*>(&other);
    return rsa != nullptr && EVP_PKEY_eq(key_.get(), rsa->key_.get()) == 1;
  }

 private:
  Key key_;
};

}  // namespace

Result<std::shared_ptr<const RsaPrivateKey>> RsaPrivateKey::parse(std::string_view text) {
  const std::size_t begin = text.find("-----BEGIN ");
  if (begin == std::string_view::npos || text.size() > INT_MAX) {
    return config_error("holds no PEM (no line \"-----BEGIN PRIVATE KEY-----\")");
  }
  text.remove_prefix(begin);
  const Bio memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr));
  // What OpenSSL says of it might quote the key.
  ERR_clear_error();
  if (key == nullptr) {
    return config_error("cannot be read: its PEM is damaged, encrypted or no private key");
  }
  if (EVP_PKEY_is_a(key.get(), "RSA") != 1) {
    return config_error("is no RSA key");
  }
  if (EVP_PKEY_get_bits(key.get()) < least_bits) {
    return config_error("has " + std::to_string(EVP_PKEY_get_bits(key.get())) +
                        " bits; at least 2048 are needed");
  }
  return std::make_shared<const OpensslRsaKey>(std::move(key));
}

}  // namespace sluice
