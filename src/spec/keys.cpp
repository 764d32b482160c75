// Which keys an object of the document may have.
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"

#include "spec/checks.hpp"
#include "spec/suggest.hpp"

namespace sluice::spec {
namespace {

struct ExtensionKey {
  std::string_view name;
  std::string_view belongs;  ///< for hints
};

constexpr std::array<ExtensionKey, 17> extensions{{
    {"x-yc-apigateway", "the document's root"},
    {"x-yc-apigateway-integration", "an operation (get, post, … or x-yc-apigateway-any-method)"},
    {"x-yc-apigateway-any-method", "a path"},
    {"x-yc-apigateway-websocket-connect", "a path"},
    {"x-yc-apigateway-websocket-message", "a path"},
    {"x-yc-apigateway-websocket-disconnect", "a path"},
    {"x-yc-apigateway-cors", "a path (for all paths: `cors` in the document's x-yc-apigateway)"},
    {"x-yc-apigateway-rate-limit",
     "a path or an operation (for all: `rateLimit` in the document's x-yc-apigateway)"},
    {"x-yc-apigateway-validator", "an operation (for all: `validator` in the document's x-yc-apigateway)"},
    {"x-yc-apigateway-authorizer", "a scheme under components.securitySchemes"},
    {"x-yc-apigateway-integrations", "components"},
    {"x-yc-apigateway-validators", "components"},
    {"x-yc-apigateway-cors-rules", "components"},
    {"x-yc-apigateway-rate-limits", "components"},
    {"x-yc-status-mapping", "a response object"},
    {"x-yc-schema-mapping", "the schema of a body"},
    {"x-sluice-rate-limit", "the document's root, a path or an operation"},
}};

using Keys = std::vector<std::string_view>;

struct Allowed {
  std::string_view what;
  Keys keys;
};

const Allowed& allowed(KeyPlace place) {
  static const Allowed root{
      "the document",
      {"openapi", "info", "servers", "paths", "components", "security", "tags", "externalDocs",
       "jsonSchemaDialect", "webhooks", "x-yc-apigateway", "x-sluice-rate-limit"}};
  static const Allowed components{
      "components",
      {"schemas", "responses", "parameters", "examples", "requestBodies", "headers", "securitySchemes",
       "links", "callbacks", "pathItems", "x-yc-apigateway-integrations", "x-yc-apigateway-validators",
       "x-yc-apigateway-cors-rules", "x-yc-apigateway-rate-limits"}};
  static const Allowed path_item{"a path",
                                 {"$ref",
                                  "summary",
                                  "description",
                                  "servers",
                                  "parameters",
                                  "get",
                                  "put",
                                  "post",
                                  "delete",
                                  "options",
                                  "head",
                                  "patch",
                                  "trace",
                                  "x-yc-apigateway-any-method",
                                  "x-yc-apigateway-websocket-connect",
                                  "x-yc-apigateway-websocket-message",
                                  "x-yc-apigateway-websocket-disconnect",
                                  "x-yc-apigateway-cors",
                                  "x-yc-apigateway-rate-limit",
                                  "x-yc-apigateway-validator",
                                  "x-sluice-rate-limit"}};
  static const Allowed operation{
      "an operation",
      {"tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody",
       "responses", "callbacks", "deprecated", "security", "servers", "x-yc-apigateway-integration",
       "x-yc-apigateway-validator", "x-yc-apigateway-rate-limit", "x-sluice-rate-limit"}};
  static const Allowed websocket{
      "a WebSocket event",
      {"tags", "summary", "description", "externalDocs", "operationId", "parameters", "responses",
       "requestBody", "deprecated", "security", "x-yc-apigateway-integration", "x-yc-apigateway-rate-limit",
       "x-sluice-rate-limit"}};
  static const Allowed parameter{
      "a parameter",
      {"name", "in", "description", "required", "deprecated", "allowEmptyValue", "style", "explode",
       "allowReserved", "schema", "example", "examples", "content", "$ref"}};
  switch (place) {
    case KeyPlace::root:
      return root;
    case KeyPlace::components:
      return components;
    case KeyPlace::path_item:
      return path_item;
    case KeyPlace::operation:
      return operation;
    case KeyPlace::websocket:
      return websocket;
    case KeyPlace::parameter:
      break;
  }
  return parameter;
}

bool contains(const Keys& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_schema_keyword(std::string_view key) {
  static const Keys keys{"type",       "format",   "enum",      "items",     "default",
                         "minimum",    "maximum",  "minLength", "maxLength", "pattern",
                         "properties", "nullable", "minItems",  "maxItems"};
  return contains(keys, key);
}

bool is_ours(std::string_view key) {
  return key.substr(0, 5) == "x-yc-" || key.substr(0, 9) == "x-sluice-";
}

void check_extension(Checking& checking, const Member& member, KeyPlace place) {
  if (!is_known_extension(member.key)) {
    report_unknown_extension(checking, member);
    return;
  }
  if (member.key == "x-yc-apigateway-authorizer") {
    return;  // an error wherever it stands; lint_document() tells
  }
  if (place == KeyPlace::root && member.key == "x-yc-apigateway-cors") {
    checking.warning(member.mark, "cors-at-root",
                     "`x-yc-apigateway-cors` has no effect at the root of the document",
                     "write `x-yc-apigateway: {cors: …}` for all paths, or put it into a path");
    return;
  }
  checking.warning(member.mark, "misplaced-key",
                   '`' + member.key + "` has no effect in " + std::string(allowed(place).what),
                   extension_hint(member.key));
}

/// `security` where it protects nothing would leave open what was meant to be protected.
bool check_security_key(Checking& checking, const Member& member, KeyPlace place) {
  const bool takes_security =
      place == KeyPlace::root || place == KeyPlace::operation || place == KeyPlace::websocket;
  if (member.key == "security") {
    checking.error(member.mark, "misplaced-security",
                   "`security` protects nothing in " + std::string(allowed(place).what),
                   "put it into the operations, or at the document's root for all of them");
    return true;
  }
  // Not within the bounds of suggestions: this is no help, it decides.
  if (takes_security && !nearest_name(member.key, {"security"}).empty() &&
      nearest_name(member.key, allowed(place).keys) == "security") {
    checking.error(member.mark, "misspelled-security",
                   '`' + member.key + "` protects nothing, and looks like a misspelled `security`",
                   "write `security`, or rename the key");
    return true;
  }
  return false;
}

}  // namespace

bool is_known_extension(std::string_view key) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const ExtensionKey& extension) { return extension.name == key; });
}

std::string extension_hint(std::string_view key) {
  Keys names;
  for (const ExtensionKey& extension : extensions) {
    if (extension.name == key) {
      return "it belongs to " + std::string(extension.belongs);
    }
    names.push_back(extension.name);
  }
  return did_you_mean(nearest_name(key, names), "remove it");
}

void report_unknown_extension(Checking& checking, const Member& member) {
  // x-yc-apigateway-authoriser, x-yc-authorizer, x-yc-apigateway-authorizer:function, …
  if (to_lower(member.key).find("authori") != std::string::npos) {
    checking.error(
        member.mark, "misspelled-authorizer",
        '`' + member.key + "` looks like an authorizer, and protects nothing",
        "write `x-yc-apigateway-authorizer`, in a scheme under components.securitySchemes, and name "
        "that scheme in `security`");
    return;
  }
  checking.warning(member.mark, "unknown-key", "the extension `" + member.key + "` is not known",
                   extension_hint(member.key));
}

void check_keys(Checking& checking, const Node& node, KeyPlace place) {
  if (!checking.keys_checked.insert(&node).second) {
    return;
  }
  const Allowed& all = allowed(place);
  for (const Member& member : node.members) {
    if (contains(all.keys, member.key)) {
      continue;
    }
    if (is_ours(member.key)) {
      check_extension(checking, member, place);
      continue;
    }
    if (member.key.substr(0, 2) == "x-") {
      continue;
    }
    if (place != KeyPlace::components && place != KeyPlace::parameter &&
        check_security_key(checking, member, place)) {
      continue;
    }
    if (place == KeyPlace::components && member.key == "security") {
      check_security_key(checking, member, place);
      continue;
    }
    if (place == KeyPlace::parameter && is_schema_keyword(member.key)) {
      checking.warning(member.mark, "unknown-key",
                       '`' + member.key + "` means nothing in a parameter of OpenAPI 3",
                       "put it under the parameter's `schema`");
      continue;
    }
    checking.warning(member.mark, "unknown-key",
                     "the key `" + member.key + "` means nothing in " + std::string(all.what),
                     did_you_mean(suggest(checking.diagnostics, member.key, all.keys), "remove it"));
  }
}

}  // namespace sluice::spec
