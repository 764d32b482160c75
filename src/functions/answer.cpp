#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"
#include "sluice/functions/event.hpp"
#include "sluice/http/problem.hpp"

namespace sluice::functions {
namespace {

constexpr std::size_t quoted_bytes = 1024;
constexpr std::string_view slug_answer = "function_bad_answer";

/// The start of an answer for the log: at most 1 KiB, cut between characters.
std::string quote(std::string_view answer) {
  std::size_t size = std::min(answer.size(), quoted_bytes);
  while (size > 0 && size < answer.size() && (static_cast<unsigned char>(answer[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  return sanitize_utf8(answer.substr(0, size)).substr(0, quoted_bytes);
}

/// `what` is for the client too, so it never quotes the answer.
Error bad_answer(std::string what) {
  Error error = upstream_error(ErrorCode::malformed, what);
  error.slug = slug_answer;
  error.status = 502;
  error.message = "The function's answer is not usable: " + std::move(what);
  return error;
}

constexpr std::array<std::string_view, 5> known_keys{"statusCode", "headers", "multiValueHeaders", "body",
                                                     "isBase64Encoded"};

Result<void> check_keys(const Json& answer) {
  for (const auto& [key, value] : answer.items()) {
    for (const std::string_view known : known_keys) {
      if (key != known && equals_ignore_case(key, known)) {
        return bad_answer("it has the key \"" + std::string(known) +
                          "\" in another case; keys are case-sensitive");
      }
    }
  }
  return {};
}

Result<int> read_status(const Json& answer) {
  const auto found = answer.find("statusCode");
  if (found == answer.end() || found->is_null()) {
    return 200;
  }
  double status = 0;
  if (found->is_number()) {
    status = found->get<double>();
  } else if (found->is_string()) {
    const auto& digits = found->get_ref<const std::string&>();
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) {
      return bad_answer("statusCode is a string that is no status; write a number from 200 to 599");
    }
    status = std::stoi(digits);
  } else {
    return bad_answer("statusCode is no number");
  }
  if (!(status >= 200 && status <= 599) || status != static_cast<int>(status)) {
    return bad_answer("statusCode is no status from 200 to 599");
  }
  return static_cast<int>(status);
}

/// Fields that are the gateway's own, or would mislead the client (events.md, "Answer of a function").
bool is_removed(http::FieldId id) noexcept {
  switch (id) {
    case http::FieldId::host:
    case http::FieldId::authorization:
    case http::FieldId::user_agent:
    case http::FieldId::max_forwards:
    case http::FieldId::cookie:
    case http::FieldId::content_length:
    case http::FieldId::transfer_encoding:
    case http::FieldId::date:
      return true;
    default:
      return false;
  }
}

Result<void> add_header(http::Headers& headers, std::string_view map, std::string_view name,
                        const Json& value) {
  if (value.is_null()) {
    return {};
  }
  if (value.is_structured()) {
    return bad_answer(std::string(map) + " holds a value that is no string");
  }
  const std::string content = value.is_string() ? value.get<std::string>() : dump_json(value);
  if (!is_field_value(content)) {
    return bad_answer(std::string(map) + " holds a value with CR, LF, NUL or another control character");
  }
  if (!is_removed(http::field_id(name))) {
    headers.add(name, trim(content));
  }
  return {};
}

/// headers (a list is taken as several values) and multiValueHeaders (a single value as a list of one).
Result<void> read_headers(const Json& answer, http::Headers& headers) {
  constexpr std::string_view single = "headers";
  constexpr std::string_view multi = "multiValueHeaders";
  for (const std::string_view map : {multi, single}) {
    const auto found = answer.find(map);
    if (found == answer.end() || found->is_null()) {
      continue;
    }
    if (!found->is_object()) {
      return bad_answer(std::string(map) + " is no object");
    }
    const std::size_t from_multi = map == single ? headers.size() : 0;
    for (const auto& [name, value] : found->items()) {
      if (!is_token(name)) {
        return bad_answer(std::string(map) + " holds a name that is no header's name");
      }
      bool overridden = false;
      for (std::size_t index = 0; index < from_multi; ++index) {
        overridden = overridden || equals_ignore_case(headers[index].name, name);
      }
      if (overridden) {
        continue;
      }
      if (!value.is_array()) {
        if (Result<void> added = add_header(headers, map, name, value); !added) {
          return added;
        }
        continue;
      }
      for (const Json& item : value) {
        if (Result<void> added = add_header(headers, map, name, item); !added) {
          return added;
        }
      }
    }
  }
  headers.remove_hop_by_hop();
  return {};
}

Result<std::string> read_body(const Json& answer, http::Headers& headers) {
  bool encoded = false;
  if (const auto found = answer.find("isBase64Encoded"); found != answer.end() && !found->is_null()) {
    if (!found->is_boolean()) {
      return bad_answer("isBase64Encoded is neither true nor false");
    }
    encoded = found->get<bool>();
  }
  const auto found = answer.find("body");
  if (found == answer.end() || found->is_null()) {
    return std::string();
  }
  if (!found->is_string()) {
    if (encoded) {
      return bad_answer("isBase64Encoded is true, but body is no string");
    }
    if (!headers.contains(http::FieldId::content_type)) {
      headers.add(http::FieldId::content_type, "application/json");
    }
    return dump_json(*found);
  }
  const auto& body = found->get_ref<const std::string&>();
  if (!encoded) {
    return body;
  }
  std::optional<std::string> decoded = base64_decode(body);
  if (!decoded) {
    return bad_answer("isBase64Encoded is true, but body is no base64");
  }
  return std::move(*decoded);
}

/// A failure of the user's code: {errorMessage, errorType, stackTrace}.
http::Response failed_function(std::string_view body, std::string_view request_id) {
  Json extra = Json::object();
  if (const Result<Json> failure = parse_json(body); failure && failure->is_object()) {
    for (const std::string_view key : {"errorMessage", "errorType"}) {
      if (const auto found = failure->find(key); found != failure->end() && found->is_string()) {
        extra[std::string(key)] = *found;
      }
    }
  }
  http::Response response = http::problem(502, "The function failed", request_id, extra);
  response.headers.add("X-Function-Error", "true");
  return response;
}

struct ServiceStatus {
  int status;
  std::string_view message;
};

ServiceStatus service_status(int status) noexcept {
  switch (status) {
    case 403:
      return {502, "The function may not be called"};
    case 404:
      return {502, "The function does not exist"};
    case 413:
      return {413, "The request is too large for the function"};
    case 429:
      return {429, "Too many calls of the function"};
    case 503:
      return {503, "The function is not available"};
    case 504:
      return {504, "The function did not answer in time"};
    default:
      return {502, "The function could not be called"};
  }
}

}  // namespace

Result<http::Response> parse_answer(std::string_view json) {
  const auto described = [&](Error error) {
    error.detail.append("; the answer: ").append(quote(json));
    return error;
  };
  const Result<Json> parsed = parse_json(json);
  if (!parsed) {
    return described(bad_answer(parsed.error().code == ErrorCode::too_large
                                    ? "it is too large or too deeply nested"
                                    : "it is no JSON"));
  }
  const Json& answer = *parsed;
  if (!answer.is_object()) {
    return described(bad_answer("it is no JSON object"));
  }
  if (const Result<void> checked = check_keys(answer); !checked) {
    return described(checked.error());
  }
  http::Response response;
  const Result<int> status = read_status(answer);
  if (!status) {
    return described(status.error());
  }
  response.status = *status;
  if (const Result<void> headers = read_headers(answer, response.headers); !headers) {
    return described(headers.error());
  }
  Result<std::string> body = read_body(answer, response.headers);
  if (!body) {
    return described(body.error());
  }
  if (!body->empty() && response.status != 204 && response.status != 304) {
    response.body = std::move(*body);
  }
  return response;
}

http::Response map_invocation(int status, const http::Headers& headers, std::string_view body,
                              std::string_view request_id, InvocationLog& log) {
  const bool failed =
      status == 502 || equals_ignore_case(headers.get("X-Function-Error").value_or("false"), "true");
  if (failed) {
    log = {"function_error", "the function failed: " + quote(body)};
    return failed_function(body, request_id);
  }
  if (status >= 200 && status < 300) {
    Result<http::Response> answer = parse_answer(body);
    if (answer) {
      return std::move(*answer);
    }
    log = {slug_answer, answer.error().detail};
    return http::problem(answer.error(), request_id);
  }
  const ServiceStatus mapped = service_status(status);
  log = {"function_refused",
         "the functions endpoint answered " + std::to_string(status) + ": " + quote(body)};
  http::Response response = http::problem(mapped.status, mapped.message, request_id);
  if (mapped.status == 429 || mapped.status == 503) {
    if (const auto after = headers.get("Retry-After"); after && is_field_value(*after)) {
      response.headers.add("Retry-After", *after);
    }
  }
  return response;
}

}  // namespace sluice::functions
