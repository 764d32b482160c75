#include "sluice/server/config.hpp"

#include <gtest/gtest.h>

#include "sluice/base/secrets.hpp"

#include "unit/client/cloud/keys.hpp"
#include "unit/server/config_fixture.hpp"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The contract's example, all of it.
constexpr std::string_view everything = R"yaml(
listen:
  - {address: 0.0.0.0, port: 80}
  - {unix: /run/sluice/http.sock}
  - {address: 0.0.0.0, port: 443, tls: true, proxy_protocol: false}
workers: auto
profile: open
service_domain: gw.example
trusted_proxies: [10.0.0.0/8, unix]
watch: false
gateways:
  - id: shop
    spec: shop.yaml
    domains: [api.shop.example, "*.shop.example"]
    variables: {environment: prod}
    canary: {weight: 5, variables: {environment: testing}}
    timeout: 300s
certificates:
  - {domains: [api.shop.example], certificate: tls/shop.pem, private_key: tls/shop.key}
  - {domains: [www.shop.example], acme: true}
acme: {directory: "https://acme.example/dir", email: ops@shop.example, storage: /var/lib/sluice/acme}
service_accounts:
  ajeEXAMPLE1: {authorized_key: keys/sa1.json}
  ajeEXAMPLE2: {static_key: {id: "${env:KEY_ID}", secret: "${file:/run/secrets/key}"}}
  ajeEXAMPLE3: {metadata: true}
  ajeEXAMPLE4: {token: "${env:IAM_TOKEN}"}
services:
  cloud_functions: {endpoint: "https://functions.yandexcloud.net"}
  object_storage:  {endpoint: "https://storage.yandexcloud.net", region: ru-central1}
functions:
  d4eEXAMPLE1: {url: "http://127.0.0.1:9000/"}
  d4eEXAMPLE2: {runtime: nodejs, handler: index.handler, directory: fn, env: {K: v}, timeout: 3s, memory: 128MiB, workers: 2, service_account: ajeEXAMPLE1}
containers:
  bbaEXAMPLE1: {url: "http://127.0.0.1:9001"}
  bbaEXAMPLE2: {command: [python3, app.py], directory: app, env: {K: v}, service_account: ajeEXAMPLE1}
buckets:   {site: {directory: site}}
queues:
  "https://message-queue.api.cloud.yandex.net/b1g/dj6/orders":
    file: data.db
    trigger: {function: d4eEXAMPLE2, batch_size: 10, wait: 1s, visibility_timeout: 30s, max_receives: 5, dead_letter: "https://x/failed"}
streams:   {/ru-central1/b1g/etn/clicks: {file: data.db}}
databases: {/ru-central1/b1g/etn: {file: data.db, tables: {movie: {key: [id]}}}}
upstreams: [{origin: "https://pay.example", ca: ca.pem, certificate: me.pem, private_key: me.key}]
security_profiles: {strict: {deny: [192.0.2.0/24], rules: []}}
cluster:   {redis: {url: "redis://127.0.0.1:6379"}}
admin: {address: 127.0.0.1, port: 9901}
websocket_api: {address: 127.0.0.1, port: 9902, tokens: ["${env:WS_TOKEN}"]}
log: {level: info, format: json, access: true, output: stderr}
compression: {types: [application/json], min_size: 1KiB}
limits: {}
)yaml";

ConfigText with_secrets() {
  ConfigText source;
  source.environment = {
      {"KEY_ID", "key-id-0001"}, {"IAM_TOKEN", "t1.token-0001"}, {"WS_TOKEN", "ws-token-0001"}};
  source.files["/run/secrets/key"] = "key-secret-0001\n";
  Json key = client::cloud::test::key_file(client::cloud::test::pem_of(*client::cloud::test::shared_rsa()));
  key["service_account_id"] = "ajeEXAMPLE1";
  source.files["dir/keys/sa1.json"] = dump_json(key);
  return source;
}

TEST(Config, TheContractsExampleIsRead) {
  ConfigText source = with_secrets();
  const Config config = source.load(everything);
  EXPECT_EQ(source.diagnostics.error_count(), 0U) << source.text();
  ASSERT_EQ(config.listeners.size(), 3U);
  EXPECT_EQ(config.listeners[0].name(), "0.0.0.0:80");
  EXPECT_EQ(config.listeners[1].name(), "unix:/run/sluice/http.sock");
  EXPECT_TRUE(config.listeners[2].tls);
  EXPECT_EQ(config.workers, 0U);
  EXPECT_EQ(config.service_domain, "gw.example");
  EXPECT_TRUE(config.trust_unix);
  EXPECT_TRUE(config.trusted_proxies.contains(boost::asio::ip::make_address("10.1.2.3")));
  EXPECT_FALSE(config.trusted_proxies.contains(boost::asio::ip::make_address("127.0.0.1")));
  ASSERT_EQ(config.gateways.size(), 1U);
  EXPECT_EQ(config.gateways[0].spec, "dir/shop.yaml");
  EXPECT_EQ(config.gateways[0].domains, (std::vector<std::string>{"api.shop.example", "*.shop.example"}));
  EXPECT_EQ(config.gateways[0].variables.at("environment"), "prod");
  EXPECT_EQ(config.gateways[0].timeout, seconds(300));
  ASSERT_EQ(config.certificates.size(), 1U);
  EXPECT_EQ(config.certificates[0].certificate, "dir/tls/shop.pem");
  ASSERT_EQ(config.functions.size(), 1U);
  EXPECT_EQ(config.functions[0].second.url.authority, "127.0.0.1:9000");
  ASSERT_EQ(config.local_containers.size(), 1U);
  EXPECT_EQ(config.local_containers[0].id, "bbaEXAMPLE2");
  EXPECT_EQ(config.local_containers[0].command, (std::vector<std::string>{"python3", "app.py"}));
  EXPECT_EQ(config.local_containers[0].directory, "dir/app");
  EXPECT_EQ(config.local_containers[0].service_account, "ajeEXAMPLE1");
  ASSERT_EQ(config.local_functions.size(), 1U);
  const functions::FunctionSpec& local = config.local_functions[0].spec;
  EXPECT_EQ(local.id, "d4eEXAMPLE2");
  EXPECT_EQ(local.language, functions::Language::nodejs);
  EXPECT_EQ(local.handler, "index.handler");
  EXPECT_TRUE(local.directory.starts_with('/') && local.directory.ends_with("/dir/fn")) << local.directory;
  EXPECT_EQ(local.environment, (std::vector<std::pair<std::string, std::string>>{{"K", "v"}}));
  EXPECT_EQ(local.timeout, Duration(seconds(3)));
  EXPECT_EQ(local.memory, std::uint64_t{128} << 20U);
  EXPECT_EQ(local.processes, 2U);
  EXPECT_EQ(local.service_account, "ajeEXAMPLE1");
  ASSERT_EQ(config.service_accounts.size(), 4U);
  EXPECT_EQ(config.service_accounts[0].source, client::cloud::TokenSource::authorized_key);
  EXPECT_EQ(config.service_accounts[1].source, client::cloud::TokenSource::none);
  EXPECT_EQ(config.service_accounts[1].static_key->secret, "key-secret-0001");
  EXPECT_EQ(config.service_accounts[2].source, client::cloud::TokenSource::metadata);
  EXPECT_EQ(config.service_accounts[3].token, "t1.token-0001");
  EXPECT_EQ(config.security_profiles, std::vector<std::string>{"strict"});
  ASSERT_EQ(config.buckets.size(), 1U);
  EXPECT_EQ(config.buckets[0].name, "site");
  EXPECT_EQ(config.buckets[0].directory, "dir/site");
  ASSERT_EQ(config.upstreams.size(), 1U);
  EXPECT_EQ(config.upstreams[0].tls.ca_file, "dir/ca.pem");
  ASSERT_TRUE(config.admin.has_value());
  EXPECT_EQ(config.admin->name(), "127.0.0.1:9901");
}

TEST(Config, WhatIsNotBuiltIsAWarningOnce) {
  ConfigText source = with_secrets();
  source.load(everything);
  std::map<std::string, int> told;
  for (const Diagnostic& item : source.diagnostics.items()) {
    EXPECT_EQ(item.rule, "not-built") << to_text(item);
    EXPECT_EQ(item.severity, Severity::warning);
    ++told[item.message.substr(0, item.message.find(" is not built"))];
  }
  for (const char* what :
       {"`canary`", "a certificate by `acme`", "`acme`", "`queues`", "`streams`", "`databases`",
        "`security_profiles`", "`cluster`", "`websocket_api`", "`compression`"}) {
    EXPECT_EQ(told[what], 1) << what << '\n' << source.text();
  }
  EXPECT_EQ(told.size(), 10U) << source.text();
}

TEST(Config, Defaults) {
  ConfigText source;
  const Config config = source.load("gateways: [{spec: a/b.openapi.yaml}]\n");
  EXPECT_EQ(source.text(), "");
  ASSERT_EQ(config.listeners.size(), 1U);
  EXPECT_EQ(config.listeners[0].name(), "127.0.0.1:8080");
  EXPECT_EQ(config.gateways[0].id, "b.openapi");
  EXPECT_EQ(config.gateways[0].spec, "dir/a/b.openapi.yaml");
  EXPECT_FALSE(config.admin.has_value());
  EXPECT_FALSE(config.trust_unix);
  EXPECT_FALSE(config.watch);
  EXPECT_TRUE(config.log.access);
  EXPECT_EQ(config.log.format, log::Format::json);
  EXPECT_EQ(config.files, std::vector<std::string>{"dir/sluice.yaml"});
}

TEST(Config, AllMistakesAtOnceWithTheirPlaces) {
  ConfigText source;
  source.load(R"yaml(listen: [{address: nowhere, port: 80}, {port: 70000}, {}]
workers: many
profile: closed
trusted_proxies: [10.0.0.1/8, proxy]
watch: "yes"
gateways:
  - {spec: a.yaml, timeout: 30}
  - {spec: b.yaml, domains: ["http://x"]}
  - {id: "a b", spec: c.yaml, domains: [c.example]}
  - {domains: [d.example]}
functions: {f: {url: "ftp://x"}, g: {}, h: {url: "http://x/", runtime: nodejs}, i: {runtime: cobol, handler: x}}
containers: {c: {url: "http://x/", command: [a]}, d: {command: []}}
upstreams: [{origin: "http://x"}, {origin: "https://x/path"}, {origin: "https://y", certificate: a.pem}]
log: {level: loud, format: xml, output: ""}
limits: {header_timeout: 10, header_bytes: 16, no_such: 1, body_rate: 500, connections: 0}
admn: {port: 1}
)yaml");
  EXPECT_EQ(
      source.rules(),
      "10:missing-option 11:bad-url 11:conflicting-keys 11:missing-key 11:unknown-value "
      "12:conflicting-keys 12:empty-value 13:bad-url 13:bad-url 13:missing-key "
      "14:empty-value 14:unknown-value 14:unknown-value 15:bad-duration 15:bad-size 15:bad-size "
      "15:out-of-range 15:unknown-key 16:unknown-key 1:bad-address 1:missing-key 1:out-of-range "
      "2:wrong-kind 3:unknown-value 4:bad-address 4:bad-address 5:wrong-kind 7:bad-duration 8:bad-domain "
      "9:bad-id")
      << source.text();
  EXPECT_NE(source.text().find("did you mean `admin`"), std::string::npos) << source.text();
  EXPECT_NE(source.text().find("30s"), std::string::npos);
}

TEST(Config, WhatIsNoMapping) {
  for (const char* text : {"", "[]", "5", "gateways: 5", "gateways: {}", "gateways: []", "gateways: [5]",
                           "gateways: [{spec: [a]}]", "{gateways: [{spec: a}], listen: 5}",
                           "{gateways: [{spec: a}], functions: [a]}", "{gateways: [{spec: a}], limits: 7}",
                           "{gateways: [{spec: a}], gateways: [{spec: a}]}", "\tgateways: x", "a: &x [*x]",
                           "{gateways: [{spec: a}], listen: []}"}) {
    ConfigText source;
    source.load(text);
    EXPECT_TRUE(source.diagnostics.has_errors()) << text;
  }
}

TEST(Config, AnEmptySectionIsNoSection) {
  ConfigText source;
  source.load("gateways: [{spec: a.yaml}]\nlog:\nhttp:\nlimits:\nfunctions:\nlisten:\n");
  EXPECT_EQ(source.rules(), "") << source.text();
}

TEST(Config, ABrokenReferenceNamesNoDocument) {
  ConfigText source;
  const Config config = source.load("gateways:\n  - {spec: \"${env:NO_SUCH}\"}\n");
  EXPECT_EQ(source.rules(), "2:bad-reference") << source.text();
  ASSERT_EQ(config.gateways.size(), 1U);
  EXPECT_EQ(config.gateways.front().spec, "");
}

TEST(Config, ADocumentsPlaceIsWhereItIsNamed) {
  ConfigText source;
  const Config config = source.load("gateways:\n  - spec: a.yaml\n");
  ASSERT_EQ(config.gateways.size(), 1U);
  EXPECT_EQ(config.gateways.front().spec_place.line, 2U);
  EXPECT_EQ(config.gateways.front().spec_place.column, 11U);
}

TEST(Config, GatewaysMayNotShare) {
  ConfigText source;
  source.load(R"yaml(service_domain: gw.example
gateways:
  - {id: a, spec: a.yaml}
  - {id: a, spec: b.yaml, domains: [x.example]}
  - {id: c, spec: c.yaml, domains: [X.example., e.gw.example]}
  - {id: d, spec: d.yaml}
  - {id: e, spec: d.yaml, domains: ["*.x.example"]}
)yaml");
  EXPECT_EQ(source.rules(), "4:repeated-id 5:repeated-domain 5:repeated-domain 6:two-defaults")
      << source.text();
}

TEST(Config, ListenersMayNotShare) {
  ConfigText source;
  source.load(R"yaml(gateways: [{spec: a.yaml}]
listen:
  - {address: 127.0.0.1, port: 80}
  - {address: localhost, port: 80}
  - {unix: a.sock}
  - {unix: ./a.sock}
  - {address: 127.0.0.1, port: 0}
  - {address: 127.0.0.1, port: 0}
  - {address: 127.0.0.1, port: 443, tls: true}
  - {unix: b.sock, port: 80}
  - {unix: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
admin: {port: 80}
)yaml");
  EXPECT_EQ(source.rules(),
            "10:bad-listener 11:bad-address 12:repeated-listener 4:repeated-listener 6:repeated-listener "
            "9:no-certificate")
      << source.text();
}

TEST(Config, ReferencesStandForEveryKindOfValue) {
  ConfigText source;
  source.environment = {
      {"PORT", "8081"}, {"WATCH", "true"}, {"TIMEOUT", "7s"}, {"WORKERS", "3"}, {"KEY", "value-0001"}};
  source.files["dir/key"] = "from a file\n";
  const Config config = source.load(R"yaml(
listen: [{address: 127.0.0.1, port: "${env:PORT}"}]
watch: "${env:WATCH}"
workers: "${env:WORKERS}"
gateways: [{spec: a.yaml, timeout: "${env:TIMEOUT}", variables: {a: "${file:key} ${env:KEY}"}}]
)yaml");
  EXPECT_EQ(source.text(), "");
  EXPECT_EQ(config.listeners[0].port, 8081);
  EXPECT_TRUE(config.watch);
  EXPECT_EQ(config.workers, 3U);
  EXPECT_EQ(config.gateways[0].timeout, seconds(7));
  EXPECT_EQ(config.gateways[0].variables.at("a"), "from a file value-0001");
  EXPECT_EQ(config.files, (std::vector<std::string>{"dir/sluice.yaml", "dir/key"}));
}

TEST(Config, ABadValueFromOutsideIsNotShown) {
  ConfigText source;
  source.environment = {{"SECRET", "hush-hush-0001"}};
  source.load(R"yaml(
gateways: [{spec: a.yaml, timeout: "${env:SECRET}", profile: "${env:SECRET}", domains: ["/${env:SECRET}"]}]
functions: {f: {url: "${env:SECRET}"}}
service_accounts: {aje: {token: "${env:NOT_SET}"}}
)yaml");
  EXPECT_GE(source.diagnostics.error_count(), 5U) << source.text();
  EXPECT_EQ(source.text().find("hush-hush-0001"), std::string::npos) << source.text();
  EXPECT_NE(source.text().find("NOT_SET"), std::string::npos);
}

TEST(Config, TokensAreSecretsEvenWhereTheyStandInTheFile) {
  ConfigText source;
  source.load(R"yaml(
gateways: [{spec: a.yaml}]
service_accounts: {aje: {token: "t1.plain-token-77"}}
)yaml");
  EXPECT_EQ(mask_secrets("Bearer t1.plain-token-77").find("plain-token"), std::string::npos);
}

TEST(Config, AFunctionsTimeout) {
  ConfigText source;
  const Config config = source.load(
      "gateways: [{spec: a.yaml}]\n"
      "functions: {a: {url: 'http://x/', timeout: 1500ms}, b: {url: 'http://y/', service_account: aje}}\n"
      "service_accounts: {aje: {metadata: true}}\n");
  EXPECT_EQ(source.rules(), "") << source.text();
  EXPECT_EQ(config.functions[1].second.service_account, "aje");
  ASSERT_EQ(config.functions.size(), 2U);
  EXPECT_EQ(config.functions[0].second.timeout, Duration(milliseconds(1500)));
  EXPECT_EQ(config.functions[1].second.timeout, std::nullopt);
}

TEST(Config, ProfileCloudHasTheCloudsBounds) {
  std::string domains;
  for (int number = 0; number < 21; ++number) {
    domains += "d" + std::to_string(number) + ".example, ";
  }
  const std::string gateway = "gateways: [{spec: a.yaml, timeout: 11m, domains: [" + domains + "]}]\n";
  ConfigText open;
  open.load(gateway);
  EXPECT_EQ(open.text(), "");
  ConfigText cloud;
  cloud.load("profile: cloud\n" + gateway);
  EXPECT_EQ(cloud.rules(), "2:out-of-range 2:too-many-domains") << cloud.text();
}

TEST(Config, EveryLimitIsReadAndBounded) {
  for (const LimitDescription& limit : limit_table()) {
    const auto text = [&](std::uint64_t value) {
      return limit.unit == LimitDescription::Unit::duration
                 ? std::to_string(value / 1'000'000) + "ms"
                 : std::to_string(value) + (limit.unit == LimitDescription::Unit::size ? "B" : "");
    };
    const auto load = [&](const std::string& value) {
      ConfigText source;
      Config config = source.load("gateways: [{spec: a.yaml}]\nlimits: {" + std::string(limit.name) + ": " +
                                  value + "}\n");
      return std::pair(source.rules(), std::move(config));
    };
    const std::string_view fine = limit.built ? "" : "2:not-built";
    for (const std::uint64_t value : {limit.min, limit.max}) {
      auto [rules, config] = load(text(value));
      EXPECT_EQ(rules, fine) << limit.name << ' ' << text(value);
      const LimitDescription::Target target = limit.at(config.limits);
      if (const auto* const* duration = std::get_if<Duration*>(&target)) {
        EXPECT_EQ(static_cast<std::uint64_t>((*duration)->count()), value) << limit.name;
      } else if (const auto* const* number = std::get_if<std::uint64_t*>(&target)) {
        EXPECT_EQ(**number, value) << limit.name;
      } else {
        EXPECT_EQ(*std::get<std::optional<std::uint64_t>*>(target), value) << limit.name;
      }
    }
    const std::uint64_t step = limit.unit == LimitDescription::Unit::duration ? 1'000'000'000 : 1;
    EXPECT_NE(load(text(limit.max + step)).first.find("2:out-of-range"), std::string::npos) << limit.name;
    if (limit.unit != LimitDescription::Unit::duration && limit.min > 0) {
      EXPECT_NE(load(text(limit.min - 1)).first.find("2:out-of-range"), std::string::npos) << limit.name;
    }
  }
}

TEST(StandaloneConfig, IsOneGatewayForEveryHost) {
  Diagnostics diagnostics;
  const Config config =
      standalone_config({"dir/shop.v1.yaml", "[::1]:0", {"a=b=c", "n="}, true}, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors());
  EXPECT_EQ(config.listeners.at(0).name(), "[::1]:0");
  EXPECT_EQ(config.gateways.at(0).id, "shop.v1");
  EXPECT_EQ(config.gateways.at(0).variables.at("a"), "b=c");
  EXPECT_EQ(config.gateways.at(0).variables.at("n"), "");
  EXPECT_TRUE(config.watch);
}

TEST(StandaloneConfig, MistakesNameTheOption) {
  for (const char* listen :
       {"", "8080", "localhost", "::1:80", "[::1]", "x:80", "127.0.0.1:65536", "127.0.0.1:-1", "unix:"}) {
    Diagnostics diagnostics;
    standalone_config({"a.yaml", listen, {}, false}, diagnostics);
    ASSERT_TRUE(diagnostics.has_errors()) << listen;
    EXPECT_EQ(diagnostics.items()[0].place.file, "--listen");
  }
  Diagnostics diagnostics;
  standalone_config({"a.yaml", "127.0.0.1:80", {"novalue", "=x"}, false}, diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 2U);
}

}  // namespace
}  // namespace sluice::server
