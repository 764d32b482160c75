/// What the daemon counts besides requests: connections, TLS, pools, reloads. Names are part of the
/// contract with dashboards: docs/operations.md lists them.
#pragma once

#include <cstdint>

#include "sluice/base/metrics.hpp"

namespace sluice::server {

/// Children are made once; counting is a plain store in the worker's shard.
struct DaemonMetrics {
  explicit DaemonMetrics(MetricsRegistry& registry);
  MetricsRegistry& registry;
  Level& connections;
  Counter& accepted;
  Counter& refused;
  Counter& accept_errors;
  Counter& tls12;
  Counter& tls13;
  Counter& tls_failed;
  Counter& upstream_opened;
  Counter& upstream_reused;
  Counter& upstream_retried;
  Level& upstream_idle;
  Level& upstream_busy;
  Level& upstream_waiting;
  Counter& reloads_ok;
  Counter& reloads_failed;
  Counter& log_dropped;
};

}  // namespace sluice::server
