#include "sluice/net/timer_wheel.hpp"

#include <random>

#include "sluice/net/deadline_token.hpp"

#include "unit/net/fake_clock.hpp"
#include "unit/net/run.hpp"

namespace sluice::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Count {
  static void on_fire(void* context) noexcept { ++static_cast<Count*>(context)->fired; }
  int fired = 0;
};

class WheelTest : public testing::Test {
 protected:
  void turn(Duration by) {
    clock_.turn(by);
    wheel_.advance();
  }
  FakeClock clock_;
  asio::io_context context_{1};
  TimerWheel wheel_{context_, milliseconds(20), clock_};
  Count count_;
};

TEST_F(WheelTest, FiresNotEarlyAndWithinTwoTicks) {
  Timer timer(wheel_, &Count::on_fire, &count_);
  timer.arm(milliseconds(100));
  EXPECT_TRUE(timer.armed());
  turn(milliseconds(99));
  EXPECT_EQ(count_.fired, 0);
  turn(milliseconds(41));
  EXPECT_EQ(count_.fired, 1);
  EXPECT_FALSE(timer.armed());
  turn(seconds(100));
  EXPECT_EQ(count_.fired, 1);
}

TEST_F(WheelTest, ADeadlineTokenEndsInTime) {
  CancelToken outer;
  DeadlineToken call(wheel_, wheel_.exact_now() + milliseconds(100), &outer);
  turn(milliseconds(99));
  EXPECT_FALSE(call.token().cancelled());
  turn(milliseconds(41));
  EXPECT_TRUE(call.is_over());
  EXPECT_FALSE(outer.cancelled());
  outer.cancel(CancelReason::drain);
  EXPECT_EQ(call.token().reason(), CancelReason::deadline) << "the first reason stays";
}

TEST_F(WheelTest, ADeadlineTokenEndsWithTheOuterOne) {
  CancelToken outer;
  DeadlineToken call(wheel_, std::nullopt, &outer);
  turn(seconds(1000));
  EXPECT_FALSE(call.token().cancelled());
  outer.cancel(CancelReason::client_gone);
  EXPECT_EQ(call.token().reason(), CancelReason::client_gone);
  EXPECT_FALSE(call.is_over());
  const DeadlineToken late(wheel_, wheel_.exact_now() + seconds(1), &outer);
  turn(seconds(2));
  EXPECT_FALSE(late.is_over()) << "it was ended before its time";
}

TEST_F(WheelTest, MovingADeadlineAwayKeepsItFromFiring) {
  Timer timer(wheel_, &Count::on_fire, &count_);
  for (int i = 0; i < 100; ++i) {
    timer.arm(milliseconds(100));
    turn(milliseconds(60));
  }
  EXPECT_EQ(count_.fired, 0);
  turn(milliseconds(100));
  EXPECT_EQ(count_.fired, 1);
}

TEST_F(WheelTest, MovingADeadlineNearerFiresItThere) {
  Timer timer(wheel_, &Count::on_fire, &count_);
  timer.arm(seconds(75));
  timer.arm(milliseconds(40));
  turn(milliseconds(80));
  EXPECT_EQ(count_.fired, 1);
}

TEST_F(WheelTest, DisarmedAndDestroyedTimersDoNotFire) {
  Timer timer(wheel_, &Count::on_fire, &count_);
  timer.arm(milliseconds(40));
  timer.disarm();
  {
    Timer gone(wheel_, &Count::on_fire, &count_);
    gone.arm(milliseconds(40));
  }
  turn(seconds(1));
  EXPECT_EQ(count_.fired, 0);
}

TEST_F(WheelTest, DeadlinesBeyondTheWheelsHorizonHold) {
  Timer timer(wheel_, &Count::on_fire, &count_);
  timer.arm(hours(3));
  for (int i = 0; i < 3 * 3600 - 1; ++i) {
    turn(seconds(1));
  }
  EXPECT_EQ(count_.fired, 0);
  turn(seconds(2));
  EXPECT_EQ(count_.fired, 1);
}

TEST_F(WheelTest, AStandStillLongerThanTheHorizonFiresEverythingOnce) {
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 5000; ++i) {
    timers.push_back(std::make_unique<Timer>(wheel_, &Count::on_fire, &count_));
    timers.back()->arm(milliseconds(7 * i));
  }
  turn(hours(1));
  EXPECT_EQ(count_.fired, 5000);
}

TEST_F(WheelTest, ACallbackMayArmAgainAndDestroyOthers) {
  struct Chain {
    explicit Chain(TimerWheel& wheel)
        : timer(wheel, &Chain::on_fire, this),
          other(std::make_unique<Timer>(wheel, &Chain::on_other, this)) {}
    static void on_fire(void* context) noexcept {
      auto& self = *static_cast<Chain*>(context);
      self.other.reset();
      if (++self.fired < 3) {
        self.timer.arm(milliseconds(20));
      }
    }
    static void on_other(void*) noexcept { ADD_FAILURE() << "fired after its destruction"; }
    int fired = 0;
    Timer timer;
    std::unique_ptr<Timer> other;
  };
  Chain chain(wheel_);
  chain.timer.arm(milliseconds(20));
  chain.other->arm(milliseconds(20));
  for (int i = 0; i < 10; ++i) {
    turn(milliseconds(40));
  }
  EXPECT_EQ(chain.fired, 3);
}

TEST_F(WheelTest, ManyTimersAgreeWithTheClock) {
  struct Item {
    Item(TimerWheel& wheel, FakeClock& its_clock) : timer(wheel, &Item::on_fire, this), clock(its_clock) {}
    static void on_fire(void* context) noexcept {
      auto& self = *static_cast<Item*>(context);
      self.late = self.clock.steady() - self.due;
      ++self.fired;
    }
    void arm(Duration after) {
      due = clock.steady() + after;
      timer.arm(after);
    }
    Timer timer;
    FakeClock& clock;
    SteadyTime due{};
    Duration late{};
    int fired = 0;
  };
  std::mt19937 random(7);
  std::uniform_int_distribution<int> after(0, 60'000);
  std::vector<std::unique_ptr<Item>> items;
  for (int i = 0; i < 300; ++i) {
    items.push_back(std::make_unique<Item>(wheel_, clock_));
    items.back()->arm(milliseconds(after(random)));
  }
  for (int step = 0; step < 8000; ++step) {
    turn(milliseconds(10));
    if (step < 1000) {
      Item& moved = *items.at(random() % items.size());
      if (moved.fired == 0) {
        moved.arm(milliseconds(after(random)));
      }
    }
  }
  for (const auto& item : items) {
    EXPECT_EQ(item->fired, 1);
    EXPECT_GE(item->late, Duration(0));
    EXPECT_LE(item->late, milliseconds(40));
  }
}

TEST(Wheel, WithoutTimersTheContextRunsOutOfWork) {
  asio::io_context context(1);
  TimerWheel wheel(context);
  EXPECT_EQ(context.run(), 0U);
  Count count;
  Timer timer(wheel, &Count::on_fire, &count);
  timer.arm(milliseconds(30));
  const auto start = std::chrono::steady_clock::now();
  context.restart();
  context.run();
  EXPECT_EQ(count.fired, 1);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
}

TEST(Wheel, StopLetsTheContextRunOut) {
  asio::io_context context(1);
  TimerWheel wheel(context);
  Count count;
  Timer timer(wheel, &Count::on_fire, &count);
  timer.arm(hours(1));
  asio::post(context, [&wheel] { wheel.stop(); });
  context.run();
  EXPECT_EQ(count.fired, 0);
}

Awaitable<void> sleep_and_note(TimerWheel& wheel, Duration time, CancelToken* token,
                               std::optional<bool>& out) {
  out = co_await wheel.sleep(time, token);
}

TEST(Wheel, SleepEndsWithTimeTokenOrStop) {
  asio::io_context context(1);
  TimerWheel wheel(context);
  std::optional<bool> slept;
  run_until_done(context, sleep_and_note(wheel, milliseconds(25), nullptr, slept));
  EXPECT_EQ(slept, true);

  CancelToken token;
  asio::post(context, [&token] { token.cancel(CancelReason::client_gone); });
  run_until_done(context, sleep_and_note(wheel, hours(1), &token, slept));
  EXPECT_EQ(slept, false);
  slept.reset();
  run_until_done(context, sleep_and_note(wheel, hours(1), &token, slept));
  EXPECT_EQ(slept, false);

  CancelToken fresh;
  slept.reset();
  asio::post(context, [&wheel] { wheel.stop(); });
  run_until_done(context, sleep_and_note(wheel, hours(1), &fresh, slept));
  EXPECT_EQ(slept, false);
}

TEST(Wheel, CoarseTimeIsCloseToTheSteadyClockAndNotAhead) {
  asio::io_context context(1);
  const TimerWheel wheel(context);
  const SteadyTime coarse = wheel.now();
  const SteadyTime exact = std::chrono::steady_clock::now();
  EXPECT_LE(coarse, exact);
  EXPECT_LT(exact - coarse, milliseconds(200));
}

}  // namespace
}  // namespace sluice::net
