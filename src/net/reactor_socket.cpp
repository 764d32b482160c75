#include "reactor_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "sluice/net/waiter.hpp"

namespace sluice::net {

using Status = asio::detail::reactor_op::status;

IoStatus status_of_errno(int error) noexcept {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EBADF:  // closed by ourselves
      return IoStatus::closed;
    default:
      return IoStatus::failed;
  }
}

ReactorSocket::Pointer ReactorSocket::make(const Executor& executor, int descriptor) {
  Pointer socket(new ReactorSocket(executor, descriptor));
  if (socket->reactor_.register_descriptor(descriptor, socket->data_) != 0) {
    socket->reactor_.cleanup_descriptor_data(socket->data_);
    ::close(descriptor);
    socket->descriptor_ = -1;
    return nullptr;
  }
  return socket;
}

ReactorSocket::ReactorSocket(const Executor& executor, int descriptor)
    : reactor_(asio::use_service<Reactor>(executor.context())),
      descriptor_(descriptor),
      read_(this, &ReactorSocket::perform_read),
      write_(this, &ReactorSocket::perform_write) {
  reactor_.init_task();
}

void ReactorSocket::release() noexcept {
  read_.callback = nullptr;
  write_.callback = nullptr;
  close(false);
  released_ = true;
  if (!read_.queued && !write_.queued) {
    delete this;
  }
}

ssize_t ReactorSocket::receive(void* data, std::size_t size) noexcept {
  for (;;) {
    const ssize_t got = ::recv(descriptor_, data, size, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    drained_ = got < 0 || static_cast<std::size_t>(got) < size;
    return got;
  }
}

void ReactorSocket::prepare(Operation& operation, Stream::Callback callback, void* context) {
  operation.callback = callback;
  operation.context = context;
  operation.ec_ = {};
  operation.queued = true;
}

void ReactorSocket::start_wait_readable(WaitMode mode, Stream::Callback callback, void* context) {
  prepare(read_, callback, context);
  if (mode == WaitMode::event && !drained_) {
    reactor_.post_immediate_completion(&read_, false);
    return;
  }
  // Not speculative means: have the kernel look again (EPOLL_CTL_MOD), for what has no event left.
  reactor_.start_op(Reactor::read_op, descriptor_, data_, &read_, false, mode == WaitMode::event);
}

void ReactorSocket::start_wait_writable(Stream::Callback callback, void* context) {
  prepare(write_, callback, context);
  first_try_ = true;
  reactor_.start_op(Reactor::write_op, descriptor_, data_, &write_, false, true);
}

Status ReactorSocket::perform_read(asio::detail::reactor_op*) {
  // Called for an event, or at once for one that came while nobody waited. "Exhausted" has the reactor wait
  // for the next event the next time.
  return Status::done_and_exhausted;
}

Status ReactorSocket::perform_write(asio::detail::reactor_op* base) {
  // The reactor tries at once, but send() has just said that nothing goes.
  auto& operation = *static_cast<Operation*>(base);
  return std::exchange(operation.owner->first_try_, false) ? Status::not_done : Status::done;
}

void ReactorSocket::Operation::on_complete(void* scheduler, asio::detail::operation* base,
                                           const boost::system::error_code&, std::size_t) {
  auto& operation = *static_cast<Operation*>(base);
  ReactorSocket& owner = *operation.owner;
  operation.queued = false;
  if (owner.released_) {
    if (!owner.read_.queued && !owner.write_.queued) {
      delete &owner;
    }
    return;
  }
  const Stream::Callback callback = std::exchange(operation.callback, nullptr);
  if (scheduler == nullptr || callback == nullptr) {
    return;  // the io_context is being destroyed
  }
  callback(operation.context, operation.ec_ ? IoStatus::cancelled : IoStatus::ok);
}

void ReactorSocket::cancel() noexcept {
  if (descriptor_ >= 0 && (read_.queued || write_.queued)) {
    reactor_.cancel_ops(descriptor_, data_);
  }
}

void ReactorSocket::close(bool reset) noexcept {
  if (descriptor_ < 0) {
    return;
  }
  if (reset) {
    const linger now{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  reactor_.deregister_descriptor(descriptor_, data_, true);
  ::close(descriptor_);
  descriptor_ = -1;
  reactor_.cleanup_descriptor_data(data_);
}

}  // namespace sluice::net
