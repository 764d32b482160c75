#include "sluice/net/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "reactor_socket.hpp"

namespace sluice::net {
namespace {

/// A socket address of any family.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

class Descriptor {
 public:
  explicit Descriptor(int value = -1) noexcept : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  [[nodiscard]] int get() const noexcept { return value_; }
  int release() noexcept { return std::exchange(value_, -1); }

 private:
  int value_;
};

Result<Address> to_socket_address(const ListenAddress& address) {
  Address out;
  if (!address.unix_path.empty()) {
    auto& name = reinterpret_cast<sockaddr_un&>(out.storage);
    name.sun_family = AF_UNIX;
    if (address.unix_path.size() >= sizeof(name.sun_path)) {
      return config_error("the path of the unix socket '" + address.unix_path + "' is longer than " +
                          std::to_string(sizeof(name.sun_path) - 1) + " bytes");
    }
    std::memcpy(name.sun_path, address.unix_path.data(), address.unix_path.size());
    out.size = sizeof(name);
    return out;
  }
  boost::system::error_code error;
  const asio::ip::address ip = asio::ip::make_address(address.address, error);
  if (error) {
    return config_error("'" + address.address +
                        "' is no IP address to listen on; write 127.0.0.1, 0.0.0.0 or ::");
  }
  const asio::ip::tcp::endpoint endpoint(ip, address.port);
  std::memcpy(&out.storage, endpoint.data(), endpoint.size());
  out.size = static_cast<socklen_t>(endpoint.size());
  return out;
}

Error listen_error(const ListenAddress& address, int code) {
  std::string text = "cannot listen on " + to_text(address) + ": ";
  switch (code) {
    case EADDRINUSE:
      text += "another process listens there already; stop it or choose another " +
              std::string(address.unix_path.empty() ? "port" : "path");
      break;
    case EACCES:
      text += address.unix_path.empty() ? "ports below 1024 need root or CAP_NET_BIND_SERVICE"
                                        : "no permission to create the socket in that folder";
      break;
    case EADDRNOTAVAIL:
      text += "no interface of this machine has that address";
      break;
    default:
      text += std::strerror(code);
      break;
  }
  return config_error(std::move(text));
}

/// A bound socket; `shared` sets SO_REUSEPORT.
Result<int> bind_socket(const ListenAddress& address, const Address& where, bool shared) {
  Descriptor socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) {
    return listen_error(address, errno);
  }
  const int on = 1;
  if (where.storage.ss_family != AF_UNIX) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared) {
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    }
    if (where.storage.ss_family == AF_INET6) {
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
  }
  if (::bind(socket.get(), where.get(), where.size) != 0) {
    return listen_error(address, errno);
  }
  return socket.release();
}

/// A socket that listens and yet takes no connection: whoever knocks is not answered and knocks again, a
/// second later, at the listener that stands there then. What it had taken would be reset by closing it.
bool listen_deaf(int socket) {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &nothing};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
         ::listen(socket, 1) == 0;
}

std::uint16_t port_of(const Address& address) {
  if (address.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
  }
  if (address.storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
  }
  return 0;
}

std::string ip_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.storage.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr, text.data(),
                text.size());
    return text.data();
  }
  if (address.storage.ss_family == AF_INET6) {
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&ip)) {
      ::inet_ntop(AF_INET, &ip.s6_addr[12], text.data(), text.size());
    } else {
      ::inet_ntop(AF_INET6, &ip, text.data(), text.size());
    }
    return text.data();
  }
  return "unix";
}

Address local_address(int descriptor) {
  Address local;
  ::getsockname(descriptor, local.get(), &local.size);
  return local;
}

std::uint64_t inode_of(const std::string& path) {
  struct stat about = {};
  return ::lstat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}

/// Removes a unix socket that nobody listens on any more.
Result<void> remove_stale(const ListenAddress& address, const Address& where) {
  struct stat about = {};
  if (::lstat(address.unix_path.c_str(), &about) != 0) {
    return {};
  }
  if (!S_ISSOCK(about.st_mode)) {
    return config_error("cannot listen on " + to_text(address) + ": a file that is no socket is in the way");
  }
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), where.get(), where.size) == 0 || errno == EAGAIN) {
    return listen_error(address, EADDRINUSE);
  }
  if (errno != ECONNREFUSED) {
    return listen_error(address, errno);
  }
  ::unlink(address.unix_path.c_str());
  return {};
}

}  // namespace

std::string to_text(const ListenAddress& address) {
  if (!address.unix_path.empty()) {
    return "unix:" + address.unix_path;
  }
  const bool v6 = address.address.find(':') != std::string::npos;
  return (v6 ? "[" + address.address + "]" : address.address) + ":" + std::to_string(address.port);
}

Result<std::unique_ptr<Listener>> Listener::open(const ListenAddress& address, std::size_t workers,
                                                 int backlog, bool own_port) {
  Result<Address> where = to_socket_address(address);
  if (!where) {
    return where.error();
  }
  std::unique_ptr<Listener> listener(new Listener());
  listener->address_ = address;
  if (!address.unix_path.empty()) {
    const Result<void> free = remove_stale(address, *where);
    if (!free) {
      return free.error();
    }
    const mode_t old_mask = ::umask(0777 & ~address.unix_mode);
    Result<int> bound = bind_socket(address, *where, false);
    ::umask(old_mask);
    if (!bound) {
      return bound.error();
    }
    listener->descriptors_.push_back(*bound);
    listener->remove_path_ = true;
    listener->inode_ = inode_of(address.unix_path);
    if (::listen(*bound, backlog) != 0) {
      return listen_error(address, errno);
    }
  } else if (!own_port) {
    // A socket with SO_REUSEPORT would share the port with another daemon of the same user in silence.
    Result<int> probe = bind_socket(address, *where, false);
    if (!probe) {
      return probe.error();
    }
    const Descriptor probe_owner(*probe);
    // One that is bound and about to listen is found by listening only.
    if (!listen_deaf(*probe)) {
      return listen_error(address, errno);
    }
    *where = local_address(*probe);
    listener->address_.port = port_of(*where);
  }
  if (address.unix_path.empty()) {
    for (std::size_t i = 0; i < workers; ++i) {
      Result<int> bound = bind_socket(listener->address_, *where, true);
      if (!bound) {
        return bound.error();
      }
      listener->descriptors_.push_back(*bound);
    }
    // All bound before the first listens: connections are spread over what listens at that moment.
    for (const int descriptor : listener->descriptors_) {
      if (::listen(descriptor, backlog) != 0) {
        return listen_error(listener->address_, errno);
      }
    }
    return listener;
  }
  while (listener->descriptors_.size() < workers) {
    const int copy = ::fcntl(listener->descriptors_.front(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return listen_error(address, errno);
    }
    listener->descriptors_.push_back(copy);
  }
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::adopt(int descriptor, std::size_t workers) {
  const auto option = [descriptor](int name) {
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  if (option(SO_TYPE) != SOCK_STREAM || option(SO_ACCEPTCONN) != 1) {
    return config_error("descriptor " + std::to_string(descriptor) + " is no listening stream socket");
  }
  std::unique_ptr<Listener> listener(new Listener());
  const Address local = local_address(descriptor);
  if (local.storage.ss_family == AF_UNIX) {
    const auto& name = reinterpret_cast<const sockaddr_un&>(local.storage);
    const std::size_t most = local.size - offsetof(sockaddr_un, sun_path);
    listener->address_.unix_path.assign(name.sun_path, ::strnlen(name.sun_path, most));
  } else {
    listener->address_.address = ip_of(local);
    listener->address_.port = port_of(local);
  }
  for (std::size_t i = 0; i < workers; ++i) {
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return listen_error(listener->address_, errno);
    }
    listener->descriptors_.push_back(copy);
    ::fcntl(copy, F_SETFL, ::fcntl(copy, F_GETFL) | O_NONBLOCK);
  }
  return listener;
}

Listener::~Listener() {
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
  if (remove_path_ && inode_ != 0 && inode_of(address_.unix_path) == inode_) {
    ::unlink(address_.unix_path.c_str());
  }
}

int Listener::take(std::size_t worker) noexcept {
  return worker < descriptors_.size() ? std::exchange(descriptors_[worker], -1) : -1;
}

ConnectionLimit::ConnectionLimit(std::size_t most) : most_(most) {
  set_most(most);
}

void ConnectionLimit::set_most(std::size_t most) noexcept {
  if (most == 0) {
    rlimit limit{};
    most = 10'000;
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
      most = std::min(most, static_cast<std::size_t>(static_cast<double>(limit.rlim_cur) / 2.2));
    }
  }
  most_.store(most, std::memory_order_relaxed);
}

bool ConnectionLimit::acquire() noexcept {
  if (count_.fetch_add(1, std::memory_order_relaxed) < most()) {
    return true;
  }
  release();
  return false;
}

struct Acceptor::Impl : std::enable_shared_from_this<Acceptor::Impl> {
  Impl(Worker& its_worker, int descriptor, ConnectionLimit& its_limit, AcceptStats& its_stats,
       std::string its_refusal, OnConnection its_on_connection)
      : worker(its_worker),
        limit(its_limit),
        stats(its_stats),
        refusal(std::move(its_refusal)),
        on_connection(std::move(its_on_connection)),
        pause(worker.wheel(), &Impl::on_pause_over, this),
        socket(ReactorSocket::make(worker.executor(), descriptor)) {
    local = socket == nullptr ? Address() : local_address(descriptor);
  }

  static void on_readable(void* context, IoStatus status) noexcept {
    if (status == IoStatus::ok) {
      static_cast<Impl*>(context)->accept_all();
    }
  }
  static void on_pause_over(void* context) noexcept { static_cast<Impl*>(context)->accept_all(); }

  void accept_all() {
    const std::shared_ptr<Impl> keep = shared_from_this();
    // A bounded number at a time: the connections that are there want to be served too.
    constexpr int most_at_once = 8;
    for (int i = 0; i < most_at_once; ++i) {
      if (socket == nullptr) {
        return;
      }
      if (!accept_one()) {
        return;
      }
    }
    asio::post(worker.executor(), [keep] {
      if (!keep->stopping) {
        keep->accept_all();
      }
    });
  }

  /// False when there is nothing more to accept now; whatever comes next is arranged for.
  bool accept_one() {
    Address peer;
    const int descriptor =
        ::accept4(socket->descriptor(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      take(descriptor, peer);
      return true;
    }
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case EPERM:  // a firewall's rule
        return true;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        // The connection stays in the queue; trying again at once would only burn time.
        stats.errors.fetch_add(1, std::memory_order_relaxed);
        pause.arm(std::chrono::milliseconds(100));
        return false;
      default:
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
          stats.errors.fetch_add(1, std::memory_order_relaxed);
          pause.arm(std::chrono::milliseconds(100));
          return false;
        }
        if (!stopping) {
          socket->set_drained();
          socket->start_wait_readable(WaitMode::event, &Impl::on_readable, this);
        }
        return false;
    }
  }

  void take(int descriptor, const Address& peer) {
    if (!limit.acquire()) {
      stats.refused.fetch_add(1, std::memory_order_relaxed);
      refuse(descriptor);
      return;
    }
    stats.accepted.fetch_add(1, std::memory_order_relaxed);
    const bool tcp = peer.storage.ss_family == AF_INET || peer.storage.ss_family == AF_INET6;
    if (tcp) {
      const int on = 1;
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    Endpoints endpoints;
    endpoints.peer_address = ip_of(peer);
    endpoints.peer_port = port_of(peer);
    // The socket's own address differs from the listener's only where that one is a wildcard.
    const Address own = wildcard() ? local_address(descriptor) : local;
    endpoints.local_address = ip_of(own);
    endpoints.local_port = port_of(own);
    std::unique_ptr<Stream> stream = adopt_stream(worker.executor(), descriptor);
    if (stream == nullptr) {
      stats.errors.fetch_add(1, std::memory_order_relaxed);
      limit.release();
      return;
    }
    on_connection(std::move(stream), std::move(endpoints));
  }

  [[nodiscard]] bool wildcard() const {
    if (local.storage.ss_family == AF_INET) {
      return reinterpret_cast<const sockaddr_in&>(local.storage).sin_addr.s_addr == htonl(INADDR_ANY);
    }
    if (local.storage.ss_family == AF_INET6) {
      return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(local.storage).sin6_addr);
    }
    return false;
  }

  void refuse(int descriptor) const {
    // What the client has sent is read first: closing over unread bytes would reset the answer away.
    std::array<char, 4096> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    (void)::recv(descriptor, scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (!refusal.empty()) {
      (void)::send(descriptor, refusal.data(), refusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::shutdown(descriptor, SHUT_WR);
    }
    ::close(descriptor);
  }

  void stop() {
    if (socket == nullptr || std::exchange(stopping, true)) {
      return;
    }
    pause.disarm();
    // What the kernel has completed would be reset by closing.
    const std::shared_ptr<Impl> keep = shared_from_this();
    while (socket != nullptr && accept_one()) {
    }
    pause.disarm();
    socket.reset();
  }

  Worker& worker;
  ConnectionLimit& limit;
  AcceptStats& stats;
  std::string refusal;
  OnConnection on_connection;
  Timer pause;
  ReactorSocket::Pointer socket;
  Address local;
  bool stopping = false;
};

Acceptor::Acceptor(Worker& worker, int descriptor, ConnectionLimit& limit, AcceptStats& stats,
                   std::string refusal, OnConnection on_connection)
    : impl_(std::make_shared<Impl>(worker, descriptor, limit, stats, std::move(refusal),
                                   std::move(on_connection))) {}

Acceptor::~Acceptor() {
  impl_->socket.reset();
  impl_->pause.disarm();
}

void Acceptor::start() {
  impl_->accept_all();
}

void Acceptor::stop() noexcept {
  impl_->stop();
}

}  // namespace sluice::net
