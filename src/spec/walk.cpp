#include "spec/walk.hpp"

#include <algorithm>
#include <array>

namespace sluice::spec {
namespace {

template <std::size_t Count>
bool contains(const std::array<std::string_view, Count>& words, std::string_view word) noexcept {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 26> name_maps{"properties",
                                                     "patternProperties",
                                                     "definitions",
                                                     "$defs",
                                                     "dependentSchemas",
                                                     "schemas",
                                                     "responses",
                                                     "parameters",
                                                     "examples",
                                                     "requestBodies",
                                                     "headers",
                                                     "securitySchemes",
                                                     "links",
                                                     "callbacks",
                                                     "pathItems",
                                                     "paths",
                                                     "webhooks",
                                                     "variables",
                                                     "encoding",
                                                     "mapping",
                                                     "scopes",
                                                     "query",
                                                     "x-yc-apigateway-integrations",
                                                     "x-yc-apigateway-validators",
                                                     "x-yc-apigateway-cors-rules",
                                                     "x-yc-apigateway-rate-limits"};

constexpr std::array<std::string_view, 6> data_keys{"example", "default", "enum",
                                                    "const",   "value",   "context"};

constexpr std::array<std::string_view, 7> prose_keys{"description",    "summary",      "title", "pattern",
                                                     "termsOfService", "externalDocs", "tags"};

}  // namespace

Role child_role(Role parent, std::string_view key, const Node& value) noexcept {
  if (parent == Role::data || parent == Role::prose) {
    return parent;
  }
  if (parent == Role::names || parent == Role::content) {
    return value.is_string() ? parent : Role::object;
  }
  if (contains(data_keys, key) || (key == "examples" && !value.is_mapping())) {
    return Role::data;
  }
  if (contains(prose_keys, key)) {
    return Role::prose;
  }
  if (key.substr(0, 2) == "x-" && key.substr(0, 5) != "x-yc-" && key.substr(0, 9) != "x-sluice-") {
    return Role::data;
  }
  if (key == "content") {
    return Role::content;
  }
  return value.is_mapping() && contains(name_maps, key) ? Role::names : Role::object;
}

}  // namespace sluice::spec
