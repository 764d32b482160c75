// The load tool of the benchmarks: one thread, epoll, HTTP/1.1 over TCP or TLS 1.3, answers counted and
// timed.
//
//   bench_load closed --port P [--connections 64] [--seconds S | --requests N]   each answer brings the next
//   request bench_load open   --port P --rate R --seconds S    requests at fixed times; latency counts from
//   the time that a
//                                                      request was due, so a server that stalls cannot hide
//                                                      it
//   bench_load fresh  --port P ...                     closed, with a new connection (and handshake) a
//   request bench_load idle   --port P --connections N         one request a connection, prints "ready",
//   holds them all open
//                                                      until its standard input ends
//   options: --path /x  --method GET  --body BYTES  --header "Name: value"  --tls  --host NAME
//
// Prints one JSON object: requests, errors, seconds, bytes, latency_us {p50, p90, p99, p999, max}.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "response_scanner.hpp"

namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

enum class Mode { closed, open, fresh, idle };

struct Options {
  Mode mode = Mode::closed;
  std::string host = "localhost";
  std::uint16_t port = 0;
  std::size_t connections = 64;
  double seconds = 0;
  std::uint64_t requests = 0;
  double rate = 0;
  std::string path = "/";
  std::string method = "GET";
  std::size_t body = 0;
  std::string headers;
  bool tls = false;
};

[[noreturn]] void fail(const std::string& text) {
  std::cerr << "bench_load: " << text << '\n';
  std::exit(2);
}

double number(std::string_view option, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    fail(std::string(option) + " takes a number, not '" + std::string(text) + "'");
  }
  return value;
}

Options parse_options(const std::vector<std::string_view>& arguments) {
  Options options;
  if (arguments.empty()) {
    fail("a mode is missing: closed, open, fresh or idle");
  }
  constexpr std::array<std::pair<std::string_view, Mode>, 4> modes{
      {{"closed", Mode::closed}, {"open", Mode::open}, {"fresh", Mode::fresh}, {"idle", Mode::idle}}};
  const auto* const mode = std::find_if(modes.begin(), modes.end(),
                                        [&](const auto& entry) { return entry.first == arguments[0]; });
  if (mode == modes.end()) {
    fail("unknown mode '" + std::string(arguments[0]) + "'");
  }
  options.mode = mode->second;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (name == "--tls") {
      options.tls = true;
      continue;
    }
    if (i + 1 == arguments.size()) {
      fail(std::string(name) + " takes a value");
    }
    const std::string_view value = arguments[++i];
    if (name == "--host") {
      options.host = value;
    } else if (name == "--port") {
      options.port = static_cast<std::uint16_t>(number(name, value));
    } else if (name == "--connections") {
      options.connections = static_cast<std::size_t>(number(name, value));
    } else if (name == "--seconds") {
      options.seconds = number(name, value);
    } else if (name == "--requests") {
      options.requests = static_cast<std::uint64_t>(number(name, value));
    } else if (name == "--rate") {
      options.rate = number(name, value);
    } else if (name == "--path") {
      options.path = value;
    } else if (name == "--method") {
      options.method = value;
    } else if (name == "--body") {
      options.body = static_cast<std::size_t>(number(name, value));
    } else if (name == "--header") {
      options.headers.append(value).append("\r\n");
    } else {
      fail("unknown option " + std::string(name));
    }
  }
  if (options.port == 0 || options.connections == 0) {
    fail("--port and --connections must be above 0");
  }
  if (options.mode == Mode::open && (options.rate <= 0 || options.seconds <= 0)) {
    fail("open needs --rate and --seconds");
  }
  if (options.mode != Mode::open && options.mode != Mode::idle && options.seconds <= 0 &&
      options.requests == 0) {
    fail("--seconds or --requests is missing");
  }
  return options;
}

struct Connection {
  int fd = -1;
  SSL* ssl = nullptr;
  bool connected = false;  // TCP and TLS
  bool busy = false;       // a request is due or on its way
  bool wants_write = false;
  std::size_t written = 0;
  Time due;
  bench::ResponseScanner scanner;
};

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)), connections_(options_.connections) {
    request_ = options_.method + " " + options_.path + " HTTP/1.1\r\nHost: " + options_.host + "\r\n" +
               options_.headers;
    if (options_.body != 0) {
      request_ +=
          "Content-Type: application/octet-stream\r\nContent-Length: " + std::to_string(options_.body) +
          "\r\n";
    }
    request_ += "\r\n";
    request_.append(options_.body, 'x');
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    buffer_.resize(std::size_t{256} << 10U);
    if (options_.tls) {
      context_ = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
      SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
      SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
      SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    for (auto& connection : connections_) {
      close(connection);
    }
    if (context_ != nullptr) {
      SSL_CTX_free(context_);
    }
    ::close(epoll_);
  }

  int run() {
    started_ = std::chrono::steady_clock::now();
    ends_ = options_.seconds > 0
                ? started_ +
                      std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(options_.seconds))
                : Time::max();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      open(i);
      if (options_.mode == Mode::open) {
        free_.push_back(i);
      } else {
        connections_[i].busy = true;
        connections_[i].due = started_;
        ++sent_;
      }
    }
    while (!finished()) {
      wait();
      if (options_.mode == Mode::open) {
        dispatch();
      }
      if (errors_ > 1000 && errors_ * 2 > answered_) {
        std::cerr << "bench_load: too many errors: " << first_error_ << '\n';
        break;
      }
    }
    if (options_.mode == Mode::idle) {
      std::cout << "ready" << std::endl;  // the other side waits for this line
      char unused = 0;
      while (::read(STDIN_FILENO, &unused, 1) > 0) {
      }
    }
    report();
    return errors_ == 0 ? 0 : 1;
  }

 private:
  [[nodiscard]] bool finished() const {
    if (options_.mode == Mode::idle) {
      return answered_ + errors_ >= connections_.size();
    }
    if (options_.requests != 0) {
      return answered_ + errors_ >= options_.requests;
    }
    const auto now = std::chrono::steady_clock::now();
    if (options_.mode == Mode::open) {
      // Late answers are waited for, a while: they are what the percentiles are about.
      return now >= ends_ && (answered_ + errors_ >= scheduled_ || now >= ends_ + std::chrono::seconds(5));
    }
    return now >= ends_;
  }
  [[nodiscard]] bool may_send() const {
    return options_.mode != Mode::idle && (options_.requests == 0 || sent_ < options_.requests);
  }
  [[nodiscard]] Time due_of(std::uint64_t index) const {
    return started_ +
           nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(index) / options_.rate));
  }

  void open(std::size_t index) {
    auto& connection = connections_[index];
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) {
      fail(std::string("socket: ") + std::strerror(errno));
    }
    const int one = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (options_.mode == Mode::fresh) {
      // Tens of thousands of short connections: no port may rest in TIME_WAIT.
      const linger reset{1, 0};
      ::setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      fail(std::string("connect: ") + std::strerror(errno));
    }
    if (context_ != nullptr) {
      connection.ssl = SSL_new(context_);
      SSL_set_fd(connection.ssl, connection.fd);
      SSL_set_tlsext_host_name(connection.ssl, options_.host.c_str());
      SSL_set_connect_state(connection.ssl);
    }
    connection.connected = false;
    connection.wants_write = true;
    connection.written = 0;
    connection.scanner.reset();
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  static void close(Connection& connection) {
    if (connection.ssl != nullptr) {
      SSL_free(connection.ssl);
      connection.ssl = nullptr;
    }
    if (connection.fd >= 0) {
      ::close(connection.fd);
      connection.fd = -1;
    }
  }

  void interest(std::size_t index, bool write) {
    auto& connection = connections_[index];
    if (connection.wants_write == write) {
      return;
    }
    connection.wants_write = write;
    epoll_event event{};
    event.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void wait() {
    std::array<epoll_event, 256> events{};
    auto until = std::min(ends_, std::chrono::steady_clock::now() + std::chrono::milliseconds(100));
    if (options_.mode == Mode::open && !free_.empty() && due_of(scheduled_) < ends_) {
      until = std::min(until, due_of(scheduled_));
    }
    const auto left = std::max(nanoseconds(0), nanoseconds(until - std::chrono::steady_clock::now()));
    const timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    const int count =
        ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      advance(event.data.u64, (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0);
    }
  }

  // Gives what is due to connections that are free.
  void dispatch() {
    const auto now = std::chrono::steady_clock::now();
    while (!free_.empty() && due_of(scheduled_) <= now && due_of(scheduled_) < ends_) {
      const auto index = free_.front();
      free_.pop_front();
      auto& connection = connections_[index];
      connection.busy = true;
      connection.due = due_of(scheduled_++);
      ++sent_;
      advance(index, false);
    }
  }

  void advance(std::size_t index, bool readable) {
    auto& connection = connections_[index];
    if (!connection.connected && !handshake(index)) {
      return;
    }
    if (connection.busy && connection.written < request_.size() && !write_request(index)) {
      return;
    }
    if (readable || connection.ssl != nullptr) {
      read_answer(index);
    }
  }

  bool handshake(std::size_t index) {
    auto& connection = connections_[index];
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      broken(index, std::string("connect: ") + std::strerror(error));
      return false;
    }
    if (connection.ssl != nullptr) {
      ERR_clear_error();
      const int result = SSL_connect(connection.ssl);
      if (result != 1) {
        const int why = SSL_get_error(connection.ssl, result);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
          interest(index, why == SSL_ERROR_WANT_WRITE);
          return false;
        }
        broken(index, "TLS handshake failed");
        return false;
      }
    }
    connection.connected = true;
    interest(index, false);
    return true;
  }

  bool write_request(std::size_t index) {
    auto& connection = connections_[index];
    while (connection.written < request_.size()) {
      const char* data = request_.data() + connection.written;
      const std::size_t left = request_.size() - connection.written;
      ssize_t count = 0;
      if (connection.ssl != nullptr) {
        ERR_clear_error();
        std::size_t written = 0;
        const int result = SSL_write_ex(connection.ssl, data, left, &written);
        const int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(connection.ssl, result);
        if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) {
          interest(index, why == SSL_ERROR_WANT_WRITE);
          return true;
        }
        count = result == 1 ? static_cast<ssize_t>(written) : -1;
      } else {
        count = ::send(connection.fd, data, left, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
          interest(index, true);
          return true;
        }
      }
      if (count < 0) {
        broken(index, std::string("send: ") + std::strerror(errno));
        return false;
      }
      connection.written += static_cast<std::size_t>(count);
    }
    interest(index, false);
    return true;
  }

  void read_answer(std::size_t index) {
    auto& connection = connections_[index];
    for (;;) {
      ssize_t count = 0;
      if (connection.ssl != nullptr) {
        ERR_clear_error();
        std::size_t got = 0;
        const int result = SSL_read_ex(connection.ssl, buffer_.data(), buffer_.size(), &got);
        const int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(connection.ssl, result);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
          return;
        }
        count = result == 1 ? static_cast<ssize_t>(got) : 0;
      } else {
        count = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
        if (count < 0 && errno == EAGAIN) {
          return;
        }
      }
      if (count <= 0) {
        connection.scanner.end();
        if (connection.busy && connection.scanner.complete()) {
          answered(index);
        } else {
          broken(index, "the server closed the connection");
        }
        return;
      }
      bytes_ += static_cast<std::uint64_t>(count);
      const auto used = connection.scanner.feed({buffer_.data(), static_cast<std::size_t>(count)});
      if (connection.scanner.failed() ||
          (connection.scanner.complete() && used != static_cast<std::size_t>(count))) {
        broken(index, "the answer does not follow HTTP/1.1");
        return;
      }
      if (connection.scanner.complete()) {
        answered(index);
        return;
      }
      if (connection.ssl == nullptr && static_cast<std::size_t>(count) < buffer_.size()) {
        return;
      }
    }
  }

  void answered(std::size_t index) {
    auto& connection = connections_[index];
    const auto now = std::chrono::steady_clock::now();
    const int status = connection.scanner.status();
    if (status / 100 == 2 || status / 100 == 3) {
      ++answered_;
      const auto tenths = nanoseconds(now - connection.due).count() / 100;
      latencies_.push_back(static_cast<std::uint32_t>(
          std::clamp<std::int64_t>(tenths, 0, std::numeric_limits<std::uint32_t>::max())));
    } else {
      error("status " + std::to_string(status));
    }
    const bool reopen = options_.mode == Mode::fresh || connection.scanner.closes();
    connection.busy = false;
    connection.written = 0;
    connection.scanner.reset();
    if (reopen) {
      close(connection);
      if (options_.mode == Mode::idle || (options_.mode != Mode::open && !may_send())) {
        return;
      }
      open(index);
    }
    next(index, now);
  }

  void next(std::size_t index, Time now) {
    auto& connection = connections_[index];
    if (options_.mode == Mode::open) {
      free_.push_back(index);
      return;
    }
    if (!may_send()) {
      return;
    }
    ++sent_;
    connection.busy = true;
    connection.due = now;
    if (connection.connected && connection.written == 0) {
      write_request(index);
    }
  }

  void broken(std::size_t index, const std::string& why) {
    auto& connection = connections_[index];
    const bool was_busy = connection.busy;
    if (was_busy) {
      error(why);
    }
    connection.busy = false;
    close(connection);
    if (options_.mode == Mode::idle || finished()) {
      return;
    }
    open(index);
    if (was_busy) {
      next(index, std::chrono::steady_clock::now());
    }
  }

  void error(const std::string& why) {
    if (errors_++ == 0) {
      first_error_ = why;
    }
  }

  void report() {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
    std::sort(latencies_.begin(), latencies_.end());
    const auto percentile = [this](double part) {
      if (latencies_.empty()) {
        return 0.0;
      }
      const auto last = static_cast<double>(latencies_.size() - 1);
      return static_cast<double>(latencies_[static_cast<std::size_t>(last * part)]) / 10.0;
    };
    std::printf(
        "{\"requests\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"seconds\": %.6f, \"bytes\": %llu, "
        "\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}}\n",
        static_cast<unsigned long long>(answered_), static_cast<unsigned long long>(errors_),
        first_error_.c_str(), took.count(), static_cast<unsigned long long>(bytes_), percentile(0.5),
        percentile(0.9), percentile(0.99), percentile(0.999), percentile(1.0));
  }

  Options options_;
  std::string request_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;
  std::vector<char> buffer_;
  std::vector<std::uint32_t> latencies_;  // tenths of a microsecond
  SSL_CTX* context_ = nullptr;
  int epoll_ = -1;
  Time started_;
  Time ends_;
  std::uint64_t scheduled_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t errors_ = 0;
  std::uint64_t bytes_ = 0;
  std::string first_error_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  // The default slack of 50 microseconds would show in the percentiles.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  return Load(parse_options(arguments)).run();
}
