#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "server_connection_impl.hpp"

namespace sluice::http::h1 {
namespace {

/// Bodies up to this are copied behind their head; larger ones are sent from where they are.
constexpr std::size_t small_body = std::size_t{16} << 10U;
/// Pieces of a source up to this gather.
constexpr std::size_t small_piece = std::size_t{8} << 10U;
constexpr std::size_t most_gathered = std::size_t{64} << 10U;
/// Of a file at once, and without a wait before the worker's other connections have their turn.
constexpr std::size_t file_turn = std::size_t{1} << 20U;

int status_of(const Response& response) noexcept {
  const RenderedResponse* const rendered = response.rendered.get();
  return rendered != nullptr ? rendered->status : response.status;
}

/// The body's bytes; empty where it is a source.
std::string_view bytes_of(const Response& response) noexcept {
  if (response.rendered != nullptr) {
    return response.rendered->body;
  }
  if (const auto* own = std::get_if<std::string>(&response.body)) {
    return *own;
  }
  if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&response.body)) {
    return *shared == nullptr ? std::string_view() : std::string_view(**shared);
  }
  return {};
}

BodySource* source_of(const Response& response) noexcept {
  if (response.rendered != nullptr) {
    return nullptr;
  }
  const auto* source = std::get_if<std::unique_ptr<BodySource>>(&response.body);
  return source == nullptr ? nullptr : source->get();
}

}  // namespace

void Connection::decide_keep_alive(bool streamed) {
  RequestBody& body = exchange_->body;
  const bool wanted = keep_alive_;
  if (body.unasked()) {
    keep_alive_ = false;  // whether the body comes now is the client's choice
  }
  body.answered();
  if (!streamed) {
    body.skip_buffered();
    if (body.remaining().value_or(0) > limits().drain_bytes) {
      keep_alive_ = false;
    }
  }
  if (draining_ || body.error_ || (ended_ && !has_input()) ||
      (limits().keep_alive_requests != 0 && requests_ >= limits().keep_alive_requests)) {
    keep_alive_ = false;
  }
  // Where closing is our choice the client may have sent more.
  lingering_ = lingering_ || (wanted && !keep_alive_) || (!keep_alive_ && (has_input() || !body.complete()));
}

bool Connection::begin_response(Response& response) {
  Exchange& exchange = *exchange_;
  RequestRecord& record = exchange.context.record;
  output_timer_.disarm();
  const int status = status_of(response);
  record.status = status;
  BodySource* const source = source_of(response);
  decide_keep_alive(source != nullptr);
  if (broken_) {
    return true;
  }
  const bool head_only = exchange.request.method == Method::head;
  const bool bodiless = status < 200 || status == 204 || status == 304;
  const std::string_view bytes = bytes_of(response);
  const std::uint8_t minor = exchange.request.version_minor;
  Framing framing;
  if (bodiless) {
    keep_alive_ = keep_alive_ && status >= 200;
  } else if (source != nullptr) {
    if (const std::optional<std::uint64_t> size = source->size()) {
      framing = Framing::of_length(*size);
    } else if (!head_only && minor >= 1) {
      framing = Framing::chunked();
    } else if (!head_only) {
      framing.kind = Framing::Kind::until_close;
      keep_alive_ = false;
    }
  } else {
    framing = Framing::of_length(bytes.size());
  }
  if (head_only && response.head_content_length) {
    framing = Framing::of_length(*response.head_content_length);
  }
  response_framing_ = framing;

  std::string& out = exchange.out;
  const std::size_t before = out.size();
  const ResponseHeadOptions options{.framing = framing,
                                    .date = shared_.worker.http_date(),
                                    .keep_alive = keep_alive_,
                                    .request_minor = minor};
  append_response_head(out, response, options);
  if (head_only || bodiless) {
    response_framing_ = {};
  } else if (source == nullptr && bytes.size() <= small_body) {
    out += bytes;
    response_framing_ = {};
  } else if (source != nullptr && framing.kind == Framing::Kind::length && framing.length <= small_body) {
    if (FileRange* const file = source->file_range(); file != nullptr && file->left == framing.length) {
      response_framing_ = {};
      if (!append_file(*file)) {
        return true;
      }
    }
  }
  record.bytes_out += out.size() - before;
  if (response_framing_.kind != Framing::Kind::none) {
    return false;
  }
  if (has_input() && keep_alive_) {
    return true;  // the answers to pipelined requests go out together
  }
  return flush_some() || broken_;
}

net::Awaitable<void> Connection::finish_response(Response& response) {
  if (response_framing_.kind == Framing::Kind::none) {
    co_await flush();
    co_return;
  }
  if (BodySource* const source = source_of(response); source != nullptr) {
    co_await send_source(*source);
    co_return;
  }
  const std::string_view bytes = bytes_of(response);
  exchange_->context.record.bytes_out += bytes.size();
  std::array<net::asio::const_buffer, 2> parts{net::asio::buffer(exchange_->out), net::asio::buffer(bytes)};
  const bool written = co_await write_all(parts);
  exchange_->out.clear();
  (void)written;  // broken_ says it too
}

bool Connection::append_file(FileRange& file) {
  std::string& out = exchange_->out;
  std::size_t at = out.size();
  out.resize(at + static_cast<std::size_t>(file.left));
  while (file.left > 0) {
    const Result<std::size_t> got = file.read(out.data() + at, out.size() - at);
    if (!got || *got == 0) {
      break_off(got ? std::string_view("the file became shorter while it was read") : got.error().detail);
      return false;
    }
    at += *got;
  }
  return true;
}

net::Awaitable<bool> Connection::send_file(FileRange& file) {
  std::string& out = exchange_->out;
  RequestRecord& record = exchange_->context.record;
  std::size_t turn = 0;
  while (file.left > 0 && !broken_) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(file.left, file_turn));
    net::FileProgress progress;
    const Result<void> sent =
        stream_->try_send_file(net::asio::buffer(out), file.descriptor, file.offset, size, progress);
    out.erase(0, progress.before);
    file.offset += progress.file;
    file.left -= progress.file;
    record.bytes_out += progress.file;
    turn += progress.file;
    if (!sent && sent.error().code == ErrorCode::not_built) {
      co_return false;
    }
    if (!sent && sent.error().code == ErrorCode::io) {
      break_off(sent.error().detail);
      co_return true;
    }
    if (!sent) {
      broken_ = true;
      client_gone();
      co_return true;
    }
    if (progress.stop == net::FileProgress::Stop::file_end) {
      break_off("the file became shorter while it was sent");
    } else if (progress.stop == net::FileProgress::Stop::waits) {
      turn = 0;
      const bool writable = co_await wait_writable();
      if (!writable) {
        co_return true;
      }
    } else if (turn >= file_turn && file.left > 0) {
      turn = 0;
      watch();
      co_await net::asio::post(shared_.worker.executor(), net::use_awaitable);
    }
  }
  co_return true;
}

net::Awaitable<void> Connection::send_source(BodySource& source) {
  std::string& out = exchange_->out;
  RequestRecord& record = exchange_->context.record;
  const bool chunked = response_framing_.kind == Framing::Kind::chunked;
  const bool counted = response_framing_.kind == Framing::Kind::length;
  std::uint64_t left = response_framing_.length;
  FileRange* const file = counted && stream_->sends_files() ? source.file_range() : nullptr;
  if (file != nullptr && file->left == left) {
    const bool done = co_await send_file(*file);
    if (done) {
      co_return;
    }
    left = file->left;
  }
  for (;;) {
    std::optional<Result<std::string_view>> piece = source.try_read();
    if (!piece) {
      const bool flushed = co_await flush();
      if (!flushed) {
        co_return;
      }
      watch();
      if (ended_) {
        output_timer_.arm(limits().half_close_grace);
      }
      piece = co_await source.read();
      output_timer_.disarm();
    }
    if (broken_) {
      co_return;
    }
    if (!*piece) {
      break_off(piece->error().detail);
      co_return;
    }
    const std::string_view data = **piece;
    if (data.empty()) {
      break;
    }
    if (counted && data.size() > left) {
      break_off("the body is longer than its Content-Length");
      co_return;
    }
    left -= counted ? data.size() : 0;
    const std::size_t before = out.size();
    bool written = true;
    if (data.size() <= small_piece) {
      if (chunked) {
        append_chunk(out, data);
      } else {
        out += data;
      }
      record.bytes_out += out.size() - before;
      if (out.size() >= most_gathered) {
        written = co_await flush();
      }
    } else {
      std::array<char, 18> chunk_head;  // NOLINT(cppcoreguidelines-pro-type-member-init)
      if (chunked) {
        out += format_chunk_head(chunk_head, data.size());
      }
      std::array<net::asio::const_buffer, 3> parts{net::asio::buffer(out), net::asio::buffer(data),
                                                   net::asio::buffer("\r\n", chunked ? 2 : 0)};
      record.bytes_out += out.size() - before + data.size() + (chunked ? 2 : 0);
      written = co_await write_all(parts);
      out.clear();
    }
    if (!written) {
      co_return;
    }
  }
  if (counted && left != 0) {
    break_off("the body is shorter than its Content-Length");
    co_return;
  }
  if (chunked) {
    const std::size_t before = out.size();
    append_last_chunk(out, source.trailers());
    record.bytes_out += out.size() - before;
  }
  co_await flush();
}

bool Connection::flush_some() {
  if (exchange_ == nullptr || exchange_->out.empty()) {
    return true;
  }
  if (writing_) {
    return false;
  }
  std::string& out = exchange_->out;
  std::size_t done = 0;
  while (done < out.size()) {
    const std::array<net::asio::const_buffer, 1> part{
        net::asio::buffer(out.data() + done, out.size() - done)};
    const Result<std::size_t> sent = stream_->try_write(part);
    if (!sent) {
      broken_ = true;
      client_gone();
      return false;
    }
    if (*sent == 0) {
      out.erase(0, done);
      return false;
    }
    done += *sent;
  }
  out.clear();
  return true;
}

net::Awaitable<bool> Connection::flush() {
  while (!flush_some()) {
    const bool writable = co_await wait_writable();
    if (!writable) {
      co_return false;
    }
  }
  co_return !broken_;
}

net::Awaitable<bool> Connection::write_all(std::span<net::asio::const_buffer> parts) {
  while (!parts.empty()) {
    if (parts.front().size() == 0) {
      parts = parts.subspan(1);
      continue;
    }
    const Result<std::size_t> sent = stream_->try_write(parts);
    if (!sent) {
      broken_ = true;
      client_gone();
      co_return false;
    }
    if (*sent == 0) {
      const bool writable = co_await wait_writable();
      if (!writable) {
        co_return false;
      }
    }
    for (std::size_t left = *sent; left > 0;) {
      const std::size_t step = std::min(left, parts.front().size());
      parts.front() += step;
      left -= step;
      if (parts.front().size() == 0) {
        parts = parts.subspan(1);
      }
    }
  }
  co_return true;
}

net::Awaitable<bool> Connection::wait_writable() {
  if (broken_) {
    co_return false;
  }
  watch();
  writing_ = true;
  output_timed_out_ = false;
  output_timer_.arm_at(wheel().now() + limits().write_timeout);
  stream_->start_wait_writable(&Connection::on_writable, this);
  co_await output_.wait();
  writing_ = false;
  output_timer_.disarm();
  if (output_timed_out_) {
    break_off("the client took nothing of the answer for too long");
    client_gone();
  }
  co_return !broken_;
}

void Connection::flush_soon() {
  if (self_ == nullptr) {
    self_ = std::make_shared<Connection*>(this);
  }
  net::asio::post(shared_.worker.executor(), [self = self_] {
    if (*self != nullptr) {
      (*self)->flush_some();
    }
  });
}

void Connection::on_writable(void* context, net::IoStatus status) noexcept {
  auto& self = *static_cast<Connection*>(context);
  if (status != net::IoStatus::ok) {
    self.broken_ = true;
  }
  self.output_.resume();
}

void Connection::on_output_timer(void* context) noexcept {
  auto& self = *static_cast<Connection*>(context);
  if (self.writing_) {
    self.output_timed_out_ = true;
    self.output_.resume();
  } else {
    self.client_gone();
  }
}

void Connection::break_off(std::string_view why) {
  RequestRecord& record = exchange_->context.record;
  record.aborted = true;
  if (record.detail.empty()) {
    record.detail = why;
  }
  broken_ = true;
  stream_->close(true);
}

}  // namespace sluice::http::h1
