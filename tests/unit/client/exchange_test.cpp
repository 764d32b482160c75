// Requests and answers over real sockets: what goes out, how answers end, what is wrong with them.
#include "fixture.hpp"
#include "raw_server.hpp"

namespace sluice::client::test {
namespace {

class Exchange : public ClientTest {};

// Serves every request on a connection with the same bytes, and remembers the heads.
struct Canned {
  explicit Canned(std::string its_answer)
      : answer(std::move(its_answer)), server([this](Peer& peer) {
          for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
            {
              const std::lock_guard lock(mutex);
              heads.push_back(head);
            }
            peer.send(answer);
          }
        }) {}
  std::string answer;
  std::mutex mutex;
  std::vector<std::string> heads;
  RawServer server;
};

TEST_F(Exchange, SendsTheHeadAsWrittenWithHost) {
  Canned canned("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-YEs: a\r\n\r\nok");
  ClientRequest request = get(canned.server.port(), "/a/b?c=d");
  request.headers.add("X-oDD-Name", "v 1");
  request.headers.add("Accept", "*/*");
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_EQ(answer->headers[1].name, "X-YEs");
  ASSERT_EQ(canned.heads.size(), 1U);
  EXPECT_EQ(canned.heads[0],
            "GET /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(canned.server.port()) +
                "\r\nX-oDD-Name: v 1\r\nAccept: */*\r\n\r\n");
}

TEST_F(Exchange, OwnHostWins) {
  Canned canned("HTTP/1.1 204 No Content\r\n\r\n");
  ClientRequest request = get(canned.server.port());
  request.headers.add("host", "shop.example");
  ASSERT_TRUE(call(std::move(request)).has_value());
  EXPECT_EQ(canned.heads.at(0), "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
}

TEST_F(Exchange, ReusesOneConnection) {
  Canned canned("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  for (int round = 0; round < 20; ++round) {
    CallRecord record;
    ASSERT_TRUE(call(get(canned.server.port()), {}, &record).has_value());
    EXPECT_EQ(record.reused_connection, round != 0);
    EXPECT_EQ(record.attempts, 1U);
  }
  EXPECT_EQ(canned.server.connections(), 1U);
  EXPECT_EQ(client->counts().opened, 1U);
  EXPECT_EQ(client->counts().reused, 19U);
  EXPECT_EQ(client->counts().idle, 1U);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Exchange, SmallBodiesAreThereWithTheHead) {
  Canned canned(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
  ClientRequest request = get(canned.server.port());
  Result<http::Response> response = send(request);
  ASSERT_TRUE(response.has_value());
  ASSERT_TRUE(std::holds_alternative<std::string>(response->body));
  EXPECT_EQ(std::get<std::string>(response->body), "abcdefg");
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(Exchange, TrailersOfAWholeChunkedBody) {
  Canned canned("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n");
  const Result<Answer> answer = call(get(canned.server.port()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "abc");
  EXPECT_EQ(answer->trailers.get("X-Sum"), "7");
}

TEST_F(Exchange, BodiesInPieces) {
  const std::vector<std::string> ends = {
      "Content-Length: 10\r\n\r\n0123456789",
      "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\nX-T: 1\r\n\r\n",
  };
  for (const std::string& rest : ends) {
    const std::string whole = "HTTP/1.1 200 OK\r\n" + rest;
    RawServer server([&whole](Peer& peer) {
      while (!peer.read_head().empty()) {
        for (const char byte : whole) {
          peer.send(std::string(1, byte));
          Peer::sleep(1);
        }
      }
    });
    for (int round = 0; round < 2; ++round) {
      const Result<Answer> answer = call(get(server.port()));
      ASSERT_TRUE(answer.has_value()) << answer.error().detail;
      EXPECT_EQ(answer->body, "0123456789");
      EXPECT_FALSE(answer->body_error.has_value());
    }
    EXPECT_EQ(server.connections(), 1U);
  }
}

TEST_F(Exchange, UntilClose) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.0 200 OK\r\n\r\nabc");
    Peer::sleep(30);
    peer.send("def");
  });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "abcdef");
  EXPECT_FALSE(answer->body_error.has_value());
  EXPECT_EQ(client->counts().idle, 0U);
}

// The end of the connection comes in the same segment as the bytes: no event of its own tells of it.
TEST_F(Exchange, UntilCloseInOneGo) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
  });
  for (int round = 0; round < 20; ++round) {
    const Result<Answer> answer = call(get(server.port()));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, "abc");
  }
}

TEST_F(Exchange, NoBodies) {
  RawServer server([](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("HEAD")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
      } else if (head.starts_with("GET /304")) {
        peer.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n");
      } else if (head.starts_with("GET /empty")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      } else {
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      }
    }
  });
  ClientRequest head = get(server.port());
  head.method = "HEAD";
  Result<Answer> answer = call(std::move(head));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->head_content_length, 1234U);
  EXPECT_EQ(answer->body, "");
  answer = call(get(server.port(), "/304"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 304);
  EXPECT_FALSE(answer->head_content_length.has_value());
  answer = call(get(server.port(), "/204"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 204);
  answer = call(get(server.port(), "/empty"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->size, 0U);
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(Exchange, InformationalAnswersAreDropped) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
    Peer::sleep(20);
    peer.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    peer.read_head();
  });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
  EXPECT_FALSE(answer->headers.get("Link").has_value());
  EXPECT_EQ(answer->body, "x");
  EXPECT_EQ(client->counts().idle, 1U);
}

TEST_F(Exchange, BadAnswers) {
  const std::vector<std::string> bad = {
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      "garbage\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
      "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a" + std::string(1, '\0') + "b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'a') + "\r\n\r\n",
      std::string("\x15\x03\x01\x00\x02\x02\x16", 7),
  };
  for (const std::string& bytes : bad) {
    Canned canned(bytes);
    const Result<Answer> answer = call(get(canned.server.port()));
    ASSERT_TRUE(answer.has_error()) << bytes.substr(0, 100);
    EXPECT_EQ(answer.error().code, ErrorCode::malformed)
        << bytes.substr(0, 100) << ": " << answer.error().detail;
    EXPECT_EQ(answer.error().source, ErrorSource::upstream);
    EXPECT_EQ(client->counts().idle, 0U);
    EXPECT_EQ(client->counts().busy, 0U);
  }
}

TEST_F(Exchange, ABrokenChunkAfterTheHead) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    Peer::sleep(20);
    peer.send("nonsense\r\n");
    peer.read_head();
  });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "abc");
  ASSERT_TRUE(answer->body_error.has_value());
  EXPECT_EQ(answer->body_error->code, ErrorCode::malformed);
}

TEST_F(Exchange, PrematureEndsAreErrors) {
  const std::vector<std::string> cut = {
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n01234",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n",
  };
  for (const std::string& bytes : cut) {
    for (const bool reset : {false, true}) {
      RawServer server([&](Peer& peer) {
        peer.read_head();
        peer.send(bytes);
        if (reset) {
          Peer::sleep(30);
          peer.reset();
        }
      });
      const Result<Answer> answer = call(get(server.port()));
      ASSERT_TRUE(answer.has_value()) << bytes;
      EXPECT_EQ(answer->body, "01234");
      ASSERT_TRUE(answer->body_error.has_value()) << bytes;
      EXPECT_EQ(answer->body_error->code, ErrorCode::closed);
      EXPECT_EQ(client->counts().busy, 0U);
    }
  }
}

TEST_F(Exchange, PrematureEndOfAHead) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-");
  });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(answer.error().retry, Retry::no);
}

TEST_F(Exchange, BytesAfterTheAnswerCloseTheConnection) {
  Canned canned(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
  for (int round = 0; round < 3; ++round) {
    const Result<Answer> answer = call(get(canned.server.port()));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, "ok");
    EXPECT_EQ(client->counts().idle, 0U);
  }
  EXPECT_EQ(canned.server.connections(), 3U);
}

TEST_F(Exchange, ConnectionCloseIsObeyed) {
  Canned canned("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(call(get(canned.server.port())).has_value());
  EXPECT_EQ(client->counts().idle, 0U);
}

TEST_F(Exchange, BodiesInMemoryUp) {
  std::string seen;
  std::string seen_head;
  RawServer server([&](Peer& peer) {
    for (seen_head = peer.read_head(); !seen_head.empty(); seen_head = peer.read_head()) {
      const std::size_t at = seen_head.find("Content-Length: ");
      seen = peer.read_bytes(at == std::string::npos ? 0 : std::stoul(seen_head.substr(at + 16)));
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  });
  const std::string body(std::size_t{3} << 20U, 'b');
  ASSERT_TRUE(call(post(server.port(), body)).has_value());
  EXPECT_EQ(seen.size(), body.size());
  ASSERT_TRUE(call(post(server.port(), "")).has_value());
  EXPECT_NE(seen_head.find("\r\nContent-Length: 0\r\n"), std::string::npos);
  ASSERT_TRUE(call(post(server.port(), "small")).has_value());
  EXPECT_EQ(seen, "small");
}

TEST_F(Exchange, FramingFieldsOfTheCallerDoNotCount) {
  Canned canned("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ClientRequest request = get(canned.server.port());
  request.headers.add("Content-Length", "5");
  request.headers.add("Transfer-Encoding", "chunked");
  ASSERT_TRUE(call(std::move(request)).has_value());
  EXPECT_EQ(canned.heads.at(0).find("Content-Length"), std::string::npos);
  EXPECT_EQ(canned.heads.at(0).find("Transfer-Encoding"), std::string::npos);
}

TEST_F(Exchange, HeadersThatBreakOutAreNotSent) {
  Canned canned("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"X", "a\r\nEvil: 1"}, {"X", "a\nb"}, {"X\r\nY", "a"}, {"X", std::string("a\0b", 3)}, {"X", "a\x7f"}};
  for (const auto& [name, value] : bad) {
    ClientRequest request = get(canned.server.port());
    request.headers.add(name, value);
    const Result<Answer> answer = call(std::move(request));
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().code, ErrorCode::internal);
  }
  for (const std::string path : {"", "no-slash", "/a b", "/a\r\nX: y", "/\x01"}) {
    const Result<Answer> answer = call(get(canned.server.port(), path));
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().code, ErrorCode::internal);
  }
  EXPECT_TRUE(canned.heads.empty());
}

TEST_F(Exchange, UnixSockets) {
  const std::string path = ::testing::TempDir() + "sluice-client-" + std::to_string(::getpid()) + ".sock";
  std::string head;
  RawServer server(
      [&head](Peer& peer) {
        head = peer.read_head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        peer.read_head();
      },
      RawServer::Unix{path});
  ASSERT_TRUE(server.open());
  ClientRequest request;
  request.origin = parse_url("unix:" + path)->origin;
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_EQ(answer->body, "ok");
  EXPECT_NE(head.find("Host: localhost\r\n"), std::string::npos);
  EXPECT_EQ(client->counts().idle, 1U);
  ::unlink(path.c_str());
}

TEST_F(Exchange, DroppingABodyClosesTheConnection) {
  std::atomic<bool> gone = false;
  RawServer server([&gone](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nabc");
    while (peer.send(std::string(65536, 'x'))) {
    }
    gone = true;
  });
  {
    ClientRequest request = get(server.port());
    Result<http::Response> response = send(request);
    ASSERT_TRUE(response.has_value());
    auto& source = std::get<std::unique_ptr<http::BodySource>>(response->body);
    EXPECT_EQ(source->size(), 100000000U);
    EXPECT_TRUE(run(source->read()).has_value());
    EXPECT_EQ(client->counts().busy, 1U);
  }
  EXPECT_EQ(client->counts().busy, 0U);
  wait_for([&gone] { return gone.load(); });
}

TEST_F(Exchange, LargeBodiesDown) {
  const std::size_t size = std::size_t{8} << 20U;
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; ++at) {
    bytes[at] = static_cast<char>('a' + at * 7 % 26);
  }
  RawServer server([&bytes](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("GET /length")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n\r\n" + bytes);
        continue;
      }
      peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      std::size_t step = 1;
      for (std::size_t at = 0; at < bytes.size(); at += step, step = step * 3 % 100000 + 1) {
        const std::string piece = bytes.substr(at, step);
        char size_line[32];
        std::snprintf(size_line, sizeof(size_line), "%zx\r\n", piece.size());
        peer.send(size_line + piece + "\r\n");
      }
      peer.send("0\r\n\r\n");
    }
  });
  for (const char* path : {"/length", "/chunked", "/length", "/chunked"}) {
    const Result<Answer> answer = call(get(server.port(), path));
    ASSERT_TRUE(answer.has_value());
    EXPECT_FALSE(answer->body_error.has_value());
    EXPECT_TRUE(answer->body == bytes) << path;
  }
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_EQ(worker.buffers().leased(), 0U);
}

}  // namespace
}  // namespace sluice::client::test
