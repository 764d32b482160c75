#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "sluice/base/codec.hpp"

#include "tls_internal.hpp"

namespace sluice::net {
namespace {

constexpr std::size_t most_pem_bytes = std::size_t{4} << 20U;

Result<std::string> read_pem_file(const std::string& path, std::string_view what) {
  const std::string named = std::string(what) + " '" + path + "'";
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) {
    return config_error(named + " cannot be read: " + std::strerror(errno));
  }
  if (!S_ISREG(about.st_mode)) {
    return config_error(named + " is no file");
  }
  if (static_cast<std::size_t>(about.st_size) > most_pem_bytes) {
    return config_error(named + " is too large for a PEM file");
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return config_error(named + " cannot be read: " + std::strerror(errno));
  }
  return std::move(text).str();
}

OpensslPtr<BIO> memory_bio(std::string_view text) {
  return OpensslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// The certificate is not asked for a pass phrase: there is nobody to ask.
int no_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

SystemTime to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return {};
  }
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  auto* all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS) {
      const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
      names.push_back(to_lower({text, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}));
    }
  }
  GENERAL_NAMES_free(all);
  return names;
}

}  // namespace

std::string take_openssl_error(std::string_view otherwise) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) {
    return std::string(otherwise);
  }
  if (const char* reason = ERR_reason_error_string(code); reason != nullptr) {
    return reason;
  }
  if (ERR_SYSTEM_ERROR(code) != 0) {
    return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
  }
  return std::string(otherwise);
}

Result<std::shared_ptr<const TlsCertificate>> TlsCertificate::load(const std::string& certificate_file,
                                                                   const std::string& private_key_file) {
  Result<std::string> certificate = read_pem_file(certificate_file, "certificate");
  if (!certificate) {
    return certificate.error();
  }
  Result<std::string> key = read_pem_file(private_key_file, "private key");
  if (!key) {
    return key.error();
  }
  Result<std::shared_ptr<const TlsCertificate>> loaded = from_pem(*certificate, *key, certificate_file);
  OPENSSL_cleanse(key->data(), key->size());
  if (!loaded && loaded.error().detail.starts_with("private key")) {
    Error error = loaded.error();
    error.detail += " (" + private_key_file + ")";
    return error;
  }
  return loaded;
}

Result<std::shared_ptr<const TlsCertificate>> TlsCertificate::from_pem(std::string_view certificate,
                                                                       std::string_view private_key,
                                                                       const std::string& name) {
  ERR_clear_error();
  auto loaded = std::make_shared<LoadedCertificate>();
  loaded->name_ = name;
  const OpensslPtr<BIO> text = memory_bio(certificate);
  loaded->certificate_.reset(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  if (loaded->certificate_ == nullptr) {
    ERR_clear_error();
    return config_error("certificate '" + name + "' holds no PEM certificate (-----BEGIN CERTIFICATE-----)");
  }
  loaded->chain_.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    sk_X509_push(loaded->chain_.get(), next);
  }
  const unsigned long end = ERR_peek_last_error();
  if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE) {
    return config_error("certificate '" + name + "': the chain's certificate " +
                        std::to_string(sk_X509_num(loaded->chain_.get()) + 2) +
                        " is broken: " + take_openssl_error());
  }
  ERR_clear_error();

  const OpensslPtr<BIO> key_text = memory_bio(private_key);
  bool asked = false;
  loaded->key_.reset(PEM_read_bio_PrivateKey(key_text.get(), nullptr, &no_pass_phrase, &asked));
  if (loaded->key_ == nullptr) {
    ERR_clear_error();
    return config_error(asked ? "private key of '" + name +
                                    "' is encrypted; store it without a pass phrase "
                                    "(openssl pkey -in KEY -out PLAIN)"
                              : "private key of '" + name +
                                    "' is no PEM private key (-----BEGIN PRIVATE KEY-----)");
  }
  if (X509_check_private_key(loaded->certificate_.get(), loaded->key_.get()) != 1) {
    ERR_clear_error();
    return config_error("private key does not belong to the certificate '" + name + "'");
  }
  loaded->not_before_ = to_time(X509_get0_notBefore(loaded->certificate_.get()));
  loaded->not_after_ = to_time(X509_get0_notAfter(loaded->certificate_.get()));
  loaded->dns_names_ = names_of(loaded->certificate_.get());
  ERR_clear_error();
  return std::shared_ptr<const TlsCertificate>(std::move(loaded));
}

Result<void> LoadedCertificate::use_in(SSL_CTX* context) const {
  ERR_clear_error();
  if (SSL_CTX_use_certificate(context, certificate_.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key_.get()) != 1 || SSL_CTX_set1_chain(context, chain_.get()) != 1) {
    return config_error("certificate '" + name_ + "' cannot be used: " + take_openssl_error());
  }
  return {};
}

}  // namespace sluice::net
