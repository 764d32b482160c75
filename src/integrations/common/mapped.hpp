/// Functions and containers that the configuration maps to a URL, and what is said of those that it does not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/client/http_client.hpp"
#include "sluice/gateway/integration.hpp"
#include "sluice/net/deadline_token.hpp"

namespace sluice::integrations {

/// 502: the id leads nowhere; names the key to add: `functions: {ID: {url: …}}`.
Error not_mapped(std::string_view what, std::string_view section, std::string_view id,
                 std::string_view target = "url: \"http://…\"");

/// The path of a base URL without its final slash, and its query.
struct BasePath {
  std::string path;
  std::string query;  ///< without '?'
};
BasePath split_base(const client::Url& url);

/// The request's body whole: what a phase has read already, or all that comes. Errors: too_large (413) beyond
/// `limit`; those of reading it.
net::Awaitable<Result<std::string>> whole_body(gateway::Exchange& exchange, std::size_t limit);

/// `error` of a call under `deadline`, or code `deadline` where it is the time that ended it.
Error explain_end(const net::DeadlineToken& deadline, Error error);

}  // namespace sluice::integrations
