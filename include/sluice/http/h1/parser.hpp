/// Heads of HTTP/1.x messages, RFC 9112, read strictly: one spelling of each message passes, everything that
/// two parsers might read differently is refused. docs/decisions/http.md says what is refused and why.
///
/// Parsers take the bytes of the message so far as one contiguous view and are called again with a longer
/// view when they need more; the verdict does not depend on how the bytes were split. They keep no pointers
/// into the view. Single-threaded; used again for the next message after reset().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/http/h1/framing.hpp"
#include "sluice/http/h1/message_fields.hpp"
#include "sluice/http/headers.hpp"
#include "sluice/http/limits.hpp"
#include "sluice/http/message.hpp"

namespace sluice::http::h1 {

/// What a request's head says beside the Request itself.
struct RequestHead {
  Framing framing;               ///< none, length or chunked
  bool keep_alive = true;        ///< by version and Connection; false for CONNECT
  bool expect_continue = false;  ///< the client waits for "100 Continue" before it sends the body
};

class RequestHeadParser {
 public:
  /// `data` starts at the message's first byte. Returns how many bytes the head took (an empty line before it
  /// counts), or 0: more bytes are needed.
  ///
  /// `request` is filled anew: what it held is dropped (a caller that leaves it as it was saves the check of
  /// a Host that stays the same), its body becomes nullptr. Method and target are there as soon as the
  /// request line was good, so that a refusal can be logged with them; the rest when the head is complete.
  /// CONNECT: the authority is the target's, the path stays empty. Expect is taken out of the headers.
  /// Errors (downstream, `status` set, close after the answer): 400, 414, 417, 431, 505.
  Result<std::size_t> parse(std::string_view data, const ServerLimits& limits, Request& request);
  [[nodiscard]] const RequestHead& head() const noexcept { return head_; }
  /// Whether a byte of the message was seen (an idle connection has none).
  [[nodiscard]] bool started() const noexcept { return started_; }
  void reset() noexcept { *this = RequestHeadParser(); }

 private:
  Refusal read(std::string_view data, const ServerLimits& limits, Request& request, std::size_t& consumed);
  Refusal take_field(FieldId id, std::string_view value, const Request& request);
  void finish(std::string_view data, Request& request);

  RequestHead head_;
  MessageFields fields_;
  std::size_t start_ = 0;  ///< of the request line
  std::size_t block_ = 0;  ///< of the first field line; 0: the request line is not read yet
  std::size_t line_ = 0;   ///< of the line that is read next
  std::size_t field_count_ = 0;
  std::size_t host_at_ = 0;
  std::size_t host_size_ = 0;
  bool started_ = false;
  bool has_host_ = false;
  bool target_has_authority_ = false;
  bool has_expect_ = false;
  bool expects_continue_ = false;
};

struct ResponseLimits {
  std::size_t header_bytes = std::size_t{64} << 10U;  ///< whole head
  std::size_t header_fields = 256;
};

struct ResponseHead {
  int status = 0;
  std::uint8_t version_minor = 1;
  Headers headers;
  Framing framing;
  bool keep_alive = true;  ///< the connection may be used again after the body

  void clear() noexcept;
};

class ResponseHeadParser {
 public:
  /// As RequestHeadParser::parse. `request_method`: HEAD has no body whatever the fields say. A head with a
  /// 1xx status is complete by itself; the caller goes on with the next one after reset(). Errors (upstream):
  /// malformed, with the slug "bad_response".
  Result<std::size_t> parse(std::string_view data, const ResponseLimits& limits, Method request_method,
                            ResponseHead& response);
  void reset() noexcept { *this = ResponseHeadParser(); }

 private:
  std::string_view take_field(FieldId id, std::string_view value, const ResponseHead& response,
                              const ResponseLimits& limits);

  MessageFields fields_;
  std::size_t block_ = 0;  ///< of the first field line; 0: the status line is not read yet
  std::size_t line_ = 0;   ///< of the line that is read next
};

}  // namespace sluice::http::h1
