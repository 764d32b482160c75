#include "integrations/object_storage/s3_error.hpp"

#include <array>
#include <utility>

#include "sluice/base/codec.hpp"

namespace sluice::integrations {
namespace {

constexpr std::size_t most_text = 200;

void append_unescaped(std::string& out, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> references{
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  while (!text.empty() && out.size() < most_text) {
    bool replaced = false;
    if (text.front() == '&') {
      for (const auto& [name, byte] : references) {
        if (text.starts_with(name)) {
          out.push_back(byte);
          text.remove_prefix(name.size());
          replaced = true;
          break;
        }
      }
    }
    if (!replaced) {
      const auto byte = static_cast<unsigned char>(text.front());
      out.push_back(byte < ' ' || byte == 0x7f ? ' ' : text.front());
      text.remove_prefix(1);
    }
  }
}

/// What an operator can do about it.
std::string_view advice(std::string_view code) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> known{{
      {"SignatureDoesNotMatch", "check the secret of the static key and services.object_storage.region"},
      {"InvalidAccessKeyId", "the static key's id is unknown there: check it, or make a new key"},
      {"AuthorizationHeaderMalformed", "check services.object_storage.region"},
      {"RequestTimeTooSkewed", "set this machine's clock right (NTP)"},
      {"ExpiredToken", "give the service account a new token"},
      {"AccessDenied", "give the service account the role storage.viewer, or make the object public"},
      {"NoSuchBucket", "check the bucket's name and services.object_storage.endpoint"},
      {"PermanentRedirect", "check services.object_storage.endpoint and region"},
  }};
  for (const auto& [name, text] : known) {
    if (code == name) {
      return text;
    }
  }
  return {};
}

}  // namespace

std::string xml_element_text(std::string_view document, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::string close = "</" + std::string(name) + ">";
  const std::size_t begin = document.find(open);
  if (begin == std::string_view::npos) {
    return {};
  }
  document.remove_prefix(begin + open.size());
  const std::size_t end = document.find(close);
  if (end == std::string_view::npos) {
    return {};
  }
  std::string out;
  append_unescaped(out, document.substr(0, end));
  return sanitize_utf8(out);
}

std::string describe_s3_error(int status, std::string_view document) {
  std::string text = "the object storage answered " + std::to_string(status);
  const std::string code = xml_element_text(document, "Code");
  const std::string message = xml_element_text(document, "Message");
  if (!code.empty()) {
    text.append(": ").append(code);
  }
  if (!message.empty()) {
    text.append(code.empty() ? ": " : ", ").append(message);
  }
  if (const std::string_view what = advice(code); !what.empty()) {
    text.append("; ").append(what);
  }
  return text;
}

}  // namespace sluice::integrations
