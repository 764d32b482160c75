#include "client/connect_race.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace sluice::client {

namespace {

std::string to_text(const ConnectRace::Endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

}  // namespace

ConnectRace::ConnectRace(net::Worker& worker, std::vector<Endpoint> endpoints)
    : worker_(worker),
      endpoints_(std::move(endpoints)),
      delay_(worker.wheel(), &ConnectRace::on_delay, this),
      give_up_(worker.wheel(), &ConnectRace::on_give_up, this) {}

net::Awaitable<Result<net::TcpSocket>> ConnectRace::run(SteadyTime give_up, net::CancelToken* cancel) {
  const std::shared_ptr<ConnectRace> self = shared_from_this();
  give_up_.arm_at(give_up);
  std::optional<net::CancelHook> hook;
  if (cancel != nullptr) {
    hook.emplace(*cancel, &ConnectRace::on_cancel, this);
  }
  start_next();
  if (!done_) {
    co_await waiter_.wait();
  }
  if (winner_) {
    co_return std::move(*winner_);
  }
  std::string detail =
      detail_.empty() ? "connect to " + to_text(endpoints_.front()) + ": no answer" : detail_;
  co_return upstream_error(failed_.value_or(ErrorCode::connect_failed), std::move(detail), Retry::yes);
}

void ConnectRace::start_next() {
  while (!done_ && sockets_.size() < endpoints_.size()) {
    const std::size_t index = sockets_.size();
    const Endpoint& endpoint = endpoints_[index];
    sockets_.push_back(std::make_unique<net::TcpSocket>(worker_.executor()));
    net::TcpSocket& socket = *sockets_.back();
    boost::system::error_code failed;
    socket.open(endpoint.protocol(), failed);
    if (failed) {
      // A host without IPv6, or out of descriptors: the next address may do.
      detail_ = "connect to " + to_text(endpoint) + ": " + failed.message();
      continue;
    }
    ++pending_;
    socket.async_connect(endpoint,
                         [self = shared_from_this(), index](const boost::system::error_code& error) {
                           self->on_connect(index, error);
                         });
    if (sockets_.size() < endpoints_.size()) {
      delay_.arm(connection_attempt_delay);
    }
    return;
  }
  if (!done_ && pending_ == 0) {
    finish(ErrorCode::connect_failed);
  }
}

void ConnectRace::on_connect(std::size_t index, const boost::system::error_code& failed) {
  --pending_;
  if (done_) {
    return;
  }
  if (!failed) {
    winner_ = std::move(sockets_[index]);
    finish(std::nullopt);
    return;
  }
  detail_ = "connect to " + to_text(endpoints_[index]) + ": " + failed.message();
  delay_.disarm();
  start_next();
}

void ConnectRace::finish(std::optional<ErrorCode> failed) {
  done_ = true;
  failed_ = failed;
  delay_.disarm();
  give_up_.disarm();
  for (const auto& socket : sockets_) {
    if (socket) {
      boost::system::error_code ignored;
      socket->close(ignored);
    }
  }
  // Not from here: the caller may be a timer or a cancellation, or run() itself, which does not wait yet.
  if (waiter_.waiting()) {
    net::asio::post(worker_.executor(), [self = shared_from_this()] { self->waiter_.resume(); });
  }
}

void ConnectRace::on_delay(void* context) noexcept {
  static_cast<ConnectRace*>(context)->start_next();
}

void ConnectRace::on_give_up(void* context) noexcept {
  static_cast<ConnectRace*>(context)->finish(ErrorCode::connect_timeout);
}

void ConnectRace::on_cancel(void* context) noexcept {
  auto* self = static_cast<ConnectRace*>(context);
  if (!self->done_) {
    self->detail_ = "the request was given up";
    self->finish(ErrorCode::cancelled);
  }
}

}  // namespace sluice::client
