/// The body of an answer, read from the connection as it is asked for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/http/h1/chunk.hpp"
#include "sluice/http/h1/framing.hpp"
#include "sluice/net/buffer_pool.hpp"

#include "client/pool.hpp"
#include "client/request_body.hpp"

namespace sluice::client {

/// What reading the head left behind.
struct ResponseStart {
  ConnectionLease lease;
  net::BufferLease buffer;  ///< where `first` is
  std::string_view first;   ///< decoded bytes of the body that came with the head
  http::h1::Framing framing;
  std::optional<http::h1::ChunkDecoder> decoder;
  BodySenderPtr sender;  ///< while the request's body is still under way
  bool keep_alive = true;
  bool more_ready = false;  ///< the last read filled its buffer, so there is more
};

class ResponseBody final : public http::BodySource {
 public:
  explicit ResponseBody(ResponseStart start);
  ResponseBody(const ResponseBody&) = delete;
  ResponseBody& operator=(const ResponseBody&) = delete;
  ~ResponseBody() override;

  net::Awaitable<Result<std::string_view>> read() override;
  std::optional<Result<std::string_view>> try_read() override;
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override;
  [[nodiscard]] const http::Headers* trailers() const noexcept override;

 private:
  using Kind = http::h1::Framing::Kind;
  enum class State : std::uint8_t {
    open,
    received,  // all of it is here, but the request's body is still being sent
    ended,
    failed,
  };
  [[nodiscard]] std::optional<Result<std::string_view>> at_rest();
  Result<std::string_view> fail(Error error);
  /// Takes `size` bytes that were read into `data`; an empty view: nothing of the body among them, go on.
  Result<std::string_view> take(char* data, std::size_t size);
  Result<std::string_view> take_end();
  void finish(bool clean);
  std::optional<Result<std::string_view>> look();

  ConnectionLease lease_;
  net::BufferLease buffer_;
  std::string_view first_;
  http::h1::Framing framing_;
  std::uint64_t remaining_ = 0;
  std::optional<http::h1::ChunkDecoder> decoder_;
  BodySenderPtr sender_;
  std::optional<Error> error_;
  State state_ = State::open;
  bool keep_alive_;
  bool more_ready_;
  bool dry_ = false;  // the last look found nothing
};

/// Takes all body bytes in `data` together at its front. `complete`: the end was among them, `used` bytes of
/// `data` belonged to the body.
struct Compacted {
  std::string_view bytes;
  std::size_t used = 0;
  bool complete = false;
};
Result<Compacted> compact_chunks(http::h1::ChunkDecoder& decoder, char* data, std::size_t size);

/// A body in memory with trailers.
std::unique_ptr<http::BodySource> make_trailed_body(std::string bytes, http::Headers trailers);

}  // namespace sluice::client
