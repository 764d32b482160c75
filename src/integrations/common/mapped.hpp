/// Functions and containers that the configuration maps to a URL, and what is said of those that it does not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/client/http_client.hpp"
#include "sluice/gateway/integration.hpp"
#include "sluice/net/timer_wheel.hpp"

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

/// Ends a call at the exchange's deadline, and at nothing else: for calls that go on when the client has
/// gone. Lives on the caller's frame while the call is under way.
class CallDeadline {
 public:
  CallDeadline(net::Worker& worker, std::optional<SteadyTime> deadline);
  CallDeadline(const CallDeadline&) = delete;
  CallDeadline& operator=(const CallDeadline&) = delete;
  ~CallDeadline() = default;

  [[nodiscard]] net::CancelToken& token() noexcept { return token_; }
  /// `error`, or `deadline` where it is this that ended the call.
  [[nodiscard]] Error explain(Error error) const;

 private:
  net::CancelToken token_;
  net::Timer timer_;
};

}  // namespace sluice::integrations
