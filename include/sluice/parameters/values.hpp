/// The values that an operation's parameters have in one request: path, query, header and cookie, with
/// OpenAPI's styles, defaults applied. spec.md section 3.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/message.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::parameters {

/// What the router captured: names of the template and decoded values, in template order.
struct PathCapture {
  std::string_view name;
  std::string value;
  bool greedy = false;
  /// Greedy: the decoded segments, so that a '/' from %2F stays inside its own.
  std::vector<std::string> segments;
};

/// One parameter's value. `items`: one text for primitives, an array's items, an object's alternating names
/// and values. Not present and no default: empty.
struct Value {
  bool present = false;  ///< from the request or by default
  bool from_default = false;
  /// An array whose items came one by one (`?id=1&id=2`), not as one delimited text.
  bool exploded = false;
  std::vector<std::string> items;
  /// A primitive that came more than once: the texts before the last, in order. `items` holds the last.
  std::vector<std::string> earlier;
  /// Arrays and objects: comma-separated.
  [[nodiscard]] std::string text() const;
};

/// The parameters of one operation, compiled at load. Immutable, shared by workers.
class ParameterSet {
 public:
  explicit ParameterSet(std::vector<spec::Parameter> parameters);
  [[nodiscard]] const std::vector<spec::Parameter>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] bool empty() const noexcept { return parameters_.empty(); }
  /// Whether `{name}` means a parameter.
  [[nodiscard]] bool contains(std::string_view name) const noexcept;
  /// Indices of that name in the order path, query, header, cookie.
  [[nodiscard]] std::vector<std::size_t> find(std::string_view name) const;
  /// Any parameter of that place.
  [[nodiscard]] bool has(spec::ParameterIn in) const noexcept { return has_[static_cast<std::size_t>(in)]; }
  /// Whether a form-exploded object takes the query (or cookie) pair of that name: its schema's properties,
  /// or, where it lists none, every name that no other parameter of that place has.
  [[nodiscard]] bool is_property(std::size_t index, std::string_view name) const noexcept;

 private:
  std::vector<spec::Parameter> parameters_;
  std::vector<std::vector<std::string>> properties_;  ///< aligned with parameters_
  std::array<bool, 4> has_{};
};

/// Values of a set in one request; aligned with ParameterSet::parameters().
class Values {
 public:
  Values() = default;
  /// Never fails: what cannot be read by its style is absent (validation, a later phase, reports it).
  static Values extract(const ParameterSet& set, const http::Request& request,
                        std::vector<PathCapture> captures);
  [[nodiscard]] const Value& operator[](std::size_t index) const noexcept { return values_[index]; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  /// The first of these that is present; an absent Value when none is.
  [[nodiscard]] const Value& first(const std::vector<std::size_t>& indices) const noexcept;
  /// The capture behind a path parameter, or nullptr.
  [[nodiscard]] const PathCapture* capture(std::string_view name) const noexcept;

 private:
  std::vector<Value> values_;
  std::vector<PathCapture> captures_;
};

}  // namespace sluice::parameters
