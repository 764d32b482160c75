#include "sluice/net/stream.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sluice/net/waiter.hpp"

#include "reactor_socket.hpp"

namespace sluice::net {
namespace {

/// One started wait that a coroutine stands in.
struct Wait {
  static void on_end(void* context, IoStatus status) noexcept {
    auto& self = *static_cast<Wait*>(context);
    self.status = status;
    self.waiter.resume();
  }
  Waiter waiter;
  IoStatus status = IoStatus::ok;
};

class SocketStream final : public Stream {
 public:
  explicit SocketStream(ReactorSocket::Pointer socket) : socket_(std::move(socket)) {}

  void start_wait_readable(WaitMode mode, Callback callback, void* context) override {
    socket_->start_wait_readable(mode, callback, context);
  }
  void start_wait_writable(Callback callback, void* context) override {
    socket_->start_wait_writable(callback, context);
  }
  Result<std::optional<std::size_t>> try_read(asio::mutable_buffer buffer) override;
  Result<std::size_t> try_write(std::span<const asio::const_buffer> buffers) override;
  [[nodiscard]] bool sends_files() const noexcept override { return true; }
  Result<void> try_send_file(asio::const_buffer before, int descriptor, std::uint64_t offset,
                             std::size_t size, FileProgress& progress) override;
  void cancel() noexcept override { socket_->cancel(); }
  void shutdown() noexcept override { ::shutdown(socket_->descriptor(), SHUT_WR); }
  void close(bool reset) noexcept override { socket_->close(reset); }
  [[nodiscard]] bool is_open() const noexcept override { return socket_->descriptor() >= 0; }
  [[nodiscard]] int native_handle() const noexcept override { return socket_->descriptor(); }

 private:
  ReactorSocket::Pointer socket_;
};

Result<std::optional<std::size_t>> SocketStream::try_read(asio::mutable_buffer buffer) {
  const ssize_t got = socket_->receive(buffer.data(), buffer.size());
  if (got >= 0) {
    return std::optional(static_cast<std::size_t>(got));
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return std::optional<std::size_t>();
  }
  return stream_error(status_of_errno(errno));
}

Result<std::size_t> SocketStream::try_write(std::span<const asio::const_buffer> buffers) {
  constexpr std::size_t most = 16;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): filled as far as it is used
  std::array<iovec, most> parts;
  const std::size_t count = std::min(buffers.size(), most);
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<void*>(buffers[i].data()), buffers[i].size()};  // sendmsg() does not write there
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t sent = count == 1 ? ::send(socket_->descriptor(), parts[0].iov_base, parts[0].iov_len,
                                             MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : ::sendmsg(socket_->descriptor(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      return static_cast<std::size_t>(sent);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return std::size_t{0};
    }
    if (errno != EINTR) {
      return stream_error(status_of_errno(errno));
    }
  }
}

Result<void> SocketStream::try_send_file(asio::const_buffer before, int descriptor, std::uint64_t offset,
                                         std::size_t size, FileProgress& progress) {
  progress = {};
  const int socket = socket_->descriptor();
  while (progress.before < before.size()) {
    // Not MSG_MORE: a peer that the head has woken takes the file in while it is sent, a fifth less work
    // here.
    const ssize_t sent = ::send(socket, static_cast<const char*>(before.data()) + progress.before,
                                before.size() - progress.before, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      progress.before += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      progress.stop = FileProgress::Stop::waits;
      return {};
    } else if (errno != EINTR) {
      return stream_error(status_of_errno(errno));
    }
  }
  auto at = static_cast<off_t>(offset);
  for (;;) {
    const ssize_t sent = ::sendfile(socket, descriptor, &at, size);
    if (sent >= 0) {
      progress.file = static_cast<std::size_t>(sent);
      progress.stop = sent == 0 && size > 0 ? FileProgress::Stop::file_end : FileProgress::Stop::none;
      return {};
    }
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
        progress.stop = FileProgress::Stop::waits;
        return {};
      case EINVAL:
      case ENOSYS:
      case EOVERFLOW: {
        Error error = stream_error(IoStatus::failed, "this file system has no sendfile()");
        error.code = ErrorCode::not_built;
        return error;
      }
      case EIO:
      case ESTALE:
        return stream_error(IoStatus::failed, std::string("a file cannot be read: ") + std::strerror(errno));
      default:
        return stream_error(status_of_errno(errno));
    }
  }
}

void set_no_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

template <class Socket>
std::unique_ptr<Stream> adopt(Socket socket, bool tcp) {
  const Executor executor = socket.get_executor();
  boost::system::error_code error;
  socket.non_blocking(true, error);
  if (tcp) {
    set_no_delay(socket.native_handle());
  }
  const int descriptor = socket.release(error);
  if (error) {
    return nullptr;
  }
  return adopt_stream(executor, descriptor);
}

}  // namespace

Error stream_error(IoStatus status, std::string detail) {
  Error error;
  switch (status) {
    case IoStatus::cancelled:
      error.code = ErrorCode::cancelled;
      break;
    case IoStatus::closed:
      error.code = ErrorCode::closed;
      break;
    case IoStatus::ok:
    case IoStatus::failed:
      error.code = ErrorCode::io;
      break;
  }
  error.detail = std::move(detail);
  return error;
}

Result<void> Stream::try_send_file(asio::const_buffer /*before*/, int /*descriptor*/,
                                   std::uint64_t /*offset*/, std::size_t /*size*/, FileProgress& progress) {
  progress = {};
  Error error = stream_error(IoStatus::failed, "this stream sends no files by itself");
  error.code = ErrorCode::not_built;
  return error;
}

Awaitable<Result<std::size_t>> Stream::read_some(asio::mutable_buffer buffer, WaitMode mode) {
  for (bool look = mode == WaitMode::exact;; look = true) {
    if (look) {
      const Result<std::optional<std::size_t>> got = try_read(buffer);
      if (!got) {
        co_return got.error();
      }
      if (const std::optional<std::size_t> size = *got) {
        co_return *size;
      }
    }
    Wait wait;
    start_wait_readable(WaitMode::event, &Wait::on_end, &wait);
    co_await wait.waiter.wait();
    if (wait.status != IoStatus::ok) {
      co_return stream_error(wait.status);
    }
  }
}

Awaitable<Result<void>> Stream::wait_readable(WaitMode mode) {
  Wait wait;
  start_wait_readable(mode, &Wait::on_end, &wait);
  co_await wait.waiter.wait();
  if (wait.status != IoStatus::ok) {
    co_return stream_error(wait.status);
  }
  co_return Result<void>();
}

Awaitable<Result<void>> Stream::write(std::span<const asio::const_buffer> buffers) {
  std::vector<asio::const_buffer> rest(buffers.begin(), buffers.end());
  std::size_t first = 0;
  for (;;) {
    while (first < rest.size() && rest[first].size() == 0) {
      ++first;
    }
    if (first == rest.size()) {
      co_return Result<void>();
    }
    Result<std::size_t> sent = try_write(std::span(rest).subspan(first));
    if (!sent) {
      co_return sent.error();
    }
    if (*sent == 0) {
      Wait wait;
      start_wait_writable(&Wait::on_end, &wait);
      co_await wait.waiter.wait();
      if (wait.status != IoStatus::ok) {
        co_return stream_error(wait.status);
      }
      continue;
    }
    for (std::size_t left = *sent; left > 0;) {
      const std::size_t step = std::min(left, rest[first].size());
      rest[first] += step;
      left -= step;
      if (rest[first].size() == 0) {
        ++first;
      }
    }
  }
}

std::unique_ptr<Stream> adopt_stream(const Executor& executor, int descriptor) {
  ReactorSocket::Pointer socket = ReactorSocket::make(executor, descriptor);
  if (socket == nullptr) {
    return nullptr;
  }
  return std::make_unique<SocketStream>(std::move(socket));
}

std::unique_ptr<Stream> make_stream(TcpSocket socket) {
  return adopt(std::move(socket), true);
}

std::unique_ptr<Stream> make_stream(UnixSocket socket) {
  return adopt(std::move(socket), false);
}

}  // namespace sluice::net
