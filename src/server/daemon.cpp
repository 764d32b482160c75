#include "sluice/server/daemon.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <set>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sluice/base/log.hpp"
#include "sluice/net/process.hpp"
#include "sluice/server/load.hpp"
#include "sluice/server/report.hpp"
#include "sluice/server/version.hpp"

#include "admin.hpp"
#include "admin_server.hpp"
#include "containers.hpp"
#include "daemon_metrics.hpp"
#include "listener_set.hpp"
#include "process.hpp"
#include "systemd.hpp"
#include "token_server.hpp"
#include "watcher.hpp"
#include "worker_thread.hpp"

namespace sluice::server {

namespace {

namespace asio = net::asio;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, net::Executor>;

/// How often a drain looks whether it is done.
constexpr std::chrono::milliseconds drain_look{20};
/// How long connections that were cut get to end.
constexpr std::chrono::seconds cut_grace{2};

void print_errors(const Diagnostics& diagnostics) {
  const std::string text = render_report(diagnostics, ReportFormat::text);
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

class Daemon final : public AdminBackend {
 public:
  explicit Daemon(const DaemonOptions& options) : options_(options) {}

  int run();

  [[nodiscard]] bool ready() const noexcept override { return !stopping_; }
  [[nodiscard]] std::shared_ptr<const gateway::Snapshot> snapshot() const override {
    return loaded_.snapshot;
  }
  [[nodiscard]] std::string loaded_at() const override { return format_rfc3339(loaded_time_); }
  [[nodiscard]] const Diagnostics& last_mistakes() const override { return last_mistakes_; }
  [[nodiscard]] OrderedJson listeners() const override;
  net::Awaitable<std::string> metrics() override;
  net::Awaitable<Diagnostics> reload() override;

 private:
  /// What a reload has made ready; nothing of it is in use yet.
  struct Prepared {
    Loaded loaded;
    ListenerSet::Change listeners;
    AdminServer::Change admin;
  };
  /// Complete when `diagnostics` has no error.
  Prepared prepare(Diagnostics& diagnostics);
  bool start();
  net::Awaitable<void> put_in_force(Prepared prepared);
  net::Awaitable<void> reload_detached(const char* reason);
  void announce(const ListenerSet::Change& change);
  void tell(const Diagnostics& diagnostics);
  void watch_files(const std::vector<std::string>& more);
  /// Puts the configuration's functions into force; make_state() takes them from then on.
  void use_functions();
  void watch_functions();
  /// The accounts of the configuration in force, and the token endpoint where there are any.
  void configure_accounts();
  void register_gauges();
  /// One gauge a certificate in force; those of `before` that are gone are dropped.
  void register_certificates(const std::vector<std::pair<std::string, SystemTime>>& before);
  std::shared_ptr<const RuntimeState> make_state() const;
  [[nodiscard]] ContainerSettings container_settings() const;
  /// Runs `job` on each worker's thread and waits until all have; false when that takes over 10 s.
  net::Awaitable<bool> on_all_workers(std::function<void(WorkerThread&)> job);
  /// Before the first listener opens: a signal then waits for the daemon to run.
  void take_signals();
  void wait_for_signal();
  void on_signal(int number);
  net::Awaitable<void> drain();
  net::Awaitable<bool> wait_idle(Duration longest);
  net::Awaitable<void> feed_watchdog(Duration interval);
  [[noreturn]] static void end_now();

  const DaemonOptions& options_;
  ServiceManager manager_;
  Loaded loaded_;
  SystemTime loaded_time_;
  SystemTime load_started_;
  Diagnostics last_mistakes_;
  std::uint64_t version_ = 0;
  std::size_t worker_count_ = 1;
  std::unique_ptr<MetricsRegistry> registry_;
  std::unique_ptr<DaemonMetrics> metrics_;
  std::unique_ptr<net::ConnectionLimit> limit_;
  std::unique_ptr<net::Worker> control_;
  std::unique_ptr<client::cloud::CredentialStore> accounts_;
  std::shared_ptr<const client::cloud::AccountSet> account_set_;  ///< those in force
  std::unique_ptr<TokenServer> token_server_;
  std::unique_ptr<ListenerSet> listeners_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<Containers> containers_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::unique_ptr<asio::basic_signal_set<net::Executor>> signals_;
  std::unique_ptr<FileWatcher> watcher_;
  std::unique_ptr<functions::LocalRuntime> runtime_;
  std::shared_ptr<const functions::LocalTable> functions_;
  std::unique_ptr<FileWatcher> function_watcher_;
  std::uint64_t told_dropped_ = 0;
  bool reloading_ = false;
  bool stopping_ = false;
  bool clean_ = false;
  bool told_no_landlock_ = false;
  bool told_no_tmp_ = false;
};

void Daemon::end_now() {
  log::flush();
  ::_exit(0);
}

std::shared_ptr<const RuntimeState> Daemon::make_state() const {
  auto state = std::make_shared<RuntimeState>();
  state->snapshot = loaded_.snapshot;
  state->tls = loaded_.tls;
  state->functions = functions_;
  state->accounts = account_set_;
  state->client = make_client_settings(loaded_.config);
  state->limits = loaded_.config.limits.server;
  state->access_log = loaded_.config.log.access;
  return state;
}

ContainerSettings Daemon::container_settings() const {
  ContainerSettings settings;
  settings.start = loaded_.config.limits.container_start;
  settings.stop = loaded_.config.limits.container_stop;
  settings.drain = loaded_.config.limits.drain_timeout;
  settings.hidden = loaded_.config.files;
  settings.hidden.push_back(loaded_.config.file);
  return settings;
}

void Daemon::tell(const Diagnostics& diagnostics) {
  for (const Diagnostic& item : diagnostics.items()) {
    const bool error = item.severity == Severity::error;
    log::write(error ? log::Level::error : log::Level::warning, to_text(item),
               {{"file", item.place.file},
                {"line", item.place.line},
                {"column", item.place.column},
                {"rule", item.rule}});
  }
}

Daemon::Prepared Daemon::prepare(Diagnostics& diagnostics) {
  Prepared prepared;
  load_started_ = Clock::real().system();
  Config config = options_.configure(diagnostics);
  if (!registry_) {
    worker_count_ = config.workers != 0 ? config.workers : std::max(1U, std::thread::hardware_concurrency());
    registry_ = std::make_unique<MetricsRegistry>(worker_count_);
    control_ = std::make_unique<net::Worker>(worker_count_);
    take_signals();
    listeners_ = std::make_unique<ListenerSet>(worker_count_, manager_.sockets());
    admin_ = std::make_unique<AdminServer>(*control_, *this);
    accounts_ = client::cloud::make_credential_store(*control_);
    token_server_ = std::make_unique<TokenServer>(*control_, *accounts_);
    containers_ = std::make_unique<Containers>(*control_, *registry_, *token_server_);
  } else if (const std::size_t wanted =
                 config.workers != 0 ? config.workers : std::max(1U, std::thread::hardware_concurrency());
             wanted != worker_count_) {
    diagnostics.warning(
        {config.file, 1, 1}, "needs-restart",
        "`workers` changes at a restart only; " + std::to_string(worker_count_) + " workers go on");
  }
  const ContainerHandles handles = [this](const std::string& id) { return containers_->handle(id); };
  prepared.loaded =
      load(std::move(config), options_.mode, registry_.get(), version_ + 1, diagnostics, handles);
  std::set<std::uint16_t> admin_ports;
  if (const OpenListener* own = admin_->listener()) {
    admin_ports.insert(own->listener->address().port);
  }
  prepared.listeners = listeners_->prepare(prepared.loaded.config.listeners, admin_ports, diagnostics);
  prepared.admin = admin_->prepare(prepared.loaded.config.admin, listeners_->ports(), diagnostics);
  for (const auto& listener : prepared.listeners.added) {
    if (listener->tls && prepared.loaded.tls == nullptr && !diagnostics.has_errors()) {
      diagnostics.error({prepared.loaded.config.file, 1, 1}, "no-certificate",
                        listener->url() + " needs a certificate, and none is configured");
    }
  }
  const LogConfig& log_config = prepared.loaded.config.log;
  if (!diagnostics.has_errors() && (version_ == 0 || !(log_config == loaded_.config.log))) {
    log::Settings settings;
    settings.level = log_config.level;
    settings.format = log_config.format;
    settings.output = log_config.output;
    settings.workers = worker_count_;
    settings.shard_bytes = prepared.loaded.config.limits.log_buffer;
    if (const auto started = log::start(settings); started.has_error()) {
      diagnostics.error({prepared.loaded.config.file, 1, 1}, "bad-log", started.error().detail,
                        "`log.output` is stderr, stdout or a file that can be written");
    }
  }
  return prepared;
}

void Daemon::announce(const ListenerSet::Change& change) {
  for (const auto& listener : change.added) {
    log::info("listening on " + listener->url(),
              {{"url", listener->url()}, {"inherited", listener->inherited}});
  }
  for (const std::string& key : change.removed) {
    log::info("no longer listening on " + listeners_->open().at(key)->url());
  }
}

void Daemon::watch_files(const std::vector<std::string>& more) {
  if (!loaded_.config.watch) {
    watcher_.reset();
    return;
  }
  if (!watcher_) {
    watcher_ = std::make_unique<FileWatcher>(control_->context(), [this] {
      asio::co_spawn(control_->executor(), reload_detached("a file has changed"), asio::detached);
    });
  }
  std::vector<std::string> files = loaded_.files;
  files.insert(files.end(), more.begin(), more.end());
  if (const auto watching = watcher_->watch(files, load_started_); watching.has_error()) {
    log::warning(watching.error().detail);
  }
}

void Daemon::use_functions() {
  functions_ = runtime_->use(make_function_specs(loaded_.config), make_runtime_settings(loaded_.config));
  if (!loaded_.config.local_functions.empty() && net::landlock_version() == 0 &&
      !std::exchange(told_no_landlock_, true)) {
    log::warning(
        "this kernel has no Landlock: the code of functions can read whatever the daemon's user can, its "
        "configuration and other functions too");
  }
  const bool runs_code = !loaded_.config.local_functions.empty() || !loaded_.config.local_containers.empty();
  if (runs_code && !net::private_tmp_missing().empty() && !std::exchange(told_no_tmp_, true)) {
    log::warning("functions and containers cannot have a /tmp of their own here (" +
                 net::private_tmp_missing() +
                 "): their folder for temporary files is the one that TMPDIR names");
  }
}

void Daemon::watch_functions() {
  if (!loaded_.config.watch || loaded_.config.local_functions.empty()) {
    function_watcher_.reset();
    return;
  }
  if (!function_watcher_) {
    function_watcher_ = std::make_unique<FileWatcher>(control_->context(), [this] {
      runtime_->restart_changed();
      watch_functions();
    });
  }
  if (const auto watching = function_watcher_->watch(runtime_->files(), Clock::real().system());
      watching.has_error()) {
    log::warning(watching.error().detail);
  }
}

void Daemon::configure_accounts() {
  account_set_ = accounts_->configure(make_store_settings(loaded_.config));
  if (!loaded_.config.service_accounts.empty()) {
    if (const Result<void> open = token_server_->open(); open.has_error()) {
      log::error("no token endpoint for functions and containers that run here",
                 {{"reason", open.error().detail}});
    }
  }
}

void Daemon::register_gauges() {
  register_process_metrics(*registry_);
  registry_->gauge("sluice_workers", "Worker threads.", {}, {},
                   [this] { return static_cast<double>(workers_.size()); });
  registry_->gauge("sluice_gateways", "Gateways that are served.", {}, {},
                   [this] { return static_cast<double>(loaded_.snapshot->gateways().size()); });
  registry_->gauge("sluice_connections_limit", "limits.connections.", {}, {},
                   [this] { return static_cast<double>(limit_->most()); });
  registry_->gauge("sluice_reload_last_success_timestamp_seconds",
                   "When the configuration in force was loaded, Unix time.", {}, {},
                   [this] { return std::chrono::duration<double>(loaded_time_.time_since_epoch()).count(); });
  registry_->gauge("sluice_reload_last_failed", "1 when the last reload failed.", {}, {},
                   [this] { return last_mistakes_.has_errors() ? 1.0 : 0.0; });
  registry_->gauge("sluice_iam_exchanges_total", "Exchanges for IAM tokens by outcome.", {"outcome"}, {"ok"},
                   [this] { return static_cast<double>(accounts_->counts().exchanged); });
  registry_->gauge("sluice_iam_exchanges_total", "Exchanges for IAM tokens by outcome.", {"outcome"},
                   {"failed"}, [this] { return static_cast<double>(accounts_->counts().failed); });
  registry_->gauge("sluice_service_accounts", "Service accounts of the configuration.", {}, {},
                   [this] { return static_cast<double>(accounts_->counts().accounts); });
  registry_->gauge("sluice_iam_tokens_valid", "Service accounts with a valid IAM token.", {}, {},
                   [this] { return static_cast<double>(accounts_->counts().valid); });
  registry_->gauge("sluice_configuration_version", "Loads that came into force since the start.", {}, {},
                   [this] { return static_cast<double>(version_); });
}

void Daemon::register_certificates(const std::vector<std::pair<std::string, SystemTime>>& before) {
  constexpr std::string_view name = "sluice_certificate_expiry_timestamp_seconds";
  for (const auto& [certificate, end] : before) {
    registry_->remove_gauge(name, {certificate});
  }
  for (const auto& [certificate, end] : loaded_.certificates) {
    const double seconds = std::chrono::duration<double>(end.time_since_epoch()).count();
    registry_->gauge(name, "When a certificate ends, Unix time.", {"certificate"}, {certificate},
                     [seconds] { return seconds; });
  }
}

bool Daemon::start() {
  Diagnostics diagnostics;
  Prepared prepared = prepare(diagnostics);
  if (diagnostics.has_errors()) {
    diagnostics.sort();
    print_errors(diagnostics);
    return false;
  }
  tell(diagnostics);
  raise_file_limit();
  metrics_ = std::make_unique<DaemonMetrics>(*registry_);
  limit_ = std::make_unique<net::ConnectionLimit>(prepared.loaded.config.limits.connections.value_or(0));
  loaded_ = std::move(prepared.loaded);
  loaded_time_ = Clock::real().system();
  version_ = 1;
  configure_accounts();
  runtime_ = functions::LocalRuntime::make(*control_, worker_count_, *registry_, *token_server_);
  use_functions();
  const std::shared_ptr<const RuntimeState> state = make_state();
  for (std::size_t index = 0; index < worker_count_; ++index) {
    workers_.push_back(std::make_unique<WorkerThread>(index, state, *limit_, *metrics_, *accounts_));
  }
  register_gauges();
  register_certificates({});
  for (const auto& listener : prepared.listeners.added) {
    for (std::size_t index = 0; index < worker_count_; ++index) {
      workers_[index]->listen(listener->key, listener->listener->take(index), listener->tls);
    }
  }
  containers_->use(loaded_.config.local_containers, container_settings());
  announce(prepared.listeners);
  listeners_->commit(std::move(prepared.listeners));
  admin_->commit(std::move(prepared.admin), loaded_.config.limits.server);
  for (const auto& worker : workers_) {
    worker->start();
  }
  watch_files({});
  watch_functions();
  return true;
}

net::Awaitable<bool> Daemon::on_all_workers(std::function<void(WorkerThread&)> job) {
  struct Gathering {
    explicit Gathering(net::Executor executor) : timer(executor) {}
    Timer timer;
    std::size_t missing = 0;
  };
  const auto gathering = std::make_shared<Gathering>(control_->executor());
  gathering->missing = workers_.size();
  gathering->timer.expires_after(std::chrono::seconds(10));
  const auto shared_job = std::make_shared<const std::function<void(WorkerThread&)>>(std::move(job));
  for (const auto& worker : workers_) {
    WorkerThread* const target = worker.get();
    const net::Executor home = control_->executor();
    target->post([target, shared_job, gathering, home] {
      (*shared_job)(*target);
      asio::post(home, [gathering] {
        if (--gathering->missing == 0) {
          gathering->timer.cancel();
        }
      });
    });
  }
  boost::system::error_code ended;
  auto token = asio::redirect_error(net::use_awaitable, ended);
  co_await gathering->timer.async_wait(std::move(token));
  co_return gathering->missing == 0;
}

net::Awaitable<void> Daemon::put_in_force(Prepared prepared) {
  announce(prepared.listeners);
  std::vector<std::string> removed = prepared.listeners.removed;
  const std::map<std::string, bool> kept = prepared.listeners.kept;
  struct Opened {
    std::string key;
    bool tls;
    std::vector<int> descriptors;
  };
  std::vector<Opened> opened;
  for (const auto& listener : prepared.listeners.added) {
    Opened one{listener->key, listener->tls, {}};
    for (std::size_t index = 0; index < workers_.size(); ++index) {
      one.descriptors.push_back(listener->listener->take(index));
    }
    opened.push_back(std::move(one));
  }
  const auto certificates = std::move(loaded_.certificates);
  loaded_ = std::move(prepared.loaded);
  register_certificates(certificates);
  loaded_time_ = Clock::real().system();
  ++version_;
  limit_->set_most(loaded_.config.limits.connections.value_or(0));
  configure_accounts();
  use_functions();
  const std::shared_ptr<const RuntimeState> state = make_state();
  std::function<void(WorkerThread&)> switch_over = [state, kept, opened](WorkerThread& worker) {
    worker.use(state);
    for (const auto& [key, tls] : kept) {
      worker.set_tls(key, tls);
    }
    for (const auto& listener : opened) {
      worker.listen(listener.key, listener.descriptors[worker.index()], listener.tls);
    }
  };
  co_await on_all_workers(std::move(switch_over));
  containers_->use(loaded_.config.local_containers, container_settings());
  if (!removed.empty()) {
    const Duration grace = loaded_.config.limits.drain_timeout;
    std::function<void(WorkerThread&)> close = [removed, grace](WorkerThread& worker) {
      for (const std::string& key : removed) {
        worker.unlisten(key, grace);
      }
    };
    co_await on_all_workers(std::move(close));
  }
  listeners_->commit(std::move(prepared.listeners));
  admin_->commit(std::move(prepared.admin), loaded_.config.limits.server);
}

net::Awaitable<Diagnostics> Daemon::reload() {
  while (reloading_) {
    co_await control_->wheel().sleep(drain_look);
  }
  Diagnostics diagnostics;
  if (stopping_) {
    diagnostics.error({loaded_.config.file, 1, 1}, "stopping", "the daemon is stopping");
    co_return diagnostics;
  }
  reloading_ = true;
  manager_.notify_reloading();
  Prepared prepared = prepare(diagnostics);
  diagnostics.sort();
  const std::size_t shard = registry_->control_shard();
  if (diagnostics.has_errors()) {
    metrics_->reloads_failed.add(shard);
    tell(diagnostics);
    log::error("reload failed; what ran before still runs", {{"errors", diagnostics.error_count()}});
    last_mistakes_ = diagnostics;
    watch_files(prepared.loaded.files);
  } else {
    tell(diagnostics);
    co_await put_in_force(std::move(prepared));
    metrics_->reloads_ok.add(shard);
    last_mistakes_ = Diagnostics();
    log::info("reloaded", {{"version", version_}, {"gateways", loaded_.snapshot->gateways().size()}});
    watch_files({});
    watch_functions();
  }
  manager_.notify("READY=1");
  reloading_ = false;
  co_return diagnostics;
}

net::Awaitable<void> Daemon::reload_detached(const char* reason) {
  log::info("reloading", {{"reason", reason}});
  co_await reload();
}

OrderedJson Daemon::listeners() const {
  OrderedJson list = OrderedJson::array();
  const auto add = [&](const OpenListener& listener, const char* serves) {
    OrderedJson entry;
    entry["url"] = listener.url();
    entry["address"] = net::to_text(listener.listener->address());
    entry["tls"] = listener.tls;
    entry["inherited"] = listener.inherited;
    entry["serves"] = serves;
    list.push_back(std::move(entry));
  };
  for (const auto& [key, listener] : listeners_->open()) {
    add(*listener, "gateways");
  }
  if (const OpenListener* own = admin_->listener()) {
    add(*own, "admin");
  }
  return list;
}

net::Awaitable<std::string> Daemon::metrics() {
  std::function<void(WorkerThread&)> publish = [](WorkerThread& worker) { worker.publish_counts(); };
  co_await on_all_workers(std::move(publish));
  if (const auto writer = log::writer()) {
    const std::uint64_t dropped = writer->dropped();
    metrics_->log_dropped.add(registry_->control_shard(),
                              dropped > told_dropped_ ? dropped - told_dropped_ : 0);
    told_dropped_ = dropped;
  }
  co_return registry_->render();
}

void Daemon::take_signals() {
  signals_ = std::make_unique<asio::basic_signal_set<net::Executor>>(control_->executor());
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGCHLD}) {
    signals_->add(number);
  }
  wait_for_signal();
}

void Daemon::wait_for_signal() {
  signals_->async_wait([this](const boost::system::error_code& failed, int number) {
    if (!failed) {
      on_signal(number);
      wait_for_signal();
    }
  });
}

void Daemon::on_signal(int number) {
  switch (number) {
    case SIGCHLD:
      net::reap_orphans();
      return;
    case SIGHUP:
      asio::co_spawn(control_->executor(), reload_detached("SIGHUP"), asio::detached);
      return;
    case SIGUSR1:
      log::reopen();
      log::info("log reopened");
      return;
    case SIGUSR2:
      log::warning("a binary upgrade is not built in this version; SIGUSR2 has no effect");
      return;
    default:
      break;
  }
  if (stopping_) {
    log::warning("a second signal: ending at once");
    runtime_.reset();
    containers_->kill();
    end_now();
  }
  stopping_ = true;
  log::info("stopping", {{"signal", number == SIGINT ? "SIGINT" : "SIGTERM"}});
  manager_.notify("STOPPING=1");
  asio::co_spawn(control_->executor(), drain(), asio::detached);
}

net::Awaitable<bool> Daemon::wait_idle(Duration longest) {
  const SteadyTime until = Clock::real().steady() + longest;
  while (true) {
    const auto busy = std::make_shared<std::atomic<bool>>(false);
    std::function<void(WorkerThread&)> look = [busy](WorkerThread& worker) {
      if (!worker.idle()) {
        busy->store(true);
      }
    };
    co_await on_all_workers(std::move(look));
    if (!busy->load()) {
      co_return true;
    }
    if (Clock::real().steady() >= until) {
      co_return false;
    }
    co_await control_->wheel().sleep(drain_look);
  }
}

net::Awaitable<void> Daemon::drain() {
  while (reloading_) {
    co_await control_->wheel().sleep(drain_look);
  }
  watcher_.reset();
  function_watcher_.reset();
  std::function<void(WorkerThread&)> close = [](WorkerThread& worker) { worker.unlisten_all(); };
  co_await on_all_workers(std::move(close));
  clean_ = co_await wait_idle(loaded_.config.limits.drain_timeout);
  if (!clean_) {
    log::warning("limits.drain_timeout is over: cutting what is left");
    std::function<void(WorkerThread&)> cut = [](WorkerThread& worker) { worker.abort_connections(); };
    co_await on_all_workers(std::move(cut));
    clean_ = co_await wait_idle(cut_grace);
  }
  runtime_->stop();
  co_await containers_->stop();
  log::info("stopped");
  control_->context().stop();
}

net::Awaitable<void> Daemon::feed_watchdog(Duration interval) {
  while (true) {
    manager_.notify("WATCHDOG=1");
    const bool slept = co_await control_->wheel().sleep(interval);
    if (!slept) {
      co_return;
    }
    // A worker that hangs must not be covered up.
    std::function<void(WorkerThread&)> nothing = [](WorkerThread&) {};
    while (!co_await on_all_workers(nothing)) {
    }
  }
}

int Daemon::run() {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  hide_process();
  net::adopt_orphans();
  if (!start()) {
    return 1;
  }
  if (const auto interval = manager_.watchdog_interval()) {
    asio::co_spawn(control_->executor(), feed_watchdog(*interval), asio::detached);
  }
  manager_.notify("READY=1\nSTATUS=serving " + std::to_string(loaded_.snapshot->gateways().size()) +
                  " gateways");
  log::info("ready", {{"version", version_text()}, {"workers", worker_count_}});
  control_->context().run();
  admin_->close();
  for (const auto& worker : workers_) {
    worker->stop();
  }
  for (const auto& worker : workers_) {
    worker->join();
  }
  token_server_->close();
  accounts_->stop();
  // Coroutines that wait for the clock end now: nobody else would free their frames.
  control_->wheel().stop();
  control_->context().restart();
  control_->context().poll();
  if (!clean_) {
    end_now();
  }
  log::flush();
  return 0;
}

}  // namespace

int run_daemon(const DaemonOptions& options) {
  const auto daemon = std::make_unique<Daemon>(options);
  const int code = daemon->run();
  log::stop();
  return code;
}

}  // namespace sluice::server
