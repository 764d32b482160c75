#include "client/pool.hpp"

#include <algorithm>
#include <utility>

namespace sluice::client {

namespace {

// More than this many calls a connection in the queue will hardly be served in time: better to say so at
// once.
constexpr std::size_t waits_per_connection = 8;
constexpr Duration settle_time = std::chrono::milliseconds(50);

}  // namespace

Pool::Pool(ConnectorShared& shared, const ClientSettings& settings, HttpClient::PoolCounts& counts,
           Origin origin, bool public_only, std::string authority)
    : shared_(shared), settings_(settings), counts_(counts), authority_(std::move(authority)) {
  target_.origin = std::move(origin);
  target_.public_only = public_only;
}

Pool::~Pool() {
  close_idle();
}

ConnectionPtr Pool::take_idle() noexcept {
  if (idle_.empty()) {
    return nullptr;
  }
  ConnectionPtr connection = std::move(idle_.back());
  idle_.pop_back();
  --counts_.idle;
  ++counts_.busy;
  connection->make_busy();
  return connection;
}

void Pool::on_break() noexcept {
  last_break_ = Clock::real().steady();
  settled_at_ = last_break_ + settle_time;
}

net::Awaitable<void> Pool::settle(net::CancelToken* cancel) {
  for (SteadyTime now = Clock::real().steady(); now < settled_at_; now = Clock::real().steady()) {
    if (cancel != nullptr && cancel->cancelled()) {
      co_return;  // connecting says so
    }
    co_await shared_.worker.wheel().sleep(settled_at_ - now, cancel);
  }
  settled_at_ = {};
}

net::Awaitable<bool> Pool::broke_with_others(net::CancelToken* cancel) {
  const SteadyTime since = Clock::real().steady() - settle_time;
  if (last_break_ < since) {
    ++visitors_;
    co_await shared_.worker.wheel().sleep(settle_time, cancel);
    --visitors_;
  }
  co_return last_break_ >= since;
}

net::Awaitable<Result<ConnectionPtr>> Pool::acquire(AcquireLimits limits, bool allow_idle) {
  ++visitors_;
  if (settled_at_ != SteadyTime{}) {
    co_await settle(limits.cancel);
    if (ConnectionPtr idle = allow_idle ? take_idle() : nullptr) {
      --visitors_;
      co_return idle;
    }
  }
  if (total_ >= settings_.connections_per_origin) {
    Result<ConnectionPtr> turn = co_await wait_for_turn(limits, allow_idle);
    if (turn.has_error() || *turn != nullptr) {
      --visitors_;
      co_return turn;
    }
    // The turn came with a place among the connections, counted already.
  } else {
    ++total_;
  }
  ++counts_.busy;
  const std::uint64_t generation = generation_;
  ConnectLimits connect_limits;
  connect_limits.connect_timeout = limits.connect_timeout;
  connect_limits.connect_retry = settings_.connect_retry;
  connect_limits.deadline = limits.deadline;
  connect_limits.cancel = limits.cancel;
  Result<std::unique_ptr<net::Stream>> stream = co_await connect(shared_, target_, connect_limits);
  --visitors_;
  if (stream.has_error()) {
    --counts_.busy;
    --total_;
    pass_turn();
    co_return std::move(stream).error();
  }
  ++counts_.opened;
  co_return ConnectionPtr(new Connection(shared_.worker, std::move(*stream), generation));
}

net::Awaitable<Result<ConnectionPtr>> Pool::wait_for_turn(AcquireLimits limits, bool allow_idle) {
  if (waiting_ >= waits_per_connection * settings_.connections_per_origin) {
    co_return upstream_error(ErrorCode::overloaded,
                             "too many calls wait for a connection to " + target_.origin.host, Retry::yes);
  }
  Wait wait;
  wait.pool = this;
  wait.idle_will_do = allow_idle;
  waits_.push_back(wait);
  ++waiting_;
  ++counts_.waiting;
  const SteadyTime give_up = Clock::real().steady() + limits.connect_timeout;
  const bool deadline_first = limits.deadline && *limits.deadline < give_up;
  net::Timer timer(
      shared_.worker.wheel(),
      [](void* context) noexcept {
        auto* late = static_cast<Wait*>(context);
        late->pool->end_wait(*late, Wait::Outcome::timeout);
      },
      &wait);
  timer.arm_at(deadline_first ? *limits.deadline : give_up);
  std::optional<net::CancelHook> hook;
  if (limits.cancel != nullptr) {
    hook.emplace(
        *limits.cancel,
        [](void* context) noexcept {
          auto* given_up = static_cast<Wait*>(context);
          given_up->pool->end_wait(*given_up, Wait::Outcome::cancelled);
        },
        &wait);
  }
  co_await wait.waiter.wait();
  --counts_.waiting;
  if (wait.outcome == Wait::Outcome::turn) {
    co_return std::move(wait.connection);
  }
  if (wait.outcome == Wait::Outcome::cancelled) {
    co_return upstream_error(ErrorCode::cancelled, "the request was given up");
  }
  if (deadline_first) {
    co_return upstream_error(ErrorCode::deadline, "no connection became free within the request's time",
                             Retry::yes);
  }
  co_return upstream_error(ErrorCode::overloaded,
                           "no connection to " + target_.origin.host + " became free in time", Retry::yes);
}

// The waiting coroutine is woken through the queue: its caller is in the middle of something else.
void Pool::end_wait(Wait& wait, Wait::Outcome outcome) {
  if (wait.outcome != Wait::Outcome::none) {
    return;
  }
  wait.outcome = outcome;
  wait.unlink();
  --waiting_;
  wait.waiter.resume_later(shared_.worker.executor());
}

// A place among the connections has become free.
void Pool::pass_turn() {
  if (!waits_.empty() && total_ < settings_.connections_per_origin) {
    ++total_;
    end_wait(waits_.front(), Wait::Outcome::turn);
  }
}

void Pool::give_back(ConnectionPtr connection) {
  if (!connection->is_open() || connection->generation() != generation_) {
    discard(std::move(connection));
    return;
  }
  for (Wait& wait : waits_) {
    if (wait.idle_will_do) {
      wait.connection = std::move(connection);
      end_wait(wait, Wait::Outcome::turn);
      return;
    }
  }
  if (idle_.size() >= settings_.idle_per_origin) {
    discard(std::move(connection));
    return;
  }
  --counts_.busy;
  ++counts_.idle;
  Connection& idle = *connection;
  idle_.push_back(std::move(connection));
  idle.make_idle(*this, settings_.idle_timeout);
}

void Pool::discard(ConnectionPtr connection, bool reset) noexcept {
  connection->close(reset);
  --counts_.busy;
  --total_;
  pass_turn();
}

void Pool::on_idle_end(Connection& connection, EndedBy whose) noexcept {
  if (whose == EndedBy::upstream && connection.kept()) {
    on_break();
  }
  const auto at = std::find_if(idle_.begin(), idle_.end(), [&connection](const ConnectionPtr& each) {
    return each.get() == &connection;
  });
  if (at == idle_.end()) {
    return;
  }
  const ConnectionPtr keep = std::move(*at);
  idle_.erase(at);
  --counts_.idle;
  --total_;
  keep->close();
  pass_turn();
}

void Pool::close_idle() noexcept {
  while (!idle_.empty()) {
    on_idle_end(*idle_.back(), EndedBy::pool);
  }
}

void Pool::renew(TlsSettings tls) noexcept {
  target_.tls = std::move(tls);
  ++generation_;
  close_idle();
}

}  // namespace sluice::client
