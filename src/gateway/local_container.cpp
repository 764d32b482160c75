#include "sluice/gateway/local_container.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace sluice::gateway {

/// A request that waits, on its worker. Its token ends its sleep; it is touched on that thread only.
struct LocalContainer::Waiting : std::enable_shared_from_this<Waiting> {
  explicit Waiting(net::Executor its_executor) : executor(its_executor) {}

  void wake_later() {
    net::asio::post(executor, [self = shared_from_this()] { self->token.cancel(net::CancelReason::drain); });
  }

  net::Executor executor;
  net::CancelToken token;
};

LocalContainer::LocalContainer(std::string id) : id_(std::move(id)) {}

Error LocalContainer::unavailable(const std::string& detail) const {
  Error error = upstream_error(ErrorCode::connect_failed, "the container " + id_ + ": " + detail);
  error.slug = "container_unavailable";
  error.message = "The container does not run";
  error.status = 502;
  return error;
}

net::Awaitable<Result<LocalContainer::Lease>> LocalContainer::reach(net::Worker& worker,
                                                                    std::optional<SteadyTime> deadline,
                                                                    net::CancelToken& cancel) {
  constexpr Duration longest = std::chrono::hours(24);
  while (true) {
    std::shared_ptr<Waiting> waiting;
    {
      const std::scoped_lock lock(mutex_);
      if (state_.place) {
        co_return state_.place;
      }
      if (state_.failed) {
        co_return unavailable(state_.detail);
      }
      waiting = std::make_shared<Waiting>(worker.executor());
      waiting_.push_back(waiting);
    }
    if (cancel.cancelled()) {
      co_return upstream_error(ErrorCode::cancelled, "the request has ended");
    }
    const SteadyTime now = worker.wheel().exact_now();
    if (deadline && *deadline <= now) {
      co_return upstream_error(ErrorCode::deadline, "the container " + id_ + " did not start in time");
    }
    const Duration time = deadline ? *deadline - now : longest;
    const net::CancelHook hook(
        cancel,
        [](void* token) noexcept {
          static_cast<net::CancelToken*>(token)->cancel(net::CancelReason::client_gone);
        },
        &waiting->token);
    co_await worker.wheel().sleep(time, &waiting->token);
  }
}

bool LocalContainer::is_current(const Lease& lease) const {
  const std::scoped_lock lock(mutex_);
  return state_.place == lease;
}

void LocalContainer::change(State state) {
  std::vector<std::weak_ptr<Waiting>> waiting;
  {
    const std::scoped_lock lock(mutex_);
    state_ = std::move(state);
    waiting.swap(waiting_);
  }
  for (const std::weak_ptr<Waiting>& one : waiting) {
    if (const auto live = one.lock()) {
      live->wake_later();
    }
  }
}

void LocalContainer::starting() {
  change({});
}

void LocalContainer::serve_at(Lease place) {
  change({std::move(place), {}, false});
}

void LocalContainer::fail(std::string detail) {
  change({nullptr, std::move(detail), true});
}

}  // namespace sluice::gateway
