/// The lines of a head, read where they stand: one pass, no copies. A reader says `more` where the bytes end
/// before the line does, so that it can be asked again with more of them; its verdict about a line is that of
/// the first byte that does not fit.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::http::h1 {

enum class LineResult : std::uint8_t {
  line,
  end,   ///< the empty line
  more,  ///< the bytes ended
  bad,
  bad_end,  ///< CR without LF or LF without CR
  folded,
  line_too_long,
  head_too_long,
};

struct LineLimits {
  std::size_t line_bytes;  ///< without CRLF
  std::size_t head_bytes;  ///< from the head's start, the final CRLF included
};

/// How far a line may be read now, and what it means when it does not end before that.
struct Window {
  const char* end;
  LineResult beyond;
};

inline Window window_of(std::string_view data, std::size_t start, std::size_t line,
                        const LineLimits& limits) noexcept {
  const std::size_t line_end = line + limits.line_bytes + 2;
  const std::size_t head_end = start + limits.head_bytes;
  if (data.size() <= line_end && data.size() <= head_end) {
    return {data.data() + data.size(), LineResult::more};
  }
  return line_end <= head_end ? Window{data.data() + line_end, LineResult::line_too_long}
                              : Window{data.data() + head_end, LineResult::head_too_long};
}

inline constexpr std::array<bool, 256> token_bytes = [] {
  std::array<bool, 256> bytes{};
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    const char byte = static_cast<char>(index);
    bytes[index] =
        (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  }
  for (const char byte : std::string_view("!#$%&'*+-.^_`|~")) {
    bytes[static_cast<unsigned char>(byte)] = true;
  }
  return bytes;
}();

inline bool is_token_byte(char byte) noexcept {
  return token_bytes[static_cast<unsigned char>(byte)];
}

constexpr bool is_space(char byte) noexcept {
  return byte == ' ' || byte == '\t';
}

/// The first control byte but HTAB, or `end`.
inline const char* find_control(const char* at, const char* end) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t tops = 0x8080808080808080U;
  while (true) {
    if constexpr (std::endian::native == std::endian::little) {
      while (end - at >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        const std::uint64_t deleted = word ^ (ones * 0x7F);
        // The lowest bit that is set marks the first byte below 0x20 or equal to 0x7F.
        const std::uint64_t found = (((word - ones * 0x20) & ~word) | ((deleted - ones) & ~deleted)) & tops;
        if (found != 0) {
          at += std::countr_zero(found) / 8;
          break;
        }
        at += 8;
      }
    }
    while (at != end && static_cast<unsigned char>(*at) >= 0x20 && *at != 0x7F) {
      ++at;
    }
    if (at == end || *at != '\t') {
      return at;
    }
    ++at;
  }
}

/// Whether `at` is at a CRLF; `more` where it may still become one.
inline LineResult read_line_end(const char* at, const char* end) noexcept {
  if (at == end) {
    return LineResult::more;
  }
  if (*at != '\r') {
    return *at == '\n' ? LineResult::bad_end : LineResult::bad;
  }
  if (end - at < 2) {
    return LineResult::more;
  }
  return at[1] == '\n' ? LineResult::line : LineResult::bad_end;
}

struct FieldLine {
  std::string_view name;
  std::string_view value;
  const char* next = nullptr;  ///< the next line
};

/// field-name ":" OWS field-value OWS CRLF, RFC 9112 section 5; the empty line is `end`.
inline LineResult read_field_line(const char* at, const char* end, FieldLine& out) noexcept {
  const char* const name = at;
  while (at != end && is_token_byte(*at)) {
    ++at;
  }
  if (at == end) {
    return LineResult::more;
  }
  const char* const name_end = at;
  if (*at != ':' || at == name) {
    if (at == name && is_space(*at)) {
      return LineResult::folded;
    }
    const LineResult ending = read_line_end(at, end);
    if (ending != LineResult::line) {
      return ending;
    }
    out.next = at + 2;
    return at == name ? LineResult::end : LineResult::bad;
  }
  ++at;
  while (at != end && is_space(*at)) {
    ++at;
  }
  const char* const value = at;
  at = find_control(at, end);
  const LineResult ending = read_line_end(at, end);
  if (ending != LineResult::line) {
    return ending;
  }
  const char* value_end = at;
  while (value_end != value && is_space(value_end[-1])) {
    --value_end;
  }
  out.name = {name, static_cast<std::size_t>(name_end - name)};
  out.value = {value, static_cast<std::size_t>(value_end - value)};
  out.next = at + 2;
  return LineResult::line;
}

}  // namespace sluice::http::h1
