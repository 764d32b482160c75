#include <string>

#include <gtest/gtest.h>

#include "sluice/http/h1/parser.hpp"

namespace sluice::http::h1 {
namespace {

struct Outcome {
  int status = 0;  ///< of the refusal; 0: accepted or not complete
  std::size_t consumed = 0;
  std::string_view slug;
};

Outcome outcome_of(const Result<std::size_t>& result) {
  if (result.has_error()) {
    EXPECT_EQ(result.error().source, ErrorSource::downstream);
    EXPECT_FALSE(result.error().message.empty());
    return {result.error().status, 0, result.error().slug};
  }
  return {0, *result, {}};
}

struct Parsed {
  Outcome outcome;
  Request request;
  RequestHead head;
};

std::unique_ptr<Parsed> parse(std::string_view bytes, const ServerLimits& limits = {}) {
  auto parsed = std::make_unique<Parsed>();
  RequestHeadParser parser;
  parsed->outcome = outcome_of(parser.parse(bytes, limits, parsed->request));
  parsed->head = parser.head();
  return parsed;
}

/// Byte by byte, as the slowest client sends it.
Outcome trickle(std::string_view bytes, const ServerLimits& limits = {}) {
  RequestHeadParser parser;
  Request request;
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    const Outcome outcome = outcome_of(parser.parse(bytes.substr(0, size), limits, request));
    if (outcome.status != 0 || outcome.consumed != 0) {
      return outcome;
    }
  }
  return {};
}

int status_of(std::string_view bytes, const ServerLimits& limits = {}) {
  const Outcome whole = parse(bytes, limits)->outcome;
  const Outcome trickled = trickle(bytes, limits);
  EXPECT_EQ(whole.status, trickled.status) << bytes;
  EXPECT_EQ(whole.consumed, trickled.consumed) << bytes;
  if (whole.status == 0) {
    EXPECT_EQ(whole.consumed, bytes.size()) << bytes;
  }
  return whole.status;
}

std::string with_field(std::string_view line) {
  return "GET / HTTP/1.1\r\nHost: a.example\r\n" + std::string(line) + "\r\n\r\n";
}

TEST(RequestParser, FillsTheRequest) {
  const std::string head =
      "POST /a%2fb/./c?x=1&y=%20 HTTP/1.1\r\nHost: Example.COM.:8080\r\nX-One:  two \r\ncontent-length: "
      "12\r\n\r\n";
  const auto parsed = parse(head + "hello");
  ASSERT_EQ(parsed->outcome.status, 0);
  EXPECT_EQ(parsed->outcome.consumed, head.size());
  const Request& request = parsed->request;
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(request.method_text, "POST");
  EXPECT_EQ(request.target, "/a%2fb/./c?x=1&y=%20");
  EXPECT_EQ(request.raw_path, "/a%2fb/./c");
  EXPECT_EQ(request.query, "x=1&y=%20");
  EXPECT_TRUE(request.has_query);
  EXPECT_EQ(request.path.text(), "/a%2Fb/c");
  EXPECT_EQ(request.authority, "Example.COM.:8080");
  EXPECT_EQ(request.host, "example.com");
  EXPECT_EQ(request.version_minor, 1);
  ASSERT_EQ(request.headers.size(), 3U);
  EXPECT_EQ(request.headers[1].name, "X-One");
  EXPECT_EQ(request.headers[1].value, "two");
  EXPECT_EQ(request.headers[2].name, "content-length");
  EXPECT_EQ(request.headers[2].id, FieldId::content_length);
  EXPECT_EQ(parsed->head.framing, Framing::of_length(12));
  EXPECT_TRUE(parsed->head.keep_alive);
}

TEST(RequestParser, IsUsedAgain) {
  RequestHeadParser parser;
  Request request;
  const std::string first = "GET /one?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::string second = "GET /two HTTP/1.0\r\n\r\n";
  ASSERT_EQ(*parser.parse(first + second, {}, request), first.size());
  EXPECT_FALSE(parser.head().keep_alive);
  parser.reset();
  EXPECT_FALSE(parser.started());
  ASSERT_EQ(*parser.parse(second, {}, request), second.size());
  EXPECT_TRUE(parser.started());
  EXPECT_EQ(request.path.text(), "/two");
  EXPECT_FALSE(request.has_query);
  EXPECT_EQ(request.query, "");
  EXPECT_EQ(request.authority, "");
  EXPECT_EQ(request.host, "");
  EXPECT_TRUE(request.headers.empty());
  EXPECT_EQ(request.version_minor, 0);
}

TEST(RequestParser, NeedsTheWholeHead) {
  const std::string head = "GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
  RequestHeadParser parser;
  Request request;
  for (std::size_t size = 0; size < head.size(); ++size) {
    const auto result = parser.parse(std::string_view(head).substr(0, size), {}, request);
    ASSERT_TRUE(result.has_value());
    ASSERT_EQ(*result, 0U);
  }
  EXPECT_EQ(*parser.parse(head, {}, request), head.size());
  EXPECT_EQ(request.headers.size(), 2U);
  EXPECT_EQ(request.path.text(), "/x");
}

TEST(RequestParser, TakesOneEmptyLineBefore) {
  EXPECT_EQ(status_of("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
  EXPECT_EQ(status_of("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

TEST(RequestParser, RequestLines) {
  const auto line = [](std::string_view text) {
    return status_of(std::string(text) + "\r\nHost: a\r\n\r\n");
  };
  EXPECT_EQ(line("GET / HTTP/1.1"), 0);
  EXPECT_EQ(line("get / HTTP/1.1"), 0);
  EXPECT_EQ(line("M-SEARCH / HTTP/1.1"), 0);
  EXPECT_EQ(line("OPTIONS * HTTP/1.1"), 0);
  EXPECT_EQ(line("GET * HTTP/1.1"), 400);
  EXPECT_EQ(line("GET http://b.example/x HTTP/1.1"), 0);
  EXPECT_EQ(line("GET http://b.example HTTP/1.1"), 0);
  EXPECT_EQ(line("GET ftp://b.example/x HTTP/1.1"), 400);
  EXPECT_EQ(line("GET http:///x HTTP/1.1"), 400);
  EXPECT_EQ(line("GET http://me@b.example/x HTTP/1.1"), 400);
  EXPECT_EQ(line("GET b.example:80 HTTP/1.1"), 400);
  EXPECT_EQ(line("CONNECT b.example:443 HTTP/1.1"), 0);
  EXPECT_EQ(line("CONNECT b.example HTTP/1.1"), 400);
  EXPECT_EQ(line("CONNECT b.example: HTTP/1.1"), 400);
  EXPECT_EQ(line("CONNECT [::1] HTTP/1.1"), 400);
  EXPECT_EQ(line("CONNECT [::1]:443 HTTP/1.1"), 0);
  EXPECT_EQ(line("CONNECT * HTTP/1.1"), 400);
  // What `curl -X CONNECT` sends: read, so that the gateway can answer 405.
  EXPECT_EQ(line("CONNECT /x HTTP/1.1"), 0);
  EXPECT_EQ(line("CONNECT http://a/x HTTP/1.1"), 0);
  EXPECT_EQ(line("CONNECT /../x HTTP/1.1"), 400);
  EXPECT_EQ(line("GET  / HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /  HTTP/1.1"), 400);
  EXPECT_EQ(line("GET / HTTP/1.1 "), 400);
  EXPECT_EQ(line("GET\t/ HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /a b HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /#x HTTP/1.1"), 400);
  EXPECT_EQ(line("G(T / HTTP/1.1"), 400);
  EXPECT_EQ(line(" GET / HTTP/1.1"), 400);
  EXPECT_EQ(line("GET"), 400);
  EXPECT_EQ(line("GET /"), 400);
  EXPECT_EQ(line("GET / "), 400);
  EXPECT_EQ(line("GET / HTTP/0.9"), 505);
  EXPECT_EQ(line("GET / HTTP/1.2"), 505);
  EXPECT_EQ(line("GET / HTTP/2.0"), 505);
  EXPECT_EQ(line("PRI * HTTP/2.0"), 505);
  EXPECT_EQ(line("GET / HTTP/9.9"), 505);
  EXPECT_EQ(line("GET / http/1.1"), 400);
  EXPECT_EQ(line("GET / HTTP/1"), 400);
  EXPECT_EQ(line("GET / HTTP/1.10"), 400);
  EXPECT_EQ(line("GET / HTTP/11.1"), 400);
  EXPECT_EQ(line("GET / HTTP/ 1.1"), 400);
  EXPECT_EQ(line("GET / HTTPS/1.1"), 400);
  EXPECT_EQ(line(std::string_view("GET /\0 HTTP/1.1", 15)), 400);
  EXPECT_EQ(line("GET /\x7f HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /\xd0\xb0 HTTP/1.1"), 0);
  EXPECT_EQ(line("GET /../x HTTP/1.1"), 400);
  EXPECT_EQ(line("\x16\x03\x01"), 400);
}

TEST(RequestParser, RefusesGarbageBeforeTheLineEnds) {
  EXPECT_EQ(parse("\x16\x03\x01\x02")->outcome.status, 400);
  EXPECT_EQ(parse("GET /\r\n")->outcome.status, 400);
  EXPECT_EQ(parse("GET / HTTP/2.0\r\n")->outcome.status, 505);
}

TEST(RequestParser, KeepsMethodAndTargetOfARefusedHead) {
  const auto parsed = parse("PUT /x HTTP/1.1\r\n\r\n");
  EXPECT_EQ(parsed->outcome.status, 400);
  EXPECT_EQ(parsed->outcome.slug, "host_missing");
  EXPECT_EQ(parsed->request.method_text, "PUT");
  EXPECT_EQ(parsed->request.target, "/x");
}

TEST(RequestParser, AbsoluteFormReplacesHost) {
  const auto parsed = parse("GET http://B.example:81?q=1 HTTP/1.1\r\nAccept: x\r\nHost: a\r\n\r\n");
  ASSERT_EQ(parsed->outcome.status, 0);
  EXPECT_EQ(parsed->request.authority, "B.example:81");
  EXPECT_EQ(parsed->request.host, "b.example");
  EXPECT_EQ(*parsed->request.headers.get(FieldId::host), "B.example:81");
  EXPECT_EQ(parsed->request.headers.count(FieldId::host), 1U);
  EXPECT_EQ(parsed->request.path.text(), "/");
  EXPECT_EQ(parsed->request.query, "q=1");
}

TEST(RequestParser, ConnectHasNoPath) {
  const auto parsed = parse("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n");
  ASSERT_EQ(parsed->outcome.status, 0);
  EXPECT_EQ(parsed->request.method, Method::connect);
  EXPECT_EQ(parsed->request.authority, "b.example:443");
  EXPECT_EQ(parsed->request.path.text(), "");
  EXPECT_FALSE(parsed->head.keep_alive);
}

TEST(RequestParser, Hosts) {
  const auto host = [](std::string_view value) {
    return status_of("GET / HTTP/1.1\r\nHost:" + std::string(value) + "\r\n\r\n");
  };
  EXPECT_EQ(host(" a.example"), 0);
  EXPECT_EQ(host("a_b.example:8080 "), 0);
  EXPECT_EQ(host("[::1]:80"), 0);
  EXPECT_EQ(host(""), 400);
  EXPECT_EQ(host(" a b"), 400);
  EXPECT_EQ(host("a@b"), 400);
  EXPECT_EQ(host("a, b"), 400);
  EXPECT_EQ(host("a/b"), 400);
  EXPECT_EQ(host("a:80x"), 400);
  EXPECT_EQ(host("a:65536"), 400);
  EXPECT_EQ(host("[::1"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"), 400);
}

TEST(RequestParser, FieldLines) {
  EXPECT_EQ(status_of(with_field("X: y")), 0);
  EXPECT_EQ(status_of(with_field("X:")), 0);
  EXPECT_EQ(status_of(with_field("X: \t y\tz \t")), 0);
  EXPECT_EQ(status_of(with_field("X: \xff\x80")), 0);
  EXPECT_EQ(status_of(with_field("X : y")), 400);
  EXPECT_EQ(status_of(with_field("X\t: y")), 400);
  EXPECT_EQ(status_of(with_field(" X: y")), 400);
  EXPECT_EQ(status_of(with_field("X: y\r\n z")), 400);
  EXPECT_EQ(status_of(with_field("X:\r\n\tz")), 400);
  EXPECT_EQ(status_of(with_field(": y")), 400);
  EXPECT_EQ(status_of(with_field("X")), 400);
  EXPECT_EQ(status_of(with_field("X(): y")), 400);
  EXPECT_EQ(status_of(with_field("X\xd0: y")), 400);
  EXPECT_EQ(status_of(with_field("X: a\rb")), 400);
  EXPECT_EQ(status_of(with_field("X: a\nb")), 400);
  EXPECT_EQ(status_of(with_field("X: a\nY: b")), 400);
  EXPECT_EQ(status_of(with_field(std::string_view("X: a\0b", 6))), 400);
  EXPECT_EQ(status_of(with_field("X: a\x01")), 400);
  EXPECT_EQ(status_of(with_field("X: a\x7f")), 400);
  EXPECT_EQ(status_of(with_field("X: a\x0b")), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
}

TEST(RequestParser, Framing) {
  const auto framing = [](std::string_view lines) {
    const auto parsed = parse("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n\r\n");
    EXPECT_EQ(parsed->outcome.status, 0) << lines;
    return parsed->head.framing;
  };
  EXPECT_EQ(framing("X: y"), Framing{});
  EXPECT_EQ(framing("Content-Length: 0"), Framing::of_length(0));
  EXPECT_EQ(framing("Content-Length: 0042"), Framing::of_length(42));
  EXPECT_EQ(framing("Content-Length: 9223372036854775807"), Framing::of_length(9223372036854775807ULL));
  EXPECT_EQ(framing("Transfer-Encoding: chunked"), Framing::chunked());
  EXPECT_EQ(framing("tRANSFER-eNCODING:\tChUnKeD "), Framing::chunked());

  for (const std::string_view line : {
           "Content-Length:",
           "Content-Length: +5",
           "Content-Length: -5",
           "Content-Length: 5,5",
           "Content-Length: 5, 5",
           "Content-Length: 5,6",
           "Content-Length: 0x5",
           "Content-Length: 5 5",
           "Content-Length: 5.0",
           "Content-Length: a",
           "Content-Length: 9223372036854775808",
           "Content-Length: 18446744073709551621",
           "Content-Length: 00000000000000000005",
           "Content-Length: 5\r\nContent-Length: 5",
           "Content-Length: 5\r\nContent-Length: 6",
           "Content-Length: 5\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nContent-Length: 5",
           "Transfer-Encoding:",
           "Transfer-Encoding: identity",
           "Transfer-Encoding: gzip",
           "Transfer-Encoding: gzip, chunked",
           "Transfer-Encoding: chunked, identity",
           "Transfer-Encoding: chunked, chunked",
           "Transfer-Encoding: chunked,",
           "Transfer-Encoding: ,chunked",
           "Transfer-Encoding: chunked;q=1",
           "Transfer-Encoding: xchunked",
           "Transfer-Encoding: \"chunked\"",
           "Transfer-Encoding: 'chunked'",
           "Transfer-Encoding: \vchunked",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
           "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: gzip\r\nContent-Length: 5",
           "Transfer-Encoding : chunked",
           "Transfer-Encoding\r\n : chunked",
       }) {
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), 0);
}

TEST(RequestParser, SlugsOfFramingErrors) {
  const auto slug = [](std::string_view lines) {
    return parse("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n\r\n")->outcome.slug;
  };
  EXPECT_EQ(slug("Content-Length: 5\r\nContent-Length: 6"), "content_length_repeated");
  EXPECT_EQ(slug("Content-Length: 5\r\nContent-Length: 5"), "content_length_repeated");
  EXPECT_EQ(slug("Content-Length: x"), "bad_content_length");
  EXPECT_EQ(slug("Content-Length: 5\r\nTransfer-Encoding: chunked"), "ambiguous_framing");
  EXPECT_EQ(slug("Transfer-Encoding: chunked\r\nContent-Length: 5"), "ambiguous_framing");
  EXPECT_EQ(slug("Transfer-Encoding: gzip"), "bad_transfer_encoding");
  EXPECT_EQ(slug("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "bad_transfer_encoding");
}

TEST(RequestParser, KeepAlive) {
  const auto keeps = [](std::string_view version, std::string_view connection) {
    const auto parsed =
        parse("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(connection) + "\r\n");
    EXPECT_EQ(parsed->outcome.status, 0) << connection;
    return parsed->head.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: X, Close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_TRUE(keeps("1.1", "Connection: upgrade\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestParser, Expectations) {
  const auto expects = [](std::string_view lines) {
    const auto parsed = parse("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n");
    EXPECT_EQ(parsed->outcome.status, 0);
    EXPECT_FALSE(parsed->request.headers.contains(FieldId::expect));
    return parsed->head.expect_continue;
  };
  EXPECT_TRUE(expects("Expect: 100-Continue\r\nContent-Length: 5\r\n"));
  EXPECT_TRUE(expects("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\nContent-Length: 0\r\n"));
  EXPECT_EQ(status_of(with_field("Expect: 200-ok")), 417);
  EXPECT_EQ(status_of(with_field("Expect:")), 417);
  EXPECT_EQ(status_of(with_field("Expect: 100-continue, x")), 417);
  const auto old = parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(old->outcome.status, 0);
  EXPECT_FALSE(old->head.expect_continue);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nExpect: x\r\n\r\n"), 0);
}

TEST(RequestParser, Limits) {
  ServerLimits limits;
  limits.line_bytes = 64;
  limits.header_bytes = 256;
  limits.header_fields = 5;
  const auto target = [](std::size_t line_size) {
    return "GET /" + std::string(line_size - 14, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(status_of(target(64), limits), 0);
  EXPECT_EQ(status_of(target(65), limits), 414);
  EXPECT_EQ(parse("GET /" + std::string(80, 'a'), limits)->outcome.status, 414);
  EXPECT_EQ(parse(std::string(80, 'A'), limits)->outcome.status, 414);

  const auto field = [](std::size_t line_size) {
    return with_field("X: " + std::string(line_size - 3, 'a'));
  };
  EXPECT_EQ(status_of(field(64), limits), 0);
  EXPECT_EQ(status_of(field(65), limits), 431);

  const auto head = [](std::size_t size) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    while (text.size() + 70 < size) {
      text += "X: " + std::string(50, 'a') + "\r\n";
    }
    text += "Y: " + std::string(size - text.size() - 7, 'b') + "\r\n\r\n";
    EXPECT_EQ(text.size(), size);
    return text;
  };
  EXPECT_EQ(status_of(head(256), limits), 0);
  EXPECT_EQ(status_of(head(257), limits), 431);
  EXPECT_EQ(parse(head(300).substr(0, 257), limits)->outcome.status, 431);

  EXPECT_EQ(status_of(with_field("A: 1\r\nB: 2\r\nC: 3\r\nD: 4"), limits), 0);
  EXPECT_EQ(status_of(with_field("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5"), limits), 431);
  EXPECT_EQ(status_of(with_field("Cookie: a=1; b=2; c=3; d=4"), limits), 0);
  EXPECT_EQ(status_of(with_field("Cookie: a=1; b=2; c=3; d=4; e=5"), limits), 431);
}

TEST(RequestParser, DefaultLimits) {
  const std::string long_value(8192 - 3, 'a');
  EXPECT_EQ(status_of(with_field("X: " + long_value)), 0);
  EXPECT_EQ(status_of(with_field("X: " + long_value + "a")), 431);
  EXPECT_EQ(status_of(with_field("X: " + long_value + "\r\nY: " + long_value)), 431);
}

}  // namespace
}  // namespace sluice::http::h1
