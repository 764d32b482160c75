#include "functions/runtime/pool.hpp"

#include <unistd.h>

#include <algorithm>

#include <boost/asio/post.hpp>

#include "sluice/base/digest.hpp"

namespace sluice::functions::runtime {
namespace {

constexpr std::chrono::milliseconds first_back_off{100};
constexpr std::chrono::seconds longest_back_off{5};
constexpr unsigned most_lost_starts = 5;

Counter& invocations(MetricsRegistry& registry, const std::string& id, const char* result) {
  return registry.counter("sluice_function_invocations_total",
                          "Invocations of local functions, by what came of them.", {"function", "result"},
                          {id, result});
}

/// A definition's name: the same as long as the function's configuration is.
std::string version_of(const FunctionSpec& spec) {
  std::string text =
      spec.id + '\0' + spec.handler + '\0' + spec.directory + '\0' + std::to_string(spec.memory);
  for (const auto& [name, value] : spec.environment) {
    text.append(1, '\0').append(name).append(1, '=').append(value);
  }
  return sha256_hex(text).substr(0, 20);
}

}  // namespace

FunctionMetrics::FunctionMetrics(MetricsRegistry& registry, const std::string& id)
    : ok(invocations(registry, id, "ok")),
      error(invocations(registry, id, "error")),
      crash(invocations(registry, id, "crash")),
      timeout(invocations(registry, id, "timeout")),
      refused(invocations(registry, id, "refused")),
      not_started(invocations(registry, id, "not_started")),
      crashes(registry.counter("sluice_function_crashes_total",
                               "Processes of local functions that ended by themselves, or for their memory.",
                               {"function"}, {id})),
      duration(registry.histogram("sluice_function_duration_seconds",
                                  "From the event's way to the process to its answer, without waiting.",
                                  {"function"}, {id})),
      cold_start(registry.histogram("sluice_function_cold_start_seconds",
                                    "From the start of a process to its handler being loaded.", {"function"},
                                    {id})) {}

WorkerProcess::~WorkerProcess() {
  for (const int channel : channels_) {
    if (channel >= 0) {
      ::close(channel);
    }
  }
}

Pool::Pool(FunctionSpec spec, RuntimeSettings settings, PoolEvents events, MetricsRegistry& metrics)
    : spec_(std::move(spec)),
      version_(version_of(spec_)),
      events_(std::move(events)),
      metrics_(metrics, spec_.id),
      answer_bytes_(settings.answer_bytes),
      queue_most_(settings.queue) {}

void Pool::configure(const RuntimeSettings& settings) noexcept {
  answer_bytes_ = settings.answer_bytes;
  const std::lock_guard lock(mutex_);
  queue_most_ = settings.queue;
}

bool Pool::may_want() const noexcept {
  return !asked_ && starting_ < waiters_.size() && starting_ + idle_.size() + busy_.size() < spec_.processes;
}

void Pool::want(std::unique_lock<std::mutex>& lock) {
  const bool ask = may_want();
  asked_ = asked_ || ask;
  lock.unlock();
  if (ask) {
    events_.wanted(shared_from_this());
  }
}

Pool::Outcome Pool::acquire(PoolWaiter& waiter) {
  std::unique_lock lock(mutex_);
  if (!idle_.empty()) {
    waiter.process = std::move(idle_.back());
    idle_.pop_back();
    waiter.process->state_ = WorkerProcess::State::busy;
    busy_.push_back(waiter.process);
    return Outcome::got;
  }
  const bool alone = busy_.empty() && starting_ == 0;
  if (failure_ && alone && Clock::real().steady() < not_before_) {
    waiter.failure = *failure_;
    return Outcome::failed;
  }
  // Who can be served by a process yet to start stands in nobody's way.
  const std::size_t room = spec_.processes - std::min(spec_.processes, busy_.size());
  if (waiters_.size() >= queue_most_ + room) {
    return Outcome::full;
  }
  waiters_.push_back(waiter);
  want(lock);
  return Outcome::queued;
}

void Pool::serve(PoolWaiter& waiter) {
  net::asio::post(waiter.executor_, [&waiter] { waiter.waiter_.resume(); });
}

void Pool::give_up(PoolWaiter& waiter) {
  {
    const std::lock_guard lock(mutex_);
    if (!waiter.is_linked()) {
      return;
    }
    waiters_.erase(waiters_.iterator_to(waiter));
  }
  serve(waiter);
}

void Pool::release(const WorkerProcessPtr& process) {
  {
    const std::lock_guard lock(mutex_);
    if (process->state_ != WorkerProcess::State::busy) {
      return;  // it has ended meanwhile
    }
    failures_ = 0;
    if (!process->doomed_ && !waiters_.empty()) {
      PoolWaiter& next = waiters_.front();
      waiters_.pop_front();
      next.process = process;
      serve(next);
      return;
    }
    if (!process->doomed_ && !retired_) {
      std::erase(busy_, process);
      process->state_ = WorkerProcess::State::idle;
      idle_.push_back(process);
      return;
    }
    process->doomed_ = true;
  }
  events_.kill(process->number(), KillReason::unused);
}

void Pool::discard(const WorkerProcessPtr& process, KillReason reason) {
  {
    // It counts as busy until it has ended, so that there are never more processes than allowed.
    const std::lock_guard lock(mutex_);
    process->doomed_ = true;
  }
  events_.kill(process->number(), reason);
}

void Pool::back_off(SteadyTime now) {
  ++failures_;
  // The first replacement comes at once.
  const unsigned doublings = std::min(failures_ - 1, 16U);
  Duration wait = failures_ <= 1 ? Duration(0) : Duration(first_back_off) * (1U << (doublings - 1));
  wait = std::min<Duration>(wait, longest_back_off);
  not_before_ = std::max(not_before_, now + wait);
}

std::size_t Pool::to_start(SteadyTime now, Duration& wait) {
  const std::lock_guard lock(mutex_);
  asked_ = false;
  wait = Duration(0);
  if (!may_want()) {
    return 0;
  }
  if (now < not_before_) {
    wait = not_before_ - now;
    asked_ = true;
    return 0;
  }
  const std::size_t room = spec_.processes - (starting_ + idle_.size() + busy_.size());
  // After a failure one process shows whether it is mended.
  const std::size_t most = failures_ > 1 ? 1 : room;
  const std::size_t count = std::min({most, waiters_.size() - starting_, room});
  starting_ += count;
  return count;
}

void Pool::started(const WorkerProcessPtr& process) {
  bool kill = false;
  {
    const std::lock_guard lock(mutex_);
    starting_ -= std::min<std::size_t>(starting_, 1);
    lost_starts_ = 0;
    if (process->generation_ == generation_) {
      failure_.reset();
      last_failure_.clear();
    }
    kill = process->generation_ != generation_ || (retired_ && waiters_.empty());
    if (kill) {
      process->doomed_ = true;
      busy_.push_back(process);
    } else if (!waiters_.empty()) {
      PoolWaiter& next = waiters_.front();
      waiters_.pop_front();
      next.process = process;
      busy_.push_back(process);
      serve(next);
    } else {
      process->state_ = WorkerProcess::State::idle;
      idle_.push_back(process);
    }
  }
  if (kill) {
    events_.kill(process->number(), KillReason::unused);
  }
}

void Pool::fail_waiters(const std::string& payload) {
  while (!waiters_.empty()) {
    PoolWaiter& next = waiters_.front();
    waiters_.pop_front();
    next.failure = payload;
    serve(next);
  }
}

bool Pool::start_failed(std::uint64_t generation, std::string payload, SteadyTime now) {
  std::unique_lock lock(mutex_);
  starting_ -= std::min<std::size_t>(starting_, 1);
  if (generation != generation_) {
    want(lock);  // what failed is mended, perhaps
    return false;
  }
  ++failures_;  // and once more below: what cannot start is not replaced at once
  back_off(now);
  const bool news = payload != last_failure_;
  last_failure_ = payload;
  failure_ = std::move(payload);
  if (busy_.empty() && idle_.empty() && starting_ == 0) {
    fail_waiters(*failure_);
  }
  return news;
}

bool Pool::start_lost(SteadyTime now) {
  std::unique_lock lock(mutex_);
  if (++lost_starts_ > most_lost_starts) {
    return false;
  }
  starting_ -= std::min<std::size_t>(starting_, 1);
  back_off(now);
  want(lock);
  return true;
}

void Pool::ended(const WorkerProcessPtr& process, bool expected, SteadyTime now) {
  std::unique_lock lock(mutex_);
  process->state_ = WorkerProcess::State::ended;
  std::erase(busy_, process);
  std::erase(idle_, process);
  if (!expected) {
    back_off(now);
  }
  want(lock);
}

std::vector<WorkerProcessPtr> Pool::doom_idle() {
  std::vector<WorkerProcessPtr> unused(idle_.begin(), idle_.end());
  for (const WorkerProcessPtr& process : unused) {
    process->doomed_ = true;
    process->state_ = WorkerProcess::State::busy;
    busy_.push_back(process);
  }
  idle_.clear();
  return unused;
}

void Pool::kill_all(const std::vector<WorkerProcessPtr>& processes) {
  for (const WorkerProcessPtr& process : processes) {
    events_.kill(process->number(), KillReason::unused);
  }
}

void Pool::retire() {
  std::unique_lock lock(mutex_);
  retired_ = true;
  const std::vector<WorkerProcessPtr> unused = doom_idle();
  lock.unlock();
  kill_all(unused);
}

void Pool::restart() {
  std::unique_lock lock(mutex_);
  ++generation_;
  failures_ = 0;
  not_before_ = {};
  failure_.reset();
  last_failure_.clear();
  for (const WorkerProcessPtr& process : busy_) {
    process->doomed_ = true;
  }
  const std::vector<WorkerProcessPtr> unused = doom_idle();
  lock.unlock();
  kill_all(unused);
}

void Pool::stop(const std::string& payload) {
  retire();
  const std::lock_guard lock(mutex_);
  fail_waiters(payload);
}

std::uint64_t Pool::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

bool Pool::finished() const {
  const std::lock_guard lock(mutex_);
  return retired_ && idle_.empty() && busy_.empty() && starting_ == 0 && waiters_.empty();
}

Pool::Counts Pool::counts() const {
  const std::lock_guard lock(mutex_);
  return {starting_, idle_.size(), busy_.size(), waiters_.size()};
}

}  // namespace sluice::functions::runtime
