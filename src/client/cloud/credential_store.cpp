// The accounts with their tokens, and the workers' views of them.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "sluice/base/log.hpp"
#include "sluice/base/random.hpp"
#include "sluice/client/cloud/credentials.hpp"

#include "client/cloud/errors.hpp"
#include "client/cloud/token_exchange.hpp"

namespace sluice::client::cloud {
namespace {

/// The cloud's own advice: take a new token every hour, though one lives for twelve.
constexpr std::chrono::hours longest_use{1};
constexpr std::chrono::milliseconds shortest_refresh{200};
constexpr std::chrono::milliseconds first_backoff{500};
constexpr std::chrono::seconds longest_backoff{30};
/// A token is not handed out in its very last moments: it has a way to go.
constexpr std::chrono::seconds last_moments{1};
/// What `expires_in` says of a token that nobody knows the end of.
constexpr std::chrono::hours unknown_life{1};

/// A token in force. Immutable, shared by threads.
struct CurrentToken {
  std::string value;
  std::optional<SteadyTime> ends;  ///< nullopt: nobody knows
};

/// Somebody who waits for a token, on a thread of their own.
struct Waiting {
  explicit Waiting(net::Executor its_home) : home(its_home) {}
  net::Executor home;
  // On that thread only:
  net::CancelToken wake;
  std::optional<Error> failed;
};

/// An account. The first part is for all threads, the second for the store's.
struct Account {
  explicit Account(AccountSettings its_settings) : settings(std::move(its_settings)) {}

  const AccountSettings settings;

  [[nodiscard]] std::shared_ptr<const CurrentToken> current() const {
    const std::lock_guard lock(mutex);
    return token;
  }
  void publish(std::shared_ptr<const CurrentToken> fresh) {
    {
      const std::lock_guard lock(mutex);
      token = std::move(fresh);
    }
    version.fetch_add(1, std::memory_order_release);
  }

  std::atomic<std::uint64_t> version{0};  ///< of `token`
  mutable std::mutex mutex;
  std::shared_ptr<const CurrentToken> token;

  // The store's thread:
  bool kept_fresh = false;  ///< its loop runs
  bool exchanging = false;
  bool retired = false;  ///< no part of the configuration any more
  net::CancelToken cancel;
  std::vector<std::shared_ptr<Waiting>> waiting;
  unsigned failures = 0;     ///< in a row
  SteadyTime not_before{};   ///< of the next exchange
  std::string last_failure;  ///< detail
  std::optional<std::chrono::seconds> told_clock_ahead;
};

using Accounts = std::map<std::string, std::shared_ptr<Account>, std::less<>>;

bool is_valid(const CurrentToken& token, SteadyTime now) {
  return !token.ends || now < *token.ends;
}

Duration backoff_after(unsigned failures) {
  Duration time = first_backoff;
  for (unsigned count = 1; count < failures && time < longest_backoff; ++count) {
    time *= 2;
  }
  time = std::min<Duration>(time, longest_backoff);
  // A fifth up or down, so that many daemons do not come back together.
  return time * static_cast<Duration::rep>(80 + fast_random() % 41) / 100;
}

class Store final : public CredentialStore {
 public:
  Store(net::Worker& home, const Clock& clock) : home_(home), clock_(clock) {}
  ~Store() override { stop(); }

  void configure(StoreSettings settings) override;
  void stop() override;
  [[nodiscard]] Counts counts() const override;
  std::unique_ptr<Credentials> credentials(net::Worker& worker) override;

  // For the workers' views, from any thread:
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const Accounts> accounts() const {
    const std::lock_guard lock(mutex_);
    return accounts_;
  }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  void ask(std::shared_ptr<Account> account, std::shared_ptr<Waiting> waiting) {
    net::asio::post(home_.executor(), [this, account = std::move(account), waiting = std::move(waiting)] {
      serve(account, waiting);
    });
  }

 private:
  void serve(const std::shared_ptr<Account>& account, const std::shared_ptr<Waiting>& waiting);
  static net::Awaitable<void> keep_fresh(Store& self, std::shared_ptr<Account> account);
  net::Awaitable<Result<IssuedToken>> exchange(Account& account);
  Duration take(Account& account, IssuedToken token);
  void tell_clock(Account& account, const std::optional<std::chrono::seconds>& ahead) const;
  void fail(Account& account, const Error& error);
  static void answer(Account& account, const std::optional<Error>& failed);
  static void answer(const std::shared_ptr<Waiting>& waiting, const std::optional<Error>& failed);

  net::Worker& home_;
  const Clock& clock_;
  StoreSettings settings_;
  ExchangeSettings exchange_;
  std::unique_ptr<HttpClient> client_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Accounts> accounts_ = std::make_shared<const Accounts>();
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> exchanged_{0};
  std::atomic<std::uint64_t> failed_{0};
  bool stopped_ = false;
};

// ---- the store's thread

void Store::configure(StoreSettings settings) {
  const auto before = accounts();
  auto after = std::make_shared<Accounts>();
  const bool same_iam = settings.iam.origin == settings_.iam.origin &&
                        settings.iam.path_and_query == settings_.iam.path_and_query;
  const bool same_metadata = settings.metadata.origin == settings_.metadata.origin &&
                             settings.metadata.path_and_query == settings_.metadata.path_and_query;
  for (const AccountSettings& one : settings.accounts) {
    const auto known = before->find(one.id);
    const bool same_way = one.source == TokenSource::authorized_key ? same_iam
                          : one.source == TokenSource::metadata     ? same_metadata
                                                                    : true;
    if (known != before->end() && same_way && known->second->settings == one) {
      after->emplace(one.id, known->second);
      continue;
    }
    auto account = std::make_shared<Account>(one);
    if (one.source == TokenSource::token) {
      account->publish(std::make_shared<const CurrentToken>(CurrentToken{one.token, std::nullopt}));
    }
    after->emplace(one.id, std::move(account));
  }
  for (const auto& [id, account] : *before) {
    const auto kept = after->find(id);
    if (kept == after->end() || kept->second != account) {
      account->retired = true;
      account->cancel.cancel(net::CancelReason::drain);
    }
  }
  settings_ = std::move(settings);
  exchange_ = {settings_.iam, settings_.metadata, settings_.exchange_timeout};
  ClientSettings client = settings_.client;
  client.idle_timeout = std::min<Duration>(client.idle_timeout, std::chrono::seconds(10));
  if (client_) {
    client_->configure(std::move(client));
  } else if (!after->empty()) {
    client_ = make_http_client(home_, std::move(client));
  }
  {
    const std::lock_guard lock(mutex_);
    accounts_ = std::move(after);
  }
  generation_.fetch_add(1, std::memory_order_release);
}

void Store::stop() {
  if (stopped_) {
    return;
  }
  stopped_ = true;
  for (const auto& [id, account] : *accounts()) {
    account->retired = true;
    account->cancel.cancel(net::CancelReason::drain);
  }
  if (client_) {
    client_->close_idle();
  }
}

CredentialStore::Counts Store::counts() const {
  Counts counts;
  counts.exchanged = exchanged_.load(std::memory_order_relaxed);
  counts.failed = failed_.load(std::memory_order_relaxed);
  const auto all = accounts();
  counts.accounts = all->size();
  const SteadyTime now = clock_.steady();
  counts.valid =
      static_cast<std::size_t>(std::count_if(all->begin(), all->end(), [&](const Accounts::value_type& one) {
        const auto token = one.second->current();
        return token != nullptr && is_valid(*token, now);
      }));
  return counts;
}

/// Somebody found no valid token.
void Store::serve(const std::shared_ptr<Account>& account, const std::shared_ptr<Waiting>& waiting) {
  const SteadyTime now = clock_.steady();
  if (const auto token = account->current(); token != nullptr && is_valid(*token, now)) {
    answer(waiting, std::nullopt);
    return;
  }
  if (stopped_) {
    answer(waiting, unavailable("the daemon is stopping"));
    return;
  }
  if (account->exchanging) {
    account->waiting.push_back(waiting);
    return;
  }
  if (now < account->not_before) {
    answer(waiting, unavailable(account->last_failure));
    return;
  }
  account->waiting.push_back(waiting);
  account->exchanging = true;
  if (!account->kept_fresh) {
    account->kept_fresh = true;
    net::asio::co_spawn(home_.executor(), keep_fresh(*this, account), net::asio::detached);
  } else {
    // The loop sleeps between two attempts, and its time has come.
    account->cancel.cancel(net::CancelReason::deadline);
  }
}

/// Takes a first token, and a new one well before it ends; ends when there is none any more, or when the
/// account is no part of the configuration.
net::Awaitable<void> Store::keep_fresh(Store& self, std::shared_ptr<Account> account) {
  while (!account->retired) {
    account->exchanging = true;
    Result<IssuedToken> token = co_await self.exchange(*account);
    account->exchanging = false;
    Duration pause{};
    if (token) {
      pause = self.take(*account, std::move(*token));
      answer(*account, std::nullopt);
    } else {
      self.fail(*account, token.error());
      answer(*account, unavailable(account->last_failure));
      const auto old = account->current();
      if (old == nullptr || !is_valid(*old, self.clock_.steady())) {
        break;
      }
      pause = account->not_before - self.clock_.steady();
    }
    if (account->retired) {
      break;
    }
    account->cancel.reset();
    co_await self.home_.wheel().sleep(pause, &account->cancel);
    if (!account->retired) {
      account->cancel.reset();
    }
    if (self.stopped_) {
      break;
    }
  }
  account->kept_fresh = false;
  account->exchanging = false;
  answer(*account, unavailable("the service account " + account->settings.id +
                               " is no part of the configuration any more"));
}

net::Awaitable<Result<IssuedToken>> Store::exchange(Account& account) {
  switch (account.settings.source) {
    case TokenSource::authorized_key:
      co_return co_await exchange_key(*account.settings.key, exchange_, *client_, home_, clock_,
                                      account.cancel);
    case TokenSource::metadata:
      co_return co_await ask_metadata(account.settings.id, exchange_, *client_, home_, clock_,
                                      account.cancel);
    case TokenSource::token:
    case TokenSource::none:
      break;
  }
  co_return unavailable("the service account " + account.settings.id +
                        " has a static key only, and this call needs an IAM token: give it an "
                        "`authorized_key`, a `token` or `metadata: true`");
}

/// Puts it in force; gives the time until the next exchange.
Duration Store::take(Account& account, IssuedToken token) {
  const SteadyTime now = clock_.steady();
  const Duration margin = std::min<Duration>(last_moments, token.life / 20);
  account.publish(
      std::make_shared<const CurrentToken>(CurrentToken{std::move(token.value), now + token.life - margin}));
  exchanged_.fetch_add(1, std::memory_order_relaxed);
  if (account.failures != 0) {
    log::info("IAM tokens are had again", {{"service_account", account.settings.id}});
  }
  account.failures = 0;
  account.not_before = {};
  account.last_failure.clear();
  tell_clock(account, token.clock_ahead);
  log::debug("IAM token taken",
             {{"service_account", account.settings.id}, {"expires", format_rfc3339(token.ends)}});
  const Duration half = token.life / 2;
  return std::max<Duration>(std::min<Duration>(half, longest_use), shortest_refresh);
}

void Store::tell_clock(Account& account, const std::optional<std::chrono::seconds>& ahead) const {
  if (ahead && !account.told_clock_ahead) {
    log::warning("this machine's clock differs from that of the IAM service: set it right (NTP)",
                 {{"service_account", account.settings.id},
                  {"endpoint", settings_.iam.authority},
                  {"seconds_ahead", ahead->count()}});
  }
  account.told_clock_ahead = ahead;
}

void Store::fail(Account& account, const Error& error) {
  if (account.retired) {
    account.last_failure = "the service account " + account.settings.id + " was reconfigured meanwhile";
    return;
  }
  failed_.fetch_add(1, std::memory_order_relaxed);
  ++account.failures;
  account.last_failure = error.detail;
  const SteadyTime now = clock_.steady();
  account.not_before = now + backoff_after(account.failures);
  const auto old = account.current();
  if (old != nullptr && old->ends && is_valid(*old, now)) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(*old->ends - now).count();
    log::warning(
        "the IAM token could not be refreshed; the old one serves until it ends",
        {{"service_account", account.settings.id}, {"reason", error.detail}, {"seconds_left", left}});
  } else {
    log::error("no IAM token", {{"service_account", account.settings.id}, {"reason", error.detail}});
  }
}

void Store::answer(Account& account, const std::optional<Error>& failed) {
  for (const std::shared_ptr<Waiting>& waiting : std::exchange(account.waiting, {})) {
    answer(waiting, failed);
  }
}

void Store::answer(const std::shared_ptr<Waiting>& waiting, const std::optional<Error>& failed) {
  net::asio::post(waiting->home, [waiting, failed] {
    waiting->failed = failed;
    waiting->wake.cancel(net::CancelReason::drain);
  });
}

// ---- a worker's view

class View final : public Credentials {
 public:
  View(Store& store, net::Worker& worker) : store_(store), worker_(worker) {}

  net::Awaitable<Result<IamToken>> iam_token(std::string_view account, std::optional<SteadyTime> deadline,
                                             net::CancelToken* cancel) override;
  std::optional<IamToken> cached_token(std::string_view account) override {
    Entry* const entry = find(account);
    return entry == nullptr ? std::nullopt : valid(*entry);
  }
  const StaticKey* static_key(std::string_view account) override {
    const Entry* const entry = find(account);
    return entry != nullptr && entry->account->settings.static_key ? &*entry->account->settings.static_key
                                                                   : nullptr;
  }
  bool prefers_static_key(std::string_view account) override {
    const Entry* const entry = find(account);
    if (entry == nullptr || !entry->account->settings.static_key) {
      return false;
    }
    const AccountSettings& settings = entry->account->settings;
    return settings.source == TokenSource::none || settings.prefer_static_key;
  }

 private:
  struct Entry {
    std::shared_ptr<Account> account;
    std::uint64_t version = 0;
    std::shared_ptr<const CurrentToken> token;
  };

  Entry* find(std::string_view account);
  std::optional<IamToken> valid(Entry& entry);

  Store& store_;
  net::Worker& worker_;
  std::uint64_t generation_ = 0;
  std::map<std::string, Entry, std::less<>> entries_;
};

View::Entry* View::find(std::string_view account) {
  if (const std::uint64_t now = store_.generation(); now != generation_) {
    generation_ = now;
    entries_.clear();
    for (const auto& [id, one] : *store_.accounts()) {
      entries_.emplace(id, Entry{one, 0, nullptr});
    }
  }
  const auto found = entries_.find(account);
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<IamToken> View::valid(Entry& entry) {
  if (const std::uint64_t now = entry.account->version.load(std::memory_order_acquire);
      now != entry.version) {
    entry.version = now;
    entry.token = entry.account->current();
  }
  if (entry.token == nullptr) {
    return std::nullopt;
  }
  if (!entry.token->ends) {
    return IamToken{entry.token->value, unknown_life};
  }
  const SteadyTime now = store_.clock().steady();
  return is_valid(*entry.token, now) ? std::optional(IamToken{entry.token->value, *entry.token->ends - now})
                                     : std::nullopt;
}

net::Awaitable<Result<IamToken>> View::iam_token(std::string_view account, std::optional<SteadyTime> deadline,
                                                 net::CancelToken* cancel) {
  Entry* const entry = find(account);
  if (entry == nullptr) {
    co_return unknown_account(account);
  }
  if (auto token = valid(*entry)) {
    co_return std::move(*token);
  }
  // Longer than any exchange; nobody waits forever even where no deadline is given.
  constexpr std::chrono::minutes longest_wait{5};
  const std::shared_ptr<Account> home = entry->account;
  const auto waiting = std::make_shared<Waiting>(worker_.executor());
  std::optional<net::CancelHook> hook;
  if (cancel != nullptr) {
    hook.emplace(
        *cancel,
        [](void* wake) noexcept {
          static_cast<net::CancelToken*>(wake)->cancel(net::CancelReason::client_gone);
        },
        &waiting->wake);
  }
  store_.ask(home, waiting);
  const SteadyTime now = store_.clock().steady();
  const Duration time = deadline ? std::min<Duration>(*deadline - now, longest_wait) : longest_wait;
  const bool slept = co_await worker_.wheel().sleep(std::max(time, Duration(0)), &waiting->wake);
  hook.reset();
  if (slept) {
    co_return upstream_error(ErrorCode::deadline, "no IAM token for the service account " +
                                                      home->settings.id + " in the time of the request");
  }
  if (waiting->failed) {
    co_return *waiting->failed;
  }
  const auto token = home->current();
  const SteadyTime then = store_.clock().steady();
  if (token == nullptr || !is_valid(*token, then)) {
    co_return upstream_error(ErrorCode::cancelled, "nobody waits for the IAM token any more");
  }
  co_return IamToken{token->value, token->ends ? *token->ends - then : Duration(unknown_life)};
}

std::unique_ptr<Credentials> Store::credentials(net::Worker& worker) {
  return std::make_unique<View>(*this, worker);
}

}  // namespace

bool AccountSettings::operator==(const AccountSettings& other) const {
  const bool same_key = (key == nullptr) == (other.key == nullptr) &&
                        (key == nullptr || key == other.key || key->same_as(*other.key));
  return same_key && id == other.id && source == other.source && token == other.token &&
         static_key == other.static_key && prefer_static_key == other.prefer_static_key;
}

std::unique_ptr<CredentialStore> make_credential_store(net::Worker& home, const Clock& clock) {
  return std::make_unique<Store>(home, clock);
}

}  // namespace sluice::client::cloud
