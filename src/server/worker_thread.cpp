#include "worker_thread.hpp"

#include <pthread.h>

#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>

#include "sluice/base/log.hpp"
#include "sluice/gateway/access_log.hpp"

namespace sluice::server {

std::string connection_refusal() {
  const std::string body = R"({"message":"too many connections"})";
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + body;
}

void ListenerPort::ready(Connection& connection, http::h1::ServerConnection& handle) {
  connection.handshaking = nullptr;
  connection.handle = &handle;
  if (closing_) {
    handle.drain();
  }
}

void ListenerPort::close() {
  if (acceptor_) {
    acceptor_->stop();
    acceptor_.reset();
  }
  closing_ = true;
  // drain() may end a connection and take it out of the list.
  for (auto item = connections_.begin(); item != connections_.end();) {
    Connection& connection = *item++;
    if (connection.handle != nullptr) {
      connection.handle->drain();
    }
  }
}

void ListenerPort::abort() noexcept {
  for (auto item = connections_.begin(); item != connections_.end();) {
    Connection& connection = *item++;
    if (connection.handle != nullptr) {
      connection.handle->abort();
    } else if (connection.handshaking != nullptr) {
      connection.handshaking->cancel();
    }
  }
}

WorkerThread::WorkerThread(std::size_t index, std::shared_ptr<const RuntimeState> state,
                           net::ConnectionLimit& limit, DaemonMetrics& metrics,
                           client::cloud::CredentialStore& accounts)
    : worker_(index),
      state_(std::move(state)),
      limit_(limit),
      metrics_(metrics),
      client_(client::make_http_client(worker_, state_->client)),
      accounts_(accounts),
      credentials_(accounts.credentials(worker_)),
      local_functions_(functions::make_local_functions(worker_, *credentials_, state_->functions)),
      pipeline_(gateway::make_pipeline(
          worker_, gateway::WorkerServices{*client_, *credentials_, *local_functions_}, state_->snapshot,
          [this](const http::Request& request, const http::RequestContext& context) {
            if (access_log_) {
              access_log_(request, context);
            }
          })),
      limits_(state_->limits),
      shared_{worker_, *pipeline_, &limits_},
      work_(worker_.executor()) {
  pipeline_->use(state_->snapshot, version_services());
  if (state_->access_log) {
    access_log_ = gateway::make_access_log(log::writer(), index);
  }
}

WorkerThread::~WorkerThread() {
  stop();
  join();
}

void WorkerThread::start() {
  thread_ = std::thread([this] {
    const std::string name = "worker-" + std::to_string(worker_.index());
    ::pthread_setname_np(::pthread_self(), name.c_str());
    worker_.context().run();
    // Coroutines that wait for the clock end now: nobody else would free their frames.
    worker_.wheel().stop();
    abort_connections();
    worker_.context().restart();
    worker_.context().poll();
  });
}

void WorkerThread::stop() {
  worker_.context().stop();
}

void WorkerThread::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

gateway::VersionServices WorkerThread::version_services() {
  return {accounts_.credentials(worker_, state_->accounts), state_->functions};
}

void WorkerThread::use(std::shared_ptr<const RuntimeState> state) {
  state_ = std::move(state);
  limits_ = state_->limits;
  pipeline_->use(state_->snapshot, version_services());
  client_->configure(state_->client);
  local_functions_->use(state_->functions);
  access_log_ = state_->access_log ? gateway::make_access_log(log::writer(), worker_.index())
                                   : gateway::AccessLogSink();
}

void WorkerThread::listen(const std::string& key, int descriptor, bool tls) {
  const auto port = std::make_shared<ListenerPort>(tls);
  const std::weak_ptr<ListenerPort> weak = port;
  auto acceptor = std::make_unique<net::Acceptor>(
      worker_, descriptor, limit_, accept_stats_, tls ? std::string() : connection_refusal(),
      [this, weak](std::unique_ptr<net::Stream> stream, net::Endpoints endpoints) {
        if (const auto live = weak.lock()) {
          admit(std::move(stream), std::move(endpoints), live);
        } else {
          limit_.release();
        }
      });
  acceptor->start();
  port->take(std::move(acceptor));
  ports_[key] = port;
}

void WorkerThread::set_tls(const std::string& key, bool tls) {
  if (const auto port = ports_.find(key); port != ports_.end()) {
    port->second->set_tls(tls);
  }
}

void WorkerThread::unlisten(const std::string& key, Duration grace) {
  const auto found = ports_.find(key);
  if (found == ports_.end()) {
    return;
  }
  const std::shared_ptr<ListenerPort> port = found->second;
  ports_.erase(found);
  port->close();
  closing_ports_.push_back(port);
  net::asio::co_spawn(worker_.executor(), cut_later(*this, port, grace), net::asio::detached);
}

net::Awaitable<void> WorkerThread::cut_later(WorkerThread& self, std::shared_ptr<ListenerPort> port,
                                             Duration grace) {
  co_await self.worker_.wheel().sleep(grace);
  port->abort();
}

void WorkerThread::unlisten_all() {
  for (const auto& [key, port] : ports_) {
    port->close();
    closing_ports_.push_back(port);
  }
  ports_.clear();
  client_->close_idle();
}

bool WorkerThread::idle() const noexcept {
  return connections_ == 0 && client_->counts().busy == 0 && local_functions_->busy() == 0;
}

void WorkerThread::abort_connections() {
  for (const auto& weak : closing_ports_) {
    if (const auto port = weak.lock()) {
      port->abort();
    }
  }
  for (const auto& [key, port] : ports_) {
    port->abort();
  }
}

bool WorkerThread::trusts(const net::Endpoints& endpoints) const {
  if (endpoints.peer_address == "unix") {
    return state_->snapshot->settings().trust_unix;
  }
  const net::IpSet& proxies = state_->snapshot->settings().trusted_proxies;
  if (proxies.empty()) {
    return false;
  }
  boost::system::error_code failed;
  const auto address = net::asio::ip::make_address(endpoints.peer_address, failed);
  return !failed && proxies.contains(address);
}

void WorkerThread::admit(std::unique_ptr<net::Stream> stream, net::Endpoints endpoints,
                         const std::shared_ptr<ListenerPort>& port) {
  http::ConnectionInfo info;
  info.peer_trusted = trusts(endpoints);
  info.peer_address = std::move(endpoints.peer_address);
  info.peer_port = endpoints.peer_port;
  info.local_address = std::move(endpoints.local_address);
  info.local_port = endpoints.local_port;
  ++connections_;
  metrics_.connections.add(worker_.index(), 1);
  net::asio::co_spawn(worker_.executor(), run_connection(*this, std::move(stream), std::move(info), port),
                      net::asio::detached);
}

net::Awaitable<void> WorkerThread::run_connection(WorkerThread& self, std::unique_ptr<net::Stream> stream,
                                                  http::ConnectionInfo info,
                                                  std::shared_ptr<ListenerPort> port) {
  ListenerPort::Connection connection;
  port->add(connection);
  bool usable = true;
  if (port->tls()) {
    connection.handshaking = stream.get();
    std::shared_ptr<const net::TlsServerContext> tls = self.state_->tls;
    const std::size_t shard = self.worker_.index();
    if (tls == nullptr) {
      usable = false;
    } else {
      auto accepted = co_await net::tls_accept(self.worker_, std::move(stream), std::move(tls),
                                               self.limits_.tls_handshake_timeout);
      connection.handshaking = nullptr;
      if (accepted.has_error()) {
        self.metrics_.tls_failed.add(shard);
        log::debug("TLS handshake failed",
                   {{"client", info.peer_address}, {"reason", accepted.error().detail}});
        usable = false;
      } else {
        stream = std::move(accepted.value());
        info.secure = true;
        info.tls = stream->tls();
        const bool newest = info.tls != nullptr && info.tls->version == "TLSv1.3";
        (newest ? self.metrics_.tls13 : self.metrics_.tls12).add(shard);
      }
    }
  }
  if (usable) {
    std::function<void(http::h1::ServerConnection&)> on_start =
        [&connection, &port](http::h1::ServerConnection& handle) { port->ready(connection, handle); };
    co_await http::h1::serve_connection(self.shared_, std::move(stream), std::move(info), on_start);
    connection.handle = nullptr;
  }
  --self.connections_;
  self.metrics_.connections.add(self.worker_.index(), -1);
  self.limit_.release();
}

void WorkerThread::publish_counts() {
  const std::size_t shard = worker_.index();
  const auto publish = [shard](Counter& counter, std::uint64_t& told, std::uint64_t now) {
    counter.add(shard, now - told);
    told = now;
  };
  const auto publish_level = [shard](Level& level, std::size_t& told, std::size_t now) {
    level.add(shard, static_cast<std::int64_t>(now) - static_cast<std::int64_t>(told));
    told = now;
  };
  publish(metrics_.accepted, told_accepted_, accept_stats_.accepted.load());
  publish(metrics_.refused, told_refused_, accept_stats_.refused.load());
  publish(metrics_.accept_errors, told_errors_, accept_stats_.errors.load());
  const client::HttpClient::PoolCounts pool = client_->counts();
  publish(metrics_.upstream_opened, told_pool_.opened, pool.opened);
  publish(metrics_.upstream_reused, told_pool_.reused, pool.reused);
  publish(metrics_.upstream_retried, told_pool_.retried, pool.retried);
  publish_level(metrics_.upstream_idle, told_pool_.idle, pool.idle);
  publish_level(metrics_.upstream_busy, told_pool_.busy, pool.busy);
  publish_level(metrics_.upstream_waiting, told_pool_.waiting, pool.waiting);
}

}  // namespace sluice::server
