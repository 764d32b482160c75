// Request targets, paths, authorities, queries and media types as an attacker writes them: whatever stands
// there, the canonical path is canonical.
#include "sluice/http/target.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/codec.hpp"
#include "sluice/http/media_type.hpp"

namespace {

using namespace sluice;
using namespace sluice::http;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_path(std::string_view text) {
  const Result<CanonicalPath> parsed = CanonicalPath::parse(text);
  CanonicalPath used;
  require(used.assign("/a%20b/../c").has_value());
  require(used.assign(text).has_value() == parsed.has_value());
  if (parsed.has_error()) {
    require(parsed.error().status == 400 && used.text().empty());
    return;
  }
  require(used.text() == parsed->text() && used.size() == parsed->size());
  const std::string& canonical = parsed->text();
  require(canonical.starts_with('/') && parsed->size() > 0);
  std::string from_segments;
  for (std::size_t index = 0; index < parsed->size(); ++index) {
    const std::string_view segment = parsed->segment(index);
    require(segment != "." && segment != ".." && segment.find('\0') == std::string_view::npos &&
            segment.find('\\') == std::string_view::npos);
    require(used.segment(index) == segment);
    from_segments += "/" + percent_encode(segment, PercentSet::pchar);
  }
  require(from_segments == canonical);
  const Result<CanonicalPath> again = CanonicalPath::parse(canonical);
  require(again.has_value() && again->text() == canonical && again->size() == parsed->size());
}

void check_target(std::string_view text) {
  const Result<Target> target = split_target(text);
  if (target.has_error()) {
    require(target.error().status == 400);
    return;
  }
  require(target->asterisk || !target->path.empty());
  require(target->has_query || target->query.empty());
  require(target->authority.empty() || is_valid_authority(target->authority));
  if (!target->asterisk) {
    check_path(target->path);
  }
  parse_query(target->query);
}

void check_authority(std::string_view text) {
  const std::string host = host_of_authority(text);
  if (!is_valid_authority(text)) {
    return;
  }
  require(!host.empty() && is_valid_authority(host));
  require(host_of_authority(host) == host && to_lower(host) == host);
  require(host.find_first_of(" /?#@\\,%") == std::string::npos);
}

void check_media_types(std::string_view text) {
  static const std::array offers{*parse_media_type("application/json"),
                                 *parse_media_type("text/html;level=1")};
  const std::optional<std::size_t> best = best_media_type(text, offers);
  require(!best || *best < offers.size());
  const std::optional<MediaType> type = parse_media_type(text);
  if (type) {
    require(is_token(type->type) && is_token(type->subtype));
    require(is_text_type(text) == (type->type == "text"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_path(text);
  check_authority(text);
  check_media_types(text);
  parse_query(text);
  return 0;
}
