// A server that does as little as a server can: the upstream behind the proxies that are measured, and the
// process that a cold start is compared with. One thread, epoll, HTTP/1.1 keep-alive.
//
//   bench_server PORT      GET /small, anything else with a short JSON text; GET /big with 1 MiB; bodies are
//   read
//                          to their end before the answer

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

struct Connection {
  std::string head;             // bytes of a head that is not complete
  std::uint64_t body_left = 0;  // bytes of the body still to come
  bool chunked = false;         // the body ends with its last chunk
  bool big = false;             // asked for /big
  std::string_view answer;      // what is still to be written
  bool waiting = false;         // for the peer to take more of the answer
};

std::string response(std::string_view type, const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

const std::string& small_answer() {
  static const std::string text = response(
      "application/json", R"({"id": 7, "name": "a small answer", "tags": ["one", "two"], "ok": true})");
  return text;
}

const std::string& big_answer() {
  static const std::string text =
      response("application/octet-stream", std::string(std::size_t{1} << 20U, 'b'));
  return text;
}

class Server {
 public:
  explicit Server(std::uint16_t port)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 4096) != 0) {
      std::cerr << "bench_server: cannot listen on port " << port << '\n';
      std::exit(1);
    }
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept();
        } else if (!serve(fd, connections_[fd])) {
          connections_.erase(fd);
          ::close(fd);
        }
      }
    }
  }

 private:
  void watch(int fd, std::uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void accept() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      const int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      connections_[fd] = Connection{};
      watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  // False when the connection is over.
  bool serve(int fd, Connection& connection) {
    if (!connection.answer.empty()) {
      return write(fd, connection);
    }
    for (;;) {
      const ssize_t count = ::recv(fd, buffer_.data(), buffer_.size(), 0);
      if (count == 0 || (count < 0 && errno != EAGAIN)) {
        return false;
      }
      if (count < 0) {
        return true;
      }
      if (!take(fd, connection, {buffer_.data(), static_cast<std::size_t>(count)})) {
        return false;
      }
      if (static_cast<std::size_t>(count) < buffer_.size()) {
        return true;
      }
    }
  }

  bool take(int fd, Connection& connection, std::string_view bytes) {
    while (!bytes.empty()) {
      if (connection.body_left > 0) {
        const auto part = std::min<std::uint64_t>(connection.body_left, bytes.size());
        connection.body_left -= part;
        bytes.remove_prefix(static_cast<std::size_t>(part));
        if (connection.body_left == 0 && !answer(fd, connection)) {
          return false;
        }
        continue;
      }
      connection.head.append(bytes);
      if (connection.chunked) {
        return take_chunks(fd, connection);
      }
      const auto end = connection.head.find("\r\n\r\n");
      if (end == std::string::npos) {
        return connection.head.size() < 65536;
      }
      const std::size_t rest = connection.head.size() - (end + 4);
      bytes.remove_prefix(bytes.size() - rest);
      connection.head.resize(end + 2);
      read_head(connection);
      connection.head.clear();
      if (connection.body_left == 0 && !connection.chunked && !answer(fd, connection)) {
        return false;
      }
    }
    return true;
  }

  static void read_head(Connection& connection) {
    const std::string_view head = connection.head;
    connection.big = head.find(" /big") < head.find("\r\n");
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      if (const auto at = head.find(name); at != std::string_view::npos) {
        std::from_chars(head.data() + at + name.size(), head.data() + head.size(), connection.body_left);
      }
    }
    connection.chunked = head.find("chunked\r\n") != std::string_view::npos;
  }

  // The measured proxies send chunks only for chunked requests, which the load tool does not make; their end
  // is enough.
  bool take_chunks(int fd, Connection& connection) {
    if (!connection.head.ends_with("0\r\n\r\n")) {
      if (connection.head.size() > 16) {
        connection.head.erase(0, connection.head.size() - 16);
      }
      return true;
    }
    connection.head.clear();
    connection.chunked = false;
    return answer(fd, connection);
  }

  bool answer(int fd, Connection& connection) {
    connection.answer = connection.big ? big_answer() : small_answer();
    return write(fd, connection);
  }

  bool write(int fd, Connection& connection) {
    while (!connection.answer.empty()) {
      const ssize_t count = ::send(fd, connection.answer.data(), connection.answer.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) {
        watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        connection.waiting = true;
        return true;
      }
      if (count < 0) {
        return false;
      }
      connection.answer.remove_prefix(static_cast<std::size_t>(count));
    }
    if (connection.waiting) {
      connection.waiting = false;
      watch(fd, EPOLLIN, EPOLL_CTL_MOD);
    }
    return true;
  }

  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  std::array<char, std::size_t{256} << 10U> buffer_{};
  std::unordered_map<int, Connection> connections_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::uint16_t port = 0;
  const std::string_view text = argc == 2 ? argv[1] : "";
  if (std::from_chars(text.data(), text.data() + text.size(), port).ec != std::errc{} || port == 0) {
    std::cerr << "usage: bench_server PORT\n";
    return 2;
  }
  std::make_unique<Server>(port)->run();
}
