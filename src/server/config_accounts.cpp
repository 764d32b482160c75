/// Service accounts and the endpoints of the cloud's services. backends.md.
#include <algorithm>
#include <array>

#include "sluice/base/codec.hpp"

#include "config_reader.hpp"

namespace sluice::server {

namespace {

using client::cloud::AccountSettings;
using client::cloud::AuthorizedKey;
using client::cloud::ServiceEndpoint;
using client::cloud::StaticKey;
using client::cloud::TokenSource;

/// What may stand in a header: a key's id, a token.
bool is_visible(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char byte) { return byte > ' ' && byte <= '~'; });
}

void read_authorized_key(Section& account, AccountSettings& settings) {
  const auto path = account.path("authorized_key");
  if (!path) {
    return;
  }
  ConfigContext& context = account.context();
  context.config.files.push_back(*path);
  const spec::Node& at = *account.node("authorized_key");
  constexpr std::string_view hint =
      "make one with `yc iam key create --service-account-id ID --output FILE` and name that file";
  const Result<std::string> text = context.sources.reader(*path);
  if (text.has_error()) {
    account.error(at, "bad-key", "the authorized key " + *path + " cannot be read: " + text.error().detail,
                  std::string(hint));
    return;
  }
  const auto key = AuthorizedKey::parse(text.value());
  if (key.has_error()) {
    account.error(at, "bad-key", *path + " is no authorized key: " + key.error().detail, std::string(hint));
    return;
  }
  settings.key = key.value();
  if (settings.key->service_account_id() != settings.id) {
    account.warning(at, "other-account",
                    "the authorized key " + *path + " belongs to the service account " +
                        sanitize_utf8(settings.key->service_account_id()) + ", whose tokens " + settings.id +
                        " gets");
  }
}

void read_static_key(Section& account, AccountSettings& settings) {
  const spec::Node* node = account.node("static_key");
  if (node == nullptr) {
    return;
  }
  Section pair(account.context(), *node, "`static_key`");
  StaticKey key;
  key.id = pair.secret("id").value_or("");
  key.secret = pair.secret("secret").value_or("");
  if (!node->is_mapping()) {
    return;
  }
  if (!pair.has("id") || !pair.has("secret")) {
    pair.error(*node, "missing-key", "`static_key` needs `id` and `secret`");
    return;
  }
  bool usable = true;
  for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>{"id", key.id},
                                    std::pair<std::string_view, const std::string&>{"secret", key.secret}}) {
    if (!is_visible(value) && pair.node(name)->is_string()) {
      pair.error(*pair.node(name), "bad-key",
                 "`" + std::string(name) +
                     "` of a static key is one word of ASCII; this one is empty or has other characters");
      usable = false;
    }
  }
  if (usable && key.id.find('/') != std::string::npos) {
    pair.error(*pair.node("id"), "bad-key", "`id` of a static key has no slash");
    usable = false;
  }
  if (usable) {
    settings.static_key = std::move(key);
  }
}

/// Which of the account's ways leads to its tokens: the preferred one, else the first of this order.
void choose_source(const std::optional<std::string>& prefer, AccountSettings& settings, bool metadata) {
  const bool key = settings.key != nullptr;
  const bool token = !settings.token.empty();
  const bool token_first = prefer == "token" || (!key && !(prefer == "metadata" && metadata));
  if (token && token_first) {
    settings.source = TokenSource::token;
  } else if (metadata && (prefer == "metadata" || !key)) {
    settings.source = TokenSource::metadata;
  } else if (key) {
    settings.source = TokenSource::authorized_key;
  }
  settings.prefer_static_key = prefer == "static_key";
}

void read_service_account(Section& root, const std::string& id, const spec::Node& value) {
  Section account(root.context(), value, "the service account " + id);
  AccountSettings settings;
  settings.id = id;
  read_authorized_key(account, settings);
  read_static_key(account, settings);
  const bool metadata = account.flag("metadata").value_or(false);
  if (const auto token = account.secret("token")) {
    if (is_visible(*token)) {
      settings.token = *token;
    } else {
      account.error(*account.node("token"), "bad-key",
                    "`token` of a service account is one word of ASCII; this one is empty or has other "
                    "characters");
    }
  }
  const auto prefer = account.one_of("prefer", {"static_key", "authorized_key", "token", "metadata"});
  if (!value.is_mapping()) {
    return;
  }
  const auto given = [&](std::string_view way) { return way == "metadata" ? metadata : account.has(way); };
  constexpr std::array<std::string_view, 4> ways{"authorized_key", "static_key", "metadata", "token"};
  if (std::none_of(ways.begin(), ways.end(), given)) {
    account.error(value, "missing-key",
                  "the service account " + id +
                      " needs one of `authorized_key`, `static_key`, `metadata: true`, `token`");
  } else if (prefer && !given(*prefer)) {
    account.error(*account.node("prefer"), "conflicting-keys",
                  "the service account " + id + " prefers `" + *prefer + "`, which it does not have");
  }
  choose_source(prefer, settings, metadata);
  root.context().config.service_accounts.push_back(std::move(settings));
}

/// The URL of a base with a path to come: the path is added where the base has none of its own.
void read_endpoint(Section& section, ServiceEndpoint& endpoint, std::string_view own_path = {}) {
  if (const auto text = section.url("endpoint")) {
    client::Url url = client::parse_url(*text).value();
    if (url.path_and_query.find('?') != std::string::npos) {
      section.error(*section.node("endpoint"), "bad-url", "`endpoint` of a service has no query");
    } else {
      if (url.path_and_query == "/" && !own_path.empty()) {
        url.path_and_query = own_path;
      }
      endpoint.url = std::move(url);
    }
  }
  if (const auto region = section.text("region")) {
    const bool usable = !region->empty() && std::all_of(region->begin(), region->end(), [](char byte) {
      return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
    });
    if (usable) {
      endpoint.region = *region;
    } else {
      section.error(*section.node("region"), "bad-region",
                    "`region` holds lower-case letters, digits, '-' and '_' only, such as ru-central1");
    }
  }
}

void read_containers_endpoint(Section& section, std::string& endpoint) {
  const auto text = section.text("endpoint");
  if (section.has("region")) {
    section.error(*section.node("region"), "conflicting-keys",
                  "`region` has no meaning for serverless_containers: no call to them is signed");
  }
  if (!text) {
    return;
  }
  std::string tried = *text;
  if (const std::size_t mark = tried.find("{id}"); mark != std::string::npos) {
    tried.replace(mark, 4, "id");
  }
  const Result<client::Url> url = client::parse_url(tried);
  if (url.has_error() || url.value().path_and_query.find('?') != std::string::npos) {
    section.error(*section.node("endpoint"), "bad-url",
                  "`endpoint` of serverless_containers is no usable URL" +
                      (url.has_error() ? ": " + url.error().detail : std::string(": it has a query")),
                  "such as https://{id}.containers.example, where {id} is the container's");
    return;
  }
  endpoint = *text;
}

}  // namespace

void read_service_accounts(Section& root) {
  const spec::Node* node = root.node("service_accounts");
  if (node == nullptr) {
    return;
  }
  for_each_member(root.context(), *node, "service_accounts",
                  [&](const std::string& id, const spec::Node& value, const spec::Member&) {
                    read_service_account(root, id, value);
                  });
}

void read_services(Section& root) {
  client::cloud::Endpoints& services = root.context().config.services;
  if (const spec::Node* node = root.node("services")) {
    Section section(root.context(), *node, "`services`");
    struct Known {
      std::string_view name;
      ServiceEndpoint* endpoint;
      std::string_view own_path{};
    };
    const std::array known{Known{"cloud_functions", &services.cloud_functions},
                           Known{"object_storage", &services.object_storage},
                           Known{"cloud_datasphere", &services.cloud_datasphere},
                           Known{"cloud_datastreams", &services.cloud_datastreams},
                           Known{"cloud_ymq", &services.cloud_ymq},
                           Known{"cloud_ydb", &services.cloud_ydb},
                           Known{"iam", &services.iam, client::cloud::iam_token_path},
                           Known{"metadata", &services.metadata, client::cloud::metadata_token_path}};
    for (const Known& service : known) {
      if (const spec::Node* one = section.node(service.name)) {
        Section inner(root.context(), *one, "the service " + std::string(service.name));
        read_endpoint(inner, *service.endpoint, service.own_path);
        if (service.name == "cloud_datasphere" || service.name == "cloud_datastreams" ||
            service.name == "cloud_ymq" || service.name == "cloud_ydb") {
          inner.not_built(*one, "`services." + std::string(service.name) + "`");
        }
      }
    }
    if (const spec::Node* one = section.node("serverless_containers")) {
      Section inner(root.context(), *one, "the service serverless_containers");
      read_containers_endpoint(inner, services.serverless_containers);
    }
  }
  // What the cloud's SDKs obey, too.
  if (const auto address = root.context().sources.environment("YC_METADATA_ADDR");
      address && !address->empty()) {
    const Result<client::Url> url =
        client::parse_url("http://" + *address + std::string(client::cloud::metadata_token_path));
    if (url.has_error()) {
      root.warning(root.self(), "bad-reference",
                   "the environment's YC_METADATA_ADDR is no host or host:port; it is ignored");
    } else {
      services.metadata.url = url.value();
    }
  }
}

std::string read_account_of(Section& section) {
  const auto id = section.text("service_account");
  if (!id || id->empty()) {
    return {};
  }
  const auto& accounts = section.context().config.service_accounts;
  const auto known = std::find_if(accounts.begin(), accounts.end(),
                                  [&](const AccountSettings& account) { return account.id == *id; });
  if (known == accounts.end()) {
    section.error(*section.node("service_account"), "unknown-account",
                  "the service account " + *id + " is not configured",
                  "add it: `service_accounts: {" + *id + ": {authorized_key: FILE}}`");
    return {};
  }
  if (known->source == TokenSource::none && !section.diagnostics().has_errors()) {
    section.error(*section.node("service_account"), "unknown-account",
                  "the service account " + *id + " has a static key only, and an IAM token is needed here",
                  "give it an `authorized_key`, a `token` or `metadata: true`");
    return {};
  }
  return *id;
}

}  // namespace sluice::server
