#include "sluice/http/h1/message_fields.hpp"

#include <limits>

#include "sluice/base/codec.hpp"

namespace sluice::http::h1 {
namespace {

constexpr Refusal bad_length{"bad_content_length", "Content-Length must be one decimal number", 400};
constexpr Refusal second_length{"content_length_repeated", "Content-Length stands twice", 400};
constexpr Refusal bad_coding{"bad_transfer_encoding", "Transfer-Encoding must be 'chunked'", 400};
constexpr Refusal two_framings{"ambiguous_framing", "Content-Length and Transfer-Encoding exclude each other",
                               400};

}  // namespace

Refusal MessageFields::take(FieldId id, std::string_view value) noexcept {
  switch (id) {
    case FieldId::connection:
      take_connection(value);
      return {};
    case FieldId::content_length:
      return take_length(value);
    case FieldId::transfer_encoding:
      if (chunked_ || has_length_) {
        return has_length_ ? two_framings : bad_coding;
      }
      chunked_ = equals_ignore_case(value, "chunked");
      return chunked_ ? Refusal{} : bad_coding;
    default:
      return {};
  }
}

Refusal MessageFields::take_length(std::string_view value) noexcept {
  constexpr std::size_t most_digits = 19;
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (chunked_ || has_length_) {
    return chunked_ ? two_framings : second_length;
  }
  if (value.empty() || value.size() > most_digits) {
    return bad_length;
  }
  for (const char byte : value) {
    if (byte < '0' || byte > '9') {
      return bad_length;
    }
    length_ = length_ * 10 + static_cast<std::uint64_t>(byte - '0');
  }
  has_length_ = length_ <= largest;
  return has_length_ ? Refusal{} : bad_length;
}

void MessageFields::take_connection(std::string_view value) noexcept {
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

}  // namespace sluice::http::h1
