#include "sluice/functions/forwarding.hpp"

#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"

namespace sluice::functions {
namespace {

constexpr std::string_view unix_peer = "unix";

bool starts_with_ignore_case(std::string_view text, std::string_view lower_prefix) noexcept {
  return text.size() >= lower_prefix.size() &&
         equals_ignore_case(text.substr(0, lower_prefix.size()), lower_prefix);
}

}  // namespace

std::string forwarded_for(const http::Request& request, const http::RequestContext& context) {
  const http::ConnectionInfo& connection = context.connection;
  if (connection.peer_trusted) {
    std::string list = request.headers.joined("X-Forwarded-For");
    if (!list.empty()) {
      if (connection.peer_address != unix_peer && !connection.peer_address.empty()) {
        list.append(", ").append(connection.peer_address);
      }
      return list;
    }
  }
  const std::string& client =
      context.client_address.empty() ? connection.peer_address : context.client_address;
  return client == unix_peer ? std::string() : client;
}

std::string_view forwarded_proto(const http::Request& request, const http::RequestContext& context) noexcept {
  if (context.connection.peer_trusted) {
    const auto told = request.headers.get(http::FieldId::x_forwarded_proto);
    if (told && (equals_ignore_case(*told, "https") || equals_ignore_case(*told, "http"))) {
      return told->size() == 5 ? "https" : "http";
    }
  }
  return context.connection.secure ? "https" : "http";
}

std::string_view forwarded_host(const http::Request& request, const http::RequestContext& context) noexcept {
  if (context.connection.peer_trusted) {
    const auto told = request.headers.get(http::FieldId::x_forwarded_host);
    if (told && !told->empty()) {
      return *told;
    }
  }
  return request.authority;
}

std::string_view trace_id(const http::RequestContext& context) noexcept {
  const std::string_view parent = context.trace_parent;
  return parent.size() >= 35 ? parent.substr(3, 32) : std::string_view();
}

bool is_forwarding_field(const http::Headers::Field& field, bool peer_trusted) noexcept {
  switch (field.id) {
    case http::FieldId::x_forwarded_for:
    case http::FieldId::x_forwarded_proto:
      return true;
    case http::FieldId::x_forwarded_host:
    case http::FieldId::forwarded:
      return !peer_trusted;
    case http::FieldId::unknown:
      return !peer_trusted && starts_with_ignore_case(field.name, "x-forwarded-");
    default:
      return false;
  }
}

bool is_gateway_field(const http::Headers::Field& field, bool peer_trusted) noexcept {
  if (is_forwarding_field(field, peer_trusted) || field.id == http::FieldId::x_request_id) {
    return true;
  }
  if (field.id != http::FieldId::unknown || (field.name.front() | 0x20) != 'x') {
    return false;
  }
  constexpr std::array<std::string_view, 7> names{"x-trace-id",
                                                  "x-real-remote-address",
                                                  "x-envoy-external-address",
                                                  "x-envoy-original-path",
                                                  "x-serverless-gateway-id",
                                                  "x-api-gateway-function-id",
                                                  "x-serverless-certificate-ids"};
  return starts_with_ignore_case(field.name, "x-yc-apigateway-") ||
         std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return equals_ignore_case(field.name, name); });
}

}  // namespace sluice::functions
