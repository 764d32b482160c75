#include "sluice/spec/json_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/spec/integration_types.hpp"

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::Contains;

Json schema() {
  return parse_json(document_schema()).value();
}

void check_references(const Json& node, const Json& root) {
  if (node.is_object()) {
    const auto reference = node.find("$ref");
    if (reference != node.end() && reference->is_string()) {
      const std::string text = reference->get<std::string>();
      ASSERT_EQ(text.substr(0, 1), "#") << text;
      EXPECT_TRUE(root.contains(Json::json_pointer(text.substr(1)))) << text;
    }
  }
  if (node.is_structured()) {
    for (const Json& child : node) {
      check_references(child, root);
    }
  }
}

TEST(DocumentSchema, IsSoundJson) {
  const Json root = schema();
  EXPECT_EQ(root.at("$schema"), "http://json-schema.org/draft-07/schema#");
  check_references(root, root);
  EXPECT_EQ(document_schema().back(), '\n');
}

TEST(DocumentSchema, KnowsEveryIntegrationType) {
  const Json root = schema();
  const Json& integration = root.at("definitions").at("integration").at("else");
  const Json& names = integration.at("properties").at("type").at("anyOf").at(0).at("enum");
  for (const std::string_view name : integration_type_names()) {
    EXPECT_THAT(names, Contains(Json(name)));
  }
  EXPECT_THAT(names, Contains(Json("object-storage")));
  EXPECT_EQ(integration.at("allOf").size(), integration_type_names().size());
}

TEST(DocumentSchema, KnowsTheOptionsThatTheLinterKnows) {
  // An integration with every option of the schema has no unknown key.
  const Json root = schema();
  for (const Json& branch : root.at("definitions").at("integration").at("else").at("allOf")) {
    const std::string type = branch.at("if").at("properties").at("type").at("enum").at(0).get<std::string>();
    std::string text = "i:\n  type: " + type + "\n";
    for (const auto& [option, value] : branch.at("then").at("properties").items()) {
      text += option == "type" ? "" : "  " + option + ": x\n";
    }
    Diagnostics diagnostics;
    const auto document = Document::load(test::memory_options({{"api.yaml", text}}), diagnostics);
    check_integration_options(*document, *document->root().find("i"), diagnostics);
    for (const Diagnostic& item : diagnostics.items()) {
      EXPECT_NE(item.rule, "unknown-key") << to_text(item);
      EXPECT_NE(item.rule, "missing-option") << to_text(item);
    }
    // And without its required options the linter misses them.
    Diagnostics missing;
    const auto bare =
        Document::load(test::memory_options({{"api.yaml", "i:\n  type: " + type + "\n"}}), missing);
    check_integration_options(*bare, *bare->root().find("i"), missing);
    EXPECT_EQ(missing.error_count(), branch.at("then").at("required").size()) << type;
  }
}

TEST(DocumentSchema, KnowsTheKeysOfPathsAndOperations) {
  // The linter knows every key that the schema knows.
  const Json root = schema();
  for (const std::string_view name : {"pathItem", "operation"}) {
    std::string keys;
    for (const auto& [key, value] : root.at("definitions").at(std::string(name)).at("properties").items()) {
      keys += key == "$ref" ? "" : (name == "operation" ? "      " : "    ") + key + ":\n";
    }
    const auto loaded =
        test::load(test::head() + "paths:\n  /a:\n" + (name == "operation" ? "    get:\n" : "") + keys);
    for (const Diagnostic& item : loaded.diagnostics.items()) {
      EXPECT_NE(item.rule, "unknown-key") << to_text(item);
      EXPECT_NE(item.rule, "misplaced-key") << to_text(item);
    }
  }
}

}  // namespace
}  // namespace sluice::spec
