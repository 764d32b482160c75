// A request, its surroundings and the event of it.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "sluice/functions/event.hpp"

namespace sluice::functions::test {

/// A request as the server would hand it over, with what surrounds it.
class Fixture {
 public:
  Fixture(std::string method, std::string target,
          const std::vector<std::pair<std::string, std::string>>& headers) {
    request.method_text = std::move(method);
    request.method = http::parse_method(request.method_text);
    request.target = std::move(target);
    const http::Target split = http::split_target(request.target).value();
    request.raw_path = split.path;
    request.query = split.query;
    request.has_query = split.has_query;
    request.path = http::CanonicalPath::parse(split.path).value();
    for (const auto& [name, value] : headers) {
      request.headers.add(name, value);
    }
    request.authority = request.headers.get(http::FieldId::host).value_or("");
    request.host = http::host_of_authority(request.authority);
    connection.peer_address = "192.0.2.7";
    connection.peer_port = 51000;
    context.request_id = "2f1c6f4e-0000-4000-8000-000000000001";
    context.client_address = "192.0.2.7";
    context.trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() = default;

  [[nodiscard]] EventInput input() {
    values = parameters::Values::extract(set, request, captures);
    return EventInput{.request = request,
                      .context = context,
                      .gateway_id = "shop",
                      .path_template = path_template,
                      .operation_id = "getPet",
                      .function_id = "d4eEXAMPLE1",
                      .parameter_set = set,
                      .values = values,
                      .body = body,
                      .authorizer = nullptr,
                      .operation_context = nullptr,
                      .pass_authorization = true,
                      .now = std::chrono::system_clock::from_time_t(1798020000)};
  }

  net::Worker worker{0};
  http::ConnectionInfo connection;
  http::Request request;
  http::RequestContext context{worker, connection};
  parameters::ParameterSet set{{}};
  parameters::Values values;
  std::vector<parameters::PathCapture> captures;
  std::string path_template = "/";
  std::string body;
};

inline std::string read_data(const std::string& name) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/tests/unit/functions/data/" + name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace sluice::functions::test
