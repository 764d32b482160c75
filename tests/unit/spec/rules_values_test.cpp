// Rules about values and keys that may stand anywhere: authorizers in the wrong place, leftovers of
// templating.
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

class ValueRules : public ::testing::TestWithParam<RuleCase> {};

TEST_P(ValueRules, AreReportedInTheirPlaces) {
  check_rule(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Authorizers, ValueRules,
    ::testing::Values(
        RuleCase{"type_in_the_key",
                 with_operation("      x-yc-apigateway-authorizer:function: {function_id: d4e}\n" + dummy),
                 {"6:7: error misspelled-authorizer"}},
        RuleCase{"british",
                 with_path_keys("    x-yc-apigateway-authoriser: {type: function, function_id: d4e}\n"),
                 {"5:5: error misspelled-authorizer"}},
        RuleCase{"short",
                 with_operation("      x-yc-authorizer: {function_id: d4e}\n" + dummy),
                 {"6:7: error misspelled-authorizer"}},
        RuleCase{"in_components",
                 with_operation(dummy) +
                     "components:\n  x-yc-apigateway-authorizers: {a: {type: function, function_id: d4e}}\n",
                 {"8:3: error misspelled-authorizer"}},
        RuleCase{"in_a_response",
                 with_operation(dummy + "      responses: {'200': {x-yc-apigateway-authorizers: {}}}\n"),
                 {"7:27: error misspelled-authorizer"}},
        RuleCase{
            "in_a_scheme",
            with_scheme("    s: {type: apiKey, in: header, name: X, x-yc-authorizer: {type: function}}\n"),
            {"6:19: error scheme-without-authorizer", "10:44: error misspelled-authorizer"}},
        RuleCase{"for_the_whole_document",
                 "openapi: 3.0.0\nx-yc-apigateway: {authorizer: {type: function, function_id: d4e}}\npaths:\n"
                 "  /a:\n    get:\n" +
                     dummy,
                 {"2:19: error misplaced-authorizer"}},
        RuleCase{"never_named",
                 with_operation(dummy) +
                     "components:\n  securitySchemes:\n    k: {type: apiKey, in: header, name: "
                     "X, x-yc-apigateway-authorizer: {type: function, function_id: d4e}}\n",
                 {"9:5: warning unused-authorizer"}},
        RuleCase{"named_at_the_root_only",
                 "openapi: 3.0.0\nsecurity: [{k: []}]\npaths:\n  /a:\n    get:\n      security: []\n" +
                     dummy +
                     "components:\n  securitySchemes:\n    k: {type: apiKey, in: header, name: X, "
                     "x-yc-apigateway-authorizer: {type: function, function_id: d4e}}\n",
                 {}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Leftovers, ValueRules,
    ::testing::Values(
        RuleCase{"dollar",
                 with_integration("        type: cloud_functions\n        function_id: ${func_id}\n"),
                 {"8:22: warning template-leftover"}},
        RuleCase{"terraform",
                 with_integration("        type: http\n        url: 'https://x/${yandex_function.f.id}'\n"),
                 {"8:14: warning template-leftover"}},
        RuleCase{"escaped",
                 with_integration("        type: http\n        url: 'https://x/$${host}'\n"),
                 {"8:14: warning template-leftover"}},
        RuleCase{"escaped_variable",
                 with_integration("        type: http\n        url: $${var.url}\n"),
                 {"8:14: warning template-leftover"}},
        RuleCase{"angles",
                 with_integration("        type: cloud_functions\n        function_id: <function_ID>\n"),
                 {"8:22: warning template-leftover"}},
        RuleCase{"angles_in_url",
                 with_integration("        type: http\n        url: https://<your host>/x\n"),
                 {"8:14: warning template-leftover"}},
        RuleCase{"angles_cyrillic",
                 with_integration(
                     "        type: object_storage\n        bucket: <имя_бакета>\n        object: x\n"),
                 {"8:17: warning template-leftover"}},
        RuleCase{"braces",
                 with_integration("        type: cloud_functions\n        function_id: '{{ id }}'\n"),
                 {"8:22: warning template-leftover"}},
        RuleCase{
            "shell",
            with_integration("        type: serverless_containers\n        container_id: $API_CONTAINER\n"),
            {"8:23: warning template-leftover"}},
        RuleCase{"a_tag_is_none",
                 with_integration(
                     "        type: cloud_functions\n        function_id: d4e\n        tag: $latest\n"),
                 {}},
        RuleCase{"text_with_a_line_end",
                 with_integration("        type: dummy\n        content:\n          text/plain: \"on "
                                  "${apigw.stage}\\n\"\n"),
                 {"9:23: warning template-leftover"}},
        RuleCase{"in_account",
                 "openapi: 3.0.0\nx-yc-apigateway: {service_account_id: <sa id>}\npaths:\n  /a:\n    get:\n" +
                     dummy,
                 {"2:39: warning template-leftover"}},
        RuleCase{
            "shared_place_once",
            with_paths("  /a:\n    get:\n      x-yc-apigateway-integration: &i {type: http, url: '<url>'}\n"
                       "    post:\n      x-yc-apigateway-integration: *i\n"),
            {"6:57: warning template-leftover"}},
        RuleCase{"html_page",
                 with_integration("        type: dummy\n        content:\n          text/html: '<html><body "
                                  "class=\"x\">Hello <b>you</b> ${name} {{ x }}</body></html>'\n"),
                 {}},
        RuleCase{"html_block",
                 with_integration(
                     "        type: dummy\n        content:\n          '*': |\n            <p>text</p>\n"
                     "            <script>let s = `${a} {{b}}`</script>\n"),
                 {}},
        RuleCase{
            "html_string", with_integration("        type: dummy\n        content: <h1>Hello</h1>\n"), {}},
        RuleCase{"xml", with_integration("        type: dummy\n        content: {text/xml: '<a/>'}\n"), {}},
        RuleCase{"content_dollar",
                 with_integration("        type: dummy\n        content: {text/plain: 'Hi ${name}'}\n"),
                 {"8:31: warning template-leftover"}},
        RuleCase{"json_braces",
                 with_integration(
                     "        type: dummy\n        content: {application/json: '{\"a\":{\"b\":{}}}'}\n"),
                 {}},
        RuleCase{
            "json_double_braces",
            with_integration("        type: dummy\n        content: {application/json: '{{\"a\":1}}'}\n"),
            {}},
        RuleCase{"prose",
                 with_operation(
                     "      summary: 'Replace <id>, ${x} and {{ y }}'\n      description: <b>bold</b> <id>\n"
                     "      tags: ['<tag>']\n" +
                     dummy),
                 {}},
        RuleCase{"example_data",
                 with_operation(dummy) +
                     "components: {schemas: {A: {example: '<id>', default: '${x}', enum: ['{{ y }}'], "
                     "pattern: '^<a>$'}}}\n",
                 {}},
        RuleCase{"arithmetics",
                 with_integration(
                     "        type: http\n        url: http://x/\n        query: {q: 'a < b and c > d'}\n"),
                 {}},
        RuleCase{
            "mail",
            with_integration(
                "        type: http\n        url: http://x/\n        headers: {From: 'A <a@b.example>'}\n"),
            {}},
        RuleCase{
            "mapping_reference",
            with_operation("      requestBody: {content: {application/json: {schema: {x-yc-schema-mapping: "
                           "{type: static, template: {a: '${.b.c[0]}'}}}}}}\n" +
                           dummy),
            {}},
        RuleCase{"price", with_integration("        type: dummy\n        content: 'costs $5 {x}'\n"), {}}),
    name_of);

}  // namespace
}  // namespace sluice::spec
