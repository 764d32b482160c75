// Service accounts of functions, containers and URLs.
#include "fixture.hpp"

namespace sluice::integrations::test {
namespace {

using gateway::CompileMode;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* function = "type: cloud_functions\nfunction_id: d4e1\nservice_account_id: aje1";
constexpr const char* container = "type: serverless_containers\ncontainer_id: bba1\nservice_account_id: aje1";

TEST(CloudAccounts, AFunctionOfTheCloudIsCalledWithTheToken) {
  Bench bench(std::string(function) + "\ntag: stable");
  bench.add_account("aje1");
  bench.client.body_text = R"({"statusCode": 201, "body": "made"})";
  const Answer answer =
      bench.run("POST", "/pets/1/x", {{"Host", "api.example"}, {"Authorization", "Basic me"}}, "{}");
  EXPECT_EQ(bench.mistakes(), "");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(bench.call().path_and_query, "/d4e1?integration=raw&tag=stable");
  EXPECT_EQ(bench.call().origin.host, "functions.yandexcloud.net");
  EXPECT_EQ(bench.call().origin.scheme, client::Origin::Scheme::https);
  EXPECT_THAT(bench.sent(), Contains("Authorization: Bearer t1.token"));
  EXPECT_THAT(bench.sent(), Contains("Host: functions.yandexcloud.net"));
}

TEST(CloudAccounts, WithoutAnAccountAFunctionIsCalledAnonymously) {
  Bench bench("type: cloud_functions\nfunction_id: d4e1");
  bench.environment.mode = CompileMode::configured;
  bench.client.body_text = "{}";
  bench.run("GET", "/pets/1/x", {{"Authorization", "Basic me"}});
  EXPECT_THAT(bench.sent(), Not(Contains(StartsWith("Authorization"))));
  EXPECT_EQ(bench.credentials.asked, 0);
  EXPECT_THAT(bench.mistakes(), StartsWith("warning: the function d4e1 is called in the cloud, anonymously"));
}

TEST(CloudAccounts, TheServicesErrorsAreMapped) {
  for (const auto& [status, expected] : {std::pair{403, 502},
                                         {404, 502},
                                         {413, 413},
                                         {429, 429},
                                         {500, 502},
                                         {502, 502},
                                         {503, 503},
                                         {504, 504}}) {
    Bench bench(function);
    bench.add_account("aje1");
    bench.client.status = status;
    bench.client.body_text = R"({"errorMessage": "Not here, b1g-folder"})";
    EXPECT_EQ(bench.run("GET", "/pets/1/x").status, expected) << status;
  }
}

TEST(CloudAccounts, WithoutATokenNothingIsSent) {
  for (const char* options : {function, container}) {
    Bench bench(options);
    bench.add_account("aje1");
    Error none = config_error("the key ajekey was refused by iam.internal");
    none.status = 502;
    none.slug = "credentials_unavailable";
    none.message = "The gateway has no valid credentials for this call";
    bench.credentials.error = none;
    const Answer answer = bench.run("GET", "/pets/1/x");
    ASSERT_TRUE(answer.error.has_value());
    EXPECT_EQ(answer.status, 502);
    EXPECT_EQ(answer.error->slug, "credentials_unavailable");
    EXPECT_THAT(answer.error->message, Not(HasSubstr("iam.internal")));
    EXPECT_THAT(bench.client.calls, IsEmpty());
  }
}

TEST(CloudAccounts, AContainerOfTheCloud) {
  Bench bench(container);
  bench.add_account("aje1");
  bench.run(
      "PUT", "/pets/1/a%20b?x=1",
      {{"Host", "api.example"}, {"Authorization", "Bearer client"}, {"X-Forwarded-Host", "evil.example"}},
      "body");
  EXPECT_EQ(bench.call().origin.host, "bba1.containers.yandexcloud.net");
  EXPECT_EQ(bench.call().origin.port, 443);
  EXPECT_EQ(bench.call().path_and_query, "/pets/1/a%20b?x=1");
  EXPECT_EQ(bench.call().body, "body");
  EXPECT_THAT(bench.sent(), Contains("Host: bba1.containers.yandexcloud.net"));
  EXPECT_THAT(bench.sent(), Contains("X-Forwarded-Host: api.example"));
  EXPECT_THAT(bench.sent(), Contains("Authorization: Bearer t1.token"));
  EXPECT_THAT(bench.sent(), Not(Contains("Authorization: Bearer client")));
}

TEST(CloudAccounts, AContainerWithoutAccountGetsTheClientsAuthorization) {
  Bench bench("type: serverless_containers\ncontainer_id: bba1");
  bench.environment.mode = CompileMode::configured;
  bench.run("GET", "/pets/1/x", {{"Authorization", "Bearer client"}});
  EXPECT_THAT(bench.sent(), Contains("Authorization: Bearer client"));
}

TEST(CloudAccounts, OtherEndpoints) {
  Bench fn(function);
  fn.add_account("aje1");
  fn.environment.endpoints.cloud_functions.url = client::parse_url("http://127.0.0.1:9/f/").value();
  fn.client.body_text = "{}";
  fn.run("GET", "/pets/1/x");
  EXPECT_EQ(fn.call().path_and_query, "/f/d4e1?integration=raw&tag=%24latest");
  Bench box(container);
  box.add_account("aje1");
  box.environment.endpoints.serverless_containers = "http://127.0.0.1:9";
  box.run("GET", "/pets/1/x");
  EXPECT_EQ(box.call().origin.host, "127.0.0.1");
  EXPECT_THAT(box.sent(), Contains("Host: bba1.containers.yandexcloud.net"));
}

TEST(CloudAccounts, AnAccountThatTheConfigurationDoesNotName) {
  for (const char* options : {function, container, "type: http\nurl: http://h/\nservice_account: aje1"}) {
    Bench bench(options);
    bench.environment.mode = CompileMode::configured;
    EXPECT_EQ(bench.build(), nullptr);
    EXPECT_FALSE(bench.not_built);
    EXPECT_THAT(bench.mistakes(), StartsWith("error: "));
    EXPECT_THAT(bench.mistakes(),
                HasSubstr("needs the service account aje1, which the configuration does not name"));
    Bench static_only(options);
    static_only.environment.mode = CompileMode::configured;
    static_only.environment.service_accounts.push_back({"aje1", false, true});
    EXPECT_EQ(static_only.build(), nullptr);
    EXPECT_THAT(static_only.mistakes(), HasSubstr("error: the service account aje1 has a static key only"));
    Bench lint(options);
    EXPECT_NE(lint.build(), nullptr);
    EXPECT_EQ(lint.mistakes(), "");
  }
}

TEST(CloudAccounts, WhatIsMappedNeedsNone) {
  Bench fn(function);
  fn.environment.mode = CompileMode::configured;
  fn.map_function("d4e1", "http://127.0.0.1:9/");
  fn.client.body_text = "{}";
  fn.run("GET", "/pets/1/x");
  EXPECT_EQ(fn.mistakes(), "");
  EXPECT_THAT(fn.sent(), Not(Contains(StartsWith("Authorization"))));
}

TEST(CloudAccounts, WhatIsMappedGetsTheTokenOfItsAccount) {
  Bench own(function);
  own.add_account("aje1", "t1.document");
  own.add_account("aje2", "t1.mapping");
  own.map_function("d4e1", "http://127.0.0.1:9/");
  own.environment.functions.back().second.service_account = "aje2";
  own.client.body_text = "{}";
  own.run("GET", "/pets/1/x");
  EXPECT_THAT(own.sent(), Contains("Authorization: Bearer t1.mapping"));
  Bench documents(container);
  documents.add_account("aje1", "t1.document");
  documents.map_container("bba1", "http://127.0.0.1:9/");
  documents.run("GET", "/pets/1/x", {{"Authorization", "Bearer client"}});
  EXPECT_THAT(documents.sent(), Contains("Authorization: Bearer t1.document"));
  EXPECT_THAT(documents.sent(), Not(Contains("Authorization: Bearer client")));
}

TEST(CloudAccounts, UnderServeSpecNoCloudIsCalled) {
  for (const char* options : {function, container}) {
    Bench bench(options);
    bench.environment.mode = CompileMode::standalone;
    const Answer answer = bench.run("GET", "/pets/1/x");
    EXPECT_EQ(answer.status, 502);
    EXPECT_THAT(answer.error->message, HasSubstr(": {url: "));
    EXPECT_THAT(bench.client.calls, IsEmpty());
    EXPECT_EQ(bench.credentials.asked, 0);
  }
  Bench http("type: http\nurl: http://h/\nservice_account: aje1");
  http.environment.mode = CompileMode::standalone;
  const Answer answer = http.run("GET", "/pets/1/x");
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(answer.error->message, HasSubstr("service_accounts: {aje1: {authorized_key: "));
  EXPECT_THAT(http.client.calls, IsEmpty());
}

TEST(CloudAccounts, HttpWithAnAccountOfItsOwn) {
  for (const std::string key : {"service_account_id", "serviceAccountId", "service_account"}) {
    Bench bench("type: http\nurl: http://h/\nheaders: {'*': '*'}\n" + key + ": aje1");
    bench.add_account("aje1");
    bench.run("GET", "/pets/1/x", {{"Authorization", "Basic client"}});
    EXPECT_EQ(bench.call().headers.count(http::FieldId::authorization), 1U);
    EXPECT_THAT(bench.sent(), Contains("Authorization: Bearer t1.token"));
  }
}

TEST(CloudAccounts, ExplainNamesTheAccountAndNoToken) {
  Bench bench(function);
  bench.add_account("aje1");
  const std::string shown = dump_json(bench.explain("GET", "/pets/1/x"));
  EXPECT_THAT(shown, HasSubstr("Bearer (the IAM token of aje1)"));
  EXPECT_THAT(shown, Not(HasSubstr("t1.token")));
  EXPECT_EQ(bench.credentials.asked, 0);
}

}  // namespace
}  // namespace sluice::integrations::test
