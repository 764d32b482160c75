/// Finding the operation of a request: exactly spec.md section 2, compiled; the cost does not grow with the
/// number of routes for literal prefixes. Immutable after build, shared by workers; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/http/message.hpp"
#include "sluice/http/target.hpp"
#include "sluice/parameters/values.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::gateway {

/// One template with its operations' methods. `methods[i]` is "" for any-method.
struct RouteInput {
  spec::PathTemplate path_template;
  std::vector<std::string> methods;
};

struct Match {
  enum class Outcome : std::uint8_t { found, not_found, method_not_allowed };
  Outcome outcome = Outcome::not_found;
  std::size_t route = 0;       ///< index into the inputs
  std::size_t operation = 0;   ///< index into that input's methods
  bool head_from_get = false;  ///< HEAD answered by GET's operation
};

/// Why a template lost or won, for `explain`.
struct RouteVerdict {
  std::size_t route = 0;
  bool path_matches = false;
  bool method_matches = false;
  bool chosen = false;
  std::string reason;
};

class Router {
 public:
  static std::unique_ptr<const Router> build(std::vector<RouteInput> routes, bool ignore_trailing_slashes);
  virtual ~Router() = default;

  [[nodiscard]] virtual Match match(http::Method method, std::string_view method_text,
                                    const http::CanonicalPath& path) const = 0;
  /// For method_not_allowed: the value of Allow, the union over the matching templates.
  [[nodiscard]] virtual std::string allow(const http::CanonicalPath& path) const = 0;
  /// Values of the matched template's parameters.
  [[nodiscard]] virtual std::vector<parameters::PathCapture> capture(
      std::size_t route, const http::CanonicalPath& path) const = 0;
  /// Indices of the routes in match order.
  [[nodiscard]] virtual std::vector<std::size_t> order() const = 0;
  [[nodiscard]] virtual std::vector<RouteVerdict> explain(http::Method method, std::string_view method_text,
                                                          const http::CanonicalPath& path) const = 0;
  /// Pairs (winner, loser) where the loser can never match: for the shadowed-route warning.
  [[nodiscard]] virtual std::vector<std::pair<std::size_t, std::size_t>> shadowed() const = 0;
};

}  // namespace sluice::gateway
