/// A server of raw bytes on a socket of its own: a thread a connection, blocking reads with a limit, so that
/// a test says to the byte what an upstream does.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::client::test {

/// One accepted connection, in its own thread.
class Peer {
 public:
  Peer(int descriptor, std::size_t number) : descriptor_(descriptor), number_(number) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }

  /// Counts from 0.
  [[nodiscard]] std::size_t number() const noexcept { return number_; }

  /// More bytes into `buffer()`; false at the end, at an error, or after five seconds of silence.
  bool read_more() {
    pollfd waiting{descriptor_, POLLIN, 0};
    if (descriptor_ < 0 || ::poll(&waiting, 1, 5000) <= 0) {
      return false;
    }
    std::string block(65536, '\0');
    const ssize_t got = ::recv(descriptor_, block.data(), block.size(), 0);
    if (got <= 0) {
      return false;
    }
    buffer_.append(block, 0, static_cast<std::size_t>(got));
    return true;
  }
  /// Up to and including `end`; what came before the end of the stream without it.
  std::string read_until(const std::string& end) {
    std::size_t at = buffer_.find(end);
    while (at == std::string::npos) {
      if (!read_more()) {
        return std::exchange(buffer_, {});
      }
      at = buffer_.find(end);
    }
    std::string out = buffer_.substr(0, at + end.size());
    buffer_.erase(0, at + end.size());
    return out;
  }
  std::string read_bytes(std::size_t count) {
    while (buffer_.size() < count && read_more()) {
    }
    std::string out = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return out;
  }
  /// A head with its empty line; empty at the end of the connection.
  std::string read_head() { return read_until("\r\n\r\n"); }
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(buffer_, {});
  }
  /// False when the connection does not take it any more.
  bool send(const std::string& bytes) const {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(descriptor_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      at += static_cast<std::size_t>(sent);
    }
    return true;
  }
  void finish() const { ::shutdown(descriptor_, SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (descriptor_ >= 0) {
      ::close(std::exchange(descriptor_, -1));
    }
  }
  /// From another thread: ends what the connection's own waits for.
  void interrupt() {
    const std::lock_guard lock(mutex_);
    if (descriptor_ >= 0) {
      ::shutdown(descriptor_, SHUT_RDWR);
    }
  }
  static void sleep(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }

 private:
  std::mutex mutex_;
  int descriptor_;
  std::size_t number_;
  std::string buffer_;
};

/// Listens on a port of the kernel's choice (or a unix socket) and serves each connection with `serve`.
class RawServer {
 public:
  using Serve = std::function<void(Peer&)>;

  explicit RawServer(Serve serve, const std::string& address = "127.0.0.1", std::uint16_t port = 0)
      : serve_(std::move(serve)) {
    const bool v6 = address.find(':') != std::string::npos;
    sockaddr_storage where{};
    socklen_t size = 0;
    if (v6) {
      auto* in6 = reinterpret_cast<sockaddr_in6*>(&where);
      in6->sin6_family = AF_INET6;
      in6->sin6_port = htons(port);
      ::inet_pton(AF_INET6, address.c_str(), &in6->sin6_addr);
      size = sizeof(sockaddr_in6);
    } else {
      auto* in4 = reinterpret_cast<sockaddr_in*>(&where);
      in4->sin_family = AF_INET;
      in4->sin_port = htons(port);
      ::inet_pton(AF_INET, address.c_str(), &in4->sin_addr);
      size = sizeof(sockaddr_in);
    }
    listener_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (v6) {
      ::setsockopt(listener_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    open_ =
        ::bind(listener_, reinterpret_cast<sockaddr*>(&where), size) == 0 && ::listen(listener_, 512) == 0;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size);
    port_ = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&where)->sin6_port
                     : reinterpret_cast<sockaddr_in*>(&where)->sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  struct Unix {
    std::string path;
  };
  RawServer(Serve serve, const Unix& unix_socket) : serve_(std::move(serve)) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    unix_socket.path.copy(where.sun_path, sizeof(where.sun_path) - 1);
    ::unlink(where.sun_path);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    open_ = ::bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof(where)) == 0 &&
            ::listen(listener_, 64) == 0;
    acceptor_ = std::thread([this] { accept_all(); });
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer() { stop(); }

  [[nodiscard]] bool open() const noexcept { return open_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_; }

  /// Closes the listener and every connection, and joins.
  void stop() {
    if (listener_ < 0) {
      return;
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(std::exchange(listener_, -1));
    {
      const std::lock_guard lock(mutex_);
      for (Session& session : sessions_) {
        session.peer->interrupt();
      }
    }
    for (Session& session : sessions_) {
      session.thread.join();
    }
    sessions_.clear();
  }

 private:
  struct Session {
    std::unique_ptr<Peer> peer;
    std::thread thread;
  };
  void accept_all() {
    for (;;) {
      const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (descriptor < 0) {
        return;
      }
      const std::size_t number = connections_++;
      const std::lock_guard lock(mutex_);
      Session& session = sessions_.emplace_back();
      session.peer = std::make_unique<Peer>(descriptor, number);
      session.thread = std::thread([this, peer = session.peer.get()] {
        serve_(*peer);
        peer->close();
      });
    }
  }

  Serve serve_;
  int listener_ = -1;
  bool open_ = false;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};
  std::mutex mutex_;
  std::list<Session> sessions_;
  std::thread acceptor_;
};

}  // namespace sluice::client::test
