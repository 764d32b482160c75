/// Service accounts of integrations: whose credentials a call carries, and what is said where there are none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/gateway/integration.hpp"

namespace sluice::integrations {

enum class Credential : std::uint8_t { iam_token, any };

/// The integration's own account, else the document's; "" without both.
std::string account_or_default(const gateway::BuildContext& context, const std::optional<std::string>& own);
/// The account of a call to what the configuration maps: the mapping's own, else `wanted` where the
/// configuration gives it IAM tokens; "" otherwise, as such a call needs none.
std::string account_of_mapped(const gateway::BuildContext& context, const gateway::MappedTarget& target,
                              const std::string& wanted);
/// Under a configuration, reports an account that it does not name, or that has not what is needed.
/// `instead` is what the hint offers besides ("map the function: …"), may be empty.
bool check_account(gateway::BuildContext& context, const spec::Node& at, const std::string& id,
                   Credential need, std::string_view instead = {});
/// Under a configuration: what is mapped nowhere and has no account is called in the cloud, anonymously,
/// which is rarely meant. "function", "functions".
void warn_anonymous(gateway::BuildContext& context, const spec::Node& at, std::string_view what,
                    std::string_view section, const std::string& id);
/// 502 under `serve --spec`: names the key to add.
Error account_not_configured(std::string_view id);

/// Puts `Authorization: Bearer TOKEN` in place of any other, and gives the token. Errors: those of
/// Credentials::token().
net::Awaitable<Result<std::string>> add_token(gateway::Exchange& exchange, const std::string& account,
                                              std::optional<SteadyTime> deadline, net::CancelToken* cancel,
                                              http::Headers& headers);
/// Looks at the status that a call with `token` got: where the token was not taken, the next calls get
/// another one. The call itself is not repeated: what is behind may have seen to it.
void note_refusal(gateway::Exchange& exchange, const std::string& account, std::string_view token,
                  int status);
/// What `explain` shows in its place.
void add_token_note(const std::string& account, http::Headers& headers);

}  // namespace sluice::integrations
