// One exchange of what an account has for an IAM token: with the IAM service or the metadata service.
#pragma once

#include <optional>
#include <string>

#include "sluice/client/cloud/credentials.hpp"

namespace sluice::client::cloud {

/// What an exchange gives.
struct IssuedToken {
  std::string value;
  Duration life{};  ///< from the answer on, by the server's clock
  SystemTime ends;  ///< by the server's clock
  /// Our clock less the server's, where the difference matters; told by its Date header.
  std::optional<std::chrono::seconds> clock_ahead;
};

struct ExchangeSettings {
  Url iam;
  Url metadata;
  Duration timeout{};
};

/// The longest that a token's end may be away; more is the mistake of a server.
inline constexpr std::chrono::hours longest_token_life{24 * 366};

/// Both run on the thread of `worker`. `cancel` ends the exchange. Errors: credentials_unavailable
/// (errors.hpp) with a detail that says what to do, free of keys and tokens.
net::Awaitable<Result<IssuedToken>> exchange_key(const AuthorizedKey& key, const ExchangeSettings& settings,
                                                 HttpClient& client, net::Worker& worker, const Clock& clock,
                                                 net::CancelToken& cancel);
net::Awaitable<Result<IssuedToken>> ask_metadata(std::string_view account, const ExchangeSettings& settings,
                                                 HttpClient& client, net::Worker& worker, const Clock& clock,
                                                 net::CancelToken& cancel);

/// The answer of the IAM service. Errors: `detail` says what is wrong with it, quoting nothing.
Result<IssuedToken> read_exchange_answer(std::string_view body, SystemTime server_now);
/// Likewise that of the metadata service.
Result<IssuedToken> read_metadata_answer(std::string_view body, SystemTime server_now);
/// What a google.rpc.Status says, bounded and without control characters; empty where it says nothing.
/// Anything that holds `secret` is dropped.
std::string status_message(std::string_view body, std::string_view secret);

}  // namespace sluice::client::cloud
