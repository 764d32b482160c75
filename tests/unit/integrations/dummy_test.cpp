#include "unit/integrations/fixture.hpp"

namespace sluice::integrations {
namespace {

using test::Answer;
using test::Bench;
using test::Pairs;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* query_q = "- {name: q, in: query, schema: {type: string}}";

Pairs accept(std::string value) {
  return {{"Accept", std::move(value)}};
}

/// The constant answer, as the pipeline would send it without run().
std::shared_ptr<const http::RenderedResponse> constant(Bench& bench) {
  const gateway::Integration* integration = bench.build();
  EXPECT_NE(integration, nullptr) << bench.mistakes();
  return integration == nullptr ? nullptr : integration->constant();
}

TEST(Dummy, WithoutContentIsAnEmptyConstant) {
  Bench bench("type: dummy\nhttp_code: 204\nhttp_headers: {X-A: '1', X-B: [a, b]}");
  const auto rendered = constant(bench);
  ASSERT_NE(rendered, nullptr);
  EXPECT_EQ(rendered->status, 204);
  EXPECT_EQ(rendered->fields, "X-A: 1\r\nX-B: a\r\nX-B: b\r\n");
  EXPECT_EQ(rendered->body, "");
  EXPECT_THAT(bench.mistakes(), IsEmpty());
}

TEST(Dummy, OneTextOrTheStarAloneIsAConstant) {
  const std::vector<std::pair<std::string, std::string>> types{
      {"plain", "text/plain; charset=utf-8"},
      {"'{\"a\": 1}'", "application/json"},
      {"' [1, 2]'", "application/json"},
      {"'{broken'", "text/plain; charset=utf-8"},
      {"'5'", "text/plain; charset=utf-8"},
      {"'\"text\"'", "text/plain; charset=utf-8"},
      {"'{\\\"a\\\": 1}'", "text/plain; charset=utf-8"},
      {"<html></html>", "text/plain; charset=utf-8"}};
  for (const auto& [text, type] : types) {
    Bench one("type: dummy\ncontent: " + text);
    Bench star("type: dummy\ncontent: {'*': " + text + "}");
    for (Bench* bench : {&one, &star}) {
      const auto rendered = constant(*bench);
      ASSERT_NE(rendered, nullptr) << text;
      EXPECT_EQ(rendered->status, 200);
      EXPECT_EQ(rendered->fields, "Content-Type: " + type + "\r\n") << text;
    }
  }
}

TEST(Dummy, StarTakesTheTypeOfTheHeaders) {
  Bench bench("type: dummy\nhttp_headers: {content-type: image/svg+xml}\ncontent: {'*': '{}'}");
  const auto rendered = constant(bench);
  ASSERT_NE(rendered, nullptr);
  EXPECT_EQ(rendered->fields, "content-type: image/svg+xml\r\n");
  EXPECT_EQ(rendered->body, "{}");
}

TEST(Dummy, ATypeThatAcceptMayRefuseIsNoConstant) {
  Bench bench("type: dummy\nhttp_headers: {Content-Type: text/x, X-A: y}\ncontent: {application/json: '{}'}");
  EXPECT_EQ(constant(bench), nullptr);
  EXPECT_FALSE(bench.build()->needs_values());
  for (const Pairs& headers : {Pairs{}, accept("application/json"), accept("*/*"),
                               accept("application/*;q=0.1"), accept(""), accept("text/html, */*;q=0.1")}) {
    const Answer answer = bench.run("GET", "/x", headers);
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.rendered);
    EXPECT_EQ(answer.body, "{}");
    EXPECT_EQ(answer.headers.size(), 2U);
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    EXPECT_EQ(answer.header("X-A"), "y");
  }
  for (const std::string value : {"text/html", "application/json;q=0", "*/*;q=0"}) {
    const Answer answer = bench.run("GET", "/x", accept(value));
    ASSERT_TRUE(answer.error.has_value()) << value;
    EXPECT_EQ(answer.status, 415) << value;
    EXPECT_EQ(answer.error->slug, "dummy_not_acceptable");
  }
}

TEST(Dummy, NegotiatesByQualityThenSpecificityThenOrder) {
  const std::string document =
      "type: dummy\ncontent:\n  text/html: html\n  application/json: json\n  text/plain; charset=utf-8: "
      "plain\n  '*': star";
  Bench bench(document);
  const std::vector<std::pair<std::string, std::string>> cases{
      {"application/json", "json"},
      {"text/plain", "plain"},
      {"text/*", "html"},
      {"*/*", "html"},
      {"text/*;q=0.5, application/json;q=0.4", "html"},
      {"text/*;q=0.4, application/json;q=0.5", "json"},
      {"*/*, application/json", "json"},
      {"text/html;q=0.5, text/plain;q=0.9", "plain"},
      {"TEXT/HTML", "html"},
      {"image/png", "star"},
      {"text/html;q=0, image/png", "star"},
      {"application/xml, */*;q=0.1", "html"},
  };
  for (const auto& [value, body] : cases) {
    EXPECT_EQ(bench.run("GET", "/x", accept(value)).body, body) << value;
  }
  EXPECT_EQ(bench.run("GET", "/x").body, "star");
  EXPECT_EQ(bench.run("GET", "/x", {{"Accept", "image/png"}, {"Accept", "application/json"}}).body, "json");
  EXPECT_EQ(bench.run("GET", "/x", accept("text/plain")).header("Content-Type"), "text/plain; charset=utf-8");

  Bench starless("type: dummy\ncontent:\n  text/html: html\n  application/json: json");
  EXPECT_EQ(starless.run("GET", "/x").body, "html");
  EXPECT_EQ(starless.run("GET", "/x", accept("image/png")).status, 415);
}

TEST(Dummy, SubstitutesByType) {
  Bench bench(
      "type: dummy\nhttp_headers: {X-Q: 'v={q}', X-List: ['{q}', fixed]}\ncontent:\n"
      "  application/json: '{\"q\": \"{q}\"}'\n  text/html: '<b>{q}</b>'\n  application/xml: '<b>{q}</b>'\n"
      "  text/plain: '{q} {nope}'\n  application/problem+json: '\"{q}\"'",
      query_q);
  EXPECT_EQ(constant(bench), nullptr);
  EXPECT_TRUE(bench.build()->needs_values());
  const std::string target = "/x?q=%3C%22%26'%3E";
  EXPECT_EQ(bench.run("GET", target, accept("application/json")).body, R"({"q": "<\"&'>"})");
  EXPECT_EQ(bench.run("GET", target, accept("text/html")).body, "<b>&lt;&quot;&amp;&#39;&gt;</b>");
  EXPECT_EQ(bench.run("GET", target, accept("application/xml")).body, "<b>&lt;&quot;&amp;&#39;&gt;</b>");
  EXPECT_EQ(bench.run("GET", target, accept("text/plain")).body, "<\"&'> {nope}");
  EXPECT_EQ(bench.run("GET", target, accept("application/problem+json")).body, R"("<\"&'>")");
  const Answer answer = bench.run("GET", target);
  EXPECT_EQ(answer.header("X-Q"), "v=<\"&'>");
  EXPECT_EQ(answer.headers.joined("X-List"), "<\"&'>, fixed");
  const Answer refused = bench.run("GET", "/x?q=a%0D%0AX-Evil:%201");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error->slug, "parameter_bad_header");
}

TEST(Dummy, StarWithParametersIsJsonOnlyWhereItIsOne) {
  Bench json("type: dummy\ncontent: '{\"id\": \"{q}\"}'", query_q);
  const Answer answer = json.run("GET", "/x?q=%22");
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, R"({"id": "\""})");
  Bench plain("type: dummy\ncontent: 'Hello, {q}!'", query_q);
  EXPECT_EQ(plain.run("GET", "/x?q=%3Cb%3E").body, "Hello, <b>!");
  EXPECT_EQ(plain.run("GET", "/x").header("Content-Type"), "text/plain; charset=utf-8");
  for (const char* content : {"'{q}'", "' {q} '", "'{q}{q}'"}) {
    Bench alone("type: dummy\ncontent: " + std::string(content), query_q);
    EXPECT_EQ(alone.run("GET", "/x?q=%7B%7D").header("Content-Type"), "text/plain; charset=utf-8") << content;
  }
  EXPECT_EQ(Bench("type: dummy\ncontent: '[{q}]'", query_q).run("GET", "/x?q=1").header("Content-Type"),
            "application/json");
  Bench html("type: dummy\nhttp_headers: {Content-Type: text/html}\ncontent: 'Hello, {q}!'", query_q);
  EXPECT_EQ(html.run("GET", "/x?q=%3Cb%3E").body, "Hello, &lt;b&gt;!");
}

TEST(Dummy, FramingHeadersAreTheServers) {
  Bench bench(
      "type: dummy\nhttp_headers: {Content-Length: '5', transfer-encoding: chunked, Connection: close, Date: "
      "x, "
      "X-A: y}");
  EXPECT_EQ(constant(bench)->fields, "X-A: y\r\n");
}

TEST(Dummy, Mistakes) {
  EXPECT_THAT(Bench("type: dummy\nhttp_code: 600").mistakes(), HasSubstr("error: `http_code`"));
  EXPECT_THAT(Bench("type: dummy\nhttp_code: '200'").mistakes(), HasSubstr("error: `http_code`"));
  EXPECT_THAT(Bench("type: dummy\nhttp_headers: [a]").mistakes(), HasSubstr("error: `http_headers`"));
  EXPECT_THAT(Bench("type: dummy\nhttp_headers: {'bad name': a}").mistakes(),
              HasSubstr("error: \"bad name\" is no valid header name"));
  EXPECT_THAT(Bench("type: dummy\nhttp_headers: {A: {b: c}}").mistakes(),
              HasSubstr("error: the value of \"A\""));
  EXPECT_THAT(Bench("type: dummy\nhttp_headers: {A: \"x\\r\\ny\"}").mistakes(),
              HasSubstr("control characters"));
  EXPECT_THAT(Bench("type: dummy\ncontent: [a]").mistakes(), HasSubstr("error: `content`"));
  EXPECT_THAT(Bench("type: dummy\ncontent: {application/json: {a: 1}}").mistakes(),
              HasSubstr("error: the content of \"application/json\" must be a text"));
  EXPECT_THAT(Bench("type: dummy\ncontent: {json: '{}'}").mistakes(),
              HasSubstr("warning: \"json\" in content is no media type"));
  EXPECT_THAT(Bench("type: dummy\ncontnet: x").mistakes(), HasSubstr("warning: the key `contnet`"));
  Bench twice("type: dummy\nhttp_code: 600\nhttp_headers: [a]\ncontent: [a]");
  EXPECT_EQ(twice.build(), nullptr);
  EXPECT_EQ(twice.diagnostics.error_count(), 3U) << twice.mistakes();
}

TEST(Dummy, Explains) {
  Bench bench("type: dummy\nhttp_code: 201\ncontent: {application/json: '{\"q\": \"{q}\"}'}", query_q);
  const OrderedJson explained = bench.explain("GET", "/x?q=1");
  EXPECT_EQ(explained.at("response").at("status"), 201);
  EXPECT_EQ(explained.at("response").at("headers").at("Content-Type"), "application/json");
  EXPECT_EQ(explained.at("response").at("body"), R"({"q": "1"})");
}

}  // namespace
}  // namespace sluice::integrations
