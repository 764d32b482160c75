#include "sluice/spec/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/digest.hpp"

#include "support.hpp"

namespace sluice::spec {
namespace {

using test::Files;
using test::load;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Operation& operation_of(const Api& api, std::string_view path, std::string_view method) {
  for (const Path& one : api.paths) {
    for (const Operation& operation : one.operations) {
      if (one.template_text == path && operation.method == method) {
        return operation;
      }
    }
  }
  ADD_FAILURE() << "no operation " << method << ' ' << path;
  static const Operation none;
  return none;
}

const std::string dummy = "      x-yc-apigateway-integration: {type: dummy}\n";

TEST(Api, LoadsASmallDocumentInSilence) {
  const auto loaded = load(R"(openapi: 3.0.0
info:
  title: Shop
  version: 1.0.0
x-yc-apigateway:
  service_account_id: aje1
  ignoreTrailingSlashes: false
  smartWebSecurity: {securityProfileId: strict}
paths:
  /orders/{id}:
    get:
      summary: One order
      x-yc-apigateway-integration:
        type: cloud-functions
        function_id: d4e1
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  ASSERT_NE(loaded.api, nullptr);
  const Api& api = *loaded.api;
  EXPECT_EQ(api.title, "Shop");
  EXPECT_EQ(api.version, "1.0.0");
  EXPECT_EQ(api.openapi, "3.0.0");
  EXPECT_EQ(api.service_account_id, "aje1");
  EXPECT_FALSE(api.ignore_trailing_slashes);
  EXPECT_EQ(api.security_profile_id, "strict");
  EXPECT_EQ(api.security_profile_mark.line, 8U);
  const Operation& operation = operation_of(api, "/orders/{id}", "GET");
  EXPECT_EQ(operation.summary, "One order");
  ASSERT_NE(operation.integration, nullptr);
  EXPECT_EQ(operation.integration->find("function_id")->text, "d4e1");
}

TEST(Api, LoadsTheSameFromJson) {
  Diagnostics diagnostics;
  const auto api = load_api(
      test::memory_options({{"api.json", R"({"openapi": "3.0.0", "info": {"title": "Shop", "version": "1"},
        "paths": {"/a": {"get": {"x-yc-apigateway-integration": {"type": "dummy", "content": {"*": "hi"}}}}}})"}},
                           "api.json"),
      diagnostics);
  EXPECT_THAT(test::texts(diagnostics), IsEmpty());
  EXPECT_EQ(operation_of(*api, "/a", "GET").integration->find("type")->text, "dummy");
}

TEST(Api, IsNothingWhereNothingCanBeRead) {
  Diagnostics diagnostics;
  EXPECT_EQ(load_api(test::memory_options({}), diagnostics), nullptr);
  EXPECT_TRUE(diagnostics.has_errors());
  EXPECT_NE(load("openapi: 4\n").api, nullptr) << "tools may look at what has mistakes";
}

TEST(Api, KnowsEveryMethod) {
  std::string text = test::head() + "paths:\n  /a:\n";
  for (const std::string_view method :
       {"get", "put", "post", "delete", "options", "head", "patch", "trace", "x-yc-apigateway-any-method"}) {
    text += "    " + std::string(method) + ":\n" + dummy;
  }
  const auto loaded = load(text);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  std::vector<std::string> methods;
  for (const Operation& operation : loaded.api->paths.at(0).operations) {
    methods.push_back(operation.method);
  }
  EXPECT_THAT(methods, ElementsAre("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", ""));
}

TEST(Api, NamesOperationsThatHaveNoId) {
  const auto loaded =
      load(test::head() + "paths:\n  /a/{b}:\n    get:\n" + dummy + "    post:\n" + dummy +
           "    put:\n      operationId: mine\n" + dummy + "    patch:\n      operationId: ''\n" + dummy +
           "    x-yc-apigateway-any-method:\n" + dummy);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Operation& get = operation_of(*loaded.api, "/a/{b}", "GET");
  EXPECT_EQ(get.operation_id, sha256_hex("GET /a/{b}"));
  EXPECT_EQ(get.operation_id.size(), 64U);
  EXPECT_FALSE(get.operation_id_given);
  EXPECT_NE(get.operation_id, operation_of(*loaded.api, "/a/{b}", "POST").operation_id);
  EXPECT_EQ(operation_of(*loaded.api, "/a/{b}", "PUT").operation_id, "mine");
  EXPECT_TRUE(operation_of(*loaded.api, "/a/{b}", "PUT").operation_id_given);
  EXPECT_FALSE(operation_of(*loaded.api, "/a/{b}", "PATCH").operation_id_given);
  EXPECT_EQ(operation_of(*loaded.api, "/a/{b}", "").operation_id.size(), 64U);
}

// Parameters.

const Parameter& parameter_of(const Operation& operation, std::string_view name) {
  for (const Parameter& parameter : operation.parameters) {
    if (parameter.name == name) {
      return parameter;
    }
  }
  ADD_FAILURE() << "no parameter " << name;
  static const Parameter none;
  return none;
}

TEST(Parameters, AreMergedAndTheTemplateDeclaresItsOwn) {
  const auto loaded = load(test::head() + R"(paths:
  /a/{id}/{kind}/{rest+}:
    parameters:
      - {name: id, in: path, description: shared}
      - {name: q, in: query, schema: {default: path}}
      - {name: X-A, in: header}
      - {name: q, in: cookie}
    get:
      parameters:
        - {name: q, in: query, schema: {default: operation}}
        - {name: x-a, in: header, required: true}
        - {name: rest+, in: path}
)" + dummy);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Operation& operation = operation_of(*loaded.api, "/a/{id}/{kind}/{rest+}", "GET");
  std::vector<std::string> names;
  names.reserve(operation.parameters.size());
  for (const Parameter& parameter : operation.parameters) {
    names.push_back(std::string(to_string(parameter.in)) + ' ' + parameter.name +
                    (parameter.declared ? "" : " undeclared") + (parameter.required ? " required" : ""));
  }
  EXPECT_THAT(names, ElementsAre("path id required", "cookie q", "query q", "header x-a required",
                                 "path rest required", "path kind undeclared required"));
  EXPECT_EQ(operation.parameters[2].default_values, std::vector<std::string>{"operation"});
}

TEST(Parameters, HaveTheStylesOfOpenApi) {
  const auto loaded = load(test::head() + R"(paths:
  /a/{p}/{m}/{l}:
    get:
      parameters:
        - {name: p, in: path}
        - {name: m, in: path, style: matrix, explode: true}
        - {name: l, in: path, style: label}
        - {name: q, in: query}
        - {name: qe, in: query, explode: false}
        - {name: s, in: query, style: spaceDelimited}
        - {name: i, in: query, style: pipeDelimited}
        - {name: d, in: query, style: deepObject, explode: true}
        - {name: h, in: header}
        - {name: c, in: cookie}
)" + dummy);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Operation& operation = operation_of(*loaded.api, "/a/{p}/{m}/{l}", "GET");
  const auto check = [&](std::string_view name, ParameterStyle style, bool explode) {
    EXPECT_EQ(parameter_of(operation, name).style, style) << name;
    EXPECT_EQ(parameter_of(operation, name).explode, explode) << name;
  };
  check("p", ParameterStyle::simple, false);
  check("m", ParameterStyle::matrix, true);
  check("l", ParameterStyle::label, false);
  check("q", ParameterStyle::form, true);
  check("qe", ParameterStyle::form, false);
  check("s", ParameterStyle::space_delimited, false);
  check("i", ParameterStyle::pipe_delimited, false);
  check("d", ParameterStyle::deep_object, true);
  check("h", ParameterStyle::simple, false);
  check("c", ParameterStyle::form, true);
}

TEST(Parameters, TakeTheirShapeFromTheSchema) {
  const auto loaded = load(test::head() + R"(paths:
  /a:
    get:
      parameters:
        - {name: none, in: query}
        - {name: text, in: query, schema: {type: string}}
        - {name: list, in: query, schema: {type: array, items: {type: integer}}}
        - {name: map, in: query, schema: {type: object}}
        - {name: ref, in: query, schema: {$ref: '#/components/schemas/L'}}
        - {name: items, in: query, schema: {items: {}}}
        - {name: props, in: query, schema: {properties: {a: {}}}}
        - {name: all, in: query, schema: {allOf: [{description: x}, {$ref: '#/components/schemas/L'}]}}
        - {name: types, in: query, schema: {type: ['null', array]}}
        - {name: loop, in: query, schema: {$ref: '#/components/schemas/Loop'}}
        - {name: json, in: query, content: {application/json: {schema: {type: object, default: {a: 1}}}}}
)" + dummy + R"(components:
  schemas:
    L: {type: array}
    Loop: {allOf: [{$ref: '#/components/schemas/Loop'}, {$ref: '#/components/schemas/Loop'}]}
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Operation& operation = operation_of(*loaded.api, "/a", "GET");
  const std::map<std::string, ParameterShape> expected{
      {"none", ParameterShape::primitive}, {"text", ParameterShape::primitive},
      {"list", ParameterShape::array},     {"map", ParameterShape::object},
      {"ref", ParameterShape::array},      {"items", ParameterShape::array},
      {"props", ParameterShape::object},   {"all", ParameterShape::array},
      {"types", ParameterShape::array},    {"loop", ParameterShape::primitive},
      {"json", ParameterShape::primitive}};
  for (const auto& [name, shape] : expected) {
    EXPECT_EQ(parameter_of(operation, name).shape, shape) << name;
  }
  EXPECT_NE(parameter_of(operation, "json").content, nullptr);
  EXPECT_EQ(parameter_of(operation, "json").schema, nullptr);
}

TEST(Parameters, KeepDefaultsInTheDigitsOfTheDocument) {
  const auto loaded = load(test::head() + R"(paths:
  /a:
    get:
      parameters:
        - {name: int, in: query, schema: {type: integer, default: 0010}}
        - {name: num, in: query, schema: {type: number, default: 1.50}}
        - {name: exp, in: query, schema: {default: 1e3}}
        - {name: big, in: query, schema: {default: 123456789012345678901234567890}}
        - {name: bool, in: query, schema: {default: True}}
        - {name: text, in: query, schema: {default: ''}}
        - {name: list, in: query, schema: {type: array, default: [1.0, a, false, {x: 1}]}}
        - {name: none, in: query, schema: {type: array, default: []}}
        - {name: map, in: query, schema: {type: object, default: {R: 100, G: 2.0}}}
        - {name: null_default, in: query, schema: {default: }}
        - {name: ref, in: query, schema: {$ref: '#/components/schemas/D'}}
)" + dummy + "components: {schemas: {D: {default: '-'}}}\n");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Operation& operation = operation_of(*loaded.api, "/a", "GET");
  const auto defaults = [&](std::string_view name) {
    return parameter_of(operation, name).default_values.value_or(std::vector<std::string>{"(absent)"});
  };
  EXPECT_THAT(defaults("int"), ElementsAre("0010"));
  EXPECT_THAT(defaults("num"), ElementsAre("1.50"));
  EXPECT_THAT(defaults("exp"), ElementsAre("1e3"));
  EXPECT_THAT(defaults("big"), ElementsAre("123456789012345678901234567890"));
  EXPECT_THAT(defaults("bool"), ElementsAre("true"));
  EXPECT_THAT(defaults("text"), ElementsAre(""));
  EXPECT_THAT(defaults("list"), ElementsAre("1.0", "a", "false", "{\"x\":1}"));
  EXPECT_THAT(defaults("none"), IsEmpty());
  EXPECT_THAT(defaults("map"), ElementsAre("R", "100", "G", "2.0"));
  EXPECT_THAT(defaults("null_default"), ElementsAre("(absent)"));
  EXPECT_THAT(defaults("ref"), ElementsAre("-"));
}

// Security.

const std::string schemes = R"(components:
  securitySchemes:
    key: {type: apiKey, in: cookie, name: SID, x-yc-apigateway-authorizer: {type: function, function_id: f}}
    basic: {type: http, scheme: Basic, x-yc-apigateway-authorizer: {type: function, function_id: f}}
    oidc: {type: openIdConnect, openIdConnectUrl: u, x-yc-apigateway-authorizer: {type: jwt}}
)";

TEST(Security, IsTheOperationsElseTheDocuments) {
  const auto loaded =
      load(test::head() + "security: [{key: []}, {basic: [], oidc: [read, write]}]\npaths:\n" +
           "  /inherits:\n    get:\n" + dummy + "  /own:\n    get:\n      security: [{basic: }]\n" + dummy +
           "  /open:\n    get:\n      security: []\n" + dummy +
           "  /maybe:\n    get:\n      security: [{}, {key: []}]\n" + dummy + schemes);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Api& api = *loaded.api;
  const auto& inherited = operation_of(api, "/inherits", "GET").security;
  ASSERT_EQ(inherited.size(), 2U);
  EXPECT_EQ(inherited[0].schemes.at(0).name, "key");
  ASSERT_EQ(inherited[1].schemes.size(), 2U);
  EXPECT_THAT(inherited[1].schemes[1].scopes, ElementsAre("read", "write"));
  const auto& own = operation_of(api, "/own", "GET").security;
  ASSERT_EQ(own.size(), 1U);
  EXPECT_EQ(own[0].schemes.at(0).name, "basic");
  EXPECT_THAT(operation_of(api, "/open", "GET").security, IsEmpty());
  EXPECT_THAT(operation_of(api, "/maybe", "GET").security.at(0).schemes, IsEmpty());
  ASSERT_EQ(api.security_schemes.size(), 3U);
  EXPECT_EQ(api.security_schemes[0].api_key_in, ParameterIn::cookie);
  EXPECT_EQ(api.security_schemes[0].api_key_name, "SID");
  EXPECT_EQ(api.security_schemes[1].http_scheme, "basic");
  EXPECT_EQ(api.security_schemes[2].open_id_connect_url, "u");
  EXPECT_NE(api.security_schemes[2].authorizer, nullptr);
}

TEST(Security, SchemesMayBeReferences) {
  const auto loaded =
      load({{"api.yaml", test::head() + "paths:\n  /a:\n    get:\n      security: [{s: []}]\n" + dummy +
                             "components: {securitySchemes: {$ref: 'auth.yaml#/schemes'}}\n"},
            {"auth.yaml",
             "schemes:\n  s: {$ref: '#/one'}\none: {type: http, scheme: bearer, "
             "x-yc-apigateway-authorizer: {$ref: '#/how'}}\nhow: {type: function, "
             "function_id: f}\n"}});
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  ASSERT_EQ(loaded.api->security_schemes.size(), 1U);
  EXPECT_EQ(loaded.api->security_schemes[0].authorizer->find("function_id")->text, "f");
}

// Extensions.

TEST(Extensions, AreTheNearestOnes) {
  const auto loaded = load(test::head() + R"(x-yc-apigateway:
  validator: {$ref: '#/components/x-yc-apigateway-validators/all'}
  cors: {origin: true}
  rateLimit: {allRequests: {rps: 100}}
x-sluice-rate-limit: {by: address}
paths:
  /plain:
    get:
)" + dummy + R"(  /path:
    x-yc-apigateway-cors: {origin: false}
    x-yc-apigateway-rate-limit: {allRequests: {rps: 10}}
    get:
)" + dummy + R"(    post:
      x-yc-apigateway-rate-limit: {allRequests: {rps: 1}}
      x-yc-apigateway-validator: {validateRequestBody: false}
)" + dummy + "components: {x-yc-apigateway-validators: {all: {validateRequestBody: true}}}\n");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Api& api = *loaded.api;
  const auto rps = [](const Extensions& extensions) {
    return extensions.rate_limit->find("allRequests")->find("rps")->text;
  };
  const Operation& plain = operation_of(api, "/plain", "GET");
  EXPECT_EQ(plain.extensions.validator->find("validateRequestBody")->text, "true");
  EXPECT_EQ(plain.extensions.cors->find("origin")->text, "true");
  EXPECT_EQ(rps(plain.extensions), "100");
  EXPECT_NE(plain.extensions.sluice_rate_limit, nullptr);
  const Operation& get = operation_of(api, "/path", "GET");
  EXPECT_EQ(get.extensions.cors->find("origin")->text, "false");
  EXPECT_EQ(rps(get.extensions), "10");
  const Operation& post = operation_of(api, "/path", "POST");
  EXPECT_EQ(rps(post.extensions), "1");
  EXPECT_EQ(post.extensions.validator->find("validateRequestBody")->text, "false");
  EXPECT_EQ(rps(api.paths[1].extensions), "10");
}

TEST(Extensions, ServiceAccountHasThreeSpellings) {
  for (const std::string_view key : {"service_account_id", "serviceAccountId", "service_account"}) {
    const auto loaded =
        load(test::head() + "x-yc-apigateway: {" + std::string(key) + ": aje}\npaths: {/a: {}}\n");
    EXPECT_EQ(loaded.api->service_account_id, "aje");
    EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  }
}

TEST(Extensions, WebsocketEventsAreKept) {
  const auto loaded = load(test::head() + "paths:\n  /ws:\n    x-yc-apigateway-websocket-connect:\n" + dummy +
                           "    x-yc-apigateway-websocket-message:\n" + dummy +
                           "    x-yc-apigateway-websocket-disconnect:\n" + dummy);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const Path& path = loaded.api->paths.at(0);
  EXPECT_THAT(path.operations, IsEmpty());
  EXPECT_NE(path.websocket_connect, nullptr);
  EXPECT_NE(path.websocket_message->find("x-yc-apigateway-integration"), nullptr);
  EXPECT_NE(path.websocket_disconnect, nullptr);
}

TEST(Mappings, AreSeenThroughReferences) {
  const auto loaded = load(test::head() + R"(paths:
  /direct:
    post:
      requestBody: {content: {application/json: {schema: {x-yc-schema-mapping: {type: static, template: {a: b}}}}}}
)" + dummy + R"(  /referred:
    get:
      responses: {200: {$ref: '#/components/responses/R'}}
)" + dummy + R"(  /status:
    get:
      responses: {200: {$ref: '#/components/responses/S'}}
)" + dummy + R"(  /none:
    get:
      responses: {200: {content: {application/json: {schema: {$ref: '#/components/schemas/Plain'}}}}}
)" + dummy + R"(components:
  responses:
    R: {content: {application/json: {schema: {$ref: '#/components/schemas/Tree'}}}}
    S: {x-yc-status-mapping: 201}
  schemas:
    Plain: {type: string, example: {x-yc-schema-mapping: {}}}
    Tree: {properties: {next: {$ref: '#/components/schemas/Tree'}, leaf: {$ref: '#/components/schemas/Leaf'}}}
    Leaf: {x-yc-schema-mapping: {type: static, template: {}}}
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  const auto flags = [&](std::string_view path, std::string_view method) {
    const Operation& operation = operation_of(*loaded.api, path, method);
    return std::pair(operation.has_schema_mapping, operation.has_status_mapping);
  };
  EXPECT_EQ(flags("/direct", "POST"), std::pair(true, false));
  EXPECT_EQ(flags("/referred", "GET"), std::pair(true, false));
  EXPECT_EQ(flags("/status", "GET"), std::pair(false, true));
  EXPECT_EQ(flags("/none", "GET"), std::pair(false, false));
}

TEST(PathItems, MayBeReferencesWithKeysBeside) {
  const auto loaded =
      load({{"api.yaml", test::head() + R"(paths:
  /whole: {$ref: 'items.yaml#/item'}
  /merged:
    $ref: 'items.yaml#/item'
    summary: mine
    post:
)" + dummy + R"(    put:
      operationId: mine
)" + dummy},
            {"items.yaml",
             "item:\n  summary: theirs\n  get:\n    x-yc-apigateway-integration: {type: dummy}\n"
             "  put:\n    operationId: theirs\n    x-yc-apigateway-integration: {type: dummy}\n"}});
  EXPECT_THAT(test::summary(loaded.diagnostics), IsEmpty());
  const Api& api = *loaded.api;
  EXPECT_EQ(operation_of(api, "/whole", "PUT").operation_id, "theirs");
  EXPECT_EQ(operation_of(api, "/merged", "PUT").operation_id, "mine");
  EXPECT_EQ(operation_of(api, "/merged", "POST").method, "POST");
  EXPECT_EQ(operation_of(api, "/merged", "GET").method, "GET");
  EXPECT_EQ(api.document->place(operation_of(api, "/merged", "GET").mark).file, "items.yaml");
}

TEST(Integrations, MayBeReferencesWithKeysBeside) {
  const auto loaded = test::load(R"(openapi: 3.0.0
paths:
  /a:
    get:
      x-yc-apigateway-integration: {$ref: '#/components/x-yc-apigateway-integrations/up', url: 'http://h/a'}
  /b:
    get:
      x-yc-apigateway-integration: {$ref: '#/components/x-yc-apigateway-integrations/up'}
  /c:
    get:
      x-yc-apigateway-integration: {$ref: '#/components/x-yc-apigateway-integrations/gone', url: 'http://h/c'}
components:
  x-yc-apigateway-integrations:
    up: {type: http, url: 'http://h/', headers: {'*': '*'}}
)");
  EXPECT_THAT(test::summary(loaded.diagnostics), ElementsAre("11:43: error broken-ref"));
  const auto text = [&](std::size_t path, const char* key) {
    const Node* node = loaded.api->paths.at(path).operations.at(0).integration->find(key);
    return node == nullptr ? std::string() : node->text;
  };
  EXPECT_EQ(text(0, "url"), "http://h/a");
  EXPECT_EQ(text(0, "type"), "http");
  EXPECT_EQ(text(0, "$ref"), "");
  EXPECT_NE(loaded.api->paths.at(0).operations.at(0).integration->find("headers"), nullptr);
  EXPECT_EQ(text(1, "url"), "http://h/");
  EXPECT_EQ(loaded.api->paths.at(2).operations.at(0).integration, nullptr);
}

TEST(PathItems, MayAllStandInAnotherFile) {
  const auto loaded =
      load({{"api.yaml", test::head() + "paths: {$ref: paths/all.yaml}\n"},
            {"paths/all.yaml", "/a:\n  get:\n    x-yc-apigateway-integration: {$ref: 'i.yaml'}\n"},
            {"paths/i.yaml", "type: dummy\n"}});
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(operation_of(*loaded.api, "/a", "GET").integration->find("type")->text, "dummy");
}

TEST(PathItems, CanShareOperationsByAnchors) {
  const auto loaded = load(test::head() + R"(x-templates:
  cors: &cors
    options:
      x-yc-apigateway-integration: {type: dummy, http_code: 204}
paths:
  /a:
    <<: *cors
    get: &get
      x-yc-apigateway-integration: {type: dummy}
  /b:
    <<: *cors
    get: *get
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_EQ(operation_of(*loaded.api, "/b", "OPTIONS").integration->find("http_code")->text, "204");
  EXPECT_NE(operation_of(*loaded.api, "/a", "GET").operation_id,
            operation_of(*loaded.api, "/b", "GET").operation_id);
}

TEST(Variables, ChooseTheIntegration) {
  const std::string text = test::head() + R"(x-yc-apigateway:
  variables:
    handler: {default: '#/components/x-yc-apigateway-integrations/one'}
    code: {default: 200}
    fn: {default: ''}
paths:
  /a:
    get:
      x-yc-apigateway-integration: {$ref: "${var.handler}"}
  /b:
    get:
      x-yc-apigateway-integration: {type: dummy, http_code: "${var.code}"}
  /c:
    get:
      x-yc-apigateway-integration: {type: cloud_functions, function_id: "${var.fn}"}
components:
  x-yc-apigateway-integrations:
    one: {type: dummy, http_code: 201}
    two: {type: dummy, http_code: 202}
)";
  const auto first = load(text);
  EXPECT_THAT(test::texts(first.diagnostics), IsEmpty());
  EXPECT_EQ(operation_of(*first.api, "/a", "GET").integration->find("http_code")->text, "201");
  EXPECT_EQ(operation_of(*first.api, "/b", "GET").integration->find("http_code")->kind, NodeKind::integer);
  const auto second = load(text, {{"handler", "#/components/x-yc-apigateway-integrations/two"}});
  EXPECT_EQ(operation_of(*second.api, "/a", "GET").integration->find("http_code")->text, "202");
}

TEST(Api, OfTheLargestSizeLoadsInTime) {
  std::string text = test::head() + "paths:\n";
  for (int at = 0; text.size() < 3'400'000; ++at) {
    text += "  /things" + std::to_string(at) + "/{id}:\n    get:\n      operationId: op" +
            std::to_string(at) +
            "\n      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n"
            "      responses: {'200': {description: ok}}\n"
            "      x-yc-apigateway-integration: {type: http, url: 'http://127.0.0.1:9000/{id}'}\n";
  }
  const auto loaded = load(text);
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  EXPECT_GT(loaded.api->paths.size(), 10'000U);
}

}  // namespace
}  // namespace sluice::spec
