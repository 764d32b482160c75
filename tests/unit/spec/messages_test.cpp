// Whole messages, as people read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::ElementsAre;

const std::string dummy = "      x-yc-apigateway-integration: {type: dummy}\n";

TEST(Rule, FiveMistakesAreFiveMessages) {
  const auto loaded = test::load(R"(openapi: 3.0.0
paths:
  /pets:
    get:
      security: [{token: []}]
      x-yc-apigateway-integration:
        type: cloud_function
        function_id: d4e1
  pets/{id}:
    get:
      operationId: one
      parameters: [{$ref: '#/components/parameters/Id'}]
      x-yc-apigateway-integration: {type: dummy}
  /pets/{id}/owner:
    get:
      operationId: one
      x-yc-apigateway-integration: {type: dummy, content: "${var.greeting}"}
components:
  parameters:
    id: {name: id, in: path}
)");
  EXPECT_THAT(
      test::texts(loaded.diagnostics),
      ElementsAre(
          "api.yaml:5:19: error: the security scheme token is not declared under components.securitySchemes; "
          "declare "
          "it with its x-yc-apigateway-authorizer [undeclared-scheme]",
          "api.yaml:7:15: error: there is no integration type \"cloud_function\"; did you mean "
          "`cloud_functions`? "
          "[unknown-integration-type]",
          "api.yaml:9:3: error: the path pets/{id} cannot be a route: a path begins with /; write /pets/{id} "
          "[bad-template]",
          "api.yaml:12:27: error: the $ref #/components/parameters/Id leads nowhere: there is no \"Id\"; did "
          "you mean "
          "`id`? [broken-ref]",
          "api.yaml:16:20: error: the operationId \"one\" stands twice, first at api.yaml:11:20; give each "
          "operation "
          "an id of its own [repeated-operation-id]",
          "api.yaml:17:59: error: ${var.greeting} is not declared: either a gateway variable that nobody "
          "declared "
          "under x-yc-apigateway.variables, or a Terraform variable that was never rendered; declare it "
          "(`greeting: "
          "{default: VALUE}`), or render the template before use [undeclared-variable]"));
}

TEST(Rule, SaysWhatPlaceholdersNeed) {
  const std::string head = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      x-yc-apigateway-integration:\n";
  const std::string quotes = "        type: cloud_functions\n        function_id: \"${ids[\"bot\"]}\"\n";
  EXPECT_THAT(test::texts(test::load(head + quotes).diagnostics),
              ElementsAre(::testing::EndsWith(
                  "a quote inside `${…}` ends the text: render the template first, or put the whole "
                  "in single quotes [yaml-syntax]")));
  EXPECT_THAT(
      test::texts(test::load("openapi: 3.0.0\npaths:\n  /{file+}.{ext}:\n    get:\n      parameters: [{name: "
                             "file, in: path}]\n" +
                             dummy)
                      .diagnostics),
      ElementsAre(
          "api.yaml:3:3: error: the path /{file+}.{ext} cannot be a route: a greedy parameter must be a "
          "whole segment; parameters are {name}, greedy ones {name+}, alone between two slashes "
          "[bad-template]"));
}

TEST(Rule, NamesTheOtherRoute) {
  const auto loaded =
      test::load(test::head() + "paths:\n" +
                 std::string("  /{everything+}:\n    get:\n" + dummy + "  /a/{p+}:\n    get:\n" + dummy));
  EXPECT_THAT(
      test::texts(loaded.diagnostics),
      ElementsAre(
          "api.yaml:7:3: warning: no request reaches /a/{p+} (GET): /{everything+} (api.yaml:4) matches "
          "all of its paths and goes first, as its text is longer; shorten the name of the greedy "
          "parameter of the wider template [shadowed-route]"));
}

}  // namespace
}  // namespace sluice::spec
