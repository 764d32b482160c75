#include "client/response_body.hpp"

#include <cstring>
#include <utility>

namespace sluice::client {

namespace {

class TrailedBody final : public http::BodySource {
 public:
  TrailedBody(std::string bytes, http::Headers trailers)
      : bytes_(std::move(bytes)), trailers_(std::move(trailers)) {}
  net::Awaitable<Result<std::string_view>> read() override { co_return next(); }
  std::optional<Result<std::string_view>> try_read() override { return Result<std::string_view>(next()); }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return std::nullopt; }
  [[nodiscard]] const http::Headers* trailers() const noexcept override { return &trailers_; }

 private:
  std::string_view next() noexcept {
    return std::exchange(taken_, true) ? std::string_view() : std::string_view(bytes_);
  }
  std::string bytes_;
  http::Headers trailers_;
  bool taken_ = false;
};

}  // namespace

std::unique_ptr<http::BodySource> make_trailed_body(std::string bytes, http::Headers trailers) {
  return std::make_unique<TrailedBody>(std::move(bytes), std::move(trailers));
}

Result<Compacted> compact_chunks(http::h1::ChunkDecoder& decoder, char* data, std::size_t size) {
  Compacted out;
  std::size_t filled = 0;
  const char* begin = data;
  while (out.used < size && !decoder.done()) {
    const Result<http::h1::ChunkDecoder::Step> step =
        decoder.feed(std::string_view(data + out.used, size - out.used));
    if (step.has_error()) {
      return step.error();
    }
    out.used += step->consumed;
    if (step->data.empty()) {
      continue;
    }
    if (filled == 0) {
      begin = step->data.data();
    } else {
      std::memmove(data + (begin - data) + filled, step->data.data(), step->data.size());
    }
    filled += step->data.size();
  }
  out.bytes = std::string_view(begin, filled);
  out.complete = decoder.done();
  return out;
}

ResponseBody::ResponseBody(ResponseStart start)
    : lease_(std::move(start.lease)),
      buffer_(std::move(start.buffer)),
      first_(start.first),
      framing_(start.framing),
      decoder_(std::move(start.decoder)),
      sender_(std::move(start.sender)),
      keep_alive_(start.keep_alive),
      more_ready_(start.more_ready) {
  if (framing_.kind == Kind::length) {
    remaining_ = framing_.length - first_.size();
  }
}

ResponseBody::~ResponseBody() {
  if (lease_) {
    lease_.discard(true);
  }
  if (sender_) {
    sender_->abandon();
  }
}

std::optional<std::uint64_t> ResponseBody::size() const noexcept {
  return framing_.kind == Kind::length ? std::optional(framing_.length) : std::nullopt;
}

const http::Headers* ResponseBody::trailers() const noexcept {
  return state_ == State::ended && decoder_ ? &decoder_->trailers() : nullptr;
}

// What is known without touching the connection.
std::optional<Result<std::string_view>> ResponseBody::at_rest() {
  if (!first_.empty()) {
    return Result<std::string_view>(std::exchange(first_, {}));
  }
  if (state_ == State::ended) {
    return Result<std::string_view>(std::string_view());
  }
  if (state_ == State::failed) {
    return Result<std::string_view>(*error_);
  }
  return std::nullopt;
}

std::optional<Result<std::string_view>> ResponseBody::try_read() {
  if (auto known = at_rest()) {
    return known;
  }
  if (state_ == State::received) {
    if (!sender_->done()) {
      return std::nullopt;
    }
    finish(sender_->complete());
    return Result<std::string_view>(std::string_view());
  }
  // After a short read there is hardly more; read() makes sure.
  return more_ready_ ? look() : std::nullopt;
}

// Takes what the connection has; nullopt where that is nothing.
std::optional<Result<std::string_view>> ResponseBody::look() {
  for (;;) {
    if (!buffer_) {
      buffer_ = lease_->worker().buffers().lease();
    }
    const Result<std::optional<std::size_t>> got =
        lease_->try_read(net::asio::mutable_buffer(buffer_.data(), buffer_.size()));
    if (got.has_error()) {
      return fail(got.error());
    }
    if (!got->has_value()) {
      more_ready_ = false;
      dry_ = true;
      return std::nullopt;
    }
    if (**got == 0) {
      return take_end();
    }
    more_ready_ = **got == buffer_.size() || lease_->stream().tls() != nullptr;
    Result<std::string_view> piece = take(buffer_.data(), **got);
    if (piece.has_error() || !piece->empty() || state_ == State::ended) {
      return piece;
    }
    if (state_ == State::received) {
      return std::nullopt;
    }
  }
}

net::Awaitable<Result<std::string_view>> ResponseBody::read() {
  if (std::optional<Result<std::string_view>> ready = try_read()) {
    co_return std::move(*ready);
  }
  for (;;) {
    if (state_ == State::open && !dry_) {
      if (std::optional<Result<std::string_view>> ready = look()) {
        co_return std::move(*ready);
      }
    }
    if (state_ == State::received) {
      co_await sender_->stop();
      finish(false);
      co_return std::string_view();
    }
    // What was handed out is not valid any more: wait without a buffer.
    buffer_.release();
    lease_->start_wait();
    if (!lease_->wait_over()) {
      lease_->watch_silence();
      co_await lease_->wait_readable();
      lease_->unwatch();
    }
    dry_ = false;
  }
}

Result<std::string_view> ResponseBody::take(char* data, std::size_t size) {
  switch (framing_.kind) {
    case Kind::length: {
      const std::string_view bytes(data, std::min<std::uint64_t>(size, remaining_));
      remaining_ -= bytes.size();
      if (remaining_ == 0) {
        keep_alive_ = keep_alive_ && bytes.size() == size;
        finish(true);
      }
      return bytes;
    }
    case Kind::chunked: {
      Result<Compacted> compacted = compact_chunks(*decoder_, data, size);
      if (compacted.has_error()) {
        return fail(std::move(compacted).error());
      }
      if (compacted->complete) {
        keep_alive_ = keep_alive_ && compacted->used == size;
        finish(true);
      }
      return compacted->bytes;
    }
    case Kind::none:
    case Kind::until_close:
      break;
  }
  return std::string_view(data, size);
}

// The peer has ended the connection.
Result<std::string_view> ResponseBody::take_end() {
  if (framing_.kind != Kind::until_close) {
    return fail(upstream_error(ErrorCode::closed, "the upstream closed the connection within the body"));
  }
  keep_alive_ = false;
  finish(true);
  return std::string_view();
}

Result<std::string_view> ResponseBody::fail(Error error) {
  state_ = State::failed;
  error_ = std::move(error);
  lease_.discard(true);
  if (sender_) {
    sender_->abandon();
  }
  return *error_;
}

// All bytes of the answer are here.
void ResponseBody::finish(bool clean) {
  if (sender_ && !sender_->done()) {
    state_ = State::received;
    return;
  }
  state_ = State::ended;
  if (!clean || !keep_alive_ || (sender_ && !sender_->complete())) {
    sender_.reset();
    lease_.discard();
    return;
  }
  sender_.reset();
  lease_.give_back();
}

}  // namespace sluice::client
