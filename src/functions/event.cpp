#include "sluice/functions/event.hpp"

#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/functions/forwarding.hpp"
#include "sluice/http/media_type.hpp"

namespace sluice::functions {
namespace {

Json text(std::string_view value) {
  return sanitize_utf8(value);
}

/// A single-value map (the last value of a name) and the multi-value map beside it.
struct Maps {
  Json single = Json::object();
  Json multi = Json::object();

  void add(std::string_view name, std::string_view value) {
    const std::string key = sanitize_utf8(name);
    Json item = text(value);
    multi[key].push_back(item);
    single[key] = std::move(item);
  }
};

Maps header_maps(const EventInput& input) {
  const bool trusted = input.context.connection.peer_trusted;
  http::Headers end_to_end = input.request.headers;
  end_to_end.remove_hop_by_hop();
  Maps maps;
  std::string cookies;
  for (const http::Headers::Field& field : end_to_end) {
    if (is_gateway_field(field, trusted) ||
        (!input.pass_authorization && field.id == http::FieldId::authorization)) {
      continue;
    }
    if (field.id == http::FieldId::cookie) {
      cookies.append(cookies.empty() ? "" : "; ").append(field.value);
      continue;
    }
    maps.add(train_case(field.name), field.value);
  }
  if (!cookies.empty()) {
    maps.add("Cookie", cookies);
  }
  for (const http::Headers::Field& field :
       added_headers(input.request, input.context, input.gateway_id, input.function_id)) {
    maps.add(field.name, field.value);
  }
  return maps;
}

Maps query_maps(const http::Request& request) {
  Maps maps;
  for (const auto& [name, value] : http::parse_query(request.query)) {
    maps.add(name, value);
  }
  return maps;
}

/// The parameters of the document; one name in several places is the first of them that has a value.
Maps parameter_maps(const EventInput& input) {
  Maps maps;
  for (const spec::Parameter& parameter : input.parameter_set.parameters()) {
    const std::string name = sanitize_utf8(parameter.name);
    if (maps.single.contains(name)) {
      continue;
    }
    const parameters::Value& value = input.values.first(input.parameter_set.find(parameter.name));
    if (!value.present) {
      continue;
    }
    Json& list = maps.multi[name];
    list = Json::array();
    const std::string joined = value.text();
    if (parameter.shape == spec::ParameterShape::object) {
      list.push_back(text(joined));
    } else {
      for (const std::string& item : value.earlier) {
        list.push_back(text(item));
      }
      for (const std::string& item : value.items) {
        list.push_back(text(item));
      }
    }
    maps.single[name] = value.exploded ? list.back() : text(joined);
  }
  return maps;
}

Json path_parameters(const EventInput& input) {
  Json result = Json::object();
  for (const spec::Parameter& parameter : input.parameter_set.parameters()) {
    if (parameter.in != spec::ParameterIn::path) {
      continue;
    }
    if (const parameters::PathCapture* capture = input.values.capture(parameter.name)) {
      result[sanitize_utf8(parameter.name)] = text(capture->value);
    }
  }
  return result;
}

Json request_context(const EventInput& input) {
  const http::Request& request = input.request;
  Json context = Json::object();
  Json& identity = context["identity"];
  identity["sourceIp"] = input.context.client_address;
  identity["userAgent"] = text(request.headers.get(http::FieldId::user_agent).value_or(std::string_view()));
  context["httpMethod"] = request.method_text;
  context["requestId"] = text(input.context.request_id);
  context["requestTime"] = format_clf(input.now);
  context["requestTimeEpoch"] =
      std::chrono::floor<std::chrono::seconds>(input.now.time_since_epoch()).count();
  if (!input.authorizer.is_null()) {
    context["authorizer"] = input.authorizer;
  }
  if (!input.operation_context.is_null()) {
    context["apiGateway"]["operationContext"] = input.operation_context;
  }
  return context;
}

bool is_text_body(const EventInput& input) {
  const http::Headers& headers = input.request.headers;
  const auto encoding = headers.get(http::FieldId::content_encoding);
  if (encoding && !encoding->empty() && !equals_ignore_case(*encoding, "identity")) {
    return false;
  }
  const auto type = headers.get(http::FieldId::content_type);
  return type && (http::is_json_type(*type) || http::is_text_type(*type)) && is_valid_utf8(input.body);
}

std::string path_and_query(const http::Request& request) {
  std::string result = request.path.text();
  if (request.has_query) {
    result.append("?").append(request.query);
  }
  return result;
}

}  // namespace

http::Headers added_headers(const http::Request& request, const http::RequestContext& context,
                            std::string_view gateway_id, std::string_view function_id) {
  http::Headers headers;
  headers.reserve(11, 640);
  headers.add(http::FieldId::x_request_id, context.request_id);
  if (const std::string_view trace = trace_id(context); !trace.empty()) {
    headers.add("X-Trace-Id", trace);
  }
  const std::string& client = context.client_address;
  std::string remote;
  remote.reserve(client.size() + 8);
  if (client.find(':') != std::string::npos) {
    remote.append("[").append(client).append("]");
  } else {
    remote = client;
  }
  remote.append(":").append(std::to_string(context.connection.peer_port));
  headers.add("X-Real-Remote-Address", remote);
  headers.add("X-Envoy-External-Address", client);
  headers.add("X-Envoy-Original-Path", path_and_query(request));
  if (const std::string list = forwarded_for(request, context); !list.empty()) {
    headers.add(http::FieldId::x_forwarded_for, list);
  }
  headers.add(http::FieldId::x_forwarded_proto, forwarded_proto(request, context));
  headers.add("X-Serverless-Gateway-Id", gateway_id);
  if (!function_id.empty()) {
    headers.add("X-Api-Gateway-Function-Id", function_id);
  }
  if (const net::TlsInfo* tls = context.connection.tls; tls != nullptr) {
    Json ids = Json::object();
    ids[sanitize_utf8(tls->server_name.empty() ? request.host : tls->server_name)] = text(tls->certificate);
    headers.add("X-Serverless-Certificate-Ids", dump_json(ids));
  }
  return headers;
}

Json make_event(const EventInput& input, PayloadVersion version) {
  const bool v1 = version == PayloadVersion::v1_0;
  const http::Request& request = input.request;
  Json event = Json::object();
  event["httpMethod"] = request.method_text;
  Maps headers = header_maps(input);
  event["headers"] = std::move(headers.single);
  event["multiValueHeaders"] = std::move(headers.multi);
  Maps query = query_maps(request);
  event["queryStringParameters"] = std::move(query.single);
  event["multiValueQueryStringParameters"] = std::move(query.multi);
  event["requestContext"] = request_context(input);
  if (is_text_body(input) || input.body.empty()) {
    event["body"] = std::string(input.body);
    event["isBase64Encoded"] = false;
  } else {
    event["body"] = base64_encode(input.body);
    event["isBase64Encoded"] = true;
  }
  Maps params = parameter_maps(input);
  event[v1 ? "pathParameters" : "pathParams"] = path_parameters(input);
  event[v1 ? "parameters" : "params"] = std::move(params.single);
  event[v1 ? "multiValueParameters" : "multiValueParams"] = std::move(params.multi);
  if (v1) {
    event["version"] = "1.0";
    event["resource"] = text(input.path_template);
    event["path"] = request.path.text();
    event["operationId"] = text(input.operation_id);
  } else {
    event["url"] = request.path.text() + "?" + sanitize_utf8(request.query);
    event["path"] = text(input.path_template);
  }
  return event;
}

}  // namespace sluice::functions
