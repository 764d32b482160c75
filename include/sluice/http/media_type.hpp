/// Media types (RFC 9110 section 8.3.1) and the choice among them by Accept (section 12.5.1). Pure,
/// thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::http {

/// "Text/HTML; Charset=UTF-8" → text, html, {charset: UTF-8}.
struct MediaType {
  std::string type;     ///< lower case; "*" in ranges
  std::string subtype;  ///< lower case; "*" in ranges
  /// Names in lower case, values as sent with quotes and escapes removed, in order.
  std::vector<std::pair<std::string, std::string>> parameters;

  /// "text/html", without parameters.
  [[nodiscard]] std::string essence() const { return type + "/" + subtype; }
  /// The first parameter of that (lower-case) name.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const noexcept;
};

/// nullopt where the text is no media type; "*/*" and "text/*" are taken too.
std::optional<MediaType> parse_media_type(std::string_view text);

/// The index of the offer that `accept` (all Accept fields, joined by commas) likes best: the highest q, then
/// the most specific range, then the order of `offers`. nullopt where it takes none of them.
///
/// Elements that are malformed are passed over; where no element is left, everything is acceptable. A
/// parameter of a range that an offer does not have (charset, mostly) does not exclude the offer, one with
/// another value does.
std::optional<std::size_t> best_media_type(std::string_view accept, std::span<const MediaType> offers);

/// application/json or any +json, whatever the parameters (events.md, "body").
bool is_json_type(std::string_view content_type) noexcept;
/// Any text/*.
bool is_text_type(std::string_view content_type) noexcept;

}  // namespace sluice::http
