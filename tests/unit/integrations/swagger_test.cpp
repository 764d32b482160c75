#include "sluice/base/secrets.hpp"

#include "integrations/swagger/assets.hpp"
#include "integrations/swagger/public_document.hpp"
#include "unit/integrations/fixture.hpp"

namespace sluice::integrations {
namespace {

using test::Answer;
using test::Bench;
using testing::HasSubstr;
using testing::Not;

using Files = std::map<std::string, std::string, std::less<>>;

/// The document as it is shown; "api.yaml" is the root.
OrderedJson shown(const Files& files, spec::VariableValues variables = {}) {
  spec::LoadOptions load;
  load.file = "api.yaml";
  load.variables = std::move(variables);
  load.reader = [files](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) {
      return config_error("no file " + path);
    }
    return found->second;
  };
  Diagnostics diagnostics;
  const auto api = spec::load_api(load, diagnostics);
  for (const Diagnostic& item : diagnostics.items()) {
    EXPECT_NE(item.severity, Severity::error) << item.message;
  }
  Result<OrderedJson> document = public_document(*api);
  EXPECT_TRUE(document.has_value());
  return document ? *document : OrderedJson();
}

OrderedJson shown(const std::string& paths, const std::string& rest = {}) {
  return shown(
      Files{{"api.yaml", "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n" + rest + "\npaths:\n" + paths}});
}

TEST(PublicDocument, HasNoExtensionsAndNoServers) {
  const OrderedJson document = shown(R"(
  /a:
    x-yc-apigateway-cors: {origin: true}
    x-mine: {host: inner}
    servers: [{url: 'https://inner.example'}]
    get:
      x-yc-apigateway-integration: {type: http, url: 'https://upstream.example/secret-path'}
      x-yc-apigateway-rate-limit: {allRequests: {rps: 5}}
      servers: [{url: 'https://inner.example'}]
      responses: {200: {description: ok, x-yc-status-mapping: 201}}
)",
                                     R"(
servers: [{url: 'https://inner.example'}]
x-yc-apigateway: {service_account_id: aje1}
components:
  x-yc-apigateway-integrations: {one: {type: dummy}}
  securitySchemes:
    jwt: {type: http, scheme: bearer, x-yc-apigateway-authorizer: {type: function, function_id: d4e}}
)");
  const std::string text = dump_json(document);
  for (const char* gone : {"x-", "servers", "upstream", "secret-path", "inner", "aje1", "d4e", "dummy"}) {
    EXPECT_THAT(text, Not(HasSubstr(gone)));
  }
  EXPECT_EQ(dump_json(document["paths"]), R"({"/a":{"get":{"responses":{"200":{"description":"ok"}}}}})");
  EXPECT_EQ(dump_json(document["components"]),
            R"({"securitySchemes":{"jwt":{"type":"http","scheme":"bearer"}}})");
}

TEST(PublicDocument, NamesThatBeginLikeExtensionsStay) {
  const OrderedJson document = shown(R"(
  /a:
    get:
      security: [{x-key: []}]
      responses:
        200:
          description: ok
          headers: {X-Count: {schema: {type: integer}}, x-rate: {schema: {type: integer}}}
          content:
            application/json:
              schema: {type: object, properties: {x-first: {type: string, x-gone: 1}}}
              example: {x-first: kept}
)",
                                     R"(
components:
  schemas: {x-Thing: {type: object}}
  securitySchemes: {x-key: {type: apiKey, in: header, name: X-Key, x-yc-apigateway-authorizer: {type: function, function_id: d4e}}}
)");
  const OrderedJson& operation = document["paths"]["/a"]["get"];
  EXPECT_EQ(dump_json(operation["security"]), R"([{"x-key":[]}])");
  const OrderedJson& answer = operation["responses"]["200"];
  EXPECT_TRUE(answer["headers"].contains("x-rate"));
  const OrderedJson& media = answer["content"]["application/json"];
  EXPECT_EQ(dump_json(media["schema"]["properties"]), R"({"x-first":{"type":"string"}})");
  EXPECT_EQ(dump_json(media["example"]), R"({"x-first":"kept"})");
  EXPECT_TRUE(document["components"]["schemas"].contains("x-Thing"));
}

TEST(PublicDocument, SecretsAreHidden) {
  remember_secret("from-the-environment");
  const OrderedJson document = shown(Files{{"api.yaml", R"(
openapi: 3.0.0
info: {title: t, version: '1', description: 'a ${var.database.password} b ${var.marked} c ${var.open} d'}
x-yc-apigateway:
  variables:
    database.password: {default: hunter2}
    marked: {default: 123456789, x-secret: true}
    open: {default: visible}
tags: [{name: from-the-environment}]
paths:
  /a:
    get:
      parameters:
        - {name: X-Api-Key, in: header, schema: {type: string, default: key-one}, example: key-two}
        - {name: limit, in: query, schema: {type: integer, default: 10}}
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [password]
              properties:
                password: {type: string, minLength: 8, default: pass-one, example: pass-two}
                user: {type: string, example: anna}
            example: {user: anna, password: pass-three, nested: [{access_token: [pass-four], n: 5}]}
            examples: {one: {value: {client_secret: 42, url: 'https://me:pass-five@pay.example/x'}}}
)"}});
  const std::string text = dump_json(document);
  for (const char* gone : {"hunter2", "123456789", "from-the", "key-one", "key-two", "pass-", "42", "me:"}) {
    EXPECT_THAT(text, Not(HasSubstr(gone)));
  }
  EXPECT_EQ(document["info"]["description"], "a *** b *** c visible d");
  EXPECT_EQ(document["tags"][0]["name"], "***");
  const OrderedJson& operation = document["paths"]["/a"]["get"];
  EXPECT_EQ(operation["parameters"][1]["schema"]["default"], 10);
  const OrderedJson& media = operation["requestBody"]["content"]["application/json"];
  EXPECT_EQ(dump_json(media["schema"]["properties"]["password"]),
            R"({"type":"string","minLength":8,"default":"***","example":"***"})");
  EXPECT_EQ(media["schema"]["properties"]["user"]["example"], "anna");
  EXPECT_EQ(dump_json(media["schema"]["required"]), R"(["password"])");
  EXPECT_EQ(dump_json(media["example"]),
            R"({"user":"anna","password":"***","nested":[{"access_token":["***"],"n":5}]})");
  EXPECT_EQ(dump_json(media["examples"]["one"]["value"]), R"({"client_secret":"***","url":"https://***/x"})");
}

TEST(PublicDocument, HostsOfIntegrationsAndInternalOnesAreHidden) {
  const OrderedJson document = shown(R"(
  /a:
    get:
      description: >-
        Asks Orders.Shop.example (https://orders.shop.example:8443/v1), see https://docs.shop.example/a,
        http://10.0.0.7:80/x, http://[::1]/y, http://backend/z, https://db.prod.internal. End.
      externalDocs: {url: 'http://localhost:3000/a'}
      x-yc-apigateway-integration: {$ref: '#/components/x-yc-apigateway-integrations/orders'}
)",
                                     R"(
components:
  x-yc-apigateway-integrations: {orders: {type: http, url: 'https://orders.shop.example/{id}'}}
)");
  const OrderedJson& operation = document["paths"]["/a"]["get"];
  EXPECT_EQ(operation["description"],
            "Asks *** (https://***/v1), see https://docs.shop.example/a, http://***/x, http://***/y, "
            "http://***/z, https://*** End.");
  EXPECT_EQ(operation["externalDocs"]["url"], "http://***/a");
}

TEST(PublicDocument, InternalHosts) {
  for (const char* host :
       {"localhost", "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fd00::1", "backend",
        "a.local", "a.prod.internal", "a.svc.cluster.local", "A.LAN"}) {
    EXPECT_TRUE(is_internal_host(host)) << host;
  }
  for (const char* host :
       {"", "example.com", "8.8.8.8", "2001:4860:4860::8888", "internal.example.com", "{host}"}) {
    EXPECT_FALSE(is_internal_host(host)) << host;
  }
}

TEST(PublicDocument, IsWrittenAsToolsExpectIt) {
  const OrderedJson document = shown(R"(
  /files/{name}/{path+}:
    parameters: [{name: path, in: path}]
    get: {operationId: read}
  /only/websocket:
    x-yc-apigateway-websocket-message: {x-yc-apigateway-integration: {type: dummy}}
  /numbers:
    get:
      responses: {200: {description: ok}, default: {description: else}}
)");
  const OrderedJson& item = document["paths"]["/files/{name}/{path}"];
  EXPECT_EQ(dump_json(item["parameters"]),
            R"([{"name":"path","in":"path","required":true,"schema":{"type":"string"}}])");
  EXPECT_EQ(dump_json(item["get"]["parameters"]),
            R"([{"name":"name","in":"path","required":true,"schema":{"type":"string"}}])");
  EXPECT_EQ(dump_json(item["get"]["x-greedy-parameters"]), R"(["path"])");
  EXPECT_TRUE(item["get"]["responses"].contains("default"));
  EXPECT_FALSE(document["paths"].contains("/only/websocket"));
  EXPECT_TRUE(document["paths"]["/numbers"]["get"]["responses"].contains("200"));
  EXPECT_FALSE(document["paths"]["/numbers"]["get"].contains("x-greedy-parameters"));
}

TEST(PublicDocument, AnyMethodIsTheUsualMethodsThatThePathDoesNotName) {
  const OrderedJson document = shown(R"(
  /a:
    post: {operationId: own}
    x-yc-apigateway-any-method:
      operationId: rest
      description: The rest.
      requestBody: {content: {application/json: {}}}
)");
  const OrderedJson& item = document["paths"]["/a"];
  std::vector<std::string> methods;
  for (const auto& [method, operation] : item.items()) {
    methods.push_back(method);
  }
  EXPECT_THAT(methods, testing::UnorderedElementsAre("post", "get", "put", "patch", "delete"));
  EXPECT_EQ(item["post"]["operationId"], "own");
  EXPECT_EQ(item["put"]["operationId"], "rest_put");
  EXPECT_EQ(item["put"]["description"], "The rest.\n\nThis operation takes any method.");
  EXPECT_TRUE(item["put"].contains("requestBody"));
  EXPECT_FALSE(item["get"].contains("requestBody"));
}

TEST(PublicDocument, StandsAlone) {
  const OrderedJson document =
      shown(Files{{"api.yaml", R"(
openapi: 3.0.0
info: {title: t, version: '1'}
paths:
  /a:
    get:
      parameters: [{$ref: 'parts.yaml#/limit'}, {$ref: '#/components/parameters/page'}]
      responses:
        200: {description: ok, content: {application/json: {schema: {$ref: 'models.yaml#/Tree'}}}}
        201: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Own'}}}}
        202: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Alias'}}}}
  /b: {$ref: 'parts.yaml#/item'}
components:
  parameters: {page: {name: page, in: query}}
  schemas:
    Own: {type: object, properties: {tree: {$ref: 'models.yaml#/Tree'}, self: {$ref: '#/components/schemas/Own'}}}
    Alias: {$ref: 'models.yaml#/Other'}
    Tree: {type: integer}
)"},
                  {"parts.yaml",
                   "limit: {name: limit, in: query, schema: {type: integer}}\n"
                   "item: {get: {summary: b, x-yc-apigateway-integration: {type: dummy}}}\n"},
                  {"models.yaml",
                   "Tree: {type: object, properties: {children: {type: array, items: {$ref: '#/Tree'}}}}\n"
                   "Other: {type: object, properties: {other: {$ref: '#/Other'}}}\n"}});
  EXPECT_THAT(dump_json(document), Not(HasSubstr(".yaml")));
  const OrderedJson& get = document["paths"]["/a"]["get"];
  EXPECT_EQ(get["parameters"][0]["name"], "limit");
  EXPECT_EQ(get["parameters"][1]["$ref"], "#/components/parameters/page");
  const auto schema = [&](const char* code) {
    return get["responses"][code]["content"]["application/json"]["schema"]["$ref"].get<std::string>();
  };
  EXPECT_EQ(schema("200"), "#/components/schemas/Tree_2");
  EXPECT_EQ(schema("201"), "#/components/schemas/Own");
  EXPECT_EQ(schema("202"), "#/components/schemas/Alias");
  EXPECT_EQ(document["paths"]["/b"]["get"]["summary"], "b");
  const OrderedJson& schemas = document["components"]["schemas"];
  EXPECT_EQ(schemas["Tree_2"]["properties"]["children"]["items"]["$ref"], "#/components/schemas/Tree_2");
  EXPECT_EQ(schemas["Tree"]["type"], "integer");
  EXPECT_EQ(schemas["Own"]["properties"]["self"]["$ref"], "#/components/schemas/Own");
  EXPECT_EQ(schemas["Alias"]["type"], "object");
  EXPECT_EQ(schemas["Alias"]["properties"]["other"]["$ref"], "#/components/schemas/Alias");
}

TEST(Swagger, DocumentNamesTheWayToTheRoot) {
  for (const auto& [path, url] : std::map<std::string, std::string>{
           {"/docs", "./"}, {"/docs/", "../"}, {"/a/b/docs", "../../"}, {"/", "./"}}) {
    Bench bench("type: swagger", "", "/docs");
    const Answer answer = bench.run("GET", path + "?document");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    const Json document = parse_json(answer.body).value();
    EXPECT_EQ(document["servers"][0]["url"], url) << path;
    EXPECT_EQ(document["openapi"], "3.0.0");
    EXPECT_TRUE(document["paths"].contains("/docs"));
    const Answer again = bench.run("GET", path + "?document", {{"If-None-Match", answer.header("ETag")}});
    EXPECT_EQ(again.status, 304);
    EXPECT_EQ(again.body, "");
  }
}

TEST(Swagger, OtherMethodsAreRefused) {
  Bench bench("type: swagger", "", "/docs");
  const Answer answer = bench.run("POST", "/docs");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.header("Allow"), "GET, HEAD");
}

TEST(Swagger, WithoutAssetsThePageIsNotBuilt) {
  if (!swagger_assets().empty()) {
    GTEST_SKIP() << "this build has the assets";
  }
  Bench bench("type: swagger", "", "/docs");
  bench.environment.mode = gateway::CompileMode::configured;
  const Answer answer = bench.run("GET", "/docs");
  EXPECT_EQ(answer.status, 501);
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_THAT(answer.error->message, HasSubstr("npm"));
  EXPECT_THAT(bench.mistakes(), HasSubstr("not part of this build"));
  EXPECT_EQ(bench.run("GET", "/docs?document").status, 200);
}

TEST(Swagger, PageRefersToItself) {
  if (swagger_assets().empty()) {
    GTEST_SKIP() << "this build has no Swagger UI: run .ci/setup swagger";
  }
  Bench bench("type: swagger", "", "/docs");
  const Answer answer = bench.run("GET", "/docs?api_key=a%22b&x=<script>");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(answer.header("Content-Security-Policy"), HasSubstr("default-src 'none'"));
  EXPECT_THAT(answer.body,
              HasSubstr("src=\"?asset=swagger-ui-bundle.js&amp;api_key=a%22b&amp;x=&lt;script&gt;\""));
  EXPECT_THAT(answer.body, HasSubstr("data-document=\"?document&amp;api_key"));
  EXPECT_THAT(answer.body, Not(HasSubstr("<script>\"")));
  EXPECT_EQ(
      bench.run("GET", "/docs?api_key=a%22b&x=<script>", {{"If-None-Match", answer.header("ETag")}}).status,
      304);
  const Answer head = bench.run("HEAD", "/docs");
  EXPECT_EQ(head.status, 200);
}

TEST(Swagger, AssetsComePackedWhereTheClientTakesIt) {
  if (swagger_assets().empty()) {
    GTEST_SKIP() << "this build has no Swagger UI: run .ci/setup swagger";
  }
  EXPECT_FALSE(swagger_ui_version().empty());
  Bench bench("type: swagger", "", "/docs");
  const std::string target = "/docs?asset=swagger-ui.css";
  const Answer plain = bench.run("GET", target);
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.header("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(plain.header("Content-Encoding"), "(absent)");
  EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");
  EXPECT_THAT(plain.body, HasSubstr(".swagger-ui"));
  for (const char* accept : {"gzip", "br;q=1.0, gzip;q=0.5", "GZIP", "*", "*;q=0, gzip"}) {
    const Answer packed = bench.run("GET", target, {{"Accept-Encoding", accept}});
    EXPECT_EQ(packed.header("Content-Encoding"), "gzip") << accept;
    EXPECT_LT(packed.body.size(), plain.body.size() / 2);
    EXPECT_EQ(packed.body.substr(0, 2), "\x1f\x8b");
    EXPECT_NE(packed.header("ETag"), plain.header("ETag"));
    const Answer again =
        bench.run("GET", target, {{"Accept-Encoding", accept}, {"If-None-Match", packed.header("ETag")}});
    EXPECT_EQ(again.status, 304);
    EXPECT_EQ(again.header("Vary"), "Accept-Encoding");
  }
  for (const char* accept : {"gzip;q=0", "br", "identity", "*, gzip;q=0.0", ""}) {
    EXPECT_EQ(bench.run("GET", target, {{"Accept-Encoding", accept}}).header("Content-Encoding"), "(absent)")
        << accept;
  }
  EXPECT_EQ(bench.run("GET", "/docs?asset=../swagger.cpp").status, 404);
  EXPECT_EQ(bench.run("GET", "/docs?asset").status, 404);
}

TEST(Swagger, PolicyNamesTheOriginsOfTokens) {
  if (swagger_assets().empty()) {
    GTEST_SKIP() << "this build has no Swagger UI: run .ci/setup swagger";
  }
  Bench none("type: swagger", "", "/docs");
  EXPECT_THAT(none.run("GET", "/docs").header("Content-Security-Policy"), HasSubstr("connect-src 'self';"));
}

}  // namespace
}  // namespace sluice::integrations
