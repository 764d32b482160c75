// Security schemes, their authorizers, and the lists that name them. What was meant to be protected is never
// served open: a mistake here is an error, not a warning.
#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/spec/object_reader.hpp"

#include "spec/checks.hpp"
#include "spec/suggest.hpp"

namespace sluice::spec {
namespace {

constexpr std::int64_t day = 86'400;

void check_caching(ObjectReader& reader) {
  reader.integer("authorizer_result_ttl_in_seconds", 0, day * 365);
  reader.one_of("authorizer_result_caching_mode", {"path", "uri"});
}

void check_function_authorizer(Checking& checking, const Node& node) {
  ObjectReader reader(checking.document, node, "the function authorizer", checking.diagnostics);
  reader.accept("type");
  reader.required_string("function_id", "write the id of the function that decides");
  const Node* tag = reader.node("tag");
  reader.scalar_text("tag");
  if (tag != nullptr && tag->is_string() && tag->text.empty()) {
    reader.warning(*tag, "empty-tag", "`tag` is empty: $latest is called", "name a tag, or remove the key");
  }
  reader.string(service_account_keys);
  check_caching(reader);
}

/// A list of strings, or one string.
void check_list(ObjectReader& reader, std::string_view key) {
  const Node* node = reader.node(key);
  if (node == nullptr || node->is_null() || node->is_string()) {
    return;
  }
  const bool fits = node->is_sequence() && std::all_of(node->items.begin(), node->items.end(),
                                                       [](const auto& item) { return item->is_string(); });
  if (!fits) {
    reader.error(*node, "wrong-type", '`' + std::string(key) + "` must be a list of strings");
  }
}

void check_identity_source(Checking& checking, const Node& node) {
  ObjectReader reader(checking.document, node, "identitySource", checking.diagnostics, Severity::error);
  if (!node.is_mapping()) {
    return;
  }
  reader.required_node("in");
  reader.one_of("in", {"header", "query", "cookie"});
  reader.required_string("name", "write the name of the header, query parameter or cookie");
  reader.string("prefix");
}

void check_jwt_authorizer(Checking& checking, const Node& node, const SecurityScheme& scheme) {
  // A check that is misspelled would not be made: unknown keys are errors here.
  ObjectReader reader(checking.document, node, "the jwt authorizer", checking.diagnostics, Severity::error);
  reader.accept("type");
  const std::optional<std::string> keys = reader.string("jwksUri");
  if ((!keys || keys->empty()) && scheme.open_id_connect_url.empty()) {
    const Member* type = node.find_member("type");
    checking.error(type == nullptr ? node.mark : type->mark, "missing-option",
                   "the jwt authorizer needs `jwksUri`, or its scheme `openIdConnectUrl`",
                   "write the address of the issuer's keys");
  }
  const Node* source = reader.node({"identitySource", "IdentitySource"});
  if (source != nullptr && !source->is_null()) {
    check_identity_source(checking, *source);
  }
  check_list(reader, "issuers");
  check_list(reader, "audiences");
  check_list(reader, "requiredClaims");
  check_caching(reader);
  reader.integer("jwkTtlInSeconds", 0, day * 365);
}

void check_authorizer(Checking& checking, const SecurityScheme& scheme, const Node& node) {
  if (!node.is_mapping()) {
    checking.error(
        node.mark, "wrong-type",
        "the authorizer of the scheme " + scheme.name + " must be a mapping, it is " + node.describe(),
        "write `type: function` or `type: jwt` with its options");
    return;
  }
  const Node* type = checking.document.get(node, "type");
  if (type == nullptr || type->is_null()) {
    checking.error(node.mark, "missing-option",
                   "the authorizer of the scheme " + scheme.name + " needs `type`",
                   "write `type: function` or `type: jwt`");
    return;
  }
  const std::string name = type->is_string() ? type->text : std::string();
  const bool http =
      scheme.type == "http" && (scheme.http_scheme == "basic" || scheme.http_scheme == "bearer");
  if (name == "function") {
    if (!http && scheme.type != "apiKey") {
      checking.error(type->mark, "authorizer-scheme",
                     "a function authorizer has no effect on the scheme " + scheme.name + " of type " +
                         scheme.type + (scheme.type == "http" ? " " + scheme.http_scheme : ""),
                     "use a scheme of type http (basic or bearer) or apiKey");
    }
    check_function_authorizer(checking, node);
  } else if (name == "jwt") {
    if (scheme.type != "openIdConnect" && !(http && scheme.http_scheme == "bearer")) {
      checking.error(type->mark, "authorizer-scheme",
                     "a jwt authorizer has no effect on the scheme " + scheme.name + " of type " +
                         scheme.type + (scheme.type == "http" ? " " + scheme.http_scheme : ""),
                     "use a scheme of type openIdConnect, or http bearer");
    }
    check_jwt_authorizer(checking, node, scheme);
  } else {
    const std::string_view near = nearest_name(name, {"function", "jwt"});
    checking.error(type->mark, "unknown-authorizer-type",
                   "there is no authorizer type " + (type->is_string() ? '"' + name + '"' : type->describe()),
                   near.empty() ? "use one of: function, jwt" : "did you mean `" + std::string(near) + "`?");
  }
}

ParameterIn api_key_place(ObjectReader& reader) {
  const std::optional<std::string> in = reader.one_of("in", {"header", "query", "cookie"});
  if (in == "query") {
    return ParameterIn::query;
  }
  return in == "cookie" ? ParameterIn::cookie : ParameterIn::header;
}

SecurityScheme read_scheme(Checking& checking, const std::string& name, const Mark& mark, const Node& node) {
  SecurityScheme scheme;
  scheme.name = name;
  scheme.mark = mark;
  ObjectReader reader(checking.document, node, "the security scheme " + name, checking.diagnostics);
  if (!node.is_mapping()) {
    return scheme;
  }
  checking.keys_checked.insert(&node);
  scheme.authorizer = reader.node("x-yc-apigateway-authorizer");
  for (const std::string_view key : {"description", "bearerFormat", "flows", "deprecated"}) {
    reader.accept(key);
  }
  for (const Member& member : node.members) {
    if (member.key.substr(0, 5) == "x-yc-" && !is_known_extension(member.key)) {
      reader.accept(member.key);
      report_unknown_extension(checking, member);
    }
  }
  // Without an authorizer a scheme does nothing; what else is wrong with it is not looked at.
  const bool effective = scheme.authorizer != nullptr;
  scheme.type = effective ? reader.required_string("type") : reader.string("type").value_or("");
  for (const std::string_view known : {"http", "apiKey", "openIdConnect", "oauth2"}) {
    if (equals_ignore_case(scheme.type, known)) {
      scheme.type = std::string(known);
    }
  }
  const bool http = scheme.type == "http";
  const bool api_key = scheme.type == "apiKey";
  scheme.http_scheme = to_lower(
      http && effective ? reader.required_string("scheme", "write `scheme: bearer` or `scheme: basic`")
                        : reader.string("scheme").value_or(""));
  scheme.api_key_name = api_key && effective ? reader.required_string("name",
                                                                      "write the name of the header, "
                                                                      "query parameter or cookie")
                                             : reader.string("name").value_or("");
  if (api_key && effective) {
    reader.required_node("in");
    scheme.api_key_in = api_key_place(reader);
  } else {
    reader.accept("in");
  }
  scheme.open_id_connect_url = reader.string("openIdConnectUrl").value_or("");
  if (scheme.authorizer != nullptr && checking.checked.insert(scheme.authorizer).second) {
    check_authorizer(checking, scheme, *scheme.authorizer);
  }
  return scheme;
}

void check_use(Checking& checking, const SecurityRequirement::Scheme& used,
               const std::vector<SecurityScheme>& schemes) {
  if (checking.schemes_by_name.empty()) {
    for (const SecurityScheme& scheme : schemes) {
      checking.schemes_by_name.emplace(scheme.name, &scheme);
    }
  }
  const auto found = checking.schemes_by_name.find(used.name);
  if (found == checking.schemes_by_name.end()) {
    std::vector<std::string_view> names;
    if (worth_suggesting(checking.diagnostics)) {
      names.reserve(schemes.size());
      for (const SecurityScheme& scheme : schemes) {
        names.push_back(scheme.name);
      }
    }
    const std::string_view near = suggest(checking.diagnostics, used.name, names);
    checking.error(used.mark, "undeclared-scheme",
                   "the security scheme " + used.name + " is not declared under components.securitySchemes",
                   near.empty() ? "declare it with its x-yc-apigateway-authorizer"
                                : "did you mean `" + std::string(near) + "`?");
    return;
  }
  checking.used_schemes.insert(found->second);
  if (found->second->authorizer == nullptr) {
    checking.error(used.mark, "scheme-without-authorizer",
                   "the security scheme " + used.name +
                       " has no x-yc-apigateway-authorizer: nothing would "
                       "check the credentials",
                   "add the authorizer to the scheme, or remove the scheme from `security`");
  }
}

std::vector<std::string> read_scopes(Checking& checking, const std::string& scheme, const Node& node) {
  std::vector<std::string> scopes;
  if (node.is_null()) {
    return scopes;
  }
  if (!node.is_sequence()) {
    checking.error(node.mark, "wrong-type",
                   "the scopes of " + scheme + " must be a list, it is " + node.describe(),
                   "write `" + scheme + ": []`");
    return scopes;
  }
  if (!checking.spend(node.items.size(), node.mark)) {
    return scopes;
  }
  for (const auto& item : node.items) {
    if (item->is_scalar() && !item->is_null()) {
      scopes.push_back(item->text);
    } else {
      checking.error(item->mark, "wrong-type", "a scope must be a string, it is " + item->describe());
    }
  }
  return scopes;
}

}  // namespace

std::vector<SecurityScheme> read_security_schemes(Checking& checking, const Node& root) {
  std::vector<SecurityScheme> schemes;
  const Node* components = checking.document.get(root, "components");
  const Node* map = components == nullptr ? nullptr : checking.document.get(*components, "securitySchemes");
  if (map == nullptr || map->is_null()) {
    return schemes;
  }
  if (!map->is_mapping()) {
    checking.error(map->mark, "wrong-type", "`securitySchemes` must be a mapping, it is " + map->describe());
    return schemes;
  }
  for (const Member& member : map->members) {
    const Node* node = checking.document.resolve(*member.value);
    if (node != nullptr) {
      schemes.push_back(read_scheme(checking, member.key, member.mark, *node));
    }
  }
  return schemes;
}

void check_unused_authorizers(Checking& checking, const std::vector<SecurityScheme>& schemes) {
  for (const SecurityScheme& scheme : schemes) {
    if (scheme.authorizer != nullptr && checking.used_schemes.count(&scheme) == 0) {
      checking.warning(
          scheme.mark, "unused-authorizer",
          "the authorizer of the scheme " + scheme.name + " protects nothing: no `security` names it",
          "write `security: [{" + scheme.name +
              ": []}]` in the operations, or at the document's root for all of them");
    }
  }
}

std::vector<SecurityRequirement> read_security(Checking& checking, const Node& node,
                                               const std::vector<SecurityScheme>& schemes) {
  std::vector<SecurityRequirement> requirements;
  if (!node.is_sequence()) {
    checking.error(node.mark, "wrong-type", "`security` must be a list, it is " + node.describe(),
                   "write `security: [{SCHEME: []}]`, or `security: []` for open access");
    return requirements;
  }
  for (const auto& item : node.items) {
    const Node* entry = checking.document.resolve(*item);
    if (entry == nullptr || !checking.spend(1 + entry->members.size(), node.mark)) {
      continue;
    }
    if (!entry->is_mapping()) {
      checking.error(
          entry->mark, "wrong-type",
          "an entry of `security` must be a mapping of a scheme to its scopes, it is " + entry->describe(),
          entry->is_string() ? "write `" + entry->text + ": []`" : "write `SCHEME: []`");
      continue;
    }
    SecurityRequirement requirement;
    for (const Member& member : entry->members) {
      requirement.schemes.push_back(
          {member.key, read_scopes(checking, member.key, *member.value), member.mark});
      check_use(checking, requirement.schemes.back(), schemes);
    }
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

}  // namespace sluice::spec
