#include "sluice/parameters/text_template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/parameters/builders.hpp"

namespace sluice::parameters {
namespace {

using spec::ParameterIn;
using spec::ParameterShape;
using test::extract;
using test::greedy;
using test::Input;
using test::parameter;
using testing::HasSubstr;

/// q, r in the query; a an array there; id and rest (greedy) in the path.
const ParameterSet& set() {
  static const ParameterSet parameters(
      {parameter("q", ParameterIn::query), parameter("r", ParameterIn::query),
       parameter("a", ParameterIn::query, ParameterShape::array), parameter("id", ParameterIn::path),
       parameter("rest", ParameterIn::path)});
  return parameters;
}

struct Rendered {
  int status = 200;
  std::string text;  ///< the text, or the error's message
  std::string slug;
};

Rendered render(std::string_view text, Landing landing, const Input& input = {}) {
  const Result<TextTemplate> compiled = TextTemplate::compile(text, landing, set());
  if (!compiled) {
    return {-1, compiled.error().detail, {}};
  }
  const Result<std::string> rendered = compiled->render(extract(set(), input));
  if (!rendered) {
    return {rendered.error().status, rendered.error().message, std::string(rendered.error().slug)};
  }
  return {200, *rendered, {}};
}

std::string text_of(std::string_view text, Landing landing, const Input& input = {}) {
  const Rendered rendered = render(text, landing, input);
  EXPECT_EQ(rendered.status, 200) << rendered.text;
  return rendered.text;
}

std::string config_mistake(std::string_view text, Landing landing) {
  const Rendered rendered = render(text, landing);
  EXPECT_EQ(rendered.status, -1) << rendered.text;
  return rendered.text;
}

Input query(std::string text) {
  return {std::move(text), {}, {}};
}

TEST(TextTemplate, NamesAndBraces) {
  EXPECT_EQ(text_of("a{q}b{q}", Landing::plain, query("q=1")), "a1b1");
  EXPECT_EQ(text_of("{nope} {q", Landing::plain, query("q=1")), "{nope} {q");
  EXPECT_EQ(text_of("{}{{q}}{ q }", Landing::plain, query("q=1")), "{}{1}{ q }");
  EXPECT_EQ(text_of("{{{q}", Landing::plain, query("q=1")), "{{1");
  EXPECT_EQ(text_of("{q}", Landing::plain, query("q=%7Br%7D&r=2")), "{r}");
  EXPECT_EQ(text_of("", Landing::plain), "");
  EXPECT_EQ(text_of("<{q}>", Landing::plain), "<>");
  EXPECT_EQ(text_of("{a}", Landing::plain, query("a=1&a=2")), "1,2");
}

TEST(TextTemplate, ConstantsAndPresence) {
  const TextTemplate constant = TextTemplate::compile("{nope}", Landing::plain, set()).value();
  EXPECT_TRUE(constant.is_constant());
  EXPECT_EQ(constant.constant(), "{nope}");
  const TextTemplate empty = TextTemplate::compile("", Landing::plain, set()).value();
  EXPECT_TRUE(empty.is_constant());
  EXPECT_EQ(empty.constant(), "");
  const TextTemplate dynamic = TextTemplate::compile("x{q}{r}", Landing::plain, set()).value();
  EXPECT_FALSE(dynamic.is_constant());
  EXPECT_FALSE(dynamic.any_present(extract(set(), {})));
  EXPECT_TRUE(dynamic.any_present(extract(set(), query("r="))));
  EXPECT_EQ(dynamic.source(), "x{q}{r}");
}

TEST(TextTemplateUrl, EncodesByPlace) {
  const Input input{"q=a/b%20%3F%23&r=x%26y%3D%2B", {}, {}};
  EXPECT_EQ(text_of("http://h/{q}/e?k={r}&{r}={q}", Landing::url, input),
            "http://h/a%2Fb%20%3F%23/e?k=x%26y%3D%2B&x%26y%3D%2B=a%2Fb%20%3F%23");
  EXPECT_EQ(text_of("HTTPS://h", Landing::url), "https://h/");
  EXPECT_EQ(text_of("http://h?x={q}", Landing::url, query("q=1")), "http://h/?x=1");
  EXPECT_EQ(text_of("http://h/a b/\xD1\x8F{nope}", Landing::url), "http://h/a%20b/%D1%8F%7Bnope%7D");
  EXPECT_EQ(text_of("http://h/%20x", Landing::url), "http://h/%20x");
  EXPECT_EQ(text_of("/p/{q}?z={q}", Landing::url_path, query("q=%D1%8F")), "/p/%D1%8F?z=%D1%8F");
  EXPECT_EQ(text_of("http://h/{a}", Landing::url, query("a=1&a=2")), "http://h/1,2");
}

TEST(TextTemplateUrl, GreedyKeepsSlashesBetweenItsSegments) {
  const Input input{{}, {}, {greedy("rest", {"a b", "c/d", "", "e", ""})}};
  EXPECT_EQ(text_of("http://h/s/{rest}", Landing::url, input), "http://h/s/a%20b/c%2Fd//e/");
  EXPECT_EQ(text_of("http://h/s?p={rest}", Landing::url, input), "http://h/s?p=a%20b%2Fc%2Fd%2F%2Fe%2F");
}

TEST(TextTemplateUrl, DotSegmentsAreRefused) {
  for (const std::string_view text :
       {"http://h/{q}", "http://h/{q}/x", "http://h/a/{q}?k", "http://h/{q}{r}"}) {
    for (const std::string_view value : {"q=.", "q=..", "q=%2e%2e", "q=.&r=."}) {
      if (value == "q=.&r=." && text.find("{r}") == std::string_view::npos) {
        continue;
      }
      const Rendered rendered = render(text, Landing::url, query(std::string(value)));
      EXPECT_EQ(rendered.status, 400) << text << " " << value << " " << rendered.text;
      EXPECT_EQ(rendered.slug, "parameter_dot_segment");
    }
  }
  EXPECT_EQ(render("http://h/.{q}/x", Landing::url, query("q=.")).status, 400);
  EXPECT_EQ(render("http://h/%2e{q}/x", Landing::url, query("q=.")).status, 400);
  EXPECT_EQ(render("http://h/.{q}/x", Landing::url, query("r=1")).status, 400);
  EXPECT_EQ(render("http://h/{rest}", Landing::url, {{}, {}, {greedy("rest", {"a", "..", "b"})}}).status,
            400);
  EXPECT_EQ(render("http://h/{rest}", Landing::url, {{}, {}, {greedy("rest", {"a", ".."})}}).status, 400);
  EXPECT_EQ(text_of("http://h/{q}", Landing::url, query("q=...")), "http://h/...");
  EXPECT_EQ(text_of("http://h/a{q}", Landing::url, query("q=..")), "http://h/a..");
  EXPECT_EQ(text_of("http://h/{q}", Landing::url, query("q=%252e%252e")), "http://h/%252e%252e");
  EXPECT_EQ(text_of("http://h/../{q}", Landing::url, query("q=x")), "http://h/../x");
  EXPECT_THAT(render("http://h/{q}", Landing::url, query("q=..")).text, HasSubstr("\"q\""));
}

TEST(TextTemplateUrl, HostsAreNamesOrNamesWithPorts) {
  EXPECT_EQ(text_of("https://{q}/p", Landing::url, query("q=Shop.Example")), "https://Shop.Example/p");
  EXPECT_EQ(text_of("https://{q}/p", Landing::url, query("q=h:8080")), "https://h:8080/p");
  EXPECT_EQ(text_of("https://{q}/p", Landing::url, query("q=[2001:db8::1]:1")), "https://[2001:db8::1]:1/p");
  EXPECT_EQ(text_of("https://{q}.shop.example", Landing::url, query("q=a-b")), "https://a-b.shop.example/");
  EXPECT_EQ(text_of("https://h:{q}/", Landing::url, query("q=81")), "https://h:81/");
  for (const std::string_view value :
       {"",       "a/b",  "a?b",      "a%23b",   "u@h",  "h:x",  "h:99999", "a%20b",
        "%0d%0a", "a%00", "..",       ".a",      "a..b", "[::1", "a%5Cb",   "%D1%8F.example",
        "h%25",   "a,b",  "http://h", "h:80:81", "a%3Ab"}) {
    const Rendered rendered = render("https://{q}/p", Landing::url, query("q=" + std::string(value)));
    EXPECT_EQ(rendered.status, 400) << value << " " << rendered.text;
    EXPECT_EQ(rendered.slug, "parameter_bad_host") << value;
  }
  for (const std::string_view value : {"h:1", "[::1]", "a."}) {
    EXPECT_EQ(render("https://{q}.x/p", Landing::url, query("q=" + std::string(value))).status, 400) << value;
  }
  EXPECT_TRUE(TextTemplate::compile("http://a{q}/", Landing::url, set()).value().has_parameter_in_host());
  EXPECT_FALSE(TextTemplate::compile("http://a/{q}", Landing::url, set()).value().has_parameter_in_host());
  EXPECT_TRUE(TextTemplate::compile("http://a{q}", Landing::url, set()).value().has_parameter_in_host());
}

TEST(TextTemplateUrl, ConfigurationMistakes) {
  EXPECT_THAT(config_mistake("{q}://h/", Landing::url), HasSubstr("scheme"));
  EXPECT_THAT(config_mistake("{q}", Landing::url), HasSubstr("scheme"));
  EXPECT_THAT(config_mistake("http{q}://h/", Landing::url), HasSubstr("http://"));
  EXPECT_THAT(config_mistake("ftp://h/", Landing::url), HasSubstr("http://"));
  EXPECT_THAT(config_mistake("h/p", Landing::url), HasSubstr("http://"));
  EXPECT_THAT(config_mistake("http:///p", Landing::url), HasSubstr("host"));
  EXPECT_THAT(config_mistake("http://u@{q}/p", Landing::url), HasSubstr("host"));
  EXPECT_THAT(config_mistake("http://u:{q}@h/p", Landing::url), HasSubstr("host"));
  EXPECT_THAT(config_mistake("http://h/p#f", Landing::url), HasSubstr("fragment"));
  EXPECT_THAT(config_mistake("http://h/?a#f", Landing::url), HasSubstr("fragment"));
}

TEST(TextTemplateQueryValue, EncodesEverything) {
  EXPECT_EQ(text_of("a b&{q}", Landing::url_query_value, query("q=x%26y")), "a%20b%26x%26y");
  EXPECT_EQ(text_of("%20", Landing::url_query_value), "%2520");
}

TEST(TextTemplateHeader, ControlCharactersAreRefused) {
  EXPECT_EQ(text_of("Bearer {q}", Landing::header, query("q=a%20b%09%D1%8F")), "Bearer a b\t\xD1\x8F");
  for (const std::string_view value : {"%0D", "%0A", "%00", "a%0D%0AX: y", "%7F", "%01"}) {
    const Rendered rendered = render("{q}", Landing::header, query("q=" + std::string(value)));
    EXPECT_EQ(rendered.status, 400) << value;
    EXPECT_EQ(rendered.slug, "parameter_bad_header");
  }
  EXPECT_THAT(config_mistake("a\nb", Landing::header), HasSubstr("control"));
}

TEST(TextTemplateJson, StringsAreEscapedAndValuesChecked) {
  EXPECT_EQ(text_of(R"({"id": "{q}", "n": {r}})", Landing::json_text, query("q=%22%5C%0A&r=-1.5e3")),
            R"({"id": "\"\\\n", "n": -1.5e3})");
  EXPECT_EQ(text_of(R"({\"id\": {\"S\": \"{q}\"}})", Landing::json_text, query("q=1")),
            R"({"id": {"S": "1"}})");
  EXPECT_EQ(text_of(R"({"{q}": "\"{q}"})", Landing::json_text, query("q=%22")), R"({"\"": "\"\""})");
  EXPECT_EQ(text_of("{q}", Landing::json_text, query("q=7")), "7");
  EXPECT_EQ(text_of(R"([{q}, {r} ])", Landing::json_text, query("q=null&r=true")), "[null, true ]");
  EXPECT_EQ(text_of(R"("{q}")", Landing::json_text, query("q=%FF")), "\"\xEF\xBF\xBD\"");
  for (const std::string_view value : {"", "a", "01", "1.", ".5", "+1", "1e", "0x1", "NaN", "1,2", "1 ", " 1",
                                       "True", "{}", "[]", "%22a%22", "--1", "1%00", "-"}) {
    const Rendered rendered = render(R"({"n": {q}})", Landing::json_text, query("q=" + std::string(value)));
    EXPECT_EQ(rendered.status, 400) << value << " " << rendered.text;
    EXPECT_EQ(rendered.slug, "parameter_not_json");
  }
  for (const std::string_view value : {"0", "-0", "10", "1.50", "1E9", "1e-9", "true", "false", "null"}) {
    EXPECT_EQ(text_of(R"({"n": {q}})", Landing::json_text, query("q=" + std::string(value))),
              "{\"n\": " + std::string(value) + "}");
  }
  EXPECT_EQ(text_of("{q}", Landing::json_text, query("q=1e%2B9")), "1e+9");
}

TEST(TextTemplateJson, ConfigurationMistakes) {
  EXPECT_THAT(config_mistake(R"({"a": )", Landing::json_text), HasSubstr("JSON"));
  EXPECT_THAT(config_mistake(R"({"a": 1{q}})", Landing::json_text), HasSubstr("of its own"));
  EXPECT_THAT(config_mistake(R"({"a": {q}{r}})", Landing::json_text), HasSubstr("of its own"));
  EXPECT_THAT(config_mistake(R"({"a": {q}1})", Landing::json_text), HasSubstr("of its own"));
  EXPECT_THAT(config_mistake(R"({{q}: 1})", Landing::json_text), HasSubstr("of its own"));
  EXPECT_THAT(config_mistake(R"({"a": {nope}})", Landing::json_text), HasSubstr("JSON"));
  EXPECT_THAT(config_mistake(R"("\{q}")", Landing::json_text), HasSubstr("JSON"));
}

TEST(TextTemplateContent, EscapesByType) {
  const Input input = query("q=%3Cb%3E%22%26'%0A");
  EXPECT_EQ(text_of("[{q}]", Landing::json_content, input), R"([<b>\"&'\n])");
  EXPECT_EQ(text_of("[{q}]", Landing::html_content, input), "[&lt;b&gt;&quot;&amp;&#39;\n]");
  EXPECT_EQ(text_of("[{q}]", Landing::plain, input), "[<b>\"&'\n]");
  EXPECT_EQ(text_of("pic/{rest}", Landing::object_key, {{}, {}, {greedy("rest", {"a b", "c"})}}),
            "pic/a b/c");
}

}  // namespace
}  // namespace sluice::parameters
