// What is sent again, and what never: backends.md, "Retries".
#include <boost/asio/detached.hpp>

#include "fixture.hpp"
#include "raw_server.hpp"

namespace sluice::client::test {
namespace {

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class Retries : public ClientTest {
 protected:
  // Serves the first request of the first connection, breaks that connection at the second request without an
  // answer, and serves all other connections.
  RawServer::Serve breaks_second() {
    return [this](Peer& peer) {
      for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
        const std::size_t length = head.find("Content-Length: ");
        std::string body;
        if (length != std::string::npos) {
          body = peer.read_bytes(std::stoul(head.substr(length + 16)));
        }
        std::size_t number = 0;
        {
          const std::lock_guard lock(mutex);
          requests.push_back(head.substr(0, head.find("\r\n")) + "|" + body);
          number = requests.size();
        }
        if (peer.number() == 0 && number >= 2) {
          if (answer_part) {
            peer.send(ok.substr(0, 10));
          }
          if (reset) {
            peer.reset();
          }
          return;
        }
        peer.send(ok);
      }
    };
  }
  std::vector<std::string> received() {
    const std::lock_guard lock(mutex);
    return requests;
  }
  std::mutex mutex;
  std::vector<std::string> requests;
  bool answer_part = false;
  bool reset = false;
};

TEST_F(Retries, AnIdempotentRequestOnAnOldConnectionIsSentOnceMore) {
  for (const bool with_reset : {false, true}) {
    reset = with_reset;
    {
      const std::lock_guard lock(mutex);
      requests.clear();
    }
    RawServer server(breaks_second());
    ASSERT_TRUE(call(get(server.port(), "/1")).has_value());
    CallRecord record;
    const Result<Answer> answer = call(get(server.port(), "/2"), {}, &record);
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    EXPECT_EQ(answer->body, "ok");
    EXPECT_EQ(record.attempts, 2U);
    EXPECT_FALSE(record.reused_connection);
    EXPECT_EQ(received(),
              (std::vector<std::string>{"GET /1 HTTP/1.1|", "GET /2 HTTP/1.1|", "GET /2 HTTP/1.1|"}));
  }
  EXPECT_EQ(client->counts().retried, 2U);
}

TEST_F(Retries, PostIsNot) {
  RawServer server(breaks_second());
  ASSERT_TRUE(call(get(server.port(), "/1")).has_value());
  const Result<Answer> answer = call(post(server.port(), "x"));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(answer.error().retry, Retry::reused_only);
  EXPECT_EQ(received().size(), 2U);
  EXPECT_EQ(client->counts().retried, 0U);
}

TEST_F(Retries, NotAfterAByteOfTheAnswer) {
  answer_part = true;
  RawServer server(breaks_second());
  ASSERT_TRUE(call(get(server.port(), "/1")).has_value());
  const Result<Answer> answer = call(get(server.port(), "/2"));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(answer.error().retry, Retry::no);
  EXPECT_EQ(received().size(), 2U);
}

TEST_F(Retries, NotOnAFreshConnection) {
  std::atomic<int> requests_seen = 0;
  RawServer server([&](Peer& peer) {
    peer.read_head();
    ++requests_seen;
  });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(answer.error().retry, Retry::no);
  EXPECT_EQ(requests_seen, 1);
}

// One connection that had been kept, and a new one that was opened because the upstream had stopped to
// answer.
TEST_F(Retries, OnAFreshConnectionWhereOldOnesBrokeWithIt) {
  std::mutex seen_mutex;
  std::map<std::string, int> seen;
  std::atomic<bool> dying = false;
  std::atomic<int> held = 0;
  RawServer server([&](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      {
        const std::lock_guard lock(seen_mutex);
        ++seen[head.substr(0, head.find("\r\n"))];
      }
      if (dying) {
        ++held;
        while (held < 2) {
          Peer::sleep(1);
        }
        // As the kernel does: the connection that was opened last goes first.
        Peer::sleep(peer.number() == 0 ? 5 : 0);
        dying = false;
        return;
      }
      peer.send(ok);
    }
  });
  for (const char* path : {"/1", "/2"}) {
    ASSERT_TRUE(call(get(server.port(), path)).has_value());
  }
  dying = true;
  int done = 0;
  int failed = 0;
  struct Load {
    static net::Awaitable<void> go(HttpClient& client, ClientRequest request, int& done, int& failed) {
      const CallOptions options;
      const Result<Answer> answer = co_await call_coroutine(client, request, options);
      failed += answer.has_error() ? 1 : 0;
      ++done;
    }
  };
  for (const char* path : {"/3", "/4"}) {
    net::asio::co_spawn(worker.context(), Load::go(*client, get(server.port(), path), done, failed),
                        net::asio::detached);
  }
  wait_for([&done] { return done == 2; });
  EXPECT_EQ(failed, 0);
  client->close_idle();
  server.stop();
  EXPECT_EQ(seen["GET /3 HTTP/1.1"], 2);
  EXPECT_EQ(seen["GET /4 HTTP/1.1"], 2);
}

TEST_F(Retries, OnlyOnce) {
  std::atomic<int> requests_seen = 0;
  RawServer server([&](Peer& peer) {
    peer.read_head();
    if (++requests_seen == 1) {
      peer.send(ok);
      peer.read_head();
      ++requests_seen;
    }
  });
  ASSERT_TRUE(call(get(server.port())).has_value());
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(requests_seen, 3);
}

// As the kernel ends a process: first its connections, then, a moment later, its listener.
TEST_F(Retries, ADyingUpstreamIsGivenAMoment) {
  std::mutex seen_mutex;
  std::vector<std::string> seen;
  std::atomic<bool> dying = false;
  std::atomic<bool> broken = false;
  const RawServer::Serve serve = [&](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      {
        const std::lock_guard lock(seen_mutex);
        seen.push_back(head.substr(0, head.find("\r\n")));
      }
      if (dying) {
        broken = true;
        return;
      }
      peer.send(ok);
    }
  };
  auto server = std::make_unique<RawServer>(serve);
  const std::uint16_t port = server->port();
  for (const char* path : {"/1", "/2"}) {
    ASSERT_TRUE(call(get(port, path)).has_value());
  }
  dying = true;
  std::thread restart([&] {
    while (!broken) {
      Peer::sleep(1);
    }
    Peer::sleep(5);
    server.reset();
    dying = false;
    Peer::sleep(100);
    server = std::make_unique<RawServer>(serve, "127.0.0.1", port);
  });
  const Result<Answer> answer = call(get(port, "/3"));
  restart.join();
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  server->stop();
  EXPECT_EQ(seen, (std::vector<std::string>{"GET /1 HTTP/1.1", "GET /2 HTTP/1.1", "GET /3 HTTP/1.1",
                                            "GET /3 HTTP/1.1"}));
}

TEST_F(Retries, AKeptBodyGoesAgain) {
  const std::string body(std::size_t{64} << 10U, 'b');
  RawServer server(breaks_second());
  ASSERT_TRUE(call(get(server.port(), "/1")).has_value());
  const Result<Answer> answer = call(post(server.port(), body, "PUT"));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  const std::vector<std::string> seen = received();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[1], "PUT / HTTP/1.1|" + body);
  EXPECT_EQ(seen[2], seen[1]);
}

TEST_F(Retries, ALargerBodyDoesNot) {
  const std::string body((std::size_t{64} << 10U) + 1, 'b');
  RawServer server(breaks_second());
  ASSERT_TRUE(call(get(server.port(), "/1")).has_value());
  const Result<Answer> answer = call(post(server.port(), body, "PUT"));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::closed);
  EXPECT_EQ(received().size(), 2U);
}

TEST_F(Retries, AStreamedBodyThatWasKeptGoesAgain) {
  for (const bool sized : {true, false}) {
    for (const std::chrono::milliseconds pause : {0ms, 2ms}) {
      std::vector<std::string> bodies;
      RawServer server([&](Peer& peer) {
        peer.read_head();
        if (peer.number() == 0) {
          peer.send(ok);
          peer.read_head();
        }
        std::string body = sized ? peer.read_bytes(6) : peer.read_until("0\r\n\r\n");
        {
          const std::lock_guard lock(mutex);
          bodies.push_back(std::move(body));
        }
        if (peer.number() != 0) {
          peer.send(ok);
          peer.read_head();
        }
      });
      client->close_idle();
      ASSERT_TRUE(call(get(server.port())).has_value());
      ClientRequest request = get(server.port());
      request.method = "PUT";
      request.body = std::make_unique<SlowBody>(worker, std::vector<std::string>{"abc", "def"}, pause,
                                                sized ? std::optional<std::uint64_t>(6) : std::nullopt);
      const Result<Answer> answer = call(std::move(request));
      ASSERT_TRUE(answer.has_value()) << answer.error().detail;
      server.stop();
      ASSERT_EQ(bodies.size(), 2U);
      if (sized) {
        EXPECT_EQ(bodies[0], "abcdef");
        EXPECT_EQ(bodies[1], "abcdef");
      } else {
        EXPECT_TRUE(bodies[0] == "6\r\nabcdef\r\n0\r\n\r\n" ||
                    bodies[0] == "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
            << bodies[0];
        EXPECT_EQ(bodies[1], "6\r\nabcdef\r\n0\r\n\r\n");
      }
    }
  }
}

TEST_F(Retries, AStaleConnectionIsNotChosen) {
  // The server closes idle connections at once; with a moment for the FIN to come every request finds that
  // out.
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send(ok);
    Peer::sleep(5);
  });
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(call(post(server.port(), "x")).has_value());
    wait_for([this] { return client->counts().idle == 0; });
  }
  EXPECT_EQ(client->counts().retried, 0U);
  EXPECT_EQ(server.connections(), 5U);
}

TEST_F(Retries, BytesThatNobodyAskedForCloseAnIdleConnection) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send(ok);
    Peer::sleep(20);
    peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    peer.read_head();
  });
  ASSERT_TRUE(call(get(server.port())).has_value());
  EXPECT_EQ(client->counts().idle, 1U);
  wait_for([this] { return client->counts().idle == 0; });
  const Result<Answer> answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
}

// The FIN comes in one segment with the answer, so no event tells of it: the second look does.
TEST_F(Retries, AFinThatCameWithTheAnswer) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send(ok);
  });
  ASSERT_TRUE(call(get(server.port())).has_value());
  poll(150ms);
  EXPECT_TRUE(call(post(server.port(), "x")).has_value());
  wait_for([this] { return client->counts().idle == 0; });
}

TEST_F(Retries, ARefusedConnectIsTriedAgainByAnyMethod) {
  std::unique_ptr<RawServer> server = std::make_unique<RawServer>([](Peer&) {});
  const std::uint16_t port = server->port();
  server.reset();
  std::thread later([&] {
    Peer::sleep(300);
    server = std::make_unique<RawServer>(
        [](Peer& peer) {
          peer.read_head();
          peer.send(ok);
          peer.read_head();
        },
        "127.0.0.1", port);
  });
  const auto start = std::chrono::steady_clock::now();
  const Result<Answer> answer = call(post(port, "x"));
  const auto took = std::chrono::steady_clock::now() - start;
  later.join();
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 900ms);
}

TEST_F(Retries, UntilTheTimeForItIsOver) {
  std::uint16_t port = 0;
  {
    const RawServer server([](Peer&) {});
    port = server.port();
  }
  for (const auto& [retry, connect, least, most] : {std::tuple{Duration(300ms), Duration(5s), 300ms, 600ms},
                                                    std::tuple{Duration(5s), Duration(200ms), 200ms, 500ms},
                                                    std::tuple{Duration(0ms), Duration(5s), 0ms, 200ms}}) {
    ClientSettings settings;
    settings.connect_retry = retry;
    use(settings);
    CallOptions options;
    options.connect_timeout = connect;
    const auto start = std::chrono::steady_clock::now();
    const Result<Answer> answer = call(get(port), options);
    const auto took = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().code, ErrorCode::connect_failed);
    EXPECT_EQ(answer.error().retry, Retry::yes);
    EXPECT_NE(answer.error().detail.find("Connection refused"), std::string::npos) << answer.error().detail;
    EXPECT_GE(took, least);
    EXPECT_LT(took, most);
    EXPECT_EQ(client->counts().busy, 0U);
  }
}

}  // namespace
}  // namespace sluice::client::test
