#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/functions/event.hpp"

namespace sluice::functions {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string body_of(const http::Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  return text == nullptr ? std::string() : *text;
}

std::vector<std::string> fields(const http::Response& response) {
  std::vector<std::string> lines;
  for (const http::Headers::Field& field : response.headers) {
    lines.push_back(std::string(field.name) + ": " + std::string(field.value));
  }
  return lines;
}

http::Response good(std::string_view json) {
  Result<http::Response> response = parse_answer(json);
  EXPECT_TRUE(response.has_value()) << json << " " << (response ? "" : response.error().detail);
  return response ? std::move(*response) : http::Response{};
}

Error bad(std::string_view json) {
  const Result<http::Response> response = parse_answer(json);
  EXPECT_FALSE(response.has_value()) << json;
  return response ? Error{} : response.error();
}

TEST(Answer, EverythingIsOptional) {
  for (const std::string_view json :
       {"{}", R"({"statusCode": null, "headers": null, "multiValueHeaders": null, "body": null,
                  "isBase64Encoded": null})",
        R"({"unknown": 1, "result": {}})"}) {
    const http::Response response = good(json);
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.headers.empty());
    EXPECT_TRUE(std::holds_alternative<std::monostate>(response.body));
  }
}

TEST(Answer, StatusCode) {
  EXPECT_EQ(good(R"({"statusCode": 404})").status, 404);
  EXPECT_EQ(good(R"({"statusCode": "201"})").status, 201);
  EXPECT_EQ(good(R"({"statusCode": 200.0})").status, 200);
  EXPECT_EQ(good(R"({"statusCode": 599})").status, 599);
  for (const std::string_view value :
       {"199", "600", "100", "0", "-200", "200.5", "1e9", "99999999999999999999", "true", "[]", "{}", "\"\"",
        "\"2OO\"", "\" 200\"", "\"0200\"", "\"-20\"", "\"600\"", "1e400"}) {
    const Error error = bad(R"({"statusCode": )" + std::string(value) + "}");
    EXPECT_EQ(error.status, 502) << value;
    if (value != "1e400") {
      EXPECT_THAT(error.message, HasSubstr("statusCode"));
    }
  }
}

TEST(Answer, Headers) {
  const http::Response response = good(R"({
    "headers": {"content-type": "text/html", "X-One": "1", "X-Number": 5, "X-Bool": true, "X-Null": null,
                "Set-Cookie": "single", "X-List": ["a", "b"]},
    "multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "X-Multi": ["x", 2], "X-Scalar": "s", "X-Empty": []},
    "body": "hi"})");
  EXPECT_THAT(fields(response),
              testing::UnorderedElementsAre("set-cookie: a=1", "set-cookie: b=2", "X-Multi: x", "X-Multi: 2",
                                            "X-Scalar: s", "content-type: text/html", "X-One: 1",
                                            "X-Number: 5", "X-Bool: true", "X-List: a", "X-List: b"));
  EXPECT_EQ(body_of(response), "hi");
}

TEST(Answer, HeadersThatAreNotTheFunctions) {
  const http::Response response = good(R"({"headers": {
    "Connection": "close, X-Named", "X-Named": "1", "Keep-Alive": "1", "Proxy-Authenticate": "1",
    "Proxy-Authorization": "1", "TE": "1", "Trailer": "1", "transfer-encoding": "chunked", "Upgrade": "h2c",
    "host": "x", "AUTHORIZATION": "x", "User-Agent": "x", "Max-Forwards": "1", "Cookie": "x",
    "Content-Length": "999", "date": "yesterday", "X-Kept": "1"},
    "multiValueHeaders": {"Cookie": ["a"], "Content-Length": ["1"]}})");
  EXPECT_THAT(fields(response), ElementsAre("X-Kept: 1"));
}

TEST(Answer, BadHeaders) {
  for (const std::string_view json :
       {R"({"headers": []})", R"({"headers": "a"})", R"({"multiValueHeaders": []})",
        R"({"headers": {"": "a"}})", R"({"headers": {"a b": "c"}})", R"({"headers": {"a:": "c"}})",
        R"({"headers": {"a\r\nb": "c"}})", R"({"headers": {"A": "b\r\nX: y"}})",
        R"({"headers": {"A": "b\n"}})", R"({"headers": {"A": "b\u0000"}})", R"({"headers": {"A": {}}})",
        R"({"headers": {"A": [[]]}})", R"({"multiValueHeaders": {"A": ["ok", "b\rc"]}})",
        R"({"headers": {"\u00e9": "c"}})"}) {
    const Error error = bad(json);
    EXPECT_EQ(error.status, 502);
    EXPECT_THAT(
        error.message,
        HasSubstr(std::string(json).find("multi") == std::string::npos ? "headers" : "multiValueHeaders"));
  }
}

TEST(Answer, Body) {
  const http::Response object = good(R"({"body": {"a": [1, null]}})");
  EXPECT_EQ(body_of(object), R"({"a":[1,null]})");
  EXPECT_THAT(fields(object), ElementsAre("Content-Type: application/json"));
  const http::Response typed = good(R"({"body": [1], "headers": {"content-type": "text/x"}})");
  EXPECT_EQ(body_of(typed), "[1]");
  EXPECT_THAT(fields(typed), ElementsAre("content-type: text/x"));
  EXPECT_EQ(body_of(good(R"({"body": 5})")), "5");
  EXPECT_EQ(body_of(good(R"({"body": false})")), "false");
  const http::Response text = good(R"({"body": "\u00e9", "isBase64Encoded": false})");
  EXPECT_EQ(body_of(text), "\xC3\xA9");
  EXPECT_TRUE(text.headers.empty());
  EXPECT_EQ(body_of(good(R"({"body": "AP8=", "isBase64Encoded": true})")), std::string("\x00\xFF", 2));
  EXPECT_EQ(body_of(good(R"({"body": "", "isBase64Encoded": true})")), "");
  EXPECT_EQ(body_of(good(R"({"statusCode": 204, "body": "x"})")), "");
  EXPECT_EQ(body_of(good(R"({"statusCode": 304, "body": "x"})")), "");
}

TEST(Answer, BadBodies) {
  for (const std::string_view json :
       {R"({"body": "AP8", "isBase64Encoded": true})", R"({"body": "%%%%", "isBase64Encoded": true})",
        R"({"body": "AP8=\n", "isBase64Encoded": true})", R"({"body": {"a": 1}, "isBase64Encoded": true})"}) {
    EXPECT_THAT(bad(json).message, HasSubstr("isBase64Encoded is true")) << json;
  }
  EXPECT_THAT(bad(R"({"body": "a", "isBase64Encoded": "true"})").message, HasSubstr("isBase64Encoded"));
  EXPECT_THAT(bad(R"({"body": "a", "isBase64Encoded": 1})").message, HasSubstr("isBase64Encoded"));
}

TEST(Answer, KeysInAnotherCase) {
  for (const std::string_view json :
       {R"({"statuscode": 200})", R"({"StatusCode": 200})", R"({"statusCode": 200, "Headers": {}})",
        R"({"BODY": "a"})", R"({"isbase64encoded": true})", R"({"multivalueheaders": {}})"}) {
    EXPECT_THAT(bad(json).message, HasSubstr("another case")) << json;
  }
  EXPECT_THAT(bad(R"({"statuscode": 200})").message, HasSubstr("\"statusCode\""));
}

TEST(Answer, WhatIsNoObject) {
  EXPECT_THAT(bad("[]").message, HasSubstr("no JSON object"));
  EXPECT_THAT(bad("\"text\"").message, HasSubstr("no JSON object"));
  EXPECT_THAT(bad("null").message, HasSubstr("no JSON object"));
  EXPECT_THAT(bad("").message, HasSubstr("no JSON"));
  EXPECT_THAT(bad("<html>").message, HasSubstr("no JSON"));
  EXPECT_THAT(bad(R"({"body": "a"} x)").message, HasSubstr("no JSON"));
  EXPECT_THAT(bad(std::string(200, '[')).message, HasSubstr("nested"));
}

TEST(Answer, QuotesAtMostOneKibibyteInTheLogAndNothingToTheClient) {
  std::string answer = R"({"statusCode": "SECRET-MARK)";
  for (int count = 0; count < 2000; ++count) {
    answer += "\xD1\x8F";
  }
  answer += "\"}";
  const Error error = bad(answer);
  EXPECT_THAT(error.message, Not(HasSubstr("SECRET")));
  const std::size_t quoted = error.detail.find(R"({"statusCode)");
  ASSERT_NE(quoted, std::string::npos);
  EXPECT_LE(error.detail.size() - quoted, 1024U);
  EXPECT_GE(error.detail.size() - quoted, 1000U);
  EXPECT_THAT(error.detail, Not(HasSubstr("\xEF\xBF\xBD")));
}

struct Invoked {
  http::Response response;
  InvocationLog log;
  Json json;
};

Invoked invoke(int status, const http::Headers& headers, std::string_view body) {
  Invoked result;
  result.response = map_invocation(status, headers, body, "req-1", result.log);
  result.json = Json::parse(body_of(result.response), nullptr, false);
  return result;
}

TEST(Invocation, TheFunctionsOwnFailure) {
  http::Headers failed;
  failed.add("x-function-error", "True");
  const std::string_view body =
      R"({"errorMessage": "boom", "errorType": "TypeError", "stackTrace": ["at secret.js:1"]})";
  for (const auto& [status, headers] : {std::pair{200, failed}, std::pair{502, http::Headers()}}) {
    const Invoked invoked = invoke(status, headers, body);
    EXPECT_EQ(invoked.response.status, 502);
    EXPECT_EQ(invoked.response.headers.get("X-Function-Error"), "true");
    EXPECT_EQ(invoked.json.at("errorMessage"), "boom");
    EXPECT_EQ(invoked.json.at("errorType"), "TypeError");
    EXPECT_EQ(invoked.json.at("requestId"), "req-1");
    EXPECT_TRUE(invoked.json.at("message").is_string());
    EXPECT_FALSE(invoked.json.contains("stackTrace"));
    EXPECT_THAT(body_of(invoked.response), Not(HasSubstr("secret")));
    EXPECT_THAT(invoked.log.detail, HasSubstr("secret.js"));
    EXPECT_EQ(invoked.log.slug, "function_error");
  }
  const Invoked plain = invoke(502, {}, "upstream connect error at 10.0.0.1");
  EXPECT_EQ(plain.response.status, 502);
  EXPECT_FALSE(plain.json.contains("errorMessage"));
  EXPECT_THAT(body_of(plain.response), Not(HasSubstr("10.0.0.1")));
}

TEST(Invocation, StatusesOfTheService) {
  const std::map<int, int> expected{{403, 502}, {404, 502}, {413, 413}, {429, 429}, {503, 503}, {504, 504},
                                    {400, 502}, {401, 502}, {500, 502}, {301, 502}, {304, 502}, {599, 502}};
  for (const auto& [status, mapped] : expected) {
    const Invoked invoked = invoke(status, {}, R"({"message": "internal secret"})");
    EXPECT_EQ(invoked.response.status, mapped) << status;
    EXPECT_THAT(body_of(invoked.response), Not(HasSubstr("secret")));
    EXPECT_THAT(invoked.log.detail, HasSubstr(std::to_string(status)));
    EXPECT_EQ(invoked.response.headers.get("X-Function-Error"), std::nullopt);
    EXPECT_EQ(invoked.json.at("requestId"), "req-1");
  }
}

TEST(Invocation, RetryAfterPassesWhereItMeansSomething) {
  http::Headers headers;
  headers.add("Retry-After", "7");
  EXPECT_EQ(invoke(429, headers, "").response.headers.get("Retry-After"), "7");
  EXPECT_EQ(invoke(503, headers, "").response.headers.get("Retry-After"), "7");
  EXPECT_EQ(invoke(500, headers, "").response.headers.get("Retry-After"), std::nullopt);
}

TEST(Invocation, AnswersOfSuccess) {
  const Invoked good_one = invoke(200, {}, R"({"statusCode": 201, "body": "{}"})");
  EXPECT_EQ(good_one.response.status, 201);
  EXPECT_TRUE(good_one.log.slug.empty());
  http::Headers not_failed;
  not_failed.add("X-Function-Error", "false");
  EXPECT_EQ(invoke(202, not_failed, "{}").response.status, 200);
  const Invoked bad_one = invoke(200, {}, "<html>secret</html>");
  EXPECT_EQ(bad_one.response.status, 502);
  EXPECT_EQ(bad_one.log.slug, "function_bad_answer");
  EXPECT_THAT(bad_one.log.detail, HasSubstr("secret"));
  EXPECT_THAT(body_of(bad_one.response), Not(HasSubstr("secret")));
  EXPECT_THAT(bad_one.json.at("message").get<std::string>(), HasSubstr("no JSON"));
}

}  // namespace
}  // namespace sluice::functions
