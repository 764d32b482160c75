#include "gateway/operation_metrics.hpp"

namespace sluice::gateway {

std::shared_ptr<OperationMetrics> OperationMetrics::make(MetricsRegistry* registry, RequestLabels labels,
                                                         std::string integration_type) {
  if (registry == nullptr) {
    return nullptr;
  }
  return std::make_shared<OperationMetrics>(*registry, std::move(labels), std::move(integration_type));
}

OperationMetrics::OperationMetrics(MetricsRegistry& registry, RequestLabels labels,
                                   std::string integration_type)
    : registry_(registry),
      labels_(std::move(labels)),
      integration_type_(std::move(integration_type)),
      in_flight_(&registry.level("sluice_http_requests_in_flight", "Requests that are being answered.",
                                 {"gateway"}, {labels_.gateway})),
      shards_(registry.shards()) {}

OperationMetrics::Shard& OperationMetrics::shard_at(std::size_t shard) {
  std::unique_ptr<Shard>& mine = shards_[shard];
  if (!mine) {
    mine = std::make_unique<Shard>();
  }
  return *mine;
}

void OperationMetrics::ended(std::size_t shard, int status, double seconds) {
  in_flight_->add(shard, -1);
  Shard& mine = shard_at(shard);
  if (mine.duration == nullptr) {
    mine.duration = &registry_.histogram("sluice_http_request_duration_seconds",
                                         "Time from a request's head to the last byte of its answer.",
                                         {"gateway", "path", "operation", "release"},
                                         {labels_.gateway, labels_.path, labels_.operation, labels_.release});
  }
  mine.duration->observe(shard, seconds);
  for (const auto& [code, counter] : mine.codes) {
    if (code == status) {
      counter->add(shard);
      return;
    }
  }
  Counter& counter = registry_.counter(
      "sluice_http_requests_total", "Requests answered.", {"gateway", "path", "operation", "release", "code"},
      {labels_.gateway, labels_.path, labels_.operation, labels_.release, std::to_string(status)});
  mine.codes.emplace_back(status, &counter);
  counter.add(shard);
}

void OperationMetrics::integration_ended(std::size_t shard, double seconds) {
  Shard& mine = shard_at(shard);
  if (mine.integration_duration == nullptr) {
    mine.integration_duration = &registry_.histogram("sluice_integration_duration_seconds",
                                                     "Time that an integration took until its answer's head.",
                                                     {"type"}, {integration_type_});
  }
  mine.integration_duration->observe(shard, seconds);
}

void OperationMetrics::integration_failed(std::size_t shard, std::string_view slug) {
  Shard& mine = shard_at(shard);
  for (const auto& [known, counter] : mine.errors) {
    if (known == slug) {
      counter->add(shard);
      return;
    }
  }
  Counter& counter = registry_.counter("sluice_integration_errors_total", "Integration calls that failed.",
                                       {"type", "slug"}, {integration_type_, std::string(slug)});
  mine.errors.emplace_back(slug, &counter);
  counter.add(shard);
}

}  // namespace sluice::gateway
