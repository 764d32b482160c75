/// Suspends one coroutine until somebody continues it: what timers, streams and queues are made of.
///
/// It costs no allocation and no coroutine frame of its own, which asio::async_initiate does. For that it
/// continues Asio's coroutine thread directly (asio::detail::awaitable_thread, as of Boost 1.81).
#pragma once

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/version.hpp>

#include "sluice/net/awaitable.hpp"

static_assert(
    BOOST_VERSION / 100 == 1081,
    "net::Waiter and net/reactor_socket.hpp use Asio as of Boost 1.81: check them against another one");

namespace sluice::net {

/// Single-threaded. At most one coroutine waits; it must be continued before the Waiter is destroyed.
///
///     waiter.waiting() is false
///     co_await waiter.wait();     // until resume() or resume_later()
class Waiter {
  using Frame = asio::detail::awaitable_frame_base<Executor>;
  using Thread = asio::detail::awaitable_thread<Executor>;

  class Continuation : public Thread {
   public:
    explicit Continuation(Thread&& thread) noexcept : Thread(std::move(thread)) {}
    Continuation(Continuation&& other) noexcept = default;
    Continuation& operator=(Continuation&&) = delete;
    ~Continuation() = default;
    void run(Frame* frame) {
      frame->attach_thread(this);
      this->pump();
    }
  };

 public:
  struct Suspend {
    Waiter* waiter;
    Thread* operator()(Frame* frame) const {
      waiter->frame_ = frame;
      waiter->thread_.emplace(std::move(*frame->detach_thread()));
      return nullptr;
    }
  };

  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() = default;

  /// What to co_await. The coroutine stands still before the expression's caller goes on.
  [[nodiscard]] Suspend wait() noexcept { return {this}; }
  [[nodiscard]] bool waiting() const noexcept { return frame_ != nullptr; }

  /// Continues the coroutine inside this call; nothing when none waits. The caller must expect that what it
  /// stands on is gone afterwards.
  void resume() {
    if (frame_ == nullptr || !thread_) {
      return;
    }
    Continuation continuation(std::move(*thread_));
    thread_.reset();
    continuation.run(std::exchange(frame_, nullptr));
  }

  /// Continues it from the event loop. The Waiter must still be there then, and nobody else may continue it.
  void resume_later(const Executor& executor) {
    asio::post(executor, [this] { resume(); });
  }

 private:
  Frame* frame_ = nullptr;
  std::optional<Continuation> thread_;
};

}  // namespace sluice::net
