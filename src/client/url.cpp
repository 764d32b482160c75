#include <algorithm>
#include <charconv>
#include <optional>

#include <boost/asio/ip/address.hpp>

#include "sluice/base/codec.hpp"
#include "sluice/client/http_client.hpp"

namespace sluice::client {

namespace {

// sockaddr_un holds 108 bytes with the final NUL.
constexpr std::size_t max_socket_path = 107;
constexpr std::size_t max_host = 253;
constexpr std::size_t max_label = 63;

Error bad(std::string_view url, std::string_view why) {
  constexpr std::size_t shown = 200;
  std::string detail =
      "URL \"" + sanitize_utf8(url.substr(0, shown)) + (url.size() > shown ? "…" : "") + "\": ";
  detail += why;
  return config_error(std::move(detail));
}

bool is_digit(char byte) noexcept {
  return byte >= '0' && byte <= '9';
}
bool is_alnum(char byte) noexcept {
  return is_digit(byte) || (byte >= 'a' && byte <= 'z');
}

// Whether a browser or a resolver would take the name for an IPv4 address in one of its many old forms.
bool ends_in_number(std::string_view host) noexcept {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  if (last.starts_with("0x")) {
    return std::all_of(last.begin() + 2, last.end(),
                       [](char byte) { return is_digit(byte) || (byte >= 'a' && byte <= 'f'); });
  }
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

// What is wrong with a lower-case host name; nullopt where nothing is.
std::optional<std::string_view> name_mistake(std::string_view host) noexcept {
  if (host.size() > max_host) {
    return "the host name is longer than 253 bytes";
  }
  while (true) {
    const std::size_t dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (label.empty() || label.size() > max_label) {
      return "the host name has a label that is empty or longer than 63 bytes";
    }
    if (label.front() == '-' || label.back() == '-') {
      return "a label of the host name begins or ends with '-'";
    }
    if (!std::all_of(label.begin(), label.end(),
                     [](char byte) { return is_alnum(byte) || byte == '-' || byte == '_'; })) {
      return "the host name holds a byte that host names may not hold";
    }
    if (dot == std::string_view::npos) {
      return std::nullopt;
    }
    host.remove_prefix(dot + 1);
  }
}

Result<Url> parse_unix(std::string_view text, std::string_view path) {
  if (path.starts_with("///")) {
    path.remove_prefix(2);
  }
  if (!path.starts_with('/') || path.starts_with("//") || path.size() < 2) {
    return bad(text, "a unix socket needs an absolute path: unix:/run/app.sock");
  }
  if (path.size() > max_socket_path) {
    return bad(text, "the socket's path is longer than 107 bytes");
  }
  if (path.find_first_of(std::string_view("?#\0", 3)) != std::string_view::npos) {
    return bad(text, "a socket's path may not hold '?', '#' or NUL");
  }
  Url url;
  url.origin.scheme = Origin::Scheme::unix_socket;
  url.origin.host = path;
  url.origin.port = 0;
  url.authority = "localhost";
  url.path_and_query = "/";
  return url;
}

Result<void> parse_host(std::string_view text, std::string_view host, Url& url) {
  if (std::any_of(host.begin(), host.end(),
                  [](char byte) { return static_cast<unsigned char>(byte) >= 0x80U; })) {
    return bad(
        text,
        "host names are written in ASCII; an internationalised name in its xn-- form (idn --quiet NAME)");
  }
  if (host.find('%') != std::string_view::npos) {
    return bad(text, "the host may not hold '%' (percent-encoding or a zone)");
  }
  boost::system::error_code ignored;
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) {
      return bad(text, "the IPv6 address has no closing ']'");
    }
    const auto address =
        boost::asio::ip::make_address_v6(std::string(host.substr(1, host.size() - 2)), ignored);
    if (ignored) {
      return bad(text, "between '[' and ']' stands no IPv6 address");
    }
    url.origin.host = address.to_string();
    url.authority = "[" + url.origin.host + "]";
    return {};
  }
  std::string lower = to_lower(host);
  if (lower.ends_with('.')) {
    lower.pop_back();
  }
  if (lower.empty()) {
    return bad(text, "the host is missing");
  }
  if (ends_in_number(lower)) {
    const auto address = boost::asio::ip::make_address_v4(lower, ignored);
    if (ignored || address.to_string() != lower) {
      return bad(text, "the host ends in a number but is no IPv4 address of four decimal numbers");
    }
  } else if (const auto mistake = name_mistake(lower)) {
    return bad(text, *mistake);
  }
  url.authority = lower;
  url.origin.host = std::move(lower);
  return {};
}

Result<void> parse_authority(std::string_view text, std::string_view authority, std::uint16_t default_port,
                             Url& url) {
  if (authority.find('@') != std::string_view::npos) {
    return bad(text, "user information (name:password@) may not stand in it; use a header");
  }
  std::string_view host = authority;
  std::optional<std::string_view> port;
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (!host.starts_with('[') && host.find(':') != std::string_view::npos) {
    return bad(text, "an IPv6 address stands in brackets: http://[::1]:8080/");
  }
  if (Result<void> parsed = parse_host(text, host, url); parsed.has_error()) {
    return parsed.error();
  }
  url.origin.port = default_port;
  if (port && !port->empty()) {
    unsigned number = 0;
    const auto [end, failed] = std::from_chars(port->data(), port->data() + port->size(), number);
    if (failed != std::errc{} || end != port->data() + port->size() || number == 0 || number > 65535U) {
      return bad(text, "the port is no number from 1 to 65535");
    }
    url.origin.port = static_cast<std::uint16_t>(number);
  }
  if (url.origin.port != default_port) {
    url.authority += ':';
    url.authority += std::to_string(url.origin.port);
  }
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return bad(text, "the scheme is missing; http://, https:// or unix:/path is expected");
  }
  const std::string_view scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  if (equals_ignore_case(scheme, "unix")) {
    return parse_unix(text, rest);
  }
  Url url;
  std::uint16_t default_port = 80;
  if (equals_ignore_case(scheme, "https")) {
    url.origin.scheme = Origin::Scheme::https;
    default_port = 443;
  } else if (!equals_ignore_case(scheme, "http")) {
    return bad(text, "the scheme is not supported; http://, https:// or unix:/path is expected");
  }
  if (!rest.starts_with("//")) {
    return bad(text, "\"//\" is missing after the scheme");
  }
  rest.remove_prefix(2);
  const std::size_t end = rest.find_first_of("/?#");
  const std::string_view target = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  if (Result<void> parsed = parse_authority(text, rest.substr(0, end), default_port, url);
      parsed.has_error()) {
    return parsed.error();
  }
  if (target.find('#') != std::string_view::npos) {
    return bad(text, "a fragment (#…) is never sent; leave it out");
  }
  if (std::any_of(target.begin(), target.end(), [](char byte) {
        const auto value = static_cast<unsigned char>(byte);
        return value <= 0x20U || value >= 0x7fU;
      })) {
    return bad(text, "path and query are written in ASCII without spaces; percent-encode the rest");
  }
  if (!target.starts_with('/')) {
    url.path_and_query = '/';
  }
  url.path_and_query += target;
  return url;
}

}  // namespace sluice::client
