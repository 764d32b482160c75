#include "integrations/swagger/masking.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "sluice/base/codec.hpp"
#include "sluice/base/secrets.hpp"
#include "sluice/gateway/explain.hpp"
#include "sluice/net/ip_set.hpp"

#include "integrations/swagger/public_document.hpp"

namespace sluice::integrations {
namespace {

constexpr std::size_t max_depth = 100;
/// Shorter values are no secrets, and hiding them would tear ordinary text apart.
constexpr std::size_t shortest_secret = 4;

bool is_host_byte(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
         byte == '-' || byte == '.' || byte == '_';
}

bool ends_authority(char byte) noexcept {
  return std::string_view("/?# \t\r\n\"'<>`,;()\\").find(byte) != std::string_view::npos;
}

/// The parts of "user@host:port"; brackets of an IPv6 address are removed.
struct Authority {
  std::string_view host;
  bool has_user = false;
};

Authority split_authority(std::string_view text) {
  Authority result{text};
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    result.has_user = true;
    result.host = text.substr(at + 1);
  }
  if (result.host.starts_with('[')) {
    const std::size_t close = result.host.find(']');
    result.host = result.host.substr(1, close == std::string_view::npos ? close : close - 1);
  } else {
    result.host = result.host.substr(0, result.host.find(':'));
  }
  while (result.host.ends_with('.')) {
    result.host.remove_suffix(1);
  }
  return result;
}

std::size_t authority_end(std::string_view text, std::size_t from) {
  while (from < text.size() && !ends_authority(text[from])) {
    ++from;
  }
  return from;
}

}  // namespace

bool is_internal_host(std::string_view host) {
  constexpr std::array<std::string_view, 13> suffixes{
      ".localhost", ".local", ".internal", ".intranet",      ".lan",    ".corp", ".home",
      ".private",   ".svc",   ".cluster",  ".cluster.local", ".consul", ".test"};
  boost::system::error_code failed;
  const net::IpAddress address = boost::asio::ip::make_address(std::string(host), failed);
  if (!failed) {
    return net::is_internal_address(address);
  }
  const std::string lower = to_lower(host);
  // A template is no host, and a single label is known inside a network only.
  if (lower.empty() || lower.find_first_of("{}$*") != std::string::npos) {
    return false;
  }
  return lower.find('.') == std::string::npos ||
         std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return std::string_view(lower).ends_with(suffix); });
}

TextMask::TextMask(const spec::Document& document) {
  collect_secrets(document);
  collect_hosts(document, document.root(), false, 0);
  seen_.clear();
}

void TextMask::collect_secrets(const spec::Document& document) {
  const spec::Node* extension = document.get(document.root(), "x-yc-apigateway");
  const spec::Node* declared = extension == nullptr ? nullptr : document.get(*extension, "variables");
  for (const auto& [name, value] : document.variables()) {
    const spec::Node* variable = declared == nullptr ? nullptr : declared->find(name);
    const spec::Node* marked = variable == nullptr ? nullptr : variable->find("x-secret");
    if (value.size() >= shortest_secret &&
        (gateway::is_secret_name(name) || (marked != nullptr && marked->text == "true"))) {
      secrets_.push_back(value);
    }
  }
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& left, const std::string& right) { return left.size() > right.size(); });
}

void TextMask::collect_hosts(const spec::Document& document, const spec::Node& node, bool inside,
                             std::size_t depth) {
  if (depth > max_depth || (!inside && !seen_.insert(&node).second)) {
    return;
  }
  if (inside && node.is_string()) {
    note_hosts(node.text);
  }
  for (const spec::Member& member : node.members) {
    const bool below = inside || member.key.starts_with("x-yc-apigateway-integration");
    const spec::Node* value = below ? document.resolve(*member.value) : member.value.get();
    if (value != nullptr) {
      collect_hosts(document, *value, below, depth + 1);
    }
  }
  for (const auto& item : node.items) {
    collect_hosts(document, *item, inside, depth + 1);
  }
}

void TextMask::note_hosts(std::string_view text) {
  std::size_t at = text.find("://");
  while (at != std::string_view::npos) {
    at += 3;
    const std::size_t end = authority_end(text, at);
    const std::string_view host = split_authority(text.substr(at, end - at)).host;
    if (host.find('.') != std::string_view::npos && host.find_first_of("{}$*") == std::string_view::npos) {
      hosts_.insert(to_lower(host));
    }
    at = text.find("://", end);
  }
}

bool TextMask::hides_host(std::string_view host, bool in_url) const {
  if (host.empty()) {
    return false;
  }
  const std::string lower = to_lower(host);
  if (hosts_.find(lower) != hosts_.end()) {
    return true;
  }
  return in_url && is_internal_host(lower);
}

std::string TextMask::without_hosts(const std::string& text) const {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    if (text.compare(at, 3, "://") == 0) {
      out.append("://");
      at += 3;
      const std::size_t end = authority_end(text, at);
      const std::string_view whole = std::string_view(text).substr(at, end - at);
      const Authority authority = split_authority(whole);
      if (authority.has_user || hides_host(authority.host, true)) {
        out.append(hidden_text);
      } else {
        out.append(whole);
      }
      at = end;
    } else if (is_host_byte(text[at])) {
      std::size_t end = at;
      while (end < text.size() && is_host_byte(text[end])) {
        ++end;
      }
      const std::string_view word = std::string_view(text).substr(at, end - at);
      const std::size_t last = word.find_last_not_of('.');
      const std::string_view host = last == std::string_view::npos ? "" : word.substr(0, last + 1);
      if (hides_host(host, false)) {
        out.append(hidden_text).append(word.substr(host.size()));
      } else {
        out.append(word);
      }
      at = end;
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

std::string TextMask::apply(const std::string& text) const {
  std::string out = text;
  for (const std::string& secret : secrets_) {
    for (std::size_t at = out.find(secret); at != std::string::npos;
         at = out.find(secret, at + hidden_text.size())) {
      out.replace(at, secret.size(), hidden_text);
    }
  }
  return without_hosts(mask_secrets(std::move(out)));
}

}  // namespace sluice::integrations
