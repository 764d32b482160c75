#include <algorithm>
#include <unordered_map>

#include "sluice/base/codec.hpp"
#include "sluice/base/log.hpp"
#include "sluice/functions/local.hpp"
#include "sluice/functions/runtime.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/timer_wheel.hpp"

#include "functions/runtime/failure.hpp"
#include "functions/runtime/frame.hpp"
#include "functions/runtime/table.hpp"

namespace sluice::functions {
namespace runtime {
namespace {

/// A call whose deadline nobody set.
constexpr std::chrono::minutes default_deadline{10};
/// A process that died before it got an event is no reason to fail the event; so many of them in a row are.
constexpr int most_tries = 20;

Error late(std::string_view slug, std::string detail) {
  Error error = upstream_error(ErrorCode::deadline, std::move(detail));
  error.slug = slug;
  error.status = 504;
  error.message = "The function did not answer in time";
  return error;
}

/// This thread's side of a process: its socket, and the one event that may be on its way.
class Channel {
 public:
  Channel(net::Worker& worker, std::unique_ptr<net::Stream> stream, std::size_t answer_bytes)
      : worker_(worker),
        stream_(std::move(stream)),
        reader_(answer_bytes),
        timer_(worker.wheel(), &on_late, this) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() = default;

  enum class End : std::uint8_t {
    answered,
    not_sent,  ///< the process had ended before: no byte of the event reached it
    late,      ///< the deadline is over
    broken,    ///< what came is no frame, or not the answer to this event
    ended,     ///< the process ended, or closed the channel
  };
  /// Sends an event and waits for its answer, which is in reader() then.
  net::Awaitable<End> exchange(std::string_view head, std::string_view event, SteadyTime until,
                               const std::function<void()>& closed);
  [[nodiscard]] FrameReader& reader() noexcept { return reader_; }
  [[nodiscard]] bool running() const noexcept { return running_; }
  [[nodiscard]] const std::string& end_payload() const noexcept { return end_payload_; }
  void process_ended(const std::string& payload) {
    ended_ = true;
    end_payload_ = payload;
    waiter_.resume();
  }

 private:
  static void on_late(void* context) noexcept {
    auto& self = *static_cast<Channel*>(context);
    self.late_ = true;
    self.waiter_.resume();
  }
  static void on_ready(void* context, net::IoStatus /*status*/) noexcept {
    auto& self = *static_cast<Channel*>(context);
    self.ready_ = true;
    self.waiter_.resume();
  }
  net::Awaitable<std::optional<End>> send(std::string_view head, std::string_view event);
  net::Awaitable<End> receive(const std::function<void()>& closed);
  enum class Read : std::uint8_t { more, complete, malformed, closed };
  Read read();

  net::Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  FrameReader reader_;
  net::Timer timer_;
  net::Waiter waiter_;
  std::string header_;
  std::uint32_t id_ = 0;
  bool running_ = false;
  bool ready_ = false;
  bool late_ = false;
  bool ended_ = false;
  std::string end_payload_;
};

net::Awaitable<std::optional<Channel::End>> Channel::send(std::string_view head, std::string_view event) {
  header_.clear();
  append_frame_header(header_, FrameType::invoke, ++id_, head.size(), event.size());
  header_.append(head);
  std::array<net::asio::const_buffer, 2> parts{net::asio::buffer(header_), net::asio::buffer(event)};
  std::size_t sent_before = 0;
  while (parts[0].size() + parts[1].size() > 0) {
    const Result<std::size_t> sent = stream_->try_write(parts);
    if (sent.has_error()) {
      co_return sent_before == 0 ? End::not_sent : End::ended;
    }
    sent_before += sent.value();
    std::size_t left = sent.value();
    for (net::asio::const_buffer& part : parts) {
      const std::size_t step = std::min(left, part.size());
      part += step;
      left -= step;
    }
    if (sent.value() == 0) {
      ready_ = false;
      stream_->start_wait_writable(&Channel::on_ready, this);
      while (!ready_ && !late_ && !ended_) {
        co_await waiter_.wait();
      }
      if (late_ || ended_) {
        co_return late_ ? End::late : End::ended;
      }
    }
  }
  co_return std::nullopt;
}

Channel::Read Channel::read() {
  const net::BufferLease buffer = worker_.buffers().lease();
  for (;;) {
    const Result<std::optional<std::size_t>> got =
        stream_->try_read(net::asio::buffer(buffer.data(), buffer.size()));
    if (got.has_error()) {
      return Read::closed;
    }
    if (!got.value()) {
      return Read::more;
    }
    if (*got.value() == 0) {
      return Read::closed;
    }
    std::string_view bytes(buffer.data(), *got.value());
    const FrameReader::State state = reader_.feed(bytes);
    if (state == FrameReader::State::malformed) {
      return Read::malformed;
    }
    if (state == FrameReader::State::complete) {
      // Anything behind an answer is nothing that a worker sends.
      return bytes.empty() ? Read::complete : Read::malformed;
    }
    if (*got.value() < buffer.size()) {
      return Read::more;
    }
  }
}

net::Awaitable<Channel::End> Channel::receive(const std::function<void()>& closed) {
  bool waiting = false;
  bool open = true;
  for (;;) {
    if (open && !waiting) {
      ready_ = false;
      waiting = true;
      stream_->start_wait_readable(net::WaitMode::event, &Channel::on_ready, this);
    }
    while (!(ready_ && open) && !late_ && !ended_) {
      co_await waiter_.wait();
    }
    if (open && (ready_ || ended_)) {
      // What a process wrote before it ended counts.
      waiting = waiting && !ready_;
      switch (read()) {
        case Read::complete: {
          const bool fits = reader_.id() == id_ &&
                            (reader_.type() == FrameType::answer || reader_.type() == FrameType::error ||
                             reader_.type() == FrameType::fatal);
          co_return fits ? End::answered : End::broken;
        }
        case Read::malformed:
          co_return End::broken;
        case Read::closed:
          // Its status says why; it comes soon.
          open = false;
          closed();
          break;
        case Read::more:
          break;
      }
    }
    if (ended_ || late_) {
      co_return ended_ ? End::ended : End::late;
    }
  }
}

net::Awaitable<Channel::End> Channel::exchange(std::string_view head, std::string_view event,
                                               SteadyTime until, const std::function<void()>& closed) {
  running_ = true;
  late_ = false;
  reader_.reset();
  timer_.arm_at(until);
  std::optional<End> end = co_await send(head, event);
  if (!end || *end == End::ended) {
    end = co_await receive(closed);
  }
  timer_.disarm();
  running_ = false;
  co_return *end;
}

class ThreadFunctions final : public LocalFunctions, public ProcessListener {
 public:
  ThreadFunctions(net::Worker& worker, client::cloud::Credentials& credentials,
                  std::shared_ptr<const LocalTable> table)
      : worker_(worker), credentials_(credentials), table_(std::move(table)), listeners_(table_->listeners) {
    listeners_->add(worker_.executor(), *this);
  }
  ThreadFunctions(const ThreadFunctions&) = delete;
  ThreadFunctions& operator=(const ThreadFunctions&) = delete;
  ~ThreadFunctions() override { listeners_->remove(*this); }

  net::Awaitable<Result<LocalAnswer>> invoke(const LocalCall& call) override;
  void use(std::shared_ptr<const LocalTable> table) override { table_ = std::move(table); }
  [[nodiscard]] std::size_t busy() const noexcept override { return busy_; }
  void process_ended(std::uint64_t process, const std::string& payload) override {
    const auto found = channels_.find(process);
    if (found == channels_.end()) {
      return;
    }
    if (found->second->running()) {
      found->second->process_ended(payload);
    } else {
      channels_.erase(found);
    }
  }

 private:
  struct Busy {
    explicit Busy(std::size_t& its_count) : count(its_count) { ++count; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() { --count; }
    std::size_t& count;
  };
  /// Ends a wait in the queue at the request's deadline.
  struct QueueTimer {
    QueueTimer(net::TimerWheel& wheel, Pool& its_pool, PoolWaiter& its_waiter)
        : pool(its_pool), waiter(its_waiter), timer(wheel, &QueueTimer::on_time, this) {}
    static void on_time(void* context) noexcept {
      auto& self = *static_cast<QueueTimer*>(context);
      self.pool.give_up(self.waiter);
    }
    Pool& pool;
    PoolWaiter& waiter;
    net::Timer timer;
  };

  std::shared_ptr<Pool> find(const LocalCall& call) const;
  Channel* channel_of(WorkerProcess& process, std::size_t answer_bytes);
  std::string head_of(const LocalCall& call, Duration left_time,
                      const std::optional<client::cloud::IamToken>& token) const;
  net::Awaitable<std::optional<Error>> wait_for_process(const LocalCall& call, Pool& pool,
                                                        PoolWaiter& waiter);
  /// Nothing when the process had ended before it got the event.
  net::Awaitable<std::optional<Result<LocalAnswer>>> run_in(
      const LocalCall& call, Pool& pool, const WorkerProcessPtr& process,
      const std::optional<client::cloud::IamToken>& token);
  Result<LocalAnswer> take_answer(const LocalCall& call, Pool& pool, Channel& channel);
  void log_failure(const LocalCall& call, const std::string& payload) const;

  net::Worker& worker_;
  client::cloud::Credentials& credentials_;
  std::shared_ptr<const LocalTable> table_;
  std::shared_ptr<Listeners> listeners_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Channel>> channels_;
  std::size_t busy_ = 0;
};

std::shared_ptr<Pool> ThreadFunctions::find(const LocalCall& call) const {
  const LocalTable& table = call.table != nullptr ? *call.table : *table_;
  const auto found = table.pools.find(call.function_id);
  return found == table.pools.end() ? nullptr : found->second;
}

Channel* ThreadFunctions::channel_of(WorkerProcess& process, std::size_t answer_bytes) {
  if (const auto found = channels_.find(process.number()); found != channels_.end()) {
    return found->second.get();
  }
  const int descriptor = process.take_channel(worker_.index());
  if (descriptor < 0) {
    return nullptr;
  }
  auto stream = net::adopt_stream(worker_.executor(), descriptor);
  if (stream == nullptr) {
    return nullptr;
  }
  auto channel = std::make_unique<Channel>(worker_, std::move(stream), answer_bytes);
  return channels_.emplace(process.number(), std::move(channel)).first->second.get();
}

std::string ThreadFunctions::head_of(const LocalCall& call, Duration left_time,
                                     const std::optional<client::cloud::IamToken>& token) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(left_time);
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().system().time_since_epoch());
  std::string head = R"({"request_id":")";
  append_json_escaped(head, call.request_id);
  head.append(R"(","deadline_ms":)").append(std::to_string((now + left).count()));
  if (token) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(token->left).count();
    head.append(R"(,"token":{"access_token":")");
    append_json_escaped(head, token->value);
    head.append(R"(","expires_in":)").append(std::to_string(seconds)).append(R"(,"token_type":"Bearer"})");
  }
  head.push_back('}');
  return head;
}

net::Awaitable<std::optional<Error>> ThreadFunctions::wait_for_process(const LocalCall& call, Pool& pool,
                                                                       PoolWaiter& waiter) {
  switch (pool.acquire(waiter)) {
    case Pool::Outcome::got:
    case Pool::Outcome::failed:
      co_return std::nullopt;
    case Pool::Outcome::full: {
      pool.metrics().refused.add(worker_.index());
      Error error =
          upstream_error(ErrorCode::overloaded,
                         "limits.function_queue: too many events wait for the function " + pool.spec().id);
      error.slug = "function_queue_full";
      error.status = 429;
      error.message = "Too many calls of the function";
      co_return error;
    }
    case Pool::Outcome::queued:
      break;
  }
  QueueTimer timer(worker_.wheel(), pool, waiter);
  if (call.deadline) {
    timer.timer.arm_at(*call.deadline);
  }
  co_await waiter.wait();
  timer.timer.disarm();
  if (waiter.process == nullptr && !waiter.failure) {
    pool.metrics().timeout.add(worker_.index());
    co_return late("function_queue_timeout",
                   "no process of the function " + pool.spec().id + " became free within the request's time");
  }
  co_return std::nullopt;
}

void ThreadFunctions::log_failure(const LocalCall& call, const std::string& payload) const {
  const Failure failure = read_failure(payload);
  log::error("the function " + std::string(call.function_id) + " failed: " + failure.message,
             {{"function", call.function_id},
              {"request_id", call.request_id},
              {"error_type", failure.type},
              {"stack", failure.stack}});
}

Result<LocalAnswer> ThreadFunctions::take_answer(const LocalCall& call, Pool& pool, Channel& channel) {
  FrameReader& reader = channel.reader();
  FunctionMetrics& metrics = pool.metrics();
  if (reader.too_large()) {
    metrics.error.add(worker_.index());
    return upstream_error(ErrorCode::too_large,
                          "the function's answer is larger than limits.function_answer");
  }
  LocalAnswer answer;
  answer.failed = reader.type() != FrameType::answer;
  answer.payload = std::move(reader.body());
  (answer.failed ? metrics.error : metrics.ok).add(worker_.index());
  if (answer.failed) {
    log_failure(call, answer.payload);
  }
  return answer;
}

net::Awaitable<std::optional<Result<LocalAnswer>>> ThreadFunctions::run_in(
    const LocalCall& call, Pool& pool, const WorkerProcessPtr& process,
    const std::optional<client::cloud::IamToken>& token) {
  Channel* const channel = channel_of(*process, pool.answer_bytes());
  if (channel == nullptr) {
    pool.discard(process, KillReason::gone);
    co_return std::nullopt;
  }
  const SteadyTime began = worker_.wheel().exact_now();
  SteadyTime until = call.deadline.value_or(began + default_deadline);
  const bool own_timeout = pool.spec().timeout && began + *pool.spec().timeout < until;
  if (own_timeout) {
    until = began + *pool.spec().timeout;
  }
  const std::string head = head_of(call, until - began, token);
  // A channel that is closed while its process lives is as good as dead.
  const std::function<void()> closed = [&pool, &process] { pool.discard(process, KillReason::gone); };
  const Channel::End end = co_await channel->exchange(head, call.event, until, closed);
  FunctionMetrics& metrics = pool.metrics();
  const std::size_t shard = worker_.index();
  metrics.duration.observe(shard, std::chrono::duration<double>(worker_.wheel().exact_now() - began).count());
  std::optional<Result<LocalAnswer>> result;
  std::optional<KillReason> discarded = KillReason::gone;
  switch (end) {
    case Channel::End::answered:
      if (channel->reader().type() != FrameType::fatal) {
        discarded.reset();
      }
      result = take_answer(call, pool, *channel);
      break;
    case Channel::End::not_sent:
      break;
    case Channel::End::late:
      discarded = KillReason::spent;
      metrics.timeout.add(shard);
      log::warning("the function " + pool.spec().id + " did not answer in time; its process is killed",
                   {{"function", pool.spec().id}, {"request_id", call.request_id}});
      result = late("function_timeout", own_timeout ? "the function's timeout is over; its process was killed"
                                                    : "the request's time is over; the process was killed");
      break;
    case Channel::End::broken:
      discarded = KillReason::spent;
      metrics.crash.add(shard);
      result = LocalAnswer{true, failure_payload("ProtocolError",
                                                 "the function's process sent something that "
                                                 "is no answer")};
      break;
    case Channel::End::ended:
      metrics.crash.add(shard);
      result = LocalAnswer{true, channel->end_payload()};
      break;
  }
  if (discarded) {
    channels_.erase(process->number());
    pool.discard(process, *discarded);
  } else {
    pool.release(process);
  }
  co_return result;
}

net::Awaitable<Result<LocalAnswer>> ThreadFunctions::invoke(const LocalCall& call) {
  const std::shared_ptr<Pool> pool = find(call);
  if (pool == nullptr) {
    Error error = config_error("no function " + std::string(call.function_id) + " runs here any more");
    error.code = ErrorCode::not_found;
    error.status = 502;
    co_return error;
  }
  const Busy busy(busy_);
  std::optional<client::cloud::IamToken> token;
  if (const std::string& account = pool->spec().service_account; !account.empty()) {
    token = credentials_.cached_token(account);
    if (!token) {
      Result<client::cloud::IamToken> waited =
          co_await credentials_.iam_token(account, call.deadline, nullptr);
      if (waited.has_error()) {
        co_return waited.error();
      }
      token = std::move(waited.value());
    }
  }
  for (int tries = 0; tries < most_tries; ++tries) {
    PoolWaiter waiter(worker_.executor());
    const std::optional<Error> refused = co_await wait_for_process(call, *pool, waiter);
    if (refused) {
      co_return *refused;
    }
    if (waiter.failure) {
      pool->metrics().not_started.add(worker_.index());
      co_return LocalAnswer{true, std::move(*waiter.failure)};
    }
    std::optional<Result<LocalAnswer>> result = co_await run_in(call, *pool, waiter.process, token);
    if (result) {
      co_return std::move(*result);
    }
  }
  pool->metrics().crash.add(worker_.index());
  co_return LocalAnswer{
      true, failure_payload("ProcessEnded", "the function's processes end as soon as they start")};
}

class NoFunctions final : public LocalFunctions {
 public:
  net::Awaitable<Result<LocalAnswer>> invoke(const LocalCall& call) override {
    Error error = config_error("no function " + std::string(call.function_id) + " runs here");
    error.code = ErrorCode::not_found;
    error.status = 502;
    co_return error;
  }
  void use(std::shared_ptr<const LocalTable> /*table*/) override {}
  [[nodiscard]] std::size_t busy() const noexcept override { return 0; }
};

}  // namespace

void Listeners::add(net::Executor executor, ProcessListener& listener) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(executor), &listener});
}

void Listeners::remove(ProcessListener& listener) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.listener == &listener; });
}

void Listeners::tell_ended(std::uint64_t process, const std::string& payload) {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    // The listener lives as long as its thread runs.
    net::asio::post(entry.executor, [listener = entry.listener, process, payload] {
      listener->process_ended(process, payload);
    });
  }
}

}  // namespace runtime

LocalFunctions& no_local_functions() {
  static runtime::NoFunctions none;
  return none;
}

std::unique_ptr<LocalFunctions> make_local_functions(net::Worker& worker,
                                                     client::cloud::Credentials& credentials,
                                                     std::shared_ptr<const LocalTable> table) {
  return std::make_unique<runtime::ThreadFunctions>(worker, credentials, std::move(table));
}

}  // namespace sluice::functions
