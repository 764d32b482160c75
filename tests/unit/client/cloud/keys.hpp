/// Key files of service accounts, made for the test.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "sluice/base/json.hpp"
#include "sluice/client/cloud/authorized_key.hpp"

namespace sluice::client::cloud::test {

using PublicKey = std::shared_ptr<EVP_PKEY>;

inline PublicKey make_rsa(unsigned bits = 2048) {
  return {EVP_RSA_gen(bits), EVP_PKEY_free};
}

inline std::string pem_of(EVP_PKEY& key) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> memory(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_PrivateKey(memory.get(), &key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

/// One key for all tests of a program: making one takes a tenth of a second.
inline const PublicKey& shared_rsa() {
  static const PublicKey key = make_rsa();
  return key;
}

inline Json key_file(const std::string& pem, const std::string& id = "ajekey1") {
  return {{"id", id},
          {"service_account_id", "ajeaccount1"},
          {"created_at", "2027-01-04T10:00:00Z"},
          {"key_algorithm", "RSA_2048"},
          {"public_key", "-----BEGIN PUBLIC KEY-----\n…"},
          {"private_key", pem}};
}

inline std::shared_ptr<const AuthorizedKey> shared_key() {
  return AuthorizedKey::parse(dump_json(key_file(pem_of(*shared_rsa())))).value();
}

}  // namespace sluice::client::cloud::test
