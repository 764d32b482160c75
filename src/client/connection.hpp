/// One connection to an upstream: the stream, what may end a call on it, and the wait that goes on while it
/// is idle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "sluice/base/result.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/timer_wheel.hpp"
#include "sluice/net/waiter.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::client {

class Pool;
class Connection;
using ConnectionPtr = boost::intrusive_ptr<Connection>;

/// Why a connection was given up while somebody waited on it.
enum class Abort : std::uint8_t { none, read_timeout, deadline, cancelled, body_failed };

/// A wait for bytes goes on for as long as the connection is idle: it tells of a FIN, a reset or bytes that
/// nobody asked for at once, and becomes the wait for the next answer. So an exchange costs one send and one
/// receive, and a stale connection is hardly ever chosen. No buffer is held meanwhile.
///
/// Held by the pool (idle) or one call (busy), and by the coroutine that sends the call's body.
/// Single-threaded.
class Connection : public boost::intrusive_ref_counter<Connection, boost::thread_unsafe_counter> {
 public:
  Connection(net::Worker& worker, std::unique_ptr<net::Stream> stream, std::uint64_t generation);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  /// From busy to idle. `owner` is told (on_idle_end) when it must go.
  void make_idle(Pool& owner, Duration idle_timeout);
  /// From idle to busy.
  void make_busy() noexcept;
  /// Whether the peer has closed it, asked from the kernel (one system call; plain connections only). The
  /// wait misses a FIN that came together with the last answer.
  [[nodiscard]] bool peer_has_closed() const noexcept;
  /// How long it has been idle.
  [[nodiscard]] Duration idle_time() const noexcept { return worker_.wheel().now() - idle_since_; }
  /// Ends everything that waits on it.
  void close(bool reset = false) noexcept;

  /// While busy: what may end the call. `silence` is the longest time without a byte, counted between
  /// watch_silence() and unwatch().
  void begin_call(Duration silence, std::optional<SteadyTime> deadline, net::CancelToken* cancel);
  void end_call() noexcept;
  /// The head has come: only silence and the token count from here.
  void drop_deadline() noexcept { deadline_.reset(); }
  void watch_silence() noexcept;
  /// Only the deadline counts.
  void watch_deadline() noexcept;
  void unwatch() noexcept { timer_.disarm(); }
  /// Closes, and tells whoever waits why.
  void abort(Abort why) noexcept;
  [[nodiscard]] Abort aborted() const noexcept { return abort_; }
  /// The error of a call that was aborted.
  [[nodiscard]] Error abort_error() const;

  /// Bytes that are there; nullopt when there are none; 0 is the peer's clean end. Errors: closed, and that
  /// of an abort.
  Result<std::optional<std::size_t>> try_read(net::asio::mutable_buffer target);
  /// To wait for bytes: start_wait(), and unless wait_over() holds co_await wait_readable(). It may end for
  /// nothing.
  void start_wait();
  [[nodiscard]] bool wait_over() const noexcept { return !waiting_; }
  [[nodiscard]] net::Waiter::Suspend wait_readable() noexcept { return arrival_.wait(); }

  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }
  [[nodiscard]] net::Worker& worker() noexcept { return worker_; }
  [[nodiscard]] bool is_open() const noexcept { return state_ != State::closed; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// Whether it has carried an exchange before the present one.
  [[nodiscard]] bool reused() const noexcept { return exchanges_ > 0; }
  /// Whether it has carried several: the upstream keeps its connections.
  [[nodiscard]] bool kept() const noexcept { return exchanges_ > 1; }

 private:
  enum class State : std::uint8_t { busy, idle, closed };

  static void on_readable(void* context, net::IoStatus status) noexcept;
  static void on_timer(void* context) noexcept;
  static void on_cancel(void* context) noexcept;

  net::Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  net::Timer timer_;
  std::optional<net::CancelHook> hook_;
  net::CancelToken* token_ = nullptr;
  std::optional<SteadyTime> deadline_;
  Duration silence_{};
  Duration idle_timeout_{};
  SteadyTime idle_since_;
  Pool* owner_ = nullptr;
  net::Waiter arrival_;
  std::uint64_t generation_;
  std::uint64_t exchanges_ = 0;  // that have ended well
  State state_ = State::busy;
  Abort abort_ = Abort::none;
  bool waiting_ = false;
  bool happened_ = false;  // an event came that nobody has looked after yet
  bool looked_ = false;    // peer_has_closed() was asked in this idle time
};

}  // namespace sluice::client
