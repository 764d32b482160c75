// Every rule of load_api() with its exact place. The documents stand as people write them; what is expected
// stands beside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules_support.hpp"

namespace sluice::spec {
namespace {

using test::check_rule;
using test::dummy;
using test::name_of;
using test::RuleCase;
using test::with_integration;
using test::with_operation;
using test::with_path_keys;
using test::with_paths;
using test::with_scheme;

class Rules : public ::testing::TestWithParam<RuleCase> {};

TEST_P(Rules, AreReportedInTheirPlaces) {
  check_rule(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Document, Rules,
    ::testing::Values(
        RuleCase{"swagger", "swagger: '2.0'\npaths: {}\nfoo: 1\n", {"1:1: error swagger-2"}},
        RuleCase{"no_version",
                 "info: {title: t}\npaths:\n  /a:\n    get:\n" + dummy,
                 {"1:1: error missing-openapi"}},
        RuleCase{"version_4",
                 "openapi: 4.0.0\npaths:\n  /a:\n    get:\n" + dummy,
                 {"1:10: error unsupported-openapi"}},
        RuleCase{"version_30",
                 "openapi: 3.01.0\npaths:\n  /a:\n    get:\n" + dummy,
                 {"1:10: error unsupported-openapi"}},
        RuleCase{"version_list",
                 "openapi: [3]\npaths:\n  /a:\n    get:\n" + dummy,
                 {"1:10: error missing-openapi"}},
        RuleCase{"version_number", "openapi: 3.0\npaths:\n  /a:\n    get:\n" + dummy, {}},
        RuleCase{"version_31", "openapi: 3.1.0\npaths:\n  /a:\n    get:\n" + dummy, {}},
        RuleCase{"no_paths", "openapi: 3.0.0\n", {"1:1: error missing-paths"}},
        RuleCase{"empty_paths", "openapi: 3.0.0\npaths:\n", {"2:1: warning no-paths"}},
        RuleCase{"paths_list", "openapi: 3.0.0\npaths: [/a]\n", {"2:8: error wrong-type"}},
        RuleCase{"list", "- openapi\n", {"1:1: error wrong-type"}},
        RuleCase{"scalar", "hello\n", {"1:1: error wrong-type"}},
        RuleCase{"unknown_root_key", with_operation(dummy) + "pathss: {}\n", {"7:1: warning unknown-key"}},
        RuleCase{"free_root_key", with_operation(dummy) + "x-mine: {a: 1}\n", {}},
        RuleCase{"unknown_extension",
                 with_operation(dummy) + "x-yc-apigatewey: {}\n",
                 {"7:1: warning unknown-key"}},
        RuleCase{"cors_at_root",
                 with_operation(dummy) + "x-yc-apigateway-cors: {origin: '*'}\n",
                 {"7:1: warning cors-at-root"}},
        RuleCase{"limit_at_root",
                 with_operation(dummy) + "x-yc-apigateway-rate-limit: {allRequests: {rps: 1}}\n",
                 {"7:1: warning misplaced-key"}},
        RuleCase{"misspelled_root_security",
                 with_operation(dummy) + "securty: []\n",
                 {"7:1: error misspelled-security"}},
        RuleCase{"components_key",
                 with_operation(dummy) + "components: {schema: {}}\n",
                 {"7:14: warning unknown-key"}},
        RuleCase{"components_security",
                 with_operation(dummy) + "components: {security: []}\n",
                 {"7:14: error misplaced-security"}},
        RuleCase{"repeated_template",
                 with_paths("  /a:\n    get:\n" + dummy + "  /a:\n    post:\n" + dummy),
                 {"7:3: error repeated-key"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Options, Rules,
    ::testing::Values(
        RuleCase{"unknown",
                 "openapi: 3.0.0\nx-yc-apigateway: {service_acount_id: a}\npaths: {/a: {}}\n",
                 {"2:19: warning unknown-key"}},
        RuleCase{
            "kinds",
            "openapi: 3.0.0\nx-yc-apigateway:\n  service_account_id: [a]\n  ignoreTrailingSlashes: maybe\n"
            "  cors: 5\n  validator: x\n  rateLimit: []\n  smartWebSecurity: {}\npaths: {/a: {}}\n",
            {"3:23: error wrong-type", "4:26: error wrong-type", "5:9: error wrong-type",
             "6:14: error wrong-type", "7:14: error wrong-type", "8:21: error missing-option"}},
        RuleCase{"no_mapping",
                 "openapi: 3.0.0\nx-yc-apigateway: [1]\npaths: {/a: {}}\n",
                 {"2:18: error wrong-type"}},
        RuleCase{"security",
                 "openapi: 3.0.0\nx-yc-apigateway: {security: []}\npaths: {/a: {}}\n",
                 {"2:19: error misplaced-security"}},
        RuleCase{
            "authorizer",
            "openapi: 3.0.0\nx-yc-apigateway: {x-yc-apigateway-authorizer: {type: jwt}}\npaths: {/a: {}}\n",
            {"2:19: error misplaced-authorizer"}},
        RuleCase{"empty", "openapi: 3.0.0\nx-yc-apigateway:\npaths: {/a: {}}\n", {}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Templates, Rules,
    ::testing::Values(
        RuleCase{"no_slash", with_paths("  a:\n    get:\n" + dummy), {"4:3: error bad-template"}},
        RuleCase{"unbalanced", with_paths("  /{a:\n    get:\n" + dummy), {"4:3: error bad-template"}},
        RuleCase{"free_key", with_paths("  x-notes: {get: 1}\n  /a:\n    get:\n" + dummy), {}},
        RuleCase{"trailing_slash_pair",
                 with_paths("  /a:\n    get:\n" + dummy + "  /a/:\n    get:\n" + dummy),
                 {}},
        RuleCase{"names_only",
                 with_paths("  /a/{x}:\n    get:\n" + dummy + "  /a/{y}:\n    post:\n" + dummy),
                 {"7:3: warning ambiguous-template"}},
        RuleCase{"names_only_partly",
                 with_paths("  /{x}.json:\n    get:\n" + dummy + "  /{y}.json:\n    get:\n" + dummy),
                 {"7:3: warning ambiguous-template"}},
        RuleCase{"other_greediness",
                 with_paths("  /a/{x}:\n    get:\n" + dummy + "  /a/{x+}:\n    get:\n" + dummy),
                 {}},
        RuleCase{"shadowed",
                 with_paths("  /{everything+}:\n    get:\n" + dummy + "  /a/{p+}:\n    get:\n" + dummy),
                 {"7:3: warning shadowed-route"}},
        RuleCase{"shadowed_by_any",
                 with_paths("  /{everything+}:\n    x-yc-apigateway-any-method:\n" + dummy +
                            "  /a/{p+}/z:\n    get:\n" + dummy),
                 {"7:3: warning shadowed-route"}},
        RuleCase{"not_shadowed_other_method",
                 with_paths("  /{everything+}:\n    post:\n" + dummy + "  /a/{p+}:\n    get:\n" + dummy),
                 {}},
        RuleCase{"not_shadowed_longer",
                 with_paths("  /{g+}:\n    get:\n" + dummy + "  /api/{p+}:\n    get:\n" + dummy),
                 {}},
        RuleCase{"not_shadowed_other_prefix",
                 with_paths("  /something/{g+}:\n    get:\n" + dummy + "  /b/{p+}:\n    get:\n" + dummy),
                 {}},
        RuleCase{"shadowed_suffix",
                 with_paths("  /{longname+}/x:\n    get:\n" + dummy + "  /{p+}/y/x:\n    get:\n" + dummy),
                 {"7:3: warning shadowed-route"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Paths, Rules,
    ::testing::Values(
        RuleCase{"scalar", with_paths("  /a: text\n"), {"4:7: error wrong-type"}},
        RuleCase{"empty", with_paths("  /a:\n"), {}},
        RuleCase{"unknown_method", with_path_keys("    gett: {}\n"), {"5:5: warning unknown-key"}},
        RuleCase{"integration_in_path",
                 with_path_keys("    x-yc-apigateway-integration: {type: dummy}\n"),
                 {"5:5: warning misplaced-key"}},
        RuleCase{"security_in_path",
                 with_path_keys("    security: [{s: []}]\n"),
                 {"5:5: error misplaced-security"}},
        RuleCase{"authorizer_in_path",
                 with_path_keys("    x-yc-apigateway-authorizer: {type: jwt}\n"),
                 {"5:5: error misplaced-authorizer"}},
        RuleCase{"method_kind", with_paths("  /a:\n    get: 5\n"), {"5:10: error wrong-type"}},
        RuleCase{
            "no_integration", with_operation("      summary: nothing\n"), {"5:5: warning no-integration"}},
        RuleCase{"empty_method", with_paths("  /a:\n    get:\n"), {"5:5: warning no-integration"}},
        RuleCase{"unknown_operation_key",
                 with_operation("      sumary: x\n" + dummy),
                 {"6:7: warning unknown-key"}},
        RuleCase{"misspelled_security",
                 with_operation("      Security: []\n" + dummy),
                 {"6:7: error misspelled-security"}},
        RuleCase{"cors_in_operation",
                 with_operation("      x-yc-apigateway-cors: {origin: true}\n" + dummy),
                 {"6:7: warning misplaced-key"}},
        RuleCase{"authorizer_in_operation",
                 with_operation("      x-yc-apigateway-authorizer: {type: function}\n" + dummy),
                 {"6:7: error misplaced-authorizer"}},
        RuleCase{"repeated_operation_id",
                 with_paths("  /a:\n    get:\n      operationId: x\n" + dummy +
                            "  /b:\n    get:\n      operationId: x\n" + dummy),
                 {"10:20: error repeated-operation-id"}},
        RuleCase{"operation_id_kind",
                 with_operation("      operationId: [x]\n" + dummy),
                 {"6:20: error wrong-type"}},
        RuleCase{"operation_id_number", with_operation("      operationId: 5\n" + dummy), {}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Silence, Rules,
    ::testing::Values(
        RuleCase{"no_responses", with_operation(dummy), {}},
        RuleCase{"integer_status",
                 with_operation("      responses: {200: {description: ok}, default: {}}\n" + dummy),
                 {}},
        RuleCase{"undeclared_path_parameter", with_paths("  /a/{b}/{c+}:\n    get:\n" + dummy), {}},
        RuleCase{
            "not_required",
            with_paths("  /a/{b}:\n    get:\n      parameters: [{name: b, in: path, required: false}]\n" +
                       dummy),
            {}},
        RuleCase{"no_schema", with_operation("      parameters: [{name: b, in: query}]\n" + dummy), {}},
        RuleCase{"content_text", with_integration("        type: dummy\n        content: hello\n"), {}},
        RuleCase{"dashes",
                 with_integration("        type: object-storage\n        bucket: b\n        object: o\n"),
                 {}},
        RuleCase{"empty_scopes", with_operation("      security: []\n" + dummy), {}},
        RuleCase{"spellings",
                 "openapi: 3.0.0\nx-yc-apigateway: {serviceAccountId: a}\npaths:\n  /a:\n    get:\n" + dummy,
                 {}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Integrations, Rules,
    ::testing::Values(
        RuleCase{"no_type", with_integration("        url: x\n"), {"7:9: error missing-option"}},
        RuleCase{"empty_type", with_integration("        type:\n"), {"7:9: error missing-option"}},
        RuleCase{"unknown_type",
                 with_integration("        type: cloud_function\n"),
                 {"7:15: error unknown-integration-type"}},
        RuleCase{"type_kind", with_integration("        type: 5\n"), {"7:15: error wrong-type"}},
        RuleCase{
            "kind", with_operation("      x-yc-apigateway-integration: dummy\n"), {"6:36: error wrong-type"}},
        RuleCase{"null", with_operation("      x-yc-apigateway-integration:\n"), {"6:7: error wrong-type"}},
        RuleCase{"broken_ref",
                 with_operation("      x-yc-apigateway-integration: {$ref: '#/components/x'}\n") +
                     "components: {}\n",
                 {"6:43: error broken-ref"}},
        RuleCase{
            "shared_once",
            with_paths("  /a:\n    get: &g\n      x-yc-apigateway-integration: {type: dumy}\n    post: *g\n"),
            {"6:43: error unknown-integration-type"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Parameters, Rules,
    ::testing::Values(
        RuleCase{"list", with_operation("      parameters: {a: 1}\n" + dummy), {"6:19: error wrong-type"}},
        RuleCase{"item", with_operation("      parameters: [a]\n" + dummy), {"6:20: error wrong-type"}},
        RuleCase{"no_name",
                 with_operation("      parameters: [{in: query}]\n" + dummy),
                 {"6:20: error missing-option"}},
        RuleCase{"no_in",
                 with_operation("      parameters: [{name: q}]\n" + dummy),
                 {"6:20: error missing-option"}},
        RuleCase{"body",
                 with_operation("      parameters: [{name: q, in: body}]\n" + dummy),
                 {"6:34: warning unknown-value"}},
        RuleCase{"bad_in",
                 with_operation("      parameters: [{name: q, in: qeury}]\n" + dummy),
                 {"6:34: warning unknown-value"}},
        RuleCase{"style",
                 with_operation("      parameters: [{name: q, in: query, style: simple}]\n" + dummy),
                 {"6:48: warning unknown-value"}},
        RuleCase{"explode",
                 with_operation("      parameters: [{name: q, in: query, explode: 1}]\n" + dummy),
                 {"6:50: warning unknown-value"}},
        RuleCase{"swagger_type",
                 with_operation("      parameters: [{name: q, in: query, type: string}]\n" + dummy),
                 {"6:41: warning unknown-key"}},
        RuleCase{"unknown_key",
                 with_operation("      parameters: [{name: q, in: query, requird: true}]\n" + dummy),
                 {"6:41: warning unknown-key"}},
        RuleCase{"repeated",
                 with_operation(
                     "      parameters:\n      - {name: X-A, in: header}\n      - {name: x-a, in: header}\n"
                     "      - {name: X-A, in: query}\n" +
                     dummy),
                 {"8:9: warning repeated-parameter"}},
        RuleCase{"not_in_template",
                 with_operation("      parameters: [{name: id, in: path}]\n" + dummy),
                 {"6:20: warning unused-path-parameter"}},
        RuleCase{
            "shared_once",
            with_paths("  /a:\n    get:\n      parameters: [{$ref: '#/components/parameters/P'}]\n" + dummy +
                       "    post:\n      parameters: [{$ref: '#/components/parameters/P'}]\n" + dummy) +
                "components:\n  parameters:\n    P: {name: q, in: query, style: label}\n",
            {"13:36: warning unknown-value"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Security, Rules,
    ::testing::Values(
        RuleCase{"undeclared",
                 with_operation("      security: [{s: []}]\n" + dummy),
                 {"6:19: error undeclared-scheme"}},
        RuleCase{"undeclared_at_root",
                 with_operation(dummy) + "security: [{s: []}]\n",
                 {"7:13: error undeclared-scheme"}},
        RuleCase{"no_authorizer",
                 with_scheme("    s: {type: http, scheme: bearer}\n"),
                 {"6:19: error scheme-without-authorizer"}},
        RuleCase{"no_authorizer_unused",
                 with_operation(dummy) + "components: {securitySchemes: {s: {type: http, scheme: bearer}}}\n",
                 {}},
        RuleCase{"null_authorizer",
                 with_scheme("    s: {type: http, scheme: bearer, x-yc-apigateway-authorizer: }\n"),
                 {"10:37: error wrong-type"}},
        RuleCase{"misspelled_authorizer",
                 with_scheme("    s: {type: http, scheme: bearer, x-yc-apigateway-autorizer: {type: jwt}}\n"),
                 {"6:19: error scheme-without-authorizer", "10:37: warning unknown-key"}},
        RuleCase{"kind", with_operation("      security: s\n" + dummy), {"6:17: error wrong-type"}},
        RuleCase{"null", with_operation("      security:\n" + dummy), {"6:7: error wrong-type"}},
        RuleCase{"item", with_operation("      security: [s]\n" + dummy), {"6:18: error wrong-type"}},
        RuleCase{"scopes",
                 with_operation("      security: [{s: read}, {s: [[]]}]\n" + dummy) +
                     "components:\n  securitySchemes:\n    s: {type: apiKey, in: header, name: K, "
                     "x-yc-apigateway-authorizer: {type: function, function_id: f}}\n",
                 {"6:22: error wrong-type", "6:34: error wrong-type"}},
        RuleCase{
            "unknown_type",
            with_scheme("    s: {type: http, scheme: basic, x-yc-apigateway-authorizer: {type: functoin}}\n"),
            {"10:71: error unknown-authorizer-type"}},
        RuleCase{
            "no_type",
            with_scheme("    s: {type: http, scheme: basic, x-yc-apigateway-authorizer: {function_id: f}}\n"),
            {"10:64: error missing-option"}},
        RuleCase{
            "function_without_id",
            with_scheme("    s: {type: http, scheme: basic, x-yc-apigateway-authorizer: {type: function}}\n"),
            {"10:64: error missing-option"}},
        RuleCase{
            "function_options",
            with_scheme("    s:\n      type: http\n      scheme: Bearer\n      x-yc-apigateway-authorizer:\n"
                        "        type: function\n        function_id: f\n        tag: ''\n"
                        "        authorizer_result_ttl_in_seconds: -1\n"
                        "        authorizer_result_caching_mode: url\n        functionid: x\n"),
            {"16:14: warning empty-tag", "17:43: error out-of-range", "18:41: error unknown-value",
             "19:9: warning unknown-key"}},
        RuleCase{"function_on_oauth",
                 with_scheme(
                     "    s: {type: oauth2, x-yc-apigateway-authorizer: {type: function, function_id: f}}\n"),
                 {"10:58: error authorizer-scheme"}},
        RuleCase{
            "function_on_digest",
            with_scheme("    s: {type: http, scheme: digest, x-yc-apigateway-authorizer: {type: function, "
                        "function_id: f}}\n"),
            {"10:72: error authorizer-scheme"}},
        RuleCase{
            "jwt_on_basic",
            with_scheme(
                "    s: {type: http, scheme: basic, x-yc-apigateway-authorizer: {type: jwt, jwksUri: u}}\n"),
            {"10:71: error authorizer-scheme"}},
        RuleCase{
            "jwt_on_key",
            with_scheme("    s: {type: apiKey, in: query, name: k, x-yc-apigateway-authorizer: {type: jwt, "
                        "jwksUri: u}}\n"),
            {"10:78: error authorizer-scheme"}},
        RuleCase{"jwt_without_keys",
                 with_scheme("    s: {type: openIdConnect, x-yc-apigateway-authorizer: {type: jwt}}\n"),
                 {"10:59: error missing-option"}},
        RuleCase{"jwt_discovery",
                 with_scheme("    s: {type: openIdConnect, openIdConnectUrl: u, x-yc-apigateway-authorizer: "
                             "{type: jwt}}\n"),
                 {}},
        RuleCase{
            "jwt_full",
            with_scheme(
                "    s:\n      type: openIdConnect\n      x-yc-apigateway-authorizer:\n        type: jwt\n"
                "        jwksUri: https://idp.example/keys\n"
                "        IdentitySource: {in: header, name: Authorization, prefix: 'Bearer '}\n"
                "        issuers: [https://idp.example]\n        audiences: a\n"
                "        requiredClaims: [email]\n        authorizer_result_ttl_in_seconds: 60\n"
                "        authorizer_result_caching_mode: uri\n        jwkTtlInSeconds: 600\n"),
            {}},
        RuleCase{
            "jwt_misspelled_check",
            with_scheme(
                "    s:\n      type: openIdConnect\n      x-yc-apigateway-authorizer:\n        type: jwt\n"
                "        jwksUri: u\n        issuer: i\n        audiences: [1]\n"
                "        identitySource: {in: body, nam: x}\n"),
            {"15:9: error unknown-key", "16:20: error wrong-type", "17:25: error missing-option",
             "17:30: error unknown-value", "17:36: error unknown-key"}},
        RuleCase{"api_key_incomplete",
                 with_scheme(
                     "    s: {type: apiKey, x-yc-apigateway-authorizer: {type: function, function_id: f}}\n"),
                 {"10:8: error missing-option", "10:8: error missing-option"}},
        RuleCase{"http_incomplete",
                 with_scheme(
                     "    s: {type: http, x-yc-apigateway-authorizer: {type: function, function_id: f}}\n"),
                 {"10:8: error missing-option", "10:56: error authorizer-scheme"}},
        RuleCase{"schemes_kind",
                 with_operation(dummy) + "components: {securitySchemes: [a]}\n",
                 {"7:31: error wrong-type"}},
        RuleCase{
            "in_schema",
            with_operation(dummy) + "components: {schemas: {A: {x-yc-apigateway-authorizer: {type: jwt}}}}\n",
            {"7:28: error misplaced-authorizer"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Extensions, Rules,
    ::testing::Values(
        RuleCase{"limit_without_all",
                 with_path_keys("    x-yc-apigateway-rate-limit: {}\n"),
                 {"5:33: warning limit-without-allrequests"}},
        RuleCase{"limit_both",
                 with_path_keys("    x-yc-apigateway-rate-limit: {allRequests: {rps: 1, rpm: 2}}\n"),
                 {"5:47: error rate-limit-both"}},
        RuleCase{"limit_neither",
                 with_path_keys("    x-yc-apigateway-rate-limit: {allRequests: {burst: 2}}\n"),
                 {"5:47: error missing-option", "5:48: warning unknown-key"}},
        RuleCase{"limit_zero",
                 with_path_keys("    x-yc-apigateway-rate-limit: {allRequests: {rps: 0}}\n"),
                 {"5:53: error out-of-range"}},
        RuleCase{"limit_text",
                 with_path_keys("    x-yc-apigateway-rate-limit: {allRequests: {rps: ten}}\n"),
                 {"5:53: error wrong-type"}},
        RuleCase{"limit_all_kind",
                 with_path_keys("    x-yc-apigateway-rate-limit: {allRequests: 5}\n"),
                 {"5:47: error wrong-type"}},
        RuleCase{
            "limit_null", with_path_keys("    x-yc-apigateway-rate-limit:\n"), {"5:5: error wrong-type"}},
        RuleCase{"cors_no_origin",
                 with_path_keys("    x-yc-apigateway-cors: {methods: GET}\n"),
                 {"5:27: error missing-option"}},
        RuleCase{
            "cors_kinds",
            with_path_keys("    x-yc-apigateway-cors: {origin: 5, methods: {a: b}, allowedHeaders: [1], "
                           "exposedHeaders: x, credentials: yes, maxAge: '1', optionsSuccessStatus: 404}\n"),
            {"5:36: error wrong-type", "5:48: error wrong-type", "5:73: error wrong-type",
             "5:109: error wrong-type", "5:122: error wrong-type", "5:149: error out-of-range"}},
        RuleCase{"cors_star_credentials",
                 with_path_keys("    x-yc-apigateway-cors: {origin: '*', credentials: true}\n"),
                 {"5:36: warning cors-credentials"}},
        RuleCase{"cors_unknown",
                 with_path_keys("    x-yc-apigateway-cors: {origin: '*', allowHeaders: x}\n"),
                 {"5:41: warning unknown-key"}},
        RuleCase{"cors_fine",
                 with_path_keys("    x-yc-apigateway-cors: {origin: [a, b], methods: [GET], maxAge: 0, "
                                "optionsSuccessStatus: 204, credentials: true}\n"),
                 {}},
        RuleCase{"validator",
                 with_operation("      x-yc-apigateway-validator:\n        validateRequestBody: 1\n"
                                "        validateResponseHeaders: all\n        validateBody: true\n" +
                                dummy),
                 {"7:30: error wrong-type", "8:34: error unknown-value", "9:9: warning unknown-key"}},
        RuleCase{"validator_handler",
                 with_operation("      x-yc-apigateway-validator:\n        validationErrorHandler:\n"
                                "          statusCode: 4000\n          x-yc-apigateway-integration: {type: "
                                "cloud_functions, tag: ''}\n" +
                                dummy),
                 {"8:23: error out-of-range", "9:40: error missing-option", "9:69: warning empty-tag"}},
        RuleCase{"validator_handler_without",
                 with_operation("      x-yc-apigateway-validator: {validationErrorHandler: {}}\n" + dummy),
                 {"6:59: error missing-option"}},
        RuleCase{"referenced_once",
                 with_paths("  /a:\n    x-yc-apigateway-rate-limit: {$ref: "
                            "'#/components/x-yc-apigateway-rate-limits/l'}\n"
                            "  /b:\n    x-yc-apigateway-rate-limit: {$ref: "
                            "'#/components/x-yc-apigateway-rate-limits/l'}\n") +
                     "components:\n  x-yc-apigateway-rate-limits:\n    l: {allRequests: {}}\n",
                 {"10:22: error missing-option"}},
        RuleCase{"status_mapping",
                 with_operation(
                     "      responses:\n        '200': {x-yc-status-mapping: ok}\n"
                     "        '201': {x-yc-status-mapping: 99}\n        '202': {x-yc-status-mapping: 204}\n" +
                     dummy),
                 {"7:38: error wrong-type", "8:38: error out-of-range"}},
        RuleCase{
            "schema_mapping",
            with_operation("      requestBody: {content: {application/json: {schema: {x-yc-schema-mapping: "
                           "{type: dynamic, template: '${.a}'}}}}}\n" +
                           dummy),
            {"6:87: error unknown-value", "6:106: error wrong-type"}},
        RuleCase{"unknown_in_response",
                 with_operation("      responses: {'200': {x-yc-status-maping: 204}}\n" + dummy),
                 {"6:27: warning unknown-key"}},
        RuleCase{"unknown_in_schema",
                 with_operation(dummy) + "components: {schemas: {A: {x-yc-schema-maping: {}}}}\n",
                 {"7:28: warning unknown-key"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Websockets, Rules,
    ::testing::Values(
        RuleCase{"fine",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-connect:\n" + dummy +
                            "    x-yc-apigateway-websocket-message:\n" + dummy +
                            "    x-yc-apigateway-websocket-disconnect:\n" + dummy),
                 {}},
        RuleCase{"without_message",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-connect:\n" + dummy),
                 {"4:3: warning websocket-without-message"}},
        RuleCase{"kind",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-message: 5\n"),
                 {"5:5: error wrong-type"}},
        RuleCase{"no_integration",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-message: {summary: x}\n"),
                 {"5:5: error missing-option"}},
        RuleCase{"bad_integration",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-message:\n"
                            "      x-yc-apigateway-integration: {type: http, uri: x}\n"),
                 {"6:36: error missing-option", "6:49: warning unknown-key"}},
        RuleCase{
            "security_on_message",
            with_paths("  /ws:\n    x-yc-apigateway-websocket-message:\n      security: [{s: []}]\n" + dummy),
            {"6:7: error misplaced-security"}},
        RuleCase{"undeclared_on_connect",
                 with_paths("  /ws:\n    x-yc-apigateway-websocket-connect:\n      security: [{s: []}]\n" +
                            dummy + "    x-yc-apigateway-websocket-message:\n" + dummy),
                 {"6:19: error undeclared-scheme"}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    References, Rules,
    ::testing::Values(
        RuleCase{"siblings",
                 with_operation(dummy) + "components:\n  schemas:\n    A: {type: string}\n    B: {$ref: "
                                         "'#/components/schemas/A', nullable: true}\n",
                 {"10:41: warning ref-siblings"}},
        RuleCase{"siblings_of_an_integration",
                 with_operation("      x-yc-apigateway-integration: {$ref: "
                                "'#/components/x-yc-apigateway-integrations/up', url: "
                                "'http://h/a'}\n") +
                     "components:\n  x-yc-apigateway-integrations: {up: {type: http, url: 'http://h/'}}\n",
                 {}},
        RuleCase{"sibling_prose",
                 with_operation(dummy) + "components:\n  schemas:\n    A: {type: string}\n    B: {$ref: "
                                         "'#/components/schemas/A', description: x, type: string}\n",
                 {}},
        RuleCase{
            "siblings_31",
            "openapi: 3.1.0\npaths:\n  /a:\n    get:\n" + dummy +
                "components:\n  schemas:\n    A: {type: string}\n    B: {$ref: '#/components/schemas/A', "
                "nullable: true}\n",
            {}},
        RuleCase{"broken_schema",
                 with_operation("      responses: {200: {content: {application/json: {schema: {$ref: "
                                "'#/components/schemas/Nope'}}}}}\n" +
                                dummy),
                 {"6:69: error broken-ref"}}),
    name_of);

}  // namespace
}  // namespace sluice::spec
