#include "sluice/base/diagnostics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> texts(const Diagnostics& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& item : diagnostics.items()) {
    lines.push_back(to_text(item));
  }
  return lines;
}

TEST(Diagnostics, CountsAndWrites) {
  Diagnostics diagnostics;
  EXPECT_FALSE(diagnostics.has_errors());
  diagnostics.warning({"a.yaml", 2, 3}, "rule-one", "what", "do this");
  EXPECT_FALSE(diagnostics.has_errors());
  diagnostics.error({"a.yaml", 1, 1}, "rule-two", "other");
  EXPECT_TRUE(diagnostics.has_errors());
  EXPECT_EQ(diagnostics.error_count(), 1U);
  EXPECT_EQ(diagnostics.warning_count(), 1U);
  EXPECT_THAT(texts(diagnostics), ElementsAre("a.yaml:2:3: warning: what; do this [rule-one]",
                                              "a.yaml:1:1: error: other [rule-two]"));
}

TEST(Diagnostics, SortsByPlaceAndDropsRepetitions) {
  Diagnostics diagnostics;
  diagnostics.error({"b", 1, 1}, "r", "m");
  diagnostics.error({"a", 10, 1}, "r", "m");
  diagnostics.error({"a", 9, 2}, "r", "m");
  diagnostics.error({"a", 9, 2}, "r", "m");
  diagnostics.warning({"a", 9, 1}, "r", "m");
  diagnostics.error({"a", 9, 2}, "r", "other");
  diagnostics.sort();
  EXPECT_THAT(texts(diagnostics),
              ElementsAre("a:9:1: warning: m [r]", "a:9:2: error: m [r]", "a:9:2: error: other [r]",
                          "a:10:1: error: m [r]", "b:1:1: error: m [r]"));
  EXPECT_EQ(diagnostics.error_count(), 4U);
  EXPECT_EQ(diagnostics.warning_count(), 1U);
}

TEST(Diagnostics, PromotesWarnings) {
  Diagnostics diagnostics;
  diagnostics.warning({"a", 1, 1}, "r", "m");
  diagnostics.promote_warnings();
  EXPECT_TRUE(diagnostics.has_errors());
  EXPECT_EQ(diagnostics.warning_count(), 0U);
  EXPECT_THAT(texts(diagnostics), ElementsAre("a:1:1: error: m [r]"));
}

TEST(NearestName, FindsMisspellings) {
  const std::vector<std::string_view> names{"service_account_id", "function_id", "tag", "security"};
  EXPECT_EQ(nearest_name("service_acount_id", names), "service_account_id");
  EXPECT_EQ(nearest_name("functionId", names), "function_id");
  EXPECT_EQ(nearest_name("tags", names), "tag");
  EXPECT_EQ(nearest_name("Security", names), "security");
  EXPECT_EQ(nearest_name("tag", names), "tag");
  EXPECT_EQ(nearest_name("TAG", names), "tag");
  EXPECT_EQ(nearest_name("GET", {"get", "put"}), "get") << "case alone is no distance";
  EXPECT_EQ(nearest_name("bucket", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'a'), names), "") << "long input is not compared";
}

}  // namespace
}  // namespace sluice
