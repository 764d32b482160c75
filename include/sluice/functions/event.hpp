/// Events of functions (v0.1 and v1.0), and what their answers mean. events.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/json.hpp"
#include "sluice/base/result.hpp"
#include "sluice/http/handler.hpp"
#include "sluice/parameters/values.hpp"

namespace sluice::functions {

enum class PayloadVersion : std::uint8_t { v0_1, v1_0 };

/// Everything an event is made of.
struct EventInput {
  const http::Request& request;
  const http::RequestContext& context;
  std::string_view gateway_id;
  std::string_view path_template;
  std::string_view operation_id;
  std::string_view function_id;  ///< empty: no X-Api-Gateway-Function-Id
  const parameters::ParameterSet& parameter_set;
  const parameters::Values& values;
  std::string_view body;             ///< whole
  Json authorizer = nullptr;         ///< null: absent
  Json operation_context = nullptr;  ///< null: absent; parameters substituted already
  bool pass_authorization = true;    ///< false in profile cloud
  SystemTime now{};
};

/// The event as JSON text.
std::string make_event(const EventInput& input, PayloadVersion version);

/// The headers that functions and containers get besides the client's (X-Request-Id …
/// X-Serverless-Certificate-Ids), in Train-Case; those of a client under these names are never taken over.
http::Headers added_headers(const http::Request& request, const http::RequestContext& context,
                            std::string_view gateway_id, std::string_view function_id);

/// A function's answer (JSON text) as a response. Errors (malformed, upstream): the message names the
/// mistake.
Result<http::Response> parse_answer(std::string_view json);

/// What the log says of an invocation that brought no usable answer; empty otherwise.
struct InvocationLog {
  std::string_view slug;  ///< "function_error", "function_bad_answer", "function_refused"; static storage
  std::string detail;     ///< quotes at most 1 KiB of what came
};

/// The response of a functions endpoint to an invocation, mapped as events.md says ("Answer of a function").
/// `status`, `headers`, `body` are the endpoint's.
http::Response map_invocation(int status, const http::Headers& headers, std::string_view body,
                              std::string_view request_id, InvocationLog& log);

}  // namespace sluice::functions
