// What is signed, whatever a document, a key or a client put into it: the canonical form is canonical, and a
// server that computes the signature from the request as it was sent gets the same.
#include "sluice/client/cloud/sigv4.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/codec.hpp"

namespace {

using namespace sluice;
using namespace sluice::client::cloud;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

bool is_encoded(std::string_view text, std::string_view also) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if (byte == '%') {
      const std::string_view code = text.substr(at, 3);
      require(code.size() == 3 && percent_decode(code).has_value());
      require(
          std::none_of(code.begin(), code.end(), [](char digit) { return digit >= 'a' && digit <= 'f'; }));
      at += 2;
    } else if (percent_encode(std::string_view(&byte, 1), PercentSet::unreserved).size() != 1 &&
               also.find(byte) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

void check_query(std::string_view query) {
  const std::string canonical = sigv4::canonical_query(query);
  require(is_encoded(canonical, "=&") && sigv4::canonical_query(canonical) == canonical);
  std::vector<std::string_view> pairs = split(query, '&');
  std::string reversed;
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
    reversed.append(*pair).append("&");
  }
  require(sigv4::canonical_query(reversed) == canonical);
}

void check_path(std::string_view key) {
  const std::string path = object_path(key);
  require(is_encoded(path, "/") && percent_decode(path) == key);
  require(std::count(path.begin(), path.end(), '/') == std::count(key.begin(), key.end(), '/'));
  const std::string sent = "/" + path;
  require(sigv4::canonical_path(sent, SigningRules::s3()) == sent);
  const std::string plain = sigv4::canonical_path("/" + std::string(key), {});
  require(plain.starts_with('/') && is_encoded(plain, "/") && plain.find("//") == std::string::npos);
  for (const std::string_view segment : split(plain, '/')) {
    require(segment != "." && segment != "..");
  }
}

std::string value_of(const http::Headers& headers, std::string_view name) {
  return std::string(headers.get(name).value_or(""));
}

void check_signature(std::string_view key_text, std::string_view query, http::Headers headers) {
  const SigningScope scope{"s3", "ru-central1"};
  const StaticKey key{"id", "secret", {}};
  const SystemTime now{std::chrono::seconds(1'700'000'000)};
  const std::string path = "/" + object_path(key_text);
  for (const SigningRules& rules :
       {SigningRules::s3(), SigningRules{}, SigningRules{false, true, true, true, false}}) {
    const SigningInput input{"GET", path, query, empty_payload_hash};
    http::Headers sent = headers;
    sign_headers(input, scope, rules, key, now, sent);
    const std::string first = value_of(sent, "Authorization");
    const std::size_t names_at = first.find("SignedHeaders=");
    const std::size_t end = first.find(", Signature=");
    require(first.starts_with("AWS4-HMAC-SHA256 Credential=id/20231114/ru-central1/s3/aws4_request, "));
    require(names_at != std::string::npos && end != std::string::npos && first.size() == end + 12 + 64);
    const std::string names_text = first.substr(names_at + 14, end - names_at - 14);
    const std::vector<std::string_view> names = split(names_text, ';');
    require(std::is_sorted(names.begin(), names.end()));
    require(std::adjacent_find(names.begin(), names.end()) == names.end());
    require(std::find(names.begin(), names.end(), "host") != names.end());
    // As a server: from the fields that came.
    std::string told;
    const std::string canonical = sigv4::canonical_request(input, rules, sent, told);
    require(told == names_text);
    require(static_cast<std::size_t>(std::count(canonical.begin(), canonical.end(), '\n')) ==
            5 + names.size());
    const std::string time = value_of(sent, "X-Amz-Date");
    require(first.substr(end + 12) ==
            sigv4::signature(key, time, scope, sigv4::string_to_sign(canonical, time, scope)));
    sign_headers(input, scope, rules, key, now, sent);
    require(value_of(sent, "Authorization") == first);
  }
}

void check_presigned(std::string_view key_text, std::string_view query) {
  const SigningScope scope{"s3", "ru-central1"};
  const StaticKey key{"id/with?marks&", "secret", "token+/="};
  const SystemTime now{std::chrono::seconds(1'700'000'000)};
  http::Headers headers;
  headers.add("Host", "h.example");
  const std::string path = "/" + object_path(key_text);
  const std::string own = sigv4::canonical_query(query);
  const std::string sent = presign_query({"GET", path, own, unsigned_payload}, scope, SigningRules::s3(), key,
                                         now, std::chrono::seconds(3600), headers);
  require(is_encoded(sent, "=&"));
  const std::size_t at = sent.rfind("&X-Amz-Signature=");
  require(at != std::string::npos);
  std::string names;
  const std::string canonical =
      sigv4::canonical_request({"GET", path, std::string_view(sent).substr(0, at), unsigned_payload},
                               SigningRules::s3(), headers, names);
  const std::string time = "20231114T221320Z";
  require(names == "host" &&
          sent.substr(at + 17) ==
              sigv4::signature(key, time, scope, sigv4::string_to_sign(canonical, time, scope)));
}

}  // namespace

/// Lines: an object's key, a query, then header fields.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view found = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return found;
  };
  const std::string_view key = line();
  const std::string_view query = line();
  http::Headers headers;
  headers.add("Host", "h.example");
  while (!text.empty()) {
    const std::string_view field = line();
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = field.substr(std::min(colon + 1, field.size()));
    if (is_token(name) && is_field_value(value) && !equals_ignore_case(name, "Host")) {
      headers.add(name, value);
    }
  }
  check_query(query);
  check_path(key);
  check_signature(key, query, headers);
  check_presigned(key, query);
  return 0;
}
