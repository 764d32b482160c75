// Owners of OpenSSL's objects, and its errors as text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace sluice::net {

struct OpensslFree {
  void operator()(BIO* object) const noexcept { BIO_free_all(object); }
  void operator()(BIO_METHOD* object) const noexcept { BIO_meth_free(object); }
  void operator()(EVP_PKEY* object) const noexcept { EVP_PKEY_free(object); }
  void operator()(SSL* object) const noexcept { SSL_free(object); }
  void operator()(SSL_CTX* object) const noexcept { SSL_CTX_free(object); }
  void operator()(SSL_SESSION* object) const noexcept { SSL_SESSION_free(object); }
  void operator()(X509* object) const noexcept { X509_free(object); }
  void operator()(STACK_OF(X509) * object) const noexcept { sk_X509_pop_free(object, X509_free); }
};
template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

/// The oldest error of this thread's queue as text ("certificate verify failed"), which is emptied.
std::string take_openssl_error(std::string_view otherwise = "unknown error");

}  // namespace sluice::net
