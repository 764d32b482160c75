/// Listening sockets: opened by the control thread, accepted from by workers.
///
/// A Listener is one address. Each worker gets a descriptor of its own: with SO_REUSEPORT (TCP), so that the
/// kernel spreads connections, or a duplicate of the one descriptor (unix sockets, descriptors from systemd).
/// engineering.md "Listeners" in docs/architecture.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/net/stream.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::net {

struct ListenAddress {
  std::string address{};  ///< IPv4 or IPv6 text ("0.0.0.0", "::"); IPv6 sockets take IPv6 only
  std::uint16_t port = 0;
  std::string unix_path{};  ///< a unix socket instead
  unsigned unix_mode = 0660;
  bool operator==(const ListenAddress&) const = default;
};
/// "127.0.0.1:8080", "[::]:443", "unix:/run/sluice.sock".
std::string to_text(const ListenAddress& address);

/// The ends of an accepted connection.
struct Endpoints {
  std::string peer_address;  ///< IP text (IPv4-mapped as IPv4); "unix" for unix sockets
  std::uint16_t peer_port = 0;
  std::string local_address;
  std::uint16_t local_port = 0;
};

/// One address with a descriptor a worker. Owned by the control thread; descriptors that were taken belong to
/// their acceptors.
class Listener {
 public:
  /// Opens the address for `workers` workers. Errors (config): in use by another process (found out with a
  /// socket that lacks SO_REUSEPORT first), no permission, no such address, a unix path that is no socket.
  /// A unix socket that nobody listens on is replaced. `own_port`: this process listens on the same port of
  /// another address already ("0.0.0.0" beside "127.0.0.1"), which is no reason to refuse.
  static Result<std::unique_ptr<Listener>> open(const ListenAddress& address, std::size_t workers,
                                                int backlog = 4096, bool own_port = false);
  /// Over a listening descriptor from outside (systemd); duplicated. Errors (config): no listening stream
  /// socket.
  static Result<std::unique_ptr<Listener>> adopt(int descriptor, std::size_t workers);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  /// Closes what was not taken. A unix socket's path is removed unless it was adopted.
  ~Listener();

  /// As configured; with the port that the kernel picked where 0 was asked for.
  [[nodiscard]] const ListenAddress& address() const noexcept { return address_; }
  /// The worker's descriptor, once; -1 afterwards.
  int take(std::size_t worker) noexcept;
  /// Leaves the unix socket's path in the file system (another process took it over).
  void keep_path() noexcept { remove_path_ = false; }

 private:
  Listener() = default;
  ListenAddress address_;
  std::vector<int> descriptors_;
  bool remove_path_ = false;
  std::uint64_t inode_ = 0;
};

/// How many connections the process may hold, and how many it does. Thread-safe; one for the whole process.
class ConnectionLimit {
 public:
  /// 0: min(10 000, descriptor limit / 2.2).
  explicit ConnectionLimit(std::size_t most = 0);
  [[nodiscard]] bool acquire() noexcept;
  void release() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t most() const noexcept { return most_.load(std::memory_order_relaxed); }
  /// 0 as in the constructor. Connections beyond a smaller limit stay; new ones are refused.
  void set_most(std::size_t most) noexcept;

 private:
  std::atomic<std::size_t> most_;
  std::atomic<std::size_t> count_{0};
};

/// Counted by an acceptor's worker, read by anyone.
struct AcceptStats {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};             ///< over the connection limit: 503 and closed
  std::atomic<std::uint64_t> errors{0};              ///< accept() failed (descriptors or memory ran out)
  std::atomic<std::uint64_t> handshakes{0};          ///< TLS; counted by whoever calls tls_accept
  std::atomic<std::uint64_t> handshakes_resumed{0};  ///< of these
  std::atomic<std::uint64_t> handshake_failures{0};
};

/// Accepts on one descriptor for one worker, on its thread.
class Acceptor {
 public:
  /// Takes a connection; runs on the worker's thread. The limit was acquired for it: whoever ends the
  /// connection releases it.
  using OnConnection = std::function<void(std::unique_ptr<Stream> stream, Endpoints endpoints)>;

  /// Takes over the descriptor. `refusal`: the bytes that a connection beyond the limit gets before it is
  /// closed (empty for TLS listeners). `limit` and `stats` must outlive the acceptor.
  Acceptor(Worker& worker, int descriptor, ConnectionLimit& limit, AcceptStats& stats, std::string refusal,
           OnConnection on_connection);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();

  /// On the worker's thread.
  void start();
  /// On the worker's thread: takes what the kernel has completed already, then closes.
  void stop() noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::net
