/// A connected byte stream, whatever carries it: TCP or a unix socket, plain or TLS, or memory in tests.
///
/// Single-threaded, owned by one connection. At most one read and one write may wait at a time. The try_
/// functions never wait and cost one system call at most, so the common case needs no coroutine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

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
  bool resumed = false;     ///< an earlier session's keys saved the signature
};

/// What became of an operation on a stream.
enum class IoStatus : std::uint8_t {
  ok,
  cancelled,  ///< cancel() or close()
  closed,     ///< the peer reset the connection, or cut TLS without close_notify
  failed,     ///< anything else that the system or TLS reports
};
/// How a wait for bytes begins.
enum class WaitMode : std::uint8_t {
  /// Ends with the next event; costs no system call. The peer's end that came together with bytes that were
  /// read already has no event of its own: after a short read, an end may go unseen until something else
  /// happens (more bytes, a reset, a deadline). For keep-alive connections between messages.
  event,
  /// Asks the system, at the cost of a system call: ends at once where a read would not wait. TLS gives its
  /// buffers back. For connections that idle.
  exact,
};

/// An IoStatus as an error value (source: internal; the caller knows better whose fault it is).
Error stream_error(IoStatus status, std::string detail = {});

/// What Stream::try_send_file() did.
struct FileProgress {
  std::size_t before = 0;  ///< bytes of what stands before the file
  std::size_t file = 0;    ///< bytes of the file
  enum class Stop : std::uint8_t {
    none,     ///< all, or as much as one call sends: call again
    waits,    ///< the peer takes no more now: wait until it is writable
    file_end  ///< the file has no byte there
  } stop = Stop::none;
};

class Stream {
 public:
  /// The end of a started wait: ok or cancelled.
  using Callback = void (*)(void* context, IoStatus status) noexcept;

  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// Started waits are forgotten: their callbacks do not run. No coroutine may wait on the stream.
  virtual ~Stream() = default;

  /// Bytes that can be had without waiting; nullopt when there are none; 0 is the clean end. Errors: closed
  /// (reset, or TLS cut without close_notify), io.
  virtual Result<std::optional<std::size_t>> try_read(asio::mutable_buffer buffer) = 0;
  /// Starts waiting until try_read may have something: `callback` runs once, from the event loop, never
  /// inside this call. It may be wrong: then try_read says nullopt. No buffer is held meanwhile.
  virtual void start_wait_readable(WaitMode mode, Callback callback, void* context) = 0;

  /// Waits for bytes and returns how many were read; 0 is the peer's clean end. Looks first, unless `mode` is
  /// event and the last read came back short. Errors: closed, cancelled, io.
  Awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer, WaitMode mode = WaitMode::exact);
  /// Waits as start_wait_readable does. Errors: cancelled.
  Awaitable<Result<void>> wait_readable(WaitMode mode = WaitMode::exact);

  /// Writes everything.
  virtual Awaitable<Result<void>> write(std::span<const asio::const_buffer> buffers);
  /// Writes what goes without waiting and returns how much that was (0 when nothing goes). After a short
  /// write over TLS the same bytes must come first in the next write.
  virtual Result<std::size_t> try_write(std::span<const asio::const_buffer> buffers) = 0;
  /// Whether try_send_file() can be called: the system itself sends files over this stream.
  [[nodiscard]] virtual bool sends_files() const noexcept { return false; }
  /// Writes `before`, and after all of it up to `size` bytes of the file `descriptor` from `offset` on, as
  /// far as it goes without waiting. Errors: those of try_write; io where the file cannot be read; not_built
  /// where its file system cannot do this (then nothing of the file went out; `before` may have, see
  /// `progress`). The process ignores SIGPIPE: sendfile() cannot be told to.
  virtual Result<void> try_send_file(asio::const_buffer before, int descriptor, std::uint64_t offset,
                                     std::size_t size, FileProgress& progress);
  /// Starts waiting until try_write may go on; ends as start_wait_readable does.
  virtual void start_wait_writable(Callback callback, void* context) = 0;

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
/// Takes a connected socket that is non-blocking already (accept4) and belongs to no Asio object. nullptr
/// when the reactor does not take it; the descriptor is closed then.
std::unique_ptr<Stream> adopt_stream(const Executor& executor, int descriptor);

/// Two connected streams of memory on one executor, for tests; `capacity` bytes a direction before writers
/// wait.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> make_memory_streams(const Executor& executor,
                                                                                std::size_t capacity = 65536);

}  // namespace sluice::net
