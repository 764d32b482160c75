// One HTTP/1.1 connection from a client: what the files server_connection*.cpp share.
//
// One coroutine runs the connection: head, handler, answer, and again. It waits in two places only: for input
// (`input_`) and for room to write (`output_`). The stream's wait for readability is apart from that: it
// stays started while a handler runs, holds no buffer and costs no system call, so that a client that goes
// away is noticed at once and a pipelined request is taken in early.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/parser.hpp"
#include "sluice/http/h1/server_connection.hpp"
#include "sluice/http/h1/writer.hpp"
#include "sluice/net/waiter.hpp"

namespace sluice::http::h1 {

class Connection;

/// The body of the request that is being served, read from the connection's buffer without a copy.
class RequestBody final : public BodySource {
 public:
  RequestBody() = default;

  net::Awaitable<Result<std::string_view>> read() override;
  std::optional<Result<std::string_view>> try_read() override;
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override;
  [[nodiscard]] const Headers* trailers() const noexcept override;
  /// At once: read() has ended when it returns, unless that is sending what stands before 100 Continue. The
  /// body can still be read afterwards, so that the connection drains it.
  void cancel_read() noexcept override;

  /// For the next request; `expects`: it waits for 100 Continue.
  void begin(Connection& connection, const Framing& framing, bool expects);
  /// Whether the connection stands behind the body's last byte.
  [[nodiscard]] bool complete() const noexcept { return done_; }
  /// The client still waits for 100 Continue: it may never send the body.
  [[nodiscard]] bool unasked() const noexcept { return expects_ && !done_; }
  /// Bytes to come, where that is known.
  [[nodiscard]] std::optional<std::uint64_t> remaining() const noexcept;
  /// The answer begins: it is too late for 100 Continue, and nobody looks at the buffer any more.
  void answered() noexcept;
  /// Drops what the buffer holds of it.
  void skip_buffered();
  /// A view into the buffer is out: its bytes may not move.
  [[nodiscard]] bool holds() const noexcept { return held_ != 0; }
  void fail(Error error);

 private:
  friend class Connection;
  void release();

  Connection* connection_ = nullptr;
  Framing framing_;
  std::uint64_t remaining_ = 0;  ///< of Framing::length
  std::uint64_t received_ = 0;
  Duration waited_{};     ///< for the client
  std::size_t held_ = 0;  ///< bytes at the buffer's start that the caller looks at
  bool done_ = true;
  bool expects_ = false;
  bool reading_ = false;    ///< read() waits
  bool cancelled_ = false;  ///< and shall not
  std::optional<Error> error_;
  ChunkDecoder decoder_;
};

/// What a request needs. An idle connection has none; they go round among a worker's connections, with the
/// memory that they have grown.
struct Exchange {
  Exchange(net::Worker& worker, const ConnectionInfo& info) : context(worker, info) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() = default;
  /// For a request of another connection.
  void rebind(net::Worker& worker, const ConnectionInfo& info);
  /// Where the answer is constructed and destroyed: here, as a coroutine's frame lives as long as its
  /// connection.
  [[nodiscard]] void* response_place() noexcept { return response_.data(); }

  RequestHeadParser parser;
  Request request;
  RequestContext context;
  RequestBody body;
  std::optional<Error> refusal;
  std::string out;  ///< bytes to be sent

 private:
  alignas(Response) std::array<std::byte, sizeof(Response)> response_{};
};

/// The free ones of a worker.
class ExchangePool {
 public:
  std::unique_ptr<Exchange> take(net::Worker& worker, const ConnectionInfo& info);
  void give_back(std::unique_ptr<Exchange> exchange);

 private:
  std::vector<std::unique_ptr<Exchange>> free_;
};

class Connection final : public ServerConnection {
 public:
  Connection(ServerShared& shared, std::unique_ptr<net::Stream> stream, ConnectionInfo info);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  /// Runs the connection to its end.
  static net::Awaitable<void> run(std::unique_ptr<Connection> self);
  void drain() noexcept override;
  void abort() noexcept override;

 private:
  friend class RequestBody;

  /// What the input timer ends.
  enum class Waiting : std::uint8_t {
    nothing,    ///< a handler runs
    request,    ///< the first byte of a request
    parked,     ///< the same, for longer than a moment
    head,       ///< the rest of a head
    body,       ///< a piece of a body that somebody reads
    discarding  ///< the rest of a body that nobody reads, or the client's end
  };
  enum class Received : std::uint8_t { bytes, nothing, end, broken };
  enum class Head : std::uint8_t { complete, incomplete, refused };

  // server_connection.cpp: one request
  Head parse_head();
  /// Before and after a wait for more of a head; false: the connection ends, with a refusal where the
  /// exchange has one.
  bool begin_head_wait();
  bool end_head_wait();
  void begin_request();
  /// Ends the answer's life and tells the handler.
  void finish_request(Response* response);
  net::Awaitable<void> refuse();

  // server_connection_input.cpp
  [[nodiscard]] const ServerLimits& limits() const noexcept { return *shared_.limits; }
  [[nodiscard]] const net::TimerWheel& wheel() const noexcept { return shared_.worker.wheel(); }
  [[nodiscard]] std::string_view input() const noexcept { return {lease_.data() + begin_, end_ - begin_}; }
  [[nodiscard]] bool has_input() const noexcept { return begin_ != end_; }
  [[nodiscard]] bool has_room() const noexcept;
  /// Takes what there is into the buffer.
  Received receive();
  void consume(std::size_t size) noexcept;
  /// Starts the stream's wait, unless it is or there is no room.
  void watch();
  void wait_as(Waiting what, SteadyTime until) noexcept;
  /// Has the system look for an end that went unseen, and TLS give its buffers back.
  void park();
  /// Gives the buffers back to the worker.
  void release_buffers();
  static void on_readable(void* context, net::IoStatus status) noexcept;
  static void on_input_timer(void* context) noexcept;
  void input_while_busy();
  void client_gone();
  /// Waits for a piece of the body; false when it has failed.
  net::Awaitable<bool> body_input();
  /// Reads what is left of the body within the limits; false: the connection cannot go on.
  net::Awaitable<bool> discard_body();
  /// Ends our side and takes in what the client still sends, so that it sees the answer and not a reset.
  net::Awaitable<void> linger();

  // server_connection_output.cpp
  /// Appends the head, and a small body, and sends them unless more requests are at hand; true when that is
  /// all.
  bool begin_response(Response& response);
  net::Awaitable<void> finish_response(Response& response);
  net::Awaitable<void> send_source(BodySource& source);
  /// Appends a small file to what goes out; false: it became shorter, and the answer was broken off.
  bool append_file(FileRange& file);
  /// Sends what has gathered and the file; false where the file system cannot do that: then the file is still
  /// to be read and sent.
  net::Awaitable<bool> send_file(FileRange& file);
  void decide_keep_alive(bool streamed);
  /// Sends what has gathered as far as it goes; true when nothing is left.
  bool flush_some();
  net::Awaitable<bool> flush();
  net::Awaitable<bool> write_all(std::span<net::asio::const_buffer> parts);
  net::Awaitable<bool> wait_writable();
  /// Sends what has gathered once the handler waits for something.
  void flush_soon();
  static void on_writable(void* context, net::IoStatus status) noexcept;
  static void on_output_timer(void* context) noexcept;
  /// The client may not take what it has got for the whole.
  void break_off(std::string_view why);

  ServerShared& shared_;
  std::unique_ptr<net::Stream> stream_;
  ConnectionInfo info_;
  std::unique_ptr<Exchange> exchange_;

  net::BufferLease lease_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  net::Waiter input_;
  net::Timer input_timer_;
  SteadyTime idle_since_{};
  SteadyTime received_at_{};  ///< when the bytes came that `begin_` stands at
  std::uint64_t requests_ = 0;

  net::Waiter output_;
  net::Timer output_timer_;
  Framing response_framing_;

  Waiting waiting_ = Waiting::nothing;
  bool wait_started_ = false;  ///< the stream's wait for readability
  bool parking_ = false;
  bool looked_ = false;  ///< for an end that came with the first request
  bool input_timed_out_ = false;
  bool output_timed_out_ = false;
  bool writing_ = false;    ///< somebody waits for room to write
  bool ended_ = false;      ///< the client's FIN
  bool broken_ = false;     ///< nothing can be sent any more
  bool keep_alive_ = true;  ///< as the answer says
  bool lingering_ = false;  ///< the client may still be sending
  bool draining_ = false;
  std::shared_ptr<Connection*> self_;  ///< for flush_soon
};

}  // namespace sluice::http::h1
