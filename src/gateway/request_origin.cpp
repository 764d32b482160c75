#include "gateway/request_origin.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "sluice/base/codec.hpp"
#include "sluice/base/random.hpp"

namespace sluice::gateway {
namespace {

constexpr std::string_view lower_hex = "0123456789abcdef";
/// version "-" trace id "-" parent id "-" flags
constexpr std::size_t traceparent_size = 55;

bool is_lower_hex(std::string_view text) noexcept {
  return text.find_first_not_of(lower_hex) == std::string_view::npos;
}

bool is_zero(std::string_view text) noexcept {
  return text.find_first_not_of('0') == std::string_view::npos;
}

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80".
std::optional<net::IpAddress> parse_entry(std::string_view entry) {
  entry = trim(entry);
  if (entry.starts_with('[')) {
    const std::size_t end = entry.find(']');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    entry = entry.substr(1, end - 1);
  } else if (std::count(entry.begin(), entry.end(), ':') == 1) {
    entry = entry.substr(0, entry.find(':'));
  }
  boost::system::error_code failure;
  net::IpAddress address = boost::asio::ip::make_address(entry, failure);
  if (failure) {
    return std::nullopt;
  }
  return address;
}

/// Both digits of each byte.
constexpr std::array<char, 512> hex_pairs = [] {
  std::array<char, 512> pairs{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = lower_hex[byte >> 4U];
    pairs[2 * byte + 1] = lower_hex[byte & 15U];
  }
  return pairs;
}();

/// Sixteen digits; the bytes' order does not matter, as the word is random.
void write_hex(char* out, std::uint64_t word) noexcept {
  for (std::size_t byte = 0; byte < 8; ++byte) {
    std::memcpy(out + 2 * byte, &hex_pairs[2 * (word >> 8 * byte & 0xFFU)], 2);
  }
}

std::uint64_t random_but_zero() noexcept {
  const std::uint64_t word = fast_random();
  return word == 0 ? 1 : word;
}

/// Fields from the last to the first, entries from the right to the left; false when the search is over.
bool walk_field(std::string& out, std::string_view list, const net::IpSet& trusted) {
  for (;;) {
    const std::size_t comma = list.rfind(',');
    const std::string_view entry = comma == std::string_view::npos ? list : list.substr(comma + 1);
    // Empty list elements are ignored (RFC 9110 section 5.6.1).
    if (!trim(entry).empty()) {
      const auto address = parse_entry(entry);
      if (!address) {
        return false;
      }
      out = address->to_string();
      if (!trusted.contains(*address)) {
        return false;
      }
    }
    if (comma == std::string_view::npos) {
      return true;
    }
    list = list.substr(0, comma);
  }
}

}  // namespace

void find_client_address(std::string& out, const http::Headers& headers,
                         const http::ConnectionInfo& connection, const net::IpSet& trusted) {
  out = connection.peer_address;
  if (!connection.peer_trusted || !headers.contains(http::FieldId::x_forwarded_for)) {
    return;
  }
  for (std::size_t index = headers.size(); index-- > 0;) {
    const http::Headers::Field field = headers[index];
    if (field.id == http::FieldId::x_forwarded_for && !walk_field(out, field.value, trusted)) {
      return;
    }
  }
}

bool is_valid_traceparent(std::string_view text) noexcept {
  if (text.size() < traceparent_size || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return false;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  if (!is_lower_hex(version) || version == "ff" || !is_lower_hex(trace) || is_zero(trace) ||
      !is_lower_hex(parent) || is_zero(parent) || !is_lower_hex(text.substr(53, 2))) {
    return false;
  }
  return text.size() == traceparent_size || (version != "00" && text[traceparent_size] == '-');
}

void find_traceparent(std::string& out, http::Headers& headers) {
  if (const auto told = headers.get(http::FieldId::traceparent)) {
    if (is_valid_traceparent(*told) && headers.count(http::FieldId::traceparent) == 1) {
      out = *told;
      return;
    }
  }
  headers.remove(http::FieldId::tracestate);
  // Sampled: who is behind may still decide otherwise; told "not sampled", most would record nothing.
  std::array<char, traceparent_size + 1> made{"00-................................-................-01"};
  write_hex(made.data() + 3, random_but_zero());
  write_hex(made.data() + 19, fast_random());
  write_hex(made.data() + 36, random_but_zero());
  out.assign(made.data(), traceparent_size);
}

}  // namespace sluice::gateway
