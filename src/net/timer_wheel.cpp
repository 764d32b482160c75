#include "sluice/net/timer_wheel.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <ctime>
#include <limits>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>

#include "sluice/net/cancel.hpp"
#include "sluice/net/waiter.hpp"

namespace sluice::net {
namespace {

using TimerList = boost::intrusive::list<Timer, boost::intrusive::constant_time_size<false>>;
using AsioTimer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                             asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::size_t slot_count = 1024;
constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

/// One coroutine in TimerWheel::sleep.
struct Sleeper
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Sleeper(TimerWheel& wheel, Executor its_executor)
      : executor(std::move(its_executor)), timer(wheel, &Sleeper::on_due, this) {}

  static void on_due(void* context) noexcept { static_cast<Sleeper*>(context)->waiter.resume(); }
  static void on_cancel(void* context) noexcept { static_cast<Sleeper*>(context)->end(); }
  /// Ends the wait early. Continues from the event loop, as whoever cancels may stand on the sleeper's own
  /// request.
  void end() {
    if (complete && waiter.waiting()) {
      complete = false;
      timer.disarm();
      waiter.resume_later(executor);
    }
  }

  Executor executor;
  Timer timer;
  Waiter waiter;
  bool complete = true;
};
using SleeperList = boost::intrusive::list<Sleeper, boost::intrusive::constant_time_size<false>>;

}  // namespace

struct TimerWheel::Impl : std::enable_shared_from_this<TimerWheel::Impl> {
  Impl(asio::io_context& context, Duration its_tick, const Clock& its_clock)
      : executor(context.get_executor()),
        timer(executor),
        clock(its_clock),
        real(&its_clock == &Clock::real()),
        tick(its_tick),
        origin(its_clock.steady()) {}

  [[nodiscard]] std::uint64_t tick_before(SteadyTime time) const {
    return time <= origin ? 0 : static_cast<std::uint64_t>((time - origin) / tick);
  }
  [[nodiscard]] std::uint64_t tick_after(SteadyTime time) const {
    return time <= origin ? 0 : static_cast<std::uint64_t>((time - origin + tick - Duration(1)) / tick);
  }

  void arm(Timer& item, std::uint64_t due, std::uint64_t& bucket, bool linked) {
    if (linked) {
      if (bucket <= due) {
        return;  // The wheel finds it in its old bucket and moves it on.
      }
      item.unlink();
    }
    if (wake == never) {
      current = std::max(current, tick_before(clock.steady()));
    }
    insert(item, due, bucket);
    if (bucket < wake) {
      schedule(bucket);
    }
  }

  void insert(Timer& item, std::uint64_t due, std::uint64_t& bucket) {
    bucket = std::clamp(due, current + 1, current + slot_count - 1);
    const std::size_t slot = bucket % slot_count;
    slots.at(slot).push_back(item);
    occupied.at(slot / 64) |= std::uint64_t{1} << (slot % 64);
  }

  void schedule(std::uint64_t at) {
    wake = at;
    if (!real || stopped || advancing) {
      return;
    }
    if (at == never) {
      timer.cancel();
      return;
    }
    timer.expires_at(origin + tick * static_cast<std::int64_t>(at));
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error && !self->stopped && self->owner != nullptr) {
        self->owner->advance();
      }
    });
  }

  /// The next tick after `current` whose slot may hold a timer.
  [[nodiscard]] std::uint64_t next_occupied() const {
    const std::size_t start = (current + 1) % slot_count;
    for (std::size_t step = 0; step < slot_count;) {
      const std::size_t slot = (start + step) % slot_count;
      const std::uint64_t word = occupied.at(slot / 64) >> (slot % 64);
      if (word != 0) {
        return current + 1 + step + static_cast<std::uint64_t>(std::countr_zero(word));
      }
      step += 64 - slot % 64;
    }
    return never;
  }

  Executor executor;
  AsioTimer timer;
  const Clock& clock;
  bool real;
  bool stopped = false;
  bool advancing = false;
  Duration tick;
  SteadyTime origin;
  std::uint64_t current = 0;   ///< every tick up to this one has been looked at
  std::uint64_t wake = never;  ///< the tick that the Asio timer waits for
  TimerWheel* owner = nullptr;
  std::array<std::uint64_t, slot_count / 64> occupied{};
  std::array<TimerList, slot_count> slots;
  SleeperList sleepers;
};

void Timer::arm(Duration after) noexcept {
  arm_at(wheel_->exact_now() + after);
}

void Timer::arm_at(SteadyTime when) noexcept {
  due_tick_ = wheel_->impl_->tick_after(when);
  wheel_->impl_->arm(*this, due_tick_, bucket_tick_, is_linked());
}

TimerWheel::TimerWheel(asio::io_context& context, Duration tick, const Clock& clock)
    : impl_(std::make_shared<Impl>(context, tick, clock)) {
  impl_->owner = this;
}

TimerWheel::~TimerWheel() {
  stop();
  impl_->owner = nullptr;
  for (TimerList& slot : impl_->slots) {
    slot.clear();
  }
  impl_->sleepers.clear();
}

SteadyTime TimerWheel::now() const noexcept {
  if (!impl_->real) {
    return impl_->clock.steady();
  }
  std::timespec time{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return SteadyTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

SteadyTime TimerWheel::exact_now() const noexcept {
  return impl_->clock.steady();
}

Awaitable<bool> TimerWheel::sleep(Duration time, CancelToken* token) {
  if (impl_->stopped || (token != nullptr && token->cancelled())) {
    co_return false;
  }
  Sleeper sleeper(*this, impl_->executor);
  impl_->sleepers.push_back(sleeper);
  std::optional<CancelHook> hook;
  if (token != nullptr) {
    hook.emplace(*token, &Sleeper::on_cancel, &sleeper);
  }
  sleeper.timer.arm(time);
  co_await sleeper.waiter.wait();
  co_return sleeper.complete;
}

void TimerWheel::advance() {
  Impl& impl = *impl_;
  if (impl.advancing || impl.stopped) {
    return;
  }
  const std::shared_ptr<Impl> keep = impl_;
  impl.advancing = true;
  const std::uint64_t now_tick = impl.tick_before(impl.clock.steady());
  TimerList due;
  const std::uint64_t first = impl.current + 1;
  const std::uint64_t steps =
      now_tick < first ? 0 : std::min<std::uint64_t>(now_tick - first + 1, slot_count);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::size_t slot = (first + step) % slot_count;
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    if ((impl.occupied.at(slot / 64) & bit) != 0) {
      impl.occupied.at(slot / 64) &= ~bit;
      due.splice(due.end(), impl.slots.at(slot));
    }
  }
  impl.current = std::max(impl.current, now_tick);
  while (!due.empty()) {
    Timer& item = due.front();
    due.pop_front();
    if (impl.stopped || item.due_tick_ > now_tick) {
      impl.insert(item, item.due_tick_, item.bucket_tick_);
    } else {
      item.callback_(item.context_);
    }
  }
  impl.advancing = false;
  impl.schedule(impl.next_occupied());
}

void TimerWheel::stop() {
  if (std::exchange(impl_->stopped, true)) {
    return;
  }
  impl_->timer.cancel();
  while (!impl_->sleepers.empty()) {
    Sleeper& sleeper = impl_->sleepers.front();
    impl_->sleepers.pop_front();
    sleeper.end();
  }
}

}  // namespace sluice::net
