#include "sluice/spec/json_schema.hpp"

#include <string_view>

#include "sluice/base/json.hpp"

namespace sluice::spec {
namespace {

/// Everything of OpenAPI that the gateway does not look at stays open: editors have schemas of their own for
/// it.
constexpr std::string_view openapi_part = R"json({
"$schema": "http://json-schema.org/draft-07/schema#",
"title": "OpenAPI 3 document with x-yc-apigateway extensions",
"type": "object",
"required": ["openapi", "paths"],
"properties": {
  "openapi": {"description": "3.0.x or 3.1.x", "anyOf": [{"type": "string", "pattern": "^3\\.[01](\\.|$)"}, {"enum": [3.0, 3.1]}]},
  "info": {"type": "object", "properties": {"title": {"type": "string"}, "version": {}, "description": {"type": "string"}}},
  "servers": {"type": "array"},
  "tags": {"type": "array"},
  "externalDocs": {"type": "object"},
  "security": {"$ref": "#/definitions/security"},
  "paths": {"$ref": "#/definitions/paths"},
  "components": {"$ref": "#/definitions/components"},
  "x-yc-apigateway": {"$ref": "#/definitions/options"},
  "x-sluice-rate-limit": {"type": "object"}
},
"patternProperties": {"^x-(?!yc-|sluice-)": {}},
"definitions": {
  "reference": {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string",
    "description": "A JSON pointer (#/…) or a file beside the document, with a pointer or without"}}},
  "variable": {"type": "string", "pattern": "^\\$\\{var\\.[^}]+\\}$"},
  "integer": {"anyOf": [{"type": "integer"}, {"$ref": "#/definitions/variable"}]},
  "number": {"anyOf": [{"type": "number"}, {"$ref": "#/definitions/variable"}]},
  "boolean": {"anyOf": [{"type": "boolean"}, {"$ref": "#/definitions/variable"}]},
  "text": {"type": ["string", "number", "boolean"]},
  "strings": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
  "fields": {"type": "object", "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean", "null"]},
    {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}}]}},
  "serviceAccount": {"type": "string", "description": "Id of the service account that the call is made with; default: the document's"},
  "security": {"type": "array", "description": "Any of these entries; all schemes of an entry. [] is open access",
    "items": {"type": "object", "additionalProperties": {"type": ["array", "null"], "items": {"type": "string"}}}},
  "paths": {"type": "object",
    "patternProperties": {"^/": {"$ref": "#/definitions/pathItem"}, "^x-": {}, "^\\$ref$": {"type": "string"}},
    "additionalProperties": false},
  "pathItem": {"type": ["object", "null"],
    "properties": {
      "$ref": {"type": "string"}, "summary": {"type": "string"}, "description": {"type": "string"}, "servers": {"type": "array"},
      "parameters": {"$ref": "#/definitions/parameters"},
      "get": {"$ref": "#/definitions/operation"}, "put": {"$ref": "#/definitions/operation"},
      "post": {"$ref": "#/definitions/operation"}, "delete": {"$ref": "#/definitions/operation"},
      "options": {"$ref": "#/definitions/operation"}, "head": {"$ref": "#/definitions/operation"},
      "patch": {"$ref": "#/definitions/operation"}, "trace": {"$ref": "#/definitions/operation"},
      "x-yc-apigateway-any-method": {"description": "Every method that the path does not name", "$ref": "#/definitions/operation"},
      "x-yc-apigateway-websocket-connect": {"$ref": "#/definitions/websocketEvent"},
      "x-yc-apigateway-websocket-message": {"$ref": "#/definitions/websocketEvent"},
      "x-yc-apigateway-websocket-disconnect": {"$ref": "#/definitions/websocketEvent"},
      "x-yc-apigateway-cors": {"$ref": "#/definitions/cors"},
      "x-yc-apigateway-rate-limit": {"$ref": "#/definitions/rateLimit"},
      "x-yc-apigateway-validator": {"$ref": "#/definitions/validator"},
      "x-sluice-rate-limit": {"type": "object"}},
    "patternProperties": {"^x-(?!yc-|sluice-)": {}},
    "additionalProperties": false},
  "operation": {"type": ["object", "null"],
    "properties": {
      "tags": {"type": "array"}, "summary": {"type": "string"}, "description": {"type": "string"}, "externalDocs": {"type": "object"},
      "operationId": {"type": ["string", "number"]}, "parameters": {"$ref": "#/definitions/parameters"},
      "requestBody": {"type": "object"}, "responses": {"type": ["object", "null"]}, "callbacks": {"type": "object"},
      "deprecated": {"type": "boolean"}, "servers": {"type": "array"}, "security": {"$ref": "#/definitions/security"},
      "x-yc-apigateway-integration": {"$ref": "#/definitions/integration"},
      "x-yc-apigateway-validator": {"$ref": "#/definitions/validator"},
      "x-yc-apigateway-rate-limit": {"$ref": "#/definitions/rateLimit"},
      "x-sluice-rate-limit": {"type": "object"}},
    "patternProperties": {"^x-(?!yc-|sluice-)": {}},
    "additionalProperties": false},
  "websocketEvent": {"type": "object", "required": ["x-yc-apigateway-integration"],
    "properties": {
      "tags": {"type": "array"}, "summary": {"type": "string"}, "description": {"type": "string"}, "externalDocs": {"type": "object"},
      "operationId": {"type": ["string", "number"]}, "parameters": {"$ref": "#/definitions/parameters"},
      "requestBody": {"type": "object"}, "responses": {"type": ["object", "null"]}, "deprecated": {"type": "boolean"},
      "security": {"$ref": "#/definitions/security", "description": "On connect only"},
      "x-yc-apigateway-integration": {"$ref": "#/definitions/integration"},
      "x-yc-apigateway-rate-limit": {"$ref": "#/definitions/rateLimit"},
      "x-sluice-rate-limit": {"type": "object"}},
    "patternProperties": {"^x-(?!yc-|sluice-)": {}},
    "additionalProperties": false},
  "parameters": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": ["array", "null"], "items": {"anyOf": [
    {"$ref": "#/definitions/reference"},
    {"type": "object", "required": ["name", "in"], "properties": {
      "name": {"type": ["string", "number"]}, "in": {"enum": ["path", "query", "header", "cookie"]},
      "required": {"type": "boolean"}, "explode": {"type": "boolean"},
      "style": {"enum": ["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"]},
      "schema": {}, "content": {"type": "object"}}}]}}]},
  "components": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": ["object", "null"],
    "properties": {
      "securitySchemes": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/securityScheme"}}]},
      "x-yc-apigateway-integrations": {"type": "object", "additionalProperties": {"$ref": "#/definitions/integration"}},
      "x-yc-apigateway-validators": {"type": "object", "additionalProperties": {"$ref": "#/definitions/validator"}},
      "x-yc-apigateway-cors-rules": {"type": "object", "additionalProperties": {"$ref": "#/definitions/cors"}},
      "x-yc-apigateway-rate-limits": {"type": "object", "additionalProperties": {"$ref": "#/definitions/rateLimit"}}}}]}
}})json";

constexpr std::string_view extension_part = R"json({
  "options": {"type": ["object", "null"], "description": "Options of the whole gateway",
    "properties": {
      "service_account_id": {"$ref": "#/definitions/serviceAccount"}, "serviceAccountId": {"$ref": "#/definitions/serviceAccount"},
      "service_account": {"$ref": "#/definitions/serviceAccount"},
      "validator": {"$ref": "#/definitions/validator"}, "cors": {"$ref": "#/definitions/cors"},
      "rateLimit": {"$ref": "#/definitions/rateLimit"},
      "ignoreTrailingSlashes": {"$ref": "#/definitions/boolean", "default": true},
      "smartWebSecurity": {"type": "object", "required": ["securityProfileId"], "properties": {"securityProfileId": {"type": "string"}}},
      "variables": {"type": "object", "description": "Used as ${var.NAME} in any string value",
        "additionalProperties": {"type": "object", "required": ["default"], "additionalProperties": false, "properties": {
          "default": {"type": ["string", "number", "boolean"]},
          "enum": {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
          "description": {"type": "string"}}}}},
    "patternProperties": {"^x-(?!yc-|sluice-)": {}},
    "additionalProperties": false},
  "validator": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": "object", "properties": {
    "validateRequestBody": {"$ref": "#/definitions/boolean", "default": false},
    "validateRequestParameters": {"$ref": "#/definitions/boolean", "default": false},
    "validateResponseBody": {"$ref": "#/definitions/boolean", "default": false},
    "validateResponseHeaders": {"enum": ["any", "superset", "subset", "exact"]},
    "validationErrorHandler": {"type": "object", "required": ["x-yc-apigateway-integration"], "properties": {
      "x-yc-apigateway-integration": {"$ref": "#/definitions/integration"}, "statusCode": {"$ref": "#/definitions/integer"}}}},
    "additionalProperties": false}]},
  "cors": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": "object", "required": ["origin"], "properties": {
    "origin": {"description": "false: off; true: the request's own; a text or a list of origins",
      "anyOf": [{"type": "boolean"}, {"$ref": "#/definitions/strings"}]},
    "methods": {"$ref": "#/definitions/strings"}, "allowedHeaders": {"$ref": "#/definitions/strings"},
    "exposedHeaders": {"$ref": "#/definitions/strings"}, "credentials": {"$ref": "#/definitions/boolean"},
    "maxAge": {"$ref": "#/definitions/integer", "description": "Seconds"},
    "optionsSuccessStatus": {"$ref": "#/definitions/integer", "default": 200}},
    "additionalProperties": false}]},
  "rateLimit": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": "object", "required": ["allRequests"], "properties": {
    "allRequests": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": {
      "rps": {"$ref": "#/definitions/integer", "description": "Requests a second"},
      "rpm": {"$ref": "#/definitions/integer", "description": "Requests a minute"}}}},
    "additionalProperties": false}]},
  "securityScheme": {"anyOf": [{"$ref": "#/definitions/reference"}, {"type": "object", "required": ["type"], "properties": {
    "type": {"enum": ["http", "apiKey", "openIdConnect", "oauth2", "mutualTLS"]},
    "scheme": {"type": "string"}, "name": {"type": "string"}, "in": {"enum": ["header", "query", "cookie"]},
    "openIdConnectUrl": {"type": "string"},
    "x-yc-apigateway-authorizer": {"$ref": "#/definitions/authorizer"}}}]},
  "authorizer": {"anyOf": [{"$ref": "#/definitions/reference"},
    {"type": "object", "required": ["type", "function_id"], "properties": {
      "type": {"const": "function", "description": "For schemes http basic, http bearer and apiKey"},
      "function_id": {"type": "string"}, "tag": {"$ref": "#/definitions/text", "default": "$latest"},
      "service_account_id": {"$ref": "#/definitions/serviceAccount"}, "serviceAccountId": {"$ref": "#/definitions/serviceAccount"},
      "service_account": {"$ref": "#/definitions/serviceAccount"},
      "authorizer_result_ttl_in_seconds": {"$ref": "#/definitions/integer", "description": "Absent: not cached"},
      "authorizer_result_caching_mode": {"enum": ["path", "uri"], "default": "path"}},
      "additionalProperties": false},
    {"type": "object", "required": ["type"], "properties": {
      "type": {"const": "jwt", "description": "For schemes openIdConnect and http bearer"},
      "jwksUri": {"type": "string"},
      "identitySource": {"$ref": "#/definitions/identitySource"}, "IdentitySource": {"$ref": "#/definitions/identitySource"},
      "issuers": {"$ref": "#/definitions/strings"}, "audiences": {"$ref": "#/definitions/strings"},
      "requiredClaims": {"$ref": "#/definitions/strings"},
      "authorizer_result_ttl_in_seconds": {"$ref": "#/definitions/integer", "description": "Absent: not cached"},
      "authorizer_result_caching_mode": {"enum": ["path", "uri"], "default": "path"},
      "jwkTtlInSeconds": {"$ref": "#/definitions/integer"}},
      "additionalProperties": false}]},
  "identitySource": {"type": "object", "required": ["in", "name"], "additionalProperties": false, "properties": {
    "in": {"enum": ["header", "query", "cookie"]}, "name": {"type": "string"}, "prefix": {"type": "string"}}}
})json";

/// An integration type: its options with their schemas; the required ones.
constexpr std::string_view integration_part = R"json([
  {"type": "dummy", "description": "A fixed answer", "required": [], "options": {
    "http_code": {"$ref": "#/definitions/integer", "default": 200}, "http_headers": {"$ref": "#/definitions/fields"},
    "content": {"description": "Media type (or *) to text, or one text", "anyOf": [{"$ref": "#/definitions/text"},
      {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}]}}},
  {"type": "http", "description": "Passes the request to a URL", "account": true, "required": ["url"], "options": {
    "url": {"type": "string"}, "method": {"type": "string"},
    "headers": {"description": "'*': '*' passes the request's own", "$ref": "#/definitions/fields"},
    "query": {"$ref": "#/definitions/fields"},
    "timeouts": {"type": "object", "description": "Seconds", "additionalProperties": false, "properties": {
      "connect": {"$ref": "#/definitions/number"}, "read": {"$ref": "#/definitions/number"}}},
    "omitEmptyHeaders": {"$ref": "#/definitions/boolean"}, "omit_empty_headers": {"$ref": "#/definitions/boolean"},
    "omitEmptyQueryParameters": {"$ref": "#/definitions/boolean"}, "omit_empty_query_parameters": {"$ref": "#/definitions/boolean"}}},
  {"type": "cloud_functions", "description": "Calls a function", "account": true, "required": ["function_id"], "options": {
    "function_id": {"type": "string"}, "tag": {"$ref": "#/definitions/text", "default": "$latest"},
    "payload_format_version": {"enum": ["0.1", "1.0", 0.1, 1.0], "default": "0.1"}, "context": {}}},
  {"type": "serverless_containers", "description": "Passes the request to a container", "account": true,
    "required": ["container_id"], "options": {"container_id": {"type": "string"}, "context": {}}},
  {"type": "object_storage", "description": "Serves an object of a bucket", "account": true, "required": ["bucket", "object"], "options": {
    "bucket": {"type": "string"}, "object": {"type": "string"}, "default_object": {"type": "string"},
    "error_object": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["object"], "properties": {
      "object": {"type": "string"}, "statusCode": {"$ref": "#/definitions/integer"}}}]},
    "presigned_redirect": {"$ref": "#/definitions/boolean", "default": false}}},
  {"type": "cloud_datasphere", "description": "Runs a node", "account": true, "required": ["folder_id", "node_id"], "options": {
    "folder_id": {"type": "string"}, "node_id": {"type": "string"}}},
  {"type": "cloud_datastreams", "description": "Writes a record to a stream", "account": true, "required": ["action", "stream_name"], "options": {
    "action": {"enum": ["PutRecord"]}, "stream_name": {"type": "string"}, "partition_key": {"$ref": "#/definitions/text"},
    "payload_format_type": {"enum": ["body", "request"], "default": "body"}}},
  {"type": "cloud_ymq", "description": "Sends a message to a queue", "account": true, "required": ["action", "queue_url"], "options": {
    "action": {"enum": ["SendMessage"]}, "queue_url": {"type": "string"}, "folder_id": {"type": "string"},
    "delay_seconds": {"$ref": "#/definitions/text"}, "payload_format_type": {"enum": ["body", "request"], "default": "body"}}},
  {"type": "cloud_ydb", "description": "Reads or writes a table", "account": true, "required": ["action", "database", "table_name"], "options": {
    "action": {"enum": ["PutItem", "GetItem", "UpdateItem", "DeleteItem", "Scan"]}, "database": {"type": "string"},
    "table_name": {"type": "string"}, "key": {"description": "JSON text"}, "update_expression": {"type": "string"},
    "expression_attribute_values": {"description": "JSON text"}, "limit": {"$ref": "#/definitions/text"},
    "exclusive_start_key": {"description": "JSON text"}}},
  {"type": "swagger", "description": "Serves Swagger UI for this document", "required": [], "options": {}}
])json";

OrderedJson parse(std::string_view text) {
  return OrderedJson::parse(text);
}

OrderedJson reference_to(std::string_view definition) {
  OrderedJson reference;
  reference["$ref"] = "#/definitions/" + std::string(definition);
  return reference;
}

/// `cloud_functions` is also spelled `cloud-functions`.
OrderedJson spellings(const std::string& type) {
  OrderedJson names = OrderedJson::array({type});
  std::string dashes = type;
  for (char& byte : dashes) {
    byte = byte == '_' ? '-' : byte;
  }
  if (dashes != type) {
    names.push_back(dashes);
  }
  return names;
}

/// One branch of the integration: chosen by its type, so that an editor tells of that type's options alone.
OrderedJson branch(const OrderedJson& entry) {
  OrderedJson options = entry.at("options");
  options["type"] = true;
  if (entry.contains("account")) {
    for (const std::string_view key : {"service_account_id", "serviceAccountId", "service_account"}) {
      options[std::string(key)] = reference_to("serviceAccount");
    }
  }
  OrderedJson rule;
  rule["if"]["required"] = OrderedJson::array({"type"});
  rule["if"]["properties"]["type"]["enum"] = spellings(entry.at("type").get<std::string>());
  rule["then"]["description"] = entry.at("description");
  rule["then"]["required"] = entry.at("required");
  rule["then"]["properties"] = std::move(options);
  rule["then"]["patternProperties"]["^x-(?!yc-|sluice-)"] = OrderedJson::object();
  rule["then"]["additionalProperties"] = false;
  return rule;
}

OrderedJson integration_schema() {
  OrderedJson types = OrderedJson::array();
  OrderedJson branches = OrderedJson::array();
  const OrderedJson entries = parse(integration_part);
  for (const OrderedJson& entry : entries) {
    for (const OrderedJson& name : spellings(entry.at("type").get<std::string>())) {
      types.push_back(name);
    }
    branches.push_back(branch(entry));
  }
  OrderedJson object;
  object["type"] = "object";
  object["required"] = OrderedJson::array({"type"});
  object["properties"]["type"]["anyOf"] = OrderedJson::array();
  object["properties"]["type"]["anyOf"].push_back({{"enum", std::move(types)}});
  object["properties"]["type"]["anyOf"].push_back(reference_to("variable"));
  object["allOf"] = std::move(branches);
  // Not anyOf: with it an editor would tell of the reference that the object is not.
  OrderedJson schema;
  schema["description"] = "What answers the request";
  schema["if"]["required"] = OrderedJson::array({"$ref"});
  schema["then"] = reference_to("reference");
  schema["else"] = std::move(object);
  return schema;
}

}  // namespace

std::string document_schema() {
  OrderedJson schema = parse(openapi_part);
  OrderedJson& definitions = schema["definitions"];
  const OrderedJson extensions = parse(extension_part);
  for (const auto& [name, definition] : extensions.items()) {
    definitions[name] = definition;
  }
  definitions["integration"] = integration_schema();
  return dump_json(schema, 2) + '\n';
}

}  // namespace sluice::spec
