// Certificates for tests, made by OpenSSL when they are needed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace sluice::testing_support {

/// A certificate (with its chain) and its key, as PEM text.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

/// An authority that signs for names; its own certificate is `pem()`.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "Test CA") : key_(EVP_EC_gen("P-256")) {
    certificate_.reset(make(name, key_.get(), {}, true));
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
  }

  /// `names`: DNS names; entries that start with "IP:" are addresses. `key_bits` > 0: RSA of that size.
  [[nodiscard]] TestCertificate issue(const std::vector<std::string>& names, int key_bits = 0,
                                      long days = 30) const {
    const Key key(key_bits > 0 ? EVP_RSA_gen(static_cast<unsigned>(key_bits)) : EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, Free> certificate(
        make(names.empty() ? "none" : names.front(), key.get(), names, false, days));
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
    X509_sign(certificate.get(), key_.get(), EVP_sha256());
    return {to_pem(certificate.get()), to_pem(key.get())};
  }
  [[nodiscard]] std::string pem() const { return to_pem(certificate_.get()); }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(BIO* bio) const { BIO_free_all(bio); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;

  static X509* make(const std::string& name, EVP_PKEY* key, const std::vector<std::string>& names,
                    bool authority, long days = 30) {
    X509* certificate = X509_new();
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L * 60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400 * days);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    add_extension(certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
    std::string alternative;
    for (const std::string& item : names) {
      alternative += (alternative.empty() ? "" : ",") + (item.starts_with("IP:") ? item : "DNS:" + item);
    }
    if (!alternative.empty()) {
      add_extension(certificate, NID_subject_alt_name, alternative);
    }
    return certificate;
  }
  static void add_extension(X509* certificate, int id, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
  }
  static std::string to_pem(X509* certificate) {
    const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return text_of(bio.get());
  }
  static std::string to_pem(EVP_PKEY* key) {
    const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio.get());
  }

  Key key_;
  std::unique_ptr<X509, Free> certificate_;
};

}  // namespace sluice::testing_support
