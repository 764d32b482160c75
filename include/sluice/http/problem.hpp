/// The gateway's own errors as responses (spec.md section 7): JSON {"message", "requestId"}, the id in
/// X-Request-Id.
#pragma once

#include <string_view>

#include "sluice/base/json.hpp"
#include "sluice/base/result.hpp"
#include "sluice/http/message.hpp"

namespace sluice::http {

/// `extra` members are added to the JSON object (validation's `errors`). `message` empty: the reason phrase.
Response problem(int status, std::string_view message, std::string_view request_id,
                 const Json& extra = nullptr);

/// What an error is to the client.
struct ProblemStatus {
  int status;
  std::string_view message;  ///< the error's own message, else the code's text
  std::string_view slug;
};
/// The one mapper from errors to statuses: upstream connect failures and bad answers 502, timeouts 504,
/// overload 503, deadline 504, downstream invalid 400 and too_large 413, not_built 501, the rest 500.
ProblemStatus problem_status(const Error& error) noexcept;
Response problem(const Error& error, std::string_view request_id);

}  // namespace sluice::http
