/// Requests and responses, the same for HTTP/1.1, HTTP/2, and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/http/body.hpp"
#include "sluice/http/headers.hpp"
#include "sluice/http/target.hpp"

namespace sluice::http {

enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, trace, connect, extension };
/// Case-sensitive (RFC 9110 section 9.1); extension for any other token.
Method parse_method(std::string_view name) noexcept;
/// "GET"; empty for extension.
std::string_view method_name(Method method) noexcept;
/// RFC 9110 section 9.2.2.
bool is_idempotent(Method method) noexcept;
/// "Not Found"; "Unknown" for codes that nobody registered.
std::string_view reason_phrase(int status) noexcept;

/// A request as it was received: head checked against RFC 9112 and the limits, body not yet read.
/// Belongs to one connection, which uses it again for the next request.
struct Request {
  Method method = Method::get;
  std::string method_text;  ///< as sent
  std::string target;       ///< as sent
  std::string raw_path;     ///< up to '?', as sent
  std::string query;        ///< bytes after '?', as sent
  bool has_query = false;
  CanonicalPath path;     ///< empty for "OPTIONS *"
  std::string authority;  ///< Host or :authority or absolute-form's, as sent
  std::string host;       ///< host_of_authority(authority)
  std::uint8_t version_major = 1;
  std::uint8_t version_minor = 1;
  Headers headers;
  /// nullptr: no body. Owned by the connection.
  BodySource* body = nullptr;

  void clear() noexcept;
};

/// A response whose head was rendered at load: what static answers are made of. Immutable, shared by workers.
struct RenderedResponse {
  int status = 200;
  std::string fields;  ///< "Name: value\r\n" lines, without Date, Connection, framing
  std::string body;
};

/// An answer. The connection adds Connection and the framing (fields of those names are dropped), and Date
/// where it is missing.
struct Response {
  int status = 200;
  Headers headers;
  Body body;
  /// Where set: its fields and body are used, `headers` come after them, `status` and `body` above do not
  /// count.
  std::shared_ptr<const RenderedResponse> rendered;
  /// The answer to a HEAD request with a known length: Content-Length without a body.
  std::optional<std::uint64_t> head_content_length;
};

}  // namespace sluice::http
