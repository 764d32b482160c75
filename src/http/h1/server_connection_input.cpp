#include <algorithm>
#include <cstring>
#include <utility>

#include "server_connection_impl.hpp"

namespace sluice::http::h1 {
namespace {

/// What a client whose connection is being closed may still send, and for how long, before it is cut: most
/// clients look for the answer only when they have sent their body, and a cut connection would take it from
/// them.
constexpr std::size_t linger_bytes = std::size_t{16} << 20U;
constexpr std::chrono::seconds linger_time(2);
/// With less room than this at its end the buffer's bytes move to its start.
constexpr std::size_t little_room = 4096;

Error client_ended_error() {
  return downstream_error(ErrorCode::closed, "request_body_incomplete",
                          "The request's body ended before it was complete.", 400);
}

}  // namespace

// ---- the body ----

void RequestBody::begin(Connection& connection, const Framing& framing, bool expects) {
  connection_ = &connection;
  framing_ = framing;
  remaining_ = framing.length;
  received_ = 0;
  waited_ = {};
  held_ = 0;
  done_ = !framing.has_body();
  expects_ = expects && !done_;
  cancelled_ = false;
  error_.reset();
  if (framing.kind == Framing::Kind::chunked) {
    decoder_.reset();
  }
}

void RequestBody::release() {
  if (held_ != 0) {
    connection_->consume(std::exchange(held_, 0));
  }
  if (!done_ && !error_) {
    done_ = framing_.kind == Framing::Kind::length ? remaining_ == 0 : decoder_.done();
  }
}

void RequestBody::answered() noexcept {
  expects_ = false;
  release();
}

void RequestBody::fail(Error error) {
  if (!error_) {
    error_ = std::move(error);
  }
}

std::optional<std::uint64_t> RequestBody::size() const noexcept {
  if (framing_.kind == Framing::Kind::chunked) {
    return std::nullopt;
  }
  return framing_.length;
}

std::optional<std::uint64_t> RequestBody::remaining() const noexcept {
  if (framing_.kind == Framing::Kind::chunked && !done_) {
    return std::nullopt;
  }
  return remaining_;
}

const Headers* RequestBody::trailers() const noexcept {
  return framing_.kind == Framing::Kind::chunked && done_ && !decoder_.trailers().empty()
             ? &decoder_.trailers()
             : nullptr;
}

std::optional<Result<std::string_view>> RequestBody::try_read() {
  release();
  if (error_) {
    return Result<std::string_view>(*error_);
  }
  if (done_) {
    return Result<std::string_view>(std::string_view());
  }
  if (std::exchange(expects_, false) && !connection_->has_input()) {
    connection_->exchange_->out += continue_response;
    connection_->flush_some();
  }
  if (!connection_->has_input()) {
    return std::nullopt;
  }
  const std::string_view input = connection_->input();
  if (framing_.kind == Framing::Kind::length) {
    held_ = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), remaining_));
    remaining_ -= held_;
    received_ += held_;
    return Result<std::string_view>(input.substr(0, held_));
  }
  const Result<ChunkDecoder::Step> step = decoder_.feed(input);
  if (!step) {
    error_ = step.error();
    return Result<std::string_view>(*error_);
  }
  received_ += step->consumed;
  held_ = step->consumed;
  if (!step->data.empty()) {
    return Result<std::string_view>(step->data);
  }
  release();
  if (done_) {
    return Result<std::string_view>(std::string_view());
  }
  return std::nullopt;
}

net::Awaitable<Result<std::string_view>> RequestBody::read() {
  for (;;) {
    if (std::optional<Result<std::string_view>> piece = try_read()) {
      co_return std::move(*piece);
    }
    reading_ = true;
    const bool more = co_await connection_->body_input();
    reading_ = false;
    if (std::exchange(cancelled_, false)) {
      co_return downstream_error(ErrorCode::cancelled, "request_body_cancelled", {});
    }
    if (!more) {
      co_return error_.value_or(client_ended_error());
    }
  }
}

void RequestBody::cancel_read() noexcept {
  if (reading_ && !cancelled_) {
    cancelled_ = true;
    if (connection_->waiting_ == Connection::Waiting::body) {
      connection_->input_.resume();
    }
  }
}

void RequestBody::skip_buffered() {
  while (!done_ && !error_ && connection_->has_input()) {
    (void)try_read();
    release();
  }
}

// ---- the buffer ----

bool Connection::has_room() const noexcept {
  return !lease_ || end_ < lease_.size() || (begin_ > 0 && !exchange_->body.holds());
}

Connection::Received Connection::receive() {
  if (!lease_) {
    lease_ = shared_.worker.buffers().lease();
    begin_ = end_ = 0;
  }
  if (exchange_ == nullptr) {
    exchange_ = shared_.exchanges->take(shared_.worker, info_);
  }
  const bool fresh = begin_ == end_;
  if (!exchange_->body.holds()) {
    if (fresh) {
      begin_ = end_ = 0;
    } else if (begin_ > 0 && lease_.size() - end_ < little_room) {
      std::memmove(lease_.data(), lease_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
  }
  if (end_ == lease_.size()) {
    return Received::nothing;
  }
  const Result<std::optional<std::size_t>> got =
      stream_->try_read(net::asio::buffer(lease_.data() + end_, lease_.size() - end_));
  if (!got) {
    return Received::broken;
  }
  const std::optional<std::size_t> size = *got;
  if (!size) {
    return Received::nothing;
  }
  if (*size == 0) {
    return Received::end;
  }
  end_ += *size;
  if (fresh) {
    received_at_ = wheel().exact_now();
  }
  return Received::bytes;
}

void Connection::consume(std::size_t size) noexcept {
  begin_ += size;
}

// ---- waiting ----

void Connection::watch() {
  if (wait_started_ || ended_ || broken_ || !has_room()) {
    return;
  }
  wait_started_ = true;
  // A client that sends one request and its FIN at once is common: look after the first one.
  const bool first = requests_ == 1 && !std::exchange(looked_, true);
  stream_->start_wait_readable(first ? net::WaitMode::exact : net::WaitMode::event, &Connection::on_readable,
                               this);
}

void Connection::wait_as(Waiting what, SteadyTime until) noexcept {
  waiting_ = what;
  input_timer_.arm_at(until);
}

void Connection::release_buffers() {
  lease_.release();
  if (exchange_ != nullptr) {
    exchange_->parser.reset();
    exchange_->body.done_ = true;
    exchange_->refusal.reset();
    exchange_->out.clear();
    shared_.exchanges->give_back(std::move(exchange_));
  }
}

void Connection::park() {
  wait_as(Waiting::parked, idle_since_ + limits().keep_alive_timeout);
  // Ends with "cancelled", unless bytes have just come.
  parking_ = true;
  stream_->cancel();
}

void Connection::on_readable(void* context, net::IoStatus status) noexcept {
  auto& self = *static_cast<Connection*>(context);
  self.wait_started_ = false;
  if (std::exchange(self.parking_, false) && status == net::IoStatus::cancelled && self.stream_->is_open()) {
    self.wait_started_ = true;
    self.stream_->start_wait_readable(net::WaitMode::exact, &Connection::on_readable, &self);
    return;
  }
  if (self.input_.waiting()) {
    self.input_.resume();
  } else {
    self.input_while_busy();
  }
}

void Connection::on_input_timer(void* context) noexcept {
  auto& self = *static_cast<Connection*>(context);
  switch (self.waiting_) {
    case Waiting::nothing:
      return;
    case Waiting::request:
      if (!self.draining_ && self.wheel().now() - self.idle_since_ < self.limits().keep_alive_timeout) {
        self.park();
        return;
      }
      break;
    case Waiting::parked:
    case Waiting::head:
    case Waiting::body:
    case Waiting::discarding:
      break;
  }
  self.input_timed_out_ = true;
  self.input_.resume();
}

void Connection::input_while_busy() {
  switch (receive()) {
    case Received::bytes:
    case Received::nothing:
      watch();
      return;
    case Received::end:
      ended_ = true;
      if (!writing_) {
        output_timer_.arm(limits().half_close_grace);
      }
      return;
    case Received::broken:
      broken_ = true;
      client_gone();
      return;
  }
}

void Connection::client_gone() {
  if (exchange_ != nullptr) {
    exchange_->context.cancel.cancel(net::CancelReason::client_gone);
  }
}

net::Awaitable<bool> Connection::body_input() {
  RequestBody& body = exchange_->body;
  if (!exchange_->out.empty() && !writing_) {
    co_await flush();
  }
  if (body.cancelled_) {
    co_return false;
  }
  if (ended_ || broken_) {
    body.fail(client_ended_error());
    co_return false;
  }
  const SteadyTime start = wheel().now();
  const auto earned = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(static_cast<double>(body.received_) /
                                    static_cast<double>(std::max<std::uint64_t>(limits().body_rate, 1))));
  wait_as(Waiting::body, start + limits().body_grace + earned - body.waited_);
  watch();
  co_await input_.wait();
  waiting_ = Waiting::nothing;
  body.waited_ += wheel().now() - start;
  if (body.cancelled_) {
    co_return false;
  }
  if (std::exchange(input_timed_out_, false)) {
    keep_alive_ = false;
    lingering_ = true;
    body.fail(downstream_error(ErrorCode::read_timeout, "request_body_timeout",
                               "The request's body arrived too slowly.", 408));
    co_return false;
  }
  switch (receive()) {
    case Received::bytes:
    case Received::nothing:
      co_return true;
    case Received::end:
      ended_ = true;
      break;
    case Received::broken:
      broken_ = true;
      client_gone();
      break;
  }
  body.fail(client_ended_error());
  co_return false;
}

net::Awaitable<bool> Connection::discard_body() {
  RequestBody& body = exchange_->body;
  if (!keep_alive_) {
    lingering_ = true;
    co_return false;
  }
  const std::uint64_t most = body.received_ + limits().drain_bytes;
  while (!body.complete()) {
    if (body.received_ > most) {
      lingering_ = true;
      co_return false;
    }
    const std::optional<Result<std::string_view>> piece = body.try_read();
    if (piece && !*piece) {
      lingering_ = true;
      co_return false;
    }
    if (!piece) {
      const bool more = co_await body_input();
      if (!more) {
        lingering_ = true;
        co_return false;
      }
    }
  }
  if (has_input()) {
    received_at_ = wheel().now();
  }
  co_return true;
}

net::Awaitable<void> Connection::linger() {
  stream_->shutdown();
  const SteadyTime until = wheel().now() + linger_time;
  std::size_t total = 0;
  while (total < linger_bytes) {
    total += end_ - begin_;
    consume(end_ - begin_);
    wait_as(Waiting::discarding, until);
    watch();
    co_await input_.wait();
    waiting_ = Waiting::nothing;
    if (std::exchange(input_timed_out_, false)) {
      break;
    }
    const Received got = receive();
    if (got == Received::end || got == Received::broken) {
      break;
    }
  }
}

}  // namespace sluice::http::h1
