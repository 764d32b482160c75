// Types that a later version builds: what `check` can say about their options is said now.
#include <array>

#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;

/// Options of one type: names that must be there, and texts that take parameters.
class LaterType {
 public:
  LaterType(gateway::BuildContext& context, const spec::Node& node, std::string_view type)
      : context_(context),
        node_(node),
        type_(type),
        reader_(context.document, node, "the " + std::string(type) + " integration", context.diagnostics) {
    reader_.accept("type");
    read_service_account(reader_);
  }

  void required(std::string_view key) { reader_.required_string(key); }
  void required_template(std::string_view key, Landing landing) {
    check(reader_.required_node(key), key, landing);
  }
  void optional_template(std::string_view key, Landing landing) {
    if (const spec::Node* node = reader_.node(key)) {
      check(*node, key, landing);
    }
  }
  spec::ObjectReader& reader() { return reader_; }

  IntegrationPtr finish() {
    warn_not_built(context_, node_, "the integration type " + type_);
    return nullptr;
  }

 private:
  void check(const spec::Node& node, std::string_view key, Landing landing) {
    if (node.is_null()) {
      return;
    }
    if (!node.is_scalar()) {
      reader_.error(node, rule_option, std::string(key) + " must be a text, not " + node.describe());
      return;
    }
    compile_template(reader_, node, node.text, landing, context_.operation.parameter_set);
  }

  gateway::BuildContext& context_;
  const spec::Node& node_;
  std::string type_;
  spec::ObjectReader reader_;
};

}  // namespace

IntegrationPtr build_object_storage(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "object_storage");
  type.required("bucket");
  type.required_template("object", Landing::object_key);
  type.optional_template("default_object", Landing::object_key);
  type.reader().boolean("presigned_redirect");
  const spec::Node* error_object = type.reader().node("error_object");
  if (error_object != nullptr && error_object->is_mapping()) {
    spec::ObjectReader reader(context.document, *error_object, "error_object", context.diagnostics);
    const spec::Node& object = reader.required_node("object");
    if (object.is_scalar()) {
      compile_template(reader, object, object.text, Landing::object_key, context.operation.parameter_set);
    }
    reader.integer("statusCode", 200, 599);
  } else if (error_object != nullptr) {
    type.optional_template("error_object", Landing::object_key);
  }
  return type.finish();
}

IntegrationPtr build_cloud_datasphere(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "cloud_datasphere");
  type.required("folder_id");
  type.required("node_id");
  return type.finish();
}

IntegrationPtr build_cloud_datastreams(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "cloud_datastreams");
  type.reader().one_of("action", {"PutRecord"});
  type.required("stream_name");
  type.optional_template("partition_key", Landing::plain);
  type.reader().one_of("payload_format_type", {"body", "request"});
  return type.finish();
}

IntegrationPtr build_cloud_ymq(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "cloud_ymq");
  type.reader().one_of("action", {"SendMessage"});
  type.required("queue_url");
  type.reader().string("folder_id");
  type.reader().integer("delay_seconds", 0, 900);
  type.reader().one_of("payload_format_type", {"body", "request"});
  return type.finish();
}

IntegrationPtr build_cloud_ydb(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "cloud_ydb");
  type.reader().required_node("action");
  type.reader().one_of("action", {"PutItem", "GetItem", "UpdateItem", "DeleteItem", "Scan"});
  type.required("database");
  type.required_template("table_name", Landing::plain);
  type.optional_template("key", Landing::json_text);
  type.optional_template("update_expression", Landing::plain);
  type.optional_template("expression_attribute_values", Landing::json_text);
  type.optional_template("limit", Landing::json_text);
  type.optional_template("exclusive_start_key", Landing::json_text);
  return type.finish();
}

IntegrationPtr build_swagger(gateway::BuildContext& context, const spec::Node& node) {
  LaterType type(context, node, "swagger");
  return type.finish();
}

}  // namespace sluice::integrations
