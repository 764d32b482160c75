#include <sys/socket.h>

#include "sluice/base/codec.hpp"

#include "unit/http/server_connection_fixture.hpp"

namespace sluice::http::h1 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string get(std::string_view target, std::string_view more = {}) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

class Server : public ConnectionTest {};

TEST_F(Server, AnswersAndKeepsTheConnection) {
  start();
  for (int i = 0; i < 5; ++i) {
    send(get("/a" + std::to_string(i)));
    const std::string head = receive_until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
    EXPECT_NE(head.find("Date: "), std::string::npos);
    EXPECT_NE(head.find("Content-Length: 17\r\n"), std::string::npos) << head;
    EXPECT_EQ(receive_until("/a" + std::to_string(i)), "you asked for /a" + std::to_string(i));
  }
  EXPECT_EQ(handler_.done.size(), 5U);
  EXPECT_TRUE(running_);
  EXPECT_EQ(handler_.done.at(0).bytes_in, get("/a0").size());
  EXPECT_GT(handler_.done.at(0).bytes_out, 17U);
  EXPECT_EQ(handler_.done.at(0).status, 200);
  EXPECT_NE(handler_.done.at(0).request_id, handler_.done.at(1).request_id);
  EXPECT_EQ(handler_.done.at(0).request_id.size(), 36U);
}

TEST_F(Server, ServesPipelinedRequestsInOrderAndInOneWrite) {
  start();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += get("/p" + std::to_string(i));
  }
  send(all);
  EXPECT_TRUE(run_until([this] { return got_.find("for /p49") != std::string::npos; }));
  for (int i = 0; i < 50; ++i) {
    receive_until("for /p" + std::to_string(i));
  }
  EXPECT_EQ(handler_.done.size(), 50U);
  EXPECT_TRUE(got_.empty());
}

TEST_F(Server, AHeadMayComeByteByByte) {
  start();
  const std::string request = get("/slow");
  for (const char byte : request) {
    send(std::string_view(&byte, 1));
    run_for(milliseconds(1));
  }
  receive_until("asked for /slow");
  EXPECT_EQ(handler_.done.size(), 1U);
}

TEST_F(Server, ConnectionCloseEndsAfterTheAnswer) {
  start();
  send(get("/x", "Connection: close\r\n"));
  const std::string all = receive_all();
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("asked for /x"));
  EXPECT_TRUE(ended());
}

TEST_F(Server, Http10ClosesUnlessAskedToKeep) {
  start();
  send("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(receive_all().ends_with("asked for /x"));
  EXPECT_TRUE(ended());
}

TEST_F(Server, Http10KeepAlive) {
  start();
  send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(receive_until("asked for /x").find("Connection: keep-alive\r\n"), std::string::npos);
  send("GET /y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  receive_until("asked for /y");
}

TEST_F(Server, HeadHasTheLengthButNoBody) {
  start();
  send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));
  const std::string head = receive_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 16\r\n"), std::string::npos) << head;
  EXPECT_TRUE(receive_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_F(Server, RefusesABadHeadAndLingers) {
  start();
  send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
  run_until([this] { return closed_; });
  EXPECT_TRUE(got_.starts_with("HTTP/1.1 400 ")) << got_;
  EXPECT_NE(got_.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(running_);  // the client may still be sending
  send(std::string(1000, 'x'));
  client_->shutdown();
  EXPECT_TRUE(ended());
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_EQ(handler_.done.at(0).status, 400);
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(Server, ARefusalComesAfterTheAnswersBeforeIt) {
  start();
  send(get("/good") + "BAD\r\n\r\n");
  const std::string all = receive_until("HTTP/1.1 400");
  EXPECT_LT(all.find("asked for /good"), all.find("HTTP/1.1 400"));
}

TEST_F(Server, LimitsTheHead) {
  limits_.header_bytes = 1000;
  start();
  send(get("/x", "A: " + std::string(2000, 'a') + "\r\n"));
  receive_until("HTTP/1.1 431");
}

TEST_F(Server, SlowHeadsGet408) {
  limits_.header_timeout = milliseconds(80);
  start();
  send("GET /slow HTTP/1.1\r\nHo");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5 && !closed_; ++i) {
    run_for(milliseconds(30));
    send("s");  // bytes do not move the deadline
  }
  receive_until("HTTP/1.1 408");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(80));
  client_->close();
  EXPECT_TRUE(ended());
  ASSERT_EQ(handler_.refused.size(), 1U);
  EXPECT_EQ(handler_.refused.at(0).slug, "request_head_timeout");
}

TEST_F(Server, IdleConnectionsCloseInSilence) {
  limits_.keep_alive_timeout = milliseconds(60);
  start();
  send(get("/x"));
  receive_until("asked for /x");
  EXPECT_EQ(receive_all(), "");
  EXPECT_TRUE(ended());
  EXPECT_EQ(handler_.done.size(), 1U);
}

TEST_F(Server, AConnectionThatSaysNothingClosesInSilence) {
  limits_.keep_alive_timeout = milliseconds(60);
  start();
  EXPECT_EQ(receive_all(), "");
  EXPECT_TRUE(handler_.done.empty());
}

TEST_F(Server, IdleConnectionsHoldNoBufferAndServeOn) {
  start();
  send(get("/x"));
  receive_until("asked for /x");
  EXPECT_EQ(worker_.buffers().leased(), 0U);
  send("GET /y HTTP/1.1\r\n");
  EXPECT_TRUE(run_until([this] { return worker_.buffers().leased() == 1; }));
  send("Host: x\r\n\r\n");
  receive_until("asked for /y");
  EXPECT_EQ(worker_.buffers().leased(), 0U);
  run_for(milliseconds(1200));  // the connection is parked by now
  send(get("/z"));
  receive_until("asked for /z");
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(Server, AHalfRequestThatEndsIsRefused) {
  start();
  send("GET /x HTTP/1.1\r\nHost:");
  client_->shutdown();
  receive_until("HTTP/1.1 400");
  EXPECT_TRUE(ended());
}

TEST_F(Server, RequestAndEndTogetherAreAnswered) {
  start();
  send(get("/x") + get("/y"));
  client_->shutdown();
  const std::string all = receive_all();
  EXPECT_EQ(count_of(all, "HTTP/1.1 200"), 2U);
  EXPECT_TRUE(ended());
}

TEST_F(Server, RequestIdsAreTakenFromTrustedPeersOnly) {
  info_.peer_trusted = true;
  start();
  send(get("/x", "X-Request-Id: abc-123\r\n"));
  receive_until("asked for /x");
  EXPECT_EQ(handler_.ids.back(), "abc-123");
  send(get("/x", "X-Request-Id: " + std::string(129, 'a') + "\r\n"));
  receive_until("asked for /x");
  EXPECT_EQ(handler_.ids.back().size(), 36U);
  send(get("/x", "X-Request-Id: two words\r\n"));
  receive_until("asked for /x");
  EXPECT_EQ(handler_.ids.back().size(), 36U);
}

TEST_F(Server, RequestIdsOfOthersAreNotTaken) {
  start();
  send(get("/x", "X-Request-Id: abc-123\r\n"));
  receive_until("asked for /x");
  EXPECT_NE(handler_.ids.back(), "abc-123");
}

TEST_F(Server, KeepAliveRequestsAreCounted) {
  limits_.keep_alive_requests = 2;
  start();
  send(get("/x") + get("/y") + get("/z"));
  const std::string all = receive_until("asked for /y");
  EXPECT_EQ(count_of(all, "Connection: close"), 1U);
  client_->shutdown();
  EXPECT_TRUE(ended());
  EXPECT_EQ(handler_.done.size(), 2U);
}

TEST_F(Server, DrainClosesIdleConnections) {
  start();
  send(get("/x"));
  receive_until("asked for /x");
  connection_->drain();
  EXPECT_EQ(receive_all(), "");
  EXPECT_TRUE(ended());
}

TEST_F(Server, DrainServesTheRequestThatIsOnItsWay) {
  start();
  send(get("/x"));
  receive_until("asked for /x");
  connection_->drain();
  send(get("/y"));
  const std::string all = receive_until("asked for /y");
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(Server, RenderedAnswersOfEverySize) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{11}, std::size_t{20'000}, std::size_t{1'000'000}}) {
    auto rendered = std::make_shared<RenderedResponse>();
    rendered->status = 201;
    rendered->fields = "Content-Type: application/json\r\n";
    rendered->body = std::string(size, 'b');
    handler_.answers["/r" + std::to_string(size)] = [rendered](Request&,
                                                               RequestContext&) -> net::Awaitable<Response> {
      Response response;
      response.rendered = rendered;
      response.headers.add("X-More", "1");
      co_return response;
    };
  }
  start();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{11}, std::size_t{20'000}, std::size_t{1'000'000}}) {
    send(get("/r" + std::to_string(size)));
    const std::string head = receive_until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 201 Created\r\n"));
    EXPECT_NE(head.find("Content-Length: " + std::to_string(size) + "\r\n"), std::string::npos);
    EXPECT_NE(head.find("X-More: 1\r\n"), std::string::npos);
    EXPECT_TRUE(run_until([this, size] { return got_.size() >= size; }));
    EXPECT_EQ(got_, std::string(size, 'b'));
    got_.clear();
  }
  EXPECT_EQ(handler_.done.size(), 4U);
}

TEST_F(Server, NoContentHasNoLength) {
  for (const int status : {204, 304}) {
    handler_.answers["/" + std::to_string(status)] = [status](Request&,
                                                              RequestContext&) -> net::Awaitable<Response> {
      Response response;
      response.status = status;
      response.body = std::string("must not be sent");
      co_return response;
    };
  }
  start();
  send(get("/204") + get("/304") + get("/end"));
  const std::string all = receive_until("asked for /end");
  EXPECT_EQ(all.find("must not"), std::string::npos);
  EXPECT_EQ(count_of(all, "Content-Length"), 1U);
}

TEST_F(Server, WorksOverASocketWhoseClientSendsItsEndAtOnce) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
  start_with(net::adopt_stream(worker_.executor(), sockets[0]),
             net::adopt_stream(worker_.executor(), sockets[1]));
  send(get("/x"));
  client_->shutdown();
  const auto begin = std::chrono::steady_clock::now();
  receive_all();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(900));
}

TEST_F(Server, AnEndThatCameWithALaterRequestIsSeenWhenTheConnectionIdles) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
  start_with(net::adopt_stream(worker_.executor(), sockets[0]),
             net::adopt_stream(worker_.executor(), sockets[1]));
  for (int i = 0; i < 4; ++i) {
    send(get("/x"));
    receive_until("asked for /x");
  }
  send(get("/last"));
  client_->shutdown();
  receive_all();
  EXPECT_TRUE(ended());
  EXPECT_EQ(handler_.done.size(), 5U);
}

}  // namespace
}  // namespace sluice::http::h1
