// Runs a coroutine of a test on an io_context until it ends, or fails after ten seconds.
#pragma once

#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "sluice/net/awaitable.hpp"

namespace sluice::net {

/// True when the coroutine ended in time.
inline bool run_until_done(asio::io_context& context, Awaitable<void> task) {
  bool done = false;
  asio::co_spawn(context.get_executor(), std::move(task), [&done](const std::exception_ptr& error) {
    done = true;
    if (error) {
      ADD_FAILURE() << "the coroutine threw";
    }
  });
  context.restart();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done && std::chrono::steady_clock::now() < until) {
    context.run_one_for(std::chrono::milliseconds(100));
    if (context.stopped()) {
      context.restart();
    }
  }
  EXPECT_TRUE(done) << "the coroutine did not end";
  return done;
}

}  // namespace sluice::net
