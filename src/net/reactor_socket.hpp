// A socket in the epoll reactor of an io_context: the waits that a stream needs, without buffers.
//
// Asio's own socket tries each read before it waits, which is one recv() with EAGAIN a request on a
// keep-alive connection, holds a buffer while it waits, and allocates each operation. Here a wait for an
// event is a member and costs nothing, and recv() follows it; a recv() that came back short is taken for what
// it is: the socket is empty, and the next edge will tell. The operations are asio::detail's, as of
// Boost 1.81 (checked in waiter.hpp).
#pragma once

#include <sys/types.h>

#include <cstddef>

#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>

#include "sluice/net/stream.hpp"

namespace sluice::net {

/// Belongs to one stream and lives on the heap: it deletes itself when it was released and no operation of it
/// is queued in the reactor any more.
class ReactorSocket {
 public:
  struct Release {
    void operator()(ReactorSocket* socket) const noexcept { socket->release(); }
  };
  using Pointer = std::unique_ptr<ReactorSocket, Release>;

  /// nullptr when the reactor refuses the descriptor, which is closed then.
  static Pointer make(const Executor& executor, int descriptor);

  ReactorSocket(const ReactorSocket&) = delete;
  ReactorSocket& operator=(const ReactorSocket&) = delete;

  /// recv() without waiting: bytes, 0, or -1 and errno (never EINTR).
  ssize_t receive(void* data, std::size_t size) noexcept;
  /// Whether the last receive() took all that there was.
  [[nodiscard]] bool drained() const noexcept { return drained_; }
  /// For what is read by other calls than receive(): accept4() said EAGAIN.
  void set_drained() noexcept { drained_ = true; }
  void start_wait_readable(WaitMode mode, Stream::Callback callback, void* context);
  void start_wait_writable(Stream::Callback callback, void* context);
  void cancel() noexcept;
  void close(bool reset) noexcept;
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  using Reactor = asio::detail::epoll_reactor;

  struct Operation : asio::detail::reactor_op {
    Operation(ReactorSocket* its_owner, perform_func_type perform)
        : reactor_op({}, perform, &Operation::on_complete), owner(its_owner) {}
    static void on_complete(void* scheduler, asio::detail::operation* base, const boost::system::error_code&,
                            std::size_t);
    ReactorSocket* owner;
    Stream::Callback callback = nullptr;
    void* context = nullptr;
    bool queued = false;
  };

  ReactorSocket(const Executor& executor, int descriptor);
  ~ReactorSocket() = default;
  void release() noexcept;
  static void prepare(Operation& operation, Stream::Callback callback, void* context);
  static asio::detail::reactor_op::status perform_read(asio::detail::reactor_op* base);
  static asio::detail::reactor_op::status perform_write(asio::detail::reactor_op* base);

  Reactor& reactor_;
  Reactor::per_descriptor_data data_{};
  int descriptor_;
  bool released_ = false;
  bool drained_ = false;
  bool first_try_ = false;  ///< the write operation has not waited yet
  Operation read_;
  Operation write_;
};

/// IoStatus of an errno value of recv() and send().
IoStatus status_of_errno(int error) noexcept;

}  // namespace sluice::net
