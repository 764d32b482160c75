#include "sluice/http/target.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <utility>

#include "sluice/base/codec.hpp"

namespace sluice::http {
namespace {

/// What a byte of a path is to the quick scan: kept as it is, a separator, or work for the slow one.
enum class PathByte : std::uint8_t { other, pchar, slash };

constexpr bool is_alnum(char byte) noexcept {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

constexpr std::array<PathByte, 256> make_path_bytes() {
  std::array<PathByte, 256> bytes{};
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    if (is_alnum(static_cast<char>(index))) {
      bytes[index] = PathByte::pchar;
    }
  }
  for (const char byte : std::string_view("-._~!$&'()*+,;=:@")) {
    bytes[static_cast<unsigned char>(byte)] = PathByte::pchar;
  }
  bytes[static_cast<unsigned char>('/')] = PathByte::slash;
  return bytes;
}

constexpr std::array<PathByte, 256> path_bytes = make_path_bytes();

/// Visible ASCII but '#', and bytes outside ASCII (which the canonical path encodes).
constexpr bool may_stand_in_target(char byte) noexcept {
  const auto value = static_cast<unsigned char>(byte);
  return value > 0x20 && value != 0x7F && byte != '#';
}

bool is_target_text(std::string_view text) noexcept {
  bool good = true;
  for (const char byte : text) {
    good = good && may_stand_in_target(byte);
  }
  return good;
}

constexpr bool is_dot_segment(std::string_view segment) noexcept {
  return segment == "." || segment == "..";
}

int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Error bad_path(std::string message) {
  return downstream_error(ErrorCode::invalid, "bad_path", std::move(message), 400);
}

Error bad_target(std::string message) {
  return downstream_error(ErrorCode::invalid, "bad_target", std::move(message), 400);
}

/// The end of the host in "host", "host:port", "[v6]", "[v6]:port".
std::size_t host_size(std::string_view authority) noexcept {
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    return close == std::string_view::npos ? authority.size() : close + 1;
  }
  const std::size_t colon = authority.find(':');
  return colon == std::string_view::npos ? authority.size() : colon;
}

bool is_valid_port(std::string_view port) noexcept {
  unsigned value = 0;
  for (const char byte : port) {
    if (byte < '0' || byte > '9' || value > 65535) {
      return false;
    }
    value = value * 10 + static_cast<unsigned>(byte - '0');
  }
  return value <= 65535;
}

bool is_valid_ipv6(std::string_view text) noexcept {
  std::array<char, 46> copy{};
  if (text.size() >= copy.size() || std::memchr(text.data(), 0, text.size()) != nullptr) {
    return false;
  }
  text.copy(copy.data(), text.size());
  in6_addr address{};
  return inet_pton(AF_INET6, copy.data(), &address) == 1;
}

/// Letters, digits, '-' and '_' in labels that are not empty; one final dot.
bool is_valid_name(std::string_view name) noexcept {
  constexpr std::size_t longest_name = 255;
  if (!name.empty() && name.back() == '.') {
    name.remove_suffix(1);
  }
  if (name.empty() || name.size() > longest_name) {
    return false;
  }
  char before = '.';
  for (const char byte : name) {
    if (byte == '.' ? before == '.' : !is_alnum(byte) && byte != '-' && byte != '_') {
      return false;
    }
    before = byte;
  }
  return before != '.';
}

}  // namespace

Result<CanonicalPath> CanonicalPath::parse(std::string_view path) {
  CanonicalPath canonical;
  const Result<void> assigned = canonical.assign(path);
  if (assigned.has_error()) {
    return assigned.error();
  }
  return canonical;
}

void CanonicalPath::clear() noexcept {
  text_.clear();
  decoded_.clear();
  segments_.clear();
  decoded_is_text_ = true;
}

Result<void> CanonicalPath::assign(std::string_view path) {
  if (assign_plain(path)) {
    return {};
  }
  Result<void> assigned = assign_encoded(path);
  if (assigned.has_error()) {
    clear();
  }
  return assigned;
}

/// Paths that are canonical as they stand; false: the slow way has to look.
bool CanonicalPath::assign_plain(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return false;
  }
  segments_.clear();
  std::size_t from = 1;
  const auto end_segment = [&](std::size_t to) {
    const std::size_t size = to - from;
    if (size <= 2 && is_dot_segment(path.substr(from, size))) {
      return false;
    }
    segments_.push_back({static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(size)});
    from = to + 1;
    return true;
  };
  for (std::size_t at = 1; at < path.size(); ++at) {
    const PathByte byte = path_bytes[static_cast<unsigned char>(path[at])];
    if (byte == PathByte::pchar) {
      continue;
    }
    if (byte == PathByte::other || !end_segment(at)) {
      return false;
    }
  }
  if (!end_segment(path.size())) {
    return false;
  }
  text_.assign(path);
  decoded_is_text_ = true;
  return true;
}

Result<void> CanonicalPath::assign_encoded(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return bad_path("The path must start with '/'");
  }
  segments_.clear();
  decoded_.clear();
  decoded_is_text_ = false;
  bool ends_in_directory = false;
  for (std::size_t at = 1; at <= path.size(); ++at) {
    const std::size_t from = decoded_.size();
    for (; at < path.size() && path[at] != '/'; ++at) {
      char byte = path[at];
      if (!may_stand_in_target(byte) || byte == '?') {
        return bad_path("The path holds a byte that must be percent-encoded");
      }
      if (byte == '%') {
        const int high = at + 2 < path.size() ? hex_value(path[at + 1]) : -1;
        const int low = at + 2 < path.size() ? hex_value(path[at + 2]) : -1;
        if (high < 0 || low < 0) {
          return bad_path("'%' in the path is not followed by two hex digits");
        }
        byte = static_cast<char>(high * 16 + low);
        at += 2;
      }
      if (byte == '\\' || byte == '\0') {
        return bad_path("The path holds a backslash or a NUL byte");
      }
      decoded_.push_back(byte);
    }
    const std::string_view segment = std::string_view(decoded_).substr(from);
    ends_in_directory = is_dot_segment(segment);
    if (!ends_in_directory) {
      segments_.push_back(
          {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(decoded_.size() - from)});
      continue;
    }
    if (segment == "..") {
      if (segments_.empty()) {
        return bad_path("The path climbs above the root");
      }
      segments_.pop_back();
    }
    decoded_.resize(from);
  }
  if (ends_in_directory) {
    segments_.push_back({static_cast<std::uint32_t>(decoded_.size()), 0});
  }

  text_.clear();
  for (std::size_t index = 0; index < segments_.size(); ++index) {
    text_.push_back('/');
    append_percent_encoded(text_, segment(index), PercentSet::pchar);
  }
  return {};
}

std::string CanonicalPath::joined(std::size_t from, std::size_t to) const {
  std::string out;
  for (std::size_t index = from; index < to && index < segments_.size(); ++index) {
    if (index != from) {
      out.push_back('/');
    }
    out.append(segment(index));
  }
  return out;
}

Result<Target> split_target(std::string_view target) {
  Target out;
  if (target.empty()) {
    return bad_target("The request target is empty");
  }
  if (!is_target_text(target)) {
    return bad_target("The request target holds a byte that must be percent-encoded");
  }
  if (target == "*") {
    out.asterisk = true;
    return out;
  }
  std::string_view rest = target;
  if (target.front() != '/') {
    const std::size_t colon = target.find("://");
    if (colon == std::string_view::npos) {
      return bad_target("The request target is neither a path nor an absolute URL");
    }
    out.scheme = target.substr(0, colon);
    if (!equals_ignore_case(out.scheme, "http") && !equals_ignore_case(out.scheme, "https")) {
      return bad_target("The request target's scheme is neither http nor https");
    }
    rest = target.substr(colon + 3);
    out.authority = rest.substr(0, rest.find_first_of("/?"));
    if (!is_valid_authority(out.authority)) {
      return bad_target("The request target's authority is no valid host");
    }
    rest.remove_prefix(out.authority.size());
  }
  const std::size_t question = rest.find('?');
  out.path = rest.substr(0, question);
  if (question != std::string_view::npos) {
    out.has_query = true;
    out.query = rest.substr(question + 1);
  }
  if (out.path.empty()) {
    out.path = "/";
  }
  return out;
}

bool is_valid_authority(std::string_view authority) noexcept {
  const std::size_t size = host_size(authority);
  const std::string_view host = authority.substr(0, size);
  const std::string_view port = authority.substr(size);
  if (!port.empty() && (port.front() != ':' || !is_valid_port(port.substr(1)))) {
    return false;
  }
  if (!host.empty() && host.front() == '[') {
    return host.size() > 2 && host.back() == ']' && is_valid_ipv6(host.substr(1, host.size() - 2));
  }
  return is_valid_name(host);
}

void assign_host_of_authority(std::string& out, std::string_view authority) {
  std::string_view host = authority.substr(0, host_size(authority));
  if (!host.empty() && host.back() == '.') {
    host.remove_suffix(1);
  }
  out.assign(host);
  for (char& byte : out) {
    if (byte >= 'A' && byte <= 'Z') {
      byte = static_cast<char>(byte | 0x20);
    }
  }
}

std::string host_of_authority(std::string_view authority) {
  std::string out;
  assign_host_of_authority(out, authority);
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t ampersand = query.find('&');
    const std::string_view part = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
    if (part.empty()) {
      continue;
    }
    const std::size_t equals = part.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    pairs.emplace_back(percent_decode_lenient(part.substr(0, equals), true),
                       percent_decode_lenient(value, true));
  }
  return pairs;
}

}  // namespace sluice::http
