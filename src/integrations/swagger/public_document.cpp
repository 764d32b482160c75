#include "integrations/swagger/public_document.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "sluice/base/codec.hpp"
#include "sluice/gateway/explain.hpp"

#include "integrations/swagger/masking.hpp"

namespace sluice::integrations {
namespace {

using spec::Node;

/// References to other files bring in copies; a document cannot be blown up by them without end.
constexpr std::size_t max_nodes = 500'000;
constexpr std::size_t max_depth = 200;

/// What a node is, which tells how its members are read.
enum class Kind : std::uint8_t {
  object,     ///< keys are keywords
  parameter,  ///< an object with name and in
  schema,
  objects,  ///< keys are names, values are objects
  parameters,
  headers,
  schemas,
  properties,  ///< schemas under names of data
  data,        ///< anything; keys may be names of secrets
};

template <std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& words, std::string_view word) noexcept {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Kind kind_in_schema(std::string_view key) noexcept {
  constexpr std::array<std::string_view, 3> maps{"properties", "patternProperties", "dependentSchemas"};
  constexpr std::array<std::string_view, 2> names{"definitions", "$defs"};
  constexpr std::array<std::string_view, 15> schemas{"items",
                                                     "additionalProperties",
                                                     "not",
                                                     "allOf",
                                                     "anyOf",
                                                     "oneOf",
                                                     "if",
                                                     "then",
                                                     "else",
                                                     "contains",
                                                     "propertyNames",
                                                     "prefixItems",
                                                     "unevaluatedItems",
                                                     "unevaluatedProperties",
                                                     "contentSchema"};
  constexpr std::array<std::string_view, 3> data{"example", "examples", "default"};
  if (is_one_of(maps, key)) {
    return Kind::properties;
  }
  if (is_one_of(names, key)) {
    return Kind::schemas;
  }
  if (is_one_of(schemas, key)) {
    return Kind::schema;
  }
  return is_one_of(data, key) ? Kind::data : Kind::object;
}

Kind kind_in_object(std::string_view key) noexcept {
  // `security` is a list of objects whose keys are names.
  constexpr std::array<std::string_view, 15> maps{
      "examples", "content",   "responses", "requestBodies", "securitySchemes",
      "links",    "callbacks", "pathItems", "encoding",      "scopes",
      "mapping",  "paths",     "webhooks",  "variables",     "security"};
  constexpr std::array<std::string_view, 3> data{"example", "value", "default"};
  if (key == "schema") {
    return Kind::schema;
  }
  if (key == "schemas") {
    return Kind::schemas;
  }
  if (key == "headers") {
    return Kind::headers;
  }
  if (key == "parameters") {
    return Kind::parameters;
  }
  if (is_one_of(maps, key)) {
    return Kind::objects;
  }
  return is_one_of(data, key) ? Kind::data : Kind::object;
}

Kind child_kind(Kind parent, std::string_view key) noexcept {
  switch (parent) {
    case Kind::schema:
      return kind_in_schema(key);
    case Kind::object:
    case Kind::parameter:
      return kind_in_object(key);
    case Kind::objects:
    case Kind::headers:
      return Kind::object;
    case Kind::parameters:
      return Kind::parameter;
    case Kind::schemas:
    case Kind::properties:
      return Kind::schema;
    case Kind::data:
      break;
  }
  return Kind::data;
}

/// Keys of these are keywords, not names that the author chose.
bool has_keywords(Kind kind) noexcept {
  return kind == Kind::object || kind == Kind::parameter || kind == Kind::schema;
}

bool is_dropped(std::string_view key) noexcept {
  return key.starts_with("x-") || key == "servers" || key == "server";
}

const std::array<std::string_view, 10>& component_sections() noexcept {
  static constexpr std::array<std::string_view, 10> sections{
      "schemas", "responses",       "parameters", "examples",  "requestBodies",
      "headers", "securitySchemes", "links",      "callbacks", "pathItems"};
  return sections;
}

std::string pointer_of(std::string_view section, std::string_view name) {
  std::string out = "#/components/";
  out.append(section).append("/");
  for (const char byte : name) {
    if (byte == '~') {
      out.append("~0");
    } else if (byte == '/') {
      out.append("~1");
    } else {
      out.push_back(byte);
    }
  }
  return out;
}

class Publisher {
 public:
  explicit Publisher(const spec::Api& api) : api_(api), document_(*api.document), mask_(document_) {
    note_components();
  }

  Result<OrderedJson> run() {
    const Node& root = document_.root();
    OrderedJson out = OrderedJson::object();
    OrderedJson components = OrderedJson::object();
    out["info"] = info(root);
    for (const spec::Member& member : root.members) {
      if (is_dropped(member.key) || member.key == "openapi" || member.key == "info" ||
          member.key == "paths" || member.key == "components") {
        continue;
      }
      out[member.key] = emit(*member.value, kind_in_object(member.key), false);
    }
    out["paths"] = paths(root);
    if (const Node* written = document_.get(root, "components"); written != nullptr) {
      components = emit(*written, Kind::object, false);
    }
    // What is brought in refers to more.
    while (!hoisted_.empty()) {
      const std::vector<std::pair<std::string, const Node*>> batch = std::exchange(hoisted_, {});
      for (const auto& [name, node] : batch) {
        components["schemas"][name] = emit(*node, Kind::schema, false);
      }
    }
    if (!components.empty()) {
      out["components"] = std::move(components);
    }
    if (nodes_ > max_nodes) {
      Error error = config_error("the document, with the files that it refers to, has more than " +
                                 std::to_string(max_nodes) + " nodes");
      error.code = ErrorCode::too_large;
      return error;
    }
    return out;
  }

 private:
  /// Where the document's own components are found, by the node that references end at.
  void note_components() {
    const Node* components = document_.get(document_.root(), "components");
    if (components == nullptr) {
      return;
    }
    for (const std::string_view section : component_sections()) {
      const Node* map = document_.get(*components, section);
      if (map == nullptr || !map->is_mapping()) {
        continue;
      }
      for (const spec::Member& member : map->members) {
        pointers_.emplace(member.value.get(), pointer_of(section, member.key));
        if (section == "schemas") {
          schema_names_.insert(member.key);
        }
      }
    }
    for (const std::string_view section : component_sections()) {
      const Node* map = document_.get(*components, section);
      for (const spec::Member& member : map == nullptr ? std::vector<spec::Member>() : map->members) {
        if (const Node* target = document_.resolve(*member.value)) {
          pointers_.emplace(target, pointer_of(section, member.key));
        }
      }
    }
  }

  OrderedJson info(const Node& root) {
    OrderedJson out = OrderedJson::object();
    const Node* written = document_.get(root, "info");
    if (written != nullptr && written->is_mapping()) {
      out = emit(*written, Kind::object, false);
    }
    // Both are required, and often written as numbers.
    out["title"] = mask_.apply(sanitize_utf8(api_.title.empty() ? "API" : api_.title));
    out["version"] = mask_.apply(sanitize_utf8(api_.version));
    return out;
  }

  // --- paths ---------------------------------------------------------------------------------------------

  OrderedJson paths(const Node& root) {
    OrderedJson out = OrderedJson::object();
    const Node* written = document_.get(root, "paths");
    if (written == nullptr) {
      return out;
    }
    for (const spec::Path& path : api_.paths) {
      const Node* item = written->find(path.template_text);
      if (item == nullptr) {
        continue;
      }
      const auto parsed = spec::parse_path_template(path.template_text);
      if (!parsed) {
        continue;
      }
      OrderedJson shown = path_item(path, *item, *parsed);
      if (shown.is_null()) {
        continue;
      }
      // Two templates may become one: what the first has stays.
      OrderedJson& place = out[shown_template(path.template_text)];
      if (place.is_null()) {
        place = std::move(shown);
      } else {
        for (auto& [key, value] : shown.items()) {
          if (!place.contains(key)) {
            place[key] = value;
          }
        }
      }
    }
    return out;
  }

  static std::string shown_template(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] != '+' || at + 1 == text.size() || text[at + 1] != '}') {
        out.push_back(text[at]);
      }
    }
    return sanitize_utf8(out);
  }

  OrderedJson path_item(const spec::Path& path, const Node& written, const spec::PathTemplate& parsed) {
    OrderedJson out = OrderedJson::object();
    // A `$ref` has siblings here: the path's own keys go first.
    const Node* target = document_.resolve(written);
    for (const Node* part : {&written, target}) {
      for (const spec::Member& member : part == nullptr ? std::vector<spec::Member>() : part->members) {
        if (member.key != "$ref" && !is_dropped(member.key) && !is_method_key(member.key) &&
            !out.contains(member.key)) {
          out[member.key] = emit(*member.value, kind_in_object(member.key), false);
        }
      }
    }
    bool any = false;
    for (const spec::Operation& operation : path.operations) {
      if (!operation.method.empty() && is_method_key(to_lower(operation.method))) {
        out[to_lower(operation.method)] = shown_operation(operation, parsed);
        any = true;
      }
    }
    for (const spec::Operation& operation : path.operations) {
      if (operation.method.empty()) {
        any = any_method(operation, parsed, out) || any;
      }
    }
    return any ? out : OrderedJson(nullptr);
  }

  static bool is_method_key(std::string_view key) noexcept {
    constexpr std::array<std::string_view, 8> methods{"get",     "put",  "post",  "delete",
                                                      "options", "head", "patch", "trace"};
    return is_one_of(methods, key);
  }

  /// The usual methods that the path does not name.
  bool any_method(const spec::Operation& operation, const spec::PathTemplate& parsed, OrderedJson& item) {
    const OrderedJson shown = shown_operation(operation, parsed);
    bool any = false;
    for (const std::string_view method : {"get", "post", "put", "patch", "delete"}) {
      if (item.contains(method)) {
        continue;
      }
      OrderedJson one = shown;
      if (method == "get" || method == "delete") {
        one.erase("requestBody");
      }
      if (const auto id = one.find("operationId"); id != one.end() && id->is_string()) {
        *id = id->get<std::string>() + '_' + std::string(method);
      }
      std::string text = "This operation takes any method.";
      if (const auto written = one.find("description"); written != one.end() && written->is_string()) {
        text = written->get<std::string>() + "\n\n" + text;
      }
      one["description"] = text;
      item[std::string(method)] = std::move(one);
      any = true;
    }
    return any;
  }

  OrderedJson shown_operation(const spec::Operation& operation, const spec::PathTemplate& parsed) {
    OrderedJson out = OrderedJson::object();
    if (operation.node != nullptr) {
      out = emit(*operation.node, Kind::object, false);
    }
    for (const spec::Parameter& parameter : operation.parameters) {
      if (!parameter.declared && parameter.in == spec::ParameterIn::path) {
        out["parameters"].push_back({{"name", sanitize_utf8(parameter.name)},
                                     {"in", "path"},
                                     {"required", true},
                                     {"schema", {{"type", "string"}}}});
      }
    }
    OrderedJson greedy = OrderedJson::array();
    for (const spec::TemplateSegment& segment : parsed.segments) {
      if (segment.kind == spec::TemplateSegment::Kind::greedy) {
        greedy.push_back(sanitize_utf8(segment.pieces.front().text));
      }
    }
    if (!greedy.empty()) {
      out["x-greedy-parameters"] = std::move(greedy);
    }
    if (!out.contains("responses") || !out["responses"].is_object() || out["responses"].empty()) {
      out["responses"] = {{"default", {{"description", "The answer"}}}};
    }
    return out;
  }

  // --- nodes -----------------------------------------------------------------------------------------------

  /// `hidden`: examples and defaults below stand under the name of a secret.
  OrderedJson emit(const Node& node, Kind kind, bool hidden) {
    if (++nodes_ > max_nodes || depth_ > max_depth) {
      return nullptr;
    }
    if (kind != Kind::data && node.is_mapping()) {
      if (const Node* reference = node.find("$ref"); reference != nullptr && reference->is_string()) {
        return emit_reference(node, reference->text, kind, hidden);
      }
    }
    ++depth_;
    OrderedJson out;
    switch (node.kind) {
      case spec::NodeKind::mapping:
        out = emit_mapping(node, kind, hidden);
        break;
      case spec::NodeKind::sequence:
        out = OrderedJson::array();
        for (const auto& item : node.items) {
          out.push_back(emit(*item, kind == Kind::parameters ? Kind::parameter : kind, hidden));
        }
        break;
      default:
        out = emit_scalar(node, kind == Kind::data && hidden);
    }
    --depth_;
    return out;
  }

  OrderedJson emit_mapping(const Node& node, Kind kind, bool hidden) {
    OrderedJson out = OrderedJson::object();
    if (kind == Kind::parameter) {
      const Node* name = node.find("name");
      hidden = hidden || (name != nullptr && gateway::is_secret_name(name->text));
    }
    for (const spec::Member& member : node.members) {
      if (has_keywords(kind) && is_dropped(member.key)) {
        continue;
      }
      const bool named = kind == Kind::data || kind == Kind::properties || kind == Kind::headers;
      const bool below = hidden || (named && gateway::is_secret_name(member.key));
      out[mask_.apply(sanitize_utf8(member.key))] = emit(*member.value, child_kind(kind, member.key), below);
    }
    if (kind == Kind::parameter) {
      mend_parameter(out);
    }
    return out;
  }

  /// What OpenAPI requires and the wild leaves out.
  static void mend_parameter(OrderedJson& parameter) {
    if (parameter.contains("in") && parameter["in"] == "path") {
      parameter["required"] = true;
      if (parameter.contains("name") && parameter["name"].is_string()) {
        std::string name = parameter["name"].get<std::string>();
        if (name.ends_with('+')) {
          name.pop_back();
          parameter["name"] = name;
        }
      }
    }
    if (!parameter.contains("schema") && !parameter.contains("content") && !parameter.contains("$ref")) {
      parameter["schema"] = {{"type", "string"}};
    }
  }

  OrderedJson emit_scalar(const Node& node, bool hidden) {
    if (node.is_null()) {
      return nullptr;
    }
    if (hidden) {
      return std::string(hidden_text);
    }
    std::string text = mask_.apply(sanitize_utf8(node.text));
    if (node.is_string() || text != sanitize_utf8(node.text)) {
      return text;
    }
    const Json value = spec::to_json(node);
    if (value.is_boolean()) {
      return value.get<bool>();
    }
    if (value.is_number_unsigned()) {
      return value.get<std::uint64_t>();
    }
    if (value.is_number_integer()) {
      return value.get<std::int64_t>();
    }
    if (value.is_number_float()) {
      return value.get<double>();
    }
    return text;
  }

  OrderedJson emit_reference(const Node& node, const std::string& text, Kind kind, bool hidden) {
    const Node* target = document_.resolve(node);
    if (target == nullptr || target == &node) {
      return OrderedJson::object();
    }
    OrderedJson out = OrderedJson::object();
    if (const auto known = pointers_.find(target);
        known != pointers_.end() && !emitted_here(node, known->second)) {
      out["$ref"] = known->second;
      return out;
    }
    if (kind == Kind::schema && pointers_.find(&node) == pointers_.end()) {
      out["$ref"] = hoist(*target, text);
      return out;
    }
    if (!open_.insert(target).second) {
      return out;  // a cycle of what is no schema
    }
    out = emit(*target, kind, hidden);
    open_.erase(target);
    return out;
  }

  /// A component that is nothing but a reference to a file: its own pointer would lead to itself.
  [[nodiscard]] bool emitted_here(const Node& node, const std::string& pointer) const {
    const auto own = pointers_.find(&node);
    return own != pointers_.end() && own->second == pointer;
  }

  /// A schema that stands elsewhere becomes a component.
  std::string hoist(const Node& target, const std::string& reference) {
    const auto known = brought_.find(&target);
    if (known != brought_.end()) {
      return known->second;
    }
    std::string name;
    for (const char byte : reference.substr(reference.find_last_of("/#") + 1)) {
      const bool fits = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
      name.push_back(fits ? byte : '_');
    }
    if (name.empty()) {
      name = "Schema";
    }
    const std::string stem = name;
    for (std::size_t number = 2; !schema_names_.insert(name).second; ++number) {
      name = stem + '_' + std::to_string(number);
    }
    std::string pointer = pointer_of("schemas", name);
    brought_.emplace(&target, pointer);
    hoisted_.emplace_back(std::move(name), &target);
    return pointer;
  }

  const spec::Api& api_;
  const spec::Document& document_;
  TextMask mask_;
  std::map<const Node*, std::string> pointers_;  ///< the document's components
  std::map<const Node*, std::string> brought_;   ///< schemas from elsewhere
  std::vector<std::pair<std::string, const Node*>> hoisted_;
  std::set<std::string, std::less<>> schema_names_;
  std::set<const Node*> open_;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Result<OrderedJson> public_document(const spec::Api& api) {
  return Publisher(api).run();
}

}  // namespace sluice::integrations
