/// What belongs to one worker thread: its io_context, its timer wheel, its buffers. Everything that serves
/// requests hangs on a worker and is touched by its thread alone; other threads only post to it.
/// docs/architecture.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/net/awaitable.hpp"
#include "sluice/net/buffer_pool.hpp"
#include "sluice/net/timer_wheel.hpp"

namespace sluice::net {

class Worker {
 public:
  /// `index` counts workers from 0; it also picks the worker's shard of each metric. `clock` is the wheel's.
  explicit Worker(std::size_t index, const Clock& clock = Clock::real());
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] asio::io_context& context() noexcept { return context_; }
  [[nodiscard]] Executor executor() noexcept { return context_.get_executor(); }
  [[nodiscard]] TimerWheel& wheel() noexcept { return wheel_; }
  [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
  /// The value of the Date header, made once a second.
  [[nodiscard]] std::string_view http_date();

 private:
  std::size_t index_;
  asio::io_context context_;
  BufferPool buffers_;
  TimerWheel wheel_;
  SteadyTime date_made_{};
  std::string date_;
};

}  // namespace sluice::net
