#include "sluice/net/stream.hpp"

#include <sys/socket.h>

#include "sluice/net/waiter.hpp"
#include "sluice/net/worker.hpp"

#include "unit/net/run.hpp"

namespace sluice::net {
namespace {

enum class Kind : std::uint8_t { memory, unix_pair, tcp };

using Pair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;

Pair make_pair_of(Kind kind, Worker& worker) {
  if (kind == Kind::memory) {
    return make_memory_streams(worker.executor(), 1000);
  }
  if (kind == Kind::unix_pair) {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    return {adopt_stream(worker.executor(), sockets[0]), adopt_stream(worker.executor(), sockets[1])};
  }
  asio::ip::tcp::acceptor acceptor(worker.context(), {asio::ip::address_v4::loopback(), 0});
  TcpSocket client(worker.executor());
  client.connect(acceptor.local_endpoint());
  TcpSocket server(worker.executor());
  acceptor.accept(server);
  return {make_stream(std::move(client)), make_stream(std::move(server))};
}

class StreamTest : public testing::TestWithParam<Kind> {
 protected:
  Worker worker_{0};
  Pair pair_ = make_pair_of(GetParam(), worker_);
  Stream& left_ = *pair_.first;
  Stream& right_ = *pair_.second;
};

Awaitable<void> write_text(Stream& stream, std::string_view text) {
  const std::array<asio::const_buffer, 1> buffers{asio::buffer(text)};
  const Result<void> written = co_await stream.write(buffers);
  EXPECT_TRUE(written);
}

Awaitable<std::string> read_text(Stream& stream, std::size_t size) {
  std::string out;
  std::array<char, 5000> buffer{};
  while (out.size() < size) {
    const Result<std::size_t> got = co_await stream.read_some(asio::buffer(buffer));
    if (!got || *got == 0) {
      break;
    }
    out.append(buffer.data(), *got);
  }
  co_return out;
}

Awaitable<void> echo_some(Stream& left, Stream& right) {
  for (int i = 0; i < 10; ++i) {
    const std::string text = "message " + std::to_string(i);
    co_await write_text(left, text);
    const std::string got = co_await read_text(right, text.size());
    EXPECT_EQ(got, text);
  }
  left.shutdown();
  std::array<char, 8> buffer{};
  const Result<std::size_t> end = co_await right.read_some(asio::buffer(buffer));
  EXPECT_TRUE(end);
  EXPECT_EQ(*end, 0U);
}

TEST_P(StreamTest, CarriesBytesAndTheEnd) {
  run_until_done(worker_.context(), echo_some(left_, right_));
}

Awaitable<void> fin_with_data(Stream& left, Stream& right) {
  co_await write_text(left, "last");
  left.shutdown();
  const std::string got = co_await read_text(right, 100);
  EXPECT_EQ(got, "last");
}

TEST_P(StreamTest, TheEndThatComesWithTheFirstBytesIsSeen) {
  run_until_done(worker_.context(), fin_with_data(left_, right_));
}

Awaitable<void> write_and_end(Stream& stream, const std::string& text) {
  co_await write_text(stream, text);
  stream.shutdown();
}

Awaitable<void> big_transfer(Stream& left, Stream& right, const std::string& text) {
  asio::co_spawn(co_await asio::this_coro::executor, write_and_end(left, text), asio::detached);
  const std::string got = co_await read_text(right, text.size() + 1);
  EXPECT_EQ(got.size(), text.size());
  EXPECT_TRUE(got == text);
}

TEST_P(StreamTest, WritersWaitForReaders) {
  std::string text;
  for (int i = 0; text.size() < (GetParam() == Kind::memory ? 100'000U : 20'000'000U); ++i) {
    text += std::to_string(i);
  }
  run_until_done(worker_.context(), big_transfer(left_, right_, text));
}

Awaitable<void> read_cancelled(Stream& stream) {
  std::array<char, 8> buffer{};
  const Result<std::size_t> got = co_await stream.read_some(asio::buffer(buffer));
  EXPECT_FALSE(got);
  if (!got) {
    EXPECT_EQ(got.error().code, ErrorCode::cancelled);
  }
  const Result<void> waited = co_await stream.wait_readable();
  EXPECT_FALSE(waited);
}

TEST_P(StreamTest, CancelEndsReadsAndHasNoEffectOnLaterOnes) {
  left_.cancel();
  Timer timer(
      worker_.wheel(), [](void* context) noexcept { static_cast<Stream*>(context)->cancel(); }, &left_);
  timer.arm(std::chrono::milliseconds(10));
  Timer again(
      worker_.wheel(), [](void* context) noexcept { static_cast<Stream*>(context)->cancel(); }, &left_);
  again.arm(std::chrono::milliseconds(100));
  run_until_done(worker_.context(), read_cancelled(left_));
}

Awaitable<void> closed_under_a_read(Stream& stream) {
  std::array<char, 8> buffer{};
  const Result<std::size_t> got = co_await stream.read_some(asio::buffer(buffer));
  EXPECT_FALSE(got);
  EXPECT_FALSE(stream.is_open());
}

TEST_P(StreamTest, CloseEndsReads) {
  asio::post(worker_.context(), [this] { left_.close(); });
  run_until_done(worker_.context(), closed_under_a_read(left_));
}

Awaitable<void> reset_by_peer(Stream& left, Stream& right) {
  co_await write_text(left, "half an ans");
  left.close(true);
  std::array<char, 100> buffer{};
  Result<std::size_t> got = co_await right.read_some(asio::buffer(buffer));
  if (got && *got > 0) {
    got = co_await right.read_some(asio::buffer(buffer));
  }
  EXPECT_FALSE(got);
  if (!got) {
    EXPECT_EQ(got.error().code, ErrorCode::closed);
  }
}

TEST_P(StreamTest, ResetIsAnErrorForThePeer) {
  if (GetParam() == Kind::unix_pair) {
    GTEST_SKIP() << "unix sockets know no reset without unread bytes";
  }
  run_until_done(worker_.context(), reset_by_peer(left_, right_));
}

Awaitable<void> wait_then_read(Stream& left, Stream& right, TimerWheel& wheel) {
  const Result<void> ready = co_await right.wait_readable();
  EXPECT_TRUE(ready);
  std::array<char, 100> buffer{};
  Result<std::optional<std::size_t>> got = right.try_read(asio::buffer(buffer));
  EXPECT_TRUE(got && *got && **got == 5);
  got = right.try_read(asio::buffer(buffer));
  EXPECT_TRUE(got && !*got);
  // Bytes that arrive while nobody waits are there for a wait that starts later, and for a read.
  co_await write_text(left, "early");
  co_await wheel.sleep(std::chrono::milliseconds(30));
  const Result<void> at_once = co_await right.wait_readable();
  EXPECT_TRUE(at_once);
  const std::string text = co_await read_text(right, 5);
  EXPECT_EQ(text, "early");
  co_await write_text(left, "later");
  co_await wheel.sleep(std::chrono::milliseconds(30));
  const std::string later = co_await read_text(right, 5);
  EXPECT_EQ(later, "later");
}

TEST_P(StreamTest, WaitsForReadabilityWithoutABuffer) {
  Timer timer(
      worker_.wheel(),
      [](void* context) noexcept {
        const std::array<asio::const_buffer, 1> hello{asio::buffer("hello", 5)};
        EXPECT_TRUE(static_cast<Stream*>(context)->try_write(hello));
      },
      &left_);
  timer.arm(std::chrono::milliseconds(10));
  run_until_done(worker_.context(), wait_then_read(left_, right_, worker_.wheel()));
}

TEST_P(StreamTest, TryWriteTakesSeveralBuffersAndStopsWhereNothingGoes) {
  const std::string block(3000, 'x');
  const std::array<asio::const_buffer, 3> buffers{asio::buffer("ab", 2), asio::buffer(block),
                                                  asio::buffer(block)};
  std::size_t total = 0;
  for (;;) {
    const Result<std::size_t> sent = left_.try_write(buffers);
    ASSERT_TRUE(sent);
    if (*sent == 0) {
      break;
    }
    total += *sent;
  }
  EXPECT_GT(total, 999U);
  std::string got(total, '\0');
  const Result<std::optional<std::size_t>> first = right_.try_read(asio::buffer(got));
  ASSERT_TRUE(first && *first);
  EXPECT_EQ(got.substr(0, 4), "abxx");
}

TEST_P(StreamTest, WritingToAClosedPeerFails) {
  pair_.second.reset();
  const std::array<asio::const_buffer, 1> hello{asio::buffer("hello", 5)};
  Result<std::size_t> sent = left_.try_write(hello);
  for (int i = 0; i < 100 && sent; ++i) {
    sent = left_.try_write(hello);
  }
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::closed);
}

TEST_P(StreamTest, DestroyingAStreamForgetsItsWaits) {
  left_.start_wait_readable(WaitMode::exact, [](void*, IoStatus) noexcept { ADD_FAILURE(); }, nullptr);
  pair_.first.reset();
  worker_.context().poll();
}

Awaitable<void> event_reads(Stream& left, Stream& right, TimerWheel& wheel) {
  std::array<char, 100> buffer{};
  for (int i = 0; i < 5; ++i) {
    co_await write_text(left, "ping");
    const Result<std::size_t> got = co_await right.read_some(asio::buffer(buffer), WaitMode::event);
    EXPECT_TRUE(got && *got == 4);
    // Bytes whose event passes while no read waits are found by the next one.
    co_await write_text(left, "pong");
    co_await wheel.sleep(std::chrono::milliseconds(20));
    const Result<std::size_t> then = co_await right.read_some(asio::buffer(buffer), WaitMode::event);
    EXPECT_TRUE(then && *then == 4);
  }
}

TEST_P(StreamTest, ReadsAfterEventsLoseNoBytes) {
  run_until_done(worker_.context(), event_reads(left_, right_, worker_.wheel()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, StreamTest, testing::Values(Kind::memory, Kind::unix_pair, Kind::tcp),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return info.param == Kind::memory      ? "memory"
                                  : info.param == Kind::unix_pair ? "unix"
                                                                  : "tcp";
                         });

}  // namespace
}  // namespace sluice::net
