/// Counters of one operation, resolved once: a request that ends costs a few stores.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/metrics.hpp"

namespace sluice::gateway {

/// Labels of sluice_http_requests_total and sluice_http_request_duration_seconds.
struct RequestLabels {
  std::string gateway;
  std::string path;  ///< template; empty where none matched
  std::string operation;
  std::string release;
};

/// Children are made in the registry when they are first counted on, so that ten thousand operations that
/// nobody calls cost nothing. Each shard's part is touched by its worker alone.
struct OperationMetrics {
 public:
  /// nullptr without a registry.
  static std::shared_ptr<OperationMetrics> make(MetricsRegistry* registry, RequestLabels labels,
                                                std::string integration_type);
  OperationMetrics(MetricsRegistry& registry, RequestLabels labels, std::string integration_type);

  void began(std::size_t shard) noexcept { in_flight_->add(shard, 1); }
  void ended(std::size_t shard, int status, double seconds);
  void integration_ended(std::size_t shard, double seconds);
  void integration_failed(std::size_t shard, std::string_view slug);

 private:
  struct Shard {
    Histogram* duration = nullptr;
    Histogram* integration_duration = nullptr;
    std::vector<std::pair<int, Counter*>> codes;
    std::vector<std::pair<std::string_view, Counter*>> errors;  ///< slugs have static storage
  };
  Shard& shard_at(std::size_t shard);

  MetricsRegistry& registry_;
  RequestLabels labels_;
  std::string integration_type_;
  Level* in_flight_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace sluice::gateway
