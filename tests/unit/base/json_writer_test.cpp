#include "sluice/base/json_writer.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "sluice/base/json.hpp"

namespace sluice {
namespace {

TEST(JsonWriter, PutsCommasBetweenMembersAndItems) {
  std::string text;
  JsonWriter out(text);
  out.begin_object();
  out.key("empty");
  out.begin_object();
  out.end_object();
  out.key("list");
  out.begin_array();
  out.begin_array();
  out.end_array();
  out.value("a");
  out.value(true);
  out.value(std::numeric_limits<std::int64_t>::min());
  out.begin_object();
  out.member("b", "c");
  out.member("d", false);
  out.end_object();
  out.end_array();
  out.key("raw");
  out.raw(R"({"e": null})");
  out.end_object();
  EXPECT_EQ(
      text,
      R"({"empty":{},"list":[[],"a",true,-9223372036854775808,{"b":"c","d":false}],"raw":{"e": null}})");
}

TEST(JsonWriter, EscapesNamesAndTexts) {
  std::string text;
  JsonWriter out(text);
  out.begin_object();
  out.key("a\"\n");
  out.value("\\\x01\xFF");
  out.end_object();
  EXPECT_EQ(text, "{\"a\\\"\\n\":\"\\\\\\u0001\xEF\xBF\xBD\"}");
  const Result<Json> parsed = parse_json(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at("a\"\n"), "\\\x01\xEF\xBF\xBD");
}

TEST(JsonWriter, AppendsToWhatIsThere) {
  std::string text = "data: ";
  JsonWriter out(text);
  out.value(std::string_view());
  EXPECT_EQ(text, "data: \"\"");
}

}  // namespace
}  // namespace sluice
