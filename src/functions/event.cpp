#include "sluice/functions/event.hpp"

#include <algorithm>
#include <deque>
#include <vector>

#include "sluice/base/codec.hpp"
#include "sluice/base/json_writer.hpp"
#include "sluice/functions/forwarding.hpp"
#include "sluice/http/media_type.hpp"

namespace sluice::functions {
namespace {

/// Names and values in the order in which they came, for a single-value map (the last value of a name) and
/// the multi-value map beside it. Values are views of what outlives it.
class Pairs {
 public:
  void reserve(std::size_t count) { entries_.reserve(count); }
  void add(std::string_view name, std::string_view value) {
    if (is_valid_utf8(name)) {
      entries_.push_back({name, value, entries_.size()});
    } else {
      add_owned(sanitize_utf8(name), value);
    }
  }
  void add_owned(std::string name, std::string_view value) {
    entries_.push_back({owned_.emplace_back(std::move(name)), value, entries_.size()});
  }

  void write(JsonWriter& out, std::string_view single, std::string_view multi) {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& left, const Entry& right) {
      const int order = left.name.compare(right.name);
      return order != 0 ? order < 0 : left.place < right.place;
    });
    out.plain_key(single);
    out.begin_object();
    for (std::size_t at = 0; at < entries_.size(); ++at) {
      if (at + 1 == entries_.size() || entries_[at + 1].name != entries_[at].name) {
        out.key(entries_[at].name);
        out.value(entries_[at].value);
      }
    }
    out.end_object();
    out.plain_key(multi);
    out.begin_object();
    for (std::size_t at = 0; at < entries_.size();) {
      const std::string_view name = entries_[at].name;
      out.key(name);
      out.begin_array();
      for (; at < entries_.size() && entries_[at].name == name; ++at) {
        out.value(entries_[at].value);
      }
      out.end_array();
    }
    out.end_object();
  }

 private:
  struct Entry {
    std::string_view name;
    std::string_view value;
    std::size_t place;
  };
  std::vector<Entry> entries_;
  std::deque<std::string> owned_;
};

void write_headers(JsonWriter& out, const EventInput& input) {
  const bool trusted = input.context.connection.peer_trusted;
  http::Headers end_to_end = input.request.headers;
  end_to_end.remove_hop_by_hop();
  const http::Headers added =
      added_headers(input.request, input.context, input.gateway_id, input.function_id);
  Pairs pairs;
  pairs.reserve(end_to_end.size() + added.size());
  std::string cookies;
  for (const http::Headers::Field& field : end_to_end) {
    if (is_gateway_field(field, trusted) ||
        (!input.pass_authorization && field.id == http::FieldId::authorization)) {
      continue;
    }
    if (field.id == http::FieldId::cookie) {
      cookies.append(cookies.empty() ? "" : "; ").append(field.value);
    } else {
      pairs.add_owned(train_case(field.name), field.value);
    }
  }
  if (!cookies.empty()) {
    pairs.add("Cookie", cookies);
  }
  for (const http::Headers::Field& field : added) {
    pairs.add(field.name, field.value);
  }
  pairs.write(out, "headers", "multiValueHeaders");
}

void write_query(JsonWriter& out, const http::Request& request) {
  const auto query = http::parse_query(request.query);
  Pairs pairs;
  pairs.reserve(query.size());
  for (const auto& [name, value] : query) {
    pairs.add(name, value);
  }
  pairs.write(out, "queryStringParameters", "multiValueQueryStringParameters");
}

/// The parameters of the document that have a value; one name in several places is the first of them that
/// has.
std::vector<std::pair<const spec::Parameter*, const parameters::Value*>> present_parameters(
    const EventInput& input) {
  std::vector<std::pair<const spec::Parameter*, const parameters::Value*>> present;
  for (const spec::Parameter& parameter : input.parameter_set.parameters()) {
    const auto same = [&](const auto& other) { return other.first->name == parameter.name; };
    if (std::any_of(present.begin(), present.end(), same)) {
      continue;
    }
    const parameters::Value& value = input.values.first(input.parameter_set.find(parameter.name));
    if (value.present) {
      present.emplace_back(&parameter, &value);
    }
  }
  return present;
}

void write_parameters(JsonWriter& out, const EventInput& input, bool v1) {
  const auto present = present_parameters(input);
  out.plain_key(v1 ? "parameters" : "params");
  out.begin_object();
  for (const auto& [parameter, value] : present) {
    const bool last_only =
        value->exploded && parameter->shape != spec::ParameterShape::object && !value->items.empty();
    out.key(parameter->name);
    out.value(last_only ? value->items.back() : value->text());
  }
  out.end_object();
  out.plain_key(v1 ? "multiValueParameters" : "multiValueParams");
  out.begin_object();
  for (const auto& [parameter, value] : present) {
    out.key(parameter->name);
    out.begin_array();
    if (parameter->shape == spec::ParameterShape::object) {
      out.value(value->text());
    } else {
      for (const std::vector<std::string>* const items : {&value->earlier, &value->items}) {
        for (const std::string& item : *items) {
          out.value(item);
        }
      }
    }
    out.end_array();
  }
  out.end_object();
}

void write_path_parameters(JsonWriter& out, const EventInput& input, bool v1) {
  out.plain_key(v1 ? "pathParameters" : "pathParams");
  out.begin_object();
  for (const spec::Parameter& parameter : input.parameter_set.parameters()) {
    if (parameter.in == spec::ParameterIn::path) {
      if (const parameters::PathCapture* capture = input.values.capture(parameter.name)) {
        out.key(parameter.name);
        out.value(capture->value);
      }
    }
  }
  out.end_object();
}

void write_request_context(JsonWriter& out, const EventInput& input) {
  const http::Headers& headers = input.request.headers;
  out.plain_key("requestContext");
  out.begin_object();
  out.plain_key("identity");
  out.begin_object();
  out.member("sourceIp", input.context.client_address);
  out.member("userAgent", headers.get(http::FieldId::user_agent).value_or(std::string_view()));
  out.end_object();
  out.member("httpMethod", input.request.method_text);
  out.member("requestId", input.context.request_id);
  out.member("requestTime", format_clf(input.now));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(input.now.time_since_epoch());
  out.member("requestTimeEpoch", std::int64_t{seconds.count()});
  if (!input.authorizer.is_null()) {
    out.plain_key("authorizer");
    out.raw(dump_json(input.authorizer));
  }
  if (!input.operation_context.is_null()) {
    out.plain_key("apiGateway");
    out.begin_object();
    out.plain_key("operationContext");
    out.raw(dump_json(input.operation_context));
    out.end_object();
  }
  out.end_object();
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
    ids[sanitize_utf8(tls->server_name.empty() ? request.host : tls->server_name)] =
        sanitize_utf8(tls->certificate);
    headers.add("X-Serverless-Certificate-Ids", dump_json(ids));
  }
  return headers;
}

std::string make_event(const EventInput& input, PayloadVersion version) {
  const bool v1 = version == PayloadVersion::v1_0;
  const http::Request& request = input.request;
  const std::string path = request.path.text();
  const bool as_text = input.body.empty() || is_text_body(input);
  std::string event;
  constexpr std::size_t usual = 3072;
  event.reserve(usual + input.body.size() + (as_text ? 0 : input.body.size() / 3 + 4));
  JsonWriter out(event);
  out.begin_object();
  if (v1) {
    out.member("version", "1.0");
    out.member("resource", input.path_template);
    out.member("path", path);
    out.member("operationId", input.operation_id);
  } else {
    out.member("url", path + "?" + request.query);
    out.member("path", input.path_template);
  }
  out.member("httpMethod", request.method_text);
  write_headers(out, input);
  write_query(out, request);
  write_path_parameters(out, input, v1);
  write_parameters(out, input, v1);
  write_request_context(out, input);
  if (as_text) {
    out.member("body", input.body);
  } else {
    out.member("body", base64_encode(input.body));
  }
  out.member("isBase64Encoded", !as_text);
  out.end_object();
  return event;
}

}  // namespace sluice::functions
