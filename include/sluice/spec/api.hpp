/// The OpenAPI 3.0 model with the x-yc-apigateway extensions: what the gateway's compiler works on. Checked
/// by the severities of spec.md section 1; pure data that points into the document it keeps alive.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/spec/document.hpp"

namespace sluice::spec {

enum class ParameterIn : std::uint8_t { path, query, header, cookie };
std::string_view to_string(ParameterIn in) noexcept;

enum class ParameterStyle : std::uint8_t {
  simple,
  label,
  matrix,
  form,
  space_delimited,
  pipe_delimited,
  deep_object
};

enum class ParameterShape : std::uint8_t { primitive, array, object };

/// A declared parameter (or one that only the template names: `declared` false).
struct Parameter {
  std::string name;
  ParameterIn in = ParameterIn::query;
  ParameterStyle style = ParameterStyle::form;
  bool explode = true;
  bool required = false;
  bool declared = true;
  ParameterShape shape = ParameterShape::primitive;
  /// schema.default in the document's own digits: one text, an array's items, an object's alternating names
  /// and values.
  std::optional<std::vector<std::string>> default_values;
  const Node* schema = nullptr;
  /// Instead of `schema`: the schema of the first media type of `content`; the value is a text of that type.
  const Node* content = nullptr;
  Mark mark;
};

/// One entry of a `security` list: all of these schemes together.
struct SecurityRequirement {
  struct Scheme {
    std::string name;
    std::vector<std::string> scopes;
    Mark mark;
  };
  std::vector<Scheme> schemes;  ///< empty: `{}`, anonymous access
};

/// components.securitySchemes.NAME. `authorizer` is the x-yc-apigateway-authorizer node, or nullptr.
struct SecurityScheme {
  std::string name;
  std::string type;         ///< http, apiKey, openIdConnect, oauth2
  std::string http_scheme;  ///< basic, bearer (lower case)
  std::string api_key_name;
  ParameterIn api_key_in = ParameterIn::header;
  std::string open_id_connect_url;
  const Node* authorizer = nullptr;
  Mark mark;
};

/// Extension nodes, `$ref` followed; nullptr where absent. An operation's hold the nearest one (operation,
/// path, document) already.
struct Extensions {
  const Node* validator = nullptr;
  const Node* cors = nullptr;
  const Node* rate_limit = nullptr;
  const Node* sluice_rate_limit = nullptr;
};

struct Operation {
  std::string method;  ///< "GET"…, an extension method, or "" for x-yc-apigateway-any-method
  std::string operation_id;
  bool operation_id_given = false;  ///< false: 64 hex digits, SHA-256 of method and template
  std::string summary;
  std::vector<Parameter> parameters;  ///< path item's and operation's merged, template names added
  const Node* node = nullptr;
  const Node* integration = nullptr;  ///< nullptr: 501
  const Node* request_body = nullptr;
  const Node* responses = nullptr;
  std::vector<SecurityRequirement> security;  ///< the effective ones; empty: open
  Extensions extensions;
  bool has_schema_mapping = false;  ///< x-yc-schema-mapping in a request or response body schema
  bool has_status_mapping = false;  ///< x-yc-status-mapping in a response
  Mark mark;
};

/// A path item. The websocket nodes are the operation-like objects of section 6.
struct Path {
  std::string template_text;
  std::vector<Operation> operations;
  Extensions extensions;
  const Node* websocket_connect = nullptr;
  const Node* websocket_message = nullptr;
  const Node* websocket_disconnect = nullptr;
  Mark mark;
};

struct Api {
  std::shared_ptr<const Document> document;
  /// Path items and integrations that were put together from a `$ref` and the keys beside it; kept alive
  /// here.
  std::vector<std::shared_ptr<const Node>> merged;
  std::string title;
  std::string version;
  std::string openapi;  ///< "3.0.3"
  std::vector<Path> paths;
  std::vector<SecurityScheme> security_schemes;
  Extensions extensions;
  std::string service_account_id;  ///< x-yc-apigateway's; empty: none
  std::string security_profile_id;
  Mark security_profile_mark;
  bool ignore_trailing_slashes = true;
};

/// Loads and checks; nullptr only when nothing could be read. With errors in `diagnostics` the Api is for
/// tools that look, not for serving.
std::shared_ptr<const Api> load_api(const LoadOptions& options, Diagnostics& diagnostics);

/// A path template in its segments, spec.md section 2.
struct TemplateSegment {
  enum class Kind : std::uint8_t { literal, partial, parameter, greedy };
  struct Piece {
    bool parameter = false;
    std::string text;  ///< literal text (decoded), or the parameter's name
  };
  Kind kind = Kind::literal;
  std::vector<Piece> pieces;  ///< literal, parameter, greedy: one; partial: several
};
struct PathTemplate {
  std::string text;
  std::vector<TemplateSegment> segments;
  [[nodiscard]] bool has_parameters() const noexcept;
  [[nodiscard]] bool is_greedy() const noexcept;
  [[nodiscard]] std::vector<std::string> parameter_names() const;
};
/// Errors: no leading '/', unbalanced braces, empty or repeated names, '+' elsewhere, two greedy segments,
/// a greedy parameter inside a segment.
Result<PathTemplate> parse_path_template(std::string_view text);

}  // namespace sluice::spec
