// Documents that are small and ask for much: each must end soon, with an error where it asks for too much.
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t largest = 1'000'000;

std::string fill(std::string text, const std::function<std::string(std::size_t)>& piece,
                 std::size_t size = largest) {
  for (std::size_t at = 0; text.size() < size; ++at) {
    text += piece(at);
  }
  return text;
}

std::vector<std::string> rules_of(const Diagnostics& diagnostics) {
  std::vector<std::string> rules;
  for (const Diagnostic& item : diagnostics.items()) {
    if (rules.empty() || rules.back() != item.rule) {
      rules.push_back(item.rule);
    }
  }
  return rules;
}

class Bounds : public ::testing::Test {
 protected:
  void TearDown() override {
    const auto took = std::chrono::steady_clock::now() - begin_;
    // Milliseconds to two seconds when measured; minutes if a bound is missing.
    EXPECT_LT(std::chrono::duration<double>(took).count(), 30.0);
  }
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

const std::string dummy = "      x-yc-apigateway-integration: {type: dummy}\n";

TEST_F(Bounds, ManyBrokenReferencesToManyNames) {
  std::string text = fill(
      "components:\n  schemas:\n",
      [](std::size_t at) { return "    SomeQuiteLongSchemaName" + std::to_string(at) + ": {}\n"; },
      largest / 2);
  text = fill(text + "  responses:\n", [](std::size_t at) {
    return "    r" + std::to_string(at) + ": {$ref: '#/components/schemas/SomeQuiteLongSchemaNameX" +
           std::to_string(at) + "'}\n";
  });
  const auto loaded = test::load(test::head() + text + "paths: {/a: {}}\n");
  EXPECT_GT(loaded.diagnostics.error_count(), 2'000U);
  EXPECT_THAT(to_text(loaded.diagnostics.items().front()), HasSubstr("did you mean"));
}

TEST_F(Bounds, ManyUnknownKeys) {
  const auto loaded = test::load(fill(test::head() + "paths:\n  /a:\n", [](std::size_t at) {
    return "    parametres" + std::to_string(at) + ": 1\n";
  }));
  EXPECT_GT(loaded.diagnostics.warning_count(), 20'000U);
}

TEST_F(Bounds, MisspelledSecurityIsFoundBehindManyWarnings) {
  std::string text = test::head() + "paths:\n  /a:\n    get:\n" + dummy;
  for (int at = 0; at < 300; ++at) {
    text += "      key" + std::to_string(at) + ": 1\n";
  }
  const auto loaded = test::load(text + "      securty: []\n");
  EXPECT_EQ(loaded.diagnostics.error_count(), 1U);
}

TEST_F(Bounds, ManyUndeclaredVariables) {
  const auto loaded = test::load(
      fill(fill(
               test::head() + "x-yc-apigateway:\n  variables:\n",
               [](std::size_t at) { return "    variable" + std::to_string(at) + ": {default: 1}\n"; },
               largest / 2) +
               "paths: {/a: {}}\nx-list:\n",
           [](std::size_t at) { return "- ${var.varible" + std::to_string(at) + "}\n"; }));
  EXPECT_GT(loaded.diagnostics.error_count(), 2'000U);
}

TEST_F(Bounds, OpenBracesOfTemplates) {
  for (const std::string_view piece : {"${", "{{", "<a", "${var.", "$${"}) {
    const auto loaded = test::load(
        test::head() + "paths:\n  /a:\n    get:\n      x-yc-apigateway-integration: {type: http, url: '" +
        fill("", [&](std::size_t) { return std::string(piece); }) + "'}\n");
    ASSERT_NE(loaded.api, nullptr);
    EXPECT_FALSE(loaded.diagnostics.has_errors());
  }
}

TEST_F(Bounds, AListOfParametersSharedByManyOperations) {
  std::string text = fill(
      test::head() + "components:\n  x-lists:\n    big:\n",
      [](std::size_t at) { return "    - {name: p" + std::to_string(at) + ", in: query}\n"; }, largest / 2);
  text = fill(text + "paths:\n", [](std::size_t at) {
    return "  /p" + std::to_string(at) +
           ":\n    get:\n      parameters: {$ref: '#/components/x-lists/big'}\n" + dummy;
  });
  const auto loaded = test::load(text);
  EXPECT_THAT(rules_of(loaded.diagnostics), ::testing::ElementsAre("document-too-complex"));
  EXPECT_EQ(loaded.diagnostics.error_count(), 1U);
}

TEST_F(Bounds, AListOfParametersOfThePathSharedByItsOperations) {
  std::string text = fill(test::head() + "paths:\n  /a:\n    parameters:\n", [](std::size_t at) {
    return "    - {name: p" + std::to_string(at) + ", in: query}\n";
  });
  text += "    get:\n" + dummy + "    put:\n" + dummy;
  const auto loaded = test::load(text);
  EXPECT_THAT(rules_of(loaded.diagnostics), IsEmpty());
  EXPECT_GT(loaded.api->paths.at(0).operations.at(1).parameters.size(), 10'000U);
}

TEST_F(Bounds, SecuritySharedByManyPaths) {
  std::string text = fill(
      test::head() +
          "components:\n  securitySchemes:\n    s: {type: http, scheme: bearer, "
          "x-yc-apigateway-authorizer: {type: function, function_id: f}}\n"
          "  pathItems:\n    P:\n      get:\n        x-yc-apigateway-integration: {type: dummy}\n"
          "        security:\n",
      [](std::size_t) { return "        - {s: []}\n"; }, largest / 2);
  text = fill(text + "paths:\n", [](std::size_t at) {
    return "  /p" + std::to_string(at) + ": {$ref: '#/components/pathItems/P'}\n";
  });
  const auto loaded = test::load(text);
  EXPECT_THAT(rules_of(loaded.diagnostics), ::testing::ElementsAre("document-too-complex"));
}

TEST_F(Bounds, SchemasThatBranchWithoutEnd) {
  std::string text = test::head() + "components:\n  schemas:\n    A:\n      allOf:\n";
  text = fill(text, [](std::size_t) { return "      - {$ref: '#/components/schemas/A'}\n"; }, 300'000);
  const auto loaded =
      test::load(text +
                 "paths:\n  /a:\n    get:\n      parameters:\n        - {name: q, in: query, schema: "
                 "{$ref: '#/components/schemas/A'}}\n" +
                 dummy);
  EXPECT_THAT(rules_of(loaded.diagnostics), IsEmpty());
}

TEST_F(Bounds, ManyGreedyTemplates) {
  const auto loaded = test::load(fill(test::head() + "paths:\n", [](std::size_t at) {
    return "  /a/b/c/d/e/f/g/h/i/j/k/l" + std::to_string(at) + "/{p" + std::to_string(at) +
           "+}:\n    get:\n" + dummy;
  }));
  EXPECT_THAT(rules_of(loaded.diagnostics), IsEmpty());
}

TEST_F(Bounds, OneVeryLongTemplate) {
  const auto loaded = test::load(test::head() + "paths:\n  ? \"" +
                                 fill("", [](std::size_t at) { return "/{p" + std::to_string(at) + "}"; }) +
                                 "\"\n  : get:\n" + dummy);
  ASSERT_NE(loaded.api, nullptr);
}

TEST_F(Bounds, TextsThatParsersFindHard) {
  const std::vector<std::string> pieces{
      "a\n",    "a: ",   "[a,",       "{a,",    "\"",     "'",    "# c\n",    "- a\n",
      "a: 1\n", "&a ",   "*a ",       "!a ",    "!!str ", "|\n ", "> \n",     "? a\n",
      ": ",     "---\n", "...\n",     "%a b\n", "\t",     "a\t",  "a:\n ",    "a: b: ",
      "{a: ",   "\\",    "\"\\u0041", ", ",     "]}",     "\r\n", "\xC2\xA0", "a - b ? c : d "};
  for (const std::string& piece : pieces) {
    for (const std::string prefix : {"", "a: ", "a: \"", "a: [", "{\"a\": \"", "[", "a: |\n  "}) {
      const std::string text = fill(prefix, [&](std::size_t) { return piece; }, 60'000);
      const auto begin = std::chrono::steady_clock::now();
      test::load(text);
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      EXPECT_LT(took, 10.0) << ::testing::PrintToString(prefix) << ' ' << ::testing::PrintToString(piece);
    }
  }
}

}  // namespace
}  // namespace sluice::spec
