/// The connections to one origin: idle ones last in, first out; a bound on all of them, beyond which calls
/// wait in turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "sluice/client/http_client.hpp"

#include "client/connection.hpp"
#include "client/connector.hpp"

namespace sluice::client {

/// What a call allows the pool to take.
struct AcquireLimits {
  Duration connect_timeout{};
  std::optional<SteadyTime> deadline;
  net::CancelToken* cancel = nullptr;
};

/// Single-threaded; belongs to the client, and outlives the calls that use it.
class Pool {
 public:
  Pool(ConnectorShared& shared, const ClientSettings& settings, HttpClient::PoolCounts& counts, Origin origin,
       bool public_only, std::string authority);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  [[nodiscard]] const Origin& origin() const noexcept { return target_.origin; }
  [[nodiscard]] bool public_only() const noexcept { return target_.public_only; }
  /// For the Host field.
  [[nodiscard]] const std::string& authority() const noexcept { return authority_; }
  [[nodiscard]] const TlsSettings& tls() const noexcept { return target_.tls; }

  /// The connection used last, now busy; nullptr without an idle one.
  ConnectionPtr take_idle() noexcept;
  /// A new connection, once the bound allows one more. With `allow_idle` one that becomes idle meanwhile will
  /// do. Errors: as connecting, and overloaded, deadline, cancelled.
  net::Awaitable<Result<ConnectionPtr>> acquire(AcquireLimits limits, bool allow_idle);
  /// After an exchange that left the connection clean.
  void give_back(ConnectionPtr connection);
  /// After one that did not: closes it.
  void discard(ConnectionPtr connection, bool reset = false) noexcept;

  enum class EndedBy : std::uint8_t { pool, upstream };
  /// An idle connection ended (FIN, reset, unasked bytes, idle timeout).
  void on_idle_end(Connection& connection, EndedBy whose) noexcept;
  /// The upstream ended a connection that it had kept before. One that dies loses its connections before its
  /// listener: what connects in between is taken, and broken with the request on it. So new connections wait
  /// a moment.
  void on_break() noexcept;
  /// A new connection broke with a request on it. Whether connections that had been kept broke at the same
  /// moment, within settle_time before or after: then it is the upstream that ended, whatever it was sent.
  net::Awaitable<bool> broke_with_others(net::CancelToken* cancel);
  void close_idle() noexcept;
  /// TLS settings changed: what is connected now is not used for another call.
  void renew(TlsSettings tls) noexcept;
  /// Nothing idle, busy or waiting: may be destroyed.
  [[nodiscard]] bool unused() const noexcept { return total_ == 0 && waits_.empty() && visitors_ == 0; }

 private:
  // One call that waits for its turn. Lives in the frame of acquire().
  struct Wait
      : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    Pool* pool = nullptr;
    net::Waiter waiter;
    ConnectionPtr connection;
    bool idle_will_do = false;
    enum class Outcome : std::uint8_t { none, turn, timeout, cancelled } outcome = Outcome::none;
  };
  net::Awaitable<void> settle(net::CancelToken* cancel);
  net::Awaitable<Result<ConnectionPtr>> wait_for_turn(AcquireLimits limits, bool allow_idle);
  void end_wait(Wait& wait, Wait::Outcome outcome);
  void pass_turn();
  void forget(Connection& connection) noexcept;

  ConnectorShared& shared_;
  const ClientSettings& settings_;
  HttpClient::PoolCounts& counts_;
  ConnectTarget target_;
  std::string authority_;
  std::vector<ConnectionPtr> idle_;
  boost::intrusive::list<Wait, boost::intrusive::constant_time_size<false>> waits_;
  std::size_t waiting_ = 0;
  std::size_t total_ = 0;     // idle, busy and connecting
  std::size_t visitors_ = 0;  // coroutines inside acquire()
  std::uint64_t generation_ = 0;
  SteadyTime settled_at_{};  // no new connection before
  SteadyTime last_break_{};
};

/// Keeps a connection for one call; when destroyed, the connection is closed unless it was given back.
class ConnectionLease {
 public:
  ConnectionLease() = default;
  ConnectionLease(Pool& pool, ConnectionPtr connection) noexcept
      : pool_(&pool), connection_(std::move(connection)) {}
  ConnectionLease(ConnectionLease&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
  ConnectionLease& operator=(ConnectionLease&& other) noexcept {
    if (this != &other) {
      discard(true);
      pool_ = std::exchange(other.pool_, nullptr);
      connection_ = std::move(other.connection_);
    }
    return *this;
  }
  ConnectionLease(const ConnectionLease&) = delete;
  ConnectionLease& operator=(const ConnectionLease&) = delete;
  ~ConnectionLease() { discard(true); }

  [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }
  Connection* operator->() const noexcept { return connection_.get(); }
  Connection& operator*() const noexcept { return *connection_; }
  [[nodiscard]] const ConnectionPtr& get() const noexcept { return connection_; }

  void give_back() {
    if (connection_) {
      connection_->end_call();
      pool_->give_back(std::move(connection_));
      connection_.reset();
    }
  }
  void discard(bool reset = false) noexcept {
    if (connection_) {
      connection_->end_call();
      pool_->discard(std::move(connection_), reset);
      connection_.reset();
    }
  }

 private:
  Pool* pool_ = nullptr;
  ConnectionPtr connection_;
};

}  // namespace sluice::client
