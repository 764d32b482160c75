// Values written by an adversary: none changes scheme, host, header set or JSON keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/target.hpp"
#include "sluice/parameters/text_template.hpp"

#include "unit/parameters/builders.hpp"

namespace sluice::parameters {
namespace {

using spec::ParameterIn;
using test::extract;
using test::greedy;
using test::Input;
using test::parameter;

/// Everything that ever meant something to a URL, a header, JSON, HTML, or a decoder that decodes twice.
const std::vector<std::string>& evil_values() {
  static const std::vector<std::string> values{
      "/",
      "//",
      "///evil.example/x",
      "//evil.example",
      "?",
      "?admin=1",
      "#",
      "#@evil.example",
      "@evil.example",
      "user:pass@evil.example",
      ":80@evil.example",
      ":8080",
      "\r\n",
      "\r\nX-Evil: 1",
      "\nSet-Cookie: a=b",
      "\rX-Evil: 1",
      std::string("a\0b", 3),
      "\"",
      "'",
      "\\",
      "\\\"",
      "\", \"admin\": true, \"x\": \"",
      "1, \"admin\": true",
      "1}, {\"admin\": true",
      "{\"admin\": true}",
      "[1,2]",
      "null",
      "true",
      "1e999",
      "-",
      ".",
      "..",
      "../..",
      "/../../etc/passwd",
      "..\\..\\windows",
      "..;/admin",
      "%2e%2e",
      "%2e%2e%2f",
      "%252e%252e%252f",
      "%2F",
      "%5c",
      "%",
      "%zz",
      "%00",
      "%0d%0aX-Evil: 1",
      "http://evil.example/",
      "https://evil.example:443/p?q#f",
      "javascript:alert(1)",
      "file:///etc/passwd",
      "\\\\evil.example\\share",
      "/\\evil.example",
      "\xE2\x80\xA8\xE2\x80\xA9",
      "\xEF\xBC\x8F\xEF\xBC\x8E\xEF\xBC\x8E",
      "\xC0\xAE\xC0\xAE\xC0\xAF",
      "\xED\xA0\x80",
      "\xFF\xFE",
      "\xD1\x82\xD0\xB5\xD1\x81\xD1\x82",
      "&a=b",
      "a=b&c=d",
      ";a=b",
      ",",
      "a,b",
      "+",
      " ",
      "\t",
      "\x7F",
      "\x01",
      "<script>alert(1)</script>",
      "\" onload=\"x",
      "&lt;",
      "{q}",
      "{other}",
      "${var.x}",
      "localhost",
      "127.0.0.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "evil.example",
      "evil.example:80",
      std::string(3000, 'a'),
      std::string(300, '.'),
  };
  return values;
}

const ParameterSet& set() {
  static const ParameterSet parameters({parameter("q", ParameterIn::query),
                                        parameter("other", ParameterIn::query),
                                        parameter("rest", ParameterIn::path)});
  return parameters;
}

/// The value as `q`, and as the greedy parameter `rest` with its slashes as separators.
Values values_of(const std::string& value) {
  std::vector<std::string> segments(1);
  for (const char byte : value) {
    if (byte == '/') {
      segments.emplace_back();
    } else {
      segments.back().push_back(byte);
    }
  }
  const Input input{"q=" + percent_encode(value, PercentSet::unreserved), {}, {greedy("rest", segments)}};
  return extract(set(), input);
}

Result<std::string> render(std::string_view text, Landing landing, const std::string& value) {
  return TextTemplate::compile(text, landing, set()).value().render(values_of(value));
}

/// What an independent reader makes of a URL: (authority, path, query), as RFC 3986 appendix B splits it.
struct Split {
  std::string scheme;
  std::string authority;
  std::string path;
  std::string query;
  bool fragment = false;
};

Split split(const std::string& url) {
  Split parts;
  const std::size_t colon = url.find(':');
  parts.scheme = url.substr(0, colon);
  std::string rest = url.substr(colon + 3);
  if (const std::size_t hash = rest.find('#'); hash != std::string::npos) {
    parts.fragment = true;
    rest.resize(hash);
  }
  if (const std::size_t question = rest.find('?'); question != std::string::npos) {
    parts.query = rest.substr(question + 1);
    rest.resize(question);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  parts.authority = rest.substr(0, slash);
  parts.path = rest.substr(slash);
  return parts;
}

bool only_uri_bytes(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value > 0x20 && value < 0x7F &&
           std::string_view("\"<>\\^`{|}").find(byte) == std::string_view::npos;
  });
}

TEST(Adversary, PathAndQueryOfAUrl) {
  for (const std::string& value : evil_values()) {
    const Result<std::string> url =
        render("https://api.example:8443/v1/{q}/end?k={q}&z=1", Landing::url, value);
    if (!url) {
      EXPECT_EQ(url.error().status, 400);
      EXPECT_EQ(url.error().slug, "parameter_dot_segment") << value;
      continue;
    }
    const Split parts = split(*url);
    EXPECT_TRUE(only_uri_bytes(*url)) << *url;
    EXPECT_EQ(parts.scheme, "https");
    EXPECT_EQ(parts.authority, "api.example:8443");
    EXPECT_FALSE(parts.fragment) << *url;
    EXPECT_EQ(std::count(parts.path.begin(), parts.path.end(), '/'), 3) << *url;
    EXPECT_TRUE(parts.path.starts_with("/v1/") && parts.path.ends_with("/end")) << *url;
    const auto pairs = http::parse_query(parts.query);
    ASSERT_EQ(pairs.size(), 2U) << *url;
    EXPECT_EQ(pairs[0], (std::pair<std::string, std::string>("k", value)));
    EXPECT_EQ(pairs[1], (std::pair<std::string, std::string>("z", "1")));
    // One decoding gives the value back, so that nothing is lost on the way either.
    EXPECT_EQ(percent_decode(parts.path.substr(4, parts.path.size() - 8)), value);
  }
}

TEST(Adversary, GreedyPathOfAUrl) {
  for (const std::string& value : evil_values()) {
    const Result<std::string> url = render("https://api.example/v1/{rest}", Landing::url, value);
    if (!url) {
      EXPECT_EQ(url.error().status, 400);
      EXPECT_NE(value.find('.'), std::string::npos);
      continue;
    }
    const Split parts = split(*url);
    EXPECT_TRUE(only_uri_bytes(*url)) << *url;
    EXPECT_EQ(parts.authority, "api.example");
    EXPECT_TRUE(parts.path.starts_with("/v1/")) << *url;
    EXPECT_TRUE(parts.query.empty() && !parts.fragment) << *url;
    // A canonical path again: it climbs nowhere.
    const std::string climbing = "/../";
    EXPECT_EQ((parts.path + "/").find(climbing), std::string::npos) << *url;
  }
}

TEST(Adversary, HostOfAUrl) {
  for (const std::string& value : evil_values()) {
    const Result<std::string> whole = render("https://{q}/v1/x", Landing::url, value);
    if (whole) {
      const Split parts = split(*whole);
      EXPECT_EQ(parts.scheme, "https");
      EXPECT_EQ(parts.authority, value);
      EXPECT_EQ(parts.path, "/v1/x");
      EXPECT_TRUE(http::is_valid_authority(parts.authority));
    } else {
      EXPECT_EQ(whole.error().status, 400);
      EXPECT_EQ(whole.error().slug, "parameter_bad_host");
    }
    const Result<std::string> label = render("https://{q}.shop.example/", Landing::url, value);
    if (label) {
      const Split parts = split(*label);
      EXPECT_EQ(parts.path, "/");
      EXPECT_TRUE(http::host_of_authority(parts.authority).ends_with(".shop.example")) << *label;
    }
  }
}

TEST(Adversary, Headers) {
  for (const std::string& value : evil_values()) {
    const Result<std::string> text = render("v={q};", Landing::header, value);
    if (text) {
      EXPECT_EQ(*text, "v=" + value + ";");
      EXPECT_EQ(text->find_first_of(std::string_view("\r\n\0", 3)), std::string::npos);
    } else {
      EXPECT_EQ(text.error().status, 400);
      EXPECT_FALSE(is_field_value(value));
    }
  }
}

TEST(Adversary, JsonKeys) {
  for (const std::string& value : evil_values()) {
    for (const std::string_view text :
         {R"({"id": {"S": "{q}"}, "n": 1})", R"({\"id\": {\"S\": \"{q}\"}, \"n\": 1})"}) {
      const Result<std::string> rendered = render(text, Landing::json_text, value);
      ASSERT_TRUE(rendered.has_value()) << value;
      const Result<Json> json = parse_json(*rendered);
      ASSERT_TRUE(json.has_value()) << *rendered;
      EXPECT_EQ(json->size(), 2U);
      EXPECT_EQ(json->at("id").size(), 1U);
      EXPECT_EQ(json->at("id").at("S").get<std::string>(), sanitize_utf8(value));
    }
    const Result<std::string> bare = render(R"({"n": {q}, "m": 1})", Landing::json_text, value);
    if (bare) {
      const Result<Json> json = parse_json(*bare);
      // 1e999 is a JSON number that no double holds.
      if (json) {
        EXPECT_EQ(json->size(), 2U);
        EXPECT_FALSE(json->at("n").is_structured());
      } else {
        EXPECT_EQ(value, "1e999");
      }
    } else {
      EXPECT_EQ(bare.error().status, 400);
    }
    const Result<std::string> content =
        render(R"({"greeting": "{q}", "n": 1})", Landing::json_content, value);
    ASSERT_TRUE(content.has_value());
    const Result<Json> json = parse_json(*content);
    ASSERT_TRUE(json.has_value()) << *content;
    EXPECT_EQ(json->size(), 2U);
    EXPECT_EQ(json->at("greeting").get<std::string>(), sanitize_utf8(value));
    // Outside quotes, escaping leaves no quotation mark to make a key with.
    const Result<std::string> outside = render(R"({"n": {q}})", Landing::json_content, value);
    if (const Result<Json> parsed = parse_json(outside.value()); parsed) {
      EXPECT_EQ(parsed->size(), 1U) << *outside;
    }
  }
}

TEST(Adversary, Markup) {
  for (const std::string& value : evil_values()) {
    const Result<std::string> html = render(R"(<a href="{q}">{q}</a>)", Landing::html_content, value);
    ASSERT_TRUE(html.has_value());
    EXPECT_EQ(std::count(html->begin(), html->end(), '<'), 2);
    EXPECT_EQ(std::count(html->begin(), html->end(), '>'), 2);
    EXPECT_EQ(std::count(html->begin(), html->end(), '"'), 2);
  }
}

}  // namespace
}  // namespace sluice::parameters
