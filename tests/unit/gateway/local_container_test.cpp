#include "sluice/gateway/local_container.hpp"

#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace sluice::gateway {
namespace {

using Lease = LocalContainer::Lease;

Lease place(std::uint16_t port) {
  auto made = std::make_shared<LocalContainer::Place>();
  made->origin.host = "127.0.0.1";
  made->origin.port = port;
  return made;
}

/// One request that asks for the container, on a worker.
struct Asking {
  net::Worker& worker;
  LocalContainer& container;
  net::CancelToken cancel;
  std::optional<Result<Lease>> answer;

  static net::Awaitable<void> ask(Asking& self, std::optional<SteadyTime> deadline) {
    self.answer = co_await self.container.reach(self.worker, deadline, self.cancel);
  }
  void begin(std::optional<Duration> time = std::nullopt) {
    std::optional<SteadyTime> deadline;
    if (time) {
      deadline = Clock::real().steady() + *time;
    }
    net::asio::co_spawn(worker.executor(), ask(*this, deadline), net::asio::detached);
    worker.context().restart();
    worker.context().poll();
  }
  void run() {
    const SteadyTime until = Clock::real().steady() + std::chrono::seconds(20);
    while (!answer && Clock::real().steady() < until) {
      worker.context().restart();
      worker.context().run_one_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(answer);
  }
};

TEST(LocalContainer, RequestsWaitUntilItServes) {
  net::Worker worker(0);
  LocalContainer container("c1");
  Asking first{worker, container, {}, {}};
  Asking second{worker, container, {}, {}};
  first.begin();
  second.begin();
  EXPECT_FALSE(first.answer);
  const Lease lease = place(5000);
  std::thread owner([&] { container.serve_at(lease); });
  first.run();
  second.run();
  owner.join();
  EXPECT_EQ(first.answer->value(), lease);
  EXPECT_EQ(second.answer->value()->origin.port, 5000);
  EXPECT_TRUE(container.is_current(lease));
  Asking third{worker, container, {}, {}};
  third.begin();
  ASSERT_TRUE(third.answer);
  container.serve_at(place(5001));
  EXPECT_FALSE(container.is_current(lease));
  // Held by the requests alone now.
  EXPECT_EQ(lease.use_count(), 4);
}

TEST(LocalContainer, AFailureTellsAllThatWait) {
  net::Worker worker(0);
  LocalContainer container("c1");
  Asking asking{worker, container, {}, {}};
  asking.begin();
  container.fail("it ended with exit code 1");
  asking.run();
  ASSERT_TRUE(asking.answer->has_error());
  const Error& error = asking.answer->error();
  EXPECT_EQ(error.status, 502);
  EXPECT_EQ(error.slug, "container_unavailable");
  EXPECT_EQ(error.detail, "the container c1: it ended with exit code 1");
  EXPECT_EQ(error.message, "The container does not run");
  container.starting();
  Asking later{worker, container, {}, {}};
  later.begin();
  EXPECT_FALSE(later.answer);
  container.serve_at(place(1));
  later.run();
  EXPECT_TRUE(later.answer->has_value());
}

TEST(LocalContainer, AWaitEndsAtItsDeadlineOrWithItsClient) {
  net::Worker worker(0);
  LocalContainer container("c1");
  Asking late{worker, container, {}, {}};
  late.begin(std::chrono::milliseconds(30));
  late.run();
  EXPECT_EQ(late.answer->error().code, ErrorCode::deadline);
  Asking gone{worker, container, {}, {}};
  gone.begin(std::chrono::hours(1));
  gone.cancel.cancel(net::CancelReason::client_gone);
  gone.run();
  EXPECT_EQ(gone.answer->error().code, ErrorCode::cancelled);
  container.serve_at(place(1));
  worker.context().poll();
}

}  // namespace
}  // namespace sluice::gateway
