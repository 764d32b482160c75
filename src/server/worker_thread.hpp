/// A worker: its thread, its handler, its client, its connections.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/intrusive/list.hpp>

#include "sluice/client/cloud/credentials.hpp"
#include "sluice/client/http_client.hpp"
#include "sluice/functions/runtime.hpp"
#include "sluice/gateway/pipeline.hpp"
#include "sluice/http/h1/server_connection.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/net/listener.hpp"
#include "sluice/net/tls.hpp"
#include "sluice/net/worker.hpp"

#include "daemon_metrics.hpp"

namespace sluice::server {

/// What workers serve with; replaced as a whole by a reload. Immutable.
struct RuntimeState {
  std::shared_ptr<const gateway::Snapshot> snapshot;
  std::shared_ptr<const net::TlsServerContext> tls;  ///< nullptr: no certificates
  std::shared_ptr<const functions::LocalTable> functions;
  std::shared_ptr<const client::cloud::AccountSet> accounts;
  client::ClientSettings client;
  http::ServerLimits limits;
  bool access_log = true;
};

/// The connections of one worker that came from one listener.
class ListenerPort;

/// Made, started, stopped and joined by the control thread; everything else happens on its own thread, by
/// post().
class WorkerThread {
 public:
  /// `limit`, `metrics` and `accounts` outlive the worker.
  WorkerThread(std::size_t index, std::shared_ptr<const RuntimeState> state, net::ConnectionLimit& limit,
               DaemonMetrics& metrics, client::cloud::CredentialStore& accounts);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;
  ~WorkerThread();

  void start();
  /// Ends the loop; what still runs on it stays where it is.
  void stop();
  void join();
  template <class Job>
  void post(Job job) {
    net::asio::post(worker_.executor(), std::move(job));
  }

  [[nodiscard]] std::size_t index() const noexcept { return worker_.index(); }

  // On the worker's thread:
  void use(std::shared_ptr<const RuntimeState> state);
  /// Takes connections from `descriptor`, which belongs to the worker from now on.
  void listen(const std::string& key, int descriptor, bool tls);
  /// For connections that come from now on.
  void set_tls(const std::string& key, bool tls);
  /// Takes what the kernel holds ready, closes, and drains the listener's connections; those that still run
  /// after `grace` are cut.
  void unlisten(const std::string& key, Duration grace);
  void unlisten_all();
  /// No connection, and no call or function of a client that has gone.
  [[nodiscard]] bool idle() const noexcept;
  void abort_connections();
  /// Brings the counters that other layers keep into the metrics.
  void publish_counts();

 private:
  static net::Awaitable<void> run_connection(WorkerThread& self, std::unique_ptr<net::Stream> stream,
                                             http::ConnectionInfo info, std::shared_ptr<ListenerPort> port);
  static net::Awaitable<void> cut_later(WorkerThread& self, std::shared_ptr<ListenerPort> port,
                                        Duration grace);
  void admit(std::unique_ptr<net::Stream> stream, net::Endpoints endpoints,
             const std::shared_ptr<ListenerPort>& port);
  gateway::VersionServices version_services();
  [[nodiscard]] bool trusts(const net::Endpoints& endpoints) const;

  net::Worker worker_;
  std::shared_ptr<const RuntimeState> state_;
  net::ConnectionLimit& limit_;
  DaemonMetrics& metrics_;
  gateway::AccessLogSink access_log_;
  std::unique_ptr<client::HttpClient> client_;
  client::cloud::CredentialStore& accounts_;
  std::unique_ptr<client::cloud::Credentials> credentials_;  ///< those in force, for functions that run here
  std::unique_ptr<functions::LocalFunctions> local_functions_;
  std::unique_ptr<gateway::Pipeline> pipeline_;
  http::ServerLimits limits_;
  http::h1::ServerShared shared_;
  net::AcceptStats accept_stats_;
  std::map<std::string, std::shared_ptr<ListenerPort>> ports_;
  std::vector<std::weak_ptr<ListenerPort>> closing_ports_;
  std::size_t connections_ = 0;
  std::uint64_t told_accepted_ = 0;
  std::uint64_t told_refused_ = 0;
  std::uint64_t told_errors_ = 0;
  client::HttpClient::PoolCounts told_pool_;
  net::asio::executor_work_guard<net::Executor> work_;
  std::thread thread_;
};

/// One Listener's connections on one handler: what workers and the admin API share.
class ListenerPort {
 public:
  /// A connection in the port's list for as long as it lives.
  struct Connection
      : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    http::h1::ServerConnection* handle = nullptr;
    net::Stream* handshaking = nullptr;
  };

  explicit ListenerPort(bool tls) : tls_(tls) {}
  ListenerPort(const ListenerPort&) = delete;
  ListenerPort& operator=(const ListenerPort&) = delete;

  void take(std::unique_ptr<net::Acceptor> acceptor) { acceptor_ = std::move(acceptor); }
  [[nodiscard]] bool tls() const noexcept { return tls_; }
  void set_tls(bool tls) noexcept { tls_ = tls; }
  void add(Connection& connection) { connections_.push_back(connection); }
  /// The connection is ready for requests: from here on it hears of drain and abort.
  void ready(Connection& connection, http::h1::ServerConnection& handle);
  void close();
  void abort() noexcept;
  [[nodiscard]] bool closing() const noexcept { return closing_; }
  [[nodiscard]] bool empty() const noexcept { return connections_.empty(); }

 private:
  bool tls_;
  bool closing_ = false;
  std::unique_ptr<net::Acceptor> acceptor_;
  boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>> connections_;
};

/// What a connection beyond limits.connections is told.
std::string connection_refusal();

}  // namespace sluice::server
