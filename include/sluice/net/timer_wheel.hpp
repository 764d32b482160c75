/// Deadlines of a worker: one Asio timer ticks for all of them, so that arming and disarming one costs no
/// system call and no allocation. Ticks are coarse (20 ms by default); a timer never fires early, and at most
/// two ticks late.
///
/// Single-threaded: wheel and timers belong to one worker. A Timer that is destroyed is disarmed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <boost/intrusive/list.hpp>

#include "sluice/base/clock.hpp"
#include "sluice/net/awaitable.hpp"

namespace sluice::net {

class TimerWheel;

/// One deadline. `callback(context)` runs at most once an arming, on the worker's thread; it may arm the
/// timer again or destroy it.
class Timer
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Callback = void (*)(void* context) noexcept;
  Timer(TimerWheel& wheel, Callback callback, void* context) noexcept
      : wheel_(&wheel), callback_(callback), context_(context) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() = default;

  /// Replaces an earlier arming. Moving a deadline further away is a store, nothing more.
  void arm(Duration after) noexcept;
  void arm_at(SteadyTime when) noexcept;
  void disarm() noexcept;
  [[nodiscard]] bool armed() const noexcept { return is_linked(); }

 private:
  friend class TimerWheel;
  TimerWheel* wheel_;
  Callback callback_;
  void* context_;
  std::uint64_t due_tick_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(asio::io_context& context, Duration tick = std::chrono::milliseconds(20),
                      const Clock& clock = Clock::real());
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  /// The time of the last tick: what the request path uses where 20 ms do not matter.
  [[nodiscard]] SteadyTime now() const noexcept;
  /// Waits; ends early (false) when `token` is cancelled.
  Awaitable<bool> sleep(Duration time, class CancelToken* token = nullptr);
  /// Runs everything that is due; called by the wheel's own tick, and by tests with a fake clock.
  void advance();
  /// Stops ticking, so that the io_context can run out of work.
  void stop();

 private:
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::net
