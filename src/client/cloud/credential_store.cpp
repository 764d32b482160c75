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
/// After a token that a service refused was replaced, the next one is not replaced for this long, doubling
/// while that does not help: a refusal may well mean that a role is missing.
constexpr std::chrono::seconds first_replacement_pause{5};
constexpr std::chrono::minutes longest_replacement_pause{5};
/// Refusals that are further apart have nothing to do with one another.
constexpr std::chrono::minutes replacement_memory{15};
/// How long an account that is gone serves processes of an earlier configuration; as long as a request lasts.
constexpr std::chrono::minutes gone_account_life{10};

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
  Account(AccountSettings its_settings, ExchangeSettings its_exchange)
      : settings(std::move(its_settings)), exchange(std::move(its_exchange)) {}

  const AccountSettings settings;
  const ExchangeSettings exchange;

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
  bool retired = false;  ///< no part of the configuration any more: its tokens are not renewed
  net::CancelToken cancel;
  std::vector<std::shared_ptr<Waiting>> waiting;
  unsigned failures = 0;      ///< in a row
  SteadyTime not_before{};    ///< of the next exchange
  unsigned replacements = 0;  ///< of refused tokens, lately
  SteadyTime replaced_at{};   ///< the last of them
  Duration replacement_pause{};
  std::string last_failure;  ///< detail
  std::optional<std::chrono::seconds> told_clock_ahead;
};

using Accounts = std::map<std::string, std::shared_ptr<Account>, std::less<>>;

struct Set final : AccountSet {
  Accounts accounts;
};

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

  std::shared_ptr<const AccountSet> configure(StoreSettings settings) override;
  void stop() override;
  [[nodiscard]] Counts counts() const override;
  std::unique_ptr<Credentials> credentials(net::Worker& worker,
                                           std::shared_ptr<const AccountSet> accounts) override;

  // For the workers' views, from any thread:
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const Set> accounts() const {
    const std::lock_guard lock(mutex_);
    return accounts_;
  }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  void ask(std::shared_ptr<Account> account, std::shared_ptr<Waiting> waiting) {
    net::asio::post(home_.executor(), [this, account = std::move(account), waiting = std::move(waiting)] {
      serve(account, waiting);
    });
  }
  void replace(std::shared_ptr<Account> account, std::string refused) {
    net::asio::post(home_.executor(), [this, account = std::move(account), refused = std::move(refused)] {
      serve_refused(account, refused);
    });
  }

 private:
  void serve(const std::shared_ptr<Account>& account, const std::shared_ptr<Waiting>& waiting);
  void serve_refused(const std::shared_ptr<Account>& account, const std::string& refused);
  void begin_exchange(const std::shared_ptr<Account>& account);
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
  std::unique_ptr<HttpClient> client_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Set> accounts_ = std::make_shared<const Set>();
  std::vector<std::weak_ptr<Account>> retired_;
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> exchanged_{0};
  std::atomic<std::uint64_t> failed_{0};
  bool stopped_ = false;
};

// ---- the store's thread

std::shared_ptr<const AccountSet> Store::configure(StoreSettings settings) {
  const auto old_set = accounts();
  const Accounts& before = old_set->accounts;
  auto set = std::make_shared<Set>();
  Accounts& after = set->accounts;
  const ExchangeSettings exchange{settings.iam, settings.metadata, settings.exchange_timeout};
  const bool same_iam = settings.iam.origin == settings_.iam.origin &&
                        settings.iam.path_and_query == settings_.iam.path_and_query;
  const bool same_metadata = settings.metadata.origin == settings_.metadata.origin &&
                             settings.metadata.path_and_query == settings_.metadata.path_and_query;
  for (const AccountSettings& one : settings.accounts) {
    const auto known = before.find(one.id);
    const bool same_way = one.source == TokenSource::authorized_key ? same_iam
                          : one.source == TokenSource::metadata     ? same_metadata
                                                                    : true;
    if (known != before.end() && same_way && known->second->settings == one &&
        known->second->exchange.timeout == exchange.timeout) {
      after.emplace(one.id, known->second);
      continue;
    }
    auto account = std::make_shared<Account>(one, exchange);
    if (one.source == TokenSource::token) {
      account->publish(std::make_shared<const CurrentToken>(CurrentToken{one.token, std::nullopt}));
    }
    after.emplace(one.id, std::move(account));
  }
  std::erase_if(retired_, [](const std::weak_ptr<Account>& account) { return account.expired(); });
  for (const auto& [id, account] : before) {
    const auto kept = after.find(id);
    if (kept == after.end() || kept->second != account) {
      account->retired = true;
      retired_.push_back(account);
      if (account->waiting.empty()) {
        account->cancel.cancel(net::CancelReason::drain);
      }
    }
  }
  settings_ = std::move(settings);
  ClientSettings client = settings_.client;
  client.idle_timeout = std::min<Duration>(client.idle_timeout, std::chrono::seconds(10));
  if (client_) {
    client_->configure(std::move(client));
  } else if (!after.empty()) {
    client_ = make_http_client(home_, std::move(client));
  }
  {
    const std::lock_guard lock(mutex_);
    accounts_ = set;
  }
  generation_.fetch_add(1, std::memory_order_release);
  return set;
}

void Store::stop() {
  if (stopped_) {
    return;
  }
  stopped_ = true;
  const auto end = [](Account& account) {
    account.retired = true;
    account.cancel.cancel(net::CancelReason::drain);
  };
  for (const auto& [id, account] : accounts()->accounts) {
    end(*account);
  }
  for (const std::weak_ptr<Account>& one : retired_) {
    if (const auto account = one.lock()) {
      end(*account);
    }
  }
  if (client_) {
    client_->close_idle();
  }
}

CredentialStore::Counts Store::counts() const {
  Counts counts;
  counts.exchanged = exchanged_.load(std::memory_order_relaxed);
  counts.failed = failed_.load(std::memory_order_relaxed);
  const auto set = accounts();
  const Accounts& all = set->accounts;
  counts.accounts = all.size();
  const SteadyTime now = clock_.steady();
  counts.valid =
      static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Accounts::value_type& one) {
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
  begin_exchange(account);
}

/// A service refused a token that should hold.
void Store::serve_refused(const std::shared_ptr<Account>& account, const std::string& refused) {
  const SteadyTime now = clock_.steady();
  const auto token = account->current();
  const TokenSource source = account->settings.source;
  const bool renewable = source == TokenSource::authorized_key || source == TokenSource::metadata;
  if (stopped_ || !renewable || token == nullptr || token->value != refused || account->exchanging ||
      now < account->not_before || now < account->replaced_at + account->replacement_pause) {
    return;
  }
  if (now > account->replaced_at + replacement_memory) {
    account->replacements = 0;
  }
  account->replacement_pause = account->replacements == 0 ? Duration(first_replacement_pause)
                                                          : std::min<Duration>(account->replacement_pause * 2,
                                                                               longest_replacement_pause);
  ++account->replacements;
  account->replaced_at = now;
  log::warning("a service refused the IAM token: a new one is taken",
               {{"service_account", account->settings.id}, {"lately", account->replacements}});
  begin_exchange(account);
}

void Store::begin_exchange(const std::shared_ptr<Account>& account) {
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
/// account is no part of the configuration and nobody waits.
net::Awaitable<void> Store::keep_fresh(Store& self, std::shared_ptr<Account> account) {
  for (;;) {
    account->exchanging = true;
    Result<IssuedToken> token = co_await self.exchange(*account);
    if (!token && account->retired && account->cancel.cancelled()) {
      // A renewal that was given up; a request of the account's own time may have come meanwhile.
      if (self.stopped_ || account->waiting.empty()) {
        break;
      }
      account->cancel.reset();
      continue;
    }
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
    if (self.stopped_ || (account->retired && account->waiting.empty())) {
      break;
    }
    account->cancel.reset();
  }
  account->kept_fresh = false;
  account->exchanging = false;
  answer(*account, unavailable("the daemon is stopping"));
}

net::Awaitable<Result<IssuedToken>> Store::exchange(Account& account) {
  switch (account.settings.source) {
    case TokenSource::authorized_key:
      co_return co_await exchange_key(*account.settings.key, account.exchange, *client_, home_, clock_,
                                      account.cancel);
    case TokenSource::metadata:
      co_return co_await ask_metadata(account.settings.id, account.exchange, *client_, home_, clock_,
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
                  {"endpoint", account.exchange.iam.authority},
                  {"seconds_ahead", ahead->count()}});
  }
  account.told_clock_ahead = ahead;
}

void Store::fail(Account& account, const Error& error) {
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
  View(Store& store, net::Worker& worker, const std::shared_ptr<const Set>& accounts)
      : store_(store), worker_(worker), follows_(accounts == nullptr) {
    if (!follows_) {
      take(*accounts);
    }
  }

  net::Awaitable<Result<IamToken>> iam_token(std::string_view account, std::optional<SteadyTime> deadline,
                                             net::CancelToken* cancel) override;
  std::optional<IamToken> cached_token(std::string_view account) override {
    Entry* const entry = find(account);
    return entry == nullptr ? std::nullopt : valid(*entry);
  }
  void refuse_token(std::string_view account, std::string_view refused) override {
    if (const Entry* const entry = find(account)) {
      store_.replace(entry->account, std::string(refused));
    }
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
    std::optional<SteadyTime> gone{};  ///< when it was seen to be no part of the configuration any more
  };

  void take(const Set& accounts);
  Entry* find(std::string_view account);
  std::optional<IamToken> valid(Entry& entry);
  /// Until the store has an answer: true; false when the time is over.
  net::Awaitable<bool> wait(std::shared_ptr<Waiting> waiting, std::optional<SteadyTime> deadline,
                            net::CancelToken* cancel);
  [[nodiscard]] std::optional<IamToken> current(const Account& account) const;

  Store& store_;
  net::Worker& worker_;
  const bool follows_;
  std::uint64_t generation_ = 0;
  std::map<std::string, Entry, std::less<>> entries_;
};

void View::take(const Set& accounts) {
  const SteadyTime now = store_.clock().steady();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool gone = !accounts.accounts.contains(entry->first);
    entry->second.gone = gone ? std::optional(entry->second.gone.value_or(now)) : std::nullopt;
    const bool over = gone && now - *entry->second.gone > gone_account_life;
    entry = over ? entries_.erase(entry) : std::next(entry);
  }
  for (const auto& [id, one] : accounts.accounts) {
    Entry& entry = entries_[id];
    if (entry.account != one) {
      entry = Entry{one, 0, nullptr};
    }
  }
}

View::Entry* View::find(std::string_view account) {
  if (follows_) {
    if (const std::uint64_t now = store_.generation(); now != generation_) {
      generation_ = now;
      take(*store_.accounts());
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
  const std::shared_ptr<Account> home = entry->account;
  const auto waiting = std::make_shared<Waiting>(worker_.executor());
  store_.ask(home, waiting);
  const bool answered = co_await wait(waiting, deadline, cancel);
  if (!answered) {
    co_return upstream_error(ErrorCode::deadline, "no IAM token for the service account " +
                                                      home->settings.id + " in the time of the request");
  }
  if (waiting->failed) {
    co_return *waiting->failed;
  }
  if (auto token = current(*home)) {
    co_return std::move(*token);
  }
  co_return upstream_error(ErrorCode::cancelled, "nobody waits for the IAM token any more");
}

net::Awaitable<bool> View::wait(std::shared_ptr<Waiting> waiting, std::optional<SteadyTime> deadline,
                                net::CancelToken* cancel) {
  // Longer than any exchange; nobody waits forever even where no deadline is given.
  constexpr std::chrono::minutes longest_wait{5};
  std::optional<net::CancelHook> hook;
  if (cancel != nullptr) {
    hook.emplace(
        *cancel,
        [](void* wake) noexcept {
          static_cast<net::CancelToken*>(wake)->cancel(net::CancelReason::client_gone);
        },
        &waiting->wake);
  }
  const SteadyTime now = store_.clock().steady();
  const Duration time = deadline ? std::min<Duration>(*deadline - now, longest_wait) : longest_wait;
  const bool slept = co_await worker_.wheel().sleep(std::max(time, Duration(0)), &waiting->wake);
  co_return !slept;
}

std::optional<IamToken> View::current(const Account& account) const {
  const auto token = account.current();
  const SteadyTime now = store_.clock().steady();
  if (token == nullptr || !is_valid(*token, now)) {
    return std::nullopt;
  }
  return IamToken{token->value, token->ends ? *token->ends - now : Duration(unknown_life)};
}

std::unique_ptr<Credentials> Store::credentials(net::Worker& worker,
                                                std::shared_ptr<const AccountSet> accounts) {
  return std::make_unique<View>(*this, worker, std::dynamic_pointer_cast<const Set>(std::move(accounts)));
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
