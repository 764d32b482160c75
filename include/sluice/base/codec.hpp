/// Encodings of bytes and text: base64, hex, percent, UTF-8, JSON and HTML escapes, header names.
/// All functions are pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

/// RFC 4648 section 4, with padding.
std::string base64_encode(std::string_view bytes);
/// RFC 4648 section 5, without padding.
std::string base64url_encode(std::string_view bytes);
/// Section 4 alphabet, padding required, no white space, unused bits zero; otherwise nullopt.
std::optional<std::string> base64_decode(std::string_view text);
/// Section 5 alphabet, no padding; otherwise nullopt.
std::optional<std::string> base64url_decode(std::string_view text);

/// Lower case.
std::string hex_encode(std::string_view bytes);

/// Which bytes stay as they are in percent-encoding.
enum class PercentSet : std::uint8_t {
  unreserved,  ///< RFC 3986 unreserved only: query components, SigV4
  pchar,       ///< unreserved, sub-delims, ':' and '@': a path segment in its canonical form
};
void append_percent_encoded(std::string& out, std::string_view bytes, PercentSet set);
std::string percent_encode(std::string_view bytes, PercentSet set);
/// nullopt on a '%' without two hex digits. `plus_is_space` for queries and forms.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// As percent_decode, but a bad '%' stays as it is: queries reach events whatever the client wrote.
std::string percent_decode_lenient(std::string_view text, bool plus_is_space);

/// RFC 3629: no overlong forms, no surrogates, at most U+10FFFF.
bool is_valid_utf8(std::string_view bytes) noexcept;
/// Every maximal ill-formed sequence becomes U+FFFD.
std::string sanitize_utf8(std::string_view bytes);

/// Appends the inside of a JSON string (no quotes); ill-formed UTF-8 becomes U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);
/// Appends with & < > " ' as character references.
void append_html_escaped(std::string& out, std::string_view text);

/// "x-request-id" → "X-Request-Id" (events.md).
std::string train_case(std::string_view name);
std::string to_lower(std::string_view text);
bool equals_ignore_case(std::string_view left, std::string_view right) noexcept;
/// RFC 9110 section 5.6.2; empty is no token.
bool is_token(std::string_view text) noexcept;
/// RFC 9110 section 5.5 without obs-fold: no CR, LF, NUL or other control byte but HTAB.
bool is_field_value(std::string_view text) noexcept;
/// Without leading and trailing spaces and tabs (OWS).
std::string_view trim(std::string_view text) noexcept;

}  // namespace sluice
