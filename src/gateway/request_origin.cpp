#include "gateway/request_origin.hpp"

#include <algorithm>
#include <optional>

#include "sluice/base/codec.hpp"
#include "sluice/base/random.hpp"

namespace sluice::gateway {
namespace {

constexpr std::string_view lower_hex = "0123456789abcdef";

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
  const net::IpAddress address = boost::asio::ip::make_address(entry, failure);
  if (failure) {
    return std::nullopt;
  }
  return address;
}

void append_hex(std::string& out, std::uint64_t word) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back(lower_hex[word >> static_cast<unsigned>(shift) & 15U]);
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
  constexpr std::size_t length = 55;
  if (text.size() < length || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return false;
  }
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  if (!is_lower_hex(version) || version == "ff" || !is_lower_hex(trace) || is_zero(trace) ||
      !is_lower_hex(parent) || is_zero(parent) || !is_lower_hex(text.substr(53, 2))) {
    return false;
  }
  return text.size() == length || (version != "00" && text[length] == '-');
}

void find_traceparent(std::string& out, http::Headers& headers) {
  if (const auto told = headers.get(http::FieldId::traceparent)) {
    if (is_valid_traceparent(*told) && headers.count(http::FieldId::traceparent) == 1) {
      out = *told;
      return;
    }
    headers.remove(http::FieldId::tracestate);
  }
  out = "00-";
  append_hex(out, random_but_zero());
  append_hex(out, fast_random());
  out.push_back('-');
  append_hex(out, random_but_zero());
  // Sampled: who is behind may still decide otherwise; told "not sampled", most would record nothing.
  out += "-01";
}

}  // namespace sluice::gateway
