#include "sluice/client/cloud/sigv4.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>
#include <vector>

#include "sluice/base/codec.hpp"
#include "sluice/base/digest.hpp"

namespace sluice::client::cloud {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view scope_end = "aws4_request";
constexpr std::size_t date_digits = 8;

/// What a proxy may add, drop or change on the way.
bool never_signed(std::string_view lower_name) {
  constexpr std::array<std::string_view, 8> names{
      "authorization",     "connection", "expect", "te",
      "transfer-encoding", "user-agent", "via",    "x-amzn-trace-id"};
  return std::find(names.begin(), names.end(), lower_name) != names.end();
}

bool is_signed(std::string_view lower_name, const SigningRules& rules) {
  if (rules.all_headers) {
    return !never_signed(lower_name);
  }
  return lower_name == "host" || lower_name == "content-type" || lower_name.starts_with("x-amz-");
}

bool is_space(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/// Without spaces around it, and one space for several inside.
void append_folded(std::string& out, std::string_view value) {
  bool pending = false;
  bool begun = false;
  for (const char byte : value) {
    if (is_space(byte)) {
      pending = begun;
      continue;
    }
    if (pending) {
      out.push_back(' ');
      pending = false;
    }
    out.push_back(byte);
    begun = true;
  }
}

std::string scope_text(std::string_view date_time, const SigningScope& scope) {
  std::string out(date_time.substr(0, date_digits));
  return out.append("/").append(scope.region).append("/").append(scope.service).append("/").append(scope_end);
}

void append_encoded_path(std::string& out, std::string_view path) {
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    append_percent_encoded(out, path.substr(at, slash - at), PercentSet::unreserved);
    if (slash < path.size()) {
      out.push_back('/');
    }
    at = slash + 1;
  }
}

/// RFC 3986 section 5.2.4 without empty segments.
std::string resolve_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool ends_in_slash = true;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, slash - at);
    const bool last = slash == path.size();
    if (segment == "..") {
      if (!kept.empty()) {
        kept.pop_back();
      }
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(segment);
      if (last) {
        ends_in_slash = false;
      }
    }
    at = slash + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) {
    out.append("/").append(segment);
  }
  if (ends_in_slash) {
    out.push_back('/');
  }
  return out;
}

}  // namespace

namespace sigv4 {

std::string date_time(SystemTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  std::array<char, 48> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(std::max(length, 0))};
}

std::string canonical_path(std::string_view path, const SigningRules& rules) {
  if (path.empty()) {
    return "/";
  }
  std::string resolved;
  if (rules.normalize_path) {
    resolved = resolve_dots(path);
    path = resolved;
  }
  if (rules.path_as_sent) {
    return std::string(path);
  }
  std::string out;
  out.reserve(path.size());
  append_encoded_path(out, path);
  return out;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) {
      continue;
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto encoded = [](std::string_view text) {
      return percent_encode(percent_decode_lenient(text, false), PercentSet::unreserved);
    };
    pairs.emplace_back(encoded(pair.substr(0, equals)),
                       encoded(pair.substr(std::min(equals + 1, pair.size()))));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) {
      out.push_back('&');
    }
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string canonical_request(const SigningInput& input, const SigningRules& rules,
                              const http::Headers& headers, std::string& signed_headers) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const http::Headers::Field& field : headers) {
    std::string name = to_lower(field.name);
    if (!is_signed(name, rules)) {
      continue;
    }
    const auto known =
        std::find_if(fields.begin(), fields.end(), [&](const auto& entry) { return entry.first == name; });
    if (known != fields.end()) {
      known->second.push_back(',');
      append_folded(known->second, field.value);
    } else {
      std::string value;
      append_folded(value, field.value);
      fields.emplace_back(std::move(name), std::move(value));
    }
  }
  std::sort(fields.begin(), fields.end());
  std::string out(input.method);
  out.append("\n")
      .append(canonical_path(input.path, rules))
      .append("\n")
      .append(canonical_query(input.query))
      .append("\n");
  signed_headers.clear();
  for (const auto& [name, value] : fields) {
    out.append(name).append(":").append(value).append("\n");
    if (!signed_headers.empty()) {
      signed_headers.push_back(';');
    }
    signed_headers.append(name);
  }
  return out.append("\n").append(signed_headers).append("\n").append(input.payload_hash);
}

std::string string_to_sign(std::string_view canonical, std::string_view date_time,
                           const SigningScope& scope) {
  std::string out(algorithm);
  return out.append("\n")
      .append(date_time)
      .append("\n")
      .append(scope_text(date_time, scope))
      .append("\n")
      .append(sha256_hex(canonical));
}

std::string signature(const StaticKey& key, std::string_view date_time, const SigningScope& scope,
                      std::string_view text) {
  const std::string date_key = hmac_sha256("AWS4" + key.secret, date_time.substr(0, date_digits));
  const std::string region_key = hmac_sha256(date_key, scope.region);
  const std::string service_key = hmac_sha256(region_key, scope.service);
  const std::string signing_key = hmac_sha256(service_key, scope_end);
  return hex_encode(hmac_sha256(signing_key, text));
}

}  // namespace sigv4

void sign_headers(const SigningInput& input, const SigningScope& scope, const SigningRules& rules,
                  const StaticKey& key, SystemTime now, http::Headers& headers) {
  const std::string time = sigv4::date_time(now);
  headers.remove(http::FieldId::authorization);
  headers.set("X-Amz-Date", time);
  headers.remove("X-Amz-Security-Token");
  if (!key.session_token.empty() && !rules.session_token_unsigned) {
    headers.add("X-Amz-Security-Token", key.session_token);
  }
  if (rules.send_payload_hash) {
    headers.set("X-Amz-Content-Sha256", input.payload_hash);
  }
  std::string names;
  const std::string canonical = sigv4::canonical_request(input, rules, headers, names);
  const std::string text = sigv4::string_to_sign(canonical, time, scope);
  std::string value(algorithm);
  value.append(" Credential=")
      .append(key.id)
      .append("/")
      .append(scope_text(time, scope))
      .append(", SignedHeaders=")
      .append(names)
      .append(", Signature=")
      .append(sigv4::signature(key, time, scope, text));
  headers.add(http::FieldId::authorization, value);
  if (!key.session_token.empty() && rules.session_token_unsigned) {
    headers.add("X-Amz-Security-Token", key.session_token);
  }
}

std::string presign_query(const SigningInput& input, const SigningScope& scope, const SigningRules& rules,
                          const StaticKey& key, SystemTime now, std::chrono::seconds lifetime,
                          const http::Headers& headers) {
  const std::string time = sigv4::date_time(now);
  std::string names;
  // The names alone: the query that the canonical request holds names them, too.
  static_cast<void>(sigv4::canonical_request(input, rules, headers, names));
  std::string query(input.query);
  const auto add = [&query](std::string_view name, std::string_view value) {
    if (!query.empty()) {
      query.push_back('&');
    }
    query.append(name).append("=");
    append_percent_encoded(query, value, PercentSet::unreserved);
  };
  add("X-Amz-Algorithm", algorithm);
  add("X-Amz-Credential", key.id + "/" + scope_text(time, scope));
  add("X-Amz-Date", time);
  add("X-Amz-SignedHeaders", names);
  add("X-Amz-Expires", std::to_string(lifetime.count()));
  if (!key.session_token.empty() && !rules.session_token_unsigned) {
    add("X-Amz-Security-Token", key.session_token);
  }
  SigningInput signing = input;
  signing.query = query;
  const std::string canonical = sigv4::canonical_request(signing, rules, headers, names);
  const std::string signature =
      sigv4::signature(key, time, scope, sigv4::string_to_sign(canonical, time, scope));
  if (!key.session_token.empty() && rules.session_token_unsigned) {
    add("X-Amz-Security-Token", key.session_token);
  }
  add("X-Amz-Signature", signature);
  return query;
}

std::string object_path(std::string_view key) {
  std::string out;
  out.reserve(key.size() + key.size() / 4);
  append_encoded_path(out, key);
  return out;
}

}  // namespace sluice::client::cloud
