// What a document becomes: plans, and 501 where a later version is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace sluice::gateway {
namespace {

using testing::HasSubstr;
using testing_support::compile;
using testing_support::Compiled;
using testing_support::document_head;

TEST(Compile, PlansHoldWhatTheDocumentSays) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /pets/{id}:
    get:
      operationId: getPet
      x-yc-apigateway-integration: {type: http, url: echo}
  /static:
    x-yc-apigateway-any-method:
      operationId: fixed
      x-yc-apigateway-integration: {type: dummy, content: hello}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_THAT(compiled.messages(), testing::IsEmpty());
  const Plan& pet = compiled.plan("/pets/{id}", "GET");
  EXPECT_EQ(pet.info.operation_id, "getPet");
  EXPECT_EQ(pet.info.integration_type, "http");
  EXPECT_EQ(pet.info.gateway_id, "shop");
  EXPECT_TRUE(pet.info.parameter_set.contains("id"));
  EXPECT_TRUE(pet.needs_values);
  EXPECT_EQ(pet.constant, nullptr);
  EXPECT_EQ(pet.refused_slug, "");
  EXPECT_EQ(pet.metrics, nullptr);
  const Plan& fixed = compiled.plan("/static", "");
  ASSERT_NE(fixed.constant, nullptr);
  EXPECT_EQ(fixed.constant->body, "hello");
  EXPECT_FALSE(fixed.needs_values);
}

TEST(Compile, WhatIsProtectedIsNeverOpen) {
  const Compiled compiled = compile(document_head + R"(
components:
  securitySchemes:
    jwt:
      type: openIdConnect
      openIdConnectUrl: https://id.example/.well-known/openid-configuration
      x-yc-apigateway-authorizer: {type: jwt, jwksUri: 'https://id.example/jwks', identitySource: {in: header, name: Authorization}}
paths:
  /closed:
    get:
      security: [{jwt: []}]
      x-yc-apigateway-integration: {type: dummy, content: secret}
  /either:
    get:
      security: [{jwt: []}, {}]
      x-yc-apigateway-integration: {type: dummy, content: secret}
  /open:
    get:
      security: []
      x-yc-apigateway-integration: {type: dummy, content: open}
  /anonymous:
    get:
      security: [{}]
      x-yc-apigateway-integration: {type: dummy, content: open}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_FALSE(compiled.diagnostics.has_errors()) << testing::PrintToString(compiled.messages());
  EXPECT_EQ(compiled.plan("/closed", "GET").refused_slug, "not_built");
  EXPECT_THAT(compiled.plan("/closed", "GET").refused_what, HasSubstr("jwt"));
  EXPECT_EQ(compiled.plan("/either", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/open", "GET").refused_slug, "");
  EXPECT_EQ(compiled.plan("/anonymous", "GET").refused_slug, "");
  EXPECT_EQ(compiled.count("not-built"), 1U) << "one authorizer, one warning";
}

TEST(Compile, TheDocumentsSecurityHoldsForEveryOperation) {
  const Compiled compiled = compile(document_head + R"(
security: [{key: []}]
components:
  securitySchemes:
    key:
      type: apiKey
      in: header
      name: X-Key
      x-yc-apigateway-authorizer: {type: function, function_id: d4e1}
paths:
  /a:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/a", "GET").refused_slug, "not_built");
}

TEST(Compile, ValidatorsThatCheckSomethingAreNotBuilt) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /body:
    get:
      x-yc-apigateway-validator: {validateRequestBody: true}
      x-yc-apigateway-integration: {type: dummy, content: a}
  /headers:
    get:
      x-yc-apigateway-validator: {validateResponseHeaders: superset}
      x-yc-apigateway-integration: {type: dummy, content: a}
  /off:
    get:
      x-yc-apigateway-validator: {validateRequestBody: false, validateResponseHeaders: any}
      x-yc-apigateway-integration: {type: dummy, content: a}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/body", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/headers", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/off", "GET").refused_slug, "");
  EXPECT_EQ(compiled.count("not-built"), 2U);
}

TEST(Compile, ASharedPolicyIsOneWarning) {
  const Compiled compiled = compile(document_head + R"(
x-yc-apigateway:
  validator: {validateRequestParameters: true}
  rateLimit: {allRequests: {rps: 10}}
  cors: {origin: '*'}
paths:
  /a:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /b:
    get: {x-yc-apigateway-integration: {type: dummy, content: b}}
    post: {x-yc-apigateway-integration: {type: dummy, content: b}}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.count("not-built"), 3U) << testing::PrintToString(compiled.messages());
  EXPECT_EQ(compiled.plan("/b", "POST").refused_what, "the validator, the rate limit");
}

TEST(Compile, CorsIsAWarningAndEverythingElseServes) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /a:
    x-yc-apigateway-cors: {origin: true}
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /b:
    x-yc-apigateway-cors: {origin: false}
    get: {x-yc-apigateway-integration: {type: dummy, content: b}}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/a", "GET").refused_slug, "");
  EXPECT_EQ(compiled.plan("/b", "GET").refused_slug, "");
  EXPECT_EQ(compiled.count("not-built"), 1U) << testing::PrintToString(compiled.messages());
}

TEST(Compile, LimitsOfBothKindsAreNotBuilt) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /a:
    get:
      x-yc-apigateway-rate-limit: {allRequests: {rps: 5}}
      x-yc-apigateway-integration: {type: dummy, content: a}
  /b:
    get:
      x-sluice-rate-limit: {address: {rps: 5}}
      x-yc-apigateway-integration: {type: dummy, content: a}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/a", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/b", "GET").refused_slug, "not_built");
}

TEST(Compile, MappingsAreNotBuilt) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /status:
    get:
      x-yc-apigateway-integration: {type: dummy, content: a}
      responses:
        '200': {description: ok, x-yc-status-mapping: 201}
  /schema:
    get:
      x-yc-apigateway-integration: {type: dummy, content: a}
      responses:
        '200':
          description: ok
          content:
            application/json:
              schema:
                type: object
                x-yc-schema-mapping: {type: static, template: {a: '${.b}'}}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/status", "GET").refused_what, "x-yc-status-mapping");
  EXPECT_EQ(compiled.plan("/schema", "GET").refused_what, "x-yc-schema-mapping");
}

TEST(Compile, IntegrationsThatAreAbsentOrOfALaterVersion) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /none:
    get: {operationId: none}
  /later:
    get:
      x-yc-apigateway-integration: {type: object-storage, bucket: b, object: o}
  /unlisted:
    get:
      x-yc-apigateway-integration: {type: cloud_ymq, action: SendMessage, queue_url: 'https://q/x', folder_id: f}
  /unknown:
    get:
      x-yc-apigateway-integration: {type: teleport}
)");
  ASSERT_TRUE(compiled.gateway);
  EXPECT_EQ(compiled.plan("/none", "GET").refused_slug, "no_integration");
  EXPECT_EQ(compiled.count("no-integration"), 1U);
  EXPECT_EQ(compiled.plan("/later", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/later", "GET").info.integration_type, "object_storage");
  EXPECT_EQ(compiled.plan("/unlisted", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.plan("/unknown", "GET").refused_slug, "not_built");
  EXPECT_EQ(compiled.diagnostics.error_count(), 1U) << testing::PrintToString(compiled.messages());
  EXPECT_EQ(compiled.count("not-built"), 2U);
}

TEST(Compile, WebSocketPathsAreNotBuilt) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /ws:
    x-yc-apigateway-websocket-connect:
      x-yc-apigateway-integration: {type: dummy, content: a}
    x-yc-apigateway-websocket-message:
      x-yc-apigateway-integration: {type: dummy, content: a}
)");
  ASSERT_TRUE(compiled.gateway);
  const auto path = http::CanonicalPath::parse("/ws");
  const Plan* plan = compiled.gateway->websocket(*path);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->refused_slug, "not_built");
  EXPECT_EQ(compiled.gateway->websocket_of(0), plan);
  EXPECT_EQ(compiled.gateway->websocket(*http::CanonicalPath::parse("/other")), nullptr);
  EXPECT_EQ(compiled.count("not-built"), 1U) << testing::PrintToString(compiled.messages());
}

TEST(Compile, SecurityProfiles) {
  const std::string text = document_head + R"(
x-yc-apigateway: {smartWebSecurity: {securityProfileId: strict}}
paths:
  /a:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
)";
  EXPECT_THAT(compile(text).messages(), testing::IsEmpty()) << "lint knows no configuration";
  Environment environment;
  environment.mode = CompileMode::configured;
  const Compiled unknown = compile(text, {}, nullptr, environment);
  EXPECT_EQ(unknown.count("unknown-security-profile"), 1U);
  EXPECT_EQ(unknown.plan("/a", "GET").refused_slug, "");
  environment.security_profiles = {"strict"};
  const Compiled known = compile(text, {}, nullptr, environment);
  EXPECT_EQ(known.count("not-built"), 1U);
  EXPECT_EQ(known.plan("/a", "GET").refused_slug, "not_built");
}

TEST(Compile, RoutesThatAreNeverReached) {
  const Compiled compiled = compile(document_head + R"(
paths:
  /a/{id}:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /a/{name}:
    post: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /b/{longer-name}-{x}:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /b/a{x}-b:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /c/{everything+}:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
  /c/d/{g+}:
    get: {x-yc-apigateway-integration: {type: dummy, content: a}}
)");
  EXPECT_EQ(compiled.count("ambiguous-template"), 1U) << testing::PrintToString(compiled.messages());
  EXPECT_EQ(compiled.count("shadowed-route"), 2U) << testing::PrintToString(compiled.messages());
}

TEST(Compile, WhatCannotBeReadIsNoGateway) {
  const Compiled compiled = compile("{");
  EXPECT_EQ(compiled.gateway, nullptr);
  EXPECT_TRUE(compiled.diagnostics.has_errors());
}

std::shared_ptr<const Gateway> with_domains(std::string id, std::vector<std::string> domains) {
  GatewaySettings settings;
  settings.id = std::move(id);
  settings.domains = std::move(domains);
  return compile(document_head + "paths: {}\n", std::move(settings)).gateway;
}

std::string found(const Snapshot& snapshot, std::string_view host) {
  const Gateway* gateway = snapshot.find(host);
  return gateway == nullptr ? "none" : gateway->settings().id;
}

TEST(Hosts, ExactThenWildcardThenDefault) {
  SnapshotSettings settings;
  settings.service_domain = "GW.example";
  const auto snapshot = Snapshot::make({with_domains("Shop", {"api.shop.example", "*.shop.example"}),
                                        with_domains("blog", {"Blog.Example."}), with_domains("rest", {})},
                                       settings, 7);
  EXPECT_EQ(snapshot->version(), 7U);
  EXPECT_EQ(found(*snapshot, "api.shop.example"), "Shop");
  EXPECT_EQ(found(*snapshot, "x.shop.example"), "Shop");
  EXPECT_EQ(found(*snapshot, "shop.example"), "rest") << "not the apex";
  EXPECT_EQ(found(*snapshot, "a.b.shop.example"), "rest") << "one label";
  EXPECT_EQ(found(*snapshot, "blog.example"), "blog");
  EXPECT_EQ(found(*snapshot, "shop.gw.example"), "Shop");
  EXPECT_EQ(found(*snapshot, "blog.localhost"), "blog");
  EXPECT_EQ(found(*snapshot, "192.0.2.1"), "rest");
  EXPECT_EQ(found(*snapshot, ""), "rest");
}

TEST(Hosts, WithoutADefaultAnotherHostFindsNothing) {
  const auto snapshot = Snapshot::make({with_domains("shop", {"shop.example"})}, {}, 1);
  EXPECT_EQ(found(*snapshot, "shop.example"), "shop");
  EXPECT_EQ(found(*snapshot, "shop.localhost"), "shop");
  EXPECT_EQ(found(*snapshot, "other.example"), "none");
  EXPECT_EQ(found(*snapshot, ".shop.example"), "none");
}

TEST(Hosts, OneGatewayWithoutDomainsAnswersForAll) {
  const auto snapshot = Snapshot::make({with_domains("shop", {})}, {}, 1);
  EXPECT_EQ(found(*snapshot, "whatever"), "shop");
}

TEST(EnvironmentLookup, FindsById) {
  Environment environment;
  environment.functions.emplace_back("d4e1", MappedTarget{});
  environment.containers.emplace_back("bba1", MappedTarget{});
  EXPECT_NE(environment.function("d4e1"), nullptr);
  EXPECT_EQ(environment.function("bba1"), nullptr);
  EXPECT_NE(environment.container("bba1"), nullptr);
  EXPECT_EQ(environment.container("d4e1"), nullptr);
}

}  // namespace
}  // namespace sluice::gateway
