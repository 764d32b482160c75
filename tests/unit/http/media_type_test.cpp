#include "sluice/http/media_type.hpp"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(MediaType, Parses) {
  const auto type = parse_media_type(" Text/HTML ; Charset=UTF-8;q=\"a;\\\"b\" ;");
  ASSERT_TRUE(type);
  EXPECT_EQ(type->essence(), "text/html");
  ASSERT_EQ(type->parameters.size(), 2U);
  EXPECT_EQ(*type->parameter("charset"), "UTF-8");
  EXPECT_EQ(*type->parameter("q"), "a;\"b");
  EXPECT_FALSE(type->parameter("x"));
  EXPECT_EQ(parse_media_type("*/*")->essence(), "*/*");
}

TEST(MediaType, RefusesWhatIsNone) {
  for (const std::string_view text : {"", "text", "/", "text/", "/html", "te xt/html", "text/ht ml", "a/b/c",
                                      "text/html;a", "text/html;=b", "text/html;a=\"b", "text/html;a=b c",
                                      "text/html;a=\"b\\\"", "text/html;a=\"b\"c\"", "text/html;a="}) {
    EXPECT_FALSE(parse_media_type(text)) << text;
  }
}

std::string choose(std::string_view accept, const std::vector<std::string>& offers) {
  std::vector<MediaType> types;
  for (const std::string& offer : offers) {
    types.push_back(*parse_media_type(offer));
  }
  const auto index = best_media_type(accept, types);
  return index ? offers[*index] : "none";
}

TEST(Accept, Chooses) {
  const std::string json = "application/json";
  const std::string html = "text/html";
  const std::string plain = "text/plain";
  EXPECT_EQ(choose("*/*", {json, html}), json);
  EXPECT_EQ(choose("*/*;q=0.1", {json, html}), json);
  EXPECT_EQ(choose("text/html", {json, html}), html);
  EXPECT_EQ(choose("TEXT/HTML", {json, html}), html);
  EXPECT_EQ(choose("text/*", {json, html, plain}), html);
  EXPECT_EQ(choose("text/html;q=0.5, application/json;q=0.6", {html, json}), json);
  EXPECT_EQ(choose("text/html;q=0.5,application/json;q=0.5", {json, html}), json);
  // The quality decides before the specificity, the specificity before the order.
  EXPECT_EQ(choose("text/html, */*", {json, html}), html);
  EXPECT_EQ(choose("text/html;q=0.9, */*", {json, html}), json);
  // The most specific range of an offer sets its quality, even to nothing.
  EXPECT_EQ(choose("*/*, application/json;q=0", {json}), "none");
  EXPECT_EQ(choose("*/*, application/json;q=0", {json, html}), html);
  EXPECT_EQ(choose("text/*;q=0.3, text/html;q=0.7, text/html;level=1, */*;q=0.5",
                   {"text/html;level=2", "text/html;level=1"}),
            "text/html;level=1");
  EXPECT_EQ(choose("image/png", {json, html}), "none");
  EXPECT_EQ(choose("application/json;q=0", {json}), "none");
  EXPECT_EQ(choose("text/html", {}), "none");
}

TEST(Accept, Browsers) {
  const std::string accept =
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
  EXPECT_EQ(choose(accept, {"application/json", "text/html"}), "text/html");
  EXPECT_EQ(choose(accept, {"application/json", "application/xml"}), "application/xml");
  EXPECT_EQ(choose(accept, {"application/json"}), "application/json");
}

TEST(Accept, ParametersOfRanges) {
  EXPECT_EQ(choose("application/json;charset=utf-8", {"application/json"}), "application/json");
  EXPECT_EQ(choose("application/json;charset=utf-8", {"application/json; charset=UTF-8"}),
            "application/json; charset=UTF-8");
  EXPECT_EQ(choose("application/json;v=2", {"application/json;v=1"}), "none");
  EXPECT_EQ(choose("application/json;v=2;q=0.4;ext=1", {"text/plain", "application/json"}),
            "application/json");
}

TEST(Accept, PassesOverWhatIsMalformed) {
  EXPECT_EQ(choose("nonsense, text/html", {"application/json", "text/html"}), "text/html");
  EXPECT_EQ(choose("*/html, text/html", {"application/json", "text/html"}), "text/html");
  EXPECT_EQ(choose("", {"application/json", "text/html"}), "application/json");
  EXPECT_EQ(choose(" , ,", {"application/json"}), "application/json");
  EXPECT_EQ(choose("text/html;q=2", {"application/json"}), "application/json");
  EXPECT_EQ(choose("nonsense", {"application/json"}), "application/json");
  for (const std::string_view q : {"q=", "q=x", "q=1.1", "q=0.1234", "q=.5", "q=-1", "q=01"}) {
    EXPECT_EQ(choose("text/html;" + std::string(q) + ",a/b", {"text/html"}), "none") << q;
  }
  EXPECT_EQ(choose("text/html;q=0.001,a/b", {"text/html"}), "text/html");
  EXPECT_EQ(choose("text/html;Q=1.000,a/b", {"text/html"}), "text/html");
}

TEST(MediaType, Kinds) {
  for (const std::string_view text : {"application/json", "Application/JSON; charset=utf-8",
                                      "application/problem+json", "application/vnd.api+JSON;a=b"}) {
    EXPECT_TRUE(is_json_type(text)) << text;
  }
  for (const std::string_view text : {"", "json", "text/json", "application/jsonx", "application/+json",
                                      "application/x-ndjson", "application/json/x"}) {
    EXPECT_FALSE(is_json_type(text)) << text;
  }
  EXPECT_TRUE(is_text_type("Text/CSV; header=present"));
  EXPECT_FALSE(is_text_type("application/text"));
  EXPECT_FALSE(is_text_type("text"));
}

}  // namespace
}  // namespace sluice::http
