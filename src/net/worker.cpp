#include "sluice/net/worker.hpp"

namespace sluice::net {

// One thread runs the io_context and uses its sockets and timers; others only post. So the reactor needs no
// locks.
Worker::Worker(std::size_t index, const Clock& clock)
    : index_(index),
      context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      wheel_(context_, std::chrono::milliseconds(20), clock) {}

Worker::~Worker() {
  wheel_.stop();
}

std::string_view Worker::http_date() {
  const SteadyTime now = wheel_.now();
  if (date_.empty() || now - date_made_ >= std::chrono::milliseconds(500)) {
    date_ = format_http_date(Clock::real().system());
    date_made_ = now;
  }
  return date_;
}

}  // namespace sluice::net
