/// A compiled document: what a gateway is at run time. And the snapshot: all gateways of a configuration, the
/// host table, exchanged as a whole by a reload. Immutable, shared by workers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/diagnostics.hpp"
#include "sluice/base/metrics.hpp"
#include "sluice/gateway/integration.hpp"
#include "sluice/gateway/router.hpp"
#include "sluice/net/ip_set.hpp"
#include "sluice/spec/api.hpp"

namespace sluice::gateway {

/// What one operation's requests are counted on; private to the layer.
struct OperationMetrics;

/// An operation ready to run. Immutable, part of its gateway; does not move.
struct Plan {
  OperationInfo info;
  spec::Mark mark;
  std::shared_ptr<const Integration> integration;  ///< nullptr: 501
  /// Why it answers 501: "not_built" (a later step), "no_integration"; empty otherwise. Static storage.
  std::string_view refused_slug;
  std::string refused_what;  ///< what is not built, for explain and the log
  std::shared_ptr<const http::RenderedResponse> constant;
  bool needs_values = false;
  std::shared_ptr<OperationMetrics> metrics;  ///< nullptr: not counted (tools)
};

struct GatewaySettings {
  std::string id;
  spec::LoadOptions load;
  Profile profile = Profile::open;
  Duration timeout = std::chrono::seconds(300);
  std::optional<std::uint64_t> request_body_limit;  ///< limits.request_body; profile cloud: 2.5 MB
  std::optional<std::uint64_t> response_body_limit;
  std::vector<std::string> domains;
};

class Gateway {
 public:
  /// Compiles; nullptr when the document cannot be read at all. With errors in `diagnostics` the result is
  /// for tools only. `metrics` may be nullptr (tools).
  static std::shared_ptr<const Gateway> compile(const GatewaySettings& settings,
                                                const Environment& environment, const IntegrationTable& table,
                                                MetricsRegistry* metrics, Diagnostics& diagnostics);
  virtual ~Gateway() = default;

  [[nodiscard]] virtual const GatewaySettings& settings() const noexcept = 0;
  [[nodiscard]] virtual const spec::Api& api() const noexcept = 0;
  [[nodiscard]] virtual const Router& router() const noexcept = 0;
  /// plan of a Match's (route, operation).
  [[nodiscard]] virtual const Plan& plan(std::size_t route, std::size_t operation) const noexcept = 0;
  [[nodiscard]] virtual const std::vector<RouteInput>& routes() const noexcept = 0;
  /// The plan of a WebSocket upgrade on this path, or nullptr: then it is an ordinary GET.
  [[nodiscard]] virtual const Plan* websocket(const http::CanonicalPath& path) const = 0;
  /// The plan of WebSocket upgrades of a route, or nullptr.
  [[nodiscard]] virtual const Plan* websocket_of(std::size_t route) const noexcept = 0;
  /// Metrics of requests that match no operation; nullptr: not counted.
  [[nodiscard]] virtual const std::shared_ptr<OperationMetrics>& unmatched_metrics() const noexcept = 0;
};

/// Settings that hold for every request whatever its gateway.
struct SnapshotSettings {
  net::IpSet trusted_proxies;
  bool trust_unix = false;             ///< `unix` in trusted_proxies: peers of unix sockets are believed
  std::string service_domain;          ///< empty: none
  MetricsRegistry* metrics = nullptr;  ///< counts requests that reach no gateway; nullptr: not counted
};

/// Immutable, shared by workers; a request that began on one keeps it.
class Snapshot {
 public:
  /// The gateway of a host (host_of_authority): exact, wildcard (one label), "ID.service_domain" and
  /// "ID.localhost", default. nullptr: 404.
  [[nodiscard]] const Gateway* find(std::string_view host) const noexcept;
  [[nodiscard]] const std::vector<std::shared_ptr<const Gateway>>& gateways() const noexcept {
    return gateways_;
  }
  [[nodiscard]] const SnapshotSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  /// Metrics of requests that reach no gateway; nullptr: not counted.
  [[nodiscard]] const std::shared_ptr<OperationMetrics>& unmatched_metrics() const noexcept {
    return unmatched_;
  }

  /// Errors (two gateways with one domain, two defaults, one id twice) were reported by the configuration;
  /// here the first one has it. Domains in any case, with or without final dot.
  static std::shared_ptr<const Snapshot> make(std::vector<std::shared_ptr<const Gateway>> gateways,
                                              SnapshotSettings settings, std::uint64_t version);

 private:
  struct HostHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view host) const noexcept {
      return std::hash<std::string_view>()(host);
    }
  };
  using Hosts = std::unordered_map<std::string, const Gateway*, HostHash, std::equal_to<>>;

  std::vector<std::shared_ptr<const Gateway>> gateways_;
  SnapshotSettings settings_;
  std::uint64_t version_ = 0;
  std::shared_ptr<OperationMetrics> unmatched_;
  Hosts exact_;
  Hosts wildcard_;  ///< "*.shop.example" under "shop.example"
  const Gateway* default_ = nullptr;
  bool only_default_ = false;  ///< one gateway that answers for every host
};

}  // namespace sluice::gateway
