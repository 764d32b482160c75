/// Who the daemon is to the cloud's services: IAM tokens and static keys of service accounts.
/// backends.md, "IAM tokens".
///
/// A CredentialStore holds the accounts of the configuration and one cached token for each of them, for the
/// whole daemon; it lives on one thread. Each worker has a Credentials that reads the store's tokens without
/// waiting, and waits where there is none yet.
///
/// Each version of the configuration has a set of accounts of its own, so that requests finish with the
/// credentials of the version that they started on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/client/cloud/authorized_key.hpp"
#include "sluice/client/cloud/sigv4.hpp"
#include "sluice/client/http_client.hpp"
#include "sluice/net/awaitable.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::client::cloud {

/// A token as it is handed on.
struct IamToken {
  std::string value;
  Duration left{};  ///< of its life; an hour for tokens whose end nobody knows
};

/// A worker's view of the accounts. Single-threaded.
class Credentials {
 public:
  Credentials() = default;
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;
  virtual ~Credentials() = default;

  /// A valid IAM token of the account. Waits only where no valid one is cached: until `deadline` (Error
  /// deadline, 504) or `cancel` (cancelled). Errors else (status 502, slug "credentials_unavailable"): the
  /// account is unknown or has no way to a token, the exchange refused or could not be reached; `detail`
  /// tells the operator what to do, and holds no secret.
  virtual net::Awaitable<Result<IamToken>> iam_token(std::string_view account,
                                                     std::optional<SteadyTime> deadline,
                                                     net::CancelToken* cancel) = 0;
  /// The same without waiting; nullopt where iam_token() would wait or fail.
  virtual std::optional<IamToken> cached_token(std::string_view account) = 0;
  /// A service did not take `refused` (401, 403), which may have been revoked before its end: a new one is
  /// taken, once for all who say so, and seldom where that does not help. Until then the old one serves.
  virtual void refuse_token(std::string_view account, std::string_view refused) = 0;
  /// nullptr: the account has none, or is unknown. Valid until the caller waits for anything.
  virtual const StaticKey* static_key(std::string_view account) = 0;
  /// Whether the services that take both get the static key: it is the account's only way, or what it
  /// prefers.
  virtual bool prefers_static_key(std::string_view account) = 0;

  /// iam_token() for an Authorization header.
  net::Awaitable<Result<std::string>> token(std::string_view account, std::optional<SteadyTime> deadline,
                                            net::CancelToken* cancel);
};

/// Knows no account: what `serve --spec`, `explain` and tests use. Thread-safe, lives forever.
Credentials& no_credentials();

/// How an account gets its IAM tokens.
enum class TokenSource : std::uint8_t { none, authorized_key, token, metadata };

/// A service account of the configuration.
struct AccountSettings {
  std::string id;
  TokenSource source = TokenSource::none;
  std::shared_ptr<const AuthorizedKey> key;  ///< of source authorized_key
  std::string token;                         ///< of source token
  std::optional<StaticKey> static_key;
  bool prefer_static_key = false;
  [[nodiscard]] bool operator==(const AccountSettings& other) const;
};

struct StoreSettings {
  std::vector<AccountSettings> accounts;
  Url iam;       ///< services.iam.endpoint: the exchange
  Url metadata;  ///< services.metadata.endpoint
  ClientSettings client;
  Duration exchange_timeout =
      std::chrono::seconds(10);  ///< limits.token_timeout: one exchange, connect to end
};

/// The accounts of one version of the configuration. Immutable but for their tokens, shared by threads.
class AccountSet {
 public:
  AccountSet() = default;
  AccountSet(const AccountSet&) = delete;
  AccountSet& operator=(const AccountSet&) = delete;
  virtual ~AccountSet() = default;
};

/// The accounts and their tokens. Made, configured and destroyed on the thread of `home`, whose loop runs the
/// exchanges; everything that other threads do with it goes through make_credentials(). It outlives them.
class CredentialStore {
 public:
  CredentialStore() = default;
  CredentialStore(const CredentialStore&) = delete;
  CredentialStore& operator=(const CredentialStore&) = delete;
  virtual ~CredentialStore() = default;

  /// Replaces the accounts; those that did not change keep their tokens. Earlier sets stay good for who holds
  /// them: a token that is still wanted of them is taken, and not renewed.
  virtual std::shared_ptr<const AccountSet> configure(StoreSettings settings) = 0;
  /// Ends what waits and refreshes; on the way out.
  virtual void stop() = 0;

  /// Since the start, for metrics: exchanges that gave a token, that failed, and tokens that are valid now.
  struct Counts {
    std::uint64_t exchanged = 0;
    std::uint64_t failed = 0;
    std::size_t accounts = 0;
    std::size_t valid = 0;
  };
  /// Thread-safe.
  [[nodiscard]] virtual Counts counts() const = 0;
  /// The view of a worker (or of `home` itself) on `accounts`, which configure() has given. nullptr: on those
  /// in force at any time; accounts that are gone stay in it for a while, for processes of an earlier
  /// version.
  virtual std::unique_ptr<Credentials> credentials(net::Worker& worker,
                                                   std::shared_ptr<const AccountSet> accounts = nullptr) = 0;
};

/// `clock` gives the time that tokens are judged by.
std::unique_ptr<CredentialStore> make_credential_store(net::Worker& home, const Clock& clock = Clock::real());

}  // namespace sluice::client::cloud
