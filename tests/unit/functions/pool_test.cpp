#include "functions/runtime/pool.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::functions::runtime {
namespace {

using Outcome = Pool::Outcome;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class Lease : public testing::Test {
 protected:
  std::shared_ptr<Pool> pool(std::size_t processes, std::size_t queue = 10) {
    FunctionSpec spec;
    spec.id = "fn";
    spec.processes = processes;
    RuntimeSettings settings;
    settings.queue = queue;
    PoolEvents events;
    events.wanted = [this](const std::shared_ptr<Pool>&) { ++wanted_; };
    events.kill = [this](std::uint64_t number, KillReason) { killed_.push_back(number); };
    return std::make_shared<Pool>(spec, settings, events, metrics_);
  }
  WorkerProcessPtr process(const Pool& pool) {
    return std::make_shared<WorkerProcess>(++last_, pool.generation(), std::vector<int>{-1});
  }
  std::unique_ptr<PoolWaiter> waiter() { return std::make_unique<PoolWaiter>(context_.get_executor()); }
  /// Starts one process for whoever waits.
  WorkerProcessPtr start(Pool& pool) {
    Duration wait{};
    EXPECT_EQ(pool.to_start(now_, wait), 1U);
    const WorkerProcessPtr made = process(pool);
    pool.started(made);
    return made;
  }

  net::asio::io_context context_;
  MetricsRegistry metrics_{1};
  int wanted_ = 0;
  std::vector<std::uint64_t> killed_;
  std::uint64_t last_ = 0;
  SteadyTime now_ = Clock::real().steady();
};

TEST_F(Lease, TheProcessUsedLastIsUsedFirst) {
  const auto of = pool(2);
  auto first = waiter();
  auto second = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  EXPECT_EQ(wanted_, 1);
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  EXPECT_EQ(wanted_, 1) << "it is on its way already";
  Duration wait{};
  EXPECT_EQ(of->to_start(now_, wait), 2U);
  const auto a = process(*of);
  const auto b = process(*of);
  of->started(a);
  of->started(b);
  EXPECT_EQ(first->process, a);
  EXPECT_EQ(second->process, b);
  of->release(b);
  of->release(a);
  auto third = waiter();
  EXPECT_EQ(of->acquire(*third), Outcome::got);
  EXPECT_EQ(third->process, a);
  EXPECT_EQ(of->counts().idle, 1U);
}

TEST_F(Lease, WhoWaitsLongestIsNext) {
  const auto of = pool(1);
  auto first = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  const auto only = start(*of);
  auto second = waiter();
  auto third = waiter();
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  ASSERT_EQ(of->acquire(*third), Outcome::queued);
  of->release(only);
  EXPECT_EQ(second->process, only);
  EXPECT_EQ(third->process, nullptr);
  of->release(only);
  EXPECT_EQ(third->process, only);
  EXPECT_THAT(killed_, IsEmpty());
}

TEST_F(Lease, TheQueueIsBounded) {
  const auto of = pool(1, 2);
  std::vector<std::unique_ptr<PoolWaiter>> waiting;
  for (int index = 0; index < 3; ++index) {
    waiting.push_back(waiter());
    ASSERT_EQ(of->acquire(*waiting.back()), Outcome::queued) << index;
  }
  auto refused = waiter();
  EXPECT_EQ(of->acquire(*refused), Outcome::full) << "one runs as soon as it has started, two wait";
  start(*of);
  EXPECT_EQ(of->acquire(*refused), Outcome::full);
  of->give_up(*waiting[2]);
  EXPECT_EQ(of->acquire(*refused), Outcome::queued);
  of->give_up(*waiting[2]);
  of->give_up(*waiting[0]);
  EXPECT_NE(waiting[0]->process, nullptr) << "it was served before";
  of->give_up(*waiting[1]);
  of->give_up(*refused);
  EXPECT_EQ(of->counts().waiting, 0U);
}

TEST_F(Lease, AProcessThatEndsIsReplacedOnceSomebodyWaits) {
  const auto of = pool(1);
  auto first = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  const auto dead = start(*of);
  of->ended(dead, false, now_);
  of->release(dead);
  EXPECT_EQ(wanted_, 1);
  auto second = waiter();
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  EXPECT_EQ(wanted_, 2);
  Duration wait{};
  EXPECT_EQ(of->to_start(now_, wait), 1U) << "the first replacement comes at once";
  const auto next = process(*of);
  of->started(next);
  of->ended(next, false, now_);
  auto third = waiter();
  ASSERT_EQ(of->acquire(*third), Outcome::queued);
  EXPECT_EQ(of->to_start(now_, wait), 0U);
  EXPECT_EQ(wait, Duration(milliseconds(100)));
  EXPECT_EQ(of->to_start(now_ + milliseconds(100), wait), 1U);
  const auto last = process(*of);
  of->started(last);
  of->release(last);  // an answer: all is well again
  of->ended(last, false, now_ + milliseconds(100));
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  EXPECT_EQ(of->to_start(now_ + milliseconds(100), wait), 1U);
  of->give_up(*first);
}

TEST_F(Lease, AFailedStartIsToldToAllAndForAWhile) {
  const auto of = pool(1);
  auto first = waiter();
  auto second = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  Duration wait{};
  ASSERT_EQ(of->to_start(now_, wait), 1U);
  const SteadyTime later = Clock::real().steady();
  EXPECT_TRUE(of->start_failed(of->generation(), "why", later));
  EXPECT_EQ(first->failure, "why");
  EXPECT_EQ(second->failure, "why");
  auto third = waiter();
  EXPECT_EQ(of->acquire(*third), Outcome::failed);
  EXPECT_EQ(third->failure, "why");
  of->restart();
  auto fourth = waiter();
  EXPECT_EQ(of->acquire(*fourth), Outcome::queued) << "it may be mended";
  ASSERT_EQ(of->to_start(now_, wait), 1U);
  EXPECT_TRUE(of->start_failed(of->generation(), "why", later)) << "a restart makes it news again";
  auto fifth = waiter();
  EXPECT_EQ(of->acquire(*fifth), Outcome::failed);
}

TEST_F(Lease, ALostStartIsTriedAgainSomeTimes) {
  const auto of = pool(1);
  auto first = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  SteadyTime at = now_;
  Duration wait{};
  for (int times = 0; times < 5; ++times) {
    ASSERT_EQ(of->to_start(at, wait), 1U) << times;
    EXPECT_TRUE(of->start_lost(at));
    at += std::chrono::seconds(10);
  }
  ASSERT_EQ(of->to_start(at, wait), 1U);
  EXPECT_FALSE(of->start_lost(at));
  EXPECT_FALSE(first->failure);
  EXPECT_TRUE(of->start_failed(of->generation(), "why", at));
  EXPECT_EQ(first->failure, "why");
}

TEST_F(Lease, ARestartReplacesIdleAndBusyOnes) {
  const auto of = pool(2);
  auto first = waiter();
  auto second = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  Duration wait{};
  ASSERT_EQ(of->to_start(now_, wait), 2U);
  const auto idle = process(*of);
  const auto busy = process(*of);
  of->started(idle);
  of->started(busy);
  of->release(idle);
  of->restart();
  EXPECT_THAT(killed_, ElementsAre(idle->number()));
  auto third = waiter();
  EXPECT_EQ(of->acquire(*third), Outcome::queued) << "neither is for new events";
  of->release(busy);
  EXPECT_THAT(killed_, ElementsAre(idle->number(), busy->number()));
  EXPECT_EQ(third->process, nullptr);
  of->ended(idle, true, now_);
  const auto old = std::make_shared<WorkerProcess>(99, of->generation() - 1, std::vector<int>{});
  ASSERT_EQ(of->to_start(now_, wait), 1U);
  of->started(old);
  EXPECT_THAT(killed_, ElementsAre(idle->number(), busy->number(), 99U)) << "it loaded the old files";
  EXPECT_EQ(third->process, nullptr);
  of->give_up(*third);
}

TEST_F(Lease, ARetiredPoolServesWhoWaits) {
  const auto of = pool(1);
  auto first = waiter();
  auto second = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  const auto only = start(*of);
  of->retire();
  EXPECT_FALSE(of->finished());
  of->release(only);
  EXPECT_EQ(second->process, only);
  EXPECT_THAT(killed_, IsEmpty());
  of->release(only);
  EXPECT_THAT(killed_, ElementsAre(only->number()));
  of->ended(only, true, now_);
  EXPECT_TRUE(of->finished());
}

TEST_F(Lease, AStopTellsWhoWaits) {
  const auto of = pool(1);
  auto first = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  of->stop("stopping");
  EXPECT_EQ(first->failure, "stopping");
}

TEST_F(Lease, ADiscardedProcessCountsUntilItHasEnded) {
  const auto of = pool(1);
  auto first = waiter();
  ASSERT_EQ(of->acquire(*first), Outcome::queued);
  const auto only = start(*of);
  of->discard(only, KillReason::spent);
  auto second = waiter();
  ASSERT_EQ(of->acquire(*second), Outcome::queued);
  Duration wait{};
  EXPECT_EQ(of->to_start(now_, wait), 0U);
  of->ended(only, true, now_);
  EXPECT_EQ(of->to_start(now_, wait), 1U);
  of->give_up(*second);
}

}  // namespace
}  // namespace sluice::functions::runtime
