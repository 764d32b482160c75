#include "sluice/spec/integration_types.hpp"

#include <algorithm>

#include "sluice/spec/object_reader.hpp"

#include "spec/checks.hpp"

namespace sluice::spec {
namespace {

void accept_all(ObjectReader& reader, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    reader.accept(key);
  }
}

/// Strings with `{parameters}`, or scalars.
void check_texts(ObjectReader& reader, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    reader.scalar_text(key);
  }
}

void check_map(ObjectReader& reader, std::string_view key) {
  const Node* node = reader.node(key);
  if (node != nullptr && !node->is_null() && !node->is_mapping()) {
    reader.error(*node, "wrong-type",
                 '`' + std::string(key) + "` of an integration must be a mapping, it is " + node->describe());
  }
}

void check_dummy(ObjectReader& reader) {
  reader.integer("http_code", 200, 599);
  check_map(reader, "http_headers");
  const Node* content = reader.node("content");
  if (content != nullptr && content->is_sequence()) {
    reader.error(*content, "wrong-type", "`content` must be a mapping of media types to texts, or a text",
                 "write `content: {application/json: '…'}`");
  }
}

void check_http(ObjectReader& reader) {
  reader.required_string("url", "write the address that requests go to");
  check_texts(reader, {"method"});
  check_map(reader, "headers");
  check_map(reader, "query");
  check_map(reader, "timeouts");
  reader.boolean({"omitEmptyHeaders", "omit_empty_headers"});
  reader.boolean({"omitEmptyQueryParameters", "omit_empty_query_parameters"});
}

void check_tag(ObjectReader& reader) {
  const Node* tag = reader.node("tag");
  reader.scalar_text("tag");
  if (tag != nullptr && tag->is_string() && tag->text.empty()) {
    reader.warning(*tag, "empty-tag", "`tag` is empty: $latest is called", "name a tag, or remove the key");
  }
}

void check_functions(ObjectReader& reader) {
  reader.required_string("function_id", "write the id of the function that is called");
  check_tag(reader);
  reader.one_of("payload_format_version", {"0.1", "1.0"});
  reader.accept("context");
}

void check_containers(ObjectReader& reader) {
  reader.required_string("container_id", "write the id of the container that is called");
  reader.accept("context");
}

void check_object_storage(ObjectReader& reader) {
  reader.required_string("bucket", "write the name of the bucket");
  reader.required_string("object", "write the object's key; it may hold {parameters} of the path");
  check_texts(reader, {"default_object"});
  reader.boolean("presigned_redirect");
  const Node* error_object = reader.node("error_object");
  if (error_object != nullptr && error_object->is_mapping()) {
    ObjectReader object(reader.document(), *error_object, "error_object", reader.diagnostics());
    object.required_string("object", "write the key of the object that is served on errors");
    object.integer("statusCode", 200, 599);
  } else {
    check_texts(reader, {"error_object"});
  }
}

void check_datasphere(ObjectReader& reader) {
  reader.required_string("folder_id", "write the id of the project's folder");
  reader.required_string("node_id", "write the id of the node");
}

void require_action(ObjectReader& reader, const std::vector<std::string_view>& actions) {
  reader.required_node("action");
  reader.one_of("action", actions);
}

void check_datastreams(ObjectReader& reader) {
  require_action(reader, {"PutRecord"});
  reader.required_string("stream_name", "write /REGION/FOLDER/DATABASE/STREAM");
  check_texts(reader, {"partition_key"});
  reader.one_of("payload_format_type", {"body", "request"});
}

void check_ymq(ObjectReader& reader) {
  require_action(reader, {"SendMessage"});
  reader.required_string("queue_url", "write the URL of the queue");
  check_texts(reader, {"folder_id", "delay_seconds"});
  reader.one_of("payload_format_type", {"body", "request"});
}

void check_ydb(ObjectReader& reader) {
  require_action(reader, {"PutItem", "GetItem", "UpdateItem", "DeleteItem", "Scan"});
  reader.required_string("database", "write /REGION/CLOUD/DATABASE");
  reader.required_string("table_name", "write the name of the table");
  const Node* action = reader.node("action");
  if (action != nullptr &&
      (action->text == "GetItem" || action->text == "UpdateItem" || action->text == "DeleteItem")) {
    reader.required_node("key");
  }
  accept_all(reader, {"key", "expression_attribute_values", "exclusive_start_key"});
  check_texts(reader, {"update_expression", "limit"});
}

struct TypeCheck {
  std::string_view name;
  void (*check)(ObjectReader& reader);
  bool has_service_account;
};

constexpr TypeCheck type_checks[] = {
    {"dummy", check_dummy, false},
    {"http", check_http, true},
    {"cloud_functions", check_functions, true},
    {"serverless_containers", check_containers, true},
    {"object_storage", check_object_storage, true},
    {"cloud_datasphere", check_datasphere, true},
    {"cloud_datastreams", check_datastreams, true},
    {"cloud_ymq", check_ymq, true},
    {"cloud_ydb", check_ydb, true},
    {"swagger", [](ObjectReader&) {}, false},
};

const TypeCheck* find_type(std::string_view name) noexcept {
  const auto* found = std::find_if(std::begin(type_checks), std::end(type_checks),
                                   [&](const TypeCheck& type) { return type.name == name; });
  return found == std::end(type_checks) ? nullptr : found;
}

}  // namespace

const std::vector<std::string_view>& integration_type_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const TypeCheck& type : type_checks) {
      all.push_back(type.name);
    }
    return all;
  }();
  return names;
}

std::string integration_type(const Document& document, const Node& integration) {
  const Node* type = document.get(integration, "type");
  if (type == nullptr || !type->is_string()) {
    return {};
  }
  std::string name = type->text;
  std::replace(name.begin(), name.end(), '-', '_');
  return find_type(name) == nullptr ? std::string() : name;
}

void check_integration_options(const Document& document, const Node& integration, Diagnostics& diagnostics) {
  const TypeCheck* type = find_type(integration_type(document, integration));
  const Node* node = document.resolve(integration);
  if (type == nullptr || node == nullptr || !node->is_mapping()) {
    return;
  }
  ObjectReader reader(document, *node, "the " + std::string(type->name) + " integration", diagnostics);
  reader.accept("type");
  if (type->has_service_account) {
    reader.string(service_account_keys);
  } else {
    // It does nothing, and does no harm.
    accept_all(reader, service_account_keys);
  }
  type->check(reader);
}

}  // namespace sluice::spec
