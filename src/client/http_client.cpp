#include "sluice/client/http_client.hpp"

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <utility>

#include "sluice/net/resolver.hpp"

#include "client/connector.hpp"
#include "client/exchange.hpp"
#include "client/pool.hpp"

namespace sluice::client {

namespace {

// Pools without a connection are forgotten when there are more than this: hosts can come from parameters.
constexpr std::size_t pools_kept = 1024;
// An idle connection that a call that may not be repeated is put on is asked again whether it still stands,
// unless it was used just now.
constexpr Duration fresh_enough = std::chrono::milliseconds(100);

struct PoolKey {
  const Origin* origin;
  bool public_only;
};

struct PoolHash {
  using is_transparent = void;
  std::size_t operator()(const PoolKey& key) const noexcept {
    return std::hash<std::string_view>()(key.origin->host) ^
           ((std::size_t{key.origin->port} << 3U) | (static_cast<std::size_t>(key.origin->scheme) << 1U) |
            (key.public_only ? 1U : 0U));
  }
  std::size_t operator()(const std::unique_ptr<Pool>& pool) const noexcept {
    return (*this)(PoolKey{&pool->origin(), pool->public_only()});
  }
};

struct PoolEqual {
  using is_transparent = void;
  static PoolKey key(const PoolKey& key) noexcept { return key; }
  static PoolKey key(const std::unique_ptr<Pool>& pool) noexcept {
    return {&pool->origin(), pool->public_only()};
  }
  template <class Left, class Right>
  bool operator()(const Left& left, const Right& right) const noexcept {
    const PoolKey first = key(left);
    const PoolKey second = key(right);
    return first.public_only == second.public_only && *first.origin == *second.origin;
  }
};

std::string authority_of(const Origin& origin) {
  if (origin.scheme == Origin::Scheme::unix_socket) {
    return "localhost";
  }
  std::string authority = origin.host.find(':') == std::string::npos ? origin.host : "[" + origin.host + "]";
  if (origin.port != (origin.scheme == Origin::Scheme::https ? 443 : 80)) {
    authority += ":" + std::to_string(origin.port);
  }
  return authority;
}

class Client final : public HttpClient {
 public:
  Client(net::Worker& worker, ClientSettings settings)
      : worker_(worker), settings_(std::move(settings)), resolver_(worker), shared_{worker, resolver_} {}

  net::Awaitable<Result<http::Response>> send(ClientRequest& request, const CallOptions& options,
                                              CallRecord* record) override;
  void configure(ClientSettings settings) override;
  void close_idle() noexcept override;
  [[nodiscard]] PoolCounts counts() const noexcept override { return counts_; }

 private:
  Pool& pool_for(const Origin& origin, bool public_only);
  [[nodiscard]] UpstreamTls tls_files(const Origin& origin) const;
  ConnectionPtr take_idle(Pool& pool, bool idempotent);

  net::Worker& worker_;
  ClientSettings settings_;
  net::Resolver resolver_;
  ConnectorShared shared_;
  PoolCounts counts_;
  std::unordered_set<std::unique_ptr<Pool>, PoolHash, PoolEqual> pools_;
  Pool* last_pool_ = nullptr;  // most workers have few upstreams
  std::string scratch_;
};

UpstreamTls Client::tls_files(const Origin& origin) const {
  for (const auto& [its_origin, tls] : settings_.upstreams) {
    if (its_origin == origin) {
      return tls;
    }
  }
  return {};
}

Pool& Client::pool_for(const Origin& origin, bool public_only) {
  if (last_pool_ != nullptr && last_pool_->public_only() == public_only && last_pool_->origin() == origin) {
    return *last_pool_;
  }
  auto at = pools_.find(PoolKey{&origin, public_only});
  if (at == pools_.end()) {
    if (pools_.size() >= pools_kept) {
      std::erase_if(pools_, [](const std::unique_ptr<Pool>& pool) { return pool->unused(); });
    }
    auto pool =
        std::make_unique<Pool>(shared_, settings_, counts_, origin, public_only, authority_of(origin));
    pool->renew(make_tls_settings(tls_files(origin)));
    at = pools_.insert(std::move(pool)).first;
  }
  last_pool_ = at->get();
  return *last_pool_;
}

ConnectionPtr Client::take_idle(Pool& pool, bool idempotent) {
  for (;;) {
    ConnectionPtr connection = pool.take_idle();
    if (connection == nullptr || idempotent || connection->idle_time() < fresh_enough ||
        !connection->peer_has_closed()) {
      return connection;
    }
    pool.discard(std::move(connection));
  }
}

net::Awaitable<Result<http::Response>> Client::send(ClientRequest& request, const CallOptions& options,
                                                    CallRecord* record) {
  if (options.cancel != nullptr && options.cancel->cancelled()) {
    co_return upstream_error(ErrorCode::cancelled, "the request was given up");
  }
  Pool& pool = pool_for(request.origin, options.public_addresses_only);
  const http::Method method = http::parse_method(request.method);
  const bool idempotent = http::is_idempotent(method);
  Call call{request,          options,
            method,           RequestBody(request, method, settings_.kept_body),
            pool.authority(), {std::min(settings_.header_bytes, worker_.buffers().buffer_size()), 256}};
  bool fresh_only = false;
  bool sent_before = false;
  std::optional<SteadyTime> retry_until;
  for (unsigned attempts = 1;; ++attempts) {
    const SteadyTime started = record == nullptr ? SteadyTime{} : Clock::real().steady();
    ConnectionPtr connection = fresh_only ? nullptr : take_idle(pool, idempotent);
    if (connection == nullptr) {
      Result<ConnectionPtr> acquired = co_await pool.acquire(
          {options.connect_timeout, options.head_deadline, options.cancel}, !fresh_only);
      if (acquired.has_error()) {
        co_return std::move(acquired).error();
      }
      connection = std::move(*acquired);
    }
    const bool reused = connection->reused();
    const bool kept = connection->kept();
    counts_.reused += reused ? 1U : 0U;
    if (record != nullptr) {
      record->attempts = attempts;
      record->reused_connection = reused;
      record->connect_time += Clock::real().steady() - started;
    }
    Attempt attempt;
    http::Response response;
    Result<void> done =
        co_await exchange(call, ConnectionLease(pool, std::move(connection)), scratch_, attempt, response);
    if (record != nullptr) {
      record->head_time = Clock::real().steady() - started - record->connect_time;
    }
    if (done.has_value()) {
      co_return std::move(response);
    }
    if (done.error().code != ErrorCode::closed) {
      co_return std::move(done).error();
    }
    if (kept) {
      pool.on_break();
    }
    // backends.md, "Retries": what was never sent may be sent by any method, within the time for connects;
    // what was, once more at most, and only where the peer is known to have dropped an old connection: this
    // one, or others at the same moment.
    const bool may_be_stale = reused && !attempt.answered;
    bool again = !attempt.answered && !sent_before && idempotent && call.body.can_rewind();
    if (again && attempt.sent && !reused) {
      again = co_await pool.broke_with_others(options.cancel);
    }
    if (!attempt.sent) {
      const SteadyTime now = Clock::real().steady();
      retry_until = retry_until.value_or(now + settings_.connect_retry);
      again = call.body.can_resume() && (attempts == 1 || now < *retry_until);
    }
    if (!again) {
      Error error = std::move(done).error();
      error.retry = may_be_stale ? Retry::reused_only : Retry::no;
      co_return error;
    }
    if (attempt.sent) {
      sent_before = true;
      call.body.rewind();
    }
    ++counts_.retried;
    fresh_only = true;
  }
}

void Client::configure(ClientSettings settings) {
  settings_ = std::move(settings);
  resolver_.clear_cache();
  for (const std::unique_ptr<Pool>& pool : pools_) {
    TlsSettings tls = make_tls_settings(tls_files(pool->origin()));
    if (!same_tls(tls, pool->tls())) {
      pool->renew(std::move(tls));
    }
  }
}

void Client::close_idle() noexcept {
  for (const std::unique_ptr<Pool>& pool : pools_) {
    pool->close_idle();
  }
}

}  // namespace

std::unique_ptr<HttpClient> make_http_client(net::Worker& worker, ClientSettings settings) {
  return std::make_unique<Client>(worker, std::move(settings));
}

}  // namespace sluice::client
