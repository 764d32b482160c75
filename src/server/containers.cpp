#include "containers.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "sluice/base/log.hpp"
#include "sluice/base/temporary_folder.hpp"
#include "sluice/net/port_owner.hpp"
#include "sluice/net/process.hpp"

namespace sluice::server {

namespace {

constexpr std::chrono::milliseconds look_interval{20};
/// So many looks in a row have to find a stranger on the port: a child of the program's may be new.
constexpr int stranger_looks = 3;
/// So many starts in a row with a stranger on the port, another one each time, are no chance: the program has
/// somebody else listen for it (`docker run -p $PORT:80`).
constexpr unsigned strangers_by_chance = 2;
/// A process that took requests for so long has not failed: its end is answered by a start at once.
constexpr std::chrono::seconds settled_after{10};
constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::seconds longest_pause{10};
/// The longest pause after an end of one that had taken requests: they wait through it.
constexpr std::chrono::seconds held_pause{1};
constexpr int connect_wait = 20;  ///< ms; loopback answers at once

constexpr std::string_view up_help = "1 while the container's process takes requests.";
constexpr std::string_view memory_help = "Resident memory of the container's processes that is their own.";

class Socket {
 public:
  explicit Socket(int family)
      : descriptor_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

sockaddr_in loopback4(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_in6 loopback6(std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return address;
}

template <class Address>
const sockaddr* as_sockaddr(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// A port that nobody listens on at this moment.
Result<std::uint16_t> free_port() {
  const Socket socket(AF_INET);
  sockaddr_in address = loopback4(0);
  socklen_t size = sizeof(address);
  if (socket.get() < 0 || ::bind(socket.get(), as_sockaddr(address), sizeof(address)) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Error error = internal_error(std::string("no free port: ") + std::strerror(errno));
    error.code = ErrorCode::io;
    return error;
  }
  return ntohs(address.sin_port);
}

template <class Address>
bool accepts(int family, const Address& address) {
  const Socket socket(family);
  if (socket.get() < 0) {
    return false;
  }
  if (::connect(socket.get(), as_sockaddr(address), sizeof(address)) == 0) {
    return true;
  }
  if (errno != EINPROGRESS) {
    return false;
  }
  pollfd waiting{socket.get(), POLLOUT, 0};
  int failed = 0;
  socklen_t size = sizeof(failed);
  return ::poll(&waiting, 1, connect_wait) == 1 &&
         ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed == 0;
}

/// Where a program listens on that port; "localhost" may be either.
std::optional<client::Origin> find_listener(std::uint16_t port) {
  if (accepts(AF_INET, loopback4(port))) {
    return client::Origin{client::Origin::Scheme::http, "127.0.0.1", port};
  }
  if (accepts(AF_INET6, loopback6(port))) {
    return client::Origin{client::Origin::Scheme::http, "::1", port};
  }
  return std::nullopt;
}

/// The folders that a program outside the system's needs: for /opt/app/bin/python that is /opt/app, of a link
/// and of where it leads.
void allow_program(const std::string& program, std::vector<std::string>& readable) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(program, failed);
  for (const std::filesystem::path& path : {std::filesystem::path(program), real}) {
    if (path.empty() || !path.is_absolute()) {
      continue;
    }
    const std::filesystem::path folder = path.parent_path();
    const std::filesystem::path above = folder.filename() == "bin" ? folder.parent_path() : path;
    // Not a whole system, nor somebody's whole home.
    const bool narrow = std::distance(above.begin(), above.end()) > 2;
    readable.push_back(narrow ? above.string() : path.string());
  }
}

Duration pause_after(unsigned failures) {
  if (failures == 0) {
    return Duration(0);
  }
  constexpr unsigned most_doublings = 7;
  const Duration pause = first_pause * (1U << std::min(failures - 1, most_doublings));
  return std::min<Duration>(pause, longest_pause);
}

std::string seconds_text(Duration time) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + " s"
                                  : std::to_string(milliseconds) + " ms";
}

}  // namespace

/// One container in one configuration, and its processes one after the other.
class Containers::Runner : public std::enable_shared_from_this<Runner> {
 public:
  Runner(net::Worker& control, client::cloud::WorkloadTokens& tokens, ContainerConfig config,
         ContainerSettings settings, std::shared_ptr<gateway::LocalContainer> handle, Counter& restarts,
         std::size_t shard)
      : control_(control),
        tokens_(tokens),
        config_(std::move(config)),
        settings_(std::move(settings)),
        handle_(std::move(handle)),
        restarts_(restarts),
        shard_(shard) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  [[nodiscard]] const ContainerConfig& config() const noexcept { return config_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] bool serves() const noexcept { return serves_; }
  /// This one, or the one that it is to replace.
  [[nodiscard]] bool up() const noexcept { return serves_ || (before_ && before_->up()); }
  [[nodiscard]] double resident() const {
    return process_ ? static_cast<double>(process_->resident_bytes()) : 0;
  }
  void set_settings(const ContainerSettings& settings) { settings_ = settings; }

  /// Takes the place of `before` as soon as it listens.
  void begin(std::shared_ptr<Runner> before) {
    before_ = std::move(before);
    net::asio::co_spawn(control_.executor(), supervise(shared_from_this()), net::asio::detached);
  }
  /// The one that it would have replaced; it goes on.
  std::shared_ptr<Runner> give_back() { return std::move(before_); }
  /// Ends it now: no request is left.
  void end() {
    settings_.drain = Duration(0);
    if (before_) {
      before_->end();
    }
    leave();
  }
  /// Ends it once its requests are over.
  void leave() {
    if (!leaving_) {
      leaving_ = true;
      wake_.cancel(net::CancelReason::drain);
    }
  }
  void kill() noexcept {
    leaving_ = true;
    if (process_) {
      process_->signal_group(SIGKILL);
    }
  }

 private:
  enum class Outcome : std::uint8_t { not_started, port_taken, never_listened, served };

  static net::Awaitable<void> supervise(std::shared_ptr<Runner> self);
  /// A process from its start to its end; `why_` tells the end.
  net::Awaitable<Outcome> run_once();
  Result<void> start_process(std::uint16_t port);
  net::Awaitable<Outcome> wait_for_listener(std::uint16_t port);
  bool may_serve_at(const client::Origin& place);
  net::Awaitable<void> serve_until_it_ends();
  net::Awaitable<void> end_process();
  void take_over(client::Origin origin);
  net::ProcessOptions options(std::uint16_t port);
  net::ProcessEvents events();
  net::Awaitable<void> sleep(Duration time) {
    if (!wake_.cancelled()) {
      co_await control_.wheel().sleep(time, &wake_);
    }
    wake_.reset();
  }
  /// The one that it is to replace still answers for what requests are told.
  [[nodiscard]] bool others_serve() const { return before_ != nullptr; }

  net::Worker& control_;
  client::cloud::WorkloadTokens& tokens_;
  ContainerConfig config_;
  ContainerSettings settings_;
  std::shared_ptr<gateway::LocalContainer> handle_;
  Counter& restarts_;
  std::size_t shard_;
  std::shared_ptr<Runner> before_;
  bool leaving_ = false;
  bool ended_ = false;
  bool serves_ = false;
  bool exited_ = false;
  net::CancelToken wake_;
  TemporaryFolder temporary_;  ///< goes after the process that may still write there
  std::unique_ptr<net::ChildProcess> process_;
  client::cloud::WorkloadGrant grant_;
  std::weak_ptr<const gateway::LocalContainer::Place> place_;
  SteadyTime served_since_{};
  std::string why_;
  unsigned ports_taken_ = 0;  ///< by others, in a row
  bool told_unknown_owner_ = false;
  std::string last_error_line_;
};

net::ProcessEvents Containers::Runner::events() {
  net::ProcessEvents events;
  const std::weak_ptr<Runner> weak = weak_from_this();
  events.line = [weak](net::OutputStream stream, std::string_view line) {
    const auto self = weak.lock();
    if (!self) {
      return;
    }
    const bool error = stream == net::OutputStream::standard_error;
    if (error && !line.empty()) {
      self->last_error_line_.assign(line.substr(0, 300));
    }
    log::info(line, {{"container", self->config_.id}, {"stream", error ? "stderr" : "stdout"}});
  };
  events.exited = [weak](const net::ExitStatus& status) {
    if (const auto self = weak.lock()) {
      self->exited_ = true;
      if (self->why_.empty()) {
        self->why_ = "it ended with " + status.text();
        if (!self->last_error_line_.empty()) {
          self->why_ += "; the last line of its stderr: " + self->last_error_line_;
        }
        if (self->config_.sandbox && self->last_error_line_.find("ermission denied") != std::string::npos) {
          self->why_ +=
              "; it may read its directory and the system only: move what it needs there, or write "
              "`sandbox: false`";
        }
      }
      self->wake_.cancel(net::CancelReason::drain);
    }
  };
  return events;
}

net::ProcessOptions Containers::Runner::options(std::uint16_t port) {
  net::ProcessOptions options;
  options.arguments = config_.command;
  options.directory = config_.directory;
  options.temporary = temporary_.path();
  options.environment = net::base_environment(config_.directory, temporary_.path());
  for (const auto& [name, value] : config_.environment) {
    net::set_variable(options.environment, name, value);
  }
  net::set_variable(options.environment, "PORT", std::to_string(port));
  if (!grant_.address().empty()) {
    net::set_variable(options.environment, "YC_METADATA_ADDR", grant_.address());
  }
  options.sandbox.enabled = config_.sandbox;
  options.sandbox.write = {config_.directory, temporary_.path()};
  options.sandbox.hidden = settings_.hidden;
  // A relative program is one of the container's own folder.
  std::string& program = options.arguments.front();
  if (program.find('/') != std::string::npos && program.front() != '/') {
    program = config_.directory + '/' + program;
  }
  std::string path = net::program_path();
  for (const auto& [name, value] : options.environment) {
    path = name == "PATH" ? value : path;
  }
  if (const Result<std::string> found = net::find_program(program, path)) {
    allow_program(*found, options.sandbox.read);
  }
  return options;
}

Result<void> Containers::Runner::start_process(std::uint16_t port) {
  why_.clear();
  last_error_line_.clear();
  exited_ = false;
  Result<TemporaryFolder> temporary = TemporaryFolder::create("sluice-container");
  if (temporary.has_error()) {
    why_ = temporary.error().detail;
    return temporary.error();
  }
  temporary_ = std::move(temporary.value());
  grant_.reset();
  if (!config_.service_account.empty()) {
    Result<std::string> address = tokens_.issue(config_.service_account);
    if (address) {
      grant_ = client::cloud::WorkloadGrant(tokens_, *address);
    } else {
      log::warning("the container " + config_.id + " gets no tokens: " + address.error().detail,
                   {{"container", config_.id}});
    }
  }
  auto started = net::ChildProcess::start(control_, options(port), events());
  if (started.has_error()) {
    why_ = started.error().detail;
    return started.error();
  }
  process_ = std::move(started.value());
  return {};
}

/// Between the choice of the port and the program's bind() another program may have taken it.
bool Containers::Runner::may_serve_at(const client::Origin& place) {
  std::vector<pid_t> family = process_->descendants();
  family.push_back(process_->pid());
  const net::PortOwner owner = net::owner_of_port(place.port, place.host == "::1", family);
  if (owner != net::PortOwner::another) {
    ports_taken_ = 0;
    if (owner == net::PortOwner::unknown && !std::exchange(told_unknown_owner_, true)) {
      log::warning("/proc does not tell whose the PORT of the container " + config_.id +
                       " is: what listens there gets the requests",
                   {{"container", config_.id}});
    }
    return true;
  }
  if (ports_taken_ < strangers_by_chance) {
    return false;
  }
  log::warning("what listens on the PORT of the container " + config_.id +
                   " is none of its own processes, at each start: it gets the requests",
               {{"container", config_.id}});
  return true;
}

net::Awaitable<Containers::Runner::Outcome> Containers::Runner::wait_for_listener(std::uint16_t port) {
  const SteadyTime until = control_.wheel().exact_now() + settings_.start;
  int strangers = 0;
  while (!exited_ && !leaving_) {
    if (const auto origin = find_listener(port)) {
      if (may_serve_at(*origin)) {
        take_over(*origin);
        co_return Outcome::served;
      }
      if (++strangers == stranger_looks) {
        ++ports_taken_;
        why_ = "another program listens on its PORT (" + std::to_string(port) +
               "), which was free a moment before; it gets another port, there is nothing to do";
        co_return Outcome::port_taken;
      }
    }
    if (control_.wheel().exact_now() >= until) {
      why_ = "nothing listens on its PORT (" + std::to_string(port) + ") within limits.container_start, " +
             seconds_text(settings_.start);
      co_return Outcome::never_listened;
    }
    co_await sleep(look_interval);
  }
  // It could not bind, perhaps.
  const bool taken = strangers > 0 && !leaving_;
  co_return taken ? Outcome::port_taken : Outcome::never_listened;
}

void Containers::Runner::take_over(client::Origin origin) {
  auto place = std::make_shared<gateway::LocalContainer::Place>();
  place->origin = std::move(origin);
  place_ = place;
  serves_ = true;
  served_since_ = control_.wheel().exact_now();
  log::info("the container " + config_.id + " is ready",
            {{"container", config_.id},
             {"pid", static_cast<std::int64_t>(process_->pid())},
             {"port", static_cast<std::int64_t>(place->origin.port)}});
  handle_->serve_at(std::move(place));
  if (before_) {
    before_->leave();
    before_.reset();
  }
}

net::Awaitable<void> Containers::Runner::serve_until_it_ends() {
  constexpr std::chrono::hours long_time{1};
  while (!exited_ && !leaving_) {
    co_await sleep(long_time);
  }
  // Another process, or none, has taken its place: what runs in this one may end.
  const SteadyTime since = control_.wheel().exact_now();
  while (!exited_ && !place_.expired() && control_.wheel().exact_now() - since < settings_.drain) {
    co_await sleep(look_interval);
  }
}

/// SIGTERM where it still runs; returns when it is gone.
net::Awaitable<void> Containers::Runner::end_process() {
  if (process_ && !exited_) {
    process_->stop(settings_.stop);
  }
  while (process_ && !exited_) {
    co_await sleep(settings_.stop);
  }
  process_.reset();
  temporary_.remove();
  grant_.reset();
}

net::Awaitable<Containers::Runner::Outcome> Containers::Runner::run_once() {
  const Result<std::uint16_t> port = free_port();
  if (!port) {
    why_ = port.error().detail;
    co_return Outcome::not_started;
  }
  if (const Result<void> started = start_process(*port); started.has_error()) {
    co_await end_process();
    co_return Outcome::not_started;
  }
  const Outcome outcome = co_await wait_for_listener(*port);
  if (outcome == Outcome::served) {
    co_await serve_until_it_ends();
    serves_ = false;
  }
  co_await end_process();
  co_return outcome;
}

net::Awaitable<void> Containers::Runner::supervise(std::shared_ptr<Runner> self) {
  unsigned failures = 0;
  while (!self->leaving_) {
    if (!self->others_serve()) {
      self->handle_->starting();
    }
    const Outcome outcome = co_await self->run_once();
    if (self->leaving_) {
      break;
    }
    self->restarts_.add(self->shard_);
    const bool settled = outcome == Outcome::served &&
                         self->control_.wheel().exact_now() - self->served_since_ >= settled_after;
    failures = settled ? 0 : failures + 1;
    // One that starts well is worth waiting for, however often it ends.
    const Duration pause = outcome == Outcome::served
                               ? std::min<Duration>(pause_after(std::max(failures, 1U) - 1), held_pause)
                               : pause_after(failures);
    log::error("the container " + self->config_.id +
                   (outcome == Outcome::served ? " has ended: " : " did not start: ") + self->why_,
               {{"container", self->config_.id},
                {"again_in_ms", static_cast<std::int64_t>(
                                    std::chrono::duration_cast<std::chrono::milliseconds>(pause).count())}});
    if (!self->others_serve()) {
      if (outcome == Outcome::served || outcome == Outcome::port_taken) {
        self->handle_->starting();
      } else {
        self->handle_->fail(self->why_);
      }
    }
    const SteadyTime until = self->control_.wheel().exact_now() + pause;
    while (!self->leaving_ && self->control_.wheel().exact_now() < until) {
      co_await self->sleep(until - self->control_.wheel().exact_now());
    }
  }
  if (self->before_) {
    self->before_->leave();
    self->before_.reset();
  }
  self->ended_ = true;
}

Containers::Containers(net::Worker& control, MetricsRegistry& metrics, client::cloud::WorkloadTokens& tokens)
    : control_(control), metrics_(metrics), tokens_(tokens) {}

Containers::~Containers() {
  kill();
}

std::shared_ptr<gateway::LocalContainer> Containers::handle(const std::string& id) {
  std::weak_ptr<gateway::LocalContainer>& known = handles_[id];
  std::shared_ptr<gateway::LocalContainer> live = known.lock();
  if (!live) {
    live = std::make_shared<gateway::LocalContainer>(id);
    known = live;
  }
  return live;
}

void Containers::use(const std::vector<ContainerConfig>& containers, const ContainerSettings& settings) {
  std::erase_if(leaving_, [](const auto& runner) { return runner->ended(); });
  std::erase_if(handles_, [](const auto& entry) { return entry.second.expired(); });
  const bool sandboxed = std::any_of(containers.begin(), containers.end(),
                                     [](const ContainerConfig& config) { return config.sandbox; });
  if (sandboxed && net::landlock_version() == 0 && !std::exchange(told_landlock_, true)) {
    log::warning("this kernel has no Landlock: containers may read every file that the daemon may read");
  }
  std::map<std::string, std::shared_ptr<Runner>> next;
  for (const ContainerConfig& config : containers) {
    std::shared_ptr<Runner> before;
    if (const auto found = runners_.find(config.id); found != runners_.end()) {
      before = std::move(found->second);
      runners_.erase(found);
    }
    if (before && !(before->config() == config) && !before->serves()) {
      // Nothing is lost with it; the one that it was to replace may still serve.
      std::shared_ptr<Runner> older = before->give_back();
      before->leave();
      leaving_.push_back(std::move(before));
      before = std::move(older);
    }
    if (before && before->config() == config) {
      before->set_settings(settings);
      next.emplace(config.id, std::move(before));
      continue;
    }
    Counter& restarts = metrics_.counter("sluice_container_restarts_total",
                                         "Processes of a container that ended, or did not start.",
                                         {"container"}, {config.id});
    auto runner = std::make_shared<Runner>(control_, tokens_, config, settings, handle(config.id), restarts,
                                           metrics_.control_shard());
    if (before) {
      leaving_.push_back(before);
    }
    runner->begin(std::move(before));
    next.emplace(config.id, std::move(runner));
  }
  for (auto& [id, runner] : runners_) {
    metrics_.remove_gauge("sluice_container_up", {id});
    metrics_.remove_gauge("sluice_container_resident_bytes", {id});
    handle(id)->fail("the configuration does not name it any more");
    runner->leave();
    leaving_.push_back(std::move(runner));
  }
  runners_ = std::move(next);
  for (const auto& [id, runner] : runners_) {
    const std::weak_ptr<Runner> weak = runner;
    metrics_.gauge("sluice_container_up", up_help, {"container"}, {id}, [weak] {
      const auto live = weak.lock();
      return live && live->up() ? 1.0 : 0.0;
    });
    metrics_.gauge("sluice_container_resident_bytes", memory_help, {"container"}, {id}, [weak] {
      const auto live = weak.lock();
      return live ? live->resident() : 0.0;
    });
  }
}

net::Awaitable<void> Containers::stop() {
  for (auto& [id, runner] : runners_) {
    handle(id)->fail("the daemon is stopping");
    leaving_.push_back(std::move(runner));
  }
  runners_.clear();
  for (const auto& runner : leaving_) {
    runner->end();
  }
  const auto all_ended = [this] {
    return std::all_of(leaving_.begin(), leaving_.end(), [](const auto& runner) { return runner->ended(); });
  };
  while (!all_ended()) {
    co_await control_.wheel().sleep(look_interval);
  }
  leaving_.clear();
}

void Containers::kill() noexcept {
  for (const auto& [id, runner] : runners_) {
    runner->kill();
  }
  for (const auto& runner : leaving_) {
    runner->kill();
  }
}

}  // namespace sluice::server
