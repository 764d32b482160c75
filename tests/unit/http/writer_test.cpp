#include "sluice/http/h1/writer.hpp"

#include <string>

#include <gtest/gtest.h>

#include "sluice/http/h1/parser.hpp"

namespace sluice::http::h1 {
namespace {

std::string head_of(const Response& response, const ResponseHeadOptions& options) {
  std::string out = "before;";
  append_response_head(out, response, options);
  EXPECT_TRUE(out.starts_with("before;"));
  return out.substr(7);
}

TEST(Writer, ResponseHead) {
  Response response;
  response.status = 404;
  response.headers.add(FieldId::content_type, "text/plain");
  response.headers.add("X-A", "b");
  for (const char* name : {"Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Upgrade",
                           "Trailer", "TE", "Proxy-Connection"}) {
    response.headers.add(name, "1");
  }
  EXPECT_EQ(head_of(response, {.framing = Framing::of_length(5), .date = "today"}),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-A: b\r\nDate: today\r\nContent-Length: "
            "5\r\n\r\n");
  EXPECT_EQ(head_of(response, {.framing = Framing::chunked(), .date = "today", .keep_alive = false}),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-A: b\r\nDate: today\r\nConnection: "
            "close\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(Writer, ResponseHeadForOldClients) {
  Response response;
  EXPECT_EQ(head_of(response, {.framing = Framing::of_length(0), .date = "d", .request_minor = 0}),
            "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(
      head_of(
          response,
          {.framing = {Framing::Kind::until_close, 0}, .date = "d", .keep_alive = false, .request_minor = 0}),
      "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\n");
}

TEST(Writer, KeepsTheResponsesOwnDate) {
  Response response;
  response.headers.add(FieldId::date, "yesterday");
  EXPECT_EQ(head_of(response, {.framing = {}, .date = "today"}),
            "HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n");
}

TEST(Writer, RenderedResponse) {
  auto rendered = std::make_shared<RenderedResponse>();
  rendered->status = 201;
  rendered->fields = "A: b\r\nC: d\r\n";
  Response response;
  response.status = 500;
  response.rendered = rendered;
  response.headers.add("E", "f");
  EXPECT_EQ(head_of(response, {.framing = Framing::of_length(12), .date = "d"}),
            "HTTP/1.1 201 Created\r\nA: b\r\nC: d\r\nE: f\r\nDate: d\r\nContent-Length: 12\r\n\r\n");
}

TEST(Writer, SwitchingProtocolsKeepsItsUpgrade) {
  Response response;
  response.status = 101;
  response.headers.add(FieldId::connection, "Upgrade");
  response.headers.add(FieldId::upgrade, "websocket");
  EXPECT_EQ(head_of(response, {.framing = {}, .date = ""}),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(Writer, UnknownStatus) {
  Response response;
  response.status = 599;
  EXPECT_EQ(head_of(response, {.framing = {}, .date = ""}), "HTTP/1.1 599 Unknown\r\n\r\n");
}

TEST(Writer, RequestHead) {
  Headers headers;
  headers.add("X-A", "b");
  headers.add(FieldId::content_length, "99");
  headers.add(FieldId::transfer_encoding, "chunked");
  std::string out;
  append_request_head(out, "POST", "/x?y", "a.example:81", headers, Framing::of_length(7));
  EXPECT_EQ(out, "POST /x?y HTTP/1.1\r\nHost: a.example:81\r\nX-A: b\r\nContent-Length: 7\r\n\r\n");
  out.clear();
  headers.add(FieldId::host, "b.example");
  append_request_head(out, "GET", "/", "a.example", headers, {});
  EXPECT_EQ(out, "GET / HTTP/1.1\r\nX-A: b\r\nHost: b.example\r\n\r\n");
}

TEST(Writer, WhatIsWrittenIsRead) {
  Headers headers;
  headers.add("X-A", "b");
  std::string out;
  append_request_head(out, "PUT", "/x", "a.example", headers, Framing::chunked());
  RequestHeadParser parser;
  Request request;
  ASSERT_EQ(*parser.parse(out, {}, request), out.size());
  EXPECT_EQ(parser.head().framing, Framing::chunked());

  Response response;
  response.status = 206;
  response.headers.add("X-A", "b");
  out = head_of(response, {.framing = Framing::of_length(1234567890123), .date = "d"});
  ResponseHeadParser response_parser;
  ResponseHead head;
  ASSERT_EQ(*response_parser.parse(out, {}, Method::get, head), out.size());
  EXPECT_EQ(head.framing, Framing::of_length(1234567890123));
  EXPECT_EQ(head.status, 206);
}

}  // namespace
}  // namespace sluice::http::h1
