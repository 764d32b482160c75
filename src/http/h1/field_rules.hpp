/// The fields that frame a message and keep its connection, the same for requests and responses.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "sluice/base/codec.hpp"
#include "sluice/http/h1/framing.hpp"
#include "sluice/http/headers.hpp"

#include "http/h1/grammar.hpp"

namespace sluice::http::h1 {

inline constexpr Refusal bad_length{"bad_content_length", "Content-Length must be one decimal number", 400};
inline constexpr Refusal second_length{"content_length_repeated", "Content-Length stands twice", 400};
inline constexpr Refusal bad_coding{"bad_transfer_encoding", "Transfer-Encoding must be 'chunked'", 400};
inline constexpr Refusal two_framings{"ambiguous_framing",
                                      "Content-Length and Transfer-Encoding exclude each other", 400};
inline constexpr Refusal bad_field{"bad_field", "A field line is malformed", 400};

class MessageFields {
 public:
  /// For Content-Length, Transfer-Encoding and Connection.
  Refusal take(FieldId id, std::string_view value) noexcept {
    if (id == FieldId::connection) {
      take_connection(value);
      return {};
    }
    if (id == FieldId::content_length) {
      if (chunked_ || length_) {
        return chunked_ ? two_framings : second_length;
      }
      length_ = parse_length(value);
      return length_ ? Refusal{} : bad_length;
    }
    if (chunked_ || length_) {
      return length_ ? two_framings : bad_coding;
    }
    chunked_ = equals_ignore_case(value, "chunked");
    return chunked_ ? Refusal{} : bad_coding;
  }

  /// Beast looks at some fields before the reader does.
  [[nodiscard]] Refusal refusal_of(const beast::error_code& error) const noexcept {
    using beast::http::error;
    if (error == error::bad_content_length || error == error::multiple_content_length) {
      return chunked_ ? two_framings : length_ ? second_length : bad_length;
    }
    if (error == error::bad_transfer_encoding) {
      return length_ ? two_framings : bad_coding;
    }
    return bad_field;
  }

  [[nodiscard]] Framing framing() const noexcept {
    return chunked_ ? Framing::chunked() : length_ ? Framing::of_length(*length_) : Framing{};
  }
  [[nodiscard]] bool keep_alive(bool http_1_0) const noexcept {
    return !close_ && (!http_1_0 || keep_alive_);
  }

 private:
  /// At most 19 digits and below 2^63, so that no reader of the number overflows.
  static std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
    constexpr std::size_t most_digits = 19;
    if (text.empty() || text.size() > most_digits) {
      return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char byte : text) {
      if (byte < '0' || byte > '9') {
        return std::nullopt;
      }
      value = value * 10 + static_cast<std::uint64_t>(byte - '0');
    }
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return value <= largest ? std::optional<std::uint64_t>(value) : std::nullopt;
  }

  void take_connection(std::string_view value) noexcept {
    while (true) {
      const std::size_t comma = value.find(',');
      const std::string_view option = trim(value.substr(0, comma));
      close_ = close_ || equals_ignore_case(option, "close");
      keep_alive_ = keep_alive_ || equals_ignore_case(option, "keep-alive");
      if (comma == std::string_view::npos) {
        return;
      }
      value.remove_prefix(comma + 1);
    }
  }

  std::optional<std::uint64_t> length_;
  bool chunked_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
};

}  // namespace sluice::http::h1
