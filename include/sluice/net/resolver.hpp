/// Host names to addresses, through c-ares on the worker's io_context: never blocks the worker. The hosts
/// file comes first, then DNS (A and AAAA at once); answers are kept for as long as their TTL says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/clock.hpp"
#include "sluice/base/result.hpp"
#include "sluice/net/awaitable.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/ip_set.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::net {

/// Immutable and shared by all who asked for the same name; IPv6 and IPv4 alternate, IPv6 first (RFC 8305
/// section 4).
using Addresses = std::shared_ptr<const std::vector<IpAddress>>;

struct ResolverSettings {
  std::string servers;                               ///< "host[:port],…"; empty: those of resolv.conf
  std::string resolv_conf = "/etc/resolv.conf";      ///< read again when it changes
  std::string hosts_file = "/etc/hosts";             ///< read again when it changes; empty: none
  Duration query_timeout = std::chrono::seconds(1);  ///< of the first try; later ones wait longer
  unsigned tries = 3;                                ///< a server
  Duration max_ttl = std::chrono::hours(1);
  Duration negative_ttl = std::chrono::seconds(5);  ///< "no such name"
  Duration failure_ttl = std::chrono::seconds(1);   ///< no server answered
  /// How long one family waits for the other once it has addresses (RFC 8305 section 3).
  Duration resolution_delay = std::chrono::milliseconds(50);
  std::size_t max_entries = 4096;  ///< names kept, lookups under way included
};

/// Single-threaded: one a worker. Must outlive the coroutines that wait in it.
class Resolver {
 public:
  explicit Resolver(Worker& worker, ResolverSettings settings = {});
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  /// IP literals (without brackets), "localhost" and "*.localhost" (RFC 6761: loopback) need no lookup. One
  /// lookup a name is under way, however many ask. Errors: resolve_failed (source upstream), overloaded
  /// (`max_entries` lookups under way), cancelled; deadline when `deadline` passes first. A lookup that
  /// nobody waits for any more still fills the cache.
  Awaitable<Result<Addresses>> resolve(std::string_view name, SteadyTime deadline,
                                       CancelToken* cancel = nullptr);
  /// What needs no waiting: literals, localhost, the hosts file, the cache; nullptr otherwise.
  Addresses find(std::string_view name);
  /// Forgets what was looked up.
  void clear_cache();

  struct Counts {
    std::size_t entries = 0;
    std::size_t pending = 0;
    std::uint64_t hits = 0;
    std::uint64_t lookups = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] Counts counts() const noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// The order in which addresses are tried: IPv6 and IPv4 alternate, IPv6 first, each family's order kept.
std::vector<IpAddress> interleave_families(const std::vector<IpAddress>& addresses);

}  // namespace sluice::net
