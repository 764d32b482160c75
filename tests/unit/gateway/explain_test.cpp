#include "sluice/gateway/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/secrets.hpp"
#include "sluice/gateway/route_table.hpp"

#include "fixture.hpp"

namespace sluice::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::compile;
using testing_support::document_head;

const std::string document = document_head + R"(
components:
  securitySchemes:
    key:
      type: apiKey
      in: header
      name: X-Key
      x-yc-apigateway-authorizer: {type: function, function_id: d4e1}
paths:
  /pets/{id}:
    get:
      operationId: getPet
      parameters:
        - {name: page, in: query, schema: {type: integer, default: 1}}
        - {name: session, in: cookie, schema: {type: string}}
        - {name: filter, in: query, schema: {type: string}}
      x-yc-apigateway-integration: {type: http, url: echo}
    post:
      operationId: postPet
      x-yc-apigateway-integration: {type: http, url: read}
  /pets/{rest+}:
    get:
      operationId: anyPet
      x-yc-apigateway-integration: {type: dummy, content: pets}
  /static:
    x-yc-apigateway-any-method:
      operationId: fixed
      x-yc-apigateway-integration: {type: dummy, content: hello}
  /bad/{id}:
    get:
      operationId: bad
      x-yc-apigateway-integration: {type: http, url: refused}
  /closed:
    get:
      operationId: closed
      security: [{key: []}]
      x-yc-apigateway-integration: {type: dummy, content: secret}
  /none:
    get: {operationId: none}
  /ws:
    x-yc-apigateway-websocket-message:
      x-yc-apigateway-integration: {type: dummy, content: a}
)";

OrderedJson explained(const ExplainRequest& request, GatewaySettings settings = {}) {
  const auto compiled = compile(document, std::move(settings));
  auto out = explain(*compiled.gateway, request);
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  EXPECT_NE(explain_text(*out), "");
  return *out;
}

std::string step_of(const OrderedJson& explanation, const std::string& name) {
  for (const OrderedJson& item : explanation.at("steps")) {
    if (item.at("step") == name) {
      return item.at("result").get<std::string>();
    }
  }
  return "no such step";
}

ExplainRequest request(std::string method, std::string url) {
  ExplainRequest out;
  out.method = std::move(method);
  out.url = std::move(url);
  return out;
}

TEST(Explain, TellsRouteParametersAndWhatIsSent) {
  ExplainRequest input =
      request("GET", "https://api.example:8443/a/../pets/7%20b?page=2&access_token=s3cr3t#top");
  input.headers = {{"Cookie", "session=s3cr3t"}, {"Authorization", "Bearer s3cr3t"}, {"Accept", "*/*"}};
  const OrderedJson out = explained(input);
  EXPECT_EQ(out.at("matched"), true);
  EXPECT_EQ(out.at("request").at("path"), "/pets/7%20b");
  EXPECT_EQ(out.at("request").at("host"), "api.example");
  EXPECT_EQ(out.at("route").at("template"), "/pets/{id}");
  EXPECT_EQ(out.at("route").at("operationId"), "getPet");
  EXPECT_THAT(out.at("route").at("place").get<std::string>(), HasSubstr("shop.yaml:"));
  const std::string parameters = dump_json(out.at("parameters"));
  EXPECT_THAT(parameters, HasSubstr(R"({"name":"id","in":"path","value":"7 b","source":"request"})"));
  EXPECT_THAT(parameters, HasSubstr(R"({"name":"page","in":"query","value":"2","source":"request"})"));
  EXPECT_THAT(parameters, HasSubstr(R"({"name":"session","in":"cookie","value":"***","source":"request"})"));
  EXPECT_THAT(parameters, HasSubstr(R"({"name":"filter","in":"query","value":null,"source":"absent"})"));
  const OrderedJson& sent = out.at("integration").at("request");
  EXPECT_EQ(sent.at("url"), "http://upstream/echo?access_token=***&page=2");
  EXPECT_EQ(sent.at("headers").at("Authorization"), "Bearer ***");
  EXPECT_THAT(dump_json(out), Not(HasSubstr("s3cr3t")));
  EXPECT_FALSE(out.contains("status"));

  const std::string text = explain_text(out);
  EXPECT_THAT(text, HasSubstr("GET /pets/7%20b?page=2&access_token=*** on api.example"));
  EXPECT_THAT(text, HasSubstr("> /pets/{id}"));
  EXPECT_THAT(text, HasSubstr("gives way to /pets/{id}"));
  EXPECT_THAT(text, HasSubstr("GET http://upstream/echo"));
  EXPECT_THAT(text, HasSubstr("Accept: text/html"));
}

TEST(Explain, StepsStandInTheOrderOfTheContract) {
  const OrderedJson out = explained(request("GET", "/static"));
  std::vector<std::string> names;
  for (const OrderedJson& item : out.at("steps")) {
    names.push_back(item.at("step").get<std::string>());
  }
  EXPECT_THAT(names,
              testing::ElementsAre("limits on the head", "domain", "release", "security profile", "route",
                                   "CORS preflight", "x-sluice-rate-limit", "authorizer", "rate limit",
                                   "request validation", "request schema mapping", "substitution",
                                   "integration", "response validation", "status and schema mapping",
                                   "CORS headers", "compression", "write", "log"));
  EXPECT_EQ(out.at("integration").at("response").at("body"), "hello");
  EXPECT_THAT(explain_text(out), HasSubstr("The integration would answer"));
}

TEST(Explain, NoRouteAndNoMethod) {
  OrderedJson out = explained(request("GET", "/nope"));
  EXPECT_EQ(out.at("matched"), false);
  EXPECT_EQ(out.at("status"), 404);
  EXPECT_FALSE(out.contains("route"));
  EXPECT_EQ(step_of(out, "integration"), "not reached");
  out = explained(request("DELETE", "/pets/7"));
  EXPECT_EQ(out.at("matched"), false);
  EXPECT_EQ(out.at("status"), 405);
  EXPECT_THAT(step_of(out, "route"), HasSubstr("Allow: GET, HEAD, POST"));
}

TEST(Explain, WhatAnswersBeforeTheIntegration) {
  OrderedJson out = explained(request("GET", "/closed"));
  EXPECT_EQ(out.at("status"), 501);
  EXPECT_THAT(step_of(out, "authorizer"), HasSubstr("not built"));
  EXPECT_EQ(step_of(out, "substitution"), "not reached");
  EXPECT_TRUE(out.contains("integration"));
  out = explained(request("GET", "/none"));
  EXPECT_EQ(out.at("status"), 501);
  EXPECT_THAT(step_of(out, "integration"), HasSubstr("no_integration"));
  out = explained(request("GET", "/bad/7"));
  EXPECT_EQ(out.at("status"), 400);
  EXPECT_THAT(step_of(out, "substitution"), HasSubstr("parameter_bad"));
  ExplainRequest upgrade = request("GET", "/ws");
  upgrade.headers = {{"Upgrade", "websocket"}};
  out = explained(upgrade);
  EXPECT_EQ(out.at("matched"), true);
  EXPECT_EQ(out.at("status"), 501);
}

TEST(Explain, APathThatIsRefusedMatchesNothing) {
  for (const char* path : {"/a/../../b", "/%zz", "/a%5cb"}) {
    const OrderedJson out = explained(request("GET", path));
    EXPECT_EQ(out.at("matched"), false) << path;
    EXPECT_EQ(out.at("status"), 400) << path;
    EXPECT_EQ(out.at("request").at("path"), path);
    EXPECT_THAT(step_of(out, "limits on the head"), HasSubstr("400 bad_path"));
    EXPECT_EQ(step_of(out, "route"), "not reached");
    EXPECT_EQ(step_of(out, "integration"), "not reached");
    EXPECT_EQ(out.at("steps").size(), 19U);
  }
}

TEST(Explain, CredentialsThatTheDocumentNamesAreMasked) {
  const auto compiled = compile(document_head + R"(
components:
  securitySchemes:
    header: {type: apiKey, in: header, name: X-Door}
    query: {type: apiKey, in: query, name: knock}
    jwt:
      type: openIdConnect
      x-yc-apigateway-authorizer: {type: jwt, jwksUri: "https://a/", identitySource: {in: header, name: X-Who}}
paths:
  /a:
    get:
      parameters: [{name: knock, in: query}]
      x-yc-apigateway-integration: {type: http, url: echo}
)");
  ExplainRequest input = request("GET", "/a?knock=hush1");
  input.headers = {{"X-Door", "hush2"}, {"X-Who", "hush3"}};
  const auto out = explain(*compiled.gateway, input);
  ASSERT_TRUE(out);
  EXPECT_THAT(dump_json(*out), Not(HasSubstr("hush")));
  EXPECT_THAT(explain_text(*out), Not(HasSubstr("hush")));
}

TEST(Explain, BodiesAreMaskedAndMeasured) {
  remember_secret("configured-secret");
  ExplainRequest input = request("POST", "/pets/7");
  input.body = R"({"password": "s3cr3t", "name": "configured-secret", "n": [{"api_key": 5}]})";
  OrderedJson out = explained(input);
  EXPECT_EQ(out.at("integration").at("request").at("body"),
            R"({"password":"***","name":"***","n":[{"api_key":"***"}]})");
  EXPECT_THAT(dump_json(out), Not(HasSubstr("s3cr3t")));
  input.body = "token=s3cr3t&name=x";
  out = explained(input);
  EXPECT_EQ(out.at("integration").at("request").at("body"), "token=***&name=x");
  GatewaySettings settings;
  settings.request_body_limit = 4;
  out = explained(input, settings);
  EXPECT_EQ(out.at("status"), 413);
}

TEST(Explain, HostFromUrlHeaderOrNothing) {
  EXPECT_EQ(explained(request("GET", "/static")).at("request").at("host"), "localhost");
  ExplainRequest input = request("GET", "http://a.example/static");
  EXPECT_EQ(explained(input).at("request").at("host"), "a.example");
  input.headers = {{"Host", "b.example:80"}};
  EXPECT_EQ(explained(input).at("request").at("host"), "b.example");
  EXPECT_EQ(explained(request("GET", "")).at("request").at("path"), "/");
}

TEST(Explain, SaysWhatCannotBeARequest) {
  const auto compiled = compile(document);
  const auto fails = [&](const ExplainRequest& input) {
    const auto out = explain(*compiled.gateway, input);
    return out ? std::string("explained") : out.error().message;
  };
  EXPECT_THAT(fails(request("GE T", "/")), HasSubstr("no HTTP method"));
  EXPECT_THAT(fails(request("GET", "pets")), HasSubstr("neither a path nor a URL"));
  ExplainRequest input = request("GET", "/");
  input.headers = {{"Bad Name", "x"}};
  EXPECT_THAT(fails(input), HasSubstr("no HTTP header"));
  input.headers = {{"X-Name", "a\r\nb"}};
  EXPECT_THAT(fails(input), HasSubstr("no HTTP header"));
  input.headers = {{"Host", "a b"}};
  EXPECT_THAT(fails(input), HasSubstr("no host"));
}

TEST(Explain, OnlySomeOfManyMisfitsAreListedForPeople) {
  std::string text = document_head + "paths:\n";
  for (int number = 0; number < 50; ++number) {
    text += "  /p" + std::to_string(number) +
            ":\n    get: {x-yc-apigateway-integration: {type: dummy, content: a}}\n";
  }
  const auto compiled = compile(text);
  const auto out = explain(*compiled.gateway, request("GET", "/p7"));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->at("candidates").size(), 50U);
  EXPECT_THAT(explain_text(*out), HasSubstr("and 29 more that do not fit the path"));
}

TEST(SecretNames, AreKnown) {
  for (const char* name : {"Authorization", "cookie", "Set-Cookie", "X-Api-Key", "api_key", "access_token",
                           "X-Amz-Signature", "X-Amz-Credential", "password", "clientSecret", "sid"}) {
    EXPECT_TRUE(is_secret_name(name)) << name;
  }
  for (const char* name : {"Accept", "key", "id", "Content-Type", "page", "code"}) {
    EXPECT_FALSE(is_secret_name(name)) << name;
  }
}

TEST(MaskJson, HidesBelowANameAndInQueries) {
  OrderedJson value = OrderedJson::parse(
      R"({"cookies": ["a=1", {"x": 2}], "token": null, "url": "/x?a=1&Api-Key=zz#t", "n": 5, "plain": "?token"})");
  mask_json(value);
  EXPECT_EQ(
      dump_json(value),
      R"({"cookies":["***",{"x":"***"}],"token":null,"url":"/x?a=1&Api-Key=***#t","n":5,"plain":"?token"})");
}

TEST(RouteTable, ListsOperationsInMatchOrder) {
  const auto compiled = compile(document);
  std::vector<std::string> rows;
  for (const RouteRow& row : route_table(*compiled.gateway)) {
    rows.push_back(row.method + ' ' + row.path_template + ' ' + row.integration + ' ' + row.operation_id +
                   ' ' + row.refused);
  }
  EXPECT_THAT(rows, testing::ElementsAre("ANY /static dummy fixed ", "GET /closed dummy closed not_built",
                                         "GET /none  none no_integration", "WEBSOCKET /ws   not_built",
                                         "GET /pets/{id} http getPet ", "POST /pets/{id} http postPet ",
                                         "GET /bad/{id} http bad ", "GET /pets/{rest+} dummy anyPet "));
  const std::string text = route_table_text(*compiled.gateway);
  EXPECT_THAT(text, HasSubstr("METHOD     TEMPLATE"));
  EXPECT_THAT(text, HasSubstr("dummy (501 not_built)"));
  const OrderedJson json = route_table_json(*compiled.gateway);
  ASSERT_EQ(json.size(), 8U);
  EXPECT_EQ(json[0].at("method"), "ANY");
  EXPECT_EQ(json[0].at("template"), "/static");
  EXPECT_TRUE(json[2].at("integration").is_null());
  EXPECT_THAT(json[0].at("place").get<std::string>(), testing::StartsWith("shop.yaml:"));
}

}  // namespace
}  // namespace sluice::gateway
