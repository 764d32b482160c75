// Functions and containers that the configuration maps, and types that a later version builds.
#include "sluice/base/codec.hpp"
#include "sluice/http/problem.hpp"

#include "unit/integrations/fixture.hpp"

namespace sluice::integrations {
namespace {

using namespace std::chrono_literals;
using gateway::CompileMode;
using test::Answer;
using test::Bench;
using test::Pairs;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* declared = "- {name: q, in: query, schema: {type: string, default: dq}}";

TEST(CloudFunctions, PostsTheEvent) {
  Bench bench("type: cloud_functions\nfunction_id: fn1\nservice_account_id: aje1", declared);
  bench.map_function("fn1", "http://127.0.0.1:9000/");
  bench.environment.mode = CompileMode::configured;
  bench.client.body_text = R"({"statusCode": 201, "headers": {"X-A": "b"}, "body": "hi"})";
  const Answer answer =
      bench.run("PUT", "/pets/7/a/b?q=1", {{"Host", "shop.example"}, {"Content-Type", "application/json"}},
                R"({"x":1})");
  EXPECT_EQ(bench.call().method, "POST");
  EXPECT_EQ(bench.call().path_and_query, "/?integration=raw&tag=%24latest");
  EXPECT_FALSE(bench.call().borrowed);
  EXPECT_THAT(bench.sent(), Contains("Content-Type: application/json"));
  EXPECT_THAT(bench.sent(), Contains("Host: 127.0.0.1:9000"));
  EXPECT_EQ(bench.call().headers.get("Authorization"), std::nullopt);
  const Json event = Json::parse(bench.call().body);
  EXPECT_EQ(event.at("httpMethod"), "PUT");
  EXPECT_EQ(event.at("url"), "/pets/7/a/b?q=1");
  EXPECT_EQ(event.at("path"), "/pets/{id}/{rest+}");
  EXPECT_EQ(event.at("pathParams"), Json::parse(R"({"id": "7", "rest": "a/b"})"));
  EXPECT_EQ(event.at("params"), Json::parse(R"({"id": "7", "rest": "a/b", "q": "1"})"));
  EXPECT_EQ(event.at("body"), R"({"x":1})");
  EXPECT_EQ(event.at("headers").at("X-Api-Gateway-Function-Id"), "fn1");
  EXPECT_EQ(event.at("headers").at("X-Serverless-Gateway-Id"), "shop");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.header("X-A"), "b");
  EXPECT_EQ(answer.body, "hi");
  EXPECT_THAT(bench.mistakes(), IsEmpty());
}

TEST(CloudFunctions, VersionTagAndContext) {
  for (const std::string version : {"'1.0'", "1.0"}) {
    Bench bench("type: cloud_functions\nfunction_id: fn1\ntag: 'v-{q}'\npayload_format_version: " + version +
                    "\ncontext: {a: ['{q}', 5, true, null], '{q}': {b: 'x{id}{nope}'}}",
                declared);
    bench.map_function("fn1", "http://f.example/base?key=1");
    bench.client.body_text = "{}";
    bench.authorizer = Json::parse(R"({"user": "u"})");
    EXPECT_EQ(bench.run("GET", "/pets/7/a?q=%22%26").status, 200);
    EXPECT_EQ(bench.call().path_and_query, "/base?key=1&integration=raw&tag=v-%22%26");
    const Json event = Json::parse(bench.call().body);
    EXPECT_EQ(event.at("version"), "1.0");
    EXPECT_EQ(event.at("operationId"), "op");
    EXPECT_EQ(event.at("requestContext").at("apiGateway").at("operationContext"),
              Json::parse(R"({"a": ["\"&", 5, true, null], "{q}": {"b": "x7{nope}"}})"));
    EXPECT_EQ(event.at("requestContext").at("authorizer"), Json::parse(R"({"user": "u"})"));
  }
}

TEST(CloudFunctions, BodiesBeyondTheLimitAre413) {
  Bench bench("type: cloud_functions\nfunction_id: fn1");
  bench.map_function("fn1", "http://f.example/");
  bench.environment.buffered_body = 4;
  bench.client.body_text = "{}";
  EXPECT_EQ(bench.run("POST", "/pets/1/x", {}, "1234").status, 200);
  const Answer refused = bench.run("POST", "/pets/1/x", {}, "12345");
  ASSERT_TRUE(refused.error.has_value());
  EXPECT_EQ(refused.error->code, ErrorCode::too_large);
  EXPECT_EQ(http::problem_status(*refused.error).status, 413);
  EXPECT_THAT(bench.client.calls, IsEmpty());
  bench.buffered_body = "12345";
  EXPECT_EQ(http::problem_status(*bench.run("POST", "/pets/1/x").error).status, 413);
  bench.buffered_body = "1234";
  EXPECT_EQ(bench.run("POST", "/pets/1/x").status, 200);
}

TEST(CloudFunctions, AnswersBeyondTheLimitAre502) {
  for (const bool streamed : {true, false}) {
    Bench bench("type: cloud_functions\nfunction_id: fn1");
    bench.map_function("fn1", "http://f.example/");
    bench.environment.function_answer = 20;
    bench.client.streamed = streamed;
    bench.client.body_text = R"({"body":"1234567"})";
    EXPECT_EQ(bench.run("GET", "/pets/1/x").status, 200);
    bench.client.body_text = R"({"body":"1234567890"})";
    const Answer refused = bench.run("GET", "/pets/1/x");
    ASSERT_TRUE(refused.error.has_value());
    EXPECT_EQ(http::problem_status(*refused.error).status, 502);
    EXPECT_EQ(refused.error->slug, "function_answer_too_large");
  }
}

TEST(CloudFunctions, FailuresOfTheCall) {
  const std::vector<std::pair<ErrorCode, int>> statuses{
      {ErrorCode::connect_failed, 502}, {ErrorCode::connect_timeout, 502}, {ErrorCode::resolve_failed, 502},
      {ErrorCode::tls_failed, 502},     {ErrorCode::closed, 502},          {ErrorCode::malformed, 502},
      {ErrorCode::read_timeout, 504},   {ErrorCode::deadline, 504},        {ErrorCode::overloaded, 503}};
  for (const auto& [code, status] : statuses) {
    Bench bench("type: cloud_functions\nfunction_id: fn1");
    bench.map_function("fn1", "http://f.example/");
    bench.client.error = upstream_error(code, "10.0.0.1:9000");
    const Answer answer = bench.run("GET", "/pets/1/x");
    ASSERT_TRUE(answer.error.has_value());
    const http::ProblemStatus shown = http::problem_status(*answer.error);
    EXPECT_EQ(shown.status, status) << slug_of(code);
    EXPECT_THAT(std::string(shown.message), Not(HasSubstr("10.0.0.1")));
  }
}

TEST(CloudFunctions, FailuresOfTheFunctionAreNoted) {
  Bench bench("type: cloud_functions\nfunction_id: fn1");
  bench.map_function("fn1", "http://f.example/");
  bench.client.headers = {{"X-Function-Error", "true"}};
  bench.client.body_text = R"({"errorMessage": "boom", "errorType": "E", "stackTrace": ["s"]})";
  const Answer answer = bench.run("GET", "/pets/1/x");
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.header("X-Function-Error"), "true");
  EXPECT_EQ(Json::parse(answer.body).at("errorMessage"), "boom");
  EXPECT_EQ(bench.context.record.slug, "function_error");
  EXPECT_THAT(bench.context.record.detail, HasSubstr("stackTrace"));
}

TEST(CloudFunctions, RunsToItsEndWhenTheClientHasGone) {
  Bench bench("type: cloud_functions\nfunction_id: fn1");
  bench.map_function("fn1", "http://f.example/");
  bench.client.body_text = "{}";
  bench.client.on_call = [&] { bench.context.cancel.cancel(net::CancelReason::client_gone); };
  EXPECT_EQ(bench.run("GET", "/pets/1/x").status, 200);
  EXPECT_NE(bench.call().options.cancel, &bench.context.cancel);
  EXPECT_NE(bench.call().options.cancel, nullptr);
}

TEST(CloudFunctions, ProfileCloudKeepsAuthorizationBack) {
  for (const auto profile : {gateway::Profile::open, gateway::Profile::cloud}) {
    Bench bench("type: cloud_functions\nfunction_id: fn1");
    bench.map_function("fn1", "http://f.example/");
    bench.info.profile = profile;
    bench.client.body_text = "{}";
    bench.run("GET", "/pets/1/x", {{"Authorization", "Bearer t"}});
    EXPECT_EQ(Json::parse(bench.call().body).at("headers").contains("Authorization"),
              profile == gateway::Profile::open);
  }
}

TEST(CloudFunctions, UnmappedIds) {
  const std::string options = "type: cloud_functions\nfunction_id: fn1";
  Bench lint(options);
  EXPECT_NE(lint.build(), nullptr);
  EXPECT_THAT(lint.mistakes(), IsEmpty());
  EXPECT_EQ(lint.explain("GET", "/pets/1/x").at("request").at("url"),
            "https://functions.yandexcloud.net/fn1?integration=raw&tag=%24latest");

  Bench standalone(options);
  standalone.environment.mode = CompileMode::standalone;
  EXPECT_THAT(standalone.mistakes(), IsEmpty());
  const Answer answer = standalone.run("GET", "/pets/1/x");
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(answer.error->message, HasSubstr("functions: {fn1: {url: "));
  EXPECT_THAT(standalone.client.calls, IsEmpty());

  Bench local(options);
  local.environment.mode = CompileMode::configured;
  local.environment.local_functions = {{"fn1", "nodejs index.handler"}};
  EXPECT_NE(local.build(), nullptr);
  EXPECT_FALSE(local.not_built);
}

TEST(CloudFunctions, Mistakes) {
  EXPECT_THAT(Bench("type: cloud_functions").mistakes(),
              HasSubstr("error: the cloud_functions integration needs"));
  EXPECT_THAT(Bench("type: cloud_functions\nfunction_id: a\npayload_format_version: '2.0'").mistakes(),
              HasSubstr("error: `payload_format_version`"));
  EXPECT_THAT(Bench("type: cloud_functions\nfunction_id: a\ncontext: text").mistakes(),
              HasSubstr("error: context must be a mapping"));
  Bench empty("type: cloud_functions\nfunction_id: a\ntag: ''");
  EXPECT_NE(empty.build(), nullptr);
  EXPECT_EQ(empty.mistakes(), "warning: `tag` is empty: $latest is called\n");
}

TEST(CloudFunctions, Explains) {
  Bench bench("type: cloud_functions\nfunction_id: fn1");
  bench.map_function("fn1", "http://f.example/");
  const OrderedJson shown = bench.explain("GET", "/pets/1/x").at("request");
  EXPECT_EQ(shown.at("method"), "POST");
  EXPECT_EQ(shown.at("url"), "http://f.example/?integration=raw&tag=%24latest");
  EXPECT_EQ(shown.at("body").at("httpMethod"), "GET");
}

TEST(ServerlessContainers, PassTheRequest) {
  Bench bench("type: serverless_containers\ncontainer_id: c1\ncontext: {a: '{q}'}", declared);
  bench.map_container("c1", "http://127.0.0.1:9001");
  bench.client.status = 404;
  bench.client.headers = {{"X-Up", "1"}, {"Connection", "X-Hop"}, {"X-Hop", "1"}};
  bench.client.body_text = "answer";
  const Answer answer = bench.run("PATCH", "/pets/../pets/%7e/a%2Fb//?q=%31&q",
                                  {{"Host", "shop.example"},
                                   {"Authorization", "Bearer t"},
                                   {"Cookie", "a=b"},
                                   {"Content-Type", "text/plain"},
                                   {"Content-Length", "4"},
                                   {"Expect", "100-continue"},
                                   {"Connection", "keep-alive"},
                                   {"X-Custom", "1"},
                                   {"X-Custom", "2"},
                                   {"X-Forwarded-Host", "forged"},
                                   {"X-Yc-ApiGateway-Operation-Context", "forged"},
                                   {"x-serverless-gateway-id", "forged"},
                                   {"X-Request-Id", "forged"}},
                                  "body");
  EXPECT_EQ(bench.call().method, "PATCH");
  EXPECT_EQ(bench.call().path_and_query, "/pets/~/a%2Fb//?q=%31&q");
  EXPECT_TRUE(bench.call().borrowed);
  EXPECT_EQ(bench.call().body, "body");
  EXPECT_THAT(
      bench.sent(),
      testing::ElementsAre(
          "Host: shop.example", "Authorization: Bearer t", "Cookie: a=b", "Content-Type: text/plain",
          "X-Custom: 1", "X-Custom: 2", "X-Request-Id: req-1", "X-Trace-Id: 0af7651916cd43dd8448eb211c80319c",
          "X-Real-Remote-Address: 192.0.2.7:51000", "X-Envoy-External-Address: 192.0.2.7",
          "X-Envoy-Original-Path: /pets/~/a%2Fb//?q=%31&q", "X-Forwarded-For: 192.0.2.7",
          "X-Forwarded-Proto: http", "X-Serverless-Gateway-Id: shop", "X-Forwarded-Host: shop.example",
          "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          "X-Yc-ApiGateway-Operation-Context: " + base64_encode(R"({"a":""})")));
  EXPECT_EQ(bench.call().options.cancel, &bench.context.cancel);
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "answer");
  EXPECT_EQ(answer.headers.size(), 1U);
}

TEST(ServerlessContainers, ConstantContextNeedsNoValues) {
  Bench bench("type: serverless_containers\ncontainer_id: c1\ncontext: {a: {b: [1, x]}}");
  bench.map_container("c1", "http://c.example/base/?k=1");
  EXPECT_FALSE(bench.build()->needs_values());
  bench.run("GET", "/pets/1/x?a=b", {{"Host", "shop.example"}});
  EXPECT_EQ(bench.call().path_and_query, "/base/pets/1/x?k=1&a=b");
  EXPECT_THAT(bench.sent(),
              Contains("X-Yc-ApiGateway-Operation-Context: " + base64_encode(R"({"a":{"b":[1,"x"]}})")));
  bench.run("GET", "/pets/1/x");
  EXPECT_EQ(bench.call().path_and_query, "/base/pets/1/x?k=1");
  EXPECT_THAT(bench.sent(), Contains("Host: c.example"));
  Bench without("type: serverless_containers\ncontainer_id: c1");
  without.map_container("c1", "http://c.example/");
  without.run("GET", "/pets/1/x?", {{"X-Yc-ApiGateway-Operation-Context", "forged"}});
  EXPECT_EQ(without.call().path_and_query, "/pets/1/x?");
  EXPECT_EQ(without.call().headers.get("X-Yc-ApiGateway-Operation-Context"), std::nullopt);
}

TEST(ServerlessContainers, UnixSockets) {
  Bench bench("type: serverless_containers\ncontainer_id: c1");
  bench.map_container("c1", "unix:/run/app.sock");
  bench.run("GET", "/pets/1/x?a=b", {{"Host", "shop.example"}});
  EXPECT_EQ(bench.call().origin.scheme, client::Origin::Scheme::unix_socket);
  EXPECT_EQ(bench.call().origin.host, "/run/app.sock");
  EXPECT_EQ(bench.call().path_and_query, "/pets/1/x?a=b");
  EXPECT_THAT(bench.sent(), Contains("Host: shop.example"));
  EXPECT_EQ(bench.explain("GET", "/pets/1/x").at("request").at("url"), "unix:/run/app.sock:/pets/1/x");
}

TEST(ServerlessContainers, UnmappedIds) {
  const std::string options = "type: serverless-containers\ncontainer_id: c1";
  Bench lint(options);
  EXPECT_NE(lint.build(), nullptr);
  EXPECT_THAT(lint.mistakes(), IsEmpty());
  EXPECT_EQ(lint.explain("GET", "/pets/1/x").at("request").at("url"),
            "https://c1.containers.yandexcloud.net/pets/1/x");
  Bench standalone(options);
  standalone.environment.mode = CompileMode::standalone;
  const Answer answer = standalone.run("GET", "/pets/1/x");
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(answer.error->message, HasSubstr("containers: {c1: {url: "));
  Bench local(options);
  local.environment.mode = CompileMode::configured;
  const auto container = std::make_shared<gateway::LocalContainer>("c1");
  local.environment.local_containers = {container};
  container->fail("it ended with exit code 1: no such module");
  const Answer refused = local.run("GET", "/pets/1/x");
  EXPECT_EQ(refused.status, 502);
  EXPECT_EQ(refused.error->slug, "container_unavailable");
  EXPECT_THAT(refused.error->detail, HasSubstr("no such module"));
  EXPECT_THAT(refused.error->message, Not(HasSubstr("no such module")));
}

TEST(ServerlessContainers, Mistakes) {
  EXPECT_THAT(Bench("type: serverless_containers").mistakes(), HasSubstr("needs `container_id`"));
  EXPECT_THAT(Bench("type: serverless_containers\ncontainer_id: a\ncontext: []").mistakes(),
              HasSubstr("error: context must be a mapping"));
}

TEST(LaterTypes, AreCheckedAndNotBuilt) {
  const std::vector<std::string> documents{
      "type: cloud_datasphere\nfolder_id: f\nnode_id: n",
      "type: cloud_datastreams\naction: PutRecord\nstream_name: s",
      "type: cloud_ymq\naction: SendMessage\nqueue_url: q\nfolder_id: f",
      "type: cloud_ydb\naction: GetItem\ndatabase: d\ntable_name: t\nkey: '{\"id\": \"{id}\"}'",
      "type: cloud_ydb\naction: GetItem\ndatabase: d\ntable_name: t\nkey: '{\\\"id\\\": \\\"{id}\\\"}'"};
  for (const std::string& document : documents) {
    Bench bench(document);
    EXPECT_EQ(bench.build(), nullptr);
    EXPECT_TRUE(bench.not_built) << document;
    EXPECT_EQ(bench.diagnostics.error_count(), 0U) << bench.mistakes();
    EXPECT_EQ(bench.diagnostics.warning_count(), 1U) << bench.mistakes();
    EXPECT_THAT(bench.mistakes(), HasSubstr("is built in a later version; the operation answers 501"));
  }
  EXPECT_THAT(Bench("type: cloud_ydb\naction: GetItem\ndatabase: d\ntable_name: t\nkey: '{id'").mistakes(),
              HasSubstr("error: `key`: the text is not JSON"));
}

TEST(Table, HoldsEveryTypeOfTheContract) {
  std::vector<std::string_view> names;
  for (const gateway::IntegrationType& type : integration_table()) {
    names.push_back(type.name);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(spec::integration_type_names()));
}

}  // namespace
}  // namespace sluice::integrations
