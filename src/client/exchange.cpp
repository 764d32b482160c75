#include "client/exchange.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/writer.hpp"

#include "client/response_body.hpp"

namespace sluice::client {

namespace {

using http::h1::Framing;

// What is left over of a body up to this size is copied: its bytes may be inside the request object itself.
constexpr std::size_t small_body = std::size_t{4} << 10U;

// The last line of defence against a header that breaks out: a head has as many CR and LF as its lines need
// and no other control byte. Blocks that a byte can count are what the compiler makes good vectors of.
bool is_well_formed_head(std::string_view head, std::size_t lines) noexcept {
  constexpr std::size_t block_size = 128;
  std::size_t controls = 0;
  while (!head.empty()) {
    const std::string_view block = head.substr(0, block_size);
    std::uint8_t count = 0;
    for (const char byte : block) {
      const auto value = static_cast<std::uint8_t>(byte);
      const bool control = (value < 0x20U && value != '\t') || value == 0x7fU;
      count = static_cast<std::uint8_t>(count + (control ? 1U : 0U));
    }
    controls += count;
    head.remove_prefix(block.size());
  }
  return controls == 2 * lines;
}

bool is_target(std::string_view target) noexcept {
  return target.starts_with('/')
             ? std::none_of(target.begin(), target.end(),
                            [](char byte) { return static_cast<unsigned char>(byte) <= 0x20U; })
             : target == "*";
}

Result<void> make_head(Call& call, std::string& head) {
  ClientRequest& request = call.request;
  if (!is_target(request.path_and_query)) {
    return internal_error("a request's target is no path: " + request.path_and_query.substr(0, 200));
  }
  head.clear();
  http::h1::append_request_head(head, request.method, request.path_and_query, call.authority, request.headers,
                                call.body.framing());
  const std::size_t framing_lines = call.body.framing().kind == Framing::Kind::none ? 0 : 1;
  const std::size_t host_lines = request.headers.contains(http::FieldId::host) ? 0 : 1;
  const std::size_t dropped = request.headers.count(http::FieldId::content_length) +
                              request.headers.count(http::FieldId::transfer_encoding);
  if (!is_well_formed_head(head, 2 + host_lines + framing_lines + request.headers.size() - dropped)) {
    return internal_error("a request's method or header fields hold a control byte");
  }
  return {};
}

// The first write: head and what is at hand of the body. What does not go at once, and what is still to come,
// is left to a sender.
Result<BodySenderPtr> send_first(Call& call, Connection& connection, const std::string& head,
                                 Attempt& attempt) {
  RequestBody& body = call.body;
  const bool chunked = body.framing().kind == Framing::Kind::chunked;
  const std::string_view data = body.at_hand();
  std::array<char, 18> chunk_head_space{};
  std::string_view chunk_head;
  std::string tail;
  if (chunked) {
    if (!data.empty()) {
      chunk_head = http::h1::format_chunk_head(chunk_head_space, data.size());
      tail = "\r\n";
    }
    if (body.ended()) {
      http::h1::append_last_chunk(tail, body.trailers());
    }
  }
  const std::array<std::string_view, 4> parts{head, chunk_head, data, tail};
  std::array<net::asio::const_buffer, 4> buffers;
  std::size_t count = 0;
  std::size_t total = 0;
  for (const std::string_view part : parts) {
    if (!part.empty()) {
      buffers[count++] = net::asio::const_buffer(part.data(), part.size());
      total += part.size();
    }
  }
  const std::span<const net::asio::const_buffer> all(buffers.data(), count);
  attempt.sent = connection.stream().tls() != nullptr;  // what OpenSSL has written before an error is unknown
  const Result<std::size_t> written = connection.stream().try_write(all);
  if (written.has_error()) {
    return upstream_error(ErrorCode::closed,
                          "the upstream closed the connection before the request was sent");
  }
  attempt.sent = attempt.sent || *written != 0;
  if (*written == total && body.ended()) {
    body.sent(data.size());
    return BodySenderPtr();
  }
  // What is left of all parts in order; a body in memory stays where it is.
  std::string first;
  std::size_t skip = *written;
  for (const std::string_view part : parts) {
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    if (!chunked && part.data() == data.data() && data.size() > small_body) {
      body.sent(skipped);
    } else {
      first.append(part.substr(skipped));
    }
  }
  if (chunked || data.size() <= small_body) {
    body.sent(data.size());
  }
  const bool last_chunk_sent = chunked && body.ended();
  BodySenderPtr sender(new BodySender(&connection, std::move(body), std::move(first), last_chunk_sent));
  sender->start();
  return sender;
}

// A head that has been read, and the bytes after it.
struct ReadHead {
  http::h1::ResponseHead head;
  net::BufferLease buffer;
  char* rest = nullptr;
  std::size_t rest_size = 0;
  bool more_ready = false;  // the last read filled the buffer
};

// Sequential reading of a head: where its bytes are, and how far parsing has come.
class HeadReader {
 public:
  explicit HeadReader(Call& call) : call_(call) {}

  /// Where the next bytes go; empty when the head is larger than the buffer.
  net::asio::mutable_buffer space(net::BufferPool& buffers) {
    if (!out_.buffer) {
      out_.buffer = buffers.lease();
    }
    if (at_ != 0) {
      filled_ -= at_;
      std::memmove(out_.buffer.data(), out_.buffer.data() + at_, filled_);
      at_ = 0;
    }
    return {out_.buffer.data() + filled_, out_.buffer.size() - filled_};
  }

  /// `size` more bytes were read. True: the head is complete.
  Result<bool> add(std::size_t size) {
    filled_ += size;
    out_.more_ready = filled_ == out_.buffer.size();
    for (;;) {
      const std::string_view data(out_.buffer.data() + at_, filled_ - at_);
      if (data.empty()) {
        return false;
      }
      const Result<std::size_t> used = parser_.parse(data, call_.limits, call_.method, out_.head);
      if (used.has_error()) {
        return used.error();
      }
      if (*used == 0) {
        return false;
      }
      at_ += *used;
      if (out_.head.status == 101) {
        return upstream_error(ErrorCode::malformed, "the upstream switched protocols without being asked");
      }
      if (out_.head.status >= 200) {
        return true;
      }
      parser_.reset();
      out_.head.clear();
    }
  }

  /// After the head: gives it away.
  ReadHead take() {
    out_.rest = out_.buffer.data() + at_;
    out_.rest_size = filled_ - at_;
    return std::move(out_);
  }

 private:
  Call& call_;
  http::h1::ResponseHeadParser parser_;
  ReadHead out_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

std::optional<std::uint64_t> content_length(const http::Headers& headers) noexcept {
  const auto text = headers.get(http::FieldId::content_length);
  std::uint64_t length = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), length);
  return failed == std::errc{} && end == text->data() + text->size() ? std::optional(length) : std::nullopt;
}

// The answer whose head is `read`. True: all of it was there, and nothing after it.
Result<bool> fill_response(const Call& call, ReadHead& read, http::Response& response, ResponseStart& start) {
  response.status = read.head.status;
  response.headers = std::move(read.head.headers);
  start.framing = read.head.framing;
  start.keep_alive = read.head.keep_alive;
  switch (read.head.framing.kind) {
    case Framing::Kind::none:
      if (call.method == http::Method::head) {
        response.head_content_length = content_length(response.headers);
      }
      start.keep_alive = start.keep_alive && read.rest_size == 0;
      return true;
    case Framing::Kind::length:
      if (read.head.framing.length <= read.rest_size) {
        const auto length = static_cast<std::size_t>(read.head.framing.length);
        if (length != 0) {
          response.body.emplace<std::string>(read.rest, length);
        }
        start.keep_alive = start.keep_alive && length == read.rest_size;
        return true;
      }
      start.first = std::string_view(read.rest, read.rest_size);
      return false;
    case Framing::Kind::chunked: {
      start.decoder.emplace(ErrorSource::upstream);
      const Result<Compacted> compacted = compact_chunks(*start.decoder, read.rest, read.rest_size);
      if (compacted.has_error()) {
        return compacted.error();
      }
      if (!compacted->complete) {
        start.first = compacted->bytes;
        return false;
      }
      start.keep_alive = start.keep_alive && compacted->used == read.rest_size;
      if (!start.decoder->trailers().empty()) {
        response.body = make_trailed_body(std::string(compacted->bytes), start.decoder->trailers());
      } else if (!compacted->bytes.empty()) {
        response.body.emplace<std::string>(compacted->bytes);
      }
      return true;
    }
    case Framing::Kind::until_close:
      start.first = std::string_view(read.rest, read.rest_size);
      return false;
  }
  return internal_error("a framing that nobody knows");
}

}  // namespace

net::Awaitable<Result<void>> exchange(Call& call, ConnectionLease lease, std::string& scratch,
                                      Attempt& attempt, http::Response& response) {
  Connection& connection = *lease;
  connection.begin_call(call.options.read_timeout, call.options.head_deadline, call.options.cancel);
  if (!connection.is_open()) {
    co_return connection.abort_error();
  }
  const bool keep = http::is_idempotent(call.method);
  if (Result<void> taken = call.body.take_ready(keep); taken.has_error()) {
    co_return std::move(taken).error();
  }
  if (Result<void> made = make_head(call, scratch); made.has_error()) {
    co_return std::move(made).error();
  }
  Result<BodySenderPtr> sent = send_first(call, connection, scratch, attempt);
  if (sent.has_error()) {
    co_return std::move(sent).error();
  }
  BodySenderPtr sender = std::move(*sent);

  HeadReader reader(call);
  std::optional<Error> failed;
  // While the body is being sent, its sender says whose turn it is.
  if (!sender || sender->done()) {
    connection.watch_silence();
  }
  for (bool look = false;;) {
    if (!look) {
      connection.start_wait();
      if (!connection.wait_over()) {
        co_await connection.wait_readable();
      }
    }
    const net::asio::mutable_buffer space = reader.space(connection.worker().buffers());
    if (space.size() == 0) {
      failed = upstream_error(ErrorCode::malformed, "the head of the upstream's answer is too large");
      break;
    }
    const Result<std::optional<std::size_t>> got = connection.try_read(space);
    if (got.has_error()) {
      failed = got.error();
      break;
    }
    look = got->has_value();
    if (!look) {
      continue;
    }
    if (**got == 0) {
      failed = upstream_error(ErrorCode::closed,
                              attempt.answered ? "the upstream closed the connection within the answer's head"
                                               : "the upstream closed the connection without an answer");
      break;
    }
    attempt.answered = true;
    const Result<bool> complete = reader.add(**got);
    if (complete.has_error()) {
      failed = complete.error();
      break;
    }
    if (*complete) {
      break;
    }
    // Only part of a head: an end that came with it has no event of its own, so look before waiting.
    if (!sender || sender->done()) {
      connection.watch_silence();
    }
  }
  if (failed) {
    if (sender) {
      connection.close(true);
      co_await sender->stop();
      if (sender->body_error()) {
        failed = sender->body_error();
      }
      call.body = std::move(sender->body());
    }
    co_return std::move(*failed);
  }

  connection.unwatch();
  connection.drop_deadline();
  ReadHead read = reader.take();
  ResponseStart start;
  const Result<bool> complete = fill_response(call, read, response, start);
  if (complete.has_error() || *complete) {
    bool clean = complete.has_value() && start.keep_alive;
    if (sender) {
      // The upstream has said all it has to say; what is left of the request is not sent any more.
      co_await sender->stop();
      clean = clean && sender->complete();
      sender.reset();
    }
    if (clean) {
      lease.give_back();
    } else {
      lease.discard();
    }
    if (complete.has_error()) {
      co_return complete.error();
    }
    co_return Result<void>();
  }
  if (sender && !sender->done()) {
    sender->go_on_alone(call.request);
    start.sender = std::move(sender);
  } else if (sender && !sender->complete()) {
    start.keep_alive = false;
  }
  start.lease = std::move(lease);
  start.buffer = std::move(read.buffer);
  start.more_ready = read.more_ready;
  response.body = std::make_unique<ResponseBody>(std::move(start));
  co_return Result<void>();
}

}  // namespace sluice::client
