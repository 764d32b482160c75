/// The processes of one function, and who may use them: one event at a time a process, more wait in order.
///
/// Shared by all worker threads and the control thread, under one mutex that is held for a few instructions.
/// A thread that finds an idle process needs no message to another.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "sluice/base/clock.hpp"
#include "sluice/base/metrics.hpp"
#include "sluice/functions/runtime.hpp"
#include "sluice/net/awaitable.hpp"
#include "sluice/net/waiter.hpp"

namespace sluice::functions::runtime {

/// A worker process as its users see it.
class WorkerProcess {
 public:
  /// `channels`: our end of one socket for each worker thread.
  WorkerProcess(std::uint64_t number, std::uint64_t generation, std::vector<int> channels)
      : number_(number), generation_(generation), channels_(std::move(channels)) {}
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// Pool::generation() when it was started.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// The thread's own socket, which is the caller's from now on; -1 when it was taken. From that thread only.
  int take_channel(std::size_t thread) noexcept { return std::exchange(channels_.at(thread), -1); }

 private:
  friend class Pool;
  std::uint64_t number_;
  std::uint64_t generation_;
  std::vector<int> channels_;
  // Under the pool's mutex:
  enum class State : std::uint8_t { idle, busy, ended };
  State state_ = State::busy;
  bool doomed_ = false;  ///< ends when it becomes free
};

using WorkerProcessPtr = std::shared_ptr<WorkerProcess>;

/// Counted where it happens, each thread in its shard.
struct FunctionMetrics {
  FunctionMetrics(MetricsRegistry& registry, const std::string& id);
  Counter& ok;
  Counter& error;
  Counter& crash;
  Counter& timeout;
  Counter& refused;
  Counter& not_started;
  Counter& crashes;
  Histogram& duration;
  Histogram& cold_start;
};

class Pool;

/// Why a process is no longer used.
enum class KillReason : std::uint8_t {
  unused,  ///< nobody needs it: it may take a moment to end
  spent,   ///< it does not answer, or cannot be trusted
  gone,    ///< it has ended or is about to, by itself
};

/// What a pool asks of the control thread. Thread-safe: each posts.
struct PoolEvents {
  /// Somebody waits and there may be room for one more process.
  std::function<void(const std::shared_ptr<Pool>& pool)> wanted;
  std::function<void(std::uint64_t process, KillReason reason)> kill;
};

/// Somebody who waits for a process. On the frame of its coroutine.
class PoolWaiter : public boost::intrusive::list_base_hook<> {
 public:
  explicit PoolWaiter(net::Executor executor) : executor_(std::move(executor)) {}
  PoolWaiter(const PoolWaiter&) = delete;
  PoolWaiter& operator=(const PoolWaiter&) = delete;
  ~PoolWaiter() = default;

  /// What to co_await after Pool::acquire said queued.
  [[nodiscard]] net::Waiter::Suspend wait() noexcept { return waiter_.wait(); }
  /// Set when it goes on: one of the two, or neither after Pool::give_up.
  WorkerProcessPtr process;
  std::optional<std::string> failure;  ///< the payload of a failed start

 private:
  friend class Pool;
  net::Executor executor_;
  net::Waiter waiter_;
};

/// Thread-safe.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(FunctionSpec spec, RuntimeSettings settings, PoolEvents events, MetricsRegistry& metrics);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() = default;

  [[nodiscard]] const FunctionSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  FunctionMetrics& metrics() noexcept { return metrics_; }
  [[nodiscard]] std::size_t answer_bytes() const noexcept { return answer_bytes_; }
  void configure(const RuntimeSettings& settings) noexcept;

  enum class Outcome : std::uint8_t { got, queued, full, failed };
  /// got: waiter.process; failed: waiter.failure; queued: co_await waiter.wait().
  Outcome acquire(PoolWaiter& waiter);
  /// The waiter's time is over, or it is not wanted any more: it goes on with neither process nor failure.
  /// Does nothing when it was served already. From its own thread.
  void give_up(PoolWaiter& waiter);
  /// After an answer: for the next one.
  void release(const WorkerProcessPtr& process);
  /// It will not be used again; may be called twice.
  void discard(const WorkerProcessPtr& process, KillReason reason);

  // From the control thread:
  /// How many processes to start now; as many count as starting from here on. With back-off, `wait` says how
  /// long to wait before asking again.
  std::size_t to_start(SteadyTime now, Duration& wait);
  void started(const WorkerProcessPtr& process);
  /// `payload`: what callers are told. Returns whether it is another mistake than the last one.
  bool start_failed(std::uint64_t generation, std::string payload, SteadyTime now);
  /// Something ended the process before it could say anything: tried again without a word, some times in a
  /// row. False: it was too often, and counts as start_failed() now.
  bool start_lost(SteadyTime now);
  /// A process that was started has ended; `expected`: it was asked to.
  void ended(const WorkerProcessPtr& process, bool expected, SteadyTime now);
  /// Counts restarts.
  [[nodiscard]] std::uint64_t generation() const;
  /// No new work: idle processes are killed now, the others when nobody waits for them.
  void retire();
  /// All processes are replaced as they become free (their files changed); a failed start is forgotten.
  void restart();
  /// Idle processes are killed, waiters go on with a failure.
  void stop(const std::string& payload);
  [[nodiscard]] bool finished() const;

  struct Counts {
    std::size_t starting = 0;
    std::size_t idle = 0;
    std::size_t busy = 0;
    std::size_t waiting = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  using Waiters = boost::intrusive::list<PoolWaiter>;
  void serve(PoolWaiter& waiter);
  void fail_waiters(const std::string& payload);
  void back_off(SteadyTime now);
  /// Idle processes become busy and doomed; to be killed without the lock.
  std::vector<WorkerProcessPtr> doom_idle();
  void kill_all(const std::vector<WorkerProcessPtr>& processes);
  [[nodiscard]] bool may_want() const noexcept;
  /// Asks the control thread for a process, where that makes sense. Without the lock.
  void want(std::unique_lock<std::mutex>& lock);

  const FunctionSpec spec_;
  std::string version_;
  PoolEvents events_;
  FunctionMetrics metrics_;
  std::atomic<std::size_t> answer_bytes_;
  mutable std::mutex mutex_;
  std::size_t queue_most_;
  std::deque<WorkerProcessPtr> idle_;  ///< the one that was used last at the back
  std::vector<WorkerProcessPtr> busy_;
  std::size_t starting_ = 0;
  Waiters waiters_;
  bool asked_ = false;  ///< `wanted` is on its way
  bool retired_ = false;
  std::uint64_t generation_ = 0;
  unsigned lost_starts_ = 0;  ///< since the last process that started
  unsigned failures_ = 0;     ///< starts and runs that failed since the last answer
  SteadyTime not_before_{};
  std::optional<std::string> failure_;
  std::string last_failure_;
};

}  // namespace sluice::functions::runtime
