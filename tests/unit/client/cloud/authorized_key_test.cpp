#include "sluice/client/cloud/authorized_key.hpp"

#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"

#include "keys.hpp"

namespace sluice::client::cloud {
namespace {

using test::key_file;
using test::pem_of;
using test::shared_rsa;

/// Verified as a verifier would that insists on a salt as long as the digest.
bool verifies(const std::string& jwt, EVP_PKEY& key, int salt) {
  const std::size_t dot = jwt.rfind('.');
  const std::string signature = base64url_decode(jwt.substr(dot + 1)).value();
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_PKEY_CTX* padding = nullptr;
  EXPECT_EQ(EVP_DigestVerifyInit(context.get(), &padding, EVP_sha256(), nullptr, &key), 1);
  EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
  EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, salt);
  EVP_PKEY_CTX_set_rsa_mgf1_md(padding, EVP_sha256());
  return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(jwt.data()), dot) == 1;
}

Json part(const std::string& jwt, int index) {
  std::size_t begin = 0;
  for (int skipped = 0; skipped < index; ++skipped) {
    begin = jwt.find('.', begin) + 1;
  }
  return parse_json(base64url_decode(jwt.substr(begin, jwt.find('.', begin) - begin)).value()).value();
}

TEST(AuthorizedKey, SignsAJwtAsTheServiceWantsIt) {
  const auto key = test::shared_key();
  const SystemTime now(std::chrono::seconds(1'800'000'000));
  const std::string jwt = key->sign_jwt(now + std::chrono::milliseconds(999)).value();
  EXPECT_EQ(part(jwt, 0), (Json{{"typ", "JWT"}, {"alg", "PS256"}, {"kid", "ajekey1"}}));
  EXPECT_EQ(part(jwt, 1), (Json{{"iss", "ajeaccount1"},
                                {"aud", "https://iam.api.cloud.yandex.net/iam/v1/tokens"},
                                {"iat", 1'800'000'000},
                                {"exp", 1'800'003'600}}));
  EXPECT_TRUE(verifies(jwt, *shared_rsa(), 32));
  EXPECT_FALSE(verifies(jwt, *shared_rsa(), 222));  // OpenSSL's own default for signing
}

TEST(AuthorizedKey, TextBeforeThePemIsSkipped) {
  const std::string pem =
      "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajekey1>\n" + pem_of(*shared_rsa());
  const auto key = AuthorizedKey::parse(dump_json(key_file(pem)));
  ASSERT_TRUE(key.has_value()) << key.error().detail;
  EXPECT_TRUE((*key)->same_as(*test::shared_key()));
}

TEST(AuthorizedKey, OtherKeysDiffer) {
  const auto key = AuthorizedKey::parse(dump_json(key_file(pem_of(*test::make_rsa())))).value();
  EXPECT_FALSE(key->same_as(*test::shared_key()));
  const auto renamed = AuthorizedKey::parse(dump_json(key_file(pem_of(*shared_rsa()), "other"))).value();
  EXPECT_FALSE(renamed->same_as(*test::shared_key()));
}

std::string mistake(const std::string& text) {
  const auto key = AuthorizedKey::parse(text);
  if (key.has_value()) {
    return "(none)";
  }
  EXPECT_EQ(key.error().source, ErrorSource::config);
  return key.error().detail;
}

TEST(AuthorizedKey, FilesThatAreNone) {
  EXPECT_EQ(mistake(""), "it is no JSON object");
  EXPECT_EQ(mistake("[]"), "it is no JSON object");
  EXPECT_EQ(mistake("-----BEGIN PRIVATE KEY-----"), "it is no JSON object");
  EXPECT_EQ(mistake("{}"), "`id` is missing");
  EXPECT_EQ(mistake(R"({"id": 1})"), "`id` must be a text");
  EXPECT_EQ(mistake(R"({"id": "a"})"), "`service_account_id` is missing");
  EXPECT_EQ(mistake(R"({"id": "a", "user_account_id": "u"})"),
            "it is the key of a user account, not of a service account");
  EXPECT_EQ(mistake(R"({"id": "a", "service_account_id": "b"})"), "`private_key` is missing");
  EXPECT_EQ(mistake(dump_json(key_file("secret"))),
            "`private_key` holds no PEM (no line \"-----BEGIN PRIVATE KEY-----\")");
  std::string pem = pem_of(*shared_rsa());
  EXPECT_EQ(mistake(dump_json(key_file(pem.substr(0, pem.size() / 2)))),
            "`private_key` cannot be read: its PEM is damaged, encrypted or no private key");
  pem.replace(pem.size() / 2, 8, "AAAAAAAA");
  EXPECT_EQ(mistake(dump_json(key_file(pem))).find("MII"), std::string::npos);
  EXPECT_EQ(mistake(dump_json(key_file(pem_of(*test::make_rsa(1024))))),
            "`private_key` has 1024 bits; at least 2048 are needed");
  const test::PublicKey curve(EVP_EC_gen("P-256"), EVP_PKEY_free);
  EXPECT_EQ(mistake(dump_json(key_file(pem_of(*curve)))), "`private_key` is no RSA key");
  EXPECT_EQ(mistake(std::string(100'000, '[')), "it is no JSON object");
}

}  // namespace
}  // namespace sluice::client::cloud
