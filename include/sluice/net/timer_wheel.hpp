/// Deadlines of a worker: one Asio timer for all of them, so that arming and disarming one costs no system
/// call and no allocation. Time goes in coarse ticks (20 ms by default); a timer never fires early, and at
/// most two ticks late. The Asio timer waits for the next tick at which something may be due: a worker
/// without armed timers does not wake up.
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

class CancelToken;
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

  /// Replaces an earlier arming; reads the clock.
  void arm(Duration after) noexcept;
  /// The same at a time that is known already. Moving a deadline further away is a store, nothing more.
  void arm_at(SteadyTime when) noexcept;
  void disarm() noexcept {
    if (is_linked()) {
      unlink();
    }
  }
  [[nodiscard]] bool armed() const noexcept { return is_linked(); }

 private:
  friend class TimerWheel;
  TimerWheel* wheel_;
  Callback callback_;
  void* context_;
  std::uint64_t due_tick_ = 0;
  std::uint64_t bucket_tick_ = 0;  ///< when the wheel looks at it; at most due_tick_
};

class TimerWheel {
 public:
  /// With a clock other than the real one nothing happens by itself: tests turn the clock and call advance().
  explicit TimerWheel(asio::io_context& context, Duration tick = std::chrono::milliseconds(20),
                      const Clock& clock = Clock::real());
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  /// The time to a few milliseconds (the kernel's coarse clock), never ahead of the steady clock.
  [[nodiscard]] SteadyTime now() const noexcept;
  /// The exact time of the wheel's clock.
  [[nodiscard]] SteadyTime exact_now() const noexcept;
  /// Waits; ends early (false) when `token` is cancelled or the wheel stops.
  Awaitable<bool> sleep(Duration time, CancelToken* token = nullptr);
  /// Runs everything that is due; called by the wheel's own tick, and by tests with a fake clock.
  void advance();
  /// Fires nothing any more, so that the io_context can run out of work. What sleeps ends with false.
  void stop();

 private:
  friend class Timer;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::net
