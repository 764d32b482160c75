// The x-yc extensions that are objects of their own: shapes and values, whatever step builds them.
#include <algorithm>
#include <limits>

#include "sluice/spec/integration_types.hpp"
#include "sluice/spec/object_reader.hpp"

#include "spec/checks.hpp"

namespace sluice::spec {
namespace {

constexpr std::int64_t large = std::numeric_limits<std::int32_t>::max();

/// False when the node is no mapping (reported), or was checked before.
bool begin(Checking& checking, const Node& node, std::string_view what) {
  if (!checking.checked.insert(&node).second) {
    return false;
  }
  if (!node.is_mapping()) {
    checking.error(node.mark, "wrong-type",
                   std::string(what) + " must be a mapping or a $ref, it is " + node.describe());
    return false;
  }
  return true;
}

/// A string, or a list of strings.
void check_strings(ObjectReader& reader, std::string_view key) {
  const Node* node = reader.node(key);
  if (node == nullptr || node->is_null() || node->is_string()) {
    return;
  }
  if (!node->is_sequence()) {
    reader.error(
        *node, "wrong-type",
        '`' + std::string(key) + "` must be a string or a list of strings, it is " + node->describe());
    return;
  }
  for (const auto& item : node->items) {
    if (!item->is_string()) {
      reader.error(*item, "wrong-type",
                   "an entry of `" + std::string(key) + "` must be a string, it is " + item->describe());
    }
  }
}

void check_limit_counts(ObjectReader& limit, const Node& at) {
  limit.integer("rps", 1, large);
  limit.integer("rpm", 1, large);
  const bool per_second = limit.has("rps");
  const bool per_minute = limit.has("rpm");
  if (per_second && per_minute) {
    limit.error(at, "rate-limit-both", "`allRequests` has both `rps` and `rpm`", "keep one of them");
  } else if (!per_second && !per_minute) {
    limit.error(at, "missing-option", "`allRequests` needs `rps` or `rpm`",
                "write `rps: 10` for ten requests a second, or `rpm: 600` for 600 a minute");
  }
}

}  // namespace

void check_integration(Checking& checking, const Node& node) {
  if (!begin(checking, node, "an integration")) {
    return;
  }
  const Member* member = node.find_member("type");
  const Node* type = checking.document.get(node, "type");
  if (member == nullptr || type == nullptr || type->is_null()) {
    if (member == nullptr || member->value->is_null()) {
      checking.error(member == nullptr ? node.mark : member->mark, "missing-option",
                     "an integration needs `type`", "for example `type: dummy`");
    }
    return;
  }
  if (!type->is_string()) {
    checking.error(type->mark, "wrong-type",
                   "`type` of an integration must be a string, it is " + type->describe());
    return;
  }
  if (!integration_type(checking.document, node).empty()) {
    return;
  }
  std::string spelled = type->text;
  std::replace(spelled.begin(), spelled.end(), '-', '_');
  const std::string_view near = nearest_name(spelled, integration_type_names());
  std::string hint;
  for (const std::string_view name : integration_type_names()) {
    hint += (hint.empty() ? "use one of: " : ", ") + std::string(name);
  }
  if (!near.empty()) {
    hint = "did you mean `" + std::string(near) + "`?";
  }
  checking.error(type->mark, "unknown-integration-type", "there is no integration type \"" + type->text + '"',
                 std::move(hint));
}

void check_validator(Checking& checking, const Node& node) {
  if (!begin(checking, node, "a validator")) {
    return;
  }
  ObjectReader reader(checking.document, node, "the validator", checking.diagnostics);
  reader.boolean("validateRequestBody");
  reader.boolean("validateRequestParameters");
  reader.boolean("validateResponseBody");
  reader.one_of("validateResponseHeaders", {"any", "superset", "subset", "exact"});
  const Node* handler = reader.node("validationErrorHandler");
  if (handler == nullptr || handler->is_null()) {
    return;
  }
  ObjectReader inner(checking.document, *handler, "validationErrorHandler", checking.diagnostics);
  inner.integer("statusCode", 100, 599);
  if (!handler->is_mapping()) {
    return;
  }
  const Node& integration = inner.required_node("x-yc-apigateway-integration");
  if (!integration.is_null()) {
    check_integration(checking, integration);
    check_integration_options(checking.document, integration, checking.diagnostics);
  }
}

void check_cors(Checking& checking, const Node& node) {
  if (!begin(checking, node, "a CORS rule")) {
    return;
  }
  ObjectReader reader(checking.document, node, "the CORS rule", checking.diagnostics);
  const Node* origin = reader.node("origin");
  if (origin == nullptr || origin->is_null()) {
    if (!reader.has("origin") && node.find("$ref") == nullptr) {
      reader.error(node, "missing-option", "the CORS rule needs `origin`",
                   "write `origin: '*'`, a list of origins, true (any), or false (off)");
    }
  } else if (origin->kind != NodeKind::boolean) {
    check_strings(reader, "origin");
  }
  check_strings(reader, "methods");
  check_strings(reader, "allowedHeaders");
  check_strings(reader, "exposedHeaders");
  const std::optional<bool> credentials = reader.boolean("credentials");
  reader.integer("maxAge", -1, large);
  reader.integer("optionsSuccessStatus", 200, 299);
  if (credentials.value_or(false) && origin != nullptr && origin->is_string() && origin->text == "*") {
    reader.warning(*origin, "cors-credentials", "browsers refuse the origin * for requests with credentials",
                   "list the origins, or write `origin: true` to answer with the request's own");
  }
}

void check_rate_limit(Checking& checking, const Node& node) {
  if (!begin(checking, node, "a rate limit")) {
    return;
  }
  ObjectReader reader(checking.document, node, "the rate limit", checking.diagnostics);
  const Node* all = reader.node("allRequests");
  if (all == nullptr || all->is_null()) {
    reader.warning(node, "limit-without-allrequests",
                   "the rate limit has no `allRequests`: nothing is limited",
                   "write `allRequests: {rps: 10}`");
    return;
  }
  ObjectReader limit(checking.document, *all, "allRequests", checking.diagnostics);
  if (all->is_mapping()) {
    check_limit_counts(limit, *all);
  }
}

void check_status_mapping(Checking& checking, const Node& node) {
  if (!checking.checked.insert(&node).second) {
    return;
  }
  const bool whole = node.kind == NodeKind::integer ||
                     (node.is_string() && node.text.size() == 3 &&
                      std::all_of(node.text.begin(), node.text.end(),
                                  [](char digit) { return digit >= '0' && digit <= '9'; }));
  if (!whole) {
    checking.error(node.mark, "wrong-type",
                   "`x-yc-status-mapping` must be a status code, it is " + node.describe(),
                   "write a number from 200 to 599");
  } else if (node.text.size() != 3 || node.text < "200" || node.text > "599") {
    checking.error(node.mark, "out-of-range",
                   "`x-yc-status-mapping` is " + node.text + ", it must be from 200 to 599");
  }
}

void check_schema_mapping(Checking& checking, const Node& node) {
  if (!begin(checking, node, "x-yc-schema-mapping")) {
    return;
  }
  ObjectReader reader(checking.document, node, "x-yc-schema-mapping", checking.diagnostics);
  reader.required_node("type");
  reader.one_of("type", {"static"});
  const Node& body = reader.required_node("template");
  if (!body.is_null() && !body.is_mapping()) {
    reader.error(
        body, "wrong-type",
        "`template` of x-yc-schema-mapping must be a mapping of fields to texts, it is " + body.describe());
  }
}

Extensions read_extensions(Checking& checking, const Node& node, const Extensions& inherited) {
  Extensions extensions = inherited;
  const auto read = [&](std::string_view key, const Node*& into, void (*check)(Checking&, const Node&)) {
    const Node* value = node.find(key);
    const Node* target = value == nullptr ? nullptr : checking.document.resolve(*value);
    if (target != nullptr) {
      into = target;
      if (check != nullptr) {
        check(checking, *target);
      }
    }
  };
  read("x-yc-apigateway-validator", extensions.validator, check_validator);
  read("x-yc-apigateway-cors", extensions.cors, check_cors);
  read("x-yc-apigateway-rate-limit", extensions.rate_limit, check_rate_limit);
  read("x-sluice-rate-limit", extensions.sluice_rate_limit, nullptr);
  return extensions;
}

void read_document_options(Checking& checking, const Node& root, Api& api) {
  const Node* own_limit = checking.document.get(root, "x-sluice-rate-limit");
  api.extensions.sluice_rate_limit = own_limit;
  const Node* node = checking.document.get(root, "x-yc-apigateway");
  if (node == nullptr || node->is_null()) {
    return;
  }
  ObjectReader reader(checking.document, *node, "x-yc-apigateway", checking.diagnostics);
  api.service_account_id = reader.string(service_account_keys).value_or("");
  api.ignore_trailing_slashes = reader.boolean("ignoreTrailingSlashes").value_or(true);
  reader.accept("variables");  // read when the document was loaded
  const auto read = [&](std::string_view key, const Node*& into, void (*check)(Checking&, const Node&)) {
    const Node* value = reader.node(key);
    if (value != nullptr) {
      into = value;
      check(checking, *value);
    }
  };
  read("validator", api.extensions.validator, check_validator);
  read("cors", api.extensions.cors, check_cors);
  read("rateLimit", api.extensions.rate_limit, check_rate_limit);
  if (node->is_mapping()) {
    if (const Member* security = node->find_member("security")) {
      reader.accept("security");
      checking.error(security->mark, "misplaced-security", "`security` protects nothing in x-yc-apigateway",
                     "put it at the document's root, or into the operations");
    }
    for (const std::string_view key : {"authorizer", "authorizers"}) {
      if (const Member* authorizer = node->find_member(key)) {
        reader.accept(key);
        checking.error(authorizer->mark, "misplaced-authorizer",
                       "an authorizer has no effect here: nothing is protected by it",
                       "put it into a scheme under components.securitySchemes, and name that scheme in "
                       "`security`");
      }
    }
    if (node->find_member("x-yc-apigateway-authorizer") != nullptr) {
      reader.accept("x-yc-apigateway-authorizer");  // lint_document() tells
    }
  }
  const Node* web_security = reader.node("smartWebSecurity");
  if (web_security != nullptr && !web_security->is_null()) {
    ObjectReader inner(checking.document, *web_security, "smartWebSecurity", checking.diagnostics);
    api.security_profile_id = inner.required_string("securityProfileId", "write the id of the profile");
    const Node* id = inner.node("securityProfileId");
    api.security_profile_mark = id == nullptr ? web_security->mark : id->mark;
  }
}

}  // namespace sluice::spec
