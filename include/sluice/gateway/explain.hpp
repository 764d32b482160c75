/// What would become of a request: `sluice explain`. Runs the same router, substitution and integrations as
/// the pipeline, and sends nothing. daemon.md, "Command line".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sluice/base/json.hpp"
#include "sluice/gateway/gateway.hpp"

namespace sluice::gateway {

struct ExplainRequest {
  std::string method = "GET";
  std::string url;  ///< an absolute http: or https: URL, or a path with query
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;
};

/// Members: "request" {method, path (canonical), query, host, headers}, "matched" (bool), "candidates"
/// [{template, verdict, reason}] in match order, "route" {template, method, operationId, integration, place},
/// "parameters" [{name, in, value, source}], "steps" [{step, result}] in the order of spec.md section 5,
/// "integration" (what Integration::explain gives) and "status" where the gateway itself would answer.
/// Authorization, cookies, API keys (those that the document's security schemes name, too), tokens and
/// remembered secrets are masked. A path that the gateway would refuse with 400 matches nothing.
///
/// Errors (invalid, downstream): the URL, method or a header cannot be part of a request; the message names
/// it.
Result<OrderedJson> explain(const Gateway& gateway, const ExplainRequest& request);
/// The same for people.
std::string explain_text(const OrderedJson& explanation);

/// Masks in place: values under names that hold credentials (Authorization, Cookie, X-Api-Key, tokens), query
/// parameters of such names in URLs, and remembered secrets in any text. `more_names` hold credentials as
/// well.
void mask_json(OrderedJson& value, const std::vector<std::string>& more_names = {});
/// "Authorization", "x-api-key", "access_token", "X-Amz-Signature": the value is nobody's business.
bool is_secret_name(std::string_view name);

}  // namespace sluice::gateway
