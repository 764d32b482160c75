/// One template prepared for matching, and the order between two of them: spec.md section 2. Used by the
/// router's index, by explain and by the lookup of shadowed routes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/gateway/router.hpp"

namespace sluice::gateway::routing {

using Segment = spec::TemplateSegment;

/// The classes of spec.md section 2, in their order.
enum class RouteClass : std::uint8_t { literal, parameters, greedy };

/// How a template fits a path: not at all, with the final slash of one of them ignored, or exactly.
enum class Fit : std::uint8_t { none, lenient, exact };

inline constexpr std::size_t no_index = static_cast<std::size_t>(-1);
inline constexpr std::size_t method_count = 9;  ///< the known ones: http::Method up to connect

class Route {
 public:
  explicit Route(RouteInput input);

  [[nodiscard]] const std::string& text() const noexcept { return input_.path_template.text; }
  [[nodiscard]] const std::vector<std::string>& methods() const noexcept { return input_.methods; }
  [[nodiscard]] RouteClass route_class() const noexcept { return class_; }
  /// Segments without the empty one behind a final slash.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const Segment& segment(std::size_t index) const noexcept {
    return input_.path_template.segments[index];
  }
  [[nodiscard]] bool trailing_slash() const noexcept { return trailing_slash_; }
  /// Length of the template's text without its final slash.
  [[nodiscard]] std::size_t order_length() const noexcept {
    return text().size() - (trailing_slash_ ? 1 : 0);
  }
  [[nodiscard]] bool has_partial() const noexcept { return has_partial_; }
  /// The literal segments at the beginning.
  [[nodiscard]] std::size_t literal_prefix() const noexcept { return literal_prefix_; }
  [[nodiscard]] std::size_t greedy_at() const noexcept { return greedy_at_; }

  /// Index into methods(), or no_index.
  [[nodiscard]] std::size_t operation(http::Method method, std::string_view method_text) const noexcept;
  /// HEAD is answered by GET's operation.
  [[nodiscard]] bool head_from_get() const noexcept { return head_from_get_; }
  /// Whether every method that `other` answers is answered here.
  [[nodiscard]] bool covers_methods(const Route& other) const noexcept;

 private:
  RouteInput input_;
  std::size_t size_ = 0;
  std::size_t literal_prefix_ = 0;
  std::size_t greedy_at_ = no_index;
  RouteClass class_ = RouteClass::literal;
  bool trailing_slash_ = false;
  bool has_partial_ = false;
  bool head_from_get_ = false;
  std::array<std::int32_t, method_count> operations_{};
  std::int32_t any_ = -1;
};

/// A path as the router looks at it.
struct PathView {
  explicit PathView(const http::CanonicalPath& its_path) noexcept;
  const http::CanonicalPath& path;
  bool trailing_slash;
  std::size_t size;  ///< segments without the empty one behind a final slash
};

/// The literal text of a literal segment.
std::string_view literal_text(const Segment& segment) noexcept;
/// Decoded literals against a decoded segment; parameters take one character at least, and the leftmost the
/// fewest. Captures go to `captures` where given.
bool match_partial(const Segment& segment, std::string_view text,
                   std::vector<std::string_view>* captures = nullptr);
bool match_segment(const Segment& segment, std::string_view text);

/// Whether the template (without final slash) fits the path's first `count` segments.
bool match_prefix(const Route& route, const http::CanonicalPath& path, std::size_t count);
/// Only the partly literal segments of a route without greedy one; the others are known to fit.
bool match_partials(const Route& route, const http::CanonicalPath& path);
/// How the template fits, and (`used`, may be nullptr) how many segments of the path it fits.
Fit fit(const Route& route, const PathView& view, bool ignore_trailing_slashes, std::size_t* used = nullptr);

/// The order of two templates that both fit a path (spec.md section 2), without the document's order:
/// negative when `left` comes first. `rule` (may be nullptr) gets the reason in words.
int compare(const Route& left, Fit left_fit, const Route& right, Fit right_fit, std::string* rule = nullptr);

/// Whether every path that fits `inner` fits `outer`; false where it cannot be told.
bool contains(const Route& outer, const Route& inner);
/// Equal up to the parameters' names.
bool same_shape(const Route& left, const Route& right);

}  // namespace sluice::gateway::routing
