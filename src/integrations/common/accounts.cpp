#include "integrations/common/accounts.hpp"

#include "sluice/base/codec.hpp"

#include "integrations/common/options.hpp"

namespace sluice::integrations {

std::string account_or_default(const gateway::BuildContext& context, const std::optional<std::string>& own) {
  return own ? *own : context.api.service_account_id;
}

std::string account_of_mapped(const gateway::BuildContext& context, const gateway::MappedTarget& target,
                              const std::string& wanted) {
  if (!target.service_account.empty()) {
    return target.service_account;
  }
  const gateway::ServiceAccount* account = context.environment.account(wanted);
  return account != nullptr && account->iam_token ? wanted : std::string();
}

bool check_account(gateway::BuildContext& context, const spec::Node& at, const std::string& id,
                   Credential need, std::string_view instead) {
  if (context.environment.mode != gateway::CompileMode::configured) {
    return true;
  }
  const Place place = context.document.place(at.mark);
  const std::string shown = sanitize_utf8(id);
  const gateway::ServiceAccount* account = context.environment.account(id);
  if (account == nullptr) {
    std::string hint = "name it: `service_accounts: {" + shown + ": {authorized_key: FILE}}`";
    if (!instead.empty()) {
      hint.append(", or ").append(instead);
    }
    context.diagnostics.error(place, "unknown-account",
                              "the " + context.operation.integration_type +
                                  " integration needs the service account " + shown +
                                  ", which the configuration does not name",
                              hint);
    return false;
  }
  if (need == Credential::iam_token && !account->iam_token) {
    if (!account->static_key) {
      return false;  // none of its credentials could be read, which the configuration has told
    }
    context.diagnostics.error(
        place, "unknown-account",
        "the service account " + shown + " has a static key only, and the " +
            context.operation.integration_type + " integration needs an IAM token",
        "give it an `authorized_key`, a `token` or `metadata: true` in the configuration");
    return false;
  }
  return true;
}

void warn_anonymous(gateway::BuildContext& context, const spec::Node& at, std::string_view what,
                    std::string_view section, const std::string& id) {
  if (context.environment.mode != gateway::CompileMode::configured) {
    return;
  }
  const std::string shown = sanitize_utf8(id);
  context.diagnostics.warning(
      context.document.place(at.mark), "called-in-cloud",
      "the " + std::string(what) + ' ' + shown +
          " is called in the cloud, anonymously: the configuration maps it nowhere, and "
          "it has no service account",
      "map it: `" + std::string(section) + ": {" + shown + ": {url: …}}`, or give it a service_account_id");
}

Error account_not_configured(std::string_view id) {
  Error error;
  error.code = ErrorCode::not_found;
  error.source = ErrorSource::config;
  error.slug = "account_not_configured";
  error.status = 502;
  error.message = "The service account \"" + sanitize_utf8(id) +
                  "\" is not known here. Name it in a configuration: service_accounts: {" +
                  sanitize_utf8(id) + ": {authorized_key: FILE}}";
  error.detail = error.message;
  return error;
}

net::Awaitable<Result<std::string>> add_token(gateway::Exchange& exchange, const std::string& account,
                                              std::optional<SteadyTime> deadline, net::CancelToken* cancel,
                                              http::Headers& headers) {
  Result<std::string> token = co_await exchange.services.credentials.token(account, deadline, cancel);
  if (!token) {
    co_return std::move(token).error();
  }
  headers.set(http::FieldId::authorization, "Bearer " + *token);
  co_return std::move(*token);
}

void note_refusal(gateway::Exchange& exchange, const std::string& account, std::string_view token,
                  int status) {
  if ((status == 401 || status == 403) && !account.empty()) {
    exchange.services.credentials.refuse_token(account, token);
  }
}

void add_token_note(const std::string& account, http::Headers& headers) {
  headers.set(http::FieldId::authorization, "Bearer (the IAM token of " + sanitize_utf8(account) + ")");
}

}  // namespace sluice::integrations
