/// Heads of HTTP/1.1 messages as bytes, appended to a buffer that is used again. Names and values must have
/// been checked (is_token, is_field_value) where they come from outside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/http/h1/framing.hpp"
#include "sluice/http/message.hpp"

namespace sluice::http::h1 {

inline constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

struct ResponseHeadOptions {
  /// What the head says of the body: Content-Length (also in answers to HEAD), Transfer-Encoding, or nothing
  /// (none, until_close).
  Framing framing;
  std::string_view date;  ///< net::Worker::http_date(); used where the response has no Date of its own
  bool keep_alive = true;
  std::uint8_t request_minor = 1;  ///< HTTP/1.0 clients are told "Connection: keep-alive" where it holds
};

/// Status line, Date, Connection, framing, the response's fields (but those that the connection makes), the
/// empty line. The head of a rendered response is its fields and those in `headers`. A 101 keeps its
/// Connection and Upgrade fields and gets no framing.
void append_response_head(std::string& out, const Response& response, const ResponseHeadOptions& options);

/// Request line, Host (`authority`, where `headers` has none), the fields (but Content-Length and
/// Transfer-Encoding), framing, the empty line. A request without a body that is expected to have one
/// (POST, PUT, PATCH) is given Framing::of_length(0).
void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         std::string_view authority, const Headers& headers, Framing framing);

}  // namespace sluice::http::h1
