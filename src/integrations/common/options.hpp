/// What several types read from their options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/gateway/integration.hpp"
#include "sluice/parameters/text_template.hpp"
#include "sluice/spec/object_reader.hpp"

namespace sluice::integrations {

/// The rule of mistakes in an integration's options that only its type sees; what spec's checks see too is
/// worded as they word it, so that it is told once.
inline constexpr std::string_view rule_option = "integration-option";

/// One entry of a map string → string or list: a header, a query parameter.
struct FieldTemplate {
  std::string name;
  std::vector<parameters::TextTemplate> values;  ///< several: a list
  [[nodiscard]] bool is_constant() const noexcept;
};

/// The map at `key`; null is an empty text. Mistakes are reported; `"*"` is left to the caller, which finds
/// it in `star` (the node of its value).
std::vector<FieldTemplate> read_fields(spec::ObjectReader& reader, std::string_view key,
                                       parameters::Landing landing, const parameters::ParameterSet& set,
                                       const spec::Node** star);
/// A header's name and value: token, no control characters. Reports.
bool check_header_name(spec::ObjectReader& reader, const spec::Node& at, std::string_view name);

/// Compiles a template, reporting its mistakes at `at`.
std::optional<parameters::TextTemplate> compile_template(spec::ObjectReader& reader, const spec::Node& at,
                                                         std::string_view text, parameters::Landing landing,
                                                         const parameters::ParameterSet& set);

/// service_account_id in its three spellings; marks all as known.
std::optional<std::string> read_service_account(spec::ObjectReader& reader);

/// Adds the [not-built] warning "WHAT is built in a later version; the operation answers 501".
void warn_not_built(gateway::BuildContext& context, const spec::Node& at, std::string_view what);

/// An object whose strings hold parameters ("s, deep"). Keys stay as written.
class DeepTemplate {
 public:
  DeepTemplate() = default;
  DeepTemplate(const spec::Node& node, const spec::Document& document, const parameters::ParameterSet& set);
  /// null where there is no object.
  [[nodiscard]] Json render(const parameters::Values& values) const;
  [[nodiscard]] bool is_constant() const noexcept { return places_.empty(); }

 private:
  struct Place {
    Json::json_pointer at;
    parameters::TextTemplate text;
  };
  void collect(const spec::Node& node, const spec::Document& document, const parameters::ParameterSet& set,
               const Json::json_pointer& at, Json& out, std::size_t depth);

  Json base_ = nullptr;
  std::vector<Place> places_;
};

/// Headers as JSON for `explain`: a name that repeats holds a list.
OrderedJson explain_headers(const http::Headers& headers);
/// The absolute URL of a call, for `explain`.
std::string explain_url(const client::Origin& origin, std::string_view authority,
                        std::string_view path_and_query);
/// A body for `explain`: parsed where it is JSON, else its text; null without one.
OrderedJson explain_body(const std::optional<std::string>& body);

/// An answer of the gateway's own, whose body is bytes or nothing, for `explain`: {"response": {status,
/// headers, body}}.
OrderedJson explain_response(const http::Response& response);

}  // namespace sluice::integrations
