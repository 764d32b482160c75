/// A connected byte stream, whatever carries it: TCP or a unix socket, plain or TLS, or memory in tests.
///
/// Single-threaded, owned by one connection. At most one read and one write may wait at a time. The try_
/// functions never wait and cost one system call at most, so the common case needs no coroutine.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/buffer.hpp>

#include "sluice/base/result.hpp"
#include "sluice/net/awaitable.hpp"

namespace sluice::net {

/// What TLS agreed on. Strings are empty where there is none.
struct TlsInfo {
  std::string version;  ///< "TLSv1.3"
  std::string cipher;
  std::string alpn;         ///< "http/1.1", "h2"
  std::string server_name;  ///< SNI
  std::string certificate;  ///< name of the configured certificate that was served
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  /// Waits for bytes and returns how many were read; 0 is the peer's clean end. Errors: closed (reset, or TLS
  /// cut without close_notify), cancelled, io.
  virtual Awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer) = 0;
  /// Bytes that can be had without waiting; nullopt when there are none; 0 is the clean end.
  virtual Result<std::optional<std::size_t>> try_read(asio::mutable_buffer buffer) = 0;
  /// Waits until read_some would not wait, holding no buffer. For idle connections only (it costs a system
  /// call).
  virtual Awaitable<Result<void>> wait_readable() = 0;

  /// Writes everything.
  virtual Awaitable<Result<void>> write(std::span<const asio::const_buffer> buffers) = 0;
  /// Writes what goes without waiting and returns how much that was (0 when nothing goes).
  virtual Result<std::size_t> try_write(std::span<const asio::const_buffer> buffers) = 0;

  /// Makes waiting operations end with `cancelled`. Safe to call when nothing waits: then it has no effect.
  virtual void cancel() noexcept = 0;
  /// Ends our direction: close_notify and FIN. Never waits for the peer.
  virtual void shutdown() noexcept = 0;
  /// Closes; with `reset` the peer sees a connection reset, so that it cannot take what it has for complete.
  virtual void close(bool reset = false) noexcept = 0;

  [[nodiscard]] virtual bool is_open() const noexcept = 0;
  /// nullptr for plain streams.
  [[nodiscard]] virtual const TlsInfo* tls() const noexcept { return nullptr; }
  /// The socket, or -1: for TCP_INFO, sendfile and tests.
  [[nodiscard]] virtual int native_handle() const noexcept { return -1; }
};

using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using UnixSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;

/// Sockets become non-blocking; TCP gets TCP_NODELAY.
std::unique_ptr<Stream> make_stream(TcpSocket socket);
std::unique_ptr<Stream> make_stream(UnixSocket socket);

/// Two connected streams of memory on one executor, for tests; `capacity` bytes a direction before writers
/// wait.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> make_memory_streams(Executor executor,
                                                                                std::size_t capacity = 65536);

}  // namespace sluice::net
