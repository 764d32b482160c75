// Request bodies that come in pieces, beside the answer.
#include "sluice/http/h1/chunk.hpp"

#include "fixture.hpp"
#include "raw_server.hpp"

namespace sluice::client::test {
namespace {

class Upload : public ClientTest {
 protected:
  ClientRequest stream(std::uint16_t port, std::vector<std::string> pieces, std::chrono::milliseconds pause,
                       std::optional<std::uint64_t> size = std::nullopt) {
    ClientRequest request = get(port);
    request.method = "POST";
    request.body = std::make_unique<SlowBody>(worker, std::move(pieces), pause, size);
    return request;
  }
};

// What a server read as a chunked body.
std::string read_chunked(Peer& peer, std::string* raw = nullptr) {
  std::string body;
  for (;;) {
    const std::string line = peer.read_until("\r\n");
    if (line.empty()) {
      return body + "<cut>";
    }
    const std::size_t size = std::stoul(line, nullptr, 16);
    if (raw != nullptr) {
      *raw += line;
    }
    if (size == 0) {
      for (std::string field = peer.read_until("\r\n"); field != "\r\n"; field = peer.read_until("\r\n")) {
        if (field.empty()) {
          return body + "<cut>";
        }
        body += "<" + field.substr(0, field.size() - 2) + ">";
      }
      return body;
    }
    body += peer.read_bytes(size);
    peer.read_bytes(2);
  }
}

TEST_F(Upload, ChunkedWithTrailers) {
  for (const std::chrono::milliseconds pause : {0ms, 5ms}) {
    std::string body;
    std::string head;
    RawServer server([&](Peer& peer) {
      head = peer.read_head();
      body = read_chunked(peer);
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      peer.read_head();
    });
    ClientRequest request = get(server.port());
    request.method = "POST";
    auto source = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc", "defg", "h"}, pause);
    source->its_trailers.add("X-Sum", "9");
    request.body = std::move(source);
    const Result<Answer> answer = call(std::move(request));
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    EXPECT_EQ(body, "abcdefgh<X-Sum: 9>");
    EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(head.find("Content-Length"), std::string::npos);
    EXPECT_EQ(client->counts().idle, 1U);
  }
}

TEST_F(Upload, AnUpstreamThatBreaksIsNotTheBodysFault) {
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.read_bytes(3);
    peer.reset();
  });
  const Result<Answer> answer = call(stream(server.port(), {"abc", ""}, 0ms, 8));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed) << answer.error().detail;
}

TEST_F(Upload, WithItsLength) {
  std::string body;
  RawServer server([&](Peer& peer) {
    const std::string head = peer.read_head();
    body = head.find("Content-Length: 8\r\n") == std::string::npos ? head : peer.read_bytes(8);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_head();
  });
  const Result<Answer> answer = call(stream(server.port(), {"abc", "defg", "h"}, 5ms, 8));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(body, "abcdefgh");
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(Upload, AnEmptyChunkedBody) {
  std::string body = "?";
  RawServer server([&](Peer& peer) {
    peer.read_head();
    body = read_chunked(peer);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_head();
  });
  for (const std::chrono::milliseconds pause : {0ms, 2ms}) {
    const Result<Answer> answer = call(stream(server.port(), {}, pause));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(body, "");
    client->close_idle();
  }
}

TEST_F(Upload, Large) {
  std::vector<std::string> pieces;
  std::string all;
  for (std::size_t piece = 0; piece < 200; ++piece) {
    pieces.emplace_back(40000 + piece, static_cast<char>('a' + piece % 26));
    all += pieces.back();
  }
  std::string body;
  RawServer server([&](Peer& peer) {
    peer.read_head();
    Peer::sleep(100);  // so that the socket fills up
    body = read_chunked(peer);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_head();
  });
  const Result<Answer> answer = call(stream(server.port(), pieces, 0ms));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_TRUE(body == all);
}

TEST_F(Upload, AWrongSizeIsOurs) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  for (const std::uint64_t size : {2U, 20U}) {
    for (const std::chrono::milliseconds pause : {0ms, 2ms}) {
      const Result<Answer> answer = call(stream(server.port(), {"abc", "def"}, pause, size));
      ASSERT_TRUE(answer.has_error());
      EXPECT_EQ(answer.error().code, ErrorCode::internal);
      EXPECT_EQ(client->counts().busy, 0U);
    }
  }
}

TEST_F(Upload, TheErrorOfTheBodyIsTheErrorOfTheCall) {
  std::string seen;
  std::atomic<bool> over = false;
  RawServer server([&](Peer& peer) {
    seen = peer.read_to_end();
    over = true;
  });
  ClientRequest request = get(server.port());
  request.method = "PUT";
  auto source = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc"}, 5ms);
  source->failure = downstream_error(ErrorCode::closed, "client_gone", "the client went away");
  request.body = std::move(source);
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().source, ErrorSource::downstream);
  EXPECT_EQ(answer.error().slug, "client_gone");
  wait_for([&over] { return over.load(); });
  EXPECT_EQ(seen.find("0\r\n\r\n"), std::string::npos) << "a cut body must not look whole";
}

TEST_F(Upload, AnEarlyAnswerEndsTheUpload) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    peer.read_to_end();
  });
  ClientRequest request = get(server.port());
  request.method = "POST";
  auto owned = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc", ""}, 1ms);
  SlowBody* source = owned.get();
  request.borrowed_body = source;
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->body, "big");
  EXPECT_TRUE(source->cancelled);
  EXPECT_EQ(client->counts().idle, 0U);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Upload, AnEarlyAnswerWhileTheUpstreamDoesNotRead) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    Peer::sleep(50);
    peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    Peer::sleep(200);
  });
  const Result<Answer> answer = call(post(server.port(), std::string(std::size_t{64} << 20U, 'x')));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "no");
  EXPECT_EQ(client->counts().busy, 0U);
}

// An upstream that answers as it reads gets the whole body.
TEST_F(Upload, BothWaysAtOnce) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (;;) {
      const std::string line = peer.read_until("\r\n");
      const std::size_t size = line.empty() ? 0 : std::stoul(line, nullptr, 16);
      peer.send(line + peer.read_bytes(size) + peer.read_bytes(2));
      if (size == 0) {
        break;
      }
    }
    peer.read_head();
  });
  std::vector<std::string> pieces;
  std::string all;
  for (int piece = 0; piece < 30; ++piece) {
    pieces.push_back("piece " + std::to_string(piece) + ";");
    all += pieces.back();
  }
  const Result<Answer> answer = call(stream(server.port(), pieces, 3ms));
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->body_error.has_value());
  EXPECT_EQ(answer->body, all);
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(Upload, AnAnswerThatEndsBeforeTheUpload) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    Peer::sleep(30);
    peer.send("def");
    peer.read_to_end();
  });
  ClientRequest request = get(server.port());
  request.method = "POST";
  auto source = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc", ""}, 1ms);
  request.borrowed_body = source.get();
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "abcdef");
  EXPECT_FALSE(answer->body_error.has_value());
  EXPECT_TRUE(source->cancelled);
  EXPECT_EQ(client->counts().idle, 0U);
}

TEST_F(Upload, DroppingTheAnswerEndsTheUpload) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    peer.read_to_end();
  });
  auto source = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc", ""}, 1ms);
  {
    ClientRequest request = get(server.port());
    request.method = "POST";
    request.borrowed_body = source.get();
    Result<http::Response> response = send(request);
    ASSERT_TRUE(response.has_value());
    poll(20ms);
  }
  EXPECT_TRUE(source->cancelled);
  poll(20ms);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Upload, CancelledWhileSending) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  net::CancelToken token;
  net::Timer timer(
      worker.wheel(),
      [](void* context) noexcept {
        static_cast<net::CancelToken*>(context)->cancel(net::CancelReason::client_gone);
      },
      &token);
  timer.arm(40ms);
  CallOptions options;
  options.cancel = &token;
  ClientRequest request = stream(server.port(), {"abc", ""}, 1ms);
  const Result<Answer> answer = call(std::move(request), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
  EXPECT_EQ(client->counts().busy, 0U);
}

// While the upstream waits for the client, its silence is not its fault.
TEST_F(Upload, SilenceCountsOnlyWhenTheUpstreamHasToSpeak) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    read_chunked(peer);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_head();
  });
  CallOptions options;
  options.read_timeout = 100ms;
  const Result<Answer> answer = call(stream(server.port(), {"a", "b", "c"}, 160ms), options);
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->body, "ok");
}

TEST_F(Upload, AnUpstreamThatDoesNotReadIsSilent) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    Peer::sleep(600);
  });
  CallOptions options;
  options.read_timeout = 100ms;
  const Result<Answer> answer = call(post(server.port(), std::string(std::size_t{64} << 20U, 'x')), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::read_timeout);
}

}  // namespace
}  // namespace sluice::client::test
