#include "daemon_metrics.hpp"

namespace sluice::server {

namespace {

Counter& handshakes(MetricsRegistry& registry, const char* version, const char* result) {
  return registry.counter("sluice_tls_handshakes_total", "TLS handshakes with clients.",
                          {"version", "result"}, {version, result});
}

Level& pooled(MetricsRegistry& registry, const char* state) {
  return registry.level("sluice_upstream_connections", "Connections to upstreams.", {"state"}, {state});
}

Counter& reloads(MetricsRegistry& registry, const char* result) {
  return registry.counter("sluice_reloads_total", "Reloads of the configuration.", {"result"}, {result});
}

}  // namespace

DaemonMetrics::DaemonMetrics(MetricsRegistry& its_registry)
    : registry(its_registry),
      connections(registry.level("sluice_connections", "Open client connections.")),
      accepted(registry.counter("sluice_connections_accepted_total", "Client connections taken.")),
      refused(registry.counter("sluice_connections_refused_total",
                               "Client connections beyond limits.connections, answered 503.")),
      accept_errors(registry.counter("sluice_accept_errors_total", "Failures to take a connection.")),
      tls12(handshakes(registry, "TLSv1.2", "ok")),
      tls13(handshakes(registry, "TLSv1.3", "ok")),
      tls_failed(handshakes(registry, "", "failed")),
      upstream_opened(registry.counter("sluice_upstream_connections_opened_total",
                                       "Connections to upstreams that were opened.")),
      upstream_reused(registry.counter("sluice_upstream_connections_reused_total",
                                       "Calls on a connection that was there already.")),
      upstream_retried(registry.counter("sluice_upstream_retries_total", "Calls that were tried again.")),
      upstream_idle(pooled(registry, "idle")),
      upstream_busy(pooled(registry, "busy")),
      upstream_waiting(registry.level("sluice_upstream_waiting", "Calls that wait for a connection.")),
      reloads_ok(reloads(registry, "ok")),
      reloads_failed(reloads(registry, "failed")),
      log_dropped(registry.counter("sluice_log_lines_dropped_total", "Log lines that were not written.")) {}

}  // namespace sluice::server
