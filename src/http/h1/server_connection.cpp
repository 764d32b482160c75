#include "sluice/http/h1/server_connection.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "sluice/base/random.hpp"

#include "server_connection_impl.hpp"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t most_request_id = 128;
/// A connection that idles for so long gives its buffers back.
constexpr std::chrono::seconds park_after(1);
/// Answers to pipelined requests gather up to this before they are sent.
constexpr std::size_t most_gathered = std::size_t{64} << 10U;
constexpr std::size_t most_free_exchanges = 64;

/// What a trusted peer's X-Request-Id may look like.
bool is_request_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= most_request_id &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

void Exchange::rebind(net::Worker& worker, const ConnectionInfo& info) {
  if (&context.worker == &worker && &context.connection == &info) {
    return;
  }
  std::string request_id = std::move(context.request_id);
  std::string client_address = std::move(context.client_address);
  std::string trace_parent = std::move(context.trace_parent);
  std::destroy_at(&context);
  std::construct_at(&context, worker, info);
  context.request_id = std::move(request_id);
  context.client_address = std::move(client_address);
  context.trace_parent = std::move(trace_parent);
}

std::unique_ptr<Exchange> ExchangePool::take(net::Worker& worker, const ConnectionInfo& info) {
  if (free_.empty()) {
    return std::make_unique<Exchange>(worker, info);
  }
  std::unique_ptr<Exchange> exchange = std::move(free_.back());
  free_.pop_back();
  exchange->rebind(worker, info);
  return exchange;
}

void ExchangePool::give_back(std::unique_ptr<Exchange> exchange) {
  if (free_.size() < most_free_exchanges && exchange->out.capacity() <= 2 * most_gathered) {
    free_.push_back(std::move(exchange));
  }
}

Connection::Connection(ServerShared& shared, std::unique_ptr<net::Stream> stream, ConnectionInfo info)
    : shared_(shared),
      stream_(std::move(stream)),
      info_(std::move(info)),
      input_timer_(shared.worker.wheel(), &Connection::on_input_timer, this),
      output_timer_(shared.worker.wheel(), &Connection::on_output_timer, this) {
  if (shared_.exchanges == nullptr) {
    shared_.exchanges = std::make_shared<ExchangePool>();
  }
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

net::Awaitable<void> Connection::run(std::unique_ptr<Connection> self_owner) {
  Connection& self = *self_owner;
  for (;;) {
    const Head head = self.parse_head();
    if (head == Head::refused) {
      break;
    }
    if (head == Head::incomplete) {
      if (!self.flush_some()) {
        const bool flushed = co_await self.flush();
        if (!flushed) {
          break;
        }
      }
      if (!self.begin_head_wait()) {
        break;
      }
      co_await self.input_.wait();
      if (!self.end_head_wait()) {
        break;
      }
      continue;
    }
    self.begin_request();
    auto* const response = ::new (self.exchange_->response_place())
        Response(co_await self.shared_.handler.handle(self.exchange_->request, self.exchange_->context));
    if (!self.begin_response(*response)) {
      co_await self.finish_response(*response);
    }
    self.finish_request(response);
    if (!self.exchange_->body.complete() && !self.broken_) {
      const bool discarded = co_await self.discard_body();
      self.keep_alive_ = self.keep_alive_ && discarded;
    }
    if (!self.keep_alive_ || self.broken_) {
      break;
    }
    if (self.exchange_->out.size() >= most_gathered) {
      co_await self.flush();
    }
  }
  if (!self.broken_ && self.exchange_ != nullptr && self.exchange_->refusal) {
    co_await self.refuse();
  }
  if (!self.broken_) {
    const bool flushed = co_await self.flush();
    if (flushed && self.lingering_ && !self.ended_) {
      co_await self.linger();
    } else if (flushed) {
      self.stream_->shutdown();
    }
  }
  self.stream_->close();
  self.release_buffers();
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

bool Connection::begin_head_wait() {
  if (ended_) {
    if (has_input() && exchange_->parser.started()) {
      exchange_->refusal = downstream_error(ErrorCode::invalid, "request_incomplete",
                                            "The request ended before its head was complete.", 400);
    }
    return false;
  }
  if (has_input()) {
    if (waiting_ != Waiting::head) {
      wait_as(Waiting::head, received_at_ + limits().header_timeout);
    }
  } else {
    release_buffers();
    idle_since_ = wheel().now();
    wait_as(Waiting::request, idle_since_ + std::min<Duration>(park_after, limits().keep_alive_timeout));
    if (draining_) {
      input_timer_.arm(Duration(0));
    }
  }
  watch();
  return true;
}

bool Connection::end_head_wait() {
  const Waiting what = std::exchange(waiting_, Waiting::nothing);
  if (std::exchange(input_timed_out_, false)) {
    if (what == Waiting::head) {
      exchange_->refusal = downstream_error(ErrorCode::read_timeout, "request_head_timeout",
                                            "The request's head did not arrive in time.", 408);
      return false;
    }
    // Idle for too long, or drained; but a request that is here already is served.
    return receive() == Received::bytes;
  }
  if (what == Waiting::head) {
    waiting_ = what;
  }
  switch (receive()) {
    case Received::bytes:
    case Received::nothing:
      return true;
    case Received::end:
      ended_ = true;
      return true;
    case Received::broken:
      broken_ = true;
      return false;
  }
  return false;
}

void Connection::begin_request() {
  Exchange& exchange = *exchange_;
  waiting_ = Waiting::nothing;
  ++requests_;
  const RequestHead& head = exchange.parser.head();
  exchange.body.begin(*this, head.framing, head.expect_continue);
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
    assign_uuid(context.request_id);
  }
  watch();
  if (!exchange.out.empty()) {
    flush_soon();
  }
}

void Connection::finish_request(Response* response) {
  Exchange& exchange = *exchange_;
  output_timer_.disarm();
  std::destroy_at(response);  // what its body holds may look at the context
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
  const Error error = std::exchange(exchange.refusal, std::nullopt).value_or(Error{});
  waiting_ = Waiting::nothing;
  RequestContext& context = exchange.context;
  context.started = received_at_;
  assign_uuid(context.request_id);
  context.record.bytes_in = end_ - begin_;
  exchange.body.begin(*this, {}, false);
  exchange.request.body = nullptr;
  keep_alive_ = false;
  lingering_ = true;
  consume(end_ - begin_);
  auto* const response = ::new (exchange.response_place()) Response(shared_.handler.refuse(error, context));
  if (!begin_response(*response)) {
    co_await finish_response(*response);
  }
  finish_request(response);
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
                                      ConnectionInfo info,
                                      const std::function<void(ServerConnection&)>& on_start) {
  auto connection = std::make_unique<Connection>(shared, std::move(stream), std::move(info));
  if (on_start) {
    on_start(*connection);
  }
  return Connection::run(std::move(connection));
}

}  // namespace sluice::http::h1
