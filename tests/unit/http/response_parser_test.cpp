#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "sluice/http/h1/parser.hpp"

namespace sluice::http::h1 {
namespace {

struct Parsed {
  bool refused = false;
  std::size_t consumed = 0;
  ResponseHead head;
};

std::unique_ptr<Parsed> parse(std::string_view bytes, Method method = Method::get,
                              const ResponseLimits& limits = {}) {
  auto parsed = std::make_unique<Parsed>();
  ResponseHeadParser parser;
  const Result<std::size_t> result = parser.parse(bytes, limits, method, parsed->head);
  parsed->refused = result.has_error();
  if (parsed->refused) {
    EXPECT_EQ(result.error().source, ErrorSource::upstream);
    EXPECT_EQ(result.error().code, ErrorCode::malformed);
    EXPECT_EQ(result.error().slug, "bad_response");
    EXPECT_FALSE(result.error().detail.empty());
  } else {
    parsed->consumed = *result;
  }
  // Byte by byte it must come out the same.
  ResponseHeadParser slow;
  ResponseHead head;
  bool slow_refused = false;
  std::size_t slow_consumed = 0;
  for (std::size_t size = 1; size <= bytes.size() && !slow_refused && slow_consumed == 0; ++size) {
    const Result<std::size_t> step = slow.parse(bytes.substr(0, size), limits, method, head);
    slow_refused = step.has_error();
    slow_consumed = step.has_value() ? *step : 0;
  }
  EXPECT_EQ(slow_refused, parsed->refused) << bytes;
  EXPECT_EQ(slow_consumed, parsed->consumed) << bytes;
  return parsed;
}

bool refused(std::string_view lines) {
  const std::string text = "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n\r\n";
  return parse(text)->refused;
}

TEST(ResponseParser, FillsTheHead) {
  const std::string text =
      "HTTP/1.1 404 Not here\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX-A:\t b \r\n\r\n";
  const auto parsed = parse(text + "abc");
  ASSERT_FALSE(parsed->refused);
  EXPECT_EQ(parsed->consumed, text.size());
  EXPECT_EQ(parsed->head.status, 404);
  EXPECT_EQ(parsed->head.version_minor, 1);
  EXPECT_EQ(parsed->head.headers.size(), 3U);
  EXPECT_EQ(*parsed->head.headers.get("x-a"), "b");
  EXPECT_EQ(parsed->head.framing, Framing::of_length(3));
  EXPECT_TRUE(parsed->head.keep_alive);
}

struct FramingCase {
  std::string_view head;
  Method method = Method::get;
  Framing framing;
  bool keep_alive = true;
};

TEST(ResponseParser, Framing) {
  const Framing until_close{Framing::Kind::until_close, 0};
  const FramingCase cases[] = {
      {"HTTP/1.1 200 OK\r\n", Method::get, until_close, false},
      {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", Method::get, until_close, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Method::get, Framing::of_length(0), true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n", Method::get, Framing::of_length(7),
       false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::get, Framing::chunked(), true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n", Method::get, Framing::of_length(7), false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\n", Method::get,
       Framing::of_length(7), true},
      {"HTTP/1.0 200 OK\r\n", Method::get, until_close, false},
      {"HTTP/1.1 200 OK\r\n", Method::head, {}, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Method::head, {}, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::head, {}, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n", Method::get, {}, true},
      {"HTTP/1.1 204 No Content\r\n", Method::get, {}, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", Method::get, {}, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", Method::get, {}, false},
      {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n", Method::get, {}, false},
      {"HTTP/1.1 100 Continue\r\n", Method::post, {}, true},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n", Method::get, {}, false},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", Method::get, {}, true},
      {"HTTP/1.1 200\r\nContent-Length: 7\r\n", Method::get, Framing::of_length(7), true},
      {"HTTP/1.1 200 \r\nContent-Length: 7\r\n", Method::get, Framing::of_length(7), true},
      {"HTTP/1.1 299 \xd0\xb0 b\r\nContent-Length: 7\r\n", Method::get, Framing::of_length(7), true},
  };
  for (const FramingCase& item : cases) {
    const std::string text = std::string(item.head) + "\r\n";
    const auto parsed = parse(text, item.method);
    ASSERT_FALSE(parsed->refused) << text;
    EXPECT_EQ(parsed->consumed, text.size()) << text;
    EXPECT_EQ(parsed->head.framing, item.framing) << text;
    EXPECT_EQ(parsed->head.keep_alive, item.keep_alive) << text;
  }
}

TEST(ResponseParser, Refuses) {
  for (const std::string_view head : {
           "HTTP/2.0 200 OK",
           "HTTP/0.9 200 OK",
           "HTTP/1.2 200 OK",
           "http/1.1 200 OK",
           "ICY 200 OK",
           "XTTP/1.1 200 OK",
           "HTTP/1.1  200 OK",
           "HTTP/1.1 20 OK",
           "HTTP/1.1 2000 OK",
           "HTTP/1.1 2x0 OK",
           "HTTP/1.1 099 OK",
           "HTTP/1.1 -20 OK",
           "HTTP/1.1 20\x01 OK",
           "HTTP/1.1 200 O\x01K",
           "HTTP/1.1 200 O\rK",
           "HTTP/1.1",
           "HTTP/1.1 ",
       }) {
    EXPECT_TRUE(parse(std::string(head) + "\r\n\r\n")->refused) << head;
  }
  EXPECT_TRUE(parse("\r\nHTTP/1.1 200 OK\r\n\r\n")->refused);
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\n\n")->refused);
  EXPECT_TRUE(refused("Content-Length: 5\r\nContent-Length: 5"));
  EXPECT_TRUE(refused("Content-Length: 5, 5"));
  EXPECT_TRUE(refused("Content-Length: +5"));
  EXPECT_TRUE(refused("Content-Length:"));
  EXPECT_TRUE(refused("Content-Length: 5\r\nTransfer-Encoding: chunked"));
  EXPECT_TRUE(refused("Transfer-Encoding: chunked\r\nContent-Length: 5"));
  EXPECT_TRUE(refused("Transfer-Encoding: gzip, chunked"));
  EXPECT_TRUE(refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"));
  EXPECT_TRUE(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")->refused);
  EXPECT_TRUE(refused("X : y"));
  EXPECT_TRUE(refused("X: y\r\n z"));
  EXPECT_TRUE(refused("X: a\x01"));
  EXPECT_TRUE(refused(std::string_view("X: a\0b", 6)));
  EXPECT_TRUE(refused("X: a\rb"));
  EXPECT_TRUE(refused("X: a\nY: b"));
  EXPECT_TRUE(refused("nonsense"));
}

TEST(ResponseParser, Limits) {
  ResponseLimits limits;
  limits.header_bytes = 100;
  limits.header_fields = 3;
  const auto sized = [](std::size_t size) {
    return "HTTP/1.1 200 OK\r\nX: " + std::string(size - 24, 'a') + "\r\n\r\n";
  };
  EXPECT_FALSE(parse(sized(100), Method::get, limits)->refused);
  EXPECT_TRUE(parse(sized(101), Method::get, limits)->refused);
  EXPECT_TRUE(parse("HTTP/1.1 200 " + std::string(100, 'a'), Method::get, limits)->refused);
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", Method::get, limits)->refused);
  EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", Method::get, limits)->refused);
}

TEST(ResponseParser, GoesOnAfterAnInterimResponse) {
  const std::string interim = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n";
  const std::string final = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
  const std::string text = interim + final;
  ResponseHeadParser parser;
  ResponseHead head;
  ASSERT_EQ(*parser.parse(text, {}, Method::post, head), interim.size());
  EXPECT_EQ(head.status, 100);
  parser.reset();
  ASSERT_EQ(*parser.parse(std::string_view(text).substr(interim.size()), {}, Method::post, head),
            final.size());
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.size(), 1U);
}

}  // namespace
}  // namespace sluice::http::h1
