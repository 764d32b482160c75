#include "client/request_body.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "sluice/http/h1/chunk.hpp"

namespace sluice::client {

namespace {

using http::h1::Framing;

// How much of a chunked body is gathered into the first write.
constexpr std::size_t gather_limit = std::size_t{64} << 10U;

bool expects_body(http::Method method) noexcept {
  return method == http::Method::post || method == http::Method::put || method == http::Method::patch;
}

}  // namespace

RequestBody::RequestBody(ClientRequest& request, http::Method method, std::size_t keep_limit)
    : keep_limit_(keep_limit) {
  if (request.borrowed_body != nullptr) {
    source_ = request.borrowed_body;
  } else if (const auto* bytes = std::get_if<std::string>(&request.body)) {
    memory_ = *bytes;
  } else if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&request.body)) {
    memory_ = *shared ? std::string_view(**shared) : std::string_view();
  } else if (const auto* owned = std::get_if<std::unique_ptr<http::BodySource>>(&request.body)) {
    source_ = owned->get();
  }
  if (source_ == nullptr) {
    at_hand_ = memory_;
    framing_ = memory_.empty() && !expects_body(method) ? Framing{} : Framing::of_length(memory_.size());
    return;
  }
  const std::optional<std::uint64_t> size = source_->size();
  framing_ = size ? Framing::of_length(*size) : Framing::chunked();
  ended_ = size && *size == 0;
  if (ended_ && !expects_body(method)) {
    framing_ = {};
  }
}

Result<void> RequestBody::accept(std::string_view bytes) {
  taken_ += bytes.size();
  const bool sized = framing_.kind == Framing::Kind::length;
  if (bytes.empty()) {
    ended_ = true;
    if (sized && taken_ != framing_.length) {
      return internal_error("a request's body ended after " + std::to_string(taken_) + " of " +
                            std::to_string(framing_.length) + " bytes");
    }
    return {};
  }
  if (sized) {
    if (taken_ > framing_.length) {
      return internal_error("a request's body is longer than the size that it was given");
    }
    ended_ = taken_ == framing_.length;
  }
  if (keep_ && kept_all_ && bytes.size() <= keep_limit_ - kept_.size()) {
    kept_.append(bytes);
  } else {
    kept_all_ = false;
  }
  return {};
}

Result<void> RequestBody::take_ready(bool keep) {
  if (source_ == nullptr || !at_hand_.empty()) {
    return {};
  }
  keep_ = keep && (framing_.kind != Framing::Kind::length || framing_.length <= keep_limit_);
  const bool gather = framing_.kind == Framing::Kind::chunked;
  gathered_.clear();
  while (!ended_) {
    std::optional<Result<std::string_view>> ready = source_->try_read();
    if (!ready) {
      break;
    }
    if (ready->has_error()) {
      return std::move(*ready).error();
    }
    if (Result<void> accepted = accept(**ready); accepted.has_error()) {
      return accepted;
    }
    if (!gather) {
      at_hand_ = **ready;
      return {};
    }
    gathered_.append(**ready);
    if (gathered_.size() >= gather_limit) {
      break;
    }
  }
  at_hand_ = gathered_;
  return {};
}

net::Awaitable<Result<void>> RequestBody::take_more() {
  at_hand_ = {};
  std::optional<Result<std::string_view>> piece = source_->try_read();
  if (!piece) {
    piece.emplace(co_await source_->read());
  }
  if (piece->has_error()) {
    co_return std::move(*piece).error();
  }
  at_hand_ = **piece;
  co_return accept(at_hand_);
}

bool RequestBody::can_rewind() const noexcept {
  return source_ == nullptr ? memory_.size() <= keep_limit_ : ended_ && kept_all_;
}

void RequestBody::rewind() noexcept {
  at_hand_ = source_ == nullptr ? memory_ : std::string_view(kept_);
}

void RequestBody::own(ClientRequest& request) {
  owned_ = std::move(request.body);
  request.body = std::monostate();
}

BodySender::BodySender(ConnectionPtr connection, RequestBody body, std::string first,
                       bool last_chunk_in_first)
    : connection_(std::move(connection)),
      body_(std::move(body)),
      first_(std::move(first)),
      last_chunk_made_(last_chunk_in_first) {}

void BodySender::start() {
  net::asio::co_spawn(connection_->worker().executor(), run(BodySenderPtr(this)), net::asio::detached);
}

// Sends `first_`, then what is at hand, framed. False when the connection does not take it any more.
net::Awaitable<bool> BodySender::send_at_hand() {
  const bool chunked = body_.framing().kind == Framing::Kind::chunked;
  const std::string_view data = body_.at_hand();
  chunk_end_.clear();
  parts_ = {first_, {}, data, {}};
  if (chunked) {
    if (!data.empty()) {
      parts_[1] = http::h1::format_chunk_head(chunk_head_, data.size());
      chunk_end_ = "\r\n";
    }
    if (body_.ended() && !last_chunk_made_) {
      last_chunk_made_ = true;
      http::h1::append_last_chunk(chunk_end_, body_.trailers());
    }
    parts_[3] = chunk_end_;
  }
  body_.sent(data.size());
  bool sent_all = false;
  for (;;) {
    std::array<net::asio::const_buffer, 4> buffers;
    std::size_t count = 0;
    for (const std::string_view part : parts_) {
      if (!part.empty()) {
        buffers[count++] = net::asio::const_buffer(part.data(), part.size());
      }
    }
    sent_all = count == 0;
    if (sent_all || stop_ || !connection_->is_open()) {
      break;
    }
    const std::span<const net::asio::const_buffer> all(buffers.data(), count);
    const Result<std::size_t> written = connection_->stream().try_write(all);
    if (written.has_error()) {
      break;
    }
    connection_->watch_silence();
    std::size_t left = *written;
    for (std::string_view& part : parts_) {
      const std::size_t step = std::min(left, part.size());
      part.remove_prefix(step);
      left -= step;
    }
    if (*written == 0) {
      connection_->stream().start_wait_writable(&BodySender::on_writable, this);
      co_await writable_.wait();
      if (write_status_ != net::IoStatus::ok) {
        break;
      }
    }
  }
  first_.clear();
  parts_ = {};
  co_return sent_all;
}

void BodySender::on_writable(void* context, net::IoStatus status) noexcept {
  auto* self = static_cast<BodySender*>(context);
  self->write_status_ = status;
  self->writable_.resume();
}

void BodySender::go_on_alone(ClientRequest& request) {
  head_came_ = true;
  body_.own(request);
  if (body_.is_borrowed() && !parts_[2].empty()) {
    data_copy_ = parts_[2];
    parts_[2] = data_copy_;
  }
}

net::Awaitable<void> BodySender::run(BodySenderPtr self) {
  while (!self->stop_ && self->connection_->is_open()) {
    if (!self->first_.empty() || !self->body_.at_hand().empty() || self->body_.ended()) {
      const bool sent = co_await self->send_at_hand();
      if (!sent || self->stop_) {
        // The answer may be there all the same; reading tells.
        break;
      }
      if (self->body_.ended()) {
        self->complete_ = true;
        break;
      }
    }
    // The upstream waits for the client now, so its silence does not count.
    self->connection_->watch_deadline();
    Result<void> more = co_await self->body_.take_more();
    if (more.has_error()) {
      if (!self->stop_) {  // else it is the end of the reading that stop() wants
        self->body_error_ = std::move(more).error();
      }
      if (!self->head_came_) {
        self->connection_->abort(Abort::body_failed);
      }
      break;
    }
  }
  self->done_ = true;
  if (self->connection_->is_open()) {
    if (self->connection_->wait_over()) {
      self->connection_->unwatch();
    } else {
      self->connection_->watch_silence();
    }
  }
  self->finished_.resume();
}

net::Awaitable<void> BodySender::stop() {
  stop_ = true;
  if (!done_) {
    connection_->stream().cancel();
    body_.cancel();
  }
  if (!done_) {
    co_await finished_.wait();
  }
}

void BodySender::abandon() noexcept {
  stop_ = true;
  if (!done_) {
    body_.cancel();
  }
}

}  // namespace sluice::client
