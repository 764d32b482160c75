#include "integrations/object_storage/s3_store.hpp"

#include <algorithm>
#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/client/cloud/sigv4.hpp"
#include "sluice/net/timer_wheel.hpp"

#include "integrations/common/accounts.hpp"
#include "integrations/common/mapped.hpp"
#include "integrations/common/options.hpp"
#include "integrations/object_storage/s3_error.hpp"

namespace sluice::integrations {
namespace {

namespace cloud = client::cloud;

/// An error's document is read for the log, and so that its connection can be kept.
constexpr std::size_t most_error_document = std::size_t{64} << 10U;
constexpr std::chrono::seconds longest_error_document{2};

/// "." and ".." segments: whoever normalizes paths on the way would make another object of them, even one of
/// another bucket.
bool has_dot_segment(std::string_view key) {
  while (true) {
    const std::size_t slash = std::min(key.find('/'), key.size());
    const std::string_view segment = key.substr(0, slash);
    if (segment == "." || segment == "..") {
      return true;
    }
    if (slash == key.size()) {
      return false;
    }
    key.remove_prefix(slash + 1);
  }
}

/// What the store says in place of an object.
struct S3Error {
  std::string code;
  std::string text;  ///< for the log
};

/// Whether another token could bring another answer. A 403 without a code is that of HEAD.
bool may_be_the_token(int status, std::string_view code) {
  return status == 401 || status == 403 ||
         (status == 400 && (code == "ExpiredToken" || code == "InvalidToken"));
}

struct S3Settings {
  std::string bucket;
  std::string account;  ///< empty: anonymous
  bool has_static_key = false;
  cloud::ServiceEndpoint endpoint;
  std::chrono::seconds presigned_lifetime{};
  Duration connect_timeout{};
  Duration read_timeout{};
};

class S3Store final : public ObjectStore {
 public:
  explicit S3Store(S3Settings settings) : settings_(std::move(settings)), base_(base_path()) {}

  net::Awaitable<Result<http::Response>> get(const ObjectRequest& request,
                                             gateway::Exchange& exchange) const override;
  [[nodiscard]] bool presigns() const noexcept override {
    return settings_.account.empty() || settings_.has_static_key;
  }
  net::Awaitable<Result<std::string>> presigned_url(std::string_view key,
                                                    gateway::Exchange& exchange) const override;
  [[nodiscard]] OrderedJson explain(const ObjectRequest& request, gateway::Exchange& exchange) const override;

 private:
  [[nodiscard]] std::string base_path() const {
    std::string path = split_base(settings_.endpoint.url).path;
    path.push_back('/');
    append_percent_encoded(path, settings_.bucket, PercentSet::unreserved);
    path.push_back('/');
    return path;
  }
  [[nodiscard]] cloud::SigningScope scope() const { return {"s3", settings_.endpoint.region}; }
  [[nodiscard]] client::ClientRequest prepare(const ObjectRequest& request) const;
  /// Gives the IAM token that it has put into `request`; empty: it is signed, or anonymous.
  net::Awaitable<Result<std::string>> authorize(client::ClientRequest& request,
                                                gateway::Exchange& exchange) const;
  net::Awaitable<S3Error> error_of(http::Response& response, gateway::Exchange& exchange) const;
  static http::Response kept(http::Response response);

  S3Settings settings_;
  std::string base_;  ///< path up to the key
};

client::ClientRequest S3Store::prepare(const ObjectRequest& request) const {
  client::ClientRequest out;
  out.method = request.head ? "HEAD" : "GET";
  out.origin = settings_.endpoint.url.origin;
  out.path_and_query = base_ + cloud::object_path(request.key);
  out.headers.add(http::FieldId::host, settings_.endpoint.url.authority);
  out.headers.add(http::FieldId::user_agent, "sluice");
  // An object goes on as it is stored, its Content-Encoding with it.
  out.headers.add(http::FieldId::accept_encoding, "identity");
  for (const http::Headers::Field& field : conditions_of(request)) {
    out.headers.add(field.name, field.value);
  }
  return out;
}

net::Awaitable<Result<std::string>> S3Store::authorize(client::ClientRequest& request,
                                                       gateway::Exchange& exchange) const {
  if (settings_.account.empty()) {
    co_return std::string();
  }
  cloud::Credentials& credentials = exchange.services.credentials;
  if (credentials.prefers_static_key(settings_.account)) {
    if (const cloud::StaticKey* key = credentials.static_key(settings_.account)) {
      const cloud::SigningInput input{request.method, request.path_and_query, {}, cloud::empty_payload_hash};
      cloud::sign_headers(input, scope(), cloud::SigningRules::s3(), *key, Clock::real().system(),
                          request.headers);
      co_return std::string();
    }
  }
  Result<std::string> added = co_await add_token(exchange, settings_.account, exchange.deadline,
                                                 &exchange.context.cancel, request.headers);
  co_return added;
}

/// What reaches the client of an answer that is the object, or says that it did not change.
http::Response S3Store::kept(http::Response response) {
  http::Headers passed;
  passed.reserve(response.headers.size(), 512);
  for (const http::Headers::Field& field : response.headers) {
    if (is_object_header(field)) {
      passed.add(field.name, field.value);
    }
  }
  response.headers = std::move(passed);
  return response;
}

/// Reads the error's document.
net::Awaitable<S3Error> S3Store::error_of(http::Response& response, gateway::Exchange& exchange) const {
  std::string document;
  if (auto* bytes = std::get_if<std::string>(&response.body)) {
    document = std::move(*bytes);
  } else if (auto* source = std::get_if<std::unique_ptr<http::BodySource>>(&response.body)) {
    net::Timer limit(
        exchange.context.worker.wheel(),
        [](void* body) noexcept { static_cast<http::BodySource*>(body)->cancel_read(); }, source->get());
    limit.arm(longest_error_document);
    Result<std::string> read = co_await http::read_all(**source, most_error_document);
    limit.disarm();
    if (read) {
      document = std::move(*read);
    }
    source->reset();
  }
  response.body = std::monostate();
  S3Error error{xml_element_text(document, "Code"), describe_s3_error(response.status, document)};
  error.text += " (bucket " + sanitize_utf8(settings_.bucket) + ")";
  co_return error;
}

net::Awaitable<Result<http::Response>> S3Store::get(const ObjectRequest& request,
                                                    gateway::Exchange& exchange) const {
  if (has_dot_segment(request.key)) {
    exchange.context.record.detail = "a key with a . or .. segment is no object's";
    http::Response none;
    none.status = 404;
    co_return none;
  }
  client::ClientRequest call = prepare(request);
  const Result<std::string> token = co_await authorize(call, exchange);
  if (!token) {
    co_return token.error();
  }
  client::CallOptions options;
  options.connect_timeout = settings_.connect_timeout;
  options.read_timeout = settings_.read_timeout;
  options.head_deadline = exchange.deadline;
  options.cancel = &exchange.context.cancel;
  Result<http::Response> response = co_await exchange.services.http_client.send(call, options);
  if (!response) {
    co_return std::move(response).error();
  }
  const int status = response->status;
  if (status == 200 || status == 206 || status == 304) {
    co_return kept(std::move(*response));
  }
  S3Error refusal = co_await error_of(*response, exchange);
  if (!token->empty() && may_be_the_token(status, refusal.code)) {
    exchange.services.credentials.refuse_token(settings_.account, *token);
  }
  std::string told = std::move(refusal.text);
  constexpr int proxy_authentication = 407;
  if (status >= 400 && status < 500 && status != proxy_authentication) {
    exchange.context.record.detail = std::move(told);
    http::Response refused;
    refused.status = status;
    if (const auto range = response->headers.get(http::FieldId::content_range)) {
      refused.headers.add(http::FieldId::content_range, *range);
    }
    co_return refused;
  }
  Error error = upstream_error(ErrorCode::malformed, std::move(told));
  error.slug = "object_storage_failed";
  error.status = 502;
  error.message = "The object storage failed";
  co_return error;
}

net::Awaitable<Result<std::string>> S3Store::presigned_url(std::string_view key,
                                                           gateway::Exchange& exchange) const {
  if (has_dot_segment(key)) {
    co_return downstream_error(ErrorCode::not_found, "object_not_found", "There is no such object", 404);
  }
  const ObjectRequest request{key, false, nullptr};
  const client::ClientRequest call = prepare(request);
  std::string url =
      explain_url(settings_.endpoint.url.origin, settings_.endpoint.url.authority, call.path_and_query);
  if (settings_.account.empty()) {
    co_return url;
  }
  const cloud::StaticKey* static_key = exchange.services.credentials.static_key(settings_.account);
  if (static_key == nullptr) {
    Error error = config_error("the service account " + settings_.account +
                               " has no static key any more: no URL can be presigned");
    error.status = 502;
    error.slug = "credentials_unavailable";
    error.message = "The gateway has no valid credentials for this call";
    co_return error;
  }
  http::Headers headers;
  headers.add(http::FieldId::host, settings_.endpoint.url.authority);
  url.push_back('?');
  url += cloud::presign_query({"GET", call.path_and_query, {}, cloud::unsigned_payload}, scope(),
                              cloud::SigningRules::s3(), *static_key, Clock::real().system(),
                              settings_.presigned_lifetime, headers);
  co_return url;
}

OrderedJson S3Store::explain(const ObjectRequest& request, gateway::Exchange& exchange) const {
  client::ClientRequest call = prepare(request);
  if (!settings_.account.empty()) {
    if (settings_.has_static_key && exchange.services.credentials.prefers_static_key(settings_.account)) {
      call.headers.add(http::FieldId::authorization,
                       "AWS4-HMAC-SHA256 (the static key of " + sanitize_utf8(settings_.account) + ")");
    } else {
      add_token_note(settings_.account, call.headers);
    }
  }
  OrderedJson result = OrderedJson::object();
  result["method"] = call.method;
  result["url"] =
      explain_url(settings_.endpoint.url.origin, settings_.endpoint.url.authority, call.path_and_query);
  result["headers"] = explain_headers(call.headers);
  result["body"] = nullptr;
  return result;
}

}  // namespace

std::shared_ptr<const ObjectStore> make_s3_store(gateway::BuildContext& context, const spec::Node& node,
                                                 const std::string& bucket, const std::string& account) {
  const gateway::Environment& environment = context.environment;
  if (!account.empty() &&
      !check_account(context, node, account, Credential::any,
                     "map the bucket: `buckets: {" + sanitize_utf8(bucket) + ": {directory: …}}`")) {
    return nullptr;
  }
  S3Settings settings;
  settings.bucket = bucket;
  settings.account = account;
  if (const gateway::ServiceAccount* known = environment.account(account)) {
    settings.has_static_key = known->static_key;
  }
  settings.endpoint = environment.endpoints.object_storage;
  settings.presigned_lifetime =
      std::chrono::duration_cast<std::chrono::seconds>(environment.presigned_lifetime);
  settings.connect_timeout = environment.connect_timeout;
  settings.read_timeout = environment.read_timeout;
  const spec::Node* redirect = context.document.get(node, "presigned_redirect");
  if (redirect != nullptr && redirect->kind == spec::NodeKind::boolean && redirect->text == "true" &&
      !account.empty() && !settings.has_static_key) {
    context.diagnostics.warning(context.document.place(redirect->mark), "no-static-key",
                                "`presigned_redirect` needs a static key of the service account " +
                                    sanitize_utf8(account) + ", which has none: the object itself is sent",
                                "add it to the configuration: `service_accounts: {" + sanitize_utf8(account) +
                                    ": {static_key: {id: …, secret: …}}}`");
  }
  return std::make_shared<const S3Store>(std::move(settings));
}

}  // namespace sluice::integrations
