/// A rule, the document that breaks it, and where the finding stands; documents are made of pieces.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec::test {

struct RuleCase {
  std::string name;
  std::string text;
  std::vector<std::string> expected;
};

inline void PrintTo(const RuleCase& value, std::ostream* out) {
  *out << value.name;
}

inline const std::string& documented_rules() {
  static const std::string text =
      real_file_reader()(std::string(SLUICE_SOURCE_DIR) + "/docs/rules.md").value();
  return text;
}

/// Loads the document and compares the findings; every rule must stand in docs/rules.md.
inline void check_rule(const RuleCase& rule) {
  const auto loaded = test::load(rule.text);
  EXPECT_THAT(test::summary(loaded.diagnostics), ::testing::ElementsAreArray(rule.expected))
      << ::testing::PrintToString(test::texts(loaded.diagnostics));
  for (const Diagnostic& item : loaded.diagnostics.items()) {
    EXPECT_FALSE(item.message.empty());
    EXPECT_THAT(item.rule, ::testing::MatchesRegex("[a-z0-9-]+"));
    EXPECT_THAT(documented_rules(), ::testing::HasSubstr("| `" + item.rule + "` |")) << "in docs/rules.md";
  }
}

inline std::string name_of(const ::testing::TestParamInfo<RuleCase>& info) {
  return info.param.name;
}

/// A document with these paths: they begin at line 4.
inline std::string with_paths(const std::string& paths) {
  return test::head() + "paths:\n" + paths;
}

/// One operation: its keys begin at line 6, column 7.
inline std::string with_operation(const std::string& keys) {
  return with_paths("  /a:\n    get:\n" + keys);
}

/// One operation with this integration: its options begin at line 7, column 9.
inline std::string with_integration(const std::string& options) {
  return with_operation("      x-yc-apigateway-integration:\n" + options);
}

inline const std::string dummy = "      x-yc-apigateway-integration: {type: dummy}\n";

/// One path with keys at line 5, column 5, and a GET after them.
inline std::string with_path_keys(const std::string& keys) {
  return with_paths("  /a:\n" + keys + "    get:\n" + dummy);
}

/// Security schemes at line 9, column 5; GET /a uses scheme `s`.
inline std::string with_scheme(const std::string& schemes) {
  return with_operation("      security: [{s: []}]\n" + dummy) + "components:\n  securitySchemes:\n" +
         schemes;
}

}  // namespace sluice::spec::test
