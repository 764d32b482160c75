/// Request targets: splitting, and the one canonical path of spec.md section 2 that routes, logs, containers
/// and events all see.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::http {

/// A canonical path. `text` starts with '/', is percent-encoded (all but pchar) and holds no "." or ".."
/// segment. Segments are the decoded parts between slashes: "/a//b/" has the segments "a", "", "b", ""; "/"
/// has one, "".
class CanonicalPath {
 public:
  CanonicalPath() = default;
  /// `path`: the origin-form target up to '?'. Errors (invalid, downstream, 400): '\', NUL, bad '%', climbing
  /// above the root, no leading '/', bytes that may not stand in a target.
  static Result<CanonicalPath> parse(std::string_view path);
  /// parse into an object that is used again, without allocation in the common case.
  Result<void> assign(std::string_view path);
  /// Back to the empty path of "OPTIONS *".
  void clear() noexcept;

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] std::size_t size() const noexcept { return segments_.size(); }
  /// Decoded; valid as long as the path is unchanged.
  [[nodiscard]] std::string_view segment(std::size_t index) const noexcept {
    const Range& range = segments_[index];
    return std::string_view(decoded_is_text_ ? text_ : decoded_).substr(range.at, range.size);
  }
  /// Decoded segments `from`… to before `to`, joined by '/'; a '/' inside a segment (from %2F) is
  /// indistinguishable.
  [[nodiscard]] std::string joined(std::size_t from, std::size_t to) const;

 private:
  struct Range {
    std::uint32_t at;
    std::uint32_t size;
  };
  bool assign_plain(std::string_view path);
  Result<void> assign_encoded(std::string_view path);

  std::string text_;
  std::string decoded_;
  std::vector<Range> segments_;
  bool decoded_is_text_ = true;
};

/// The pieces of a request-target, RFC 9112 section 3.2; views into the given text.
struct Target {
  std::string_view path;   ///< as sent; "/" for an absolute-form target without a path
  std::string_view query;  ///< without '?'
  bool has_query = false;
  std::string_view scheme;     ///< absolute-form only
  std::string_view authority;  ///< absolute-form only
  bool asterisk = false;       ///< "*"
};
/// Errors (invalid, downstream): a fragment, a byte that is no URI byte, an empty target, authority-form.
Result<Target> split_target(std::string_view target);

/// RFC 9110 section 7.2 uri-host [":" port]; IPv6 in brackets. Refuses user information, spaces, empty hosts.
bool is_valid_authority(std::string_view authority) noexcept;
/// "Example.COM.:8080" → "example.com" (lower case, without port and final dot). IPv6 keeps its brackets.
std::string host_of_authority(std::string_view authority);
/// The same into a string that is used again.
void assign_host_of_authority(std::string& out, std::string_view authority);

/// name=value pairs of a query or form, decoded ('+' is a space), in order; a part without '=' has an empty
/// value.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace sluice::http
