#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <unordered_map>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "sluice/base/codec.hpp"
#include "sluice/base/log.hpp"
#include "sluice/base/temporary_folder.hpp"
#include "sluice/functions/runtime.hpp"
#include "sluice/net/process.hpp"
#include "sluice/net/stream.hpp"

#include "functions/runtime/failure.hpp"
#include "functions/runtime/frame.hpp"
#include "functions/runtime/launch.hpp"
#include "functions/runtime/table.hpp"

namespace sluice::functions {
namespace runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds memory_look{200};
constexpr std::chrono::seconds stop_grace{1};
/// A process that says it ends does so by itself.
constexpr std::chrono::milliseconds end_grace{500};
constexpr std::size_t control_frame_bytes = std::size_t{256} << 10U;
constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
/// Separates a line of output from the request that it belongs to (docs/worker-protocol.md).
constexpr char line_mark = '\x1e';
constexpr std::size_t longest_request_id = 128;

/// A process from its start to its end, as the control thread sees it.
struct Running {
  Running(net::TimerWheel& wheel, net::Timer::Callback too_late, net::Timer::Callback at_the_end,
          std::size_t control_bytes)
      : reader(control_bytes), start_timer(wheel, too_late, this), end_timer(wheel, at_the_end, this) {}
  std::shared_ptr<Pool> pool;
  WorkerProcessPtr process;
  TemporaryFolder temporary;  ///< goes after the process that may still write there
  std::unique_ptr<net::ChildProcess> child;
  std::shared_ptr<net::Stream> control;
  FrameReader reader;
  net::Timer start_timer;
  net::Timer end_timer;
  SteadyTime began{};
  bool ready = false;
  bool expected = false;   ///< it was asked to end
  bool too_slow = false;   ///< it was not ready in time
  std::uint64_t over = 0;  ///< bytes that it held when it was killed for them
  bool heap_full = false;  ///< V8 said so
  std::optional<std::string> start_failure;
  client::cloud::WorkloadGrant grant;
  class Runtime* runtime = nullptr;
};

class Runtime final : public LocalRuntime {
 public:
  Runtime(net::Worker& control, std::size_t threads, MetricsRegistry& metrics,
          client::cloud::WorkloadTokens& tokens)
      : control_(control),
        threads_(threads),
        metrics_(metrics),
        tokens_(tokens),
        listeners_(std::make_shared<Listeners>()),
        memory_timer_(control.wheel(), &Runtime::on_memory_time, this) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime() override {
    *alive_ = false;
    Runtime::stop();
    drop_gauges();
  }

  std::shared_ptr<const LocalTable> use(const std::vector<FunctionSpec>& functions,
                                        const RuntimeSettings& settings) override;
  [[nodiscard]] std::vector<std::string> files() const override;
  void restart_changed() override;
  void stop() override;

 private:
  using FileStates = std::vector<std::pair<std::string, std::int64_t>>;
  static void on_memory_time(void* self) noexcept { static_cast<Runtime*>(self)->look_at_memory(); }
  static void on_start_time(void* running) noexcept;
  static void on_end_time(void* running) noexcept {
    static_cast<Running*>(running)->child->signal_group(SIGKILL);
  }
  static net::Awaitable<void> consider_later(Runtime& self, std::shared_ptr<bool> alive,
                                             std::shared_ptr<Pool> pool, Duration wait);
  static net::Awaitable<void> read_control(Runtime& self, std::shared_ptr<bool> alive, std::uint64_t number,
                                           std::shared_ptr<net::Stream> stream);

  PoolEvents pool_events();
  void consider(const std::shared_ptr<Pool>& pool);
  void start_one(const std::shared_ptr<Pool>& pool);
  /// Starts the program. Errors: what callers and the log are told.
  Result<void> launch(Running& running, std::uint64_t number);
  void on_line(Running& running, net::OutputStream stream, std::string_view line);
  void on_frame(Running& running);
  void on_exit(std::uint64_t number, const net::ExitStatus& status);
  void start_failed(const std::shared_ptr<Pool>& pool, std::uint64_t generation, const std::string& payload);
  void kill(std::uint64_t number, KillReason reason);
  void look_at_memory();
  void add_gauges(const std::string& id);
  void drop_gauges();
  static FileStates states_of(const FunctionSpec& spec);

  net::Worker& control_;
  std::size_t threads_;
  MetricsRegistry& metrics_;
  client::cloud::WorkloadTokens& tokens_;
  std::shared_ptr<Listeners> listeners_;
  RuntimeSettings settings_;
  std::shared_ptr<const LocalTable> table_;
  std::vector<std::weak_ptr<Pool>> retired_;  ///< of earlier tables: requests may still wait there
  std::map<std::string, FileStates> file_states_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Running>> running_;
  std::uint64_t last_number_ = 0;
  net::Timer memory_timer_;
  bool stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::shared_ptr<const LocalTable> Runtime::use(const std::vector<FunctionSpec>& functions,
                                               const RuntimeSettings& settings) {
  settings_ = settings;
  auto table = std::make_shared<LocalTable>();
  table->listeners = listeners_;
  drop_gauges();
  for (const FunctionSpec& spec : functions) {
    std::shared_ptr<Pool>& pool = table->pools[spec.id];
    if (table_ != nullptr) {
      if (const auto found = table_->pools.find(spec.id);
          found != table_->pools.end() && found->second->spec() == spec) {
        pool = found->second;
        pool->configure(settings);
        continue;
      }
    }
    pool = std::make_shared<Pool>(spec, settings, pool_events(), metrics_);
    file_states_[spec.id] = states_of(spec);
  }
  if (table_ != nullptr) {
    for (const auto& [id, pool] : table_->pools) {
      const auto kept = table->pools.find(id);
      if (kept == table->pools.end() || kept->second != pool) {
        pool->retire();
        std::erase_if(retired_, [](const auto& one) { return one.expired(); });
        retired_.push_back(pool);
      }
    }
  }
  table_ = table;
  for (const auto& [id, pool] : table_->pools) {
    add_gauges(id);
  }
  return table_;
}

PoolEvents Runtime::pool_events() {
  const net::Executor home = control_.executor();
  Runtime* const self = this;
  PoolEvents events;
  events.wanted = [home, self, alive = alive_](const std::shared_ptr<Pool>& pool) {
    net::asio::post(home, [self, alive, pool] {
      if (*alive) {
        self->consider(pool);
      }
    });
  };
  events.kill = [home, self, alive = alive_](std::uint64_t number, KillReason reason) {
    net::asio::post(home, [self, alive, number, reason] {
      if (*alive) {
        self->kill(number, reason);
      }
    });
  };
  return events;
}

net::Awaitable<void> Runtime::consider_later(Runtime& self, std::shared_ptr<bool> alive,
                                             std::shared_ptr<Pool> pool, Duration wait) {
  const bool slept = co_await self.control_.wheel().sleep(wait);
  if (slept && *alive) {
    self.consider(pool);
  }
}

void Runtime::consider(const std::shared_ptr<Pool>& pool) {
  if (stopped_) {
    pool->stop(failure_payload("Stopping", "the daemon is stopping"));
    return;
  }
  Duration wait{};
  const std::size_t count = pool->to_start(Clock::real().steady(), wait);
  if (wait > Duration(0)) {
    net::asio::co_spawn(control_.executor(), consider_later(*this, alive_, pool, wait), net::asio::detached);
    return;
  }
  for (std::size_t started = 0; started < count; ++started) {
    start_one(pool);
  }
}

Result<void> Runtime::launch(Running& running, std::uint64_t number) {
  const FunctionSpec& spec = running.pool->spec();
  const Result<Handler> handler = resolve_handler(spec.language, spec.directory, spec.handler);
  if (handler.has_error()) {
    return handler.error();
  }
  const Result<std::string> interpreter = find_interpreter(spec.language);
  if (interpreter.has_error()) {
    return interpreter.error();
  }
  Result<TemporaryFolder> temporary = TemporaryFolder::create("sluice-function");
  if (temporary.has_error()) {
    return temporary.error();
  }
  running.temporary = std::move(temporary.value());
  if (!spec.service_account.empty()) {
    if (Result<std::string> address = tokens_.issue(spec.service_account); address.has_value()) {
      running.grant = client::cloud::WorkloadGrant(tokens_, std::move(address.value()));
    }
  }
  const LaunchInput input{.spec = spec,
                          .handler = handler.value(),
                          .version = running.pool->version(),
                          .interpreter = interpreter.value(),
                          .temporary = running.temporary.path(),
                          .metadata_address = running.grant.address(),
                          .channels = threads_};
  net::ProcessOptions options = launch_options(input);

  std::vector<int> ours;
  std::vector<int> theirs;
  const auto close_all = [](std::vector<int>& descriptors) {
    for (const int descriptor : descriptors) {
      ::close(descriptor);
    }
    descriptors.clear();
  };
  for (std::size_t index = 0; index <= threads_; ++index) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
      const int failed = errno;
      close_all(ours);
      close_all(theirs);
      return internal_error(std::string("no socket for a process: ") + std::strerror(failed));
    }
    ours.push_back(pair[0]);
    theirs.push_back(pair[1]);
  }
  // The worker's source comes by standard input: nothing lies in the file system that somebody could change.
  const std::string_view source = worker_source(spec.language);
  const int script = ::memfd_create("sluice-worker", MFD_CLOEXEC);
  const bool written = script >= 0 &&
                       ::write(script, source.data(), source.size()) == static_cast<ssize_t>(source.size()) &&
                       ::lseek(script, 0, SEEK_SET) == 0;
  options.descriptors = theirs;
  options.standard_input = script;
  net::ProcessEvents events;
  events.line = [this, at = &running](net::OutputStream stream, std::string_view line) {
    on_line(*at, stream, line);
  };
  events.exited = [this, number](const net::ExitStatus& status) { on_exit(number, status); };
  Result<std::unique_ptr<net::ChildProcess>> child =
      written ? net::ChildProcess::start(control_, options, std::move(events))
              : Result<std::unique_ptr<net::ChildProcess>>(
                    internal_error("no memory file for the worker's source"));
  if (script >= 0) {
    ::close(script);
  }
  close_all(theirs);
  if (child.has_error()) {
    close_all(ours);
    return child.error();
  }
  running.child = std::move(child.value());
  running.control = net::adopt_stream(control_.executor(), ours.front());
  ours.erase(ours.begin());
  if (running.control == nullptr) {
    close_all(ours);
    return internal_error("no channel to a process");
  }
  running.process = std::make_shared<WorkerProcess>(number, running.pool->generation(), std::move(ours));
  return {};
}

void Runtime::start_one(const std::shared_ptr<Pool>& pool) {
  const std::uint64_t number = ++last_number_;
  auto owned = std::make_unique<Running>(control_.wheel(), &Runtime::on_start_time, &Runtime::on_end_time,
                                         control_frame_bytes);
  Running& running = *owned;
  running.pool = pool;
  running.runtime = this;
  running.began = Clock::real().steady();
  const Result<void> launched = launch(running, number);
  if (launched.has_error()) {
    start_failed(pool, pool->generation(), failure_payload("CannotStart", launched.error().detail));
    return;
  }
  const std::shared_ptr<net::Stream> stream = running.control;
  running_.emplace(number, std::move(owned));
  running.start_timer.arm(settings_.start_timeout);
  if (!memory_timer_.armed()) {
    memory_timer_.arm(memory_look);
  }
  net::asio::co_spawn(control_.executor(), read_control(*this, alive_, number, stream), net::asio::detached);
}

void Runtime::on_start_time(void* context) noexcept {
  auto& running = *static_cast<Running*>(context);
  running.too_slow = true;
  running.child->signal_group(SIGKILL);
}

net::Awaitable<void> Runtime::read_control(Runtime& self, std::shared_ptr<bool> alive, std::uint64_t number,
                                           std::shared_ptr<net::Stream> stream) {
  std::array<char, 4096> block{};
  for (;;) {
    const Result<std::size_t> got = co_await stream->read_some(net::asio::buffer(block));
    if (!*alive) {
      co_return;
    }
    const auto again = self.running_.find(number);
    if (again == self.running_.end() || got.has_error() || got.value() == 0) {
      co_return;
    }
    Running& running = *again->second;
    std::string_view bytes(block.data(), got.value());
    while (!bytes.empty()) {
      const FrameReader::State state = running.reader.feed(bytes);
      if (state == FrameReader::State::malformed || running.ready) {
        running.child->signal_group(SIGKILL);
        co_return;
      }
      if (state == FrameReader::State::complete) {
        self.on_frame(running);
        running.reader.reset();
      }
    }
  }
}

void Runtime::on_frame(Running& running) {
  if (running.reader.type() == FrameType::ready) {
    running.ready = true;
    running.start_timer.disarm();
    const double seconds = std::chrono::duration<double>(Clock::real().steady() - running.began).count();
    running.pool->metrics().cold_start.observe(metrics_.control_shard(), seconds);
    log::info("a process of the function " + running.pool->spec().id + " has started",
              {{"function", running.pool->spec().id}, {"pid", running.child->pid()}, {"seconds", seconds}});
    running.pool->started(running.process);
  } else if (running.reader.type() == FrameType::start_failed) {
    running.start_failure = running.reader.too_large()
                                ? failure_payload("StartFailed", "its message is too large")
                                : running.reader.body();
  }
}

void Runtime::on_line(Running& running, net::OutputStream stream, std::string_view line) {
  std::string_view request;
  if (line.starts_with(line_mark)) {
    const std::size_t end = line.find(line_mark, 1);
    if (end <= longest_request_id) {
      request = line.substr(1, end - 1);
      line.remove_prefix(end + 1);
    }
  }
  running.heap_full =
      running.heap_full || line.find("JavaScript heap out of memory") != std::string_view::npos;
  const std::string text = sanitize_utf8(line);
  const std::string request_id = sanitize_utf8(request);
  const char* const name = stream == net::OutputStream::standard_output ? "stdout" : "stderr";
  if (request.empty()) {
    log::info(text, {{"function", running.pool->spec().id}, {"stream", name}, {"pid", running.child->pid()}});
  } else {
    log::info(text, {{"function", running.pool->spec().id},
                     {"request_id", request_id},
                     {"stream", name},
                     {"pid", running.child->pid()}});
  }
}

void Runtime::start_failed(const std::shared_ptr<Pool>& pool, std::uint64_t generation,
                           const std::string& payload) {
  const Failure failure = read_failure(payload);
  if (!pool->start_failed(generation, failure_for_callers(failure, pool->spec().directory),
                          Clock::real().steady())) {
    return;
  }
  const std::string& id = pool->spec().id;
  log::error("the function " + id + " cannot start: " + failure.message,
             {{"function", id}, {"error_type", failure.type}, {"stack", failure.stack}});
}

void Runtime::on_exit(std::uint64_t number, const net::ExitStatus& status) {
  const auto found = running_.find(number);
  if (found == running_.end()) {
    return;
  }
  const std::unique_ptr<Running> running = std::move(found->second);
  running_.erase(found);
  running->start_timer.disarm();
  // What it said last may still be in the socket.
  if (!running->ready && !running->start_failure) {
    std::array<char, 4096> block{};
    for (;;) {
      const auto got = running->control->try_read(net::asio::buffer(block));
      if (got.has_error() || !got.value() || *got.value() == 0) {
        break;
      }
      std::string_view bytes(block.data(), *got.value());
      if (running->reader.feed(bytes) == FrameReader::State::complete) {
        if (running->reader.type() == FrameType::start_failed && !running->reader.too_large()) {
          running->start_failure = running->reader.body();
        }
        break;
      }
    }
  }
  running->control->cancel();
  const std::string& id = running->pool->spec().id;
  const SteadyTime now = Clock::real().steady();
  std::string payload;
  if (running->over > 0) {
    payload = failure_payload("OutOfMemory", "the function used more than its memory limit of " +
                                                 std::to_string(running->pool->spec().memory / mib) + " MiB");
  } else if (running->heap_full) {
    payload = failure_payload("OutOfMemory", "the function's heap is full: its memory limit is " +
                                                 std::to_string(running->pool->spec().memory / mib) + " MiB");
  } else {
    payload =
        failure_payload("ProcessEnded", "the function's process ended before it answered: " + status.text());
  }
  if (!running->ready) {
    if (running->start_failure) {
      payload = *running->start_failure;
    } else if (running->too_slow) {
      payload = failure_payload("StartTimeout", "the handler was not loaded within limits.function_start");
    } else if (running->over == 0 && !running->heap_full) {
      payload = failure_payload(
          "ProcessEnded", "the function's process ended before its handler was loaded: " + status.text());
    }
    const bool lost = status.signalled && !running->start_failure && !running->too_slow &&
                      running->over == 0 && !running->heap_full;
    if (!lost || !running->pool->start_lost(now)) {
      start_failed(running->pool, running->process->generation(), payload);
    }
  } else {
    if (!running->expected) {
      running->pool->metrics().crashes.add(metrics_.control_shard());
      log::error("a process of the function " + id + " has ended: " + status.text() +
                     (running->over > 0 || running->heap_full ? " (out of memory)" : ""),
                 {{"function", id}, {"pid", running->child->pid()}, {"memory", running->over}});
    }
    running->pool->ended(running->process, running->expected, now);
  }
  listeners_->tell_ended(number, payload);
}

void Runtime::kill(std::uint64_t number, KillReason reason) {
  const auto found = running_.find(number);
  if (found == running_.end()) {
    return;
  }
  Running& running = *found->second;
  running.expected = running.expected || reason != KillReason::gone;
  switch (reason) {
    case KillReason::unused:
      running.child->stop(stop_grace);
      break;
    case KillReason::spent:
      running.child->signal_group(SIGKILL);
      break;
    case KillReason::gone:
      running.end_timer.arm(end_grace);
      break;
  }
}

void Runtime::look_at_memory() {
  for (const auto& [number, running] : running_) {
    const std::uint64_t used = running->child->resident_bytes();
    if (used > running->pool->spec().memory && running->over == 0) {
      running->over = used;
      running->child->signal_group(SIGKILL);
    }
  }
  if (!running_.empty()) {
    memory_timer_.arm(memory_look);
  }
}

void Runtime::add_gauges(const std::string& id) {
  const std::weak_ptr<Pool> weak = table_->pools.at(id);
  const auto gauge = [&](const char* state, auto count) {
    metrics_.gauge("sluice_function_processes", "Processes of local functions.", {"function", "state"},
                   {id, state}, [weak, count] {
                     const auto pool = weak.lock();
                     return pool == nullptr ? 0.0 : static_cast<double>(pool->counts().*count);
                   });
  };
  gauge("starting", &Pool::Counts::starting);
  gauge("idle", &Pool::Counts::idle);
  gauge("busy", &Pool::Counts::busy);
  metrics_.gauge("sluice_function_queue", "Events that wait for a process of a local function.", {"function"},
                 {id}, [weak] {
                   const auto pool = weak.lock();
                   return pool == nullptr ? 0.0 : static_cast<double>(pool->counts().waiting);
                 });
}

void Runtime::drop_gauges() {
  if (table_ == nullptr) {
    return;
  }
  for (const auto& [id, pool] : table_->pools) {
    for (const char* state : {"starting", "idle", "busy"}) {
      metrics_.remove_gauge("sluice_function_processes", {id, state});
    }
    metrics_.remove_gauge("sluice_function_queue", {id});
  }
}

Runtime::FileStates Runtime::states_of(const FunctionSpec& spec) {
  FileStates states;
  for (const std::string& file : source_files(spec)) {
    std::error_code failed;
    const auto time = fs::last_write_time(file, failed);
    states.emplace_back(file, failed ? 0 : time.time_since_epoch().count());
  }
  std::sort(states.begin(), states.end());
  return states;
}

std::vector<std::string> Runtime::files() const {
  std::set<std::string> files;
  if (table_ != nullptr) {
    for (const auto& [id, pool] : table_->pools) {
      for (std::string& file : source_files(pool->spec())) {
        files.insert(std::move(file));
      }
    }
  }
  return {files.begin(), files.end()};
}

void Runtime::restart_changed() {
  if (table_ == nullptr) {
    return;
  }
  for (const auto& [id, pool] : table_->pools) {
    FileStates now = states_of(pool->spec());
    if (now != file_states_[id]) {
      file_states_[id] = std::move(now);
      log::info("the files of the function " + id + " have changed: its processes are replaced",
                {{"function", id}});
      pool->restart();
    }
  }
}

void Runtime::stop() {
  stopped_ = true;
  const std::string why = failure_payload("Stopping", "the daemon is stopping");
  if (table_ != nullptr) {
    for (const auto& [id, pool] : table_->pools) {
      pool->stop(why);
    }
  }
  for (const std::weak_ptr<Pool>& retired : retired_) {
    if (const auto pool = retired.lock()) {
      pool->stop(why);
    }
  }
  memory_timer_.disarm();
  // All at once first: each is waited for then.
  for (const auto& [number, running] : running_) {
    running->child->signal_group(SIGKILL);
    running->control->cancel();
  }
  running_.clear();
}

}  // namespace
}  // namespace runtime

std::unique_ptr<LocalRuntime> LocalRuntime::make(net::Worker& control, std::size_t threads,
                                                 MetricsRegistry& metrics,
                                                 client::cloud::WorkloadTokens& tokens) {
  return std::make_unique<runtime::Runtime>(control, threads, metrics, tokens);
}

}  // namespace sluice::functions
