#include "client/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "client/pool.hpp"

namespace sluice::client {

namespace {

// When an idle connection is asked once more whether the peer has closed it.
constexpr Duration second_look = std::chrono::seconds(1);

}  // namespace

Connection::Connection(net::Worker& worker, std::unique_ptr<net::Stream> stream, std::uint64_t generation)
    : worker_(worker),
      stream_(std::move(stream)),
      timer_(worker.wheel(), &Connection::on_timer, this),
      idle_since_(worker.wheel().now()),
      generation_(generation) {}

void Connection::make_idle(Pool& owner, Duration idle_timeout) {
  owner_ = &owner;
  state_ = State::idle;
  ++exchanges_;
  looked_ = false;
  idle_timeout_ = idle_timeout;
  idle_since_ = worker_.wheel().now();
  timer_.arm_at(idle_since_ + std::min(idle_timeout, second_look));
  start_wait();
}

void Connection::make_busy() noexcept {
  owner_ = nullptr;
  state_ = State::busy;
}

bool Connection::peer_has_closed() const noexcept {
  const int socket = stream_->native_handle();
  if (stream_->tls() != nullptr || socket < 0) {
    return !stream_->is_open();
  }
  char byte = 0;
  const ssize_t got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void Connection::close(bool reset) noexcept {
  if (state_ == State::closed) {
    return;
  }
  state_ = State::closed;
  owner_ = nullptr;
  timer_.disarm();
  hook_.reset();
  stream_->close(reset);
}

void Connection::begin_call(Duration silence, std::optional<SteadyTime> deadline, net::CancelToken* cancel) {
  silence_ = silence;
  deadline_ = deadline;
  token_ = cancel;
  if (cancel != nullptr) {
    hook_.emplace(*cancel, &Connection::on_cancel, this);
  }
}

void Connection::end_call() noexcept {
  hook_.reset();
  token_ = nullptr;
  timer_.disarm();
}

void Connection::watch_silence() noexcept {
  const SteadyTime due = worker_.wheel().now() + silence_;
  timer_.arm_at(deadline_ && *deadline_ < due ? *deadline_ : due);
}

void Connection::watch_deadline() noexcept {
  if (deadline_) {
    timer_.arm_at(*deadline_);
  } else {
    timer_.disarm();
  }
}

void Connection::abort(Abort why) noexcept {
  if (abort_ == Abort::none && is_open()) {
    abort_ = why;
    close(true);
  }
}

Error Connection::abort_error() const {
  switch (abort_) {
    case Abort::read_timeout:
      return upstream_error(ErrorCode::read_timeout, "the upstream was silent for too long");
    case Abort::deadline:
      return upstream_error(ErrorCode::deadline, "the upstream did not answer within the request's time");
    case Abort::cancelled:
      return upstream_error(ErrorCode::cancelled, "the request was given up");
    case Abort::body_failed:
    case Abort::none:
      break;
  }
  return internal_error("a connection was aborted without a reason");
}

Result<std::optional<std::size_t>> Connection::try_read(net::asio::mutable_buffer target) {
  if (!is_open()) {
    return abort_ == Abort::none ? upstream_error(ErrorCode::closed, "the connection was closed")
                                 : abort_error();
  }
  happened_ = false;
  Result<std::optional<std::size_t>> got = stream_->try_read(target);
  if (got.has_error()) {
    std::string detail = "the upstream broke the connection";
    if (!got.error().detail.empty()) {
      detail += ": " + got.error().detail;
    }
    return upstream_error(ErrorCode::closed, std::move(detail));
  }
  return got;
}

void Connection::start_wait() {
  if (waiting_ || happened_ || !is_open()) {
    return;
  }
  waiting_ = true;
  stream_->start_wait_readable(net::WaitMode::event, &Connection::on_readable, this);
}

void Connection::on_readable(void* context, net::IoStatus /*status*/) noexcept {
  auto* self = static_cast<Connection*>(context);
  self->waiting_ = false;
  if (self->state_ != State::idle) {
    self->happened_ = true;
    self->arrival_.resume();
    return;
  }
  std::array<char, 256> unasked{};
  const Result<std::optional<std::size_t>> got = self->try_read(net::asio::buffer(unasked));
  if (got.has_value() && !got->has_value()) {
    self->start_wait();
    return;
  }
  // The peer closed it, or sent what nobody asked for: no exchange can be started on it any more.
  self->owner_->on_idle_end(*self, Pool::EndedBy::upstream);
}

void Connection::on_timer(void* context) noexcept {
  auto* self = static_cast<Connection*>(context);
  if (self->state_ != State::idle) {
    const bool late = self->deadline_ && self->worker_.wheel().now() >= *self->deadline_;
    self->abort(late ? Abort::deadline : Abort::read_timeout);
    return;
  }
  const bool first_look = !std::exchange(self->looked_, true);
  if (!first_look || self->idle_timeout_ <= second_look || self->peer_has_closed()) {
    self->owner_->on_idle_end(*self, Pool::EndedBy::pool);
    return;
  }
  self->timer_.arm_at(self->idle_since_ + self->idle_timeout_);
}

void Connection::on_cancel(void* context) noexcept {
  auto* self = static_cast<Connection*>(context);
  const bool late = self->token_ != nullptr && self->token_->reason() == net::CancelReason::deadline;
  self->abort(late ? Abort::deadline : Abort::cancelled);
}

}  // namespace sluice::client
