#include "sluice/base/codec.hpp"

#include <array>
#include <cstring>

namespace sluice {
namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64url_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view lower_hex = "0123456789abcdef";
constexpr std::string_view upper_hex = "0123456789ABCDEF";

constexpr bool is_alpha(unsigned char byte) {
  return (byte | 0x20U) >= 'a' && (byte | 0x20U) <= 'z';
}
constexpr bool is_digit(unsigned char byte) {
  return byte >= '0' && byte <= '9';
}

using ByteSet = std::array<bool, 256>;

constexpr ByteSet make_set(std::string_view extra) {
  ByteSet set{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    set[byte] = is_alpha(static_cast<unsigned char>(byte)) || is_digit(static_cast<unsigned char>(byte));
  }
  for (const char byte : extra) {
    set[static_cast<unsigned char>(byte)] = true;
  }
  return set;
}

constexpr ByteSet unreserved_set = make_set("-._~");
constexpr ByteSet pchar_set = make_set("-._~!$&'()*+,;=:@");
constexpr ByteSet token_set = make_set("!#$%&'*+-.^_`|~");

std::string encode64(std::string_view bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  const auto at = [&](std::size_t index) {
    return index < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[index])) : 0U;
  };
  for (std::size_t index = 0; index < bytes.size(); index += 3) {
    const std::uint32_t group = at(index) << 16U | at(index + 1) << 8U | at(index + 2);
    const std::size_t left = bytes.size() - index;
    out.push_back(alphabet[group >> 18U & 63U]);
    out.push_back(alphabet[group >> 12U & 63U]);
    if (left > 1) {
      out.push_back(alphabet[group >> 6U & 63U]);
    } else if (pad) {
      out.push_back('=');
    }
    if (left > 2) {
      out.push_back(alphabet[group & 63U]);
    } else if (pad) {
      out.push_back('=');
    }
  }
  return out;
}

constexpr std::array<std::int8_t, 256> make_reverse(std::string_view alphabet) {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t index = 0; index < alphabet.size(); ++index) {
    table[static_cast<unsigned char>(alphabet[index])] = static_cast<std::int8_t>(index);
  }
  return table;
}

std::optional<std::string> decode64(std::string_view text, const std::array<std::int8_t, 256>& reverse) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char byte : text) {
    const std::int8_t value = reverse[static_cast<unsigned char>(byte)];
    if (value < 0) {
      return std::nullopt;
    }
    group = group << 6U | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(group >> bits & 0xFFU));
    }
  }
  if ((group & ((1U << bits) - 1U)) != 0) {
    return std::nullopt;
  }
  return out;
}

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'a' && digit <= 'f') {
    return digit - 'a' + 10;
  }
  if (digit >= 'A' && digit <= 'F') {
    return digit - 'A' + 10;
  }
  return -1;
}

/// Length of the well-formed sequence at `at`, or 0; `skip` is then the length of the maximal ill-formed
/// part.
std::size_t utf8_sequence(std::string_view bytes, std::size_t at, std::size_t& skip) noexcept {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
  const unsigned char lead = byte(at);
  skip = 1;
  if (lead < 0x80) {
    return 1;
  }
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    low = lead == 0xE0 ? 0xA0 : 0x80;
    high = lead == 0xED ? 0x9F : 0xBF;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    low = lead == 0xF0 ? 0x90 : 0x80;
    high = lead == 0xF4 ? 0x8F : 0xBF;
  } else {
    return 0;
  }
  for (std::size_t index = 1; index < length; ++index) {
    if (at + index >= bytes.size() || byte(at + index) < low || byte(at + index) > high) {
      skip = index;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// Eight bytes at a time, for the long plain stretches that nearly all text is made of.
constexpr std::uint64_t each_byte = 0x0101010101010101U;
constexpr std::uint64_t high_bits = each_byte << 7U;

/// The high bit of each byte that is zero (and perhaps of bytes above the lowest such one).
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return (word - each_byte) & ~word & high_bits;
}

/// Text that an escape has nothing to say of: whole words of ASCII, and single bytes.
struct PlainAscii {
  static constexpr bool word(std::uint64_t /*word*/) noexcept { return true; }
  static constexpr bool byte(unsigned char byte) noexcept { return byte < 0x80; }
};

struct PlainJson {
  static constexpr bool word(std::uint64_t word) noexcept {
    return ((word - each_byte * 0x20) & ~word & high_bits) == 0 &&
           zero_bytes(word ^ (each_byte * '"')) == 0 && zero_bytes(word ^ (each_byte * '\\')) == 0;
  }
  static constexpr bool byte(unsigned char byte) noexcept {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
  }
};

struct PlainHtml {
  static constexpr bool word(std::uint64_t word) noexcept {
    return zero_bytes(word ^ (each_byte * '&')) == 0 && zero_bytes(word ^ (each_byte * '<')) == 0 &&
           zero_bytes(word ^ (each_byte * '>')) == 0 && zero_bytes(word ^ (each_byte * '"')) == 0 &&
           zero_bytes(word ^ (each_byte * '\'')) == 0;
  }
  static constexpr bool byte(unsigned char byte) noexcept {
    return byte < 0x80 && byte != '&' && byte != '<' && byte != '>' && byte != '"' && byte != '\'';
  }
};

/// The first place from `at` on that is not plain.
template <class Plain>
std::size_t skip_plain(std::string_view text, std::size_t at) noexcept {
  std::uint64_t word = 0;
  while (text.size() - at >= sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & high_bits) != 0 || !Plain::word(word)) {
      break;
    }
    at += sizeof word;
  }
  while (at < text.size() && Plain::byte(static_cast<unsigned char>(text[at]))) {
    ++at;
  }
  return at;
}

template <class Plain, class Escape>
void append_escaped(std::string& out, std::string_view text, Escape escape) {
  std::size_t from = 0;
  for (std::size_t at = skip_plain<Plain>(text, 0); at < text.size(); at = skip_plain<Plain>(text, at)) {
    std::size_t skip = 1;
    const std::size_t length = utf8_sequence(text, at, skip);
    const std::string_view replacement = length == 0   ? std::string_view("\xEF\xBF\xBD")
                                         : length == 1 ? escape(text[at])
                                                       : std::string_view();
    const std::size_t step = length == 0 ? skip : length;
    if (!replacement.empty()) {
      out.append(text, from, at - from);
      out.append(replacement);
      from = at + step;
    }
    at += step;
  }
  out.append(text, from, text.size() - from);
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  return encode64(bytes, base64_alphabet, true);
}

std::string base64url_encode(std::string_view bytes) {
  return encode64(bytes, base64url_alphabet, false);
}

std::optional<std::string> base64_decode(std::string_view text) {
  static constexpr auto reverse = make_reverse(base64_alphabet);
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  for (int count = 0; count < 2 && !text.empty() && text.back() == '='; ++count) {
    text.remove_suffix(1);
  }
  return decode64(text, reverse);
}

std::optional<std::string> base64url_decode(std::string_view text) {
  static constexpr auto reverse = make_reverse(base64url_alphabet);
  return decode64(text, reverse);
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    out.push_back(lower_hex[static_cast<unsigned char>(byte) >> 4U]);
    out.push_back(lower_hex[static_cast<unsigned char>(byte) & 15U]);
  }
  return out;
}

void append_percent_encoded(std::string& out, std::string_view bytes, PercentSet set) {
  const ByteSet& keep = set == PercentSet::pchar ? pchar_set : unreserved_set;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    if (keep[value]) {
      out.push_back(byte);
    } else {
      out.push_back('%');
      out.push_back(upper_hex[value >> 4U]);
      out.push_back(upper_hex[value & 15U]);
    }
  }
}

std::string percent_encode(std::string_view bytes, PercentSet set) {
  std::string out;
  out.reserve(bytes.size());
  append_percent_encoded(out, bytes, set);
  return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t index = 0; index < text.size(); ++index) {
    if (text[index] == '%') {
      const int high = index + 2 < text.size() ? hex_value(text[index + 1]) : -1;
      const int low = index + 2 < text.size() ? hex_value(text[index + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      out.push_back(static_cast<char>(high * 16 + low));
      index += 2;
    } else {
      out.push_back(plus_is_space && text[index] == '+' ? ' ' : text[index]);
    }
  }
  return out;
}

std::string percent_decode_lenient(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t index = 0; index < text.size(); ++index) {
    if (text[index] == '%' && index + 2 < text.size() && hex_value(text[index + 1]) >= 0 &&
        hex_value(text[index + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_value(text[index + 1]) * 16 + hex_value(text[index + 2])));
      index += 2;
    } else {
      out.push_back(plus_is_space && text[index] == '+' ? ' ' : text[index]);
    }
  }
  return out;
}

bool is_valid_utf8(std::string_view bytes) noexcept {
  std::size_t skip = 0;
  for (std::size_t at = 0;;) {
    at = skip_plain<PlainAscii>(bytes, at);
    if (at == bytes.size()) {
      return true;
    }
    const std::size_t length = utf8_sequence(bytes, at, skip);
    if (length == 0) {
      return false;
    }
    at += length;
  }
}

std::string sanitize_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  append_escaped<PlainAscii>(out, bytes, [](char) { return std::string_view(); });
  return out;
}

void append_json_escaped(std::string& out, std::string_view text) {
  std::array<char, 6> unicode{'\\', 'u', '0', '0', '0', '0'};
  append_escaped<PlainJson>(out, text, [&](char byte) -> std::string_view {
    switch (byte) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      default:
        break;
    }
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20) {
      unicode[4] = lower_hex[value >> 4U];
      unicode[5] = lower_hex[value & 15U];
      return {unicode.data(), unicode.size()};
    }
    return {};
  });
}

void append_html_escaped(std::string& out, std::string_view text) {
  append_escaped<PlainHtml>(out, text, [](char byte) -> std::string_view {
    switch (byte) {
      case '&':
        return "&amp;";
      case '<':
        return "&lt;";
      case '>':
        return "&gt;";
      case '"':
        return "&quot;";
      case '\'':
        return "&#39;";
      default:
        return {};
    }
  });
}

std::string train_case(std::string_view name) {
  std::string out(name);
  bool first = true;
  for (char& byte : out) {
    if (first && byte >= 'a' && byte <= 'z') {
      byte = static_cast<char>(byte - 'a' + 'A');
    } else if (!first && byte >= 'A' && byte <= 'Z') {
      byte = static_cast<char>(byte - 'A' + 'a');
    }
    first = byte == '-';
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& byte : out) {
    if (byte >= 'A' && byte <= 'Z') {
      byte = static_cast<char>(byte - 'A' + 'a');
    }
  }
  return out;
}

bool equals_ignore_case(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) {
    return false;
  }
  for (std::size_t index = 0; index < left.size(); ++index) {
    const auto one = static_cast<unsigned char>(left[index]);
    const auto two = static_cast<unsigned char>(right[index]);
    if (one != two && !((one ^ two) == 0x20 && is_alpha(one))) {
      return false;
    }
  }
  return true;
}

bool is_token(std::string_view text) noexcept {
  for (const char byte : text) {
    if (!token_set[static_cast<unsigned char>(byte)]) {
      return false;
    }
  }
  return !text.empty();
}

bool is_field_value(std::string_view text) noexcept {
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if ((value < 0x20 && value != '\t') || value == 0x7F) {
      return false;
    }
  }
  return true;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace sluice
