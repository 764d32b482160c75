#include "token_server.hpp"

#include <utility>

#include "sluice/base/codec.hpp"
#include "sluice/base/digest.hpp"
#include "sluice/base/log.hpp"
#include "sluice/base/random.hpp"
#include "sluice/client/cloud/endpoints.hpp"
#include "sluice/http/problem.hpp"

namespace sluice::server {

namespace {

constexpr std::size_t most_connections = 1024;
constexpr std::size_t secret_bytes = 24;

/// Answers as the metadata service of a virtual machine does, below the secret of a process.
class TokenHandler final : public http::Handler {
 public:
  TokenHandler(const TokenServer& server, std::unique_ptr<client::cloud::Credentials> credentials)
      : server_(server), credentials_(std::move(credentials)) {}

  net::Awaitable<http::Response> handle(http::Request& request, http::RequestContext& context) override {
    const std::string_view path = request.raw_path;
    constexpr std::string_view tail = client::cloud::metadata_token_path;
    if (!path.starts_with('/') || !path.ends_with(tail) || path.size() <= tail.size() + 1) {
      co_return http::problem(404, {}, context.request_id);
    }
    const std::string account = server_.account_of(path.substr(1, path.size() - tail.size() - 1));
    if (account.empty()) {
      co_return http::problem(404, {}, context.request_id);
    }
    if (request.method != http::Method::get) {
      http::Response response = http::problem(405, {}, context.request_id);
      response.headers.set("Allow", "GET");
      co_return response;
    }
    // What a process sends on for somebody else has no such field, or has been through a proxy.
    if (request.headers.get("Metadata-Flavor") != "Google" ||
        request.headers.contains(http::FieldId::x_forwarded_for)) {
      co_return http::problem(403, "the request needs the header Metadata-Flavor: Google",
                              context.request_id);
    }
    Result<client::cloud::IamToken> token =
        co_await credentials_->iam_token(account, std::nullopt, &context.cancel);
    if (!token) {
      co_return http::problem(503, "there is no token at the moment; the gateway's log says why",
                              context.request_id);
    }
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(token->left).count();
    http::Response response;
    response.headers.add(http::FieldId::content_type, "application/json");
    response.headers.add(http::FieldId::cache_control, "no-store");
    response.headers.add("Metadata-Flavor", "Google");
    const OrderedJson body = {{"access_token", token->value}, {"expires_in", left}, {"token_type", "Bearer"}};
    response.body = dump_json(body);
    co_return response;
  }

  http::Response refuse(const Error& error, http::RequestContext& context) override {
    return http::problem(error, context.request_id);
  }

  void finished(const http::Request&, http::RequestContext&) noexcept override {}

 private:
  const TokenServer& server_;
  std::unique_ptr<client::cloud::Credentials> credentials_;
};

/// "127.0.0.1:41503/SECRET" without what stands before the slash.
std::string_view secret_of(std::string_view address) {
  const std::size_t slash = address.find('/');
  return slash == std::string_view::npos ? std::string_view() : address.substr(slash + 1);
}

}  // namespace

TokenServer::TokenServer(net::Worker& control, client::cloud::CredentialStore& store)
    : handler_(std::make_unique<TokenHandler>(*this, store.credentials(control))),
      port_(control, *handler_, limits_, most_connections) {}

TokenServer::~TokenServer() = default;

Result<void> TokenServer::open() {
  if (listener_) {
    return {};
  }
  constexpr int backlog = 128;
  auto listener = net::Listener::open(net::ListenAddress{"127.0.0.1", 0, {}, 0600}, 1, backlog, false);
  if (listener.has_error()) {
    return listener.error();
  }
  listener_ = std::move(listener.value());
  port_.open(listener_->take(0));
  const std::string authority = "127.0.0.1:" + std::to_string(listener_->address().port);
  log::debug("token endpoint for local processes", {{"address", authority}});
  const std::lock_guard lock(mutex_);
  authority_ = authority;
  return {};
}

void TokenServer::close() {
  port_.abort();
  listener_.reset();
  const std::lock_guard lock(mutex_);
  authority_.clear();
  grants_.clear();
}

Result<std::string> TokenServer::issue(std::string_view account) {
  std::string secret = hex_encode(secure_random(secret_bytes));
  const std::lock_guard lock(mutex_);
  if (authority_.empty()) {
    return config_error("there is no token endpoint: no service account is configured");
  }
  std::string address = authority_ + "/" + secret;
  std::string digest = sha256(secret);
  grants_.insert_or_assign(std::move(digest), Grant{std::move(secret), std::string(account)});
  return address;
}

void TokenServer::revoke(std::string_view address) noexcept {
  const std::string digest = sha256(secret_of(address));
  const std::lock_guard lock(mutex_);
  grants_.erase(digest);
}

std::string TokenServer::account_of(std::string_view secret) const {
  const std::string digest = sha256(secret);
  const std::lock_guard lock(mutex_);
  const auto found = grants_.find(digest);
  return found != grants_.end() && equal_in_constant_time(found->second.secret, secret)
             ? found->second.account
             : std::string();
}

std::size_t TokenServer::issued() const {
  const std::lock_guard lock(mutex_);
  return grants_.size();
}

}  // namespace sluice::server
