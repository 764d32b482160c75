#include <algorithm>

#include "sluice/net/waiter.hpp"

#include "unit/http/server_connection_fixture.hpp"

namespace sluice::http::h1 {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string post(std::string_view target, std::string_view fields, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n" +
         std::string(body);
}
std::string post_sized(std::string_view target, std::string_view body) {
  return post(target, "Content-Length: " + std::to_string(body.size()) + "\r\n", body);
}
std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

net::Awaitable<Response> echo(Request& request, RequestContext& context) {
  Response response;
  if (request.body != nullptr) {
    Result<std::string> body = co_await read_all(*request.body, std::size_t{64} << 20U);
    if (!body) {
      co_return problem(body.error(), context.request_id);
    }
    response.body = "[" + *body + "]";
    if (const Headers* trailers = request.body->trailers(); trailers != nullptr) {
      response.headers.add("X-Trailer", trailers->get("X-Sum").value_or("none"));
    }
  }
  co_return response;
}

net::Awaitable<Response> ignore_body(Request&, RequestContext&) {
  Response response;
  response.body = std::string("ignored");
  co_return response;
}

/// A source that a test feeds.
class FedSource final : public BodySource {
 public:
  struct State {
    std::vector<std::string> pieces;
    std::optional<std::uint64_t> size;
    bool end = false;
    bool fails = false;
    Headers trailers;
    net::Waiter waiter;
    net::CancelToken* token = nullptr;
    bool destroyed = false;
    void go() { waiter.resume(); }
  };
  FedSource(std::shared_ptr<State> state, net::Executor executor)
      : state_(std::move(state)), executor_(std::move(executor)) {}
  ~FedSource() override { state_->destroyed = true; }

  net::Awaitable<Result<std::string_view>> read() override {
    for (;;) {
      if (auto piece = try_read()) {
        co_return std::move(*piece);
      }
      std::optional<net::CancelHook> hook;
      if (state_->token != nullptr) {
        hook.emplace(
            *state_->token,
            [](void* context) noexcept {
              auto* self = static_cast<FedSource*>(context);
              self->state_->fails = true;
              net::asio::post(self->executor_, [state = self->state_] { state->go(); });
            },
            this);
      }
      co_await state_->waiter.wait();
    }
  }
  std::optional<Result<std::string_view>> try_read() override {
    if (!state_->pieces.empty()) {
      current_ = state_->pieces.front();
      state_->pieces.erase(state_->pieces.begin());
      return Result<std::string_view>(current_);
    }
    if (state_->fails) {
      return Result<std::string_view>(upstream_error(ErrorCode::closed, "the upstream broke"));
    }
    if (state_->end) {
      return Result<std::string_view>(std::string_view());
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return state_->size; }
  [[nodiscard]] const Headers* trailers() const noexcept override {
    return state_->trailers.empty() ? nullptr : &state_->trailers;
  }

 private:
  std::shared_ptr<State> state_;
  std::string current_;
  net::Executor executor_;
};

class ServerBody : public ConnectionTest {
 protected:
  ServerBody() {
    handler_.answers["/echo"] = echo;
    handler_.answers["/ignore"] = ignore_body;
    handler_.answers["/source"] = [this](Request&, RequestContext& context) -> net::Awaitable<Response> {
      Response response;
      source_->token = &context.cancel;
      response.body = std::make_unique<FedSource>(source_, worker_.executor());
      co_return response;
    };
    handler_.answers["/wait"] = [this](Request&, RequestContext& context) -> net::Awaitable<Response> {
      const bool slept = co_await worker_.wheel().sleep(wait_, &context.cancel);
      Response response;
      response.body = std::string(slept ? "slept" : "woken");
      co_return response;
    };
  }
  std::shared_ptr<FedSource::State> source_ = std::make_shared<FedSource::State>();
  Duration wait_ = hours(1);
};

TEST_F(ServerBody, ReadsBodiesOfKnownLength) {
  start();
  send(post_sized("/echo", "hello") + post_sized("/echo", "again") + get("/next"));
  EXPECT_TRUE(receive_until("[hello]").starts_with("HTTP/1.1 200"));
  receive_until("[again]");
  receive_until("asked for /next");
  EXPECT_EQ(handler_.done.at(0).bytes_in, post_sized("/echo", "hello").size());
}

TEST_F(ServerBody, ReadsBodiesThatComeInPieces) {
  start();
  const std::string body(300'000, 'u');
  send(post("/echo", "Content-Length: 300000\r\n", ""));
  for (std::size_t at = 0; at < body.size(); at += 7919) {
    send(body.substr(at, 7919));
    run_for(milliseconds(0));
  }
  receive_until("\r\n\r\n");
  EXPECT_EQ(receive_until("u]"), "[" + body + "]");
}

TEST_F(ServerBody, ReadsChunkedBodiesWithTrailers) {
  start();
  send(post("/echo", "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n") +
       get("/next"));
  const std::string all = receive_until("[hello world]");
  EXPECT_NE(all.find("X-Trailer: 42\r\n"), std::string::npos) << all;
  receive_until("asked for /next");
}

TEST_F(ServerBody, ChunkedByteByByte) {
  start();
  const std::string request =
      post("/echo", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n") +
      get("/next");
  for (const char byte : request) {
    send(std::string_view(&byte, 1));
    run_for(Duration(0));
  }
  receive_until("[hello world]");
  receive_until("asked for /next");
}

TEST_F(ServerBody, BadChunksAreAnErrorOfTheBodyAndTheEnd) {
  start();
  send(post("/echo", "Transfer-Encoding: chunked\r\n", "5\r\nhelloXX6\r\n"));
  EXPECT_TRUE(receive_until("\r\n\r\n").starts_with("HTTP/1.1 400"));
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, ContinueIsSentWhenTheBodyIsAskedFor) {
  start();
  send(post("/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n", ""));
  EXPECT_EQ(receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  send("hello");
  receive_until("[hello]");
  send(get("/next"));
  receive_until("asked for /next");
}

TEST_F(ServerBody, ContinueIsNotSentForABodyThatIsHereAlready) {
  start();
  send(post("/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"));
  EXPECT_TRUE(receive_until("[hello]").starts_with("HTTP/1.1 200"));
}

TEST_F(ServerBody, ABodyThatNobodyAskedForClosesTheConnection) {
  start();
  send(post("/ignore", "Content-Length: 5\r\nExpect: 100-continue\r\n", ""));
  const std::string all = receive_until("ignored");
  EXPECT_EQ(all.find("100 Continue"), std::string::npos);
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, UnreadBodiesAreDrainedWithinTheLimit) {
  start();
  send(post_sized("/ignore", std::string(60'000, 'z')));
  send(post("/ignore", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"));
  send(get("/next"));
  receive_until("ignored");
  receive_until("ignored");
  receive_until("asked for /next");
}

TEST_F(ServerBody, LargeUnreadBodiesCloseTheConnection) {
  start();
  send(post("/ignore", "Content-Length: 70000000\r\n", "some"));
  const std::string all = receive_until("ignored");
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, EndlessUnreadChunksCloseTheConnection) {
  start(4000);
  send(post("/ignore", "Transfer-Encoding: chunked\r\n", ""));
  receive_until("ignored");
  for (int i = 0; i < 100 && !closed_; ++i) {
    send("1000\r\n" + std::string(4096, 'c') + "\r\n");
  }
  EXPECT_TRUE(run_until([this] { return closed_ || reset_; }));
  client_->close();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, SlowBodiesGet408) {
  limits_.body_grace = milliseconds(100);
  limits_.body_rate = 1'000'000;
  start();
  send(post("/echo", "Content-Length: 50000\r\n", "start"));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100 && !closed_; ++i) {
    send("x");
    run_for(milliseconds(10));
  }
  receive_until("HTTP/1.1 408");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(80));
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, BodiesThatComeAtTheRateAreRead) {
  limits_.body_grace = milliseconds(60);
  limits_.body_rate = 1000;
  start();
  send(post("/echo", "Content-Length: 1000\r\n", ""));
  for (int i = 0; i < 10; ++i) {
    send(std::string(100, 'r'));  // earns a tenth of a second
    run_for(milliseconds(30));
  }
  receive_until("r]");
}

TEST_F(ServerBody, AHandlerThatTakesItsTimeIsNotTheClientsFault) {
  limits_.body_grace = milliseconds(40);
  handler_.answers["/late"] = [this](Request& request, RequestContext& context) -> net::Awaitable<Response> {
    co_await worker_.wheel().sleep(milliseconds(150), &context.cancel);
    Response response = co_await echo(request, context);
    co_return response;
  };
  start();
  send(post("/late", "Content-Length: 10\r\n", "12345"));
  run_for(milliseconds(160));
  send("67890");
  receive_until("[1234567890]");
}

TEST_F(ServerBody, ABodyThatEndsEarlyIsAnError) {
  start();
  send(post("/echo", "Content-Length: 10\r\n", "123"));
  client_->shutdown();
  EXPECT_TRUE(receive_all().starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ended());
}

// What a proxy does when the upstream has answered before the body was over.
TEST_F(ServerBody, AReadThatIsCancelledEndsAtOnceAndTheRestIsDrained) {
  struct Reader {
    static net::Awaitable<void> go(BodySource& body, std::vector<std::string>& seen) {
      for (;;) {
        const Result<std::string_view> piece = co_await body.read();
        if (!piece || piece->empty()) {
          seen.emplace_back(piece ? "end" : slug_of(piece.error().code));
          co_return;
        }
        seen.emplace_back(*piece);
      }
    }
  };
  std::vector<std::string> seen;
  handler_.answers["/early"] = [&seen, this](Request& request, RequestContext&) -> net::Awaitable<Response> {
    net::asio::co_spawn(worker_.executor(), Reader::go(*request.body, seen), net::asio::detached);
    co_await worker_.wheel().sleep(milliseconds(60));
    EXPECT_EQ(seen, std::vector<std::string>{"abc"});
    request.body->cancel_read();
    EXPECT_EQ(seen, (std::vector<std::string>{"abc", "cancelled"}));
    request.body->cancel_read();  // without effect
    Response response;
    response.body = std::string("early");
    co_return response;
  };
  start();
  send(post("/early", "Content-Length: 10\r\n", "abc"));
  EXPECT_NE(receive_until("early").find("200 OK"), std::string::npos);
  send("defghij" + get("/next"));
  EXPECT_NE(receive_until("/next").find("200 OK"), std::string::npos);
}

TEST_F(ServerBody, NobodyReadingHoldsTheClientBack) {
  bool go = false;
  std::size_t total = 0;
  handler_.answers["/slow"] = [this, &go, &total](Request& request,
                                                  RequestContext&) -> net::Awaitable<Response> {
    while (!go) {
      co_await worker_.wheel().sleep(milliseconds(10));
    }
    for (;;) {
      const Result<std::string_view> piece = co_await request.body->read();
      if (!piece || piece->empty()) {
        break;
      }
      total += piece->size();
    }
    co_return Response{};
  };
  start(1000);
  send(post("/slow", "Content-Length: 1000000\r\n", ""));
  std::size_t sent = 0;
  const std::string block(1000, 'b');
  for (int i = 0; i < 300; ++i) {
    const std::array<net::asio::const_buffer, 1> part{
        net::asio::buffer(block.data(), std::min(block.size(), 1'000'000 - sent))};
    sent += client_->try_write(part).value();
    run_for(Duration(0));
    worker_.context().restart();
    worker_.context().poll();
  }
  EXPECT_LT(sent, 70'000U);
  go = true;
  send(std::string(1'000'000 - sent, 'b'));
  receive_until("\r\n\r\n");
  EXPECT_EQ(total, 1'000'000U);
}

TEST_F(ServerBody, StreamsOfUnknownLengthAreChunkedWithTrailers) {
  source_->pieces = {"one", std::string(10'000, 'L'), "three"};
  source_->end = true;
  source_->trailers.add("X-Sum", "7");
  start();
  send(get("/source") + get("/next"));
  const std::string all = receive_until("asked for /next");
  EXPECT_NE(all.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(all.find("3\r\none\r\n2710\r\nLLL"), std::string::npos);
  EXPECT_NE(all.find("L\r\n5\r\nthree\r\n0\r\nX-Sum: 7\r\n\r\n"), std::string::npos);
  EXPECT_TRUE(source_->destroyed);
}

TEST_F(ServerBody, PiecesGoOutAsTheyCome) {
  start();
  send(get("/source"));
  receive_until("\r\n\r\n");
  source_->pieces = {"one"};
  source_->go();
  EXPECT_EQ(receive_until("one\r\n"), "3\r\none\r\n");
  source_->pieces = {"two"};
  source_->end = true;
  source_->go();
  EXPECT_EQ(receive_until("0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
  EXPECT_TRUE(run_until([this] { return handler_.done.size() == 1; }));
  EXPECT_FALSE(handler_.done.at(0).aborted);
}

TEST_F(ServerBody, StreamsOfKnownLength) {
  source_->size = 10'003;
  source_->pieces = {"one", std::string(10'000, 'L')};
  source_->end = true;
  start();
  send(get("/source") + get("/next"));
  const std::string all = receive_until("asked for /next");
  EXPECT_NE(all.find("Content-Length: 10003\r\n"), std::string::npos);
  EXPECT_NE(all.find("\r\n\r\noneLLL"), std::string::npos);
}

TEST_F(ServerBody, Http10GetsStreamsUpToTheClose) {
  source_->pieces = {"one", "two"};
  source_->end = true;
  start();
  send("GET /source HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string all = receive_all();
  EXPECT_EQ(all.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\nonetwo")) << all;
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, HeadOfAStreamDropsTheSource) {
  source_->size = 5;
  start();
  send("HEAD /source HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(receive_until("\r\n\r\n").find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(source_->destroyed);
  send(get("/next"));
  receive_until("asked for /next");
}

TEST_F(ServerBody, ASourceThatBreaksNeverEndsCleanly) {
  for (const bool sized : {true, false}) {
    source_ = std::make_shared<FedSource::State>();
    if (sized) {
      source_->size = 100;
    }
    got_.clear();
    reset_ = closed_ = false;
    handler_.done.clear();
    start();
    send(get("/source"));
    receive_until("\r\n\r\n");
    source_->pieces = {"half"};
    source_->fails = true;
    source_->go();
    EXPECT_TRUE(ended());
    run_until([this] { return reset_ || closed_; });
    EXPECT_TRUE(reset_);
    EXPECT_EQ(got_.find("0\r\n\r\n"), std::string::npos);
    ASSERT_EQ(handler_.done.size(), 1U);
    EXPECT_TRUE(handler_.done.at(0).aborted);
  }
}

TEST_F(ServerBody, ASourceThatIsShorterOrLongerThanItSaidIsBrokenOff) {
  for (const std::uint64_t size : {3U, 20U}) {
    source_ = std::make_shared<FedSource::State>();
    source_->size = size;
    source_->pieces = {"ten bytes!"};
    source_->end = true;
    got_.clear();
    reset_ = closed_ = false;
    handler_.done.clear();
    start();
    send(get("/source"));
    EXPECT_TRUE(ended());
    run_until([this] { return reset_ || closed_; });
    EXPECT_TRUE(reset_);
    ASSERT_EQ(handler_.done.size(), 1U);
    EXPECT_TRUE(handler_.done.at(0).aborted);
  }
}

TEST_F(ServerBody, AResetCancelsTheHandlerAtOnce) {
  start();
  send(get("/wait"));
  run_for(milliseconds(20));
  EXPECT_EQ(handler_.handled, 1);
  client_->close(true);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(ended());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500));
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_EQ(handler_.done.at(0).cancelled, net::CancelReason::client_gone);
  EXPECT_TRUE(handler_.done.at(0).aborted);
}

TEST_F(ServerBody, AHalfClosedClientGetsTheGrace) {
  limits_.half_close_grace = milliseconds(100);
  wait_ = milliseconds(40);
  start();
  send(get("/wait"));
  client_->shutdown();
  EXPECT_TRUE(receive_all().ends_with("slept"));

  got_.clear();
  closed_ = false;
  handler_.done.clear();
  wait_ = hours(1);
  start();
  send(get("/wait"));
  client_->shutdown();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(receive_all().ends_with("woken"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(90));
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_EQ(handler_.done.at(0).cancelled, net::CancelReason::client_gone);
}

TEST_F(ServerBody, AClientThatEndsWhileAStreamIsSilentIsLetGo) {
  limits_.half_close_grace = milliseconds(60);
  start();
  send(get("/source"));
  receive_until("\r\n\r\n");
  client_->shutdown();
  EXPECT_TRUE(ended());
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_TRUE(handler_.done.at(0).aborted);
}

TEST_F(ServerBody, AClientThatTakesNothingIsCut) {
  limits_.write_timeout = milliseconds(80);
  start(1000);
  handler_.answers["/big"] = [](Request&, RequestContext&) -> net::Awaitable<Response> {
    Response response;
    response.body = std::string(1'000'000, 'b');
    co_return response;
  };
  reading_ = false;
  send(get("/big"));
  EXPECT_TRUE(ended());
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_TRUE(handler_.done.at(0).aborted);
}

TEST_F(ServerBody, EarlierAnswersGoOutWhileAPipelinedRequestWaits) {
  wait_ = milliseconds(100);
  start();
  send(get("/first") + get("/wait"));
  receive_until("asked for /first");
  EXPECT_EQ(handler_.done.size(), 1U);
  receive_until("slept");
}

TEST_F(ServerBody, APipelinedRequestIsTakenInWhileTheHandlerWaits) {
  wait_ = milliseconds(60);
  start();
  send(get("/wait"));
  run_for(milliseconds(20));
  send(get("/next"));
  receive_until("slept");
  receive_until("asked for /next");
}

TEST_F(ServerBody, DrainLetsTheAnswerUnderWayFinish) {
  wait_ = milliseconds(60);
  start();
  send(get("/wait"));
  run_for(milliseconds(20));
  connection_->drain();
  const std::string all = receive_until("slept");
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
  client_->shutdown();
  EXPECT_TRUE(ended());
}

TEST_F(ServerBody, AbortCancelsTheHandlerAndResets) {
  start();
  send(get("/wait"));
  run_for(milliseconds(20));
  connection_->abort();
  EXPECT_TRUE(ended());
  ASSERT_EQ(handler_.done.size(), 1U);
  EXPECT_EQ(handler_.done.at(0).cancelled, net::CancelReason::drain);
}

}  // namespace
}  // namespace sluice::http::h1
