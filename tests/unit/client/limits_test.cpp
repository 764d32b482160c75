// Times, bounds, cancellation, and addresses that may not be reached.
#include "client/connect_race.hpp"
#include "fixture.hpp"
#include "raw_server.hpp"

namespace sluice::client::test {
namespace {

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

void cancel_token(void* context) noexcept {
  static_cast<net::CancelToken*>(context)->cancel(net::CancelReason::client_gone);
}

class Limits : public ClientTest {};

TEST_F(Limits, ReadTimeoutBeforeTheHead) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  CallOptions options;
  options.read_timeout = 100ms;
  const auto start = std::chrono::steady_clock::now();
  const Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::read_timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 90ms);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Limits, ReadTimeoutIsTheLongestSilence) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    for (int byte = 0; byte < 8; ++byte) {
      Peer::sleep(50);
      peer.send("x");
    }
    peer.read_to_end();
  });
  CallOptions options;
  options.read_timeout = 150ms;
  const Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "xxxxxxxx");
  ASSERT_TRUE(answer->body_error.has_value());
  EXPECT_EQ(answer->body_error->code, ErrorCode::read_timeout);
}

TEST_F(Limits, NobodyReadingIsNoSilence) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    Peer::sleep(30);
    peer.send("def");
    peer.read_head();
  });
  CallOptions options;
  options.read_timeout = 60ms;
  ClientRequest request = get(server.port());
  Result<http::Response> response = send(request, options);
  ASSERT_TRUE(response.has_value());
  poll(200ms);
  const Result<std::string> body = read(*response);
  ASSERT_TRUE(body.has_value()) << body.error().detail;
  EXPECT_EQ(*body, "abcdef");
}

TEST_F(Limits, HeadDeadline) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    for (int byte = 0; byte < 30; ++byte) {
      Peer::sleep(20);
      peer.send(ok.substr(static_cast<std::size_t>(byte), 1));
    }
  });
  CallOptions options;
  options.head_deadline = std::chrono::steady_clock::now() + 150ms;
  const Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::deadline);
}

TEST_F(Limits, TheHeadDeadlineEndsWithTheHead) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    Peer::sleep(200);
    peer.send("def");
    peer.read_head();
  });
  CallOptions options;
  options.head_deadline = std::chrono::steady_clock::now() + 100ms;
  const Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "abcdef");
}

TEST_F(Limits, CancelBeforeDuringAndAfterTheHead) {
  RawServer server([](Peer& peer) {
    const std::string head = peer.read_head();
    if (head.starts_with("GET /body")) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    }
    peer.read_to_end();
  });
  net::CancelToken token;
  CallOptions options;
  options.cancel = &token;
  token.cancel(net::CancelReason::client_gone);
  Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
  EXPECT_EQ(server.connections(), 0U);

  token.reset();
  net::Timer timer(worker.wheel(), &cancel_token, &token);
  timer.arm(50ms);
  answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);

  token.reset();
  timer.arm(50ms);
  answer = call(get(server.port(), "/body"), options);
  ASSERT_TRUE(answer.has_value());
  ASSERT_TRUE(answer->body_error.has_value());
  EXPECT_EQ(answer->body_error->code, ErrorCode::cancelled);
  EXPECT_EQ(answer->body, "abc");
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Limits, ADeadlineOnTheTokenIsADeadline) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  net::CancelToken token;
  net::Timer timer(
      worker.wheel(),
      [](void* context) noexcept {
        static_cast<net::CancelToken*>(context)->cancel(net::CancelReason::deadline);
      },
      &token);
  timer.arm(50ms);
  CallOptions options;
  options.cancel = &token;
  const Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::deadline);
}

TEST_F(Limits, ConnectTimeout) {
  // A backlog that is full takes no more connections: SYNs go unanswered.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(where);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&where), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size);
  std::vector<int> fillers;
  for (int filler = 0; filler < 8; ++filler) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(::connect(fillers.back(), reinterpret_cast<sockaddr*>(&where), size) == 0 ||
                errno == EINPROGRESS);
  }
  const std::uint16_t port = ntohs(where.sin_port);
  CallOptions options;
  options.connect_timeout = 150ms;
  const auto start = std::chrono::steady_clock::now();
  Result<Answer> answer = call(get(port), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::connect_timeout);
  EXPECT_EQ(answer.error().retry, Retry::yes);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 500ms);

  options.connect_timeout = 5s;
  options.head_deadline = std::chrono::steady_clock::now() + 100ms;
  answer = call(get(port), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::deadline);

  net::CancelToken token;
  net::Timer timer(worker.wheel(), &cancel_token, &token);
  timer.arm(50ms);
  options.head_deadline.reset();
  options.cancel = &token;
  answer = call(get(port), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
  for (const int filler : fillers) {
    ::close(filler);
  }
  ::close(listener);
}

TEST_F(Limits, MoreCallsThanConnectionsWaitInTurn) {
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  std::mutex mutex;
  std::vector<std::string> order;
  RawServer server([&](Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const int now = ++at_once;
      most = std::max(most.load(), now);
      {
        const std::lock_guard lock(mutex);
        order.push_back(head.substr(4, head.find(' ', 4) - 4));
      }
      Peer::sleep(10);
      --at_once;
      peer.send(ok);
    }
  });
  ClientSettings settings;
  settings.connections_per_origin = 2;
  use(settings);
  int finished = 0;
  int good = 0;
  struct One {
    static net::Awaitable<void> go(HttpClient& client, ClientRequest request, int& finished, int& good) {
      const CallOptions options;
      const Result<Answer> answer = co_await call_coroutine(client, request, options);
      good += answer.has_value() ? 1 : 0;
      ++finished;
    }
  };
  std::vector<std::string> expected;
  for (int number = 0; number < 12; ++number) {
    expected.push_back("/" + std::to_string(number));
    net::asio::co_spawn(worker.context(),
                        One::go(*client, get(server.port(), expected.back()), finished, good),
                        net::asio::detached);
  }
  wait_for([this] { return client->counts().waiting == 10; });
  EXPECT_EQ(client->counts().busy, 2U);
  wait_for([&finished] { return finished == 12; });
  EXPECT_EQ(good, 12);
  EXPECT_LE(most, 2);
  EXPECT_EQ(client->counts().opened, 2U);
  EXPECT_EQ(client->counts().idle, 2U);
  EXPECT_EQ(client->counts().waiting, 0U);
  // Two connections work side by side, so that neighbours may swap.
  for (std::size_t at = 0; at < order.size(); ++at) {
    const auto place = std::find(expected.begin(), expected.end(), order[at]) - expected.begin();
    EXPECT_LE(std::abs(place - static_cast<std::ptrdiff_t>(at)), 2) << order[at];
  }
}

TEST_F(Limits, WaitingForAConnectionEnds) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  ClientSettings settings;
  settings.connections_per_origin = 1;
  use(settings);
  struct One {
    static net::Awaitable<void> go(HttpClient& client, ClientRequest request, const CallOptions options,
                                   std::vector<ErrorCode>& codes) {
      const Result<Answer> answer = co_await call_coroutine(client, request, options);
      codes.push_back(answer.has_error() ? answer.error().code : ErrorCode::internal);
    }
  };
  std::vector<ErrorCode> codes;
  net::CancelToken first_token;
  CallOptions first;
  first.cancel = &first_token;
  net::asio::co_spawn(worker.context(), One::go(*client, get(server.port()), first, codes),
                      net::asio::detached);
  wait_for([&server] { return server.connections() == 1; });

  CallOptions options;
  options.connect_timeout = 100ms;
  Result<Answer> answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::overloaded);
  EXPECT_EQ(answer.error().retry, Retry::yes);

  options.head_deadline = std::chrono::steady_clock::now() + 50ms;
  answer = call(get(server.port()), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::deadline);

  net::CancelToken token;
  net::Timer timer(worker.wheel(), &cancel_token, &token);
  timer.arm(50ms);
  CallOptions cancelled;
  cancelled.cancel = &token;
  answer = call(get(server.port()), cancelled);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
  EXPECT_EQ(client->counts().waiting, 0U);

  // The queue is bounded: eight a connection.
  CallOptions patient;
  net::CancelToken all;
  patient.cancel = &all;
  for (int number = 0; number < 8; ++number) {
    net::asio::co_spawn(worker.context(), One::go(*client, get(server.port()), patient, codes),
                        net::asio::detached);
  }
  wait_for([this] { return client->counts().waiting == 8; });
  answer = call(get(server.port()));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::overloaded);

  // A connection that closes passes its place on.
  first_token.cancel(net::CancelReason::client_gone);
  wait_for([&server] { return server.connections() == 2; });
  all.cancel(net::CancelReason::client_gone);
  wait_for([&codes] { return codes.size() == 9; });
  EXPECT_EQ(std::count(codes.begin(), codes.end(), ErrorCode::cancelled), 9);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Limits, IdleConnections) {
  RawServer server([](Peer& peer) {
    while (!peer.read_head().empty()) {
      Peer::sleep(30);
      peer.send(ok);
    }
  });
  ClientSettings settings;
  settings.idle_timeout = 200ms;
  settings.idle_per_origin = 2;
  use(settings);
  int finished = 0;
  struct One {
    static net::Awaitable<void> go(HttpClient& client, ClientRequest request, int& finished) {
      const CallOptions options;
      const Result<Answer> answer = co_await call_coroutine(client, request, options);
      finished += answer.has_value() ? 1 : 100;
    }
  };
  for (int number = 0; number < 5; ++number) {
    net::asio::co_spawn(worker.context(), One::go(*client, get(server.port()), finished),
                        net::asio::detached);
  }
  wait_for([&finished] { return finished >= 5; });
  EXPECT_EQ(finished, 5);
  EXPECT_EQ(client->counts().opened, 5U);
  EXPECT_EQ(client->counts().idle, 2U);
  const auto start = std::chrono::steady_clock::now();
  wait_for([this] { return client->counts().idle == 0; });
  EXPECT_GE(std::chrono::steady_clock::now() - start, 150ms);
  EXPECT_EQ(client->counts().busy, 0U);
}

TEST_F(Limits, CloseIdleAndConfigure) {
  RawServer server([](Peer& peer) {
    while (!peer.read_head().empty()) {
      peer.send(ok);
    }
  });
  ASSERT_TRUE(call(get(server.port())).has_value());
  EXPECT_EQ(client->counts().idle, 1U);
  client->close_idle();
  EXPECT_EQ(client->counts().idle, 0U);
  ASSERT_TRUE(call(get(server.port())).has_value());
  EXPECT_EQ(client->counts().idle, 1U);
  ClientSettings settings;
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 1U) << "nothing changed for this origin";
  settings.upstreams.emplace_back(origin(server.port()), UpstreamTls{"ca.pem", "", ""});
  client->configure(settings);
  EXPECT_EQ(client->counts().idle, 0U);
}

TEST_F(Limits, InternalAddressesAreRefusedWhereAsked) {
  RawServer server([](Peer& peer) {
    while (!peer.read_head().empty()) {
      peer.send(ok);
    }
  });
  // A connection that others may use is not used for a call that may not.
  ASSERT_TRUE(call(get(server.port())).has_value());
  CallOptions options;
  options.public_addresses_only = true;
  for (const char* host : {"127.0.0.1", "localhost", "x.localhost", "::1", "::ffff:127.0.0.1", "10.1.2.3",
                           "169.254.169.254", "192.168.0.1", "0.0.0.0", "fe80::1", "fd00::1"}) {
    ClientRequest request = get(server.port());
    request.origin.host = host;
    const Result<Answer> answer = call(std::move(request), options);
    ASSERT_TRUE(answer.has_error()) << host;
    EXPECT_EQ(answer.error().code, ErrorCode::address_refused) << host;
  }
  ClientRequest request;
  request.origin = parse_url("unix:/run/any.sock")->origin;
  const Result<Answer> answer = call(std::move(request), options);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::address_refused);
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(Limits, Localhost) {
  RawServer server([](Peer& peer) {
    while (!peer.read_head().empty()) {
      peer.send(ok);
    }
  });
  ClientRequest request = get(server.port());
  request.origin.host = "localhost";
  const Result<Answer> answer = call(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().detail;
}

TEST_F(Limits, TooManyOriginsAreForgotten) {
  ClientSettings settings;
  settings.connect_retry = 0ms;
  use(settings);
  for (std::uint32_t number = 0; number < 2100; ++number) {
    ClientRequest request = get(1);
    request.origin.host =
        "127.0." + std::to_string(number / 250 + 1) + "." + std::to_string(number % 250 + 1);
    const Result<Answer> answer = call(std::move(request));
    ASSERT_TRUE(answer.has_error());
    ASSERT_EQ(answer.error().code, ErrorCode::connect_failed) << answer.error().detail;
  }
}

// --- the race

class Race : public ClientTest {
 protected:
  // The winner's address.
  Result<ConnectRace::Endpoint> race(std::vector<ConnectRace::Endpoint> endpoints, Duration time = 5s) {
    const auto its_race = std::make_shared<ConnectRace>(worker, std::move(endpoints));
    return run(go(its_race, std::chrono::steady_clock::now() + time));
  }
  static net::Awaitable<Result<ConnectRace::Endpoint>> go(std::shared_ptr<ConnectRace> race,
                                                          SteadyTime give_up) {
    const Result<net::TcpSocket> socket = co_await race->run(give_up, nullptr);
    if (socket.has_error()) {
      co_return socket.error();
    }
    co_return socket->remote_endpoint();
  }
  static ConnectRace::Endpoint at(const char* address, std::uint16_t port) {
    return {net::asio::ip::make_address(address), port};
  }
};

// A listener whose backlog is full: SYNs go unanswered.
struct DeafListener {
  explicit DeafListener(const char* address) {
    const bool v6 = std::string(address).find(':') != std::string::npos;
    descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto endpoint = net::asio::ip::tcp::endpoint(net::asio::ip::make_address(address), 0);
    ok = ::bind(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 &&
         ::listen(descriptor, 0) == 0;
    sockaddr_storage where{};
    socklen_t size = sizeof(where);
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&where), &size);
    port = ntohs(reinterpret_cast<sockaddr_in*>(&where)->sin_port);
    for (int& filler : fillers) {
      filler = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      EXPECT_TRUE(::connect(filler, reinterpret_cast<sockaddr*>(&where), size) == 0 || errno == EINPROGRESS);
    }
  }
  DeafListener(const DeafListener&) = delete;
  DeafListener& operator=(const DeafListener&) = delete;
  ~DeafListener() {
    for (const int filler : fillers) {
      ::close(filler);
    }
    ::close(descriptor);
  }
  int descriptor = -1;
  std::array<int, 8> fillers{};
  std::uint16_t port = 0;
  bool ok = false;
};

TEST_F(Race, TheSecondAddressStartsAfterAQuarterOfASecond) {
  const DeafListener deaf("127.0.0.1");
  ASSERT_TRUE(deaf.ok);
  RawServer server([](Peer& peer) { peer.read_to_end(); }, "127.0.0.2");
  const auto start = std::chrono::steady_clock::now();
  const Result<ConnectRace::Endpoint> socket =
      race({at("127.0.0.1", deaf.port), at("127.0.0.2", server.port())});
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(socket.has_value()) << socket.error().detail;
  EXPECT_EQ(socket->port(), server.port());
  EXPECT_GE(took, 240ms);
  EXPECT_LT(took, 600ms);
}

TEST_F(Race, ARefusedAddressGivesWayAtOnce) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  const auto start = std::chrono::steady_clock::now();
  const Result<ConnectRace::Endpoint> socket =
      race({at("127.0.0.1", 1), at("127.0.0.2", 1), at("127.0.0.1", server.port())});
  ASSERT_TRUE(socket.has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 200ms);
}

TEST_F(Race, Ipv6ThenIpv4) {
  RawServer v6([](Peer& peer) { peer.read_to_end(); }, "::1");
  if (!v6.open()) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  RawServer v4([](Peer& peer) { peer.read_to_end(); });
  Result<ConnectRace::Endpoint> socket = race({at("::1", v6.port()), at("127.0.0.1", v4.port())});
  ASSERT_TRUE(socket.has_value());
  EXPECT_TRUE(socket->address().is_v6());
  v6.stop();
  socket = race({at("::1", v6.port()), at("127.0.0.1", v4.port())});
  ASSERT_TRUE(socket.has_value());
  EXPECT_TRUE(socket->address().is_v4());
}

TEST_F(Race, AllRefused) {
  const Result<ConnectRace::Endpoint> socket = race({at("127.0.0.1", 1), at("127.0.0.2", 1)});
  ASSERT_TRUE(socket.has_error());
  EXPECT_EQ(socket.error().code, ErrorCode::connect_failed);
  EXPECT_NE(socket.error().detail.find("127.0.0.2:1"), std::string::npos);
}

TEST_F(Race, NobodyAnswers) {
  const DeafListener deaf("127.0.0.1");
  ASSERT_TRUE(deaf.ok);
  const Result<ConnectRace::Endpoint> socket = race({at("127.0.0.1", deaf.port)}, 120ms);
  ASSERT_TRUE(socket.has_error());
  EXPECT_EQ(socket.error().code, ErrorCode::connect_timeout);
}

}  // namespace
}  // namespace sluice::client::test
