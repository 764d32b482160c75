// service_accounts and services.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_fixture.hpp"
#include "unit/client/cloud/keys.hpp"

namespace sluice::server {
namespace {

using client::cloud::TokenSource;
using client::cloud::test::key_file;
using client::cloud::test::pem_of;
using client::cloud::test::shared_rsa;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view gateway = "gateways: [{spec: a.yaml}]\n";

struct Accounts : ConfigText {
  explicit Accounts(const std::string& accounts, const std::string& more = {}) {
    files["dir/good.json"] = dump_json(key_file(pem_of(*shared_rsa())));
    text_ = std::string(gateway) + "service_accounts:\n" + accounts + "\n" + more;
  }
  Config load() { return ConfigText::load(text_); }

 private:
  std::string text_;
};

TEST(ConfigAccounts, TheWaysToATokenAndTheirOrder) {
  Accounts source(
      "  ajeaccount1: {authorized_key: good.json, token: t1.x, metadata: true, static_key: {id: i, secret: "
      "s}}\n"
      "  b: {token: t1.x, metadata: true}\n"
      "  c: {token: t1.x, metadata: true, prefer: metadata}\n"
      "  d: {token: t1.x, static_key: {id: i, secret: s}, prefer: static_key}\n"
      "  e: {static_key: {id: i, secret: s}}\n"
      "  f: {metadata: true}\n");
  const Config config = source.load();
  EXPECT_EQ(source.text(), "");
  const auto& accounts = config.service_accounts;
  ASSERT_EQ(accounts.size(), 6U);
  EXPECT_EQ(accounts[0].source, TokenSource::authorized_key);
  EXPECT_EQ(accounts[0].key->id(), "ajekey1");
  EXPECT_FALSE(accounts[0].prefer_static_key);
  EXPECT_EQ(accounts[1].source, TokenSource::token);
  EXPECT_EQ(accounts[2].source, TokenSource::metadata);
  EXPECT_EQ(accounts[3].source, TokenSource::token);
  EXPECT_TRUE(accounts[3].prefer_static_key);
  EXPECT_EQ(accounts[4].source, TokenSource::none);
  EXPECT_EQ(accounts[5].source, TokenSource::metadata);
  EXPECT_THAT(config.files, ::testing::Contains("dir/good.json"));
}

TEST(ConfigAccounts, AKeyThatIsNoneIsAMistakeWithItsPlace) {
  Accounts source(
      "  a: {authorized_key: missing.json}\n"
      "  b: {authorized_key: text.json}\n"
      "  c: {authorized_key: damaged.json}\n");
  source.files["dir/text.json"] = "api-key: hush-hush";
  source.files["dir/damaged.json"] = dump_json(key_file("-----BEGIN PRIVATE KEY-----\nhush-hush\n"));
  source.load();
  EXPECT_EQ(source.rules(), "3:bad-key 4:bad-key 5:bad-key") << source.text();
  EXPECT_THAT(source.text(), HasSubstr("dir/missing.json cannot be read"));
  EXPECT_THAT(source.text(), HasSubstr("dir/text.json is no authorized key: it is no JSON object"));
  EXPECT_THAT(source.text(), HasSubstr("dir/damaged.json is no authorized key: `private_key`"));
  EXPECT_THAT(source.text(), Not(HasSubstr("hush")));
}

TEST(ConfigAccounts, Mistakes) {
  Accounts source(
      "  a: {}\n"
      "  b: {metadata: false}\n"
      "  c: {static_key: {id: only}}\n"
      "  d: {static_key: {id: \"a/b\", secret: s}}\n"
      "  e: {static_key: {id: a, secret: \"two words\"}}\n"
      "  f: {token: \"line\\nfeed\"}\n"
      "  g: {token: \"\"}\n"
      "  h: {token: t1.x, prefer: static_key}\n"
      "  i: {metadata: true, prefer: whatever}\n"
      "  j: {metadata: true, region: x}\n"
      "  k: text\n");
  source.load();
  EXPECT_EQ(source.rules(),
            "10:conflicting-keys 11:unknown-value 12:unknown-key 13:wrong-type 3:missing-key 4:missing-key "
            "5:missing-key 6:bad-key 7:bad-key 8:bad-key 9:bad-key")
      << source.text();
}

TEST(ConfigAccounts, AKeyOfAnotherAccountIsAWarning) {
  Accounts source("  ajeother: {authorized_key: good.json}\n");
  source.load();
  EXPECT_EQ(source.rules(), "3:other-account");
  EXPECT_EQ(source.diagnostics.error_count(), 0U);
}

TEST(ConfigAccounts, WhoNamesAnAccountThatIsNotThere) {
  Accounts source("  a: {static_key: {id: i, secret: s}}\n",
                  "functions: {f: {url: \"http://h/\", service_account: b}}\n"
                  "containers: {c: {url: \"http://h/\", service_account: a}}\n");
  source.load();
  EXPECT_THAT(source.text(), HasSubstr("the service account b is not configured"));
  EXPECT_EQ(source.diagnostics.error_count(), 1U) << source.text();

  Accounts static_only("  a: {static_key: {id: i, secret: s}}\n",
                       "containers: {c: {url: \"http://h/\", service_account: a}}\n");
  static_only.load();
  EXPECT_THAT(static_only.text(), HasSubstr("has a static key only"));
}

TEST(ConfigServices, EndpointsAndTheirPaths) {
  ConfigText source;
  const Config config = source.load(std::string(gateway) + R"yaml(
services:
  cloud_functions: {endpoint: "http://127.0.0.1:9/base"}
  object_storage: {endpoint: "http://127.0.0.1:8", region: eu-west-1}
  serverless_containers: {endpoint: "http://{id}.c.example:81/x"}
  iam: {endpoint: "http://127.0.0.1:7"}
  metadata: {endpoint: "http://127.0.0.1:6/whole/path"}
)yaml");
  EXPECT_EQ(source.text(), "");
  const client::cloud::Endpoints& services = config.services;
  EXPECT_EQ(services.function("d4e/1").path_and_query, "/base/d4e%2F1");
  EXPECT_EQ(services.object_storage.region, "eu-west-1");
  EXPECT_EQ(services.cloud_functions.region, "ru-central1");
  EXPECT_EQ(services.iam.url.path_and_query, "/iam/v1/tokens");
  EXPECT_EQ(services.metadata.url.path_and_query, "/whole/path");
  const auto container = services.container("bbaX");
  EXPECT_EQ(container->url.origin.host, "bbax.c.example");
  EXPECT_EQ(container->url.path_and_query, "/x");
  EXPECT_EQ(container->host, "bbax.c.example:81");
  EXPECT_FALSE(services.container("a.b").has_value());
  EXPECT_FALSE(services.container("").has_value());
  EXPECT_FALSE(services.container("a/../b").has_value());
}

TEST(ConfigServices, Defaults) {
  ConfigText source;
  const client::cloud::Endpoints services = source.load(gateway).services;
  EXPECT_EQ(services.function("d4e").authority, "functions.yandexcloud.net");
  EXPECT_EQ(services.function("d4e").path_and_query, "/d4e");
  EXPECT_EQ(services.container("bba")->host, "bba.containers.yandexcloud.net");
  EXPECT_EQ(services.metadata.url.authority, "169.254.169.254");
  EXPECT_EQ(services.iam.url.authority, "iam.api.cloud.yandex.net");
}

TEST(ConfigServices, AContainersEndpointWithoutItsId) {
  ConfigText source;
  const Config config = source.load(
      std::string(gateway) + "services: {serverless_containers: {endpoint: \"http://127.0.0.1:9\"}}\n");
  const auto container = config.services.container("bba");
  EXPECT_EQ(container->url.authority, "127.0.0.1:9");
  EXPECT_EQ(container->host, "bba.containers.yandexcloud.net");
}

TEST(ConfigServices, TheEnvironmentMovesTheMetadataService) {
  ConfigText source;
  source.environment["YC_METADATA_ADDR"] = "127.0.0.1:41503/secret";
  const Config config = source.load(gateway);
  EXPECT_EQ(config.services.metadata.url.authority, "127.0.0.1:41503");
  EXPECT_EQ(config.services.metadata.url.path_and_query,
            "/secret/computeMetadata/v1/instance/service-accounts/default/token");
  ConfigText bad;
  bad.environment["YC_METADATA_ADDR"] = "not an address";
  EXPECT_EQ(bad.load(gateway).services.metadata.url.authority, "169.254.169.254");
  EXPECT_EQ(bad.diagnostics.error_count(), 0U);
  EXPECT_NE(bad.text(), "");
}

TEST(ConfigServices, Mistakes) {
  ConfigText source;
  source.load(std::string(gateway) + R"yaml(services:
  cloud_functions: {endpoint: "ftp://x"}
  object_storage: {endpoint: "http://x/?a=b", region: "RU central"}
  serverless_containers: {endpoint: "{id}", region: x}
  unknown_service: {}
  iam: {url: "http://x"}
)yaml");
  EXPECT_EQ(source.rules(),
            "3:bad-url 4:bad-region 4:bad-url 5:bad-url 5:conflicting-keys 6:unknown-key 7:unknown-key")
      << source.text();
}

}  // namespace
}  // namespace sluice::server
