// Tokens of service accounts: the exchange, the cache, what an outage does.
#include <thread>

#include <boost/asio/detached.hpp>

#include "sluice/client/cloud/credentials.hpp"

#include "../fixture.hpp"
#include "../raw_server.hpp"
#include "client/cloud/token_exchange.hpp"
#include "keys.hpp"

namespace sluice::client::cloud {
namespace {

using namespace std::chrono_literals;
using client::test::Peer;
using client::test::RawServer;

std::string answer(int status, const std::string& body, const std::string& fields = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + fields + "\r\n" + body;
}

std::string token_answer(const std::string& token, std::chrono::milliseconds life) {
  return answer(200, dump_json(Json{{"iamToken", token},
                                    {"expiresAt", format_rfc3339(Clock::real().system() + life)}}));
}

/// A clock that goes on when it is told to.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return Clock::real().steady() + ahead_; }
  [[nodiscard]] SystemTime system() const override { return Clock::real().system() + ahead_; }
  void advance(std::chrono::seconds time) { ahead_ += time; }

 private:
  std::chrono::seconds ahead_{0};
};

class CredentialTest : public client::test::ClientTest {
 public:
  ~CredentialTest() override {
    view.reset();
    if (store) {
      store->stop();
    }
    poll(20ms);
    store.reset();
  }

 protected:
  StoreSettings settings(std::uint16_t port) {
    StoreSettings out;
    out.iam = parse_url("http://127.0.0.1:" + std::to_string(port) + "/iam/v1/tokens").value();
    out.metadata = parse_url("http://127.0.0.1:" + std::to_string(port) + "/token").value();
    out.exchange_timeout = 1s;
    AccountSettings account;
    account.id = "aje1";
    account.source = TokenSource::authorized_key;
    account.key = test::shared_key();
    out.accounts.push_back(account);
    return out;
  }
  void open(StoreSettings settings) {
    store = make_credential_store(worker);
    store->configure(std::move(settings));
    view = store->credentials(worker);
  }
  Result<std::string> token(const std::string& account = "aje1") {
    return run(view->token(account, std::nullopt, nullptr));
  }

  bool comes(const std::function<bool()>& what) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!what() && std::chrono::steady_clock::now() < end) {
      poll(5ms);
    }
    return what();
  }

  FakeClock clock;
  std::unique_ptr<CredentialStore> store;
  std::unique_ptr<Credentials> view;
};

TEST_F(CredentialTest, ATokenIsTakenOnceAndKept) {
  std::atomic<int> calls{0};
  std::string seen;
  RawServer server([&](Peer& peer) {
    seen = peer.read_head();
    ++calls;
    peer.send(token_answer("t1.first", 1h));
  });
  open(settings(server.port()));
  EXPECT_FALSE(view->cached_token("aje1").has_value());
  EXPECT_EQ(token().value(), "t1.first");
  EXPECT_EQ(token().value(), "t1.first");
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(seen.starts_with("POST /iam/v1/tokens HTTP/1.1\r\n")) << seen;
  const auto cached = view->cached_token("aje1");
  ASSERT_TRUE(cached.has_value());
  EXPECT_GT(cached->left, 59min);
  EXPECT_LE(cached->left, 1h);
  EXPECT_EQ(store->counts().exchanged, 1U);
  EXPECT_EQ(store->counts().valid, 1U);
}

TEST_F(CredentialTest, ManyAtOnceMakeOneExchange) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    ++calls;
    Peer::sleep(100);
    peer.send(token_answer("t1.only", 1h));
  });
  open(settings(server.port()));
  std::vector<std::string> got;
  struct Asker {
    static net::Awaitable<void> ask(Credentials& from, std::vector<std::string>& into) {
      Result<std::string> value = co_await from.token("aje1", std::nullopt, nullptr);
      into.push_back(value ? *value : value.error().detail);
    }
  };
  for (int count = 0; count < 50; ++count) {
    net::asio::co_spawn(worker.context(), Asker::ask(*view, got), net::asio::detached);
  }
  wait_for([&] { return got.size() == 50; });
  EXPECT_EQ(std::count(got.begin(), got.end(), "t1.only"), 50);
  EXPECT_EQ(calls, 1);
}

TEST_F(CredentialTest, ManyThreadsMakeOneExchange) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    ++calls;
    Peer::sleep(100);
    peer.send(token_answer("t1.only", 1h));
  });
  open(settings(server.port()));
  std::atomic<int> good{0};
  std::atomic<int> done{0};
  struct Asker {
    static net::Awaitable<void> ask(Credentials& from, std::atomic<int>& good, net::Worker& home) {
      for (int count = 0; count < 200; ++count) {
        Result<std::string> value = co_await from.token("aje1", std::nullopt, nullptr);
        good += value && *value == "t1.only" ? 1 : 0;
      }
      home.wheel().stop();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t index = 1; index <= 4; ++index) {
    threads.emplace_back([&, index] {
      net::Worker own(index);
      const auto mine = store->credentials(own);
      net::asio::co_spawn(own.context(), Asker::ask(*mine, good, own), net::asio::detached);
      own.context().run_for(15s);
      ++done;
    });
  }
  wait_for([&] { return good == 800; });
  // A worker's loop ends once nothing waits.
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(calls, 1);
}

TEST_F(CredentialTest, ANewTokenIsTakenLongBeforeTheOldOneEnds) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(token_answer("t1." + std::to_string(++calls), 1s));
  });
  open(settings(server.port()));
  EXPECT_EQ(token().value(), "t1.1");
  wait_for([&] { return view->cached_token("aje1") && view->cached_token("aje1")->value == "t1.2"; });
  EXPECT_EQ(calls, 2);
}

TEST_F(CredentialTest, TheOldTokenServesUntilItEnds) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(++calls == 1 ? token_answer("t1.old", 2s) : answer(503, "{}"));
  });
  open(settings(server.port()));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(token().value(), "t1.old");
  wait_for([&] { return calls >= 2; });
  EXPECT_EQ(token().value(), "t1.old");
  wait_for([&] { return !view->cached_token("aje1"); });
  const auto lived = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(lived, 1700ms);
  EXPECT_LT(lived, 3s);
  const Result<std::string> after = token();
  ASSERT_FALSE(after.has_value());
  EXPECT_EQ(after.error().slug, "credentials_unavailable");
  EXPECT_EQ(after.error().status, 502);
  EXPECT_NE(after.error().detail.find("answered 503"), std::string::npos) << after.error().detail;
}

TEST_F(CredentialTest, ARefusalIsToldAndNotRepeatedAtOnce) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    ++calls;
    peer.send(answer(401, dump_json(Json{{"code", 16}, {"message", "The key is unknown"}})));
  });
  open(settings(server.port()));
  for (int count = 0; count < 5; ++count) {
    const Result<std::string> none = token();
    ASSERT_FALSE(none.has_value());
    const std::string& told = none.error().detail;
    EXPECT_NE(told.find("the authorized key ajekey1 of the service account ajeaccount1 was refused"),
              std::string::npos)
        << told;
    EXPECT_NE(told.find("answered 401 (The key is unknown)"), std::string::npos) << told;
    EXPECT_NE(told.find("yc iam key create"), std::string::npos) << told;
    EXPECT_EQ(none.error().message, "The gateway has no valid credentials for this call");
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(store->counts().failed, 1U);
}

TEST_F(CredentialTest, AHangingServiceEndsAtTheTimeLimit) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  open(settings(server.port()));
  const auto begin = std::chrono::steady_clock::now();
  const Result<std::string> none = token();
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().status, 502);
  EXPECT_GT(took, 900ms);
  EXPECT_LT(took, 3s);
}

TEST_F(CredentialTest, ADripOfBytesEndsThereToo) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (peer.send("{")) {
      Peer::sleep(50);
    }
  });
  open(settings(server.port()));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(token().has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST_F(CredentialTest, TheDeadlineOfARequestIsItsOwn) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    Peer::sleep(600);
    peer.send(token_answer("t1.late", 1h));
  });
  open(settings(server.port()));
  const Result<std::string> none =
      run(view->token("aje1", std::chrono::steady_clock::now() + 200ms, nullptr));
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::deadline);
  // The exchange goes on for those who come later.
  EXPECT_EQ(token().value(), "t1.late");
}

TEST_F(CredentialTest, AClientThatGoesEndsItsWaiting) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  StoreSettings slow = settings(server.port());
  slow.exchange_timeout = 3s;
  open(slow);
  net::CancelToken gone;
  net::asio::post(worker.context(), [&] { gone.cancel(net::CancelReason::client_gone); });
  const auto begin = std::chrono::steady_clock::now();
  const Result<std::string> none = run(view->token("aje1", std::nullopt, &gone));
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(CredentialTest, AnswersThatAreNoToken) {
  const SystemTime now = parse_rfc3339("2027-01-04T10:00:00Z").value();
  const auto why = [&](const std::string& body) {
    const auto read = read_exchange_answer(body, now);
    return read ? std::string("(a token)") : read.error().detail;
  };
  EXPECT_EQ(why(R"({"iamToken": "a", "expiresAt": "2027-01-04T11:00:00.123456789Z"})"), "(a token)");
  EXPECT_EQ(why(R"({"iamToken": "a", "expiresAt": "2027-01-04T14:00:00+03:00"})"), "(a token)");
  EXPECT_EQ(why("<html>"), "it is no JSON object");
  EXPECT_EQ(why("[]"), "it is no JSON object");
  EXPECT_EQ(why("{}"), "it has no usable `iamToken`");
  EXPECT_EQ(why(R"({"iamToken": "a\r\nX: y", "expiresAt": "2027-01-04T11:00:00Z"})"),
            "it has no usable `iamToken`");
  EXPECT_EQ(why(R"({"iamToken": "a"})"), "its `expiresAt` is no time as of RFC 3339");
  EXPECT_EQ(why(R"({"iamToken": "a", "expiresAt": "soon"})"), "its `expiresAt` is no time as of RFC 3339");
  EXPECT_EQ(why(R"({"iamToken": "a", "expiresAt": "2027-01-04T09:59:59Z"})"),
            "its token has ended already, at 2027-01-04T09:59:59.000Z");
  const auto read =
      read_exchange_answer(R"({"iamToken": "a", "expiresAt": "2027-01-04T10:00:01.123456789Z"})", now);
  EXPECT_EQ(read->life, 1s + 123456789ns);
}

TEST_F(CredentialTest, MetadataAnswers) {
  const SystemTime now = parse_rfc3339("2027-01-04T10:00:00Z").value();
  EXPECT_EQ(read_metadata_answer(R"({"access_token": "a", "expires_in": 43000})", now)->life, 43000s);
  EXPECT_EQ(read_metadata_answer(R"({"access_token": "a", "expires_in": 1e300})", now)->life,
            longest_token_life);
  for (const char* body : {R"({"access_token": "a"})", R"({"access_token": "a", "expires_in": "9"})",
                           R"({"access_token": "a", "expires_in": 0})",
                           R"({"access_token": "a", "expires_in": -5})", R"({"expires_in": 9})"}) {
    EXPECT_FALSE(read_metadata_answer(body, now).has_value()) << body;
  }
}

TEST_F(CredentialTest, StatusMessagesAreBoundedAndSafe) {
  EXPECT_EQ(status_message(R"({"message": "a\r\nb"})", ""), "a  b");
  EXPECT_EQ(status_message("no json", ""), "");
  EXPECT_EQ(status_message(R"({"message": 5})", ""), "");
  EXPECT_LT(status_message(dump_json(Json{{"message", std::string(5000, 'x')}}), "").size(), 310U);
  EXPECT_EQ(status_message(R"({"message": "bad jwt h.p.SIGNATURE"})", "h.p.SIGNATURE").find("SIGNATURE"),
            std::string::npos);
}

TEST_F(CredentialTest, TheMetadataServiceOfAMachine) {
  std::string seen;
  RawServer server([&](Peer& peer) {
    seen = peer.read_head();
    peer.send(answer(200, R"({"access_token":"t1.vm","expires_in":3600,"token_type":"Bearer"})"));
  });
  StoreSettings given = settings(server.port());
  given.accounts[0].source = TokenSource::metadata;
  open(given);
  EXPECT_EQ(token().value(), "t1.vm");
  EXPECT_TRUE(seen.starts_with("GET /token HTTP/1.1\r\n"));
  EXPECT_NE(seen.find("Metadata-Flavor: Google\r\n"), std::string::npos);
}

TEST_F(CredentialTest, FixedTokensAndStaticKeys) {
  StoreSettings given = settings(9);
  given.accounts.clear();
  const StaticKey key{"id", "secret", {}};
  const auto add = [&](const std::string& id, TokenSource source, bool with_key, bool prefer) {
    AccountSettings account;
    account.id = id;
    account.source = source;
    account.token = source == TokenSource::token ? "t1.fixed" : "";
    if (with_key) {
      account.static_key = key;
    }
    account.prefer_static_key = prefer;
    given.accounts.push_back(account);
  };
  add("fixed", TokenSource::token, false, false);
  add("both", TokenSource::token, true, false);
  add("prefers", TokenSource::token, true, true);
  add("static", TokenSource::none, true, false);
  open(given);
  EXPECT_EQ(token("fixed").value(), "t1.fixed");
  EXPECT_EQ(view->static_key("fixed"), nullptr);
  EXPECT_EQ(*view->static_key("both"), key);
  EXPECT_FALSE(view->prefers_static_key("both"));
  EXPECT_TRUE(view->prefers_static_key("prefers"));
  EXPECT_TRUE(view->prefers_static_key("static"));
  EXPECT_NE(token("static").error().detail.find("has a static key only"), std::string::npos);
  EXPECT_NE(token("other").error().detail.find("is not configured"), std::string::npos);
  EXPECT_EQ(view->static_key("other"), nullptr);
  EXPECT_FALSE(view->prefers_static_key("other"));
}

TEST_F(CredentialTest, AReloadKeepsTokensOfAccountsThatDidNotChange) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(token_answer("t1." + std::to_string(++calls), 1h));
  });
  open(settings(server.port()));
  EXPECT_EQ(token().value(), "t1.1");
  store->configure(settings(server.port()));
  EXPECT_EQ(view->cached_token("aje1")->value, "t1.1");
  StoreSettings changed = settings(server.port());
  changed.accounts[0].key =
      AuthorizedKey::parse(dump_json(test::key_file(test::pem_of(*test::shared_rsa()), "ajekey2"))).value();
  store->configure(changed);
  EXPECT_FALSE(view->cached_token("aje1").has_value());
  EXPECT_EQ(token().value(), "t1.2");
  const auto none = store->credentials(worker, store->configure({}));
  EXPECT_NE(run(none->token("aje1", std::nullopt, nullptr)).error().detail.find("is not configured"),
            std::string::npos);
  // For processes of the configuration that was.
  EXPECT_EQ(token().value(), "t1.2");
}

TEST_F(CredentialTest, WhatBeganBeforeAReloadFinishesOnItsAccounts) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(token_answer("t1." + std::to_string(++calls), 1h));
  });
  store = make_credential_store(worker);
  StoreSettings first = settings(server.port());
  first.accounts[0].static_key = StaticKey{"id", "secret", {}};
  view = store->credentials(worker, store->configure(first));
  StoreSettings second = settings(server.port());
  second.accounts[0].key =
      AuthorizedKey::parse(dump_json(test::key_file(test::pem_of(*test::shared_rsa()), "ajekey2"))).value();
  const auto newer = store->credentials(worker, store->configure(second));
  for (int count = 0; count < 5; ++count) {
    store->configure({});
  }
  EXPECT_EQ(token().value(), "t1.1");
  ASSERT_NE(view->static_key("aje1"), nullptr);
  EXPECT_EQ(run(newer->token("aje1", std::nullopt, nullptr)).value(), "t1.2");
  EXPECT_EQ(newer->static_key("aje1"), nullptr);
  EXPECT_EQ(token().value(), "t1.1");
  EXPECT_EQ(calls, 2);
}

TEST_F(CredentialTest, ATokenOfAnAccountThatIsGoneIsNotRenewed) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(token_answer("t1." + std::to_string(++calls), 400ms));
  });
  store = make_credential_store(worker);
  view = store->credentials(worker, store->configure(settings(server.port())));
  EXPECT_EQ(token().value(), "t1.1");
  store->configure({});
  poll(700ms);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(token().value(), "t1.2");
  poll(700ms);
  EXPECT_EQ(calls, 2);
}

TEST_F(CredentialTest, ARefusedTokenIsReplacedOnceForAll) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    ++calls;
    Peer::sleep(50);
    peer.send(token_answer("t1." + std::to_string(calls), 1h));
  });
  open(settings(server.port()));
  EXPECT_EQ(token().value(), "t1.1");
  view->refuse_token("aje1", "t1.other");
  view->refuse_token("nobody", "t1.1");
  poll(100ms);
  EXPECT_EQ(calls, 1);
  for (int count = 0; count < 20; ++count) {
    view->refuse_token("aje1", "t1.1");
  }
  EXPECT_EQ(token().value(), "t1.1");  // until there is another one
  EXPECT_TRUE(comes([&] { return token().value() == "t1.2"; }));
  // Who comes late with the old one brings no exchange.
  view->refuse_token("aje1", "t1.1");
  poll(100ms);
  EXPECT_EQ(token().value(), "t1.2");
  EXPECT_EQ(calls, 2);
}

TEST_F(CredentialTest, WhoIsAlwaysRefusedDoesNotRunOverTheService) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(token_answer("t1." + std::to_string(++calls), 12h));
  });
  store = make_credential_store(worker, clock);
  store->configure(settings(server.port()));
  view = store->credentials(worker);
  ASSERT_TRUE(token().has_value());
  // An hour of refusals, one in five seconds; the wheel sleeps by the real clock, so nothing is renewed.
  for (int count = 0; count < 720; ++count) {
    view->refuse_token("aje1", view->cached_token("aje1")->value);
    poll(2ms);
    clock.advance(5s);
  }
  EXPECT_GT(calls, 12);
  EXPECT_LT(calls, 22);
}

TEST_F(CredentialTest, ARefusedTokenServesWhereThereIsNoOther) {
  std::atomic<int> calls{0};
  RawServer server([&](Peer& peer) {
    peer.read_head();
    peer.send(++calls == 1 ? token_answer("t1.only", 1h) : answer(503, "{}"));
  });
  open(settings(server.port()));
  EXPECT_EQ(token().value(), "t1.only");
  view->refuse_token("aje1", "t1.only");
  EXPECT_TRUE(comes([&] { return calls == 2; }));
  poll(100ms);
  EXPECT_EQ(token().value(), "t1.only");
}

TEST_F(CredentialTest, AReloadInTheMiddleOfAnExchange) {
  RawServer server([](Peer& peer) {
    peer.read_head();
    Peer::sleep(300);
    peer.send(token_answer("t1.asked-before", 1h));
  });
  open(settings(server.port()));
  net::asio::post(worker.context(),
                  [&] { net::asio::post(worker.context(), [&] { store->configure({}); }); });
  EXPECT_EQ(token().value(), "t1.asked-before");
}

TEST_F(CredentialTest, AStopInTheMiddleOfAnExchange) {
  RawServer server([](Peer& peer) { peer.read_to_end(); });
  StoreSettings slow = settings(server.port());
  slow.exchange_timeout = 10s;
  for (const bool reloaded : {false, true}) {
    open(slow);
    net::asio::post(worker.context(), [&] {
      net::asio::post(worker.context(), [&] {
        if (reloaded) {
          store->configure({});
        }
        store->stop();
      });
    });
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(token().has_value());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
    view.reset();
    poll(20ms);
    store.reset();
  }
}

/// A clock that is wrong by a while.
class WrongClock final : public Clock {
 public:
  explicit WrongClock(std::chrono::seconds ahead) : ahead_(ahead) {}
  [[nodiscard]] SteadyTime steady() const override { return Clock::real().steady(); }
  [[nodiscard]] SystemTime system() const override { return Clock::real().system() + ahead_; }

 private:
  std::chrono::seconds ahead_;
};

TEST_F(CredentialTest, AWrongClockIsNoticedAndMadeUpFor) {
  for (const auto ahead : {std::chrono::seconds(7200), std::chrono::seconds(-7200)}) {
    std::atomic<int> calls{0};
    RawServer server([&](Peer& peer) {
      peer.read_until("\r\n\r\n");
      const SystemTime now = Clock::real().system();
      const std::string date = "Date: " + format_http_date(now) + "\r\n";
      const Json good{{"iamToken", "t1.ok"}, {"expiresAt", format_rfc3339(now + 1h)}};
      peer.send(++calls == 1 ? answer(401, R"({"message": "issued in the future"})", date)
                             : answer(200, dump_json(good), date));
    });
    const WrongClock wrong(ahead);
    store = make_credential_store(worker, wrong);
    store->configure(settings(server.port()));
    view = store->credentials(worker);
    EXPECT_EQ(token().value(), "t1.ok");
    EXPECT_EQ(calls, 2);
    // Its life is that of the server's clock.
    EXPECT_GT(view->cached_token("aje1")->left, 59min);
    EXPECT_LE(view->cached_token("aje1")->left, 1h);
    view.reset();
    store->stop();
    poll(20ms);
    store.reset();
  }
}

}  // namespace
}  // namespace sluice::client::cloud
