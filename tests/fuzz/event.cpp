// Events of functions: whatever head and body came, the event is one JSON text without a name twice, says of
// every header, parameter and body just what came, and takes nothing over that only the gateway may say.
//
// Input: a flag byte (1: format 1.0, 2: profile cloud, 4: a trusted peer), then a request head and the body
// behind it.
#include "sluice/functions/event.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/codec.hpp"
#include "sluice/base/json.hpp"
#include "sluice/http/h1/parser.hpp"
#include "sluice/http/target.hpp"

#include "fuzz/parameters.hpp"
#include "support/repeated_names.hpp"

namespace {

using namespace sluice;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

Json strictly_parsed(const std::string& text) {
  require(testing_support::repeated_names(text).empty());
  // nlohmann refuses ill-formed UTF-8 and control characters that were not escaped.
  Json event = Json::parse(text, nullptr, false);
  require(event.is_object());
  return event;
}

using Multi = std::map<std::string, std::vector<std::string>>;

void require_same(const Json& single, const Json& multi, const Multi& wanted) {
  require(single.size() == wanted.size() && multi.size() == wanted.size());
  for (const auto& [name, values] : wanted) {
    require(multi.at(name) == Json(values));
    require(single.at(name) == values.back());
  }
}

void check_query(const Json& event, const http::Request& request) {
  Multi wanted;
  for (const auto& [name, value] : http::parse_query(request.query)) {
    wanted[sanitize_utf8(name)].push_back(sanitize_utf8(value));
  }
  require_same(event.at("queryStringParameters"), event.at("multiValueQueryStringParameters"), wanted);
}

void check_headers(const Json& event, const http::Request& request, const http::RequestContext& context,
                   bool cloud) {
  const Json& multi = event.at("multiValueHeaders");
  const Json& single = event.at("headers");
  require(single.size() == multi.size());
  for (const auto& [name, values] : multi.items()) {
    require(name == train_case(name) && !values.empty() && single.at(name) == values.back());
  }
  // What the gateway alone says is said once, and by it.
  const http::Headers added = functions::added_headers(request, context, "shop", "fn");
  for (const http::Headers::Field& field : added) {
    require(multi.at(std::string(field.name)) == Json(std::vector<std::string>{sanitize_utf8(field.value)}));
  }
  require(!cloud || !single.contains("Authorization"));
  for (const char* hop : {"Connection", "Keep-Alive", "Transfer-Encoding", "Te", "Upgrade", "Trailer"}) {
    require(!single.contains(hop));
  }
  http::Headers end_to_end = request.headers;
  end_to_end.remove_hop_by_hop();
  for (const http::Headers::Field& field : end_to_end) {
    const std::string name = train_case(field.name);
    if (field.id == http::FieldId::cookie || (cloud && field.id == http::FieldId::authorization) ||
        name.starts_with("X-")) {
      continue;
    }
    const Json& values = multi.at(name);
    require(std::find(values.begin(), values.end(), sanitize_utf8(field.value)) != values.end());
  }
}

void check_body(const Json& event, std::string_view body) {
  const auto& text = event.at("body").get_ref<const std::string&>();
  if (event.at("isBase64Encoded").get<bool>()) {
    const auto decoded = base64_decode(text);
    require(decoded.has_value() && *decoded == body);
  } else {
    require(text == body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) {
    return 0;
  }
  const auto flags = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  static const http::ServerLimits limits;
  http::Request request;
  http::h1::RequestHeadParser parser;
  const Result<std::size_t> head = parser.parse(text, limits, request);
  if (head.has_error() || *head == 0) {
    return 0;
  }
  const std::string_view body = text.substr(*head);
  const bool v1 = (flags & 1U) != 0;
  const bool cloud = (flags & 2U) != 0;

  static net::Worker worker{0};
  http::ConnectionInfo connection;
  connection.peer_address = "192.0.2.7";
  connection.peer_port = 51000;
  connection.peer_trusted = (flags & 4U) != 0;
  http::RequestContext context{worker, connection};
  context.request_id = "id-1";
  context.client_address = (flags & 8U) != 0 ? "2001:db8::7" : "192.0.2.7";
  context.trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  parameters::PathCapture capture;
  capture.name = "rest";
  capture.value = percent_decode_lenient(request.path.text(), false);
  capture.segments = {capture.value};
  const parameters::Values values = parameters::Values::extract(fuzz::parameter_set(), request, {capture});
  const functions::EventInput input{.request = request,
                                    .context = context,
                                    .gateway_id = "shop",
                                    .path_template = "/{rest+}",
                                    .operation_id = "getIt",
                                    .function_id = "fn",
                                    .parameter_set = fuzz::parameter_set(),
                                    .values = values,
                                    .body = body,
                                    .authorizer = nullptr,
                                    .operation_context = nullptr,
                                    .pass_authorization = !cloud,
                                    .now = std::chrono::system_clock::from_time_t(1798020000)};
  const Json event = strictly_parsed(
      functions::make_event(input, v1 ? functions::PayloadVersion::v1_0 : functions::PayloadVersion::v0_1));

  require(event.at("httpMethod") == request.method_text);
  require(event.at(v1 ? "resource" : "path") == "/{rest+}");
  require(event.at(v1 ? "path" : "url") ==
          sanitize_utf8(request.path.text() + (v1 ? "" : "?" + request.query)));
  require(event.at(v1 ? "pathParameters" : "pathParams").at("rest") == sanitize_utf8(capture.value));
  const Json& single = event.at(v1 ? "parameters" : "params");
  const Json& multi = event.at(v1 ? "multiValueParameters" : "multiValueParams");
  require(single.size() == multi.size() && single.contains("rest") && single.contains("c"));
  for (const auto& [name, value] : single.items()) {
    require(value.is_string() && !fuzz::parameter_set().find(name).empty() && multi.at(name).is_array());
  }
  require(event.at("requestContext").at("requestId") == "id-1");
  check_query(event, request);
  check_headers(event, request, context, cloud);
  check_body(event, body);
  return 0;
}
