#include "sluice/http/h1/server_connection.hpp"

#include <algorithm>

#include "sluice/base/random.hpp"

#include "server_connection_impl.hpp"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t most_request_id = 128;
/// A connection that idles for so long gives its buffers back.
constexpr std::chrono::seconds park_after(1);
/// Answers to pipelined requests gather up to this before they are sent.
constexpr std::size_t most_gathered = std::size_t{64} << 10U;

/// What a trusted peer's X-Request-Id may look like.
bool is_request_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= most_request_id &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

Connection::Connection(ServerShared& shared, std::unique_ptr<net::Stream> stream, ConnectionInfo info)
    : shared_(shared),
      stream_(std::move(stream)),
      info_(std::move(info)),
      input_timer_(shared.worker.wheel(), &Connection::on_input_timer, this),
      output_timer_(shared.worker.wheel(), &Connection::on_output_timer, this) {
  if (stream_->tls() != nullptr) {
    info_.tls = stream_->tls();
    info_.secure = true;
  }
}

Connection::~Connection() {
  if (self_ != nullptr) {
    *self_ = nullptr;
  }
}

net::Awaitable<void> Connection::run() {
  for (;;) {
    const Head head = parse_head();
    if (head == Head::refused) {
      break;
    }
    if (head == Head::incomplete) {
      const bool more = co_await head_input();
      if (!more) {
        break;
      }
      continue;
    }
    begin_request();
    {
      Response response = co_await shared_.handler.handle(exchange_->request, exchange_->context);
      if (!begin_response(response)) {
        co_await finish_response(response);
      }
    }
    finish_request();
    if (!exchange_->body.complete() && !broken_) {
      const bool discarded = co_await discard_body();
      keep_alive_ = keep_alive_ && discarded;
    }
    if (!keep_alive_ || broken_) {
      break;
    }
    if (out_.size() >= most_gathered) {
      co_await flush();
    }
  }
  if (!broken_ && exchange_ != nullptr && exchange_->refusal) {
    co_await refuse();
  }
  if (!broken_) {
    const bool flushed = co_await flush();
    if (flushed && lingering_ && !ended_) {
      co_await linger();
    } else if (flushed) {
      stream_->shutdown();
    }
  }
  stream_->close();
}

Connection::Head Connection::parse_head() {
  if (!has_input()) {
    return Head::incomplete;
  }
  Exchange& exchange = *exchange_;
  const Result<std::size_t> taken = exchange.parser.parse(input(), limits(), exchange.request);
  if (!taken) {
    exchange.refusal = taken.error();
    return Head::refused;
  }
  if (*taken == 0) {
    return Head::incomplete;
  }
  exchange.context.record.bytes_in = *taken;
  consume(*taken);
  return Head::complete;
}

net::Awaitable<bool> Connection::head_input() {
  if (!out_.empty() && !flush_some()) {
    const bool flushed = co_await flush();
    if (!flushed) {
      co_return false;
    }
  }
  if (ended_) {
    if (has_input() && exchange_->parser.started()) {
      exchange_->refusal = downstream_error(ErrorCode::invalid, "request_incomplete",
                                            "The request ended before its head was complete.", 400);
    }
    co_return false;
  }
  if (has_input()) {
    if (waiting_ != Waiting::head) {
      wait_as(Waiting::head, received_at_ + limits().header_timeout);
    }
  } else if (draining_) {
    // Nothing is promised to a request that has not come; one that is here already is served.
    co_return receive() == Received::bytes;
  } else {
    idle_since_ = wheel().now();
    wait_as(Waiting::request, idle_since_ + std::min<Duration>(park_after, limits().keep_alive_timeout));
  }
  watch();
  co_await input_.wait();
  const Waiting what = std::exchange(waiting_, Waiting::nothing);
  if (std::exchange(input_timed_out_, false)) {
    if (what == Waiting::head) {
      exchange_->refusal = downstream_error(ErrorCode::read_timeout, "request_head_timeout",
                                            "The request's head did not arrive in time.", 408);
      co_return false;
    }
    co_return receive() == Received::bytes;
  }
  waiting_ = what == Waiting::head ? what : Waiting::nothing;
  switch (receive()) {
    case Received::bytes:
    case Received::nothing:
      co_return true;
    case Received::end:
      ended_ = true;
      co_return true;
    case Received::broken:
      broken_ = true;
      co_return false;
  }
  co_return false;
}

void Connection::begin_request() {
  Exchange& exchange = *exchange_;
  waiting_ = Waiting::nothing;
  ++requests_;
  const RequestHead& head = exchange.parser.head();
  exchange.body.begin(head.framing, head.expect_continue);
  exchange.request.body = head.framing.has_body() ? &exchange.body : nullptr;
  keep_alive_ = head.keep_alive;
  RequestContext& context = exchange.context;
  context.started = received_at_;
  std::optional<std::string_view> given;
  if (info_.peer_trusted) {
    given = exchange.request.headers.get(FieldId::x_request_id);
  }
  if (given && is_request_id(*given)) {
    context.request_id = *given;
  } else {
    context.request_id = make_uuid();
  }
  watch();
  if (!out_.empty()) {
    flush_soon();
  }
}

void Connection::finish_request() {
  Exchange& exchange = *exchange_;
  output_timer_.disarm();
  exchange.context.record.bytes_in += exchange.body.received_;
  exchange.context.record.aborted = exchange.context.record.aborted || broken_;
  shared_.handler.finished(exchange.request, exchange.context);
  exchange.parser.reset();
  exchange.request.clear();
  exchange.context.clear();
  if (has_input()) {
    received_at_ = wheel().now();
  }
}

net::Awaitable<void> Connection::refuse() {
  Exchange& exchange = *exchange_;
  const Error error = std::move(*exchange.refusal);
  exchange.refusal.reset();
  waiting_ = Waiting::nothing;
  RequestContext& context = exchange.context;
  context.started = received_at_;
  context.request_id = make_uuid();
  context.record.bytes_in = end_ - begin_;
  exchange.body.begin({}, false);
  exchange.request.body = nullptr;
  keep_alive_ = false;
  lingering_ = true;
  consume(end_ - begin_);
  {
    Response response = shared_.handler.refuse(error, context);
    if (!begin_response(response)) {
      co_await finish_response(response);
    }
  }
  finish_request();
}

void Connection::drain() noexcept {
  draining_ = true;
  if (waiting_ == Waiting::request || waiting_ == Waiting::parked) {
    input_timer_.arm(Duration(0));
  }
}

void Connection::abort() noexcept {
  draining_ = true;
  broken_ = true;
  stream_->close(true);
  if (exchange_ != nullptr) {
    exchange_->context.cancel.cancel(net::CancelReason::drain);
  }
}

net::Awaitable<void> serve_connection(ServerShared& shared, std::unique_ptr<net::Stream> stream,
                                      ConnectionInfo info, std::function<void(ServerConnection&)> on_start) {
  Connection connection(shared, std::move(stream), std::move(info));
  if (on_start) {
    on_start(connection);
    on_start = nullptr;
  }
  co_await connection.run();
}

}  // namespace sluice::http::h1
