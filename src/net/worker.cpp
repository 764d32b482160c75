#include "sluice/net/worker.hpp"

namespace sluice::net {

Worker::Worker(std::size_t index) : index_(index), context_(1), wheel_(context_) {}

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
