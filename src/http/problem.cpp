#include "sluice/http/problem.hpp"

#include "sluice/base/codec.hpp"

namespace sluice::http {
namespace {

struct CodeText {
  int status;
  std::string_view message;
};

/// By code and by who has to mend it; the texts tell a client what happened without naming what is behind.
CodeText text_of(ErrorCode code, ErrorSource source) noexcept {
  const bool downstream = source == ErrorSource::downstream;
  const bool upstream = source == ErrorSource::upstream;
  switch (code) {
    case ErrorCode::invalid:
      return downstream ? CodeText{400, "The request is malformed"}
             : upstream ? CodeText{502, "The upstream's answer is malformed"}
                        : CodeText{500, "Internal error"};
    case ErrorCode::too_large:
      return downstream ? CodeText{413, "The request is too large"}
             : upstream ? CodeText{502, "The upstream's answer is too large"}
                        : CodeText{500, "Internal error"};
    case ErrorCode::not_found:
      return downstream ? CodeText{404, "Not found"}
             : upstream ? CodeText{502, "The upstream knows no such resource"}
                        : CodeText{500, "Internal error"};
    case ErrorCode::not_built:
      return {501, "Not implemented"};
    case ErrorCode::resolve_failed:
      return {502, "The upstream's host name has no address"};
    case ErrorCode::connect_failed:
      return {502, "The upstream cannot be reached"};
    case ErrorCode::connect_timeout:
      return {504, "The upstream did not accept the connection in time"};
    case ErrorCode::tls_failed:
      return {502, "No secure connection to the upstream"};
    case ErrorCode::read_timeout:
      return downstream ? CodeText{408, "The request did not arrive in time"}
                        : CodeText{504, "The upstream did not answer in time"};
    case ErrorCode::deadline:
      return downstream ? CodeText{408, "The request did not arrive in time"}
                        : CodeText{504, "The request took too long"};
    case ErrorCode::closed:
      return downstream ? CodeText{400, "The request ended early"}
                        : CodeText{502, "The upstream closed the connection"};
    case ErrorCode::malformed:
      return downstream ? CodeText{400, "The request is malformed"}
                        : CodeText{502, "The upstream's answer is malformed"};
    case ErrorCode::cancelled:
      return {503, "The request was cancelled"};
    case ErrorCode::overloaded:
      return {503, "Too many requests wait for the upstream"};
    case ErrorCode::address_refused:
      return {502, "The upstream's address is not allowed"};
    case ErrorCode::function_error:
      return {502, "The function failed"};
    case ErrorCode::io:
    case ErrorCode::internal:
      break;
  }
  return {500, "Internal error"};
}

}  // namespace

Response problem(int status, std::string_view message, std::string_view request_id, const Json& extra) {
  if (message.empty()) {
    message = reason_phrase(status);
  }
  std::string body;
  body.reserve(message.size() + request_id.size() + 40);
  body.append("{\"message\":\"");
  append_json_escaped(body, message);
  body.append("\",\"requestId\":\"");
  append_json_escaped(body, request_id);
  body.push_back('"');
  if (extra.is_object()) {
    for (const auto& [name, value] : extra.items()) {
      body.append(",\"");
      append_json_escaped(body, name);
      body.append("\":");
      body.append(dump_json(value));
    }
  }
  body.push_back('}');

  Response response;
  response.status = status;
  response.headers.add(FieldId::content_type, "application/json");
  if (!request_id.empty()) {
    response.headers.add(FieldId::x_request_id, request_id);
  }
  response.body = std::move(body);
  return response;
}

ProblemStatus problem_status(const Error& error) noexcept {
  const CodeText text = text_of(error.code, error.source);
  const int status = error.status != 0 ? error.status : text.status;
  std::string_view message = error.message;
  if (message.empty()) {
    message = error.status != 0 && error.status != text.status ? reason_phrase(status) : text.message;
  }
  return {status, message, error.slug.empty() ? slug_of(error.code) : error.slug};
}

Response problem(const Error& error, std::string_view request_id) {
  const ProblemStatus status = problem_status(error);
  return problem(status.status, status.message, request_id);
}

}  // namespace sluice::http
